// SPDX-License-Identifier: Apache-2.0
// Definitions, loops, conditions and includes: what is read, and where it says that it stands.
#include "parse_support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace vipd::config::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Files that exist nowhere else; a pattern is the name of one of them, or "*".
Environment with_files(std::map<std::string, std::string> files) {
    Environment environment = anywhere();
    environment.sources.include = [files](const std::string& pattern, const std::string&) {
        IncludeAnswer answer;
        answer.wildcards = pattern == "*";
        for (const auto& [name, text] : files)
            if (pattern == "*" || pattern == name)
                answer.files.push_back({name, text, name == "locked" ? "no right to read it" : ""});
        if (answer.files.empty()) answer.unmatched.push_back(pattern);
        return answer;
    };
    environment.sources.variable = [](const std::string& name) -> std::optional<std::string> {
        if (name == "ROLE") return "left";
        return std::nullopt;
    };
    environment.sources.directory = "/etc/there";
    return environment;
}

std::vector<std::string> names(const Config& config) {
    std::vector<std::string> all;
    for (const auto& group : config.track_groups) all.push_back(group.name);
    return all;
}

std::string router_id(const std::string& text, const Environment& environment = anywhere()) {
    const Parsed parsed = read(text, environment);
    EXPECT_THAT(findings(parsed), IsEmpty()) << text;
    return *parsed.config.global.router_id;
}

TEST(Definitions, OfSeveralLinesHoldBlocksConditionsAndEachOther) {
    const Parsed parsed = read(
        "$PRIO=10\n$BODY= \\\n interface eth0 \\\n @node1 virtual_router_id $ID \\\n"
        " @other virtual_router_id 99 \\\n priority $PRIO\n"
        "$VI=vrrp_instance VI_${ID} { \\\n $BODY \\\n no_virtual_ipaddress \\\n }\n"
        "$ID=7\n$VI\n");
    ASSERT_EQ(parsed.config.instances.size(), 1U);
    EXPECT_EQ(parsed.config.instances[0].name, "VI_7");
    EXPECT_EQ(*parsed.config.instances[0].virtual_router_id, 7);
    EXPECT_EQ(*parsed.config.instances[0].priority, 10);
    EXPECT_EQ(parsed.config.instances[0].at.line, 12U);
}

TEST(Definitions, ThatReferToThemselvesEnd) {
    EXPECT_THAT(findings(read("$A=$B x\n$B=$A y\nglobal_defs {\nrouter_id $A\n}\n")),
                ElementsAre("4:1 error: definitions, loops or includes are nested too deeply here",
                            "4:11 warning: extra words after 'router_id'; ignored"));
    const Parsed parsed = read("$A=$A$A$A$A $A$A$A$A\n$A $A\n");
    EXPECT_FALSE(parsed.diagnostics.empty());
}

TEST(Definitions, InCommentsAreLeftAlone) {
    EXPECT_EQ(router_id("$X= \\\nvrrp_frob { \\\n}\nglobal_defs {\n# $X\nrouter_id a # $X\n}\n"),
              "a");
}

TEST(Predefined, NamesStandForWhatTheySay) {
    const Environment environment = with_files({});
    EXPECT_EQ(router_id("global_defs {\nrouter_id ${_PWD}\n}\n", environment), "/etc/there");
    EXPECT_EQ(router_id("global_defs {\nrouter_id ${_ENV ROLE}-${_ENV NO}\n}\n", environment),
              "left-");
    EXPECT_EQ(router_id("instance i1\nglobal_defs {\nrouter_id x.${_INSTANCE}\n}\n", environment),
              "x.i1");
    EXPECT_EQ(router_id("global_defs {\nrouter_id \"a${_HASH}b\"\n}\n", environment), "a#b");
    const int chance = std::stoi(router_id("global_defs {\nrouter_id ${_RANDOM 5 6}\n}\n"));
    EXPECT_TRUE(chance == 5 || chance == 6);
    EXPECT_EQ(router_id("global_defs {\nrandom_seed 4\nrouter_id ${_RANDOM}\n}\n"),
              router_id("global_defs {\nrandom_seed 4\nrouter_id ${_RANDOM}\n}\n"));
}

