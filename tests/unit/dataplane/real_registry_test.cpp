// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/real_registry.hpp"

#include "userspace/dataplane/abi.hpp"

#include <gtest/gtest.h>

namespace vipd::dataplane {
namespace {

const ServiceKey kWeb{{IpAddress::v4(0x0a000064), 80}, Protocol::Tcp};
const ServiceKey kDns{{IpAddress::v4(0x0a000064), 53}, Protocol::Udp};

Endpoint server(std::uint8_t n) {
    return {IpAddress::v4(0xc0000200U + n), 80};
}

TEST(RealRegistry, SameRealOfAnotherServiceIsAnotherId) {
    RealRegistry registry(10);
    const auto a = registry.acquire(kWeb, server(1));
    const auto b = registry.acquire(kDns, server(1));
    ASSERT_TRUE(a && b);
    EXPECT_NE(*a, *b);
    EXPECT_EQ(registry.acquire(kWeb, server(1)), a);
    EXPECT_EQ(registry.find(kDns, server(1)), b);
    EXPECT_FALSE(registry.find(kWeb, server(2)));
}

TEST(RealRegistry, RetiredComesBackUnderItsIdAndGeneration) {
    RealRegistry registry(10);
    const RealId id = *registry.acquire(kWeb, server(1));
    const auto generation = registry.entry(id)->generation;
    registry.retire(id, 5);
    EXPECT_EQ(registry.entry(id)->state, RealRegistry::State::Retired);
    EXPECT_NE(*registry.acquire(kWeb, server(2)), id);
    EXPECT_EQ(*registry.acquire(kWeb, server(1)), id);
    EXPECT_EQ(registry.entry(id)->generation, generation);
}

TEST(RealRegistry, FreedIdIsGivenOutInANewGeneration) {
    RealRegistry registry(10);
    const RealId id = *registry.acquire(kWeb, server(1));
    registry.retire(id, 5);
    EXPECT_TRUE(registry.retired_before(5).empty()) << "not all of the round was without it";
    EXPECT_EQ(registry.retired_before(6), std::vector<RealId>{id});
    registry.free(id);
    EXPECT_EQ(registry.entry(id), nullptr);
    EXPECT_FALSE(registry.find(kWeb, server(1)));
    EXPECT_EQ(*registry.acquire(kWeb, server(2)), id);
    EXPECT_EQ(registry.entry(id)->generation, 2U);
}

TEST(RealRegistry, SaysWhenItIsFull) {
    RealRegistry registry(2);
    EXPECT_TRUE(registry.acquire(kWeb, server(1)));
    EXPECT_TRUE(registry.acquire(kWeb, server(2)));
    EXPECT_FALSE(registry.acquire(kWeb, server(3)));
    EXPECT_TRUE(registry.acquire(kWeb, server(2))) << "known already";
}

TEST(RealRegistry, TakesUpWhatAPredecessorHad) {
    RealRegistry registry(10);
    RealRegistry::Entry entry;
    entry.state = RealRegistry::State::Retired;
    entry.service = kWeb;
    entry.endpoint = server(1);
    entry.generation = 7;
    registry.restore(4, entry);
    RealRegistry::Entry free;
    free.generation = 3;
    registry.restore(0, free);
    EXPECT_EQ(*registry.acquire(kWeb, server(1)), 4U);
    EXPECT_EQ(*registry.acquire(kWeb, server(2)), 0U);
    EXPECT_EQ(registry.entry(0)->generation, 4U) << "goes on from the last use";
}

TEST(Abi, ServicesAndKeysComeBackAsTheyWent) {
    model::Service service;
    service.key = kDns;
    service.scheduler = model::Scheduler::SourceHash;
    service.hash_port = true;
    service.ring_size = 65537;
    service.tcp_timeout = Seconds(1);
    service.tcp_fin_timeout = Seconds(2);
    service.udp_timeout = Seconds(3);
    const vipd_service abi = to_abi(service);
    EXPECT_EQ(from_abi(to_abi(service.key), abi), service);
    EXPECT_EQ(abi.timeout_ticks[VIPD_FLOW_ESTABLISHED], to_ticks(Seconds(3))) << "UDP's";
    EXPECT_EQ(abi.timeout_ticks[VIPD_FLOW_NONE], 0U);

    const IpAddress six = *IpAddress::parse("2001:db8::1");
    EXPECT_EQ(from_abi(to_abi(six), abi_family(six)), six);
    EXPECT_EQ(from_abi(vipd_addr{}, 0), IpAddress());
}

TEST(Abi, FlowsTellTheirAge) {
    Flow flow;
    flow.protocol = Protocol::Tcp;
    flow.client = {IpAddress::v4(0x01020304), 1234};
    flow.vip = kWeb.endpoint;
    flow.state = FlowState::Established;
    vipd_flow abi{};
    abi.key = flow_key(flow);
    abi.state = VIPD_FLOW_ESTABLISHED;
    abi.flags = VIPD_FLOW_SYNCED;
    abi.last_seen = 100;
    const Flow back = from_abi(abi, 100 + to_ticks(Seconds(10)));
    EXPECT_EQ(back.client, flow.client);
    EXPECT_EQ(back.vip, flow.vip);
    EXPECT_TRUE(back.synced);
    EXPECT_NEAR(static_cast<double>(back.idle.count()), 10'000, 2);
    EXPECT_EQ(from_abi(abi, 90).idle.count(), 0) << "a clock slightly behind";
}

TEST(Abi, TimeoutsAreBoundedSoThatTicksCannotTurnOver) {
    model::Service service;
    service.key = kWeb;
    service.tcp_timeout = std::chrono::hours(24 * 365);
    EXPECT_LT(flow_timeout(service, Protocol::Tcp, VIPD_FLOW_ESTABLISHED), 0x80000000U);
    service.tcp_timeout = Seconds(0);
    EXPECT_GT(flow_timeout(service, Protocol::Tcp, VIPD_FLOW_ESTABLISHED), 0U);
}

}  // namespace
}  // namespace vipd::dataplane
