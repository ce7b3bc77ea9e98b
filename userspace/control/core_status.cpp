// SPDX-License-Identifier: Apache-2.0
// Core's answer to status(): everything it and its parts know, gathered.
#include "userspace/control/core.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <sys/mman.h>

namespace vipd::control {

namespace {

ProcessStatus process_status(const RoleProcess& process, bool ready) {
    return {process.role(),
            process.pid() <= 0 ? "waiting"
            : ready            ? "running"
                               : "starting",
            process.pid(),
            process.restarts()};
}

SyncStatus sync_status(const sync::SyncDaemon* daemon) {
    SyncStatus status;
    if (daemon == nullptr) return status;
    status.enabled = true;
    const auto stats = daemon->stats();
    status.counters = {{"unknown_address", stats.unknown_address},
                       {"changes_left_out", stats.changes_left_out}};
    for (const auto& peer : stats.peers) {
        SyncPeerStatus entry;
        entry.address = {peer.address, daemon->port()};
        entry.connected = peer.out_connected && peer.in_connected;
        entry.synced = peer.in_synced;
        entry.snapshot = peer.in_in_snapshot                 ? "receiving"
                         : peer.out_in_snapshot              ? "sending"
                         : peer.in_synced && peer.out_synced ? "done"
                                                             : "none";
        if (peer.in_in_snapshot && peer.in_snapshot_expected > 0)
            entry.progress = static_cast<std::uint8_t>(std::min<std::uint64_t>(
                99, peer.in_snapshot_flows * 100 / peer.in_snapshot_expected));
        entry.flows_sent = peer.flows_sent;
        entry.flows_received = peer.flows_received;
        entry.lag = std::chrono::duration_cast<Millis>(peer.lag);
        entry.last_error = peer.last_error;
        entry.counters = {{"peer_synced", peer.out_synced ? 1U : 0U},
                          {"digests_agree", peer.digests_agree ? 1U : 0U},
                          {"flows_stored", peer.flows_stored},
                          {"flows_older", peer.flows_older},
                          {"flows_unknown", peer.flows_unknown},
                          {"flows_full", peer.flows_full},
                          {"flows_skipped", peer.flows_skipped},
                          {"bytes_sent", peer.bytes_sent},
                          {"bytes_received", peer.bytes_received},
                          {"snapshots_sent", peer.snapshots_sent},
                          {"snapshots_received", peer.snapshots_received},
                          {"connects", peer.connects}};
        for (std::size_t i = 0; i < sync::kRejects; ++i)
            entry.counters.push_back(
                {"reject_" + std::string(sync::kRejectNames[i]), peer.rejected[i]});
        status.peers.push_back(std::move(entry));
    }
    return status;
}

/// Reads what the vrrp process has last written (Dataplane::lease_fd).
LeaseStatus lease_status(int map, TimePoint now) {
    const LeaseStatus unknown{true, false, Millis(0)};
    const auto length = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    void* page = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, map, 0);
    if (page == MAP_FAILED) return unknown;
    // The vrrp process writes the word whole; atomic_ref would want to write here as well.
    const auto until = *static_cast<const volatile std::uint64_t*>(page);
    ::munmap(page, length);
    if (until == std::numeric_limits<std::uint64_t>::max()) return {true, true, std::nullopt};
    const auto now_ns = static_cast<std::uint64_t>(now.time_since_epoch().count());
    if (until <= now_ns) return unknown;
    const Nanos left(static_cast<std::int64_t>(until - now_ns));
    return {true, true, std::chrono::duration_cast<Millis>(left)};
}

}  // namespace

