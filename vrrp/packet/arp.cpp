// SPDX-License-Identifier: Apache-2.0
#include "vrrp/packet/arp.hpp"

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

}  // namespace vipd::vrrp
