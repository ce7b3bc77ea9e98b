// SPDX-License-Identifier: Apache-2.0
// What the engine does, in which order, and which bytes it sends.
#include "vrrp/engine/engine.hpp"

#include "tests/unit/vrrp/engine_fixture.hpp"
#include "vrrp/packet/announce.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vipd::vrrp::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST_F(VrrpEngine, BecomesMasterInTheRightOrderAndWithTheRightBytes) {
    run({instance()});
    EXPECT_TRUE(transport.listens(kEth0, ip("224.0.0.18")));
    links.calls.clear();
    pass(kDown100);

    ASSERT_EQ(transport.sent.size(), 11U);
    EXPECT_EQ(wire()[0], "51:100 > 224.0.0.18");
    Bytes expected = from_hex(kV2Pass);
    expected[4] = expected[5] = 0;
    expected[10] = transport.sent[0].bytes[10];
    expected[11] = transport.sent[0].bytes[11];
    EXPECT_EQ(transport.sent[0].bytes, expected);
    // The advert is out before the first address is touched, and each address is there before it is
    // announced; announcements go round by round.
    EXPECT_EQ(transport.sent[0].netlink_calls, 0U);
    EXPECT_THAT(
        links.calls,
        ElementsAre("addresses 1", "add_address 10.9.0.100/24 1", "add_address 10.9.0.101/24 1"));
    for (std::size_t i = 1; i < 11; ++i) {
        EXPECT_EQ(transport.sent[i].netlink_calls, 3U);
        EXPECT_EQ(wire()[i], i % 2 == 1 ? "arp 10.9.0.100" : "arp 10.9.0.101");
    }
    const ArpFrame frame = gratuitous_arp({2, 0, 0, 0, 0, 1}, ip("10.9.0.100"));
    EXPECT_EQ(transport.sent[1].bytes, Bytes(frame.begin(), frame.end()));
    EXPECT_EQ(transport.sent[1].ifindex, kEth0);

    EXPECT_THAT(lines,
                ElementsAre("(VI_1) removing VIPs.",
                            "(VI_1) Entering BACKUP STATE (init)",
                            "(VI_1) Receive advertisement timeout",
                            "(VI_1) Entering MASTER STATE",
                            "(VI_1) setting VIPs.",
                            "Sending gratuitous ARP on eth0 for 10.9.0.100",
                            "Sending gratuitous ARP on eth0 for 10.9.0.101"));
    ASSERT_EQ(changes.size(), 2U);
    EXPECT_EQ(changes[1].state, State::Master);
    EXPECT_EQ(changes[1].priority, 100);
    EXPECT_EQ(changes[1].at_ns, static_cast<std::uint64_t>(now.time_since_epoch().count()));
    EXPECT_EQ(changes[1].announced_ns, changes[1].at_ns + 1'000'000);
}

TEST_F(VrrpEngine, StopSendsPriorityZeroBeforeItTakesTheVipsOff) {
    run({instance()});
    become_master();
    const auto before = links.calls.size();
    engine.stop(now);
    EXPECT_THAT(wire(), ElementsAre("51:0 > 224.0.0.18"));
    EXPECT_EQ(transport.sent[0].netlink_calls, before);
    EXPECT_FALSE(has(kEth0, "10.9.0.100/24"));
    EXPECT_FALSE(has(kEth0, "10.9.0.101/24"));
    EXPECT_TRUE(has(kEth0, "10.9.0.1/24"));
    EXPECT_THAT(transport.opened, IsEmpty());
    EXPECT_THAT(lines, ElementsAre("(VI_1) sent 0 priority", "(VI_1) removing VIPs."));
}

TEST_F(VrrpEngine, FreshStartTakesOffWhatACrashLeftBehind) {
    assign(kEth0, "10.9.0.100/32");  // also under the prefix length of an older configuration
    run({instance()});
    EXPECT_FALSE(has(kEth0, "10.9.0.100/32"));
    EXPECT_EQ(state(), State::Backup);
}

