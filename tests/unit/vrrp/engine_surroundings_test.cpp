// SPDX-License-Identifier: Apache-2.0
// The engine when interfaces, addresses, scripts and the kernel change or fail.
#include "tests/unit/vrrp/engine_fixture.hpp"
#include "vrrp/engine/engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vipd::vrrp::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// --- interfaces and addresses ------------------------------------------------------------------

TEST_F(VrrpEngine, InterfaceDownIsAFaultAndUpIsBackup) {
    run({instance()});
    become_master();
    set_link(kEth0, false);
    EXPECT_EQ(state(), State::Fault);
    EXPECT_THAT(wire(), ElementsAre("51:0 > 224.0.0.18", "51:0 > 224.0.0.18"));
    EXPECT_FALSE(has(kEth0, "10.9.0.100/24"));
    EXPECT_EQ(report().fault, "interface eth0 is down");
    EXPECT_THAT(lines, Contains("Netlink reports eth0 down"));
    set_link(kEth0, true);
    EXPECT_EQ(state(), State::Backup);
    EXPECT_EQ(report().fault, "");
    EXPECT_EQ(*wake, now + kDown100);
    EXPECT_THAT(lines, Contains("Netlink reports eth0 up"));
}

TEST_F(VrrpEngine, MissingInterfaceIsAFaultUntilItAppears) {
    InstanceSettings settings = instance();
    settings.interface = "eth7";
    run({settings});
    EXPECT_EQ(state(), State::Fault);
    EXPECT_EQ(report().fault, "interface eth7 does not exist");
    EXPECT_THAT(transport.opened, IsEmpty());
    links.add_link(7, "eth7");
    links.announce({LinkEvent::Kind::Link, 7, {}, false});
    deliver_events();
    EXPECT_EQ(state(), State::Fault);
    EXPECT_EQ(report().fault, "interface eth7 has no IPv4 address");
    assign(7, "10.7.0.1/24");
    links.announce({LinkEvent::Kind::Address, 7, ip("10.7.0.1"), false});
    deliver_events();
    EXPECT_EQ(state(), State::Backup);
    EXPECT_TRUE(transport.listens(7, ip("224.0.0.18")));
}

TEST_F(VrrpEngine, RecreatedInterfaceIsUsedUnderItsNewIndex) {
    run({instance()});
    become_master();
    links.table.erase(kEth0);
    links.assigned.clear();
    links.announce({LinkEvent::Kind::Link, kEth0, {}, true});
    deliver_events();
    EXPECT_EQ(state(), State::Fault);
    EXPECT_FALSE(transport.listens(kEth0, ip("224.0.0.18")));
    links.add_link(9, "eth0");
    assign(9, "10.9.0.1/24");
    links.announce({LinkEvent::Kind::Link, 9, {}, false});
    deliver_events();
    pass(kDown100);
    EXPECT_EQ(state(), State::Master);
    EXPECT_TRUE(has(9, "10.9.0.100/24"));
    EXPECT_EQ(transport.sent.back().ifindex, 9);
}

TEST_F(VrrpEngine, VipDeletedByHandOnTheMasterIsPutBackAndAnnounced) {
    run({instance()});
    become_master();
    pass(Seconds(2));
    transport.sent.clear();
    const LinkAddress gone{.ifindex = kEth0,
                           .prefix = *IpPrefix::parse("10.9.0.100/24"),
                           .label = {},
                           .broadcast = {}};
    ASSERT_TRUE(links.remove_address(gone));
    deliver_events();
    pass(Nanos(0));
    EXPECT_TRUE(has(kEth0, "10.9.0.100/24"));
    EXPECT_EQ(std::ranges::count(wire(), "arp 10.9.0.100"), 5);
    EXPECT_EQ(std::ranges::count(wire(), "arp 10.9.0.101"), 0);
    EXPECT_EQ(counter("vip_restored"), 1U);
    // Somebody who takes it off in a loop gets one answer a second.
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(links.remove_address(gone));
        deliver_events();
        pass(Millis(10));
    }
    EXPECT_LE(counter("vip_restored"), 2U);
    pass(Seconds(2));
    EXPECT_TRUE(has(kEth0, "10.9.0.100/24"));
}

