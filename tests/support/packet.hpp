// SPDX-License-Identifier: Apache-2.0
// Frames made byte by byte, with checksums computed from scratch: what goes into the program, and
// what must come out of it. Knows nothing of the program's own code.
#pragma once

#include <vipd/address.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vipd::testing {

using Bytes = std::vector<std::uint8_t>;

inline constexpr std::uint8_t kFin = 0x01;
inline constexpr std::uint8_t kSyn = 0x02;
inline constexpr std::uint8_t kRst = 0x04;
inline constexpr std::uint8_t kPsh = 0x08;
inline constexpr std::uint8_t kAck = 0x10;

inline constexpr std::size_t kEthernetSize = 14;
inline constexpr std::uint16_t kDontFragment = 0x4000;
inline constexpr std::uint16_t kMoreFragments = 0x2000;

inline void put16(Bytes& to, unsigned value) {
    to.push_back(static_cast<std::uint8_t>(value >> 8));
    to.push_back(static_cast<std::uint8_t>(value));
}
inline void set16(Bytes& in, std::size_t at, unsigned value) {
    in.at(at) = static_cast<std::uint8_t>(value >> 8);
    in.at(at + 1) = static_cast<std::uint8_t>(value);
}
inline void put(Bytes& to, std::span<const std::uint8_t> bytes) {
    to.insert(to.end(), bytes.begin(), bytes.end());
}

