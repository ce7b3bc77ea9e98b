// SPDX-License-Identifier: Apache-2.0
// NlLinks against a real kernel, in namespaces of the test's own; what it did and said is compared
// with what iproute2 says.
#include "userspace/net/nl_links.hpp"

#include "tests/support/netns.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace vipd::net {
namespace {

using nlohmann::json;

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}
LinkAddress address(int ifindex, const char* prefix) {
    LinkAddress out;
    out.ifindex = ifindex;
    out.prefix = IpPrefix::parse(prefix).value();
    return out;
}

// va0 (10.9.0.1/24) in this namespace - va1 (10.9.0.2/24) in another.
class NlLinksTest : public testing::Test {
  protected:
    void SetUp() override {
        if (!test::enter_new_netns()) GTEST_SKIP() << "no right to make network namespaces";
        far_ = std::make_unique<test::Netns>();
        ASSERT_TRUE(far_->valid());
        sh("ip link set lo up");
        sh("ip link add va0 address 02:00:00:00:00:0a type veth peer name va1 address "
           "02:00:00:00:00:0b");
        sh("ip link set va1 netns " + far_->path());
        sh("ip addr add 10.9.0.1/24 dev va0");
        sh("ip link set va0 mtu 1400 up");
        int status = -1;
        far_->run("ip addr add 10.9.0.2/24 dev va1 && ip link set va1 up", &status);
        ASSERT_EQ(status, 0);
        auto links = open_links();
        ASSERT_TRUE(links) << links.error().message;
        links_ = std::move(*links);
        index_ = links_->link_by_name("va0").value().index;
    }

    static std::string sh(const std::string& command) {
        int status = -1;
        auto out = test::run(command, &status);
        EXPECT_EQ(status, 0) << command << ": " << out;
        return out;
    }
    static json addresses_by_ip() {
        return json::parse(sh("ip -j addr show dev va0"))[0]["addr_info"];
    }
    // The events of the next seconds until one is as wanted.
    bool wait_for(const std::function<bool(const LinkEvent&)>& wanted) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        bool found = false;
        while (!found && std::chrono::steady_clock::now() < end) {
            pollfd p{links_->event_fd(), POLLIN, 0};
            if (::poll(&p, 1, 200) <= 0) continue;
            auto ok = links_->dispatch([&](const LinkEvent& e) { found = found || wanted(e); });
            EXPECT_TRUE(ok) << ok.error().message;
        }
        return found;
    }

    std::unique_ptr<test::Netns> far_;
    std::unique_ptr<Links> links_;
    int index_ = 0;
};

TEST_F(NlLinksTest, DescribesLinksAsIproute2Does) {
    auto link = links_->link_by_name("va0");
    ASSERT_TRUE(link);
    const json said = json::parse(sh("ip -j link show dev va0"))[0];
    EXPECT_EQ(link->index, said["ifindex"].get<int>());
    EXPECT_EQ(to_string(link->mac), said["address"].get<std::string>());
    EXPECT_EQ(link->mtu, 1400U);
    EXPECT_TRUE(link->up);
    EXPECT_TRUE(link->running);
    EXPECT_FALSE(link->loopback);

    auto all = links_->links();
    ASSERT_TRUE(all);
    EXPECT_NE(std::find(all->begin(), all->end(), *link), all->end());
    EXPECT_EQ(std::count_if(all->begin(), all->end(), [](auto& l) { return l.loopback; }), 1);

    far_->run("ip link set va1 down");
    link = links_->link_by_name("va0");
    ASSERT_TRUE(link);
    EXPECT_TRUE(link->up);
    EXPECT_FALSE(link->running);
}

TEST_F(NlLinksTest, SetsAndReadsPromoteSecondaries) {
    const char* const read = "cat /proc/sys/net/ipv4/conf/va0/promote_secondaries";
    sh("echo 0 > /proc/sys/net/ipv4/conf/va0/promote_secondaries");
    EXPECT_FALSE(links_->link_by_name("va0").value().promotes);
    ASSERT_TRUE(links_->set_promotes(index_, true));
    EXPECT_EQ(sh(read), "1\n");
    EXPECT_TRUE(links_->link_by_name("va0").value().promotes);
    ASSERT_TRUE(links_->set_promotes(index_, false));
    EXPECT_EQ(sh(read), "0\n");
    const auto refused = links_->set_promotes(12345, true);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().errnum, ENODEV);
}

