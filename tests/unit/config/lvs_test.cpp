// SPDX-License-Identifier: Apache-2.0
#include "parse_support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vipd::config::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(VirtualServer, IsRead) {
    const Parsed parsed = read(
        service("mh-port\nquorum 2\nhysteresis 1\nquorum_up \"/up x\"\nsorry_server 10.0.0.9 81\n"
                "alpha\nomega\nreal_server 10.0.0.2 80 {\nweight 3\nnotify_down /down\n}\n"
                "real_server 10.0.0.3 {\nweight 0\n}"));
    EXPECT_THAT(findings(parsed), IsEmpty());
    ASSERT_EQ(parsed.config.virtual_servers.size(), 1U);
    const VirtualServer& server = parsed.config.virtual_servers[0];
    EXPECT_EQ(server.key.to_string(), "10.0.0.1:80/TCP");
    EXPECT_EQ(*server.scheduler, "mh");
    EXPECT_EQ(*server.method, "DR");
    EXPECT_TRUE(server.forwarded);
    EXPECT_TRUE(server.hash_port);
    EXPECT_FALSE(server.hash_fallback);
    EXPECT_EQ(*server.quorum, 2U);
    EXPECT_EQ(*server.hysteresis, 1U);
    EXPECT_THAT(server.quorum_up->argv, ElementsAre("/up", "x"));
    EXPECT_EQ(server.sorry_server->to_string(), "10.0.0.9:81");
    EXPECT_TRUE(*server.alpha);
    EXPECT_TRUE(*server.omega);
    ASSERT_EQ(server.real_servers.size(), 2U);
    EXPECT_EQ(*server.real_servers[0].weight, 3U);
    EXPECT_THAT(server.real_servers[0].notify_down->argv, ElementsAre("/down"));
    EXPECT_EQ(server.real_servers[1].endpoint.to_string(), "10.0.0.3:80");
    EXPECT_EQ(*server.real_servers[1].weight, 0U);
}

TEST(VirtualServer, WhatIsMissingIsSaid) {
    const Parsed parsed = read("virtual_server 10.0.0.1 80 {\nreal_server 10.0.0.2 80 {\n}\n}");
    EXPECT_THAT(
        findings(parsed),
        ElementsAre("1:16 complaint: virtual_server 10.0.0.1:80 has no protocol; UDP is used",
                    "1:16 complaint: virtual_server 10.0.0.1:80 has no lb_algo; wlc is used",
                    "1:16 complaint: virtual_server 10.0.0.1:80 has no lb_kind; NAT is used"));
    EXPECT_EQ(parsed.config.virtual_servers.at(0).key.protocol, Protocol::Udp);
    EXPECT_TRUE(parsed.config.virtual_servers[0].forwarded);
    EXPECT_EQ(*parsed.config.virtual_servers[0].method, "NAT");
    EXPECT_THAT(
        findings(read("virtual_server 10.0.0.1 80 {\n}")),
        ElementsAre("1:16 complaint: virtual_server 10.0.0.1:80 has no real_server; ignored"));
}

TEST(VirtualServer, WhatIsNotDoneYetIsSaid) {
    const Parsed parsed = read(
        "virtual_server 10.0.0.1 80 {\nlb_algo wlc\nlb_kind NAT\nprotocol SCTP\n"
        "persistence_timeout 50\nreal_server 10.0.0.2 80 {\n}\n}\n"
        "virtual_server fwmark 3 {\nlb_algo rr\nlb_kind DR\nreal_server 10.0.0.2 {\n}\n}\n"
        "virtual_server group g {\nlb_algo rr\nlb_kind DR\nprotocol TCP\n"
        "real_server 10.0.0.2 {\n}\n}\n");
    EXPECT_THAT(
        findings(parsed),
        ElementsAre(
            "1:16 warning: SCTP is not done by vipd yet; this virtual_server is not forwarded",
            "9:16 error: nothing says what carries fwmark 3, which XDP cannot see; not forwarded",
            "15:16 error: virtual_server_group 'g' is not defined; this virtual_server is not "
            "forwarded"));
    ASSERT_EQ(parsed.config.virtual_servers.size(), 1U);
    EXPECT_FALSE(parsed.config.virtual_servers[0].forwarded);
    EXPECT_EQ(*parsed.config.virtual_servers[0].scheduler, "wlc");
    EXPECT_EQ(*parsed.config.virtual_servers[0].persistence_timeout, 50U);
    ASSERT_EQ(parsed.config.keyless_servers.size(), 2U);
    EXPECT_EQ(parsed.config.keyless_servers[0].fwmark, 3U);
    EXPECT_EQ(parsed.config.keyless_servers[1].group, "g");
}

