// SPDX-License-Identifier: Apache-2.0
#include "userspace/daemon/scheduling.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <functional>
#include <sys/resource.h>
#include <sys/wait.h>

namespace vipd::daemon {
namespace {

/// In a process of its own: what it changes ends with it. The value that `look` returns.
int in_child(const std::function<int()>& look) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(look());
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Scheduling, PutsNiceAndCpusInForce) {
    EXPECT_EQ(in_child([] {
                  config::ProcessSettings settings;
                  settings.nice.value = 7;
                  settings.nice.set = true;
                  settings.cpu_affinity.value = {0};
                  if (!apply_scheduling(settings, {"vipd_vrrp", 3}).empty()) return 1;
                  cpu_set_t cpus;
                  CPU_ZERO(&cpus);
                  (void)::sched_getaffinity(0, sizeof cpus, &cpus);
                  if (CPU_COUNT(&cpus) != 1) return 2;
                  return ::getpriority(PRIO_PROCESS, 0) == 7 ? 0 : 3;
              }),
              0);
}

TEST(AutoPriority, RisesByOneEachTimeThatATimerIsLate) {
    AutoPriority off(0, Seconds(1), 0);
    EXPECT_EQ(off.on_timer(Seconds(9)), std::nullopt);
    AutoPriority too(-1, Seconds(1), 0);
    EXPECT_EQ(too.on_timer(Seconds(9)), std::nullopt);
    AutoPriority two(2, Millis(500), 0);
    EXPECT_EQ(two.on_timer(Millis(499)), std::nullopt);
    EXPECT_EQ(two.on_timer(Millis(500)), 1);
    EXPECT_EQ(two.on_timer(Millis(10)), std::nullopt) << "what it has it keeps";
    EXPECT_EQ(two.on_timer(Seconds(1)), 2);
    EXPECT_EQ(two.on_timer(Seconds(1)), std::nullopt) << "as high as it may";
    AutoPriority higher(50, Seconds(1), 20);
    EXPECT_EQ(higher.on_timer(Seconds(2)), 21) << "above vrrp_rt_priority";
}

TEST(Scheduling, WithoutSettingsItIsAsUsual) {
    EXPECT_EQ(in_child([] {
                  if (!apply_scheduling({}, {"vipd_vrrp", 4}).empty()) return 1;
                  if (::getpriority(PRIO_PROCESS, 0) != 4) return 2;
                  return (::sched_getscheduler(0) & ~SCHED_RESET_ON_FORK) == SCHED_OTHER ? 0 : 3;
              }),
              0);
}

TEST(Scheduling, RealTimePriorityIsGrantedByTheLimitAlone) {
    const rlimit wanted{20, 20};
    if (in_child([&] { return ::setrlimit(RLIMIT_RTPRIO, &wanted); }) != 0)
        GTEST_SKIP() << "no right to raise limits (CAP_SYS_RESOURCE)";
    EXPECT_EQ(in_child([] {
                  allow_scheduling();
                  if (::setuid(65534) != 0) return 1;
                  config::ProcessSettings settings;
                  settings.rt_priority.value = 20;
                  settings.no_swap.value = true;
                  if (!apply_scheduling(settings, {"vipd_vrrp", 0}).empty()) return 2;
                  sched_param parameters{};
                  (void)::sched_getparam(0, &parameters);
                  return parameters.sched_priority == 20 ? 0 : 3;
              }),
              0);
}

TEST(Scheduling, WhatIsNotGrantedIsSaid) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to lower the limit";
    EXPECT_EQ(in_child([] {
                  const rlimit none{0, 0};
                  (void)::setrlimit(RLIMIT_RTPRIO, &none);
                  if (::setuid(65534) != 0) return 1;
                  config::ProcessSettings settings;
                  settings.rt_priority.value = 20;
                  const auto refused = apply_scheduling(settings, {"vipd_vrrp", 0});
                  return refused.size() == 1 && refused[0].errnum == EPERM ? 0 : 2;
              }),
              0);
}

}  // namespace
}  // namespace vipd::daemon