TEST_F(VrrpEngine, NetlinkOverrunMakesItLookAgain) {
    run({instance()});
    become_master();
    pass(Seconds(2));
    std::erase_if(links.assigned,
                  [](const auto& a) { return a.prefix.address == ip("10.9.0.101"); });
    links.announce({LinkEvent::Kind::Overrun, 0, {}, false});
    deliver_events();
    pass(Nanos(0));
    EXPECT_TRUE(has(kEth0, "10.9.0.101/24"));
}

TEST_F(VrrpEngine, VipThatCannotBeSetIsToldAndTheOthersStillAre) {
    run({instance()});
    links.fail_call(2, EPERM);  // after the listing: the first add
    pass(kDown100);
    EXPECT_EQ(state(), State::Master);
    EXPECT_FALSE(has(kEth0, "10.9.0.100/24"));
    EXPECT_TRUE(has(kEth0, "10.9.0.101/24"));
    EXPECT_THAT(lines, Contains(HasSubstr("cannot set VIP 10.9.0.100/24 on eth0")));
}

TEST_F(VrrpEngine, VipOnAnotherDeviceAndExcludedVip) {
    InstanceSettings settings = instance();
    settings.vips = {{.prefix = *IpPrefix::parse("10.8.0.100/24"),
                      .device = "eth1",
                      .label = "eth1:v",
                      .broadcast = {}},
                     {.prefix = *IpPrefix::parse("10.9.0.102/32"),
                      .device = {},
                      .label = {},
                      .broadcast = {},
                      .excluded = true}};
    run({settings});
    pass(kDown100);
    EXPECT_TRUE(has(kEth1, "10.8.0.100/24"));
    EXPECT_TRUE(has(kEth0, "10.9.0.102/32"));
    EXPECT_EQ(transport.sent[0].bytes[23], 1) << "only the first is in the advert";
    EXPECT_EQ(wire()[1], "arp 10.8.0.100");
    EXPECT_EQ(transport.sent[1].ifindex, kEth1);
    EXPECT_EQ(transport.sent[1].bytes[11], kEth1) << "the other device's MAC";
    EXPECT_EQ(wire()[2], "arp 10.9.0.102");
}

// --- trackers ----------------------------------------------------------------------------------

TEST_F(VrrpEngine, ScriptWithoutWeightHoldsInFaultUntilItsFirstResult) {
    InstanceSettings settings = instance();
    settings.scripts = {{"chk", 0, false}};
    engine.script_state("chk", false, false, now);
    run({settings});
    EXPECT_EQ(state(), State::Fault);
    EXPECT_EQ(report().fault, "script chk has no result yet");
    engine.script_state("chk", true, true, now);
    EXPECT_EQ(state(), State::Backup);
    become_master();
    engine.script_state("chk", true, false, now);
    EXPECT_EQ(state(), State::Fault);
    EXPECT_EQ(report().fault, "script chk is down");
    EXPECT_THAT(wire(), ElementsAre("51:0 > 224.0.0.18", "51:0 > 224.0.0.18"));
}

TEST_F(VrrpEngine, ScriptThatIsNotRunIsNotTracked) {
    InstanceSettings settings = instance();
    settings.scripts = {{"not-executable", 0, false}};
    run({settings});
    EXPECT_EQ(state(), State::Backup);
}

TEST_F(VrrpEngine, ScriptKnownBeforeTheStartCounts) {
    InstanceSettings settings = instance();
    settings.scripts = {{"chk", -40, false}};
    engine.configure({{settings}, {}}, now);
    engine.script_state("chk", true, false, now);
    engine.start(now);
    EXPECT_EQ(report().priority, 60);
    EXPECT_EQ(report().base_priority, 100);
}

