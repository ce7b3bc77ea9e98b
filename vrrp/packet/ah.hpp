// SPDX-License-Identifier: Apache-2.0
// VRRP version 2 within the IP Authentication Header (RFC 2338, 5.3.6.3; RFC 2402) as keepalived
// does it: HMAC-MD5-96 with the password as its key, the sender's address as SPI. Of the IP header
// type of service, fragment fields and checksum count as 0, TTL and identification as they are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vipd::vrrp {

inline constexpr std::uint8_t kProtocolAh = 51;
inline constexpr std::size_t kAhHeader = 24;

using AhKey = std::array<std::uint8_t, 8>;
using AhIcv = std::array<std::uint8_t, 12>;

/// The datagram (IPv4 header without options, then the advert) with the header put between. The
/// identification becomes the sequence number's lower half, or 1: 0 the kernel would change.
std::vector<std::uint8_t> add_ah(std::span<const std::uint8_t> datagram,
                                 const AhKey& key,
                                 std::uint32_t sequence);
/// The same into `out`, which is not `datagram`'s: with room in it nothing is allocated.
void add_ah(std::span<const std::uint8_t> datagram,
            const AhKey& key,
            std::uint32_t sequence,
            std::vector<std::uint8_t>& out);

/// What a datagram's integrity value has to be. It has at least an IPv4 header of `ip_header` bytes
/// and the authentication header.
AhIcv ah_icv(std::span<const std::uint8_t> datagram, std::size_t ip_header, const AhKey& key);

/// Serial numbers (RFC 1982): whether `sequence` comes after `last`.
constexpr bool comes_after(std::uint32_t sequence, std::uint32_t last) {
    return static_cast<std::int32_t>(sequence - last) > 0;
}

}  // namespace vipd::vrrp
