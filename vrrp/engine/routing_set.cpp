// SPDX-License-Identifier: Apache-2.0
#include "vrrp/engine/routing_set.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

namespace vipd::vrrp {

// It is tried again every few seconds: one line for each text is enough.
void RoutingSet::note(const Result<>& result) {
    if (result) return;
    incomplete_ = true;
    std::string text = fmt::format("({}) {}", owner_, result.error().message);
    std::string key = text;
    world_.log(LogLevel::Error, std::move(text), std::move(key));
}

void RoutingSet::add(const RoutingItems& items, bool tracked_only) {
    incomplete_ = false;
    if (items.empty()) return;
    if (world_.routing == nullptr) {
        note(fail("routes and rules cannot be set"));
        return;
    }
    for (const auto& route : items.routes)
        if (!tracked_only || !route.no_track) note(world_.routing->add(route.spec));
    for (const auto& rule : items.rules)
        if (!tracked_only || !rule.no_track) note(world_.routing->add(rule.spec));
}

void RoutingSet::remove(const RoutingItems& items) {
    incomplete_ = false;
    if (world_.routing == nullptr) return;
    for (const auto& rule : std::views::reverse(items.rules))
        note(world_.routing->remove(rule.spec));
    for (const auto& route : std::views::reverse(items.routes))
        note(world_.routing->remove(route.spec));
}

RoutingItems RoutingSet::difference(const RoutingItems& from, const RoutingItems& to) {
    RoutingItems gone;
    for (const auto& route : from.routes)
        if (std::ranges::find(to.routes, route) == to.routes.end()) gone.routes.push_back(route);
    for (const auto& rule : from.rules)
        if (std::ranges::find(to.rules, rule) == to.rules.end()) gone.rules.push_back(rule);
    return gone;
}

}  // namespace vipd::vrrp
