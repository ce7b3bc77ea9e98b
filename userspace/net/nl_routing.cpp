// SPDX-License-Identifier: Apache-2.0
#include "userspace/net/nl_routing.hpp"

#include "userspace/net/nl_socket.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <linux/fib_rules.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <span>
#include <sys/socket.h>

namespace vipd::net {

namespace {

std::uint8_t af(Family family) {
    return family == Family::V6 ? AF_INET6 : AF_INET;
}

/// Attributes within an attribute.
class Nest {
  public:
    void put(std::uint16_t type, std::span<const std::uint8_t> data) {
        rtattr header{};
        header.rta_len = static_cast<std::uint16_t>(RTA_LENGTH(data.size()));
        header.rta_type = type;
        append(&header, sizeof header);
        append(data.data(), data.size());
        pad();
    }
    void put(std::uint16_t type, std::uint32_t value) {
        put(type, {reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
    }
    void put(std::uint16_t type, const std::string& text) {
        put(type, {reinterpret_cast<const std::uint8_t*>(text.c_str()), text.size() + 1});
    }
    void append(const void* data, std::size_t size) {
        const auto* bytes = static_cast<const std::uint8_t*>(data);
        bytes_.insert(bytes_.end(), bytes, bytes + size);
    }
    void pad() { bytes_.resize(RTA_ALIGN(bytes_.size())); }
    std::vector<std::uint8_t>& bytes() { return bytes_; }
    const std::vector<std::uint8_t>& bytes() const { return bytes_; }

  private:
    std::vector<std::uint8_t> bytes_;
};

template <class Header>
Request make_request(std::uint16_t type, int flags, const Header& header) {
    return {type, static_cast<std::uint16_t>(flags), std::as_bytes(std::span(&header, 1))};
}

Result<std::uint32_t> index_of(const std::string& device) {
    const unsigned index = ::if_nametoindex(device.c_str());
    if (index == 0) return fail("interface " + device + " does not exist", ENODEV);
    return index;
}

/// The gateway; of the other family within RTA_VIA (RFC 5549).
void put_gateway(auto& to, const IpAddress& via, Family family) {
    if (via.family() == family) {
        to.put(RTA_GATEWAY, via.bytes().data(), via.bytes().size());
        return;
    }
    std::vector<std::uint8_t> value(2);
    const std::uint16_t number = af(via.family());
    std::memcpy(value.data(), &number, sizeof number);
    value.insert(value.end(), via.bytes().begin(), via.bytes().end());
    to.put(RTA_VIA, value.data(), value.size());
}

Nest metrics_of(const RouteSpec& route) {
    Nest nest;
    std::uint32_t locks = 0;
    for (const RouteMetric& metric : route.metrics) {
        nest.put(metric.attribute, metric.value);
        if (metric.locked) locks |= 1U << metric.attribute;
    }
    if (!route.congestion_control.empty()) {
        nest.put(RTAX_CC_ALGO, route.congestion_control);
        if (route.congestion_control_locked) locks |= 1U << RTAX_CC_ALGO;
    }
    if (route.ecn) nest.put(RTAX_FEATURES, std::uint32_t{RTAX_FEATURE_ECN});
    if (locks != 0) nest.put(RTAX_LOCK, locks);
    return nest;
}

/// put() of a Nest in the form that put_gateway() wants.
struct NestWriter {
    Nest& nest;
    void put(int type, const void* data, std::size_t size) {
        nest.put(static_cast<std::uint16_t>(type), {static_cast<const std::uint8_t*>(data), size});
    }
};

Result<Nest> multipath_of(const RouteSpec& route) {
    Nest all;
    for (const NextHop& hop : route.next_hops) {
        Nest one;
        rtnexthop header{};
        header.rtnh_hops = static_cast<std::uint8_t>(hop.weight - 1);
        if (hop.onlink) header.rtnh_flags = RTNH_F_ONLINK;
        if (!hop.device.empty()) {
            auto index = index_of(hop.device);
            if (!index) return fail(std::move(index.error()));
            header.rtnh_ifindex = static_cast<int>(*index);
        }
        one.append(&header, sizeof header);
        NestWriter writer{one};
        if (hop.via) put_gateway(writer, hop.via, route.family);
        if (hop.realms) one.put(RTA_FLOW, *hop.realms);
        const auto length = static_cast<std::uint16_t>(one.bytes().size());
        std::memcpy(one.bytes().data(), &length, sizeof length);
        all.append(one.bytes().data(), one.bytes().size());
        all.pad();
    }
    return all;
}

/// As ip(8): a route to a host of ours is of scope host, one without a gateway of scope link.
std::uint8_t scope_of(const RouteSpec& route) {
    if (route.scope) return *route.scope;
    if (route.family == Family::V6) return RT_SCOPE_UNIVERSE;
    if (route.type == RTN_LOCAL || route.type == RTN_NAT) return RT_SCOPE_HOST;
    const bool direct = !route.via && route.next_hops.empty();
    const bool link = route.type == RTN_BROADCAST || route.type == RTN_MULTICAST ||
                      route.type == RTN_ANYCAST ||
                      ((route.type == RTN_UNICAST || route.type == RTN_UNSPEC) && direct);
    return link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

Result<Request> route_request(std::uint16_t type, int flags, const RouteSpec& route) {
    rtmsg header{};
    header.rtm_family = af(route.family);
    header.rtm_dst_len = route.destination.length;
    header.rtm_src_len = route.from ? route.from->length : std::uint8_t{0};
    header.rtm_tos = route.tos;
    header.rtm_table =
        static_cast<std::uint8_t>(route.table < 256 ? route.table : std::uint32_t{RT_TABLE_UNSPEC});
    header.rtm_protocol = route.protocol;
    header.rtm_scope = scope_of(route);
    header.rtm_type = route.type;
    if (route.onlink) header.rtm_flags |= RTNH_F_ONLINK;
    auto request = make_request(type, flags, header);
    if (route.destination.length > 0) request.put(RTA_DST, route.destination.address);
    if (route.from) request.put(RTA_SRC, route.from->address);
    if (route.source) request.put(RTA_PREFSRC, route.source);
    if (route.via) put_gateway(request, route.via, route.family);
    if (!route.device.empty()) {
        auto index = index_of(route.device);
        if (!index) return fail(std::move(index.error()));
        request.put(RTA_OIF, *index);
    }
    request.put(RTA_TABLE, route.table);
    if (route.metric) request.put(RTA_PRIORITY, *route.metric);
    if (route.preference) request.put(RTA_PREF, &*route.preference, 1);
    if (route.realms) request.put(RTA_FLOW, *route.realms);
    if (route.expires) request.put(RTA_EXPIRES, *route.expires);
    if (route.ttl_propagate) {
        const std::uint8_t value = *route.ttl_propagate ? 1 : 0;
        request.put(RTA_TTL_PROPAGATE, &value, 1);
    }
    if (const Nest metrics = metrics_of(route); !metrics.bytes().empty())
        request.put(RTA_METRICS | NLA_F_NESTED, metrics.bytes().data(), metrics.bytes().size());
    if (!route.next_hops.empty()) {
        auto hops = multipath_of(route);
        if (!hops) return fail(std::move(hops.error()));
        request.put(RTA_MULTIPATH, hops->bytes().data(), hops->bytes().size());
    }
    return request;
}

Request rule_request(std::uint16_t type, int flags, const RuleSpec& rule) {
    fib_rule_hdr header{};
    header.family = af(rule.family);
    header.dst_len = rule.to ? rule.to->length : std::uint8_t{0};
    header.src_len = rule.from ? rule.from->length : std::uint8_t{0};
    header.tos = rule.tos;
    header.action = rule.action;
    header.table =
        static_cast<std::uint8_t>(rule.table < 256 ? rule.table : std::uint32_t{RT_TABLE_UNSPEC});
    if (rule.negated) header.flags |= FIB_RULE_INVERT;
    auto request = make_request(type, flags, header);
    if (rule.from && rule.from->length > 0) request.put(FRA_SRC, rule.from->address);
    if (rule.to && rule.to->length > 0) request.put(FRA_DST, rule.to->address);
    if (!rule.in_interface.empty()) request.put(FRA_IIFNAME, rule.in_interface);
    if (!rule.out_interface.empty()) request.put(FRA_OIFNAME, rule.out_interface);
    if (rule.action == FR_ACT_TO_TBL && !rule.l3mdev) request.put(FRA_TABLE, rule.table);
    if (rule.fwmark) request.put(FRA_FWMARK, *rule.fwmark);
    if (rule.fwmask) request.put(FRA_FWMASK, *rule.fwmask);
    if (rule.priority) request.put(FRA_PRIORITY, *rule.priority);
    if (rule.realms) request.put(FRA_FLOW, *rule.realms);
    if (rule.target) request.put(FRA_GOTO, *rule.target);
    if (rule.tunnel_id) {
        // Network order, the kernel's be64.
        const std::uint64_t wire = __builtin_bswap64(*rule.tunnel_id);
        request.put(FRA_TUN_ID, &wire, sizeof wire);
    }
    if (rule.suppress_group)
        request.put(FRA_SUPPRESS_IFGROUP, static_cast<std::uint32_t>(*rule.suppress_group));
    if (rule.suppress_prefix_length)
        request.put(FRA_SUPPRESS_PREFIXLEN,
                    static_cast<std::uint32_t>(*rule.suppress_prefix_length));
    if (rule.l3mdev) {
        const std::uint8_t on = 1;
        request.put(FRA_L3MDEV, &on, 1);
    }
    if (rule.uid_range) {
        const fib_rule_uid_range range{rule.uid_range->first, rule.uid_range->second};
        request.put(FRA_UID_RANGE, &range, sizeof range);
    }
    request.put(FRA_PROTOCOL, &rule.protocol, 1);
    if (rule.ip_protocol) request.put(FRA_IP_PROTO, &*rule.ip_protocol, 1);
    const auto ports = [&](int attribute, const auto& wanted) {
        if (!wanted) return;
        const fib_rule_port_range range{wanted->first, wanted->second};
        request.put(attribute, &range, sizeof range);
    };
    ports(FRA_SPORT_RANGE, rule.source_ports);
    ports(FRA_DPORT_RANGE, rule.destination_ports);
    return request;
}

int creation_flags(RouteSpec::Mode mode) {
    switch (mode) {
        case RouteSpec::Mode::Replace:
            return NLM_F_CREATE | NLM_F_REPLACE;
        case RouteSpec::Mode::Add:
            return NLM_F_CREATE | NLM_F_EXCL;
        case RouteSpec::Mode::Append:
            return NLM_F_CREATE | NLM_F_APPEND;
        case RouteSpec::Mode::Prepend:
            break;
    }
    return NLM_F_CREATE;
}

Result<> finish(Result<> result, std::initializer_list<int> fine, const std::string& context) {
    if (result || std::ranges::find(fine, result.error().errnum) != fine.end()) return {};
    return fail(std::move(result.error()).in(context));
}

class NlRouting final : public Routing {
  public:
    explicit NlRouting(RequestSocket socket) : socket_(std::move(socket)) {}

    Result<> add(const RouteSpec& route) override {
        auto request = route_request(RTM_NEWROUTE, creation_flags(route.mode), route);
        if (!request) return fail(std::move(request.error()).in("add route " + route.text));
        return finish(socket_.transact(*request), {EEXIST}, "add route " + route.text);
    }
    Result<> remove(const RouteSpec& route) override {
        auto request = route_request(RTM_DELROUTE, 0, route);
        // With its interface the route is gone.
        if (!request) return {};
        return finish(socket_.transact(*request), {ESRCH, ENODEV}, "remove route " + route.text);
    }
    Result<> add(const RuleSpec& rule) override {
        return finish(socket_.transact(rule_request(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule)),
                      {EEXIST},
                      "add rule " + rule.text);
    }
    Result<> remove(const RuleSpec& rule) override {
        return finish(socket_.transact(rule_request(RTM_DELRULE, 0, rule)),
                      {ENOENT},
                      "remove rule " + rule.text);
    }

  private:
    RequestSocket socket_;
};

}  // namespace

Result<std::unique_ptr<Routing>> open_routing() {
    auto socket = RequestSocket::open();
    if (!socket) return fail(std::move(socket.error()));
    return std::make_unique<NlRouting>(std::move(*socket));
}

}  // namespace vipd::net
