// SPDX-License-Identifier: Apache-2.0
// The lines of virtual_routes and static_routes, in iproute2's words.
#include "userspace/config/routing_words.hpp"

#include <fmt/format.h>

#include <array>
#include <functional>
#include <linux/rtnetlink.h>
#include <unordered_map>

namespace vipd::config {

namespace {

constexpr std::uint32_t kAny32 = 4294967295;
constexpr std::size_t kMaxRoutes = 100'000;

constexpr std::array kTypes{NamedNumber{"unicast", RTN_UNICAST},
                            NamedNumber{"local", RTN_LOCAL},
                            NamedNumber{"broadcast", RTN_BROADCAST},
                            NamedNumber{"brd", RTN_BROADCAST},
                            NamedNumber{"anycast", RTN_ANYCAST},
                            NamedNumber{"multicast", RTN_MULTICAST},
                            NamedNumber{"throw", RTN_THROW},
                            NamedNumber{"unreachable", RTN_UNREACHABLE},
                            NamedNumber{"prohibit", RTN_PROHIBIT},
                            NamedNumber{"blackhole", RTN_BLACKHOLE},
                            NamedNumber{"xresolve", RTN_XRESOLVE},
                            NamedNumber{"nat", RTN_NAT}};

/// Metrics whose value may be preceded by `lock`, with the greatest value.
struct MetricWord {
    std::uint16_t attribute;
    std::uint32_t limit;
    std::uint32_t unit = 0;  ///< of a time: kernel units in a millisecond; 0: a number
};
const std::unordered_map<std::string_view, MetricWord> kMetrics{
    {"mtu", {RTAX_MTU, kAny32}},
    {"hoplimit", {RTAX_HOPLIMIT, 255}},
    {"advmss", {RTAX_ADVMSS, kAny32}},
    {"rtt", {RTAX_RTT, kAny32, 8}},
    {"rttvar", {RTAX_RTTVAR, kAny32, 4}},
    {"rto_min", {RTAX_RTO_MIN, kAny32, 1}},
    {"reordering", {RTAX_REORDERING, kAny32}},
    {"window", {RTAX_WINDOW, kAny32}},
    {"cwnd", {RTAX_CWND, kAny32}},
    {"ssthresh", {RTAX_SSTHRESH, kAny32}},
    {"initcwnd", {RTAX_INITCWND, kAny32}},
    {"initrwnd", {RTAX_INITRWND, kAny32}},
    {"quickack", {RTAX_QUICKACK, 1}},
};

/// One line while it is read.
class RouteLine {
  public:
    RouteLine(Parsing& parsing, const Statement& line)
        : parsing_(parsing), reporter_(parsing.reporter), words_(parsing.reporter, line) {}

    std::optional<Route> read() {
        route_.at = reporter_.at(words_.peek());
        const Word& first = words_.peek();
        while (!words_.end()) {
            const Word& word = words_.take();
            if (!where(word) && !how(word) && !metric(word) && !type(word)) destination(word);
            if (failed_) return std::nullopt;
        }
        return settle(first);
    }

  private:
    std::optional<std::uint32_t> number(std::span<const NamedNumber> names,
                                        std::uint32_t limit,
                                        std::string_view what) {
        const Word* word = words_.value();
        return word != nullptr ? read_named(reporter_, *word, names, limit, what) : std::nullopt;
    }

    template <class T>
    void set(std::optional<T>& to, std::optional<std::uint32_t> number) {
        if (number) to = static_cast<T>(*number);
    }

    /// An address after its keyword; tells the family of the route.
    void take_address(IpAddress& to) {
        if (!words_.accept("inet")) words_.accept("inet6");
        const Word* word = words_.value();
        if (word == nullptr) return;
        const auto read = read_address(reporter_, *word);
        if (!read) {
            failed_ = true;
            return;
        }
        to = *read;
        if (!family_known_) route_.family = read->family();
        family_known_ = true;
    }

