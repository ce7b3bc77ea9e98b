// SPDX-License-Identifier: Apache-2.0
// vipd_loads seen from userspace: connections, weight and limits of each real, in the memory that
// the XDP programs work on. Works on any memory.
#pragma once

#include <vipd/abi/load.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vipd::dataplane {

class RealLoads {
  public:
    struct Count {
        std::int64_t active = 0;
        std::int64_t inactive = 0;
        bool operator==(const Count&) const = default;
    };

    RealLoads() = default;
    explicit RealLoads(std::span<vipd_load> memory) : memory_(memory) {}

    /// Counts a flow of this state in (1) or out (-1); by the holder of its slot.
    void count(std::uint32_t real, std::uint32_t protocol, std::uint32_t state, int by);
    Count connections(std::uint32_t real) const;
    const vipd_load& at(std::uint32_t real) const { return memory_[real]; }

    /// An id goes to another real.
    void reset(std::uint32_t real);
    void set_weight(std::uint32_t real, std::uint32_t weight);
    void set_limits(std::uint32_t real, std::uint32_t upper, std::uint32_t lower);

    /// A sweep of the whole table has counted this, by real. The figures kept are exact unless a
    /// writer was killed between two steps; a difference that stands still for two rounds, while
    /// the figures do too, is such a one and is taken away.
    void check(std::span<const Count> swept);

  private:
    struct Difference {
        Count kept;
        Count off;
    };
    std::span<vipd_load> memory_;
    std::vector<Difference> before_;
};

}  // namespace vipd::dataplane
