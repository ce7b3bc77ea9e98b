// SPDX-License-Identifier: Apache-2.0
// The flow table under pressure, under many writers, and under the sweep.
#include "tests/prog/flow_fixture.hpp"

#include <bpf/bpf.h>

#include <atomic>
#include <linux/bpf.h>
#include <map>
#include <set>
#include <thread>

namespace vipd::testing {

// --- pressure ----------------------------------------------------------------------------------

class SmallTableTest : public FlowTest {
  protected:
    static constexpr std::uint32_t kSlots = 64;  // 8 sets

    void SetUp() override {
        ProgramTest::SetUp();
        if (IsSkipped()) return;
        ASSERT_NO_FATAL_FAILURE(open(kSlots));
        for (int n = 1; n <= 4; ++n) resolve(n);
    }

    /// Fills every slot with established flows of ports 10000 and up; how many went in.
    std::size_t fill() {
        std::size_t stored = 0;
        for (std::uint16_t port = 10000; stored < kSlots && port < 20000; ++port) {
            const Flow flow = peer_flow(port, 1);
            stored += plane->store_flows({&flow, 1}).stored;
        }
        return stored;
    }
};

TEST_F(SmallTableTest, FullOfEstablishedNewOnesGoByHashUnstored) {
    put(service(80, 4, Scheduler::RoundRobin));
    ASSERT_EQ(fill(), kSlots);
    const Flow one_more = peer_flow(30000, 1);
    EXPECT_EQ(plane->store_flows({&one_more, 1}).full, 1U);
    const auto before = flows();
    std::set<int> reals;
    for (std::uint16_t port = 30000; port < 30050; ++port) {
        // SYN and what follows must meet on one real, though nothing is stored.
        const int chosen = real_for(packet(port, kSyn));
        ASSERT_NE(chosen, 0);
        EXPECT_EQ(real_for(packet(port, kAck)), chosen);
        EXPECT_EQ(real_for(packet(port, kFin | kAck)), chosen);
        reals.insert(chosen);
    }
    EXPECT_EQ(reals.size(), 4U);
    EXPECT_EQ(note_count("flow_set_full"), 50U + 50U)
        << "each SYN and each ACK; FIN stores nothing";
    EXPECT_EQ(note_count("flow_evicted"), 0U);
    const auto after = flows();
    ASSERT_EQ(after.size(), before.size());
    for (std::size_t i = 0; i < after.size(); ++i) EXPECT_EQ(after[i].client, before[i].client);
}

TEST_F(SmallTableTest, SynFloodTakesNoEstablishedConnection) {
    put(service(80, 2));
    std::map<std::uint16_t, int> established;
    for (std::uint16_t port = 100; port < 120; ++port) {
        const int chosen = connect(port);
        if (state(port) == FlowState::Established) established[port] = chosen;
    }
    ASSERT_GT(established.size(), 15U);
    for (std::uint16_t port = 20000; port < 25000; ++port)
        ASSERT_EQ(run(packet(port, kSyn)).verdict, "forwarded_dr");
    for (const auto& [port, chosen] : established) {
        EXPECT_EQ(state(port), FlowState::Established) << port;
        EXPECT_EQ(real_for(packet(port, kAck)), chosen);
    }
    EXPECT_GT(note_count("flow_evicted"), 4000U) << "they take one another's places";
    EXPECT_EQ(flows().size(), kSlots);
}

TEST_F(SmallTableTest, FloodOfLoneAcksTakesNoEstablishedConnection) {
    put(service(80, 2));
    // Few enough that no set is full of them, whatever the seed.
    std::map<std::uint16_t, int> established;
    for (std::uint16_t port = 100; port < 112; ++port) {
        const int chosen = connect(port);
        if (state(port) == FlowState::Established) established[port] = chosen;
    }
    ASSERT_GT(established.size(), 9U);
    for (std::uint16_t port = 20000; port < 25000; ++port)
        ASSERT_EQ(run(packet(port, kAck)).verdict, "forwarded_dr");
    for (const auto& [port, chosen] : established) {
        EXPECT_EQ(state(port), FlowState::Established) << port;
        EXPECT_EQ(real_for(packet(port, kAck)), chosen);
    }
    EXPECT_GT(note_count("flow_evicted"), 4000U) << "they take one another's places";
    for (std::uint16_t port = 200; port < 204; ++port) {
        connect(port);
        ASSERT_TRUE(flow(port)) << "nor the place of a new connection";
        EXPECT_FALSE(flow(port)->one_packet);
    }
    // Nor a place at a peer: none of them is told, neither now nor in a sweep.
    for (const Flow& told : changes()) EXPECT_LT(told.client.port, 20000);
    sweep_round([](const Flow& told) { EXPECT_LT(told.client.port, 20000); });
}

TEST_F(SmallTableTest, UdpFloodTakesNoConversation) {
    put(service(80, 2));
    put(service(53, 2, Scheduler::Maglev, Protocol::Udp));
    connect(100);
    run(datagram(101));
    run(datagram(101));  // answered, so the client went on
    for (std::uint16_t port = 20000; port < 22000; ++port) run(datagram(port));
    EXPECT_TRUE(flow(100));
    EXPECT_TRUE(flow(101));
    for (std::uint16_t port = 200; port < 210; ++port) {
        connect(port);
        EXPECT_TRUE(flow(port)) << "nor the place of a new connection";
    }
}

TEST_F(SmallTableTest, PlacesGoExpiredFirstThenClosedThenTheOldestHalfOpen) {
    put(service(80, 1));
    // One set holds a flow of each kind; newcomers of the same set come one by one.
    std::map<std::uint32_t, std::vector<std::uint16_t>> sets;
    for (std::uint16_t port = 10000; port < 12000; ++port) {
        const Flow flow = peer_flow(port, 1);
        if (plane->store_flows({&flow, 1}).stored != 1) continue;
        std::uint32_t slot = 0;
        ASSERT_TRUE(raw_flow(port, &slot));
        sets[slot / VIPD_FLOW_WAYS].push_back(port);
    }
    const auto [set, members] = *sets.begin();
    ASSERT_EQ(members.size(), std::size_t{VIPD_FLOW_WAYS});
    const auto change = [&](std::size_t i, vipd_flow_state state, Seconds timeout, Seconds idle) {
        std::uint32_t slot = 0;
        auto flow = raw_flow(members[i], &slot);
        flow->state = state;
        flow->timeout = static_cast<std::uint32_t>(Nanos(timeout).count() >> VIPD_TICK_SHIFT);
        flow->last_seen -= static_cast<std::uint32_t>(Nanos(idle).count() >> VIPD_TICK_SHIFT);
        write_raw_flow(slot, *flow);
    };
    change(0, VIPD_FLOW_SYN_RECV, Seconds(60), Seconds(10));
    change(1, VIPD_FLOW_SYN_RECV, Seconds(60), Seconds(20));
    change(2, VIPD_FLOW_TIME_WAIT, Seconds(120), Seconds(1));
    change(3, VIPD_FLOW_CLOSE, Seconds(10), Seconds(2));
    change(4, VIPD_FLOW_ESTABLISHED, Seconds(900), Seconds(901));
    std::vector<std::uint16_t> order;
    std::set<std::uint16_t> present(members.begin(), members.end());
    for (std::uint16_t port = 40000; port < 60000 && order.size() < 5; ++port) {
        run(packet(port, kSyn));
        std::uint32_t slot = 0;
        if (!raw_flow(port, &slot) || slot / VIPD_FLOW_WAYS != set) continue;
        run(packet(port, kAck));  // now it is to be kept
        for (const std::uint16_t member : members) {
            if (present.contains(member) && !raw_flow(member)) {
                order.push_back(member);
                present.erase(member);
            }
        }
    }
    const std::vector<std::uint16_t> expected{
        members[4], members[3], members[2], members[1], members[0]};
    EXPECT_EQ(order, expected);
}

TEST_F(FlowTest, FlowThatSomeoneIsWritingStillSteers) {
    put(service(80, 2, Scheduler::RoundRobin));
    const int chosen = connect(7000);
    std::uint32_t slot = 0;
    auto held = raw_flow(7000, &slot);
    held->version |= 1U;
    write_raw_flow(slot, *held);
    EXPECT_EQ(real_for(packet(7000, kAck)), chosen);
    EXPECT_EQ(real_for(packet(7000, kFin | kAck)), chosen);
    EXPECT_EQ(raw_flow(7000)->state, held->state) << "but nobody else writes to it";
    EXPECT_FALSE(flow(7000)) << "nor lists half of it";
    // Its writer was killed: after two rounds the sweep lets go of it.
    sweep_round();
    EXPECT_EQ(raw_flow(7000)->version, held->version);
    sweep_round();
    EXPECT_EQ(raw_flow(7000)->version % 2, 0U);
    EXPECT_EQ(raw_flow(7000)->state, VIPD_FLOW_NONE);
    EXPECT_EQ(run(packet(7000, kSyn)).verdict, "forwarded_dr");
    EXPECT_EQ(state(7000), FlowState::SynRecv);
}

TEST_F(FlowTest, PacketsOnTwoCpusAndStoresFromUserspaceDoNotMixFlowsUp) {
    open(1U << 16, true);  // so large that no set of eight is asked to take a ninth
    for (int n = 1; n <= 4; ++n) resolve(n);
    put(service(80, 4));
    // The real of each flow follows from its port: any mixture shows.
    std::atomic<bool> go{false};
    std::atomic<int> wrong{0};
    const auto client = [&](std::uint16_t from, std::uint16_t to) {
        while (!go) std::this_thread::yield();
        for (int round = 0; round < 20; ++round) {
            for (std::uint16_t port = from; port < to; ++port) {
                const Bytes frame = build(packet(port, round % 3 == 0 ? kSyn : kAck));
                LIBBPF_OPTS(bpf_test_run_opts, test);
                test.data_in = frame.data();
                test.data_size_in = static_cast<std::uint32_t>(frame.size());
                if (::bpf_prog_test_run_opts(dataplane::program_fd(*plane), &test) != 0 ||
                    test.retval != XDP_TX)
                    ++wrong;
            }
        }
    };
    // Both threads send the same flows, so that they insert the same ones at once.
    std::thread first(client, 1000, 1500);
    std::thread second(client, 1000, 1500);
    go = true;
    for (int round = 0; round < 20; ++round) {
        std::vector<Flow> learned;
        for (std::uint16_t port = 2000; port < 2500; ++port)
            learned.push_back(peer_flow(port, 1 + port % 4));
        plane->store_flows(learned);
        for (const Flow& flow : flows()) {
            if (flow.client.port >= 2000 &&
                flow.real != real(1 + flow.client.port % 4, 80).endpoint)
                ++wrong;
        }
    }
    first.join();
    second.join();
    EXPECT_EQ(wrong, 0);
    // mh without ports: one client address, one real.
    std::set<Endpoint> reals;
    std::size_t own = 0;
    for (const Flow& flow : flows()) {
        if (flow.client.port >= 2000) continue;
        ++own;
        reals.insert(flow.real);
    }
    EXPECT_EQ(reals.size(), 1U);
    EXPECT_GE(own, 500U);
}

// --- the sweep ---------------------------------------------------------------------------------

TEST_F(FlowTest, SweepCountsConnectionsAsIpvsDoesAndRemovesTheDead) {
    const model::Service web = service(80, 1);
    put(web);
    put(service(53, 1, Scheduler::Maglev, Protocol::Udp));
    connect(8000);
    run(packet(8001, kSyn));
    connect(8002);
    run(packet(8002, kFin | kAck));
    connect(8003);
    age(8003, Seconds(1000));
    run(datagram(8004));
    sweep_round();
    const auto tcp = plane->connections(web.key, real(1, 80).endpoint);
    EXPECT_EQ(tcp.active, 2U) << "established and half-open";
    EXPECT_EQ(tcp.inactive, 1U) << "closing";
    const auto udp = plane->connections(service(53, 0, Scheduler::Maglev, Protocol::Udp).key,
                                        real(1, 53).endpoint);
    EXPECT_EQ(udp.active, 0U);
    EXPECT_EQ(udp.inactive, 1U);
    EXPECT_EQ(plane->table_use().used, 4U);
    EXPECT_EQ(plane->table_use().slots, 1U << 12);
    EXPECT_EQ(raw_flow(8003)->state, VIPD_FLOW_NONE);
}

TEST_F(FlowTest, SweepTellsOfThisNodesOwnEstablishedFlows) {
    put(service(80, 1));
    connect(8100);
    run(packet(8101, kSyn));
    const Flow learned = peer_flow(8102, 1);
    ASSERT_EQ(plane->store_flows({&learned, 1}).stored, 1U);
    std::vector<std::uint16_t> told;
    sweep_round([&](const Flow& flow) { told.push_back(flow.client.port); });
    EXPECT_EQ(told, std::vector<std::uint16_t>{8100});
}

TEST_F(FlowTest, IdOfARemovedRealIsUsedAgainOnlyWhenNoFlowNamesIt) {
    model::Service web = service(80, 0, Scheduler::RoundRobin);
    web.reals = {real(1, 80)};
    put(web);
    connect(8200);
    web.reals = {real(2, 80)};
    put(web);
    sweep_round();
    sweep_round();
    web.reals = {real(2, 80), real(3, 80)};
    put(web);
    EXPECT_EQ(real_for(packet(8200, kAck)), 1) << "not sent to real 3";
    EXPECT_EQ(flow(8200)->real, real(1, 80).endpoint);
    const std::uint32_t id = raw_flow(8200)->real;

    age(8200, Seconds(1000));
    sweep_round();
    sweep_round();
    web.reals.push_back(real(4, 80));
    put(web);
    const Flow fourth = peer_flow(8201, 4);
    ASSERT_EQ(plane->store_flows({&fourth, 1}).stored, 1U);
    EXPECT_EQ(raw_flow(8201)->real, id) << "given out again";
    EXPECT_EQ(raw_flow(8201)->generation, 2U);
    // Should a flow of the first use still turn up, it is nobody's.
    std::uint32_t slot = 0;
    vipd_flow stale = *raw_flow(8201, &slot);
    stale.generation = 1;
    write_raw_flow(slot, stale);
    EXPECT_FALSE(flow(8201));
    EXPECT_NE(real_for(packet(8201, kAck)), 0);
    EXPECT_NE(raw_flow(8201)->generation == 1 && raw_flow(8201)->real == id, true);
}

}  // namespace vipd::testing
