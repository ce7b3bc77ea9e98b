// SPDX-License-Identifier: Apache-2.0
// How a role's process is scheduled and called: vrrp_priority, vrrp_process_name and their like.
#pragma once

#include "userspace/config/config.hpp"

#include <vipd/error.hpp>

#include <vector>

namespace vipd::daemon {

/// Raises the limits by which this process may later choose its own priority and lock its memory
/// without being root. Where that is not granted, it will have to do without.
void allow_scheduling();

struct UsualProcess {
    const char* name;
    int nice;
};

/// Puts the settings in force; what is not set is as at the start (as `usual` says, all CPUs, no
/// real-time priority, no locked memory). Each thing that was not granted is an error of the list.
std::vector<Error> apply_scheduling(const config::ProcessSettings& settings, UsualProcess usual);

}  // namespace vipd::daemon
