// SPDX-License-Identifier: Apache-2.0
#include "vrrp/fsm/sync_group.hpp"

#include "tests/unit/vrrp/script.hpp"

#include <gtest/gtest.h>

#include <array>

namespace vipd::vrrp::test {
namespace {

constexpr const char* kPeer = "10.0.0.2";

/// Two instances of one router in one group.
class Pair {
  public:
    explicit Pair(std::uint8_t priority = 100) : a(grouped(priority)), b(grouped(priority)) {}
    static Policy grouped(std::uint8_t priority) {
        Policy policy = Script::v2(priority);
        policy.grouped = true;
        return policy;
    }
    /// Delivers what the group has to say until it is silent; what each did for it.
    std::string settle() {
        std::string out;
        for (int round = 0; round < 8; ++round) {
            const std::array<const Machine*, 2> machines = {&a.machine, &b.machine};
            const auto events = sync_events(machines);
            if (events.empty()) return out;
            for (const auto& [index, event] : events)
                out += (index == 0 ? "a: " : "b: ") + (index == 0 ? a : b).give(event) + "; ";
        }
        return out + "never settles";
    }
    void start() {
        a.give(Startup{});
        b.give(Startup{});
        EXPECT_EQ(settle(), "");
    }
    void become_master() {
        start();
        a.pass(Seconds(4));
        b.pass(Seconds(4));
        EXPECT_EQ(settle(),
                  "a: advert 100, add, garp 5, MASTER; b: advert 100, add, garp 5, MASTER; ");
    }
    Script a, b;
};

TEST(VrrpSyncGroup, BecomesMasterOnlyTogether) {
    Pair pair;
    pair.start();
    EXPECT_EQ(pair.a.pass(Seconds(4)), "") << "it wants, and waits";
    EXPECT_EQ(pair.settle(), "");
    EXPECT_EQ(pair.b.pass(Seconds(4)), "");
    EXPECT_EQ(pair.settle(),
              "a: advert 100, add, garp 5, MASTER; b: advert 100, add, garp 5, MASTER; ");
}

TEST(VrrpSyncGroup, MemberThatHearsAStrongerMasterHoldsTheOtherBack) {
    Pair pair;
    pair.start();
    for (int i = 0; i < 10; ++i) {
        pair.b.hear(200, kPeer);
        pair.a.pass(Seconds(1));
        pair.b.pass(Seconds(1));
        EXPECT_EQ(pair.settle(), "") << i;
    }
    EXPECT_TRUE(pair.a.machine.wants_master);
    EXPECT_FALSE(pair.b.machine.wants_master);
}

TEST(VrrpSyncGroup, WishEndsWhenAMasterSpeaks) {
    Pair pair;
    pair.start();
    pair.a.pass(Seconds(4));
    pair.a.hear(200, kPeer);
    pair.b.pass(Seconds(4));
    EXPECT_EQ(pair.settle(), "");
}

TEST(VrrpSyncGroup, OneThatYieldsTakesTheOtherWithIt) {
    Pair pair;
    pair.become_master();
    EXPECT_EQ(pair.a.hear(200, kPeer), "remove, BACKUP");
    EXPECT_EQ(pair.settle(), "b: resign, remove, BACKUP; ");
}

TEST(VrrpSyncGroup, OneFaultIsEveryonesUntilItIsCleared) {
    Pair pair;
    pair.become_master();
    pair.a.give(FaultSet{});
    EXPECT_EQ(pair.settle(), "b: resign, resign, remove, FAULT; ");
    pair.a.give(FaultCleared{});
    EXPECT_EQ(pair.a.machine.state, State::Backup);
    EXPECT_EQ(pair.settle(), "b: BACKUP; ");
}

TEST(VrrpSyncGroup, TwoFaultsEndWithTheSecond) {
    Pair pair;
    pair.start();
    pair.a.give(FaultSet{});
    pair.settle();
    pair.b.give(FaultSet{});
    EXPECT_EQ(pair.settle(), "a: ; ");
    pair.a.give(FaultCleared{});
    EXPECT_EQ(pair.settle(), "b: ; ");
    EXPECT_EQ(pair.a.machine.state, State::Fault);
    pair.b.give(FaultCleared{});
    EXPECT_EQ(pair.settle(), "a: BACKUP; ");
    EXPECT_EQ(pair.b.machine.state, State::Backup);
}

TEST(VrrpSyncGroup, OwnersWaitForEachOther) {
    Pair pair(255);
    pair.a.give(Startup{});
    EXPECT_EQ(pair.settle(), "");
    pair.b.give(Startup{});
    pair.a.pass(Nanos(0));
    EXPECT_EQ(pair.a.machine.state, State::Backup);
    pair.b.pass(Nanos(0));
    EXPECT_EQ(pair.settle(),
              "a: advert 255, add, garp 5, MASTER; b: advert 255, add, garp 5, MASTER; ");
}

TEST(VrrpSyncGroup, ResumesAsMasterMemberByMember) {
    Pair pair;
    pair.a.give(Resume{State::Master});
    EXPECT_EQ(pair.settle(), "") << "the other has yet to come back";
    pair.b.give(Resume{State::Master});
    EXPECT_EQ(pair.settle(), "");
    EXPECT_EQ(pair.a.machine.state, State::Master);
}

// In a fault of all of them nobody has anything to say, nor where one has given up and the others
// have followed.
TEST(VrrpSyncGroup, IsSilentWhereAllAreAlike) {
    Pair pair;
    pair.become_master();
    EXPECT_EQ(pair.settle(), "");
    pair.a.give(FaultSet{});
    pair.b.give(FaultSet{});
    EXPECT_EQ(pair.settle(), "a: ; b: ; ");
    EXPECT_EQ(pair.a.machine.state, State::Fault);
    EXPECT_EQ(pair.b.machine.state, State::Fault);
    EXPECT_EQ(pair.settle(), "");
}

// A member that is master already is not made so again; one that wants does not wait for it.
TEST(VrrpSyncGroup, MemberThatIsMasterAlreadyIsFollowedByOneThatWants) {
    Pair pair;
    pair.start();
    pair.a.give(SyncMaster{});
    pair.b.pass(Seconds(4));
    EXPECT_EQ(pair.settle(), "b: advert 100, add, garp 5, MASTER; ");
    EXPECT_EQ(pair.a.machine.state, State::Master);
}

TEST(VrrpSyncGroup, MemberOfNoGroupIsLeftAlone) {
    EXPECT_TRUE(sync_events({}).empty());
    Pair pair;
    const std::array<const Machine*, 1> alone = {&pair.a.machine};
    pair.a.give(Startup{});
    pair.a.pass(Seconds(4));
    const auto events = sync_events(alone);
    ASSERT_EQ(events.size(), 1U);
    EXPECT_TRUE(std::holds_alternative<SyncMaster>(events[0].second));
}

}  // namespace
}  // namespace vipd::vrrp::test