TEST_F(VrrpEngine, ResumedMasterSpeaksAtOnceAndDoesNotTouchItsVips) {
    assign(kEth0, "10.9.0.100/24");
    assign(kEth0, "10.9.0.101/24");
    engine.configure({{instance()}, {}}, now);
    engine.resume("VI_1", State::Master);
    engine.start(now);
    EXPECT_EQ(state(), State::Master);
    EXPECT_EQ(wire()[0], "51:100 > 224.0.0.18");
    for (const auto& call : links.calls) {
        EXPECT_THAT(call, Not(HasSubstr("add_address")));
        EXPECT_THAT(call, Not(HasSubstr("remove_address")));
    }
    engine.stop(now);
    EXPECT_FALSE(has(kEth0, "10.9.0.100/24")) << "adopted, so taken off at the end";
}

TEST_F(VrrpEngine, ResumedMasterPutsBackWhatIsMissing) {
    engine.configure({{instance()}, {}}, now);
    engine.resume("VI_1", State::Master);
    engine.start(now);
    EXPECT_TRUE(has(kEth0, "10.9.0.100/24"));
}

TEST_F(VrrpEngine, OwnersOwnAddressIsNeverTakenOff) {
    InstanceSettings owner = instance();
    owner.policy.priority = 255;
    owner.vips = {
        {.prefix = *IpPrefix::parse("10.9.0.1/24"), .device = {}, .label = {}, .broadcast = {}}};
    run({owner});
    EXPECT_EQ(state(), State::Master);
    engine.stop(now);
    EXPECT_TRUE(has(kEth0, "10.9.0.1/24"));
}

TEST_F(VrrpEngine, YieldsToAStrongerMasterAndLosesTheVips) {
    run({instance()});
    become_master();
    arrive(advert(150));
    EXPECT_EQ(state(), State::Backup);
    EXPECT_THAT(wire(), IsEmpty());
    EXPECT_FALSE(has(kEth0, "10.9.0.100/24"));
    EXPECT_EQ(report().master, ip("10.9.0.2"));
    EXPECT_EQ(report().master_priority, 150);
    EXPECT_EQ(counter("advert_rx"), 1U);
    EXPECT_EQ(counter("release_master"), 1U);
}

TEST_F(VrrpEngine, WhatAPeerCausesIsOneLineWithARateKey) {
    run({instance()});
    become_master();
    keys.clear();
    arrive(advert(50));
    EXPECT_THAT(wire(), Contains("arp 10.9.0.101"));
    pass(Millis(5100));  // and the second burst that follows
    arrive(advert(200));
    const std::string again =
        "(VI_1) Sending gratuitous ARPs for its VIPs again: another router claimed them";
    EXPECT_THAT(
        lines,
        ElementsAre(
            "(VI_1) Received advert from 10.9.0.2 with lower priority 50, ours 100, forcing new "
            "election",
            again,
            again,
            "(VI_1) Master received advert from 10.9.0.2 with higher priority 200, ours 100",
            "(VI_1) removing VIPs.",
            "(VI_1) Entering BACKUP STATE"));
    ASSERT_EQ(keys.size(), 6U);
    EXPECT_THAT(keys[0], Not(IsEmpty()));
    EXPECT_EQ(keys[1], "VI_1/garp");
    EXPECT_EQ(keys[2], "VI_1/garp");
    EXPECT_THAT(keys[3], Not(IsEmpty()));
    EXPECT_NE(keys[0], keys[3]);
    ASSERT_EQ(told.size(), 1U) << "the stronger one is a change of state";
    EXPECT_EQ(told[0].instance, "VI_1");
    EXPECT_EQ(told[0].kind, ipc::InstanceEventKind::LowerPriorityHeard);
    EXPECT_EQ(told[0].priority, 100);
}

TEST_F(VrrpEngine, WrongPasswordIsCountedAndNamesTheSenderAndTheCure) {
    run({instance()});
    lines.clear();
    keys.clear();
    Raw raw = advert(150);
    raw.auth[0] ^= 1;
    for (int i = 0; i < 3; ++i) arrive(raw);
    EXPECT_EQ(counter("auth_failure"), 3U);
    EXPECT_EQ(counter("advert_rx"), 0U);
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_THAT(lines[0], HasSubstr("10.9.0.2"));
    EXPECT_THAT(lines[0], HasSubstr("eth0"));
    EXPECT_THAT(lines[0], HasSubstr("received an invalid passwd!"));
    EXPECT_THAT(lines[0], HasSubstr("auth_pass"));
    // One key whoever sends: the shell lets one line through.
    raw.source = ip("10.9.0.77");
    arrive(raw);
    EXPECT_THAT(
        keys,
        ElementsAre(
            "VI_1/auth_failure", "VI_1/auth_failure", "VI_1/auth_failure", "VI_1/auth_failure"));
    EXPECT_EQ(*wake, now + kDown100) << "the timer has not been reset";
}

