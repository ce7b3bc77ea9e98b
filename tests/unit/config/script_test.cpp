// SPDX-License-Identifier: Apache-2.0
#include "parse_support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vipd::config::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Script notify(std::string_view command) {
    const Parsed parsed = read(instance("notify " + std::string(command)));
    EXPECT_THAT(findings(parsed), IsEmpty()) << command;
    return parsed.config.instances.at(0).notify.any.value_or(Script{});
}

TEST(Scripts, AreSplitAsAShellWouldWithoutItsOperators) {
    EXPECT_THAT(notify("/a/b.sh").argv, ElementsAre("/a/b.sh"));
    EXPECT_THAT(notify("\"/a/b.sh one  two\"").argv, ElementsAre("/a/b.sh", "one", "two"));
    EXPECT_THAT(notify("'/a/b.sh one'").argv, ElementsAre("/a/b.sh", "one"));
    EXPECT_THAT(notify("\"/bin/sh -c 'a && b | c > d # e'\"").argv,
                ElementsAre("/bin/sh", "-c", "a && b | c > d # e"));
    EXPECT_THAT(notify("'/bin/sh -c \"a b\"'").argv, ElementsAre("/bin/sh", "-c", "a b"));
    EXPECT_THAT(notify("\"/a/b.sh \\\"x y\\\" z\\ w\"").argv, ElementsAre("/a/b.sh", "x y", "z w"));
}

// keepalived ends its VRRP process before it comes to the scripts, and exits with 5.
TEST(Scripts, OfVrrpAreNoViolationWhereAnInterfaceIsMissing) {
    const std::string scripts = "vrrp_script a {\nscript /bin/true\n}\n";
    EXPECT_EQ(read(scripts + instance("track_script {\na\n}"), machine()).exit_status(), 6);
    const std::string body =
        "vrrp_instance B {\ninterface eth9\nvirtual_router_id 9\n"
        "virtual_ipaddress {\n10.0.0.9\n}\n}\n";
    const Parsed parsed = read(scripts + instance("track_script {\na\n}") + body, machine());
    EXPECT_EQ(parsed.exit_status(), 5);
    EXPECT_THAT(findings(parsed),
                testing::Contains("2:8 warning: scripts run, but script security is not enabled"));
}

TEST(Scripts, MayNameUserAndGroup) {
    const Script script = notify("\"/a/b.sh one\" www www-data");
    EXPECT_THAT(script.argv, ElementsAre("/a/b.sh", "one"));
    EXPECT_EQ(script.user, "www");
    EXPECT_EQ(script.group, "www-data");
    EXPECT_EQ(notify("/a www:adm").user, "www");
    EXPECT_EQ(notify("/a www:adm").group, "adm");
    const Parsed parsed = read("vrrp_script a {\nuser www adm\nscript /a\n}");
    EXPECT_EQ(parsed.config.scripts[0].script.user, "www");
    EXPECT_EQ(parsed.config.scripts[0].script.group, "adm");
}

TEST(Scripts, ThatCannotRunAreReported) {
    const Parsed parsed = read(
        "global_defs {\nenable_script_security\nscript_user root\n}\n"
        "vrrp_script gone {\nscript /no/such\n}\n"
        "vrrp_script none {\n}\n"
        "vrrp_script none2 {\nscript \"\"\n}\n" +
            instance("track_script {\ngone\n}\nnotify_master /no/thing"),
        machine());
    EXPECT_THAT(
        findings(parsed),
        ElementsAre("6:8 error: vrrp_script 'gone' cannot run: /no/such: not found; instances that "
                    "track it run as if they did not",
                    "8:1 error: vrrp_script 'none' has no script; ignored",
                    "11:8 error: the command is empty; ignored",
                    "21:15 warning: notify_master will not run: /no/thing: not found"));
    EXPECT_THAT(parsed.config.scripts, IsEmpty());
    EXPECT_THAT(parsed.config.instances.at(0).track_scripts, IsEmpty());
    EXPECT_FALSE(parsed.config.instances.at(0).notify.master);
}

