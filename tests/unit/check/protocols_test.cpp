// SPDX-License-Identifier: Apache-2.0
// SMTP, DNS, echo, UDP answers and regexes as values.
#include "userspace/check/datagrams.hpp"
#include "userspace/check/regex.hpp"
#include "userspace/check/smtp_dialogue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace vipd::check {
namespace {

using Verdict = Outcome::Verdict;

std::optional<Verdict> verdict(const std::optional<Outcome>& outcome) {
    return outcome ? std::optional(outcome->verdict) : std::nullopt;
}

TEST(SmtpDialogue, GreetsAndLeaves) {
    SmtpDialogue dialogue("lb1.example.org");
    EXPECT_EQ(dialogue.feed("220-mail.example.org\r\n220 ES").send, "");
    EXPECT_EQ(dialogue.feed("MTP\r\n").send, "HELO lb1.example.org\r\n");
    const auto last = dialogue.feed("250 hello\r\n");
    EXPECT_EQ(last.send, "QUIT\r\n");
    EXPECT_EQ(verdict(last.outcome), Verdict::Passed);
}

TEST(SmtpDialogue, AnyOtherAnswerFails) {
    for (const char* greeting : {"554 no\r\n", "HTTP/1.0 200 OK\r\n", "220x\r\n", "\n", "22\r\n"}) {
        SmtpDialogue dialogue("lb1");
        EXPECT_EQ(verdict(dialogue.feed(greeting).outcome), Verdict::Failed) << greeting;
    }
    SmtpDialogue dialogue("lb1");
    dialogue.feed("220 x\r\n");
    const auto step = dialogue.feed("421 \x1b[31mbusy\r\n");
    ASSERT_TRUE(step.outcome);
    EXPECT_EQ(step.outcome->detail.find('\x1b'), std::string::npos)
        << "control characters in a log";
}

TEST(SmtpDialogue, AnEndlessGreetingEnds) {
    SmtpDialogue dialogue("lb1");
    std::optional<Outcome> outcome;
    std::size_t sent = 0;
    while (!outcome && sent < (1U << 20U)) {
        outcome = dialogue.feed("220-and more").outcome;
        sent += 12;
    }
    EXPECT_EQ(verdict(outcome), Verdict::Failed);
    EXPECT_LT(sent, 2 * SmtpDialogue::kMaxReply);
}

RC_GTEST_PROP(SmtpDialogue, TheSplitOfTheBytesDoesNotMatter, (std::string text)) {
    SmtpDialogue whole("lb1");
    SmtpDialogue bytewise("lb1");
    text = "220 x\r\n" + text;
    const auto at_once = whole.feed(text);
    SmtpDialogue::Step sum;
    for (const char c : text) {
        if (sum.outcome) break;
        auto step = bytewise.feed(std::string_view(&c, 1));
        sum.send += step.send;
        sum.outcome = step.outcome;
    }
    RC_ASSERT(at_once.send == sum.send);
    RC_ASSERT(verdict(at_once.outcome) == verdict(sum.outcome));
}

TEST(Dns, AQueryIsThatOfTheRfc) {
    const auto query = dns_query(0x1234, "www.example.org", dns_type("AAAA").value());
    const Bytes expected{0x12, 0x34, 0x01, 0x00, 0,   1,   0,   0,   0,   0,   0,
                         0,    3,    'w',  'w',  'w', 7,   'e', 'x', 'a', 'm', 'p',
                         'l',  'e',  3,    'o',  'r', 'g', 0,   0,   28,  0,   1};
    EXPECT_EQ(query, expected);
    const Bytes root{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1};
    EXPECT_EQ(dns_query(1, ".", dns_type("SOA").value()), root);
    EXPECT_EQ(dns_query(1, "a..b", 1), std::nullopt);
    EXPECT_EQ(dns_query(1, std::string(64, 'a'), 1), std::nullopt);
    EXPECT_EQ(dns_type("PTR"), std::nullopt);
}

TEST(Dns, OnlyTheAnswerToOurQueryCounts) {
    Bytes answer{0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0};
    EXPECT_EQ(verdict(judge_dns(answer, 0x1234)), Verdict::Passed);
    EXPECT_EQ(verdict(judge_dns(answer, 0x1235)), std::nullopt);
    answer[3] = 0x83;
    EXPECT_THAT(judge_dns(answer, 0x1234)->detail, testing::HasSubstr("no such name"));
    answer[2] = 0x01;  // a query
    EXPECT_EQ(verdict(judge_dns(answer, 0x1234)), std::nullopt);
    EXPECT_EQ(verdict(judge_dns(ByteView(answer).first(11), 0x1234)), std::nullopt);
}

TEST(Echo, OnlyTheReplyToOurRequestCounts) {
    Bytes packet = echo_request(Family::V4, 7);
    EXPECT_EQ(packet.size(), 64U);
    EXPECT_EQ(verdict(judge_echo(packet, Family::V4, 7)), std::nullopt) << "our own request";
    packet[0] = 0;
    EXPECT_EQ(verdict(judge_echo(packet, Family::V4, 7)), Verdict::Passed);
    EXPECT_EQ(verdict(judge_echo(packet, Family::V4, 8)), std::nullopt);
    EXPECT_EQ(verdict(judge_echo(packet, Family::V6, 7)), std::nullopt);
    EXPECT_EQ(echo_request(Family::V6, 7)[0], 128);
}

TEST(UdpReply, LengthAndMaskDecide) {
    UdpSettings udp{.require_reply = true,
                    .reply = {0xab, 0x00, 0xcd},
                    .reply_mask = {0xff, 0x00, 0xf0},
                    .min_reply = 2,
                    .max_reply = 4};
    const auto of = [&](const Bytes& answer) { return judge_udp(udp, answer).verdict; };
    EXPECT_EQ(of({0xab, 0x77, 0xc1}), Verdict::Passed);
    EXPECT_EQ(of({0xab, 0x77, 0xc1, 0}), Verdict::Passed);
    EXPECT_EQ(of({0xaa, 0x77, 0xc1}), Verdict::Failed);
    EXPECT_EQ(of({0xab, 0x77, 0xd1}), Verdict::Failed);
    EXPECT_EQ(of({0xab, 0x77}), Verdict::Failed);
    EXPECT_EQ(of({0xab}), Verdict::Failed);
    EXPECT_EQ(of({0xab, 0x77, 0xc1, 0, 0}), Verdict::Failed);
}

TEST(Regex, MatchesAndDoesNot) {
    EXPECT_TRUE(fits({.pattern = "wor.d"}, "hello world").value());
    EXPECT_FALSE(fits({.pattern = "WORLD"}, "hello world").value());
    EXPECT_TRUE(fits({.pattern = "WORLD", .options = {"caseless"}}, "hello world").value());
    EXPECT_FALSE(fits({.pattern = "world", .no_match = true}, "hello world").value());
    EXPECT_TRUE(fits({.pattern = "moon", .no_match = true}, "hello world").value());
    EXPECT_FALSE(fits({.pattern = "hello", .min_offset = 1}, "hello world").value());
    EXPECT_FALSE(fits({.pattern = "world", .max_offset = 3}, "hello world").value());
    EXPECT_TRUE(fits({.pattern = "world", .max_offset = 6}, "hello world").value());
    EXPECT_FALSE(fits({.pattern = "x", .min_offset = 100}, "hello").value());
}

TEST(Regex, MistakesAndHostileBodiesAreErrors) {
    EXPECT_FALSE(fits({.pattern = "("}, "x"));
    EXPECT_FALSE(fits({.pattern = "x", .options = {"nosuch"}}, "x"));
    EXPECT_FALSE(fits({.pattern = "(a+)+$"}, std::string(64, 'a') + "b"))
        << "it backtracks for ever";
}

}  // namespace
}  // namespace vipd::check
