// SPDX-License-Identifier: Apache-2.0
// Whole nodes against one another over loopback TCP.
#include "tests/unit/sync/nodes.hpp"
#include "userspace/sync/socket.hpp"

#include <fcntl.h>

#include <fstream>
#include <netinet/in.h>
#include <random>

namespace vipd::sync {
namespace {

using namespace testing;
using vipd::testing::FlowKey;

class SyncNodes : public ::testing::Test {
  protected:
    void SetUp() override {
        if (const auto missing = enter_own_namespace(); !missing.empty()) GTEST_SKIP() << missing;
        for (int n = 1; n <= 2; ++n) nodes_.push_back(std::make_unique<Node>(loop_, n));
    }
    Node& a() { return *nodes_[0]; }
    Node& b() { return *nodes_[1]; }
    void join() {
        ASSERT_TRUE(a().daemon.start(a().options({2})));
        ASSERT_TRUE(b().daemon.start(b().options({1})));
        ASSERT_TRUE(until([&] { return both_synced(); }));
    }
    bool both_synced() {
        return a().daemon.synced() && b().daemon.synced() && a().peer(2).out_synced &&
               b().peer(1).out_synced;
    }
    bool until(const std::function<bool()>& holds) { return run_until({&loop_}, holds); }
    // What both tables say, but for what each knows by itself. Changes age while they wait.
    static void expect_same_flows(Node& one, Node& other, Millis waited = Millis(0)) {
        const auto mine = one.plane.flows();
        const auto theirs = other.plane.flows();
        ASSERT_EQ(mine.size(), theirs.size());
        for (const auto& [key, flow] : mine) {
            const auto at = theirs.find(key);
            ASSERT_NE(at, theirs.end()) << key.client.to_string();
            Flow expected = at->second;
            expected.synced = flow.synced;
            ASSERT_LE(std::chrono::abs(flow.idle - expected.idle), waited);
            expected.idle = flow.idle;
            ASSERT_EQ(flow, expected) << key.client.to_string();
        }
    }
    // A connection to node 1, from the address of another.
    Fd dial(int from) {
        auto fd = connect_to(address_of(1), kDefaultPort, address_of(from));
        EXPECT_TRUE(fd) << fd.error().message;
        return fd ? std::move(*fd) : Fd();
    }

    // Second descriptors of every established connection in this process: none is closed while they
    // are held, whatever its owner does.
    static std::vector<Fd> keep_connections_open() {
        std::vector<Fd> kept;
        for (int fd = 3; fd < 256; ++fd) {
            sockaddr_storage peer{};
            socklen_t size = sizeof peer;
            if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 &&
                (peer.ss_family == AF_INET || peer.ss_family == AF_INET6))
                kept.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 256));
        }
        return kept;
    }

    EventLoop loop_ = std::move(*EventLoop::create());
    std::vector<std::unique_ptr<Node>> nodes_;
};

