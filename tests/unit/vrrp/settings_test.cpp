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
    return vrrp_settings(parse(text));
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

TEST(VrrpSettings, AnInstanceIsOfTheFamilyOfItsAddresses) {
    const auto settings = settings_of(R"(
global_defs {
 vrrp_mcast_group6 ff02::77
}
vrrp_instance VI_6 {
 interface eth0
 virtual_router_id 51
 advert_int 0.5
 virtual_ipaddress {
   fe80::100/64
   2001:db8::100/64
 }
 virtual_ipaddress_excluded {
   10.9.0.200/24
 }
})");
    ASSERT_EQ(settings.instances.size(), 1U);
    const auto& one = settings.instances[0];
    EXPECT_EQ(one.family, Family::V6);
    EXPECT_EQ(one.policy.version, 3);
    EXPECT_EQ(one.policy.advert_interval, Millis(500));
    EXPECT_EQ(one.group, ip("ff02::77"));
    EXPECT_EQ(one.vips.size(), 3U);
    EXPECT_TRUE(one.vips[2].excluded);
}

TEST(VrrpSettings, UnicastPeersKeepTheirDistances) {
    const auto one = only(R"(
 unicast_fault_no_peer
 unicast_peer {
   10.9.0.2 min_ttl 60 max_ttl 64
   10.9.0.3
 })");
    EXPECT_EQ(one.peers,
              (std::vector<vrrp::UnicastPeer>{{ip("10.9.0.2"), 60, 64}, {ip("10.9.0.3")}}));
    EXPECT_FALSE(one.needs_peer);
    EXPECT_TRUE(only(" unicast_fault_no_peer").needs_peer);
}

TEST(VrrpSettings, AhTakesThePasswordForItsKey) {
    const auto one = only(" authentication {\n auth_type AH\n auth_pass secret12\n }");
    EXPECT_TRUE(one.ah);
    EXPECT_EQ(one.auth, vrrp::make_auth_pass("secret12"));
}

TEST(VrrpSettings, OptionsOfTheElectionReachThePolicy) {
    const auto one = only(R"(
 nopreempt
 lower_prio_no_advert
 higher_prio_send_advert
 owner_ignore_adverts
 timer_expired_backup 120
 garp_lower_prio_delay 3
 garp_lower_prio_repeat 2
 v3_checksum_as_v2
 track_src_ip
 mcast_dst_ip 224.0.0.99)");
    EXPECT_TRUE(one.policy.lower_prio_no_advert);
    EXPECT_TRUE(one.policy.higher_prio_send_advert);
    EXPECT_TRUE(one.policy.owner_ignore_adverts);
    EXPECT_EQ(one.policy.timer_expired_backup, std::uint8_t{120});
    EXPECT_EQ(one.policy.garp_lower_prio_delay, Seconds(3));
    EXPECT_EQ(one.policy.garp_lower_prio_repeat, 2U);
    EXPECT_TRUE(one.plain_checksum);
    EXPECT_TRUE(one.track_source);
    EXPECT_EQ(one.group, ip("224.0.0.99"));
}

TEST(VrrpSettings, OldUnicastChecksumIsOfVersion3UnicastOverIpv4) {
    const std::string peer = " unicast_peer {\n 10.9.0.2\n }\n version 3\n";
    EXPECT_EQ(only(peer).checksum_group, ip("224.0.0.18"));
    EXPECT_FALSE(only(peer).always_old_checksum);
    EXPECT_TRUE(only(peer + " old_unicast_checksum").always_old_checksum);
    EXPECT_EQ(only(peer + " old_unicast_checksum never").checksum_group, IpAddress());
    EXPECT_EQ(only(" version 3").checksum_group, IpAddress());
    EXPECT_EQ(only(" unicast_peer {\n 10.9.0.2\n }").checksum_group, IpAddress());
    EXPECT_EQ(only(peer, "global_defs {\n vrrp_mcast_group4 224.0.0.99\n}").checksum_group,
              ip("224.0.0.99"));
}

TEST(VrrpSettings, ReceiveBuffersAreKeepaliveds) {
    const auto global = [](const std::string& lines) { return "global_defs {\n" + lines + "\n}"; };
    EXPECT_EQ(only("").rx_buffer, 0U);
    EXPECT_EQ(only("").rx_buffer_mtus, 0U);
    EXPECT_EQ(only(" kernel_rx_buf_size 4096").rx_buffer, 4096U);
    EXPECT_EQ(only("", global("vrrp_rx_bufs_policy 5000")).rx_buffer, 5000U);
    EXPECT_EQ(only("", global("vrrp_rx_bufs_policy MTU")).rx_buffer_mtus, 3U);
    const std::string advert = "vrrp_rx_bufs_policy ADVERT\nvrrp_rx_bufs_multiplier 5";
    // IP header, advert, one address, authentication data.
    EXPECT_EQ(only("", global(advert)).rx_buffer, 5U * (20 + 8 + 4 + 8));
    EXPECT_EQ(only(" version 3", global(advert)).rx_buffer, 5U * (20 + 8 + 4));
    EXPECT_EQ(only(" auth_hmac {\n key 3 thirty-two_characters_of_secret.1\n }", global(advert))
                  .rx_buffer,
              5U * (20 + 8 + 4 + 8 + 28));
    EXPECT_EQ(only(" kernel_rx_buf_size 4096", global("vrrp_rx_bufs_policy MTU")).rx_buffer_mtus,
              0U);
}

