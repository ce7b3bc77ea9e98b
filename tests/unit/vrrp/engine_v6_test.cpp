// SPDX-License-Identifier: Apache-2.0
// VRRP over IPv6: link-local source, ff02::12, neighbour advertisements.
#include "tests/unit/vrrp/engine_fixture.hpp"

#include <gmock/gmock.h>

namespace vipd::vrrp::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class VrrpEngineV6 : public VrrpEngine {
  protected:
    VrrpEngineV6() {
        assign(kEth0, "2001:db8::1/64");
        assign(kEth0, "fe80::2/64");
    }
    static Vip vip(const char* prefix, bool excluded = false) {
        Vip vip;
        vip.prefix = *IpPrefix::parse(prefix);
        vip.excluded = excluded;
        return vip;
    }
    static InstanceSettings v6(const char* name = "VI_6") {
        InstanceSettings settings = instance(name);
        settings.family = Family::V6;
        settings.policy.version = 3;
        settings.policy.advert_interval = Seconds(1);
        settings.policy.garp_repeat = 1;
        settings.auth.reset();
        settings.group = ip("ff02::12");
        settings.vips = {vip("fe80::100/64"), vip("2001:db8::100/64")};
        return settings;
    }
    /// "na 2001:db8::100" for each announcement, in order.
    std::vector<std::string> announced() const {
        std::vector<std::string> out;
        for (const auto& one : transport.sent)
            if (one.is_frame() && one.bytes.size() == 86)
                out.push_back("na " +
                              IpAddress::v6(std::span(one.bytes).subspan<62, 16>()).to_string());
        return out;
    }
};

TEST_F(VrrpEngineV6, SpeaksFromTheLinkLocalAddressToItsGroup) {
    run({v6()});
    EXPECT_TRUE(transport.listens(kEth0, ip("ff02::12")));
    pass(kDown100);
    ASSERT_EQ(state("VI_6"), State::Master);
    const auto& advert = transport.sent.front();
    EXPECT_EQ(advert.destination, ip("ff02::12"));
    const Raw theirs = [] {
        Raw raw = raw_v6();
        raw.source = ip("fe80::2");
        raw.interval = 100;
        raw.addresses = {ip("fe80::100"), ip("2001:db8::100")};
        return raw;
    }();
    EXPECT_EQ(Bytes(advert.bytes.begin() + 40, advert.bytes.end()), theirs.body());
    EXPECT_TRUE(has(kEth0, "2001:db8::100/64"));
}

TEST_F(VrrpEngineV6, AnnouncesItsAddressesByNeighbourAdvertisements) {
    run({v6()});
    pass(kDown100);
    EXPECT_THAT(announced(), ElementsAre("na fe80::100", "na 2001:db8::100"));
    EXPECT_NE(changes.back().announced_ns, 0U);
    // The VIPs are there by then.
    EXPECT_GT(transport.sent.back().netlink_calls, transport.sent.front().netlink_calls);
}

TEST_F(VrrpEngineV6, TakesItsAddressesOffAsBackup) {
    run({v6()});
    pass(kDown100);
    transport.sent.clear();
    Raw stronger = raw_v6();
    stronger.priority = 200;
    transport.arrive(kEth0, stronger.bytes());
    EXPECT_EQ(state("VI_6"), State::Backup);
    EXPECT_FALSE(has(kEth0, "2001:db8::100/64"));
    EXPECT_FALSE(has(kEth0, "fe80::100/64"));
    EXPECT_TRUE(has(kEth0, "2001:db8::1/64"));
    EXPECT_TRUE(announced().empty());
}

TEST_F(VrrpEngineV6, CountsAListThatBeginsWithAGlobalAddress) {
    InstanceSettings settings = v6("VI_1");
    run({settings});
    Raw raw = raw_v6();
    raw.interval = 100;
    raw.addresses = {ip("2001:db8::100"), ip("fe80::100")};
    transport.arrive(kEth0, raw.bytes());
    EXPECT_EQ(counter("advert_rx"), 1U);
    EXPECT_EQ(counter("first_not_link_local"), 1U);
}

TEST_F(VrrpEngineV6, OneVridOfEachFamilyOnOneInterface) {
    InstanceSettings v4 = instance();
    v4.policy.priority = 90;
    run({v4, v6()});
    Raw six = raw_v6();
    six.interval = 100;
    transport.arrive(kEth0, six.bytes());
    arrive(advert(150));
    EXPECT_EQ(report("VI_6").master, ip("fe80::1"));
    EXPECT_EQ(report("VI_1").master, ip("10.9.0.2"));
}

TEST_F(VrrpEngineV6, WithoutALinkLocalAddressItIsInFault) {
    std::erase_if(links.assigned, [](const auto& a) { return a.prefix.address.is_link_local(); });
    run({v6()});
    EXPECT_EQ(state("VI_6"), State::Fault);
    EXPECT_THAT(report("VI_6").fault, HasSubstr("has no link-local IPv6 address"));
    assign(kEth0, "fe80::2/64");
    links.announce({LinkEvent::Kind::Address, kEth0, ip("fe80::2"), false});
    deliver_events();
    EXPECT_EQ(state("VI_6"), State::Backup);
}

TEST_F(VrrpEngineV6, UnicastMayGoFromAGlobalAddress) {
    InstanceSettings settings = v6();
    settings.group = {};
    settings.peers = {{ip("2001:db8::2")}};
    run({settings});
    pass(kDown100);
    EXPECT_EQ(transport.sent.front().destination, ip("2001:db8::2"));
    EXPECT_EQ(IpAddress::v6(std::span(transport.sent.front().bytes).subspan<8, 16>()),
              ip("2001:db8::1"));
}

TEST_F(VrrpEngineV6, ExcludedAddressesAreOfAnyFamily) {
    InstanceSettings six = v6();
    six.vips.push_back(vip("10.9.0.200/24", true));
    run({six});
    pass(kDown100);
    EXPECT_TRUE(has(kEth0, "10.9.0.200/24"));
    EXPECT_EQ(transport.sent.front().bytes.at(43), 2);  // the adverts name the two of IPv6
    EXPECT_THAT(wire(), testing::Contains("arp 10.9.0.200"));
}

TEST_F(VrrpEngineV6, DeletedByHandItIsPutBackUnlessItIsNotTracked) {
    InstanceSettings settings = v6();
    settings.vips[1].no_track = true;
    run({settings});
    pass(kDown100);
    deliver_events();
    for (const char* prefix : {"fe80::100/64", "2001:db8::100/64"})
        (void)links.remove_address(
            {.ifindex = kEth0, .prefix = *IpPrefix::parse(prefix), .label = {}, .broadcast = {}});
    deliver_events();
    pass(Seconds(2));
    EXPECT_TRUE(has(kEth0, "fe80::100/64"));
    EXPECT_FALSE(has(kEth0, "2001:db8::100/64"));
}

}  // namespace
}  // namespace vipd::vrrp::test
