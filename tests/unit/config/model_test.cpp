// SPDX-License-Identifier: Apache-2.0
// Blocks that only the model knows so far: what stands in the file is what stands in the model.
#include "parse_support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vipd::config::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> complaints(const Parsed& parsed) {
    std::vector<std::string> lines;
    for (const auto& diagnostic : parsed.diagnostics)
        if (diagnostic.severity != Severity::Warning || diagnostic.keepalived_too)
            lines.push_back(diagnostic.at.to_string() + " " + diagnostic.message);
    return lines;
}

TEST(Model, GlobalDefs) {
    const Parsed parsed = read(R"(global_defs {
notification_email { a@example.org
b@example.org
}
smtp_server 10.0.0.9 2525
smtp_connect_timeout 7
vrrp_mcast_group6 ff02::99
vrrp_priority -5
checker_cpu_affinity 1 3
bfd_rt_priority 50
max_auto_priority
umask IWGRP | IWOTH
notify_fifo /run/f alice staff
notify_fifo_script "/bin/reader now"
dynamic_interfaces allow_if_changes
vrrp_garp_extra_if all 120
lvs_flush_on_stop VS
json_version 2
})");
    EXPECT_THAT(complaints(parsed), IsEmpty());
    const GlobalDefs& global = parsed.config.global;
    ASSERT_EQ(global.smtp.to.size(), 2U);
    EXPECT_EQ(*global.smtp.to[1], "b@example.org");
    EXPECT_EQ(*global.smtp.server, "10.0.0.9");
    EXPECT_EQ(*global.smtp.port, 2525);
    EXPECT_EQ(*global.smtp.connect_timeout, Nanos(Seconds(7)));
    EXPECT_EQ(global.vrrp_mcast_group6->to_string(), "ff02::99");
    EXPECT_EQ(*global.vrrp.nice, -5);
    EXPECT_THAT(*global.checker.cpu_affinity, ElementsAre(1U, 3U));
    EXPECT_EQ(*global.bfd.rt_priority, 50);
    EXPECT_EQ(*global.max_auto_priority, 99);
    EXPECT_EQ(*global.umask, 022U);
    EXPECT_EQ(*global.fifo.path, "/run/f");
    EXPECT_EQ(global.fifo.group, "staff");
    EXPECT_THAT(global.fifo.script->argv, ElementsAre("/bin/reader", "now"));
    EXPECT_TRUE(*global.dynamic_interfaces_may_change);
    EXPECT_TRUE(*global.garp_extra_if_all);
    EXPECT_EQ(*global.garp_extra_if, Nanos(Seconds(120)));
    EXPECT_EQ(*global.lvs_flush_on_stop, GlobalDefs::FlushOnStop::Services);
    EXPECT_EQ(*global.json_version, 2);
    EXPECT_EQ(global.json_version.at.line, 18U);
}

