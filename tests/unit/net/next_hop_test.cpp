// SPDX-License-Identifier: Apache-2.0
#include "userspace/net/next_hop.hpp"

#include "tests/support/fake_links.hpp"

#include <gtest/gtest.h>

namespace vipd::net {
namespace {

using namespace std::chrono_literals;

IpAddress ip(const std::string& text) {
    return IpAddress::parse(text).value();
}

const IpAddress kReal = ip("10.0.0.9");
const IpAddress kSource = ip("10.0.0.1");
const MacAddress kMac{2, 0, 0, 0, 0, 0x99};
const MacAddress kOtherMac{2, 0, 0, 0, 0, 0x98};
const std::string kProbe = "probe_neighbour 2 10.0.0.9";

class NextHopTest : public testing::Test {
  protected:
    NextHopTest() {
        links.add_link(2, "eth0");
        links.add_link(3, "eth1");
        links.routes[kReal] = {2, kReal, kSource, 0, false};
    }
    void resolve(MacAddress mac = kMac) {
        links.neighbours[{2, kReal}] = mac;
        tracker.on_event({LinkEvent::Kind::Neighbour, 2, kReal, false}, now);
    }
    void watch() { tracker.set_addresses({kReal}, now); }
    // Ticks whenever due until `until`.
    void run(Nanos duration) {
        const TimePoint until = now + duration;
        for (;;) {
            const TimePoint next = tracker.tick(now);
            if (next > until) break;
            ASSERT_GT(next, now) << "a tick that is due at once again never ends";
            now = next;
        }
        now = until;
    }
    Update only_update() {
        auto updates = tracker.take_updates();
        EXPECT_EQ(updates.size(), 1U);
        return updates.empty() ? Update{} : updates.front();
    }

