// SPDX-License-Identifier: Apache-2.0
#include "userspace/daemon/vrrp_settings.hpp"

#include <algorithm>

namespace vipd::daemon {

namespace {

constexpr std::uint32_t kDefaultGroup = 0xe0000012;  // 224.0.0.18
constexpr int kLeaseAdverts = 3;

IpAddress broadcast_of(const IpPrefix& prefix) {
    const std::uint32_t hosts = prefix.length >= 32 ? 0 : 0xffffffffU >> prefix.length;
    return IpAddress::v4(prefix.address.v4_host_order() | hosts);
}

vrrp::Vip to_vip(const config::VipAddress& from, bool excluded) {
    vrrp::Vip vip{.prefix = from.prefix,
                  .device = from.device,
                  .label = from.label,
                  .broadcast = from.broadcast,
                  .scope = from.scope,
                  .excluded = excluded};
    if (from.broadcast_auto && from.prefix.address.is_v4() && from.prefix.length < 31)
        vip.broadcast = broadcast_of(from.prefix);
    return vip;
}

Nanos advert_interval(const config::VrrpInstance& from) {
    if (*from.version != 2) return std::clamp<Nanos>(*from.advert_int, Millis(10), Millis(40950));
    // Version 2 has whole seconds on the wire: what is sent is what must be kept.
    const auto rounded = std::chrono::round<Seconds>(*from.advert_int);
    return std::clamp(rounded, Seconds(1), Seconds(255));
}

vrrp::Policy policy_of(const config::VrrpInstance& from) {
    vrrp::Policy policy{.version = *from.version,
                        .priority = *from.priority,
                        .advert_interval = advert_interval(from),
                        .down_timer_adverts = *from.down_timer_adverts,
                        .nopreempt = *from.nopreempt,
                        .preempt_delay = *from.preempt_delay,
                        .garp_delay = *from.garp_master_delay,
                        .garp_repeat = *from.garp_master_repeat,
                        .garp_refresh = *from.garp_master_refresh,
                        .garp_refresh_repeat = *from.garp_master_refresh_repeat,
                        .primary = {}};
    // keepalived: with `state MASTER` neither of the two is in force.
    if (*from.initial_master) {
        policy.nopreempt = false;
        policy.preempt_delay = Nanos(0);
    }
    if (policy.nopreempt) policy.preempt_delay = Nanos(0);
    return policy;
}

void add_tracking(const config::Config& config,
                  const config::VrrpInstance& from,
                  vrrp::InstanceSettings& to) {
    for (const auto& track : from.track_interfaces)
        to.interfaces.push_back({track.name, track.weight, track.reverse});
    for (const auto& track : from.track_scripts) {
        const auto script = std::ranges::find_if(
            config.scripts, [&](const auto& one) { return one.name == track.name; });
        // As keepalived: a script that is not defined is not tracked (the parser has said so).
        if (script == config.scripts.end()) continue;
        to.scripts.push_back({track.name,
                              track.weight.value_or(*script->weight),
                              track.reverse || (!track.weight && *script->reverse)});
    }
}

vrrp::InstanceSettings to_instance(const config::Config& config, const config::VrrpInstance& from) {
    vrrp::InstanceSettings to;
    to.name = from.name;
    to.interface = *from.interface;
    to.vrid = *from.virtual_router_id;
    to.policy = policy_of(from);
    if (*from.version == 2 && !from.auth_pass->empty())
        to.auth = vrrp::make_auth_pass(*from.auth_pass);
    for (const auto& peer : from.unicast_peers)
        if (peer->is_v4()) to.peers.push_back({*peer});
    if (to.peers.empty()) {
        to.source = *from.mcast_src_ip;
        to.group = *config.global.vrrp_mcast_group4 ? *config.global.vrrp_mcast_group4
                                                    : IpAddress::v4(kDefaultGroup);
    } else {
        to.source = *from.unicast_src_ip;
        to.ttl = std::max<std::uint8_t>(*from.unicast_ttl, 1);
    }
    for (const auto& vip : from.virtual_ipaddress) to.vips.push_back(to_vip(vip, false));
    for (const auto& vip : from.virtual_ipaddress_excluded) to.vips.push_back(to_vip(vip, true));
    to.dont_track_primary = *from.dont_track_primary;
    if (*from.skip_check_adv_addr)
        to.address_check = vrrp::Expected::AddressCheck::Skip;
    else if (*from.strict && *from.version == 2)
        to.address_check = vrrp::Expected::AddressCheck::Drop;
    add_tracking(config, from, to);
    return to;
}

bool is_v6(const config::VrrpInstance& instance) {
    return !instance.virtual_ipaddress.empty() &&
           instance.virtual_ipaddress.front().prefix.address.is_v6();
}

}  // namespace

vrrp::EngineSettings vrrp_settings(const config::Config& config,
                                   std::vector<std::string>& left_out) {
    vrrp::EngineSettings settings;
    for (const auto& instance : config.instances) {
        if (is_v6(instance)) {
            left_out.push_back(instance.name);
        } else {
            settings.instances.push_back(to_instance(config, instance));
        }
    }
    for (const auto& group : config.sync_groups) {
        vrrp::GroupSettings to{group.name, {}};
        for (const auto& member : group.members) to.members.push_back(*member);
        settings.groups.push_back(std::move(to));
    }
    return settings;
}

Nanos lease_time(const config::Config& config) {
    if (!*config.vipd.lease_enabled || config.instances.empty()) return Nanos(0);
    if (*config.vipd.lease > Nanos(0)) return *config.vipd.lease;
    Nanos lease = Seconds(1);
    for (const auto& instance : config.instances)
        lease = std::max(lease, kLeaseAdverts * advert_interval(instance));
    return lease;
}

}  // namespace vipd::daemon
