// SPDX-License-Identifier: Apache-2.0
// Packets in, packets out, byte for byte. A vector is a value; the same table is the correctness
// test, the sweep over all truncations and the proof that every verdict can be reached.
#include "tests/prog/vectors.hpp"

#include <vipd/abi/verdict.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sched.h>

#include <cstdlib>
#include <linux/bpf.h>
#include <net/if.h>
#include <random>
#include <set>
#include <span>
#include <tuple>

namespace vipd::testing {

class VectorTest : public ProgramTest {
  protected:
    void SetUp() override {
        ProgramTest::SetUp();
        if (IsSkipped()) return;
        ASSERT_NO_FATAL_FAILURE(open());
        for (const bool v6 : {false, true}) put_services(v6);
        resolve(1);
        resolve(2);
        resolve(3, 7);
        resolve(5, 1, 1500, true);
        resolve_vlan(6, kVlan);
        resolve_vlan(7, kTunnelVlan);
        resolve(8);
        resolve_vlan(9, kVlan);
        ASSERT_NO_FATAL_FAILURE(make_clients_link());
        const std::vector<dataplane::Claim> claims{{ip(kVip), 51, Family::V4},
                                                   {ip(kVip6), 51, Family::V6}};
        ASSERT_TRUE(plane->set_claims(claims));

        for (const bool v6 : {false, true}) {
            const auto of = [&](const PacketSpec& spec) { return v6 ? testing::v6(spec) : spec; };
            model::Service down = one(kDown, 1, v6);
            put(down);
            EXPECT_EQ(run(of(tcp(kDown))).verdict, "forwarded_dr");
            down.reals[0].alive = false;
            put(down);
            for (PacketSpec spec : {tcp(kDr),
                                    tcp(kTun),
                                    tcp(kLocal),
                                    tcp(kNat),
                                    tcp(kNatVlan),
                                    udp(kDns),
                                    udp(kDnsNat)}) {
                spec.from_port = kKnownClient;
                EXPECT_NE(run(of(spec)).action, static_cast<std::uint32_t>(XDP_DROP));
            }
            for (const char* from :
                 {v6 ? kUnresolved6 : kUnresolved, v6 ? kUnrouted6 : kUnrouted}) {
                PacketSpec spec = of(tcp(kNat));
                spec.from = from;
                spec.from_port = kKnownClient;
                EXPECT_EQ(run(spec).verdict, "forwarded_nat");
            }
        }
    }

    /// Where replies go: a link with one neighbour of each family.
    static void make_clients_link() {
        if (::if_nametoindex("clients") != 0) return;
        for (const char* command :
             {"ip link add clients address 02:cc:00:00:00:01 type veth peer name far",
              "ip link set far up",
              "ip link set clients up",
              "ip link set lo up",
              "ip addr add 198.51.100.1/24 dev clients",
              "ip addr add 2001:db8:aa::1/64 dev clients nodad",
              "ip neigh add 198.51.100.7 lladdr 02:cc:00:00:00:07 dev clients",
              "ip neigh add 2001:db8:aa::7 lladdr 02:cc:00:00:00:07 dev clients",
              "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"})
            ASSERT_EQ(std::system(command), 0) << command;
    }

    static model::Service one(std::uint16_t port,
                              int number,
                              bool v6,
                              Protocol protocol = Protocol::Tcp,
                              model::Method method = model::Method::DirectRouting,
                              bool other_family = false) {
        model::Service wanted = service(port, 0, model::Scheduler::Maglev, protocol, method);
        if (v6) wanted.key.endpoint.address = ip(kVip6);
        wanted.reals = {real(number, port)};
        if (v6 != other_family) wanted.reals[0].endpoint.address = ip(real_address6(number));
        wanted.reals[0].method = method;
        return wanted;
    }

