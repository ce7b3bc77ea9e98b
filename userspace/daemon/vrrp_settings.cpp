// SPDX-License-Identifier: Apache-2.0
#include "userspace/daemon/vrrp_settings.hpp"

#include "userspace/config/made_devices.hpp"
#include "userspace/daemon/routing_settings.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>

namespace vipd::daemon {

namespace {

constexpr int kLeaseAdverts = 3;

// A master's sequence numbers of AH must go on over its restart: four each second are more than it
// sends, and last from 2020 until 2054.
constexpr std::chrono::seconds kAhEpoch{1577836800};
constexpr std::int64_t kAhPerSecond = 4;

constexpr std::uint8_t kSingleHopTtl = 255;
constexpr std::uint8_t kMultihopTtl = 64;

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
                  .excluded = excluded,
                  .no_track = from.no_track};
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

/// vrrp_min_garp takes the place of what is not set by hand.
template <class T>
T garp_setting(const config::GlobalDefs& global,
               const config::Value<T>& own,
               const config::Value<T>& general,
               T least) {
    return *global.min_garp && !own.set && !general.set ? least : *own;
}

vrrp::Policy policy_of(const config::GlobalDefs& global, const config::VrrpInstance& from) {
    const auto repeat =
        garp_setting<std::uint32_t>(global, from.garp_master_repeat, global.garp_master_repeat, 1);
    const Nanos delay =
        garp_setting(global, from.garp_master_delay, global.garp_master_delay, Nanos(0));
    vrrp::Policy policy{
        .version = *from.version,
        .priority = *from.priority,
        .advert_interval = advert_interval(from),
        .down_timer_adverts = *from.down_timer_adverts,
        .nopreempt = *from.nopreempt,
        .preempt_delay = *from.preempt_delay,
        // The RFCs' silence is strict mode's default.
        .lower_prio_no_advert =
            *from.lower_prio_no_advert || (*from.strict && !from.lower_prio_no_advert.set),
        .higher_prio_send_advert = *from.higher_prio_send_advert,
        .owner_ignore_adverts = *from.owner_ignore_adverts,
        .garp_delay = delay,
        .garp_repeat = repeat,
        .garp_refresh = *from.garp_master_refresh,
        .garp_refresh_repeat = *from.garp_master_refresh_repeat,
        .garp_lower_prio_delay =
            garp_setting(global, from.garp_lower_prio_delay, global.garp_lower_prio_delay, delay),
        .garp_lower_prio_repeat = garp_setting<std::uint32_t>(
            global, from.garp_lower_prio_repeat, global.garp_lower_prio_repeat, repeat),
        .primary = {}};
    if (*from.timer_expired_backup)
        policy.timer_expired_backup =
            *from.timer_expired_priority > 0 ? *from.timer_expired_priority : *from.priority;
    // keepalived: with `state MASTER` neither of the two is in force.
    if (*from.initial_master) {
        policy.nopreempt = false;
        policy.preempt_delay = Nanos(0);
    }
    if (policy.nopreempt) policy.preempt_delay = Nanos(0);
    return policy;
}

/// What an instance tracks itself, or its group for it.
template <class Owner>
void add_tracking(const config::Config& config, const Owner& from, vrrp::InstanceSettings& to) {
    for (const auto& track : from.track_interfaces)
        to.interfaces.push_back({track.name, track.weight, track.reverse});
    // As keepalived: what is not defined is not tracked (the parser has said so).
    const auto with_definition = [](const auto& definitions, const auto& tracks, auto use) {
        for (const auto& track : tracks) {
            const auto found = std::ranges::find_if(
                definitions, [&](const auto& one) { return one.name == track.name; });
            if (found == definitions.end()) continue;
            use(track.name,
                track.weight.value_or(*found->weight),
                track.reverse || (!track.weight && *found->reverse));
        }
    };
    with_definition(
        config.scripts, from.track_scripts, [&](const std::string& name, int weight, bool reverse) {
            to.scripts.push_back({name, weight, reverse});
        });
    const auto objects = [&](ipc::TrackerKind kind) {
        return [&to, kind](const std::string& name, int weight, bool reverse) {
            to.objects.push_back({kind, name, weight, reverse});
        };
    };
    with_definition(config.track_files, from.track_files, objects(ipc::TrackerKind::File));
    with_definition(
        config.track_processes, from.track_processes, objects(ipc::TrackerKind::Process));
    with_definition(config.bfd_instances, from.track_bfds, objects(ipc::TrackerKind::Bfd));
}

vrrp::UnicastPeer to_peer(const config::VrrpInstance& from, const IpAddress& address) {
    vrrp::UnicastPeer peer{.address = address};
    for (const auto& limits : from.unicast_peer_ttls) {
        if (limits.address != address) continue;
        peer.min_ttl = limits.min_ttl.value_or(0);
        peer.max_ttl = limits.max_ttl.value_or(255);
    }
    return peer;
}

void add_way(const config::GlobalDefs& global,
             const config::VrrpInstance& from,
             vrrp::InstanceSettings& to) {
    for (const auto& peer : from.unicast_peers)
        if (peer->family() == to.family) to.peers.push_back(to_peer(from, *peer));
    to.needs_peer = to.peers.empty() && *from.unicast_fault_no_peer;
    to.track_source = *from.track_src_ip;
    if (!to.peers.empty() || to.needs_peer) {
        to.source = *from.unicast_src_ip;
        to.ttl = std::max<std::uint8_t>(*from.unicast_ttl, 1);
        return;
    }
    to.source = *from.mcast_src_ip;
    to.group = config::multicast_group(global, from, to.family == Family::V6);
}

/// keepalived: three adverts, and at least 5 s, unless it is said.
constexpr std::uint32_t kLeastWindow = 5;
constexpr std::uint32_t kLargestWindow = 300;

std::optional<vrrp::HmacSettings> hmac_of(const config::VrrpInstance& from) {
    if (!from.auth_hmac) return std::nullopt;
    const config::HmacAuth& auth = *from.auth_hmac;
    vrrp::HmacSettings to{.keys = {}, .active = *auth.active_key, .monotonic = *auth.monotonic};
    for (const auto& key : auth.keys)
        if (!key.bytes.empty())
            to.keys.emplace_back(key.id,
                                 std::span(reinterpret_cast<const std::uint8_t*>(key.bytes.data()),
                                           key.bytes.size()));
    const auto adverts = std::chrono::ceil<Seconds>(3 * advert_interval(from)).count();
    to.window = *auth.time_window > 0
                    ? *auth.time_window
                    : std::clamp(static_cast<std::uint32_t>(adverts), kLeastWindow, kLargestWindow);
    using Mode = config::HmacAuth::Mode;
    to.mode = *auth.mode == Mode::Enforce      ? vrrp::HmacSettings::Mode::Enforce
              : *auth.mode == Mode::Permissive ? vrrp::HmacSettings::Mode::Permissive
                                               : vrrp::HmacSettings::Mode::ReceiveOnly;
    return to;
}

void add_old_checksum(const config::GlobalDefs& global,
                      const config::VrrpInstance& from,
                      vrrp::InstanceSettings& to) {
    const bool has_it = *from.version == 3 && to.family == Family::V4 && !to.peers.empty();
    if (!has_it || *from.old_unicast_checksum_never) return;
    to.checksum_group = config::multicast_group(global, {}, false);
    to.always_old_checksum = *from.old_unicast_checksum;
}

/// The length of its advert as keepalived takes it for the receive buffer: IPv6 without header.
std::uint32_t advert_length(const vrrp::InstanceSettings& of) {
    const bool v4 = of.family == Family::V4;
    const auto named = [&](const vrrp::Vip& vip) {
        return !vip.excluded && vip.prefix.address.family() == of.family;
    };
    const auto count = static_cast<std::uint32_t>(std::ranges::count_if(of.vips, named));
    std::uint32_t length = 8 + count * (v4 ? 4U : 16U);
    if (v4) length += 20;
    if (v4 && of.policy.version == 2) length += 8;
    if (of.ah) length += vrrp::kAhHeader;
    if (of.hmac && of.hmac->mode != vrrp::HmacSettings::Mode::ReceiveOnly)
        length += vrrp::kHmacTrailer;
    return length;
}

void add_rx_buffer(const config::GlobalDefs& global,
                   const config::VrrpInstance& from,
                   vrrp::InstanceSettings& to) {
    const std::string& policy = *global.rx_bufs_policy;
    const std::uint32_t times = *global.rx_bufs_multiplier;
    if (from.kernel_rx_buf_size.set)
        to.rx_buffer = *from.kernel_rx_buf_size;
    else if (policy == "MTU")
        to.rx_buffer_mtus = times;
    else if (policy == "ADVERT")
        to.rx_buffer = times * advert_length(to);
    else
        std::from_chars(policy.data(), policy.data() + policy.size(), to.rx_buffer);
}

void add_vips(const config::VrrpInstance& from,
              const std::vector<config::MadeDevice>& devices,
              vrrp::InstanceSettings& to) {
    const auto add = [&](const config::VipAddress& vip, bool excluded) {
        to.vips.push_back(to_vip(vip, excluded));
        if (const auto* device = config::device_of(from, devices, vip))
            to.vips.back().device = device->link.name;
    };
    for (const auto& vip : from.virtual_ipaddress) add(vip, false);
    for (const auto& vip : from.virtual_ipaddress_excluded) add(vip, true);
    for (const auto& device : devices)
        to.devices.push_back({device.parent, device.link, device.address});
    const bool own = from.device.kind != config::VirtualDevice::Kind::None;
    if (own && !*from.vmac_xmit_base) to.device = devices.front().link.name;
    // Without `all` it is for the devices alone.
    if (*from.garp_extra_if_all || !devices.empty()) to.garp_extra_interval = *from.garp_extra_if;
    to.garp_extra_all = *from.garp_extra_if_all;
}

vrrp::InstanceSettings to_instance(const config::Config& config,
                                   const config::VrrpInstance& from,
                                   const std::vector<config::MadeDevice>& devices) {
    vrrp::InstanceSettings to;
    to.name = from.name;
    to.interface = *from.interface;
    to.vrf = *from.vrf;
    to.vrid = *from.virtual_router_id;
    to.family = config::family_of(from);
    to.policy = policy_of(config.global, from);
    if (*from.version == 2 && !from.auth_pass->empty()) {
        to.auth = vrrp::make_auth_pass(*from.auth_pass);
        to.ah = *from.auth_ah;
    }
    to.hmac = hmac_of(from);
    add_way(config.global, from, to);
    to.plain_checksum = *from.v3_checksum_as_v2;
    add_vips(from, devices, to);
    if (from.device.address && !to.source) to.source = from.device.address;
    add_old_checksum(config.global, from, to);
    add_rx_buffer(config.global, from, to);
    to.routing = routing_items(from.virtual_routes, from.virtual_rules);
    to.dont_track_primary = *from.dont_track_primary;
    to.promote_secondaries = *from.promote_secondaries;
    for (const auto& group : config.track_groups)
        if (std::ranges::any_of(group.members,
                                [&](const auto& name) { return *name == from.name; }))
            to.track_groups.push_back(group.name);
    if (*from.skip_check_adv_addr)
        to.address_check = vrrp::Expected::AddressCheck::Skip;
    else if (*from.strict && *from.version == 2)
        to.address_check = vrrp::Expected::AddressCheck::Drop;
    add_tracking(config, from, to);
    for (const auto& group : config.sync_groups) {
        const bool member = std::ranges::any_of(
            group.members, [&](const auto& name) { return *name == from.name; });
        if (member) add_tracking(config, group, to);
    }
    return to;
}

std::vector<vrrp::AnnounceGroup> announce_groups(const config::Config& config) {
    std::vector<vrrp::AnnounceGroup> groups;
    for (const auto& from : config.garp_groups) {
        vrrp::AnnounceGroup group{.arp_interval = *from.garp_interval,
                                  .na_interval = *from.gna_interval};
        for (const auto& interface : from.interfaces) group.interfaces.push_back(*interface);
        if (!group.interfaces.empty()) groups.push_back(std::move(group));
    }
    groups.push_back(
        {.arp_interval = *config.global.garp_interval, .na_interval = *config.global.gna_interval});
    return groups;
}

std::vector<vrrp::Vip> static_addresses(const config::Config& config,
                                        const std::vector<config::VipAddress>& from) {
    std::vector<vrrp::Vip> addresses;
    for (const auto& one : from) {
        vrrp::Vip address = to_vip(one, true);
        if (address.device.empty()) address.device = *config.global.default_interface;
        addresses.push_back(std::move(address));
    }
    return addresses;
}

vrrp::StaticGroup static_group(const config::Config& config, const std::string& name) {
    const auto members = [&](auto items) {
        std::erase_if(items, [&](const auto& item) { return item.track_group != name; });
        return items;
    };
    return {.name = name,
            .addresses = static_addresses(config, members(config.static_addresses)),
            .routing = routing_items(members(config.static_routes), members(config.static_rules))};
}

}  // namespace

