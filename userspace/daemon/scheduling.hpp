// SPDX-License-Identifier: Apache-2.0
// How a role's process is scheduled and called: vrrp_priority, vrrp_process_name and their like.
#pragma once

#include "userspace/config/config.hpp"

#include <vipd/error.hpp>
#include <vipd/time.hpp>

#include <optional>
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

/// max_auto_priority and min_auto_priority_delay: a process whose timers are late is scheduled in
/// real time, and a step higher each time that they are late again.
class AutoPriority {
  public:
    AutoPriority() = default;
    /// `limit`: the highest SCHED_RR priority to take; 0 or less: none. `delay`: what is late.
    /// `present`: the priority that the process has, 0: normal scheduling.
    AutoPriority(int limit, Nanos delay, int present)
        : limit_(limit), delay_(delay), present_(present) {}
    /// A timer has been `late` by so much: the priority to take from now on; nullopt: as it is.
    std::optional<int> on_timer(Nanos late);

  private:
    int limit_ = 0;
    Nanos delay_{0};
    int present_ = 0;
};

/// SCHED_RR at `priority`, with the limit on its CPU time that `settings` give.
Result<> schedule_in_real_time(int priority, const config::ProcessSettings& settings);

}  // namespace vipd::daemon
