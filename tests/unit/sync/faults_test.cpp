// SPDX-License-Identifier: Apache-2.0
// What may happen to a peer, its table and its clock; each leaves the other node as it is.
#include "tests/unit/sync/nodes.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>

namespace vipd::sync::testing {
namespace {

class SyncFaults : public ::testing::Test {
  protected:
    void SetUp() override {
        if (const auto missing = enter_own_namespace(); !missing.empty()) GTEST_SKIP() << missing;
        auto other = EventLoop::create();
        ASSERT_TRUE(other);
        other_loop_.emplace(std::move(*other));
        a_ = std::make_unique<Node>(loop_, 1);
        b_ = std::make_unique<Node>(*other_loop_, 2);
    }
    Node& a() { return *a_; }
    Node& b() { return *b_; }
    bool until(const std::function<bool()>& holds) {
        return run_until({&loop_, &*other_loop_}, holds);
    }
    bool both_synced() {
        return a().daemon.synced() && b().daemon.synced() && a().peer(2).out_synced &&
               b().peer(1).out_synced;
    }

    EventLoop loop_ = *EventLoop::create();
    std::optional<EventLoop> other_loop_;  ///< of node b, so that it can stand still
    std::unique_ptr<Node> a_;
    std::unique_ptr<Node> b_;
};

TEST_F(SyncFaults, APeerThatVanishesMidSnapshotGetsAllOfTheNext) {
    for (std::uint32_t n = 0; n < 200'000; ++n) a().plane.put_flow(flow_of(n), false);
    ASSERT_TRUE(a().daemon.start(a().options({2})));
    ASSERT_TRUE(b().daemon.start(b().options({1})));
    ASSERT_TRUE(until([&] { return b().plane.flow_count() > 20'000; }));
    const auto peer = b().peer(1);
    EXPECT_TRUE(peer.in_in_snapshot);
    EXPECT_LT(b().plane.flow_count(), 200'000U);
    EXPECT_FALSE(b().daemon.synced());
    b_ = std::make_unique<Node>(*other_loop_, 2);  // with an empty table, on its address
    ASSERT_TRUE(b().daemon.start(b().options({1})));
    ASSERT_TRUE(until([&] { return both_synced(); }));
    EXPECT_EQ(b().plane.flow_count(), 200'000U);
    EXPECT_EQ(a().plane.flow_count(), 200'000U);
}

TEST_F(SyncFaults, ATableTooSmallForThePeersIsFilledAndCounted) {
    for (std::uint32_t n = 0; n < 20'000; ++n) a().plane.put_flow(flow_of(n), false);
    b().plane.set_capacity(2'000);
    for (std::uint32_t n = 50'000; n < 50'500; ++n) b().plane.put_flow(flow_of(n), false);
    ASSERT_TRUE(a().daemon.start(a().options({2})));
    ASSERT_TRUE(b().daemon.start(b().options({1})));
    ASSERT_TRUE(until([&] { return both_synced(); }));
    EXPECT_EQ(b().plane.flow_count(), 2'000U);
    EXPECT_EQ(b().peer(1).flows_full, 18'500U);
    // What was its own is there still, and the peer has it.
    for (std::uint32_t n = 50'000; n < 50'500; ++n) {
        ASSERT_TRUE(b().has(n));
        ASSERT_TRUE(a().has(n));
    }
    EXPECT_EQ(a().plane.flow_count(), 20'500U);
}

TEST_F(SyncFaults, APeerThatStoodStillHoldsEverythingAgain) {
    auto options = a().options({2});
    options.limits.silence = Millis(300);
    options.limits.keepalive = Millis(100);
    ASSERT_TRUE(a().daemon.start(options));
    auto theirs = b().options({1});
    theirs.limits.keepalive = Millis(100);
    ASSERT_TRUE(b().daemon.start(theirs));
    ASSERT_TRUE(until([&] { return both_synced(); }));
    // Like a link that is cut: nothing of it is heard, and what is told to it goes nowhere.
    ASSERT_TRUE(run_until({&loop_}, [&] { return a().rejected(2, Reject::Silent) >= 1; }));
    for (std::uint32_t n = 0; n < 3'000; ++n) a().plane.put_flow(flow_of(n));
    for (std::uint32_t n = 9'000; n < 9'100; ++n) b().plane.put_flow(flow_of(n));
    EXPECT_FALSE(a().daemon.synced());
    ASSERT_TRUE(until([&] {
        return both_synced() && a().plane.flow_count() == 3'100 && b().plane.flow_count() == 3'100;
    }));
}

TEST_F(SyncFaults, OfTwoThatHoldTheSameConnectionTheFresherIsRight) {
    // Both were in charge for a while, and gave the client different servers.
    const Endpoint other_real{*IpAddress::parse("10.0.1.2"), 80};
    for (auto* node : {&a(), &b()}) {
        auto service = service_of(kVip, kReal, Protocol::Tcp);
        service.reals.push_back({other_real});
        node->plane.put_service(service);
    }
    Flow fresh = flow_of(1);
    fresh.idle = Millis(0);
    Flow stale = fresh;
    stale.real = other_real;
    stale.idle = Millis(30'000);
    a().plane.put_flow(fresh, false);
    b().plane.put_flow(stale, false);
    ASSERT_TRUE(a().daemon.start(a().options({2})));
    ASSERT_TRUE(b().daemon.start(b().options({1})));
    ASSERT_TRUE(until([&] { return both_synced(); }));
    for (auto* node : {&a(), &b()}) {
        const auto held = node->plane.find(vipd::testing::FlowKey::of(fresh));
        ASSERT_TRUE(held);
        EXPECT_EQ(held->real, kReal);
    }
    EXPECT_EQ(a().peer(2).flows_older, 1U);
}

TEST(SyncClocks, OneThatIsADayAheadChangesNothing) {
    const TimePoint ahead = kStart + std::chrono::hours(24);
    Sender sender(key_of('k'), nonce_of(1), node("a"), {}, kStart);
    Receiver receiver(key_of('k'), nonce_of(2), node("b"), {}, ahead);
    std::vector<Flow> got;
    const auto move = [&](Session& from, Session& to, TimePoint now) {
        const std::string output(from.output());
        from.consumed(output.size());
        to.receive(bytes_of(output), now);
        return !output.empty();
    };
    const auto settle = [&] {
        while (move(sender, receiver, ahead) | move(receiver, sender, kStart))
            for (auto& flow : receiver.take_flows()) got.push_back(flow);
    };
    settle();
    sender.scanned(std::vector{flow_of(5)}, 0, kStart);
    settle();
    ASSERT_FALSE(sender.end() || receiver.end());
    EXPECT_TRUE(sender.confirmed());
    EXPECT_TRUE(receiver.synced());
    EXPECT_EQ(got, std::vector{flow_of(5)});
}

TEST(SyncVersions, AnotherMinorVersionIsSaidAndSyncGoesOn) {
    Receiver receiver(key_of('k'), nonce_of(2), node("b"), {}, kStart);
    RawSender raw(receiver);
    raw.say(Hello{kMinorVersion + 1, 9, 1, 99, "newer"});
    for (const auto& part : split_digests({})) raw.say(part);
    raw.say(SnapshotBegin{1, 1});
    raw.say(Flows{Kind::SnapshotFlows, {flow_of(5)}});
    raw.say(SnapshotEnd{1, 1});
    EXPECT_FALSE(receiver.end());
    EXPECT_TRUE(receiver.synced());
    const auto events = receiver.take_events();
    EXPECT_TRUE(std::ranges::any_of(events, [](const Event& event) {
        return event.kind == EventKind::Mismatch &&
               event.text.find("runs another version") != std::string::npos;
    }));
}

}  // namespace
}  // namespace vipd::sync::testing