vrrp::EngineSettings vrrp_settings(const config::Config& config, const Moment& moment) {
    vrrp::EngineSettings settings;
    const auto devices = config::made_devices(config);
    for (std::size_t at = 0; at < config.instances.size(); ++at)
        settings.instances.push_back(to_instance(config, config.instances[at], devices[at]));
    for (const auto& group : config.sync_groups) {
        vrrp::GroupSettings to{group.name, {}};
        for (const auto& member : group.members) to.members.push_back(*member);
        settings.groups.push_back(std::move(to));
    }
    settings.announce_groups = announce_groups(config);
    settings.static_addresses = static_addresses(config, config.static_addresses);
    settings.static_routing = routing_items(config.static_routes, config.static_rules);
    for (const auto& group : config.track_groups)
        settings.static_groups.push_back(static_group(config, group.name));
    for (const auto& delay : config.up_down_delays)
        settings.link_delays.push_back({delay.interface, delay.down, delay.up});
    settings.log_unknown_vrids = *config.global.log_unknown_vrids;
    settings.startup_delay =
        std::max(*config.global.startup_delay, *config.global.delay_after_boot - moment.uptime);
    const auto since = moment.unix_time - kAhEpoch;
    settings.ah_sequence = static_cast<std::uint32_t>(since.count() * kAhPerSecond);
    return settings;
}

