// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/real_registry.hpp"

#include <algorithm>

namespace vipd::dataplane {

std::optional<RealId> RealRegistry::acquire(const ServiceKey& service, const Endpoint& endpoint) {
    if (const auto known = find(service, endpoint)) {
        entries_[*known].state = State::Active;
        return known;
    }
    auto slot = std::ranges::find(entries_, State::Free, &Entry::state);
    if (slot == entries_.end()) {
        if (entries_.size() >= limit_) return std::nullopt;
        slot = entries_.insert(slot, Entry{});
    }
    slot->state = State::Active;
    slot->service = service;
    slot->endpoint = endpoint;
    ++slot->generation;
    const auto id = static_cast<RealId>(slot - entries_.begin());
    ids_[{service, endpoint}] = id;
    return id;
}

std::optional<RealId> RealRegistry::find(const ServiceKey& service,
                                         const Endpoint& endpoint) const {
    const auto found = ids_.find({service, endpoint});
    if (found == ids_.end()) return std::nullopt;
    return found->second;
}

const RealRegistry::Entry* RealRegistry::entry(RealId id) const {
    if (id >= entries_.size() || entries_[id].state == State::Free) return nullptr;
    return &entries_[id];
}

void RealRegistry::retire(RealId id, std::uint64_t round) {
    entries_.at(id).state = State::Retired;
    entries_.at(id).retired_in = round;
}

void RealRegistry::free(RealId id) {
    Entry& entry = entries_.at(id);
    ids_.erase({entry.service, entry.endpoint});
    const std::uint16_t generation = entry.generation;
    entry = Entry{};
    entry.generation = generation;
}

void RealRegistry::restore(RealId id, Entry entry) {
    if (id >= limit_) return;
    if (id >= entries_.size()) entries_.resize(id + 1);
    if (entry.state != State::Free) ids_[{entry.service, entry.endpoint}] = id;
    entries_[id] = entry;
}

std::vector<RealId> RealRegistry::retired_before(std::uint64_t round) const {
    std::vector<RealId> ids;
    for (RealId id = 0; id < entries_.size(); ++id) {
        if (entries_[id].state == State::Retired && entries_[id].retired_in < round)
            ids.push_back(id);
    }
    return ids;
}

}  // namespace vipd::dataplane
