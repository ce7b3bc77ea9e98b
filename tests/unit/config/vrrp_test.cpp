// SPDX-License-Identifier: Apache-2.0
#include "parse_support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vipd::config::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

VrrpInstance only(const Parsed& parsed) {
    EXPECT_EQ(parsed.config.instances.size(), 1U);
    return parsed.config.instances.empty() ? VrrpInstance{} : parsed.config.instances[0];
}

TEST(VrrpInstance, DefaultsAreKeepaliveds) {
    const Parsed parsed = read(instance(""));
    EXPECT_THAT(findings(parsed), IsEmpty());
    const VrrpInstance made = only(parsed);
    EXPECT_FALSE(*made.initial_master);
    EXPECT_EQ(*made.priority, 100);
    EXPECT_EQ(*made.advert_int, Seconds(1));
    EXPECT_EQ(*made.version, 2);
    EXPECT_FALSE(*made.nopreempt);
    EXPECT_EQ(*made.down_timer_adverts, 3);
    EXPECT_EQ(*made.garp_master_delay, Seconds(5));
    EXPECT_EQ(*made.garp_master_repeat, 5U);
    EXPECT_TRUE(made.auth_pass->empty());
}

TEST(VrrpInstance, MasterWithoutAPriorityIsTheAddressOwner) {
    const Parsed parsed = read(instance("state MASTER"));
    EXPECT_EQ(*only(parsed).priority, 255);
    EXPECT_EQ(parsed.exit_status(), 0);
    EXPECT_EQ(parsed.diagnostics.size(), 1U);
    EXPECT_EQ(*only(read(instance("state MASTER\npriority 5;"))).priority, 100);
    EXPECT_TRUE(*only(read(instance("priority 255"))).initial_master);
}

TEST(VrrpInstance, GlobalValuesHoldUnlessTheInstanceSetsItsOwn) {
    const std::string text =
        instance("garp_master_repeat 2\nstrict_mode off") +
        "global_defs {\nvrrp_version 3\nvrrp_garp_master_repeat 9\n"
        "vrrp_garp_master_delay 0.5\nvrrp_down_timer_adverts 4\nvrrp_strict\n}";
    const VrrpInstance made = only(read(text));
    EXPECT_EQ(*made.version, 3);
    EXPECT_EQ(*made.garp_master_repeat, 2U);
    EXPECT_EQ(*made.garp_master_delay, Millis(500));
    EXPECT_EQ(*made.down_timer_adverts, 4);
    EXPECT_FALSE(*made.strict);
}

TEST(VrrpInstance, PreemptionDoesNotGoWithStateMaster) {
    const Parsed parsed = read(instance("state MASTER\npriority 9\nnopreempt\npreempt_delay 5"));
    EXPECT_THAT(
        findings(parsed),
        ElementsAre("8:1 complaint: nopreempt does not go with state MASTER; ignored",
                    "9:15 complaint: preempt_delay does not go with state MASTER; ignored"));
    EXPECT_FALSE(*only(parsed).nopreempt);
    EXPECT_EQ(*only(parsed).preempt_delay, Nanos(0));
    EXPECT_TRUE(*only(read(instance("state BACKUP\nnopreempt"))).nopreempt);
}

TEST(VrrpInstance, PasswordIsCutToEightBytes) {
    const Parsed parsed =
        read(instance("authentication {\nauth_type PASS\nauth_pass 123456789\n}"));
    EXPECT_THAT(
        findings(parsed),
        ElementsAre(
            "8:11 complaint: this password is too long: only its first 8 characters are used"));
    EXPECT_EQ(*only(parsed).auth_pass, "12345678");
    const Parsed v3 = read(instance("version 3\nauthentication {\nauth_pass 1234\n}"));
    EXPECT_EQ(v3.exit_status(), 5);
    EXPECT_TRUE(only(v3).auth_pass->empty());
    EXPECT_EQ(read(instance("authentication {\nauth_type PASS\n}")).exit_status(), 5);
    EXPECT_EQ(read(instance("authentication {\nauth_type AH\nauth_pass x\n}")).exit_status(), 0);
}