TEST(VirtualServer, EverySchedulerOfIpvsIsDone) {
    for (const std::string word : {"rr",
                                   "wrr",
                                   "lc",
                                   "wlc",
                                   "lblc",
                                   "sh",
                                   "mh",
                                   "dh",
                                   "fo",
                                   "ovf",
                                   "lblcr",
                                   "sed",
                                   "nq",
                                   "twos"}) {
        const Parsed parsed = read("virtual_server 10.0.0.1 80 {\nlb_algo " + word +
                                   "\nlb_kind DR\nprotocol TCP\nreal_server 10.0.0.2 80 {\n}\n}");
        EXPECT_THAT(findings(parsed), ElementsAre()) << word;
        EXPECT_EQ(*parsed.config.virtual_servers.at(0).scheduler, word);
    }
}

TEST(RealServer, HasThresholds) {
    const Parsed parsed =
        read(service("real_server 10.0.0.2 80 {\nuthreshold 200\nlthreshold 150\n}\n"
                     "real_server 10.0.0.3 80 {\nuthreshold 2\nlthreshold 3\n}"));
    EXPECT_THAT(findings(parsed),
                ElementsAre("11:12 error: lthreshold 3 is above uthreshold 2; ignored"));
    const auto& reals = parsed.config.virtual_servers.at(0).real_servers;
    EXPECT_EQ(*reals.at(0).upper_threshold, 200U);
    EXPECT_EQ(*reals.at(0).lower_threshold, 150U);
    EXPECT_EQ(*reals.at(1).upper_threshold, 2U);
    EXPECT_EQ(*reals.at(1).lower_threshold, 0U);
}

TEST(RealServer, FileCheckFollowsAFileThatIsThereOnce) {
    const Parsed parsed =
        read("track_file F {\nfile /run/f\n}\n" +
             service("real_server 10.0.0.2 80 {\nFILE_CHECK {\ntrack_file F\nweight 0 reverse\n}\n"
                     "FILE_CHECK {\ntrack_file F\n}\nFILE_CHECK {\ntrack_file nobody\n}\n}"));
    EXPECT_THAT(findings(parsed),
                ElementsAre("13:1 complaint: the real server follows 'F' already; ignored",
                            "16:1 complaint: there is no track_file 'nobody'; ignored"));
    const auto& checkers = parsed.config.virtual_servers.at(0).real_servers.at(0).checkers;
    ASSERT_EQ(checkers.size(), 1U);
    EXPECT_EQ(checkers[0].track_file, "F");
    EXPECT_EQ(checkers[0].file_weight, 0);
    EXPECT_TRUE(checkers[0].file_reverse);
}

TEST(RealServer, BfdCheckNamesASessionThatServesCheckers) {
    const Parsed parsed = read(
        "bfd_instance a {\nneighbor_ip 10.0.0.9\n}\n"
        "bfd_instance v {\nneighbor_ip 10.0.0.8\nvrrp\n}\n" +
        service("real_server 10.0.0.2 80 {\nBFD_CHECK {\nname a\nalpha\n}\n"
                "BFD_CHECK {\nname a\n}\n}\n"
                "real_server 10.0.0.3 80 {\nBFD_CHECK {\nname v\n}\n"
                "BFD_CHECK {\nname nobody\n}\nTCP_CHECK {\n}\n}\n"
                "real_server 10.0.0.4 80 {\nBFD_CHECK {\n}\n}"));
    EXPECT_THAT(findings(parsed),
                ElementsAre("17:1 complaint: the real server follows 'a' already; ignored",
                            "22:1 complaint: bfd_instance 'v' is for vrrp only; ignored",
                            "25:1 complaint: there is no bfd_instance 'nobody'; ignored",
                            "32:1 complaint: BFD_CHECK without a name; ignored"));
    const auto& reals = parsed.config.virtual_servers.at(0).real_servers;
    ASSERT_EQ(reals.at(0).checkers.size(), 1U);
    EXPECT_EQ(reals.at(0).checkers[0].bfd_instance, "a");
    EXPECT_TRUE(reals.at(0).checkers[0].alpha);
    ASSERT_EQ(reals.at(1).checkers.size(), 1U);
    EXPECT_EQ(reals.at(1).checkers[0].kind, Checker::Kind::Tcp);
    EXPECT_TRUE(reals.at(2).checkers.empty());
}

