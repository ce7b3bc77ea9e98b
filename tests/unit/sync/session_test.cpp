// SPDX-License-Identifier: Apache-2.0
// Two sessions without sockets, on simulated time.
#include "tests/unit/sync/support.hpp"

namespace vipd::sync {
namespace {

using namespace testing;
using ::testing::Test;

class SyncSession : public Test {
  protected:
    Sender make_sender(const Secret& key = key_of('k'), const Limits& limits = {}) {
        return Sender(key, nonce_of(1), node("a"), digests_, kStart, limits);
    }
    Receiver make_receiver(const Secret& key = key_of('k'), std::uint8_t nonce = 2) {
        return Receiver(key, nonce_of(nonce), node("b"), digests_, kStart);
    }
    static bool said(Session& session, EventKind kind, std::string_view part) {
        return std::ranges::any_of(session.take_events(), [&](const Event& event) {
            return event.kind == kind && event.text.find(part) != std::string::npos;
        });
    }
    Digests digests_;
};

TEST_F(SyncSession, GivesSnapshotThenChangesThenRemovals) {
    auto sender = make_sender();
    auto receiver = make_receiver();
    std::vector<Flow> got;
    exchange(sender, receiver, kStart, &got);
    ASSERT_TRUE(sender.authenticated() && receiver.authenticated());
    EXPECT_EQ(sender.peer()->node_id, "b");
    EXPECT_EQ(receiver.peer()->node_id, "a");
    EXPECT_TRUE(receiver.in_snapshot());
    EXPECT_FALSE(receiver.synced());

    ASSERT_TRUE(sender.wants_scan());
    const std::vector part1{flow_of(1), flow_of(2)};
    sender.scanned(part1, 77, kStart);
    EXPECT_EQ(sender.scan_cursor(), 77U);
    const std::vector part2{flow_of(7)};
    sender.scanned(part2, 0, kStart);
    EXPECT_FALSE(sender.wants_scan());
    exchange(sender, receiver, kStart, &got);
    EXPECT_EQ(got, (std::vector{flow_of(1), flow_of(2), flow_of(7)}));
    EXPECT_TRUE(receiver.synced());
    EXPECT_TRUE(sender.confirmed());
    EXPECT_TRUE(said(receiver, EventKind::SnapshotReceived, "3 connections"));
    EXPECT_TRUE(said(sender, EventKind::SnapshotSent, "3 connections"));

    got.clear();
    const std::vector changed{flow_of(3), flow_of(1, FlowState::None), flow_of(1)};
    sender.changes(changed, kStart);
    exchange(sender, receiver, kStart, &got);
    EXPECT_TRUE(got.empty());  // they wait for others
    EXPECT_EQ(sender.deadline(), kStart + Millis(10));
    sender.tick(kStart + Millis(10));
    exchange(sender, receiver, kStart + Millis(10), &got);
    std::vector<Flow> expected = changed;  // in the order in which they happened
    for (auto& flow : expected) flow.idle += Millis(10);
    EXPECT_EQ(got, expected);
    EXPECT_EQ(sender.stats().flows, 6U);
    EXPECT_EQ(receiver.stats().flows, 6U);
}

TEST_F(SyncSession, WorksWhenBytesComeOneByOne) {
    auto sender = make_sender();
    auto receiver = make_receiver();
    std::vector<Flow> got;
    for (int round = 0; round < 4; ++round) {
        for (auto [from, to] : {std::pair<Session*, Session*>{&sender, &receiver},
                                std::pair<Session*, Session*>{&receiver, &sender}}) {
            const std::string output(from->output());
            from->consumed(output.size());
            for (const char c : output) to->receive(bytes_of({&c, 1}), kStart);
        }
        if (sender.wants_scan()) sender.scanned(std::vector{flow_of(1)}, 0, kStart);
        for (auto& flow : receiver.take_flows()) got.push_back(flow);
    }
    EXPECT_EQ(got, std::vector{flow_of(1)});
    EXPECT_TRUE(sender.confirmed());
    EXPECT_FALSE(sender.end() || receiver.end());
}

TEST_F(SyncSession, FlowsLearnedFromAPeerAreInSnapshotsButNotToldOn) {
    auto sender = make_sender();
    auto receiver = make_receiver();
    std::vector<Flow> got;
    exchange(sender, receiver, kStart);
    Flow learned = flow_of(5);
    learned.synced = true;
    sender.scanned(std::vector{learned}, 0, kStart);
    sender.changes(std::vector{learned, flow_of(6)}, kStart);
    sender.tick(kStart + Millis(10));
    exchange(sender, receiver, kStart + Millis(10), &got);
    Flow waited = flow_of(6);
    waited.idle += Millis(10);
    EXPECT_EQ(got, (std::vector{flow_of(5), waited}));
    EXPECT_EQ(sender.stats().flows, 2U);
}

// Anybody can make those; at the peer they would stand in the way of connections.
TEST_F(SyncSession, FlowsOfOnePacketAreNeverTold) {
    auto sender = make_sender();
    auto receiver = make_receiver();
    std::vector<Flow> got;
    exchange(sender, receiver, kStart, &got);
    Flow lone = flow_of(1);
    lone.one_packet = true;
    sender.scanned(std::vector{lone, flow_of(2)}, 0, kStart);
    sender.changes(std::vector{lone, flow_of(3)}, kStart);
    sender.tick(kStart + Millis(10));
    exchange(sender, receiver, kStart + Millis(10), &got);
    ASSERT_EQ(got.size(), 2U);
    EXPECT_EQ(got[0].client, flow_of(2).client);
    EXPECT_EQ(got[1].client, flow_of(3).client);
    EXPECT_TRUE(receiver.synced());
}

TEST_F(SyncSession, ChangesThatWaitGoBeforeTheNextPartOfTheTable) {
    auto sender = make_sender();
    auto receiver = make_receiver();
    std::vector<Flow> got;
    exchange(sender, receiver, kStart);
    sender.scanned(std::vector{flow_of(1)}, 5, kStart);
    sender.changes(std::vector{flow_of(2)}, kStart);
    // The table was read after the change: what it says of flow 2 is the newer state.
    sender.scanned(std::vector{flow_of(2, FlowState::FinWait)}, 0, kStart);
    exchange(sender, receiver, kStart, &got);
    EXPECT_EQ(got, (std::vector{flow_of(1), flow_of(2), flow_of(2, FlowState::FinWait)}));
    EXPECT_TRUE(receiver.synced());
}

// What waited in a batch has aged: a later state of the same flow is never told as the older one.
TEST_F(SyncSession, AWaitingChangeAgesUntilItIsSent) {
    auto sender = make_sender();
    auto receiver = make_receiver();
    std::vector<Flow> got;
    exchange(sender, receiver, kStart);
    sender.scanned({}, 0, kStart);
    Flow opened = flow_of(1);
    opened.idle = Millis(0);
    Flow closing = flow_of(1, FlowState::FinWait);
    closing.idle = Millis(3);
    sender.changes(std::vector{opened}, kStart);
    sender.changes(std::vector{closing}, kStart + Millis(8));
    sender.tick(kStart + Millis(10));
    exchange(sender, receiver, kStart + Millis(10), &got);
    ASSERT_EQ(got.size(), 2U);
    EXPECT_EQ(got[0].idle, Millis(10));
    EXPECT_EQ(got[1].idle, Millis(5));
    EXPECT_EQ(got[1].state, FlowState::FinWait);
}

TEST_F(SyncSession, LostChangesMakeANewSnapshotDueButNotTooOften) {
    auto sender = make_sender();
    auto receiver = make_receiver();
    exchange(sender, receiver, kStart);
    sender.scanned({}, 0, kStart);
    exchange(sender, receiver, kStart);
    ASSERT_TRUE(receiver.synced() && sender.confirmed());
    sender.request_snapshot();
    EXPECT_FALSE(sender.confirmed());
    sender.tick(kStart + Millis(999));
    EXPECT_FALSE(sender.wants_scan());
    sender.tick(kStart + Seconds(1));
    ASSERT_TRUE(sender.wants_scan());
    EXPECT_EQ(sender.scan_cursor(), 0U);
    exchange(sender, receiver, kStart + Seconds(1));
    EXPECT_FALSE(receiver.synced());
    // Lost again while it runs: this one is finished, then there is another.
    sender.request_snapshot();
    sender.scanned({}, 0, kStart);
    exchange(sender, receiver, kStart + Seconds(1));
    EXPECT_TRUE(receiver.synced());
    EXPECT_FALSE(sender.confirmed());
    sender.tick(kStart + Seconds(2));
    EXPECT_TRUE(sender.wants_scan());
}

TEST_F(SyncSession, FlowsMissedInASnapshotAreAskedForWhenItHasEnded) {
    auto sender = make_sender();
    auto receiver = make_receiver();
    exchange(sender, receiver, kStart);
    sender.scanned(std::vector{flow_of(1)}, 5, kStart);
    exchange(sender, receiver, kStart);
    receiver.missed_flows();
    receiver.set_digests({3, {}});  // catches up in the middle
    sender.scanned(std::vector{flow_of(2)}, 0, kStart);
    exchange(sender, receiver, kStart);
    EXPECT_FALSE(receiver.synced() || sender.confirmed());
    sender.tick(kStart + Seconds(1));
    ASSERT_TRUE(sender.wants_scan()) << "a second snapshot";
    sender.scanned(std::vector{flow_of(1), flow_of(2)}, 0, kStart + Seconds(1));
    std::vector<Flow> got;
    exchange(sender, receiver, kStart + Seconds(1), &got);
    EXPECT_EQ(got.size(), 2U);
    EXPECT_TRUE(receiver.synced() && sender.confirmed());
}

TEST_F(SyncSession, SnapshotWaitsForTheQueueAndAFullQueueEndsIt) {
    Limits limits;
    limits.scan_queue = 20'000;
    limits.queue = 50'000;
    auto sender = make_sender(key_of('k'), limits);
    auto receiver = make_receiver();
    exchange(sender, receiver, kStart);
    std::vector<Flow> flows;
    for (std::uint32_t i = 0; i < 1000; ++i) flows.push_back(flow_of(i));
    sender.scanned(flows, 1, kStart);
    EXPECT_GT(sender.output().size(), limits.scan_queue);
    EXPECT_FALSE(sender.wants_scan());
    sender.consumed(sender.output().size());
    EXPECT_TRUE(sender.wants_scan());

    for (int i = 0; i < 3 && !sender.end(); ++i) sender.changes(flows, kStart);
    EXPECT_EQ(reason_of(sender), Reject::QueueOverflow);
    EXPECT_TRUE(sender.output().empty());
    EXPECT_FALSE(sender.wants_scan());
    EXPECT_EQ(sender.deadline(), TimePoint::max());
}

TEST_F(SyncSession, AnotherKeyIsRefusedByBothSides) {
    auto sender = make_sender(key_of('x'));
    auto receiver = make_receiver();
    exchange(sender, receiver, kStart);
    EXPECT_EQ(reason_of(receiver), Reject::Forged);
    EXPECT_FALSE(receiver.authenticated());
    EXPECT_FALSE(sender.end());
    sender.peer_closed();
    EXPECT_EQ(reason_of(sender), Reject::Truncated);
    EXPECT_NE(sender.end()->text.find("shared key"), std::string::npos);

    // A false listener that knows no key cannot take the sender in.
    auto second = make_sender();
    second.receive(encode_preamble(Role::Receiver, nonce_of(3)), kStart);
    second.receive(bytes_of(std::string(3, '\0') + '\x20' + std::string(32, 'x')), kStart);
    EXPECT_EQ(reason_of(second), Reject::Forged);
}

TEST_F(SyncSession, WrongPreamblesAreToldApart) {
    const auto refused = [&](std::size_t at, int value) {
        auto receiver = make_receiver();
        auto preamble = encode_preamble(Role::Sender, nonce_of(1));
        preamble[at] = static_cast<std::uint8_t>(value);
        receiver.receive(preamble, kStart);
        EXPECT_TRUE(receiver.output().empty());  // nothing is said to a stranger
        return reason_of(receiver);
    };
    EXPECT_EQ(refused(0, 'G'), Reject::BadMagic);
    EXPECT_EQ(refused(6, 1), Reject::BadMagic);
    EXPECT_EQ(refused(4, 2), Reject::BadVersion);
    EXPECT_EQ(refused(5, 2), Reject::BadRole);
}

// What a sender says, cut into its records.
struct Recorded {
    std::string preamble;
    std::vector<std::string> frames;
    std::string all() const {
        std::string text = preamble;
        for (const auto& frame : frames) text += frame;
        return text;
    }
};
Recorded record_a_sender(Receiver& receiver, Sender sender) {
    std::string all;
    const auto pass = [&] {
        const std::string output(sender.output());
        sender.consumed(output.size());
        all += output;
        receiver.receive(bytes_of(output), kStart);
        const std::string answer(receiver.output());
        receiver.consumed(answer.size());
        sender.receive(bytes_of(answer), kStart);
    };
    pass(), pass(), pass();
    sender.scanned(std::vector{flow_of(1), flow_of(7)}, 0, kStart);
    sender.changes(std::vector{flow_of(2)}, kStart);
    sender.tick(kStart + Millis(10));
    pass();
    Recorded recorded{all.substr(0, kPreambleSize), {}};
    for (std::size_t at = kPreambleSize; at < all.size();) {
        const std::size_t length =
            kFrameHeader + (static_cast<std::size_t>(static_cast<unsigned char>(all[at + 2])) << 8 |
                            static_cast<unsigned char>(all[at + 3]));
        recorded.frames.push_back(all.substr(at, length));
        at += length;
    }
    return recorded;
}

TEST_F(SyncSession, EveryFlippedBitEndsTheConnectionBeforeItIsRead) {
    auto original = make_receiver();
    const auto recorded = record_a_sender(original, make_sender());
    ASSERT_EQ(original.take_flows().size(), 3U);
    ASSERT_TRUE(original.synced());
    const std::string all = recorded.all();
    for (std::size_t bit = 0; bit < all.size() * 8; ++bit) {
        std::string flipped = all;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
        auto receiver = make_receiver();
        receiver.receive(bytes_of(flipped), kStart);
        const bool waiting = !receiver.end();  // a longer length field: the rest never comes
        if (waiting) receiver.peer_closed();
        ASSERT_TRUE(reason_of(receiver)) << "bit " << bit;
        ASSERT_LT(receiver.take_flows().size(), 3U) << "bit " << bit;
        if (waiting) {
            EXPECT_EQ(reason_of(receiver), Reject::Truncated) << "bit " << bit;
        }
    }
}

TEST_F(SyncSession, EveryTruncationIsSeen) {
    auto original = make_receiver();
    const auto recorded = record_a_sender(original, make_sender());
    const std::string all = recorded.all();
    std::size_t boundary = kPreambleSize + recorded.frames[0].size();
    std::size_t next = 1;
    for (std::size_t size = 0; size < all.size(); ++size) {
        auto receiver = make_receiver();
        receiver.receive(bytes_of(all.substr(0, size)), kStart);
        ASSERT_FALSE(receiver.end()) << size;
        receiver.peer_closed();
        // Between two records, after the Hello, a close is a close.
        const bool clean = size == boundary;
        EXPECT_EQ(reason_of(receiver), clean ? std::nullopt : std::optional(Reject::Truncated))
            << size;
        if (clean) boundary += recorded.frames[next++].size();
    }
}

TEST_F(SyncSession, ReplayedReorderedAndDroppedRecordsAreForged) {
    auto original = make_receiver();
    const auto recorded = record_a_sender(original, make_sender());
    ASSERT_GE(recorded.frames.size(), 6U);
    const auto played = [&](std::vector<std::size_t> order, std::uint8_t nonce) {
        auto receiver = make_receiver(key_of('k'), nonce);
        receiver.receive(bytes_of(recorded.preamble), kStart);
        for (const auto at : order) receiver.receive(bytes_of(recorded.frames[at]), kStart);
        return reason_of(receiver);
    };
    EXPECT_EQ(played({0, 1, 2, 3}, 2), std::nullopt);
    EXPECT_EQ(played({0, 1, 2, 2}, 2), Reject::Forged);
    EXPECT_EQ(played({0, 2, 1}, 2), Reject::Forged);
    EXPECT_EQ(played({0, 1, 3}, 2), Reject::Forged);
    // All of it again, on another connection.
    EXPECT_EQ(played({0, 1, 2, 3}, 200), Reject::Forged);
}

TEST_F(SyncSession, OwnBytesSentBackAreRefused) {
    auto sender = make_sender();
    const std::string output(sender.output());
    sender.receive(bytes_of(output), kStart);
    EXPECT_EQ(reason_of(sender), Reject::BadRole);
}

TEST_F(SyncSession, RecordLengthsOutOfRangeEndItAtTheLength) {
    const auto refused = [&](std::string_view header_hex) {
        auto receiver = make_receiver();
        RawSender raw(receiver);
        receiver.receive(bytes_of(from_hex(header_hex)), kStart);
        return reason_of(receiver);
    };
    EXPECT_EQ(refused("00004010"), std::nullopt);  // the largest: waits for it
    EXPECT_EQ(refused("00004011"), Reject::Oversized);
    EXPECT_EQ(refused("ffffffff"), Reject::Oversized);
    EXPECT_EQ(refused("00000011"), std::nullopt);
    EXPECT_EQ(refused("00000010"), Reject::Undersized);
    EXPECT_EQ(refused("00000000"), Reject::Undersized);
}

TEST_F(SyncSession, AuthenticRecordsThatMakeNoSenseEndIt) {
    const auto refused = [&](const std::vector<Record>& records, bool greet = true) {
        auto receiver = make_receiver();
        RawSender raw(receiver);
        if (greet) raw.greet();
        EXPECT_FALSE(receiver.end());
        for (const auto& record : records) raw.say(record);
        return reason_of(receiver);
    };
    const Flows part{Kind::SnapshotFlows, {flow_of(1)}};
    EXPECT_EQ(refused({SnapshotBegin{1}, part, SnapshotEnd{1, 1}}), std::nullopt);
    EXPECT_EQ(refused({Keepalive{1}}, false), Reject::Unexpected);
    EXPECT_EQ(refused({Hello{0, 1, 0, 5, "again"}}), Reject::Unexpected);
    EXPECT_EQ(refused({part}), Reject::Unexpected);
    EXPECT_EQ(refused({SnapshotEnd{0, 0}}), Reject::Unexpected);
    EXPECT_EQ(refused({SnapshotBegin{0}}), Reject::Unexpected);
    EXPECT_EQ(refused({SnapshotBegin{1}, SnapshotBegin{2}}), Reject::Unexpected);
    EXPECT_EQ(refused({SnapshotBegin{1}, SnapshotEnd{2, 0}}), Reject::Unexpected);
    EXPECT_EQ(refused({SnapshotBegin{1}, part, SnapshotEnd{1, 2}}), Reject::SnapshotCount);
    EXPECT_EQ(refused({Echo{1, 1, 1}}), Reject::Unexpected);
    EXPECT_EQ(refused({Keepalive{0}}), Reject::Unexpected);
    EXPECT_EQ(refused({DigestsPart{false, true, 0, {}}}), Reject::Unexpected);

    auto receiver = make_receiver();
    RawSender raw(receiver);
    raw.greet();
    raw.say_plain(from_hex("0a00"));
    EXPECT_EQ(reason_of(receiver), Reject::Malformed);
}

TEST_F(SyncSession, ARejectedRecordKeepsWhatCameBeforeItAndNothingAfter) {
    auto receiver = make_receiver();
    RawSender raw(receiver);
    raw.greet();
    const std::string good = raw.frame(encode(Flows{Kind::Changed, {flow_of(1)}}));
    const std::string bad = raw.frame("nonsense");
    const std::string after = raw.frame(encode(Flows{Kind::Changed, {flow_of(2)}}));
    receiver.receive(bytes_of(good + bad + after), kStart);
    EXPECT_EQ(reason_of(receiver), Reject::Malformed);
    EXPECT_EQ(receiver.take_flows(), std::vector{flow_of(1)});
}

TEST_F(SyncSession, AnswersToAPeerThatNeverReadsAreBounded) {
    auto receiver = make_receiver();
    RawSender raw(receiver);
    raw.greet();
    std::size_t most = 0;
    for (std::uint64_t i = 1; i < 10'000 && !receiver.end(); ++i) {
        raw.say(Keepalive{i});
        most = std::max(most, receiver.output().size());
    }
    EXPECT_EQ(reason_of(receiver), Reject::QueueOverflow);
    EXPECT_LE(most, 64U * 1024);
}

TEST_F(SyncSession, UnauthenticatedPeersHaveTwoSeconds) {
    auto receiver = make_receiver();
    EXPECT_EQ(receiver.deadline(), kStart + Seconds(2));
    RawSender raw(receiver);  // a preamble alone proves nothing
    receiver.tick(kStart + Seconds(2) - Nanos(1));
    EXPECT_FALSE(receiver.end());
    receiver.tick(kStart + Seconds(2));
    EXPECT_EQ(reason_of(receiver), Reject::HandshakeTimeout);
    auto sender = make_sender();
    sender.tick(sender.deadline());
    EXPECT_EQ(reason_of(sender), Reject::HandshakeTimeout);
}

TEST_F(SyncSession, KeepalivesKeepItOpenAndSilenceEndsIt) {
    auto sender = make_sender();
    auto receiver = make_receiver();
    exchange(sender, receiver, kStart);
    sender.scanned({}, 0, kStart);
    TimePoint now = kStart;
    for (int i = 0; i < 100; ++i) {
        now = std::min(sender.deadline(), receiver.deadline());
        sender.tick(now);
        receiver.tick(now);
        exchange(sender, receiver, now);
    }
    EXPECT_GE(now, kStart + Seconds(90));
    ASSERT_FALSE(sender.end() || receiver.end());
    // The peer goes: each side notices three seconds after it last heard.
    while (!sender.end()) {
        now = sender.deadline();
        sender.tick(now);
        sender.consumed(sender.output().size());
    }
    EXPECT_EQ(reason_of(sender), Reject::Silent);
    receiver.tick(receiver.deadline());
    EXPECT_EQ(reason_of(receiver), Reject::Silent);
}

TEST_F(SyncSession, LagIsTheTimeUntilAKeepaliveIsAnswered) {
    auto sender = make_sender();
    auto receiver = make_receiver();
    exchange(sender, receiver, kStart);
    EXPECT_EQ(sender.lag(kStart), Nanos(0));
    const TimePoint later = kStart + Seconds(1);
    sender.tick(later);
    EXPECT_EQ(sender.lag(later + Millis(300)), Millis(300));
    exchange(sender, receiver, later + Millis(400));
    EXPECT_EQ(sender.lag(later + Millis(900)), Millis(400));
}

TEST_F(SyncSession, OnlyStampsThatWereSentCount) {
    auto receiver = make_receiver();
    RawSender raw(receiver);
    raw.greet();
    raw.hear();
    raw.say(SnapshotBegin{4});
    raw.say(SnapshotEnd{4, 0});
    raw.say(Keepalive{55});
    const auto heard = raw.hear();
    ASSERT_EQ(heard.size(), 2U);
    EXPECT_TRUE(heard[0] == Record(Echo{0, 0, 4}));
    EXPECT_TRUE(heard[1] == Record(Echo{55, 0, 4}));
}

TEST_F(SyncSession, ConnectingToItselfIsRecognised) {
    auto sender = Sender(key_of('k'), nonce_of(1), node("b"), {}, kStart);
    auto receiver = make_receiver();
    exchange(sender, receiver, kStart);
    EXPECT_EQ(reason_of(receiver), Reject::OwnConnection);
}

TEST_F(SyncSession, DifferencesAreSaidOnceAndSyncGoesOn) {
    Digests theirs;
    theirs.config = 1;
    theirs.rings[{kVip, Protocol::Tcp}] = 1;
    digests_.rings[{kVip, Protocol::Tcp}] = 2;
    Identity old = node("a");
    old.abi = 9;
    Sender sender(key_of('k'), nonce_of(1), old, theirs, kStart);
    auto receiver = make_receiver();
    std::vector<Flow> got;
    exchange(sender, receiver, kStart, &got);
    const auto events = receiver.take_events();
    ASSERT_EQ(events.size(), 3U);
    EXPECT_EQ(events[1].kind, EventKind::Mismatch);
    EXPECT_NE(events[1].text.find("ABI 9"), std::string::npos) << events[1].text;
    EXPECT_EQ(events[2].kind, EventKind::Mismatch);
    EXPECT_NE(events[2].text.find("another configuration"), std::string::npos);
    EXPECT_NE(events[2].text.find("10.0.0.1:80/TCP picks otherwise"), std::string::npos);
    EXPECT_EQ(receiver.digests_agree(), false);

    sender.scanned(std::vector{flow_of(1)}, 0, kStart);
    exchange(sender, receiver, kStart, &got);
    EXPECT_EQ(got.size(), 1U);
    EXPECT_TRUE(receiver.synced());

    sender.set_digests(theirs);  // nothing new: not told
    exchange(sender, receiver, kStart);
    EXPECT_FALSE(said(receiver, EventKind::Mismatch, ""));
    sender.set_digests(digests_);
    exchange(sender, receiver, kStart);
    EXPECT_TRUE(said(receiver, EventKind::Agreement, "agree"));
    EXPECT_EQ(receiver.digests_agree(), true);
    receiver.set_digests(theirs);
    EXPECT_TRUE(said(receiver, EventKind::Mismatch, "another configuration"));
}

TEST_F(SyncSession, FlowsThatCannotBeWrittenDownAreCounted) {
    auto sender = make_sender();
    auto receiver = make_receiver();
    std::vector<Flow> got;
    exchange(sender, receiver, kStart);
    sender.scanned(std::vector{Flow{}, flow_of(1)}, 0, kStart);
    sender.changes(std::vector{Flow{}}, kStart);
    sender.tick(kStart + Millis(10));
    exchange(sender, receiver, kStart, &got);
    EXPECT_EQ(got.size(), 1U);
    EXPECT_TRUE(receiver.synced());
    EXPECT_EQ(sender.stats().skipped, 1U);  // Flow{} in a snapshot is an empty slot
}

}  // namespace
}  // namespace vipd::sync