/// RFC 1071 over `bytes`, with `sum` to begin from.
inline std::uint16_t internet_checksum(std::span<const std::uint8_t> bytes, std::uint32_t sum = 0) {
    for (std::size_t i = 0; i < bytes.size(); ++i)
        sum += i % 2 == 0 ? static_cast<std::uint32_t>(bytes[i]) << 8 : bytes[i];
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

inline IpAddress ip(std::string_view text) {
    const auto address = IpAddress::parse(text);
    if (!address) std::abort();
    return *address;
}

/// A TCP or UDP packet over IPv4 or IPv6 (whichever `from` and `to` are), right in every field that
/// is not set on purpose.
struct PacketSpec {
    MacAddress to_mac{0x02, 0, 0, 0, 0, 0x01};
    MacAddress from_mac{0x02, 0, 0, 0, 0, 0x02};
    std::optional<std::uint16_t> ether_type;  ///< else as the family asks
    std::vector<std::uint16_t> tags;          ///< VLAN, outermost first

    std::string from = "198.51.100.7";
    std::string to = "10.0.0.100";
    std::uint16_t from_port = 40000;
    std::uint16_t to_port = 80;
    Protocol protocol = Protocol::Tcp;
    std::uint8_t tcp_flags = kSyn;
    std::string payload;
    bool no_checksum = false;  ///< UDP without one

    std::uint8_t ttl = 64;
    std::uint8_t tos = 0;
    std::uint16_t id = 0x1234;
    std::uint16_t fragment = kDontFragment;
    Bytes ip_options;
    Bytes tcp_options;
    std::uint32_t flow_label = 0;
    std::uint8_t first_extension = 0;  ///< IPv6: protocol number of what stands in `extensions`
    Bytes extensions;  ///< whole headers; in the last the protocol is still to be filled in
    std::size_t last_extension = 0;  ///< where in them that one begins
    std::size_t padding = 0;         ///< behind the IP packet, as Ethernet pads short frames

    // Lies.
    std::optional<std::uint8_t> ip_version;
    std::optional<std::uint8_t> ip_header_words;
    std::optional<std::uint16_t> ip_total_length;
    std::optional<std::uint8_t> ip_protocol;
    std::optional<std::uint8_t> tcp_header_words;
    std::optional<std::uint16_t> udp_length;
    std::optional<std::size_t> l4_size;  ///< cuts what follows the IP header, lengths following
};

/// Puts the right checksum into the IPv4 header at `at`.
inline void fix_ip_checksum(Bytes& frame, std::size_t at = kEthernetSize) {
    const std::size_t size = static_cast<std::size_t>(frame.at(at) & 0x0f) * 4;
    set16(frame, at + 10, 0);
    if (at + size > frame.size()) return;
    set16(frame, at + 10, internet_checksum(std::span(frame).subspan(at, size)));
}

/// The checksum of TCP, UDP or ICMPv6 with the pseudo header before it.
inline std::uint16_t l4_checksum(const IpAddress& from,
                                 const IpAddress& to,
                                 unsigned protocol,
                                 std::span<const std::uint8_t> l4) {
    Bytes pseudo;
    put(pseudo, from.bytes());
    put(pseudo, to.bytes());
    put16(pseudo, protocol);
    put16(pseudo, static_cast<unsigned>(l4.size()));
    put(pseudo, l4);
    return internet_checksum(pseudo);
}

inline Bytes build_l4(const PacketSpec& spec) {
    const bool tcp = spec.protocol == Protocol::Tcp;
    Bytes l4;
    put16(l4, spec.from_port);
    put16(l4, spec.to_port);
    if (tcp) {
        put(l4, Bytes{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88});
        const auto words = static_cast<std::uint8_t>(5 + spec.tcp_options.size() / 4);
        l4.push_back(static_cast<std::uint8_t>(spec.tcp_header_words.value_or(words) << 4));
        l4.push_back(spec.tcp_flags);
        put16(l4, 0xfaf0);
        put16(l4, 0);
        put16(l4, 0);
        put(l4, spec.tcp_options);
    } else {
        put16(l4, spec.udp_length.value_or(static_cast<std::uint16_t>(8 + spec.payload.size())));
        put16(l4, 0);
    }
    l4.insert(l4.end(), spec.payload.begin(), spec.payload.end());
    const auto sum =
        l4_checksum(ip(spec.from), ip(spec.to), static_cast<unsigned>(spec.protocol), l4);
    set16(l4, tcp ? 16 : 6, tcp || sum != 0 ? sum : 0xffffU);
    if (spec.no_checksum) set16(l4, 6, 0);
    if (spec.l4_size) l4.resize(*spec.l4_size);
    return l4;
}

inline Bytes build_v4(const PacketSpec& spec, const Bytes& l4) {
    Bytes packet;
    const std::size_t header = 20 + spec.ip_options.size();
    const auto words = static_cast<std::uint8_t>(header / 4);
    packet.push_back(static_cast<std::uint8_t>(spec.ip_version.value_or(4) << 4 |
                                               spec.ip_header_words.value_or(words)));
    packet.push_back(spec.tos);
    put16(packet, spec.ip_total_length.value_or(static_cast<std::uint16_t>(header + l4.size())));
    put16(packet, spec.id);
    put16(packet, spec.fragment);
    packet.push_back(spec.ttl);
    packet.push_back(spec.ip_protocol.value_or(static_cast<std::uint8_t>(spec.protocol)));
    put16(packet, 0);
    put(packet, ip(spec.from).bytes());
    put(packet, ip(spec.to).bytes());
    put(packet, spec.ip_options);
    fix_ip_checksum(packet, 0);
    put(packet, l4);
    return packet;
}

inline Bytes build_v6(const PacketSpec& spec, const Bytes& l4) {
    const std::uint8_t protocol =
        spec.ip_protocol.value_or(static_cast<std::uint8_t>(spec.protocol));
    Bytes packet;
    put16(packet,
          static_cast<unsigned>(spec.ip_version.value_or(6)) << 12 | unsigned{spec.tos} << 4 |
              spec.flow_label >> 16);
    put16(packet, spec.flow_label & 0xffff);
    put16(packet,
          spec.ip_total_length.value_or(
              static_cast<std::uint16_t>(spec.extensions.size() + l4.size())));
    packet.push_back(spec.extensions.empty() ? protocol : spec.first_extension);
    packet.push_back(spec.ttl);
    put(packet, ip(spec.from).bytes());
    put(packet, ip(spec.to).bytes());
    put(packet, spec.extensions);
    if (!spec.extensions.empty()) packet.at(40 + spec.last_extension) = protocol;
    put(packet, l4);
    return packet;
}

/// The packet from the IP header on.
inline Bytes build_packet(const PacketSpec& spec) {
    const Bytes l4 = build_l4(spec);
    return ip(spec.to).is_v4() ? build_v4(spec, l4) : build_v6(spec, l4);
}

/// An Ethernet frame around an IP packet.
inline Bytes frame_of(const MacAddress& to,
                      const MacAddress& from,
                      std::span<const std::uint16_t> tags,
                      std::span<const std::uint8_t> packet) {
    Bytes frame;
    put(frame, to);
    put(frame, from);
    for (const std::uint16_t tag : tags) {
        put16(frame, 0x8100);
        put16(frame, tag);
    }
    put16(frame, packet.empty() || packet[0] >> 4 != 6 ? 0x0800 : 0x86dd);
    put(frame, packet);
    return frame;
}

inline Bytes build(const PacketSpec& spec) {
    const Bytes packet = build_packet(spec);
    Bytes frame = frame_of(spec.to_mac, spec.from_mac, spec.tags, packet);
    if (spec.ether_type) set16(frame, frame.size() - packet.size() - 2, *spec.ether_type);
    frame.resize(frame.size() + spec.padding);
    return frame;
}

/// Where the IP packet begins.
inline std::size_t l3_of(const Bytes& frame) {
    std::size_t at = 12;
    while (frame.at(at) == 0x81 && frame.at(at + 1) == 0) at += 4;
    return at + 2;
}

/// What stands behind the link header, padding and all.
inline Bytes packet_of(const Bytes& frame) {
    return {frame.begin() + static_cast<std::ptrdiff_t>(l3_of(frame)), frame.end()};
}

/// An ARP message for IPv4 over Ethernet.
struct ArpSpec {
    std::uint16_t operation = 1;  ///< 1 request, 2 reply
    std::string sender = "10.0.0.7";
    std::string target = "10.0.0.100";
    std::uint16_t hardware = 1;
};

inline Bytes build(const ArpSpec& spec) {
    const MacAddress sender{0x02, 0, 0, 0, 0, 0x02};
    Bytes frame(6, 0xff);
    put(frame, sender);
    put16(frame, 0x0806);
    put16(frame, spec.hardware);
    put16(frame, 0x0800);
    frame.push_back(6);
    frame.push_back(4);
    put16(frame, spec.operation);
    put(frame, sender);
    put(frame, ip(spec.sender).bytes());
    put(frame, Bytes(6));
    put(frame, ip(spec.target).bytes());
    return frame;
}

/// The packet with one hop less, header checksum from scratch.
inline Bytes one_hop_less(Bytes packet) {
    const bool v6 = packet.at(0) >> 4 == 6;
    --packet.at(v6 ? 7 : 8);
    if (!v6) fix_ip_checksum(packet, 0);
    return packet;
}

/// The frame as a router would send it on: new link header, one hop less.
inline Bytes routed(const Bytes& frame,
                    const MacAddress& to,
                    const MacAddress& from,
                    const std::vector<std::uint16_t>& tags = {}) {
    return frame_of(to, from, tags, one_hop_less(packet_of(frame)));
}

/// What tells connections apart in the flow label of an outer IPv6 header: of the client's address
/// and both ports, as they lie in memory.
inline std::uint32_t flow_label(std::span<const std::uint8_t> client,
                                std::uint16_t client_port,
                                std::uint16_t vip_port) {
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < client.size(); ++i) word ^= std::uint32_t{client[i]} << 8 * (i % 4);
    const auto swapped = [](std::uint16_t port) {
        return static_cast<std::uint32_t>((port << 8 & 0xff00) | port >> 8);
    };
    word ^= swapped(client_port) << 16 ^ swapped(vip_port);
    return (word * 0x9e3779b1U) >> 16;
}

