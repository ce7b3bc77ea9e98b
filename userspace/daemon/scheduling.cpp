// SPDX-License-Identifier: Apache-2.0
#include "userspace/daemon/scheduling.hpp"

#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

namespace vipd::daemon {

namespace {

constexpr rlim_t kHighestNice = 40;  // getrlimit(2): 20 - nice
constexpr rlim_t kHighestRealTime = 99;
constexpr rlim_t kRunawayUs = 1'000'000;  // a process that spins at real-time priority is ended

void raise_limit(int which, rlim_t to) {
    const rlimit limit{to, to};
    (void)::setrlimit(static_cast<__rlimit_resource>(which), &limit);
}

}  // namespace

void allow_scheduling() {
    raise_limit(RLIMIT_NICE, kHighestNice);
    raise_limit(RLIMIT_RTPRIO, kHighestRealTime);
    raise_limit(RLIMIT_MEMLOCK, RLIM_INFINITY);
}

Result<> schedule_in_real_time(int priority, const config::ProcessSettings& settings) {
    sched_param parameters{};
    parameters.sched_priority = priority;
    // The threads that read a configuration are not to run at this priority.
    if (::sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &parameters) < 0)
        return fail_errno(errno, "real-time priority");
    const rlim_t us = settings.rlimit_rttime_us.set ? *settings.rlimit_rttime_us : kRunawayUs;
    const rlimit limit{us, us};
    if (::setrlimit(RLIMIT_RTTIME, &limit) < 0) return fail_errno(errno, "rlimit_rttime");
    return {};
}

std::optional<int> AutoPriority::on_timer(Nanos late) {
    if (limit_ <= 0 || late < delay_ || present_ >= limit_) return std::nullopt;
    return ++present_;
}

std::vector<Error> apply_scheduling(const config::ProcessSettings& settings, UsualProcess usual) {
    std::vector<Error> refused;
    const auto check = [&](int result, const char* what) {
        if (result < 0) refused.push_back(Error::from_errno(errno, what));
    };
    if (*settings.rt_priority > 0) {
        if (auto done = schedule_in_real_time(*settings.rt_priority, settings); !done)
            refused.push_back(done.error());
    } else {
        const sched_param normal{};
        check(::sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &normal),
              "real-time priority");
    }
    check(::setpriority(PRIO_PROCESS, 0, settings.nice.set ? *settings.nice : usual.nice), "nice");
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    for (const std::uint32_t cpu : *settings.cpu_affinity)
        if (cpu < CPU_SETSIZE) CPU_SET(cpu, &cpus);
    if (settings.cpu_affinity->empty())
        for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) CPU_SET(cpu, &cpus);
    check(::sched_setaffinity(0, sizeof cpus, &cpus), "CPU affinity");
    check(*settings.no_swap ? ::mlockall(MCL_CURRENT | MCL_FUTURE) : ::munlockall(), "no_swap");
    const char* name = settings.name.set ? settings.name.value.c_str() : usual.name;
    check(::prctl(PR_SET_NAME, name), "process_name");
    return refused;
}

}  // namespace vipd::daemon