TEST_F(NlLinksTest, NamesTheInterfaceThatIsMissing) {
    for (const std::string name : {"nothere0", "", "a-name-that-no-interface-can-have"}) {
        auto link = links_->link_by_name(name);
        ASSERT_FALSE(link);
        EXPECT_EQ(link.error().errnum, ENODEV);
        EXPECT_EQ(link.error().message, "no such interface: " + name);
    }
    EXPECT_FALSE(links_->addresses(4711));
}

TEST_F(NlLinksTest, AddsAnAddressWithLabelBroadcastAndScope) {
    LinkAddress vip = address(index_, "10.9.0.100/25");
    vip.label = "va0:7";
    vip.broadcast = ip("10.9.0.127");
    vip.scope = RT_SCOPE_LINK;
    ASSERT_TRUE(links_->add_address(vip));

    bool seen = false;
    for (const auto& said : addresses_by_ip()) {
        if (said["local"] != "10.9.0.100") continue;
        seen = true;
        EXPECT_EQ(said["prefixlen"], 25);
        EXPECT_EQ(said["label"], "va0:7");
        EXPECT_EQ(said["broadcast"], "10.9.0.127");
        EXPECT_EQ(said["scope"], "link");
    }
    EXPECT_TRUE(seen);
    auto mine = links_->addresses(index_);
    ASSERT_TRUE(mine);
    EXPECT_NE(std::find(mine->begin(), mine->end(), vip), mine->end());
    const auto first = std::find_if(
        mine->begin(), mine->end(), [](auto& a) { return a.prefix.to_string() == "10.9.0.1/24"; });
    ASSERT_NE(first, mine->end());
    EXPECT_EQ(first->label, "");
}

TEST_F(NlLinksTest, AddingTwiceAndRemovingTwiceSucceed) {
    const LinkAddress vip = address(index_, "10.9.0.100/32");
    EXPECT_TRUE(links_->add_address(vip));
    EXPECT_TRUE(links_->add_address(vip));
    EXPECT_EQ(addresses_by_ip().dump().find("10.9.0.100") != std::string::npos, true);
    LinkAddress unlabelled = vip;
    unlabelled.label = "va0:other";
    EXPECT_TRUE(links_->remove_address(unlabelled));
    EXPECT_EQ(addresses_by_ip().dump().find("10.9.0.100"), std::string::npos);
    EXPECT_TRUE(links_->remove_address(vip));
    EXPECT_TRUE(links_->remove_address(address(4711, "10.9.0.100/32")));
}

TEST_F(NlLinksTest, Ipv6AddressSkipsDuplicateDetection) {
    ASSERT_TRUE(links_->add_address(address(index_, "2001:db8::5/64")));
    bool seen = false;
    for (const auto& said : addresses_by_ip()) {
        if (said["local"] != "2001:db8::5") continue;
        seen = true;
        EXPECT_FALSE(said.contains("tentative"));
        EXPECT_TRUE(said.value("nodad", false));
    }
    EXPECT_TRUE(seen);
    EXPECT_TRUE(links_->remove_address(address(index_, "2001:db8::5/64")));
    EXPECT_EQ(addresses_by_ip().dump().find("2001:db8::5"), std::string::npos);
}

TEST_F(NlLinksTest, TheKernelsReasonComesBack) {
    auto result = links_->add_address(address(4711, "10.9.0.100/32"));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().errnum, ENODEV);
    EXPECT_NE(result.error().message.find("add address 10.9.0.100/32"), std::string::npos);
    EXPECT_FALSE(links_->add_address(LinkAddress{}));
    // The socket is as good as before.
    EXPECT_TRUE(links_->link_by_name("va0"));
}

TEST_F(NlLinksTest, FindsTheRouteToADestination) {
    sh("ip route add 192.0.2.0/24 via 10.9.0.2 mtu 1280");
    sh("ip route add blackhole 198.51.100.0/24");

    auto on_link = links_->route_to(ip("10.9.0.2"));
    ASSERT_TRUE(on_link);
    EXPECT_EQ(*on_link, (Route{index_, ip("10.9.0.2"), ip("10.9.0.1"), 0, false}));

    auto routed = links_->route_to(ip("192.0.2.9"));
    ASSERT_TRUE(routed);
    EXPECT_EQ(*routed, (Route{index_, ip("10.9.0.2"), ip("10.9.0.1"), 1280, false}));

    auto own = links_->route_to(ip("10.9.0.1"));
    ASSERT_TRUE(own);
    EXPECT_TRUE(own->local);

    EXPECT_FALSE(links_->route_to(ip("203.0.113.1")));
    EXPECT_FALSE(links_->route_to(ip("198.51.100.1")));
    EXPECT_FALSE(links_->route_to(IpAddress()));

    sh("ip route add 192.0.2.128/25 via inet6 fe80::99 dev va0");
    auto via6 = links_->route_to(ip("192.0.2.200"));
    ASSERT_TRUE(via6) << via6.error().message;
    EXPECT_EQ(via6->next_hop, ip("fe80::99"));
}

