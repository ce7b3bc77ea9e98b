// SPDX-License-Identifier: Apache-2.0
// Changes beside the file while the core runs: what vipadm orders, counters from 0.
#include "userspace/control/core.hpp"

#include <fmt/format.h>

#include <utility>

namespace vipd::control {

Result<> Core::change(const LiveCommand& command) {
    if (stopping_) return fail("vipd is stopping");
    LiveChanges before = live_;
    if (auto applied = live_.apply(command, config()); !applied) return applied;
    if (command.verb == LiveCommand::Verb::Zero) {
        zero_counters(command.service);
        return {};
    }
    if (auto done = put_in_force(loaded_, false); !done) {
        live_ = std::move(before);
        return done;
    }
    return {};
}

void Core::zero_counters(const std::optional<ServiceKey>& only) {
    if (!forwarding_) return;
    const auto& plane = forwarding_->dataplane();
    for (const auto& [key, service] : services_.desired()) {
        if (only && key != *only) continue;
        if (const auto counters = plane.counters(key)) zeroed_[key] = *counters;
        for (const auto& real : service.reals)
            if (const auto counters = plane.counters(key, real.endpoint))
                zeroed_reals_[{key, real.endpoint}] = *counters;
    }
}

std::uint64_t Core::scan_flows(std::uint64_t cursor,
                               std::uint64_t slots,
                               const std::function<void(const dataplane::Flow&)>& visit) const {
    return forwarding_ ? forwarding_->dataplane().scan_flows(cursor, slots, visit) : 0;
}

}  // namespace vipd::control
