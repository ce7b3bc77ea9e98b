// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/sweep_window.hpp"

#include <gtest/gtest.h>

namespace vipd::dataplane {
namespace {

constexpr Seconds kRound{10};
constexpr TimePoint kStart{Seconds(1000)};

TEST(SweepWindow, TellsOfAllUntilThePartsHaveBeenVisitedOnce) {
    SweepWindow window;
    EXPECT_FALSE(window.recent(kStart, kRound));
    window.begin_round(kStart);
    EXPECT_FALSE(window.recent(kStart + Seconds(9), kRound));
    window.begin_round(kStart + Seconds(10));
    EXPECT_TRUE(window.recent(kStart + Seconds(10), kRound));
    EXPECT_FALSE(window.recent(kStart + Seconds(10), Seconds(0))) << "the whole table now";
}

TEST(SweepWindow, IsTwoRoundsAtLeast) {
    SweepWindow window;
    window.begin_round(kStart);
    window.begin_round(kStart + Seconds(10));
    EXPECT_EQ(window.recent(kStart + Seconds(11), kRound), Nanos(Seconds(20)));
}

// Whatever the loop does, the packet that came just after one visit is within the next.
TEST(SweepWindow, ReachesBackToTheVisitBeforeHoweverLongTheRoundsTake) {
    for (const Seconds first : {Seconds(1), Seconds(10), Seconds(51), Seconds(400)}) {
        for (const Seconds second : {Seconds(1), Seconds(10), Seconds(51), Seconds(400)}) {
            SweepWindow window;
            window.begin_round(kStart);
            window.begin_round(kStart + first);
            // Visited at the very beginning of the one round, at the very end of the other.
            const TimePoint visit = kStart + first + second;
            const auto recent = window.recent(visit, kRound);
            ASSERT_TRUE(recent);
            EXPECT_GT(*recent, visit - kStart) << first.count() << " " << second.count();
            EXPECT_LE(*recent, std::max<Nanos>(2 * kRound, first + second + Seconds(2)));
        }
    }
}

}  // namespace
}  // namespace vipd::dataplane
