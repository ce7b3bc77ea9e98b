// SPDX-License-Identifier: Apache-2.0
// UDP_CHECK, DNS_CHECK and PING_CHECK as values: what is sent, and what an answer means.
#pragma once

#include "userspace/check/checker.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vipd::check {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

/// The numbers of the record types that DNS_CHECK knows ("SOA" is 6); nullopt: another.
std::optional<std::uint16_t> dns_type(std::string_view name);

/// A query (RFC 1035, 4.1) for one name; nullopt: it is no domain name.
std::optional<Bytes> dns_query(std::uint16_t id, std::string_view name, std::uint16_t type);

/// An answer to that query; nullopt: it is none (another id, a query): wait on. Only the header is
/// looked at, so that nothing a server sends is parsed further.
std::optional<Outcome> judge_dns(ByteView answer, std::uint16_t id);

/// An ICMP echo request; the kernel puts in identifier and checksum (ping sockets, icmp(7)).
Bytes echo_request(Family family, std::uint16_t sequence);
std::optional<Outcome> judge_echo(ByteView answer, Family family, std::uint16_t sequence);

/// An answer to UDP_CHECK.
Outcome judge_udp(const UdpSettings& settings, ByteView answer);

}  // namespace vipd::check