    test::FakeLinks links;
    NextHopTracker tracker{links};
    TimePoint now{1000s};
};

TEST_F(NextHopTest, ResolvesAnOnLinkNeighbourByProbing) {
    watch();
    EXPECT_EQ(tracker.take_updates().size(), 0U);  // nothing has been asked yet
    run(0s);
    auto first = only_update();
    EXPECT_FALSE(first.hop);
    EXPECT_EQ(first.reason, "neighbour 10.0.0.9 is not resolved");
    EXPECT_EQ(links.count(kProbe), 1U);

    resolve();
    run(0s);
    auto update = only_update();
    ASSERT_TRUE(update.hop);
    EXPECT_EQ(*update.hop, (NextHop{2, kMac, links.table[2].mac, 1500, kSource, false, false}));
    EXPECT_EQ(update.reason, "");
    EXPECT_EQ(*tracker.find(kReal), *update.hop);
    EXPECT_TRUE(tracker.take_updates().empty());
}

TEST_F(NextHopTest, ProbesWithBackOffWhileNobodyAnswers) {
    watch();
    run(0s);
    run(10s);  // at 0, 1, 3, 7
    EXPECT_EQ(links.count(kProbe), 4U);
    run(600s);
    EXPECT_EQ(links.count(kProbe), 4U + 21U);  // 15, 31, then each 30 s
    EXPECT_EQ(tracker.take_updates().size(), 1U);
}

TEST_F(NextHopTest, ConfirmsAResolvedNeighbourPeriodically) {
    watch();
    links.neighbours[{2, kReal}] = kMac;
    run(0s);
    EXPECT_EQ(links.count(kProbe), 1U);
    run(95s);
    EXPECT_EQ(links.count(kProbe), 4U);
    EXPECT_EQ(tracker.take_updates().size(), 1U);
}

TEST_F(NextHopTest, KeepsTheLastMacUntilTheKernelSaysFailed) {
    watch();
    links.neighbours[{2, kReal}] = kMac;
    run(0s);
    (void)tracker.take_updates();

    // Collected: no entry any more, but nobody said that it failed.
    links.neighbours.clear();
    tracker.on_event({LinkEvent::Kind::Neighbour, 2, kReal, false}, now);
    run(100s);
    ASSERT_NE(tracker.find(kReal), nullptr);
    EXPECT_EQ(tracker.find(kReal)->destination, kMac);
    EXPECT_GT(links.count(kProbe), 3U);
    EXPECT_TRUE(tracker.take_updates().empty());

    tracker.on_event({LinkEvent::Kind::Neighbour, 2, kReal, true}, now);
    run(0s);
    auto update = only_update();
    EXPECT_FALSE(update.hop);
    EXPECT_EQ(update.reason, "neighbour 10.0.0.9 does not answer");

    resolve(kOtherMac);
    run(0s);
    EXPECT_EQ(only_update().hop->destination, kOtherMac);
}

TEST_F(NextHopTest, FollowsAChangedMac) {
    watch();
    resolve();
    run(0s);
    (void)tracker.take_updates();
    resolve(kOtherMac);
    run(0s);
    EXPECT_EQ(only_update().hop->destination, kOtherMac);
}

TEST_F(NextHopTest, ANeighbourOfAnotherInterfaceIsAnother) {
    watch();
    links.neighbours[{2, kReal}] = kMac;
    run(0s);
    const auto lookups = links.calls.size();
    tracker.on_event({LinkEvent::Kind::Neighbour, 3, kReal, true}, now);
    tracker.on_event({LinkEvent::Kind::Neighbour, 2, ip("10.0.0.8"), true}, now);
    run(0s);
    EXPECT_EQ(links.calls.size(), lookups);
}

TEST_F(NextHopTest, FollowsARouteToTheGatewayAndTakesTheSmallerMtu) {
    watch();
    links.neighbours[{2, kReal}] = kMac;
    run(0s);
    (void)tracker.take_updates();

    links.routes[kReal] = {3, ip("10.1.0.254"), ip("10.1.0.1"), 1400, false};
    tracker.on_event({LinkEvent::Kind::Route, 3, {}, false}, now);
    run(1s);
    // The old MAC is another interface's: better none than the wrong one.
    EXPECT_FALSE(only_update().hop);
    EXPECT_EQ(links.count("probe_neighbour 3 10.1.0.254"), 1U);
    links.neighbours[{3, ip("10.1.0.254")}] = kOtherMac;
    tracker.on_event({LinkEvent::Kind::Neighbour, 3, ip("10.1.0.254"), false}, now);
    run(0s);
    auto update = only_update();
    ASSERT_TRUE(update.hop);
    EXPECT_EQ(*update.hop,
              (NextHop{3, kOtherMac, links.table[3].mac, 1400, ip("10.1.0.1"), false, true}));
}

TEST_F(NextHopTest, AVlanIsItsParentAndATag) {
    Link& vlan = links.add_link(4, "eth0.7");
    vlan.kind = "vlan";
    vlan.parent = 2;
    vlan.vlan_id = 7;
    links.routes[kReal] = {4, kReal, kSource, 0, false};
    links.neighbours[{4, kReal}] = kMac;
    watch();
    run(0s);
    const auto update = only_update();
    ASSERT_TRUE(update.hop);
    EXPECT_EQ(*update.hop, (NextHop{2, kMac, links.table[4].mac, 1500, kSource, false, false, 7}));
}

TEST_F(NextHopTest, AVirtualRoutersDeviceIsItsParent) {
    Link& device = links.add_link(4, "vrrp.51");
    device.kind = "macvlan";
    device.parent = 2;
    links.routes[kReal] = {4, kReal, kSource, 0, false};
    links.neighbours[{4, kReal}] = kMac;
    watch();
    run(0s);
    const auto update = only_update();
    ASSERT_TRUE(update.hop);
    EXPECT_EQ(*update.hop, (NextHop{2, kMac, links.table[4].mac, 1500, kSource, false, false, 0}));
}

TEST_F(NextHopTest, AVlanOfAVlanIsNoWay) {
    links.add_link(4, "eth0.7").parent = 2;
    links.table[4].vlan_id = 7;
    links.add_link(5, "eth0.7.8").parent = 4;
    links.table[5].vlan_id = 8;
    links.routes[kReal] = {5, kReal, kSource, 0, false};
    links.neighbours[{5, kReal}] = kMac;
    watch();
    run(0s);
    const auto update = only_update();
    EXPECT_FALSE(update.hop);
    EXPECT_EQ(update.reason, "interface eth0.7.8 takes more than one tag of 802.1Q");
}

TEST_F(NextHopTest, ALostRouteIsALostWay) {
    watch();
    links.neighbours[{2, kReal}] = kMac;
    run(0s);
    (void)tracker.take_updates();
    links.routes.clear();
    tracker.on_event({LinkEvent::Kind::Route, 2, {}, true}, now);
    run(1s);
    EXPECT_EQ(only_update().reason, "no route");
    EXPECT_EQ(tracker.find(kReal), nullptr);
    links.routes[kReal] = {2, kReal, kSource, 0, false};
    tracker.on_event({LinkEvent::Kind::Route, 2, {}, false}, now);
    run(1s);
    EXPECT_TRUE(only_update().hop);
}

TEST_F(NextHopTest, ALinkThatGoesDownOrAwayTakesTheWayAlong) {
    watch();
    links.neighbours[{2, kReal}] = kMac;
    run(0s);
    (void)tracker.take_updates();
    links.table[2].up = false;
    tracker.on_event({LinkEvent::Kind::Link, 2, {}, false}, now);
    run(1s);
    EXPECT_EQ(only_update().reason, "interface eth0 is down");

    links.table[2].up = true;
    links.table[2].mac = {2, 1, 1, 1, 1, 1};
    tracker.on_event({LinkEvent::Kind::Link, 2, {}, false}, now);
    run(1s);
    EXPECT_EQ(only_update().hop->source, (MacAddress{2, 1, 1, 1, 1, 1}));

    links.table.erase(2);
    tracker.on_event({LinkEvent::Kind::Link, 2, {}, true}, now);
    run(1s);
    EXPECT_EQ(only_update().reason, "interface is gone");
}

TEST_F(NextHopTest, AnAddressOfThisHostIsLocal) {
    watch();
    links.routes[kReal] = {2, kReal, kReal, 0, true};
    run(0s);
    auto update = only_update();
    ASSERT_TRUE(update.hop);
    EXPECT_TRUE(update.hop->local);
    EXPECT_EQ(links.count(kProbe), 0U);
    links.routes[kReal] = {2, kReal, kSource, 0, false};
    links.neighbours[{2, kReal}] = kMac;
    tracker.on_event({LinkEvent::Kind::Address, 2, kReal, true}, now);
    run(1s);
    EXPECT_FALSE(only_update().hop->local);
}

TEST_F(NextHopTest, AnOverrunLooksAtEverythingAgain) {
    watch();
    links.neighbours[{2, kReal}] = kMac;
    run(0s);
    (void)tracker.take_updates();
    links.neighbours[{2, kReal}] = kOtherMac;
    links.table[2].mtu = 9000;
    tracker.on_event({LinkEvent::Kind::Overrun, 0, {}, false}, now);
    run(1s);
    auto update = only_update();
    EXPECT_EQ(update.hop->destination, kOtherMac);
    EXPECT_EQ(update.hop->mtu, 9000U);
}

TEST_F(NextHopTest, AFailedQuestionChangesNothingAndIsAskedAgain) {
    // Each of the calls of a lookup in its turn: route, links, neighbour, probe.
    for (std::size_t k = 1; k <= 4; ++k) {
        test::FakeLinks broken;
        broken.add_link(2, "eth0");
        broken.routes[kReal] = {2, kReal, kSource, 0, false};
        broken.neighbours[{2, kReal}] = kMac;
        NextHopTracker tracked(broken);
        tracked.set_addresses({kReal}, now);
        (void)tracked.tick(now);
        ASSERT_NE(tracked.find(kReal), nullptr);
        (void)tracked.take_updates();

        broken.fail_call(k);
        tracked.on_event({LinkEvent::Kind::Overrun, 0, {}, false}, now);
        const TimePoint then = now + 60s;
        const TimePoint next = tracked.tick(then);
        ASSERT_NE(tracked.find(kReal), nullptr) << k;
        EXPECT_TRUE(tracked.take_updates().empty()) << k;
        EXPECT_LE(next, then + NextHopTracker::kConfirm) << k;
        EXPECT_GT(next, then) << k;
    }
}

TEST_F(NextHopTest, AFloodOfRouteEventsIsOneLookup) {
    watch();
    links.neighbours[{2, kReal}] = kMac;
    run(0s);
    const auto before = links.count("route_to 10.0.0.9");
    for (int i = 0; i < 1000; ++i) {
        tracker.on_event({LinkEvent::Kind::Route, 2, {}, false}, now);
        now += 10us;
        (void)tracker.tick(now);
    }
    run(1s);
    EXPECT_EQ(links.count("route_to 10.0.0.9"), before + 1);
}

TEST_F(NextHopTest, OneTickDoesABoundedShare) {
    std::vector<IpAddress> many;
    for (std::uint32_t i = 0; i < 1000; ++i) {
        many.push_back(IpAddress::v4(0x0a010000U + i));
        links.routes[many.back()] = {2, many.back(), kSource, 0, false};
        links.neighbours[{2, many.back()}] = kMac;
    }
    tracker.set_addresses(many, now);
    const TimePoint next = tracker.tick(now);
    EXPECT_EQ(tracker.take_updates().size(), NextHopTracker::kBatch);
    EXPECT_LE(next, now);
    std::size_t resolved = NextHopTracker::kBatch;
    for (int i = 0; i < 3; ++i) {
        (void)tracker.tick(now);
        resolved += tracker.take_updates().size();
    }
    EXPECT_EQ(resolved, many.size());
}

TEST_F(NextHopTest, ForgetsWhatIsNoLongerWantedAndKeepsTheRest) {
    const IpAddress other = ip("10.0.0.10");
    links.routes[other] = {2, other, kSource, 0, false};
    links.neighbours[{2, kReal}] = kMac;
    links.neighbours[{2, other}] = kOtherMac;
    tracker.set_addresses({kReal, other, kReal}, now);
    run(0s);
    EXPECT_EQ(tracker.take_updates().size(), 2U);
    const auto calls = links.calls.size();
    tracker.set_addresses({other}, now);
    run(0s);
    EXPECT_EQ(tracker.find(kReal), nullptr);
    EXPECT_NE(tracker.find(other), nullptr);
    EXPECT_TRUE(tracker.take_updates().empty());
    EXPECT_EQ(links.calls.size(), calls);
    tracker.set_addresses({}, now);
    EXPECT_EQ(tracker.tick(now), TimePoint::max());
}

}  // namespace
}  // namespace vipd::net
