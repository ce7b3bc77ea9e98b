// SPDX-License-Identifier: Apache-2.0
#include "parse_support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vipd::config::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(GlobalDefs, AreRead) {
    const Parsed parsed = read(R"(instance blue
net_namespace red
global_defs {
    router_id lb1
    vrrp_version 3
    vrrp_mcast_group4 224.0.0.99
    vrrp_garp_master_refresh 60
    vrrp_strict off
    enable_script_security
    script_user nobody:nogroup
    lvs_timeouts tcp 7200 udp 60
    lvs_sync_daemon eth1 VI_1 id 7 port 9000 group 224.0.0.82
}
)" + instance(""));
    EXPECT_THAT(findings(parsed), IsEmpty());
    EXPECT_THAT(findings(read("global_defs {\nlvs_sync_daemon eth0\n}\n"
                              "vipd {\nsync {\npeer 10.0.0.2\nkey_file /k\n}\n}")),
                IsEmpty());
    const GlobalDefs& global = parsed.config.global;
    EXPECT_EQ(parsed.config.instance_name, "blue");
    EXPECT_EQ(parsed.config.net_namespace, "red");
    EXPECT_EQ(*global.router_id, "lb1");
    EXPECT_EQ(global.vrrp_mcast_group4->to_string(), "224.0.0.99");
    EXPECT_FALSE(*global.strict);
    EXPECT_TRUE(*global.enable_script_security);
    EXPECT_EQ(*global.script_user, "nobody");
    EXPECT_EQ(*global.script_group, "nogroup");
    EXPECT_EQ(*global.tcp_timeout, 7200U);
    EXPECT_EQ(*global.tcp_fin_timeout, 120U);
    EXPECT_EQ(*global.udp_timeout, 60U);
    ASSERT_TRUE(global.sync_daemon);
    EXPECT_EQ(global.sync_daemon->interface, "eth1");
    EXPECT_EQ(global.sync_daemon->instance, "VI_1");
    EXPECT_EQ(global.sync_daemon->id, 7);
    EXPECT_EQ(global.sync_daemon->port, 9000);
    EXPECT_EQ(global.sync_daemon->group.to_string(), "224.0.0.82");
    EXPECT_EQ(*parsed.config.instances[0].version, 3);
    EXPECT_EQ(*parsed.config.instances[0].garp_master_refresh, Seconds(60));
    EXPECT_EQ(*read("").config.global.router_id, "node1.example");
}

TEST(GlobalDefs, ANetNamespaceMayBeAnEmptyDefinition) {
    const Parsed parsed = read("net_namespace ${_INSTANCE}\n");
    EXPECT_THAT(findings(parsed), ElementsAre("1:1 warning: net_namespace names none; ignored"));
    EXPECT_EQ(parsed.config.net_namespace, "");
    EXPECT_EQ(parsed.exit_status(), 0);
}

TEST(GlobalDefs, ValuesOutOfRangeKeepTheDefault) {
    const Parsed parsed = read(
        "global_defs {\nvrrp_version 4\nvrrp_garp_interval 0\nvrrp_strict maybe\n"
        "vrrp_garp_master_repeat 5;\nvrrp_mcast_group4 10.0.0.1\nlvs_timeouts tpc 1\n}");
    EXPECT_THAT(findings(parsed),
                ElementsAre("2:14 error: number '4' is outside 2 to 3; ignored",
                            "3:20 error: 0 seconds are outside 0.000001 to 4294.967295; ignored",
                            "4:13 error: 'maybe' is neither on nor off; 'vrrp_strict' is ignored",
                            "5:25 error: '5;' is not a whole number; ignored",
                            "6:19 error: '10.0.0.1' is no IPv4 multicast address; ignored",
                            "7:14 error: unknown timeout 'tpc'; ignored"));
    EXPECT_EQ(*parsed.config.global.vrrp_version, 2);
    EXPECT_EQ(*parsed.config.global.garp_master_repeat, 5U);
}