TEST(VrrpInstance, IntervalIsRoundedToWhatTheVersionCanCarry) {
    EXPECT_EQ(*only(read(instance("advert_int 1.6"))).advert_int, Seconds(2));
    EXPECT_EQ(*only(read(instance("advert_int 0.1"))).advert_int, Seconds(1));
    EXPECT_EQ(read(instance("advert_int 1.6")).exit_status(), 5);
    EXPECT_EQ(*only(read(instance("version 3\nadvert_int 0.01"))).advert_int, Millis(10));
    EXPECT_EQ(read(instance("version 3\nadvert_int 0.01")).exit_status(), 0);
    EXPECT_EQ(*only(read(instance("version 3\nadvert_int 60"))).advert_int, Millis(40950));
    EXPECT_EQ(*only(read(instance("advert_int 0"))).advert_int, Seconds(1));
}

TEST(VrrpInstance, WrongValuesAreReportedAndTheRestRuns) {
    const Parsed parsed =
        read(instance("state Backup\npriority 256\nvirtual_router_id 51;\nmcast_src_ip foo\n"
                      "advert_int x\nversion 4"));
    EXPECT_THAT(findings(parsed),
                ElementsAre("6:7 error: unknown state 'Backup'; BACKUP is used",
                            "7:10 error: number '256' is outside 1 to 255; ignored",
                            "8:19 error: '51;' is not a whole number; ignored",
                            "9:14 error: 'foo' is not an IP address; ignored",
                            "10:12 error: 'x' is not a time in seconds; ignored",
                            "11:9 error: number '4' is outside 2 to 3; ignored"));
    EXPECT_EQ(parsed.diagnostics[0].hint, "it must be written in capitals: BACKUP");
    EXPECT_EQ(*only(parsed).virtual_router_id, 51);
    EXPECT_EQ(*only(parsed).priority, 100);
}

TEST(VrrpInstance, WithoutVridIsLeftOut) {
    const Parsed parsed =
        read("vrrp_instance A {\ninterface eth0\nvirtual_ipaddress { 10.0.0.1\n}\n}");
    EXPECT_THAT(findings(parsed),
                ElementsAre("1:15 error: vrrp_instance 'A' has no virtual_router_id; ignored"));
    EXPECT_THAT(parsed.config.instances, IsEmpty());
}

TEST(VrrpInstance, SecondOfANameIsIgnored) {
    const Parsed parsed = read(instance("priority 7") + instance("priority 8"));
    EXPECT_THAT(
        findings(parsed),
        ElementsAre(
            "8:15 error: vrrp_instance 'VI_1' has been defined in line 1 already; ignored"));
    EXPECT_EQ(*only(parsed).priority, 7);
}

TEST(VrrpInstance, SameVridOnAnInterfaceNeedsOtherPeers) {
    const auto two = [](std::string_view peer) {
        return "vrrp_instance A {\ninterface eth0\nvirtual_router_id 5\nunicast_peer "
               "{\n10.0.0.7\n}\n"
               "virtual_ipaddress {\n10.0.0.1\n}\n}\n"
               "vrrp_instance B {\ninterface eth0\nvirtual_router_id 5\nunicast_peer {\n" +
               std::string(peer) + "\n}\nvirtual_ipaddress {\n10.0.0.2\n}\n}\n";
    };
    EXPECT_THAT(
        findings(read(two("10.0.0.7"))),
        ElementsAre("13:19 error: virtual_router_id 5 on eth0 belongs to 'A' already (line 3)"));
    EXPECT_THAT(findings(read(two("10.0.0.8"))), IsEmpty());
}

TEST(VrrpInstance, SameVridOnAnInterfaceNeedsAnotherGroup) {
    const auto two = [](std::string_view one, std::string_view other) {
        return "vrrp_instance A {\ninterface eth0\nvirtual_router_id 5\n" + std::string(one) +
               "\nvirtual_ipaddress {\n10.0.0.1\n}\n}\n"
               "vrrp_instance B {\ninterface eth0\nvirtual_router_id 5\n" +
               std::string(other) + "\nvirtual_ipaddress {\n10.0.0.2\n}\n}\n";
    };
    const std::string clash =
        "11:19 error: virtual_router_id 5 on eth0 belongs to 'A' already (line 3)";
    EXPECT_THAT(findings(read(two("", "mcast_dst_ip 224.0.0.18"))), ElementsAre(clash));
    EXPECT_THAT(findings(read(two("mcast_dst_ip 239.1.1.1", "mcast_dst_ip 239.1.1.1"))),
                ElementsAre(clash));
    EXPECT_THAT(findings(read(two("", "mcast_dst_ip 239.1.1.1"))), IsEmpty());
    EXPECT_THAT(findings(read(two("", "unicast_peer { 10.0.0.9 }"))), IsEmpty());
}

