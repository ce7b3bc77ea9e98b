// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/forwarding.hpp"

#include "tests/support/fake_dataplane.hpp"
#include "tests/support/fake_links.hpp"

#include <gtest/gtest.h>

namespace vipd::control {
namespace {

Endpoint at(const char* address, std::uint16_t port = 80) {
    return {*IpAddress::parse(address), port};
}

model::Service service(const char* vip, const std::vector<const char*>& reals) {
    model::Service made;
    made.key = {at(vip), Protocol::Tcp};
    for (const char* address : reals) {
        model::Real real;
        real.endpoint = at(address);
        made.reals.push_back(real);
    }
    return made;
}

model::Model model_of(std::vector<model::Service> services) {
    model::Model model;
    for (auto& entry : services) model.emplace(entry.key, entry);
    return model;
}

class ForwardingTest : public ::testing::Test {
  protected:
    ForwardingTest() : loop_(std::move(*EventLoop::create())) {
        links_.add_link(2, "eth0");
        for (const char* address : {"10.0.0.2", "10.0.0.3", "10.0.0.4"}) {
            Route route;
            route.ifindex = 2;
            route.next_hop = route.source = *IpAddress::parse(address);
            links_.routes[route.next_hop] = route;
            links_.neighbours[{2, route.next_hop}] = {2, 0, 0, 0, 1, 1};
        }
        auto plane = std::make_unique<testing::FakeDataplane>();
        plane_ = plane.get();
        forwarding_ = std::make_unique<Forwarding>(
            loop_, links_, std::move(plane), [this](bool, const std::string& line) {
                said_.push_back(line);
            });
        config::VrrpInstance instance;
        instance.name = "VI_1";
        instance.interface = std::string("eth0");
        config_.instances.push_back(instance);
    }

