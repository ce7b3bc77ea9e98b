// SPDX-License-Identifier: Apache-2.0
// Routes and rules that come and go with mastership, and static ones.
#include "tests/unit/vrrp/engine_fixture.hpp"

#include <gmock/gmock.h>

#include <cerrno>

namespace vipd::vrrp::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class FakeRouting final : public Routing {
  public:
    std::vector<std::string> set;
    std::string failing;

    Result<> add(const RouteSpec& route) override { return add(route.text); }
    Result<> add(const RuleSpec& rule) override { return add(rule.text); }
    Result<> remove(const RouteSpec& route) override { return remove(route.text); }
    Result<> remove(const RuleSpec& rule) override { return remove(rule.text); }

  private:
    Result<> add(const std::string& text) {
        if (text == failing) return vipd::fail_errno(ENETUNREACH, "add " + text);
        if (std::ranges::find(set, text) == set.end()) set.push_back(text);
        return {};
    }
    Result<> remove(const std::string& text) {
        std::erase(set, text);
        return {};
    }
};

class VrrpRouting : public VrrpEngine {
  protected:
    VrrpRouting() { engine.set_routing(routing); }
    static RoutingItems items(std::vector<std::string> routes, std::vector<std::string> rules) {
        RoutingItems out;
        for (std::string& text : routes) {
            RouteSpec route;
            route.text = std::move(text);
            out.routes.push_back({route, false});
        }
        for (std::string& text : rules) {
            RuleSpec rule;
            rule.text = std::move(text);
            out.rules.push_back({rule, false});
        }
        return out;
    }
    InstanceSettings with(RoutingItems routing_items) {
        InstanceSettings settings = instance();
        settings.routing = std::move(routing_items);
        return settings;
    }
    void removed_by_hand(const std::string& text) {
        std::erase(routing.set, text);
        links.announce({LinkEvent::Kind::Route, 0, {}, true});
        deliver_events();
    }
    FakeRouting routing;
};

TEST_F(VrrpRouting, ComesAndGoesWithMastership) {
    run({with(items({"default"}, {"rule"}))});
    EXPECT_THAT(routing.set, IsEmpty());
    pass(kDown100);
    EXPECT_THAT(routing.set, ElementsAre("default", "rule"));
    arrive(advert(200));
    EXPECT_THAT(routing.set, IsEmpty());
}

TEST_F(VrrpRouting, IsPutBackWhenSomebodyRemovesIt) {
    auto settings = with(items({"default", "other"}, {"rule"}));
    settings.routing.routes[1].no_track = true;
    run({settings});
    pass(kDown100);
    deliver_events();
    pass(Seconds(2));
    removed_by_hand("default");
    removed_by_hand("other");
    removed_by_hand("rule");
    pass(Seconds(2));
    EXPECT_THAT(routing.set, ElementsAre("default", "rule"));
}

TEST_F(VrrpRouting, ChangesByTheDifferenceAtAReload) {
    run({with(items({"a", "b"}, {}))});
    pass(kDown100);
    run({with(items({"b", "c"}, {"rule"}))});
    EXPECT_THAT(routing.set, ElementsAre("b", "c", "rule"));
    EXPECT_EQ(state(), State::Master);
}

TEST_F(VrrpRouting, WhatCannotBeSetIsToldOnceAndTriedAgain) {
    routing.failing = "default";
    run({with(items({"default"}, {"rule"}))});
    pass(kDown100);
    EXPECT_THAT(routing.set, ElementsAre("rule"));
    EXPECT_THAT(lines, testing::Contains(testing::HasSubstr("add default")));
    routing.failing.clear();
    pass(Seconds(6));
    EXPECT_THAT(routing.set, ElementsAre("rule", "default"));
}

TEST_F(VrrpRouting, StaticsAreThereWhileTheDaemonRuns) {
    Vip address;
    address.prefix = *IpPrefix::parse("10.8.0.9/24");
    address.device = "eth1";
    engine.configure({.instances = {instance()},
                      .static_addresses = {address},
                      .static_routing = items({"static"}, {"rule"})},
                     now);
    EXPECT_THAT(routing.set, IsEmpty());
    engine.start(now);
    EXPECT_THAT(routing.set, ElementsAre("static", "rule"));
    EXPECT_TRUE(has(kEth1, "10.8.0.9/24"));

    deliver_events();
    (void)links.remove_address(
        {.ifindex = kEth1, .prefix = address.prefix, .label = {}, .broadcast = {}});
    removed_by_hand("static");
    pass(Seconds(2));
    EXPECT_THAT(routing.set, ElementsAre("rule", "static"));
    EXPECT_TRUE(has(kEth1, "10.8.0.9/24"));

    engine.configure({.instances = {instance()}, .static_routing = items({"new"}, {})}, now);
    EXPECT_THAT(routing.set, ElementsAre("new"));
    EXPECT_FALSE(has(kEth1, "10.8.0.9/24"));
    engine.stop(now);
    EXPECT_THAT(routing.set, IsEmpty());
}

TEST_F(VrrpRouting, AStaticItemThatCannotBeSetIsAFaultOfItsTrackGroup) {
    auto tracking = instance();
    tracking.track_groups = {"G"};
    engine.configure({.instances = {tracking, instance("VI_2", 52)},
                      .static_routing = items({"static", "other"}, {}),
                      .static_groups = {{.name = "G", .routing = items({"static"}, {})}}},
                     now);
    engine.start(now);
    become_master();
    removed_by_hand("static");
    pass(Seconds(2));
    EXPECT_EQ(state(), State::Master);  // it could be put back

    routing.failing = "other";
    removed_by_hand("other");
    pass(Seconds(2));
    EXPECT_EQ(state(), State::Master);  // of no group

    routing.failing = "static";
    removed_by_hand("static");
    pass(Seconds(6));  // when "other" is tried again
    EXPECT_EQ(state(), State::Fault);
    EXPECT_EQ(report().fault, "track_group G lacks something that cannot be set");
    EXPECT_EQ(state("VI_2"), State::Master);
    routing.failing.clear();
    pass(Seconds(6));
    EXPECT_EQ(state(), State::Backup);
}

TEST_F(VrrpRouting, AForeignRouteThatGoesIsNoResync) {
    run({instance()});
    become_master();
    links.calls.clear();
    links.announce({LinkEvent::Kind::Route, 0, {}, true});
    deliver_events();
    EXPECT_EQ(links.count("links"), 0U);
}

}  // namespace
}  // namespace vipd::vrrp::test
