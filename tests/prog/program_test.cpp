// SPDX-License-Identifier: Apache-2.0
#include "tests/prog/program_test.hpp"

#include <vipd/abi/verdict.h>

#include <bpf/bpf.h>
#include <sched.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <linux/bpf.h>
#include <sys/mount.h>

namespace vipd::testing {

namespace {

constexpr const char* kBpffs = "/sys/fs/bpf";

/// A bpf file system and interfaces of our own; empty if that worked, else why not.
const std::string& isolation() {
    static const std::string problem = []() -> std::string {
        if (::unshare(CLONE_NEWNS | CLONE_NEWNET) != 0)
            return std::string("needs root (namespaces): ") + std::strerror(errno);
        if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
            return std::string("private mounts: ") + std::strerror(errno);
        if (::mount("bpf", kBpffs, "bpf", 0, nullptr) != 0)
            return std::string("the kernel has no bpf file system: ") + std::strerror(errno);
        return {};
    }();
    return problem;
}

}  // namespace

std::string real_address(int n) {
    return "192.0.2." + std::to_string(10 + n);
}

std::string real_address6(int n) {
    return "2001:db8:2::" + std::to_string(10 + n);
}

MacAddress real_mac(int n) {
    return {0x02, 0xbb, 0, 0, static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)};
}

void ProgramTest::SetUp() {
    if (!isolation().empty()) GTEST_SKIP() << isolation();
    static std::atomic<int> number = 0;
    pin_dir = std::string(kBpffs) + "/vipd-test-" + std::to_string(::getpid()) + "-" +
              std::to_string(++number);
}

void ProgramTest::TearDown() {
    plane.reset();
    if (!pin_dir.empty()) {
        EXPECT_TRUE(dataplane::detach_all(pin_dir));
        EXPECT_FALSE(std::filesystem::exists(pin_dir)) << "something else was left there";
    }
}

Result<std::unique_ptr<dataplane::Dataplane>> ProgramTest::try_open(std::uint32_t flow_slots,
                                                                    bool fresh) {
    dataplane::Options options;
    options.pin_dir = pin_dir;
    options.flow_table_size = flow_slots;
    options.fresh = fresh;
    // The same flows share a set in each run: nine of them push one out.
    options.flow_seed = {0x9e3779b97f4a7c15, 0xd1b54a32d192ed03};
    options.libbpf_log = [this](dataplane::LibbpfLevel level, std::string_view text) {
        if (level == dataplane::LibbpfLevel::Warn) libbpf_messages.emplace_back(text);
    };
    return dataplane::open_bpf_dataplane(options);
}

void ProgramTest::open(std::uint32_t flow_slots, bool fresh) {
    auto opened = try_open(flow_slots, fresh);
    std::string log;
    for (const std::string& message : libbpf_messages) log += "\n" + message;
    ASSERT_TRUE(opened) << opened.error().message << log;
    plane = std::move(*opened);
}

model::Real ProgramTest::real(int n, std::uint16_t port) {
    model::Real real;
    real.endpoint = {ip(real_address(n)), port};
    real.last_weight = 1;
    return real;
}

model::Service ProgramTest::service(std::uint16_t port,
                                    int reals,
                                    model::Scheduler scheduler,
                                    Protocol protocol,
                                    model::Method method) {
    model::Service service;
    service.key = {{ip(kVip), port}, protocol};
    service.scheduler = scheduler;
    service.ring_size = 251;
    for (int n = 1; n <= reals; ++n) {
        service.reals.push_back(real(n, port));
        service.reals.back().method = method;
    }
    return service;
}

void ProgramTest::put(const model::Service& wanted) {
    const auto kind = plane->model().contains(wanted.key) ? model::Change::Kind::UpdateService
                                                          : model::Change::Kind::AddService;
    const auto applied = plane->apply({kind, wanted});
    ASSERT_TRUE(applied) << applied.error().message;
}

void ProgramTest::remove(const model::Service& unwanted) {
    const auto applied = plane->apply({model::Change::Kind::RemoveService, unwanted});
    ASSERT_TRUE(applied) << applied.error().message;
}

void ProgramTest::resolve(int n, int ifindex, std::uint32_t mtu, bool local) {
    dataplane::NextHop hop;
    hop.ifindex = ifindex;
    hop.destination = real_mac(n);
    hop.source = kRouterMac;
    hop.mtu = mtu;
    hop.local = local;
    set_hop(n, hop);
}

void ProgramTest::resolve_vlan(int n, std::uint16_t vlan) {
    dataplane::NextHop hop;
    hop.ifindex = 1;
    hop.destination = real_mac(n);
    hop.source = kRouterMac;
    hop.vlan = vlan;
    set_hop(n, hop);
}

void ProgramTest::set_hop(int n, dataplane::NextHop hop) {
    for (const bool v6 : {false, true}) {
        hop.tunnel_source = ip(v6 ? kDirector6 : kDirector);
        const auto set = plane->set_next_hop(ip(v6 ? real_address6(n) : real_address(n)), hop);
        ASSERT_TRUE(set) << set.error().message;
    }
}

