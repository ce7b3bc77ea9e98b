// SPDX-License-Identifier: Apache-2.0
// Routes and rules against a real kernel; what was set is compared with what iproute2 says.
#include "userspace/net/nl_routing.hpp"

#include "tests/support/netns.hpp"

#include <gtest/gtest.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

namespace vipd::net {
namespace {

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}
IpPrefix net(const char* text) {
    return IpPrefix::parse(text).value();
}

class NlRoutingTest : public testing::Test {
  protected:
    void SetUp() override {
        if (!test::enter_new_netns()) GTEST_SKIP() << "no right to make network namespaces";
        sh("ip link set lo up");
        sh("ip link add va0 type veth peer name va1 && ip link set va0 up && ip link set va1 up");
        sh("ip addr add 10.9.0.1/24 dev va0 && ip addr add 2001:db8::1/64 dev va0 nodad");
        auto routing = open_routing();
        ASSERT_TRUE(routing) << routing.error().message;
        routing_ = std::move(*routing);
    }
    static std::string sh(const std::string& command) {
        int status = -1;
        std::string out = test::run(command, &status);
        EXPECT_EQ(status, 0) << command << ": " << out;
        while (out.ends_with('\n') || out.ends_with(' ')) out.pop_back();
        return out;
    }
    template <class Spec>
    void set(const Spec& spec) {
        const auto done = routing_->add(spec);
        EXPECT_TRUE(done) << done.error().message;
    }

    std::unique_ptr<Routing> routing_;
};

TEST_F(NlRoutingTest, SetsAGatewayAndTakesItAway) {
    RouteSpec route;
    route.destination = net("192.0.2.0/24");
    route.via = ip("10.9.0.2");
    route.device = "va0";
    route.source = ip("10.9.0.1");
    route.metric = 7;
    set(route);
    set(route);
    EXPECT_EQ(sh("ip route show 192.0.2.0/24"),
              "192.0.2.0/24 via 10.9.0.2 dev va0 proto keepalived src 10.9.0.1 metric 7");
    EXPECT_TRUE(routing_->remove(route));
    EXPECT_TRUE(routing_->remove(route)) << "it is gone already";
    EXPECT_EQ(sh("ip route show 192.0.2.0/24"), "");
}

TEST_F(NlRoutingTest, SetsTheDefaultOfAnotherTable) {
    RouteSpec route;
    route.via = ip("10.9.0.2");
    route.table = 1234;
    set(route);
    EXPECT_EQ(sh("ip route show table 1234"), "default via 10.9.0.2 dev va0 proto keepalived");
}

TEST_F(NlRoutingTest, SetsDirectAndBlackholeRoutes) {
    RouteSpec direct;
    direct.destination = net("192.0.2.0/24");
    direct.device = "va0";
    set(direct);
    RouteSpec hole;
    hole.type = RTN_BLACKHOLE;
    hole.destination = net("198.51.100.0/24");
    set(hole);
    EXPECT_EQ(sh("ip route show proto keepalived"),
              "192.0.2.0/24 dev va0 scope link \nblackhole 198.51.100.0/24");
}

TEST_F(NlRoutingTest, SetsSeveralHopsAndMetrics) {
    RouteSpec route;
    route.destination = net("192.0.2.0/24");
    route.metrics = {{RTAX_MTU, 1300, true}, {RTAX_ADVMSS, 1200, false}};
    route.next_hops = {{ip("10.9.0.2"), "va0", 1, false, {}}, {ip("10.9.0.3"), "va0", 3, true, {}}};
    set(route);
    const std::string shown = sh("ip route show 192.0.2.0/24");
    EXPECT_NE(shown.find("mtu lock 1300 advmss 1200"), std::string::npos) << shown;
    EXPECT_NE(shown.find("nexthop via 10.9.0.2 dev va0 weight 1"), std::string::npos) << shown;
    EXPECT_NE(shown.find("nexthop via 10.9.0.3 dev va0 weight 3 onlink"), std::string::npos)
        << shown;
}

TEST_F(NlRoutingTest, SetsIpv6Routes) {
    RouteSpec route;
    route.family = Family::V6;
    route.destination = net("2001:db8:1::/48");
    route.via = ip("2001:db8::2");
    route.metric = 99;
    set(route);
    EXPECT_EQ(sh("ip -6 route show 2001:db8:1::/48"),
              "2001:db8:1::/48 via 2001:db8::2 dev va0 proto keepalived metric 99 pref medium");
}

TEST_F(NlRoutingTest, ARouteOfAMissingInterfaceIsAnErrorAndItsRemovalIsNone) {
    RouteSpec route;
    route.destination = net("192.0.2.0/24");
    route.device = "nowhere0";
    route.text = "192.0.2.0/24 dev nowhere0";
    const auto done = routing_->add(route);
    ASSERT_FALSE(done);
    EXPECT_NE(done.error().message.find("interface nowhere0 does not exist"), std::string::npos);
    EXPECT_TRUE(routing_->remove(route));
}

TEST_F(NlRoutingTest, SetsARuleAndTakesItAway) {
    RuleSpec rule;
    rule.from = net("10.9.0.0/24");
    rule.to = net("192.0.2.0/24");
    rule.in_interface = "va0";
    rule.fwmark = 5;
    rule.priority = 77;
    rule.table = 1234;
    rule.ip_protocol = std::uint8_t{6};
    rule.destination_ports = std::pair<std::uint16_t, std::uint16_t>{80, 90};
    set(rule);
    set(rule);
    EXPECT_EQ(sh("ip rule show pref 77"),
              "77:\tfrom 10.9.0.0/24 to 192.0.2.0/24 fwmark 0x5 iif va0 ipproto tcp dport 80-90 "
              "lookup 1234 proto keepalived");
    EXPECT_TRUE(routing_->remove(rule));
    EXPECT_TRUE(routing_->remove(rule)) << "it is gone already";
    EXPECT_EQ(sh("ip rule show pref 77"), "");
}

TEST_F(NlRoutingTest, SetsIpv6AndNegatedRulesWithoutATable) {
    RuleSpec rule;
    rule.family = Family::V6;
    rule.negated = true;
    rule.from = net("2001:db8:2::/48");
    rule.priority = 78;
    rule.action = FR_ACT_PROHIBIT;
    set(rule);
    EXPECT_EQ(sh("ip -6 rule show pref 78"),
              "78:\tnot from 2001:db8:2::/48 prohibit proto keepalived");
}

}  // namespace
}  // namespace vipd::net
