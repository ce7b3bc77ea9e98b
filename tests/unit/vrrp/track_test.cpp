// SPDX-License-Identifier: Apache-2.0
#include "vrrp/track/track.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace vipd::vrrp {
namespace {

TrackOutcome outcome(std::uint8_t base, std::vector<Tracked> tracked) {
    return evaluate(base, tracked);
}

Tracked script(int weight, bool up, bool reverse = false, bool known = true) {
    return {.what = "script chk", .weight = weight, .reverse = reverse, .known = known, .up = up};
}

TEST(VrrpTrack, PositiveWeightAddsWhileUp) {
    EXPECT_EQ(outcome(100, {script(20, true)}).priority, 120);
    EXPECT_EQ(outcome(100, {script(20, false)}).priority, 100);
    EXPECT_EQ(outcome(100, {script(20, false, true)}).priority, 120);
}

TEST(VrrpTrack, NegativeWeightIsTakenOffWhileDown) {
    EXPECT_EQ(outcome(100, {script(-20, false)}).priority, 80);
    EXPECT_EQ(outcome(100, {script(-20, true)}).priority, 100);
    EXPECT_EQ(outcome(100, {script(-20, true, true)}).priority, 80);
}

TEST(VrrpTrack, WeightZeroIsAFaultWhileDown) {
    EXPECT_EQ(outcome(100, {script(0, false)}), (TrackOutcome{100, "script chk is down"}));
    EXPECT_EQ(outcome(100, {script(0, true)}).fault, "");
    EXPECT_EQ(outcome(100, {script(0, true, true)}).fault, "script chk is up (reverse)");
}

TEST(VrrpTrack, UnknownWeightZeroHoldsInFaultAndOtherwiseAddsNothing) {
    EXPECT_EQ(outcome(100, {script(0, false, false, false)}).fault, "script chk has no result yet");
    EXPECT_EQ(outcome(100, {script(0, true, true, false)}).fault, "script chk has no result yet");
    EXPECT_EQ(outcome(100, {script(50, true, false, false)}), (TrackOutcome{100, ""}));
    EXPECT_EQ(outcome(100, {script(-50, false, false, false)}), (TrackOutcome{100, ""}));
}

TEST(VrrpTrack, SumStaysWithin1And254) {
    EXPECT_EQ(outcome(200, {script(100, true), script(100, true)}).priority, 254);
    EXPECT_EQ(outcome(20, {script(-100, false), script(-253, false)}).priority, 1);
    EXPECT_EQ(outcome(254, {script(253, true), script(-253, false)}).priority, 254);
}

TEST(VrrpTrack, OwnerKeeps255ButCanFault) {
    EXPECT_EQ(outcome(255, {script(-100, false)}).priority, 255);
    EXPECT_NE(outcome(255, {script(0, false)}).fault, "");
}

Tracked file(int weight, int value, bool reverse = false) {
    return {.what = "track_file f", .weight = weight, .reverse = reverse, .value = value};
}

TEST(VrrpTrack, FileAddsItsValueTimesTheWeight) {
    EXPECT_EQ(outcome(100, {file(2, 10)}), (TrackOutcome{120, ""}));
    EXPECT_EQ(outcome(100, {file(-2, 10)}), (TrackOutcome{80, ""}));
    EXPECT_EQ(outcome(100, {file(2, 10, true)}), (TrackOutcome{80, ""}));
    EXPECT_EQ(outcome(100, {file(1, 0)}), (TrackOutcome{100, ""}));
}

TEST(VrrpTrack, FileThatTakesAllPriorityIsAFault) {
    EXPECT_EQ(outcome(100, {file(1, -253)}).fault, "");
    EXPECT_EQ(outcome(100, {file(1, -254)}).fault, "track_file f says -254");
    EXPECT_EQ(outcome(100, {file(254, -1)}).fault, "track_file f says -1");
    EXPECT_EQ(outcome(100, {file(254, 2147483647)}), (TrackOutcome{254, ""}));
    EXPECT_EQ(outcome(100, {file(254, -2147483647 - 1)}).priority, 1);
}

TEST(VrrpTrack, FileWithoutWeightIsAFaultUnlessItSaysZero) {
    EXPECT_EQ(outcome(100, {file(0, 0)}).fault, "");
    EXPECT_EQ(outcome(100, {file(0, 3)}).fault, "track_file f says 3");
    EXPECT_EQ(outcome(100, {file(0, 0, true)}).fault, "track_file f says 0");
    EXPECT_EQ(outcome(100, {file(0, 3, true)}).fault, "");
}

}  // namespace
}  // namespace vipd::vrrp
