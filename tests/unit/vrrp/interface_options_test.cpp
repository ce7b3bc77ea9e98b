// SPDX-License-Identifier: Apache-2.0
// What the configuration says about interfaces: promote_secondaries, interface_up_down_delays,
// garp_extra_if.
#include "tests/unit/vrrp/engine_fixture.hpp"
#include "vrrp/engine/engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vipd::vrrp::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

class VrrpInterfaces : public VrrpEngine {
  protected:
    static InstanceSettings promoting(const char* name = "VI_1", std::uint8_t vrid = 51) {
        InstanceSettings settings = instance(name, vrid);
        settings.promote_secondaries = true;
        return settings;
    }
    bool promotes(int ifindex) const { return links.table.at(ifindex).promotes; }
};

// --- promote_secondaries -----------------------------------------------------------------------

TEST_F(VrrpInterfaces, SecondariesArePromotedWhileAnInstanceOfTheInterfaceAsksForIt) {
    run({promoting(), promoting("VI_2", 52), instance("VI_3", 53)});
    EXPECT_TRUE(promotes(kEth0));
    EXPECT_FALSE(promotes(kEth1));
    EXPECT_EQ(links.count("set_promotes 1 1"), 1U);
    run({promoting(), instance("VI_2", 52)});
    EXPECT_TRUE(promotes(kEth0));
    run({instance(), instance("VI_2", 52)});
    EXPECT_FALSE(promotes(kEth0));
    EXPECT_EQ(links.count("set_promotes 1 0"), 1U);
}

TEST_F(VrrpInterfaces, PromotionEndsWithTheDaemonAfterTheVipsAreOff) {
    run({promoting()});
    become_master();
    links.calls.clear();
    engine.stop(now);
    EXPECT_FALSE(promotes(kEth0));
    EXPECT_EQ(links.calls.back(), "set_promotes 1 0");
    EXPECT_EQ(links.count("remove_address 10.9.0.101/24 1"), 1U);
}

TEST_F(VrrpInterfaces, WhatPromotedBeforeIsLeftAlone) {
    links.table.at(kEth0).promotes = true;
    run({promoting()});
    engine.stop(now);
    EXPECT_TRUE(promotes(kEth0));
    EXPECT_EQ(links.count("set_promotes 1 1") + links.count("set_promotes 1 0"), 0U);
}

TEST_F(VrrpInterfaces, AnInterfaceMadeAnewPromotesToo) {
    run({promoting()});
    links.table.erase(kEth0);
    links.announce({LinkEvent::Kind::Link, kEth0, {}, true});
    deliver_events();
    links.add_link(9, "eth0");
    assign(9, "10.9.0.1/24");
    links.announce({LinkEvent::Kind::Link, 9, {}, false});
    deliver_events();
    EXPECT_TRUE(promotes(9));
    EXPECT_EQ(links.count("set_promotes 1 0"), 0U);
}

TEST_F(VrrpInterfaces, ARefusalIsToldAndTriedAgain) {
    engine.configure({{promoting()}, {}}, now);
    links.fail_call(3, EPERM);  // links, addresses, set_promotes
    engine.start(now);
    EXPECT_FALSE(promotes(kEth0));
    EXPECT_THAT(lines, Contains(HasSubstr("set_promotes 1 1")));
    engine.resync(now);
    EXPECT_TRUE(promotes(kEth0));
}

// --- interface_up_down_delays ------------------------------------------------------------------

class VrrpLinkDelays : public VrrpInterfaces {
  protected:
    void run_delayed() {
        engine.configure(
            {.instances = {instance()}, .link_delays = {{"eth0", Seconds(2), Seconds(3)}}}, now);
        if (!engine.started()) engine.start(now);
    }
};

