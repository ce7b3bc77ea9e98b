// SPDX-License-Identifier: Apache-2.0
// Nanoseconds per packet of the XDP program, next to a bare XDP_TX and to the same path with its
// connections in an LRU hash. A driver in BPF (driver.bpf.c) walks over the flows at random, so
// that a table larger than the caches costs what it costs; its own time is measured and subtracted.
#include "userspace/dataplane/bpf_dataplane.hpp"
#include "userspace/dataplane/jiffies_clock.hpp"

#include <vipd/abi/service.h>  // for the skeletons

#include <CLI/CLI.hpp>
#include <bench_driver.skel.h>
#include <bench_lru.skel.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fstream>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <memory>
#include <stdexcept>
#include <sys/utsname.h>

using namespace vipd;

namespace {

constexpr std::uint32_t kVip = 0xc0000201;  // 192.0.2.1
constexpr std::uint16_t kPort = 80;
constexpr unsigned kReals = 16;

/// Index in bench_programs; from kSubjects on, what --compare names.
enum Subject : std::uint32_t { kEmpty, kTx, kVipd, kLru, kSubjects };
constexpr std::array<const char*, kSubjects> kNames{"driver", "xdp_tx", "vipd", "lru_hash"};
constexpr std::size_t kMostCompared = 8 - kSubjects;  // entries of bench_programs

struct Options {
    std::vector<std::uint32_t> flows{1, 1000, 100000, 1000000};
    unsigned rounds = 7;
    std::uint32_t slots = 1U << 21U;
    std::uint32_t packets = 2000000;   ///< of each measurement
    std::vector<std::string> compare;  ///< other builds of vipd_xdp.bpf.o
    std::string json;
};

/// SIGINT and SIGTERM end the run by way of the destructors: no pin stays behind.
volatile std::sig_atomic_t interrupted = 0;
void interrupt(int) {
    interrupted = 1;
}

[[noreturn]] void die(const std::string& message) {
    throw std::runtime_error(message);
}

template <class T>
T need(Result<T> result) {
    if (!result) die(result.error().message);
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// CPU time of this thread: what others do on the machine is not in it.
double cpu_ns() {
    timespec now{};
    (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

/// A TCP segment with ACK from the client; the driver fills in whose.
std::array<std::byte, 64> frame() {
    std::array<std::byte, 64> bytes{};
    ethhdr eth{};
    eth.h_proto = __builtin_bswap16(ETH_P_IP);
    iphdr ip{};
    ip.version = 4;
    ip.ihl = 5;
    ip.tot_len = __builtin_bswap16(sizeof ip + sizeof(tcphdr));
    ip.ttl = 64;
    ip.protocol = 6;
    ip.daddr = __builtin_bswap32(kVip);
    tcphdr tcp{};
    tcp.dest = __builtin_bswap16(kPort);
    tcp.doff = 5;
    tcp.ack = 1;
    std::memcpy(bytes.data(), &eth, sizeof eth);
    std::memcpy(bytes.data() + sizeof eth, &ip, sizeof ip);
    std::memcpy(bytes.data() + sizeof eth + sizeof ip, &tcp, sizeof tcp);
    return bytes;
}

/// The loaded data plane under pins of its own, which go with it.
class Lab {
  public:
    explicit Lab(const Options& options)
        : pins_(fmt::format("/sys/fs/bpf/vipd-bench-{}", ::getpid())) {
        dataplane::Options wanted;
        wanted.pin_dir = pins_;
        wanted.flow_table_size = options.slots;
        dataplane_ = need(dataplane::open_bpf_dataplane(wanted));
        model::Service service;
        service.key = {{IpAddress::v4(kVip), kPort}, Protocol::Tcp};
        service.scheduler = model::Scheduler::Maglev;
        service.ring_size = 65537;
        for (std::uint32_t i = 0; i < kReals; ++i) {
            model::Real real;
            real.endpoint = {IpAddress::v4(0xc6336401U + i), kPort};
            service.reals.push_back(real);
        }
        key_ = service.key;
        need(dataplane_->apply({model::Change::Kind::AddService, service}));
        for (const model::Real& real : service.reals) {
            // The interface that a test run comes in by: the answer is XDP_TX, as with the others.
            dataplane::NextHop hop;
            hop.ifindex = 1;
            hop.destination = {2, 0, 0, 0, 0, 1};
            hop.source = {2, 0, 0, 0, 0, 2};
            need(dataplane_->set_next_hop(real.endpoint.address, hop));
        }
        open_driver();
        open_lru(options.slots);
        for (const std::string& file : options.compare) open_other(file);
    }
    ~Lab() {
        for (bpf_object* other : others_) bpf_object__close(other);
        if (lru_ != nullptr) bench_lru::destroy(lru_);
        if (driver_ != nullptr) bench_driver::destroy(driver_);
        dataplane_.reset();
        (void)dataplane::detach_all(pins_);
    }
    Lab(const Lab&) = delete;
    Lab& operator=(const Lab&) = delete;

    /// Sends two packets of each of the flows [first, last): with the second, a flow is one that
    /// is kept. Returns how many were stored.
    std::uint64_t insert(Subject subject, std::uint32_t first, std::uint32_t last) {
        const std::uint64_t before = connections();
        driver_->bss->bench_next = 2 * first;
        if (last > first) (void)run(subject, 2 * (last - first), true);
        return connections() - before;
    }

    /// Nanoseconds per packet over `flows` flows at random, the driver included.
    double measure(Subject subject, std::uint32_t flows, std::uint32_t packets) {
        driver_->bss->bench_flows = flows;
        driver_->bss->bench_random = 2463534242U;  // the same walk for all
        // First what makes the caches those of this subject and this many flows.
        (void)run(subject, std::min(packets, 2 * flows + 10000), false);
        return run(subject, packets, false);
    }

  private:
    double run(Subject subject, std::uint32_t packets, bool in_order) {
        driver_->bss->bench_subject = subject;
        driver_->bss->bench_in_order = in_order ? 1 : 0;
        auto in = frame();
        std::array<std::byte, 64> out{};
        LIBBPF_OPTS(bpf_test_run_opts, options);
        options.data_in = in.data();
        options.data_size_in = in.size();
        options.data_out = out.data();
        options.data_size_out = out.size();
        options.repeat = static_cast<int>(packets);
        const double start = cpu_ns();
        const int error = bpf_prog_test_run_opts(program_, &options);
        const double took = cpu_ns() - start;
        if (interrupted != 0) die("interrupted");
        if (error != 0) die(fmt::format("test run: {}", std::strerror(-error)));
        if (options.retval != XDP_TX)
            die(fmt::format("subject {} answered {} and not XDP_TX", +subject, options.retval));
        return took / packets;
    }

    std::uint64_t connections() const { return need(dataplane_->counters(key_)).connections; }

    void open_driver() {
        driver_ = bench_driver::open_and_load();
        if (driver_ == nullptr) die("cannot load the driver program");
        program_ = bpf_program__fd(driver_->progs.bench_driver);
        put(kEmpty, bpf_program__fd(driver_->progs.bench_empty));
        put(kTx, bpf_program__fd(driver_->progs.bench_tx));
        put(kVipd, dataplane::program_fd(*dataplane_));
    }

    void open_lru(std::uint32_t slots) {
        lru_ = bench_lru::open();
        if (lru_ == nullptr) die("cannot open the LRU program");
        share_maps(lru_->obj);
        set_clock(lru_->obj);
        if (bpf_map__set_max_entries(lru_->maps.lru_flows, slots) != 0 ||
            bench_lru::load(lru_) != 0)
            die("cannot load the LRU program");
        put(kLru, bpf_program__fd(lru_->progs.lru_ingress));
    }

    /// Gives the object the same services, reals and counters: the very maps.
    void share_maps(bpf_object* object) {
        bpf_map* map = nullptr;
        bpf_object__for_each_map(map, object) {
            const int fd = dataplane::map_fd(*dataplane_, bpf_map__name(map));
            if (fd >= 0 && bpf_map__reuse_fd(map, fd) != 0)
                die(fmt::format("cannot share map {}", bpf_map__name(map)));
        }
    }

    /// Another build of the program, on the same maps and so on the same connections.
    void open_other(const std::string& file) {
        bpf_object* other = bpf_object__open_file(file.c_str(), nullptr);
        if (other == nullptr) die(fmt::format("cannot open {}", file));
        others_.push_back(other);
        share_maps(other);
        const std::uint32_t zero = 0;
        vipd_meta meta{};
        if (bpf_map_lookup_elem(dataplane::map_fd(*dataplane_, "vipd_meta"), &zero, &meta) != 0)
            die("cannot read vipd_meta");
        set_constant(other, "flow_seed0", meta.seed[0]);
        set_constant(other, "flow_seed1", meta.seed[1]);
        set_constant(other, "flow_set_mask", meta.flow_slots / VIPD_FLOW_WAYS - 1);
        set_clock(other);
        if (bpf_object__load(other) != 0) die(fmt::format("cannot load {}", file));
        put(kSubjects + static_cast<std::uint32_t>(others_.size()) - 1,
            bpf_program__fd(bpf_object__find_program_by_name(other, "vipd_ingress")));
    }

    static void set_clock(bpf_object* object) {
        const dataplane::JiffiesClock clock = dataplane::read_jiffies_clock();
        set_constant(object, "clock_jiffy_ns", clock.jiffy_ns);
        set_constant(object, "clock_offset_ns", clock.offset_ns);
    }

    static void set_constant(bpf_object* object, std::string_view name, auto value) {
        const btf* types = bpf_object__btf(object);
        const auto section = btf__find_by_name_kind(types, ".rodata", BTF_KIND_DATASEC);
        if (section < 0) die("no .rodata");
        const btf_type* type = btf__type_by_id(types, static_cast<std::uint32_t>(section));
        bpf_map* map = nullptr;
        bpf_object__for_each_map(map, object) {
            if (!std::string_view(bpf_map__name(map)).ends_with(".rodata")) continue;
            std::size_t size = 0;
            const void* initial = bpf_map__initial_value(map, &size);
            std::vector<std::byte> data(size);
            std::memcpy(data.data(), initial, size);
            for (int i = 0; i < btf_vlen(type); ++i) {
                const btf_var_secinfo& variable = btf_var_secinfos(type)[i];
                const btf_type* of = btf__type_by_id(types, variable.type);
                if (btf__name_by_offset(types, of->name_off) != name) continue;
                std::memcpy(data.data() + variable.offset,
                            &value,
                            std::min<std::size_t>(variable.size, sizeof value));
            }
            if (bpf_map__set_initial_value(map, data.data(), size) != 0)
                die(fmt::format("cannot set {}", name));
        }
    }

    void put(std::uint32_t index, int fd) {
        if (bpf_map_update_elem(bpf_map__fd(driver_->maps.bench_programs), &index, &fd, BPF_ANY) !=
            0)
            die(fmt::format("cannot tail-call subject {}: {}", index, std::strerror(errno)));
    }

    std::string pins_;
    std::unique_ptr<dataplane::Dataplane> dataplane_;
    bench_driver* driver_ = nullptr;
    bench_lru* lru_ = nullptr;
    std::vector<bpf_object*> others_;
    int program_ = -1;
    ServiceKey key_;
};

double median(std::vector<double> values) {
    std::ranges::sort(values);
    const std::size_t half = values.size() / 2;
    return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

std::string first_line(const std::string& path, std::string_view key = "") {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with(key)) continue;
        const auto colon = key.empty() ? std::string::npos : line.find(": ");
        return colon == std::string::npos ? line : line.substr(colon + 2);
    }
    return "?";
}

std::string machine() {
    utsname name{};
    (void)::uname(&name);
    return fmt::format("{}, {} CPUs, Linux {}, BPF JIT {}",
                       first_line("/proc/cpuinfo", "model name"),
                       ::sysconf(_SC_NPROCESSORS_ONLN),
                       name.release,
                       first_line("/proc/sys/net/core/bpf_jit_enable") == "0" ? "OFF" : "on");
}

/// On one CPU: counters are per CPU, and a move in between is noise.
void stay_on_this_cpu() {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(::sched_getcpu(), &set);
    (void)::sched_setaffinity(0, sizeof set, &set);
}

nlohmann::json bench(const Options& options) {
    nlohmann::json result{{"machine", machine()}, {"slots", options.slots}};
    fmt::print("{}\n", machine());
    fmt::print("flow table and LRU hash of {} entries each, {} real servers, 60-byte packets\n",
               options.slots,
               kReals);
    fmt::print("ns per packet, median of {} rounds, driver and tail call subtracted\n\n",
               options.rounds);
    Lab lab(options);
    const std::uint32_t most = *std::ranges::max_element(options.flows);
    if (most > options.slots / 10 * 9) die("more flows than 90 % of the table");
    std::vector<std::string> names(kNames.begin(), kNames.end());
    for (std::size_t i = 0; i < options.compare.size(); ++i)
        names.push_back(fmt::format("({})", i + 1));
    const std::uint64_t stored = lab.insert(kVipd, 0, most);
    (void)lab.insert(kLru, 0, most);

    fmt::print("{:>10}", "flows");
    for (const std::string& name : names) fmt::print(" {:>9}", name);
    fmt::print("   vipd/lru_hash\n");
    for (const std::uint32_t flows : options.flows) {
        std::vector<std::vector<double>> net(names.size());
        std::vector<double> ratio;
        for (unsigned round = 0; round < options.rounds; ++round) {
            for (std::uint32_t i = 0; i < names.size(); ++i) {
                const double raw = lab.measure(static_cast<Subject>(i), flows, options.packets);
                net[i].push_back(i == kEmpty ? raw : raw - net[kEmpty].back());
            }
            ratio.push_back(net[kVipd].back() / net[kLru].back());
        }
        nlohmann::json row{{"flows", flows}, {"ratio", median(ratio)}};
        fmt::print("{:>10}", flows);
        for (std::uint32_t i = 0; i < names.size(); ++i) {
            row[names[i]] = median(net[i]);
            fmt::print(" {:>9.1f}", median(net[i]));
        }
        fmt::print("   {:.2f}\n", median(ratio));
        std::fflush(stdout);
        result["cases"].push_back(std::move(row));
    }

    // The same table, filled on by the program itself.
    fmt::print(
        "\nflow table: share of connections that found no place in their set (they go by "
        "hash)\n");
    std::uint32_t sent = most;
    std::uint64_t held = stored;
    for (const unsigned percent : {50U, 90U}) {
        const auto upto = static_cast<std::uint32_t>(std::uint64_t{options.slots} * percent / 100);
        if (upto < sent) continue;
        held += lab.insert(kVipd, sent, upto);
        sent = upto;
        const double overflow = 1.0 - static_cast<double>(held) / sent;
        fmt::print("{:>8} % fill: {:.3f} % of {}\n", percent, overflow * 100, sent);
        result["overflow"].push_back(
            {{"fill_percent", percent}, {"connections", sent}, {"overflow", overflow}});
    }
    return result;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app{"vipd-bench: what a packet costs"};
    app.add_option("--json", options.json, "write the figures to this file");
    app.add_option("--rounds", options.rounds, "measurements of each case")
        ->check(CLI::Range(1, 99));
    app.add_option("--slots", options.slots, "entries of each table, a power of two")
        ->check(CLI::Range(1U << 10U, 1U << 26U));
    app.add_option("--packets", options.packets, "packets of a measurement")
        ->check(CLI::Range(1000, 100000000));
    app.add_option("--flows", options.flows, "numbers of flows")
        ->delimiter(',')
        ->check(CLI::PositiveNumber);
    app.add_option(
           "--compare", options.compare, "other builds of vipd_xdp.bpf.o, with the same maps")
        ->check(CLI::ExistingFile)
        ->expected(1, kMostCompared);
    CLI11_PARSE(app, argc, argv);
    if (::geteuid() != 0) {
        fmt::print(stderr, "vipd-bench loads BPF programs and must be run as root\n");
        return 1;
    }
    (void)std::signal(SIGINT, interrupt);
    (void)std::signal(SIGTERM, interrupt);
    try {
        stay_on_this_cpu();
        libbpf_set_print(nullptr);
        const nlohmann::json result = bench(options);
        if (!options.json.empty()) std::ofstream(options.json) << result.dump(2) << "\n";
    } catch (const std::exception& error) {
        fmt::print(stderr, "vipd-bench: {}\n", error.what());
        return 1;
    }
    return 0;
}