    void put_services(bool v6) {
        const auto tunnel = model::Method::Tunnel;
        put(one(kDr, 1, v6));
        put(one(kDrOtherInterface, 3, v6));
        put(one(kTun, 2, v6, Protocol::Tcp, tunnel));
        put(one(kTunMixed, 2, v6, Protocol::Tcp, tunnel, true));
        put(one(kNoNeighbour, 4, v6));
        model::Service none = one(kNoReal, 1, v6);
        none.reals[0].alive = false;
        put(none);
        put(one(kLocal, 5, v6));
        put(one(kDrVlan, 6, v6));
        put(one(kTunVlan, 7, v6, Protocol::Tcp, tunnel));
        for (const auto& [port, number, real_port, protocol] :
             {std::tuple(kNat, 8, kNatPort, Protocol::Tcp),
              std::tuple(kNatVlan, 9, kNatVlan, Protocol::Tcp),
              std::tuple(kDnsNat, 8, kNatDnsPort, Protocol::Udp)}) {
            model::Service nat = one(port, number, v6, protocol, model::Method::Nat);
            nat.reals[0].endpoint.port = real_port;
            put(nat);
        }
        put(one(kDns, 1, v6, Protocol::Udp));
        put(one(kDnsTun, 2, v6, Protocol::Udp, tunnel));
    }
};

TEST_F(VectorTest, EveryPacketGetsItsVerdictAndItsBytes) {
    for (const Vector& vector : vectors()) {
        SCOPED_TRACE(vector.description);
        const Outcome result = run(vector.packet, vector.metadata);
        EXPECT_EQ(result.verdict, vector.verdict);
        EXPECT_EQ(result.action, vector.action);
        EXPECT_EQ(difference(vector.expected, result.bytes), "");
    }
}

TEST_F(VectorTest, EveryVerdictIsReached) {
    std::set<std::string> reached;
    for (const Vector& vector : vectors())
        reached.insert(run(vector.packet, vector.metadata).verdict);
    std::string nat;
    for (std::uint16_t port = 1; port < 20000 && nat != "drop_table_full"; ++port)
        for (const std::uint8_t flags : {kSyn, kAck})
            nat = run(with(tcp(kNat, flags), [&](PacketSpec& p) { p.from_port = port; })).verdict;
    reached.insert(nat);
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
    const std::vector<dataplane::Claim> refused{{ip(kVip), 51, Family::V4, true}};
    ASSERT_TRUE(plane->set_claims(refused));
    change_lease([](vipd_lease& lease) {
        lease.masters[vipd_router_word(51, VIPD_FAMILY_V4)] = VIPD_ROUTER_BIT(51);
    });
    reached.insert(run(tcp(8080)).verdict);
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
    while (verdict_count("drop_too_big") == 0 && sent < std::uint64_t{20} * VIPD_ANSWERS) {
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
            if (result.verdict.starts_with("forwarded") || result.verdict.starts_with("answered"))
                continue;
            ASSERT_EQ(difference(prefix, result.bytes), "") << size;
        }
    }
}

// A million frames made from the vectors by changing, cutting and joining them: none is aborted,
// and each has one verdict.
TEST_F(VectorTest, RandomFramesAreSafe) {
    constexpr std::uint64_t kFrames = 1'000'000;
    const auto table = vectors();
    std::mt19937 random(20261125);  // NOLINT: the same frames in each run
    const auto below = [&](std::size_t limit) { return random() % limit; };
    const auto counted = [&] {
        std::uint64_t sum = 0;
        const auto verdicts = plane->verdicts();
        for (const auto& verdict : *verdicts) sum += verdict.packets;
        return sum;
    };
    const std::uint64_t before = counted();
    for (std::uint64_t n = 0; n < kFrames; ++n) {
        Bytes frame = table[below(table.size())].packet;
        for (std::size_t changes = below(8); changes > 0; --changes)
            frame[below(std::min<std::size_t>(frame.size(), 120))] =
                static_cast<std::uint8_t>(random());
        if (below(8) == 0) frame.resize(kEthernetSize + below(frame.size() - 13));
        if (below(8) == 0) {
            const Bytes& other = table[below(table.size())].packet;
            const std::size_t from = below(other.size());
            frame.resize(kEthernetSize + below(frame.size() - 13));
            testing::put(frame, std::span(other).subspan(from));
            frame.resize(std::min<std::size_t>(frame.size(), 2000));
        }
        LIBBPF_OPTS(bpf_test_run_opts, test);
        test.data_in = frame.data();
        test.data_size_in = static_cast<std::uint32_t>(frame.size());
        ASSERT_EQ(::bpf_prog_test_run_opts(dataplane::program_fd(*plane), &test), 0) << n;
        ASSERT_NE(test.retval, static_cast<std::uint32_t>(XDP_ABORTED))
            << n << ": " << difference({}, frame);
    }
    EXPECT_EQ(counted() - before, kFrames);
}

