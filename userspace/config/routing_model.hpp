// SPDX-License-Identifier: Apache-2.0
// Addresses, routes and rules that an instance (virtual_*) or the daemon itself (static_*) sets.
#pragma once

#include "userspace/config/source.hpp"

namespace vipd::config {

struct VipAddress {
    IpPrefix prefix;
    std::optional<IpPrefix> peer;
    std::string device;  ///< "" = the instance's interface; static_ipaddress: default_interface
    std::string label;
    std::optional<IpAddress> broadcast;
    bool broadcast_auto = false;  ///< `brd +`
    std::uint8_t scope = 0;       ///< RT_SCOPE_*
    bool use_vmac = false;
    bool home = false, nodad = false, mngtmpaddr = false, noprefixroute = false, autojoin = false;
    std::optional<std::uint32_t> preferred_lifetime;  ///< seconds; forever: 2^32 - 1
    bool no_track = false;                            ///< its removal by others is no fault
    std::string track_group;                          ///< static_ipaddress only
    Location at;
    bool operator==(const VipAddress&) const = default;
};

/// One of RTAX_*: mtu, advmss, hoplimit, rtt ...; times in the kernel's units (rtt 1/8 ms,
/// rttvar 1/4 ms, rto_min 1 ms).
struct RouteMetric {
    std::uint16_t attribute = 0;  ///< RTAX_*
    std::uint32_t value = 0;
    bool locked = false;
    auto operator<=>(const RouteMetric&) const = default;
};

/// `encap ip|ip6|mpls|ila ...`
struct Encapsulation {
    enum class Kind : std::uint8_t { None, Ip, Ip6, Mpls, Ila };
    Kind kind = Kind::None;
    std::optional<std::uint64_t> id;  ///< ip, ip6: the tunnel's
    IpAddress source, destination;
    std::optional<std::uint8_t> tos;
    std::optional<std::uint8_t> ttl;  ///< hoplimit
    std::uint16_t flags = 0;
    std::vector<std::uint32_t> labels;  ///< mpls, outermost first
    std::string locator;                ///< ila
    bool operator==(const Encapsulation&) const = default;
};

struct NextHop {
    IpAddress via;
    std::string device;
    std::uint16_t weight = 1;  ///< 1 to 256
    bool onlink = false;
    std::optional<std::uint32_t> realms;
    Encapsulation encapsulation;
    bool operator==(const NextHop&) const = default;
};

struct Route {
    std::uint8_t type = 1;  ///< RTN_*
    Family family = Family::V4;
    IpPrefix destination;  ///< default: length 0
    std::optional<IpPrefix> from;
    IpAddress source;  ///< src: preferred
    IpAddress via;
    std::string device;
    std::optional<std::uint32_t> table;  ///< unset: main
    std::string vrf;                     ///< the table is that of this device
    std::optional<std::uint8_t> scope;   ///< RT_SCOPE_*; unset: as the kernel would
    std::optional<std::uint8_t> tos;
    std::optional<std::uint8_t> protocol;  ///< unset: keepalived's, 18
    std::optional<std::uint32_t> metric;
    std::optional<std::uint8_t> preference;  ///< pref: ICMPV6_ROUTER_PREF_*
    std::optional<std::uint32_t> realms;
    std::optional<std::uint32_t> expires;  ///< seconds
    std::optional<bool> ttl_propagate;
    std::vector<RouteMetric> metrics;
    std::string congestion_control;  ///< congctl
    bool congestion_control_locked = false;
    bool ecn = false;  ///< features ecn
    bool onlink = false;
    Encapsulation encapsulation;
    std::vector<NextHop> next_hops;
    enum class Mode : std::uint8_t { Replace, Add, Append, Prepend };
    Mode mode = Mode::Replace;
    bool no_track = false;
    std::string track_group;  ///< static_routes only
    Location at;
    bool operator==(const Route&) const = default;
};

struct Rule {
    Family family = Family::V4;
    bool negated = false;  ///< not
    std::optional<IpPrefix> from, to;
    std::string in_interface, out_interface;  ///< iif, oif
    std::optional<std::uint32_t> fwmark, fwmask;
    std::optional<std::uint8_t> tos;
    std::optional<std::uint32_t> priority;
    std::optional<std::uint32_t> realms;
    std::optional<std::uint64_t> tunnel_id;
    std::optional<std::int32_t> suppress_group, suppress_prefix_length;
    bool l3mdev = false;
    std::optional<std::pair<std::uint32_t, std::uint32_t>> uid_range;
    std::optional<std::uint8_t> protocol;     ///< who added it
    std::optional<std::uint8_t> ip_protocol;  ///< ipproto
    std::optional<std::pair<std::uint16_t, std::uint16_t>> source_ports, destination_ports;
    std::uint8_t action = 1;              ///< FR_ACT_*: to table, goto, nop, blackhole ...
    std::optional<std::uint32_t> table;   ///< FR_ACT_TO_TBL
    std::optional<std::uint32_t> target;  ///< FR_ACT_GOTO
    bool no_track = false;
    std::string track_group;  ///< static_rules only
    Location at;
    bool operator==(const Rule&) const = default;
};

}  // namespace vipd::config