TEST(VirtualServer, MistakesAreReported) {
    const Parsed parsed = read(
        "virtual_server 10.0.0.1 80 {\nlb_algo mx\nlb_algo rr\nlb_kind dr\nlb_kind TUN type gue "
        "port 6080\n"
        "protocol XYZ\nprotocol UDP\nquorum 0\nquorum 9\nhysteresis "
        "5\nsh-port\npersistence_timeout 0\n"
        "delay_loop 0\nsorry_server x\nreal_server 10.0.0.300 80 {\n}\nreal_server 10.0.0.2 70000 "
        "{\n}\n"
        "real_server 10.0.0.3 8080 {\n}\nreal_server 10.0.0.3 8080 {\nweight -1\n}\n}");
    EXPECT_THAT(
        findings(parsed),
        ElementsAre(
            "2:9 error: unknown scheduler 'mx'; ignored",
            "4:9 error: unknown lb_kind 'dr'; ignored",
            "6:10 error: unknown protocol 'XYZ'; ignored",
            "8:8 error: number '0' is outside 1 to 4294967295; ignored",
            "9:8 complaint: quorum 9 is more than all weights together; 1 is used",
            "10:12 complaint: hysteresis 5 is not less than quorum 1; 0 is used",
            "11:1 warning: 'sh-port' must follow lvs_sched sh; ignored",
            "12:21 error: number '0' is outside 1 to 2678400; ignored",
            "13:12 error: 0 seconds are outside 0.000001 to 3000000000; ignored",
            "14:14 error: 'x' is not an IP address; ignored",
            "15:13 error: '10.0.0.300' is not an IP address; ignored",
            "17:22 error: number '70000' is outside 0 to 65535; ignored",
            "19:13 complaint: with TUN the packets keep their port: 80 is used for real_server "
            "10.0.0.3:8080",
            "21:13 complaint: real_server 10.0.0.3:8080 stands here twice; the second is ignored",
            "22:8 error: number '-1' is outside 0 to 2147483647; ignored"));
    EXPECT_EQ(parsed.diagnostics[1].hint, "it must be written in capitals: DR");
    EXPECT_TRUE(parsed.config.virtual_servers.at(0).forwarded);
    EXPECT_EQ(parsed.config.virtual_servers[0].real_servers.at(0).endpoint.to_string(),
              "10.0.0.3:80");
}

TEST(VirtualServer, TunnelsOfEachType) {
    const auto tunnel = [](const std::string& options) {
        const Parsed parsed = read(
            "virtual_server 10.0.0.1 80 {\nprotocol TCP\nlb_algo rr\n"
            "lb_kind TUN " +
            options + "\nreal_server 10.0.0.2 80 {\n}\n}");
        EXPECT_THAT(findings(parsed), ElementsAre()) << options;
        EXPECT_TRUE(parsed.config.virtual_servers.at(0).forwarded);
        return parsed.config.virtual_servers[0].tunnel;
    };
    using Type = Tunnel::Type;
    using Checksum = Tunnel::Checksum;
    EXPECT_EQ(tunnel(""), (Tunnel{Type::Ipip, 0, Checksum::None}));
    EXPECT_EQ(tunnel("type ipip"), (Tunnel{Type::Ipip, 0, Checksum::None}));
    EXPECT_EQ(tunnel("type gue port 6080"), (Tunnel{Type::Gue, 6080, Checksum::None}));
    EXPECT_EQ(tunnel("type gue port 6080 nocsum"), (Tunnel{Type::Gue, 6080, Checksum::None}));
    EXPECT_EQ(tunnel("type gue port 6080 csum"), (Tunnel{Type::Gue, 6080, Checksum::Full}));
    EXPECT_EQ(tunnel("type gue port 6080 remcsum"), (Tunnel{Type::Gue, 6080, Checksum::Remote}));
    EXPECT_EQ(tunnel("type gre"), (Tunnel{Type::Gre, 0, Checksum::None}));
    EXPECT_EQ(tunnel("type gre csum"), (Tunnel{Type::Gre, 0, Checksum::Full}));
}

