// SPDX-License-Identifier: Apache-2.0
#include "vrrp/packet/announce.hpp"

#include "vrrp/packet/checksum.hpp"

#include <algorithm>

namespace vipd::vrrp {

ArpFrame gratuitous_arp(const MacAddress& mac, const IpAddress& address) {
    // clang-format off
    ArpFrame frame{
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  0, 0, 0, 0, 0, 0,  0x08, 0x06,   // Ethernet
        0x00, 0x01, 0x08, 0x00, 6, 4,  0x00, 0x01,                            // IPv4, request
        0, 0, 0, 0, 0, 0,  0, 0, 0, 0,                                        // sender
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  0, 0, 0, 0};                     // target
    // clang-format on
    std::ranges::copy(mac, frame.begin() + 6);
    std::ranges::copy(mac, frame.begin() + 22);
    std::ranges::copy(address.bytes().first(4), frame.begin() + 28);
    std::ranges::copy(address.bytes().first(4), frame.begin() + 38);
    return frame;
}

NaFrame neighbour_advertisement(const MacAddress& mac, const IpAddress& address, bool router) {
    constexpr std::uint8_t kIcmp6 = 58;
    constexpr std::uint8_t kLength = 32;
    // clang-format off
    NaFrame frame{
        0x33, 0x33, 0, 0, 0, 1,  0, 0, 0, 0, 0, 0,  0x86, 0xdd,               // Ethernet
        0x60, 0, 0, 0,  0, kLength,  kIcmp6,  255,                            // IPv6
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,                       // from the address
        0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,                 // to ff02::1
        136, 0,  0, 0,  0x20, 0, 0, 0,                                        // override
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,                       // target
        2, 1,  0, 0, 0, 0, 0, 0};                                             // its MAC
    // clang-format on
    std::ranges::copy(mac, frame.begin() + 6);
    std::ranges::copy(mac, frame.begin() + 80);
    std::ranges::copy(address.bytes().first(16), frame.begin() + 22);
    std::ranges::copy(address.bytes().first(16), frame.begin() + 62);
    if (router) frame[58] |= 0x80;
    const std::span<const std::uint8_t> bytes(frame);
    const std::uint32_t addresses = checksum_add(bytes.subspan(22, 32), kIcmp6 + kLength);
    const std::uint16_t sum = checksum_finish(checksum_add(bytes.subspan(54), addresses));
    frame[56] = static_cast<std::uint8_t>(sum >> 8);
    frame[57] = static_cast<std::uint8_t>(sum & 0xff);
    return frame;
}

}  // namespace vipd::vrrp