TEST_F(VrrpEngine, UnknownVridsAreNamedIfAskedFor) {
    EngineSettings settings{{instance()}, {}};
    Raw other = advert(150);
    other.vrid = 99;
    engine.configure(settings, now);
    engine.start(now);
    lines.clear();
    arrive(other);
    EXPECT_THAT(lines, IsEmpty());
    settings.log_unknown_vrids = true;
    engine.configure(settings, now);
    lines.clear();
    keys.clear();
    arrive(other);
    EXPECT_THAT(lines, ElementsAre("advert from 10.9.0.2 on eth0 with unknown VRID 99"));
    EXPECT_THAT(keys, ElementsAre("unknown VRID 99"));
}

TEST_F(VrrpEngine, ForeignAndBrokenDatagramsAreCountedApart) {
    run({instance()});
    lines.clear();
    Raw other = advert(150);
    other.vrid = 99;
    arrive(other);
    arrive(advert(150), kEth1);
    transport.arrive(kEth0, {});
    transport.arrive(kEth0, Bytes(2000), true);
    EXPECT_EQ(engine.unmatched(Reject::Vrid), 2U);
    EXPECT_EQ(engine.unmatched(Reject::IpHeader), 1U);
    EXPECT_EQ(engine.unmatched(Reject::Truncated), 1U);
    EXPECT_EQ(counter("advert_rx"), 0U);
    EXPECT_THAT(lines, IsEmpty());
}

TEST_F(VrrpEngine, ForgedIntervalZeroDoesNotMakeABackupJump) {
    InstanceSettings v3 = instance();
    v3.policy.version = 3;
    v3.auth.reset();
    v3.vips.pop_back();
    run({v3});
    Raw raw = advert(150);
    raw.version = 3;
    raw.addresses.pop_back();
    raw.interval = 0;
    arrive(raw);
    EXPECT_EQ(counter("interval_zero"), 1U);
    EXPECT_EQ(state(), State::Backup);
    EXPECT_EQ(*wake, now + kDown100);
}

TEST_F(VrrpEngine, VipListMismatchIsAcceptedAndTold) {
    run({instance()});
    Raw raw = advert(150);
    raw.addresses.pop_back();
    arrive(raw);
    EXPECT_EQ(counter("address_list_differs"), 1U);
    EXPECT_EQ(counter("advert_rx"), 1U);
    EXPECT_THAT(lines, Contains(HasSubstr("virtual_ipaddress")));
}

TEST_F(VrrpEngine, UnicastGoesToEachPeerFromTheGivenAddress) {
    InstanceSettings settings = instance();
    settings.group = {};
    settings.source = ip("10.9.0.1");
    settings.interface = "";  // found by the address
    settings.peers = {{ip("10.9.0.2")}, {ip("10.77.0.2")}};
    settings.ttl = 64;
    run({settings});
    pass(kDown100);
    EXPECT_EQ(wire()[0], "51:100 > 10.9.0.2");
    EXPECT_EQ(wire()[1], "51:100 > 10.77.0.2");
    EXPECT_EQ(transport.sent[1].bytes[8], 64);
    EXPECT_TRUE(transport.listens(kEth0, IpAddress()));
    Raw raw = advert(150, "10.77.0.2");
    raw.destination = ip("10.9.0.1");
    raw.ttl = 60;
    arrive(raw);
    EXPECT_EQ(state(), State::Backup);
    raw.source = ip("10.77.0.3");
    arrive(raw);
    EXPECT_EQ(counter("unicast_peer"), 1U);
}

// The same addresses may be in use in several VRFs.
TEST_F(VrrpEngine, UnicastStaysWithinItsVrf) {
    assign(kEth1, "10.9.0.1/24");
    InstanceSettings settings = instance();
    settings.group = {};
    settings.source = ip("10.9.0.1");
    settings.interface = "";
    settings.vrf = "blue";
    settings.peers = {{ip("10.9.0.2")}};
    run({settings});
    EXPECT_EQ(state(), State::Fault);
    EXPECT_THAT(report().fault, HasSubstr("no interface of vrf blue has unicast_src_ip 10.9.0.1"));
    links.add_link(9, "blue");
    links.table.at(kEth1).master = 9;
    links.announce({LinkEvent::Kind::Link, kEth1, {}, false});
    deliver_events();
    EXPECT_EQ(state(), State::Backup);
    EXPECT_EQ(report().interface, "eth1");
    EXPECT_TRUE(transport.listens(kEth1, IpAddress()));
    EXPECT_FALSE(transport.listens(kEth0, IpAddress()));
}

