// SPDX-License-Identifier: Apache-2.0
#include "userspace/sched/ring.hpp"

#include "tests/unit/sched/ipvs_facts.hpp"
#include "userspace/sched/picker.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

namespace vipd::sched {
namespace {

using facts::Clients;
using facts::Flag;
using model::Scheduler;

Endpoint endpoint(const std::string& address, std::uint16_t port) {
    return {IpAddress::parse(address).value(), port};
}

/// Real N of the lab in which the facts were taken.
model::Real real(int number, std::uint32_t weight, std::uint16_t port, bool v6) {
    model::Real made;
    made.endpoint =
        endpoint(fmt::format("{}{}", v6 ? "2001:db8:2::1" : "198.51.100.1", number), port);
    made.weight = weight;
    made.last_weight = weight;
    return made;
}

std::uint32_t number(std::string_view text) {
    std::uint32_t value = 0;
    std::from_chars(text.begin(), text.end(), value);
    return value;
}

/// "1:1 2:0/3": reals with weights and, after the slash, the last positive weight.
std::vector<model::Real> reals(std::string_view text, std::uint16_t port, bool v6) {
    std::vector<model::Real> made;
    while (!text.empty()) {
        const auto word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(text.size(), word.size() + 1));
        made.push_back(real(word[0] - '0', number(word.substr(2)), port, v6));
        if (const auto slash = word.find('/'); slash != std::string_view::npos)
            made.back().last_weight = number(word.substr(slash + 1));
    }
    return made;
}

/// The client that sent the i-th datagram of a fact.
Endpoint client_of(Clients clients, unsigned i) {
    const auto scattered_port = static_cast<std::uint16_t>(1024 + 7919 * i % 60000);
    switch (clients) {
        case Clients::Sequential:
            return endpoint(fmt::format("10.1.0.{}", i + 1), 40000);
        case Clients::SequentialV6:
            return endpoint(fmt::format("2001:db8:aa::{:x}", i + 1), 40000);
        case Clients::OneClient:
            return endpoint("10.1.0.1", static_cast<std::uint16_t>(40000 + i));
        case Clients::Scattered:
            return endpoint(fmt::format("10.1.{}.{}", i / 14 * 17, 37 * i % 254 + 1),
                            scattered_port);
        case Clients::ScatteredV6:
            return endpoint(fmt::format("2001:db8:aa:{}::{:x}:{:x}", i % 7, 31 * i, i + 1),
                            scattered_port);
    }
    return {};
}

char name_of(const model::Service& service, std::optional<Slot> chosen) {
    return chosen ? service.reals[*chosen].endpoint.address.to_string().back() : '-';
}

model::Service service_of(const facts::HashFact& fact) {
    const bool v6 = fact.clients == Clients::SequentialV6 || fact.clients == Clients::ScatteredV6;
    model::Service service;
    service.scheduler = fact.scheduler;
    service.hash_port = fact.flag == Flag::Port;
    service.hash_fallback = fact.flag == Flag::Fallback;
    service.reals = reals(fact.reals, fact.port, v6);
    return service;
}

std::string choices(const model::Service& service, Clients clients, std::size_t count) {
    Picker picker(service);
    std::string chosen;
    for (unsigned i = 0; i < count; ++i)
        chosen += name_of(service, picker.pick({.client = client_of(clients, i), .vip = {}}));
    return chosen;
}

class HashFacts : public testing::TestWithParam<facts::HashFact> {};

TEST_P(HashFacts, EachClientGetsTheRealThatIpvsGave) {
    const facts::HashFact& fact = GetParam();
    EXPECT_EQ(choices(service_of(fact), fact.clients, fact.chosen.size()), fact.chosen);
}

INSTANTIATE_TEST_SUITE_P(Ipvs,
                         HashFacts,
                         testing::ValuesIn(facts::kHashFacts),
                         [](const auto& each) { return std::string(each.param.name); });

TEST(Ring, RealThatIsNotAliveIsNoPartOfIt) {
    std::size_t seen = 0;
    for (const facts::HashFact& fact : facts::kHashFacts) {
        if (!fact.name.ends_with("5eqMinusR2")) continue;
        ++seen;
        model::Service service = service_of(fact);
        model::Real failed = real(2, 1, fact.port, false);
        failed.alive = false;
        service.reals.insert(service.reals.begin() + 1, failed);
        EXPECT_EQ(choices(service, fact.clients, fact.chosen.size()), fact.chosen) << fact.name;
    }
    EXPECT_EQ(seen, 2U);
}

TEST(Ring, SequencesAreNoLongerThanOnePeriod) {
    model::Service service;
    service.scheduler = Scheduler::WeightedRoundRobin;
    service.reals = reals("1:2 2:4 3:6", 80, false);
    EXPECT_EQ(build_ring(service).size(), 6U);
    service.scheduler = Scheduler::RoundRobin;
    EXPECT_EQ(build_ring(service).size(), 3U);
}

TEST(Ring, SequenceIsBoundedAndStillHoldsTheLightest) {
    model::Service service;
    service.scheduler = Scheduler::WeightedRoundRobin;
    service.reals = reals("1:2000000000 2:1 3:1 4:1 5:1", 80, false);
    const Ring ring = build_ring(service);
    EXPECT_LE(ring.size(), kMaxSequence);
    EXPECT_GT(ring.size(), kMaxSequence - 16);
    for (Slot i = 1; i < 5; ++i) EXPECT_EQ(std::ranges::count(ring, i), 1);
}

TEST(Ring, IsEmptyWhereNoRealIsUsable) {
    for (int n = 0; n <= static_cast<int>(Scheduler::PowerOfTwo); ++n) {
        model::Service service;
        service.scheduler = static_cast<Scheduler>(n);
        service.hash_fallback = true;
        EXPECT_TRUE(build_ring(service).empty());
        service.reals = reals("1:0/1 2:1", 80, false);
        service.reals[1].alive = false;
        EXPECT_TRUE(build_ring(service).empty());
        EXPECT_EQ(Picker(service).pick({.client = endpoint("10.1.0.1", 1), .vip = {}}),
                  std::nullopt);
    }
}

TEST(Ring, QuiescedMaglevRealMovesNobodyElse) {
    model::Service service;
    service.scheduler = Scheduler::Maglev;
    service.reals = reals("1:3 2:5 3:2", 80, false);
    const Ring before = build_ring(service);
    service.reals[1].weight = 0;
    const Ring after = build_ring(service);
    for (std::size_t slot = 0; slot < before.size(); ++slot)
        ASSERT_EQ(after[slot], before[slot] == 1 ? kNone : before[slot]);
}

TEST(Ring, MaglevSizeIsAPrimeWithinBounds) {
    EXPECT_EQ(maglev_size(4093), 4093U);
    EXPECT_EQ(maglev_size(65537), 65537U);
    EXPECT_EQ(maglev_size(4094), 4099U);
    EXPECT_EQ(maglev_size(0), kMinMaglev);
    EXPECT_EQ(maglev_size(~0U), kMaxMaglev);
    model::Service service;
    service.scheduler = Scheduler::Maglev;
    service.ring_size = 1024;  // no prime: the walks would never meet all slots
    service.reals = reals("1:1 2:1", 80, false);
    EXPECT_EQ(build_ring(service).size(), 1031U);
}

/// Any service with `count` usable reals among them.
model::Service any_service(Scheduler scheduler, std::uint32_t max_weight) {
    model::Service service;
    service.scheduler = scheduler;
    service.hash_fallback = true;
    const int count = *rc::gen::inRange(1, 40);
    for (int i = 0; i < count; ++i) {
        model::Real made;
        made.endpoint = {IpAddress::v4(0x0a000000U + static_cast<std::uint32_t>(i) * 7U + 1U), 80};
        made.weight = *rc::gen::weightedOneOf<std::uint32_t>(
            {{1, rc::gen::just(0U)}, {5, rc::gen::inRange(1U, max_weight + 1)}});
        made.last_weight = made.weight == 0 ? *rc::gen::inRange(0U, max_weight) : made.weight;
        made.alive = *rc::gen::weightedElement<bool>({{5, true}, {1, false}});
        service.reals.push_back(made);
    }
    return service;
}

bool usable(const model::Real& real) {
    return real.alive && real.weight > 0;
}

RC_GTEST_PROP(RingProperty, HoldsEveryUsableRealAndNoOther, ()) {
    const auto scheduler =
        *rc::gen::element(Scheduler::RoundRobin, Scheduler::WeightedRoundRobin, Scheduler::Maglev);
    const model::Service service = any_service(scheduler, 60000);
    const Ring ring = build_ring(service);
    RC_ASSERT(ring.size() <= kMaxSequence);
    const std::set<Slot> present(ring.begin(), ring.end());
    for (Slot i = 0; i < service.reals.size(); ++i)
        RC_ASSERT(present.contains(i) == usable(service.reals[i]));
}

RC_GTEST_PROP(RingProperty, SequenceSharesFollowTheWeights, ()) {
    const model::Service service = any_service(Scheduler::WeightedRoundRobin, 60000);
    const Ring ring = build_ring(service);
    double sum = 0;
    for (const auto& each : service.reals) sum += usable(each) ? each.weight : 0;
    std::map<Slot, double> share;
    for (const Slot slot : ring) share[slot] += 1.0 / static_cast<double>(ring.size());
    for (const auto& [index, got] : share)
        RC_ASSERT(std::abs(got - service.reals[index].weight / sum) < 0.001);
}

RC_GTEST_PROP(RingProperty, MaglevSharesFollowTheWeights, ()) {
    model::Service service = any_service(Scheduler::Maglev, 20);
    for (auto& each : service.reals) each.alive = true, each.weight = std::max(each.weight, 1U);
    service.ring_size = 65537;  // so large that no weight is cut
    const Ring ring = build_ring(service);
    double sum = 0;
    for (const auto& each : service.reals) sum += each.weight;
    std::map<Slot, double> share;
    for (const Slot slot : ring) share[slot] += 1.0 / static_cast<double>(ring.size());
    for (const auto& [index, got] : share) {
        const double meant = service.reals[index].weight / sum;
        RC_ASSERT(got > meant * 0.98 && got < meant * 1.02);
    }
}

RC_GTEST_PROP(RingProperty, FallbackAlwaysFindsAUsableReal, (std::uint32_t address)) {
    const auto scheduler = *rc::gen::element(Scheduler::SourceHash, Scheduler::Maglev);
    const model::Service service = any_service(scheduler, 5);
    const auto real = Picker(service).pick({.client = {IpAddress::v4(address), 1}, .vip = {}});
    RC_ASSERT(build_ring(service).empty() || scheduler == Scheduler::SourceHash ||
              real.has_value());
    if (real) RC_ASSERT(usable(service.reals[*real]));
}

model::Service hundred(std::uint32_t weight) {
    model::Service service;
    service.scheduler = Scheduler::Maglev;
    service.ring_size = 65537;
    for (std::uint32_t i = 0; i < 100; ++i) {
        model::Real each;
        each.endpoint = {IpAddress::v4(0xc6336401U + i), 80};
        each.weight = each.last_weight = weight;
        service.reals.push_back(each);
    }
    return service;
}

/// Of the slots that neither ring gives to `changed`: the share that goes to another real.
double moved_share(const model::Service& from, const model::Service& to, Slot changed) {
    const Ring before = build_ring(from);
    const Ring after = build_ring(to);
    std::size_t innocent = 0;
    std::size_t moved = 0;
    for (std::size_t slot = 0; slot < before.size(); ++slot) {
        if (before[slot] == changed || after[slot] == changed) continue;
        ++innocent;
        if (after[slot] != before[slot]) ++moved;
    }
    return static_cast<double>(moved) / static_cast<double>(innocent);
}

TEST(Ring, RemovingOneOfAHundredMovesFewInnocentClients) {
    const model::Service service = hundred(1);
    for (const Slot removed : {0U, 17U, 50U, 99U}) {
        model::Service smaller = service;
        smaller.reals[removed].alive = false;
        const double share = moved_share(service, smaller, removed);
        fmt::print(
            "real {} of 100 removed: {:.3f} % of the innocent slots move\n", removed, share * 100);
        EXPECT_LE(share, 0.007) << removed;
    }
}

TEST(Ring, ChangingOneWeightOfAHundredMovesFewInnocentClients) {
    struct Case {
        std::uint32_t from, to;
        double limit;
    };
    // From 10 to 11 the weights lose their common divisor, and each real takes ten slots a turn.
    for (const auto& [from, to, limit] :
         {Case{1, 2, 0.008}, Case{10, 5, 0.008}, Case{100, 50, 0.008}, Case{10, 11, 0.03}}) {
        const model::Service service = hundred(from);
        model::Service changed = service;
        changed.reals[17].weight = to;
        const double share = moved_share(service, changed, 17);
        fmt::print("weight {} of 1 in 100 becomes {}: {:.3f} % of the innocent slots move\n",
                   from,
                   to,
                   share * 100);
        EXPECT_LE(share, limit) << from << " to " << to;
    }
}

TEST(RingDigest, IsOfTheRealsNotOfTheirNumbers) {
    model::Service service;
    service.scheduler = Scheduler::Maglev;
    service.reals = reals("1:1 2:2 3:3", 80, false);
    const auto digest_of = [](const model::Service& of) { return digest(of, build_ring(of)); };
    const std::uint64_t first = digest_of(service);

    model::Service longer = service;  // a failed real more: other numbers, the same choices
    longer.reals.insert(longer.reals.begin(), real(9, 1, 80, false));
    longer.reals[0].alive = false;
    EXPECT_EQ(digest_of(longer), first);

    model::Service changed = service;
    changed.reals[2].endpoint.port = 81;
    EXPECT_NE(digest_of(changed), first);
    changed = service;
    changed.reals[0].weight = 2;
    EXPECT_NE(digest_of(changed), first);
    changed = service;
    changed.hash_port = true;
    EXPECT_NE(digest_of(changed), first);
    changed = service;
    std::swap(changed.reals[0].endpoint, changed.reals[1].endpoint);
    EXPECT_NE(digest_of(changed), first);
}

}  // namespace
}  // namespace vipd::sched