namespace {

/// What BFD_CHECK names.
std::set<std::string_view> sessions_of_checkers(const config::Config& config) {
    std::set<std::string_view> names;
    for (const auto& service : config.virtual_servers)
        for (const auto& real : service.real_servers)
            for (const auto& checker : real.checkers)
                if (checker.kind == config::Checker::Kind::Bfd) names.insert(checker.bfd_instance);
    return names;
}

}  // namespace

std::vector<bfd::SessionSettings> bfd_settings(const config::Config& config) {
    const auto tracks = [](const std::string& name) {
        return [&name](const auto& owner) {
            return std::ranges::any_of(owner.track_bfds,
                                       [&](const auto& track) { return track.name == name; });
        };
    };
    const auto checked = sessions_of_checkers(config);
    std::vector<bfd::SessionSettings> sessions;
    for (const auto& from : config.bfd_instances) {
        if (std::ranges::none_of(config.instances, tracks(from.name)) &&
            std::ranges::none_of(config.sync_groups, tracks(from.name)) &&
            !checked.contains(from.name))
            continue;
        const std::uint8_t ttl = *from.multihop ? kMultihopTtl : kSingleHopTtl;
        sessions.push_back({.name = from.name,
                            .neighbour = *from.neighbour,
                            .source = *from.source,
                            .policy = {.min_tx = *from.min_tx,
                                       .min_rx = *from.min_rx,
                                       .idle_tx = *from.idle_tx,
                                       .multiplier = *from.multiplier,
                                       .passive = *from.passive},
                            .multihop = *from.multihop,
                            .ttl = *from.ttl > 0 ? *from.ttl : ttl,
                            .max_hops = *from.max_hops});
    }
    return sessions;
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
