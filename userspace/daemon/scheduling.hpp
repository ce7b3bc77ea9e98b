// SPDX-License-Identifier: Apache-2.0
// How a role's process is scheduled: vrrp_priority, vrrp_rt_priority and their like.
#pragma once

#include "userspace/config/config.hpp"

#include <vipd/error.hpp>

#include <vector>

namespace vipd::daemon {

/// Raises the limits by which this process may later choose its own priority and lock its memory
/// without being root. Where that is not granted, it will have to do without.
void allow_scheduling();

/// Puts the settings in force; what is not set is as at the start (nice `usual_nice`, all CPUs, no
/// real-time priority, no locked memory). Each thing that was not granted is an error of the list.
std::vector<Error> apply_scheduling(const config::ProcessSettings& settings, int usual_nice);

}  // namespace vipd::daemon
