// SPDX-License-Identifier: Apache-2.0
#include "userspace/daemon/routing_settings.hpp"

#include <fmt/format.h>

#include <linux/rtnetlink.h>

namespace vipd::daemon {

namespace {

constexpr std::uint8_t kKeepalived = 18;  // RTPROT_KEEPALIVED

RouteSpec to_route(const config::Route& from) {
    RouteSpec to;
    to.type = from.type;
    to.family = from.family;
    to.destination = from.destination;
    to.from = from.from;
    to.source = from.source;
    to.via = from.via;
    to.device = from.device;
    to.table = from.table.value_or(RT_TABLE_MAIN);
    to.scope = from.scope;
    to.tos = from.tos.value_or(0);
    to.protocol = from.protocol.value_or(kKeepalived);
    to.metric = from.metric;
    to.preference = from.preference;
    to.realms = from.realms;
    to.expires = from.expires;
    to.ttl_propagate = from.ttl_propagate;
    for (const auto& metric : from.metrics)
        to.metrics.push_back({metric.attribute, metric.value, metric.locked});
    to.congestion_control = from.congestion_control;
    to.congestion_control_locked = from.congestion_control_locked;
    to.ecn = from.ecn;
    to.onlink = from.onlink;
    for (const auto& hop : from.next_hops)
        to.next_hops.push_back({hop.via, hop.device, hop.weight, hop.onlink, hop.realms});
    to.mode = static_cast<RouteSpec::Mode>(from.mode);
    to.text = from.destination.length == 0 ? "default" : from.destination.to_string();
    if (from.via) to.text += " via " + from.via.to_string();
    if (!from.device.empty()) to.text += " dev " + from.device;
    if (from.table) to.text += fmt::format(" table {}", *from.table);
    return to;
}

RuleSpec to_rule(const config::Rule& from) {
    RuleSpec to;
    to.family = from.family;
    to.negated = from.negated;
    to.from = from.from;
    to.to = from.to;
    to.in_interface = from.in_interface;
    to.out_interface = from.out_interface;
    to.fwmark = from.fwmark;
    to.fwmask = from.fwmask;
    to.tos = from.tos.value_or(0);
    to.priority = from.priority;
    to.realms = from.realms;
    to.tunnel_id = from.tunnel_id;
    to.suppress_group = from.suppress_group;
    to.suppress_prefix_length = from.suppress_prefix_length;
    to.l3mdev = from.l3mdev;
    to.uid_range = from.uid_range;
    to.protocol = from.protocol.value_or(kKeepalived);
    to.ip_protocol = from.ip_protocol;
    to.source_ports = from.source_ports;
    to.destination_ports = from.destination_ports;
    to.action = from.action;
    to.table = from.table.value_or(RT_TABLE_MAIN);
    to.target = from.target;
    to.text = "from " + (from.from ? from.from->to_string() : std::string("all"));
    if (from.to) to.text += " to " + from.to->to_string();
    if (from.table) to.text += fmt::format(" lookup {}", *from.table);
    if (from.priority) to.text += fmt::format(" priority {}", *from.priority);
    return to;
}

}  // namespace

vrrp::RoutingItems routing_items(const std::vector<config::Route>& routes,
                                 const std::vector<config::Rule>& rules) {
    vrrp::RoutingItems items;
    for (const auto& route : routes)
        // The parser has said that it is left out.
        if (route.encapsulation.kind == config::Encapsulation::Kind::None && route.vrf.empty())
            items.routes.push_back({to_route(route), route.no_track});
    for (const auto& rule : rules) items.rules.push_back({to_rule(rule), rule.no_track});
    return items;
}

}  // namespace vipd::daemon
