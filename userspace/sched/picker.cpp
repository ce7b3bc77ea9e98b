// SPDX-License-Identifier: Apache-2.0
#include "userspace/sched/picker.hpp"

#include <vipd/abi/hash.h>

#include <algorithm>

namespace vipd::sched {

namespace {

using model::Scheduler;

// The program's bounds.
constexpr std::uint32_t kFallbackTries = 64;
constexpr std::size_t kTurnTries = 64;
constexpr std::size_t kScanReals = 512;
constexpr std::uint32_t kReplicationTicks = 82397460;

/// What the scheduler compares of a real; it is divided by the weight.
std::uint64_t cost(Scheduler scheduler, const vipd_load& load) {
    if (scheduler == Scheduler::ShortestExpectedDelay || scheduler == Scheduler::NeverQueue)
        return std::uint64_t{vipd_load_active(&load)} + 1;
    return vipd_load_overhead(&load);
}

}  // namespace

Picker::Picker(const model::Service& service)
    : scheduler_(service.scheduler),
      hash_port_(service.hash_port),
      hash_fallback_(service.hash_fallback),
      ring_(build_ring(service)) {
    for (const model::Real& real : service.reals) {
        vipd_load load{};
        load.weight = real.alive ? real.weight : 0;
        load.upper = real.upper;
        load.lower = real.lower;
        loads_.push_back(load);
    }
}

std::optional<Slot> Picker::pick(const Query& query) {
    if (ring_.empty()) return std::nullopt;
    switch (scheduler_) {
        case Scheduler::Maglev:
        case Scheduler::SourceHash:
            return by_hash(query.client);
        case Scheduler::DestinationHash:
            return usable(vipd_sh_hash(fold(query.vip), 0, 0) % ring_.size());
        case Scheduler::WeightedFailover:
            return first_usable(false);
        case Scheduler::WeightedOverflow:
            return first_usable(query.fresh);
        default:
            break;
    }
    if (!query.fresh)
        return in_turn(vipd_mh_hash(fold(query.client.address), query.client.port, 0), false);
    switch (scheduler_) {
        case Scheduler::RoundRobin:
        case Scheduler::WeightedRoundRobin:
            return in_turn(turn_++, true);
        case Scheduler::PowerOfTwo: {
            const auto turn = turn_++;
            const auto chosen = of_two(turn);
            return chosen ? chosen : in_turn(turn, true);
        }
        case Scheduler::LocalityLeastConnection:
        case Scheduler::LocalityLeastConnectionReplicated:
            return local(query.now);
        default:
            return least();
    }
}

std::optional<Slot> Picker::usable(std::size_t slot) const {
    const Slot real = ring_[slot];
    if (real == kNone || loads_[real].weight == 0 || loads_[real].full != 0) return std::nullopt;
    return real;
}

std::optional<Slot> Picker::by_hash(const Endpoint& client) const {
    const std::uint32_t folded = fold(client.address);
    const std::uint32_t port = hash_port_ ? client.port : 0;
    const auto size = static_cast<std::uint32_t>(ring_.size());
    const auto slot_of = [&](std::uint32_t offset) {
        return (scheduler_ == Scheduler::Maglev ? vipd_mh_hash(folded, port, offset)
                                                : vipd_sh_hash(folded, port, offset)) %
               size;
    };
    const std::uint32_t first = slot_of(0);
    auto real = usable(first);
    if (!hash_fallback_) return real;
    for (std::uint32_t n = 0; n < kFallbackTries && !real; ++n)
        real = usable(slot_of((first + n) % size));
    return real;
}

std::optional<Slot> Picker::in_turn(std::uint64_t turn, bool fresh) {
    for (std::size_t i = 0; i < kTurnTries; ++i) {
        const auto real = usable((turn + i) % ring_.size());
        if (!real) continue;
        if (fresh) turn_ += i;
        return real;
    }
    return first_usable(false);
}

std::optional<Slot> Picker::of_two(std::uint64_t turn) const {
    const auto draw = static_cast<std::uint32_t>(turn) * 2;
    const auto one = usable(vipd_mh_hash(draw, 0, 0) % ring_.size());
    const auto two = usable(vipd_mh_hash(draw, 0, 1) % ring_.size());
    if (!one) return two;
    if (!two) return one;
    return vipd_load_overhead(&loads_[*one]) * loads_[*two].weight >
                   vipd_load_overhead(&loads_[*two]) * loads_[*one].weight
               ? two
               : one;
}

/// `overflow`: that bears one more active connection.
std::optional<Slot> Picker::first_usable(bool overflow) const {
    for (std::size_t slot = 0; slot < std::min(ring_.size(), kScanReals); ++slot) {
        const auto real = usable(slot);
        if (real && (!overflow || vipd_load_active(&loads_[*real]) <= loads_[*real].weight))
            return real;
    }
    return std::nullopt;
}

/// The reals that this connection may choose among, in the order of the list.
std::vector<Slot> Picker::window() {
    const std::size_t first = ring_.size() > kScanReals ? turn_++ * kScanReals : 0;
    std::vector<Slot> reals;
    for (std::size_t i = 0; i < std::min(ring_.size(), kScanReals); ++i)
        reals.push_back(ring_[(first + i) % ring_.size()]);
    std::erase_if(reals, [&](Slot real) { return loads_[real].weight == 0; });
    return reals;
}

/// The first one of those with least to bear for its weight; `by_joining`: the latest to join.
std::optional<Slot> Picker::least_of(const std::vector<Slot>& reals, bool by_joining) const {
    std::optional<Slot> best;
    for (const Slot real : reals) {
        if (!best) {
            best = real;
            continue;
        }
        const vipd_load& one = loads_[real];
        const vipd_load& other = loads_[*best];
        const bool weighted = scheduler_ != Scheduler::LeastConnection;
        const std::uint64_t mine = cost(scheduler_, one) * (weighted ? other.weight : 1);
        const std::uint64_t its = cost(scheduler_, other) * (weighted ? one.weight : 1);
        if (mine < its || (by_joining && mine == its && one.joined > other.joined)) best = real;
    }
    return best;
}

std::optional<Slot> Picker::least() {
    auto reals = window();
    std::erase_if(reals, [&](Slot real) { return loads_[real].full != 0; });
    if (scheduler_ == Scheduler::NeverQueue) {
        const auto idle = std::ranges::find_if(
            reals, [&](Slot real) { return vipd_load_active(&loads_[real]) == 0; });
        if (idle != reals.end()) return *idle;
    }
    return least_of(reals, false);
}

std::optional<Slot> Picker::local(std::uint32_t now) {
    const bool replicated = scheduler_ == Scheduler::LocalityLeastConnectionReplicated;
    auto reals = window();
    std::vector<Slot> set;
    for (const Slot real : reals) {
        const std::uint32_t joined = loads_[real].joined;
        if (joined != 0 && (replicated || joined == joined_)) set.push_back(real);
    }
    const bool idle = std::ranges::any_of(reals, [&](Slot real) {
        return std::uint64_t{vipd_load_active(&loads_[real])} * 2 < loads_[real].weight;
    });
    const auto full = [&](Slot real) { return loads_[real].full != 0; };
    std::erase_if(reals, full);
    auto members = set;
    if (replicated) std::erase_if(members, full);
    const auto member = least_of(members, true);
    if (replicated && set.size() > 1 && now - changed_ > kReplicationTicks) {
        // The heaviest one leaves, of equals the latest to join.
        auto most = set.front();
        for (const Slot real : set) {
            const auto mine = cost(scheduler_, loads_[real]) * loads_[most].weight;
            const auto its = cost(scheduler_, loads_[most]) * loads_[real].weight;
            if (mine > its || (mine == its && loads_[real].joined > loads_[most].joined))
                most = real;
        }
        loads_[most].joined = 0;
        changed_ = now;
    }
    if (member && !(vipd_load_active(&loads_[*member]) > loads_[*member].weight && idle))
        return member;
    const auto chosen = least_of(reals, false);
    if (!chosen || (replicated && loads_[*chosen].joined != 0)) return chosen;
    loads_[*chosen].joined = ++joined_;
    changed_ = now;
    return chosen;
}

}  // namespace vipd::sched
