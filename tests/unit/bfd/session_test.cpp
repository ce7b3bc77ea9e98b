// SPDX-License-Identifier: Apache-2.0
// One session, packet by packet, on simulated time (RFC 5880, 6.8).
#include "vrrp/bfd/session.hpp"

#include <gtest/gtest.h>

namespace vipd::bfd {
namespace {

class BfdSession : public testing::Test {
  protected:
    void start(Policy with = {}) {
        policy = with;
        give(Start{7, 12345});
    }
    Actions give(const Event& event) {
        Actions actions = step(session, policy, event, now);
        sent.insert(sent.end(), actions.send.begin(), actions.send.end());
        return actions;
    }
    Actions hear(State state, bool poll = false, bool final = false) {
        return give(Received{{.state = state,
                              .poll = poll,
                              .final = final,
                              .detect_multiplier = remote_multiplier,
                              .mine = 99,
                              .yours = state == State::Down ? 0U : 7U,
                              .desired_min_tx = remote_tx,
                              .required_min_rx = remote_rx}});
    }
    void pass(Nanos time) {
        const TimePoint end = now + time;
        while (next_wake(session) && *next_wake(session) <= end) {
            now = std::max(now, *next_wake(session));
            give(Tick{});
        }
        now = end;
    }
    /// As far as Up, and the poll of it answered.
    void bring_up(Policy with = {}) {
        start(with);
        hear(State::Down);
        hear(State::Init);
        hear(State::Up, false, true);
        ASSERT_EQ(session.state, State::Up);
        sent.clear();
    }

    Session session;
    Policy policy;
    TimePoint now{Seconds(1000)};
    std::vector<ControlPacket> sent;
    Nanos remote_tx{Millis(10)};
    Nanos remote_rx{Millis(10)};
    std::uint8_t remote_multiplier = 5;
};

TEST_F(BfdSession, SpeaksSlowlyWhileItIsDown) {
    start();
    pass(Seconds(10));
    EXPECT_GE(sent.size(), 10U);
    EXPECT_LE(sent.size(), 13U);
    EXPECT_EQ(sent.front().state, State::Down);
    EXPECT_EQ(sent.front().yours, 0U);
    EXPECT_GE(sent.front().desired_min_tx, Seconds(1));
}

TEST_F(BfdSession, PassiveIsSilentUntilItHears) {
    start({.passive = true});
    pass(Seconds(10));
    EXPECT_TRUE(sent.empty());
    hear(State::Down);
    EXPECT_EQ(sent.back().state, State::Init);
    // And silent again once the neighbour is lost.
    pass(Seconds(10));
    sent.clear();
    pass(Seconds(10));
    EXPECT_TRUE(sent.empty());
}

TEST_F(BfdSession, ComesUpInThreeSteps) {
    start();
    EXPECT_FALSE(hear(State::Down).changed);
    EXPECT_EQ(session.state, State::Init);
    EXPECT_EQ(sent.back().yours, 99U);
    EXPECT_TRUE(hear(State::Init).changed);
    EXPECT_EQ(session.state, State::Up);
}

TEST_F(BfdSession, InitBecomesUpAlsoWhenTheNeighbourIsUpAlready) {
    start();
    hear(State::Down);
    EXPECT_TRUE(hear(State::Up).changed);
}

TEST_F(BfdSession, DownIgnoresANeighbourThatThinksItUp) {
    start();
    EXPECT_FALSE(hear(State::Up).changed);
    EXPECT_EQ(session.state, State::Down);
}

TEST_F(BfdSession, UpSpeaksAtTheSlowerOfBothWishesWithJitter) {
    remote_rx = Millis(20);
    bring_up();
    for (int i = 0; i < 50; ++i) {
        pass(Millis(20));
        hear(State::Up);
    }
    // 75 to 100 % of 20 ms.
    EXPECT_GE(sent.size(), 50U);
    EXPECT_LE(sent.size(), 67U);
    Nanos shortest = Seconds(1);
    for (int i = 0; i < 100; ++i) {
        const TimePoint before = now;
        now = *session.send_at;
        shortest = std::min(shortest, now - before);
        give(Tick{});
        session.expires_at = now + Seconds(1);
    }
    EXPECT_GE(shortest, Millis(15));
}

TEST_F(BfdSession, MultiplierOneLeavesRoomForDelay) {
    remote_multiplier = 5;
    bring_up({.multiplier = 1});
    for (int i = 0; i < 200; ++i) {
        const TimePoint before = session.last_sent;
        now = *session.send_at;
        give(Tick{});
        session.expires_at = now + Seconds(1);
        if (before == TimePoint::min()) continue;
        EXPECT_LE(now - before, Millis(9));
    }
}

TEST_F(BfdSession, SilenceOfTheDetectionTimeIsDown) {
    bring_up();
    EXPECT_EQ(detection_time(session), Millis(50));
    pass(Millis(50) - Nanos(1));
    EXPECT_EQ(session.state, State::Up);
    sent.clear();
    pass(Nanos(1));
    EXPECT_EQ(session.state, State::Down);
    EXPECT_EQ(session.diagnostic, Diagnostic::DetectionTimeExpired);
    ASSERT_FALSE(sent.empty());
    EXPECT_EQ(sent.front().diagnostic, Diagnostic::DetectionTimeExpired);
    EXPECT_EQ(session.yours, 0U);
}

TEST_F(BfdSession, OneMillisecondTimesFive) {
    remote_tx = remote_rx = Millis(1);
    bring_up({.min_tx = Millis(1), .min_rx = Millis(1)});
    EXPECT_EQ(detection_time(session), Millis(5));
    pass(Millis(5));
    EXPECT_EQ(session.state, State::Down);
}

TEST_F(BfdSession, NeighbourThatSignalsDownIsBelieved) {
    bring_up();
    EXPECT_TRUE(hear(State::Down).changed);
    EXPECT_EQ(session.state, State::Down);
    EXPECT_EQ(session.diagnostic, Diagnostic::NeighbourSignaledDown);
}

TEST_F(BfdSession, NeighbourThatIsAdministrativelyDownIsDown) {
    bring_up();
    EXPECT_TRUE(hear(State::AdminDown).changed);
    EXPECT_EQ(session.state, State::Down);
    EXPECT_FALSE(hear(State::AdminDown).changed);
}

TEST_F(BfdSession, PollIsAnsweredAtOnceWithFinal) {
    bring_up();
    hear(State::Up, true);
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_TRUE(sent[0].final);
    EXPECT_FALSE(sent[0].poll);
}

TEST_F(BfdSession, PollsWhenItsIntervalsChangeAndKeepsTheOldOnesUntilThen) {
    bring_up();
    policy.min_tx = Millis(100);
    policy.min_rx = Millis(5);
    give(PolicyChanged{});
    EXPECT_TRUE(session.polling);
    EXPECT_EQ(transmit_interval(session), Millis(10));
    EXPECT_EQ(detection_time(session), Millis(50));
    pass(Millis(10));
    ASSERT_FALSE(sent.empty());
    EXPECT_TRUE(sent.back().poll);
    EXPECT_EQ(sent.back().desired_min_tx, Millis(100));
    remote_tx = Millis(5);
    hear(State::Up, false, true);
    EXPECT_FALSE(session.polling);
    EXPECT_EQ(transmit_interval(session), Millis(100));
    EXPECT_EQ(detection_time(session), Millis(25));
}

TEST_F(BfdSession, ComingUpPolls) {
    start();
    hear(State::Down);
    hear(State::Init);
    EXPECT_TRUE(sent.back().poll);
    EXPECT_EQ(sent.back().desired_min_tx, Millis(10));
}

TEST_F(BfdSession, FallsSilentWhereTheNeighbourWantsNothing) {
    remote_rx = Nanos(0);
    bring_up();
    for (int i = 0; i < 20; ++i) {
        pass(Millis(40));
        hear(State::Up);
    }
    EXPECT_LE(sent.size(), 1U);
}

TEST_F(BfdSession, DemandModeOfTheNeighbourSilencesIt) {
    bring_up();
    const ControlPacket demand{.state = State::Up,
                               .demand = true,
                               .detect_multiplier = 5,
                               .mine = 99,
                               .yours = 7,
                               .desired_min_tx = Millis(10),
                               .required_min_rx = Millis(10)};
    give(Received{demand});
    pass(Millis(10));
    give(Received{demand});
    sent.clear();
    for (int i = 0; i < 20; ++i) {
        pass(Millis(40));
        give(Received{demand});
    }
    EXPECT_TRUE(sent.empty());
    EXPECT_EQ(session.state, State::Up);
}

TEST_F(BfdSession, StopTellsTheNeighbour) {
    bring_up();
    EXPECT_TRUE(give(Stop{}).changed);
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].state, State::AdminDown);
    EXPECT_FALSE(next_wake(session));
    // AdminDown hears nothing any more.
    EXPECT_FALSE(hear(State::Init).changed);
    EXPECT_EQ(session.state, State::AdminDown);
}

