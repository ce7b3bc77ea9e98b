// SPDX-License-Identifier: Apache-2.0
#include "userspace/sync/flow_pump.hpp"

#include <sys/epoll.h>
#include <utility>
#include <vector>

namespace vipd::sync {

Result<> FlowPump::start(const Options& options) {
    auto changes = loop_.io(plane_.change_fd(), EPOLLIN, [this](std::uint32_t) { read_changes(); });
    if (!changes) return fail(std::move(changes.error()).in("flow changes"));
    auto timer =
        loop_.every(options.interval, [this, round = options.round](TimePoint) { sweep(round); });
    if (!timer) return fail(std::move(timer.error()).in("flow sweep"));
    changes_ = std::move(*changes);
    timer_ = std::move(*timer);
    return {};
}

void FlowPump::stop() {
    changes_.reset();
    timer_.reset();
}

void FlowPump::set_listener(const void* who, Listener listener) {
    if (listener)
        listeners_[who] = std::move(listener);
    else
        listeners_.erase(who);
}

void FlowPump::tell(std::span<const dataplane::Flow> flows, std::uint64_t left_out) {
    if (flows.empty() && left_out == 0) return;
    for (const auto& [who, listener] : listeners_) listener(flows, left_out);
}

void FlowPump::read_changes() {
    std::vector<dataplane::Flow> flows;
    const auto left_out =
        plane_.take_changes([&](const dataplane::Flow& flow) { flows.push_back(flow); });
    tell(flows, left_out);
}

void FlowPump::sweep(Seconds round) {
    std::vector<dataplane::Flow> flows;
    plane_.sweep(round, [&](const dataplane::Flow& flow) { flows.push_back(flow); });
    tell(flows, 0);
    // What the sweep itself has ended does not wake change_fd().
    read_changes();
}

}  // namespace vipd::sync
