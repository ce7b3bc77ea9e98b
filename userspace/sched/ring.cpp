// SPDX-License-Identifier: Apache-2.0
#include "userspace/sched/ring.hpp"

#include <vipd/abi/hash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <map>
#include <numeric>

namespace vipd::sched {

namespace {

/// A real in the list that IPVS would have.
struct Entry {
    Slot index = kNone;
    std::uint32_t weight = 0;
};

/// The reals that are alive, newest first, each with `weight_of` it.
template <class WeightOf>
std::vector<Entry> newest_first(const model::Service& service, WeightOf weight_of) {
    std::vector<Entry> entries;
    for (std::size_t i = service.reals.size(); i-- > 0;) {
        const model::Real& real = service.reals[i];
        if (real.alive) entries.push_back({static_cast<Slot>(i), weight_of(real)});
    }
    return entries;
}

std::uint32_t common_divisor(const std::vector<Entry>& entries) {
    std::uint32_t divisor = 0;
    for (const Entry& entry : entries) divisor = std::gcd(divisor, entry.weight);
    return std::max(divisor, 1U);
}

std::uint32_t largest(const std::vector<Entry>& entries) {
    std::uint32_t weight = 0;
    for (const Entry& entry : entries) weight = std::max(weight, entry.weight);
    return weight;
}

Ring build_maglev(const model::Service& service) {
    // IPVS leaves the table alone when a weight becomes 0, so that no other client moves.
    auto entries = newest_first(service, [](const model::Real& real) {
        return real.weight > 0 ? real.weight : real.last_weight;
    });
    std::erase_if(entries, [](const Entry& entry) { return entry.weight == 0; });
    const std::uint32_t size = maglev_size(service.ring_size);
    const std::uint32_t divisor = common_divisor(entries);
    // Weights are cut to half the bits of the table's size.
    const auto surplus = static_cast<int>(std::bit_width(largest(entries) / divisor)) -
                         static_cast<int>(std::bit_width(size)) / 2;
    const auto shift = static_cast<std::uint32_t>(std::max(surplus, 0));

    struct Walk {
        Slot slot_value;
        std::uint32_t at, step, turns;
    };
    std::vector<Walk> walks;
    for (const Entry& entry : entries) {
        const model::Real& real = service.reals[entry.index];
        const std::uint32_t key = fold(real.endpoint.address) + real.endpoint.port;
        walks.push_back({real.weight > 0 ? entry.index : kNone,
                         vipd_hsiphash_u32(key, VIPD_MH_KEY1) % size,
                         vipd_hsiphash_u32(key, VIPD_MH_KEY2) % (size - 1) + 1,
                         std::max(entry.weight / divisor >> shift, 1U)});
    }
    Ring ring(size, kNone);
    std::vector<bool> taken(size, false);
    std::uint32_t filled = 0;
    while (filled < size) {
        for (Walk& walk : walks) {
            for (std::uint32_t turn = 0; turn < walk.turns && filled < size; ++turn) {
                while (taken[walk.at]) walk.at = (walk.at + walk.step) % size;
                taken[walk.at] = true;
                ring[walk.at] = walk.slot_value;
                ++filled;
            }
        }
    }
    return ring;
}

/// For sh by weight, for dh without.
Ring build_hash(const model::Service& service, bool weighted) {
    const auto entries = newest_first(service, [](const model::Real& real) { return real.weight; });
    Ring ring;
    ring.reserve(VIPD_SH_SLOTS);
    // A real of weight 0 still takes one slot a round (and refuses its clients).
    for (std::size_t at = 0; ring.size() < VIPD_SH_SLOTS; at = (at + 1) % entries.size()) {
        const std::uint32_t share = weighted ? std::max(entries[at].weight, 1U) : 1;
        const std::size_t run = std::min<std::size_t>(share, VIPD_SH_SLOTS - ring.size());
        ring.insert(ring.end(), run, entries[at].weight > 0 ? entries[at].index : kNone);
    }
    return ring;
}

/// Divides the weights so that their sum is at most kMaxSequence; none becomes 0.
void normalise(std::vector<Entry>& entries) {
    std::uint64_t sum = 0;
    const std::uint32_t divisor = common_divisor(entries);
    for (Entry& entry : entries) sum += entry.weight /= divisor;
    if (sum <= kMaxSequence) return;
    // The room that the ones rounded up from 0 may need is set aside beforehand.
    const std::uint64_t room = kMaxSequence - entries.size();
    for (Entry& entry : entries) {
        entry.weight = std::max(static_cast<std::uint32_t>(entry.weight * room / sum), 1U);
    }
}

Ring build_sequence(const model::Service& service, bool weighted) {
    auto entries = newest_first(service, [&](const model::Real& real) {
        return weighted ? real.weight : std::min(real.weight, 1U);
    });
    std::erase_if(entries, [](const Entry& entry) { return entry.weight == 0; });
    if (entries.size() >= kMaxSequence) entries.resize(kMaxSequence - 1);
    normalise(entries);

    // IPVS goes over the list once for each level, taking the reals whose weight reaches it. It
    // begins at the lowest level, which the first real that was added left behind, and then goes
    // from the highest down.
    Ring ring;
    for (const Entry& entry : entries) ring.push_back(entry.index);
    std::multimap<std::uint32_t, std::size_t, std::greater<>> joining;
    for (std::size_t i = 0; i < entries.size(); ++i) joining.emplace(entries[i].weight, i);
    std::vector<std::size_t> reached;
    auto next = joining.begin();
    for (std::uint32_t level = largest(entries); level > 1; --level) {
        for (; next != joining.end() && next->first >= level; ++next)
            reached.insert(std::ranges::lower_bound(reached, next->second), next->second);
        for (const std::size_t i : reached) ring.push_back(entries[i].index);
    }
    return ring;
}

/// Each real once; for fo and ovf the heaviest first.
Ring build_list(const model::Service& service, bool by_weight) {
    auto entries = newest_first(service, [](const model::Real& real) { return real.weight; });
    std::erase_if(entries, [](const Entry& entry) { return entry.weight == 0; });
    if (by_weight) std::ranges::stable_sort(entries, std::greater{}, &Entry::weight);
    Ring ring;
    for (const Entry& entry : entries) ring.push_back(entry.index);
    return ring;
}

bool is_prime(std::uint32_t number) {
    if (number < 4) return number > 1;
    if (number % 2 == 0) return false;
    for (std::uint32_t factor = 3; factor * factor <= number; factor += 2) {
        if (number % factor == 0) return false;
    }
    return true;
}

std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
    return vipd_hash_finish(vipd_rol64(hash, 23) ^ word);
}

std::uint64_t identity(const model::Real& real) {
    std::uint64_t hash = mix(real.endpoint.port, static_cast<std::uint64_t>(real.method));
    for (const std::uint8_t byte : real.endpoint.address.bytes()) hash = mix(hash, byte);
    return hash;
}

}  // namespace