TEST(VirtualServer, TunnelsThatCannotBe) {
    const Parsed parsed = read(
        "virtual_server 10.0.0.1 80 {\nprotocol TCP\nlb_algo rr\nlb_kind TUN type ipip csum\n"
        "sorry_server 10.0.0.9 80\nsorry_server_lvs_method TUN type gre port 7\n"
        "real_server 10.0.0.2 80 {\nlvs_method TUN type gre remcsum\n}\n}\n"
        "virtual_server 10.0.0.1 81 {\nprotocol TCP\nlb_algo rr\nlb_kind DR\n"
        "real_server 10.0.0.2 81 {\nlvs_method TUN type gue\n}\n}");
    EXPECT_THAT(findings(parsed),
                ElementsAre("4:1 warning: an ipip tunnel has no checksum; ignored",
                            "6:1 warning: only a gue tunnel has a port; ignored",
                            "8:1 error: remcsum is for gue tunnels only; ignored",
                            "16:1 error: a gue tunnel needs a port"));
    const auto& servers = parsed.config.virtual_servers;
    EXPECT_TRUE(servers.at(0).forwarded);
    EXPECT_EQ(servers[0].tunnel, Tunnel{});
    EXPECT_EQ(servers[0].sorry_server_tunnel.type, Tunnel::Type::Gre);
    EXPECT_EQ(servers[0].sorry_server_tunnel.port, 0);
    EXPECT_EQ(servers[0].real_servers.at(0).tunnel,
              (Tunnel{Tunnel::Type::Gre, 0, Tunnel::Checksum::None}));
    EXPECT_FALSE(servers.at(1).forwarded);  // where should its packets go
}

// As keepalived -t says: "hysteresis 5 >= quorum 3; setting hysteresis to 2", also where the quorum
// has just been reduced itself.
TEST(VirtualServer, HysteresisIsLessThanTheQuorum) {
    const std::string reals =
        "real_server 10.0.0.2 80 {\nweight 2\n}\nreal_server 10.0.0.3 80 {\nweight 1\n}";
    for (const std::string quorum : {"quorum 3\n", "quorum 9\n"}) {
        const Parsed parsed = read(service(quorum + "hysteresis 5\n" + reals));
        EXPECT_THAT(findings(parsed),
                    testing::Contains("6:12 complaint: hysteresis 5 is not less than quorum 3; 2 "
                                      "is used"));
        EXPECT_EQ(*parsed.config.virtual_servers.at(0).quorum, 3U);
        EXPECT_EQ(*parsed.config.virtual_servers.at(0).hysteresis, 2U);
    }
    const Parsed least = read(service("hysteresis 1\n" + reals));
    EXPECT_EQ(*least.config.virtual_servers.at(0).hysteresis, 0U);
    const Parsed fits = read(service("quorum 3\nhysteresis 2\n" + reals));
    EXPECT_THAT(findings(fits), ElementsAre());
    EXPECT_EQ(*fits.config.virtual_servers.at(0).hysteresis, 2U);
}

TEST(VirtualServer, SecondOfAnAddressIsIgnored) {
    const std::string one = service("real_server 10.0.0.2 80 {\n}");
    EXPECT_THAT(findings(read(one + one)),
                ElementsAre("8:16 error: virtual_server 10.0.0.1:80/TCP has been defined in line 1 "
                            "already; ignored"));
}

