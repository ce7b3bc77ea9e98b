// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/real_loads.hpp"

#include "userspace/dataplane/flow_table.hpp"

#include <gtest/gtest.h>

#include <array>

namespace vipd::dataplane {
namespace {

constexpr std::uint32_t kTcp = 6;
constexpr Tick kNow = 1000;

class RealLoadsTest : public ::testing::Test {
  protected:
    using Count = RealLoads::Count;
    void check(std::int64_t active, std::int64_t inactive) {
        const std::array<Count, 1> swept{Count{active, inactive}};
        loads.check(swept);
    }
    std::array<vipd_load, 4> memory{};
    RealLoads loads{memory};
};

TEST_F(RealLoadsTest, MiscountThatStandsStillIsTakenAway) {
    for (int i = 0; i < 3; ++i) loads.count(0, kTcp, VIPD_FLOW_ESTABLISHED, 1);
    check(2, 0);
    EXPECT_EQ(loads.connections(0), (Count{3, 0})) << "it may have changed under the sweep";
    check(2, 0);
    EXPECT_EQ(loads.connections(0), (Count{2, 0}));
    check(2, 0);
    EXPECT_EQ(loads.connections(0), (Count{2, 0}));
}

TEST_F(RealLoadsTest, WhatMovesIsNoMiscount) {
    loads.count(0, kTcp, VIPD_FLOW_ESTABLISHED, 1);
    check(0, 0);  // came after the sweep had been there
    loads.count(0, kTcp, VIPD_FLOW_ESTABLISHED, 1);
    check(1, 0);
    check(2, 0);
    EXPECT_EQ(loads.connections(0), (Count{2, 0}));
}

TEST_F(RealLoadsTest, CountBelowZeroShowsAsNoneAndIsMended) {
    loads.count(0, kTcp, VIPD_FLOW_CLOSE, -1);
    EXPECT_EQ(loads.connections(0), (Count{0, 0}));
    check(0, 0);
    check(0, 0);
    EXPECT_EQ(memory[0].inactive, 0);
}

TEST_F(RealLoadsTest, RaisedLimitOpensALoweredOneCloses) {
    for (int i = 0; i < 4; ++i) loads.count(0, kTcp, VIPD_FLOW_ESTABLISHED, 1);
    loads.set_limits(0, 4, 4);
    EXPECT_EQ(memory[0].full, 1U);
    loads.set_limits(0, 5, 4);
    EXPECT_EQ(memory[0].full, 0U);
    loads.set_limits(0, 3, 3);
    EXPECT_EQ(memory[0].full, 1U);
    loads.set_limits(0, 0, 0);
    EXPECT_EQ(memory[0].full, 0U);
}

TEST_F(RealLoadsTest, TableCountsWhatComesAndGoes) {
    std::array<vipd_flow, 8> slots{};
    FlowTable table(slots.data(), slots.size(), {1, 2}, &loads);
    vipd_flow flow{};
    flow.key.client.v4 = 1;
    flow.key.protocol = kTcp;
    flow.key.family = VIPD_FAMILY_V4;
    flow.real = 1;
    flow.state = VIPD_FLOW_ESTABLISHED;
    flow.last_seen = kNow;
    flow.timeout = 10;
    ASSERT_EQ(table.store(flow, kNow), FlowTable::Stored::Stored);
    EXPECT_EQ(loads.connections(1), (Count{1, 0}));
    flow.real = 2;
    flow.state = VIPD_FLOW_FIN_WAIT;
    flow.last_seen = kNow + 5;
    ASSERT_EQ(table.store(flow, kNow + 5), FlowTable::Stored::Stored);
    EXPECT_EQ(loads.connections(1), (Count{0, 0}));
    EXPECT_EQ(loads.connections(2), (Count{0, 1}));
    const auto slot = table.find(flow.key, kNow + 5);
    ASSERT_TRUE(slot);
    EXPECT_FALSE(table.expire(*slot, kNow + 6));
    EXPECT_TRUE(table.expire(*slot, kNow + 100));
    EXPECT_EQ(loads.connections(2), (Count{0, 0}));
    EXPECT_FALSE(table.expire(*slot, kNow + 101));
    EXPECT_EQ(loads.connections(2), (Count{0, 0}));
}

TEST_F(RealLoadsTest, TemplateIsNoConnectionAndCanBeProlonged) {
    std::array<vipd_flow, 8> slots{};
    FlowTable table(slots.data(), slots.size(), {1, 2}, &loads);
    vipd_flow flow{};
    flow.key.client.v4 = 1;
    flow.key.family = VIPD_FAMILY_V4;
    flow.key.is_template = 1;
    flow.state = VIPD_FLOW_ESTABLISHED;
    flow.last_seen = kNow;
    flow.timeout = 300;
    ASSERT_EQ(table.store(flow, kNow), FlowTable::Stored::Stored);
    EXPECT_EQ(loads.connections(0), (Count{0, 0}));
    table.prolong(flow.key, kNow + 200, 60);
    EXPECT_FALSE(table.find(flow.key, kNow + 301)) << "it had more left";
    table.prolong(flow.key, kNow + 290, 60);
    const auto slot = table.find(flow.key, kNow + 350);
    ASSERT_TRUE(slot);
    EXPECT_FALSE(table.find(flow.key, kNow + 351));
    EXPECT_TRUE(table.expire(*slot, kNow + 351));
    table.prolong(flow.key, kNow + 351, 60);
    EXPECT_FALSE(table.find(flow.key, kNow + 352)) << "gone is gone";
    EXPECT_EQ(loads.connections(0), (Count{0, 0}));
}

}  // namespace
}  // namespace vipd::dataplane
