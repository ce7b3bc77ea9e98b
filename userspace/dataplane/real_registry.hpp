// SPDX-License-Identifier: Apache-2.0
// Which real server of which service has which id. Ids are what rings, flows and counters name, so
// they are steady: a real that is taken out keeps its id until no flow names it any more, and finds
// its connections again if it comes back before.
#pragma once

#include <vipd/address.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace vipd::dataplane {

using RealId = std::uint32_t;

class RealRegistry {
  public:
    enum class State : std::uint8_t { Free, Active, Retired };
    struct Entry {
        State state = State::Free;
        ServiceKey service;
        Endpoint endpoint;
        std::uint16_t generation = 0;  ///< counts the uses of this id
        std::uint64_t retired_in = 0;  ///< sweep round
    };

    explicit RealRegistry(std::size_t limit) : limit_(limit) {}

    /// Makes the real active, under the id that it has or a new one; nullopt: all are in use.
    std::optional<RealId> acquire(const ServiceKey& service, const Endpoint& endpoint);
    std::optional<RealId> find(const ServiceKey& service, const Endpoint& endpoint) const;
    /// nullptr for an id that is free.
    const Entry* entry(RealId id) const;
    /// Takes a real out during sweep round `round`.
    void retire(RealId id, std::uint64_t round);
    /// Gives back an id that no flow has ever named, or names any more.
    void free(RealId id);
    /// As read from the maps of a predecessor; Free only to carry the generation on.
    void restore(RealId id, Entry entry);
    /// The retired ones that were so before `round` began.
    std::vector<RealId> retired_before(std::uint64_t round) const;
    /// One more than the highest id ever used.
    std::size_t size() const { return entries_.size(); }

  private:
    std::size_t limit_;
    std::vector<Entry> entries_;
    std::map<std::pair<ServiceKey, Endpoint>, RealId> ids_;
};

}  // namespace vipd::dataplane