TEST(Scripts, NeedScriptSecurityToBeEnabled) {
    const std::string text = "vrrp_script a {\nscript \"pidof nginx\"\n}\n";
    EXPECT_EQ(read(text, machine()).exit_status(), 6);
    EXPECT_THAT(findings(read(text, machine())),
                ElementsAre("2:8 security: scripts run, but script security is not enabled"));
    EXPECT_EQ(read(text + "global_defs {\nenable_script_security\nscript_user root\n}", machine())
                  .exit_status(),
              0);
}

TEST(Scripts, AreAskedForWithTheUserTheyWillHave) {
    Environment environment = anywhere();
    std::vector<std::string> users;
    environment.script_problem = [&](const Script& script) {
        users.push_back(script.user);
        return std::optional<std::string>();
    };
    const std::string scripts =
        "vrrp_script a {\nscript /a\n}\nvrrp_script b {\nscript \"/b\" own\n}\n";
    read(scripts, environment);
    read(scripts + "global_defs {\nscript_user www\n}", environment);
    read(scripts + "global_defs {\nenable_script_security\n}", environment);
    EXPECT_THAT(users, ElementsAre("", "own", "www", "own", "keepalived_script", "own"));
}

TEST(Scripts, RunAsKeepalivedScriptWhereThereIsOne) {
    const auto exists = [](std::string_view name) { return name == "keepalived_script"; };
    Script script;
    script.argv = {"/a"};
    GlobalDefs global;
    EXPECT_EQ(run_as(script, global, exists).user, "keepalived_script");
    EXPECT_EQ(run_as(script, global, {}).user, "");
    global.enable_script_security.value = true;
    EXPECT_EQ(run_as(script, global, {}).user, "keepalived_script");
    global.script_user.value = "www";
    global.script_group.value = "adm";
    EXPECT_EQ(run_as(script, global, exists).user, "www");
    EXPECT_EQ(run_as(script, global, exists).group, "adm");
    script.user = "own";
    EXPECT_EQ(run_as(script, global, exists).user, "own");
    EXPECT_EQ(run_as(script, global, exists).group, "");
}

TEST(Scripts, ThatAreNotSecureDoNotRunWithScriptSecurity) {
    Environment environment = anywhere();
    environment.script_problem = [](const Script&) { return std::optional<std::string>(); };
    environment.script_insecure = [](const Script& script) -> std::optional<std::string> {
        if (script.user == "root" && script.argv.front() == "/tmp/a") return "others may change it";
        return std::nullopt;
    };
    const std::string text =
        "vrrp_script bad {\nscript /tmp/a\n}\nvrrp_script good {\nscript "
        "\"/tmp/a\" www\n}\n" +
        instance("track_script {\nbad\ngood\n}\nnotify /tmp/a") +
        "global_defs {\nscript_user root\n";
    const Parsed parsed = read(text + "enable_script_security\n}", environment);
    EXPECT_THAT(findings(parsed),
                ElementsAre("2:8 error: vrrp_script 'bad' cannot run: /tmp/a: not secure: others "
                            "may change it; instances that track it run as if they did not",
                            "16:8 error: notify will not run: /tmp/a: not secure: others may "
                            "change it"));
    ASSERT_EQ(parsed.config.scripts.size(), 1U);
    EXPECT_EQ(parsed.config.scripts[0].name, "good");
    EXPECT_FALSE(parsed.config.instances.at(0).notify.any);
    EXPECT_EQ(read(text + "}", environment).config.scripts.size(), 2U);
}

TEST(VrrpScript, NumbersAreChecked) {
    const Parsed parsed = read(
        "vrrp_script a {\nscript /a\ninterval 0\nweight 254\nrise 0\nfall 2\ninit_fail\ntimeout "
        "0.5\n}");
    EXPECT_THAT(findings(parsed),
                ElementsAre("3:10 error: 0 seconds are outside 0.000001 to 4294.967295; ignored",
                            "4:8 error: number '254' is outside -253 to 253; ignored",
                            "5:6 error: number '0' is outside 1 to 2147483647; ignored"));
    const VrrpScript& script = parsed.config.scripts.at(0);
    EXPECT_EQ(*script.interval, Seconds(1));
    EXPECT_EQ(*script.timeout, Millis(500));
    EXPECT_EQ(*script.rise, 1U);
    EXPECT_EQ(*script.fall, 2U);
    EXPECT_TRUE(*script.init_fail);
}

}  // namespace
}  // namespace vipd::config::test
