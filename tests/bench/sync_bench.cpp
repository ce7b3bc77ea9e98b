// SPDX-License-Identifier: Apache-2.0
// vipd-sync-bench: what connection sync costs between two processes over loopback TCP, each with a
// simulated data plane: a snapshot into a joining node, and new connections at a steady rate.
#include "tests/unit/sync/nodes.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <memory>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <vector>

namespace {

using namespace vipd;
using namespace vipd::sync::testing;
using Json = nlohmann::json;

struct Options {
    std::uint32_t flows = 1'000'000;
    std::uint32_t rate = 200'000;
    std::uint32_t seconds = 5;
    std::string json;
};

constexpr Millis kTick{5};
constexpr std::size_t kMaxMarkers = 1U << 16;

/// What the two processes share.
struct Shared {
    std::atomic<int> step{0};  ///< the last that the receiver has done
    std::atomic<std::uint32_t> markers{0};
    std::atomic<std::int64_t>
        told_ns[kMaxMarkers]{};  ///< when flow number k of the markers was made
    // The receiver's figures.
    double synced_ms = 0;
    double synced_cpu_ms = 0;
    double rate_cpu_ms = 0;
    double rate_wall_ms = 0;
    double lag_median_ms = 0;
    double lag_most_ms = 0;
    std::uint64_t flows = 0;
    std::int64_t memory_kib = 0;
};

std::int64_t now_ns() {
    return Clock::now().time_since_epoch().count();
}
double cpu_ms() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto ms = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
    };
    return ms(usage.ru_utime) + ms(usage.ru_stime);
}
std::int64_t resident_kib() {
    std::ifstream file("/proc/self/statm");
    std::int64_t size = 0, resident = 0;
    file >> size >> resident;
    return resident * ::sysconf(_SC_PAGESIZE) / 1024;
}

/// The number of the k-th flow of the rate test, whose every 100th is a marker.
std::uint32_t number_of(const Options& options, std::uint32_t k) {
    return options.flows + k;
}

int receiver(const Options& options, Shared& shared) {
    auto loop = EventLoop::create();
    if (!loop) return 1;
    Node node(*loop, 2);
    TimePoint start = Clock::now();
    double cpu = cpu_ms();
    if (!node.daemon.start(node.options({1})) ||
        !run_until({&*loop}, [&] { return node.daemon.synced(); }))
        return 1;
    shared.synced_ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    shared.synced_cpu_ms = cpu_ms() - cpu;
    shared.flows = node.plane.flow_count();
    shared.step = 1;

    std::vector<double> lags;
    start = Clock::now();
    cpu = cpu_ms();
    const std::uint32_t all = options.rate * options.seconds / 100;
    std::uint32_t next = 0;
    const bool done = run_until({&*loop}, [&] {
        while (next < shared.markers && node.has(number_of(options, next * 100))) {
            lags.push_back(static_cast<double>(now_ns() - shared.told_ns[next]) / 1e6);
            ++next;
        }
        return next == all;
    });
    if (!done) return 1;
    std::ranges::sort(lags);
    shared.rate_wall_ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    shared.rate_cpu_ms = cpu_ms() - cpu;
    shared.lag_median_ms = lags[lags.size() / 2];
    shared.lag_most_ms = lags.back();
    shared.step = 2;
    return run_until({&*loop}, [&] { return shared.step == 3; }) ? 0 : 1;
}

