// SPDX-License-Identifier: Apache-2.0
#include "parse_support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vipd::config::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string first_interface(const Parsed& parsed) {
    return parsed.config.instances.empty() ? "no instance" : *parsed.config.instances[0].interface;
}

TEST(Syntax, BracesStandInAnyLayout) {
    for (const std::string_view text : {
             "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress "
             "{\n10.0.0.1\n}\n}\n",
             "vrrp_instance A\n{\n interface eth0\n virtual_router_id 1\n virtual_ipaddress\n\n "
             "{\n 10.0.0.1\n }\n}",
             "vrrp_instance A{\ninterface eth0\nvirtual_router_id "
             "1\nvirtual_ipaddress{\n10.0.0.1}}",
             "vrrp_instance A { interface eth0\nvirtual_router_id 1\nvirtual_ipaddress { 10.0.0.1 "
             "} }",
             "vrrp_instance A {\r\ninterface eth0\r\nvirtual_router_id 1\r\nvirtual_ipaddress "
             "{\r\n10.0.0.1\r\n}\r\n}\r\n",
         }) {
        const Parsed parsed = read(text);
        EXPECT_THAT(findings(parsed), IsEmpty()) << text;
        ASSERT_EQ(parsed.config.instances.size(), 1U) << text;
        EXPECT_EQ(parsed.config.instances[0].name, "A");
        EXPECT_EQ(*parsed.config.instances[0].interface, "eth0");
        ASSERT_EQ(parsed.config.instances[0].virtual_ipaddress.size(), 1U);
        EXPECT_EQ(parsed.config.instances[0].virtual_ipaddress[0].prefix.to_string(),
                  "10.0.0.1/32");
    }
}

TEST(Syntax, CommentsEndWordsButNotQuotes) {
    const Parsed parsed = read("global_defs {\nrouter_id a!b\n}\n! all of it { \n#{\n");
    EXPECT_THAT(findings(parsed), IsEmpty());
    EXPECT_EQ(*parsed.config.global.router_id, "a");
    EXPECT_EQ(*read("global_defs {\nrouter_id \"a #!{} b\" # c\n}").config.global.router_id,
              "a #!{} b");
    EXPECT_EQ(*read("global_defs {\nrouter_id a\\#b\n}").config.global.router_id, "a#b");
}

TEST(Syntax, LineThatEndsInABackslashGoesOn) {
    const Parsed parsed = read("global_defs {\nrouter_id \\\r\n  far\nfoo\n}");
    EXPECT_EQ(*parsed.config.global.router_id, "far");
    EXPECT_THAT(findings(parsed), ElementsAre("4:1 error: unknown keyword 'foo'"));
}

TEST(Syntax, ColumnsCountCharactersNotBytes) {
    const Parsed parsed = read("global_defs {\n\t\"全局\" 配置\n}");
    ASSERT_EQ(parsed.diagnostics.size(), 1U);
    EXPECT_EQ(parsed.diagnostics[0].at.to_string(), "t.conf:2:2");
    EXPECT_EQ(parsed.diagnostics[0].length, 4U);
    const Parsed value = read("global_defs {\nvrrp_version é\n}");
    EXPECT_EQ(value.diagnostics[0].at.column, 14U);
    EXPECT_EQ(value.diagnostics[0].length, 1U);
}

TEST(Syntax, ConditionalLinesFollowTheConfigurationId) {
    const std::string text = instance(
        "@node1 priority 7\n@other priority 8\n@^other advert_int 3\n@^node1 advert_int 4");
    const Parsed parsed = read(text);
    EXPECT_THAT(findings(parsed), IsEmpty());
    EXPECT_EQ(*parsed.config.instances[0].priority, 7);
    EXPECT_EQ(*parsed.config.instances[0].advert_int, Seconds(3));
    Environment other = anywhere();
    other.config_id = "other";
    EXPECT_EQ(*read(text, other).config.instances[0].priority, 8);
}