    void take_device(std::string& to) {
        if (const Word* word = words_.value()) {
            to = word->text;
            parsing_.interfaces.push_back(*word);
        }
    }

    bool where(const Word& word) {
        const std::string_view name = word.text;
        if (name == "inet" || name == "inet6") {
            route_.family = name == "inet" ? Family::V4 : Family::V6;
            family_known_ = true;
        } else if (name == "src") {
            take_address(route_.source);
        } else if (name == "via" || name == "gw") {
            if (name == "gw") reporter_.complaint(word, "'gw' is deprecated", "write 'via'");
            take_address(route_.via);
        } else if (name == "or") {
            // keepalived's old way to say a second gateway.
            reporter_.complaint(word, "'or' is deprecated", "write 'nexthop via ADDRESS'");
            NextHop first, second;
            first.via = route_.via;
            take_address(second.via);
            route_.via = {};
            route_.next_hops = {std::move(first), std::move(second)};
        } else if (name == "from") {
            if (const Word* value = words_.value())
                route_.from = read_network(reporter_, *value, Family::V6);
        } else if (name == "to") {
            if (const Word* value = words_.value()) destination(*value);
        } else if (name == "dev" || name == "oif") {
            take_device(route_.device);
        } else if (name == "vrf") {
            not_yet(word);
            if (const Word* value = words_.value()) route_.vrf = value->text;
        } else if (name == "onlink") {
            route_.onlink = true;
        } else if (name == "encap") {
            not_yet(word);
            encapsulation(route_.encapsulation);
        } else if (name == "nexthop") {
            next_hop();
        } else {
            return false;
        }
        return true;
    }

    bool how(const Word& word) {
        const std::string_view name = word.text;
        if (name == "table")
            set(route_.table, number(table_names(), kAny32, "routing table"));
        else if (name == "scope")
            set(route_.scope, number(scope_names(), 255, "scope"));
        else if (name == "tos" || name == "dsfield")
            set(route_.tos, number(dsfield_names(), 255, "traffic class"));
        else if (name == "protocol" || name == "proto")
            set(route_.protocol, number(protocol_names(), 255, "routing protocol"));
        else if (name == "metric" || name == "priority" || name == "preference")
            set(route_.metric, number({}, kAny32, "metric"));
        else if (name == "expires")
            set(route_.expires, number({}, kAny32, "number of seconds"));
        else if (name == "realms" || name == "realm") {
            if (const Word* value = words_.value()) route_.realms = read_realms(reporter_, *value);
        } else if (name == "pref") {
            static constexpr std::array kPrefs{
                NamedNumber{"medium", 0}, NamedNumber{"high", 1}, NamedNumber{"low", 3}};
            set(route_.preference, number(kPrefs, 3, "preference"));
        } else if (name == "ttl-propagate") {
            static constexpr std::array kSwitch{NamedNumber{"disabled", 0},
                                                NamedNumber{"enabled", 1}};
            set(route_.ttl_propagate, number(kSwitch, 1, "switch"));
        } else if (name == "fastopen_no_cookie") {
            if (const auto on = number({}, 1, "switch"))
                route_.metrics.push_back({RTAX_FASTOPEN_NO_COOKIE, *on, false});
        } else if (name == "features") {
            if (words_.accept("ecn"))
                route_.ecn = true;
            else if (const Word* value = words_.value())
                reporter_.error(*value,
                                fmt::format("unknown feature {}; ignored", quoted(value->text)));
        } else if (name == "congctl") {
            route_.congestion_control_locked = words_.accept("lock");
            if (const Word* value = words_.value()) route_.congestion_control = value->text;
        } else if (name == "no_track") {
            route_.no_track = true;
        } else if (name == "track_group") {
            if (const Word* value = words_.value()) route_.track_group = value->text;
        } else if (name == "add" || name == "append" || name == "prepend") {
            route_.mode = name == "add"      ? Route::Mode::Add
                          : name == "append" ? Route::Mode::Append
                                             : Route::Mode::Prepend;
        } else {
            return false;
        }
        return true;
    }

