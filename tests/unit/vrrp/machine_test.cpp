// SPDX-License-Identifier: Apache-2.0
// The state machine, scenario by scenario. Times are RFC 3768's and 9568's: skew of priority 100 is
// 156/256 s with version 2, 156/256 of the master's interval with version 3.
#include "vrrp/fsm/machine.hpp"

#include "tests/unit/vrrp/script.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vipd::vrrp::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kLower = "10.0.0.0";  // addresses next to our 10.0.0.1
constexpr const char* kHigher = "10.0.0.2";
constexpr Nanos kSkew100{609'375'000};
constexpr Nanos kDown100 = Seconds(3) + kSkew100;

Script started(Policy policy) {
    Script script(policy);
    script.give(Startup{});
    script.lines.clear();
    return script;
}

Script master(Policy policy = Script::v2(100)) {
    Script script = started(policy);
    script.pass(master_down_interval(script.machine, script.policy));
    EXPECT_EQ(script.machine.state, State::Master);
    script.lines.clear();
    return script;
}

// --- timers ------------------------------------------------------------------------------------

TEST(VrrpTimers, SkewAndDownIntervalFollowTheRfcs) {
    Machine machine;
    Policy policy;
    for (const auto& [priority, ns] :
         {std::pair{1, 996'093'750}, {100, 609'375'000}, {254, 7'812'500}, {255, 3'906'250}}) {
        machine.priority = static_cast<std::uint8_t>(priority);
        EXPECT_EQ(skew_time(machine, policy), Nanos(ns)) << priority;
        EXPECT_EQ(master_down_interval(machine, policy), Seconds(3) + Nanos(ns));
    }
    policy.version = 3;
    machine.priority = 100;
    machine.master_interval = Millis(10);
    EXPECT_EQ(skew_time(machine, policy), Nanos(6'093'750));
    EXPECT_EQ(master_down_interval(machine, policy), Nanos(36'093'750));
    machine.priority = 1;
    machine.master_interval = Millis(40'950);  // 32 bits of nanoseconds would not hold it
    EXPECT_EQ(master_down_interval(machine, policy), Nanos(122'850'000'000 + 40'790'039'062));
    policy.down_timer_adverts = 5;
    EXPECT_EQ(master_down_interval(machine, policy), Nanos(204'750'000'000 + 40'790'039'062));
}

// --- start and election ------------------------------------------------------------------------

TEST(VrrpMachine, StartsAsBackupAndTakesStaleVipsOff) {
    Script script(Script::v2(100));
    EXPECT_EQ(script.give(Startup{}), "remove, BACKUP");
    EXPECT_EQ(script.until_wake(), kDown100);
    EXPECT_THAT(script.lines,
                ElementsAre("(VI_1) removing VIPs.", "(VI_1) Entering BACKUP STATE (init)"));
}

TEST(VrrpMachine, TakesOverWhenNobodySpeaks) {
    Script script = started(Script::v2(100));
    EXPECT_EQ(script.pass(kDown100 - Nanos(1)), "");
    EXPECT_EQ(script.pass(Nanos(1)), kBecomesMaster);
    EXPECT_THAT(script.lines,
                ElementsAre("(VI_1) Receive advertisement timeout",
                            "(VI_1) Entering MASTER STATE",
                            "(VI_1) setting VIPs."));
}

TEST(VrrpMachine, OwnerIsMasterAtOnceAndLeavesItsAddressAlone) {
    Script script(Script::v2(255));
    EXPECT_EQ(script.give(Startup{}), "advert 255, add, garp 5, MASTER");
}

TEST(VrrpMachine, AdvertsEveryIntervalWithoutDrift) {
    Script script = master();
    script.pass(Seconds(6));  // past the second burst
    // A tick that comes late does not move the ones after it.
    script.now += Millis(1300);
    EXPECT_EQ(script.give(Tick{}), "advert 100");
    EXPECT_EQ(script.until_wake(), Millis(700));
    // One that is later than an interval starts anew instead of catching up with a burst.
    script.now += Millis(5000);
    EXPECT_EQ(script.give(Tick{}), "advert 100");
    EXPECT_EQ(script.until_wake(), Seconds(1));
}

TEST(VrrpMachine, AnnouncesAgainAfterTheDelayAndThenPeriodically) {
    Policy policy = Script::v2(100);
    policy.garp_refresh = Seconds(8);
    policy.garp_refresh_repeat = 2;
    Script script = master(policy);
    EXPECT_EQ(script.pass(Millis(4999)), "advert 100; advert 100; advert 100; advert 100");
    EXPECT_EQ(script.pass(Millis(1)), "advert 100, garp 5");
    EXPECT_EQ(script.pass(Seconds(3)), "advert 100; advert 100; advert 100, garp 2");
    EXPECT_EQ(script.pass(Seconds(1)), "advert 100");
}

TEST(VrrpMachine, TenMillisecondAdvertsTakeOverIn36Milliseconds) {
    Script script = started(Script::v3(100, Millis(10)));
    script.hear(200, kHigher, Millis(10));
    EXPECT_EQ(script.pass(Nanos(36'093'749)), "");
    EXPECT_EQ(script.pass(Nanos(1)), kBecomesMaster);
    EXPECT_EQ(script.until_wake(), Millis(10));
}

// --- backup ------------------------------------------------------------------------------------

TEST(VrrpBackup, AdvertOfAtLeastItsPriorityRestartsTheTimer) {
    for (const std::uint8_t priority : {std::uint8_t{100}, std::uint8_t{101}}) {
        Script script = started(Script::v2(100));
        script.pass(Seconds(3));
        EXPECT_EQ(script.hear(priority, kLower), "");
        EXPECT_EQ(script.until_wake(), kDown100);
        EXPECT_EQ(script.machine.master, ip(kLower));
        EXPECT_EQ(script.machine.master_priority, priority);
    }
}

TEST(VrrpBackup, WeakerMasterIsPreempted) {
    Script script = started(Script::v2(100));
    script.pass(Seconds(3));
    EXPECT_EQ(script.hear(99, kHigher), "");
    EXPECT_EQ(script.pass(kSkew100), kBecomesMaster);
}

TEST(VrrpBackup, NopreemptLeavesAWeakerMasterAlone) {
    Policy policy = Script::v2(100);
    policy.nopreempt = true;
    Script script = started(policy);
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(script.hear(1, kHigher), "");
        EXPECT_EQ(script.pass(Seconds(1)), "");
    }
    EXPECT_EQ(script.pass(kDown100 - Seconds(1)), kBecomesMaster);  // but not a dead one
}