TEST_F(VectorTest, TtlAndChecksumAgreeForEveryHeader) {
    // One less hop is one more in the checksum's first byte: the values at which that carries over.
    std::set<unsigned> wanted{0xfeff, 0xfefe, 0xff00, 0xfdff, 0x00ff, 0x0000};
    for (unsigned id = 0; id < 0x10000; ++id) {
        PacketSpec spec = tcp(kDr);
        spec.id = static_cast<std::uint16_t>(id);
        const Bytes packet = build(spec);
        const auto sum = static_cast<unsigned>(packet[24] << 8 | packet[25]);
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
    constexpr std::uint16_t kCounted = 99;
    put(one(kCounted, 1, false));
    const auto key = service(kCounted, 0).key;
    const Endpoint first = real(1, kCounted).endpoint;
    run(tcp(kCounted));
    run(with(tcp(kCounted, kAck), [](PacketSpec& p) { p.payload = "1234567890", p.padding = 6; }));
    run(with(tcp(kCounted), [](PacketSpec& p) { p.from_port = 40001; }));
    run(with(tcp(kCounted), [](PacketSpec& p) { p.ttl = 1; }));
    for (const auto& counters : {plane->counters(key), plane->counters(key, first)}) {
        ASSERT_TRUE(counters);
        EXPECT_EQ(counters->packets, 3U);
        EXPECT_EQ(counters->bytes, 40U + 50U + 40U) << "of the IP packets";
        EXPECT_EQ(counters->connections, 2U);
        EXPECT_EQ(counters->reply_packets, 0U);
    }
    EXPECT_FALSE(plane->counters(key, real(9, kCounted).endpoint));
    EXPECT_FALSE(plane->counters(service(999, 0).key));
}

static PacketSpec nat_reply(std::uint8_t flags) {
    PacketSpec reply = tcp(kKnownClient, flags);
    reply.from = real_address(8);
    reply.from_port = kNatPort;
    reply.to = PacketSpec().from;
    return reply;
}

TEST_F(VectorTest, CountsRepliesOfNat) {
    run(nat_reply(kSyn | kAck));
    run(with(nat_reply(kAck), [](PacketSpec& p) { p.payload = "1234567890"; }));
    const auto key = service(kNat, 0).key;
    for (const auto& counters :
         {plane->counters(key), plane->counters(key, {ip(real_address(8)), kNatPort})}) {
        ASSERT_TRUE(counters);
        EXPECT_EQ(counters->reply_packets, 2U);
        EXPECT_EQ(counters->reply_bytes, 40U + 50U);
    }
}

TEST_F(VectorTest, NatFollowsTheStateFromBothSides) {
    const auto state = [&] {
        for (const auto& flow : flows())
            if (flow.vip == service(kNat, 0).key.endpoint && flow.client.port == kKnownClient &&
                flow.client.address == ip(PacketSpec().from))
                return flow.state;
        return dataplane::FlowState::None;
    };
    const auto client = [&](std::uint8_t flags) {
        EXPECT_EQ(
            run(with(tcp(kNat, flags), [](PacketSpec& p) { p.from_port = kKnownClient; })).verdict,
            "forwarded_nat");
    };
    const auto server = [&](std::uint8_t flags) {
        EXPECT_EQ(run(nat_reply(flags)).verdict, "forwarded_reply");
    };
    using dataplane::FlowState;
    EXPECT_EQ(state(), FlowState::SynRecv);
    server(kSyn | kAck);
    EXPECT_EQ(state(), FlowState::SynRecv);
    client(kAck);
    EXPECT_EQ(state(), FlowState::Established);
    client(kFin | kAck);
    EXPECT_EQ(state(), FlowState::CloseWait);
    server(kFin | kAck);
    EXPECT_EQ(state(), FlowState::TimeWait);
    client(kSyn);
    EXPECT_EQ(state(), FlowState::SynRecv) << "begins anew";
    server(kRst);
    EXPECT_EQ(state(), FlowState::Close);
    // The service removed: what its real servers still send goes on, as IPVS has it.
    const auto nat = plane->model().at(service(kNat, 0).key);
    remove(nat);
    EXPECT_EQ(run(nat_reply(kAck)).verdict, "forwarded_reply");
}

// Whoever is asked for gets asked for: by the kernel, not by packets to the stack.
TEST_F(VectorTest, AsksForANeighbourThatARepliesGoesTo) {
    std::vector<std::pair<int, std::string>> asked;
    plane->on_neighbour_wanted([&](int ifindex, const IpAddress& address) {
        asked.emplace_back(ifindex, address.to_string());
    });
    run(with(nat_reply(kAck), [](PacketSpec& p) { p.to = kUnresolved; }));
    changes();
    const auto clients = static_cast<int>(::if_nametoindex("clients"));
    EXPECT_EQ(asked, (std::vector<std::pair<int, std::string>>{{clients, kUnresolved}}));
}

// Incremental checksums against ones from scratch, through all carries.
TEST_F(VectorTest, NatChecksumsAgreeForEveryPacket) {
    for (unsigned i = 0; i < 0x10000; i += 61) {
        const auto change = [&](PacketSpec& p) {
            p.from_port = kKnownClient;
            p.id = static_cast<std::uint16_t>(i * 7);
            p.payload.assign(2 + i % 5, static_cast<char>(i));
            p.payload[0] = static_cast<char>(i >> 8);
            p.payload[1] = static_cast<char>(i);
        };
        for (const PacketSpec& spec : {tcp(kNat, kAck), udp(kDnsNat)}) {
            const bool datagram = spec.protocol == Protocol::Udp;
            for (const bool six : {false, true}) {
                const PacketSpec in = with(six ? v6(spec) : spec, change);
                PacketSpec out = in;
                out.to = six ? real_address6(8) : real_address(8);
                out.to_port = datagram ? kNatDnsPort : kNatPort;
                out.to_mac = real_mac(8);
                out.from_mac = kRouterMac;
                --out.ttl;
                ASSERT_EQ(difference(build(out), run(in).bytes), "") << i;
            }
        }
    }
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
    const std::vector<dataplane::Claim> others{{ip("10.0.0.200")}};
    ASSERT_TRUE(plane->set_claims(others));
    EXPECT_EQ(verdict(), "pass_arp") << "no longer claimed";
    EXPECT_EQ(run(build(ArpSpec{.target = "10.0.0.200"})).verdict, "drop_arp_no_lease");
}

// use_vmac: frames to a virtual router's MAC are for its master.
TEST_F(VectorTest, AVirtualRoutersMacIsForItsMaster) {
    const PacketSpec other = tcp(kDr);
    ASSERT_TRUE(plane->set_interface_mac(1, other.to_mac));
    const MacAddress mac{0x00, 0x00, 0x5e, 0x00, 0x01, 0xa5};
    for (const bool six : {false, true}) {
        PacketSpec spec = six ? v6(tcp(kDr)) : tcp(kDr);
        spec.to_mac = mac;
        const std::vector<dataplane::Station> stations{
            {1, mac, 0xa5, six ? Family::V6 : Family::V4}};
        const auto master_of = [&](std::uint32_t vrid, std::uint32_t family) {
            change_lease([&](vipd_lease& lease) {
                std::ranges::fill(lease.masters, 0);
                if (vrid != 0)
                    lease.masters[vipd_router_word(vrid, family)] = VIPD_ROUTER_BIT(vrid);
            });
            return run(spec).verdict;
        };
        const std::uint32_t family = six ? VIPD_FAMILY_V6 : VIPD_FAMILY_V4;
        EXPECT_EQ(master_of(0xa5, family), "pass_other_station") << "nobody has said whose it is";
        ASSERT_TRUE(plane->set_stations(stations));
        EXPECT_EQ(master_of(0xa5, family), "forwarded_dr");
        EXPECT_EQ(master_of(0xa4, family), "pass_other_station");
        EXPECT_EQ(master_of(0xa5, six ? VIPD_FAMILY_V4 : VIPD_FAMILY_V6), "pass_other_station");
        EXPECT_EQ(master_of(0, family), "pass_other_station");
        spec.to_mac = other.to_mac;
        EXPECT_EQ(master_of(0, family), "forwarded_dr");
        const std::vector<dataplane::Station> elsewhere{{2, mac, 0xa5, stations[0].family}};
        ASSERT_TRUE(plane->set_stations(elsewhere));
        spec.to_mac = mac;
        EXPECT_EQ(master_of(0xa5, family), "pass_other_station");
    }
}

// no_accept: RFC 9568, 6.1 and 8.3.1. What is for a service is forwarded all the same.
TEST_F(VectorTest, AMasterThatAcceptsNothingDropsWhatIsForNoService) {
    set_lease(UINT64_MAX);
    struct Case {
        const char* what;
        Bytes frame;
        bool refused;
    };
    const auto is_master = [&](bool master) {
        change_lease([&](vipd_lease& lease) {
            for (const std::uint32_t family : {VIPD_FAMILY_V4, VIPD_FAMILY_V6})
                lease.masters[vipd_router_word(51, family)] = master ? VIPD_ROUTER_BIT(51) : 0;
        });
    };
    const auto to = [](PacketSpec spec, const char* address) {
        spec.to = address;
        return spec;
    };
    std::vector<Case> cases{
        {"TCP", build(tcp(8080)), true},
        {"UDP", build(udp(8080)), true},
        {"TCP, IPv6", build(v6(tcp(8080))), true},
        {"a service", build(tcp(kDr)), false},
        {"another address", build(to(tcp(8080), "10.0.0.9")), false},
        {"ARP", build(ArpSpec{}), false},
        {"neighbour solicitation", solicitation(kVip6), false},
    };
    for (const bool six : {false, true}) {
        Bytes echo = build(six ? v6(tcp(8080)) : tcp(8080));
        echo.at(six ? 20 : 23) = six ? 58 : 1;
        echo.at(six ? 54 : 34) = six ? 128 : 8;
        if (!six) fix_ip_checksum(echo);
        cases.push_back({"echo", echo, true});
        Bytes other = build(six ? v6(tcp(8080)) : tcp(8080));
        other.at(six ? 20 : 23) = 89;
        if (!six) fix_ip_checksum(other);
        cases.push_back({"OSPF", other, true});
    }
    for (const bool refused : {false, true}) {
        const std::vector<dataplane::Claim> claims{{ip(kVip), 51, Family::V4, refused},
                                                   {ip(kVip6), 51, Family::V6, refused}};
        ASSERT_TRUE(plane->set_claims(claims));
        for (const bool master : {false, true}) {
            is_master(master);
            for (const Case& one : cases) {
                SCOPED_TRACE(one.what);
                const bool dropped = run(one.frame).verdict == "drop_not_accepted";
                EXPECT_EQ(dropped, one.refused && refused && master);
            }
        }
    }
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
    const auto check = [&](const std::string& name, const std::string& doc) {
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
