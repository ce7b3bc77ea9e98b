// SPDX-License-Identifier: Apache-2.0
// Packets in, packets out, byte for byte. A vector is a value; the same table is the correctness
// test, the sweep over all truncations and the proof that every verdict can be reached.
#include "tests/prog/program_test.hpp"

#include <vipd/abi/verdict.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sched.h>

#include <functional>
#include <linux/bpf.h>
#include <set>

namespace vipd::testing {

namespace {

enum class Expect : std::uint8_t { Same, Routed, Tunnelled, Answered };

struct Vector {
    std::string description;
    Bytes packet;
    std::string verdict;
    std::uint32_t action = XDP_PASS;
    Expect bytes = Expect::Same;
    int real = 1;
    std::size_t metadata = 0;
};

PacketSpec tcp(std::uint16_t port, std::uint8_t flags = kSyn) {
    PacketSpec spec;
    spec.to_port = port;
    spec.tcp_flags = flags;
    return spec;
}

PacketSpec udp(std::uint16_t port, std::string payload = "query") {
    PacketSpec spec;
    spec.protocol = Protocol::Udp;
    spec.to_port = port;
    spec.payload = std::move(payload);
    return spec;
}

PacketSpec with(PacketSpec spec, const std::function<void(PacketSpec&)>& change) {
    change(spec);
    return spec;
}

Bytes plain(std::uint16_t ether_type, std::size_t size) {
    Bytes frame = build(tcp(80));
    set16(frame, 12, ether_type);
    frame.resize(size);
    return frame;
}

/// The services that the vectors speak to; see VectorTest::SetUp.
constexpr std::uint16_t kDr = 80;
constexpr std::uint16_t kDrOtherInterface = 81;
constexpr std::uint16_t kTun = 82;
constexpr std::uint16_t kNoNeighbour = 83;
constexpr std::uint16_t kNoReal = 84;
constexpr std::uint16_t kLocal = 85;
constexpr std::uint16_t kDown = 86;
constexpr std::uint16_t kDns = 53;
constexpr std::uint16_t kDnsTun = 54;

std::vector<Vector> vectors() {
    const Bytes options{0x94, 0x04, 0x00, 0x00, 0x01, 0x01, 0x01, 0x00};
    std::vector<Vector> all;
    const auto add = [&](std::string description,
                         const Bytes& packet,
                         std::string verdict,
                         std::uint32_t action = XDP_PASS,
                         Expect bytes = Expect::Same,
                         int real = 1,
                         std::size_t metadata = 0) {
        all.push_back(
            {std::move(description), packet, std::move(verdict), action, bytes, real, metadata});
    };
    const auto dr = [&](std::string description, const PacketSpec& spec) {
        add(std::move(description), build(spec), "forwarded_dr", XDP_TX, Expect::Routed);
    };
    const auto tun = [&](std::string description, const PacketSpec& spec) {
        add(std::move(description), build(spec), "forwarded_tun", XDP_TX, Expect::Tunnelled, 2);
    };
    const auto change = [](void (*f)(PacketSpec&), PacketSpec spec = tcp(kDr)) {
        return with(std::move(spec), f);
    };

    dr("SYN to a DR service", tcp(kDr));
    dr("data", change([](PacketSpec& p) { p.tcp_flags = kAck | kPsh, p.payload = "GET / "; }));
    dr("FIN", tcp(kDr, kFin | kAck));
    dr("RST", tcp(kDr, kRst));
    dr("a segment without a flag", tcp(kDr, 0));
    dr("SYN with TCP options", change([](PacketSpec& p) { p.tcp_options = {2, 4, 5, 180}; }));
    dr("SYN with data", change([](PacketSpec& p) { p.payload = "early"; }));
    dr("IPv4 options", with(tcp(kDr), [&](PacketSpec& p) { p.ip_options = options; }));
    dr("the most IPv4 options", change([](PacketSpec& p) { p.ip_options = Bytes(40, 1); }));
    dr("a short frame with padding", change([](PacketSpec& p) { p.padding = 6; }));
    dr("TTL 2, the last that goes on", change([](PacketSpec& p) { p.ttl = 2; }));
    dr("TTL 255", change([](PacketSpec& p) { p.ttl = 255; }));
    dr("TOS and no DF", change([](PacketSpec& p) { p.tos = 0xb9, p.fragment = 0; }));
    dr("UDP", udp(kDns));
    dr("UDP without data", udp(kDns, ""));
    dr("UDP shorter than IP says", change([](PacketSpec& p) { p.udp_length = 9; }, udp(kDns)));
    dr("exactly the MTU",
       change([](PacketSpec& p) { p.tcp_flags = kAck, p.payload.assign(1460, 'x'); }));
    add("out of another interface",
        build(tcp(kDrOtherInterface)),
        "forwarded_dr",
        XDP_REDIRECT,
        Expect::Routed,
        3);

    tun("SYN to a TUN service", tcp(kTun));
    tun("TOS and DF go to the outer header",
        change([](PacketSpec& p) { p.tos = 0x2e; }, tcp(kTun)));
    tun("without DF", change([](PacketSpec& p) { p.fragment = 0; }, tcp(kTun)));
    tun("IPv4 options stay inside",
        with(tcp(kTun), [&](PacketSpec& p) { p.ip_options = options; }));
    tun("padding stays behind", change([](PacketSpec& p) { p.padding = 6; }, tcp(kTun)));
    tun("UDP", udp(kDnsTun));
    tun("exactly the MTU with the outer header",
        change([](PacketSpec& p) { p.tcp_flags = kAck, p.payload.assign(1440, 'x'); }, tcp(kTun)));

    add("for no service: other port", build(tcp(8080)), "pass_no_service");
    add("for no service: other protocol", build(udp(kDr)), "pass_no_service");
    add("for no service: other address",
        build(change([](PacketSpec& p) { p.to = "10.0.0.101"; })),
        "pass_no_service");
    add("for no service: from the VIP",
        build(change([](PacketSpec& p) { p.from = "10.0.0.100", p.to = "198.51.100.7"; })),
        "pass_no_service");
    add("LLDP", plain(0x88cc, 60), "pass_not_ip");
    add("IPv6", plain(0x86dd, 74), "pass_ipv6");
    add("VLAN", build(change([](PacketSpec& p) { p.vlan = std::uint16_t{5}; })), "pass_vlan");
    add("QinQ", plain(0x88a8, 60), "pass_vlan");
    add("ICMP echo to the VIP",
        build(change([](PacketSpec& p) { p.ip_protocol = std::uint8_t{1}; })),
        "pass_icmp");
    add("VRRP",
        build(change([](PacketSpec& p) { p.ip_protocol = std::uint8_t{112}; })),
        "pass_protocol");
    add("IPIP",
        build(change([](PacketSpec& p) { p.ip_protocol = std::uint8_t{4}; })),
        "pass_protocol");
    add("first fragment",
        build(change([](PacketSpec& p) { p.fragment = kMoreFragments; })),
        "pass_fragment");
    add("later fragment", build(change([](PacketSpec& p) { p.fragment = 185; })), "pass_fragment");
    add("header of four words",
        build(change([](PacketSpec& p) { p.ip_header_words = std::uint8_t{4}; })),
        "pass_malformed");
    add("header longer than the packet",
        build(change([](PacketSpec& p) { p.ip_header_words = std::uint8_t{15}; })),
        "pass_malformed");
    add("version 6 under IPv4's EtherType",
        build(change([](PacketSpec& p) { p.ip_version = std::uint8_t{6}; })),
        "pass_malformed");
    add("total length beyond the frame",
        build(change([](PacketSpec& p) { p.ip_total_length = std::uint16_t{41}; })),
        "pass_malformed");
    add("total length within the header",
        build(change([](PacketSpec& p) { p.ip_total_length = std::uint16_t{19}; })),
        "pass_malformed");
    add("total length without ports",
        build(change([](PacketSpec& p) { p.ip_total_length = std::uint16_t{23}; })),
        "pass_malformed");
    add("Ethernet alone", plain(0x0800, 14), "pass_malformed");

    add("TCP header cut by the total length",
        build(change([](PacketSpec& p) { p.l4_size = 19; })),
        "drop_malformed",
        XDP_DROP);
    add("TCP header of four words",
        build(change([](PacketSpec& p) { p.tcp_header_words = std::uint8_t{4}; })),
        "drop_malformed",
        XDP_DROP);
    add("TCP options beyond the packet",
        build(change([](PacketSpec& p) { p.tcp_header_words = std::uint8_t{6}; })),
        "drop_malformed",
        XDP_DROP);
    add("UDP length below its header",
        build(change([](PacketSpec& p) { p.udp_length = std::uint16_t{7}; }, udp(kDns))),
        "drop_malformed",
        XDP_DROP);
    add("UDP length beyond the packet",
        build(change([](PacketSpec& p) { p.udp_length = std::uint16_t{14}; }, udp(kDns))),
        "drop_malformed",
        XDP_DROP);
    add("TTL 1", build(change([](PacketSpec& p) { p.ttl = 1; })), "drop_ttl", XDP_DROP);
    add("TTL 0", build(change([](PacketSpec& p) { p.ttl = 0; })), "drop_ttl", XDP_DROP);
    add("real not resolved", build(tcp(kNoNeighbour)), "drop_neighbour", XDP_DROP);
    add("no real alive", build(tcp(kNoReal)), "drop_no_real", XDP_DROP);
    add("real is this host", build(tcp(kLocal)), "pass_local");
    add("connection of a real that has failed",
        build(tcp(kDown, kAck)),
        "drop_real_down",
        XDP_DROP);
    // Too long for the way. `real` is not looked at, the length that fits depends on the method.
    const auto full = [&](std::uint16_t port, std::size_t payload) {
        return with(tcp(port, kAck), [&](PacketSpec& p) { p.payload.assign(payload, 'x'); });
    };
    const auto answered = [&](std::string description, const PacketSpec& spec) {
        add(std::move(description),
            build(spec),
            "answered_too_big",
            XDP_TX,
            Expect::Answered,
            spec.to_port == kTun || spec.to_port == kDnsTun ? 2 : 1);
    };
    const auto lost = [&](std::string description, const PacketSpec& spec) {
        add(std::move(description), build(spec), "drop_too_big", XDP_DROP);
    };
    answered("DR one byte over the MTU", full(kDr, 1461));
    answered("TUN one byte over the MTU", full(kTun, 1441));
    answered("TUN, a full segment of the client's", full(kTun, 1460));
    answered("far too long", full(kTun, 3000));
    answered("too long with IPv4 options",
             with(full(kTun, 1441), [&](PacketSpec& p) { p.ip_options = options; }));
    answered("too long with the most IPv4 options",
             change([](PacketSpec& p) { p.ip_options = Bytes(40, 1); }, full(kTun, 1441)));
    answered("too long with TTL 2", change([](PacketSpec& p) { p.ttl = 2; }, full(kDr, 1461)));
    answered("too long with TCP options, TOS and padding",
             change([](PacketSpec& p) { p.tcp_options = Bytes(12, 1), p.tos = 8, p.padding = 5; },
                    full(kTun, 1460)));
    answered("too long a datagram", udp(kDnsTun, std::string(1453, 'x')));
    lost("too long without DF", change([](PacketSpec& p) { p.fragment = 0; }, full(kTun, 1460)));
    lost("too long from nobody",
         change([](PacketSpec& p) { p.from = "0.0.0.0"; }, full(kDr, 1461)));
    lost("too long from loopback",
         change([](PacketSpec& p) { p.from = "127.0.0.1"; }, full(kDr, 1461)));
    lost("too long from a group",
         change([](PacketSpec& p) { p.from = "224.0.0.9"; }, full(kDr, 1461)));
    lost("too long to a group's MAC",
         change([](PacketSpec& p) { p.to_mac[0] |= 1; }, full(kDr, 1461)));
    add("no headroom for the answer",
        build(full(kTun, 1441)),
        "drop_too_big",
        XDP_DROP,
        Expect::Same,
        0,
        200);
    add("no headroom for the outer header",
        build(tcp(kTun)),
        "drop_no_room",
        XDP_DROP,
        Expect::Routed,
        0,
        200);

    // The lease has run out; 10.0.0.100 is claimed.
    add("ARP request for a claimed VIP", build(ArpSpec{}), "drop_arp_no_lease", XDP_DROP);
    add("ARP probe for a claimed VIP",
        build(ArpSpec{.sender = "0.0.0.0"}),
        "drop_arp_no_lease",
        XDP_DROP);
    add("ARP request for another address", build(ArpSpec{.target = "10.0.0.4"}), "pass_arp");
    add("ARP reply of the VIP",
        build(ArpSpec{.operation = 2, .sender = "10.0.0.100", .target = "10.0.0.4"}),
        "pass_arp");
    add("ARP reply to the VIP", build(ArpSpec{.operation = 2}), "pass_arp");
    add("ARP of another hardware type", build(ArpSpec{.hardware = 6}), "pass_arp");
    return all;
}

}  // namespace

class VectorTest : public ProgramTest {
  protected:
    void SetUp() override {
        ProgramTest::SetUp();
        if (IsSkipped()) return;
        ASSERT_NO_FATAL_FAILURE(open());
        const auto one = [&](std::uint16_t port,
                             int number,
                             Protocol protocol = Protocol::Tcp,
                             model::Method method = model::Method::DirectRouting) {
            model::Service wanted = service(port, 0, model::Scheduler::Maglev, protocol, method);
            wanted.reals = {real(number, port)};
            wanted.reals[0].method = method;
            return wanted;
        };
        put(one(kDr, 1));
        put(one(kDrOtherInterface, 3));
        put(one(kTun, 2, Protocol::Tcp, model::Method::Tunnel));
        put(one(kNoNeighbour, 4));
        model::Service none = one(kNoReal, 1);
        none.reals[0].alive = false;
        put(none);
        put(one(kLocal, 5));
        put(one(kDns, 1, Protocol::Udp));
        put(one(kDnsTun, 2, Protocol::Udp, model::Method::Tunnel));
        resolve(1);
        resolve(2);
        resolve(3, 7);
        resolve(5, 1, 1500, true);
        const std::vector<IpAddress> claims{ip("10.0.0.100")};
        ASSERT_TRUE(plane->set_claims(claims));

        model::Service down = one(kDown, 1);
        put(down);
        EXPECT_EQ(run(tcp(kDown)).verdict, "forwarded_dr");
        down.reals[0].alive = false;
        put(down);
    }