TEST_F(VrrpEngine, SameVridWithOtherPeersOnOneInterface) {
    InstanceSettings a = instance("A");
    InstanceSettings b = instance("B");
    a.group = b.group = {};
    a.peers = {{ip("10.9.0.2")}};
    b.peers = {{ip("10.9.0.3")}};
    b.vips = {
        {.prefix = *IpPrefix::parse("10.9.0.200/32"), .device = {}, .label = {}, .broadcast = {}}};
    a.source = ip("10.9.0.1");
    b.source = ip("10.9.0.11");
    run({a, b});
    Raw raw = advert(150, "10.9.0.3");
    raw.destination = ip("10.9.0.1");
    arrive(raw);
    EXPECT_EQ(report("A").master, IpAddress());
    EXPECT_EQ(report("B").master, ip("10.9.0.3"));
}

TEST_F(VrrpEngine, SameVridByGroupAndByPeerOnOneInterface) {
    InstanceSettings a = instance("A");
    InstanceSettings b = instance("B");
    InstanceSettings c = instance("C");
    b.group = ip("239.1.1.1");
    c.group = {};
    c.peers = {{ip("10.9.0.3")}};
    const auto vip = [](const char* prefix) {
        return std::vector<Vip>{
            {.prefix = *IpPrefix::parse(prefix), .device = {}, .label = {}, .broadcast = {}}};
    };
    b.vips = vip("10.9.0.201/32");
    c.vips = vip("10.9.0.202/32");
    run({a, b, c});
    EXPECT_EQ(engine.reports().size(), 3U);
    Raw raw = advert(150, "10.9.0.3");
    raw.destination = ip("239.1.1.1");
    arrive(raw);
    EXPECT_EQ(report("A").master, IpAddress());
    EXPECT_EQ(report("B").master, ip("10.9.0.3"));
    EXPECT_EQ(report("C").master, IpAddress());
}

TEST_F(VrrpEngine, SourceIsTheInterfacesOwnAddressNotAVip) {
    links.assigned.clear();
    assign(kEth0, "10.9.0.100/24");  // a VIP that somebody left, first in the list
    assign(kEth0, "10.9.0.7/24");
    engine.configure({{instance()}, {}}, now);
    engine.resume("VI_1", State::Master);
    engine.start(now);
    EXPECT_EQ(IpAddress::v4(std::span(transport.sent[0].bytes).subspan<12, 4>()), ip("10.9.0.7"));
}

// --- groups, handover, reload ------------------------------------------------------------------

TEST_F(VrrpEngine, SyncGroupMovesTogether) {
    InstanceSettings other = instance("VI_2", 52);
    other.interface = "eth1";
    other.vips = {
        {.prefix = *IpPrefix::parse("10.8.0.100/24"), .device = {}, .label = {}, .broadcast = {}}};
    run({instance(), other}, {{"G", {"VI_1", "VI_2"}}});
    pass(kDown100);
    EXPECT_EQ(state("VI_1"), State::Master);
    EXPECT_EQ(state("VI_2"), State::Master);
    EXPECT_THAT(lines, Contains("VRRP_Group(G) Syncing instances to MASTER state"));
    set_link(kEth1, false);
    EXPECT_EQ(state("VI_1"), State::Fault);
    EXPECT_EQ(report("VI_1").fault, "a member of its sync group");
    EXPECT_FALSE(has(kEth0, "10.9.0.100/24"));
    EXPECT_THAT(lines, Contains("VRRP_Group(G) Syncing instances to FAULT state"));
    set_link(kEth1, true);
    EXPECT_EQ(state("VI_1"), State::Backup);
    EXPECT_EQ(state("VI_2"), State::Backup);
}