TEST(VrrpInstance, WithoutAnInterfaceItsSourceHasToBeOnOne) {
    const std::string text =
        "vrrp_instance A {\nvirtual_router_id 5\nunicast_src_ip 10.0.0.1\nunicast_peer {\n"
        "10.0.0.2\n}\nvirtual_ipaddress {\n10.0.0.3 dev eth0\n}\n}\n";
    EXPECT_THAT(findings(read(text)), IsEmpty()) << "nobody can say";
    Environment environment;
    std::optional<Way> way = Way{.local = true, .gateway = false, .mtu = 1500};
    environment.way_to = [&](const IpAddress&) { return way; };
    EXPECT_THAT(findings(parse(text, "a", environment)), IsEmpty());
    const auto nowhere = ElementsAre("3:16 error: no interface has 10.0.0.1, and 'A' names none");
    way->local = false;
    EXPECT_THAT(findings(parse(text, "a", environment)), nowhere);
    way.reset();
    EXPECT_THAT(findings(parse(text, "a", environment)), nowhere);
}

TEST(VrrpInstance, MissingInterfacesAreErrorsUnlessTheyAreDynamic) {
    const std::string text =
        "vrrp_instance A {\ninterface eth7\nvirtual_router_id 5\n"
        "virtual_ipaddress {\n10.0.0.1 dev eth8\n}\ntrack_interface {\neth9 weight 5\n}\n}\n";
    const Parsed parsed = read(text, machine());
    EXPECT_THAT(findings(parsed),
                ElementsAre("2:11 error: interface 'eth7' does not exist",
                            "5:14 error: interface 'eth8' does not exist",
                            "8:1 error: interface 'eth9' does not exist"));
    EXPECT_EQ(parsed.config.instances.size(), 1U);
    EXPECT_EQ(read(text + "global_defs {\ndynamic_interfaces\n}", machine()).exit_status(), 0);
}

TEST(VirtualIpaddress, OptionsAreRead) {
    const Parsed parsed = read(
        "vrrp_instance A {\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress {\n"
        "10.0.0.1/24 brd 10.0.0.255 dev eth1 scope link label eth1:1\n10.0.0.2 brd + home\n}\n"
        "virtual_ipaddress_excluded {\n10.0.0.3/8\n}\n}");
    EXPECT_THAT(findings(parsed),
                ElementsAre("6:16 warning: option 'home' is not done by vipd yet; ignored"));
    const VrrpInstance made = only(parsed);
    ASSERT_EQ(made.virtual_ipaddress.size(), 2U);
    EXPECT_EQ(made.virtual_ipaddress[0].prefix.to_string(), "10.0.0.1/24");
    EXPECT_EQ(made.virtual_ipaddress[0].broadcast->to_string(), "10.0.0.255");
    EXPECT_EQ(made.virtual_ipaddress[0].device, "eth1");
    EXPECT_EQ(made.virtual_ipaddress[0].scope, 253);
    EXPECT_EQ(made.virtual_ipaddress[0].label, "eth1:1");
    EXPECT_TRUE(made.virtual_ipaddress[1].broadcast_auto);
    ASSERT_EQ(made.virtual_ipaddress_excluded.size(), 1U);
    EXPECT_EQ(made.virtual_ipaddress_excluded[0].prefix.to_string(), "10.0.0.3/8");
}