TEST_F(NlLinksTest, ProbesANeighbourThatTheKernelHasNotHeardOf) {
    ASSERT_EQ(sh("ip neigh show 10.9.0.2"), "");
    auto before = links_->neighbour(index_, ip("10.9.0.2"));
    ASSERT_TRUE(before);
    EXPECT_FALSE(*before);

    ASSERT_TRUE(links_->probe_neighbour(index_, ip("10.9.0.2")));
    EXPECT_TRUE(wait_for([&](const LinkEvent& e) {
        return e.kind == LinkEvent::Kind::Neighbour && e.address == ip("10.9.0.2") &&
               e.ifindex == index_ && !e.removed;
    }));
    auto after = links_->neighbour(index_, ip("10.9.0.2"));
    ASSERT_TRUE(after);
    ASSERT_TRUE(*after);
    EXPECT_EQ(to_string(**after), "02:00:00:00:00:0b");
    const json said = json::parse(sh("ip -j neigh show 10.9.0.2"))[0];
    EXPECT_EQ(said["lladdr"], "02:00:00:00:00:0b");
    EXPECT_TRUE(links_->probe_neighbour(index_, ip("10.9.0.2")));  // one that is there
}

TEST_F(NlLinksTest, SaysWhenTheKernelGivesANeighbourUp) {
    sh("sysctl -qw net.ipv4.neigh.va0.mcast_solicit=1 net.ipv4.neigh.va0.retrans_time_ms=20");
    ASSERT_TRUE(links_->probe_neighbour(index_, ip("10.9.0.77")));
    EXPECT_TRUE(wait_for([&](const LinkEvent& e) {
        return e.kind == LinkEvent::Kind::Neighbour && e.address == ip("10.9.0.77") && e.removed;
    }));
    EXPECT_EQ(links_->neighbour(index_, ip("10.9.0.77")).value(), std::nullopt);

    // A stale entry that is only collected is not a neighbour given up.
    sh("ip neigh add 10.9.0.78 lladdr 02:00:00:00:00:78 dev va0 nud stale");
    EXPECT_TRUE(wait_for([&](const LinkEvent& e) {
        return e.kind == LinkEvent::Kind::Neighbour && e.address == ip("10.9.0.78") && !e.removed;
    }));
    EXPECT_TRUE(links_->neighbour(index_, ip("10.9.0.78")).value());
}

TEST_F(NlLinksTest, TellsOfLinksAddressesAndRoutes) {
    far_->run("ip link set va1 down");
    EXPECT_TRUE(wait_for([&](const LinkEvent& e) {
        return e.kind == LinkEvent::Kind::Link && e.ifindex == index_ && !e.removed;
    }));
    far_->run("ip link set va1 up");
    sh("ip addr add 10.9.0.50/32 dev va0");
    EXPECT_TRUE(wait_for([&](const LinkEvent& e) {
        return e.kind == LinkEvent::Kind::Address && e.address == ip("10.9.0.50") && !e.removed;
    }));
    sh("ip addr del 10.9.0.50/32 dev va0");
    EXPECT_TRUE(wait_for([&](const LinkEvent& e) {
        return e.kind == LinkEvent::Kind::Address && e.address == ip("10.9.0.50") && e.removed;
    }));
    sh("ip route add 192.0.2.0/24 dev va0");
    EXPECT_TRUE(wait_for([&](const LinkEvent& e) {
        return e.kind == LinkEvent::Kind::Route && e.ifindex == index_ && !e.removed;
    }));
    sh("ip link del va0");
    EXPECT_TRUE(wait_for([&](const LinkEvent& e) {
        return e.kind == LinkEvent::Kind::Link && e.ifindex == index_ && e.removed;
    }));
}

