// SPDX-License-Identifier: Apache-2.0
// vipd-sync-bench [FLOWS]: how long connection sync takes over loopback TCP, on simulated data
// planes. Both nodes share one thread here, so two machines do no worse.
#include "tests/unit/sync/nodes.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

namespace {

using namespace vipd;
using namespace vipd::sync::testing;

double ms_since(TimePoint start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

int run(std::uint32_t flows) {
    if (const auto missing = enter_own_namespace(); !missing.empty()) {
        std::fprintf(stderr, "vipd-sync-bench: %s\n", missing.c_str());
        return 1;
    }
    auto loop = EventLoop::create();
    if (!loop) return 1;
    const auto until = [&](const std::function<bool()>& holds) {
        return run_until({&*loop}, holds);
    };
    auto a = std::make_unique<Node>(*loop, 1);
    auto b = std::make_unique<Node>(*loop, 2);
    for (std::uint32_t n = 0; n < flows; ++n) a->plane.put_flow(flow_of(n), false);

    // The part of the data plane in it: writing the same flows without sync.
    std::vector<dataplane::Flow> all;
    for (std::uint32_t n = 0; n < flows; ++n) all.push_back(flow_of(n));
    auto alone = std::make_unique<Node>(*loop, 3);
    TimePoint start = Clock::now();
    alone->plane.store_flows(all);
    const double storing = ms_since(start);

    if (!a->daemon.start(a->options({2}))) return 1;
    start = Clock::now();
    if (!b->daemon.start(b->options({1})) || !until([&] { return b->daemon.synced(); })) return 1;
    const double joining = ms_since(start);
    const auto sent = a->peer(2).bytes_sent;
    std::printf("snapshot  %u connections  %.1f ms  (%.1f ms of it writing them down)  %.2f MB\n",
                flows,
                joining,
                storing,
                static_cast<double>(sent) / 1e6);
    if (b->plane.flow_count() != flows) return 1;
    if (!until([&] { return a->daemon.synced() && a->peer(2).out_synced; })) return 1;

    std::vector<double> latencies;
    for (std::uint32_t n = 0; n < 200; ++n) {
        start = Clock::now();
        a->plane.put_flow(flow_of(flows + n));
        if (!until([&] { return b->has(flows + n); })) return 1;
        latencies.push_back(ms_since(start));
    }
    std::ranges::sort(latencies);
    std::printf(
        "delta     200 connections one by one  median %.1f ms  99%% %.1f ms  most %.1f ms\n",
        latencies[100],
        latencies[198],
        latencies.back());

    const std::uint32_t burst = 50'000;
    start = Clock::now();
    for (std::uint32_t n = 0; n < burst; ++n) a->plane.put_flow(flow_of(flows + 1000 + n));
    if (!until([&] { return b->plane.flow_count() == flows + 200 + burst; })) return 1;
    std::printf(
        "burst     %u connections at once  %.1f ms until the last\n", burst, ms_since(start));
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    std::uint32_t flows = 100'000;
    if (argc > 2 ||
        (argc == 2 &&
         std::from_chars(argv[1], argv[1] + std::strlen(argv[1]), flows).ec != std::errc())) {
        std::fprintf(stderr, "usage: vipd-sync-bench [FLOWS]\n");
        return 2;
    }
    return run(flows);
}
