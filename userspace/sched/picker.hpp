// SPDX-License-Identifier: Apache-2.0
// The choice of a real server as the XDP program makes it (bpf/pick.bpf.h): the reference that the
// program is tested against, and what would happen to a client that is asked about.
#pragma once

#include "userspace/sched/ring.hpp"

#include <vipd/abi/load.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace vipd::sched {

/// A connection that has no flow.
struct Query {
    Endpoint client;
    IpAddress vip;
    /// It begins here, so that its turn and the load decide; false: met midway, and goes by hash.
    bool fresh = true;
    std::uint32_t now = 0;  ///< ticks
};

/// A service with the state of its scheduler. Reals are named by their index in Service::reals.
class Picker {
  public:
    explicit Picker(const model::Service& service);

    /// The real; nullopt: refused. Whoever stores the connection counts it, see load().
    std::optional<Slot> pick(const Query& query);

    /// Connections and limits of a real: what vipd_loads has.
    vipd_load& load(Slot real) { return loads_[real]; }
    const vipd_load& load(Slot real) const { return loads_[real]; }
    std::uint64_t turn() const { return turn_; }

  private:
    std::optional<Slot> usable(std::size_t slot) const;
    std::optional<Slot> by_hash(const Endpoint& client) const;
    std::optional<Slot> in_turn(std::uint64_t turn, bool fresh);
    std::optional<Slot> of_two(std::uint64_t turn) const;
    std::optional<Slot> first_usable(bool overflow) const;
    std::optional<Slot> least();
    std::optional<Slot> local(std::uint32_t now);
    std::vector<Slot> window();
    std::optional<Slot> least_of(const std::vector<Slot>& reals, bool by_joining) const;

    model::Scheduler scheduler_;
    bool hash_port_;
    bool hash_fallback_;
    Ring ring_;
    std::vector<vipd_load> loads_;
    std::uint64_t turn_ = 0;
    std::uint32_t joined_ = 0;
    std::uint32_t changed_ = 0;
};

}  // namespace vipd::sched
