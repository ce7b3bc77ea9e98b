// SPDX-License-Identifier: Apache-2.0
// old_unicast_checksum: until 1.3.6 keepalived's pseudo header of version 3 had the multicast group
// for a destination, by unicast, too.
#include "tests/unit/vrrp/engine_fixture.hpp"

namespace vipd::vrrp::test {
namespace {

class VrrpOldChecksum : public VrrpEngine {
  protected:
    static constexpr const char* kGroup = "224.0.0.18";

    static InstanceSettings with(bool accepted, bool always) {
        InstanceSettings settings = instance();
        settings.auth.reset();
        settings.policy.version = 3;
        settings.group = {};
        settings.peers = {{ip("10.9.0.2")}, {ip("10.9.0.3")}};
        if (accepted) settings.checksum_group = ip(kGroup);
        settings.always_old_checksum = always;
        return settings;
    }
    /// From a peer, its checksum with `destination` in the pseudo header.
    static Bytes from_peer(const char* destination, std::uint8_t priority) {
        Raw raw = advert(priority);
        raw.version = 3;
        raw.interval = 100;
        raw.auth.clear();
        raw.destination = ip("10.9.0.1");
        Bytes bytes = raw.bytes();
        raw.destination = ip(destination);
        const Bytes body = raw.body();
        std::ranges::copy(body, bytes.begin() + 20);
        return bytes;
    }
    /// Which destination the checksums of what was sent have: "own", "group", or "neither".
    std::string forms() const {
        std::string all;
        for (const auto& one : transport.sent) {
            if (one.is_frame()) continue;
            const auto body = std::span(one.bytes).subspan(20);
            const auto fits = [&](const IpAddress& destination) {
                std::uint32_t sum = checksum_add(ip("10.9.0.1").bytes(), checksum_add(body));
                sum = checksum_add(destination.bytes(), sum) + 112;
                return checksum_finish(sum + static_cast<std::uint32_t>(body.size())) == 0;
            };
            all += fits(one.destination) ? "own " : fits(ip(kGroup)) ? "group " : "neither ";
        }
        return all;
    }
    std::string sent_in_a_second() {
        transport.sent.clear();
        pass(Seconds(1) + Millis(1));
        return forms();
    }
};

TEST_F(VrrpOldChecksum, IsSentToAllOnceAPeerHasSentIt) {
    run({with(true, false)});
    become_master();
    EXPECT_EQ(sent_in_a_second(), "own own ");
    lines.clear();
    for (int i = 0; i < 3; ++i) transport.arrive(kEth0, from_peer(kGroup, 50));
    EXPECT_EQ(counter("advert_rx"), 3U);
    EXPECT_EQ(counter("old_checksum"), 3U);
    EXPECT_EQ(std::ranges::count_if(
                  lines, [](const auto& one) { return one.find("old keepalived") != one.npos; }),
              1);
    EXPECT_EQ(sent_in_a_second(), "group group ");
    // A peer that has been upgraded is heard all the same.
    transport.arrive(kEth0, from_peer("10.9.0.1", 50));
    EXPECT_EQ(counter("advert_rx"), 4U);
    EXPECT_EQ(counter("checksum"), 0U);
    EXPECT_EQ(sent_in_a_second(), "group group ");
}

TEST_F(VrrpOldChecksum, IsSentFromTheBeginningWhereItIsConfigured) {
    run({with(true, true)});
    become_master();
    EXPECT_EQ(sent_in_a_second(), "group group ");
    transport.arrive(kEth0, from_peer(kGroup, 50));
    transport.arrive(kEth0, from_peer("10.9.0.1", 50));
    EXPECT_EQ(counter("advert_rx"), 2U);
}

TEST_F(VrrpOldChecksum, NeverIsNever) {
    run({with(false, false)});
    become_master();
    transport.arrive(kEth0, from_peer(kGroup, 50));
    EXPECT_EQ(counter("checksum"), 1U);
    EXPECT_EQ(counter("advert_rx"), 0U);
    EXPECT_EQ(sent_in_a_second(), "own own ");
}

TEST_F(VrrpOldChecksum, IsOfNoOtherDestination) {
    run({with(true, false)});
    become_master();
    transport.arrive(kEth0, from_peer("224.0.0.19", 50));
    EXPECT_EQ(counter("checksum"), 1U);
    EXPECT_EQ(sent_in_a_second(), "own own ");
}

TEST_F(VrrpOldChecksum, TheBufferForAdvertsFollowsTheMtu) {
    InstanceSettings settings = instance();
    settings.rx_buffer = 100;
    settings.rx_buffer_mtus = 3;
    links.table.at(kEth0).mtu = 1500;
    run({settings});
    ASSERT_EQ(transport.opened.size(), 1U);
    EXPECT_EQ(transport.opened.begin()->first.rx_buffer, 4600U);
    links.table.at(kEth0).mtu = 9000;
    set_link(kEth0, true);
    ASSERT_EQ(transport.opened.size(), 1U);
    EXPECT_EQ(transport.opened.begin()->first.rx_buffer, 27100U);
}

}  // namespace
}  // namespace vipd::vrrp::test