TEST(VirtualIpaddress, MistakesAreReported) {
    const Parsed parsed = read(
        "vrrp_instance A {\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress {\n"
        "10.0.0.1/24;\n10.0.0.300\n10.0.0.2 bogus\n10.0.0.2\nfe80::1\n10.0.0.4 dev\n}\n}");
    EXPECT_THAT(
        findings(parsed),
        ElementsAre(
            "5:1 error: '24;' is no prefix length; 32 is used",
            "6:1 error: '10.0.0.300' is not an IP address; ignored",
            "7:10 error: unknown option 'bogus' of an address; ignored",
            "8:1 warning: '10.0.0.2' stands here twice, first in line 7; ignored",
            "9:1 complaint: all addresses of virtual_ipaddress must be of one family; ignored",
            "10:10 error: 'dev' needs a value; ignored"));
    EXPECT_EQ(only(parsed).virtual_ipaddress.size(), 3U);
}

TEST(VirtualIpaddress, Ipv6InstanceIsOfVersionThree) {
    const Parsed parsed = read(
        "vrrp_instance A {\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress "
        "{\nfe80::1\n2001:db8::1\n10.0.0.1\n}\nvirtual_ipaddress_excluded {\n10.0.0.2\n}\n}");
    EXPECT_THAT(findings(parsed),
                ElementsAre("7:1 complaint: all addresses of virtual_ipaddress must be of one "
                            "family; ignored"));
    EXPECT_EQ(*only(parsed).version, 3);
    EXPECT_EQ(only(parsed).virtual_ipaddress.size(), 2U);
    EXPECT_EQ(only(parsed).virtual_ipaddress_excluded.size(), 1U);
}

TEST(VirtualIpaddress, Ipv6BeginsWithALinkLocalAddress) {
    const Parsed parsed = read(
        "vrrp_instance A {\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress "
        "{\n2001:db8::1\n}\n}");
    EXPECT_THAT(findings(parsed),
                ElementsAre("5:1 warning: the first address of an IPv6 instance should be "
                            "link-local (RFC 9568, 5.2.9)"));
}

TEST(VirtualRouter, OneIdOfEachFamilyMayLiveOnAnInterface) {
    const std::string v6 =
        "vrrp_instance B {\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress "
        "{\nfe80::1\n}\n}";
    const Parsed parsed = read(
        "vrrp_instance A {\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress "
        "{\n10.0.0.1\n}\n}\n" +
        v6);
    EXPECT_THAT(findings(parsed), IsEmpty());
}

TEST(Tracking, NamesMustExist) {
    const Parsed parsed = read("vrrp_script ok {\nscript \"/bin/true\"\nweight -5 reverse\n}\n" +
                               instance("track_script {\nok weight 7\nnope\nok\n}\ntrack_interface "
                                        "{\neth0\neth1 weight 254\n}"));
    EXPECT_THAT(
        findings(parsed),
        ElementsAre(
            "12:1 error: there is no vrrp_script 'nope'; ignored",
            "13:1 complaint: 'ok' is tracked already; ignored",
            "16:1 complaint: 'eth0' is the instance's own interface and tracked anyway; ignored",
            "17:13 error: number '254' is outside -253 to 253; ignored"));
    ASSERT_EQ(only(parsed).track_scripts.size(), 1U);
    EXPECT_EQ(only(parsed).track_scripts[0].weight, 7);
    EXPECT_EQ(*parsed.config.scripts[0].weight, -5);
    EXPECT_TRUE(*parsed.config.scripts[0].reverse);
    ASSERT_EQ(only(parsed).track_interfaces.size(), 1U);
    EXPECT_EQ(only(parsed).track_interfaces[0].name, "eth1");
}

TEST(Unicast, PeersAreReadWithTheirTtlLimits) {
    const Parsed parsed =
        read(instance("unicast_src_ip 10.0.0.8\nunicast_ttl 9\nunicast_peer {\n10.0.0.9 min_ttl "
                      "254\nfe80::1\n}"));
    EXPECT_THAT(
        findings(parsed),
        ElementsAre("10:1 error: this unicast_peer is not of the instance's family; ignored"));
    ASSERT_EQ(only(parsed).unicast_peers.size(), 1U);
    ASSERT_EQ(only(parsed).unicast_peer_ttls.size(), 1U);
    EXPECT_EQ(only(parsed).unicast_peer_ttls[0].min_ttl, std::uint8_t{254});
    EXPECT_EQ(*only(parsed).unicast_ttl, 9);
    EXPECT_EQ(read(instance("unicast_src_ip 10.0.0.8")).exit_status(), 5);
}

