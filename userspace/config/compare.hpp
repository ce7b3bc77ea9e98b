// SPDX-License-Identifier: Apache-2.0
// Lint over the files of several directors: what each reads as right alone and what nevertheless
// keeps them from working as one virtual router.
#pragma once

#include "userspace/config/config.hpp"

#include <span>

namespace vipd::config {

/// Compares the instances of the same virtual_router_id in each pair of configurations: passwords
/// (which are never shown), version, interval, addresses, priorities, unicast peers. Each
/// diagnostic stands at the later file and names the place in the earlier one.
std::vector<Diagnostic> compare_peers(std::span<const Config> configs);

}  // namespace vipd::config
