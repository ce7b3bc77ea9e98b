// SPDX-License-Identifier: Apache-2.0
#include "vrrp/track/track.hpp"

#include <algorithm>

namespace vipd::vrrp {

TrackOutcome evaluate(std::uint8_t base, std::span<const Tracked> tracked) {
    int priority = base;
    TrackOutcome outcome;
    for (const Tracked& one : tracked) {
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
