// SPDX-License-Identifier: Apache-2.0
// What the engine is to run: plain structs, made by the role's main from the configuration.
#pragma once

#include "vrrp/fsm/machine.hpp"
#include "vrrp/packet/advert.hpp"
#include "vrrp/track/link_delays.hpp"

#include <vipd/address.hpp>
#include <vipd/ipc.hpp>
#include <vipd/links.hpp>
#include <vipd/routing.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vipd::vrrp {

struct Vip {
    IpPrefix prefix;
    std::string device;  ///< empty: the instance's interface
    std::string label;
    std::optional<IpAddress> broadcast;
    std::uint8_t scope = 0;  ///< RT_SCOPE_*
    bool excluded = false;   ///< held, but not named in the adverts; any family
    bool no_track = false;   ///< not put back when somebody removes it
    bool operator==(const Vip&) const = default;
};

/// One among the virtual routers of an interface.
struct RouterId {
    Family family = Family::V4;
    std::uint8_t vrid = 0;
    bool operator==(const RouterId&) const = default;
};

/// A device that is made for an instance: use_vmac, use_ipvlan.
struct DeviceOn {
    std::string parent;
    VirtualLink link;
    IpAddress address;  ///< that it has of its own; none: none
    bool operator==(const DeviceOn&) const = default;
};

struct ScriptTrack {
    std::string script;
    int weight = 0;
    bool reverse = false;
};

/// A tracked file, process or BFD session.
struct ObjectTrack {
    ipc::TrackerKind kind = ipc::TrackerKind::File;
    std::string name;
    int weight = 0;
    bool reverse = false;
};

struct InterfaceTrack {
    std::string interface;
    int weight = 0;
    bool reverse = false;
};

/// Routes and rules that somebody sets while he may.
struct RoutingItems {
    template <class Spec>
    struct Item {
        Spec spec;
        bool no_track = false;  ///< not put back when somebody removes it
        bool operator==(const Item&) const = default;
    };
    std::vector<Item<RouteSpec>> routes{};
    std::vector<Item<RuleSpec>> rules{};
    bool empty() const { return routes.empty() && rules.empty(); }
    bool operator==(const RoutingItems&) const = default;
};

struct InstanceSettings {
    std::string name;
    std::string interface;  ///< may be empty with unicast: the one that holds `source`
    std::string vrf;        ///< without `interface`: where `source` is looked for; empty: anywhere
    std::uint8_t vrid = 0;
    Family family = Family::V4;  ///< of the adverts and of the VIPs that they name
    Policy policy;               ///< `grouped` and `primary` are filled in by the engine
    std::optional<AuthPass> auth;
    bool ah = false;                   ///< `auth` is the key of an authentication header
    std::optional<HmacSettings> hmac;  ///< instead of `auth`
    IpAddress source;  ///< mcast_src_ip or unicast_src_ip; none: the interface's first
    IpAddress group;   ///< multicast group; none: unicast to `peers`
    std::vector<UnicastPeer> peers;  ///< unicast only
    std::uint8_t ttl = 255;
    bool needs_peer = false;      ///< unicast_fault_no_peer, and there is none: in fault
    bool track_source = false;    ///< in fault while no interface has `source`
    bool plain_checksum = false;  ///< see Advert
    /// Advert::checksum_group, for unicast of version 3 over IPv4: sent once a peer has sent it, or
    /// always; none: it is never sent nor accepted.
    IpAddress checksum_group{};
    bool always_old_checksum = false;
    std::uint32_t rx_buffer = 0;       ///< bytes for its adverts in the receive buffer
    std::uint32_t rx_buffer_mtus = 0;  ///< more of them: so often the interface's MTU
    std::vector<Vip> vips;
    std::vector<DeviceOn> devices;  ///< that the VIPs, and `device`, may name
    std::string device;             ///< that adverts go and come by; empty: the interface
    RoutingItems routing;
    std::vector<ScriptTrack> scripts;
    std::vector<InterfaceTrack> interfaces;
    std::vector<ObjectTrack> objects;
    bool dont_track_primary = false;
    bool promote_secondaries = false;  ///< of its interface, while it runs there
    /// As master it announces so often one of its VIPs on each interface other than its own that
    /// has any, or on `devices` alone; 0: never.
    Nanos garp_extra_interval{0};
    bool garp_extra_all = true;
    std::vector<std::string> track_groups;  ///< in fault with any of them
    Expected::AddressCheck address_check = Expected::AddressCheck::Note;
};

struct GroupSettings {
    std::string name;
    std::vector<std::string> members;
};

/// Interfaces whose announcements together keep a distance in time.
struct AnnounceGroup {
    std::vector<std::string> interfaces{};  ///< empty: each interface by itself that no other names
    Nanos arp_interval{0};
    Nanos na_interval{0};
};

/// A track_group: its members are in fault while one of these cannot be set.
struct StaticGroup {
    std::string name{};
    std::vector<Vip> addresses{};
    RoutingItems routing{};
};

struct EngineSettings {
    std::vector<InstanceSettings> instances{};
    std::vector<GroupSettings> groups{};
    std::vector<AnnounceGroup> announce_groups{};
    std::vector<Vip> static_addresses{};  ///< each with its device
    RoutingItems static_routing{};
    std::vector<StaticGroup> static_groups{};  ///< of what the two hold, too
    std::vector<LinkDelay> link_delays{};
    /// Where the sequence numbers of AH begin; later than those of a process before this one.
    std::uint32_t ah_sequence = 0;
    /// After start() no instance becomes master before this, unless it has lost another master.
    Nanos startup_delay{0};
    bool log_unknown_vrids = false;  ///< adverts of virtual routers that are nobody's here
};

}  // namespace vipd::vrrp
