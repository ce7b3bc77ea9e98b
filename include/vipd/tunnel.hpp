// SPDX-License-Identifier: Apache-2.0
// How TUN sends a packet to a real server, in the words of keepalived.conf and ipvsadm.
#pragma once

#include <vipd/address.hpp>

#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

namespace vipd {

/// `type ipip|gue port N|gre [nocsum|csum|remcsum]`: what TUN puts a packet into.
struct Tunnel {
    enum class Type : std::uint8_t { Ipip, Gue, Gre };
    enum class Checksum : std::uint8_t { None, Full, Remote };
    Type type = Type::Ipip;
    std::uint16_t port = 0;              ///< GUE
    Checksum checksum = Checksum::None;  ///< GUE, GRE; Remote: GUE
    auto operator<=>(const Tunnel&) const = default;
};

/// "ipip", "gue", "gre"
std::string_view to_string(Tunnel::Type type);
std::optional<Tunnel::Type> tunnel_type_of(std::string_view word);
/// "nocsum", "csum", "remcsum"
std::string_view to_string(Tunnel::Checksum checksum);
std::optional<Tunnel::Checksum> tunnel_checksum_of(std::string_view word);
/// Bytes that a tunnel to a real server of this family puts before a packet, at most.
std::uint32_t overhead(const Tunnel& tunnel, Family real);

}  // namespace vipd