TEST(Model, InstanceWithEverything) {
    const Parsed parsed = read(
        "track_file F {\nfile /f\n}\nvrrp_track_process P {\nprocess p\n}\n"
        "bfd_instance B {\nneighbor_ip 10.0.0.9\n}\n" +
        instance(R"(use_vmac vrrp.51 02:00:00:00:00:33 group 7
vmac_xmit_base
accept
mcast_dst_ip 224.0.0.99
auth_hmac {
key 1 hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
key 2 a_secret_of_33_characters_or_more
active_key 2
time_window 9
mode permissive
}
track_file { F weight -3 reverse
}
track_process { P
}
track_bfd { B weight 5
}
notify_deleted /bin/gone
timer_expired_backup 20
garp_lower_prio_repeat 2
old_unicast_checksum never
smtp_alert)"));
    EXPECT_THAT(complaints(parsed), IsEmpty());
    const VrrpInstance& vi = parsed.config.instances.at(0);
    EXPECT_EQ(vi.device.kind, VirtualDevice::Kind::Macvlan);
    EXPECT_EQ(vi.device.name, "vrrp.51");
    EXPECT_EQ(to_string(*vi.device.mac), "02:00:00:00:00:33");
    EXPECT_EQ(vi.device.group, 7U);
    EXPECT_TRUE(*vi.vmac_xmit_base);
    ASSERT_EQ(vi.auth_hmac->keys.size(), 2U);
    EXPECT_EQ(vi.auth_hmac->keys[0].bytes.size(), 32U);
    EXPECT_EQ(vi.auth_hmac->keys[0].bytes.back(), 0x1f);
    EXPECT_EQ(vi.auth_hmac->keys[1].bytes, "a_secret_of_33_characters_or_more");
    EXPECT_EQ(*vi.auth_hmac->active_key, 2);
    EXPECT_EQ(*vi.auth_hmac->mode, HmacAuth::Mode::Permissive);
    EXPECT_EQ(vi.track_files.at(0).weight, -3);
    EXPECT_TRUE(vi.track_files[0].reverse);
    EXPECT_EQ(vi.track_processes.at(0).name, "P");
    EXPECT_EQ(vi.track_bfds.at(0).weight, 5);
    EXPECT_THAT(vi.notify.deleted->argv, ElementsAre("/bin/gone"));
    EXPECT_EQ(*vi.timer_expired_priority, 20);
    EXPECT_EQ(*vi.garp_lower_prio_repeat, 2U);
    EXPECT_TRUE(*vi.old_unicast_checksum_never);
    EXPECT_TRUE(*vi.notify.smtp_alert);
}

TEST(Model, Trackers) {
    const Parsed parsed = read(R"(track_file F {
file "/run/state file"
weight 2 reverse
init_file 5 overwrite
}
vrrp_track_process P {
process "/usr/sbin/nginx -c" x
param_match initial
quorum 2
quorum_max 4
delay 1.5
}
bfd_instance B {
neighbor_ip 10.0.0.2
min_rx 5
max_hops 3
weight -10 reverse
}
garp_group {
garp_interval 0.5
interfaces { eth0 eth1
}
}
interface_up_down_delays {
eth0 2 3.5
}
linkbeat_interfaces {
eth1 MII
}
track_group G {
group { A B
}
})");
    EXPECT_THAT(complaints(parsed), IsEmpty());
    const Config& config = parsed.config;
    EXPECT_EQ(*config.track_files.at(0).path, "/run/state file");
    EXPECT_EQ(*config.track_files[0].initial, 5);
    EXPECT_TRUE(config.track_files[0].overwrite);
    EXPECT_EQ(*config.track_processes.at(0).program, "/usr/sbin/nginx");
    EXPECT_THAT(config.track_processes[0].parameters, ElementsAre("-c", "x"));
    EXPECT_EQ(*config.track_processes[0].terminate_delay, Nanos(Millis(1500)));
    EXPECT_EQ(*config.bfd_instances.at(0).min_rx, Nanos(Millis(5)));
    EXPECT_TRUE(*config.bfd_instances[0].reverse);
    EXPECT_EQ(config.garp_groups.at(0).interfaces.size(), 2U);
    EXPECT_EQ(config.up_down_delays.at(0).up, Nanos(Millis(3500)));
    EXPECT_EQ(config.linkbeat_interfaces.at(0).method, Linkbeat::Method::Mii);
    EXPECT_EQ(config.track_groups.at(0).members.size(), 2U);
}

TEST(Model, RoutesAndRules) {
    const Parsed parsed = read(R"(static_routes {
default via 10.0.0.254 dev eth0 metric 5 onlink
10.9.0.0/16 src 10.0.0.1 dev eth1 table 100 scope link mtu lock 1400 rtt 200ms
blackhole 10.8.0.0/16
2001:db8::/32 via fe80::1 dev eth0 pref high
10.7.0.0/16 no_track nexthop via 10.0.0.3 weight 2 nexthop via 10.0.0.4 dev eth1 onlink
10.6.0.0/16 encap mpls 100/200 via 10.0.0.5 dev eth0
}
static_rules {
from 10.0.0.0/24 table 100 preference 200
fwmark 0x10/0xff iif eth0 goto 300 priority 201
to 2001:db8::/32 dport 80-90 ipproto tcp blackhole preference 5
}
static_ipaddress {
10.0.0.7/24 dev eth1 scope site peer 10.0.0.8/32 preferred_lft forever
})");
    EXPECT_THAT(complaints(parsed), IsEmpty());
    const auto& routes = parsed.config.static_routes;
    ASSERT_EQ(routes.size(), 6U);
    EXPECT_EQ(routes[0].destination.to_string(), "0.0.0.0/0");
    EXPECT_EQ(routes[0].metric, 5U);
    EXPECT_TRUE(routes[0].onlink);
    EXPECT_EQ(routes[1].table, 100U);
    EXPECT_EQ(routes[1].scope, 253);
    EXPECT_THAT(routes[1].metrics,
                ElementsAre(RouteMetric{2, 1400, true}, RouteMetric{4, 1600, false}));
    EXPECT_EQ(routes[2].type, 6);
    EXPECT_EQ(routes[3].family, Family::V6);
    EXPECT_EQ(routes[3].preference, 1);
    ASSERT_EQ(routes[4].next_hops.size(), 2U);
    EXPECT_EQ(routes[4].next_hops[0].weight, 2);
    EXPECT_TRUE(routes[4].next_hops[1].onlink);
    EXPECT_THAT(routes[5].encapsulation.labels, ElementsAre(100U, 200U));
    EXPECT_EQ(routes[5].via.to_string(), "10.0.0.5");
    const auto& rules = parsed.config.static_rules;
    ASSERT_EQ(rules.size(), 3U);
    EXPECT_EQ(rules[0].from->to_string(), "10.0.0.0/24");
    EXPECT_EQ(rules[1].fwmask, 255U);
    EXPECT_EQ(rules[1].target, 300U);
    EXPECT_EQ(rules[2].destination_ports->second, 90);
    EXPECT_EQ(rules[2].family, Family::V6);
    EXPECT_EQ(parsed.config.static_addresses.at(0).scope, 200);
}

