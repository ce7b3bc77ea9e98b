// SPDX-License-Identifier: Apache-2.0
// The state machine with keepalived's options: who answers whom, owners among themselves, late
// timers, delayed starts.
#include "tests/unit/vrrp/script.hpp"
#include "vrrp/fsm/machine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vipd::vrrp::test {
namespace {

using testing::Contains;
using testing::HasSubstr;

constexpr const char* kLower = "10.0.0.0";  // addresses next to our 10.0.0.1
constexpr const char* kHigher = "10.0.0.2";
constexpr Nanos kSkew100{609'375'000};
constexpr Nanos kDown100 = Seconds(3) + kSkew100;

Script started(Policy policy, Nanos delay = Nanos(0)) {
    Script script(policy);
    script.give(Startup{delay});
    script.lines.clear();
    return script;
}

Script master(Policy policy) {
    Script script = started(policy);
    script.pass(master_down_interval(script.machine, script.policy));
    EXPECT_EQ(script.machine.state, State::Master);
    script.pass(Seconds(6));  // past the second burst
    script.lines.clear();
    return script;
}

// --- a master and a weaker one -----------------------------------------------------------------

TEST(VrrpWeakerMaster, IsAnsweredAtOnceAndItsArpIsTakenBackTwice) {
    Policy policy = Script::v2(100);
    policy.garp_lower_prio_repeat = 3;
    policy.garp_lower_prio_delay = Seconds(2);
    Script script = master(policy);
    EXPECT_EQ(script.hear(50, kHigher), "advert 100, garp 3");
    EXPECT_EQ(script.pass(Seconds(3)), "advert 100; advert 100, garp 3; advert 100");
}

TEST(VrrpWeakerMaster, IsNotAnsweredWithLowerPrioNoAdvert) {
    Policy policy = Script::v2(100);
    policy.lower_prio_no_advert = true;
    Script script = master(policy);
    EXPECT_EQ(script.hear(50, kHigher), "garp 5");
    // Of equal priority but with the lower address it is the weaker one, too.
    script.pass(Seconds(6));
    EXPECT_EQ(script.hear(100, kLower), "garp 5");
    // RFC 9568, 6.4.3: priority 0 is answered in any case.
    EXPECT_EQ(script.hear(0, kHigher), "advert 100");
}

TEST(VrrpWeakerMaster, GetsNoArpAnswerWithRepeatZero) {
    Policy policy = Script::v2(100);
    policy.garp_lower_prio_repeat = 0;
    Script script = master(policy);
    EXPECT_EQ(script.hear(50, kHigher), "advert 100");
    EXPECT_EQ(script.pass(Seconds(7)).find("garp"), std::string::npos);
}

TEST(VrrpWeakerMaster, GetsOneBurstOnlyWithDelayZero) {
    Policy policy = Script::v2(100);
    policy.garp_lower_prio_delay = Nanos(0);
    Script script = master(policy);
    EXPECT_EQ(script.hear(50, kHigher), "advert 100, garp 5");
    EXPECT_EQ(script.pass(Seconds(7)).find("garp"), std::string::npos);
}

TEST(VrrpStrongerMaster, IsToldOfUsWithHigherPrioSendAdvert) {
    Policy policy = Script::v2(100);
    policy.higher_prio_send_advert = true;
    Script script = master(policy);
    EXPECT_EQ(script.hear(150, kLower), "advert 100, remove, BACKUP");
    EXPECT_EQ(script.until_wake(), kDown100);
}

TEST(VrrpStrongerMaster, IsObeyedInSilenceOtherwise) {
    Script script = master(Script::v2(100));
    EXPECT_EQ(script.hear(150, kLower), "remove, BACKUP");
}

TEST(VrrpStrongerMaster, OfEqualPriorityIsTheOneWithTheHigherAddressUnsigned) {
    Policy policy = Script::v2(100);
    policy.primary = ip("127.255.255.255");
    Script script = master(policy);
    EXPECT_EQ(script.hear(100, "128.0.0.0"), "remove, BACKUP");
    policy.primary = ip("128.0.0.0");
    Script other = master(policy);
    EXPECT_EQ(other.hear(100, "127.255.255.255"), "advert 100, garp 5");
}

TEST(VrrpStrongerMaster, OfEqualPriorityIsTheOneWithTheHigherIpv6Address) {
    Policy policy = Script::v3(100, Seconds(1));
    policy.primary = ip("fe80::7f00");
    Script script = master(policy);
    EXPECT_EQ(script.hear(100, "fe80::8000"), "remove, BACKUP");
    policy.primary = ip("fe80::8000");
    Script other = master(policy);
    EXPECT_EQ(other.hear(100, "fe80::7f00"), "advert 100, garp 5");
}

// --- owners ------------------------------------------------------------------------------------

TEST(VrrpOwner, WithTheLowerAddressGivesUpToTheOther) {
    Script script(Script::v2(255));
    script.give(Startup{});
    EXPECT_EQ(script.hear(255, kHigher), "remove, BACKUP");
}

TEST(VrrpOwner, WithTheHigherAddressWaitsForTheOtherThenYieldsThenReturns) {
    Script script(Script::v2(255));
    script.give(Startup{});
    script.pass(Seconds(6));
    EXPECT_EQ(script.hear(255, kLower), "advert 255, garp 5");
    EXPECT_THAT(script.lines, Contains(HasSubstr("10.0.0.0 has priority 255, too")));
    script.pass(Seconds(2));
    EXPECT_EQ(script.hear(255, kLower), "advert 255, garp 5");
    script.pass(Seconds(1));
    EXPECT_EQ(script.hear(255, kLower), "remove, BACKUP");
    EXPECT_EQ(script.machine.priority, 254);
    // The trackers know only that it is the owner.
    EXPECT_EQ(script.give(PriorityChanged{255}), "");
    script.pass(Seconds(2));
    EXPECT_EQ(script.hear(255, kLower), "");
    EXPECT_EQ(script.pass(master_down_interval(script.machine, script.policy)),
              "advert 255, add, garp 5, MASTER");
}

TEST(VrrpOwner, ForgetsARogueThatFellSilent) {
    Script script(Script::v2(255));
    script.give(Startup{});
    script.hear(255, kLower);
    script.pass(Seconds(60));
    EXPECT_EQ(script.hear(255, kLower), "advert 255, garp 5");
    EXPECT_EQ(script.machine.state, State::Master);
}

TEST(VrrpOwner, HearsNobodyWithOwnerIgnoreAdverts) {
    Policy policy = Script::v2(255);
    policy.owner_ignore_adverts = true;
    Script script(policy);
    script.give(Startup{});
    EXPECT_EQ(script.hear(255, kHigher), "");
    EXPECT_EQ(script.hear(0, kHigher), "");
    EXPECT_EQ(script.machine.state, State::Master);
    EXPECT_TRUE(script.hear(200, kLower).empty());
}

TEST(VrrpOwner, IgnoringAdvertsIsForOwnersOnly) {
    Policy policy = Script::v2(100);
    policy.owner_ignore_adverts = true;
    Script script = master(policy);
    EXPECT_EQ(script.hear(150, kHigher), "remove, BACKUP");
}

TEST(VrrpOwner, ThatBecomesAnOrdinaryRouterKeepsItsNewPriority) {
    Script script(Script::v2(255));
    script.give(Startup{});
    script.hear(255, kLower);
    script.pass(Seconds(3));
    script.hear(255, kLower);
    ASSERT_EQ(script.machine.priority, 254);
    script.policy.priority = 120;
    script.give(PolicyChanged{});
    script.give(PriorityChanged{120});
    script.pass(Seconds(4));
    EXPECT_EQ(script.machine.state, State::Master);
    EXPECT_EQ(script.machine.priority, 120);
}

// --- late timers -------------------------------------------------------------------------------

Policy late_policy(std::optional<std::uint8_t> other) {
    Policy policy = Script::v2(100);
    policy.nopreempt = true;
    policy.timer_expired_backup = other;
    return policy;
}

TEST(VrrpLateTimer, MakesAMasterBackupOnceAnotherMustHaveTakenOver) {
    Script script = master(late_policy(std::uint8_t{100}));
    script.now = script.machine.timer - Seconds(1) + kDown100;  // the last advert, and then silence
    EXPECT_EQ(script.give(Tick{}), "advert 100");
    script.now = script.machine.timer - Seconds(1) + kDown100 + Nanos(1);
    EXPECT_EQ(script.give(Tick{}), "remove, BACKUP");
    EXPECT_EQ(script.until_wake(), kDown100);
    EXPECT_THAT(script.lines, Contains(HasSubstr("its timer was so late")));
}

TEST(VrrpLateTimer, IsJudgedByThePriorityOfTheOther) {
    Script script = master(late_policy(std::uint8_t{254}));
    script.now = script.machine.timer - Seconds(1) + Seconds(3) + Millis(8);
    EXPECT_EQ(script.give(Tick{}), "remove, BACKUP");
}

TEST(VrrpLateTimer, IsNoMatterWithoutTheOptionOrWithPreemption) {
    Script script = master(late_policy(std::nullopt));
    script.now += Seconds(60);
    EXPECT_EQ(script.give(Tick{}), "advert 100");
    Policy preempting = late_policy(std::uint8_t{100});
    preempting.nopreempt = false;
    Script other = master(preempting);
    other.now += Seconds(60);
    EXPECT_EQ(other.give(Tick{}), "advert 100");
}

// --- delayed starts ----------------------------------------------------------------------------

TEST(VrrpStartupDelay, ComesBeforeTheDownInterval) {
    Script script = started(Script::v2(100), Seconds(10));
    EXPECT_EQ(script.machine.state, State::Backup);
    EXPECT_EQ(script.pass(Seconds(10) + kDown100 - Nanos(1)), "");
    EXPECT_EQ(script.pass(Nanos(1)), kBecomesMaster);
}

TEST(VrrpStartupDelay, HoldsAnOwnerBackToo) {
    Script script = started(Script::v2(255), Seconds(10));
    EXPECT_EQ(script.pass(Seconds(10) - Nanos(1)), "");
    EXPECT_EQ(script.pass(Nanos(1)), "advert 255, add, garp 5, MASTER");
}

TEST(VrrpStartupDelay, EndsWithTheFirstMasterThatIsHeard) {
    Script script = started(Script::v2(100), Seconds(60));
    script.pass(Seconds(1));
    script.hear(150, kHigher);
    EXPECT_EQ(script.pass(kDown100), kBecomesMaster);
}

TEST(VrrpStartupDelay, DoesNotHideAFault) {
    Script script(Script::v2(100));
    script.give(FaultSet{});
    EXPECT_EQ(script.give(Startup{Seconds(10)}), "remove, FAULT");
}

// --- version 3's learned interval --------------------------------------------------------------

TEST(VrrpLearnedInterval, OfTheMasterRulesTheTimerOfTheBackup) {
    Script script = started(Script::v3(100, Seconds(1)));
    script.hear(150, kHigher, Seconds(3));
    EXPECT_EQ(script.until_wake(), Seconds(9) + Nanos(3 * 609'375'000LL));
    script.hear(150, kHigher, Millis(100));
    EXPECT_EQ(script.until_wake(), Millis(300) + Nanos(60'937'500));
}

TEST(VrrpLearnedInterval, IsOursAgainOnceWeAreMaster) {
    Script script = started(Script::v3(100, Seconds(1)));
    script.hear(150, kHigher, Millis(100));
    script.pass(Seconds(1));
    ASSERT_EQ(script.machine.state, State::Master);
    EXPECT_EQ(script.machine.timer - script.now, script.until_wake());
    EXPECT_LE(script.until_wake(), Seconds(1));
    EXPECT_EQ(script.machine.master_interval, Seconds(1));
}

TEST(VrrpLearnedInterval, IsTakenOverFromTheOneWeYieldTo) {
    Script script = master(Script::v3(100, Seconds(1)));
    script.hear(150, kHigher, Millis(100));
    EXPECT_EQ(script.until_wake(), Millis(300) + Nanos(60'937'500));
}

TEST(VrrpLearnedInterval, IsNotLearnedWithVersionTwo) {
    Script script = started(Script::v2(100));
    script.hear(150, kHigher, Seconds(3));
    EXPECT_EQ(script.until_wake(), kDown100);
}

}  // namespace
}  // namespace vipd::vrrp::test