TEST_F(VrrpEngine, TrackedInterfaceChangesThePriorityInTheNextAdvert) {
    InstanceSettings settings = instance();
    settings.interfaces = {{"eth1", -30, false}};
    run({settings});
    become_master();
    set_link(kEth1, false);
    EXPECT_EQ(state(), State::Master);
    pass(Seconds(1));
    EXPECT_THAT(wire(), ElementsAre("51:70 > 224.0.0.18"));
    EXPECT_THAT(lines, Contains("(VI_1) Changing effective priority from 100 to 70"));
}

// --- robustness --------------------------------------------------------------------------------

TEST_F(VrrpEngine, AdvertsThatWaitedInTheSocketCountBeforeALateTimer) {
    run({instance()});
    transport.on_drain = [this] { arrive(advert(150)); };
    now += Seconds(60);  // the process was stopped meanwhile
    engine.tick(now);
    EXPECT_EQ(state(), State::Backup);
    transport.on_drain = nullptr;
    pass(kDown100 + Millis(2));
    EXPECT_EQ(state(), State::Master);
}

TEST_F(VrrpEngine, SendErrorsAreCountedAndDoNotStopIt) {
    run({instance()});
    transport.fail_errno = ENOBUFS;
    pass(kDown100 + Seconds(3));
    EXPECT_EQ(state(), State::Master);
    EXPECT_GE(counter("send_error"), 4U);
    EXPECT_EQ(counter("advert_tx"), 0U);
    transport.fail_errno = 0;
    pass(Seconds(1));
    EXPECT_EQ(counter("advert_tx"), 1U);
}

TEST_F(VrrpEngine, FailureOfAnyNetlinkCallLeavesItRunning) {
    for (std::size_t k = 1; k < 30; ++k) {
        vipd::test::FakeLinks world;
        world.add_link(kEth0, "eth0");
        world.assigned = {{.ifindex = kEth0,
                           .prefix = *IpPrefix::parse("10.9.0.1/24"),
                           .label = {},
                           .broadcast = {}}};
        FakeTransport wire_of(world);
        Engine other(world, wire_of, *this, [this] { return now; });
        world.fail_call(k, EIO);
        other.configure({{instance()}, {}}, now);
        other.start(now);
        // The host is quiet: nothing but the engine itself makes it look again.
        for (int i = 0; i < 12; ++i) {
            now += Seconds(1);
            while (other.wake() && *other.wake() <= now) other.tick(now);
        }
        ASSERT_EQ(other.reports().size(), 1U);
        EXPECT_EQ(other.reports()[0].state, State::Master) << "k = " << k;
        const auto there = std::ranges::count_if(
            world.assigned, [](const auto& a) { return a.prefix.address != ip("10.9.0.1"); });
        EXPECT_EQ(there, 2) << "k = " << k;
        other.stop(now);
    }
}

TEST_F(VrrpEngine, StaleVipIsTakenOffInTheEndWhicheverNetlinkCallFails) {
    for (std::size_t k = 1; k < 16; ++k) {
        vipd::test::FakeLinks world;
        world.add_link(kEth0, "eth0");
        for (const char* prefix : {"10.9.0.1/24", "10.9.0.100/24", "10.9.0.101/24"})
            world.assigned.push_back({.ifindex = kEth0,
                                      .prefix = *IpPrefix::parse(prefix),
                                      .label = {},
                                      .broadcast = {}});
        FakeTransport wire_of(world);
        Engine other(world, wire_of, *this, [this] { return now; });
        world.fail_call(k, EIO);
        other.configure({{instance()}, {}}, now);
        other.start(now);
        for (int i = 0; i < 30; ++i) {
            now += Millis(100);
            while (other.wake() && *other.wake() <= now) other.tick(now);
        }
        EXPECT_EQ(other.reports()[0].state, State::Backup) << "k = " << k;
        EXPECT_EQ(world.assigned.size(), 1U) << "k = " << k;
        other.stop(now);
    }
}