TEST(Syntax, ExtraBracesAreReportedAndHarmless) {
    EXPECT_THAT(findings(read("}\n" + instance("") + "}")),
                ElementsAre("1:1 error: extra '}'; ignored", "9:1 error: extra '}'; ignored"));
    const Parsed parsed = read(instance("priority 7 {\nadvert_int 3\n}\nnopreempt"));
    EXPECT_THAT(findings(parsed), ElementsAre("6:12 error: unexpected '{'; the brace is ignored"));
    EXPECT_EQ(*parsed.config.instances[0].advert_int, Seconds(3));
    EXPECT_TRUE(*parsed.config.instances[0].nopreempt);
}

TEST(Syntax, MissingEndOfABlockCostsNothingElse) {
    const Parsed parsed = read(
        "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress "
        "{\n10.0.0.1\n\n" +
        instance(""));
    EXPECT_THAT(findings(parsed), ElementsAre("7:1 error: missing '}' before 'vrrp_instance'"));
    ASSERT_EQ(parsed.config.instances.size(), 2U);
    EXPECT_EQ(parsed.config.instances[1].name, "VI_1");
    EXPECT_THAT(findings(read("global_defs {\nrouter_id a\n")),
                ElementsAre("1:1 error: the block of 'global_defs' has no '}'"));
}

TEST(Syntax, MissingBeginOfABlockIsReportedAndTheBlockRead) {
    const Parsed parsed = read("global_defs\nrouter_id a\n}\n");
    EXPECT_THAT(findings(parsed), ElementsAre("1:1 error: missing '{' after 'global_defs'"));
    EXPECT_EQ(*parsed.config.global.router_id, "a");
}

TEST(Syntax, UnknownBlockIsReadAsIfItsBracesWereNotThere) {
    const Parsed parsed = read(instance("zzzz {\npriority 7\nyyyyy 1\n}\nnopreempt"));
    EXPECT_THAT(findings(parsed),
                ElementsAre("6:1 error: unknown keyword 'zzzz'",
                            "6:6 error: unexpected '{' after an unknown keyword; the lines of the "
                            "block are read as if they stood outside it",
                            "8:1 error: unknown keyword 'yyyyy'"));
    EXPECT_EQ(*parsed.config.instances[0].priority, 7);
    EXPECT_TRUE(*parsed.config.instances[0].nopreempt);
}

TEST(Syntax, MisspeltBlockIsSkippedAsAWhole) {
    const Parsed parsed = read(instance("virtual_ipadress {\n10.0.0.9\n}\nnopreempt"));
    EXPECT_THAT(findings(parsed),
                ElementsAre("6:1 error: unknown keyword 'virtual_ipadress'; its block is ignored"));
    EXPECT_EQ(parsed.diagnostics[0].hint, "did you mean 'virtual_ipaddress'?");
    EXPECT_TRUE(*parsed.config.instances[0].nopreempt);
}

TEST(Syntax, MisplacedKeywordSaysWhereItBelongs) {
    const Parsed parsed = read(instance("router_id x"));
    EXPECT_THAT(findings(parsed),
                ElementsAre("6:1 error: keyword 'router_id' cannot stand in vrrp_instance"));
    EXPECT_EQ(parsed.diagnostics[0].hint, "it belongs in global_defs");
}

TEST(Syntax, MissingAndExtraValuesAreReported) {
    const Parsed parsed = read(instance("mcast_src_ip\npreempt_delay # five\npriority 7 8 9"));
    EXPECT_THAT(findings(parsed),
                ElementsAre("6:1 error: 'mcast_src_ip' needs a value; ignored",
                            "7:1 error: 'preempt_delay' needs a value; ignored",
                            "8:12 warning: extra words after 'priority'; ignored"));
    EXPECT_EQ(*parsed.config.instances[0].priority, 7);
}

TEST(Syntax, QuoteWithoutItsEndIsReported) {
    const Parsed parsed = read("global_defs {\nrouter_id \"a b\n}\n" + instance(""));
    EXPECT_THAT(findings(parsed), ElementsAre("2:11 error: this quote has no end on its line"));
    EXPECT_EQ(first_interface(parsed), "eth0");
}

