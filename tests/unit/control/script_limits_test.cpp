// SPDX-License-Identifier: Apache-2.0
// What becomes of scripts when there is no room for them.
#include "userspace/control/script_runner.hpp"
#include "userspace/control/track_scripts.hpp"

#include <gtest/gtest.h>

#include <cerrno>

namespace vipd::control {
namespace {

class ScriptLimits : public testing::Test {
  protected:
    static ScriptJob job(const char* command, bool vital = false) {
        ScriptJob job;
        job.argv = {"/bin/sh", "-c", command};
        job.vital = vital;
        return job;
    }
    static config::Config tracking(const char* command) {
        config::Config config;
        config::VrrpScript script;
        script.name = "chk";
        script.script.argv = {"/bin/sh", "-c", command};
        script.interval.value = Millis(1);
        script.timeout.value = Seconds(20);
        script.timeout.set = true;
        config.scripts.push_back(script);
        config::VrrpInstance instance;
        instance.name = "VI_1";
        instance.track_scripts.push_back({});
        instance.track_scripts.back().name = "chk";
        config.instances.push_back(instance);
        return config;
    }
    TrackScripts::Report report() {
        return [this](const ipc::TrackScriptState& state) {
            reports_.push_back(state);
            loop_.exit(0);
        };
    }
    TrackScripts::Say say() {
        return [this](bool, const std::string& line) { lines_.push_back(line); };
    }
    void run_for(Nanos time) {
        const auto end = loop_.at(loop_.now() + time, [this](TimePoint) { loop_.exit(0); });
        ASSERT_TRUE(end);
        ASSERT_TRUE(loop_.run());
    }

    EventLoop loop_ = std::move(*EventLoop::create());
    std::vector<ipc::TrackScriptState> reports_;
    std::vector<std::string> lines_;
};

TEST_F(ScriptLimits, TheLastPlacesAreForVitalScripts) {
    ScriptRunner runner(loop_, {.running = 3, .kept = 1});
    const auto ignore = [](const ScriptResult&) {};
    EXPECT_TRUE(runner.run(job("sleep 600"), ignore));
    EXPECT_TRUE(runner.run(job("sleep 600"), ignore));
    const auto refused = runner.run(job("sleep 600"), ignore);
    ASSERT_FALSE(refused);
    EXPECT_TRUE(lacks_resources(refused.error()));
    EXPECT_TRUE(runner.run(job("sleep 600", true), ignore));
    EXPECT_FALSE(runner.run(job("sleep 600", true), ignore));
    EXPECT_EQ(runner.running(), 3U);
}

TEST_F(ScriptLimits, NoRoomIsNoResultAndSaidOnce) {
    ScriptRunner runner(loop_, {.running = 1, .kept = 0});
    ASSERT_TRUE(runner.run(job("sleep 600"), [](const ScriptResult&) {}));
    TrackScripts scripts(loop_, runner, report(), say());
    ASSERT_TRUE(scripts.configure(tracking("exit 0")));
    run_for(Millis(20));  // some twenty more attempts
    EXPECT_TRUE(reports_.empty());
    ASSERT_EQ(scripts.states().size(), 1U);
    EXPECT_FALSE(scripts.states()[0].known);
    EXPECT_EQ(lines_,
              (std::vector<std::string>{"VRRP_Script(chk) could not be started (too many scripts "
                                        "are running), its last result stays"}));
}

TEST_F(ScriptLimits, TracksAgainWhenThereIsRoom) {
    ScriptRunner runner(loop_, {.running = 1, .kept = 0});
    ASSERT_TRUE(runner.run(job("exit 0"), [](const ScriptResult&) {}));
    TrackScripts scripts(loop_, runner, report(), say());
    ASSERT_TRUE(scripts.configure(tracking("exit 0")));
    run_for(Seconds(20));
    ASSERT_EQ(reports_.size(), 1U);
    EXPECT_TRUE(reports_[0].up);
}

TEST_F(ScriptLimits, AScriptThatIsNotThereHasFailed) {
    ScriptRunner runner(loop_);
    TrackScripts scripts(loop_, runner, report(), say());
    auto config = tracking("");
    config.scripts[0].script.argv = {"/does/not/exist"};
    ASSERT_TRUE(scripts.configure(config));
    ASSERT_EQ(reports_.size(), 1U);
    EXPECT_TRUE(reports_[0].known);
    EXPECT_FALSE(reports_[0].up);
    EXPECT_FALSE(lacks_resources(Error{"not found", ENOENT}));
}

TEST_F(ScriptLimits, TrackScriptsAreVital) {
    ScriptRunner runner(loop_, {.running = 2, .kept = 1});
    ASSERT_TRUE(runner.run(job("sleep 600"), [](const ScriptResult&) {}));
    TrackScripts scripts(loop_, runner, report(), say());
    ASSERT_TRUE(scripts.configure(tracking("exit 0")));
    run_for(Seconds(20));
    ASSERT_EQ(reports_.size(), 1U);
    EXPECT_TRUE(reports_[0].up);
}

}  // namespace
}  // namespace vipd::control
