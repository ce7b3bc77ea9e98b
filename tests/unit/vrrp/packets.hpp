// SPDX-License-Identifier: Apache-2.0
// Adverts for the tests: as keepalived sent them, and built field by field with whatever is wrong.
#pragma once

#include "vrrp/packet/advert.hpp"
#include "vrrp/packet/checksum.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace vipd::vrrp::test {

using Bytes = std::vector<std::uint8_t>;

inline Bytes from_hex(std::string_view hex) {
    const auto digit = [](char c) {
        return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
    };
    Bytes out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        out.push_back(static_cast<std::uint8_t>(digit(hex[i]) << 4 | digit(hex[i + 1])));
    return out;
}

inline IpAddress ip(const char* text) {
    return *IpAddress::parse(text);
}

/// Captured from keepalived 2.2.7 (Debian) on a veth pair; priority 100, VRID 51, from 10.9.0.1.
inline constexpr std::string_view kV2Pass =
    "45c0002c00010000ff70d0840a090001e0000012213364020101f76f0a0900640a0900657365637265743132";
inline constexpr std::string_view kV2None =
    "45c0002800010000ff70d0880a090001e0000012213364010001705d0a0900640000000000000000";
inline constexpr std::string_view kV2Resign =
    "45c0002800030000ff70d0860a090001e0000012213300010001d45d0a0900640000000000000000";
inline constexpr std::string_view kV3 =
    "45c0002000010000ff70d0900a090001e000001231336401000a75bb0a090064";
inline constexpr std::string_view kV3Unicast =
    "45c0002000010000ff70a6980a0900010a09000231336401000a4bc30a090064";
inline constexpr std::string_view kGratuitousArp =
    "ffffffffffff020000000001080600010800060400010200000000010a090064ffffffffffff0a090064";

/// A datagram with every field free to be wrong; both checksums are right unless told.
struct Raw {
    unsigned ip_version = 4;
    std::size_t options = 0;  ///< bytes of IP options
    int total_length_error = 0;
    bool ip_checksum_wrong = false;
    std::uint8_t protocol = 112;
    std::uint8_t ttl = 255;
    IpAddress source = ip("10.9.0.1");
    IpAddress destination = ip("224.0.0.18");
    unsigned version = 2;
    unsigned type = 1;
    std::uint8_t vrid = 51;
    std::uint8_t priority = 100;
    int count_error = 0;
    std::uint16_t interval = 1;  ///< v2: seconds; v3: centiseconds with the reserved bits
    std::uint8_t auth_type = 1;
    Bytes auth = {'s', 'e', 'c', 'r', 'e', 't', '1', '2'};
    std::vector<IpAddress> addresses = {ip("10.9.0.100"), ip("10.9.0.101")};
    enum class Sum { Pseudo, Message, Wrong } sum = Sum::Pseudo;  ///< v2 has no pseudo header
    std::size_t padding = 0;
    bool truncated = false;

    /// The advert alone, its checksum right unless told.
    Bytes body() const {
        Bytes body(8);
        body[0] = static_cast<std::uint8_t>(version << 4 | type);
        body[1] = vrid;
        body[2] = priority;
        body[3] = static_cast<std::uint8_t>(static_cast<int>(addresses.size()) + count_error);
        if (version == 3) {
            body[4] = static_cast<std::uint8_t>(interval >> 8);
            body[5] = static_cast<std::uint8_t>(interval & 0xff);
        } else {
            body[4] = auth_type;
            body[5] = static_cast<std::uint8_t>(interval);
        }
        for (const auto& address : addresses)
            body.insert(body.end(), address.bytes().begin(), address.bytes().end());
        if (version == 2) body.insert(body.end(), auth.begin(), auth.end());
        std::uint32_t total = checksum_add(body);
        if (version == 3 && sum == Sum::Pseudo) {
            total = checksum_add(source.bytes(), total);
            total = checksum_add(destination.bytes(), total);
            total += 112 + static_cast<std::uint32_t>(body.size());
        }
        std::uint16_t value = checksum_finish(total);
        if (sum == Sum::Wrong) value = static_cast<std::uint16_t>(value ^ 0x0100);
        body[6] = static_cast<std::uint8_t>(value >> 8);
        body[7] = static_cast<std::uint8_t>(value & 0xff);
        return body;
    }

