// SPDX-License-Identifier: Apache-2.0
// The state machine where two things meet, and where an event comes that means nothing: every one
// in every state, faults of one's own and of the group, reloads and restarts in between.
#include "tests/unit/vrrp/script.hpp"
#include "vrrp/fsm/machine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace vipd::vrrp::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kLower = "10.0.0.0";  // addresses next to our 10.0.0.1
constexpr const char* kHigher = "10.0.0.2";
constexpr Nanos kSkew100{609'375'000};
constexpr Nanos kDown100 = Seconds(3) + kSkew100;

Script in_state(State state, Policy policy = Script::v2(100)) {
    Script script(policy);
    if (state != State::Init) script.give(Startup{});
    if (state == State::Master)
        script.pass(master_down_interval(script.machine, script.policy) + Seconds(6));
    if (state == State::Fault) script.give(FaultSet{});
    EXPECT_EQ(script.machine.state, state);
    script.lines.clear();
    return script;
}

// --- what means nothing --------------------------------------------------------------------------

TEST(VrrpMachine, IsStartedOnce) {
    for (const State state : {State::Backup, State::Master, State::Fault}) {
        Script script = in_state(state);
        EXPECT_EQ(script.give(Startup{}), "") << to_string(state);
        EXPECT_EQ(script.give(Resume{State::Master}), "") << to_string(state);
        EXPECT_EQ(script.machine.state, state);
    }
}

TEST(VrrpMachine, DoesNothingInInitButRemember) {
    Script script = in_state(State::Init);
    for (const Event& event : {Event(Tick{}),
                               Event(Handover{Seconds(9)}),
                               Event(SyncMaster{}),
                               Event(SyncBackup{}),
                               Event(SyncFault{true}),
                               Event(SyncFault{false}),
                               Event(FaultSet{}),
                               Event(FaultCleared{}),
                               Event(PolicyChanged{}),
                               Event(Shutdown{})})
        EXPECT_EQ(script.give(event), "");
    EXPECT_EQ(script.hear(0, kHigher), "");
    EXPECT_EQ(script.hear(200, kHigher), "");
    EXPECT_FALSE(next_wake(script.machine));
    EXPECT_THAT(script.lines, IsEmpty());
    // A priority that the trackers have found before the start is the one that it starts with.
    EXPECT_EQ(script.give(PriorityChanged{50}), "");
    EXPECT_THAT(script.lines, IsEmpty());
    script.give(Startup{});
    EXPECT_EQ(script.machine.priority, 50);
    EXPECT_FALSE(script.machine.hold_until);
}

TEST(VrrpMachine, HearsNobodyInFault) {
    Script script = in_state(State::Fault);
    for (const int priority : {0, 50, 100, 200, 255})
        EXPECT_EQ(script.hear(static_cast<std::uint8_t>(priority), kHigher), "") << priority;
    EXPECT_EQ(script.give(Tick{}), "");
    EXPECT_EQ(script.give(SyncMaster{}), "");
    EXPECT_EQ(script.give(SyncBackup{}), "");
    EXPECT_EQ(script.give(Handover{}), "");
    EXPECT_FALSE(next_wake(script.machine));
    EXPECT_FALSE(script.machine.master);
}

TEST(VrrpMachine, IsNotWokenTooEarlyForNothing) {
    Script backup = in_state(State::Backup);
    EXPECT_EQ(backup.give(Tick{}), "");
    EXPECT_EQ(backup.until_wake(), kDown100);
    Script master = in_state(State::Master);
    EXPECT_EQ(master.give(Tick{}), "");
}

TEST(VrrpMachine, TakesNoOrderOfItsGroupThatItHasCarriedOut) {
    Script script = in_state(State::Master);
    EXPECT_EQ(script.give(SyncMaster{}), "");
    EXPECT_EQ(script.give(SyncBackup{}), "resign, remove, BACKUP");
    EXPECT_EQ(script.give(SyncBackup{}), "");
    EXPECT_EQ(script.give(SyncMaster{}), kBecomesMaster);
}

// --- announcements -------------------------------------------------------------------------------

TEST(VrrpMachine, AnnouncesNothingWithRepeatZero) {
    Policy policy = Script::v2(100);
    policy.garp_repeat = 0;
    Script script(policy);
    script.give(Startup{});
    EXPECT_EQ(script.pass(kDown100), "advert 100, add, MASTER");
    EXPECT_EQ(script.pass(Seconds(7)).find("garp"), std::string::npos);
}

TEST(VrrpReload, PeriodicAnnouncementsBeginAndEndWithIt) {
    Script script = in_state(State::Master);
    script.policy.garp_refresh = Seconds(2);
    EXPECT_EQ(script.give(PolicyChanged{}), "advert 100");
    EXPECT_EQ(script.pass(Seconds(4)),
              "advert 100; advert 100, garp 1; advert 100; advert 100, garp 1");
    script.policy.garp_refresh = Nanos(0);
    script.give(PolicyChanged{});
    EXPECT_EQ(script.pass(Seconds(3)), "advert 100; advert 100; advert 100");
}