    static Bytes expected(const Vector& vector) {
        if (vector.bytes == Expect::Same) return vector.packet;
        if (vector.bytes == Expect::Answered)
            return too_big_answer(vector.packet, vector.real == 2 ? 1480 : 1500);
        const Bytes frame = routed(vector.packet,
                                   vector.real != 0 ? real_mac(vector.real) : PacketSpec().to_mac,
                                   vector.real != 0 ? kRouterMac : PacketSpec().from_mac);
        if (vector.bytes == Expect::Routed) return frame;
        return tunnelled(frame, "10.0.0.1", real_address(vector.real));
    }
};

TEST_F(VectorTest, EveryPacketGetsItsVerdictAndItsBytes) {
    for (const Vector& vector : vectors()) {
        SCOPED_TRACE(vector.description);
        const Outcome result = run(vector.packet, vector.metadata);
        EXPECT_EQ(result.verdict, vector.verdict);
        EXPECT_EQ(result.action, vector.action);
        EXPECT_EQ(difference(expected(vector), result.bytes), "");
    }
}

TEST_F(VectorTest, EveryVerdictIsReached) {
    std::set<std::string> reached;
    for (const Vector& vector : vectors())
        reached.insert(run(vector.packet, vector.metadata).verdict);
    ASSERT_TRUE(plane->set_interface_mac(1, kRouterMac));
    reached.insert(run(tcp(kDr)).verdict);
    ASSERT_TRUE(plane->set_interface_mac(1, PacketSpec().to_mac));
    ASSERT_TRUE(plane->set_forwarding_end(TimePoint(Nanos(1))));
    reached.insert(run(tcp(kDr)).verdict);
    ASSERT_TRUE(plane->set_forwarding_end(std::nullopt));
    change_lease([](vipd_lease& lease) { lease.settle_until_ns = ~std::uint64_t{0}; });
    PacketSpec midway;
    midway.from_port = 9;
    midway.tcp_flags = kAck;
    reached.insert(run(midway).verdict);
    const auto verdicts = plane->verdicts();
    for (const auto& verdict : *verdicts)
        EXPECT_TRUE(reached.contains(std::string(verdict.name))) << verdict.name;
}

TEST_F(VectorTest, AFrameToAnotherStationIsLeftAlone) {
    ASSERT_TRUE(plane->set_interface_mac(1, PacketSpec().to_mac));
    EXPECT_EQ(run(tcp(kDr)).verdict, "forwarded_dr");
    auto mac = PacketSpec().to_mac;
    mac[5] ^= 1;
    ASSERT_TRUE(plane->set_interface_mac(1, mac));
    const Outcome flooded = run(tcp(kDr));
    EXPECT_EQ(flooded.verdict, "pass_other_station");
    EXPECT_EQ(difference(build(tcp(kDr)), flooded.bytes), "");
    // Interfaces whose places in the map collide are told apart.
    ASSERT_TRUE(plane->set_interface_mac(257, PacketSpec().to_mac));
    ASSERT_TRUE(plane->set_interface_mac(1, PacketSpec().to_mac));
    EXPECT_EQ(run(tcp(kDr)).verdict, "forwarded_dr");
}

// Nobody makes this host send ICMP as fast as it can be asked.
TEST_F(VectorTest, AnswersAreLimitedForEachCpu) {
    cpu_set_t before{};
    cpu_set_t one{};
    ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
    CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    const Bytes frame =
        build(with(tcp(kTun, kAck), [](PacketSpec& p) { p.payload.assign(1460, 'x'); }));
    const int map = dataplane::map_fd(*plane, "vipd_answers");
    const std::uint32_t zero = 0;
    std::vector<vipd_answers> state(static_cast<std::size_t>(::libbpf_num_possible_cpus()));
    const auto windows = [&] {
        std::set<std::uint32_t> seen;
        EXPECT_EQ(::bpf_map_lookup_elem(map, &zero, state.data()), 0);
        for (const auto& cpu : state)
            if (cpu.count != 0) seen.insert(cpu.window);
        return seen;
    };
    std::set<std::uint32_t> seen;
    std::uint64_t sent = 0;
    while (verdict_count("drop_too_big") == 0 && sent < 20 * VIPD_ANSWERS) {
        for (int i = 0; i < 100; ++i, ++sent) {
            LIBBPF_OPTS(bpf_test_run_opts, test);
            test.data_in = frame.data();
            test.data_size_in = static_cast<std::uint32_t>(frame.size());
            ASSERT_EQ(::bpf_prog_test_run_opts(dataplane::program_fd(*plane), &test), 0);
        }
        seen.merge(windows());
    }
    EXPECT_GE(verdict_count("answered_too_big"), std::uint64_t{VIPD_ANSWERS});
    EXPECT_LE(verdict_count("answered_too_big"), seen.size() * VIPD_ANSWERS);
    EXPECT_GT(verdict_count("drop_too_big"), 0U);
    EXPECT_EQ(verdict_count("answered_too_big") + verdict_count("drop_too_big"), sent);
    // In another window there are answers again.
    for (auto& cpu : state) --cpu.window;
    ASSERT_EQ(::bpf_map_update_elem(map, &zero, state.data(), BPF_ANY), 0);
    EXPECT_EQ(run(frame).verdict, "answered_too_big");
    ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0);
}