    EventLoop loop_;
    test::FakeLinks links_;
    testing::FakeDataplane* plane_ = nullptr;
    std::unique_ptr<Forwarding> forwarding_;
    std::vector<std::string> said_;
    config::Config config_;
};

TEST_F(ForwardingTest, AttachesWhereTheInstancesAre) {
    ASSERT_TRUE(forwarding_->configure(config_, true));
    const auto attached = plane_->attached();
    ASSERT_EQ(attached.size(), 1U);
    EXPECT_EQ(attached[0].name, "eth0");
    EXPECT_EQ(plane_->macs().at(2), links_.table.at(2).mac);
    links_.table.at(2).mac[0] = 6;
    forwarding_->on_link_event({LinkEvent::Kind::Link, 2, {}, false});
    EXPECT_EQ(plane_->macs().at(2)[0], 6);
}

TEST_F(ForwardingTest, AttachesWhereTheRealServersAre) {
    config_.instances.clear();
    ASSERT_TRUE(forwarding_->follow(model_of({service("10.0.0.1", {"10.0.0.2"})})));
    ASSERT_TRUE(forwarding_->configure(config_, true));
    ASSERT_EQ(plane_->attached().size(), 1U);
}

TEST_F(ForwardingTest, SaysWhatIsWrongWhereNothingCanBeAttached) {
    config_.instances[0].interface = std::string("eth9");
    ASSERT_TRUE(forwarding_->follow(model_of({service("10.0.0.1", {"10.9.9.9"})})));
    const auto configured = forwarding_->configure(config_, true);
    ASSERT_FALSE(configured);
    EXPECT_EQ(configured.error().message, "no interface to forward on; eth9: no such interface");
}

TEST_F(ForwardingTest, ResolvesTheWayBeforeTheServiceIsThere) {
    ASSERT_TRUE(forwarding_->follow(model_of({service("10.0.0.1", {"10.0.0.2", "10.0.0.3"})})));
    ASSERT_NE(forwarding_->next_hop(*IpAddress::parse("10.0.0.3")), nullptr);
    EXPECT_EQ(forwarding_->next_hop(*IpAddress::parse("10.0.0.3"))->ifindex, 2);
}

TEST_F(ForwardingTest, SyncPeersWithoutAKeyDoNotStopTheRest) {
    config_.vipd.sync_peers.emplace_back(*IpAddress::parse("10.0.0.9"));
    EXPECT_TRUE(Forwarding::check(config_));
    EXPECT_TRUE(forwarding_->configure(config_, true));
    EXPECT_EQ(forwarding_->sync(), nullptr);
    config_.vipd.sync_key_file.value = "/does/not/exist";
    config_.vipd.sync_key_file.set = true;
    EXPECT_FALSE(Forwarding::check(config_));
}

TEST_F(ForwardingTest, TakesUpAnAdoptedModelAsItIs) {
    plane_->put_service(service("10.0.0.1", {"10.0.0.2"}));
    ASSERT_TRUE(forwarding_->follow(plane_->model()));
    EXPECT_NE(forwarding_->next_hop(*IpAddress::parse("10.0.0.2")), nullptr);
}

// Whatever call fails, either the old or the new model is in force, never a mix.
TEST_F(ForwardingTest, AFailedChangeLeavesTheOldModel) {
    const auto before =
        model_of({service("10.0.0.1", {"10.0.0.2"}), service("10.0.0.8", {"10.0.0.3"})});
    const auto after = model_of(
        {service("10.0.0.1", {"10.0.0.2", "10.0.0.4"}), service("10.0.0.9", {"10.0.0.4"})});
    bool ever_failed = false;
    for (std::size_t k = 1; k < 40; ++k) {
        ASSERT_TRUE(forwarding_->follow(before));
        ASSERT_EQ(plane_->model(), before);
        plane_->fail_call(k);
        const auto done = forwarding_->follow(after);
        plane_->fail_call(0);
        EXPECT_EQ(plane_->model(), done ? after : before) << "call " << k;
        ever_failed = ever_failed || !done;
    }
    EXPECT_TRUE(ever_failed);
}

TEST_F(ForwardingTest, ClaimsTheVipsUntilItLeaves) {
    config::VipAddress vip;
    vip.prefix = *IpPrefix::parse("10.0.0.1/24");
    config_.instances[0].virtual_ipaddress.push_back(vip);
    ASSERT_TRUE(forwarding_->configure(config_, true));
    const std::uint8_t vrid = *config_.instances[0].virtual_router_id;
    EXPECT_EQ(
        plane_->claims(),
        (std::vector<dataplane::Claim>{{*IpAddress::parse("10.0.0.1"), vrid, Family::V4, false}}));
    config_.instances[0].accept.value = false;
    config_.instances[0].virtual_ipaddress_excluded.push_back(vip);
    config_.instances[0].virtual_ipaddress_excluded[0].prefix = *IpPrefix::parse("10.0.0.2/24");
    ASSERT_TRUE(forwarding_->configure(config_, true));
    EXPECT_EQ(
        plane_->claims(),
        (std::vector<dataplane::Claim>{{*IpAddress::parse("10.0.0.1"), vrid, Family::V4, true},
                                       {*IpAddress::parse("10.0.0.2"), vrid, Family::V4, true}}));
    // An owner accepts in any case (RFC 9568, 6.1).
    config_.instances[0].priority.value = 255;
    ASSERT_TRUE(forwarding_->configure(config_, true));
    EXPECT_FALSE(plane_->claims()[0].refused);
    forwarding_->leave(false);
    EXPECT_TRUE(plane_->claims().empty());
    // Without a vrrp process nobody would renew the lease, and the VIPs would go deaf.
    ASSERT_TRUE(forwarding_->configure(config_, false));
    EXPECT_TRUE(plane_->claims().empty());
}

TEST_F(ForwardingTest, TellsWhichMacsOfVirtualRoutersAreForThisHost) {
    auto& instance = config_.instances[0];
    instance.virtual_router_id.value = 51;
    ASSERT_TRUE(forwarding_->configure(config_, false));
    EXPECT_TRUE(plane_->stations().empty());
    instance.device.kind = config::VirtualDevice::Kind::Macvlan;
    ASSERT_TRUE(forwarding_->configure(config_, false));
    const MacAddress mac{0x00, 0x00, 0x5e, 0x00, 0x01, 51};
    EXPECT_EQ(plane_->stations(), (std::vector<dataplane::Station>{{2, mac, 51, Family::V4}}));
    // Frames of a VLAN are seen on its parent.
    links_.add_link(9, "eth1");
    links_.table[2].kind = "vlan";
    links_.table[2].parent = 9;
    ASSERT_TRUE(forwarding_->configure(config_, false));
    EXPECT_EQ(plane_->stations(), (std::vector<dataplane::Station>{{9, mac, 51, Family::V4}}));
    instance.device.kind = config::VirtualDevice::Kind::Ipvlan;  // has no MAC of its own
    ASSERT_TRUE(forwarding_->configure(config_, false));
    EXPECT_TRUE(plane_->stations().empty());
}

TEST_F(ForwardingTest, InterfaceThatCannotBeAskedAboutStaysAttached) {
    ASSERT_TRUE(forwarding_->configure(config_, false));
    ASSERT_EQ(plane_->attached().size(), 1U);
    // "links", then "link_by_name eth0".
    for (const std::size_t call : {1U, 2U}) {
        forwarding_->on_link_event({LinkEvent::Kind::Link, 2, {}, false});
        links_.fail_call(call, ENOBUFS);
        forwarding_->on_second(loop_.now());
        EXPECT_EQ(plane_->attached().size(), 1U) << call;
    }
    // It looks again by itself, and then it is seen to be gone.
    links_.table.clear();
    forwarding_->on_second(loop_.now());
    EXPECT_TRUE(plane_->attached().empty());
}

}  // namespace
}  // namespace vipd::control
