// SPDX-License-Identifier: Apache-2.0
// The gratuitous ARP that a new master announces an address with.
#pragma once

#include <vipd/address.hpp>

#include <array>
#include <cstdint>

namespace vipd::vrrp {

using ArpFrame = std::array<std::uint8_t, 42>;

/// A broadcast ARP request for `address` (IPv4) by its new holder: sender and target address are
/// both `address`, the target hardware address is ff:ff:ff:ff:ff:ff as keepalived sends it
/// (RFC 5227, 3 leaves that field open). Ethernet header included, without padding.
ArpFrame gratuitous_arp(const MacAddress& mac, const IpAddress& address);

}  // namespace vipd::vrrp