TEST(Loops, RepeatTheirLine) {
    const auto groups = [](const std::string& loops) {
        return names(read(loops + " track_group g$A.$B { group { x } }\n").config);
    };
    const auto simple = [](const std::string& loops) {
        return names(read(loops + " track_group g${A} { group { x } }\n").config);
    };
    EXPECT_THAT(simple("~SEQ(A,3)"), ElementsAre("g1", "g2", "g3"));
    EXPECT_THAT(simple("~SEQ(A,2,3)"), ElementsAre("g2", "g3"));
    EXPECT_THAT(simple("~SEQ(A,9,-4,1)"), ElementsAre("g9", "g5", "g1"));
    EXPECT_THAT(simple("~SEQx(A, 0x90, 0x10, 0xb0)"), ElementsAre("g90", "ga0", "gb0"));
    EXPECT_THAT(simple("~LST(A,x,y)"), ElementsAre("gx", "gy"));
    EXPECT_THAT(simple("$N=2\n~SEQ(A,1,$N)"), ElementsAre("g1", "g2"));
    EXPECT_THAT(groups("~SEQ(A,2) ~LST(B,x,y)"), ElementsAre("g$A.x", "g$A.y"));
    EXPECT_THAT(
        names(read("~LST({A,B},{1,2},{,4}) track_group g${A}-${B} { group { x } }\n").config),
        ElementsAre("g1-2", "g-4"));
}

TEST(Loops, NestThroughDefinitionsAndGiveTheirVariablesBack) {
    const Parsed parsed = read(
        "$A=before\n$ONE= \\\ntrack_group g${B}.${A} { \\\n group { x } \\\n}\n"
        "$ALL=~SEQ(A,2) $ONE\n~LST(B,x,y) $ALL\ntrack_group ${A}.$B {\ngroup { x }\n}\n");
    EXPECT_THAT(names(parsed.config), ElementsAre("gx.1", "gx.2", "gy.1", "gy.2", "before.$B"));
    EXPECT_EQ(parsed.config.track_groups[3].at.line, 7U);
}

TEST(Loops, WithMistakesAreReported) {
    EXPECT_THAT(findings(read("~SEQ(A,1,0,5) x\n~SEQ(A,b) x\n~LST({A,B},{1}) x\n~SEQ(A,1\n"
                              "~SEQ(A,100000) x\n~SEQ(1A,2) x\n")),
                ElementsAre("1:1 error: steps of 0 do not lead from 1 to 5; the line is ignored",
                            "2:1 error: 'b' is not a number; the line is ignored",
                            "3:1 error: '{1}' has not 2 values; the line is ignored",
                            "4:1 error: ~SEQ has no ')'; the line is ignored",
                            "5:1 error: more than 65536 turns; the line is ignored",
                            "6:1 error: '1A' is no name of a variable; the line is ignored"));
}

TEST(Loops, ThatMultiplyWithoutEndAreBounded) {
    std::string text;
    for (char name = 'A'; name < 'J'; ++name) text += std::string("~SEQ(") + name + ",1,60000) ";
    const Parsed parsed = read(text + "! nothing\n");
    ASSERT_FALSE(parsed.diagnostics.empty());
    EXPECT_THAT(parsed.diagnostics[0].message, HasSubstr("too much text"));
}

TEST(Include, ReadsFilesWhereItStandsAndPlacesAreTheirs) {
    const Environment environment =
        with_files({{"a", "router_id from_a\nfrob 1"}, {"b", "track_group b { group { x } }\n"}});
    const Parsed parsed = read("global_defs {\ninclude a\n}\ninclude b\nfrob 2\n", environment);
    EXPECT_EQ(*parsed.config.global.router_id, "from_a");
    EXPECT_THAT(names(parsed.config), ElementsAre("b"));
    ASSERT_EQ(parsed.diagnostics.size(), 3U);
    EXPECT_EQ(parsed.diagnostics[0].at.to_string(), "t.conf:5:1");
    EXPECT_EQ(parsed.diagnostics[1].at.to_string(), "a:2:1");
    EXPECT_EQ(parsed.diagnostics[1].source, "frob 1");
    EXPECT_EQ(parsed.config.track_groups[0].at.to_string(), "b:1:13");
}

