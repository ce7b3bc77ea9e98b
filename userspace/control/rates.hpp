// SPDX-License-Identifier: Apache-2.0
// Counters to rates: exponentially weighted over about a second.
#pragma once

#include "userspace/control/status.hpp"

#include <vipd/time.hpp>

#include <optional>

namespace vipd::control {

class RateMeter {
  public:
    /// The counters as they are at `now`.
    void update(const dataplane::PacketCounters& counters, TimePoint now);
    const Rates& rates() const { return rates_; }

  private:
    std::optional<dataplane::PacketCounters> last_;
    TimePoint at_;
    Rates rates_;
};

}  // namespace vipd::control
