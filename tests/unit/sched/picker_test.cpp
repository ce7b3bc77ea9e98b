// SPDX-License-Identifier: Apache-2.0
// Choices that hang on turns and on load.
#include "userspace/sched/picker.hpp"

#include "tests/unit/sched/ipvs_orders.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace vipd::sched {
namespace {

using facts::Traffic;
using model::Scheduler;

constexpr std::uint32_t kTcp = 6;
constexpr std::uint32_t kUdp = 17;

model::Real real(int number, std::uint32_t weight) {
    model::Real made;
    made.endpoint = {IpAddress::parse(fmt::format("198.51.100.1{}", number)).value(), 8080};
    made.weight = weight;
    made.last_weight = weight;
    return made;
}

model::Service service_of(Scheduler scheduler, std::string_view reals) {
    model::Service service;
    service.scheduler = scheduler;
    while (!reals.empty()) {
        const std::string word(reals.substr(0, reals.find(' ')));
        reals.remove_prefix(std::min(reals.size(), word.size() + 1));
        service.reals.push_back(
            real(word[0] - '0', static_cast<std::uint32_t>(std::stoul(word.substr(2)))));
    }
    return service;
}

/// New connections one after the other, the numbers of the reals in a row.
class Director {
  public:
    explicit Director(model::Service service) : service_(std::move(service)), picker_(service_) {}

    std::string connect(std::size_t times, Traffic traffic = Traffic::Syn) {
        std::string chosen;
        for (std::size_t i = 0; i < times; ++i) {
            const auto picked =
                picker_.pick({.client = {IpAddress::v4(0x0a010001U + clients_++), 40000},
                              .vip = IpAddress::parse(facts::kOrderVip).value(),
                              .now = now});
            chosen += picked ? service_.reals[*picked].endpoint.address.to_string().back() : '-';
            if (!picked) continue;
            vipd_load_count(&picker_.load(*picked), protocol(traffic), state(traffic), 1);
        }
        return chosen;
    }
    void end(int real, Traffic traffic) {
        vipd_load_count(&picker_.load(index(real)), protocol(traffic), state(traffic), -1);
    }
    vipd_load& load(int real) { return picker_.load(index(real)); }
    std::uint32_t now = 0;

  private:
    static std::uint32_t protocol(Traffic traffic) { return traffic == Traffic::Udp ? kUdp : kTcp; }
    static vipd_flow_state state(Traffic traffic) {
        if (traffic == Traffic::Syn) return VIPD_FLOW_SYN_RECV;
        return traffic == Traffic::Closed ? VIPD_FLOW_TIME_WAIT : VIPD_FLOW_ESTABLISHED;
    }
    Slot index(int number) const {
        return static_cast<Slot>(
            std::ranges::find(service_.reals, real(number, 0).endpoint, &model::Real::endpoint) -
            service_.reals.begin());
    }

