// SPDX-License-Identifier: Apache-2.0
// From keepalived.conf to what the VRRP engine runs.
#include "tests/unit/vrrp/packets.hpp"
#include "userspace/daemon/vrrp_settings.hpp"

#include <gtest/gtest.h>

namespace vipd::daemon {
namespace {

using vrrp::test::ip;

config::Config parse(const std::string& text) {
    return config::parse(text, "test.conf", {}).config;
}

vrrp::EngineSettings settings_of(const std::string& text) {
    std::vector<std::string> left_out;
    return vrrp_settings(parse(text), left_out);
}

vrrp::InstanceSettings only(const std::string& inside, const std::string& before = {}) {
    const auto settings = settings_of(before + "\nvrrp_instance VI_1 {\n interface eth0\n" +
                                      " virtual_router_id 51\n" + inside +
                                      "\n virtual_ipaddress {\n 10.9.0.100/24\n }\n}\n");
    EXPECT_EQ(settings.instances.size(), 1U);
    return settings.instances.empty() ? vrrp::InstanceSettings{} : settings.instances[0];
}

TEST(VrrpSettings, CarriesAnOrdinaryInstanceOver) {
    const auto one = only(R"(
 state BACKUP
 priority 150
 advert_int 3
 authentication {
   auth_type PASS
   auth_pass secret12
 }
 track_interface {
   eth1 weight -10
 })");
    EXPECT_EQ(one.name, "VI_1");
    EXPECT_EQ(one.interface, "eth0");
    EXPECT_EQ(one.vrid, 51);
    EXPECT_EQ(one.policy.version, 2);
    EXPECT_EQ(one.policy.priority, 150);
    EXPECT_EQ(one.policy.advert_interval, Seconds(3));
    EXPECT_EQ(one.auth, vrrp::make_auth_pass("secret12"));
    EXPECT_EQ(one.group, ip("224.0.0.18"));
    ASSERT_EQ(one.vips.size(), 1U);
    EXPECT_EQ(one.vips[0].prefix.to_string(), "10.9.0.100/24");
    ASSERT_EQ(one.interfaces.size(), 1U);
    EXPECT_EQ(one.interfaces[0].weight, -10);
}

TEST(VrrpSettings, Version3HasNoPasswordAndTenMilliseconds) {
    const auto one = only(R"(
 version 3
 advert_int 0.01
 authentication {
   auth_type PASS
   auth_pass secret12
 })");
    EXPECT_EQ(one.policy.advert_interval, Millis(10));
    EXPECT_FALSE(one.auth);
}

TEST(VrrpSettings, Version2KeepsWhatItSends) {
    EXPECT_EQ(only(" advert_int 0.2").policy.advert_interval, Seconds(1));
    EXPECT_EQ(only(" advert_int 1.6").policy.advert_interval, Seconds(2));
}

TEST(VrrpSettings, StateMasterPutsNopreemptAndItsDelayOutOfForce) {
    EXPECT_TRUE(only(" state BACKUP\n nopreempt").policy.nopreempt);
    EXPECT_FALSE(only(" state MASTER\n priority 150\n nopreempt").policy.nopreempt);
    EXPECT_EQ(only(" state BACKUP\n preempt_delay 60").policy.preempt_delay, Seconds(60));
    EXPECT_EQ(only(" state MASTER\n priority 150\n preempt_delay 60").policy.preempt_delay,
              Nanos(0));
}

TEST(VrrpSettings, UnicastHasPeersInsteadOfAGroup) {
    const auto one = only(R"(
 unicast_src_ip 10.9.0.1
 unicast_ttl 64
 unicast_peer {
   10.9.0.2
   10.9.0.3
 })");
    EXPECT_FALSE(one.group);
    EXPECT_EQ(one.peers, (std::vector<vrrp::UnicastPeer>{{ip("10.9.0.2")}, {ip("10.9.0.3")}}));
    EXPECT_EQ(one.source, ip("10.9.0.1"));
    EXPECT_EQ(one.ttl, 64);
}

TEST(VrrpSettings, TrackedScriptTakesItsOwnWeightUnlessTheInstanceSaysOtherwise) {
    const std::string scripts =
        "vrrp_script a {\n script \"/bin/true\"\n weight 7\n}\n"
        "vrrp_script b {\n script \"/bin/true\"\n weight 7\n}\n";
    const auto one = only(" track_script {\n a\n b weight -9\n nowhere\n }", scripts);
    ASSERT_EQ(one.scripts.size(), 2U);
    EXPECT_EQ(one.scripts[0].weight, 7);
    EXPECT_EQ(one.scripts[1].weight, -9);
}

TEST(VrrpSettings, BroadcastPlusIsTheSubnets) {
    const auto settings = settings_of(
        "vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n"
        " virtual_ipaddress {\n 10.9.0.100/22 brd +\n }\n}\n");
    ASSERT_EQ(settings.instances.size(), 1U);
    EXPECT_EQ(settings.instances[0].vips.at(0).broadcast, ip("10.9.3.255"));
}

TEST(VrrpLease, IsThreeAdvertsButAtLeastASecond) {
    const std::string instance =
        "vrrp_instance A {\n interface eth0\n virtual_router_id 1\n advert_int 5\n"
        " virtual_ipaddress {\n 10.9.0.1\n }\n}\n";
    const std::string fast =
        "vrrp_instance A {\n interface eth0\n virtual_router_id 1\n version 3\n advert_int 0.01\n"
        " virtual_ipaddress {\n 10.9.0.1\n }\n}\n";
    EXPECT_EQ(lease_time(parse(instance)), Seconds(15));
    EXPECT_EQ(lease_time(parse(fast)), Seconds(1));
    EXPECT_EQ(lease_time(parse(fast + "vipd {\n lease 4\n}\n")), Seconds(4));
    EXPECT_EQ(lease_time(parse(fast + "vipd {\n lease off\n}\n")), Nanos(0));
    EXPECT_EQ(lease_time(parse("")), Nanos(0)) << "no instance, no VIP at stake";
}

}  // namespace
}  // namespace vipd::daemon
