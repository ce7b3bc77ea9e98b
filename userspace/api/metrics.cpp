// SPDX-License-Identifier: Apache-2.0
#include "userspace/api/metrics.hpp"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <string>
#include <utility>

namespace vipd::api {
namespace {

double seconds(Millis time) {
    return std::chrono::duration<double>(time).count();
}

void write_daemon(Exposition& out, const control::Status& status) {
    out.family("vipd_info", "gauge", "Always 1; what runs here is in the labels.");
    out.sample(
        {{"version", status.version}, {"node", status.node}, {"instance_name", status.instance}},
        std::uint64_t{1});
    out.family("vipd_start_time_seconds", "gauge", "When the daemon was started (Unix time).");
    out.sample({}, static_cast<double>(status.started));
    out.family("vipd_config_generation", "gauge", "Configurations accepted since the start.");
    out.sample({}, std::uint64_t{status.config_generation});
    out.family("vipd_config_last_reload_successful",
               "gauge",
               "1 unless the last reload was refused; what ran before still runs then.");
    out.flag({}, status.last_reload.ok);
    out.family("vipd_config_last_reload_timestamp_seconds",
               "gauge",
               "When the configuration was last read again (Unix time); 0: never.");
    out.sample({}, static_cast<double>(status.last_reload.when));
    out.family("vipd_warnings", "gauge", "Warnings that hold now; vipctl status shows them.");
    out.sample({}, std::uint64_t{status.warnings.size()});

    out.family("vipd_process_up", "gauge", "1 while the process of this role runs.");
    for (const auto& process : status.processes)
        out.flag({{"role", process.role}}, process.state == "running");
    out.family("vipd_process_restarts_total", "counter", "Restarts of a role that had ended.");
    for (const auto& process : status.processes)
        out.sample({{"role", process.role}}, process.restarts);

    out.family("vipd_core_events_total", "counter", "Counters of the core process, by name.");
    for (const auto& counter : status.counters)
        out.sample({{"event", counter.name}}, counter.value);
}

void write_instances(Exposition& out, const control::Status& status) {
    out.family("vipd_instance_state",
               "gauge",
               "VRRP state of the instance: 0 INIT, 1 BACKUP, 2 MASTER, 3 FAULT.");
    for (const auto& [report, in_state, group] : status.instances) {
        const auto vrid = std::to_string(report.vrid);
        out.sample(
            {{"vrrp_instance", report.instance}, {"interface", report.interface}, {"vrid", vrid}},
            static_cast<std::uint64_t>(report.state));
    }
    out.family("vipd_instance_state_age_seconds", "gauge", "Time since the last transition.");
    for (const auto& instance : status.instances)
        out.sample({{"vrrp_instance", instance.report.instance}}, seconds(instance.in_state));
    out.family("vipd_instance_priority", "gauge", "Effective priority of this node.");
    for (const auto& instance : status.instances)
        out.sample({{"vrrp_instance", instance.report.instance}},
                   std::uint64_t{instance.report.priority});
    out.family("vipd_instance_master_priority", "gauge", "Priority that the master advertises.");
    for (const auto& instance : status.instances)
        out.sample({{"vrrp_instance", instance.report.instance}},
                   std::uint64_t{instance.report.master_priority});
    out.family("vipd_instance_events_total",
               "counter",
               "VRRP counters of the instance, by name (adverts, transitions, rejects).");
    for (const auto& instance : status.instances)
        for (const auto& counter : instance.report.counters)
            out.sample({{"vrrp_instance", instance.report.instance}, {"event", counter.name}},
                       counter.value);
    out.family("vipd_track_script_up", "gauge", "1 if the tracked script last said up.");
    for (const auto& script : status.track_scripts)
        out.flag({{"script", script.name}}, script.known && script.up);
}

void write_bfd(Exposition& out, const control::Status& status) {
    out.family("vipd_bfd_up", "gauge", "1 while the BFD session is up.");
    for (const auto& bfd : status.bfd)
        out.flag({{"session", bfd.report.session}}, bfd.report.state == 3);
    out.family("vipd_bfd_events_total",
               "counter",
               "Counters of the BFD session, by name (packets, changes, rejects).");
    for (const auto& bfd : status.bfd)
        for (const auto& counter : bfd.report.counters)
            out.sample({{"session", bfd.report.session}, {"event", counter.name}}, counter.value);
}

/// One family with one sample per service.
template <class Value>
void per_service(Exposition& out,
                 const control::Status& status,
                 std::string_view name,
                 std::string_view type,
                 std::string_view help,
                 Value value) {
    out.family(name, type, help);
    for (const auto& service : status.services)
        out.sample({{"service", service.key.to_string()}}, value(service));
}

/// One family with one sample per real server of each service.
template <class Value>
void per_real(Exposition& out,
              const control::Status& status,
              std::string_view name,
              std::string_view type,
              std::string_view help,
              Value value) {
    out.family(name, type, help);
    for (const auto& service : status.services) {
        const auto key = service.key.to_string();
        for (const auto& real : service.reals)
            out.sample({{"service", key},
                        {"real", real.endpoint.to_string()},
                        {"role", real.sorry ? "sorry" : "real"}},
                       value(real));
    }
}

void write_services(Exposition& out, const control::Status& status) {
    using Service = control::ServiceStatus;
    using Real = control::RealStatus;
    const auto service = [&](auto... args) { per_service(out, status, args...); };
    const auto real = [&](auto... args) { per_real(out, status, args...); };
    const auto one = [](bool value) { return std::uint64_t{value ? 1U : 0U}; };

    service("vipd_service_packets_total",
            "counter",
            "Packets forwarded for the service.",
            [](const Service& s) { return s.counters.packets; });
    service("vipd_service_bytes_total",
            "counter",
            "Bytes forwarded for the service.",
            [](const Service& s) { return s.counters.bytes; });
    service("vipd_service_connections_total",
            "counter",
            "Connections that began here.",
            [](const Service& s) { return s.counters.connections; });
    service("vipd_service_quorum_up",
            "gauge",
            "1 while enough real servers are up.",
            [&](const Service& s) { return one(s.quorum_up); });
    service("vipd_service_sorry_active",
            "gauge",
            "1 while the sorry server stands in.",
            [&](const Service& s) { return one(s.sorry_active); });

    real("vipd_real_packets_total",
         "counter",
         "Packets sent to the real server.",
         [](const Real& r) { return r.counters.packets; });
    real("vipd_real_bytes_total", "counter", "Bytes sent to the real server.", [](const Real& r) {
        return r.counters.bytes;
    });
    real("vipd_real_connections_total",
         "counter",
         "Connections given to the real server.",
         [](const Real& r) { return r.counters.connections; });
    real("vipd_real_up",
         "gauge",
         "1 while the real server is in the forwarding table.",
         [&](const Real& r) { return one(r.alive); });
    real("vipd_real_weight", "gauge", "Effective weight.", [](const Real& r) {
        return std::uint64_t{r.effective_weight};
    });
    real("vipd_real_active_connections", "gauge", "Established connections.", [](const Real& r) {
        return r.active;
    });
    real("vipd_real_inactive_connections",
         "gauge",
         "Connections that are opening or closing.",
         [](const Real& r) { return r.inactive; });
    real("vipd_real_resolved",
         "gauge",
         "1 if the way to the real server (its MAC address) is known.",
         [&](const Real& r) { return one(r.next_hop.has_value()); });
}

void write_sync(Exposition& out, const control::Status& status) {
    const auto& peers = status.sync.peers;
    out.family("vipd_sync_enabled", "gauge", "1 if connection synchronisation is configured.");
    out.flag({}, status.sync.enabled);
    out.family("vipd_sync_peer_connected", "gauge", "1 while the session with the peer stands.");
    for (const auto& peer : peers) out.flag({{"peer", peer.address.to_string()}}, peer.connected);
    out.family("vipd_sync_peer_synced", "gauge", "1 while the peer's connections are all held.");
    for (const auto& peer : peers) out.flag({{"peer", peer.address.to_string()}}, peer.synced);
    out.family("vipd_sync_peer_lag_seconds", "gauge", "Age of the oldest unacknowledged change.");
    for (const auto& peer : peers)
        out.sample({{"peer", peer.address.to_string()}}, seconds(peer.lag));
    out.family("vipd_sync_peer_flows_sent_total", "counter", "Flow records sent to the peer.");
    for (const auto& peer : peers)
        out.sample({{"peer", peer.address.to_string()}}, peer.flows_sent);
    out.family("vipd_sync_peer_flows_received_total", "counter", "Flow records from the peer.");
    for (const auto& peer : peers)
        out.sample({{"peer", peer.address.to_string()}}, peer.flows_received);
    out.family("vipd_sync_peer_events_total", "counter", "Sync counters of the peer, by name.");
    for (const auto& peer : peers)
        for (const auto& counter : peer.counters)
            out.sample({{"peer", peer.address.to_string()}, {"event", counter.name}},
                       counter.value);
    out.family("vipd_sync_events_total", "counter", "Sync counters that belong to no peer.");
    for (const auto& counter : status.sync.counters)
        out.sample({{"event", counter.name}}, counter.value);
}

void write_failovers(Exposition& out, const control::Status& status) {
    out.family("vipd_failovers_total", "counter", "Times that an instance has become MASTER.");
    out.sample({}, status.failover_count);
    // The last one of each instance, by step; what is not known is left out.
    std::map<std::string, const control::FailoverStatus*> last;
    for (const auto& failover : status.failovers) last[failover.instance] = &failover;
    out.family("vipd_failover_step_seconds",
               "gauge",
               "Time of a step when the instance last became MASTER.");
    for (const auto& [instance, failover] : last)
        for (const auto& [step, took] : {std::pair("detection", failover->detection),
                                         std::pair("announcement", failover->announcement),
                                         std::pair("core", failover->core)})
            if (took)
                out.sample({{"vrrp_instance", instance}, {"step", step}},
                           std::chrono::duration<double>(*took).count());
}

void write_state(Exposition& out, const control::Status& status) {
    out.family("vipd_drain_connections", "gauge", "Connections left of what is being drained.");
    for (const auto& drain : status.drains)
        if (drain.connections) out.sample({{"target", drain.target}}, *drain.connections);
    if (status.checkpoint.path.empty()) return;
    out.family("vipd_checkpoint_saved_seconds", "gauge", "When the checkpoint was last written.");
    out.sample({}, static_cast<double>(status.checkpoint.saved));
    out.family("vipd_checkpoint_flows", "gauge", "Connections in the checkpoint.");
    out.sample({}, status.checkpoint.flows);
    out.family("vipd_checkpoint_failures_total", "counter", "Checkpoints that were not written.");
    out.sample({}, status.checkpoint.failures);
}

void write_ipvs_sync(Exposition& out, const control::Status& status) {
    if (!status.sync.ipvs) return;
    const auto& ipvs = *status.sync.ipvs;
    out.family("vipd_ipvs_sync_running", "gauge", "1 if this part of lvs_sync_daemon runs.");
    out.flag({{"part", "master"}}, ipvs.master);
    out.flag({{"part", "backup"}}, ipvs.backup);
    out.family("vipd_ipvs_sync_events_total", "counter", "Counters of lvs_sync_daemon, by name.");
    for (const auto& counter : ipvs.counters) out.sample({{"event", counter.name}}, counter.value);
}

void write_dataplane(Exposition& out, const control::Status& status) {
    out.family("vipd_verdict_packets_total", "counter", "Packets by the XDP program's verdict.");
    for (const auto& verdict : status.verdicts)
        out.sample({{"verdict", verdict.name}}, verdict.packets);
    out.family("vipd_verdict_bytes_total", "counter", "Bytes by the XDP program's verdict.");
    for (const auto& verdict : status.verdicts)
        out.sample({{"verdict", verdict.name}}, verdict.bytes);
    out.family("vipd_flow_table_slots", "gauge", "Slots of the flow table.");
    out.sample({}, status.table.slots);
    out.family("vipd_flow_table_used", "gauge", "Slots in use as of the last sweep.");
    out.sample({}, status.table.used);
    out.family("vipd_lease_held", "gauge", "1 while this node may answer for its VIPs.");
    out.flag({}, status.lease.held || !status.lease.enabled);
    out.family("vipd_interface_native",
               "gauge",
               "1 if XDP runs in the driver on the interface, 0 if generic (slow).");
    for (const auto& interface : status.interfaces)
        out.flag({{"interface", interface.name}}, interface.native);
}

}  // namespace

std::string escape_label(std::string_view value) {
    std::string out;
    out.reserve(value.size());
    for (const char c : value) {
        switch (c) {
            case '\\':
                out += "\\\\";
                break;
            case '"':
                out += "\\\"";
                break;
            case '\n':
                out += "\\n";
                break;
            default:
                out += c;
        }
    }
    return out;
}

void Exposition::family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    seen_.clear();
    text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void Exposition::sample(Labels labels, std::uint64_t value) {
    line(labels, fmt::format("{}", value));
}

void Exposition::sample(Labels labels, double value) {
    line(labels, std::isfinite(value) ? fmt::format("{}", value) : std::string("NaN"));
}

void Exposition::line(Labels labels, std::string_view value) {
    std::string series = name_;
    char open = '{';
    for (const auto& [key, text] : labels) {
        series += fmt::format("{}{}=\"{}\"", open, key, escape_label(text));
        open = ',';
    }
    if (open == ',') series += '}';
    if (!seen_.insert(series).second) return;
    text_ += series;
    text_ += ' ';
    text_ += value;
    text_ += '\n';
}

void write_metrics(Exposition& out, const control::Status& status) {
    write_daemon(out, status);
    write_instances(out, status);
    write_bfd(out, status);
    write_services(out, status);
    write_sync(out, status);
    write_ipvs_sync(out, status);
    write_failovers(out, status);
    write_state(out, status);
    write_dataplane(out, status);
}

}  // namespace vipd::api
