// SPDX-License-Identifier: Apache-2.0
// Connections: their states, where they stay and when they move, and what is told of them.
#include "tests/prog/flow_fixture.hpp"

#include <bpf/bpf.h>

#include <linux/bpf.h>
#include <map>
#include <set>

namespace vipd::testing {

// --- states ------------------------------------------------------------------------------------

TEST_F(FlowTest, StatesFollowIpvsForTrafficFromTheClient) {
    model::Service web = service(80, 1);
    web.tcp_fin_timeout = Seconds(50);
    put(web);
    struct Row {
        FlowState from;
        std::uint8_t flags;
        FlowState to;
        int seconds;
    };
    using enum FlowState;
    const std::vector<Row> rows{
        {SynRecv, kSyn, SynRecv, 60},
        {SynRecv, kSyn | kAck, SynRecv, 60},
        {SynRecv, kAck, Established, 900},
        {SynRecv, kFin | kAck, TimeWait, 120},
        {SynRecv, kRst, SynRecv, 60},
        {SynRecv, kRst | kSyn | kFin | kAck, SynRecv, 60},
        {Established, kSyn, Established, 900},
        {Established, kSyn | kAck, Established, 900},
        {Established, kAck, Established, 900},
        {Established, kPsh | kAck, Established, 900},
        {Established, 0, Established, 900},
        {Established, kFin | kAck, FinWait, 50},
        {Established, kRst | kAck, Close, 10},
        {FinWait, kSyn, SynRecv, 60},
        {FinWait, kAck, FinWait, 50},
        {FinWait, kFin | kAck, FinWait, 50},
        {FinWait, kRst, Close, 10},
        {TimeWait, kSyn, SynRecv, 60},
        {TimeWait, kAck, TimeWait, 120},
        {TimeWait, kFin, TimeWait, 120},
        {TimeWait, kRst, Close, 10},
        {Close, kSyn, SynRecv, 60},
        {Close, kAck, Close, 10},
        {Close, kFin, Close, 10},
        {Close, kRst, Close, 10},
    };
    const std::map<FlowState, std::vector<std::uint8_t>> ways{
        {SynRecv, {kSyn}},
        {Established, {kSyn, kAck}},
        {FinWait, {kSyn, kAck, kFin | kAck}},
        {TimeWait, {kSyn, kFin}},
        {Close, {kSyn, kAck, kRst}},
    };
    std::uint16_t port = 1000;
    for (const Row& row : rows) {
        ++port;
        SCOPED_TRACE(std::string(to_string(row.from)) + " and flags " + std::to_string(row.flags));
        for (const std::uint8_t flags : ways.at(row.from)) run(packet(port, flags));
        EXPECT_EQ(state(port), row.from);
        EXPECT_EQ(run(packet(port, row.flags)).verdict, "forwarded_dr");
        EXPECT_EQ(state(port), row.to);
        const auto timeout = dataplane::Flow{}.idle + Seconds(row.seconds);
        EXPECT_EQ(raw_flow(port)->timeout,
                  static_cast<std::uint32_t>(Nanos(timeout).count() >> VIPD_TICK_SHIFT));
    }
}

TEST_F(FlowTest, TimeIsUserspacesOwn) {
    put(service(80, 4, Scheduler::RoundRobin));
    run(packet(1000, kSyn));
    timespec now{};
    ASSERT_EQ(::clock_gettime(CLOCK_MONOTONIC, &now), 0);
    const Nanos time = Seconds(now.tv_sec) + Nanos(now.tv_nsec);
    const auto ticks = static_cast<std::uint32_t>(time.count() >> VIPD_TICK_SHIFT);
    const auto stored = raw_flow(1000);
    ASSERT_TRUE(stored);
    EXPECT_LT(ticks - stored->last_seen, 2000U);
}

TEST_F(FlowTest, ConnectionMetMidwayIsForwardedByHashAndKept) {
    put(service(80, 4, Scheduler::RoundRobin));
    std::set<int> reals;
    for (std::uint16_t port = 2000; port < 2040; ++port) {
        const int first = real_for(packet(port, kAck));
        EXPECT_EQ(state(port), FlowState::Established);
        EXPECT_EQ(real_for(packet(port, kAck)), first);
        reals.insert(first);
    }
    EXPECT_EQ(reals.size(), 4U) << "spread over all";
    // Nothing is known of a connection by its end.
    for (const std::uint8_t flags : {kRst, kFin, std::uint8_t{0}}) {
        EXPECT_EQ(run(packet(2100, flags)).verdict, "forwarded_dr");
        EXPECT_EQ(state(2100), FlowState::None);
    }
}

TEST_F(FlowTest, MidwayGoesTheSameWayOnEveryDirector) {
    put(service(80, 4, Scheduler::RoundRobin));
    std::vector<int> here;
    for (std::uint16_t port = 2000; port < 2020; ++port)
        here.push_back(real_for(packet(port, kAck)));
    // Another node: another table, another seed, and another position of the round robin.
    open(1U << 10, true);
    for (int n = 1; n <= 4; ++n) resolve(n);
    put(service(80, 4, Scheduler::RoundRobin));
    run(packet(9999, kSyn));
    for (std::uint16_t port = 2000; port < 2020; ++port)
        EXPECT_EQ(real_for(packet(port, kAck)), here[port - 2000U]);
}

TEST_F(FlowTest, ExpiredFlowIsScheduledAnew) {
    put(service(80, 2, Scheduler::RoundRobin));
    const int first = connect(3000);
    age(3000, Seconds(899));
    EXPECT_EQ(real_for(packet(3000, kSyn)), first) << "alive, and refreshed by this packet";
    age(3000, Seconds(901));
    EXPECT_FALSE(flow(3000)) << "no longer listed";
    EXPECT_NE(real_for(packet(3000, kSyn)), first);
    EXPECT_EQ(state(3000), FlowState::SynRecv);
}

TEST_F(FlowTest, SynOnAClosedConnectionBeginsAnewButNotOnAHalfClosedOne) {
    put(service(80, 2, Scheduler::RoundRobin));
    const int closed = connect(3100);
    run(packet(3100, kRst));
    ASSERT_EQ(state(3100), FlowState::Close);
    EXPECT_NE(real_for(packet(3100, kSyn)), closed);

    const int half = connect(3101);
    run(packet(3101, kFin | kAck));
    ASSERT_EQ(state(3101), FlowState::FinWait);
    EXPECT_EQ(real_for(packet(3101, kSyn)), half) << "IPVS keeps the real";
}

TEST_F(FlowTest, ListsWhatItKnows) {
    put(service(80, 1));
    put(service(53, 1, Scheduler::Maglev, Protocol::Udp));
    connect(3200);
    run(datagram(3201));
    const auto tcp = flow(3200);
    ASSERT_TRUE(tcp);
    EXPECT_EQ(tcp->protocol, Protocol::Tcp);
    EXPECT_EQ(tcp->client, (Endpoint{ip("198.51.100.7"), 3200}));
    EXPECT_EQ(tcp->vip, (Endpoint{ip("10.0.0.100"), 80}));
    EXPECT_EQ(tcp->real, real(1, 80).endpoint);
    EXPECT_FALSE(tcp->synced);
    EXPECT_LT(tcp->idle, Seconds(10));
    age(3200, Seconds(100));
    EXPECT_GE(flow(3200)->idle, Seconds(99));
    EXPECT_FALSE(tcp->one_packet);
    const auto udp = flow(3201);
    ASSERT_TRUE(udp);
    EXPECT_TRUE(udp->one_packet);
    EXPECT_EQ(udp->protocol, Protocol::Udp);
    EXPECT_EQ(udp->state, FlowState::Established);
    int visited = 0;
    plane->for_each_flow([&](const Flow&) { return ++visited < 1; });
    EXPECT_EQ(visited, 1) << "stops when told to";
}

// --- steering ----------------------------------------------------------------------------------

TEST_F(FlowTest, RingSwapKeepsConnectionsWhereTheyAre) {
    model::Service web = service(80, 2);
    put(web);
    std::map<std::uint16_t, int> before;
    for (std::uint16_t port = 4000; port < 4050; ++port) before[port] = connect(port);
    web = service(80, 4);  // two more, and every client's slot may change
    web.scheduler = Scheduler::SourceHash;
    put(web);
    for (const auto& [port, chosen] : before) EXPECT_EQ(real_for(packet(port, kAck)), chosen);
}

TEST_F(FlowTest, FailedRealsConnectionsWaitForIt) {
    model::Service web = service(80, 2, Scheduler::RoundRobin);
    put(web);
    const int chosen = connect(4100);
    set_alive(web, chosen, false);
    put(web);
    EXPECT_EQ(run(packet(4100, kAck)).verdict, "drop_real_down");
    EXPECT_EQ(state(4100), FlowState::Established);
    for (std::uint16_t port = 4101; port < 4110; ++port)
        EXPECT_EQ(connect(port), 3 - chosen) << "new ones go elsewhere";
    set_alive(web, chosen, true);
    put(web);
    EXPECT_EQ(real_for(packet(4100, kAck)), chosen);
}

TEST_F(FlowTest, RemovedRealsConnectionsRunOutEvenOverServiceRemoval) {
    const model::Service both = service(80, 2, Scheduler::RoundRobin);
    put(both);
    const int chosen = connect(4200);
    model::Service other = both;
    other.reals.erase(other.reals.begin() + chosen - 1);
    put(other);
    EXPECT_EQ(real_for(packet(4200, kAck)), chosen);
    // Nobody looks for the way to it any more.
    ASSERT_TRUE(plane->set_next_hop(real(chosen, 80).endpoint.address, std::nullopt));
    EXPECT_EQ(real_for(packet(4200, kAck)), chosen);
    resolve(chosen);
    put(both);
    EXPECT_EQ(real_for(packet(4200, kAck)), chosen);
    remove(both);
    EXPECT_EQ(run(packet(4200, kAck)).verdict, "pass_no_service");
    for (int i = 0; i < 3; ++i) sweep_round();
    put(both);
    EXPECT_EQ(real_for(packet(4200, kAck)), chosen);
}

TEST_F(FlowTest, SynToAFailedRealBeginsAnew) {
    model::Service web = service(80, 2, Scheduler::RoundRobin);
    put(web);
    const int chosen = connect(4300);
    set_alive(web, chosen, false);
    put(web);
    EXPECT_EQ(real_for(packet(4300, kSyn)), 3 - chosen);
    EXPECT_EQ(state(4300), FlowState::SynRecv);
}

TEST_F(FlowTest, DatagramsToAFailedRealGoToAnotherAtOnce) {
    model::Service dns = service(53, 2, Scheduler::RoundRobin, Protocol::Udp);
    put(dns);
    const int chosen = real_for(datagram(4400));
    EXPECT_EQ(real_for(datagram(4400)), chosen);
    set_alive(dns, chosen, false);
    put(dns);
    EXPECT_EQ(real_for(datagram(4400)), 3 - chosen);
    set_alive(dns, chosen, true);
    put(dns);
    EXPECT_EQ(real_for(datagram(4400)), 3 - chosen) << "and stay there";
}

TEST_F(FlowTest, WeightZeroKeepsConnectionsAndTakesNoNew) {
    model::Service web = service(80, 2, Scheduler::WeightedRoundRobin);
    put(web);
    const int chosen = connect(4500);
    real_for(packet(4501, kSyn));  // half-open, on the other one
    set_weight(web, chosen, 0);
    put(web);
    EXPECT_EQ(real_for(packet(4500, kAck)), chosen);
    for (std::uint16_t port = 4502; port < 4510; ++port) EXPECT_EQ(connect(port), 3 - chosen);
    set_weight(web, 3 - chosen, 0);
    put(web);
    EXPECT_EQ(run(packet(4511, kSyn)).verdict, "drop_no_real");
    EXPECT_EQ(real_for(packet(4501, kAck)), 3 - chosen) << "a half-open one may finish";
}

TEST_F(FlowTest, NextHopChangesReachPacketsAtOnceAndCanBeTakenAway) {
    put(service(80, 1));
    connect(4600);
    dataplane::NextHop hop;
    hop.ifindex = 1;
    hop.destination = real_mac(77);
    ASSERT_TRUE(plane->set_next_hop(ip(real_address(1)), hop));
    EXPECT_EQ(real_for(packet(4600, kAck)), 77);
    ASSERT_TRUE(plane->set_next_hop(ip(real_address(1)), std::nullopt));
    EXPECT_EQ(run(packet(4600, kAck)).verdict, "drop_neighbour");
    EXPECT_EQ(run(packet(4601, kSyn)).verdict, "drop_neighbour");
    EXPECT_FALSE(flow(4601)) << "nothing is stored for what cannot be sent";
}

// --- from peers --------------------------------------------------------------------------------

TEST_F(FlowTest, StoredFlowSteersPacketsAndIsThisNodesFromThen) {
    put(service(80, 4));
    std::vector<Flow> learned;
    for (std::uint16_t port = 5000; port < 5040; ++port)
        learned.push_back(peer_flow(port, 1 + port % 4));
    const auto result = plane->store_flows(learned);
    EXPECT_EQ(result.stored, learned.size());
    for (const Flow& known : learned) {
        const std::uint16_t port = known.client.port;
        EXPECT_TRUE(flow(port)->synced);
        EXPECT_EQ(real_for(packet(port, kAck)), 1 + port % 4);
        EXPECT_FALSE(flow(port)->synced);
    }
}

TEST_F(FlowTest, StoreCountsWhatItDoesNotTake) {
    put(service(80, 2));
    connect(5100);
    Flow older = peer_flow(5100, 1);
    older.idle = Seconds(5);
    Flow no_service = peer_flow(5101, 1);
    no_service.vip.port = 81;
    const Flow no_real = peer_flow(5102, 3);
    const std::vector<Flow> flows{older, no_service, no_real, peer_flow(5103, 2)};
    const auto result = plane->store_flows(flows);
    EXPECT_EQ(result.older, 1U);
    EXPECT_EQ(result.unknown, 2U);
    EXPECT_EQ(result.stored, 1U);
    EXPECT_FALSE(flow(5100)->synced);

    age(5100, Seconds(10));
    Flow fresher = peer_flow(5100, 1, FlowState::FinWait);
    fresher.idle = Seconds(5);
    EXPECT_EQ(plane->store_flows({&fresher, 1}).stored, 1U);
    EXPECT_EQ(state(5100), FlowState::FinWait);
    EXPECT_GE(flow(5100)->idle, Seconds(4));
    EXPECT_LE(flow(5100)->idle, Seconds(9));
}

TEST_F(FlowTest, FlowThatEndedAtThePeerIsTakenAwayUnlessItLivesHere) {
    put(service(80, 1));
    const std::vector<Flow> learned{peer_flow(5200, 1), peer_flow(5201, 1)};
    ASSERT_EQ(plane->store_flows(learned).stored, 2U);
    run(packet(5201, kAck));
    std::vector<Flow> ended{peer_flow(5200, 1, FlowState::None),
                            peer_flow(5201, 1, FlowState::None),
                            peer_flow(5202, 1, FlowState::None)};
    for (Flow& flow : ended) flow.idle = Millis(500);
    const auto result = plane->store_flows(ended);
    EXPECT_EQ(result.stored, 2U);
    EXPECT_EQ(result.older, 1U);
    EXPECT_FALSE(flow(5200));
    EXPECT_TRUE(flow(5201)) << "had a packet here since";
    EXPECT_FALSE(raw_flow(5202)) << "nothing is stored for what was not here";
}

// --- changes -----------------------------------------------------------------------------------

TEST_F(FlowTest, ChangesTellOfEstablishedAndClosedNotOfHalfOpen) {
    put(service(80, 1));
    put(service(53, 1, Scheduler::Maglev, Protocol::Udp));
    changes();
    run(packet(6000, kSyn));
    EXPECT_TRUE(changes().empty());
    run(packet(6000, kAck));
    auto seen = changes();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].client.port, 6000);
    EXPECT_EQ(seen[0].state, FlowState::Established);
    EXPECT_EQ(seen[0].real, real(1, 80).endpoint);
    run(packet(6000, kAck));
    EXPECT_TRUE(changes().empty()) << "nothing new";
    run(packet(6000, kFin | kAck));
    run(packet(6000, kRst));
    seen = changes();
    ASSERT_EQ(seen.size(), 2U) << "each read as it is by now";
    EXPECT_EQ(seen[0].state, FlowState::Close);
    run(datagram(6001));
    run(packet(6002, kAck));  // met midway
    EXPECT_TRUE(changes().empty()) << "of one packet, by anybody";
    run(datagram(6001));
    run(packet(6002, kAck));
    seen = changes();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[0].protocol, Protocol::Udp);
    EXPECT_EQ(seen[1].client.port, 6002);
    EXPECT_EQ(seen[1].state, FlowState::Established);
    run(datagram(6001));
    run(packet(6002, kAck));
    EXPECT_TRUE(changes().empty()) << "told once";
    EXPECT_GE(plane->change_fd(), 0);
}