TEST(Checkers, InheritFromRealServerAndService) {
    const Parsed parsed = read(service(R"(delay_loop 7
retry 4
virtualhost vs.example
inhibit_on_failure
weight 5
real_server 10.0.0.2 80 {
    connect_timeout 2.5
    virtualhost rs.example
    TCP_CHECK {
        connect_port 8080
    }
    HTTP_GET {
        retry 9
        url {
            path /a
        }
        url {
            path /b
            virtualhost url.example
            status_code 200 301-302
            digest ABCDEF0123456789abcdef0123456789
        }
        http_protocol 1.1
        connect_ip 10.9.9.9
    }
    MISC_CHECK {
        misc_path "/check it"
        misc_dynamic
        user www
    }
}
real_server 10.0.0.3 80 {
    weight 6
    inhibit_on_failure off
    TCP_CHECK {
    }
})"));
    EXPECT_THAT(findings(parsed), IsEmpty());
    const auto& reals = parsed.config.virtual_servers.at(0).real_servers;
    EXPECT_EQ(*reals.at(0).weight, 5U);
    EXPECT_TRUE(*reals[0].inhibit_on_failure);
    EXPECT_EQ(*reals.at(1).weight, 6U);
    EXPECT_FALSE(*reals[1].inhibit_on_failure);
    ASSERT_EQ(reals[0].checkers.size(), 3U);
    const Checker& tcp = reals[0].checkers[0];
    EXPECT_EQ(tcp.kind, Checker::Kind::Tcp);
    EXPECT_EQ(tcp.connect_to.to_string(), "10.0.0.2:8080");
    EXPECT_EQ(tcp.timing.delay_loop, Seconds(7));
    EXPECT_EQ(tcp.timing.connect_timeout, Millis(2500));
    EXPECT_EQ(tcp.timing.retry, 4U);
    EXPECT_EQ(tcp.timing.delay_before_retry, Seconds(1));
    const Checker& http = reals[0].checkers[1];
    EXPECT_EQ(http.kind, Checker::Kind::Http);
    EXPECT_EQ(http.connect_to.to_string(), "10.9.9.9:80");
    EXPECT_EQ(http.timing.retry, 9U);
    EXPECT_EQ(http.timing.delay_before_retry, Seconds(3));
    EXPECT_EQ(http.http_protocol, Checker::HttpProtocol::V1_1);
    ASSERT_EQ(http.urls.size(), 2U);
    EXPECT_EQ(http.urls[0].path, "/a");
    EXPECT_EQ(http.urls[0].virtualhost, "rs.example");
    EXPECT_THAT(http.urls[0].status_codes, IsEmpty());
    EXPECT_EQ(http.urls[1].virtualhost, "url.example");
    EXPECT_EQ(http.urls[1].digest, "abcdef0123456789abcdef0123456789");
    EXPECT_THAT(http.urls[1].status_codes, ElementsAre(std::pair(200, 200), std::pair(301, 302)));
    const Checker& misc = reals[0].checkers[2];
    EXPECT_EQ(misc.kind, Checker::Kind::Misc);
    EXPECT_THAT(misc.misc_path.argv, ElementsAre("/check", "it"));
    EXPECT_EQ(misc.misc_path.user, "www");
    EXPECT_TRUE(misc.misc_dynamic);
    EXPECT_EQ(misc.misc_timeout, Seconds(7));
    EXPECT_EQ(reals[1].checkers.at(0).timing.connect_timeout, Seconds(5));
    EXPECT_EQ(reals[1].checkers[0].connect_to.to_string(), "10.0.0.3:80");
}

TEST(Checkers, MistakesAreReported) {
    const Parsed parsed = read(service(R"(real_server 10.0.0.2 80 {
TCP_CHECK {
connect_timeout 0
bindto x
nb_get_retry 3
}
HTTP_GET {
}
HTTP_GET {
url {
digest abc
}
nb_get_retry 3
http_protocol 2
url {
path /
status_code 99 200-100 300
}
}
MISC_CHECK {
misc_timeout 5
}
SSL_GET {
}
alpha
})"));
    EXPECT_THAT(findings(parsed),
                ElementsAre("7:17 error: 0 seconds are outside 0.000001 to 4294.967295; ignored",
                            "8:8 error: 'x' is not an IP address; ignored",
                            "9:1 error: keyword 'nb_get_retry' cannot stand in TCP_CHECK",
                            "11:1 complaint: HTTP_GET without a url; ignored",
                            "14:1 complaint: this url has no path; ignored",
                            "15:8 error: 'abc' is no MD5 digest of 32 hexadecimal digits; ignored",
                            "17:1 complaint: nb_get_retry is deprecated",
                            "18:15 error: unknown http_protocol '2'; ignored",
                            "21:13 error: '99' is no HTTP status code or range; ignored",
                            "21:16 error: '200-100' is no HTTP status code or range; ignored",
                            "24:1 complaint: MISC_CHECK without misc_path; ignored",
                            "27:1 complaint: SSL_GET without a url; ignored"));
    const auto& checkers = parsed.config.virtual_servers.at(0).real_servers.at(0).checkers;
    ASSERT_EQ(checkers.size(), 2U);
    EXPECT_EQ(checkers[1].timing.retry, 3U);
    EXPECT_THAT(checkers[1].urls.at(0).status_codes, ElementsAre(std::pair(300, 300)));
}

TEST(Checkers, MiscCheckThatCannotRunIsLeftOut) {
    const Parsed parsed = read(service("real_server 10.0.0.2 80 {\nMISC_CHECK {\nmisc_path "
                                       "/no/such\n}\nMISC_CHECK {\nmisc_path /bin/true\n}\n}"),
                               machine());
    EXPECT_THAT(
        findings(parsed),
        ElementsAre("7:11 warning: this check cannot run and is left out: /no/such: not found",
                    "10:11 security: scripts run, but script security is not enabled"));
    EXPECT_EQ(parsed.config.virtual_servers.at(0).real_servers.at(0).checkers.size(), 1U);
}

}  // namespace
}  // namespace vipd::config::test
