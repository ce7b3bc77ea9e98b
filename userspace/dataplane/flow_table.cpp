// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/flow_table.hpp"

namespace vipd::dataplane {

namespace {

/// How often a reader or writer that lost to another one looks again.
constexpr int kTries = 4;

/// The age of a learned flow is only as exact as the way it came: of two that differ by less, the
/// one that came later tells the newer state.
constexpr Tick kLearnedSlack = (1'000'000'000U >> 20) + 1;  // a second

template <class T>
T load(const T& from) {
    return __atomic_load_n(&from, __ATOMIC_ACQUIRE);
}

template <class T>
void save(T& to, T value) {
    __atomic_store_n(&to, value, __ATOMIC_RELEASE);
}

bool hold(vipd_flow& slot, std::uint32_t version) {
    if ((version & 1U) != 0) return false;
    return __atomic_compare_exchange_n(
        &slot.version, &version, version + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/// `version` is the one before hold(); 0 is for slots never used.
void release(vipd_flow& slot, std::uint32_t version) {
    const std::uint32_t next = version + 2;
    save(slot.version, next != 0 ? next : 2U);
}

bool live(const vipd_flow& flow, Tick now) {
    return flow.state != VIPD_FLOW_NONE &&
           vipd_flow_age(load(flow.last_seen), now) <= load(flow.timeout);
}

std::uint32_t rank_of(const vipd_flow& flow, Tick now) {
    return vipd_flow_rank(load(flow.state),
                          load(flow.flags),
                          vipd_flow_age(load(flow.last_seen), now),
                          load(flow.timeout));
}

}  // namespace

std::uint64_t FlowTable::hash(const vipd_flow_key& key) const {
    return vipd_flow_hash(&key, seed_[0], seed_[1]);
}

std::optional<vipd_flow> FlowTable::read(std::uint32_t slot) const {
    const vipd_flow& from = at(slot);
    for (int i = 0; i < kTries; ++i) {
        const std::uint32_t version = load(from.version);
        if (version == 0 || (version & 1U) != 0) return std::nullopt;
        // Each word by itself: a plain copy of memory that others write would be a data race.
        vipd_flow copy{};
        const auto* source = reinterpret_cast<const vipd_word*>(&from);
        auto* target = reinterpret_cast<vipd_word*>(&copy);
        for (std::size_t word = 0; word < sizeof copy / sizeof(vipd_word); ++word)
            target[word] = load(source[word]);
        if (load(from.version) != version) continue;
        if (copy.state == VIPD_FLOW_NONE) return std::nullopt;
        return copy;
    }
    return std::nullopt;
}

std::optional<std::uint32_t> FlowTable::find(const vipd_flow_key& key, Tick now) const {
    const std::uint64_t h = hash(key);
    for (std::uint32_t i = 0; i < VIPD_FLOW_WAYS; ++i) {
        const std::uint32_t slot = vipd_flow_slot(h, set_mask(), i);
        const vipd_flow& flow = at(slot);
        if (load(flow.version) == 0) break;
        if (vipd_flow_key_equal(&flow.key, &key) == 0) continue;
        if (live(flow, now)) return slot;
        break;
    }
    return std::nullopt;
}

void FlowTable::count(const vipd_flow& held, int by) const {
    if (loads_ != nullptr && held.key.is_template == 0)
        loads_->count(held.real, held.key.protocol, held.state, by);
}

void FlowTable::write(vipd_flow& slot, const vipd_flow& flow) const {
    count(slot, -1);
    count(flow, 1);
    save(slot.state, VIPD_FLOW_NONE);
    vipd_flow_key_write(&slot.key, &flow.key, flow.real, &slot.real);
    save(slot.generation, flow.generation);
    save(slot.last_seen, flow.last_seen);
    save(slot.timeout, flow.timeout);
    save(slot.flags, flow.flags);
    save(slot.state, flow.state);
}

FlowTable::Stored FlowTable::store(const vipd_flow& flow, Tick now) {
    const std::uint64_t h = hash(flow.key);
    for (int tries = 0; tries < kTries; ++tries) {
        vipd_flow* best = nullptr;
        std::uint32_t best_version = 0;
        std::uint64_t best_cost = ~std::uint64_t{0};
        bool mine = false;
        for (std::uint32_t i = 0; i < VIPD_FLOW_WAYS && !mine; ++i) {
            vipd_flow& candidate = at(vipd_flow_slot(h, set_mask(), i));
            const std::uint32_t version = load(candidate.version);
            const std::uint32_t age = vipd_flow_age(load(candidate.last_seen), now);
            if (version != 0 && vipd_flow_key_equal(&candidate.key, &flow.key) != 0) {
                const bool learned = (load(candidate.flags) & VIPD_FLOW_SYNCED) != 0;
                const std::uint32_t new_age = vipd_flow_age(flow.last_seen, now);
                if (live(candidate, now) &&
                    (learned ? age + kLearnedSlack < new_age : age <= new_age))
                    return Stored::Older;
                mine = true;
                best = &candidate;
                best_version = version;
                break;
            }
            if ((version & 1U) != 0) continue;
            const std::uint32_t rank = rank_of(candidate, now);
            if (rank == VIPD_RANK_KEEP) continue;
            const std::uint64_t cost =
                rank == VIPD_RANK_FREE ? 0 : (std::uint64_t{rank} << 32) - age;
            if (cost < best_cost) {
                best = &candidate;
                best_version = version;
                best_cost = cost;
            }
            // Behind a slot never used there is nothing of this flow.
            if (version == 0) break;
        }
        if (flow.state == VIPD_FLOW_NONE && !mine) return Stored::Stored;  // gone already
        if (best == nullptr) return Stored::Full;
        if (!hold(*best, best_version)) continue;
        write(*best, flow);
        release(*best, best_version);
        return Stored::Stored;
    }
    return Stored::Full;
}

void FlowTable::prolong(const vipd_flow_key& key, Tick now, Tick ticks) {
    const std::uint64_t h = hash(key);
    for (std::uint32_t i = 0; i < VIPD_FLOW_WAYS; ++i) {
        vipd_flow& flow = at(vipd_flow_slot(h, set_mask(), i));
        if (load(flow.version) == 0) return;
        if (vipd_flow_key_equal(&flow.key, &key) == 0) continue;
        const Tick timeout = load(flow.timeout);
        const Tick age = vipd_flow_age(load(flow.last_seen), now);
        if (load(flow.state) != VIPD_FLOW_NONE && timeout >= ticks && age > timeout - ticks)
            save(flow.last_seen, now - (timeout - ticks));
        return;
    }
}

bool FlowTable::expire(std::uint32_t slot, Tick now) {
    vipd_flow& flow = at(slot);
    const std::uint32_t version = load(flow.version);
    if (version == 0 || flow.state == VIPD_FLOW_NONE || live(flow, now)) return false;
    if (!hold(flow, version)) return false;
    // last_seen may have been refreshed until now, since that takes no hold.
    const bool dead = !live(flow, now);
    if (dead) {
        count(flow, -1);
        save(flow.state, VIPD_FLOW_NONE);
    }
    release(flow, version);
    return dead;
}

std::uint32_t FlowTable::held_version(std::uint32_t slot) const {
    const std::uint32_t version = load(at(slot).version);
    return (version & 1U) != 0 ? version : 0;
}

bool FlowTable::force_release(std::uint32_t slot, std::uint32_t held) {
    vipd_flow& flow = at(slot);
    // Two apart, so that the hold changes hands; then the slot is emptied and let go.
    std::uint32_t expected = held;
    if (!__atomic_compare_exchange_n(
            &flow.version, &expected, held + 2, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return false;
    save(flow.state, VIPD_FLOW_NONE);
    release(flow, held + 1);
    return true;
}

}  // namespace vipd::dataplane