TEST(VrrpSettings, AuthHmacHasAWindowOfThreeAdvertsAndItsKeys) {
    using Mode = vrrp::HmacSettings::Mode;
    const std::string keys =
        " auth_hmac {\n key 3 thirty-two_characters_of_secret.1\n"
        " key 7 another_one_of_thirty_characters.1\n";
    const auto one = only(keys + " }");
    ASSERT_TRUE(one.hmac);
    EXPECT_EQ(one.hmac->keys.size(), 2U);
    EXPECT_EQ(one.hmac->active, 3);
    EXPECT_NE(one.hmac->find(7), nullptr);
    EXPECT_EQ(one.hmac->find(1), nullptr);
    EXPECT_EQ(one.hmac->window, 5U);
    EXPECT_EQ(one.hmac->mode, Mode::Enforce);
    EXPECT_FALSE(one.hmac->monotonic);
    EXPECT_EQ(only(" advert_int 4\n" + keys + " }").hmac->window, 12U);
    EXPECT_EQ(only(" advert_int 255\n" + keys + " }").hmac->window, 300U);
    const auto other = only(
        keys + " active_key 7\n time_window 2\n anti_replay monotonic\n mode receive-only\n }");
    EXPECT_EQ(other.hmac->active, 7);
    EXPECT_EQ(other.hmac->window, 2U);
    EXPECT_TRUE(other.hmac->monotonic);
    EXPECT_EQ(other.hmac->mode, Mode::ReceiveOnly);
    EXPECT_FALSE(only("").hmac);
}

TEST(VrrpSettings, StrictModeIsSilentTowardsWeakerMasters) {
    EXPECT_TRUE(only(" strict_mode").policy.lower_prio_no_advert);
    EXPECT_FALSE(only("").policy.lower_prio_no_advert);
}

TEST(VrrpSettings, MinGarpIsOneAnnouncement) {
    const std::string global = "global_defs {\n vrrp_min_garp\n}\n";
    EXPECT_EQ(only("", global).policy.garp_repeat, 1U);
    EXPECT_EQ(only("", global).policy.garp_delay, Nanos(0));
    EXPECT_EQ(only(" garp_master_repeat 4", global).policy.garp_repeat, 4U);
}

TEST(VrrpSettings, AnnouncementsKeepTheirDistance) {
    const auto settings = settings_of(R"(
global_defs {
 vrrp_garp_interval 0.001
 vrrp_gna_interval 0.002
}
garp_group {
 garp_interval 0.01
 interfaces {
   eth0
   eth1
 }
})");
    ASSERT_EQ(settings.announce_groups.size(), 2U);
    EXPECT_EQ(settings.announce_groups[0].interfaces, (std::vector<std::string>{"eth0", "eth1"}));
    EXPECT_EQ(settings.announce_groups[0].arp_interval, Millis(10));
    EXPECT_TRUE(settings.announce_groups[1].interfaces.empty());
    EXPECT_EQ(settings.announce_groups[1].na_interval, Millis(2));
}

TEST(VrrpSettings, ABootIsWaitedForOnlyAfterABoot) {
    const auto config = parse("global_defs {\n vrrp_startup_delay 2\n vrrp_delay_after_boot 60\n}");
    EXPECT_EQ(vrrp_settings(config, {.uptime = Seconds(50)}).startup_delay, Seconds(10));
    EXPECT_EQ(vrrp_settings(config, {.uptime = Seconds(500)}).startup_delay, Seconds(2));
}

TEST(VrrpSettings, SequenceNumbersOfAhGoOnOverARestart) {
    const auto at = [](std::int64_t second) {
        return vrrp_settings({}, {.unix_time = std::chrono::seconds(second)}).ah_sequence;
    };
    EXPECT_EQ(at(1'790'000'001) - at(1'790'000'000), 4U);
}

