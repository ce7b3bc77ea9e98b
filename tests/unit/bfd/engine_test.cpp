// SPDX-License-Identifier: Apache-2.0
// Hosts that watch one another over a simulated network.
#include "vrrp/bfd/engine.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <deque>
#include <random>

namespace vipd::bfd {
namespace {

IpAddress ip(const char* text) {
    return *IpAddress::parse(text);
}

class Host final : public Wire {
  public:
    Host(const char* address, unsigned seed) : self(ip(address)), random_(seed) {}

    Result<> open(const SessionSettings& session) override {
        if (fail_open) return fail_errno(EADDRNOTAVAIL, "open");
        opened.push_back(session.name);
        return {};
    }
    void close(const SessionSettings& session) override { std::erase(opened, session.name); }
    Result<> send(const SessionSettings& session, std::span<const std::uint8_t> packet) override {
        if (fail_send) return fail_errno(ENETUNREACH, "send");
        out.push_back({session, {packet.begin(), packet.end()}});
        return {};
    }

    struct Sent {
        SessionSettings session;
        std::vector<std::uint8_t> bytes;
    };
    IpAddress self;
    std::deque<Sent> out;
    std::vector<std::string> opened;
    std::vector<std::pair<std::string, bool>> changes;
    std::vector<std::string> log;
    bool fail_open = false;
    bool fail_send = false;

  private:
    std::mt19937 random_;

  public:
    Engine engine{*this,
                  {[this](const std::string& name, bool up) { changes.emplace_back(name, up); },
                   [this](const std::string& text, const std::string&) { log.push_back(text); }},
                  [this] { return static_cast<std::uint32_t>(random_()); }};
};

SessionSettings to(const char* name, const char* neighbour, Nanos interval = Millis(10)) {
    SessionSettings settings;
    settings.name = name;
    settings.neighbour = ip(neighbour);
    settings.policy.min_tx = settings.policy.min_rx = interval;
    return settings;
}

class BfdEngine : public testing::Test {
  protected:
    void pass(Nanos time) {
        const TimePoint end = now + time;
        while (true) {
            TimePoint next = end;
            for (Host* host : {&a, &b})
                if (const auto at = host->engine.wake()) next = std::min(next, *at);
            now = std::max(now, next);
            if (now >= end) break;
            for (Host* host : {&a, &b}) host->engine.tick(now);
            exchange();
        }
    }
    void exchange() {
        while (!a.out.empty() || !b.out.empty()) {
            carry(a, b);
            carry(b, a);
        }
    }
    void carry(Host& from, Host& into) {
        while (!from.out.empty()) {
            const Host::Sent sent = from.out.front();
            from.out.pop_front();
            if (cut || (loss > 0 && random() % 100 < loss)) continue;
            if (sent.session.neighbour != into.self) continue;
            into.engine.receive({.source = from.self,
                                 .destination = into.self,
                                 .port = sent.session.multihop ? kMultiHopPort : kSingleHopPort,
                                 .ttl = static_cast<std::uint8_t>(sent.session.ttl - hops),
                                 .bytes = sent.bytes},
                                now);
        }
    }
    void connect(Nanos interval = Millis(10)) {
        a.engine.configure({to("b", "10.0.0.2", interval)}, now);
        b.engine.configure({to("a", "10.0.0.1", interval)}, now);
    }