Outcome ProgramTest::run(const Bytes& packet, std::size_t metadata) {
    const auto before = plane->verdicts();
    Bytes input(metadata);
    input.insert(input.end(), packet.begin(), packet.end());
    Outcome result;
    result.bytes.resize(input.size() + 256);
    xdp_md context{};
    context.data = static_cast<std::uint32_t>(metadata);
    context.data_end = static_cast<std::uint32_t>(input.size());
    LIBBPF_OPTS(bpf_test_run_opts, test);
    test.data_in = input.data();
    test.data_size_in = static_cast<std::uint32_t>(input.size());
    test.data_out = result.bytes.data();
    test.data_size_out = static_cast<std::uint32_t>(result.bytes.size());
    test.repeat = 1;
    if (metadata != 0) {
        test.ctx_in = &context;
        test.ctx_size_in = sizeof context;
    }
    const int error = ::bpf_prog_test_run_opts(dataplane::program_fd(*plane), &test);
    EXPECT_EQ(error, 0) << std::strerror(-error) << ", packet of " << packet.size() << " bytes";
    result.action = test.retval;
    result.bytes.resize(test.data_size_out);
    result.bytes.erase(result.bytes.begin(),
                       result.bytes.begin() + static_cast<std::ptrdiff_t>(metadata));

    const auto after = plane->verdicts();
    result.verdict = "none";
    for (std::size_t i = 0; i < after->size(); ++i) {
        const std::uint64_t more = (*after)[i].packets - (*before)[i].packets;
        if (more == 0) continue;
        result.verdict =
            more == 1 && result.verdict == "none" ? std::string((*after)[i].name) : "several";
        EXPECT_EQ((*after)[i].bytes - (*before)[i].bytes, packet.size()) << (*after)[i].name;
    }
    return result;
}

int ProgramTest::real_of(const Outcome& outcome) const {
    if (!outcome.verdict.starts_with("forwarded")) return 0;
    return outcome.bytes.at(4) << 8 | outcome.bytes.at(5);
}

std::uint64_t ProgramTest::count(const std::vector<dataplane::VerdictCount>& counts,
                                 std::string_view name) {
    for (const auto& count : counts) {
        if (count.name == name) return count.packets;
    }
    ADD_FAILURE() << "no counter " << name;
    return 0;
}

std::vector<dataplane::Flow> ProgramTest::flows() const {
    std::vector<dataplane::Flow> all;
    plane->for_each_flow([&](const dataplane::Flow& flow) {
        all.push_back(flow);
        return true;
    });
    return all;
}

std::optional<dataplane::Flow> ProgramTest::flow(std::uint16_t client_port) const {
    std::optional<dataplane::Flow> found;
    for (const auto& flow : flows()) {
        if (flow.client.port != client_port) continue;
        EXPECT_FALSE(found) << "port " << client_port << " stands in the table twice";
        found = flow;
    }
    return found;
}

std::optional<vipd_flow> ProgramTest::raw_flow(std::uint16_t client_port, std::uint32_t* slot) {
    const int map = dataplane::map_fd(*plane, "vipd_flows");
    for (std::uint32_t i = 0; i < plane->table_use().slots; ++i) {
        vipd_flow flow{};
        if (::bpf_map_lookup_elem(map, &i, &flow) != 0) break;
        if (flow.version == 0 || ntohs(flow.key.client_port) != client_port) continue;
        if (slot != nullptr) *slot = i;
        return flow;
    }
    return std::nullopt;
}

void ProgramTest::write_raw_flow(std::uint32_t slot, const vipd_flow& flow) {
    const int map = dataplane::map_fd(*plane, "vipd_flows");
    ASSERT_EQ(::bpf_map_update_elem(map, &slot, &flow, BPF_ANY), 0) << std::strerror(errno);
}

void ProgramTest::age(std::uint16_t client_port, Seconds time) {
    std::uint32_t slot = 0;
    auto flow = raw_flow(client_port, &slot);
    ASSERT_TRUE(flow);
    flow->last_seen -= static_cast<std::uint32_t>(Nanos(time).count() >> VIPD_TICK_SHIFT);
    write_raw_flow(slot, *flow);
}

std::vector<dataplane::Flow> ProgramTest::changes(std::uint64_t* lost) {
    std::vector<dataplane::Flow> seen;
    const std::uint64_t left_out =
        plane->take_changes([&](const dataplane::Flow& flow) { seen.push_back(flow); });
    if (lost != nullptr) *lost = left_out;
    return seen;
}

void ProgramTest::set_lease(std::uint64_t until_ns) {
    change_lease([&](vipd_lease& lease) { lease.until_ns = until_ns; });
}

void ProgramTest::change_lease(const std::function<void(vipd_lease&)>& change) {
    const std::uint32_t zero = 0;
    vipd_lease lease{};
    ASSERT_EQ(::bpf_map_lookup_elem(plane->lease_fd(), &zero, &lease), 0);
    change(lease);
    ASSERT_EQ(::bpf_map_update_elem(plane->lease_fd(), &zero, &lease, BPF_ANY), 0);
}

void ProgramTest::sweep_round(const std::function<void(const dataplane::Flow&)>& refresh) {
    plane->sweep(Seconds(0), refresh);
}

}  // namespace vipd::testing