TEST(VipdBlock, IsRead) {
    const Parsed parsed = read(R"(vipd {
    interfaces eth0 eth1
    attach_mode native
    flow_table_size 65536
    ring_size 65537
    lease 2.5
    api_socket /run/v.sock
    api_listen 127.0.0.1:9100
    sync {
        peer 10.0.0.2 10.0.0.3
        key_file /etc/vipd/key
        bind 10.0.0.1
        port 9999
    }
})");
    EXPECT_THAT(findings(parsed), IsEmpty());
    const Vipd& vipd = parsed.config.vipd;
    ASSERT_EQ(vipd.interfaces.size(), 2U);
    EXPECT_EQ(*vipd.interfaces[1], "eth1");
    EXPECT_EQ(vipd.interfaces[1].at.column, 21U);
    EXPECT_EQ(*vipd.attach, Vipd::Attach::Native);
    EXPECT_EQ(*vipd.flow_table_size, 65536U);
    EXPECT_EQ(*vipd.ring_size, 65537U);
    EXPECT_EQ(*vipd.lease, Millis(2500));
    EXPECT_TRUE(*vipd.lease_enabled);
    EXPECT_EQ(*vipd.api_socket, "/run/v.sock");
    EXPECT_EQ(vipd.api_listen->to_string(), "127.0.0.1:9100");
    ASSERT_EQ(vipd.sync_peers.size(), 2U);
    EXPECT_EQ(vipd.sync_peers[1]->to_string(), "10.0.0.3");
    EXPECT_EQ(*vipd.sync_key_file, "/etc/vipd/key");
    EXPECT_EQ(vipd.sync_bind->to_string(), "10.0.0.1");
    EXPECT_EQ(*vipd.sync_port, 9999);
    EXPECT_EQ(read("vipd {\napi_listen ::1 80\n}").config.vipd.api_listen->to_string(), "[::1]:80");
    EXPECT_EQ(read("vipd {\napi_listen [::1]:80\n}").config.vipd.api_listen->to_string(),
              "[::1]:80");
    EXPECT_FALSE(*read("vipd {\nlease off\n}").config.vipd.lease_enabled);
}

TEST(VipdBlock, SaysHowLongToWaitForThePeersAndWhereTheFlowsAreKept) {
    const Vipd plain = read("vipd {\n}").config.vipd;
    EXPECT_EQ(*plain.sync_wait_limit, Seconds(5));
    EXPECT_TRUE(*plain.checkpoint_enabled);
    EXPECT_FALSE(plain.checkpoint.set);
    EXPECT_EQ(*plain.checkpoint_interval, Seconds(60));

    const auto parsed =
        read("vipd {\ncheckpoint /var/flows\ncheckpoint_interval 2.5\nsync {\nwait_limit 0\n}\n}");
    EXPECT_THAT(findings(parsed), IsEmpty());
    EXPECT_EQ(*parsed.config.vipd.sync_wait_limit, Seconds(0));
    EXPECT_EQ(*parsed.config.vipd.checkpoint, "/var/flows");
    EXPECT_EQ(*parsed.config.vipd.checkpoint_interval, Millis(2500));

    const auto off = read("vipd {\ncheckpoint /a\ncheckpoint off\n}");
    EXPECT_FALSE(*off.config.vipd.checkpoint_enabled);
    EXPECT_TRUE(*read("vipd {\ncheckpoint off\ncheckpoint /a\n}").config.vipd.checkpoint_enabled);
    EXPECT_THAT(findings(read("vipd {\ncheckpoint flows\ncheckpoint_interval 0\n}")),
                ElementsAre("2:12 error: checkpoint needs an absolute path or off; ignored",
                            "3:21 error: 0 seconds are outside 1 to 86400; ignored"));
}

TEST(VipdBlock, BadValuesKeepTheDefault) {
    const Parsed parsed = read(
        "vipd {\nring_size 4096\nring_size 7\nattach_mode fast\nlease soon\n"
        "api_socket here\napi_listen 127.0.0.1\nsync {\npeer 10.0.0.2\n}\n}");
    EXPECT_THAT(
        findings(parsed),
        ElementsAre("2:11 error: ring_size 4096 is not a prime; ignored",
                    "3:11 error: number '7' is outside 251 to 131071; ignored",
                    "4:13 error: unknown attach mode 'fast'; ignored",
                    "5:7 error: 'soon' is not a time in seconds; ignored",
                    "6:12 error: api_socket needs an absolute path of at most 107 bytes; ignored",
                    "7:12 error: '127.0.0.1' has no port; ignored",
                    "8:1 error: sync has peers but no key_file; connections are not "
                    "synchronised"));
    EXPECT_THAT(findings(read("vipd {\nflow_table_size 134217728\n}")), IsEmpty());
    EXPECT_THAT(
        findings(read("vipd {\nflow_table_size 134217729\n}")),
        ElementsAre("2:17 error: number '134217729' is outside 1024 to 134217728; ignored"));
    EXPECT_EQ(parsed.diagnostics[0].hint, "the next prime is 4099");
    EXPECT_EQ(*parsed.config.vipd.ring_size, 4093U);
    EXPECT_FALSE(parsed.config.vipd.api_listen);
}

}  // namespace
}  // namespace vipd::config::test
