// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/drain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

namespace vipd::control {

namespace {

constexpr std::uint64_t kSlotsPerStep = 16384;
constexpr Nanos kStep = Millis(20);
/// A connection that this node has seen a packet of within this time goes through it.
constexpr Millis kRecent{3000};

bool open(const dataplane::Flow& flow) {
    using dataplane::FlowState;
    return flow.state == FlowState::SynRecv || flow.state == FlowState::Established ||
           flow.state == FlowState::FinWait || flow.state == FlowState::CloseWait;
}

UnixTime unix_time(TimePoint when, TimePoint now) {
    return std::time(nullptr) + std::chrono::duration_cast<Seconds>(when - now).count();
}

}  // namespace

std::string DrainTarget::to_string() const {
    if (node()) return "node";
    if (!real) return fmt::format("service {}", service->to_string());
    if (!service) return fmt::format("real {}", real->to_string());
    return fmt::format("real {} of {}", real->to_string(), service->to_string());
}

void Drains::add(const DrainTarget& target, Millis limit, const dataplane::Dataplane* plane) {
    plane_ = plane;
    Drain& drain = drains_[target];
    drain = {};
    drain.since = loop_.now();
    drain.limit = limit;
    cursor_ = 0;
    counting_.clear();
    if (steps_ || plane_ == nullptr) return;
    if (auto steps =
            loop_.every(kStep, [this](TimePoint now) { step(now); }, EventLoop::Priority::Low))
        steps_ = std::move(*steps);
}

bool Drains::remove(const DrainTarget& target) {
    if (drains_.erase(target) == 0) return false;
    if (drains_.empty()) steps_.reset();
    return true;
}

bool Drains::covers(const ServiceKey& key, const Endpoint& endpoint) const {
    return std::ranges::any_of(
        drains_, [&](const auto& entry) { return entry.first.covers(key, endpoint); });
}

void Drains::step(TimePoint now) {
    cursor_ = plane_->scan_flows(cursor_, kSlotsPerStep, [&](const dataplane::Flow& flow) {
        if (!open(flow)) return;
        const ServiceKey service{flow.vip, flow.protocol};
        for (const auto& [target, drain] : drains_) {
            const bool counts = target.node() ? !flow.synced && flow.idle < kRecent
                                              : target.covers(service, flow.real);
            if (counts) ++counting_[target];
        }
    });
    if (cursor_ == 0) end_round(now);
}

void Drains::end_round(TimePoint now) {
    for (auto& [target, drain] : drains_) {
        drain.left = counting_[target];
        // Nothing new comes: once drained it stays so, but for what a peer may still tell.
        if (*drain.left == 0 && !drain.done) drain.done = now;
    }
    counting_.clear();
}

std::vector<DrainStatus> Drains::status() const {
    std::vector<DrainStatus> list;
    const TimePoint now = loop_.now();
    for (const auto& [target, drain] : drains_) {
        DrainStatus status;
        status.target = target.to_string();
        status.since = unix_time(drain.since, now);
        status.limit = unix_time(drain.since + drain.limit, now);
        status.connections = drain.left;
        status.state = drain.done                               ? "drained"
                       : now - drain.since > Nanos(drain.limit) ? "overdue"
                                                                : "draining";
        if (drain.done) status.took = std::chrono::duration_cast<Millis>(*drain.done - drain.since);
        list.push_back(std::move(status));
    }
    return list;
}

}  // namespace vipd::control
