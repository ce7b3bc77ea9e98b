// SPDX-License-Identifier: Apache-2.0
// The program's choice of a real server against the same choice in C++ (userspace/sched).
#include "tests/prog/program_test.hpp"
#include "userspace/sched/picker.hpp"

#include <linux/bpf.h>
#include <random>

namespace vipd::testing {

namespace {

using model::Scheduler;

struct Case {
    std::string description;
    Scheduler scheduler;
    bool port;
    bool fallback;
    std::vector<std::uint32_t> weights;
    std::vector<bool> alive;
};

const std::vector<Case> kCases{
    {"mh", Scheduler::Maglev, false, false, {1, 1, 1}, {}},
    {"mh-port, weights", Scheduler::Maglev, true, false, {1, 2, 7, 3}, {}},
    {"mh, one quiesced", Scheduler::Maglev, false, false, {1, 0, 1}, {}},
    {"mh-fallback, two quiesced", Scheduler::Maglev, true, true, {0, 2, 0, 3}, {}},
    {"mh, one down",
     Scheduler::Maglev,
     true,
     false,
     {1, 1, 1, 1, 1},
     {true, false, true, true, true}},
    {"sh", Scheduler::SourceHash, false, false, {1, 1, 1}, {}},
    {"sh-port, weights", Scheduler::SourceHash, true, false, {3, 1, 2}, {}},
    {"sh, one quiesced", Scheduler::SourceHash, true, false, {1, 0, 1}, {}},
    {"sh-fallback, one quiesced", Scheduler::SourceHash, true, true, {1, 0, 1}, {}},
    {"rr", Scheduler::RoundRobin, false, false, {1, 5, 1}, {}},
    {"rr, one down", Scheduler::RoundRobin, false, false, {1, 1, 1}, {false, true, true}},
    {"wrr", Scheduler::WeightedRoundRobin, false, false, {1, 2, 3}, {}},
    {"wrr, one quiesced", Scheduler::WeightedRoundRobin, false, false, {4, 0, 2, 6}, {}},
};

}  // namespace

class PickTest : public ProgramTest, public ::testing::WithParamInterface<Case> {};

TEST_P(PickTest, IsWhatUserspaceSays) {
    ASSERT_NO_FATAL_FAILURE(open(1U << 14));
    const Case& the_case = GetParam();
    model::Service web = service(80, static_cast<int>(the_case.weights.size()), the_case.scheduler);
    web.hash_port = the_case.port;
    web.hash_fallback = the_case.fallback;
    for (std::size_t i = 0; i < web.reals.size(); ++i) {
        web.reals[i].weight = the_case.weights[i];
        if (!the_case.alive.empty()) web.reals[i].alive = the_case.alive[i];
        resolve(static_cast<int>(i) + 1);
    }
    put(web);
    sched::Picker picker(web);
    std::mt19937 random(7);
    int refused = 0;
    for (int i = 0; i < 400; ++i) {
        const IpAddress client = IpAddress::v4(static_cast<std::uint32_t>(random()));
        PacketSpec spec;
        spec.from = client.to_string();
        spec.from_port = static_cast<std::uint16_t>(random());
        const auto real = picker.pick({{client, spec.from_port}, web.key.endpoint.address});
        const Outcome outcome = run(spec);
        if (!real) {
            ASSERT_EQ(outcome.verdict, "drop_no_real") << spec.from;
            ++refused;
            continue;
        }
        ASSERT_EQ(real_of(outcome), static_cast<int>(*real) + 1)
            << spec.from << ":" << spec.from_port;
    }
    const bool quiesced = std::ranges::find(the_case.weights, 0U) != the_case.weights.end();
    const bool hash =
        the_case.scheduler == Scheduler::Maglev || the_case.scheduler == Scheduler::SourceHash;
    EXPECT_EQ(refused > 0, quiesced && hash && !the_case.fallback);
}

INSTANTIATE_TEST_SUITE_P(Schedulers,
                         PickTest,
                         ::testing::ValuesIn(kCases),
                         [](const ::testing::TestParamInfo<Case>& tested) {
                             std::string name = tested.param.description;
                             std::erase_if(name, [](char c) { return std::isalnum(c) == 0; });
                             return name;
                         });

class NoRealTest : public ProgramTest {};

TEST_F(NoRealTest, IsAVerdictUntilThereIsOne) {
    ASSERT_NO_FATAL_FAILURE(open());
    resolve(1);
    model::Service web = service(80, 0);
    put(web);
    EXPECT_EQ(run(PacketSpec{}).verdict, "drop_no_real");
    web = service(80, 1);
    web.reals[0].weight = 0;
    put(web);
    EXPECT_EQ(run(PacketSpec{}).verdict, "drop_no_real");
    web.reals[0].weight = 1;
    put(web);
    EXPECT_EQ(run(PacketSpec{}).verdict, "forwarded_dr");
}

}  // namespace vipd::testing