Status Core::status() {
    Status status;
    const TimePoint now = loop_.now();
    const auto& config = this->config();
    status.version = VIPD_VERSION;
    status.node = *config.global.router_id;
    status.instance = config.instance_name;
    status.namespace_ = options_.net_namespace;
    status.pid = ::getpid();
    status.started = started_unix_;
    status.uptime = std::chrono::duration_cast<Millis>(now - started_);
    status.config_file = loaded_.path;
    status.config_generation = generation_;
    status.last_reload = last_reload_;

    status.processes.push_back({"core", stopping_ ? "stopping" : "running", ::getpid(), 0});
    if (vrrp_) status.processes.push_back(process_status(*vrrp_, vrrp_ready_));
    if (check_) status.processes.push_back(process_status(*check_, check_ready_));

    for (const auto& instance : config.instances) {
        const auto report = instances_.find(instance.name);
        InstanceStatus entry;
        if (report != instances_.end()) {
            entry.report = report->second;
            const auto since = now - TimePoint(Nanos(report->second.last_transition_ns));
            entry.in_state = std::max(Millis(0), std::chrono::duration_cast<Millis>(since));
        } else {
            entry.report.instance = instance.name;
        }
        entry.sync_group = notify_.group_of(instance.name);
        status.instances.push_back(std::move(entry));
    }
    for (const auto& state : track_scripts_.states())
        status.track_scripts.push_back(
            {state.script, state.known, state.up, track_scripts_.detail(state.script)});

    for (const auto& [name, report] : bfd_reports_) {
        const auto since = std::max(report.started_ns, report.last_change_ns);
        const auto age = since == 0 ? Nanos(0) : now - TimePoint(Nanos(since));
        status.bfd.push_back(
            {report, std::max(Millis(0), std::chrono::duration_cast<Millis>(age))});
    }

    const dataplane::Dataplane* plane = forwarding_ ? &forwarding_->dataplane() : nullptr;
    const auto links = links_->links();
    const auto link_name = [&](int ifindex) -> std::string {
        if (links)
            for (const auto& link : *links)
                if (link.index == ifindex) return link.name;
        return {};
    };
    for (const auto& view : services_.view()) {
        if (view.unsupported || plane == nullptr) continue;
        const auto& built = services_.desired().at(view.key);
        ServiceStatus service;
        service.key = view.key;
        service.mark = view.mark;
        service.group = view.group;
        service.persistence = built.persistence;
        service.granularity = built.granularity;
        service.scheduler = built.scheduler;
        service.quorum = view.quorum;
        service.quorum_up = view.quorum_up;
        if (const auto counters = plane->counters(view.key)) service.counters = *counters;
        service.rates = forwarding_->rates(view.key);
        service.live = live_.touches(view.key);
        if (const auto zeroed = zeroed_.find(view.key); zeroed != zeroed_.end())
            service.zeroed = zeroed->second;
        service.hash_port = built.hash_port;
        service.hash_fallback = built.hash_fallback;
        service.method = view.method;
        for (const auto& real : view.reals) {
            RealStatus entry;
            entry.endpoint = real.endpoint;
            entry.method = real.method;
            entry.tunnel = real.tunnel;
            entry.weight = real.configured_weight;
            entry.effective_weight = real.weight;
            entry.upper_threshold = real.upper_threshold;
            entry.lower_threshold = real.lower_threshold;
            entry.alive = real.forwarding && real.up;
            entry.inhibited = real.forwarding && !real.up;
            entry.known = real.known || !real.checked;
            entry.sorry = real.sorry;
            entry.reason = real.reason;
            entry.live = live_.touches(view.key, real.endpoint);
            if (const auto zeroed = zeroed_reals_.find({view.key, real.endpoint});
                zeroed != zeroed_reals_.end())
                entry.zeroed = zeroed->second;
            service.sorry_active = service.sorry_active || real.sorry;
            const auto connections = plane->connections(view.key, real.endpoint);
            entry.active = connections.active;
            entry.inactive = connections.inactive;
            if (const auto counters = plane->counters(view.key, real.endpoint))
                entry.counters = *counters;
            entry.rates = forwarding_->rates(view.key, real.endpoint);
            if (const auto* hop = forwarding_->next_hop(real.endpoint.address)) {
                dataplane::NextHop next;
                next.ifindex = hop->ifindex;
                next.destination = hop->destination;
                next.source = hop->source;
                next.mtu = hop->mtu;
                next.tunnel_source = hop->source_address;
                entry.next_hop = next;
                entry.interface = hop->local ? "local" : link_name(hop->ifindex);
            }
            service.reals.push_back(std::move(entry));
        }
        status.services.push_back(std::move(service));
    }

    if (plane != nullptr) {
        status.sync = sync_status(forwarding_->sync());
        status.sync.ipvs = forwarding_->ipvs_sync().status();
        if (gate_end_)
            status.sync.gate =
                std::max(Millis(0), std::chrono::duration_cast<Millis>(*gate_end_ - now));
        status.checkpoint = forwarding_->checkpoint().status();
        status.table = plane->table_use();
        if (const auto verdicts = plane->verdicts())
            for (const auto& verdict : *verdicts)
                status.verdicts.push_back(
                    {std::string(verdict.name), verdict.packets, verdict.bytes});
        for (const auto& attached : plane->attached())
            status.interfaces.push_back(
                {attached.name, attached.ifindex, attached.native, attached.adopted});
        if (*config.vipd.lease_enabled && !config.instances.empty())
            status.lease = lease_status(plane->lease_fd(), now);
    }
    status.drains = drains_.status();
    status.failovers.assign(failovers_.last().begin(), failovers_.last().end());
    status.failover_count = failovers_.count();
    status.timeouts = live_.timeouts(config.global);
    status.counters = vrrp_counters_;
    if (plane != nullptr)
        if (const auto notes = plane->notes())
            for (const auto& note : *notes)
                status.counters.push_back({"dataplane_" + std::string(note.name), note.packets});
    status.warnings = warnings();
    return status;
}

std::vector<std::string> Core::warnings() const {
    std::vector<std::string> list;
    for (const auto& server : config().virtual_servers)
        if (const auto reason = unsupported(server))
            list.push_back(fmt::format("virtual_server {}: {}", server.key.to_string(), *reason));
    if (forwarding_) {
        const auto more = forwarding_->warnings();
        list.insert(list.end(), more.begin(), more.end());
    }
    return list;
}

}  // namespace vipd::control
