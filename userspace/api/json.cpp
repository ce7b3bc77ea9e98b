// SPDX-License-Identifier: Apache-2.0
#include "userspace/api/json.hpp"

#include <fmt/format.h>

#include <array>

namespace vipd::api {
namespace {

Json counters_json(const std::vector<ipc::Counter>& counters) {
    Json json = Json::object();
    for (const auto& counter : counters) json[counter.name] = counter.value;
    return json;
}

Json packets_json(const dataplane::PacketCounters& counters) {
    return {{"packets", counters.packets},
            {"bytes", counters.bytes},
            {"connections", counters.connections},
            {"reply_packets", counters.reply_packets},
            {"reply_bytes", counters.reply_bytes}};
}

Json rates_json(const control::Rates& rates) {
    return {{"packets", rates.packets}, {"bytes", rates.bytes}, {"connections", rates.connections}};
}

Json process_json(const control::ProcessStatus& process) {
    return {{"role", process.role},
            {"state", process.state},
            {"pid", process.pid},
            {"restarts", process.restarts}};
}

Json instance_json(const control::InstanceStatus& instance) {
    const auto& report = instance.report;
    return {{"name", report.instance},
            {"interface", report.interface},
            {"vrid", report.vrid},
            {"version", report.version},
            {"state", state_name(report.state)},
            {"in_state_ms", instance.in_state.count()},
            {"base_priority", report.base_priority},
            {"priority", report.priority},
            {"master", report.master ? Json(report.master.to_string()) : Json()},
            {"master_priority", report.master_priority},
            {"advert_interval_ms", report.advert_interval_ms},
            {"sync_group", instance.sync_group},
            {"fault", report.fault},
            {"vips", report.vips},
            {"counters", counters_json(report.counters)}};
}

Json script_json(const control::TrackScriptStatus& script) {
    return {{"name", script.name},
            {"state",
             !script.known ? "unknown"
             : script.up   ? "up"
                           : "down"},
            {"detail", script.detail}};
}

Json bfd_json(const control::BfdStatus& bfd) {
    static constexpr std::array<std::string_view, 4> kStates = {"admin_down", "down", "init", "up"};
    const auto& report = bfd.report;
    return {{"name", report.session},
            {"neighbour", report.neighbour.to_string()},
            {"multihop", report.multihop},
            {"state", report.state < kStates.size() ? kStates[report.state] : "?"},
            {"diagnostic", report.diagnostic},
            {"in_state_ms", bfd.in_state.count()},
            {"counters", counters_json(report.counters)}};
}

Json next_hop_json(const control::RealStatus& real) {
    if (!real.next_hop) return {};
    const auto& hop = *real.next_hop;
    Json json = {{"interface", real.interface},
                 {"mac", vipd::to_string(hop.destination)},
                 {"source_mac", vipd::to_string(hop.source)},
                 {"mtu", hop.mtu}};
    if (hop.tunnel_source) json["tunnel_source"] = hop.tunnel_source.to_string();
    return json;
}

/// null without a tunnel.
Json tunnel_json(const control::RealStatus& real) {
    if (real.method != model::Method::Tunnel) return {};
    const auto& tunnel = real.tunnel;
    Json json = {{"type", to_string(tunnel.type)}};
    if (tunnel.type == Tunnel::Type::Gue) json["port"] = tunnel.port;
    if (tunnel.type != Tunnel::Type::Ipip) json["checksum"] = to_string(tunnel.checksum);
    return json;
}

/// The one word that the state of a real server comes down to.
std::string_view real_state(const control::RealStatus& real) {
    if (!real.known) return "checking";
    if (real.inhibited) return "inhibited";
    if (!real.alive) return "down";
    return real.effective_weight == 0 ? "drained" : "up";
}

Json real_json(const control::RealStatus& real) {
    return {{"address", real.endpoint.address.to_string()},
            {"port", real.endpoint.port},
            {"method", model::to_string(real.method)},
            {"tunnel", tunnel_json(real)},
            {"weight", real.weight},
            {"effective_weight", real.effective_weight},
            {"state", real_state(real)},
            {"alive", real.alive},
            {"known", real.known},
            {"sorry", real.sorry},
            {"live", real.live},
            {"reason", real.reason},
            {"upper_threshold", real.upper_threshold},
            {"lower_threshold", real.lower_threshold},
            {"active", real.active},
            {"inactive", real.inactive},
            {"counters", packets_json(real.counters)},
            {"zeroed", packets_json(real.zeroed)},
            {"rates", rates_json(real.rates)},
            {"next_hop", next_hop_json(real)}};
}

Json service_json(const control::ServiceStatus& service) {
    Json reals = Json::array();
    for (const auto& real : service.reals) reals.push_back(real_json(real));
    return {{"address", service.key.endpoint.address.to_string()},
            {"port", service.key.endpoint.port},
            {"protocol", to_string(service.key.protocol)},
            {"fwmark", service.mark},
            {"group", service.group},
            {"persistence_timeout", service.persistence.count()},
            {"persistence_granularity", service.granularity},
            {"scheduler", model::to_string(service.scheduler)},
            {"method", model::to_string(service.method)},
            {"quorum", service.quorum},
            {"quorum_up", service.quorum_up},
            {"sorry_active", service.sorry_active},
            {"hash_port", service.hash_port},
            {"hash_fallback", service.hash_fallback},
            {"live", service.live},
            {"counters", packets_json(service.counters)},
            {"zeroed", packets_json(service.zeroed)},
            {"rates", rates_json(service.rates)},
            {"reals", std::move(reals)}};
}

Json peer_json(const control::SyncPeerStatus& peer) {
    return {{"address", peer.address.to_string()},
            {"connected", peer.connected},
            {"synced", peer.synced},
            {"snapshot", peer.snapshot},
            {"progress", peer.progress ? Json(*peer.progress) : Json(nullptr)},
            {"flows_sent", peer.flows_sent},
            {"flows_received", peer.flows_received},
            {"lag_ms", peer.lag.count()},
            {"last_error", peer.last_error},
            {"counters", counters_json(peer.counters)}};
}

template <class Duration>
Json count_json(const std::optional<Duration>& duration) {
    return duration ? Json(duration->count()) : Json(nullptr);
}

Json checkpoint_json(const control::CheckpointStatus& checkpoint) {
    if (checkpoint.path.empty()) return nullptr;
    return {{"path", checkpoint.path},
            {"saved", checkpoint.saved},
            {"flows", checkpoint.flows},
            {"restored", checkpoint.restored},
            {"failures", checkpoint.failures},
            {"problem", checkpoint.problem}};
}

Json drain_json(const control::DrainStatus& drain) {
    return {{"target", drain.target},
            {"since", drain.since},
            {"limit", drain.limit},
            {"connections", drain.connections ? Json(*drain.connections) : Json(nullptr)},
            {"state", drain.state},
            {"took_ms", count_json(drain.took)}};
}

Json failover_json(const control::FailoverStatus& failover) {
    return {{"instance", failover.instance},
            {"at", failover.at},
            {"reason", failover.reason},
            {"detection_us", count_json(failover.detection)},
            {"announcement_us", count_json(failover.announcement)},
            {"core_us", count_json(failover.core)}};
}

Json ipvs_json(const std::optional<control::IpvsSyncStatus>& ipvs) {
    if (!ipvs) return nullptr;
    return {{"interface", ipvs->interface},
            {"sync_id", ipvs->sync_id},
            {"version", ipvs->version},
            {"master", ipvs->master},
            {"backup", ipvs->backup},
            {"problem", ipvs->problem},
            {"counters", counters_json(ipvs->counters)}};
}

/// A list of things as a JSON array; never null, also when empty.
template <class List, class ToJson>
Json array_json(const List& list, ToJson to) {
    Json json = Json::array();
    for (const auto& item : list) json.push_back(to(item));
    return json;
}

Json reload_json(const control::ReloadStatus& reload) {
    if (reload.when == 0) return {};
    return {{"when", reload.when},
            {"ok", reload.ok},
            {"reason", reload.reason},
            {"confirm_by", reload.confirm_by == 0 ? Json() : Json(reload.confirm_by)}};
}

Json verdicts_json(const std::vector<control::VerdictStatus>& verdicts) {
    Json json = Json::object();
    for (const auto& verdict : verdicts)
        json[verdict.name] = {{"packets", verdict.packets}, {"bytes", verdict.bytes}};
    return json;
}

Json interface_json(const control::InterfaceStatus& interface) {
    return {{"name", interface.name},
            {"index", interface.ifindex},
            {"mode", interface.native ? "native" : "generic"},
            {"adopted", interface.adopted}};
}

}  // namespace

std::string_view state_name(ipc::VrrpState state) {
    switch (state) {
        case ipc::VrrpState::Init:
            return "INIT";
        case ipc::VrrpState::Backup:
            return "BACKUP";
        case ipc::VrrpState::Master:
            return "MASTER";
        case ipc::VrrpState::Fault:
            return "FAULT";
    }
    return "UNKNOWN";
}

Json to_json(const control::ReloadPlan& plan) {
    Json steps = Json::array();
    for (const auto& step : plan.steps)
        steps.push_back({{"what", to_string(step.what)},
                         {"object", step.object},
                         {"name", step.name},
                         {"details", step.details},
                         {"moved_share", step.moved ? Json(*step.moved) : Json()}});
    return {{"steps", std::move(steps)},
            {"warnings", plan.warnings},
            {"open_connections", plan.open_connections},
            {"running_out", plan.running_out},
            {"cut_off", plan.cut_off}};
}

Json to_json(const control::Status& status) {
    return {{"version", status.version},
            {"node", status.node},
            {"instance", status.instance},
            {"net_namespace", status.namespace_},
            {"pid", status.pid},
            {"started", status.started},
            {"uptime_ms", status.uptime.count()},
            {"config",
             {{"file", status.config_file},
              {"generation", status.config_generation},
              {"last_reload", reload_json(status.last_reload)}}},
            {"warnings", status.warnings},
            {"processes", array_json(status.processes, process_json)},
            {"instances", array_json(status.instances, instance_json)},
            {"track_scripts", array_json(status.track_scripts, script_json)},
            {"bfd", array_json(status.bfd, bfd_json)},
            {"services", array_json(status.services, service_json)},
            {"sync",
             {{"enabled", status.sync.enabled},
              {"gate_ms", count_json(status.sync.gate)},
              {"peers", array_json(status.sync.peers, peer_json)},
              {"counters", counters_json(status.sync.counters)},
              {"ipvs", ipvs_json(status.sync.ipvs)}}},
            {"checkpoint", checkpoint_json(status.checkpoint)},
            {"drains", array_json(status.drains, drain_json)},
            {"failovers", array_json(status.failovers, failover_json)},
            {"timeouts",
             {{"tcp", status.timeouts[0]},
              {"tcpfin", status.timeouts[1]},
              {"udp", status.timeouts[2]}}},
            {"flow_table", {{"slots", status.table.slots}, {"used", status.table.used}}},
            {"lease",
             {{"enabled", status.lease.enabled},
              {"held", status.lease.held},
              {"remaining_ms",
               status.lease.remaining ? Json(status.lease.remaining->count()) : Json()}}},
            {"interfaces", array_json(status.interfaces, interface_json)},
            {"verdicts", verdicts_json(status.verdicts)},
            {"counters", counters_json(status.counters)}};
}

std::string flow_text(const dataplane::Flow& flow) {
    // None of these can hold what JSON would have to escape.
    return fmt::format(
        R"({{"protocol":"{}","client":"{}","vip":"{}","real":"{}","state":"{}","template":{},"synced":{},"idle_ms":{}}})",
        to_string(flow.protocol),
        flow.client.to_string(),
        flow.vip.to_string(),
        flow.real.to_string(),
        // ipvsadm's word for it.
        flow.is_template ? "ASSURED" : dataplane::to_string(flow.state),
        flow.is_template,
        flow.synced,
        flow.idle.count());
}

std::string to_text(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string error_text(std::string_view message) {
    return to_text({{"error", message}}) + "\n";
}

}  // namespace vipd::api
