// SPDX-License-Identifier: Apache-2.0
// GUE and GRE, byte for byte, each checksum over each family in each. What is expected is put
// together here from the RFCs and Linux' receiver, with checksums computed from scratch.
#include "tests/prog/program_test.hpp"

#include <fmt/format.h>

#include <functional>
#include <linux/bpf.h>
#include <set>
#include <utility>

namespace vipd::testing {

namespace {

using Type = Tunnel::Type;
using Checksum = Tunnel::Checksum;

constexpr std::uint16_t kPort = 80;
constexpr std::uint16_t kGuePort = 6080;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kGre = 47;

/// One combination.
struct Way {
    Tunnel tunnel;
    bool inner_v6 = false;
    bool outer_v6 = false;

    std::string name() const {
        return fmt::format("{} {}, IPv{} in IPv{}",
                           to_string(tunnel.type),
                           to_string(tunnel.checksum),
                           inner_v6 ? 6 : 4,
                           outer_v6 ? 6 : 4);
    }
};

std::vector<Way> ways() {
    std::vector<Way> all;
    for (const bool inner_v6 : {false, true})
        for (const bool outer_v6 : {false, true})
            for (const Tunnel& tunnel : {Tunnel{Type::Ipip, 0, Checksum::None},
                                         Tunnel{Type::Gue, kGuePort, Checksum::None},
                                         Tunnel{Type::Gue, kGuePort, Checksum::Full},
                                         Tunnel{Type::Gue, kGuePort, Checksum::Remote},
                                         Tunnel{Type::Gre, 0, Checksum::None},
                                         Tunnel{Type::Gre, 0, Checksum::Full}})
                all.push_back({tunnel, inner_v6, outer_v6});
    return all;
}

std::size_t length_of(const Bytes& packet) {
    return packet.at(0) >> 4 == 6 ? 40U + (packet.at(4) << 8 | packet.at(5))
                                  : std::size_t(packet.at(2) << 8 | packet.at(3));
}

/// Where L4 begins, without extension headers.
std::size_t l4_at(const Bytes& packet) {
    return packet.at(0) >> 4 == 6 ? 40U : std::size_t(packet.at(0) & 0x0fU) * 4;
}

/// The sum of the pseudo header, which is what a checksum that is left to others begins with.
std::uint16_t bare_checksum(const PacketSpec& spec, std::size_t l4_length) {
    Bytes pseudo;
    put(pseudo, ip(spec.from).bytes());
    put(pseudo, ip(spec.to).bytes());
    put16(pseudo, static_cast<unsigned>(spec.protocol));
    put16(pseudo, static_cast<unsigned>(l4_length));
    return static_cast<std::uint16_t>(~internet_checksum(pseudo));
}

/// `packet` (one hop less already, without padding) as it stands behind the outer IP header.
/// `remote`: its checksum is left to the receiver.
Bytes enveloped(const Way& way, const PacketSpec& spec, Bytes packet, bool remote) {
    const std::string from = way.outer_v6 ? kDirector6 : kDirector;
    const std::string to = way.outer_v6 ? real_address6(1) : real_address(1);
    const bool inner_v6 = packet.at(0) >> 4 == 6;
    Bytes shim;
    if (way.tunnel.type == Type::Gre) {
        const bool check = way.tunnel.checksum == Checksum::Full;
        put16(shim, check ? 0x8000 : 0);
        put16(shim, inner_v6 ? 0x86dd : 0x0800);
        if (check) put16(shim, 0), put16(shim, 0);
        put(shim, packet);
        if (check) set16(shim, 4, internet_checksum(shim));
        return shim;
    }
    const std::uint32_t entropy = flow_label(ip(spec.from).bytes(), spec.from_port, spec.to_port);
    put16(shim, 0xc000 | entropy >> 2);
    put16(shim, way.tunnel.port);
    put16(shim, static_cast<unsigned>(12 + (remote ? 8 : 0) + packet.size()));
    put16(shim, 0);
    shim.push_back(remote ? 2 : 0);
    shim.push_back(inner_v6 ? 41 : 4);
    put16(shim, remote ? 1 : 0);
    if (remote) {
        const std::size_t l4 = l4_at(packet);
        const std::size_t check = l4 + (spec.protocol == Protocol::Tcp ? 16 : 6);
        put16(shim, 0x8000);
        put16(shim, 0);
        put16(shim, static_cast<unsigned>(l4));
        put16(shim, static_cast<unsigned>(check));
        set16(packet, check, bare_checksum(spec, packet.size() - l4));
    }
    put(shim, packet);
    if (way.tunnel.checksum != Checksum::None) {
        const std::uint16_t sum = l4_checksum(ip(from), ip(to), kUdp, shim);
        set16(shim, 6, sum != 0 ? sum : 0xffff);
    }
    return shim;
}

/// The frame as the real server gets it.
Bytes expected_frame(const Way& way, const PacketSpec& spec, const Bytes& frame, bool remote) {
    Bytes packet = one_hop_less(packet_of(frame));
    Bytes out;
    const std::string from = way.outer_v6 ? kDirector6 : kDirector;
    const std::string to = way.outer_v6 ? real_address6(1) : real_address(1);
    const std::uint32_t label = flow_label(ip(spec.from).bytes(), spec.from_port, spec.to_port);
    if (way.tunnel.type == Type::Ipip) {
        out = tunnelled(packet, from, to, label);
    } else {
        const std::size_t length = length_of(packet);
        const Bytes padding(packet.begin() + static_cast<std::ptrdiff_t>(length), packet.end());
        packet.resize(length);
        const bool inner_v6 = packet.at(0) >> 4 == 6;
        PacketSpec outer;
        outer.from = from;
        outer.to = to;
        outer.ttl = 64;
        outer.ip_protocol = way.tunnel.type == Type::Gue ? kUdp : kGre;
        outer.flow_label = label;
        outer.tos = spec.tos;
        outer.id = inner_v6 ? 0 : spec.id;
        outer.fragment = inner_v6 ? kDontFragment : spec.fragment & kDontFragment;
        const Bytes whole = enveloped(way, spec, packet, remote);
        out = way.outer_v6 ? build_v6(outer, whole) : build_v4(outer, whole);
        put(out, padding);
    }
    return frame_of(real_mac(1), kRouterMac, {}, out);
}

/// What Linux' receiver does with the private option: the packet as the server sees it.
Bytes received_gue(const Bytes& frame, bool outer_v6) {
    const std::size_t udp = kEthernetSize + (outer_v6 ? 40 : 20);
    const std::size_t options = (frame.at(udp + 8) & 0x1fU) * std::size_t{4};
    Bytes packet(frame.begin() + static_cast<std::ptrdiff_t>(udp + 12 + options), frame.end());
    if (options != 0) {
        const auto at = [&](std::size_t i) {
            return static_cast<std::size_t>(frame.at(i) << 8 | frame.at(i + 1));
        };
        const std::size_t start = at(udp + 16);
        const std::size_t offset = at(udp + 18);
        set16(packet, offset, internet_checksum(std::span(packet).subspan(start)));
    }
    return packet;
}

}  // namespace

class TunnelTest : public ProgramTest {
  protected:
    void SetUp() override {
        ProgramTest::SetUp();
        if (IsSkipped()) return;
        ASSERT_NO_FATAL_FAILURE(open());
        resolve(1);
    }

