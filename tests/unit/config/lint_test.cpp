// SPDX-License-Identifier: Apache-2.0
#include "userspace/config/lint.hpp"

#include "parse_support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vipd::config::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> remarks(const std::vector<std::string>& files,
                                 const Environment& environment = {}) {
    std::vector<Config> configs;
    for (std::size_t i = 0; i < files.size(); ++i)
        configs.push_back(
            parse(files[i], std::string(1, static_cast<char>('a' + i)), anywhere()).config);
    std::vector<std::string> lines;
    for (const auto& diagnostic : lint(configs, environment)) {
        EXPECT_EQ(diagnostic.severity, Severity::Warning);
        lines.push_back(diagnostic.at.to_string() + ": " + diagnostic.message);
    }
    return lines;
}

std::string instance(const std::string& lines, const std::string& address = "10.0.0.1") {
    return "vrrp_instance VI_1 {\ninterface eth0\nvirtual_router_id 51\n" + lines +
           "\nvirtual_ipaddress {\n" + address + "\n}\n}\n";
}

std::string server(const std::string& address, const std::string& check) {
    return "virtual_server " + address +
           " 80 {\ndelay_loop 10\nlb_algo rr\nlb_kind DR\nprotocol TCP\n"
           "real_server 10.0.0.9 80 {\n" +
           check + "\n}\n}\n";
}

TEST(Lint, WhatIsAsItShouldBeIsQuiet) {
    EXPECT_THAT(remarks({"vrrp_script s {\nscript \"/bin/s\"\ninterval 2\nweight -60\n}\n" +
                             instance("priority 150\ntrack_script {\ns\n}") +
                             server("10.0.0.1", "TCP_CHECK {\nconnect_timeout 3\nretry 1\n}"),
                         instance("priority 100")}),
                IsEmpty());
}

TEST(Lint, ScriptThatMayRunOnAndOn) {
    EXPECT_THAT(
        remarks({"vrrp_script s {\nscript \"/bin/s\"\ninterval 2\ntimeout 10\n}\n"}),
        ElementsAre("a:4:9: a run of vrrp_script 's' may take 10 s, and the next is due after 2 s: "
                    "a hanging script is noticed late"));
}

TEST(Lint, ScriptThatOthersCanWriteAlsoWithoutScriptSecurity) {
    Environment environment;
    environment.script_insecure = [](const Script& script) -> std::optional<std::string> {
        return script.argv.front() + " can be written by others";
    };
    EXPECT_THAT(remarks({"vrrp_script s {\nscript \"/bin/s\"\n}\n"}, environment),
                ElementsAre("a:2:8: vrrp_script 's' is not safe to run: /bin/s can be written by "
                            "others"));
}

TEST(Lint, CheckSlowerThanItsInterval) {
    EXPECT_THAT(remarks({server("10.0.0.1",
                                "TCP_CHECK {\nconnect_timeout 4\nretry 2\n"
                                "delay_before_retry 1\n}")}),
                ElementsAre("a:7:1: until this check of real_server 10.0.0.9:80 has failed for "
                            "good, 14 s may pass, and delay_loop is 10 s"));
}

TEST(Lint, FileCheckWaitsForNobody) {
    EXPECT_THAT(
        remarks({"track_file f {\nfile /f\n}\n" +
                 server("10.0.0.1", "connect_timeout 9\nretry 3\nFILE_CHECK {\ntrack_file f\n}")}),
        IsEmpty());
}

TEST(Lint, BfdCheckWaitsForNobody) {
    EXPECT_THAT(remarks({"bfd_instance b {\nneighbor_ip 10.0.0.9\n}\n" +
                         server("10.0.0.1", "connect_timeout 9\nretry 3\nBFD_CHECK {\nname b\n}")}),
                IsEmpty());
}

TEST(Lint, RealServerThatNothingChecks) {
    EXPECT_THAT(remarks({server("10.0.0.1", "weight 1")}),
                ElementsAre(HasSubstr("nothing checks real_server 10.0.0.9:80")));
}

TEST(Lint, AddressesWithoutTheOther) {
    EXPECT_THAT(remarks({instance("", "10.0.0.1\n10.0.0.2") +
                         server("10.0.0.3", "TCP_CHECK {\nconnect_timeout 3\n}") +
                         server("10.0.0.2", "TCP_CHECK {\nconnect_timeout 3\n}")}),
                ElementsAre("a:6:1: no virtual_server has the address 10.0.0.1 of vrrp_instance "
                            "'VI_1'",
                            "a:10:16: no vrrp_instance holds 10.0.0.3, the address of this "
                            "virtual_server"));
    // A node without services, or without VRRP, is none that has forgotten them.
    EXPECT_THAT(remarks({instance("")}), IsEmpty());
    EXPECT_THAT(remarks({server("10.0.0.3", "TCP_CHECK {\nconnect_timeout 3\n}")}), IsEmpty());
}

TEST(Lint, MasterThatDoesNotLookAtItsInterface) {
    EXPECT_THAT(remarks({instance("dont_track_primary")}),
                ElementsAre(HasSubstr("stays MASTER with its interface down")));
    EXPECT_THAT(remarks({instance("dont_track_primary\ntrack_interface {\nlo\n}")}), IsEmpty());
}

TEST(Lint, StrictModeThatTakesNothing) {
    EXPECT_THAT(remarks({instance("version 3\nstrict_mode")}),
                ElementsAre(HasSubstr("is dropped, also ping")));
    EXPECT_THAT(remarks({instance("version 3\nstrict_mode\naccept")}), IsEmpty());
    EXPECT_THAT(remarks({instance("no_accept")}), IsEmpty()) << "said by hand";
}

TEST(Lint, WeightsThatNeverHandOver) {
    const auto with = [](const std::string& weight, const std::string& priority) {
        return "vrrp_script s {\nscript \"/bin/s\"\nweight " + weight + "\n}\n" +
               instance("priority " + priority + "\ntrack_script {\ns\n}");
    };
    EXPECT_THAT(remarks({with("-20", "150"), with("-20", "100")}),
                ElementsAre("a:10:1: with all its scripts failed vrrp_instance 'VI_1' has priority "
                            "130, its peer 100: it stays MASTER"));
    EXPECT_THAT(remarks({with("-51", "150"), with("-51", "100")}), IsEmpty());
    // A positive weight is what the healthy peer has more: 150 against 100 + 20.
    EXPECT_THAT(remarks({with("20", "150"), with("20", "100")}),
                ElementsAre(HasSubstr("has priority 150, its peer 120")));
    EXPECT_THAT(remarks({with("60", "150"), with("60", "100")}), IsEmpty());
    EXPECT_THAT(remarks({with("0", "150"), with("0", "100")}), IsEmpty());
}

TEST(Lint, LineCaretAndHintAreShown) {
    const std::vector<Config> one{
        parse("vrrp_script s {\nscript \"/bin/s\"\ninterval 2\n\ttimeout 10\n}\n", "a", anywhere())
            .config};
    const auto found = lint(one, Environment{});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(render(found[0]),
              "a:4:10: warning: a run of vrrp_script 's' may take 10 s, and the next is due after "
              "2 s: a hanging script is noticed late\n"
              "    timeout 10\n"
              "            ^~\n"
              "    timeout no longer than interval");
}

}  // namespace
}  // namespace vipd::config::test