    Host a{"10.0.0.1", 1};
    Host b{"10.0.0.2", 2};
    TimePoint now{Seconds(1000)};
    bool cut = false;
    unsigned loss = 0;
    std::uint8_t hops = 0;
    std::mt19937 random{3};
};

TEST_F(BfdEngine, TwoHostsFindEachOtherAndLoseEachOther) {
    connect();
    pass(Seconds(3));
    EXPECT_TRUE(a.engine.up("b"));
    EXPECT_TRUE(b.engine.up("a"));
    cut = true;
    const TimePoint before = now;
    while (a.engine.up("b") && now < before + Seconds(1)) pass(Micros(100));
    EXPECT_LE(now - before, Millis(51));
    pass(Millis(60));
    EXPECT_FALSE(b.engine.up("a"));
    cut = false;
    pass(Seconds(3));
    EXPECT_TRUE(a.engine.up("b"));
    EXPECT_EQ(a.changes.size(), 3U);
}

TEST_F(BfdEngine, OneMillisecondTimesFiveIsFiveMilliseconds) {
    connect(Millis(1));
    pass(Seconds(3));
    ASSERT_TRUE(a.engine.up("b"));
    cut = true;
    const TimePoint before = now;
    while (a.engine.up("b") && now < before + Seconds(1)) pass(Micros(50));
    EXPECT_LE(now - before, Millis(6));
}

TEST_F(BfdEngine, HoldsThroughSomeLoss) {
    connect();
    pass(Seconds(3));
    loss = 5;
    pass(Seconds(5));
    EXPECT_TRUE(a.engine.up("b"));
    EXPECT_EQ(a.changes.size(), 1U);
}

TEST_F(BfdEngine, ReportsPacketsAndChanges) {
    connect();
    ASSERT_EQ(a.engine.reports().size(), 1U);
    EXPECT_EQ(a.engine.reports()[0].started, now);
    EXPECT_FALSE(a.engine.reports()[0].last_change);
    pass(Seconds(3));
    const SessionReport up = a.engine.reports()[0];
    EXPECT_EQ(up.name, "b");
    EXPECT_EQ(up.neighbour, ip("10.0.0.2"));
    EXPECT_EQ(up.state, State::Up);
    EXPECT_EQ(up.ups, 1U);
    EXPECT_EQ(up.downs, 0U);
    EXPECT_EQ(up.received, b.engine.reports()[0].sent);
    EXPECT_EQ(up.sent, b.engine.reports()[0].received);
    EXPECT_GT(up.sent, 200U);
    cut = true;
    const TimePoint before = now;
    pass(Seconds(1));
    const SessionReport down = a.engine.reports()[0];
    EXPECT_EQ(down.state, State::Down);
    EXPECT_EQ(down.diagnostic, Diagnostic::DetectionTimeExpired);
    EXPECT_EQ(down.downs, 1U);
    EXPECT_GE(down.last_change, before);
    EXPECT_EQ(down.received, up.received);
    a.fail_send = true;
    pass(Seconds(3));
    EXPECT_EQ(a.engine.reports()[0].sent, down.sent);
    EXPECT_GT(a.engine.reports()[0].send_failed, 0U);
    // From further away than its session allows.
    cut = false;
    hops = 1;
    pass(Seconds(3));
    EXPECT_GT(a.engine.reports()[0].too_far, 0U);
    EXPECT_EQ(a.engine.reports()[0].too_far, a.engine.rejected(Reject::Ttl));
}

TEST_F(BfdEngine, StopIsToldAndIsNoTimeout) {
    connect();
    pass(Seconds(3));
    a.engine.stop(now);
    exchange();
    EXPECT_FALSE(b.engine.up("a"));
    EXPECT_TRUE(a.opened.empty());
}

TEST_F(BfdEngine, PacketsFromFurtherAwayThanAllowedAreDropped) {
    connect();
    hops = 1;
    pass(Seconds(3));
    EXPECT_FALSE(a.engine.up("b"));
    EXPECT_GT(a.engine.rejected(Reject::Ttl), 0U);
}

TEST_F(BfdEngine, MaxHopsAllowsThem) {
    for (Host* host : {&a, &b}) {
        SessionSettings settings = host == &a ? to("b", "10.0.0.2") : to("a", "10.0.0.1");
        settings.max_hops = 1;
        host->engine.configure({settings}, now);
    }
    hops = 1;
    pass(Seconds(3));
    EXPECT_TRUE(a.engine.up("b"));
    hops = 2;
    pass(Seconds(1));
    EXPECT_FALSE(a.engine.up("b"));
}

TEST_F(BfdEngine, MultihopHasItsOwnPortAndAnyDistance) {
    for (Host* host : {&a, &b}) {
        SessionSettings settings = host == &a ? to("b", "10.0.0.2") : to("a", "10.0.0.1");
        settings.multihop = true;
        settings.ttl = 64;
        host->engine.configure({settings}, now);
    }
    hops = 7;
    pass(Seconds(3));
    EXPECT_TRUE(a.engine.up("b"));
}

TEST_F(BfdEngine, StrangersAndForgeriesAreCountedAndChangeNothing) {
    connect();
    pass(Seconds(3));
    const ControlPacket forged{.state = State::Down, .mine = 5, .yours = 0xdead};
    const auto bytes = encode(forged);
    a.engine.receive({.source = ip("10.0.0.2"), .destination = a.self, .ttl = 255, .bytes = bytes},
                     now);
    a.engine.receive({.source = ip("10.0.0.9"), .destination = a.self, .ttl = 255, .bytes = bytes},
                     now);
    EXPECT_EQ(a.engine.rejected(Reject::NoSession), 2U);
    EXPECT_TRUE(a.engine.up("b"));
}

TEST_F(BfdEngine, ReloadWithOtherTimingKeepsTheSessionUp) {
    connect();
    pass(Seconds(3));
    a.engine.configure({to("b", "10.0.0.2", Millis(50))}, now);
    pass(Seconds(3));
    EXPECT_TRUE(a.engine.up("b"));
    EXPECT_EQ(a.changes.size(), 1U);
    EXPECT_EQ(b.changes.size(), 1U);
}

TEST_F(BfdEngine, ReloadWithAnotherNeighbourIsAnotherSession) {
    connect();
    pass(Seconds(3));
    a.engine.configure({to("b", "10.0.0.3")}, now);
    EXPECT_FALSE(a.engine.up("b"));
    pass(Seconds(1));
    EXPECT_FALSE(b.engine.up("a"));
}

TEST_F(BfdEngine, SessionThatCannotBeOpenedIsToldAndTheOthersRun) {
    a.fail_open = true;
    connect();
    EXPECT_FALSE(a.log.empty());
    EXPECT_FALSE(a.engine.wake());
    a.fail_open = false;
    a.engine.configure({to("b", "10.0.0.2")}, now);
    pass(Seconds(3));
    EXPECT_TRUE(a.engine.up("b"));
}

}  // namespace
}  // namespace vipd::bfd