TEST(VrrpSettings, WhatAGroupTracksEachMemberTracks) {
    const auto settings = settings_of(R"(
track_file f {
 file /tmp/f
 weight 0
}
vrrp_track_process p {
 process nginx
}
vrrp_instance A {
 interface eth0
 virtual_router_id 1
 track_process {
   p weight 3
 }
 virtual_ipaddress {
   10.9.0.1
 }
}
vrrp_instance B {
 interface eth1
 virtual_router_id 2
 virtual_ipaddress {
   10.9.0.2
 }
}
vrrp_sync_group G {
 group {
   A
   B
 }
 track_interface {
   eth2
 }
 track_file {
   f
 }
})");
    ASSERT_EQ(settings.instances.size(), 2U);
    for (const auto& one : settings.instances) {
        ASSERT_EQ(one.interfaces.size(), 1U) << one.name;
        EXPECT_EQ(one.interfaces[0].interface, "eth2");
        // A's own tracker has a weight, which a group leaves no room for.
        ASSERT_EQ(one.objects.size(), 1U) << one.name;
        EXPECT_EQ(one.objects[0].name, "f");
    }
}

TEST(VrrpSettings, SyncGroupTrackingWeightLeavesWeightsInForce) {
    const auto settings = settings_of(R"(
track_file f {
 file /tmp/f
 weight 2
}
vrrp_instance A {
 interface eth0
 virtual_router_id 1
 virtual_ipaddress {
   10.9.0.1
 }
}
vrrp_sync_group G {
 group {
   A
 }
 sync_group_tracking_weight
 track_file {
   f weight 5
 }
})");
    ASSERT_EQ(settings.instances.size(), 1U);
    ASSERT_EQ(settings.instances[0].objects.size(), 1U);
    EXPECT_EQ(settings.instances[0].objects[0].weight, 5);
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

TEST(VrrpSettings, InterfaceOptionsAreCarriedOver) {
    EXPECT_TRUE(only(" promote_secondaries").promote_secondaries);
    EXPECT_FALSE(only("").promote_secondaries);
    EXPECT_EQ(only(" garp_extra_if all 60").garp_extra_interval, Seconds(60));
    EXPECT_EQ(only("", "global_defs {\n vrrp_garp_extra_if all 70\n}").garp_extra_interval,
              Seconds(70));
    // Without `all` it is about the devices of use_vmac.
    EXPECT_EQ(only(" garp_extra_if 60").garp_extra_interval, Nanos(0));
    const auto delays = settings_of("interface_up_down_delays {\n eth0 2 3.5\n eth1 1\n}\n");
    ASSERT_EQ(delays.link_delays.size(), 2U);
    EXPECT_EQ(delays.link_delays[0].interface, "eth0");
    EXPECT_EQ(delays.link_delays[0].down, Seconds(2));
    EXPECT_EQ(delays.link_delays[0].up, Millis(3500));
    EXPECT_EQ(delays.link_delays[1].up, Nanos(0));  // as keepalived's code
}

TEST(VrrpSettings, ATrackGroupHasItsInstancesAndItsStaticItems) {
    const std::string group = R"(track_group G {
 group {
  VI_1 nobody
 }
}
static_ipaddress {
 10.8.0.9/24 dev eth1 track_group G
 10.8.0.10/24 dev eth1
}
static_routes {
 10.7.0.0/16 via 10.8.0.1 dev eth1 track_group G
 10.6.0.0/16 via 10.8.0.1 dev eth1
})";
    EXPECT_EQ(only("", group).track_groups, std::vector<std::string>{"G"});
    const auto settings = settings_of(group);
    EXPECT_EQ(settings.static_addresses.size(), 2U);
    ASSERT_EQ(settings.static_groups.size(), 1U);
    EXPECT_EQ(settings.static_groups[0].name, "G");
    ASSERT_EQ(settings.static_groups[0].addresses.size(), 1U);
    EXPECT_EQ(settings.static_groups[0].addresses[0].prefix.to_string(), "10.8.0.9/24");
    EXPECT_EQ(settings.static_groups[0].routing.routes.size(), 1U);
}

TEST(VrrpSettings, BfdSessionsAreThoseThatSomethingFollows) {
    const auto sessions = bfd_settings(parse(R"(
bfd_instance tracked {
  neighbor_ip 10.9.0.1
}
bfd_instance checked {
  neighbor_ip 10.9.0.2
  multihop
  max_hops 3
}
bfd_instance idle {
  neighbor_ip 10.9.0.3
}
vrrp_instance VI_1 {
  interface eth0
  virtual_router_id 51
  track_bfd {
    tracked
  }
  virtual_ipaddress {
    10.9.0.100/24
  }
}
virtual_server 10.9.0.100 80 {
  lb_algo rr
  lb_kind DR
  real_server 10.9.0.2 80 {
    BFD_CHECK {
      name checked
    }
  }
}
)"));
    ASSERT_EQ(sessions.size(), 2U);
    EXPECT_EQ(sessions[0].name, "tracked");
    EXPECT_EQ(sessions[0].ttl, 255);
    EXPECT_EQ(sessions[1].name, "checked");
    EXPECT_EQ(sessions[1].ttl, 64);
    EXPECT_EQ(sessions[1].max_hops, 3);
}

}  // namespace
}  // namespace vipd::daemon