TEST_F(NlLinksTest, MakesTheDeviceOfAVirtualRouter) {
    const VirtualLink wanted{
        .name = "vrrp.51", .mac = {0x00, 0x00, 0x5e, 0x00, 0x01, 0x33}, .group = 7};
    const auto made = links_->add_virtual_link(index_, wanted);
    if (!made && made.error().errnum == EOPNOTSUPP) GTEST_SKIP() << "no macvlan in this kernel";
    ASSERT_TRUE(made) << made.error().message;
    const auto link = links_->link_by_name("vrrp.51");
    ASSERT_TRUE(link);
    EXPECT_EQ(link->kind, "macvlan");
    EXPECT_EQ(link->parent, index_);
    EXPECT_EQ(link->mac, wanted.mac);
    EXPECT_EQ(link->arp, (ArpSettings{1, 0}));
    EXPECT_TRUE(link->promotes);
    EXPECT_FALSE(link->up);
    ASSERT_TRUE(links_->set_up(link->index));
    const json told = json::parse(sh("ip -j -d link show dev vrrp.51"))[0];
    EXPECT_EQ(told["linkinfo"]["info_data"]["mode"], "private");
    EXPECT_EQ(told["group"], "7");
    EXPECT_EQ(told["inet6_addr_gen_mode"], "none");
    EXPECT_EQ(sh("sysctl -n net.ipv4.conf.vrrp/51.rp_filter"), "0\n");
    EXPECT_EQ(sh("sysctl -n net.ipv4.conf.vrrp/51.accept_local"), "1\n");
    EXPECT_TRUE(links_->addresses(link->index)->empty());
    EXPECT_EQ(links_->add_virtual_link(index_, wanted).error().errnum, EEXIST);
    ASSERT_TRUE(links_->remove_link(link->index));
    EXPECT_FALSE(links_->link_by_name("vrrp.51"));
    EXPECT_TRUE(links_->remove_link(link->index));
}

TEST_F(NlLinksTest, TellsWhatAnInterfaceBelongsTo) {
    EXPECT_EQ(links_->link_by_name("va0")->master, 0);
    sh("ip link add br0 type bridge");
    sh("ip link set va0 master br0");
    EXPECT_EQ(links_->link_by_name("va0")->master, links_->link_by_name("br0")->index);
}

TEST_F(NlLinksTest, SetsForWhichAddressesArpIsAnswered) {
    ASSERT_TRUE(links_->set_arp(index_, {.ignore = 2, .filter = 1}));
    EXPECT_EQ(sh("sysctl -n net.ipv4.conf.va0.arp_ignore net.ipv4.conf.va0.arp_filter"), "2\n1\n");
    EXPECT_EQ(links_->link_by_name("va0")->arp, (ArpSettings{2, 1}));
    ASSERT_TRUE(links_->set_arp(index_, {}));
    EXPECT_EQ(links_->link_by_name("va0")->arp, ArpSettings{});
}

TEST_F(NlLinksTest, AnOverrunIsAnEventAndTheSocketGoesOn) {
    const int small = 4096;
    ASSERT_EQ(::setsockopt(links_->event_fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    std::string batch;
    for (int i = 0; i < 200; ++i) {
        const std::string route = "192.0.2." + std::to_string(i + 1) + "/32 dev va0\n";
        batch += "route add " + route;
    }
    sh("printf '" + batch + "' | ip -batch -");
    EXPECT_TRUE(wait_for([](const LinkEvent& e) { return e.kind == LinkEvent::Kind::Overrun; }));
    while (true) {  // what the buffer still held
        pollfd p{links_->event_fd(), POLLIN, 0};
        if (::poll(&p, 1, 0) <= 0) break;
        ASSERT_TRUE(links_->dispatch([](const LinkEvent&) {}));
    }
    sh("ip addr add 10.9.0.50/32 dev va0");
    EXPECT_TRUE(wait_for([&](const LinkEvent& e) {
        return e.kind == LinkEvent::Kind::Address && e.address == ip("10.9.0.50");
    }));
}

TEST_F(NlLinksTest, DispatchNeverWaits) {
    while (::poll(std::array{pollfd{links_->event_fd(), POLLIN, 0}}.data(), 1, 0) > 0)
        ASSERT_TRUE(links_->dispatch([](const LinkEvent&) {}));
    ASSERT_TRUE(links_->dispatch([](const LinkEvent&) {}));
}

}  // namespace
}  // namespace vipd::net