TEST(StrictMode, ClearsWhatRfcDoesNotHave) {
    const Parsed parsed =
        read(instance("state MASTER\npriority 100\nstrict_mode\nauthentication {\nauth_pass a\n}"));
    EXPECT_FALSE(*only(parsed).initial_master);
    EXPECT_TRUE(only(parsed).auth_pass->empty());
    EXPECT_EQ(parsed.diagnostics.size(), 2U);
}

TEST(Accept, IsTheDefaultUnlessInStrictMode) {
    const auto said = [](const std::string& lines) {
        const Parsed parsed = read(instance(lines));
        std::vector<std::string> all;
        for (const auto& finding : findings(parsed))
            if (finding.find("accept") != std::string::npos)
                all.push_back(finding.substr(0, finding.find(' ', finding.find(' ') + 1)));
        return std::pair(*only(parsed).accept, all);
    };
    using Said = std::pair<bool, std::vector<std::string>>;
    EXPECT_EQ(said(""), Said(true, {}));
    EXPECT_EQ(said("accept"), Said(true, {}));
    EXPECT_EQ(said("version 3\nstrict_mode\naccept"), Said(true, {}));
    EXPECT_EQ(said("priority 255\nstrict_mode").second, std::vector<std::string>{});
    EXPECT_EQ(said("version 3\nstrict_mode"), Said(false, {}));
    EXPECT_EQ(said("version 2\nstrict_mode\naccept"), Said(false, {"8:1 complaint:"}));
    EXPECT_EQ(said("no_accept"), Said(false, {}));
}

TEST(UseVmac, SaysWhatHasNoEffect) {
    const Parsed parsed = read(instance("use_vmac vrrp.7 netlink_notify_msg"));
    EXPECT_THAT(findings(parsed),
                ElementsAre("6:17 warning: netlink_notify_msg has no effect: the kernel tells of "
                            "every device at once"));
    EXPECT_EQ(parsed.exit_status(), 0);
    EXPECT_EQ(only(parsed).device.name, "vrrp.7");
}

TEST(TrackGroup, NamesInstancesThatExist) {
    const Parsed parsed = read(instance("") + "track_group G {\ngroup {\nVI_1 nobody\n}\n}\n");
    EXPECT_THAT(findings(parsed),
                ElementsAre("10:6 warning: there is no vrrp_instance 'nobody'; ignored"));
}

TEST(UpDownDelays, ADownDelayIsLessThanWhatTheOthersWait) {
    const auto with = [](const std::string& delay) {
        return findings(
            read(instance("advert_int 1") + "interface_up_down_delays {\neth0 " + delay + "\n}\n"));
    };
    EXPECT_THAT(with("1.9 30"), IsEmpty());
    EXPECT_THAT(
        with("2"),
        ElementsAre(testing::HasSubstr(
            "the down delay of 'eth0' should be less than 2 s: then 'VI_1' counts as lost")));
}

TEST(SyncGroup, MembersMustExistAndBelongToOneGroup) {
    const auto named = [](std::string_view name, std::string_view vrid) {
        return "vrrp_instance " + std::string(name) + " {\ninterface eth0\nvirtual_router_id " +
               std::string(vrid) + "\nvirtual_ipaddress {\n10.0.0." + std::string(vrid) +
               "\n}\n}\n";
    };
    const Parsed parsed = read(
        "vrrp_sync_group G {\ngroup {\nA\nB C\n}\nnotify_master \"/bin/true x\"\n}\n"
        "vrrp_sync_group H {\ngroup {\nA\n}\n}\n" +
        named("A", "1") + named("B", "2"));
    EXPECT_THAT(findings(parsed),
                ElementsAre("4:3 error: there is no vrrp_instance 'C'; ignored",
                            "8:17 complaint: vrrp_sync_group 'H' has no instance; ignored",
                            "10:1 error: 'A' is in vrrp_sync_group 'G' already; ignored"));
    ASSERT_EQ(parsed.config.sync_groups.size(), 1U);
    EXPECT_EQ(parsed.config.sync_groups[0].members.size(), 2U);
    EXPECT_THAT(parsed.config.sync_groups[0].notify.master->argv, ElementsAre("/bin/true", "x"));
}

}  // namespace
}  // namespace vipd::config::test
