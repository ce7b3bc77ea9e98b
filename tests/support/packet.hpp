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

/// A TCP or UDP packet over IPv4, right in every field that is not set on purpose.
struct PacketSpec {
    MacAddress to_mac{0x02, 0, 0, 0, 0, 0x01};
    MacAddress from_mac{0x02, 0, 0, 0, 0, 0x02};
    std::uint16_t ether_type = 0x0800;
    std::optional<std::uint16_t> vlan;

    std::string from = "198.51.100.7";
    std::string to = "10.0.0.100";
    std::uint16_t from_port = 40000;
    std::uint16_t to_port = 80;
    Protocol protocol = Protocol::Tcp;
    std::uint8_t tcp_flags = kSyn;
    std::string payload;

    std::uint8_t ttl = 64;
    std::uint8_t tos = 0;
    std::uint16_t id = 0x1234;
    std::uint16_t fragment = kDontFragment;
    Bytes ip_options;
    Bytes tcp_options;
    std::size_t padding = 0;  ///< behind the IP packet, as Ethernet pads short frames

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

inline Bytes build(const PacketSpec& spec) {
    const IpAddress from = ip(spec.from);
    const IpAddress to = ip(spec.to);
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
    Bytes pseudo;
    put(pseudo, from.bytes());
    put(pseudo, to.bytes());
    put16(pseudo, static_cast<unsigned>(spec.protocol));
    put16(pseudo, static_cast<unsigned>(l4.size()));
    put(pseudo, l4);
    set16(l4, tcp ? 16 : 6, internet_checksum(pseudo));
    if (spec.l4_size) l4.resize(*spec.l4_size);

    Bytes frame;
    put(frame, spec.to_mac);
    put(frame, spec.from_mac);
    if (spec.vlan) {
        put16(frame, 0x8100);
        put16(frame, *spec.vlan);
    }
    put16(frame, spec.ether_type);
    const std::size_t ip_at = frame.size();
    const std::size_t header = 20 + spec.ip_options.size();
    const auto words = static_cast<std::uint8_t>(header / 4);
    frame.push_back(static_cast<std::uint8_t>(spec.ip_version.value_or(4) << 4 |
                                              spec.ip_header_words.value_or(words)));
    frame.push_back(spec.tos);
    put16(frame, spec.ip_total_length.value_or(static_cast<std::uint16_t>(header + l4.size())));
    put16(frame, spec.id);
    put16(frame, spec.fragment);
    frame.push_back(spec.ttl);
    frame.push_back(spec.ip_protocol.value_or(static_cast<std::uint8_t>(spec.protocol)));
    put16(frame, 0);
    put(frame, from.bytes());
    put(frame, to.bytes());
    put(frame, spec.ip_options);
    fix_ip_checksum(frame, ip_at);
    put(frame, l4);
    frame.resize(frame.size() + spec.padding);
    return frame;
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

/// The frame as a router would send it on: new MACs, one hop less, header checksum from scratch.
inline Bytes routed(Bytes frame, const MacAddress& to, const MacAddress& from) {
    for (std::size_t i = 0; i < to.size(); ++i) {
        frame.at(i) = to[i];
        frame.at(to.size() + i) = from[i];
    }
    --frame.at(kEthernetSize + 8);
    fix_ip_checksum(frame);
    return frame;
}

/// A routed() frame inside of an IPIP tunnel (RFC 2003).
inline Bytes tunnelled(const Bytes& frame, const std::string& source, const std::string& real) {
    const std::size_t ip_at = kEthernetSize;
    const unsigned length = static_cast<unsigned>(frame.at(ip_at + 2) << 8 | frame.at(ip_at + 3));
    Bytes out(frame.begin(), frame.begin() + kEthernetSize);
    out.push_back(0x45);
    out.push_back(frame.at(ip_at + 1));  // TOS
    put16(out, length + 20);
    out.push_back(frame.at(ip_at + 4));  // id
    out.push_back(frame.at(ip_at + 5));
    put16(out, (frame.at(ip_at + 6) & 0x40U) << 8);  // DF alone
    out.push_back(64);
    out.push_back(4);
    put16(out, 0);
    put(out, ip(source).bytes());
    put(out, ip(real).bytes());
    fix_ip_checksum(out);
    put(out, std::span(frame).subspan(ip_at));
    return out;
}

/// The ICMP "fragmentation needed" (RFC 1191) that a router sends about `frame`, which came to it.
inline Bytes too_big_answer(const Bytes& frame, unsigned mtu) {
    const std::span<const std::uint8_t> packet = std::span(frame).subspan(kEthernetSize);
    const std::size_t quote = static_cast<std::size_t>(packet[0] & 0x0f) * 4 + 8;
    Bytes icmp{3, 4, 0, 0, 0, 0};
    put16(icmp, mtu);
    put(icmp, packet.first(quote));
    set16(icmp, 2, internet_checksum(icmp));
    Bytes out(frame.begin() + 6, frame.begin() + 12);
    put(out, std::span(frame).first(6));
    put16(out, 0x0800);
    put(out, Bytes{0x45, 0xc0});
    put16(out, static_cast<unsigned>(20 + icmp.size()));
    put(out, Bytes{0, 0, 0x40, 0, 64, 1, 0, 0});
    put(out, packet.subspan(16, 4));  // from whom it was for
    put(out, packet.subspan(12, 4));
    fix_ip_checksum(out);
    put(out, icmp);
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
