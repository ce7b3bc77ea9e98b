// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/jiffies_clock.hpp"

#include <gtest/gtest.h>

namespace vipd::dataplane {
namespace {

constexpr std::uint64_t kJiffy = 4'000'000;                     // HZ=250
constexpr std::uint64_t kFirst = (1ULL << 32U) - 300ULL * 250;  // jiffies at boot
constexpr std::uint64_t kHour = 3'600'000'000'000;

TEST(JiffiesClock, TellsTheTimeOfLaterJiffies) {
    const std::uint64_t now = kFirst + kHour / kJiffy;
    // The tick began a little after the clock.
    const JiffiesClock clock = jiffies_clock(now, kHour + 309'000'000, kJiffy);
    ASSERT_EQ(clock.jiffy_ns, kJiffy);
    EXPECT_EQ((now + 250) * clock.jiffy_ns + clock.offset_ns, kHour + 1'309'000'000);
    // Also where jiffies in ns do not fit into 64 bits.
    const std::uint64_t aeons = (1ULL << 50U) + 7;
    EXPECT_EQ((now + aeons) * clock.jiffy_ns + clock.offset_ns,
              kHour + 309'000'000 + aeons * kJiffy);
}

TEST(JiffiesClock, EveryHz) {
    for (const std::uint64_t hz : {100U, 250U, 300U, 1000U}) {
        const std::uint64_t jiffy = 1'000'000'000 / hz;
        const std::uint64_t first = (1ULL << 32U) - 300 * hz;
        EXPECT_EQ(jiffies_clock(first + 60 * hz, 60 * hz * jiffy, jiffy).jiffy_ns, jiffy) << hz;
    }
}

TEST(JiffiesClock, JiffiesThatGoTheirOwnWay) {
    const std::uint64_t now = kFirst + kHour / kJiffy;
    EXPECT_EQ(jiffies_clock(now, kHour + 1'999'999'999, kJiffy).jiffy_ns, kJiffy);
    EXPECT_EQ(jiffies_clock(now, kHour - 1'999'999'999, kJiffy).jiffy_ns, kJiffy);
    EXPECT_EQ(jiffies_clock(now, kHour + 2'000'000'001, kJiffy), JiffiesClock{});
    EXPECT_EQ(jiffies_clock(now, kHour - 2'000'000'001, kJiffy), JiffiesClock{});
    EXPECT_EQ(jiffies_clock(0, 0, kJiffy), JiffiesClock{});
}

TEST(JiffiesClock, NoHzThatLinuxHas) {
    EXPECT_EQ(jiffies_clock(kFirst, 0, 1),
              JiffiesClock{});  // CLOCK_MONOTONIC_COARSE as fine as any
    EXPECT_EQ(jiffies_clock(kFirst, 0, 10'000'001), JiffiesClock{});
    EXPECT_EQ(jiffies_clock(kFirst, 0, 0), JiffiesClock{});
}

}  // namespace
}  // namespace vipd::dataplane