TEST_F(SyncNodes, AJoiningNodeHoldsAHundredThousandConnections) {
    for (std::uint32_t n = 0; n < 100'000; ++n) a().plane.put_flow(flow_of(n), false);
    join();
    EXPECT_EQ(b().plane.flow_count(), 100'000U);
    expect_same_flows(b(), a());
    EXPECT_TRUE(b().plane.find(FlowKey::of(flow_of(5)))->synced);
    EXPECT_EQ(a().peer(2).flows_sent, 100'000U);
    EXPECT_EQ(b().peer(1).flows_stored, 100'000U);
    EXPECT_EQ(b().peer(1).snapshots_received, 1U);
    EXPECT_EQ(b().peer(1).node_id, "node-127.0.0.1");
    EXPECT_TRUE(b().logged("sync: from 127.0.0.1: has given its 100000 connections"));
    // Nothing came back: B holds A's flows, A knows them fresher or alike.
    EXPECT_EQ(a().plane.flow_count(), 100'000U);
}

TEST_F(SyncNodes, ChangesTravelAndAreNotEchoed) {
    b().plane.announce_stored(true);
    join();
    for (std::uint32_t n = 1; n <= 50; ++n) a().plane.put_flow(flow_of(n));
    ASSERT_TRUE(until([&] { return b().plane.flow_count() == 50; }));
    expect_same_flows(b(), a(), Seconds(10));
    // B's own flow comes after any echo would have.
    b().plane.put_flow(flow_of(1000));
    ASSERT_TRUE(until([&] { return a().has(1000); }));
    EXPECT_EQ(a().peer(2).flows_received, 1U);
    EXPECT_EQ(b().peer(1).flows_sent, 1U);
}

TEST_F(SyncNodes, StateChangesAndRemovalsTravel) {
    join();
    a().plane.put_flow(flow_of(1));
    a().plane.put_flow(flow_of(2));
    ASSERT_TRUE(until([&] { return b().has(1) && b().has(2); }));
    a().plane.put_flow(flow_of(2, FlowState::FinWait));
    a().plane.remove_flow(FlowKey::of(flow_of(1)));
    ASSERT_TRUE(until([&] { return !b().has(1); }));
    EXPECT_EQ(b().plane.find(FlowKey::of(flow_of(2)))->state, FlowState::FinWait);
}

TEST_F(SyncNodes, RefreshedFlowsAreToldAgain) {
    a().plane.put_flow(flow_of(1));
    join();
    ASSERT_TRUE(b().has(1));
    b().plane.advance(Seconds(500));
    a().plane.refresh_on_sweep(FlowKey::of(flow_of(1)));
    EXPECT_TRUE(until([&] { return b().plane.find(FlowKey::of(flow_of(1)))->idle < Seconds(1); }));
}

TEST_F(SyncNodes, AFlowSeenHereLaterStaysAsItIs) {
    join();
    b().plane.put_flow(flow_of(1, FlowState::FinWait), false);
    Flow old = flow_of(1);
    old.idle = Millis(5000);
    a().plane.put_flow(old);
    ASSERT_TRUE(until([&] { return b().peer(1).flows_older == 1; }));
    EXPECT_EQ(b().plane.find(FlowKey::of(old))->state, FlowState::FinWait);
}

TEST_F(SyncNodes, LostChangesAreMadeUpForByASnapshot) {
    join();
    a().plane.put_flow(flow_of(3), false);
    a().plane.lose_changes(3);
    ASSERT_TRUE(until([&] { return b().has(3); }));
    ASSERT_TRUE(until([&] { return both_synced(); }));
    EXPECT_EQ(a().peer(2).snapshots_sent, 2U);
    EXPECT_EQ(a().daemon.stats().changes_left_out, 3U);
}

TEST_F(SyncNodes, ARestartedNodeGetsEverythingBackAtOnce) {
    for (std::uint32_t n = 0; n < 1000; ++n) a().plane.put_flow(flow_of(n), false);
    join();
    nodes_.pop_back();
    ASSERT_TRUE(until([&] { return !a().peer(2).out_connected && !a().peer(2).in_connected; }));
    EXPECT_FALSE(a().daemon.synced());
    nodes_.push_back(std::make_unique<Node>(loop_, 2));
    ASSERT_TRUE(b().daemon.start(b().options({1})));
    ASSERT_TRUE(until([&] { return both_synced(); }));
    expect_same_flows(b(), a());
}

// The peer was cut off without a word: its former connections still look alive here.
TEST_F(SyncNodes, ARestartedNodeReplacesItsDeadConnections) {
    a().plane.put_flow(flow_of(1), false);
    auto stopped_loop = *EventLoop::create();
    Node former(stopped_loop, 2);
    ASSERT_TRUE(a().daemon.start(a().options({2})));
    ASSERT_TRUE(former.daemon.start(former.options({1})));
    ASSERT_TRUE(run_until({&loop_, &stopped_loop},
                          [&] { return a().daemon.synced() && former.daemon.synced(); }));
    // From here on its loop does not run. Its listener alone goes, so that the address is free; on
    // the same port the connections would be closed with it, so the descriptors are kept.
    const auto connects = a().peer(2).connects;
    const auto kept = keep_connections_open();
    former.daemon.stop();
    ASSERT_TRUE(b().daemon.start(b().options({1})));
    ASSERT_TRUE(until([&] { return b().daemon.synced() && b().has(1) && a().daemon.synced(); }));
    EXPECT_EQ(a().peer(2).connects, connects + 2);
}

TEST_F(SyncNodes, APeerThatDoesNotReadCostsABoundedQueueAndThenASnapshot) {
    auto slow_loop = *EventLoop::create();
    Node slow(slow_loop, 3);
    // Small buffers in the kernel, so that they are full long before the kernel itself gives up.
    std::ofstream("/proc/sys/net/ipv4/tcp_rmem") << "4096 65536 65536";
    std::ofstream("/proc/sys/net/ipv4/tcp_wmem") << "4096 65536 65536";
    auto options = a().options({3});
    options.limits.queue = 512U << 10;
    options.limits.scan_queue = 64U << 10;
    ASSERT_TRUE(a().daemon.start(options));
    ASSERT_TRUE(slow.daemon.start(slow.options({1})));
    ASSERT_TRUE(run_until({&loop_, &slow_loop},
                          [&] { return a().daemon.synced() && slow.daemon.synced(); }));
    // The slow node's loop stands still: first the kernel's buffers fill, then the queue.
    std::uint64_t most = 0;
    std::uint32_t n = 0;
    ASSERT_TRUE(until([&] {
        for (int i = 0; i < 2000; ++i) a().plane.put_flow(flow_of(n++ % 5000));
        most = std::max(most, a().peer(3).out_queued);
        return a().rejected(3, Reject::QueueOverflow) > 0;
    }));
    EXPECT_LE(most, options.limits.queue);
    EXPECT_TRUE(a().logged("sync: to 127.0.0.3: the peer does not take what is sent to it"));
    ASSERT_TRUE(run_until({&loop_, &slow_loop},
                          [&] { return a().peer(3).out_synced && slow.daemon.synced(); }));
    EXPECT_EQ(slow.plane.flow_count(), a().plane.flow_count());
    expect_same_flows(slow, a(), Seconds(10));
}

TEST_F(SyncNodes, AnotherKeyGetsNothingAndIsSaid) {
    a().plane.put_flow(flow_of(1), false);
    auto options = b().options({1});
    options.keys = key_of('x');
    ASSERT_TRUE(a().daemon.start(a().options({2})));
    ASSERT_TRUE(b().daemon.start(options));
    ASSERT_TRUE(until([&] {
        return a().rejected(2, Reject::Forged) > 1 && b().rejected(1, Reject::Forged) > 1;
    }));
    EXPECT_EQ(b().plane.store_calls(), 0U);
    EXPECT_TRUE(a().logged("is the shared key the same on both nodes?"));
    EXPECT_FALSE(a().daemon.synced());
    EXPECT_FALSE(a().peer(2).in_connected || a().peer(2).out_connected);
    EXPECT_LE(a().log.size(), 8U);  // however often it is tried
    // Once it has the key, it works.
    ASSERT_TRUE(b().daemon.reconfigure(b().options({1})));
    ASSERT_TRUE(until([&] { return both_synced(); }));
    EXPECT_TRUE(b().has(1));
}

TEST_F(SyncNodes, KeysAreChangedWithoutALostFlow) {
    join();
    const Keyring old = key_of('k');
    const Keyring both_old_first({key_of('k'), key_of('n')});
    const Keyring both_new_first({key_of('n'), key_of('k')});
    const Keyring fresh = key_of('n');
    std::uint32_t flow = 1;
    // At no time are both nodes told at once; flows go on all the while.
    for (const auto& keys : {both_old_first, both_new_first, fresh})
        for (auto* node : {&a(), &b()}) {
            a().plane.put_flow(flow_of(flow));
            auto options = node->options({node == &a() ? 2 : 1});
            options.keys = keys;
            ASSERT_TRUE(node->daemon.reconfigure(options));
            b().plane.put_flow(flow_of(1000 + flow));
            ASSERT_TRUE(until([&] {
                return both_synced() && b().has(flow) && a().has(1000 + flow);
            })) << flow;
            ++flow;
        }
    EXPECT_EQ(a().rejected(2, Reject::Forged), 0U);
    EXPECT_EQ(b().rejected(1, Reject::Forged), 0U);
    // The old key opens nothing any more.
    auto late = b().options({1});
    late.keys = old;
    ASSERT_TRUE(b().daemon.reconfigure(late));
    ASSERT_TRUE(until([&] { return a().rejected(2, Reject::Forged) > 0; }));
}

TEST_F(SyncNodes, SettlesOnceThePeerHasAllThatWasTold) {
    join();
    for (std::uint32_t n = 1; n <= 5000; ++n) a().plane.put_flow(flow_of(n));
    // Half-open connections are no news, but who is about to leave tells of them, too.
    const std::vector<Flow> half_open{flow_of(9001, FlowState::SynRecv)};
    std::optional<bool> all;
    std::size_t there = 0;
    a().daemon.settle(half_open, Seconds(20), [&](bool done) {
        all = done;
        there = b().plane.flow_count();
    });
    ASSERT_TRUE(until([&] { return all.has_value(); }));
    EXPECT_TRUE(*all);
    EXPECT_EQ(there, 5001U);
    EXPECT_TRUE(b().has(9001));
}

TEST_F(SyncNodes, SettlesAtItsLimitWithAPeerThatDoesNotAnswer) {
    auto other = EventLoop::create();
    ASSERT_TRUE(other);
    Node c(*other, 3);
    ASSERT_TRUE(a().daemon.start(a().options({3})));
    ASSERT_TRUE(c.daemon.start(c.options({1})));
    ASSERT_TRUE(run_until({&loop_, &*other}, [&] { return a().peer(3).out_synced; }));
    std::optional<bool> all;
    a().daemon.settle({}, Millis(20), [&](bool done) { all = done; });
    ASSERT_TRUE(until([&] { return all.has_value(); }));
    EXPECT_FALSE(*all);
}

TEST_F(SyncNodes, AChangedKeyEndsWhatTheOldOneOpened) {
    join();
    auto rekeyed = a().options({2});
    rekeyed.keys = key_of('n');
    ASSERT_TRUE(a().daemon.reconfigure(rekeyed));
    ASSERT_TRUE(until([&] { return !b().peer(1).in_connected && !b().peer(1).out_connected; }));
    a().plane.put_flow(flow_of(1));
    auto rekeyed_too = b().options({1});
    rekeyed_too.keys = key_of('n');
    ASSERT_TRUE(b().daemon.reconfigure(rekeyed_too));
    ASSERT_TRUE(until([&] { return both_synced(); }));
    EXPECT_TRUE(b().has(1));
}

TEST_F(SyncNodes, StrangersAndGarbageAreCountedAndBounded) {
    auto options = a().options({2});
    options.limits.handshake = Seconds(2);
    ASSERT_TRUE(a().daemon.start(options));
    // From no peer's address: not even read.
    std::vector<Fd> strangers;
    for (int i = 0; i < 5; ++i) strangers.push_back(dial(9));
    ASSERT_TRUE(until([&] { return a().daemon.stats().unknown_address == 5; }));

    // From the peer's address, saying nothing: eight are waited for.
    std::vector<Fd> silent;
    const auto seen = [&] {
        return a().daemon.stats().half_open + a().rejected(2, Reject::HalfOpenLimit);
    };
    for (std::uint64_t i = 1; i <= 20; ++i) {
        silent.push_back(dial(2));
        ASSERT_TRUE(until([&] { return seen() == i; }));
        EXPECT_LE(a().daemon.stats().half_open, kMaxHalfOpen);
    }
    ASSERT_TRUE(until([&] { return a().rejected(2, Reject::HalfOpenLimit) == 12; }));
    ASSERT_TRUE(until([&] { return a().rejected(2, Reject::HandshakeTimeout) == 8; }));

    std::mt19937 random(1);
    for (std::uint64_t i = 1; i <= 100; ++i) {
        const Fd fd = dial(2);
        std::string garbage(1 + random() % 5000, '\0');
        for (auto& c : garbage) c = static_cast<char>(random() & 0xff);
        if (i % 2 == 0) {
            const auto preamble = encode_preamble(Role::Sender, nonce_of(1));
            garbage.insert(0, std::string(preamble.begin(), preamble.end()));
        }
        ASSERT_TRUE(until(
            [&] { return ::send(fd.get(), garbage.data(), garbage.size(), MSG_NOSIGNAL) > 0; }));
        ::shutdown(fd.get(), SHUT_WR);
        const auto refused = [&] {
            std::uint64_t sum = 0;
            for (const auto reason : {Reject::BadMagic,
                                      Reject::Truncated,
                                      Reject::Oversized,
                                      Reject::Undersized,
                                      Reject::Forged})
                sum += a().rejected(2, reason);
            return sum;
        };
        ASSERT_TRUE(until([&] { return refused() >= i; })) << i;
    }
    EXPECT_GE(a().rejected(2, Reject::BadMagic), 40U);
    EXPECT_GE(a().rejected(2, Reject::Oversized), 40U);
    EXPECT_EQ(a().plane.store_calls(), 0U);
    EXPECT_LE(a().log.size(), 12U);

    // And the peer itself still comes in.
    ASSERT_TRUE(b().daemon.start(b().options({1})));
    EXPECT_TRUE(until([&] { return both_synced(); }));
}

TEST_F(SyncNodes, ADifferentConfigurationIsSaidAndSyncGoesOn) {
    auto options = b().options({1});
    options.digests.config = 5;
    a().plane.put_flow(flow_of(1), false);
    ASSERT_TRUE(a().daemon.start(a().options({2})));
    ASSERT_TRUE(b().daemon.start(options));
    ASSERT_TRUE(until([&] { return both_synced(); }));
    EXPECT_TRUE(b().has(1));
    EXPECT_TRUE(a().logged("has another configuration"));
    EXPECT_FALSE(a().peer(2).digests_agree);
    b().daemon.set_digests({});
    EXPECT_TRUE(until([&] { return a().peer(2).digests_agree; }));
    EXPECT_TRUE(a().logged("agree again"));
}

TEST_F(SyncNodes, FlowsOfServicesThatAreNotHereAreCounted) {
    Flow foreign = flow_of(1);
    foreign.vip.port = 8080;
    a().plane.put_flow(foreign, false);
    join();
    EXPECT_EQ(b().plane.flow_count(), 0U);
    EXPECT_EQ(b().peer(1).flows_unknown, 1U);
}

TEST_F(SyncNodes, FlowsOfAServiceThatComesLaterAreToldAgain) {
    Flow early = flow_of(1);
    early.vip.port = 8080;
    a().plane.put_flow(early, false);
    a().plane.put_service(service_of(early.vip, early.real, early.protocol));
    a().plane.put_flow(flow_of(2), false);
    join();
    ASSERT_EQ(b().peer(1).flows_unknown, 1U);
    EXPECT_EQ(b().plane.flow_count(), 1U);
    // The configuration catches up.
    b().plane.put_service(service_of(early.vip, early.real, early.protocol));
    b().daemon.set_digests({7, {}});
    EXPECT_FALSE(b().daemon.synced()) << "no longer true";
    ASSERT_TRUE(until([&] { return both_synced() && b().plane.flow_count() == 2; }));
    EXPECT_EQ(a().peer(2).snapshots_sent, 2U);
    EXPECT_TRUE(b().logged("is asked for its connections again"));
    // Nothing has been missed since: nothing is asked for.
    b().daemon.set_digests({});
    EXPECT_TRUE(b().daemon.synced());
    a().plane.put_flow(flow_of(3));
    ASSERT_TRUE(until([&] { return b().has(3); }));
    EXPECT_EQ(a().peer(2).snapshots_sent, 2U);
    EXPECT_TRUE(both_synced());
}

TEST_F(SyncNodes, ReconfiguringToWhatCannotBeLeavesAllAsItWas) {
    join();
    const auto connects = a().peer(2).connects;
    auto elsewhere = a().options({3});
    elsewhere.bind = *IpAddress::parse("192.0.2.1");
    const auto result = a().daemon.reconfigure(elsewhere);
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().message.find("192.0.2.1:8849"), std::string::npos);
    auto nameless = a().options({2});
    nameless.node_id.clear();
    EXPECT_FALSE(a().daemon.reconfigure(nameless));
    a().plane.put_flow(flow_of(1));
    ASSERT_TRUE(until([&] { return b().has(1); }));
    EXPECT_EQ(a().peer(2).connects, connects);
}

TEST_F(SyncNodes, PeersComeAndGoWithoutDisturbingOthers) {
    join();
    const auto connects = a().peer(2).connects;
    Node c(loop_, 3);
    ASSERT_TRUE(a().daemon.reconfigure(a().options({1, 2, 3})));
    ASSERT_TRUE(c.daemon.start(c.options({1})));
    a().plane.put_flow(flow_of(1));
    ASSERT_TRUE(until([&] { return c.daemon.synced() && c.has(1) && b().has(1); }));
    EXPECT_EQ(a().peer(2).connects, connects);
    ASSERT_TRUE(a().daemon.reconfigure(a().options({2})));
    ASSERT_TRUE(until([&] { return !c.peer(1).in_connected; }));
    EXPECT_EQ(a().daemon.stats().peers.size(), 1U);
    EXPECT_EQ(a().peer(2).connects, connects);
}

TEST_F(SyncNodes, MovesBetweenOneAddressAndAny) {
    join();
    auto any = a().options({2});
    any.bind = {};
    b().daemon.stop();  // its listener would be in the way, being on the same host
    const auto moved = a().daemon.reconfigure(any);
    ASSERT_TRUE(moved) << moved.error().message;
    ASSERT_TRUE(a().daemon.reconfigure(a().options({2})));
    ASSERT_TRUE(b().daemon.start(b().options({1})));
    EXPECT_TRUE(until([&] { return both_synced(); }));
}

TEST_F(SyncNodes, ItsOwnAddressAmongThePeersIsLeftOut) {
    auto options = a().options({1, 2});
    options.bind = {};  // else it is known beforehand
    ASSERT_TRUE(a().daemon.start(options));
    ASSERT_TRUE(until([&] { return a().logged("this node's own address"); }));
    EXPECT_EQ(a().daemon.stats().peers.size(), 1U);
    auto alone = a().options({1});
    ASSERT_TRUE(a().daemon.reconfigure(alone));
    EXPECT_TRUE(a().daemon.synced());
}

TEST_F(SyncNodes, APortInUseIsOneSentenceAndNothingRuns) {
    ASSERT_TRUE(a().daemon.start(a().options({2})));
    Node second(loop_, 1);
    const auto result = second.daemon.start(second.options({2}));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().message, "sync: listen on 127.0.0.1:8849: Address already in use");
    EXPECT_FALSE(second.daemon.running());
}

TEST_F(SyncNodes, ThePumpSweepsAndDrainsWithoutAnyoneListening) {
    a().plane.put_flow(flow_of(1));
    ASSERT_TRUE(until([&] { return a().plane.sweeps() >= 2; }));
    std::size_t left = 0;
    a().plane.take_changes([&](const Flow&) { ++left; });
    EXPECT_EQ(left, 0U);
}

}  // namespace
}  // namespace vipd::sync