TEST_F(VectorTest, EveryPrefixOfEveryPacketIsSafe) {
    for (const Vector& vector : vectors()) {
        SCOPED_TRACE(vector.description);
        for (std::size_t size = kEthernetSize; size < vector.packet.size();
             size += size < 120 ? 1 : 97) {
            const Bytes prefix(vector.packet.begin(),
                               vector.packet.begin() + static_cast<std::ptrdiff_t>(size));
            const Outcome result = run(prefix);
            ASSERT_NE(result.action, static_cast<std::uint32_t>(XDP_ABORTED)) << size;
            ASSERT_NE(result.verdict, "none") << size;
            ASSERT_NE(result.verdict, "several") << size;
            // Only padding is gone.
            if (result.verdict.starts_with("forwarded") || result.verdict == "answered_too_big")
                continue;
            ASSERT_EQ(difference(prefix, result.bytes), "") << size;
        }
    }
}

TEST_F(VectorTest, TtlAndChecksumAgreeForEveryHeader) {
    // One less hop is one more in the checksum's first byte: the values at which that carries over.
    std::set<unsigned> wanted{0xfeff, 0xfefe, 0xff00, 0xfdff, 0x00ff, 0x0000};
    for (unsigned id = 0; id < 0x10000; ++id) {
        PacketSpec spec = tcp(kDr);
        spec.id = static_cast<std::uint16_t>(id);
        const Bytes packet = build(spec);
        const unsigned sum = static_cast<unsigned>(packet[24] << 8 | packet[25]);
        if (wanted.erase(sum) == 0) continue;
        ASSERT_EQ(difference(routed(packet, real_mac(1), kRouterMac), run(packet).bytes), "")
            << sum;
    }
    EXPECT_TRUE(wanted.empty());
    for (unsigned id = 0; id < 0x10000; id += 31) {
        const PacketSpec spec = with(tcp(kDr), [&](PacketSpec& p) {
            p.id = static_cast<std::uint16_t>(id);
            p.ttl = static_cast<std::uint8_t>(2 + id % 254);
        });
        const Bytes packet = build(spec);
        ASSERT_EQ(difference(routed(packet, real_mac(1), kRouterMac), run(packet).bytes), "") << id;
    }
}