TEST(Model, RoutesWithMistakesAreLeftOut) {
    const Parsed parsed = read(
        "static_routes {\n10.0.0.0/8 frob\nvia 10.0.0.1\n10.0.0.0/8 via fe80::x\n"
        "10.0.0.0/8 src 2001:db8::1\n}\nstatic_rules {\nfrom 10.0.0.1 preference 1\nfrob 1\n}\n");
    EXPECT_TRUE(parsed.config.static_routes.empty());
    EXPECT_TRUE(parsed.config.static_rules.empty());
    EXPECT_EQ(complaints(parsed).size(), 6U);
}

TEST(Model, Services) {
    const Parsed parsed = read(R"(track_file F {
file /f
}
virtual_server_group G {
10.0.0.1-5 80
10.0.1.0/30 443
2001:db8::1-2001:db8::10 80
fwmark 7 inet6
}
vipd {
fwmark 7 {
10.9.9.9 80 tcp
}
}
virtual_server group G {
lb_algo sh
sh-port
flag-3
lb_kind TUN type gue port 6080 csum
protocol TCP
persistence_timeout
persistence_granularity 255.255.255.0
smtp_alert
ip_family inet
real_server 10.1.0.1 80 {
uthreshold 100
lthreshold 10
alpha
UDP_CHECK {
payload 00ff
require_reply 1x
min_reply_length 1
}
DNS_CHECK {
type MX
name example.org
}
FILE_CHECK {
track_file F
weight 3 reverse
}
SSL_GET {
enable_sni
url {
path /a
regex "^ok"
regex_options caseless
}
}
SMTP_CHECK {
helo_name h
host {
connect_port 26
}
}
}
})");
    EXPECT_THAT(complaints(parsed), IsEmpty());
    const auto& group = parsed.config.virtual_server_groups.at(0);
    ASSERT_EQ(group.ranges.size(), 3U);
    EXPECT_EQ(group.ranges[0].count, 5U);
    EXPECT_EQ(group.ranges[1].count, 4U);
    EXPECT_EQ(group.ranges[2].count, 16U);
    EXPECT_EQ(group.marks.at(0).family, Family::V6);
    const auto& server = parsed.config.virtual_servers.at(0);
    EXPECT_TRUE(server.hash_port && server.flag_3);
    EXPECT_EQ(server.tunnel.type, Tunnel::Type::Gue);
    EXPECT_EQ(server.tunnel.checksum, Tunnel::Checksum::Full);
    EXPECT_EQ(*server.persistence_timeout, 360U);
    EXPECT_EQ(*server.persistence_prefix, 24);
    const auto& real = server.real_servers.at(0);
    EXPECT_EQ(*real.upper_threshold, 100U);
    ASSERT_EQ(real.checkers.size(), 5U);
    EXPECT_TRUE(real.checkers[0].alpha);
    EXPECT_THAT(real.checkers[0].payload, ElementsAre(0x00, 0xff));
    EXPECT_THAT(real.checkers[0].reply_mask, ElementsAre(0xf0));
    EXPECT_EQ(real.checkers[1].dns_type, "MX");
    EXPECT_EQ(real.checkers[1].timing.retry, 3U);
    EXPECT_TRUE(real.checkers[2].file_reverse);
    EXPECT_EQ(real.checkers[3].urls.at(0).regex, "^ok");
    EXPECT_EQ(real.checkers[4].connect_to.port, 26);
}

}  // namespace
}  // namespace vipd::config::test
