// SPDX-License-Identifier: Apache-2.0
// Addresses, routes and rules as text, in iproute2's words.
#include "userspace/config/routing_words.hpp"
#include "userspace/config/writer_lines.hpp"

#include <fmt/ranges.h>

#include <array>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

namespace vipd::config {

namespace {

std::string named(std::span<const NamedNumber> names, std::uint32_t value) {
    for (const auto& one : names)
        if (one.value == value) return std::string(one.name);
    return std::to_string(value);
}

std::string realms(std::uint32_t packed) {
    const std::uint32_t from = packed >> 16U;
    const std::uint32_t to = packed & 0xffffU;
    return from == 0 ? fmt::format("{}", to) : fmt::format("{}/{}", from, to);
}

template <class T>
std::string range(const std::pair<T, T>& range) {
    return fmt::format("{}-{}", range.first, range.second);
}

/// The words of one line, each option only where the model has it.
class Options {
  public:
    void add(std::string_view text) {
        if (!text_.empty()) text_ += ' ';
        text_ += text;
    }
    void add(std::string_view name, std::string_view value) {
        add(name);
        add(value);
    }
    void on(std::string_view name, bool given) {
        if (given) add(name);
    }
    void text(std::string_view name, std::string_view value) {
        if (!value.empty()) add(name, word(value));
    }
    void address(std::string_view name, const IpAddress& value) {
        if (value) add(name, value.to_string());
    }
    void prefix(std::string_view name, const std::optional<IpPrefix>& value) {
        if (value) add(name, value->to_string());
    }
    template <class T>
    void number(std::string_view name,
                const std::optional<T>& value,
                std::span<const NamedNumber> names = {}) {
        if (value) add(name, named(names, static_cast<std::uint32_t>(*value)));
    }
    const std::string& str() const { return text_; }

