// SPDX-License-Identifier: Apache-2.0
#include "vrrp/track/track.hpp"

#include <algorithm>

namespace vipd::vrrp {

namespace {

constexpr std::int64_t kFault = -254;

void add_value(const Tracked& one, int& priority, TrackOutcome& outcome) {
    const std::int64_t value = *one.value;
    // In 64 bits: the file holds what somebody has written into it.
    const std::int64_t sum = value * one.weight * (one.reverse ? -1 : 1);
    const bool fault = one.weight == 0 ? (value == 0) == one.reverse : sum <= kFault;
    if (fault && outcome.fault.empty()) outcome.fault = one.what + " says " + std::to_string(value);
    priority += static_cast<int>(std::clamp<std::int64_t>(sum, kFault, -kFault));
}

}  // namespace

TrackOutcome evaluate(std::uint8_t base, std::span<const Tracked> tracked) {
    int priority = base;
    TrackOutcome outcome;
    for (const Tracked& one : tracked) {
        if (one.value) {
            add_value(one, priority, outcome);
            continue;
        }
        const bool up = one.up != one.reverse;
        if (one.weight == 0) {
            if (outcome.fault.empty() && !one.known)
                outcome.fault = one.what + " has no result yet";
            if (outcome.fault.empty() && !up)
                outcome.fault = one.what + (one.reverse ? " is up (reverse)" : " is down");
        } else if (one.known) {
            if (one.weight > 0 && up) priority += one.weight;
            if (one.weight < 0 && !up) priority += one.weight;
        }
    }
    outcome.priority = base == 255 ? base : static_cast<std::uint8_t>(std::clamp(priority, 1, 254));
    return outcome;
}

}  // namespace vipd::vrrp
