// SPDX-License-Identifier: Apache-2.0
#include "userspace/config/compare.hpp"

#include "parse_support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vipd::config::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Config director(const std::string& name, std::string_view address, std::string_view extra) {
    return parse("vrrp_instance VI_1 {\ninterface eth0\nvirtual_router_id 51\n" +
                     std::string(extra) + "\nvirtual_ipaddress {\n" + std::string(address) +
                     "\n}\n}\n",
                 name,
                 anywhere())
        .config;
}

std::vector<std::string> differences(const Config& a, const Config& b) {
    const std::vector<Config> both{a, b};
    std::vector<std::string> lines;
    for (const auto& diagnostic : compare_peers(both)) {
        const std::string text = render(diagnostic);
        lines.push_back(text.substr(0, text.find('\n')));
    }
    return lines;
}

TEST(Compare, PairThatAgreesIsQuiet) {
    EXPECT_THAT(differences(director("a", "10.0.0.1", "priority 150"),
                            director("b", "10.0.0.1/24", "priority 100")),
                IsEmpty());
}

TEST(Compare, OtherVirtualRoutersAreNotCompared) {
    Config other = director("b", "10.0.0.9", "priority 150\nadvert_int 7");
    other.instances[0].virtual_router_id.value = 52;
    EXPECT_THAT(differences(director("a", "10.0.0.1", "priority 150"), other), IsEmpty());
}

TEST(Compare, EachDifferenceNamesBothPlaces) {
    EXPECT_THAT(
        differences(director("a", "10.0.0.1", "priority 150\nadvert_int 1\nversion 2"),
                    director("b", "10.0.0.2", "priority 150\nadvert_int 2\nversion 3")),
        ElementsAre("b:6:9: error: virtual_router_id 51 (VI_1): version 3 here, 2 at a:6:9: "
                    "adverts will be refused",
                    "b:5:12: warning: virtual_router_id 51 (VI_1): advert_int 2 here, 1 at a:5:12",
                    "b:1:15: error: virtual_router_id 51 (VI_1): address 10.0.0.1 is missing here, "
                    "it stands at a:8:1",
                    "b:8:1: error: virtual_router_id 51 (VI_1): address 10.0.0.2 is missing from "
                    "the instance at a:1:15",
                    "b:4:10: warning: virtual_router_id 51 (VI_1): priority 150 here and at "
                    "a:4:10: the higher address decides"));
}

TEST(Compare, PasswordOnOneSideOnlyIsAnErrorWithoutThePassword) {
    const auto lines =
        differences(director("a", "10.0.0.1", "priority 1\nauthentication {\nauth_pass secret\n}"),
                    director("b", "10.0.0.1", "priority 2"));
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_THAT(
        lines[0],
        testing::StartsWith(
            "b:1:15: error: virtual_router_id 51 (VI_1): no auth_pass here, but one at a:6:11"));
    EXPECT_THAT(lines[0], testing::Not(testing::HasSubstr("secret")));
}

TEST(Compare, UnicastPeersMustNameOneAnother) {
    EXPECT_THAT(
        differences(director("a",
                             "10.0.0.1",
                             "priority 1\nunicast_src_ip 10.1.1.1\nunicast_peer {\n10.1.1.2\n}"),
                    director("b",
                             "10.0.0.1",
                             "priority 2\nunicast_src_ip 10.1.1.2\nunicast_peer {\n10.1.1.3\n}")),
        ElementsAre("b:1:15: error: virtual_router_id 51 (VI_1): unicast_peer does not name "
                    "10.1.1.1, the unicast_src_ip at a:5:16"));
    EXPECT_THAT(differences(director("a", "10.0.0.1", "priority 1\nunicast_peer {\n10.1.1.2\n}"),
                            director("b", "10.0.0.1", "priority 2")),
                ElementsAre("b:1:15: error: virtual_router_id 51 (VI_1): multicast here, "
                            "unicast_peer at a:1:15: they do not hear one another"));
}

TEST(Compare, LineAndCaretAreShownAndNoPassword) {
    const std::vector<Config> both{
        director("a", "10.0.0.1", "priority 1\nauthentication {\nauth_pass secret\n}"),
        director("b", "10.0.0.1", "priority 2\nauthentication {\n  auth_pass other # ours\n}")};
    const auto diagnostics = compare_peers(both);
    ASSERT_EQ(diagnostics.size(), 1U);
    EXPECT_EQ(render(diagnostics[0]),
              "b:6:13: error: virtual_router_id 51 (VI_1): auth_pass is not the one at a:6:11: "
              "both refuse the other's adverts and both become master\n"
              "    auth_pass ***** # ours\n"
              "              ^~~~~");
}

}  // namespace
}  // namespace vipd::config::test
