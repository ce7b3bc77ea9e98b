// SPDX-License-Identifier: Apache-2.0
// Connections: their states, where they stay and when they move, and the table under pressure.
#include "tests/prog/program_test.hpp"

#include <vipd/abi/verdict.h>

#include <bpf/bpf.h>

#include <atomic>
#include <linux/bpf.h>
#include <map>
#include <set>
#include <thread>

namespace vipd::testing {

namespace {

using dataplane::Flow;
using dataplane::FlowState;
using model::Scheduler;

PacketSpec packet(std::uint16_t client_port, std::uint8_t flags) {
    PacketSpec spec;
    spec.from_port = client_port;
    spec.tcp_flags = flags;
    return spec;
}

PacketSpec datagram(std::uint16_t client_port) {
    PacketSpec spec = packet(client_port, 0);
    spec.protocol = Protocol::Udp;
    spec.to_port = 53;
    return spec;
}

/// A flow of 198.51.100.7 to the service on port 80, as a peer would tell of it.
Flow peer_flow(std::uint16_t client_port, int real, FlowState state = FlowState::Established) {
    Flow flow;
    flow.client = {ip("198.51.100.7"), client_port};
    flow.vip = {ip("10.0.0.100"), 80};
    flow.real = {ip(real_address(real)), 80};
    flow.state = state;
    return flow;
}

}  // namespace

class FlowTest : public ProgramTest {
  protected:
    void SetUp() override {
        ProgramTest::SetUp();
        if (IsSkipped()) return;
        ASSERT_NO_FATAL_FAILURE(open());
        for (int n = 1; n <= 4; ++n) resolve(n);
    }

    /// Sends SYN and ACK; the real that took the connection.
    int connect(std::uint16_t client_port) {
        const int chosen = real_for(packet(client_port, kSyn));
        EXPECT_EQ(real_for(packet(client_port, kAck)), chosen);
        return chosen;
    }

    FlowState state(std::uint16_t client_port) {
        const auto found = flow(client_port);
        return found ? found->state : FlowState::None;
    }

    static void set_alive(model::Service& service, int real, bool alive) {
        service.reals.at(static_cast<std::size_t>(real) - 1).alive = alive;
    }

    static void set_weight(model::Service& service, int real, std::uint32_t weight) {
        service.reals.at(static_cast<std::size_t>(real) - 1).weight = weight;
    }
};

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
    const auto udp = flow(3201);
    ASSERT_TRUE(udp);
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

TEST_F(FlowTest, RemovedRealsConnectionsWaitForItEvenOverServiceRemoval) {
    const model::Service both = service(80, 2, Scheduler::RoundRobin);
    put(both);
    const int chosen = connect(4200);
    model::Service other = both;
    other.reals.erase(other.reals.begin() + chosen - 1);
    put(other);
    EXPECT_EQ(run(packet(4200, kAck)).verdict, "drop_real_down");
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
    run(datagram(6001));
    seen = changes();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].protocol, Protocol::Udp);
    EXPECT_GE(plane->change_fd(), 0);
}

TEST_F(FlowTest, FullChangeBufferIsCountedAndCostsNoPacket) {
    put(service(53, 1, Scheduler::Maglev, Protocol::Udp));
    changes();
    // 16 bytes a record in 1 MiB.
    constexpr int kRoom = 65536;
    const PacketSpec spec = datagram(6100);
    Bytes out(2048);
    const Bytes first = build(spec);
    for (int i = 0; i < kRoom + 500; ++i) {
        Bytes frame = first;
        frame[kEthernetSize + 12] = static_cast<std::uint8_t>(i >> 16);  // the client's address
        frame[kEthernetSize + 13] = static_cast<std::uint8_t>(i >> 8);
        frame[kEthernetSize + 14] = static_cast<std::uint8_t>(i);
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
    run(datagram(6101));
    EXPECT_EQ(changes().size(), 1U) << "works again";
}

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
    EXPECT_EQ(run(packet(8200, kAck)).verdict, "drop_real_down") << "not sent to real 3";
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