TEST_F(FlowTest, ChangesTellOfHalfOpenWhileTheNodeIsAboutToLeave) {
    put(service(80, 2));
    changes();
    ASSERT_TRUE(plane->report_half_open(Clock::now() + std::chrono::hours(1)));
    run(packet(6010, kSyn));
    const auto seen = changes();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].client.port, 6010);
    EXPECT_EQ(seen[0].state, FlowState::SynRecv);
    ASSERT_TRUE(plane->report_half_open(Clock::now() - Seconds(1)));
    run(packet(6011, kSyn));
    EXPECT_TRUE(changes().empty());
}

TEST_F(FlowTest, JustAfterATakeoverUnknownTcpWaitsAndNothingElseDoes) {
    put(service(80, 2));
    put(service(53, 1, Scheduler::Maglev, Protocol::Udp));
    connect(6020);
    const auto now = static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
    change_lease([&](vipd_lease& lease) { lease.settle_until_ns = now + 3'600'000'000'000U; });
    for (const auto flags : {kAck, static_cast<std::uint8_t>(kFin | kAck)})
        EXPECT_EQ(run(packet(6021, flags)).verdict, "drop_settling");
    EXPECT_FALSE(flow(6021));
    EXPECT_EQ(run(packet(6020, kAck)).verdict, "forwarded_dr");
    EXPECT_EQ(run(packet(6022, kSyn)).verdict, "forwarded_dr");
    EXPECT_EQ(run(packet(6022, kAck)).verdict, "forwarded_dr");
    EXPECT_EQ(run(datagram(6023)).verdict, "forwarded_dr");
    // What the peer tells meanwhile is known.
    plane->store_flows(std::vector{peer_flow(6021, 2)});
    EXPECT_EQ(run(packet(6021, kAck)).verdict, "forwarded_dr");
    change_lease([&](vipd_lease& lease) { lease.settle_until_ns = now - 1; });
    EXPECT_EQ(run(packet(6024, kAck)).verdict, "forwarded_dr");
}