TEST(VrrpBackup, PreemptDelayRunsFromTheFirstWeakerAdvert) {
    Policy policy = Script::v2(100);
    policy.preempt_delay = Seconds(10);
    Script script = started(policy);
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(script.hear(50, kHigher), "");
        EXPECT_EQ(script.pass(Seconds(1)), "");
    }
    // From here on its adverts do not count, and the timer that the last one set runs out.
    EXPECT_EQ(script.hear(50, kHigher), "");
    EXPECT_EQ(script.until_wake(), kDown100 - Seconds(1));
    EXPECT_EQ(script.pass(kDown100 - Seconds(1)), kBecomesMaster);
}

TEST(VrrpBackup, PreemptDelayIsCancelledByAStrongerMaster) {
    Policy policy = Script::v2(100);
    policy.preempt_delay = Seconds(2);
    Script script = started(policy);
    script.hear(50, kHigher);
    script.pass(Seconds(1));
    script.hear(150, kHigher);
    script.pass(Seconds(2));
    script.hear(50, kHigher);  // starts the delay again
    EXPECT_EQ(script.until_wake(), kDown100);
}

TEST(VrrpBackup, PreemptDelayDoesNotHoldBackWhenTheMasterIsGone) {
    Policy policy = Script::v2(100);
    policy.preempt_delay = Seconds(1000);
    Script script = started(policy);
    script.hear(50, kHigher);
    EXPECT_EQ(script.pass(kDown100), kBecomesMaster);
}

