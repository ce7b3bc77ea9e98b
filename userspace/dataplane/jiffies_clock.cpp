// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/jiffies_clock.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <vipd_clock.skel.h>

#include <array>
#include <cstddef>
#include <ctime>
#include <memory>

namespace vipd::dataplane {

JiffiesClock jiffies_clock(std::uint64_t jiffies,
                           std::uint64_t monotonic_ns,
                           std::uint64_t jiffy_ns) {
    constexpr std::uint64_t kSecond = 1'000'000'000;
    constexpr std::uint64_t kMostApart = 2 * kSecond;
    // HZ is 100 to 1000.
    if (jiffy_ns < kSecond / 1000 || jiffy_ns > kSecond / 100) return {};
    // They begin five minutes before 32 bits overflow (INITIAL_JIFFIES).
    const auto first = static_cast<std::uint32_t>(-(300 * kSecond / jiffy_ns));
    const std::uint64_t since_boot = (jiffies - first) * jiffy_ns;
    if (monotonic_ns - since_boot + kMostApart > 2 * kMostApart) return {};
    return {jiffy_ns, monotonic_ns - jiffies * jiffy_ns};
}

JiffiesClock read_jiffies_clock() {
    const std::unique_ptr<vipd_clock, void (*)(vipd_clock*)> program(vipd_clock::open_and_load(),
                                                                     &vipd_clock::destroy);
    timespec resolution{};
    if (!program || ::clock_getres(CLOCK_MONOTONIC_COARSE, &resolution) != 0 ||
        resolution.tv_sec != 0)
        return {};
    const std::array<std::byte, 64> frame{};
    LIBBPF_OPTS(bpf_test_run_opts, options);
    options.data_in = frame.data();
    options.data_size_in = frame.size();
    if (::bpf_prog_test_run_opts(::bpf_program__fd(program->progs.vipd_clock), &options) != 0)
        return {};
    return jiffies_clock(program->bss->clock_jiffies,
                         program->bss->clock_monotonic_ns,
                         static_cast<std::uint64_t>(resolution.tv_nsec));
}

}  // namespace vipd::dataplane