TEST_F(VrrpEngine, HandoverOfOneMemberIsOfItsGroup) {
    InstanceSettings other = instance("VI_2", 52);
    other.vips = {
        {.prefix = *IpPrefix::parse("10.9.0.200/24"), .device = {}, .label = {}, .broadcast = {}}};
    run({instance(), other, instance("VI_3", 53)}, {{"G", {"VI_1", "VI_2"}}});
    become_master();
    EXPECT_TRUE(engine.handover("VI_2", Seconds(10), now));
    EXPECT_EQ(state("VI_1"), State::Backup);
    EXPECT_EQ(state("VI_2"), State::Backup);
    EXPECT_EQ(state("VI_3"), State::Master);
    EXPECT_FALSE(engine.handover("VI_9", Seconds(10), now));
    EXPECT_TRUE(engine.handover("", Seconds(10), now));
    EXPECT_EQ(state("VI_3"), State::Backup);
}

TEST_F(VrrpEngine, ReloadKeepsTheMasterAndChangesOnlyTheDifference) {
    run({instance()});
    become_master();
    InstanceSettings next = instance("renamed");
    next.policy.priority = 120;
    next.vips[1].prefix = *IpPrefix::parse("10.9.0.102/24");
    run({next});
    EXPECT_EQ(state("renamed"), State::Master);
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_EQ(changes[0].instance, "renamed");
    EXPECT_TRUE(has(kEth0, "10.9.0.100/24"));
    EXPECT_FALSE(has(kEth0, "10.9.0.101/24"));
    EXPECT_TRUE(has(kEth0, "10.9.0.102/24"));
    EXPECT_EQ(transport.sent[0].destination, ip("224.0.0.18")) << "an advert before all else";
    EXPECT_EQ(std::ranges::count(wire(), "arp 10.9.0.100"), 0) << "that one has not moved";
    EXPECT_EQ(std::ranges::count(wire(), "arp 10.9.0.102"), 5);
    for (const auto& call : links.calls) {
        EXPECT_NE(call, "remove_address 10.9.0.100/24 1");
        EXPECT_NE(call, "add_address 10.9.0.100/24 1");
    }
    transport.sent.clear();
    pass(Seconds(1));
    EXPECT_THAT(wire(), ElementsAre("51:120 > 224.0.0.18"));
}

TEST_F(VrrpEngine, ReloadStopsWhatIsGoneAndStartsWhatIsNew) {
    run({instance()});
    become_master();
    run({instance("VI_2", 52)});
    EXPECT_THAT(wire(), ElementsAre("51:0 > 224.0.0.18"));
    EXPECT_FALSE(has(kEth0, "10.9.0.100/24"));
    EXPECT_EQ(state("VI_2"), State::Backup);
    EXPECT_EQ(transport.opened.size(), 1U);
}

TEST_F(VrrpEngine, ReloadThatMovesAVipToAnotherMasterLeavesItThere) {
    InstanceSettings second = instance("VI_2", 52);
    second.vips = {
        {.prefix = *IpPrefix::parse("10.9.0.200/24"), .device = {}, .label = {}, .broadcast = {}}};
    run({instance(), second});
    become_master();
    pass(Seconds(1));
    second.vips = instance().vips;  // VI_1 is dropped, its addresses go to VI_2
    run({second});
    pass(Seconds(1));
    EXPECT_TRUE(has(kEth0, "10.9.0.100/24"));
    EXPECT_TRUE(has(kEth0, "10.9.0.101/24"));
    EXPECT_FALSE(has(kEth0, "10.9.0.200/24"));
}

TEST_F(VrrpEngine, EmptyConfigurationIsFine) {
    run({});
    EXPECT_FALSE(wake);
    run({instance()});
    EXPECT_EQ(state(), State::Backup);
    run({});
    EXPECT_THAT(engine.reports(), IsEmpty());
    EXPECT_THAT(transport.opened, IsEmpty());
}

TEST_F(VrrpEngine, UnusableInstancesAreNamedAndLeftOut) {
    InstanceSettings no_vrid = instance("A", 0);
    InstanceSettings no_interface = instance("B");
    no_interface.interface.clear();
    InstanceSettings twice = instance("C");
    run({instance(), no_vrid, no_interface, twice});
    EXPECT_EQ(engine.reports().size(), 1U);
    EXPECT_THAT(lines, Contains(HasSubstr("(A) instance is not started")));
    EXPECT_THAT(lines, Contains(HasSubstr("(B) instance is not started")));
    EXPECT_THAT(lines, Contains(HasSubstr("(C) instance is not started")));
}

}  // namespace
}  // namespace vipd::vrrp::test