TEST(Syntax, DefinitionsStandForTheirText) {
    const Parsed parsed = read(
        "$IF=eth0  # the one\n$NET=10.0.$SUB\n$SUB=7\n$VIPS=\\\n${NET}.1/24 dev $IF \\\n10.9.9.9\n"
        "@other $IF=eth1\n"
        "vrrp_instance A$SUB {\ninterface $IF\nvirtual_router_id $SUB\n"
        "virtual_ipaddress {\n$VIPS\n}\npriority ${SUB}0\nnotify \"/x ${IF}\" $UNSET\n}\n");
    EXPECT_THAT(findings(parsed), IsEmpty());
    ASSERT_EQ(parsed.config.instances.size(), 1U);
    const VrrpInstance& made = parsed.config.instances[0];
    EXPECT_EQ(made.name, "A7");
    EXPECT_EQ(*made.interface, "eth0");
    EXPECT_EQ(*made.virtual_router_id, 7);
    EXPECT_EQ(*made.priority, 70);
    ASSERT_EQ(made.virtual_ipaddress.size(), 2U);
    EXPECT_EQ(made.virtual_ipaddress[0].prefix.to_string(), "10.0.7.1/24");
    EXPECT_EQ(made.virtual_ipaddress[0].device, "eth0");
    EXPECT_EQ(made.virtual_ipaddress[1].prefix.to_string(), "10.9.9.9/32");
    EXPECT_THAT(made.notify.any->argv, ElementsAre("/x", "eth0"));
    EXPECT_EQ(made.notify.any->user, "$UNSET");
}

TEST(Syntax, DiagnosticsInADefinitionPointAtItsUse) {
    const Parsed parsed = read("$P=1000\n" + instance("priority $P x\nfoo"));
    EXPECT_THAT(findings(parsed),
                ElementsAre("7:10 error: number '1000' is outside 1 to 255; ignored",
                            "7:13 warning: extra word after 'priority'; ignored",
                            "8:1 error: unknown keyword 'foo'"));
    EXPECT_EQ(parsed.diagnostics[0].length, 2U);
}

TEST(Syntax, DefinitionOfItselfAndExplosionEnd) {
    EXPECT_EQ(*read("$A=$A\nglobal_defs {\nrouter_id $A\n}").config.global.router_id, "${A}");
    std::string text = "$A0=x\n";
    for (int i = 1; i < 16; ++i) {
        const std::string before = "${A" + std::to_string(i - 1) + "}";
        text += "$A" + std::to_string(i) + "=";
        for (int n = 0; n < 10; ++n) text += before;
        text += "\n";
    }
    const Parsed parsed = read(text + "global_defs {\nrouter_id $A15\n}");
    EXPECT_LT(parsed.config.global.router_id->size(), 100'000'000U);
}

TEST(Syntax, WhatIsNotDoneYetIsAWarningPerUse) {
    const Parsed parsed = read(
        "global_defs {\nreload_repeat\nlvs_flush\n}\n"
        "SSL {\n}\n");
    EXPECT_THAT(findings(parsed),
                ElementsAre("2:1 warning: 'reload_repeat' is not done by vipd yet; ignored",
                            "3:1 warning: 'lvs_flush' has no effect: there is no IPVS table",
                            "5:1 warning: 'SSL' is not done by vipd yet; its block is ignored"));
    EXPECT_EQ(parsed.exit_status(), 0);
}

TEST(Syntax, UnknownKeywordInsideABlockThatIsNotDoneIsStillAnError) {
    EXPECT_THAT(findings(read("SSL {\nca /f\nnam x\n}\n")),
                ElementsAre("1:1 warning: 'SSL' is not done by vipd yet; its block is ignored",
                            "3:1 error: unknown keyword 'nam'"));
}

}  // namespace
}  // namespace vipd::config::test