    bool metric(const Word& word) {
        const auto found = kMetrics.find(word.text);
        if (found == kMetrics.end()) return false;
        RouteMetric made{found->second.attribute, 0, words_.accept("lock")};
        const Word* value = words_.value();
        if (value == nullptr) return true;
        const auto read = found->second.unit == 0
                              ? read_named(reporter_, *value, {}, found->second.limit, "number")
                              : time(*value, found->second.unit);
        if (read) {
            made.value = *read;
            route_.metrics.push_back(made);
        }
        return true;
    }

    /// "200ms", "1.5s", a bare number of kernel units; in kernel units.
    std::optional<std::uint32_t> time(const Word& word, std::uint32_t unit) {
        std::string_view text = word.text;
        double factor = 1;
        if (text.ends_with("ms")) {
            text.remove_suffix(2);
            factor = unit;
        } else if (text.ends_with('s')) {
            text.remove_suffix(1);
            factor = 1000.0 * unit;
        }
        double number = -1;
        try {
            std::size_t end = 0;
            number = std::stod(std::string(text), &end);
            if (end != text.size()) number = -1;
        } catch (const std::exception&) {
            number = -1;
        }
        if (!(number >= 0 && number * factor <= kAny32)) {
            reporter_.error(word,
                            fmt::format("{} is no time; ignored", quoted(word.text)),
                            "NUMBER, NUMBERs or NUMBERms is expected");
            return std::nullopt;
        }
        return static_cast<std::uint32_t>(number * factor);
    }

    bool type(const Word& word) {
        for (const auto& one : kTypes)
            if (word.text == one.name) {
                route_.type = static_cast<std::uint8_t>(one.value);
                return true;
            }
        return false;
    }

    void destination(const Word& word) {
        if (has_destination_) {
            reporter_.error(
                word, fmt::format("unknown word {}; the route is ignored", quoted(word.text)));
            failed_ = true;
            return;
        }
        const auto prefix = read_network(reporter_, word, route_.family);
        if (!prefix) {
            failed_ = true;
            return;
        }
        has_destination_ = true;
        any_ = prefix->length == 0 && word.text.find('/') == std::string::npos &&
               word.text != "default6";
        route_.destination = *prefix;
        if (any_) return;
        if (!family_known_) route_.family = prefix->address.family();
        family_known_ = true;
    }

    void next_hop() {
        NextHop hop;
        while (!words_.end()) {
            if (words_.accept("via")) {
                take_address(hop.via);
            } else if (words_.accept("dev") || words_.accept("oif")) {
                take_device(hop.device);
            } else if (words_.accept("weight")) {
                if (const auto weight = number({}, 256, "weight"); weight && *weight > 0)
                    hop.weight = static_cast<std::uint16_t>(*weight);
            } else if (words_.accept("onlink")) {
                hop.onlink = true;
            } else if (words_.accept("realms")) {
                if (const Word* value = words_.value()) hop.realms = read_realms(reporter_, *value);
            } else if (words_.accept("encap")) {
                encapsulation(hop.encapsulation);
            } else {
                break;
            }
        }
        if (route_.next_hops.size() < 256) route_.next_hops.push_back(std::move(hop));
    }

    void not_yet(const Word& word) {
        reporter_.warning(
            word,
            fmt::format("{} is not done by vipd yet; the route is ignored", quoted(word.text)));
    }

    void encapsulation(Encapsulation& to) {
        using Kind = Encapsulation::Kind;
        const Word* kind = words_.value();
        if (kind == nullptr) return;
        if (kind->text == "mpls") {
            to.kind = Kind::Mpls;
            labels(to);
        } else if (kind->text == "ila") {
            to.kind = Kind::Ila;
            if (const Word* value = words_.value()) to.locator = value->text;
        } else if (kind->text == "ip" || kind->text == "ip6") {
            to.kind = kind->text == "ip" ? Kind::Ip : Kind::Ip6;
            tunnel(to);
        } else {
            reporter_.error(
                *kind,
                fmt::format("unknown encap {}; the route is ignored", quoted(kind->text)),
                "ip, ip6, mpls and ila are known");
            failed_ = true;
        }
    }

