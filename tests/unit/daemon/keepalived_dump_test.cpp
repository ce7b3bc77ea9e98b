// SPDX-License-Identifier: Apache-2.0
// The files of keepalived's signals, value by value; tests/interop compares them with the real
// ones.
#include "userspace/daemon/keepalived_dump.hpp"

#include "tests/unit/api/sample_status.hpp"
#include "userspace/api/json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vipd::daemon {
namespace {

using api::Json;
using api::sample_status;
using testing::HasSubstr;

config::Config sample_config() {
    return config::parse(
               "vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n"
               " priority 100\n advert_int 1\n"
               " authentication {\n auth_type PASS\n auth_pass secret\n }\n"
               " virtual_ipaddress {\n 10.0.0.1/24 brd 10.0.0.255 label eth0:1\n"
               " 10.0.0.2 dev eth1 scope link\n }\n"
               " notify_master \"/bin/a 'b c'\"\n}\n",
               "test",
               {})
        .config;
}

TEST(KeepalivedDump, JsonTellsWhatIsConfiguredAndWhatIs) {
    const auto json = Json::parse(keepalived_json(sample_config(), sample_status(), {}));
    ASSERT_EQ(json.size(), 1U);
    const auto& data = json[0]["data"];
    EXPECT_EQ(data["iname"], "VI_1");
    EXPECT_EQ(data["state"], 2);
    EXPECT_EQ(data["effective_priority"], 90);
    EXPECT_EQ(data["vips"][0], "10.0.0.1/24 brd 10.0.0.255 dev eth0 scope global label eth0:1 set");
    EXPECT_EQ(data["vips"][1], "10.0.0.2 dev eth1 scope link set");
    EXPECT_EQ(data["script_master"], "'/bin/a' 'b c'");
    EXPECT_EQ(data["auth_data"], "********");
    EXPECT_EQ(json[0]["stats"]["advert_sent"], 12);
    EXPECT_EQ(json[0]["stats"]["auth_failure"], 1);
    EXPECT_EQ(json[0]["stats"]["advert_rcvd"], 0);
}

TEST(KeepalivedDump, TheDeviceOfUseVmacIsNamed) {
    auto config = sample_config();
    EXPECT_EQ(Json::parse(keepalived_json(config, {}, {}))[0]["data"]["vmac_ifname"], "");
    config.instances[0].virtual_router_id.value = 51;
    config.instances[0].device.kind = config::VirtualDevice::Kind::Macvlan;
    EXPECT_EQ(Json::parse(keepalived_json(config, {}, {}))[0]["data"]["vmac_ifname"], "vrrp.51");
}

TEST(KeepalivedDump, ClearedCountersCountFromThereOn) {
    auto status = sample_status();
    const auto base = counter_base(status);
    status.instances[0].report.counters[0].value += 3;
    EXPECT_THAT(keepalived_stats(status, base), HasSubstr("    Sent: 3\n"));
    // The process that counts was restarted: nothing may be subtracted below zero.
    status.instances[0].report.counters[0].value = 1;
    EXPECT_THAT(keepalived_stats(status, base), HasSubstr("    Sent: 1\n"));
}

TEST(KeepalivedDump, AnInstanceThatIsNotThereYetIsNoMaster) {
    auto status = sample_status();
    status.instances.clear();
    const auto json = Json::parse(keepalived_json(sample_config(), status, {}));
    EXPECT_EQ(json[0]["data"]["state"], 0);
    EXPECT_EQ(json[0]["data"]["vipset"], false);
    EXPECT_THAT(keepalived_data(sample_config(), status), HasSubstr("   State = INIT\n"));
}

}  // namespace
}  // namespace vipd::daemon
