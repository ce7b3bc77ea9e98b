// SPDX-License-Identifier: Apache-2.0
#include <vipd/address.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <cstring>

namespace vipd {

std::string_view to_string(Protocol protocol) {
    switch (protocol) {
        case Protocol::Tcp:
            return "TCP";
        case Protocol::Udp:
            return "UDP";
        case Protocol::Sctp:
            return "SCTP";
    }
    return "?";
}

IpAddress IpAddress::v4(std::span<const std::uint8_t, 4> bytes) {
    IpAddress address;
    address.family_ = Family::V4;
    std::ranges::copy(bytes, address.bytes_.begin());
    return address;
}

IpAddress IpAddress::v4(std::uint32_t host_order) {
    const std::array<std::uint8_t, 4> bytes{static_cast<std::uint8_t>(host_order >> 24),
                                            static_cast<std::uint8_t>(host_order >> 16),
                                            static_cast<std::uint8_t>(host_order >> 8),
                                            static_cast<std::uint8_t>(host_order)};
    return v4(std::span<const std::uint8_t, 4>(bytes));
}

IpAddress IpAddress::v6(std::span<const std::uint8_t, 16> bytes) {
    IpAddress address;
    address.family_ = Family::V6;
    std::ranges::copy(bytes, address.bytes_.begin());
    return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    // inet_pton() would stop at a NUL and take what stands before it.
    if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != text.npos) return std::nullopt;
    const std::string terminated(text);
    std::array<std::uint8_t, 16> bytes{};
    if (inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1)
        return v4(std::span<const std::uint8_t, 16>(bytes).first<4>());
    if (inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1)
        return v6(std::span<const std::uint8_t, 16>(bytes));
    return std::nullopt;
}

std::uint32_t IpAddress::v4_host_order() const {
    return ntohl(v4_be());
}

std::uint32_t IpAddress::v4_be() const {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes_.data(), sizeof value);
    return value;
}

bool IpAddress::is_multicast() const {
    return is_v4() ? (bytes_[0] & 0xf0) == 0xe0 : is_v6() && bytes_[0] == 0xff;
}

bool IpAddress::is_unspecified() const {
    return family_ != Family::None &&
           std::ranges::all_of(bytes_, [](std::uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_link_local() const {
    return is_v4() ? bytes_[0] == 169 && bytes_[1] == 254
                   : is_v6() && bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

std::string IpAddress::to_string() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    switch (family_) {
        case Family::None:
            return "none";
        case Family::V4:
            return inet_ntop(AF_INET, bytes_.data(), text.data(), text.size());
        case Family::V6:
            return inet_ntop(AF_INET6, bytes_.data(), text.data(), text.size());
    }
    return "none";
}

std::optional<IpPrefix> IpPrefix::parse(std::string_view text) {
    const auto slash = text.find('/');
    const auto address = IpAddress::parse(text.substr(0, slash));
    if (!address) return std::nullopt;
    const std::uint8_t full = address->is_v4() ? 32 : 128;
    if (slash == std::string_view::npos) return IpPrefix{*address, full};
    std::uint8_t length = 0;
    const auto digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), length);
    if (error != std::errc() || end != digits.end() || length > full) return std::nullopt;
    return IpPrefix{*address, length};
}

std::string IpPrefix::to_string() const {
    return fmt::format("{}/{}", address.to_string(), length);
}

std::string Endpoint::to_string() const {
    return address.is_v6() ? fmt::format("[{}]:{}", address.to_string(), port)
                           : fmt::format("{}:{}", address.to_string(), port);
}

std::string ServiceKey::to_string() const {
    return fmt::format("{}/{}", endpoint.to_string(), vipd::to_string(protocol));
}

std::string to_string(const MacAddress& mac) {
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}",
                       mac[0],
                       mac[1],
                       mac[2],
                       mac[3],
                       mac[4],
                       mac[5]);
}

}  // namespace vipd

std::size_t std::hash<vipd::IpAddress>::operator()(const vipd::IpAddress& address) const noexcept {
    const auto bytes = address.bytes();
    return std::hash<std::string_view>()(
        {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::size_t std::hash<vipd::ServiceKey>::operator()(const vipd::ServiceKey& key) const noexcept {
    const std::size_t address = std::hash<vipd::IpAddress>()(key.endpoint.address);
    const std::size_t rest = (static_cast<std::size_t>(key.endpoint.port) << 8U) |
                             static_cast<std::size_t>(key.protocol);
    return address ^ (rest * 0x9e3779b97f4a7c15ULL);
}