/// The packet behind an outer header from `source` to `real`; `label` for an outer IPv6 header.
inline Bytes tunnelled(const Bytes& packet,
                       const std::string& source,
                       const std::string& real,
                       std::uint32_t label) {
    const bool inner_v6 = packet.at(0) >> 4 == 6;
    PacketSpec outer;
    outer.from = source;
    outer.to = real;
    outer.ttl = 64;
    outer.ip_protocol = inner_v6 ? std::uint8_t{41} : std::uint8_t{4};
    outer.flow_label = label;
    if (inner_v6) {
        outer.tos = static_cast<std::uint8_t>(packet.at(0) << 4 | packet.at(1) >> 4);
        outer.id = 0;
        outer.fragment = kDontFragment;
    } else {
        outer.tos = packet.at(1);
        outer.id = static_cast<std::uint16_t>(packet.at(4) << 8 | packet.at(5));
        outer.fragment = packet.at(6) & 0x40U ? kDontFragment : 0;
    }
    const std::size_t length = inner_v6 ? 40U + (packet.at(4) << 8 | packet.at(5))
                                        : std::size_t(packet.at(2) << 8 | packet.at(3));
    const Bytes whole(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(length));
    Bytes out = ip(real).is_v4() ? build_v4(outer, whole) : build_v6(outer, whole);
    put(out, std::span(packet).subspan(length));  // padding
    return out;
}