    void put_way(const Way& way) {
        for (const Protocol protocol : {Protocol::Tcp, Protocol::Udp}) {
            model::Service wanted =
                service(kPort, 1, model::Scheduler::Maglev, protocol, model::Method::Tunnel);
            if (way.inner_v6) wanted.key.endpoint.address = ip(kVip6);
            if (way.outer_v6) wanted.reals[0].endpoint.address = ip(real_address6(1));
            wanted.reals[0].tunnel = way.tunnel;
            put(wanted);
        }
    }

    static PacketSpec spec_of(const Way& way, const std::function<void(PacketSpec&)>& change = {}) {
        PacketSpec spec;
        spec.to_port = kPort;
        spec.tos = 0x2c;
        spec.from_port = way.outer_v6 ? 30000 : 40000;  // flows stay with their real
        if (way.inner_v6) spec.from = "2001:db8:aa::7", spec.to = kVip6;
        if (change) change(spec);
        return spec;
    }

    /// Runs it and compares every byte.
    Bytes check(const Way& way, const PacketSpec& spec, bool remote) {
        return check(way, spec, build(spec), remote);
    }
    Bytes check(const Way& way, const PacketSpec& spec, const Bytes& frame, bool remote) {
        const Outcome result = run(frame);
        EXPECT_EQ(result.verdict, "forwarded_tun");
        EXPECT_EQ(result.action, static_cast<std::uint32_t>(XDP_TX));
        EXPECT_EQ(difference(expected_frame(way, spec, frame, remote), result.bytes), "");
        return result.bytes;
    }
};

// The lengths have every remainder that the sum's steps have, and several blocks.
TEST_F(TunnelTest, EveryTypeOverEveryFamilyByteForByte) {
    for (const Way& way : ways()) {
        SCOPED_TRACE(way.name());
        put_way(way);
        const bool remote = way.tunnel.checksum == Checksum::Remote;
        for (const Protocol protocol : {Protocol::Tcp, Protocol::Udp})
            for (const std::size_t length :
                 {0, 1, 2, 3, 4, 5, 6, 7, 63, 255, 300, 511, 777, 1024, 1300, 1370}) {
                SCOPED_TRACE(length);
                const PacketSpec spec = spec_of(way, [&](PacketSpec& p) {
                    p.protocol = protocol;
                    p.tcp_flags = kAck;
                    p.from_port = static_cast<std::uint16_t>(p.from_port + length);
                    for (std::size_t i = 0; i < length; ++i)
                        p.payload += static_cast<char>(i * 37 + length);
                });
                check(way, spec, remote);
            }
    }
}

TEST_F(TunnelTest, PaddingIsNotCounted) {
    for (const Way& way : ways()) {
        SCOPED_TRACE(way.name());
        put_way(way);
        const PacketSpec spec = spec_of(way, [](PacketSpec& p) {
            p.payload = "odd";
            p.padding = 11;
        });
        Bytes frame = build(spec);
        for (std::size_t i = 1; i <= spec.padding; ++i) frame.at(frame.size() - i) = 0xee;
        check(way, spec, frame, way.tunnel.checksum == Checksum::Remote);
    }
}

// The outer checksum is right whatever the packet is: without one, damaged, a part of one.
TEST_F(TunnelTest, WhatHasNoRightChecksumGoesAsItIs) {
    for (const Way& way : ways()) {
        SCOPED_TRACE(way.name());
        put_way(way);
        const PacketSpec none = spec_of(way, [](PacketSpec& p) {
            p.protocol = Protocol::Udp;
            p.payload = "without";
            p.no_checksum = true;
        });
        check(way, none, false);
        for (const Protocol protocol : {Protocol::Tcp, Protocol::Udp}) {
            const PacketSpec spec = spec_of(way, [&](PacketSpec& p) {
                p.protocol = protocol;
                p.payload = "damaged";
            });
            Bytes damaged = build(spec);
            damaged.back() ^= 0x10;
            check(way, spec, damaged, false);
        }
        if (way.inner_v6) continue;
        const PacketSpec first = spec_of(way, [](PacketSpec& p) {
            p.payload = "12345678";
            p.fragment = kMoreFragments;
        });
        check(way, first, false);
        PacketSpec later = first;
        later.fragment = 4;
        check(way, later, false);
    }
}

// Made on this machine, with the rest of the checksum left to an interface that is not asked.
TEST_F(TunnelTest, ABareChecksumIsLeftToTheReceiver) {
    for (const Way& way : ways()) {
        if (way.tunnel.checksum != Checksum::Remote) continue;
        SCOPED_TRACE(way.name());
        put_way(way);
        const PacketSpec spec = spec_of(way, [](PacketSpec& p) { p.payload = "local"; });
        const Bytes whole = packet_of(build(spec));
        Bytes frame = build(spec);
        set16(frame,
              kEthernetSize + l4_at(whole) + 16,
              bare_checksum(spec, whole.size() - l4_at(whole)));
        const Bytes sent = check(way, spec, frame, true);
        EXPECT_EQ(difference(one_hop_less(whole), received_gue(sent, way.outer_v6)), "");
    }
}

TEST_F(TunnelTest, TheReceiverPutsTheChecksumBack) {
    for (const Way& way : ways()) {
        if (way.tunnel.type != Type::Gue) continue;
        SCOPED_TRACE(way.name());
        put_way(way);
        for (const Protocol protocol : {Protocol::Tcp, Protocol::Udp}) {
            const PacketSpec spec = spec_of(way, [&](PacketSpec& p) {
                p.protocol = protocol;
                p.payload = "seven..";
                if (!way.inner_v6) p.ip_options = Bytes{1, 1, 1, 1};
            });
            const Bytes sent = run(spec).bytes;
            EXPECT_EQ(
                difference(one_hop_less(packet_of(build(spec))), received_gue(sent, way.outer_v6)),
                "");
        }
    }
}

TEST_F(TunnelTest, TheMtuIsLessByWhatTheTunnelTakes) {
    // An Ethernet of 1500; IPVS says the same of a link of 1400: 1380 ipip, 1368 gue, 1376 gre.
    const auto room = [](const Way& way) -> std::size_t {
        const std::size_t left = way.outer_v6 ? 1460 : 1480;
        if (way.tunnel.type == Type::Gue)
            return left - (way.tunnel.checksum == Checksum::Remote ? 20 : 12);
        if (way.tunnel.type == Type::Gre)
            return left - (way.tunnel.checksum == Checksum::Full ? 8 : 4);
        return left;
    };
    for (const Way& way : ways()) {
        SCOPED_TRACE(way.name());
        put_way(way);
        const auto full = [&](std::size_t packet) {
            return spec_of(way, [&](PacketSpec& p) {
                p.tcp_flags = kAck;
                p.payload.assign(packet - (way.inner_v6 ? 60 : 40), 'x');
            });
        };
        const Bytes sent = check(way, full(room(way)), way.tunnel.checksum == Checksum::Remote);
        EXPECT_EQ(sent.size(), kEthernetSize + 1500);
        const Bytes frame = build(full(room(way) + 1));
        const Outcome over = run(frame);
        EXPECT_EQ(over.verdict, "answered_too_big");
        EXPECT_EQ(difference(icmp_answer(frame,
                                         way.inner_v6 ? 2 : 3,
                                         way.inner_v6 ? 0 : 4,
                                         static_cast<std::uint32_t>(room(way))),
                             over.bytes),
                  "");
    }
}

// A receiver spreads by the addresses and ports of UDP.
TEST_F(TunnelTest, SourcePortsOfGueSpreadTheFlows) {
    const Way way{{Type::Gue, kGuePort, Checksum::None}, false, false};
    put_way(way);
    std::set<int> ports;
    for (std::uint16_t from = 40000; from < 40256; ++from) {
        std::set<int> of_flow;
        for (const std::uint8_t flags : {kSyn, kAck, kFin}) {
            const Bytes sent = run(spec_of(way, [&](PacketSpec& p) {
                                   p.from_port = from;
                                   p.tcp_flags = flags;
                               })).bytes;
            of_flow.insert(sent.at(34) << 8 | sent.at(35));
        }
        EXPECT_EQ(of_flow.size(), 1U) << from;
        ports.merge(of_flow);
    }
    EXPECT_GT(ports.size(), 240U);
    EXPECT_GE(*ports.begin(), 0xc000);
}

// A change of the tunnel alone is in force with the next packet, of old flows too.
TEST_F(TunnelTest, ATunnelCanBeChanged) {
    const Way gue{{Type::Gue, kGuePort, Checksum::Full}, false, false};
    const Way gre{{Type::Gre, 0, Checksum::Full}, false, false};
    for (const Way& way : {gue, gre, gue}) {
        put_way(way);
        check(way, spec_of(way), false);
        resolve(1);  // the way to it is told again
        check(way, spec_of(way), false);
    }
}

}  // namespace vipd::testing