TEST_F(VectorTest, CountsPacketsBytesAndConnections) {
    const auto key = service(kDr, 0).key;
    const Endpoint first = real(1, kDr).endpoint;
    run(tcp(kDr));
    run(with(tcp(kDr, kAck), [](PacketSpec& p) { p.payload = "1234567890", p.padding = 6; }));
    run(with(tcp(kDr), [](PacketSpec& p) { p.from_port = 40001; }));
    run(with(tcp(kDr), [](PacketSpec& p) { p.ttl = 1; }));
    for (const auto& counters : {plane->counters(key), plane->counters(key, first)}) {
        ASSERT_TRUE(counters);
        EXPECT_EQ(counters->packets, 3U);
        EXPECT_EQ(counters->bytes, 40U + 50U + 40U) << "of the IP packets";
        EXPECT_EQ(counters->connections, 2U);
    }
    EXPECT_FALSE(plane->counters(key, real(9, kDr).endpoint));
    EXPECT_FALSE(plane->counters(service(999, 0).key));
}

TEST_F(VectorTest, LeaseDecidesWhetherArpRequestsArePassed) {
    const auto verdict = [&] { return run(build(ArpSpec{})).verdict; };
    EXPECT_EQ(verdict(), "drop_arp_no_lease");
    const auto now = static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
    set_lease(now + 3'600'000'000'000U);
    EXPECT_EQ(verdict(), "pass_arp");
    set_lease(now - 1);
    EXPECT_EQ(verdict(), "drop_arp_no_lease");
    set_lease(UINT64_MAX);
    EXPECT_EQ(verdict(), "pass_arp");
    set_lease(0);
    const std::vector<IpAddress> others{ip("10.0.0.200")};
    ASSERT_TRUE(plane->set_claims(others));
    EXPECT_EQ(verdict(), "pass_arp") << "no longer claimed";
    EXPECT_EQ(run(build(ArpSpec{.target = "10.0.0.200"})).verdict, "drop_arp_no_lease");
}

