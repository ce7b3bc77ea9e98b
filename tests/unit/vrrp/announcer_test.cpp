// SPDX-License-Identifier: Apache-2.0
// Announcements spaced in time.
#include "vrrp/engine/announcer.hpp"

#include "tests/unit/vrrp/fake_transport.hpp"

#include <gtest/gtest.h>

namespace vipd::vrrp::test {
namespace {

class VrrpAnnouncer : public testing::Test {
  protected:
    void announce(int ifindex, const char* address) {
        announcer.announce(client, links.table.at(ifindex), ip(address), now);
    }
    std::size_t pass(Nanos time) {
        const std::size_t before = transport.sent.size();
        const TimePoint end = now + time;
        while (announcer.wake() && *announcer.wake() <= end) {
            now = std::max(now, *announcer.wake());
            announcer.tick(now);
        }
        now = end;
        return transport.sent.size() - before;
    }

    VrrpAnnouncer() {
        links.add_link(1, "eth0");
        links.add_link(2, "eth1");
    }
    vipd::test::FakeLinks links;
    FakeTransport transport{links};
    TimePoint now{Seconds(100)};
    std::function<TimePoint()> clock = [this] { return now; };
    Announcer announcer{transport, clock};
    Announcer::Client client;
};

TEST_F(VrrpAnnouncer, SendsAtOnceWithoutAnInterval) {
    for (int i = 0; i < 10; ++i) announce(1, "10.0.0.1");
    EXPECT_EQ(transport.sent.size(), 10U);
    EXPECT_EQ(client.sent, 10U);
    EXPECT_FALSE(announcer.wake());
}

TEST_F(VrrpAnnouncer, KeepsTheDistanceOnEachInterfaceAndForEachKind) {
    announcer.configure({{.arp_interval = Millis(10), .na_interval = Millis(20)}});
    for (int i = 0; i < 3; ++i) {
        announce(1, "10.0.0.1");
        announce(2, "10.0.0.1");
        announce(1, "2001:db8::1");
    }
    EXPECT_EQ(transport.sent.size(), 3U);
    EXPECT_EQ(pass(Millis(9)), 0U);
    EXPECT_EQ(pass(Millis(1)), 2U);
    EXPECT_EQ(pass(Millis(10)), 3U);
    EXPECT_EQ(pass(Millis(20)), 1U);
    EXPECT_FALSE(announcer.wake());
}

TEST_F(VrrpAnnouncer, CountsTheInterfacesOfAGroupTogether) {
    announcer.configure(
        {{}, {.interfaces = {"eth0", "eth1"}, .arp_interval = Millis(10), .na_interval = {}}});
    for (int i = 0; i < 2; ++i) {
        announce(1, "10.0.0.1");
        announce(2, "10.0.0.1");
    }
    EXPECT_EQ(transport.sent.size(), 1U);
    EXPECT_EQ(pass(Millis(30)), 3U);
}

TEST_F(VrrpAnnouncer, DropsWhatWaitsForOneThatIsMasterNoLonger) {
    announcer.configure({{.arp_interval = Millis(10)}});
    Announcer::Client other;
    announce(1, "10.0.0.1");
    announce(1, "10.0.0.2");
    announcer.announce(other, links.table.at(1), ip("10.0.0.3"), now);
    announcer.forget(client);
    EXPECT_EQ(pass(Seconds(1)), 1U);
    EXPECT_EQ(other.sent, 1U);
    EXPECT_EQ(client.sent, 1U);
}

TEST_F(VrrpAnnouncer, DoesNotCatchUpWithABurstAfterAPause) {
    announcer.configure({{.arp_interval = Millis(10)}});
    for (int i = 0; i < 20; ++i) announce(1, "10.0.0.1");
    now += Seconds(10);
    announcer.tick(now);
    EXPECT_EQ(transport.sent.size(), 3U);
}

TEST_F(VrrpAnnouncer, KeepsAFailureForTheInstanceToTell) {
    transport.fail_errno = ENETDOWN;
    announce(1, "10.0.0.1");
    EXPECT_EQ(client.failed, 1U);
    EXPECT_NE(client.error, "");
}

}  // namespace
}  // namespace vipd::vrrp::test
