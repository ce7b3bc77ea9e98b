// SPDX-License-Identifier: Apache-2.0
// Routes and rules from the configuration as written to what is set. Pure.
#pragma once

#include "userspace/config/config.hpp"
#include "vrrp/engine/settings.hpp"

namespace vipd::daemon {

vrrp::RoutingItems routing_items(const std::vector<config::Route>& routes,
                                 const std::vector<config::Rule>& rules);

}  // namespace vipd::daemon