TEST_F(VrrpEngine, TrackedFileProcessAndBfdSessionCount) {
    using Kind = ipc::TrackerKind;
    InstanceSettings settings = instance();
    settings.objects = {
        {Kind::File, "f", 2, false}, {Kind::Process, "p", -30, false}, {Kind::Bfd, "b", 0, false}};
    run({settings});
    EXPECT_EQ(report().priority, 100) << "what is not watched is not tracked";
    engine.tracker_state({Kind::File, "f", false, 10}, now);
    EXPECT_EQ(report().priority, 120);
    engine.tracker_state({Kind::Process, "p", false, 0}, now);
    EXPECT_EQ(report().priority, 90);
    ASSERT_EQ(told.size(), 2U);
    EXPECT_EQ(told[1].kind, ipc::InstanceEventKind::PriorityChanged);
    EXPECT_EQ(told[1].state, State::Backup);
    EXPECT_EQ(told[1].priority, 90);
    engine.tracker_state({Kind::Bfd, "b", false, 0}, now);
    EXPECT_EQ(state(), State::Fault);
    EXPECT_EQ(report().fault, "BFD session b is down");
    engine.tracker_state({Kind::Bfd, "b", true, 0}, now);
    EXPECT_EQ(state(), State::Backup);
}

TEST_F(VrrpEngine, WithoutAPeerItWaitsInFaultIfItIsAskedTo) {
    InstanceSettings settings = instance();
    settings.group = {};
    settings.needs_peer = true;
    run({settings});
    EXPECT_EQ(state(), State::Fault);
    EXPECT_EQ(report().fault, "it has no unicast_peer");
}

TEST_F(VrrpEngine, TracksItsSourceAddressIfItIsAskedTo) {
    InstanceSettings settings = instance();
    settings.source = ip("10.9.0.7");
    settings.track_source = true;
    run({settings});
    EXPECT_EQ(report().fault, "eth0 does not have 10.9.0.7");
    assign(kEth0, "10.9.0.7/24");
    links.announce({LinkEvent::Kind::Address, kEth0, ip("10.9.0.7"), false});
    deliver_events();
    EXPECT_EQ(state(), State::Backup);
}

TEST_F(VrrpEngine, SpeaksAndHearsWithinAh) {
    InstanceSettings settings = instance();
    settings.ah = true;
    settings.policy.garp_repeat = 0;
    engine.configure({.instances = {settings}, .ah_sequence = 1000}, now);
    engine.start(now);
    Raw raw = advert(200);
    raw.auth_type = 2;
    raw.auth.assign(8, 0);
    const auto key = make_auth_pass("secret12");
    transport.arrive(kEth0, add_ah(raw.bytes(), key, 5000));
    EXPECT_EQ(counter("advert_rx"), 1U);
    transport.arrive(kEth0, add_ah(raw.bytes(), key, 5000));
    EXPECT_EQ(counter("ah_replay"), 1U);
    transport.arrive(kEth0, raw.bytes());
    EXPECT_EQ(counter("protocol"), 1U);
    // It goes on where the lost master has stopped.
    pass(kDown100 + Millis(1));
    ASSERT_EQ(state(), State::Master);
    const Bytes& sent = transport.sent.front().bytes;
    EXPECT_EQ(sent.at(9), kProtocolAh);
    EXPECT_EQ(Bytes(sent.begin() + 28, sent.begin() + 32), from_hex("00001389"));
}

TEST_F(VrrpEngine, StartupDelayHoldsBackWhatWasNotAtWorkBefore) {
    engine.configure({.instances = {instance()}, .startup_delay = Seconds(10)}, now);
    engine.start(now);
    pass(Seconds(10) + kDown100 - Nanos(1));
    EXPECT_EQ(state(), State::Backup);
    pass(Nanos(1));
    EXPECT_EQ(state(), State::Master);
}

}  // namespace
}  // namespace vipd::vrrp::test
