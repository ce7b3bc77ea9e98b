// SPDX-License-Identifier: Apache-2.0
// Time is passed in as a value; only the shells (the event loop) read a clock.
#pragma once

#include <chrono>

namespace vipd {

using Nanos = std::chrono::nanoseconds;
using Micros = std::chrono::microseconds;
using Millis = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;

/// CLOCK_MONOTONIC, the clock of every timer and of the BPF programs' bpf_ktime_get_ns().
using Clock = std::chrono::steady_clock;
using TimePoint = std::chrono::time_point<Clock, Nanos>;

}  // namespace vipd
