// SPDX-License-Identifier: Apache-2.0
// Instances with devices of their own (use_vmac): what becomes of the devices, and what goes by
// them.
#include "tests/unit/vrrp/engine_fixture.hpp"
#include "vrrp/engine/engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vipd::vrrp::test {
namespace {

using testing::Contains;
using testing::HasSubstr;

constexpr MacAddress kVmac = {0x00, 0x00, 0x5e, 0x00, 0x01, 51};

class VrrpDevices : public VrrpEngine {
  protected:
    static InstanceSettings with_vmac(const char* name = "VI_1", std::uint8_t vrid = 51) {
        InstanceSettings settings = instance(name, vrid);
        VirtualLink link{.name = "vrrp." + std::to_string(vrid), .mac = kVmac};
        link.mac.back() = vrid;
        settings.devices = {{"eth0", link, {}}};
        settings.device = link.name;
        for (Vip& vip : settings.vips) vip.device = link.name;
        return settings;
    }
    const Link* device(const std::string& name = "vrrp.51") const {
        for (const auto& [index, link] : links.table)
            if (link.name == name) return &link;
        return nullptr;
    }
};

TEST_F(VrrpDevices, AreMadeAtTheStartAndAreGoneAtTheEnd) {
    run({with_vmac()});
    ASSERT_NE(device(), nullptr);
    EXPECT_TRUE(device()->up);
    EXPECT_EQ(device()->mac, kVmac);
    EXPECT_EQ(device()->parent, kEth0);
    EXPECT_EQ(state(), State::Backup);
    EXPECT_FALSE(has(device()->index, "10.9.0.100/24"));
    engine.stop(now);
    EXPECT_EQ(device(), nullptr);
}

TEST_F(VrrpDevices, StayWithTheVipsWhereThoseAreKept) {
    run({with_vmac()});
    become_master();
    engine.stop(now, true);
    ASSERT_NE(device(), nullptr);
    EXPECT_TRUE(has(device()->index, "10.9.0.100/24"));
}

TEST_F(VrrpDevices, CarryTheVipsAndTheAdverts) {
    run({with_vmac()});
    pass(kDown100);
    ASSERT_EQ(state(), State::Master);
    const int index = device()->index;
    EXPECT_TRUE(has(index, "10.9.0.100/24"));
    EXPECT_FALSE(has(kEth0, "10.9.0.100/24"));
    ASSERT_FALSE(transport.sent.empty());
    for (const auto& sent : transport.sent) {
        EXPECT_EQ(sent.ifindex, index);
        if (!sent.is_frame()) continue;
        EXPECT_TRUE(std::ranges::equal(std::span(sent.bytes).subspan(6, 6), kVmac));
    }
    EXPECT_FALSE(transport.listens(kEth0, ip("224.0.0.18")));
    EXPECT_TRUE(transport.listens(index, ip("224.0.0.18")));
    const Bytes stronger = advert(200).bytes();
    transport.arrive(kEth0, stronger);
    EXPECT_EQ(state(), State::Master) << "of another network";
    transport.arrive(index, stronger);
    EXPECT_EQ(state(), State::Backup);
    EXPECT_FALSE(has(index, "10.9.0.100/24"));
}

TEST_F(VrrpDevices, AdvertsMayLeaveByTheInterface) {
    InstanceSettings settings = with_vmac();
    settings.device.clear();
    run({settings});
    pass(kDown100);
    ASSERT_EQ(state(), State::Master);
    EXPECT_EQ(transport.sent.front().ifindex, kEth0);
    EXPECT_TRUE(has(device()->index, "10.9.0.100/24"));
}

TEST_F(VrrpDevices, OneThatWasLeftBehindIsTakenUp) {
    Link& left = links.add_link(7, "vrrp.51");
    left.kind = "macvlan";
    left.parent = kEth0;
    left.mac = kVmac;
    assign(7, "10.9.0.100/24");
    run({with_vmac()});
    EXPECT_EQ(links.count("add_virtual_link vrrp.51 1"), 0U);
    EXPECT_EQ(state(), State::Backup);
    EXPECT_FALSE(has(7, "10.9.0.100/24"));
    engine.stop(now);
    EXPECT_EQ(device(), nullptr);
}

TEST_F(VrrpDevices, AStrangerOfThatNameIsAFaultAndIsLeftAlone) {
    links.add_link(7, "vrrp.51").up = false;
    run({with_vmac()});
    EXPECT_EQ(state(), State::Fault);
    EXPECT_THAT(lines, Contains(HasSubstr("vrrp.51 is there already")));
    engine.stop(now);
    EXPECT_NE(device(), nullptr);
}

TEST_F(VrrpDevices, OneThatCannotBeMadeIsAFaultUntilItCan) {
    links.fail_call(3, EOPNOTSUPP);  // after "links", "set_arp"
    run({with_vmac()});
    ASSERT_EQ(links.calls.at(2), "add_virtual_link vrrp.51 1");
    EXPECT_EQ(state(), State::Fault);
    EXPECT_THAT(report().fault, HasSubstr("vrrp.51 is missing"));
    engine.resync(now);
    EXPECT_EQ(state(), State::Backup);
}

TEST_F(VrrpDevices, DeletedItIsMadeAnewAndTheVipsAreThere) {
    run({with_vmac()});
    become_master();
    const int before = device()->index;
    ASSERT_TRUE(links.remove_link(before));
    deliver_events();
    ASSERT_NE(device(), nullptr);
    pass(Seconds(1));
    EXPECT_EQ(state(), State::Master);
    EXPECT_TRUE(has(device()->index, "10.9.0.100/24"));
    EXPECT_TRUE(has(device()->index, "10.9.0.101/24"));
}

TEST_F(VrrpDevices, SetDownItIsSetUp) {
    run({with_vmac()});
    set_link(device()->index, false);
    EXPECT_TRUE(device()->up);
    EXPECT_EQ(state(), State::Backup);
}

TEST_F(VrrpDevices, InterfaceThatComesLaterGetsItsDeviceThen) {
    links.table.erase(kEth0);
    run({with_vmac()});
    EXPECT_EQ(device(), nullptr);
    EXPECT_EQ(state(), State::Fault);
    links.add_link(kEth0, "eth0");
    links.announce({LinkEvent::Kind::Link, kEth0, {}, false});
    deliver_events();
    EXPECT_NE(device(), nullptr);
    EXPECT_EQ(state(), State::Backup);
}

// arp_ignore and arp_filter: or the interface would answer for the device's VIPs with its own MAC.
TEST_F(VrrpDevices, TheInterfaceAnswersArpForItsOwnAloneMeanwhile) {
    links.table.at(kEth0).arp = {.ignore = 0, .filter = 1};
    run({with_vmac(), with_vmac("VI_2", 52)});
    EXPECT_EQ(links.table.at(kEth0).arp, (ArpSettings{1, 1}));
    EXPECT_EQ(links.table.at(kEth1).arp, ArpSettings{});
    run({with_vmac("VI_2", 52)});
    EXPECT_EQ(links.table.at(kEth0).arp, (ArpSettings{1, 1}));
    engine.stop(now);
    EXPECT_EQ(links.table.at(kEth0).arp, (ArpSettings{0, 1}));
}

TEST_F(VrrpDevices, StricterArpIsLeftAlone) {
    links.table.at(kEth0).arp = {.ignore = 2, .filter = 1};
    run({with_vmac()});
    engine.stop(now);
    EXPECT_EQ(links.table.at(kEth0).arp, (ArpSettings{2, 1}));
}

TEST_F(VrrpDevices, AReloadMovesTheVipsOfAMasterToTheDeviceAndBack) {
    run({instance()});
    become_master();
    run({with_vmac()});
    EXPECT_EQ(state(), State::Master);
    EXPECT_TRUE(changes.empty());
    EXPECT_TRUE(has(device()->index, "10.9.0.100/24"));
    EXPECT_FALSE(has(kEth0, "10.9.0.100/24"));
    run({instance()});
    EXPECT_EQ(state(), State::Master);
    EXPECT_EQ(device(), nullptr);
    EXPECT_TRUE(has(kEth0, "10.9.0.100/24"));
}

// vmac_garp_intvl: switches must not forget the MAC.
TEST_F(VrrpDevices, AreAnnouncedAgainAndAgainWithoutTheOtherInterfaces) {
    InstanceSettings settings = with_vmac();
    settings.garp_extra_interval = Seconds(60);
    settings.garp_extra_all = false;
    settings.vips.back().device = "eth1";
    run({settings});
    become_master();
    pass(Seconds(30));
    transport.sent.clear();
    pass(Seconds(31));
    int announced = 0;
    for (const auto& sent : transport.sent) {
        if (!sent.is_frame()) continue;
        ++announced;
        EXPECT_EQ(sent.ifindex, device()->index);
    }
    EXPECT_EQ(announced, 1);
}

// use_ipvlan: two devices with one MAC are told apart by their addresses.
TEST_F(VrrpDevices, AnIpvlanGetsItsAddress) {
    InstanceSettings settings = with_vmac();
    settings.devices[0].link.kind = VirtualLink::Kind::Ipvlan;
    settings.devices[0].address = ip("10.9.0.61");
    settings.source = ip("10.9.0.61");
    run({settings});
    pass(kDown100);
    ASSERT_EQ(state(), State::Master);
    EXPECT_EQ(device()->kind, "ipvlan");
    EXPECT_TRUE(has(device()->index, "10.9.0.61/32"));
    EXPECT_TRUE(has(device()->index, "10.9.0.100/24"));
    EXPECT_EQ(links.table.at(kEth0).arp, ArpSettings{}) << "its MAC is the interface's";
    ASSERT_FALSE(transport.sent.empty());
    EXPECT_EQ(transport.sent.front().ifindex, device()->index);
    EXPECT_TRUE(std::ranges::equal(std::span(transport.sent.front().bytes).subspan(12, 4),
                                   ip("10.9.0.61").bytes()));
}

TEST_F(VrrpDevices, MastersAreTold) {
    run({with_vmac(), with_vmac("VI_2", 52)});
    EXPECT_TRUE(engine.masters().empty());
    pass(kDown100);
    EXPECT_EQ(engine.masters(), (std::vector<RouterId>{{Family::V4, 51}, {Family::V4, 52}}));
}

}  // namespace
}  // namespace vipd::vrrp::test