TEST_F(BfdSession, AdministrativelyDownHearsAndSaysNothing) {
    bring_up();
    give(Stop{});
    sent.clear();
    for (const State state : {State::AdminDown, State::Down, State::Init, State::Up})
        for (const bool poll : {false, true}) EXPECT_FALSE(hear(state, poll).changed);
    pass(Seconds(10));
    EXPECT_TRUE(sent.empty());
    EXPECT_EQ(session.state, State::AdminDown);
}

// RFC 5880, 6.8.1: what a session begins with.
TEST_F(BfdSession, BeginsDownAndKnowsNothingOfTheOther) {
    start();
    pass(Seconds(1));
    ASSERT_FALSE(sent.empty());
    EXPECT_EQ(sent[0].state, State::Down);
    EXPECT_EQ(sent[0].diagnostic, Diagnostic::None);
    EXPECT_EQ(sent[0].mine, 7U);
    EXPECT_EQ(sent[0].yours, 0U);
    EXPECT_GE(sent[0].desired_min_tx, Seconds(1));
    EXPECT_NE(sent[0].detect_multiplier, 0);
    EXPECT_FALSE(sent[0].poll || sent[0].final || sent[0].demand);
}

TEST_F(BfdSession, FinalEndsThePollAndNothingElseDoes) {
    start();
    hear(State::Down);
    hear(State::Init);
    sent.clear();
    hear(State::Up);
    pass(Millis(30));
    ASSERT_FALSE(sent.empty());
    for (const ControlPacket& packet : sent) EXPECT_TRUE(packet.poll);
    hear(State::Up, false, true);
    sent.clear();
    pass(Millis(30));
    ASSERT_FALSE(sent.empty());
    for (const ControlPacket& packet : sent) EXPECT_FALSE(packet.poll);
}

TEST_F(BfdSession, ComesBackAfterALoss) {
    bring_up();
    pass(Seconds(1));
    ASSERT_EQ(session.state, State::Down);
    hear(State::Down);
    hear(State::Init);
    EXPECT_EQ(session.state, State::Up);
}

}  // namespace
}  // namespace vipd::bfd
