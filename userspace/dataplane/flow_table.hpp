// SPDX-License-Identifier: Apache-2.0
// The flow table seen from userspace: the same memory that the XDP programs on all CPUs work on,
// under the same rules (include/vipd/abi/flow.h). Works on any memory; knows no clock and no map.
#pragma once

#include "userspace/dataplane/real_loads.hpp"

#include <vipd/abi/flow.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace vipd::dataplane {

/// Time as the table keeps it: CLOCK_MONOTONIC in units of 2^VIPD_TICK_SHIFT ns.
using Tick = std::uint32_t;

class FlowTable {
  public:
    /// `slots` slots (a power of two, at least VIPD_FLOW_WAYS) at `memory`, which is borrowed. What
    /// comes and goes is counted in `loads`, where given.
    FlowTable(vipd_flow* memory,
              std::uint32_t slots,
              std::array<std::uint64_t, 2> seed,
              RealLoads* loads = nullptr)
        : memory_(memory), slots_(slots), seed_(seed), loads_(loads) {}

    std::uint32_t slots() const { return slots_; }

    /// The flow in this slot, whole; nullopt where there is none or it is being written.
    std::optional<vipd_flow> read(std::uint32_t slot) const;

    /// The slot of a flow that is live at `now`.
    std::optional<std::uint32_t> find(const vipd_flow_key& key, Tick now) const;

    enum class Stored : std::uint8_t { Stored, Older, Full };
    /// Puts a flow in, `flow.version` being of no account; of state NONE: takes it away. Older: the
    /// table has it with a packet at least as fresh (see Dataplane::store_flows). Full: all places
    /// are taken by flows that are to be kept, or contended.
    Stored store(const vipd_flow& flow, Tick now);

    /// Lets the template of this key, if there is one, live for `ticks` from now at least; also one
    /// that has run out, as long as nobody has taken its slot.
    void prolong(const vipd_flow_key& key, Tick now, Tick ticks);

    /// Empties the slot if its flow has expired at `now`. False: it lives, or is being written.
    bool expire(std::uint32_t slot, Tick now);

    /// The version of a slot that someone is writing, 0 otherwise. Nobody takes more than a moment:
    /// the same version much later means that the writer was killed; then release it by force.
    std::uint32_t held_version(std::uint32_t slot) const;
    /// Empties a slot whose writer has died, if `held` still is its version.
    bool force_release(std::uint32_t slot, std::uint32_t held);

  private:
    vipd_flow& at(std::uint32_t slot) const { return memory_[slot]; }
    std::uint32_t set_mask() const { return slots_ / VIPD_FLOW_WAYS - 1; }
    std::uint64_t hash(const vipd_flow_key& key) const;
    void write(vipd_flow& slot, const vipd_flow& flow) const;
    /// The flow in a held slot is counted in (1) or out (-1).
    void count(const vipd_flow& held, int by) const;

    vipd_flow* memory_;
    std::uint32_t slots_;
    std::array<std::uint64_t, 2> seed_;
    RealLoads* loads_;
};

}  // namespace vipd::dataplane
