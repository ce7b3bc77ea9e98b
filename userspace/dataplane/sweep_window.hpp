// SPDX-License-Identifier: Apache-2.0
// Which flows a sweep tells of again: those seen since it was at their part of the table before,
// however long its rounds really take. Knows no clock.
#pragma once

#include <vipd/time.hpp>

#include <algorithm>
#include <optional>

namespace vipd::dataplane {

class SweepWindow {
  public:
    /// A round begins, which ends the one before.
    void begin_round(TimePoint now) {
        before_ = round_;
        round_ = now;
    }
    /// Flows with a packet within this time before `now` are told of; nullopt: all, since nothing
    /// is known of the visit before. `round` is how long a round should take.
    std::optional<Nanos> recent(TimePoint now, Seconds round) const {
        if (!before_ || round <= Seconds(0)) return std::nullopt;
        // The visit before was in the round before, at the earliest at its beginning.
        return std::max<Nanos>(2 * round, now - *before_ + kMargin);
    }

  private:
    static constexpr Nanos kMargin = Seconds(1);
    std::optional<TimePoint> round_;   ///< when the present one began
    std::optional<TimePoint> before_;  ///< and the one before that
};

}  // namespace vipd::dataplane