    /// With its header; `ip_version` 6 makes the one that RawTransport makes.
    Bytes bytes() const {
        const Bytes body = this->body();
        if (source.is_v6()) {
            Bytes out(40);
            out[0] = static_cast<std::uint8_t>((ip_version == 4 ? 6 : ip_version) << 4);
            const auto length =
                static_cast<unsigned>(static_cast<int>(body.size()) + total_length_error);
            out[4] = static_cast<std::uint8_t>(length >> 8);
            out[5] = static_cast<std::uint8_t>(length & 0xff);
            out[6] = protocol;
            out[7] = ttl;
            std::ranges::copy(source.bytes(), out.begin() + 8);
            std::ranges::copy(destination.bytes(), out.begin() + 24);
            out.insert(out.end(), body.begin(), body.end());
            out.resize(out.size() + padding);
            return out;
        }
        Bytes out(20 + options);
        out[0] = static_cast<std::uint8_t>(ip_version << 4 | (out.size() / 4));
        const auto length =
            static_cast<unsigned>(static_cast<int>(out.size() + body.size()) + total_length_error);
        out[1] = 0xc0;
        out[2] = static_cast<std::uint8_t>(length >> 8);
        out[3] = static_cast<std::uint8_t>(length & 0xff);
        out[8] = ttl;
        out[9] = protocol;
        std::ranges::copy(source.bytes(), out.begin() + 12);
        std::ranges::copy(destination.bytes(), out.begin() + 16);
        std::fill(out.begin() + 20, out.end(), std::uint8_t{1});  // no-operation
        std::uint16_t header = checksum_finish(checksum_add(out));
        if (ip_checksum_wrong) header = static_cast<std::uint16_t>(header ^ 1);
        out[10] = static_cast<std::uint8_t>(header >> 8);
        out[11] = static_cast<std::uint8_t>(header & 0xff);
        out.insert(out.end(), body.begin(), body.end());
        out.resize(out.size() + padding);
        return out;
    }
};

inline const std::vector<IpAddress> kAddresses = {ip("10.9.0.100"), ip("10.9.0.101")};
inline const std::vector<UnicastPeer> kPeers = {{ip("10.9.0.1")}, {ip("10.9.0.3")}};

/// What the instance at 10.9.0.2 expects of Raw{}.
inline Expected expect_v2() {
    return {.version = 2,
            .vrid = 51,
            .interval = Seconds(1),
            .auth = make_auth_pass("secret12"),
            .own = ip("10.9.0.2"),
            .group = ip("224.0.0.18"),
            .peers = {},
            .addresses = kAddresses,
            .address_check = Expected::AddressCheck::Drop};
}

inline Expected expect_v3() {
    Expected expected = expect_v2();
    expected.version = 3;
    expected.interval = Millis(100);
    expected.auth.reset();
    return expected;
}

inline Expected unicast(Expected expected) {
    expected.group = {};
    expected.peers = kPeers;
    return expected;
}

inline const std::vector<IpAddress> kAddresses6 = {ip("fe80::100"), ip("2001:db8::100")};

/// Version 3 over IPv6, from fe80::1; what the instance at fe80::2 expects.
inline Raw raw_v6() {
    Raw raw;
    raw.version = 3;
    raw.interval = 10;
    raw.auth.clear();
    raw.source = ip("fe80::1");
    raw.destination = ip("ff02::12");
    raw.addresses = kAddresses6;
    return raw;
}

inline Expected expect_v6() {
    Expected expected = expect_v3();
    expected.own = ip("fe80::2");
    expected.group = ip("ff02::12");
    expected.addresses = kAddresses6;
    return expected;
}

inline tl::expected<Decoded, Reject> decode_bytes(std::span<const std::uint8_t> bytes,
                                                  const Expected& expected,
                                                  bool truncated = false) {
    auto envelope = open_envelope(bytes, truncated);
    if (!envelope) return tl::unexpected(envelope.error());
    return decode(*envelope, expected);
}

}  // namespace vipd::vrrp::test