TEST_F(FlowTest, FullChangeBufferIsCountedAndCostsNoPacket) {
    put(service(80, 1));
    changes();
    // 16 bytes a record in 1 MiB. The first of four packets is no news.
    constexpr int kRoom = 65536;
    std::vector<Bytes> life;
    for (const std::uint8_t flags : {kSyn, kAck, kFin, kRst})
        life.push_back(build(packet(6100, flags)));
    for (int i = 0; i < (kRoom + 500) / 3 * 4 + 4; ++i) {
        const Bytes& frame = life[static_cast<std::size_t>(i) % life.size()];
        LIBBPF_OPTS(bpf_test_run_opts, test);
        test.data_in = frame.data();
        test.data_size_in = static_cast<std::uint32_t>(frame.size());
        ASSERT_EQ(::bpf_prog_test_run_opts(dataplane::program_fd(*plane), &test), 0);
        ASSERT_EQ(test.retval, static_cast<std::uint32_t>(XDP_TX)) << i;
    }
    EXPECT_GE(note_count("changes_lost"), 499U);
    std::uint64_t lost = 0;
    changes(&lost);
    EXPECT_EQ(lost, note_count("changes_lost"));
    changes(&lost);
    EXPECT_EQ(lost, 0U) << "told once";
    connect(6101);
    EXPECT_EQ(changes().size(), 1U) << "works again";
}

}  // namespace vipd::testing
