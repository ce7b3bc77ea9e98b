// SPDX-License-Identifier: Apache-2.0
// The engine on a real loop: what several checkers say together, restarts, reloads, limits.
#include "userspace/check/engine.hpp"

#include "tests/unit/check/server.hpp"

#include <gtest/gtest.h>
#include <systemd/sd-event.h>

namespace vipd::check {
namespace {

using namespace std::chrono_literals;
using test::Server;

const ServiceKey kService{{IpAddress::v4(0x0a000064), 80}, Protocol::Tcp};
const Endpoint kReal{IpAddress::v4(0x0a000001), 80};

Timing quick() {
    return {.delay_loop = 20ms,
            .connect_timeout = 2s,
            .retry = 0,
            .delay_before_retry = 10ms,
            .warmup = 0s};
}
Settings tcp(const Endpoint& target) {
    Settings settings;
    settings.timing = quick();
    settings.target = target;
    return settings;
}
Settings misc(const std::string& path) {
    Settings settings;
    settings.kind = Kind::Misc;
    settings.timing = quick();
    settings.argv = {path};
    settings.script_timeout = 1s;
    return settings;
}

class EngineTest : public testing::Test {
  protected:
    void SetUp() override { make({}); }
    void make(Engine::Limits limits) {
        engine = Engine::create(loop,
                                limits,
                                {.report = [this](const Health& h) { reports.push_back(h); },
                                 .run_script = [this](auto& s) { scripts.push_back(s); },
                                 .say = [this](const std::string& s) { lines.push_back(s); }},
                                1)
                     .value();
    }
    // Turns the loop until `done` holds.
    void until(const std::function<bool()>& done) {
        const auto end = std::chrono::steady_clock::now() + 20s;
        while (!done() && std::chrono::steady_clock::now() < end)
            (void)sd_event_run(loop.native(), 100'000);
        ASSERT_TRUE(done());
    }
    bool said(const std::string& line) const {
        return std::find(lines.begin(), lines.end(), line) != lines.end();
    }
    const Health& last() const { return reports.back(); }

    EventLoop loop = EventLoop::create().value();
    std::vector<Health> reports;
    std::vector<ScriptRequest> scripts;
    std::vector<std::string> lines;
    std::unique_ptr<Engine> engine;
};

TEST_F(EngineTest, TellsOfEachServerOnceBeforeTheFirstCheck) {
    engine->configure({{kService, kReal, false, {misc("/a")}},
                       {kService, {kReal.address, 81}, true, {misc("/b")}}});
    EXPECT_TRUE(reports.empty());
    engine->start();
    ASSERT_EQ(reports.size(), 2U);
    EXPECT_TRUE(reports[0].up);
    EXPECT_FALSE(reports[0].known);
    EXPECT_FALSE(reports[1].up);  // alpha
    EXPECT_FALSE(reports[1].known);
    EXPECT_TRUE(
        said("Activating healthchecker for service [10.0.0.1]:tcp:80 for VS "
             "[10.0.0.100]:tcp:80"));
}

TEST_F(EngineTest, AllCheckersOfAServerMustPass) {
    Server server([](int, const std::string&) {});
    engine->configure({{kService, kReal, false, {tcp(server.endpoint()), misc("/check")}}});
    engine->start();
    until([&] { return !scripts.empty(); });
    engine->script_done(scripts[0].id, 1, "exited with status 1");
    until([&] { return reports.size() >= 2; });
    EXPECT_FALSE(last().up);
    EXPECT_TRUE(last().known);
    EXPECT_EQ(last().reason, "exited with status 1");
    EXPECT_TRUE(
        said("Misc check for [[10.0.0.1]:tcp:80 VS [10.0.0.100]:tcp:80] by [/check] failed "
             "(exited with status 1)."));
    until([&] { return said("TCP connection to [10.0.0.1]:tcp:80 success."); });
    EXPECT_FALSE(engine->health()[0].up);

    until([&] { return scripts.size() >= 2; });
    engine->script_done(scripts[1].id, 0, "");
    EXPECT_TRUE(last().up);
    EXPECT_TRUE(last().known);
}

TEST_F(EngineTest, SaysWhatUsersGrepFor) {
    auto settings = tcp(test::closed_port());
    settings.timing.retry = 2;
    engine->configure({{kService, kReal, false, {settings}}});
    engine->resume({kService, kReal, true, true, -1, ""});
    engine->start();
    until([&] { return reports.size() >= 2; });
    EXPECT_FALSE(last().up);
    EXPECT_TRUE(
        said("TCP_CHECK on service [10.0.0.1]:tcp:80 failed after 2 retries. "
             "(connection refused)"));
}

TEST_F(EngineTest, WhatWasDownBeforeTheRestartStaysDown) {
    engine->configure({{kService, kReal, false, {misc("/check")}}});
    engine->resume({kService, kReal, false, true, -1, "connection refused"});
    engine->resume({kService, {kReal.address, 1}, false, true, -1, ""});  // unknown: ignored
    engine->start();
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_FALSE(last().up);
    EXPECT_TRUE(last().known);
    EXPECT_EQ(last().reason, "connection refused");
    until([&] { return !scripts.empty(); });
    engine->script_done(scripts[0].id, 0, "");
    EXPECT_TRUE(last().up);
}

TEST_F(EngineTest, AScriptNobodyTellsOfHasFailed) {
    make({.attempts = 8, .script_grace = 20ms, .http = {}});
    auto settings = misc("/hangs");
    settings.script_timeout = 20ms;
    settings.timing.delay_loop = 1h;
    engine->configure({{kService, kReal, false, {settings}}});
    engine->start();
    until([&] { return reports.size() >= 2; });
    EXPECT_FALSE(last().up);
    EXPECT_EQ(engine->attempts_running(), 0U);
    const auto count = reports.size();
    engine->script_done(scripts[0].id, 0, "");  // too late
    engine->script_done(4711, 0, "");
    EXPECT_EQ(reports.size(), count);
}

TEST_F(EngineTest, AReloadKeepsTheStateOfTheSameChecker) {
    auto settings = misc("/check");
    settings.timing.delay_loop = 1h;
    settings.timing.warmup = 0s;
    engine->configure({{kService, kReal, false, {settings}}});
    engine->start();
    until([&] { return scripts.size() == 1; });
    settings.timing.retry = 7;
    engine->configure({{kService, kReal, false, {settings}}});
    engine->script_done(scripts[0].id, 1, "no");  // the attempt under way lives on
    EXPECT_FALSE(last().up);
    const auto count = reports.size();
    const auto activated = lines.size();
    engine->configure({{kService, kReal, false, {settings}}});
    EXPECT_EQ(reports.size(), count);
    EXPECT_EQ(lines.size(), activated);
    EXPECT_EQ(scripts.size(), 1U);
}

TEST_F(EngineTest, AReloadWithAnotherQuestionKeepsADeadServerDown) {
    engine->configure({{kService, kReal, false, {misc("/old")}}});
    engine->start();
    until([&] { return scripts.size() == 1; });
    engine->script_done(scripts[0].id, 1, "no");
    engine->configure({{kService, kReal, false, {misc("/new")}}});
    EXPECT_FALSE(engine->health()[0].up);
    until([&] { return scripts.back().argv[0] == "/new"; });
    engine->script_done(scripts.back().id, 0, "");
    EXPECT_TRUE(engine->health()[0].up);
}

TEST_F(EngineTest, ARemovedServersAttemptsEnd) {
    Server server([](int, const std::string&) {});
    engine->configure({{kService, kReal, false, {misc("/check"), tcp(server.endpoint())}}});
    engine->start();
    until([&] { return engine->attempts_running() == 2 || scripts.size() == 1; });
    engine->configure({});
    EXPECT_EQ(engine->attempts_running(), 0U);
    const auto count = reports.size();
    for (const auto& script : scripts) engine->script_done(script.id, 1, "");
    EXPECT_EQ(reports.size(), count);
    EXPECT_TRUE(engine->health().empty());
}

TEST_F(EngineTest, NoMoreAttemptsAtOnceThanAllowed) {
    make({.attempts = 3, .script_grace = 10s, .http = {}});
    std::vector<RealServer> reals;
    for (std::uint16_t i = 0; i < 10; ++i)
        reals.push_back({kService, {kReal.address, i}, false, {misc("/check")}});
    engine->configure(reals);
    engine->start();
    until([&] { return scripts.size() == 3; });
    for (int i = 0; i < 20; ++i) (void)sd_event_run(loop.native(), 1000);
    EXPECT_EQ(scripts.size(), 3U);
    EXPECT_EQ(engine->attempts_running(), 3U);
    for (std::size_t i = 0; i < 10; ++i) {
        until([&] { return scripts.size() > i; });
        engine->script_done(scripts[i].id, 0, "");
    }
    const auto health = engine->health();
    EXPECT_TRUE(std::all_of(health.begin(), health.end(), [](auto& h) { return h.known; }));
}

TEST_F(EngineTest, ADynamicWeightTravelsWithTheReport) {
    auto settings = misc("/weight");
    settings.dynamic_weight = true;
    engine->configure({{kService, kReal, false, {settings}}});
    engine->start();
    until([&] { return scripts.size() == 1; });
    engine->script_done(scripts[0].id, 42, "");
    EXPECT_TRUE(last().up);
    EXPECT_EQ(last().weight, 40);
}

TEST_F(EngineTest, AScriptThatIsLeftOutLeavesTheOtherCheckersToDecide) {
    engine->configure({{kService, kReal, false, {misc("/gone"), misc("/there")}}});
    engine->start();
    until([&] { return scripts.size() == 2; });
    const bool gone_first = scripts[0].argv[0] == "/gone";
    engine->script_left_out(scripts[gone_first ? 0 : 1].id);
    EXPECT_TRUE(last().up);
    engine->script_done(scripts[gone_first ? 1 : 0].id, 1, "no");
    EXPECT_FALSE(last().up);
    until([&] { return scripts.size() == 3; });
    EXPECT_EQ(scripts[2].argv[0], "/there");
    engine->script_left_out(scripts[2].id);  // none left: as one without checkers
    EXPECT_TRUE(last().up);
    EXPECT_TRUE(last().known);
}

TEST_F(EngineTest, ANewAlphaCheckerHasToPassFirst) {
    engine->configure({{kService, kReal, true, {misc("/old")}}});
    engine->start();
    until([&] { return scripts.size() == 1; });
    engine->script_done(scripts[0].id, 0, "");
    EXPECT_TRUE(last().up);
    engine->configure({{kService, kReal, true, {misc("/new")}}});
    EXPECT_FALSE(engine->health()[0].up);
    engine->configure({{kService, kReal, false, {misc("/newer")}}});
}

TEST_F(EngineTest, AServerNamedTwiceCountsOnce) {
    engine->configure(
        {{kService, kReal, false, {misc("/a")}}, {kService, kReal, false, {misc("/b")}}});
    engine->start();
    EXPECT_EQ(engine->health().size(), 1U);
    engine->configure({});
}

}  // namespace
}  // namespace vipd::check
