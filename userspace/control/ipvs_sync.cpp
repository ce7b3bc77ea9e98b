// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/ipvs_sync.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace vipd::control {

namespace {

constexpr std::size_t kHeadersV4 = 28;  // IP and UDP
constexpr std::size_t kHeadersV6 = 48;

}  // namespace

void IpvsSync::configure(const std::optional<config::SyncDaemon>& wanted, std::uint8_t version) {
    if (!wanted || !wanted_ || wanted->instance != wanted_->instance) master_ = false;
    wanted_ = wanted;
    version_ = version;
    refresh();
}

void IpvsSync::on_instance_state(const std::string& instance, ipc::VrrpState state) {
    if (!wanted_ || wanted_->instance.empty() || wanted_->instance != instance) return;
    const bool master = state == ipc::VrrpState::Master;
    if (std::exchange(master_, master) != master) refresh();
}

void IpvsSync::refresh() {
    const auto done = apply();
    std::string problem = done ? "" : done.error().message;
    if (!problem.empty() && problem != problem_) say_(true, problem);
    if (problem.empty() && !problem_.empty()) say_(false, "lvs_sync_daemon runs");
    problem_ = std::move(problem);
}

Result<> IpvsSync::apply() {
    if (!wanted_) return daemon_.configure({}, false, false, false);
    const auto link = links_.link_by_name(wanted_->interface);
    if (!link) {
        (void)daemon_.configure({}, false, false, false);
        return fail("lvs_sync_daemon: no interface " + wanted_->interface);
    }
    sync::ipvs::Options options;
    options.interface = link->name;
    options.ifindex = link->index;
    if (const auto addresses = links_.addresses(link->index))
        for (const auto& address : *addresses) options.networks.push_back(address.prefix);
    std::ranges::sort(options.networks);
    options.group = wanted_->group ? wanted_->group : *IpAddress::parse("224.0.0.81");
    options.port = wanted_->port;
    options.ttl = wanted_->ttl;
    options.sync_id = wanted_->id;
    options.version = version_;
    const std::size_t headers = options.group.is_v4() ? kHeadersV4 : kHeadersV6;
    const std::size_t maxlen = wanted_->maxlen;
    options.send_size =
        maxlen != 0 ? maxlen : std::clamp<std::size_t>(link->mtu, 576, 65535) - headers;
    options.receive_size = maxlen != 0 ? maxlen : sync::ipvs::kMaxDatagram;
    // As keepalived has it: with an instance one part at a time, without one both.
    const bool by_role = !wanted_->instance.empty();
    return daemon_.configure(options, !by_role || master_, !by_role || !master_, by_role);
}

std::optional<IpvsSyncStatus> IpvsSync::status() const {
    if (!wanted_) return std::nullopt;
    const auto stats = daemon_.stats();
    IpvsSyncStatus status;
    status.interface = wanted_->interface;
    status.sync_id = wanted_->id;
    status.version = version_;
    status.master = stats.sending;
    status.backup = stats.receiving;
    status.problem = problem_;
    status.counters = {{"datagrams_sent", stats.datagrams_sent},
                       {"connections_sent", stats.connections_sent},
                       {"not_sent", stats.not_sent},
                       {"not_carried", stats.not_carried},
                       {"datagrams_received", stats.datagrams_received},
                       {"connections_received", stats.connections_received},
                       {"flows_stored", stats.stored.stored},
                       {"flows_older", stats.stored.older},
                       {"flows_unknown", stats.stored.unknown},
                       {"flows_full", stats.stored.full}};
    for (std::size_t i = 0; i < sync::ipvs::kDrops; ++i)
        status.counters.push_back(
            {"drop_" + std::string(sync::ipvs::kDropNames[i]), stats.dropped[i]});
    for (std::size_t i = 0; i < sync::ipvs::kSkips; ++i)
        status.counters.push_back(
            {"skip_" + std::string(sync::ipvs::kSkipNames[i]), stats.skipped[i]});
    return status;
}

}  // namespace vipd::control
