// SPDX-License-Identifier: Apache-2.0
#include "userspace/model/model.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace vipd::model {
namespace {

ServiceKey key(unsigned n) {
    return {{IpAddress::v4(0xc0000200U + n), 80}, n % 2 == 0 ? Protocol::Tcp : Protocol::Udp};
}

Service service(unsigned n, std::uint32_t weight) {
    Service made;
    made.key = key(n);
    made.reals.push_back({{IpAddress::v4(0x0a000001U), 80}, Method::DirectRouting, {}, weight});
    return made;
}

/// Few keys and few weights, so that two models share some services and some of these are equal.
Model any_model() {
    Model made;
    for (const auto n : *rc::gen::container<std::vector<unsigned>>(rc::gen::inRange(0U, 12U)))
        made[key(n)] = service(n, *rc::gen::inRange(0U, 3U));
    return made;
}

RC_GTEST_PROP(DiffProperty, AppliedToFromGivesTo, ()) {
    const Model from = any_model();
    const Model to = any_model();
    Model now = from;
    for (const Change& change : diff(from, to)) {
        const auto& at = change.service.key;
        switch (change.kind) {
            case Change::Kind::AddService:
                RC_ASSERT(now.emplace(at, change.service).second);
                break;
            case Change::Kind::UpdateService:
                RC_ASSERT(now.contains(at));
                RC_ASSERT(!(now.at(at) == change.service));  // an equal one is no change
                now.at(at) = change.service;
                break;
            case Change::Kind::RemoveService:
                RC_ASSERT(now.at(at) == change.service);  // the old state, whole
                now.erase(at);
                break;
        }
    }
    RC_ASSERT(now == to);
}

RC_GTEST_PROP(DiffProperty, AddsThenUpdatesThenRemoves, ()) {
    const auto changes = diff(any_model(), any_model());
    RC_ASSERT(std::ranges::is_sorted(changes, {}, &Change::kind));
}

TEST(Diff, OfEqualModelsIsEmpty) {
    const Model model{{key(1), service(1, 1)}, {key(2), service(2, 2)}};
    EXPECT_TRUE(diff(model, model).empty());
}

TEST(Diff, SeesEveryFieldOfAServiceAndItsReals) {
    const Service before = service(1, 1);
    std::vector<Service> variants(12, before);
    variants[0].scheduler = Scheduler::Maglev;
    variants[1].hash_port = true;
    variants[2].hash_fallback = true;
    variants[3].ring_size = 65537;
    variants[4].tcp_timeout += std::chrono::seconds(1);
    variants[5].tcp_fin_timeout += std::chrono::seconds(1);
    variants[6].udp_timeout += std::chrono::seconds(1);
    variants[7].reals[0].weight = 0;
    variants[8].reals[0].alive = false;
    variants[9].reals[0].method = Method::Tunnel;
    variants[10].reals[0].endpoint.port = 81;
    variants[11].reals[0].tunnel.checksum = Tunnel::Checksum::Full;
    for (const Service& after : variants) {
        const auto changes = diff({{before.key, before}}, {{after.key, after}});
        ASSERT_EQ(changes.size(), 1U) << &after - variants.data();
        EXPECT_EQ(changes[0], (Change{Change::Kind::UpdateService, after}));
    }
}

TEST(Diff, SeesTheOrderOfReals) {
    Service before = service(1, 1);
    before.reals.push_back({{IpAddress::v4(0x0a000002U), 80}});
    Service after = before;
    std::swap(after.reals[0], after.reals[1]);  // schedulers depend on it
    EXPECT_EQ(diff({{before.key, before}}, {{after.key, after}}).size(), 1U);
}

TEST(ModelNames, AreThoseOfTheConfiguration) {
    EXPECT_EQ(to_string(Scheduler::RoundRobin), "rr");
    EXPECT_EQ(to_string(Scheduler::WeightedRoundRobin), "wrr");
    EXPECT_EQ(to_string(Scheduler::SourceHash), "sh");
    EXPECT_EQ(to_string(Scheduler::Maglev), "mh");
    EXPECT_EQ(to_string(Method::DirectRouting), "DR");
    EXPECT_EQ(to_string(Method::Tunnel), "TUN");
    for (const auto type : {Tunnel::Type::Ipip, Tunnel::Type::Gue, Tunnel::Type::Gre})
        EXPECT_EQ(tunnel_type_of(to_string(type)), type);
    EXPECT_EQ(to_string(Tunnel::Checksum::Remote), "remcsum");
    EXPECT_EQ(tunnel_checksum_of("csum"), Tunnel::Checksum::Full);
    EXPECT_EQ(tunnel_type_of("vxlan"), std::nullopt);
}

}  // namespace
}  // namespace vipd::model
