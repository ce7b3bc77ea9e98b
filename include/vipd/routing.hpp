// SPDX-License-Identifier: Apache-2.0
// Routes and rules that come and go with mastership (virtual_routes, virtual_rules) or with the
// daemon (static_*).
#pragma once

#include <vipd/address.hpp>
#include <vipd/error.hpp>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vipd {

/// One of RTAX_*, in the kernel's units.
struct RouteMetric {
    std::uint16_t attribute = 0;
    std::uint32_t value = 0;
    bool locked = false;
    bool operator==(const RouteMetric&) const = default;
};

struct NextHop {
    IpAddress via;
    std::string device;
    std::uint16_t weight = 1;  ///< 1 to 256
    bool onlink = false;
    std::optional<std::uint32_t> realms;
    bool operator==(const NextHop&) const = default;
};

struct RouteSpec {
    std::uint8_t type = 1;  ///< RTN_*
    Family family = Family::V4;
    IpPrefix destination;  ///< default: length 0
    std::optional<IpPrefix> from;
    IpAddress source;  ///< preferred
    IpAddress via;
    std::string device;
    std::uint32_t table = 254;          ///< RT_TABLE_MAIN
    std::optional<std::uint8_t> scope;  ///< RT_SCOPE_*; unset: as ip(8) would
    std::uint8_t tos = 0;
    std::uint8_t protocol = 18;  ///< RTPROT_KEEPALIVED
    std::optional<std::uint32_t> metric;
    std::optional<std::uint8_t> preference;  ///< ICMPV6_ROUTER_PREF_*
    std::optional<std::uint32_t> realms;
    std::optional<std::uint32_t> expires;  ///< seconds
    std::optional<bool> ttl_propagate;
    std::vector<RouteMetric> metrics;
    std::string congestion_control;
    bool congestion_control_locked = false;
    bool ecn = false;
    bool onlink = false;
    std::vector<NextHop> next_hops;
    enum class Mode : std::uint8_t { Replace, Add, Append, Prepend } mode = Mode::Replace;
    std::string text;  ///< for people: "default via 10.0.0.1 dev eth0"
    bool operator==(const RouteSpec&) const = default;
};

struct RuleSpec {
    Family family = Family::V4;
    bool negated = false;
    std::optional<IpPrefix> from, to;
    std::string in_interface, out_interface;
    std::optional<std::uint32_t> fwmark, fwmask;
    std::uint8_t tos = 0;
    std::optional<std::uint32_t> priority;
    std::optional<std::uint32_t> realms;
    std::optional<std::uint64_t> tunnel_id;
    std::optional<std::int32_t> suppress_group, suppress_prefix_length;
    bool l3mdev = false;
    std::optional<std::pair<std::uint32_t, std::uint32_t>> uid_range;
    std::uint8_t protocol = 18;               ///< who added it: RTPROT_KEEPALIVED
    std::optional<std::uint8_t> ip_protocol;  ///< what it matches
    std::optional<std::pair<std::uint16_t, std::uint16_t>> source_ports, destination_ports;
    std::uint8_t action = 1;              ///< FR_ACT_*
    std::uint32_t table = 0;              ///< FR_ACT_TO_TBL
    std::optional<std::uint32_t> target;  ///< FR_ACT_GOTO
    std::string text;
    bool operator==(const RuleSpec&) const = default;
};

/// Who sets them: net::open_routing(), or a test's own. No call blocks beyond the kernel's answer.
class Routing {
  public:
    virtual ~Routing() = default;
    /// Success also where an equal one is there already.
    virtual Result<> add(const RouteSpec& route) = 0;
    virtual Result<> add(const RuleSpec& rule) = 0;
    /// Success also where it is not there.
    virtual Result<> remove(const RouteSpec& route) = 0;
    virtual Result<> remove(const RuleSpec& rule) = 0;
};

}  // namespace vipd