int sender(const Options& options, Shared& shared, Json& result) {
    auto loop = EventLoop::create();
    if (!loop) return 1;
    Node node(*loop, 1);
    for (std::uint32_t n = 0; n < options.flows; ++n) node.plane.put_flow(flow_of(n), false);
    const auto memory = resident_kib();
    double cpu = cpu_ms();
    if (!node.daemon.start(node.options({2})) ||
        !run_until({&*loop}, [&] { return shared.step == 1; }))
        return 1;
    const double snapshot_cpu = cpu_ms() - cpu;
    const auto snapshot_bytes = node.peer(2).bytes_sent;
    const auto sync_memory = resident_kib() - memory;

    // One tick's worth at a time, as the sweep of a busy ring buffer would bring them.
    const auto flows_before = node.peer(2).flows_sent;
    const std::uint32_t all = options.rate * options.seconds;
    std::uint32_t made = 0;
    const TimePoint start = Clock::now();
    cpu = cpu_ms();
    double making = 0;
    auto timer = loop->every(kTick, [&](TimePoint) {
        const double before = cpu_ms();
        const auto due = static_cast<std::uint32_t>(std::min<double>(
            all, std::chrono::duration<double>(Clock::now() - start).count() * options.rate));
        for (; made < due; ++made) {
            if (made % 100 == 0) {
                shared.told_ns[made / 100] = now_ns();
                shared.markers = made / 100 + 1;
            }
            node.plane.put_flow(flow_of(number_of(options, made)));
        }
        making += cpu_ms() - before;
    });
    if (!timer || !run_until({&*loop}, [&] { return shared.step == 2; })) return 1;
    const double wall = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    const auto told = node.peer(2).flows_sent - flows_before;
    const auto rate_bytes = node.peer(2).bytes_sent - snapshot_bytes;
    const double rate_cpu = cpu_ms() - cpu - making;
    shared.step = 3;

    const double per_flow = static_cast<double>(rate_bytes) / static_cast<double>(told);
    result = {
        {"snapshot",
         {{"flows", shared.flows},
          {"ms", shared.synced_ms},
          {"sender_cpu_ms", snapshot_cpu},
          {"receiver_cpu_ms", shared.synced_cpu_ms},
          {"bytes", snapshot_bytes},
          {"sender_memory_kib", sync_memory}}},
        {"rate",
         {{"flows_per_second", options.rate},
          {"flows", told},
          {"lag_median_ms", shared.lag_median_ms},
          {"lag_most_ms", shared.lag_most_ms},
          {"sender_core_percent", 100 * rate_cpu / wall},
          {"receiver_core_percent", 100 * shared.rate_cpu_ms / shared.rate_wall_ms},
          {"bytes_per_flow", per_flow}}},
        {"bytes",
         {{"new_flow", per_flow},
          {"new_flow_ipvs", 36},
          // In use, it is told again once in a round of the sweep, 10 s; IPVS: each 50 packets.
          {"flow_second", per_flow / 10},
          {"flow_second_ipvs_per_packet_second", 36.0 / 50}}}};
    fmt::print(
        "snapshot  {} connections in {:.0f} ms; CPU {:.0f} ms here, {:.0f} ms there; {:.1f} MB on "
        "the wire, {:.1f} MB of memory\n",
        shared.flows,
        shared.synced_ms,
        snapshot_cpu,
        shared.synced_cpu_ms,
        static_cast<double>(snapshot_bytes) / 1e6,
        static_cast<double>(sync_memory) / 1024);
    fmt::print(
        "rate      {} new connections a second: behind by {:.1f} ms (median), {:.1f} ms (most); "
        "{:.0f} "
        "% of a core here, {:.0f} % there\n",
        options.rate,
        shared.lag_median_ms,
        shared.lag_most_ms,
        100 * rate_cpu / wall,
        100 * shared.rate_cpu_ms / shared.rate_wall_ms);
    fmt::print(
        "bytes     {:.1f} for a new connection (IPVS 36, unsealed); {:.2f} a second for one in use "
        "(IPVS {:.2f} for each packet a second)\n",
        per_flow,
        per_flow / 10,
        36.0 / 50);
    return shared.flows == options.flows ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"vipd-sync-bench: what connection sync costs, on simulated data planes"};
    Options options;
    app.add_option("--flows", options.flows, "connections of the snapshot")
        ->check(CLI::Range(1, 3'000'000));
    app.add_option("--rate", options.rate, "new connections a second")
        ->check(CLI::Range(1000, 1'000'000));
    app.add_option("--seconds", options.seconds, "for so long")->check(CLI::Range(1, 6));
    app.add_option("--json", options.json, "write the figures to this file");
    CLI11_PARSE(app, argc, argv);
    if (const auto missing = enter_own_namespace(); !missing.empty()) {
        fmt::print(stderr, "vipd-sync-bench: {}\n", missing);
        return 1;
    }
    void* memory =
        ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 1;
    auto& shared = *new (memory) Shared;
    const pid_t child = ::fork();
    if (child == 0) ::_exit(receiver(options, shared));
    Json result;
    const int status = sender(options, shared, result);
    int ended = 0;
    ::waitpid(child, &ended, 0);
    if (status != 0 || ended != 0) {
        fmt::print(stderr, "vipd-sync-bench: a node did not come to its end\n");
        return 1;
    }
    if (!options.json.empty()) std::ofstream(options.json) << result.dump(2) << "\n";
    return 0;
}