TEST(VrrpBackup, PriorityZeroShortensTheTimerToTheSkew) {
    Script script = started(Script::v2(100));
    script.hear(200, kHigher);
    script.pass(Seconds(1));
    EXPECT_EQ(script.hear(0, kHigher), "");
    EXPECT_EQ(script.until_wake(), kSkew100);
    EXPECT_THAT(script.lines,
                ElementsAre("(VI_1) Backup received priority 0 advertisement from 10.0.0.2"));
    EXPECT_EQ(script.pass(kSkew100), kBecomesMaster);
}

TEST(VrrpBackup, StreamOfPriorityZeroCannotHoldItBack) {
    Script script = started(Script::v2(100));
    script.hear(0, kHigher);
    for (int i = 0; i < 60; ++i) {
        script.pass(Millis(10));
        script.hear(0, kHigher);
    }
    EXPECT_EQ(script.pass(Millis(10)), kBecomesMaster);
}

TEST(VrrpBackup, Version3LearnsTheMastersInterval) {
    Script script = started(Script::v3(100, Millis(100)));
    script.hear(200, kHigher, Seconds(3));
    EXPECT_EQ(script.until_wake(), Seconds(9) + 3 * kSkew100);
    EXPECT_EQ(script.pass(Seconds(9) + 3 * kSkew100), kBecomesMaster);
    EXPECT_EQ(script.until_wake(), Millis(100)) << "as master it uses its own";
}

TEST(VrrpBackup, Version2KeepsItsOwnInterval) {
    Script script = started(Script::v2(100));
    script.hear(200, kHigher, Seconds(30));
    EXPECT_EQ(script.until_wake(), kDown100);
}