// --- faults of one's own and of the group --------------------------------------------------------

TEST(VrrpFault, OwnersOwnAddressIsTakenOffWhenItStartsInIt) {
    for (const Event& fault : {Event(FaultSet{}), Event(SyncFault{true})}) {
        Script script = in_state(State::Init, Script::v2(255));
        script.give(fault);
        EXPECT_EQ(script.give(Startup{}), "remove, FAULT");
    }
}

TEST(VrrpFault, EndsWithTheLastOfItsReasons) {
    Script script = in_state(State::Backup);
    EXPECT_EQ(script.give(SyncFault{true}), "FAULT");
    EXPECT_EQ(script.give(FaultSet{}), "");
    EXPECT_EQ(script.give(SyncFault{true}), "") << "it is in it already";
    EXPECT_EQ(script.give(SyncFault{false}), "") << "its own is still there";
    EXPECT_EQ(script.give(SyncFault{true}), "");
    EXPECT_EQ(script.give(FaultCleared{}), "") << "the group's is still there";
    EXPECT_EQ(script.give(SyncFault{false}), "BACKUP");
    EXPECT_EQ(script.give(SyncFault{false}), "");
    EXPECT_EQ(script.give(FaultCleared{}), "");
}

TEST(VrrpFault, OfTheGroupMakesAMasterResign) {
    Script script = in_state(State::Master);
    EXPECT_EQ(script.give(SyncFault{true}), "resign, resign, remove, FAULT");
    EXPECT_EQ(script.give(Shutdown{}), "");
    EXPECT_EQ(script.machine.state, State::Init);
}

TEST(VrrpResume, MasterWithAFaultOfItsGroupTellsItsPeers) {
    Script script = in_state(State::Init);
    script.give(SyncFault{true});
    EXPECT_EQ(script.give(Resume{State::Master}), "resign, resign, remove, FAULT");
}

TEST(VrrpResume, KeepsThePriorityThatTheTrackersHaveFound) {
    Script script = in_state(State::Init);
    script.give(PriorityChanged{70});
    EXPECT_EQ(script.give(Resume{State::Master}), "advert 70, add, garp 1, MASTER");
    EXPECT_THAT(script.lines, ElementsAre("(VI_1) Resuming MASTER STATE", "(VI_1) setting VIPs."));
}

TEST(VrrpResume, WhoWasInFaultStartsAsBackup) {
    Script script = in_state(State::Init);
    EXPECT_EQ(script.give(Resume{State::Fault}), "remove, BACKUP");
}

TEST(VrrpFault, OfAPriorityChangeNothingIsHeardUntilItEnds) {
    Script script = in_state(State::Fault);
    EXPECT_EQ(script.give(PriorityChanged{150}), "");
    EXPECT_EQ(script.give(FaultCleared{}), "BACKUP");
    EXPECT_EQ(script.until_wake(), Seconds(3) + Nanos(414'062'500));
}

// --- owners --------------------------------------------------------------------------------------

TEST(VrrpOwner, AnswersAnOrdinaryRouterAndNeverYieldsToIt) {
    Script script(Script::v2(255));
    script.give(Startup{});
    script.pass(Seconds(6));
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(script.hear(254, kHigher), "advert 255, garp 5") << i;
        script.pass(Seconds(1) + Nanos(1));
    }
    EXPECT_EQ(script.machine.state, State::Master);
}

TEST(VrrpOwner, LearnsTheIntervalOfTheOtherThatItYieldsTo) {
    Script script(Script::v3(255, Millis(100)));
    script.give(Startup{});
    script.hear(255, kLower, Millis(500));
    script.pass(Millis(1500));
    EXPECT_EQ(script.hear(255, kLower, Millis(500)), "remove, BACKUP");
    EXPECT_EQ(script.machine.master_interval, Millis(500));
    EXPECT_EQ(script.until_wake(), Millis(1500) + skew_time(script.machine, script.policy));
}

// A router whose priority has been raised to 255 by nobody's configuration is no owner.
TEST(VrrpOwner, HasItFromTheConfigurationOnly) {
    Script script = in_state(State::Master, Script::v2(254));
    EXPECT_EQ(script.hear(255, kLower), "remove, BACKUP");
}

// --- reloads -------------------------------------------------------------------------------------

TEST(VrrpReload, BackupOfVersionThreeKeepsTheIntervalItHasLearned) {
    Script script = in_state(State::Backup, Script::v3(100, Millis(100)));
    script.hear(200, kHigher, Millis(300));
    const Nanos before = script.until_wake();
    script.policy.advert_interval = Millis(700);
    EXPECT_EQ(script.give(PolicyChanged{}), "");
    EXPECT_EQ(script.machine.master_interval, Millis(300));
    EXPECT_EQ(script.until_wake(), before);
}