    model::Service service_;
    Picker picker_;
    std::uint32_t clients_ = 0;
};

TEST(Picker, HandsConnectionsOutAsIpvs) {
    for (const facts::OrderFact& fact : facts::kOrderFacts) {
        Director director(service_of(fact.scheduler, fact.reals));
        EXPECT_EQ(director.connect(fact.chosen.size(), fact.traffic), fact.chosen) << fact;
    }
}

// The list of IPVS has the real that is added again in front: here, the last of the file.
TEST(Picker, WeighsWhatARealThatComesBackStillHas) {
    Director director(service_of(Scheduler::WeightedLeastConnection, "1:1 3:3 2:2"));
    director.load(1).active = 3;
    director.load(2).active = 3;
    director.load(3).active = 10;
    EXPECT_EQ(director.connect(8), "22221323");
}

TEST(Picker, RefusesAboveTheUpperThresholdUntilBelowTheLower) {
    for (const Scheduler scheduler : {Scheduler::RoundRobin,
                                      Scheduler::WeightedRoundRobin,
                                      Scheduler::LeastConnection,
                                      Scheduler::WeightedLeastConnection,
                                      Scheduler::PowerOfTwo,
                                      Scheduler::NeverQueue,
                                      Scheduler::LocalityLeastConnectionReplicated,
                                      Scheduler::WeightedFailover}) {
        model::Service service = service_of(scheduler, "1:1 2:1");
        for (auto& each : service.reals) each.upper = 2, each.lower = 1;
        Director director(service);
        std::string chosen = director.connect(6);
        EXPECT_EQ(chosen.substr(4), "--") << to_string(scheduler);
        std::ranges::sort(chosen);
        EXPECT_EQ(chosen, "--1122") << to_string(scheduler);
        director.end(2, Traffic::Syn);
        EXPECT_EQ(director.connect(1), "-") << to_string(scheduler);
        director.end(2, Traffic::Syn);
        EXPECT_EQ(director.connect(3), "22-") << to_string(scheduler);
    }
}

TEST(Picker, OpensAgainAtThreeQuartersWithoutALowerThreshold) {
    model::Service service = service_of(Scheduler::RoundRobin, "1:1");
    service.reals[0].upper = 4;
    Director director(service);
    EXPECT_EQ(director.connect(5), "1111-");
    director.end(1, Traffic::Syn);
    EXPECT_EQ(director.connect(1), "-");  // 3 is not less than 3/4 of 4
    director.end(1, Traffic::Syn);
    EXPECT_EQ(director.connect(3), "11-");
}

TEST(Picker, GoesOnInTurnPastARealThatIsFull) {
    model::Service service = service_of(Scheduler::RoundRobin, "1:1 2:1 3:1");
    service.reals[2].upper = 1;
    Director director(service);
    EXPECT_EQ(director.connect(7), "3212121");
}

TEST(Picker, FindsTheOneThatIsNotFullBehindAThousandTurns) {
    model::Service service = service_of(Scheduler::WeightedRoundRobin, "1:1 2:1000");
    service.reals[1].upper = 1;
    Director director(service);
    EXPECT_EQ(director.connect(4), "2111");
}

TEST(Picker, TwosFollowsTheWeightsAndTheLoad) {
    Director director(service_of(Scheduler::PowerOfTwo, "1:1 2:1 3:2"));
    const std::string chosen = director.connect(4000);
    std::map<char, std::ptrdiff_t> times;
    for (const char c : chosen) ++times[c];
    EXPECT_NEAR(static_cast<double>(times['3']), 2000, 40);
    EXPECT_NEAR(static_cast<double>(times['1']), 1000, 40);
}

TEST(Picker, LblcrShedsTheHeaviestOfItsSetAfterADay) {
    Director director(service_of(Scheduler::LocalityLeastConnectionReplicated, "1:1 2:1 3:1"));
    (void)director.connect(5);
    EXPECT_NE(director.load(1).joined, 0U);
    EXPECT_NE(director.load(3).joined, 0U);
    director.load(3).active = 9;
    director.now = 82397462;
    (void)director.connect(1);
    EXPECT_EQ(director.load(3).joined, 0U);
    EXPECT_NE(director.load(1).joined, 0U);
}

TEST(Picker, ManyRealsAreSeenPartByPart) {
    model::Service service;
    service.scheduler = Scheduler::WeightedLeastConnection;
    for (std::uint32_t i = 0; i < 1300; ++i) {
        model::Real each;
        each.endpoint = {IpAddress::v4(0x0a000000U + i), 80};
        service.reals.push_back(each);
    }
    Picker picker(service);
    std::set<Slot> chosen;
    for (std::uint32_t i = 0; i < 1300; ++i) {
        const auto picked = picker.pick({.client = {IpAddress::v4(i), 1}, .vip = {}});
        ASSERT_TRUE(picked);
        chosen.insert(*picked);
        vipd_load_count(&picker.load(*picked), kTcp, VIPD_FLOW_ESTABLISHED, 1);
    }
    EXPECT_GT(chosen.size(), 1200U);
}

TEST(Picker, ConnectionsMetMidwayGoByTheirHash) {
    const model::Service service = service_of(Scheduler::WeightedLeastConnection, "1:1 2:1 3:1");
    Picker one(service);
    Picker other(service);
    other.load(2).active = 100;
    for (std::uint32_t i = 0; i < 50; ++i) {
        const Query query{.client = {IpAddress::v4(i), 7}, .vip = {}, .fresh = false};
        EXPECT_EQ(one.pick(query), other.pick(query));
    }
}

// --- after a change ---------------------------------------------------------------------------

TEST(Resume, RoundRobinGoesOnBehindTheLastOne) {
    const auto before = service_of(Scheduler::RoundRobin, "1:1 2:1 3:1");  // 3 2 1
    const auto without2 = service_of(Scheduler::RoundRobin, "1:1 3:1");    // 3 1
    EXPECT_EQ(resume(before, 0, without2), 0U);
    EXPECT_EQ(resume(before, 7, without2), 1U) << "3 was the last, 1 is next";
    EXPECT_EQ(resume(before, 8, without2), 1U) << "2 was and is gone";
    EXPECT_EQ(resume(before, 9, without2), 2U) << "1 was, 3 is next";
    const auto heavier = service_of(Scheduler::RoundRobin, "1:1 2:5 3:1");
    EXPECT_EQ(resume(before, 8, heavier), 2U) << "as if nothing had happened";
    EXPECT_EQ(resume(before, 8, service_of(Scheduler::RoundRobin, "")), 0U);
    EXPECT_EQ(resume(before, 8, service_of(Scheduler::WeightedRoundRobin, "1:1")), 0U);
}

TEST(Resume, WeightedRoundRobinGoesOnAtItsLevel) {
    // Levels 1: 3 2 1, 3: 3, 2: 3 2.
    const auto before = service_of(Scheduler::WeightedRoundRobin, "1:1 2:2 3:3");
    EXPECT_EQ(resume(before, 2, before), 0U);
    EXPECT_EQ(resume(before, 4, before), 3U);
    EXPECT_EQ(resume(before, 6, before), 4U);
    EXPECT_EQ(resume(before, 10, service_of(Scheduler::WeightedRoundRobin, "1:1 2:2")), 2U)
        << "level 3 is no more: the highest there is";
    EXPECT_EQ(resume(before, 10, service_of(Scheduler::WeightedRoundRobin, "1:2 2:4")), 2U);
    EXPECT_EQ(resume(before, 10, service_of(Scheduler::WeightedRoundRobin, "")), 0U);
}

}  // namespace
}  // namespace vipd::sched
