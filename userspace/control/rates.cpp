// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/rates.hpp"

#include <cmath>

namespace vipd::control {

void RateMeter::update(const dataplane::PacketCounters& counters, TimePoint now) {
    if (last_) {
        const double seconds = std::chrono::duration<double>(now - at_).count();
        if (seconds <= 0) return;
        const double weight = 1 - std::exp(-seconds);
        const auto blend = [&](double& rate, std::uint64_t before, std::uint64_t after) {
            // A counter that went back belongs to a service that was made anew.
            const double current =
                after >= before ? static_cast<double>(after - before) / seconds : 0;
            rate += weight * (current - rate);
        };
        blend(rates_.packets, last_->packets, counters.packets);
        blend(rates_.bytes, last_->bytes, counters.bytes);
        blend(rates_.connections, last_->connections, counters.connections);
    }
    last_ = counters;
    at_ = now;
}

}  // namespace vipd::control