TEST(VrrpBackup, PriorityChangeMovesTheRunningTimer) {
    Script script = started(Script::v2(100));
    script.pass(Seconds(1));
    EXPECT_EQ(script.give(PriorityChanged{200}), "");
    EXPECT_EQ(script.until_wake(), Seconds(2) + Nanos(56 * 1'000'000'000LL / 256));
    EXPECT_THAT(script.lines, ElementsAre("(VI_1) Changing effective priority from 100 to 200"));
}

// --- master ------------------------------------------------------------------------------------

TEST(VrrpMaster, YieldsToAHigherPriority) {
    Script script = master();
    EXPECT_EQ(script.hear(101, kLower), "remove, BACKUP");
    EXPECT_EQ(script.until_wake(), kDown100);
    EXPECT_THAT(script.lines,
                ElementsAre("(VI_1) Master received advert from 10.0.0.0 with higher priority 101, "
                            "ours 100",
                            "(VI_1) removing VIPs.",
                            "(VI_1) Entering BACKUP STATE"));
}

TEST(VrrpMaster, EqualPriorityIsDecidedByTheAddress) {
    Script script = master();
    EXPECT_EQ(script.hear(100, kLower), "advert 100, garp 5");
    EXPECT_EQ(script.machine.state, State::Master);
    EXPECT_EQ(script.hear(100, kHigher), "remove, BACKUP");
    EXPECT_EQ(script.lines[1],
              "(VI_1) Master received advert from 10.0.0.2 with same priority 100 but higher IP "
              "address than ours");
}

TEST(VrrpMaster, AddressesCompareAsUnsignedBytes) {
    Policy policy = Script::v2(100);
    policy.primary = ip("10.0.0.127");
    Script script = master(policy);
    EXPECT_EQ(script.hear(100, "10.0.0.128"), "remove, BACKUP");
    policy.primary = ip("200.0.0.1");
    Script above = master(policy);
    EXPECT_EQ(above.hear(100, "10.0.0.128"), "advert 100, garp 5");
}

TEST(VrrpMaster, IgnoresItsOwnAddress) {
    Script script = master();
    EXPECT_EQ(script.hear(200, "10.0.0.1"), "");
    EXPECT_EQ(script.machine.state, State::Master);
}

TEST(VrrpMaster, AnswersAWeakerMasterAtOnce) {
    Script script = master();
    script.pass(Millis(300));
    EXPECT_EQ(script.hear(50, kHigher), "advert 100, garp 5");
    EXPECT_EQ(script.until_wake(), Seconds(1));
    EXPECT_THAT(
        script.lines,
        ElementsAre("(VI_1) Received advert from 10.0.0.2 with lower priority 50, ours 100, "
                    "forcing new election"));
}

TEST(VrrpMaster, FloodOfWeakAdvertsIsNotAmplified) {
    Script script = master();
    int adverts = 0;
    int bursts = 0;
    for (int i = 0; i < 100'000; ++i) {
        const std::string actions = script.hear(1, kHigher) + script.pass(Micros(100));
        if (actions.find("advert") != std::string::npos) ++adverts;
        if (actions.find("garp") != std::string::npos) ++bursts;
    }
    EXPECT_LE(adverts, 101) << "ten per interval for 10 s";
    EXPECT_LE(bursts, 11);
    EXPECT_GE(adverts, 90);
}

TEST(VrrpMaster, AnswersPriorityZeroWithAnAdvert) {
    Script script = master();
    EXPECT_EQ(script.hear(0, kHigher), "advert 100");
    EXPECT_EQ(script.machine.state, State::Master);
}

TEST(VrrpMaster, SplitBrainHealsToOneMaster) {
    Script weak = master();
    Policy strong_policy = Script::v2(150);
    strong_policy.primary = ip(kHigher);
    Script strong = master(strong_policy);
    EXPECT_EQ(weak.hear(150, kHigher), "remove, BACKUP");
    EXPECT_EQ(strong.hear(100, "10.0.0.1"), "advert 150, garp 5");
}

TEST(VrrpMaster, YieldingTakesOverTheVersion3Interval) {
    Script script = master(Script::v3(100, Millis(100)));
    script.hear(200, kHigher, Millis(500));
    EXPECT_EQ(script.until_wake(), Millis(1500) + Nanos(156 * 500'000'000LL / 256));
}

TEST(VrrpMaster, LoweredPriorityIsInTheNextAdvert) {
    Script script = master();
    EXPECT_EQ(script.give(PriorityChanged{60}), "");
    EXPECT_EQ(script.pass(Seconds(1)), "advert 60");
}

// --- fault -------------------------------------------------------------------------------------

TEST(VrrpFault, MasterResignsTwiceAndGivesTheVipsUp) {
    Script script = master();
    EXPECT_EQ(script.give(FaultSet{}), "resign, resign, remove, FAULT");
    EXPECT_THAT(
        script.lines,
        ElementsAre(
            "(VI_1) sent 0 priority", "(VI_1) removing VIPs.", "(VI_1) Entering FAULT STATE"));
    EXPECT_FALSE(next_wake(script.machine));
    EXPECT_EQ(script.hear(1, kLower), "");
}

TEST(VrrpFault, BackupFaultsSilently) {
    Script script = started(Script::v2(100));
    EXPECT_EQ(script.give(FaultSet{}), "FAULT");
    EXPECT_EQ(script.give(FaultSet{}), "");
}

TEST(VrrpFault, ClearedMeansBackupWithAFullTimer) {
    Script script = master();
    script.give(FaultSet{});
    script.pass(Seconds(100));
    EXPECT_EQ(script.give(FaultCleared{}), "BACKUP");
    EXPECT_EQ(script.until_wake(), kDown100);
    EXPECT_EQ(script.lines.back(), "(VI_1) Entering BACKUP STATE");
}

TEST(VrrpFault, OwnerIsMasterAgainWhenItIsCleared) {
    Script script(Script::v2(255));
    script.give(Startup{});
    script.give(FaultSet{});
    EXPECT_EQ(script.give(FaultCleared{}), "advert 255, add, garp 5, MASTER");
}

TEST(VrrpFault, StartsInItWhenTheInterfaceIsMissing) {
    Script script(Script::v2(100));
    EXPECT_EQ(script.give(FaultSet{}), "");
    EXPECT_EQ(script.give(Startup{}), "remove, FAULT");
    EXPECT_EQ(script.give(FaultCleared{}), "BACKUP");
}

// --- restart, handover, reload, stop -----------------------------------------------------------

TEST(VrrpResume, MasterGoesOnWithAnAdvertAndKeepsItsVips) {
    Script script(Script::v2(100));
    EXPECT_EQ(script.give(Resume{State::Master}), "advert 100, add, garp 1, MASTER");
    EXPECT_THAT(script.lines, ElementsAre("(VI_1) Resuming MASTER STATE", "(VI_1) setting VIPs."));
    EXPECT_EQ(script.until_wake(), Seconds(1));
}

TEST(VrrpResume, BackupStartsLikeANewOne) {
    Script script(Script::v2(100));
    EXPECT_EQ(script.give(Resume{State::Backup}), "remove, BACKUP");
    EXPECT_EQ(script.until_wake(), kDown100);
}

TEST(VrrpResume, MasterWithAFaultTellsItsPeers) {
    Script script(Script::v2(100));
    script.give(FaultSet{});
    EXPECT_EQ(script.give(Resume{State::Master}), "resign, resign, remove, FAULT");
}

TEST(VrrpHandover, ResignsAndDoesNotPreemptUntilTheHoldEnds) {
    Script script = master();
    EXPECT_EQ(script.give(Handover{Seconds(30)}), "resign, resign, remove, BACKUP");
    EXPECT_EQ(script.until_wake(), kDown100) << "the peer's skew is much shorter";
    for (int i = 0; i < 30; ++i) {
        EXPECT_EQ(script.hear(50, kHigher), "") << i;
        EXPECT_EQ(script.pass(Seconds(1)), "") << i;
    }
    // The advert of the 29th second was the last that counted.
    EXPECT_EQ(script.hear(50, kHigher), "");
    EXPECT_EQ(script.pass(kDown100 - Seconds(1)), kBecomesMaster);
}

TEST(VrrpHandover, TakesOverAgainIfNobodyElseDoes) {
    Script script = master();
    script.give(Handover{Seconds(1000)});
    EXPECT_EQ(script.pass(kDown100), kBecomesMaster);
    EXPECT_FALSE(script.machine.hold_until);
}

TEST(VrrpHandover, BackupIsOnlyHeldBack) {
    Script script = started(Script::v2(100));
    EXPECT_EQ(script.give(Handover{Seconds(10)}), "");
    script.hear(50, kHigher);
    EXPECT_EQ(script.until_wake(), kDown100);
}

TEST(VrrpReload, MasterSendsAnAdvertAtOnce) {
    Script script = master();
    script.pass(Millis(900));
    script.policy.advert_interval = Seconds(2);
    EXPECT_EQ(script.give(PolicyChanged{}), "advert 100");
    EXPECT_EQ(script.until_wake(), Seconds(2));
}

TEST(VrrpReload, BackupTakesTheNewInterval) {
    Script script = started(Script::v2(100));
    script.policy.advert_interval = Seconds(4);
    script.give(PolicyChanged{});
    EXPECT_EQ(script.until_wake(), Seconds(12) + kSkew100);
}

TEST(VrrpReload, ReloadsInARowDoNotKeepABackupFromTakingOver) {
    Script script = started(Script::v2(100));
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(script.pass(Seconds(1)), "");
        EXPECT_EQ(script.give(PolicyChanged{}), "");
    }
    EXPECT_EQ(script.until_wake(), kSkew100);
    EXPECT_EQ(script.pass(kSkew100), kBecomesMaster);
}

TEST(VrrpStop, MasterResignsBeforeTheVipsGo) {
    Script script = master();
    EXPECT_EQ(script.give(Shutdown{}), "resign, remove");
    EXPECT_THAT(script.lines, ElementsAre("(VI_1) sent 0 priority", "(VI_1) removing VIPs."));
    EXPECT_FALSE(next_wake(script.machine));
}

TEST(VrrpStop, BackupJustEnds) {
    Script script = started(Script::v2(100));
    EXPECT_EQ(script.give(Shutdown{}), "");
    EXPECT_THAT(script.lines, IsEmpty());
}

}  // namespace
}  // namespace vipd::vrrp::test
