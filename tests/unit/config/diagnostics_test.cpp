// SPDX-License-Identifier: Apache-2.0
#include "parse_support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vipd::config::test {
namespace {

std::string rendered(const Parsed& parsed) {
    std::string out;
    for (const auto& diagnostic : parsed.diagnostics) out += render(diagnostic) + "\n";
    return out;
}

TEST(Render, ShowsPlaceLineCaretAndHint) {
    EXPECT_EQ(
        rendered(read("vrrp_sync_group G {\n    group { A\n B }\n    netify_backup /path/x.sh\n}")),
        "t.conf:1:17: warning: vrrp_sync_group 'G' has no instance; ignored\n"
        "    vrrp_sync_group G {\n"
        "                    ^\n"
        "t.conf:2:13: error: there is no vrrp_instance 'A'; ignored\n"
        "    group { A\n"
        "            ^\n"
        "t.conf:3:2: error: there is no vrrp_instance 'B'; ignored\n"
        "    B }\n"
        "    ^\n"
        "t.conf:4:5: error: unknown keyword 'netify_backup'\n"
        "    netify_backup /path/x.sh\n"
        "    ^~~~~~~~~~~~~\n"
        "    did you mean 'notify_backup'?\n");
}

TEST(Render, CaretStandsUnderTheWordAfterTabsAndWideCharacters) {
    Diagnostic diagnostic;
    diagnostic.at = {
        std::make_shared<const SourceFile>("f", std::make_shared<const std::string>()), 1, 5};
    diagnostic.message = "m";
    diagnostic.length = 3;
    diagnostic.source = "a\t全 foo bar";
    // a, tab, a character of two cells, blank: the caret line has the same tab and two cells for
    // 全.
    EXPECT_EQ(render(diagnostic), "f:1:5: error: m\n    a\t全 foo bar\n     \t   ^~~");
    diagnostic.at.column = 3;
    diagnostic.length = 1;
    EXPECT_EQ(render(diagnostic), "f:1:3: error: m\n    a\t全 foo bar\n     \t^~");
}

TEST(Render, ControlCharactersAndBrokenUtf8AreNotPassedOn) {
    Diagnostic diagnostic;
    diagnostic.at = {
        std::make_shared<const SourceFile>("f", std::make_shared<const std::string>()), 1, 3};
    diagnostic.message = "m";
    diagnostic.source =
        "\x1b\xff"
        "x";
    EXPECT_EQ(render(diagnostic), "f:1:3: error: m\n    ??x\n      ^");
}

TEST(Render, PlaceBehindTheEndOfTheLineStillHasACaret) {
    Diagnostic diagnostic;
    diagnostic.at = {
        std::make_shared<const SourceFile>("f", std::make_shared<const std::string>()), 1, 4};
    diagnostic.source = "abc";
    EXPECT_EQ(render(diagnostic), "f:1:4: error: \n    abc\n       ^");
}

TEST(Render, PasswordsAreNeverShown) {
    const std::string text =
        rendered(read(instance("authentication {\nauth_type PASS\nauth_pass "
                               "swordfish99\n}\nauthentication { auth_pass \"two words\" }")));
    EXPECT_THAT(text, testing::HasSubstr("auth_pass ***********"));
    EXPECT_THAT(text, testing::Not(testing::HasSubstr("swordf")));
    EXPECT_THAT(text, testing::Not(testing::HasSubstr("two words")));
}

TEST(ExitStatus, IsKeepalivedsOne) {
    EXPECT_EQ(read(instance("")).exit_status(), 0);
    EXPECT_EQ(read(instance("track_src_ip")).exit_status(), 0);  // vipd's own remark
    EXPECT_EQ(read(instance("authentication { auth_pass 123456789\n}")).exit_status(), 5);
    EXPECT_EQ(read(instance("foo")).exit_status(), 5);
    EXPECT_EQ(read(instance("foo\nnotify /bin/true"), machine()).exit_status(), 6);
    Parsed fatal;
    fatal.diagnostics.push_back({Severity::Security, {}, {}, {}, {}});
    fatal.diagnostics.push_back({Severity::Fatal, {}, {}, {}, {}});
    EXPECT_EQ(fatal.exit_status(), 4);
}

TEST(Diagnostics, StandInFileOrder) {
    const Parsed parsed =
        read(service("quorum 9\nreal_server 10.0.0.2 81 {\nfoo\n}") + instance("bar"));
    std::vector<std::uint32_t> lines;
    for (const auto& diagnostic : parsed.diagnostics) lines.push_back(diagnostic.at.line);
    EXPECT_THAT(lines, testing::ElementsAre(5, 6, 7, 15));
}

TEST(Diagnostics, AreLimitedButTheGravestIsKept) {
    std::string text;
    for (int i = 0; i < 3000; ++i) text += "smtp_alertt\n";
    const Parsed parsed = read(text + instance("notify /bin/true"), machine());
    EXPECT_EQ(parsed.diagnostics.size(), 1002U);
    EXPECT_EQ(parsed.diagnostics.back().message, "2000 more messages are not shown");
    EXPECT_EQ(parsed.exit_status(), 6);
}

}  // namespace
}  // namespace vipd::config::test