  private:
    std::string text_;
};

std::string address_line(const VipAddress& vip) {
    static constexpr std::array kForever{NamedNumber{"forever", 4294967295}};
    Options options;
    options.add(vip.prefix.to_string());
    options.text("dev", vip.device);
    options.text("label", vip.label);
    options.prefix("peer", vip.peer);
    if (vip.broadcast_auto) options.add("brd", "+");
    if (vip.broadcast) options.address("brd", *vip.broadcast);
    if (vip.scope != 0) options.add("scope", named(scope_names(), vip.scope));
    options.on("use_vmac", vip.use_vmac);
    options.on("home", vip.home);
    options.on("-nodad", vip.nodad);
    options.on("mngtmpaddr", vip.mngtmpaddr);
    options.on("noprefixroute", vip.noprefixroute);
    options.on("autojoin", vip.autojoin);
    options.number("preferred_lft", vip.preferred_lifetime, kForever);
    options.on("no_track", vip.no_track);
    options.text("track_group", vip.track_group);
    return options.str();
}

/// Its own options take every word that they know: it stands last.
void write_encapsulation(Options& options, const Encapsulation& encap) {
    using Kind = Encapsulation::Kind;
    switch (encap.kind) {
        case Kind::None:
            return;
        case Kind::Mpls:
            options.add("encap mpls", fmt::format("{}", fmt::join(encap.labels, "/")));
            return;
        case Kind::Ila:
            options.add("encap ila", word(encap.locator));
            return;
        case Kind::Ip:
        case Kind::Ip6:
            break;
    }
    options.add(encap.kind == Kind::Ip ? "encap ip" : "encap ip6");
    if (encap.id) options.add("id", std::to_string(*encap.id));
    options.address("dst", encap.destination);
    options.address("src", encap.source);
    options.number("tos", encap.tos, dsfield_names());
    options.number("ttl", encap.ttl);
    if (encap.flags != 0) options.add("flags", std::to_string(encap.flags));
}

/// Times without a unit are in the kernel's.
void write_metric(Options& options, const RouteMetric& metric) {
    static constexpr std::array kNames{NamedNumber{"mtu", RTAX_MTU},
                                       NamedNumber{"hoplimit", RTAX_HOPLIMIT},
                                       NamedNumber{"advmss", RTAX_ADVMSS},
                                       NamedNumber{"rtt", RTAX_RTT},
                                       NamedNumber{"rttvar", RTAX_RTTVAR},
                                       NamedNumber{"rto_min", RTAX_RTO_MIN},
                                       NamedNumber{"reordering", RTAX_REORDERING},
                                       NamedNumber{"window", RTAX_WINDOW},
                                       NamedNumber{"cwnd", RTAX_CWND},
                                       NamedNumber{"ssthresh", RTAX_SSTHRESH},
                                       NamedNumber{"initcwnd", RTAX_INITCWND},
                                       NamedNumber{"initrwnd", RTAX_INITRWND},
                                       NamedNumber{"quickack", RTAX_QUICKACK},
                                       NamedNumber{"fastopen_no_cookie", RTAX_FASTOPEN_NO_COOKIE}};
    options.add(named(kNames, metric.attribute));
    options.on("lock", metric.locked);
    options.add(std::to_string(metric.value));
}

void write_next_hop(Options& options, const NextHop& hop) {
    options.add("nexthop");
    options.address("via", hop.via);
    options.text("dev", hop.device);
    if (hop.weight != 1) options.add("weight", std::to_string(hop.weight));
    options.on("onlink", hop.onlink);
    if (hop.realms) options.add("realms", realms(*hop.realms));
    write_encapsulation(options, hop.encapsulation);
}

std::string route_line(const Route& route) {
    static constexpr std::array kTypes{NamedNumber{"unicast", RTN_UNICAST},
                                       NamedNumber{"local", RTN_LOCAL},
                                       NamedNumber{"broadcast", RTN_BROADCAST},
                                       NamedNumber{"anycast", RTN_ANYCAST},
                                       NamedNumber{"multicast", RTN_MULTICAST},
                                       NamedNumber{"throw", RTN_THROW},
                                       NamedNumber{"unreachable", RTN_UNREACHABLE},
                                       NamedNumber{"prohibit", RTN_PROHIBIT},
                                       NamedNumber{"blackhole", RTN_BLACKHOLE},
                                       NamedNumber{"xresolve", RTN_XRESOLVE},
                                       NamedNumber{"nat", RTN_NAT}};
    static constexpr std::array kPreferences{
        NamedNumber{"medium", 0}, NamedNumber{"high", 1}, NamedNumber{"low", 3}};
    static constexpr std::array kSwitch{NamedNumber{"disabled", 0}, NamedNumber{"enabled", 1}};
    Options options;
    if (route.type != RTN_UNICAST) options.add(named(kTypes, route.type));
    options.add(route.destination.to_string());  // it tells the family, too
    options.prefix("from", route.from);
    options.address("src", route.source);
    options.address("via", route.via);
    options.text("dev", route.device);
    options.number("table", route.table, table_names());
    options.text("vrf", route.vrf);
    options.number("scope", route.scope, scope_names());
    options.number("tos", route.tos, dsfield_names());
    options.number("protocol", route.protocol, protocol_names());
    options.number("metric", route.metric);
    options.number("pref", route.preference, kPreferences);
    if (route.realms) options.add("realms", realms(*route.realms));
    options.number("expires", route.expires);
    options.number("ttl-propagate", route.ttl_propagate, kSwitch);
    for (const auto& metric : route.metrics) write_metric(options, metric);
    if (!route.congestion_control.empty())
        options.add(route.congestion_control_locked ? "congctl lock" : "congctl",
                    word(route.congestion_control));
    options.on("features ecn", route.ecn);
    options.on("onlink", route.onlink);
    if (route.mode != Route::Mode::Replace)
        options.add(route.mode == Route::Mode::Add      ? "add"
                    : route.mode == Route::Mode::Append ? "append"
                                                        : "prepend");
    options.on("no_track", route.no_track);
    options.text("track_group", route.track_group);
    write_encapsulation(options, route.encapsulation);
    for (const auto& hop : route.next_hops) write_next_hop(options, hop);
    return options.str();
}

void write_action(Options& options, const Rule& rule) {
    options.number("table", rule.table, table_names());
    options.number("goto", rule.target);
    options.on("nop", rule.action == FR_ACT_NOP);
    options.on("blackhole", rule.action == FR_ACT_BLACKHOLE);
    options.on("unreachable", rule.action == FR_ACT_UNREACHABLE);
    options.on("prohibit", rule.action == FR_ACT_PROHIBIT);
}

std::string rule_line(const Rule& rule) {
    Options options;
    options.on("inet6", rule.family == Family::V6);
    options.on("not", rule.negated);
    options.prefix("from", rule.from);
    options.prefix("to", rule.to);
    options.text("iif", rule.in_interface);
    options.text("oif", rule.out_interface);
    if (rule.fwmark)
        options.add("fwmark",
                    rule.fwmask ? fmt::format("{}/{}", *rule.fwmark, *rule.fwmask)
                                : std::to_string(*rule.fwmark));
    options.number("tos", rule.tos, dsfield_names());
    if (rule.tunnel_id) options.add("tun-id", std::to_string(*rule.tunnel_id));
    if (rule.uid_range) options.add("uidrange", range(*rule.uid_range));
    options.number("ipproto", rule.ip_protocol);
    if (rule.source_ports) options.add("sport", range(*rule.source_ports));
    if (rule.destination_ports) options.add("dport", range(*rule.destination_ports));
    options.on("l3mdev", rule.l3mdev);
    write_action(options, rule);
    options.number("preference", rule.priority);
    if (rule.realms) options.add("realms", realms(*rule.realms));
    options.number("suppress_ifgroup", rule.suppress_group);
    options.number("suppress_prefixlength", rule.suppress_prefix_length);
    options.number("protocol", rule.protocol, protocol_names());
    options.on("no_track", rule.no_track);
    options.text("track_group", rule.track_group);
    return options.str();
}

template <class T>
void write_block(Lines& lines,
                 std::string_view name,
                 const std::vector<T>& all,
                 std::string (*line)(const T&)) {
    if (all.empty()) return;
    lines.open(name);
    for (const auto& one : all) lines.line(line(one));
    lines.close();
}

}  // namespace

void write_addresses(Lines& lines, std::string_view name, const std::vector<VipAddress>& vips) {
    write_block(lines, name, vips, address_line);
}

void write_routes(Lines& lines, std::string_view name, const std::vector<Route>& routes) {
    write_block(lines, name, routes, route_line);
}

void write_rules(Lines& lines, std::string_view name, const std::vector<Rule>& rules) {
    write_block(lines, name, rules, rule_line);
}

}  // namespace vipd::config
