// SPDX-License-Identifier: Apache-2.0
// Schedulers that go by turns and by load: against what IPVS did, and against userspace/sched on
// very many connections that begin, are met midway, and end.
#include "tests/prog/flow_fixture.hpp"
#include "tests/unit/sched/ipvs_orders.hpp"
#include "userspace/sched/picker.hpp"

#include <bpf/bpf.h>

#include <array>
#include <linux/bpf.h>
#include <random>
#include <sstream>

namespace vipd::testing {

namespace {

namespace facts = sched::facts;
using facts::Traffic;

/// "1:1 2:2": numbers of reals with their weights, in the order of the file.
model::Service service_of(const facts::OrderFact& fact) {
    const bool udp = fact.traffic == Traffic::Udp;
    model::Service service;
    service.key = {{ip(std::string(facts::kOrderVip)), 80}, udp ? Protocol::Udp : Protocol::Tcp};
    service.scheduler = fact.scheduler;
    std::istringstream words{std::string(fact.reals)};
    for (std::string word; words >> word;) {
        model::Real real;
        real.endpoint = {ip(real_address(word[0] - '0')), 80};
        real.weight = static_cast<std::uint32_t>(std::stoul(word.substr(2)));
        service.reals.push_back(real);
    }
    return service;
}

}  // namespace

class ScheduleTest : public FlowTest {
  protected:
    char connect(std::uint16_t port, Traffic traffic, std::uint16_t vip_port = 80) {
        PacketSpec spec;
        spec.to = std::string(facts::kOrderVip);
        spec.to_port = vip_port;
        spec.from_port = port;
        spec.tcp_flags = kSyn;
        if (traffic == Traffic::Udp) spec.protocol = Protocol::Udp;
        const int chosen = real_for(spec);
        if (chosen == 0) return '-';
        if (traffic == Traffic::Held || traffic == Traffic::Closed) {
            spec.tcp_flags = kAck;
            EXPECT_EQ(real_for(spec), chosen);
        }
        if (traffic == Traffic::Closed) {
            spec.tcp_flags = kFin | kAck;
            EXPECT_EQ(real_for(spec), chosen);
        }
        return static_cast<char>('0' + chosen);
    }
};

TEST_F(ScheduleTest, HandsConnectionsOutAsIpvs) {
    std::uint16_t port = 1000;
    for (const facts::OrderFact& fact : facts::kOrderFacts) {
        model::Service web = service_of(fact);
        web.key.endpoint.port = port;
        for (auto& each : web.reals) each.endpoint.port = port;
        put(web);
        std::string chosen;
        for (std::size_t i = 0; i < fact.chosen.size(); ++i)
            chosen += connect(port++, fact.traffic, web.key.endpoint.port);
        EXPECT_EQ(chosen, fact.chosen) << fact;
        remove(web);
    }
}

/// r2 is removed after 8 connections, and added again after 16.
TEST_F(ScheduleTest, GoesOnAsIpvsWhenARealLeavesAndComesBack) {
    const std::vector<std::pair<Scheduler, std::string>> facts{
        {Scheduler::RoundRobin, "321321321313131312312312"},
        {Scheduler::WeightedRoundRobin, "321332323133313323231323"},
        {Scheduler::WeightedLeastConnection, "321323321333133322221323"}};
    std::uint16_t port = 1000;
    for (const auto& [scheduler, wanted] : facts) {
        model::Service web = service_of({scheduler, "1:1 2:2 3:3", Traffic::Syn, {}});
        web.key.endpoint.port = port;
        put(web);
        std::string chosen;
        const auto connect_times = [&](int times) {
            for (int i = 0; i < times; ++i)
                chosen += connect(port++, Traffic::Syn, web.key.endpoint.port);
        };
        connect_times(8);
        const model::Real second = web.reals[1];
        web.reals.erase(web.reals.begin() + 1);
        put(web);
        connect_times(8);
        web.reals.push_back(second);  // IPVS puts it in front of its list
        put(web);
        connect_times(8);
        EXPECT_EQ(chosen, wanted) << to_string(scheduler);
    }
}

// --- thresholds --------------------------------------------------------------------------------

TEST_F(ScheduleTest, UpperThresholdRefusesUntilBelowTheLower) {
    model::Service web = service(80, 2, Scheduler::RoundRobin);
    for (auto& each : web.reals) each.upper = 2, each.lower = 1;
    put(web);
    std::vector<int> chosen;
    for (std::uint16_t port = 1; port <= 6; ++port) chosen.push_back(FlowTest::connect(port));
    EXPECT_EQ(chosen, (std::vector<int>{2, 1, 2, 1, 0, 0}));
    EXPECT_EQ(verdict_count("drop_no_real"), 4U);
    // As IPVS: a connection that closes still counts.
    run(packet(1, kFin | kAck));
    EXPECT_EQ(real_for(packet(7, kSyn)), 0);
    // Two that have gone: below the lower one.
    age(1, Seconds(2000));
    age(3, Seconds(2000));
    sweep_round();
    EXPECT_EQ(real_for(packet(8, kSyn)), 2);
    // Established ones and their state are none of its business.
    EXPECT_EQ(real_for(packet(2, kAck)), 1);
    // Without the limits all goes on.
    for (auto& each : web.reals) each.upper = each.lower = 0;
    put(web);
    EXPECT_NE(real_for(packet(9, kSyn)), 0);
    EXPECT_NE(real_for(packet(10, kSyn)), 0);
}

TEST_F(ScheduleTest, LimitsAndCountsOutliveTheDaemon) {
    model::Service web = service(80, 1, Scheduler::WeightedLeastConnection);
    web.reals[0].upper = 3;
    web.reals[0].lower = 2;
    put(web);
    FlowTest::connect(1);
    FlowTest::connect(2);
    close();
    ASSERT_NO_FATAL_FAILURE(open());
    EXPECT_EQ(plane->model().at(web.key), web);
    EXPECT_EQ(plane->connections(web.key, web.reals[0].endpoint).active, 2U);
    EXPECT_NE(real_for(packet(3, kSyn)), 0);
    EXPECT_EQ(real_for(packet(4, kSyn)), 0);
}

// --- the counts --------------------------------------------------------------------------------

TEST_F(ScheduleTest, CountsFollowEachFlowWhateverBecomesOfIt) {
    model::Service web = service(80, 2, Scheduler::WeightedLeastConnection);
    put(web);
    const auto counts = [&] {
        std::array<std::uint64_t, 2> sum{};
        for (const auto& each : web.reals) {
            const auto count = plane->connections(web.key, each.endpoint);
            sum[0] += count.active;
            sum[1] += count.inactive;
        }
        return sum;
    };
    using Counts = std::array<std::uint64_t, 2>;
    FlowTest::connect(1);
    run(packet(2, kSyn));
    EXPECT_EQ(counts(), (Counts{2, 0}));
    run(packet(1, kFin | kAck));
    EXPECT_EQ(counts(), (Counts{1, 1}));
    run(packet(2, kRst));  // a SYN_RECV stays what it is, as in IPVS
    EXPECT_EQ(counts(), (Counts{1, 1}));
    run(packet(1, kSyn));  // FIN_WAIT opens again
    EXPECT_EQ(counts(), (Counts{2, 0}));
    run(packet(1, kAck));
    run(packet(1, kRst));
    EXPECT_EQ(counts(), (Counts{1, 1}));
    run(packet(1, kSyn));  // closed: begins anew in the same slot
    EXPECT_EQ(counts(), (Counts{2, 0}));
    const Flow learned = peer_flow(9, 1, FlowState::FinWait);
    ASSERT_EQ(plane->store_flows({&learned, 1}).stored, 1U);
    EXPECT_EQ(counts(), (Counts{2, 1}));
    const Flow gone = peer_flow(9, 1, FlowState::None);
    ASSERT_EQ(plane->store_flows({&gone, 1}).stored, 1U);
    EXPECT_EQ(counts(), (Counts{2, 0}));
    age(1, Seconds(2000));
    age(2, Seconds(2000));
    EXPECT_EQ(counts(), (Counts{2, 0})) << "until the sweep has come";
    sweep_round();
    EXPECT_EQ(counts(), (Counts{0, 0}));
}

// --- program and model ------------------------------------------------------------------------

class ModelTest : public FlowTest, public ::testing::WithParamInterface<Scheduler> {
  protected:
    /// The real that took the packet, 0 for none. No look at the verdicts: there are many packets.
    int take(const PacketSpec& spec) {
        const Bytes input = build(spec);
        std::array<std::uint8_t, 256> output{};
        LIBBPF_OPTS(bpf_test_run_opts, test);
        test.data_in = input.data();
        test.data_size_in = static_cast<std::uint32_t>(input.size());
        test.data_out = output.data();
        test.data_size_out = output.size();
        EXPECT_EQ(::bpf_prog_test_run_opts(dataplane::program_fd(*plane), &test), 0);
        return test.retval == XDP_DROP ? 0 : output[4] << 8 | output[5];
    }
};

TEST_P(ModelTest, AgreesOnEachOfAHundredThousandFlows) {
    constexpr int kRounds = 10;
    constexpr int kFlows = 10000;
    ASSERT_NO_FATAL_FAILURE(open(1U << 18, true));
    std::mt19937 random(11);
    for (int n = 1; n <= 12; ++n) resolve(n);
    for (int round = 0; round < kRounds; ++round) {
        model::Service web = service(80, 12, GetParam());
        web.hash_port = random() % 2 == 0;
        web.hash_fallback = random() % 2 == 0;
        for (auto& each : web.reals) {
            each.weight = each.last_weight = static_cast<std::uint32_t>(random() % 6);
            each.alive = random() % 8 != 0;
            each.upper = random() % 3 == 0 ? static_cast<std::uint32_t>(random() % 900) : 0;
            each.lower = random() % 2 == 0 ? each.upper / 2 : 0;
        }
        put(web);
        sched::Picker picker(web);
        std::vector<Flow> opened;
        for (int i = 0; i < kFlows; ++i) {
            PacketSpec spec;
            const IpAddress client = IpAddress::v4(static_cast<std::uint32_t>(random()));
            spec.from = client.to_string();
            spec.from_port = static_cast<std::uint16_t>(random() % 65535 + 1);
            const bool fresh = random() % 8 != 0;
            spec.tcp_flags = fresh ? kSyn : kAck;
            const auto wanted =
                picker.pick({{client, spec.from_port}, web.key.endpoint.address, fresh, 0});
            const int chosen = take(spec);
            ASSERT_EQ(chosen, wanted ? static_cast<int>(*wanted) + 1 : 0)
                << "round " << round << ", flow " << i << ", " << spec.from << ":"
                << spec.from_port;
            if (!wanted) continue;
            vipd_load& load = picker.load(*wanted);
            vipd_load_count(&load, 6, fresh ? VIPD_FLOW_SYN_RECV : VIPD_FLOW_ESTABLISHED, 1);
            if (random() % 2 == 0) {
                spec.tcp_flags = kAck;
                ASSERT_EQ(take(spec), chosen);
                spec.tcp_flags = kFin | kAck;
                ASSERT_EQ(take(spec), chosen);
                vipd_load_move(&load, 6, VIPD_FLOW_ESTABLISHED, VIPD_FLOW_FIN_WAIT);
            }
            Flow flow;
            flow.client = {client, spec.from_port};
            flow.vip = web.key.endpoint;
            opened.push_back(flow);  // of state None: to be taken away
        }
        for (sched::Slot i = 0; i < web.reals.size(); ++i) {
            const auto count = plane->connections(web.key, web.reals[i].endpoint);
            ASSERT_EQ(count.active, vipd_load_active(&picker.load(i)));
            ASSERT_EQ(count.inactive, vipd_load_inactive(&picker.load(i)));
        }
        ASSERT_EQ(plane->store_flows(opened).stored, opened.size());
        remove(web);
        sweep_round();
        sweep_round();  // ids and turns begin anew
    }
}

INSTANTIATE_TEST_SUITE_P(All,
                         ModelTest,
                         ::testing::Values(Scheduler::RoundRobin,
                                           Scheduler::WeightedRoundRobin,
                                           Scheduler::SourceHash,
                                           Scheduler::Maglev,
                                           Scheduler::DestinationHash,
                                           Scheduler::WeightedFailover,
                                           Scheduler::WeightedOverflow,
                                           Scheduler::LeastConnection,
                                           Scheduler::WeightedLeastConnection,
                                           Scheduler::ShortestExpectedDelay,
                                           Scheduler::NeverQueue,
                                           Scheduler::LocalityLeastConnection,
                                           Scheduler::LocalityLeastConnectionReplicated,
                                           Scheduler::PowerOfTwo),
                         [](const auto& tested) { return std::string(to_string(tested.param)); });

}  // namespace vipd::testing