TEST(VrrpReload, OutOfAGroupEndsTheWishAndIntoOneKeepsNone) {
    Policy policy = Script::v2(100);
    policy.grouped = true;
    Script script = in_state(State::Backup, policy);
    EXPECT_EQ(script.pass(kDown100), "");
    ASSERT_TRUE(script.machine.wants_master);
    EXPECT_EQ(script.give(PolicyChanged{}), "");
    EXPECT_TRUE(script.machine.wants_master);
    script.policy.grouped = false;
    EXPECT_EQ(script.give(PolicyChanged{}), "");
    EXPECT_FALSE(script.machine.wants_master);
    EXPECT_EQ(script.pass(kDown100), kBecomesMaster);
}

TEST(VrrpReload, InFaultOrInitSendsNothing) {
    EXPECT_EQ(in_state(State::Fault).give(PolicyChanged{}), "");
    EXPECT_EQ(in_state(State::Init).give(PolicyChanged{}), "");
}

// --- a clock that has been far away --------------------------------------------------------------

TEST(VrrpClock, AMasterThatSleptAnHourSendsOneAdvert) {
    Script script = in_state(State::Master);
    script.now += Seconds(3600);
    EXPECT_EQ(script.give(Tick{}), "advert 100");
    EXPECT_EQ(script.until_wake(), Seconds(1));
}

TEST(VrrpClock, ABackupThatSleptAnHourBecomesMasterOnceAndYieldsToTheOther) {
    Script script = in_state(State::Backup);
    script.now += Seconds(3600);
    EXPECT_EQ(script.give(Tick{}), kBecomesMaster);
    EXPECT_EQ(script.hear(200, kHigher), "remove, BACKUP");
    EXPECT_EQ(script.until_wake(), kDown100);
}

// --- what is said --------------------------------------------------------------------------------

TEST(VrrpLog, SaysEachThingInItsOwnWords) {
    std::set<std::string> texts;
    std::set<LogEvent> by_peer;
    for (auto i = 0; i <= static_cast<int>(LogEvent::YieldingToOwner); ++i) {
        const Log line{static_cast<LogEvent>(i), ip("10.0.0.7"), 77, 88};
        const std::string text = line.text("VI_9");
        EXPECT_EQ(text.rfind("(VI_9) ", 0), 0U) << text;
        texts.insert(text);
        if (!line.caused_by_peer()) continue;
        by_peer.insert(line.event);
        // What a peer causes names it.
        EXPECT_NE(text.find("10.0.0.7"), std::string::npos) << text;
    }
    EXPECT_EQ(texts.size(), static_cast<std::size_t>(LogEvent::YieldingToOwner) + 1);
    EXPECT_THAT(by_peer,
                ElementsAre(LogEvent::BackupGotZeroPriority,
                            LogEvent::MasterGotZeroPriority,
                            LogEvent::MasterGotHigherPriority,
                            LogEvent::MasterGotSamePriorityHigherAddress,
                            LogEvent::MasterGotLowerPriority,
                            LogEvent::OtherOwner,
                            LogEvent::YieldingToOwner));
    EXPECT_EQ((Log{LogEvent::PriorityChanged, {}, 77, 88}.text("VI_9")),
              "(VI_9) Changing effective priority from 77 to 88");
}

TEST(VrrpLog, NamesTheStates) {
    EXPECT_EQ(to_string(State::Init), "INIT");
    EXPECT_EQ(to_string(State::Backup), "BACKUP");
    EXPECT_EQ(to_string(State::Master), "MASTER");
    EXPECT_EQ(to_string(State::Fault), "FAULT");
}

// --- how many there are --------------------------------------------------------------------------

TEST(VrrpScenarios, AreSixtyAtLeast) {
    int scenarios = 0;
    const auto& all = *testing::UnitTest::GetInstance();
    for (int suite = 0; suite < all.total_test_suite_count(); ++suite) {
        const auto& tests = *all.GetTestSuite(suite);
        for (int i = 0; i < tests.total_test_count(); ++i) {
            const std::string_view file = tests.GetTestInfo(i)->file();
            const bool counts = file.find("/machine_") != std::string_view::npos ||
                                file.find("/sync_group_") != std::string_view::npos;
            // Timers, texts and this one are no scenarios.
            const std::string_view name = tests.name();
            scenarios +=
                counts && name != "VrrpTimers" && name != "VrrpLog" && name != "VrrpScenarios";
        }
    }
    RecordProperty("scenarios", scenarios);
    EXPECT_GE(scenarios, 60);
}

}  // namespace
}  // namespace vipd::vrrp::test