TEST_F(VrrpLinkDelays, AnInterfaceIsDownOnlyWhenItHasStayedSo) {
    run_delayed();
    become_master();
    set_link(kEth0, false);
    pass(Seconds(2) - Nanos(1));
    EXPECT_EQ(state(), State::Master);
    pass(Nanos(1));
    EXPECT_EQ(state(), State::Fault);
    EXPECT_EQ(report().fault, "interface eth0 is down");
    EXPECT_THAT(lines, Contains("Netlink reports eth0 down"));
}

TEST_F(VrrpLinkDelays, AnInterfaceThatIsBackInTimeWasNeverDown) {
    run_delayed();
    become_master();
    set_link(kEth0, false);
    pass(Seconds(1));
    set_link(kEth0, true);
    pass(Seconds(1));
    set_link(kEth0, false);  // the time runs anew
    pass(Seconds(1));
    set_link(kEth0, true);
    pass(Seconds(10));
    EXPECT_EQ(state(), State::Master);
    EXPECT_THAT(changes, testing::IsEmpty());
    EXPECT_THAT(lines, testing::Not(Contains(HasSubstr("Netlink reports"))));
}

TEST_F(VrrpLinkDelays, AnInterfaceIsUpOnlyWhenItHasStayedSo) {
    links.table.at(kEth0).up = links.table.at(kEth0).running = false;
    run_delayed();
    EXPECT_EQ(state(), State::Fault);  // at the start as it is
    set_link(kEth0, true);
    pass(Seconds(3) - Nanos(1));
    EXPECT_EQ(state(), State::Fault);
    pass(Nanos(1));
    EXPECT_EQ(state(), State::Backup);
}

TEST_F(VrrpLinkDelays, AnInterfaceThatGoesOrIsMadeAnewDoesNotWait) {
    run_delayed();
    become_master();
    links.table.erase(kEth0);
    links.announce({LinkEvent::Kind::Link, kEth0, {}, true});
    deliver_events();
    EXPECT_EQ(state(), State::Fault);
    links.add_link(9, "eth0");
    assign(9, "10.9.0.1/24");
    links.announce({LinkEvent::Kind::Link, 9, {}, false});
    deliver_events();
    EXPECT_EQ(state(), State::Backup);
}

TEST_F(VrrpLinkDelays, AReloadKeepsWhatIsPending) {
    run_delayed();
    become_master();
    set_link(kEth0, false);
    pass(Seconds(1));
    run_delayed();
    pass(Seconds(1));
    EXPECT_EQ(state(), State::Fault);
}

// --- garp_extra_if -----------------------------------------------------------------------------

TEST_F(VrrpInterfaces, AMasterAnnouncesOneVipOnEachOtherInterface) {
    InstanceSettings settings = instance();
    settings.garp_extra_interval = Seconds(60);
    for (const char* vip : {"10.8.0.100/24", "10.8.0.101/24"})
        settings.vips.push_back(
            {.prefix = *IpPrefix::parse(vip), .device = "eth1", .label = {}, .broadcast = {}});
    run({settings});
    pass(Seconds(300));
    ASSERT_EQ(state(), State::Master);
    const auto extra = [this](Nanos time) {
        transport.sent.clear();
        pass(time);
        std::vector<std::string> frames;
        for (const auto& line : wire())
            if (line.starts_with("arp")) frames.push_back(line);
        return frames;
    };
    (void)extra(Seconds(60));
    EXPECT_THAT(extra(Seconds(60)), ElementsAre("arp 10.8.0.100"));
    EXPECT_THAT(extra(Seconds(120)), ElementsAre("arp 10.8.0.100", "arp 10.8.0.100"));
    EXPECT_EQ(transport.sent.back().ifindex, kEth0);
    arrive(advert(200));
    EXPECT_THAT(extra(Seconds(2)), testing::IsEmpty());
    EXPECT_EQ(state(), State::Backup);
    pass(kDown100 + Seconds(50));
    settings.garp_extra_interval = Nanos(0);
    run({settings});
    EXPECT_THAT(extra(Seconds(200)), testing::IsEmpty());
}

}  // namespace
}  // namespace vipd::vrrp::test
