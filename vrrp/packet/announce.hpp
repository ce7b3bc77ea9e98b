// SPDX-License-Identifier: Apache-2.0
// What a new master announces an address with: gratuitous ARP, unsolicited neighbour advertisement.
#pragma once

#include <vipd/address.hpp>

#include <array>
#include <cstdint>

namespace vipd::vrrp {

using ArpFrame = std::array<std::uint8_t, 42>;
using NaFrame = std::array<std::uint8_t, 86>;

/// A broadcast ARP request for `address` (IPv4) by its new holder: sender and target address are
/// both `address`, the target hardware address is ff:ff:ff:ff:ff:ff as keepalived sends it
/// (RFC 5227, 3 leaves that field open). Ethernet header included, without padding.
ArpFrame gratuitous_arp(const MacAddress& mac, const IpAddress& address);

/// An unsolicited neighbour advertisement (RFC 4861, 7.2.6) for `address` (IPv6) to all nodes, from
/// `address` itself, with the override flag; `router`: this host forwards IPv6 there. Ethernet
/// header included.
NaFrame neighbour_advertisement(const MacAddress& mac, const IpAddress& address, bool router);

}  // namespace vipd::vrrp
