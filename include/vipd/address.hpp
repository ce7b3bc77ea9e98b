// SPDX-License-Identifier: Apache-2.0
// Network addresses as values. Bytes are in network order throughout; ports are in host order.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace vipd {

enum class Family : std::uint8_t { None = 0, V4 = 4, V6 = 6 };

/// IANA protocol numbers of what a virtual service can carry.
enum class Protocol : std::uint8_t { Tcp = 6, Udp = 17, Sctp = 132 };

std::string_view to_string(Protocol protocol);  ///< "TCP", "UDP", "SCTP"

/// An IPv4 or IPv6 address; default-constructed it is none.
class IpAddress {
  public:
    IpAddress() = default;
    static IpAddress v4(std::span<const std::uint8_t, 4> bytes);
    static IpAddress v4(std::uint32_t host_order);
    static IpAddress v6(std::span<const std::uint8_t, 16> bytes);
    /// Dotted quad or RFC 4291 text; nothing else (no names, no brackets, no prefix length).
    static std::optional<IpAddress> parse(std::string_view text);

    Family family() const { return family_; }
    bool is_v4() const { return family_ == Family::V4; }
    bool is_v6() const { return family_ == Family::V6; }
    explicit operator bool() const { return family_ != Family::None; }
    /// 4 or 16 bytes, network order.
    std::span<const std::uint8_t> bytes() const {
        return {bytes_.data(), is_v4() ? 4U : is_v6() ? 16U : 0U};
    }
    /// The IPv4 address as a number in host order; only for is_v4().
    std::uint32_t v4_host_order() const;
    /// The IPv4 address as the kernel's __be32; only for is_v4().
    std::uint32_t v4_be() const;
    bool is_multicast() const;
    bool is_unspecified() const;
    bool is_link_local() const;
    std::string to_string() const;

    auto operator<=>(const IpAddress&) const = default;

  private:
    Family family_ = Family::None;
    std::array<std::uint8_t, 16> bytes_{};
};

/// Address and prefix length ("10.0.0.4/24"); a bare address has the full length.
struct IpPrefix {
    IpAddress address;
    std::uint8_t length = 0;

    static std::optional<IpPrefix> parse(std::string_view text);
    std::string to_string() const;
    auto operator<=>(const IpPrefix&) const = default;
};

/// Address and port (host order).
struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;

    std::string to_string() const;  ///< "10.0.0.1:80", "[2001:db8::1]:80"
    auto operator<=>(const Endpoint&) const = default;
};

/// What names a virtual service: address, port and protocol.
struct ServiceKey {
    Endpoint endpoint;
    Protocol protocol = Protocol::Tcp;

    std::string to_string() const;  ///< "10.0.0.1:80/TCP"
    auto operator<=>(const ServiceKey&) const = default;
};

using MacAddress = std::array<std::uint8_t, 6>;
std::string to_string(const MacAddress& mac);

}  // namespace vipd

template <>
struct std::hash<vipd::IpAddress> {
    std::size_t operator()(const vipd::IpAddress& address) const noexcept;
};
template <>
struct std::hash<vipd::ServiceKey> {
    std::size_t operator()(const vipd::ServiceKey& key) const noexcept;
};
