// SPDX-License-Identifier: Apache-2.0
// The devices that use_vmac and its kind ask for.
#include "userspace/config/made_devices.hpp"

#include <gtest/gtest.h>

namespace vipd::config {
namespace {

std::string instance(const char* name, int vrid, const char* lines, const char* vips = "10.0.0.9") {
    return std::string("vrrp_instance ") + name + " {\n interface eth0\n virtual_router_id " +
           std::to_string(vrid) + "\n version 3\n" + lines + "\n virtual_ipaddress {\n" + vips +
           "\n }\n}\n";
}

Config config_of(const std::string& text) {
    const auto parsed = parse(text, "test", {});
    for (const auto& diagnostic : parsed.diagnostics) ADD_FAILURE() << render(diagnostic);
    return parsed.config;
}

using Devices = std::vector<MadeDevice>;

MadeDevice macvlan(const char* parent, const char* name, MacAddress mac) {
    return {parent, mac[4] == 2 ? Family::V6 : Family::V4, {.name = name, .mac = mac}, {}};
}

TEST(MadeDevices, AreNamedByFamilyAndVridAndHaveTheRfcsMac) {
    const auto config =
        config_of(instance("A", 51, " use_vmac") + instance("B", 52, " use_vmac", "fe80::9") +
                  instance("C", 53, ""));
    const auto devices = made_devices(config);
    ASSERT_EQ(devices.size(), 3U);
    EXPECT_EQ(devices[0], (Devices{macvlan("eth0", "vrrp.51", {0, 0, 0x5e, 0, 1, 51})}));
    EXPECT_EQ(devices[1], (Devices{macvlan("eth0", "vrrp6.52", {0, 0, 0x5e, 0, 2, 52})}));
    EXPECT_TRUE(devices[2].empty());
}

TEST(MadeDevices, NamesAndMacsMayBeGiven) {
    const auto config = config_of("global_defs {\n vmac_prefix v\n}\n" +
                                  instance("A", 51, " use_vmac mine 02:00:00:00:00:09") +
                                  instance("B", 52, " use_vmac group 7"));
    const auto devices = made_devices(config);
    EXPECT_EQ(devices[0], (Devices{macvlan("eth0", "mine", {2, 0, 0, 0, 0, 9})}));
    EXPECT_EQ(devices[1][0].link.name, "v.52");
    EXPECT_EQ(devices[1][0].link.group, 7U);
}

TEST(MadeDevices, AMacOfFiveOctetsEndsInTheVrid) {
    const auto config = config_of(instance("A", 51, " use_vmac 02:00:00:00:07"));
    EXPECT_EQ(made_devices(config)[0], (Devices{macvlan("eth0", "vrrp.51", {2, 0, 0, 0, 7, 51})}));
}

TEST(MadeDevices, AnIpvlanHasAnAddressAndIsABridge) {
    const auto config = config_of(instance("A", 51, " use_ipvlan 10.0.0.8/24") +
                                  instance("B", 52, " use_ipvlan iv private", "fe80::9"));
    const auto devices = made_devices(config);
    ASSERT_EQ(devices[0].size(), 1U);
    EXPECT_EQ(devices[0][0].link.kind, VirtualLink::Kind::Ipvlan);
    EXPECT_EQ(devices[0][0].link.mode, VirtualLink::Mode::Bridge);
    EXPECT_EQ(devices[0][0].address, IpAddress::parse("10.0.0.8"));
    EXPECT_EQ(devices[1][0].link.name, "iv");
    EXPECT_EQ(devices[1][0].link.mode, VirtualLink::Mode::Private);
    EXPECT_FALSE(devices[1][0].address);
}

TEST(MadeDevices, AnExcludedVipOfTheOtherFamilyHasItsOwnOnlyIfAsked) {
    const auto names = [](const char* lines) {
        const auto config =
            config_of("vrrp_instance A {\n interface eth0\n virtual_router_id 51\n version 3\n" +
                      std::string(lines) +
                      "\n virtual_ipaddress {\n 10.0.0.9\n }\n virtual_ipaddress_excluded {\n "
                      "2001:db8::9\n }\n}\n");
        std::vector<std::string> found;
        const auto devices = made_devices(config);
        for (const auto& device : devices[0]) found.push_back(device.link.name);
        return found;
    };
    EXPECT_EQ(names(" use_vmac"), (std::vector<std::string>{"vrrp.51"}));
    EXPECT_EQ(names(" use_vmac\n use_vmac_addr"),
              (std::vector<std::string>{"vrrp.51", "vrrp6.51"}));
}

TEST(MadeDevices, NamesAreDistinct) {
    const auto config =
        config_of(instance("A", 51, " use_vmac vrrp.52") + instance("B", 52, " use_vmac") +
                  "vrrp_instance C {\n interface eth1\n virtual_router_id 52\n use_vmac\n"
                  " virtual_ipaddress {\n 10.1.0.9\n }\n}\n");
    const auto devices = made_devices(config);
    EXPECT_EQ(devices[1][0].link.name, "vrrp.52.1");
    EXPECT_EQ(devices[2][0].link.name, "vrrp.52.2");
    EXPECT_EQ(devices[2][0].parent, "eth1");
}

TEST(MadeDevices, OtherInterfacesGetOneWhereTheVipsWantIt) {
    const char* vips = "10.0.0.9\n10.1.0.9 dev eth1\n10.2.0.9 dev eth2 use_vmac\n10.0.0.8 dev eth0";
    const auto of = [&](const char* lines) { return config_of(instance("A", 51, lines, vips)); };
    const auto names = [](const Config& config) {
        std::vector<std::string> found;
        const auto devices = made_devices(config);
        for (const auto& vip : config.instances[0].virtual_ipaddress) {
            const auto* device = device_of(config.instances[0], devices[0], vip);
            found.push_back(device == nullptr ? "" : device->link.name + "@" + device->parent);
        }
        return found;
    };
    using Names = std::vector<std::string>;
    EXPECT_EQ(names(of("")), (Names{"", "", "vrrp.51@eth2", ""}));
    EXPECT_EQ(names(of(" use_vmac")),
              (Names{"vrrp.51@eth0", "", "vrrp.51.1@eth2", "vrrp.51@eth0"}));
    EXPECT_EQ(names(of(" use_vmac\n use_vmac_addr")),
              (Names{"vrrp.51@eth0", "vrrp.51.1@eth1", "vrrp.51.2@eth2", "vrrp.51@eth0"}));
}

}  // namespace
}  // namespace vipd::config