/// An ICMP packet of the addresses' family.
inline Bytes icmp_packet(const std::string& from,
                         const std::string& to,
                         std::uint8_t type,
                         std::uint8_t code,
                         std::uint32_t rest,
                         std::span<const std::uint8_t> data,
                         std::uint8_t ttl = 64,
                         std::uint8_t tos = 0xc0) {
    const bool v4 = ip(to).is_v4();
    Bytes icmp{type, code, 0, 0};
    put16(icmp, rest >> 16);
    put16(icmp, rest & 0xffff);
    put(icmp, data);
    set16(icmp, 2, v4 ? internet_checksum(icmp) : l4_checksum(ip(from), ip(to), 58, icmp));
    PacketSpec spec;
    spec.from = from;
    spec.to = to;
    spec.ttl = ttl;
    spec.tos = tos;
    spec.id = 0;
    spec.ip_protocol = v4 ? std::uint8_t{1} : std::uint8_t{58};
    return v4 ? build_v4(spec, icmp) : build_v6(spec, icmp);
}

/// What a router answers about `frame`, which came to it: as much of it quoted as we do.
inline Bytes icmp_answer(const Bytes& frame,
                         std::uint8_t type,
                         std::uint8_t code,
                         std::uint32_t rest) {
    const Bytes packet = packet_of(frame);
    const bool v4 = packet.at(0) >> 4 == 4;
    const std::size_t length =
        v4 ? static_cast<std::size_t>(packet.at(0) & 0x0f) * 4 + 8
           : std::min<std::size_t>(256, (40U + (packet.at(4) << 8 | packet.at(5))) & ~3U);
    const auto address = [&](std::size_t at) {
        const auto bytes = std::span(packet).subspan(at, v4 ? 4 : 16);
        return (v4 ? IpAddress::v4(bytes.first<4>()) : IpAddress::v6(bytes.first<16>()))
            .to_string();
    };
    const Bytes answer = icmp_packet(address(v4 ? 16 : 24),
                                     address(v4 ? 12 : 8),
                                     type,
                                     code,
                                     rest,
                                     std::span(packet).first(length));
    Bytes out(frame.begin() + 6, frame.begin() + 12);
    put(out, std::span(frame).first(6));
    put(out, std::span(frame).subspan(12, l3_of(frame) - 12));
    put(out, answer);
    return out;
}

/// Rows of both, the differing bytes marked; empty if they are equal.
inline std::string difference(std::span<const std::uint8_t> expected,
                              std::span<const std::uint8_t> actual) {
    if (std::ranges::equal(expected, actual)) return {};
    std::string text = "expected " + std::to_string(expected.size()) + " bytes, got " +
                       std::to_string(actual.size()) + "\n";
    const auto row = [&](const char* label, std::span<const std::uint8_t> bytes, std::size_t at) {
        std::array<char, 32> cell{};
        std::snprintf(cell.data(), cell.size(), "%s %04zx ", label, at);
        text += cell.data();
        for (std::size_t i = at; i < at + 16; ++i) {
            if (i >= bytes.size()) {
                text += " --";
                continue;
            }
            std::snprintf(cell.data(), cell.size(), " %02x", unsigned{bytes[i]});
            text += cell.data();
        }
        text += "\n";
    };
    for (std::size_t at = 0; at < std::max(expected.size(), actual.size()); at += 16) {
        std::string marks;
        for (std::size_t i = at; i < at + 16; ++i) {
            const bool here = i < expected.size();
            const bool there = i < actual.size();
            const bool same = here == there && (!here || expected[i] == actual[i]);
            marks += same ? "   " : " ^^";
        }
        if (marks.find('^') == std::string::npos) continue;
        row("expected", expected, at);
        row("actual  ", actual, at);
        text += "              " + marks + "\n";
    }
    return text;
}

}  // namespace vipd::testing
