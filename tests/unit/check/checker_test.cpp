// SPDX-License-Identifier: Apache-2.0
// step() on simulated time: keepalived's rules, one by one.
#include "userspace/check/checker.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace vipd::check {
namespace {

using namespace std::chrono_literals;

// A checker with its timer: plays an attempt at the time for which the last StartAt asked.
class Simulation {
  public:
    explicit Simulation(Settings with, Begin begin = {}) : settings(std::move(with)) {
        apply(step(state, settings, begin, now));
    }
    /// Runs the next attempt; it ends `takes` later.
    void attempt(Outcome outcome, Nanos takes = 0ns) {
        ASSERT_TRUE(armed);
        now = next;
        armed = launched = false;
        apply(step(state, settings, Due{}, now));
        ASSERT_TRUE(launched);
        now += takes;
        apply(step(state, settings, Finished{last.attempt, std::move(outcome)}, now));
        ASSERT_TRUE(armed) << "a checker without a timer never checks again";
    }
    void pass() { attempt(Outcome::passed()); }
    void fail() { attempt(Outcome::failed("connection refused")); }
    Nanos until_next() const { return next - now; }

    Settings settings;
    State state;
    TimePoint now{1000s};
    TimePoint next;
    Launch last;
    bool armed = false, launched = false;
    std::vector<Report> reports;