std::uint32_t fold(const IpAddress& address) {
    if (address.is_v4()) return vipd_fold_v4(address.v4_host_order());
    std::array<std::uint32_t, 4> words{};
    const auto bytes = address.bytes();
    for (std::size_t i = 0; i < bytes.size(); ++i) words[i / 4] = words[i / 4] << 8U | bytes[i];
    return vipd_fold_v6(words.data());
}

std::uint32_t maglev_size(std::uint32_t wanted) {
    std::uint32_t size = std::clamp(wanted, kMinMaglev, kMaxMaglev);
    while (!is_prime(size)) ++size;  // ends: kMaxMaglev is prime
    return size;
}

Ring build_ring(const model::Service& service) {
    const bool usable = std::ranges::any_of(
        service.reals, [](const model::Real& real) { return real.alive && real.weight > 0; });
    if (!usable) return {};
    switch (service.scheduler) {
        case model::Scheduler::Maglev:
            return build_maglev(service);
        case model::Scheduler::SourceHash:
            return build_hash(service, true);
        case model::Scheduler::DestinationHash:
            return build_hash(service, false);
        case model::Scheduler::RoundRobin:
            return build_sequence(service, false);
        case model::Scheduler::WeightedRoundRobin:
        case model::Scheduler::PowerOfTwo:
            return build_sequence(service, true);
        case model::Scheduler::WeightedFailover:
        case model::Scheduler::WeightedOverflow:
            return build_list(service, true);
        case model::Scheduler::LeastConnection:
        case model::Scheduler::WeightedLeastConnection:
        case model::Scheduler::ShortestExpectedDelay:
        case model::Scheduler::NeverQueue:
        case model::Scheduler::LocalityLeastConnection:
        case model::Scheduler::LocalityLeastConnectionReplicated:
            return build_list(service, false);
    }
    return {};
}

