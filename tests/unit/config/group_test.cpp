// SPDX-License-Identifier: Apache-2.0
// What a virtual_server stands for: groups, ranges, fwmarks, any port; persistence.
#include "tests/unit/config/parse_support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vipd::config {
namespace {

using namespace test;
using ::testing::ElementsAre;

const std::string kBody =
    " {\nlb_algo rr\nlb_kind DR\nprotocol TCP\nreal_server 10.9.0.2 80 {\n}\n}\n";

std::vector<std::string> members(const Parsed& parsed) {
    std::vector<std::string> names;
    for (const auto& member : parsed.config.virtual_servers.at(0).members) {
        names.push_back(member.key.to_string());
        for (const auto& also : member.also) names.back() += " " + also.to_string();
        if (member.mark != 0) names.back() += " mark " + std::to_string(member.mark);
    }
    return names;
}

Parsed group(const std::string& lines) {
    return read("virtual_server group g" + kBody + "virtual_server_group g {\n" + lines + "\n}\n");
}

TEST(ServerGroup, RangesAndNetworksAreExpanded) {
    const Parsed parsed = group("10.0.0.1 80\n10.0.0.9-11 80\n10.0.0.254-10.0.1.1 443");
    EXPECT_THAT(findings(parsed), ElementsAre());
    EXPECT_THAT(members(parsed),
                ElementsAre("10.0.0.1:80/TCP",
                            "10.0.0.9:80/TCP",
                            "10.0.0.10:80/TCP",
                            "10.0.0.11:80/TCP",
                            "10.0.0.254:443/TCP",
                            "10.0.0.255:443/TCP",
                            "10.0.1.0:443/TCP",
                            "10.0.1.1:443/TCP"));
    const auto& server = parsed.config.virtual_servers[0];
    EXPECT_EQ(server.key, server.members[0].key);
    EXPECT_EQ(server.group, "g");
    EXPECT_EQ(server.real_servers.at(0).endpoint.port, 80) << "for its checkers";
    EXPECT_THAT(
        members(group("10.0.0.8/30 80")),
        ElementsAre("10.0.0.8:80/TCP", "10.0.0.9:80/TCP", "10.0.0.10:80/TCP", "10.0.0.11:80/TCP"));
    EXPECT_EQ(members(group("10.0.0.0/20 80")).size(), 4096U);
    EXPECT_EQ(members(group("255.255.255.254/31 80")).size(), 2U);
}

TEST(ServerGroup, OfIpv6) {
    const std::string v6 =
        "virtual_server group g {\nlb_algo rr\nlb_kind TUN\nprotocol TCP\n"
        "real_server 10.9.0.2 80 {\n}\n}\nvirtual_server_group g {\n2001:db8::ffe-1001 80\n}\n";
    EXPECT_THAT(members(read(v6)),
                ElementsAre("[2001:db8::ffe]:80/TCP",
                            "[2001:db8::fff]:80/TCP",
                            "[2001:db8::1000]:80/TCP",
                            "[2001:db8::1001]:80/TCP"));
}

TEST(ServerGroup, MistakesAreReported) {
    const Parsed parsed = group(
        "10.0.0.9-3 80\n10.0.0.0/8 80\nnonsense 80\n10.0.0.1 70000\nfwmark\nfwmark 7\n"
        "10.0.0.1 80");
    EXPECT_THAT(
        findings(parsed),
        ElementsAre("9:1 error: '10.0.0.9-3' is no range of at most 65536 addresses; ignored",
                    "10:1 error: '10.0.0.0/8' is no range of at most 65536 addresses; ignored",
                    "11:1 error: 'nonsense' is not an IP address or range; ignored",
                    "12:10 error: number '70000' is outside 0 to 65535; ignored",
                    "13:1 error: 'fwmark' needs a value; ignored",
                    "14:8 error: nothing says what carries fwmark 7, which XDP cannot see; not "
                    "forwarded"));
    EXPECT_THAT(members(parsed), ElementsAre("10.0.0.1:80/TCP"));
    EXPECT_THAT(findings(read("virtual_server group h" + kBody)),
                ElementsAre("1:16 error: virtual_server_group 'h' is not defined; this "
                            "virtual_server is not forwarded"));
    EXPECT_THAT(findings(read("virtual_server group g" + kBody +
                              "virtual_server_group g {\n}\nvirtual_server_group g {\n}\n")),
                ElementsAre("1:16 error: virtual_server_group 'g' is not defined; this "
                            "virtual_server is not forwarded",
                            "8:22 complaint: virtual_server_group 'g' is empty; ignored",
                            "10:22 error: virtual_server_group 'g' has been defined in line 8 "
                            "already; ignored"));
}

TEST(ServerGroup, AnAddressBelongsToOneVirtualServer) {
    const Parsed parsed = read("virtual_server 10.0.0.2 80" + kBody + "virtual_server group g" +
                               kBody + "virtual_server_group g {\n10.0.0.1-3 80\n}\n");
    EXPECT_THAT(findings(parsed),
                ElementsAre("8:16 error: virtual_server 10.0.0.2:80/TCP has been defined in line 1 "
                            "already; ignored"));
    ASSERT_EQ(parsed.config.virtual_servers.size(), 2U);
    EXPECT_EQ(parsed.config.virtual_servers[1].members.size(), 2U);
}

TEST(Fwmark, IsWhatVipdSaysCarriesIt) {
    const Parsed parsed = read(
        "virtual_server fwmark 3 {\nlb_algo rr\nlb_kind DR\npersistence_timeout 600\n"
        "real_server 10.9.0.2 {\n}\n}\n"
        "vipd {\nfwmark 3 {\n10.0.0.1 443 tcp\n10.0.0.1 80 TCP\n10.0.0.2-3 UDP\n}\n}\n");
    EXPECT_THAT(findings(parsed), ElementsAre());
    EXPECT_THAT(members(parsed),
                ElementsAre("10.0.0.1:80/TCP 10.0.0.1:443/TCP 10.0.0.2:0/UDP 10.0.0.3:0/UDP "
                            "mark 3"));
    EXPECT_EQ(*parsed.config.virtual_servers[0].persistence_timeout, 600U);
    EXPECT_TRUE(parsed.config.virtual_servers[0].forwarded);
}

TEST(Fwmark, WithoutThatIsAnErrorAtItsLine) {
    const Parsed parsed = read(
        "\nvirtual_server fwmark 3 {\nlb_algo rr\nlb_kind DR\n#\nreal_server 10.9.0.2 {\n}\n}\n"
        "vipd {\nfwmark 4 {\n10.0.0.1 80 quic\n10.0.0.1\n"
        "10.0.0.1 x tcp\n}\n}\nvirtual_server fwmark x" +
        kBody);
    EXPECT_THAT(
        findings(parsed),
        ElementsAre("2:16 error: nothing says what carries fwmark 3, which XDP cannot see; not "
                    "forwarded",
                    "11:13 error: a line of fwmark is ADDRESS [PORT] PROTOCOL; ignored",
                    "12:1 error: a line of fwmark is ADDRESS [PORT] PROTOCOL; ignored",
                    "13:10 error: 'x' is not a whole number; ignored",
                    "16:23 error: 'x' is not a whole number; ignored"));
    EXPECT_TRUE(parsed.config.virtual_servers.empty());
}

TEST(Persistence, TimeoutAndGranularity) {
    const auto persistent = [](const std::string& lines) {
        return read("virtual_server 10.0.0.1 80 {\nlb_algo rr\nlb_kind DR\nprotocol TCP\n" + lines +
                    "\nreal_server 10.9.0.2 80 {\n}\n}\n");
    };
    Parsed parsed = persistent("persistence_timeout");
    EXPECT_THAT(findings(parsed), ElementsAre());
    EXPECT_EQ(*parsed.config.virtual_servers.at(0).persistence_timeout, 360U);
    EXPECT_EQ(*parsed.config.virtual_servers[0].persistence_prefix, 0);
    parsed = persistent("persistence_timeout 50\npersistence_granularity 255.255.255.0");
    EXPECT_THAT(findings(parsed), ElementsAre());
    EXPECT_EQ(*parsed.config.virtual_servers.at(0).persistence_timeout, 50U);
    EXPECT_EQ(*parsed.config.virtual_servers[0].persistence_prefix, 24);
    parsed = persistent("persistence_timeout 0\npersistence_granularity 255.0.255.0");
    EXPECT_THAT(
        findings(parsed),
        ElementsAre(
            "5:21 error: number '0' is outside 1 to 2678400; ignored",
            "6:25 warning: '255.0.255.0' is a netmask with holes, which vipd cannot do; each "
            "client counts by itself"));
    EXPECT_EQ(*parsed.config.virtual_servers.at(0).persistence_timeout, 0U);
    EXPECT_EQ(*parsed.config.virtual_servers[0].persistence_prefix, 0);
}

TEST(AnyPort, IsForPersistentServices) {
    const auto text = [](const std::string& lines) {
        return "virtual_server 10.0.0.1 {\nlb_algo rr\nlb_kind DR\nprotocol TCP\n" + lines +
               "real_server 10.9.0.2 {\n}\n}\n";
    };
    Parsed parsed = read(text("persistence_timeout 5\n"));
    EXPECT_THAT(findings(parsed), ElementsAre());
    EXPECT_TRUE(parsed.config.virtual_servers.at(0).forwarded);
    parsed = read(text(""));
    EXPECT_THAT(
        findings(parsed),
        ElementsAre("1:16 complaint: only a persistent virtual_server can do without a port"));
}

TEST(Ops, IsForUdp) {
    const auto text = [](const std::string& protocol) {
        return "virtual_server 10.0.0.1 53 {\nlb_algo rr\nops\nlb_kind DR\nprotocol " + protocol +
               "\nreal_server 10.9.0.2 53 {\n}\n}\n";
    };
    Parsed parsed = read(text("UDP"));
    EXPECT_THAT(findings(parsed), ElementsAre());
    EXPECT_TRUE(*parsed.config.virtual_servers.at(0).one_packet);
    parsed = read(text("TCP"));
    EXPECT_THAT(findings(parsed), ElementsAre("3:1 complaint: ops is for UDP only; ignored"));
}

TEST(Ways, WhatAMethodCannotWorkWithIsSaidAtItsServer) {
    const std::string text =
        "virtual_server 10.0.0.1 80 {\nprotocol TCP\nlvs_sched rr\nlvs_method DR\n"
        "real_server 10.0.0.2 80 {\n}\nreal_server 10.1.0.2 80 {\n}\n"
        "real_server 10.2.0.2 80 {\n}\n}\n"
        "virtual_server 10.0.0.1 81 {\nprotocol TCP\nlvs_sched rr\nlvs_method TUN\n"
        "real_server 10.0.0.2 81 {\n}\nreal_server 10.0.0.3 81 {\n}\n"
        "real_server 10.1.0.2 81 {\n}\nreal_server fd00::1 81 {\n}\n}\n"
        "virtual_server 10.0.0.1 82 {\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\n"
        "real_server 10.1.0.2 80 {\n}\nreal_server 10.2.0.2 80 {\n}\n}\n";
    EXPECT_THAT(findings(read(text)), ElementsAre()) << "nobody can say";
    Environment environment;
    std::size_t asked = 0;
    environment.way_to = [&](const IpAddress& address) -> std::optional<Way> {
        ++asked;
        if (address == *IpAddress::parse("10.2.0.2")) return std::nullopt;
        const bool far = address == *IpAddress::parse("10.1.0.2");
        return Way{.local = false, .gateway = far, .mtu = far ? 1520U : 1500U};
    };
    const std::string full =
        ": by an MTU of 1500 no tunnel carries a full frame of 1500 bytes: clients are told to "
        "send smaller ones";
    const auto parsed = parse(text, "a", environment);
    EXPECT_THAT(
        findings(parsed),
        ElementsAre("7:13 warning: real_server 10.1.0.2:80: it is behind a gateway: DR needs it on "
                    "link",
                    "9:13 warning: real_server 10.2.0.2:80: no route leads to it",
                    "16:13 warning: real_server 10.0.0.2:81" + full,
                    "31:13 warning: real_server 10.2.0.2:80: no route leads to it"));
    EXPECT_EQ(parsed.exit_status(), 0) << "keepalived has nothing to say";
    EXPECT_EQ(asked, 5U) << "once for each address";
}

}  // namespace
}  // namespace vipd::config
