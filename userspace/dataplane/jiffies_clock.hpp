// SPDX-License-Identifier: Apache-2.0
// How the XDP program tells the time: from jiffies, see bpf/clock.bpf.h.
#pragma once

#include <cstdint>

namespace vipd::dataplane {

/// CLOCK_MONOTONIC in ns is jiffies * jiffy_ns + offset_ns, modulo 2^64. All 0: it cannot be told
/// so, and the program asks the kernel's coarse clock.
struct JiffiesClock {
    std::uint64_t jiffy_ns = 0;
    std::uint64_t offset_ns = 0;

    bool operator==(const JiffiesClock&) const = default;
};

/// From both clocks at one time and the length of a jiffy. The kernel derives jiffies from
/// CLOCK_MONOTONIC; a kernel where they have parted since boot by two seconds or more does not.
JiffiesClock jiffies_clock(std::uint64_t jiffies,
                           std::uint64_t monotonic_ns,
                           std::uint64_t jiffy_ns);

/// As it is on this machine. Loads and runs a BPF program of a few instructions; what fails there
/// is no error, only slower.
JiffiesClock read_jiffies_clock();

}  // namespace vipd::dataplane