TEST_F(VectorTest, StoppedVipdPassesItsServicesOnceItsTimeIsOver) {
    ASSERT_TRUE(plane->set_forwarding_end(Clock::now() + std::chrono::hours(1)));
    EXPECT_EQ(run(tcp(kDr)).verdict, "forwarded_dr");
    ASSERT_TRUE(plane->set_forwarding_end(Clock::now() - Seconds(1)));
    const Outcome over = run(tcp(kDr));
    EXPECT_EQ(over.verdict, "pass_stopped");
    EXPECT_EQ(over.action, static_cast<std::uint32_t>(XDP_PASS));
    EXPECT_EQ(difference(build(tcp(kDr)), over.bytes), "");
    EXPECT_EQ(run(tcp(8080)).verdict, "pass_no_service");
    ASSERT_TRUE(plane->set_forwarding_end(std::nullopt));
    EXPECT_EQ(run(tcp(kDr)).verdict, "forwarded_dr");
}

TEST(Verdicts, NamesAreUniqueAndSpeakOfWhatTheyDo) {
    std::set<std::string> names;
    const auto check = [&](std::string name, std::string doc) {
        EXPECT_TRUE(names.insert(name).second) << name;
        EXPECT_FALSE(doc.empty()) << name;
    };
#define VIPD_CHECK(upper, lower, doc) check(#lower, doc);
    VIPD_VERDICTS(VIPD_CHECK)
    VIPD_NOTES(VIPD_CHECK)
#undef VIPD_CHECK
    EXPECT_EQ(names.size(), std::size_t{VIPD_VERDICT_COUNT} + VIPD_NOTE_COUNT);
}

}  // namespace vipd::testing