TEST(Include, OfItselfEnds) {
    const Environment environment = with_files({{"a", "include b\n"}, {"b", "include a\n"}});
    const Parsed parsed = read("include a\n", environment);
    ASSERT_EQ(parsed.diagnostics.size(), 1U);
    EXPECT_EQ(parsed.diagnostics[0].at.to_string(), "b:1:9");
    EXPECT_EQ(parsed.diagnostics[0].message, "'a' includes itself; ignored");
}

TEST(Include, StrictVariantsAndIncludeCheckMakeErrors) {
    const Environment environment = with_files({{"locked", ""}, {"a", ""}});
    EXPECT_THAT(
        findings(read("include no\nincludem no\nincluder locked\ninclude locked\nincludea no\n"
                      "include_check match\ninclude no\ninclude_check -match +readable\n"
                      "include no\ninclude locked\ninclude\n",
                      environment)),
        ElementsAre("1:9 warning: 'no' matches no file",
                    "2:10 error: 'no' matches no file",
                    "3:10 error: 'locked' is not read: no right to read it",
                    "4:9 warning: 'locked' is not read: no right to read it",
                    "5:10 error: 'no' matches no file",
                    "7:9 error: 'no' matches no file",
                    "9:9 warning: 'no' matches no file",
                    "10:9 error: 'locked' is not read: no right to read it",
                    "11:1 error: 'include' needs a value; ignored"));
}

TEST(Record, GivesAnotherProcessTheSameText) {
    const std::string text =
        "include *\nglobal_defs {\nrouter_id ${_ENV ROLE}.${_RANDOM}.${_PWD}\n}\n";
    Environment environment =
        with_files({{"a", "track_group a { group { x } }\n"}, {"b", "include a\n"}});
    environment.sources.seed = 4711;
    Record record(text);
    environment.sources = record.listen(environment.sources);
    const Parsed first = parse(record.text(), "t.conf", environment);

    const auto copy = Record::decode(record.encode());
    ASSERT_TRUE(copy.has_value());
    Environment elsewhere = anywhere();
    elsewhere.sources = copy->replay();
    const Parsed second = parse(copy->text(), "t.conf", elsewhere);
    EXPECT_EQ(*second.config.global.router_id, *first.config.global.router_id);
    EXPECT_EQ(names(second.config), names(first.config));
    EXPECT_EQ(findings(second), findings(first));
}

TEST(Record, RefusesDamagedBytes) {
    Record record("text");
    const std::string whole = record.encode();
    EXPECT_EQ(Record::decode("plain text")->text(), "plain text");
    for (std::size_t cut = whole.find('\n') + 1; cut < whole.size(); ++cut)
        EXPECT_FALSE(Record::decode(whole.substr(0, cut)).has_value()) << cut;
    EXPECT_FALSE(Record::decode(whole + "x").has_value());
    std::string huge = whole;
    huge[whole.size() - 1] = '\x7f';
    EXPECT_FALSE(Record::decode(huge).has_value());
}

// Editors of other systems begin a UTF-8 file with it. It is no part of the first word, of the line
// that a diagnostic shows or of its column.
TEST(Language, ByteOrderMarkIsSkippedInEachFile) {
    const std::string bom = "\xef\xbb\xbf";
    const Parsed parsed =
        read(bom + "global_defs {\nrouter_id A\n}\ninclude a\ninclude b\n",
             with_files({{"a", bom + "track_group a { group { x } }\n"}, {"b", bom + "frob 2\n"}}));
    EXPECT_EQ(*parsed.config.global.router_id, "A");
    ASSERT_EQ(parsed.config.track_groups.size(), 1U);
    ASSERT_EQ(parsed.diagnostics.size(), 2U) << findings(parsed).front();
    EXPECT_EQ(parsed.diagnostics[0].at.to_string(), "a:1:25");  // there is no instance x
    EXPECT_EQ(parsed.diagnostics[1].at.to_string(), "b:1:1");
    EXPECT_EQ(parsed.diagnostics[1].source, "frob 2");
    EXPECT_EQ(parsed.diagnostics[1].length, 4U);
    EXPECT_THAT(findings(read(bom)), ElementsAre());
    // Elsewhere it is a character like any other.
    EXPECT_EQ(findings(read("\n" + bom + "global_defs {\n}\n")).size(), 1U);
}

}  // namespace
}  // namespace vipd::config::test