  private:
    void apply(const std::vector<Action>& actions) {
        for (const auto& action : actions) {
            if (const auto* start = std::get_if<StartAt>(&action)) {
                next = start->when;
                armed = true;
            } else if (const auto* launch = std::get_if<Launch>(&action)) {
                last = *launch;
                launched = true;
            } else {
                reports.push_back(std::get<Report>(action));
            }
        }
    }
};

Settings tcp() {
    Settings settings;
    settings.timing = {.delay_loop = 10s,
                       .connect_timeout = 3s,
                       .retry = 2,
                       .delay_before_retry = 1s,
                       .warmup = 0s};
    return settings;
}

TEST(CheckerStep, TheFirstFailureTakesTheServerDownAtOnce) {
    Simulation checker(tcp());
    EXPECT_TRUE(checker.state.up);
    checker.fail();
    EXPECT_FALSE(checker.state.up);
    ASSERT_EQ(checker.reports.size(), 1U);
    EXPECT_FALSE(checker.reports[0].up);
    EXPECT_TRUE(checker.reports[0].changed);
    EXPECT_EQ(checker.reports[0].retries, 0U);
    EXPECT_EQ(checker.reports[0].reason, "connection refused");
    EXPECT_EQ(checker.until_next(), 10s);
}

TEST(CheckerStep, AServerThatWasUpIsDownOnlyAfterTheRetries) {
    Simulation checker(tcp());
    checker.pass();
    ASSERT_EQ(checker.reports.size(), 1U);
    EXPECT_TRUE(checker.reports[0].up);
    EXPECT_EQ(checker.until_next(), 10s);
    checker.fail();
    EXPECT_EQ(checker.until_next(), 1s);
    checker.fail();
    EXPECT_EQ(checker.until_next(), 1s);
    EXPECT_EQ(checker.reports.size(), 1U);
    checker.fail();
    ASSERT_EQ(checker.reports.size(), 2U);
    EXPECT_FALSE(checker.reports[1].up);
    EXPECT_EQ(checker.reports[1].retries, 2U);
    EXPECT_EQ(checker.until_next(), 10s);
}

TEST(CheckerStep, OnePassedAttemptInBetweenForgetsTheFailures) {
    Simulation checker(tcp());
    checker.pass();
    for (int i = 0; i < 20; ++i) {
        checker.fail();
        checker.fail();
        checker.pass();
        EXPECT_EQ(checker.until_next(), 10s);
    }
    EXPECT_EQ(checker.reports.size(), 1U);
    EXPECT_TRUE(checker.state.up);
}

TEST(CheckerStep, RecoversWithTheFirstPassedAttemptAndAsksADeadServerEveryLoop) {
    Simulation checker(tcp());
    for (int i = 0; i < 5; ++i) {
        checker.fail();
        EXPECT_EQ(checker.until_next(), 10s);
    }
    EXPECT_EQ(checker.reports.size(), 1U);
    checker.pass();
    ASSERT_EQ(checker.reports.size(), 2U);
    EXPECT_TRUE(checker.reports[1].up);
    checker.fail();  // and the retries count again
    EXPECT_TRUE(checker.state.up);
}

TEST(CheckerStep, AlphaStartsDownUntilAnAttemptHasPassed) {
    auto settings = tcp();
    settings.alpha = true;
    Simulation checker(settings);
    EXPECT_FALSE(checker.state.up);
    EXPECT_FALSE(checker.state.has_run);
    checker.pass();
    ASSERT_EQ(checker.reports.size(), 1U);
    EXPECT_TRUE(checker.reports[0].up);
}

TEST(CheckerStep, WarmupSpreadsTheFirstAttempt) {
    auto settings = tcp();
    settings.timing.warmup = 8s;
    EXPECT_EQ(Simulation(settings, {.fraction = 0.5}).until_next(), 4s);
    settings.timing.warmup = -1s;
    EXPECT_EQ(Simulation(settings, {.fraction = 0.5}).until_next(), 5s);
    settings.timing.warmup = 0s;
    EXPECT_EQ(Simulation(settings, {.fraction = 0.5}).until_next(), 0s);
}

TEST(CheckerStep, AfterARestartWhatWasDownStaysDownUntilItPasses) {
    Simulation down(tcp(), {.known_up = false, .judged = true});
    EXPECT_FALSE(down.state.up);
    down.fail();
    EXPECT_TRUE(down.reports.empty());
    down.pass();
    ASSERT_EQ(down.reports.size(), 1U);
    EXPECT_TRUE(down.reports[0].up);

    Simulation up(tcp(), {.known_up = true, .judged = true});
    up.fail();  // not a first attempt: the retries hold
    EXPECT_TRUE(up.state.up);
    EXPECT_TRUE(up.reports.empty());
}

TEST(CheckerStep, AnAttemptThatCouldNotBeMadeSaysNothingAboutTheServer) {
    Simulation checker(tcp());
    checker.attempt(Outcome::not_run("socket: too many open files"));
    EXPECT_TRUE(checker.state.up);
    EXPECT_FALSE(checker.state.has_run);
    EXPECT_TRUE(checker.reports.empty());
    EXPECT_EQ(checker.until_next(), 10s);
    checker.fail();
    EXPECT_FALSE(checker.state.up);
    checker.attempt(Outcome::not_run(""));
    EXPECT_FALSE(checker.state.up);
}

TEST(CheckerStep, TheEndOfAnAbandonedAttemptIsIgnored) {
    Simulation checker(tcp());
    checker.pass();
    const auto before = checker.state.failures;
    EXPECT_TRUE(step(checker.state,
                     checker.settings,
                     Finished{checker.last.attempt, Outcome::failed("late")},
                     checker.now)
                    .empty());
    EXPECT_TRUE(step(checker.state,
                     checker.settings,
                     Finished{checker.last.attempt + 1, Outcome::failed("forged")},
                     checker.now)
                    .empty());
    EXPECT_EQ(checker.state.failures, before);
    // A second Due while one is under way starts no second attempt.
    EXPECT_EQ(step(checker.state, checker.settings, Due{}, checker.next).size(), 1U);
    EXPECT_TRUE(step(checker.state, checker.settings, Due{}, checker.next).empty());
}

Settings http(std::size_t urls) {
    auto settings = tcp();
    settings.kind = Kind::Http;
    settings.timing.retry = 1;
    for (std::size_t i = 0; i < urls; ++i)
        settings.urls.push_back({.path = "/" + std::to_string(i)});
    return settings;
}

TEST(CheckerStep, HttpAsksOneUrlEachLoopAndIsUpWhenAllHavePassed) {
    Simulation checker(http(3));
    for (std::size_t url = 0; url < 3; ++url) {
        EXPECT_TRUE(checker.reports.empty());
        checker.pass();
        EXPECT_EQ(checker.last.url, url);
        EXPECT_EQ(checker.until_next(), 10s);
    }
    ASSERT_EQ(checker.reports.size(), 1U);
    EXPECT_TRUE(checker.reports[0].up);
    checker.pass();
    EXPECT_EQ(checker.last.url, 0U);
}

TEST(CheckerStep, HttpRetriesTheSameUrlAndAsksTheFailedOneFirst) {
    Simulation checker(http(2));
    checker.pass();
    checker.pass();
    checker.pass();  // url 0
    checker.fail();  // url 1
    EXPECT_EQ(checker.until_next(), 1s);
    checker.fail();
    EXPECT_EQ(checker.last.url, 1U);
    ASSERT_EQ(checker.reports.size(), 2U);
    EXPECT_EQ(checker.reports[1].retries, 1U);
    checker.fail();
    EXPECT_EQ(checker.last.url, 1U);
    checker.pass();  // the failed one; then all of them
    EXPECT_FALSE(checker.state.up);
    checker.pass();
    EXPECT_EQ(checker.last.url, 0U);
    EXPECT_FALSE(checker.state.up);
    checker.pass();
    EXPECT_EQ(checker.last.url, 1U);
    EXPECT_TRUE(checker.state.up);
    EXPECT_EQ(checker.reports.size(), 3U);
}

TEST(CheckerStep, HttpWithASingleUrlRecoversWithOneAttempt) {
    Simulation checker(http(1));
    checker.fail();
    checker.pass();
    EXPECT_TRUE(checker.state.up);
}

TEST(CheckerStep, HttpStartsDownWithAnyUrlThatFailsInTheFirstRound) {
    Simulation checker(http(2));
    checker.pass();
    checker.fail();
    EXPECT_FALSE(checker.state.up);
}

Settings misc() {
    auto settings = tcp();
    settings.kind = Kind::Misc;
    settings.timing.retry = 0;
    settings.argv = {"/usr/bin/true"};
    return settings;
}

TEST(CheckerStep, AScriptsPeriodCountsFromItsStart) {
    Simulation checker(misc());
    checker.attempt(Outcome::passed(), 4s);
    EXPECT_EQ(checker.until_next(), 6s);
    checker.attempt(Outcome::failed("timed out"), 25s);
    EXPECT_EQ(checker.until_next(), 0s);
    EXPECT_FALSE(checker.state.up);
    Simulation connect(tcp());
    connect.attempt(Outcome::passed(), 2s);
    EXPECT_EQ(connect.until_next(), 10s);
}

TEST(JudgeScript, ExitStatusDecides) {
    const auto settings = misc();
    EXPECT_EQ(judge_script(settings, 0, "").verdict, Outcome::Verdict::Passed);
    for (const int status : {1, 2, 127, 255, -1, 256})
        EXPECT_EQ(judge_script(settings, status, "x").verdict, Outcome::Verdict::Failed) << status;
    EXPECT_EQ(judge_script(settings, -1, "timed out").detail, "timed out");
}

TEST(JudgeScript, DynamicStatusesAreWeights) {
    auto settings = misc();
    settings.dynamic_weight = true;
    EXPECT_EQ(judge_script(settings, 0, "").weight, -1);
    EXPECT_EQ(judge_script(settings, 1, "").verdict, Outcome::Verdict::Failed);
    for (const int status : {2, 3, 255}) {
        const auto outcome = judge_script(settings, status, "");
        EXPECT_EQ(outcome.verdict, Outcome::Verdict::Passed);
        EXPECT_EQ(outcome.weight, status - 2);
    }
    EXPECT_EQ(judge_script(settings, 256, "").verdict, Outcome::Verdict::Failed);
}

TEST(CheckerStep, ADynamicWeightIsReportedWhenItChanges) {
    auto settings = misc();
    settings.dynamic_weight = true;
    Simulation checker(settings);
    checker.attempt(judge_script(settings, 12, ""));
    ASSERT_EQ(checker.reports.size(), 1U);
    EXPECT_TRUE(checker.reports[0].changed);
    EXPECT_EQ(checker.reports[0].weight, 10);
    checker.attempt(judge_script(settings, 12, ""));
    EXPECT_EQ(checker.reports.size(), 1U);
    checker.attempt(judge_script(settings, 7, ""));
    ASSERT_EQ(checker.reports.size(), 2U);
    EXPECT_FALSE(checker.reports[1].changed);
    EXPECT_TRUE(checker.reports[1].up);
    EXPECT_EQ(checker.reports[1].weight, 5);
    checker.attempt(judge_script(settings, 0, ""));  // 0 asks for nothing
    EXPECT_EQ(checker.state.weight, 5);
}

TEST(JudgeHttp, StatusAndDigest) {
    EXPECT_EQ(judge_http({}, 200, "").verdict, Outcome::Verdict::Passed);
    EXPECT_EQ(judge_http({}, 299, "").verdict, Outcome::Verdict::Passed);
    EXPECT_EQ(judge_http({}, 301, "").detail, "HTTP status 301");
    HttpUrl url;
    url.status_codes = {{404, 404}, {500, 599}};
    EXPECT_EQ(judge_http(url, 404, "").verdict, Outcome::Verdict::Passed);
    EXPECT_EQ(judge_http(url, 550, "").verdict, Outcome::Verdict::Passed);
    EXPECT_EQ(judge_http(url, 200, "").verdict, Outcome::Verdict::Failed);
    url = {.digest = "900150983CD24FB0D6963F7D28E17F72"};
    EXPECT_EQ(judge_http(url, 200, "900150983cd24fb0d6963f7d28e17f72").verdict,
              Outcome::Verdict::Passed);
    EXPECT_EQ(judge_http(url, 200, "900150983cd24fb0d6963f7d28e17f73").detail,
              "MD5 digest is 900150983cd24fb0d6963f7d28e17f73");
}

TEST(Settings, TimingDoesNotMakeItAnotherQuestion) {
    auto changed = tcp();
    changed.timing.delay_loop = 3s;
    EXPECT_TRUE(tcp().asks_the_same(changed));
    changed.target.port = 81;
    EXPECT_FALSE(tcp().asks_the_same(changed));
    auto other = http(2);
    other.urls[1].digest = "00";
    EXPECT_FALSE(http(2).asks_the_same(other));
}

// Whatever happens in whatever order: down needs a failure, up needs a pass, and the timer is armed
// or an attempt is under way.
RC_GTEST_PROP(CheckerStep, IsNeverIdleAndNeverWrong, (std::vector<std::uint8_t> script)) {
    auto settings = *rc::gen::element(tcp(), http(1), http(3), misc());
    settings.alpha = *rc::gen::arbitrary<bool>();
    settings.timing.retry = *rc::gen::inRange<std::uint32_t>(0, 4);
    Simulation checker(settings);
    std::uint32_t failed_in_a_row = 0;
    std::size_t passed_in_a_row = 0;
    const std::size_t round = std::max<std::size_t>(1, settings.urls.size());
    for (const auto byte : script) {
        const bool was_up = checker.state.up;
        const bool had_run = checker.state.has_run;
        if (byte % 2 == 0) {
            checker.pass();
            failed_in_a_row = 0;
            ++passed_in_a_row;
        } else {
            checker.fail();
            ++failed_in_a_row;
            passed_in_a_row = 0;
        }
        if (was_up && had_run)
            RC_ASSERT(checker.state.up == (failed_in_a_row <= settings.timing.retry));
        if (!was_up && checker.state.up) RC_ASSERT(passed_in_a_row >= round);
        RC_ASSERT(checker.next >= checker.now);
    }
}

}  // namespace
}  // namespace vipd::check