namespace {

/// What wrr goes through: the reals, and how often each level of weight.
struct Levels {
    std::vector<Entry> entries;  ///< weights divided by `divisor`
    std::uint32_t divisor = 1;

    explicit Levels(const model::Service& service) {
        entries = newest_first(service, [](const model::Real& real) { return real.weight; });
        std::erase_if(entries, [](const Entry& entry) { return entry.weight == 0; });
        divisor = common_divisor(entries);
        for (Entry& entry : entries) entry.weight /= divisor;
    }
    std::uint32_t highest() const { return largest(entries); }
    std::uint64_t reached(std::uint32_t level) const {
        return static_cast<std::uint64_t>(std::ranges::count_if(
            entries, [&](const Entry& entry) { return entry.weight >= level; }));
    }
    std::uint64_t slots() const {
        std::uint64_t sum = 0;
        for (const Entry& entry : entries) sum += entry.weight;
        return sum;
    }
    /// The sequence is level 1, then the others from the highest down.
    std::uint32_t next(std::uint32_t level) const { return level == 1 ? highest() : level - 1; }
};

std::uint64_t resume_level(const Levels& before, std::uint64_t turn, const Levels& after) {
    std::uint64_t slot = turn > 0 ? (turn - 1) % before.slots() : 0;
    std::uint32_t level = 1;
    while (slot >= before.reached(level)) {
        slot -= before.reached(level);
        level = before.next(level);
    }
    const std::uint64_t weight = std::uint64_t{level - 1} * before.divisor + 1;
    // IPVS's own rounding.
    std::uint64_t wanted = after.divisor > 1 ? weight / after.divisor + 1 : weight;
    wanted = std::min<std::uint64_t>(wanted, after.highest());
    std::uint64_t start = 0;
    for (level = 1; level != wanted; level = after.next(level)) start += after.reached(level);
    return start;
}

std::uint64_t resume_real(const model::Service& before,
                          std::uint64_t turn,
                          const model::Service& after) {
    const Ring old_ring = build_ring(before);
    const Ring ring = build_ring(after);
    if (turn == 0 || old_ring.empty()) return 0;
    for (std::size_t back = 0; back < old_ring.size(); ++back) {
        const auto slot = (turn - 1 + old_ring.size() - back % old_ring.size()) % old_ring.size();
        const Endpoint& last = before.reals[old_ring[slot]].endpoint;
        const auto found = std::ranges::find(
            ring, last, [&](Slot real) -> const Endpoint& { return after.reals[real].endpoint; });
        if (found != ring.end()) return static_cast<std::uint64_t>(found - ring.begin()) + 1;
    }
    return 0;
}

}  // namespace

std::uint64_t resume(const model::Service& before,
                     std::uint64_t turn,
                     const model::Service& after) {
    if (before.scheduler != after.scheduler) return 0;
    if (before.scheduler == model::Scheduler::RoundRobin) return resume_real(before, turn, after);
    if (before.scheduler != model::Scheduler::WeightedRoundRobin) return turn;
    const Levels old_levels(before);
    const Levels levels(after);
    // A sequence that was scaled down has other levels.
    if (old_levels.entries.empty() || levels.entries.empty() || old_levels.slots() > kMaxSequence ||
        levels.slots() > kMaxSequence)
        return 0;
    return resume_level(old_levels, turn, levels);
}

std::uint64_t digest(const model::Service& service, std::span<const Slot> ring) {
    std::vector<std::uint64_t> identities;
    identities.reserve(service.reals.size());
    for (const model::Real& real : service.reals) identities.push_back(identity(real));
    std::uint64_t hash = mix(static_cast<std::uint64_t>(service.scheduler),
                             (service.hash_port ? 1U : 0U) | (service.hash_fallback ? 2U : 0U));
    hash = mix(hash, ring.size());
    for (const Slot slot : ring) hash = mix(hash, slot == kNone ? 0 : identities[slot]);
    return hash;
}

}  // namespace vipd::sched
