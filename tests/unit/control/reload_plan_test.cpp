// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/reload_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vipd::control {
namespace {

using model::Method;
using model::Model;
using model::Scheduler;
using model::Service;
using testing::ElementsAre;
using What = ReloadPlan::What;

Service service(std::uint16_t port, unsigned reals, Scheduler scheduler = Scheduler::Maglev) {
    Service made;
    made.key = {{IpAddress::v4(0xc0000201), port}, Protocol::Tcp};
    made.scheduler = scheduler;
    made.ring_size = 65537;
    for (unsigned i = 1; i <= reals; ++i) {
        model::Real real;
        real.endpoint = {IpAddress::v4(0x0a000000 + i), port};
        real.last_weight = 1;
        made.reals.push_back(real);
    }
    return made;
}

Model model_of(std::initializer_list<Service> services) {
    Model made;
    for (const Service& one : services) made[one.key] = one;
    return made;
}

TEST(ReloadPlan, NothingChanges) {
    const Model same = model_of({service(80, 3)});
    EXPECT_TRUE(service_steps(same, same).empty());
}

TEST(ReloadPlan, AdditionsThenChangesThenRemovals) {
    Service changed = service(81, 2);
    changed.scheduler = Scheduler::RoundRobin;
    changed.tcp_timeout = std::chrono::seconds(60);
    const auto steps = service_steps(model_of({service(80, 1), service(81, 2)}),
                                     model_of({changed, service(82, 1)}));
    ASSERT_EQ(steps.size(), 3U);
    EXPECT_EQ(steps[0],
              (ReloadPlan::Step{
                  What::Add, "virtual_server", "192.0.2.1:82/TCP", {"mh, 1 real server"}, {}}));
    EXPECT_EQ(steps[1],
              (ReloadPlan::Step{What::Change,
                                "virtual_server",
                                "192.0.2.1:81/TCP",
                                {"scheduler: mh -> rr", "TCP timeout, s: 900 -> 60"},
                                {}}));
    EXPECT_EQ(steps[2],
              (ReloadPlan::Step{What::Remove,
                                "virtual_server",
                                "192.0.2.1:80/TCP",
                                {"its connections are cut off"},
                                {}}));
}

TEST(ReloadPlan, RealServersOneByOne) {
    Service to = service(80, 3);
    to.reals.erase(to.reals.begin());
    to.reals[0].weight = 5;
    to.reals[1].method = Method::Nat;
    to.reals[1].upper = 100;
    to.reals.push_back(to.reals[0]);
    to.reals.back().endpoint.port = 8080;
    const auto steps = service_steps(model_of({service(80, 3)}), model_of({to}));
    ASSERT_EQ(steps.size(), 1U);
    EXPECT_THAT(steps[0].details,
                ElementsAre("real_server 10.0.0.2:8080 added, DR, weight 5",
                            "real_server 10.0.0.1:80 removed; its connections run out",
                            "weight of 10.0.0.2:80: 1 -> 5",
                            "method of 10.0.0.3:80: DR -> NAT",
                            "upper threshold of 10.0.0.3:80: 0 -> 100"));
}

TEST(ReloadPlan, AnotherTunnel) {
    Service from = service(80, 1);
    from.reals[0].method = Method::Tunnel;
    Service to = from;
    to.reals[0].tunnel = {Tunnel::Type::Gue, 6080, Tunnel::Checksum::Full};
    const auto steps = service_steps(model_of({from}), model_of({to}));
    ASSERT_EQ(steps.size(), 1U);
    EXPECT_THAT(steps[0].details, ElementsAre("tunnel of 10.0.0.1:80: ipip -> gue port 6080 csum"));
}

TEST(ReloadPlan, FateOfConnections) {
    const Model to = model_of({service(80, 1)});
    const auto key = service(80, 1).key;
    const auto first = service(80, 2).reals[0].endpoint;
    const auto second = service(80, 2).reals[1].endpoint;
    EXPECT_EQ(fate_of_connections(to, key, first), Fate::Stay);
    EXPECT_EQ(fate_of_connections(to, key, second), Fate::RunOut);
    EXPECT_EQ(fate_of_connections(to, service(81, 1).key, first), Fate::CutOff);
}

TEST(ReloadPlan, OrderAlone) {
    Service to = service(80, 2, Scheduler::RoundRobin);
    std::swap(to.reals[0], to.reals[1]);
    const auto steps =
        service_steps(model_of({service(80, 2, Scheduler::RoundRobin)}), model_of({to}));
    ASSERT_EQ(steps.size(), 1U);
    EXPECT_THAT(steps[0].details, ElementsAre("order of the real servers"));
    EXPECT_FALSE(steps[0].moved);
}

// Of 100 equal reals one goes: at most 0.7 % of the clients of the others move.
TEST(ReloadPlan, MaglevMovesFew) {
    const Service from = service(80, 100);
    Service to = from;
    to.reals.erase(to.reals.begin() + 41);
    const auto removed = service_steps(model_of({from}), model_of({to}));
    ASSERT_TRUE(removed.at(0).moved);
    EXPECT_LT(*removed[0].moved, 0.02);
    // Half of all clients go to one that is added to a single one; the rest stays.
    const auto added = service_steps(model_of({service(80, 1)}), model_of({service(80, 2)}));
    ASSERT_TRUE(added.at(0).moved);
    EXPECT_NEAR(*added[0].moved, 0.5, 0.03);
    // A timeout moves none.
    to = from;
    to.udp_timeout = std::chrono::seconds(1);
    EXPECT_EQ(service_steps(model_of({from}), model_of({to})).at(0).moved, 0.0);
}

TEST(ReloadPlan, AnotherRingMovesMany) {
    Service to = service(80, 4, Scheduler::SourceHash);
    const auto steps = service_steps(model_of({service(80, 4)}), model_of({to}));
    ASSERT_TRUE(steps.at(0).moved);
    EXPECT_NEAR(*steps[0].moved, 0.75, 0.05);
}

}  // namespace
}  // namespace vipd::control