    void labels(Encapsulation& to) {
        const Word* word = words_.value();
        if (word == nullptr) return;
        std::string_view rest = word->text;
        for (;;) {
            const std::size_t slash = rest.find('/');
            const auto label = parse_unsigned(rest.substr(0, slash));
            if (!label || *label >= 1U << 20U || to.labels.size() >= 8) {
                reporter_.error(*word,
                                fmt::format("{} are no MPLS labels; ignored", quoted(word->text)));
                to.labels.clear();
                return;
            }
            to.labels.push_back(static_cast<std::uint32_t>(*label));
            if (slash == std::string_view::npos) return;
            rest.remove_prefix(slash + 1);
        }
    }

    void tunnel(Encapsulation& to) {
        while (!words_.end()) {
            if (words_.accept("id")) {
                if (const Word* value = words_.value()) to.id = parse_unsigned(value->text);
            } else if (words_.accept("dst")) {
                if (const Word* value = words_.value())
                    to.destination = read_address(reporter_, *value).value_or(IpAddress());
            } else if (words_.accept("src")) {
                if (const Word* value = words_.value())
                    to.source = read_address(reporter_, *value).value_or(IpAddress());
            } else if (words_.accept("tos") || words_.accept("dsfield") || words_.accept("tc")) {
                set(to.tos, number(dsfield_names(), 255, "traffic class"));
            } else if (words_.accept("ttl") || words_.accept("hoplimit")) {
                set(to.ttl, number({}, 255, "hop limit"));
            } else if (words_.accept("flags")) {
                if (const auto flags = number({}, 65535, "number"))
                    to.flags = static_cast<std::uint16_t>(*flags);
            } else {
                return;
            }
        }
    }

    std::optional<Route> settle(const Word& first) {
        if (!has_destination_) {
            reporter_.error(first, "this route has no destination; ignored");
            return std::nullopt;
        }
        if (any_)
            route_.destination =
                IpPrefix{*IpAddress::parse(route_.family == Family::V6 ? "::" : "0.0.0.0"), 0};
        const Family family = route_.family;
        if (route_.destination.address.family() != family ||
            (route_.source && route_.source.family() != family)) {
            reporter_.error(first, "the addresses of this route are not of one family; ignored");
            return std::nullopt;
        }
        constexpr std::uint8_t kOurs = 18;  // RTPROT_KEEPALIVED
        if (!route_.no_track && route_.protocol.value_or(kOurs) != kOurs) {
            reporter_.complaint(first,
                                "a route with a protocol of its own cannot be tracked; the "
                                "protocol is ignored",
                                "write no_track to keep it");
            route_.protocol.reset();
        }
        // The interfaces of next hops do not count for that: keepalived compares the route's own.
        if (!route_.no_track && route_.type == RTN_UNICAST && route_.device.empty())
            reporter_.complaint(first, "a route without an interface cannot be tracked");
        return std::move(route_);
    }

    Parsing& parsing_;
    Reporter& reporter_;
    Words words_;
    Route route_;
    bool family_known_ = false;
    bool has_destination_ = false;
    bool any_ = false;  ///< the destination was "default"
    bool failed_ = false;
};

}  // namespace

void parse_routes(Parsing& parsing, const Statement& block, std::vector<Route>& to) {
    for (const auto& line : block.body) {
        if (to.size() >= kMaxRoutes) {
            parsing.reporter.error(line.head(),
                                   fmt::format("more than {} routes; ignored", kMaxRoutes));
            return;
        }
        if (auto route = RouteLine(parsing, line).read()) to.push_back(std::move(*route));
    }
}

}  // namespace vipd::config
