// SPDX-License-Identifier: Apache-2.0
// The flow table on plain memory: places, ages, and many writers at once.
#include "userspace/dataplane/flow_table.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <thread>
#include <vector>

namespace vipd::dataplane {
namespace {

constexpr Tick kNow = 1'000'000;

vipd_flow make_flow(std::uint32_t client, std::uint32_t real = 0) {
    vipd_flow flow{};
    flow.key.client.v4 = client;
    flow.key.vip.v4 = 0x0a000064;
    flow.key.client_port = 7;
    flow.key.vip_port = 80;
    flow.key.protocol = 6;
    flow.key.family = VIPD_FAMILY_V4;
    flow.real = real;
    flow.generation = 1;
    flow.state = VIPD_FLOW_ESTABLISHED;
    flow.last_seen = kNow;
    flow.timeout = 1000;
    return flow;
}

class FlowTableTest : public ::testing::Test {
  protected:
    explicit FlowTableTest(std::uint32_t slots = 64)
        : memory(slots), table(memory.data(), slots, {0x123456789abcdef0ULL, 42}) {}

    std::vector<vipd_flow> memory;
    FlowTable table;
};

TEST_F(FlowTableTest, FindsWhatWasStored) {
    EXPECT_FALSE(table.find(make_flow(1).key, kNow));
    ASSERT_EQ(table.store(make_flow(1, 5), kNow), FlowTable::Stored::Stored);
    const auto slot = table.find(make_flow(1).key, kNow);
    ASSERT_TRUE(slot);
    EXPECT_EQ(table.read(*slot)->real, 5U);
    EXPECT_FALSE(table.find(make_flow(2).key, kNow));
}

TEST_F(FlowTableTest, EveryPartOfTheKeyTellsFlowsApart) {
    const vipd_flow base = make_flow(1);
    std::vector<vipd_flow> flows(8, base);
    flows[1].key.client.v6[3] = 1;
    flows[2].key.vip.v4 = 9;
    flows[3].key.vip.v6[3] = 9;
    flows[4].key.client_port = 9;
    flows[5].key.vip_port = 9;
    flows[6].key.protocol = 17;
    flows[7].key.family = VIPD_FAMILY_V6;
    std::set<std::uint32_t> slots;
    for (std::uint32_t i = 0; i < flows.size(); ++i) {
        flows[i].real = i;
        ASSERT_EQ(table.store(flows[i], kNow), FlowTable::Stored::Stored);
    }
    for (std::uint32_t i = 0; i < flows.size(); ++i) {
        const auto slot = table.find(flows[i].key, kNow);
        ASSERT_TRUE(slot) << i;
        EXPECT_EQ(table.read(*slot)->real, i);
        EXPECT_TRUE(slots.insert(*slot).second);
    }
}

TEST_F(FlowTableTest, SameFlowStaysInOneSlotAndTheFresherPacketWins) {
    ASSERT_EQ(table.store(make_flow(1, 1), kNow), FlowTable::Stored::Stored);
    EXPECT_EQ(table.store(make_flow(1, 2), kNow), FlowTable::Stored::Older) << "equal is not newer";
    vipd_flow newer = make_flow(1, 3);
    newer.last_seen = kNow + 10;
    EXPECT_EQ(table.store(newer, kNow + 20), FlowTable::Stored::Stored);
    vipd_flow older = make_flow(1, 4);
    older.last_seen = kNow + 5;
    EXPECT_EQ(table.store(older, kNow + 20), FlowTable::Stored::Older);
    std::size_t used = 0;
    for (std::uint32_t slot = 0; slot < table.slots(); ++slot) used += table.read(slot) ? 1 : 0;
    EXPECT_EQ(used, 1U);
    EXPECT_EQ(table.read(*table.find(newer.key, kNow + 20))->real, 3U);
}

TEST_F(FlowTableTest, ExpiresWhenItsTimeIsOverAndNotBefore) {
    ASSERT_EQ(table.store(make_flow(1), kNow), FlowTable::Stored::Stored);
    const std::uint32_t slot = *table.find(make_flow(1).key, kNow);
    EXPECT_FALSE(table.expire(slot, kNow + 1000));
    EXPECT_TRUE(table.find(make_flow(1).key, kNow + 1000));
    EXPECT_FALSE(table.find(make_flow(1).key, kNow + 1001));
    EXPECT_TRUE(table.expire(slot, kNow + 1001));
    EXPECT_FALSE(table.read(slot));
    EXPECT_FALSE(table.expire(slot, kNow + 1001)) << "once";
    EXPECT_FALSE(table.expire(slot + 1, kNow + 1001)) << "never used";
}

TEST_F(FlowTableTest, TimeMayTurnOver) {
    constexpr Tick before = 0xffffff00U;
    vipd_flow flow = make_flow(1);
    flow.last_seen = before;
    ASSERT_EQ(table.store(flow, before), FlowTable::Stored::Stored);
    EXPECT_TRUE(table.find(flow.key, before + 1000));
    EXPECT_FALSE(table.find(flow.key, before + 1001));
    EXPECT_TRUE(table.find(flow.key, before - 4)) << "a clock slightly behind is no age";
}

TEST_F(FlowTableTest, TakesPlacesByWorthAndNeverAnEstablishedOnes) {
    // Fill until refused: then the newcomer's set is all established.
    std::uint32_t client = 1;
    while (table.store(make_flow(client), kNow + 500) != FlowTable::Stored::Full) ++client;
    const std::vector<vipd_flow> before = memory;
    EXPECT_EQ(table.store(make_flow(client), kNow + 500), FlowTable::Stored::Full);
    EXPECT_EQ(std::memcmp(before.data(), memory.data(), before.size() * sizeof(vipd_flow)), 0);

    // Its set, found by emptying one slot at a time: the one that lets it in.
    std::vector<std::uint32_t> set;
    for (std::uint32_t slot = 0; slot < table.slots(); ++slot) {
        if (memory[slot].version == 0) continue;
        const vipd_flow saved = memory[slot];
        memory[slot].state = VIPD_FLOW_NONE;
        const auto outcome = table.store(make_flow(client), kNow + 500);
        memory[slot] = saved;
        if (outcome == FlowTable::Stored::Stored) set.push_back(slot);
    }
    ASSERT_EQ(set.size(), std::size_t{VIPD_FLOW_WAYS});
    const auto taken_by_newcomer = [&] {
        const std::vector<vipd_flow> saved = memory;
        EXPECT_EQ(table.store(make_flow(client), kNow + 500), FlowTable::Stored::Stored);
        const auto slot = table.find(make_flow(client).key, kNow + 500);
        memory = saved;
        return slot.value_or(~0U);
    };
    memory[set[1]].state = VIPD_FLOW_SYN_RECV;
    EXPECT_EQ(taken_by_newcomer(), set[1]);
    memory[set[2]].state = VIPD_FLOW_SYN_RECV;
    memory[set[2]].last_seen = kNow - 100;
    EXPECT_EQ(taken_by_newcomer(), set[2]) << "the older half-open";
    memory[set[3]].flags = VIPD_FLOW_ONE_PACKET;
    memory[set[3]].last_seen = kNow - 200;
    EXPECT_EQ(taken_by_newcomer(), set[3]) << "a datagram without a second";
    memory[set[4]].state = VIPD_FLOW_TIME_WAIT;
    EXPECT_EQ(taken_by_newcomer(), set[4]) << "closed before half-open";
    memory[set[5]].last_seen = kNow - 5000;
    EXPECT_EQ(taken_by_newcomer(), set[5]) << "expired before closed";
}

TEST_F(FlowTableTest, SlotBeingWrittenIsNeitherReadNorTaken) {
    ASSERT_EQ(table.store(make_flow(1), kNow), FlowTable::Stored::Stored);
    const std::uint32_t slot = *table.find(make_flow(1).key, kNow);
    memory[slot].version += 1;
    EXPECT_FALSE(table.read(slot));
    EXPECT_FALSE(table.expire(slot, kNow + 5000));
    vipd_flow newer = make_flow(1, 9);
    newer.last_seen = kNow + 1;
    EXPECT_EQ(table.store(newer, kNow + 1), FlowTable::Stored::Full);
    const std::uint32_t held = table.held_version(slot);
    EXPECT_EQ(held, memory[slot].version);
    EXPECT_FALSE(table.force_release(slot, held + 2)) << "of another writer";
    EXPECT_TRUE(table.force_release(slot, held));
    EXPECT_EQ(table.held_version(slot), 0U);
    EXPECT_EQ(table.store(newer, kNow + 1), FlowTable::Stored::Stored);
}

TEST_F(FlowTableTest, VersionNeverBecomesThatOfASlotNeverUsed) {
    ASSERT_EQ(table.store(make_flow(1), kNow), FlowTable::Stored::Stored);
    const std::uint32_t slot = *table.find(make_flow(1).key, kNow);
    memory[slot].version = 0xfffffffeU;
    vipd_flow newer = make_flow(1);
    newer.last_seen = kNow + 1;
    ASSERT_EQ(table.store(newer, kNow + 1), FlowTable::Stored::Stored);
    EXPECT_EQ(memory[slot].version, 2U);
    EXPECT_TRUE(table.find(newer.key, kNow + 1));
}

class BigFlowTableTest : public FlowTableTest {
  protected:
    BigFlowTableTest() : FlowTableTest(1U << 14) {}
};

TEST_F(BigFlowTableTest, HalfFullAlmostNothingFindsNoPlace) {
    std::mt19937 random(1);
    std::size_t full = 0;
    for (std::uint32_t i = 0; i < table.slots() / 2; ++i) {
        vipd_flow flow = make_flow(static_cast<std::uint32_t>(random()));
        full += table.store(flow, kNow) == FlowTable::Stored::Full ? 1 : 0;
    }
    EXPECT_LT(full, table.slots() / 2 / 50) << "sets overflow as chance has it, not by a bad hash";
}

TEST_F(FlowTableTest, WritersAndReadersAtOnceNeverSeeAMixture) {
    // Few slots, so that all fight for them. What belongs to a key follows from it.
    const auto flow_of = [](std::uint32_t client, Tick now) {
        vipd_flow flow = make_flow(client, client * 3);
        flow.generation = static_cast<__u16>(client);
        flow.state = client % 2 == 0 ? VIPD_FLOW_SYN_RECV : VIPD_FLOW_CLOSE;
        flow.last_seen = now;
        return flow;
    };
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> mixed{0};
    std::atomic<std::uint64_t> seen{0};
    const auto writer = [&](unsigned seed) {
        std::mt19937 random(seed);
        for (Tick now = kNow; now < kNow + 200'000; ++now) {
            table.store(flow_of(static_cast<std::uint32_t>(random() % 500), now), now);
            if (now % 16 == 0) table.expire(static_cast<std::uint32_t>(random() % 64), now + 5000);
        }
    };
    const auto reader = [&] {
        while (!stop) {
            for (std::uint32_t slot = 0; slot < table.slots(); ++slot) {
                const auto flow = table.read(slot);
                if (!flow) continue;
                ++seen;
                const std::uint32_t client = flow->key.client.v4;
                if (flow->real != client * 3 || flow->generation != static_cast<__u16>(client) ||
                    flow->state != (client % 2 == 0 ? VIPD_FLOW_SYN_RECV : VIPD_FLOW_CLOSE))
                    ++mixed;
            }
        }
    };
    std::thread reading(reader);
    std::thread first(writer, 1);
    std::thread second(writer, 2);
    first.join();
    second.join();
    stop = true;
    reading.join();
    EXPECT_EQ(mixed, 0U);
    EXPECT_GT(seen, 0U);
    for (std::uint32_t slot = 0; slot < table.slots(); ++slot)
        EXPECT_EQ(table.held_version(slot), 0U) << "everyone let go";
}

TEST(TcpStates, AreIpvsInputOnlyTable) {
    using S = vipd_flow_state;
    using E = vipd_tcp_event;
    const std::map<std::pair<S, E>, S> table{
        {{VIPD_FLOW_NONE, VIPD_TCP_SYN}, VIPD_FLOW_SYN_RECV},
        {{VIPD_FLOW_NONE, VIPD_TCP_ACK}, VIPD_FLOW_ESTABLISHED},
        {{VIPD_FLOW_NONE, VIPD_TCP_FIN}, VIPD_FLOW_NONE},
        {{VIPD_FLOW_NONE, VIPD_TCP_RST}, VIPD_FLOW_NONE},
        {{VIPD_FLOW_SYN_RECV, VIPD_TCP_RST}, VIPD_FLOW_SYN_RECV},
        {{VIPD_FLOW_SYN_RECV, VIPD_TCP_FIN}, VIPD_FLOW_TIME_WAIT},
        {{VIPD_FLOW_ESTABLISHED, VIPD_TCP_SYN}, VIPD_FLOW_ESTABLISHED},
        {{VIPD_FLOW_ESTABLISHED, VIPD_TCP_FIN}, VIPD_FLOW_FIN_WAIT},
        {{VIPD_FLOW_FIN_WAIT, VIPD_TCP_SYN}, VIPD_FLOW_SYN_RECV},
        {{VIPD_FLOW_FIN_WAIT, VIPD_TCP_FIN}, VIPD_FLOW_FIN_WAIT},
        {{VIPD_FLOW_TIME_WAIT, VIPD_TCP_ACK}, VIPD_FLOW_TIME_WAIT},
        {{VIPD_FLOW_TIME_WAIT, VIPD_TCP_RST}, VIPD_FLOW_CLOSE},
        {{VIPD_FLOW_CLOSE, VIPD_TCP_SYN}, VIPD_FLOW_SYN_RECV},
        {{VIPD_FLOW_CLOSE, VIPD_TCP_ACK}, VIPD_FLOW_CLOSE},
        {{VIPD_FLOW_CLOSE_WAIT, VIPD_TCP_SYN}, VIPD_FLOW_SYN_RECV},
        {{VIPD_FLOW_CLOSE_WAIT, VIPD_TCP_RST}, VIPD_FLOW_CLOSE},
    };
    for (const auto& [from, to] : table)
        EXPECT_EQ(vipd_tcp_next(from.first, from.second, VIPD_FROM_CLIENT_ONLY),
                  static_cast<std::uint32_t>(to))
            << from.first << " " << from.second;
    for (std::uint32_t state = 0; state < VIPD_FLOW_STATES; ++state)
        EXPECT_EQ(vipd_tcp_next(state, VIPD_TCP_OTHER, VIPD_FROM_CLIENT_ONLY), state);
}

// As a real IPVS was seen to change them: by SYN, FIN, ACK, RST of each side.
TEST(TcpStates, OfNatFollowBothSides) {
    using Row = std::array<vipd_flow_state, 4>;
    const auto N = VIPD_FLOW_NONE;
    const auto R = VIPD_FLOW_SYN_RECV;
    const auto E = VIPD_FLOW_ESTABLISHED;
    const auto F = VIPD_FLOW_FIN_WAIT;
    const auto T = VIPD_FLOW_TIME_WAIT;
    const auto C = VIPD_FLOW_CLOSE;
    const auto W = VIPD_FLOW_CLOSE_WAIT;
    const std::map<vipd_flow_state, Row> client{{N, {R, N, E, N}},
                                                {R, {R, T, E, R}},
                                                {E, {E, W, E, C}},
                                                {F, {R, T, F, C}},
                                                {W, {R, W, W, C}},
                                                {T, {R, T, T, C}},
                                                {C, {R, C, C, C}}};
    const std::map<vipd_flow_state, Row> real{{R, {R, T, E, C}},
                                              {E, {E, F, E, C}},
                                              {F, {F, F, F, C}},
                                              {W, {W, T, W, C}},
                                              {T, {T, T, T, T}},
                                              {C, {C, C, C, C}}};
    const std::array events{VIPD_TCP_SYN, VIPD_TCP_FIN, VIPD_TCP_ACK, VIPD_TCP_RST};
    for (const auto& [direction, table] :
         {std::pair(VIPD_FROM_CLIENT, &client), std::pair(VIPD_FROM_REAL, &real)})
        for (const auto& [state, row] : *table)
            for (std::size_t i = 0; i < events.size(); ++i)
                EXPECT_EQ(vipd_tcp_next(state, events[i], direction),
                          static_cast<std::uint32_t>(row[i]))
                    << direction << " " << state << " " << events[i];
}

}  // namespace
}  // namespace vipd::dataplane
