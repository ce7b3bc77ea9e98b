// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/notify.hpp"
#include "userspace/control/rates.hpp"
#include "userspace/control/role_process.hpp"
#include "userspace/control/script_runner.hpp"
#include "userspace/control/track_scripts.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace vipd::control {
namespace {

TEST(Judge, FirstRunDecidesAlone) {
    EXPECT_TRUE(is_up(judge(initial_standing(false), true, 3, 2), 3));
    const auto failed = judge(initial_standing(false), false, 3, 2);
    EXPECT_TRUE(failed.known);
    EXPECT_FALSE(is_up(failed, 3));
}

TEST(Judge, FallNeedsFailuresInARow) {
    auto standing = judge(initial_standing(false), true, 1, 3);
    standing = judge(standing, false, 1, 3);
    standing = judge(standing, false, 1, 3);
    EXPECT_TRUE(is_up(standing, 1));
    standing = judge(standing, true, 1, 3);  // the row is broken
    standing = judge(standing, false, 1, 3);
    standing = judge(standing, false, 1, 3);
    EXPECT_TRUE(is_up(standing, 1));
    standing = judge(standing, false, 1, 3);
    EXPECT_FALSE(is_up(standing, 1));
}

TEST(Judge, RiseNeedsSuccessesInARow) {
    auto standing = judge(initial_standing(false), false, 3, 1);
    standing = judge(standing, true, 3, 1);
    standing = judge(standing, true, 3, 1);
    standing = judge(standing, false, 3, 1);
    standing = judge(standing, true, 3, 1);
    standing = judge(standing, true, 3, 1);
    EXPECT_FALSE(is_up(standing, 3));
    EXPECT_TRUE(is_up(judge(standing, true, 3, 1), 3));
}

TEST(Judge, RiseGivesTheFullFallBack) {
    auto standing = judge(initial_standing(false), false, 2, 2);
    standing = judge(standing, true, 2, 2);
    standing = judge(standing, true, 2, 2);
    standing = judge(standing, false, 2, 2);
    EXPECT_TRUE(is_up(standing, 2)) << "one failure of two";
}

TEST(Judge, InitFailNeedsTheRise) {
    auto standing = initial_standing(true);
    EXPECT_TRUE(standing.known);
    standing = judge(standing, true, 2, 1);
    EXPECT_FALSE(is_up(standing, 2));
    EXPECT_TRUE(is_up(judge(standing, true, 2, 1), 2));
}

TEST(RestartDelay, DoublesToAMinute) {
    std::vector<long> delays;
    for (std::uint32_t i = 0; i < 10; ++i) delays.push_back(restart_delay(i).count());
    EXPECT_EQ(delays, (std::vector<long>{0, 1, 2, 4, 8, 16, 32, 60, 60, 60}));
}

// Runs one job to its end on a loop of its own.
ScriptResult run(const ScriptJob& job) {
    auto loop = EventLoop::create();
    ScriptRunner runner(*loop);
    ScriptResult result;
    const auto started = runner.run(job, [&](const ScriptResult& done) {
        result = done;
        loop->exit(0);
    });
    if (!started) return {-1, started.error().message};
    EXPECT_TRUE(loop->run());
    return result;
}

TEST(ScriptRunner, TellsTheExitStatus) {
    EXPECT_EQ(run({{"true"}, "", "", Nanos(0)}).status, 0);
    const auto failed = run({{"/bin/sh", "-c", "exit 7"}, "", "", Nanos(0)});
    EXPECT_EQ(failed.status, 7);
    EXPECT_EQ(failed.detail, "exited with status 7");
}

TEST(ScriptRunner, AMissingScriptIsAFailure) {
    EXPECT_EQ(run({{"/does/not/exist"}, "", "", Nanos(0)}).detail, "not found: /does/not/exist");
    EXPECT_EQ(run({{"no-such-command-anywhere"}, "", "", Nanos(0)}).detail,
              "not found: no-such-command-anywhere");
    EXPECT_EQ(run({{"/etc/passwd"}, "", "", Nanos(0)}).detail, "not executable: /etc/passwd");
    EXPECT_EQ(run({{}, "", "", Nanos(0)}).detail, "empty command");
}

TEST(ScriptRunner, KillsWhatOutlivesItsTimeWithAllItsChildren) {
    const auto result = run({{"/bin/sh", "-c", "sleep 600 & wait"}, "", "", Millis(50)});
    EXPECT_EQ(result.status, -1);
    EXPECT_EQ(result.detail, "timed out");
}

TEST(ScriptRunner, RunsAFileWithoutShebangByTheShell) {
    const auto path =
        std::filesystem::temp_directory_path() / ("vipd-script-" + std::to_string(::getpid()));
    std::ofstream(path) << "exit $1\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    EXPECT_EQ(run({{path.string(), "5"}, "", "", Nanos(0)}).status, 5);
    std::filesystem::remove(path);
}

TEST(ScriptRunner, RunsAsTheUserNamed) {
    if (::getuid() != 0) GTEST_SKIP() << "needs root";
    EXPECT_EQ(run({{"/bin/sh", "-c", "test $(id -un) = nobody"}, "nobody", "", Nanos(0)}).status,
              0);
    EXPECT_EQ(run({{"true"}, "no-such-user-here", "", Nanos(0)}).detail,
              "no such user: no-such-user-here");
}

config::Script script(const char* name) {
    config::Script result;
    result.argv = {name};
    return result;
}

std::vector<std::string> words(const std::vector<Announcement>& told) {
    std::vector<std::string> list;
    for (const auto& announcement : told)
        for (const auto& entry : announcement.scripts) {
            std::string line;
            for (const auto& word : entry.argv) line += (line.empty() ? "" : " ") + word;
            list.push_back(line);
        }
    return list;
}

std::vector<std::string> lines(const std::vector<Announcement>& told) {
    std::vector<std::string> list;
    for (const auto& announcement : told)
        if (!announcement.fifo_line.empty()) list.push_back(announcement.fifo_line);
    return list;
}

std::vector<std::string> subjects(const std::vector<Announcement>& told) {
    std::vector<std::string> list;
    for (const auto& announcement : told)
        if (announcement.alert) list.push_back(announcement.alert->subject);
    return list;
}

/// Two instances in one group, as they stood in the file that keepalived was measured with.
config::Config grouped() {
    config::Config config;
    for (const auto& [name, priority] : {std::pair{"VI_1", 150}, std::pair{"VI_2", 100}}) {
        config::VrrpInstance instance;
        instance.name = name;
        instance.priority = static_cast<std::uint8_t>(priority);
        config.instances.push_back(instance);
    }
    config::SyncGroup group;
    group.name = "VG";
    group.members = {std::string("VI_2"), std::string("VI_1")};
    config.sync_groups.push_back(group);
    return config;
}

TEST(NotifyPlan, TellsInKeepalivedsOrder) {
    using enum ipc::VrrpState;
    NotifyPlan plan;
    plan.configure(grouped());
    std::vector<std::string> told;
    for (const auto& [name, state, priority] : {std::tuple{"VI_1", Backup, 150},
                                                std::tuple{"VI_2", Backup, 100},
                                                std::tuple{"VI_2", Master, 100},
                                                std::tuple{"VI_1", Master, 150}})
        for (const auto& line :
             lines(plan.on_state(name, state, static_cast<std::uint8_t>(priority))))
            told.push_back(line);
    for (const auto& line : lines(plan.on_stop())) told.push_back(line);
    EXPECT_EQ(told,
              (std::vector<std::string>{"GROUP \"VG\" BACKUP 0",
                                        "INSTANCE \"VI_1\" BACKUP 150",
                                        "INSTANCE \"VI_2\" BACKUP 100",
                                        "INSTANCE \"VI_2\" MASTER 100",
                                        "INSTANCE \"VI_1\" MASTER 150",
                                        "GROUP \"VG\" MASTER 0",
                                        "INSTANCE \"VI_1\" STOP 150",
                                        "INSTANCE \"VI_2\" STOP 100",
                                        "GROUP \"VG\" STOP 0"}));
}

TEST(NotifyPlan, MailsWhereItIsToldTo) {
    auto config = grouped();
    NotifyPlan silent;
    silent.configure(config);
    EXPECT_TRUE(subjects(silent.on_state("VI_1", ipc::VrrpState::Master, 150)).empty());

    config.global.smtp.alert.value = config.global.smtp.alert.set = true;
    config.global.smtp.no_email_faults.value = true;
    config.instances[1].notify.smtp_alert.set = true;  // and off
    NotifyPlan plan;
    plan.configure(config);
    EXPECT_EQ(subjects(plan.on_state("VI_1", ipc::VrrpState::Master, 150)),
              std::vector<std::string>{"VRRP Instance VI_1 - Entering MASTER state"});
    EXPECT_EQ(subjects(plan.on_state("VI_2", ipc::VrrpState::Master, 100)),
              std::vector<std::string>{"VRRP Group VG - Entering MASTER state"});
    EXPECT_TRUE(subjects(plan.on_state("VI_1", ipc::VrrpState::Fault, 150)).empty());
}

TEST(NotifyPlan, AnInstanceThatIsGoneIsDeletedElseFaulty) {
    auto config = grouped();
    config.sync_groups.clear();
    config.instances[0].notify.deleted = script("/gone");
    NotifyPlan plan;
    plan.configure(config);
    config.instances.clear();
    const auto gone = plan.configure(config);
    EXPECT_EQ(
        lines(gone),
        (std::vector<std::string>{"INSTANCE \"VI_1\" DELETED 150", "INSTANCE \"VI_2\" FAULT 100"}));
    EXPECT_EQ(words(gone), std::vector<std::string>{"/gone"});
}

TEST(NotifyPlan, RunsTheSpecificScriptThenTheGeneralOneThenTheGroups) {
    config::Config config;
    for (const char* name : {"VI_1", "VI_2"}) {
        config::VrrpInstance instance;
        instance.name = name;
        instance.priority = 150;
        instance.notify.master = script("/m");
        instance.notify.any = script("/n");
        config.instances.push_back(instance);
    }
    config::SyncGroup group;
    group.name = "G";
    group.members = {std::string("VI_1"), std::string("VI_2")};
    group.notify.any = script("/g");
    config.sync_groups.push_back(group);
    NotifyPlan plan;
    plan.configure(config);

    EXPECT_EQ(words(plan.on_state("VI_1", ipc::VrrpState::Master, 150)),
              (std::vector<std::string>{"/m", "/n INSTANCE VI_1 MASTER 150"}));
    EXPECT_EQ(
        words(plan.on_state("VI_2", ipc::VrrpState::Master, 150)),
        (std::vector<std::string>{"/m", "/n INSTANCE VI_2 MASTER 150", "/g GROUP G MASTER 0"}));
    EXPECT_EQ(words(plan.on_state("VI_1", ipc::VrrpState::Backup, 150)),
              (std::vector<std::string>{"/n INSTANCE VI_1 BACKUP 150"}));
    EXPECT_TRUE(plan.on_state("VI_9", ipc::VrrpState::Master, 1).empty());
    EXPECT_EQ(words(plan.on_stop()),
              (std::vector<std::string>{
                  "/n INSTANCE VI_1 STOP 150", "/n INSTANCE VI_2 STOP 150", "/g GROUP G STOP 0"}));
}

TEST(NotifyPlan, WhatHappensWithinAStateIsForTheFifosAndAScriptOfItsOwn) {
    using Kind = ipc::InstanceEventKind;
    using State = ipc::VrrpState;
    auto config = grouped();
    config.instances[0].notify.any = script("/any");
    config.instances[0].notify.master_rx_lower_pri = script("/lower");
    NotifyPlan plan;
    plan.configure(config);
    auto told = plan.on_event({"VI_1", Kind::LowerPriorityHeard, State::Master, 150});
    EXPECT_EQ(lines(told), std::vector<std::string>{"INSTANCE \"VI_1\" MASTER_RX_LOWER_PRI 150"});
    EXPECT_EQ(words(told), std::vector<std::string>{"/lower"});
    EXPECT_TRUE(plan.on_event({"VI_1", Kind::PriorityChanged, State::Master, 120}).empty());
    EXPECT_TRUE(plan.on_event({"VI_9", Kind::LowerPriorityHeard, State::Master, 1}).empty());

    // By the instance, by its group, for all.
    config.sync_groups[0].notify.priority_changes.value = true;
    plan.configure(config);
    told = plan.on_event({"VI_2", Kind::PriorityChanged, State::Backup, 80});
    EXPECT_EQ(lines(told), std::vector<std::string>{"INSTANCE \"VI_2\" BACKUP_PRIORITY 80"});
    EXPECT_TRUE(words(told).empty());
    config.sync_groups.clear();
    config.global.notify_priority_changes.value = true;
    config.instances[1].notify.priority_changes.set = true;  // and off
    plan.configure(config);
    told = plan.on_event({"VI_1", Kind::PriorityChanged, State::Master, 120});
    EXPECT_EQ(lines(told), std::vector<std::string>{"INSTANCE \"VI_1\" MASTER_PRIORITY 120"});
    EXPECT_TRUE(plan.on_event({"VI_2", Kind::PriorityChanged, State::Master, 120}).empty());
    EXPECT_TRUE(plan.on_event({"VI_1", Kind::PriorityChanged, State::Fault, 0}).empty());
}

TEST(RateMeter, FollowsTheCountersAndSurvivesTheirReset) {
    RateMeter meter;
    TimePoint now{};
    dataplane::PacketCounters counters;
    for (int second = 0; second < 20; ++second) {
        meter.update(counters, now);
        now += Seconds(1);
        counters.packets += 1000;
    }
    EXPECT_NEAR(meter.rates().packets, 1000, 1);
    meter.update({}, now);
    EXPECT_LT(meter.rates().packets, 1000);
    EXPECT_GE(meter.rates().packets, 0);
}

}  // namespace
}  // namespace vipd::control
