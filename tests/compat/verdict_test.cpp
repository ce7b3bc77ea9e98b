// SPDX-License-Identifier: Apache-2.0
// keepalived 2.2.7's verdict on small files, one for each thing that vipd once judged otherwise:
// 0 for nothing to say, 5 for a remark or an error.
#include "userspace/config/config.hpp"

#include <gtest/gtest.h>

#include <string>

namespace vipd::config {
namespace {

struct Case {
    const char* name;
    int verdict;
    const char* text;
};

std::string instance(const std::string& name, int vrid, const std::string& extra) {
    return "vrrp_instance " + name + " {\ninterface eth0\nvirtual_router_id " +
           std::to_string(vrid) + "\nvirtual_ipaddress {\n10.0.0." + std::to_string(vrid) +
           "\n}\n" + extra + "}\n";
}

const Case kGlobals[] = {
    {"AMailAddress", 0, "global_defs {\nnotification_email {\nroot@example.org\n}\n}\n"},
    {"NoMailAddress", 5, "global_defs {\nnotification_email {\n}\n}\n"},
    {"MailAddressesInComments", 5, "global_defs {\nnotification_email {\n#a@b.c\n}\n}\n"},
    {"RouteWithAnInterface", 0, "static_routes {\n10.1.0.0/16 via 10.0.0.1 dev eth0\n}\n"},
    {"RouteWithoutAnInterface", 5, "static_routes {\n10.1.0.0/16 via 10.0.0.1\n}\n"},
    {"RouteWithAnInterfaceInItsNextHop",
     5,
     "static_routes {\n10.1.0.0/16 nexthop via 10.0.0.1 dev eth0\n}\n"},
    {"RouteThatIsNotTracked", 0, "static_routes {\n10.1.0.0/16 via 10.0.0.1 no_track\n}\n"},
    {"DefaultRouteOfIpv6", 0, "static_routes {\ndefault6 via fe80::1 dev eth0\n}\n"},
    {"UnknownDestination", 5, "static_routes {\ndefault7 via fe80::1 dev eth0\n}\n"},
    {"BfdSourceWithAPrefixLength",
     0,
     "bfd_instance b {\nneighbor_ip 10.0.0.2\nsource_ip 10.0.0.1/30\n}\n"},
    {"BfdSourceThatIsNoAddress",
     5,
     "bfd_instance b {\nneighbor_ip 10.0.0.2\nsource_ip 10.0.0.1/x\n}\n"},
};

class Verdict : public testing::TestWithParam<Case> {};

int verdict_on(const std::string& text) {
    Environment environment;
    environment.hostname = "node1";
    return parse(text, "t.conf", environment).exit_status();
}

TEST_P(Verdict, IsKeepaliveds) {
    EXPECT_EQ(verdict_on(GetParam().text), GetParam().verdict) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(Files, Verdict, testing::ValuesIn(kGlobals), [](const auto& one) {
    return std::string(one.param.name);
});

TEST(VerdictOnInstances, ADeviceHasOneInstance) {
    const std::string first = instance("A", 1, "use_vmac vrrp\n");
    EXPECT_EQ(verdict_on(first + instance("B", 2, "use_vmac vrrp.2\n")), 0);
    EXPECT_EQ(verdict_on(first + instance("B", 2, "use_vmac vrrp\n")), 5);
}

TEST(VerdictOnInstances, PromoteSecondariesIsNotForAVmac) {
    EXPECT_EQ(verdict_on(instance("A", 1, "promote_secondaries\n")), 0);
    EXPECT_EQ(verdict_on(instance("A", 1, "promote_secondaries\nuse_vmac\n")), 5);
}

TEST(VerdictOnInstances, WhatIsTrackedHasToBeDefined) {
    const std::string tracks = "track_file {\nf\n}\n";
    EXPECT_EQ(verdict_on("track_file f {\nfile /tmp/f\n}\n" + instance("A", 1, tracks)), 0);
    EXPECT_EQ(verdict_on(instance("A", 1, tracks)), 5);
    EXPECT_EQ(verdict_on(instance("A", 1, "track_process {\nf\n}\n")), 5);
    EXPECT_EQ(verdict_on(instance("A", 1, "track_bfd {\nf\n}\n")), 5);
}

TEST(VerdictOnAddresses, Default6IsTheWholeOfIpv6) {
    const Parsed parsed =
        parse("static_routes {\ndefault6 via fe80::1 dev eth0\n}\n", "t.conf", Environment());
    ASSERT_EQ(parsed.config.static_routes.size(), 1U);
    EXPECT_EQ(parsed.config.static_routes[0].destination.to_string(), "::/0");
    EXPECT_EQ(parsed.config.static_routes[0].family, Family::V6);
}

}  // namespace
}  // namespace vipd::config
