// SPDX-License-Identifier: Apache-2.0
// vrrp_sync_group: all its members are master together or none is. A pure function over the
// members' machines says what each has to be told; the shell delivers it and asks again until there
// is nothing left to say.
#pragma once

#include "vrrp/fsm/machine.hpp"

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace vipd::vrrp {

/// Which member (index) has to be given which event now. Empty: the group agrees. Members in Init
/// leave the group undecided.
std::vector<std::pair<std::size_t, Event>> sync_events(std::span<const Machine* const> members);

}  // namespace vipd::vrrp
