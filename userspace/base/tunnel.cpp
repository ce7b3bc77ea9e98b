// SPDX-License-Identifier: Apache-2.0
#include <vipd/tunnel.hpp>

#include <algorithm>
#include <array>

namespace vipd {

namespace {

constexpr std::array<std::string_view, 3> kTypes{"ipip", "gue", "gre"};
constexpr std::array<std::string_view, 3> kChecksums{"nocsum", "csum", "remcsum"};

template <class T>
std::optional<T> value_of(const std::array<std::string_view, 3>& words, std::string_view word) {
    const auto found = std::ranges::find(words, word);
    if (found == words.end()) return std::nullopt;
    return static_cast<T>(found - words.begin());
}

}  // namespace

std::string_view to_string(Tunnel::Type type) {
    return kTypes.at(static_cast<std::size_t>(type));
}

std::optional<Tunnel::Type> tunnel_type_of(std::string_view word) {
    return value_of<Tunnel::Type>(kTypes, word);
}

std::string_view to_string(Tunnel::Checksum checksum) {
    return kChecksums.at(static_cast<std::size_t>(checksum));
}

std::optional<Tunnel::Checksum> tunnel_checksum_of(std::string_view word) {
    return value_of<Tunnel::Checksum>(kChecksums, word);
}

std::uint32_t overhead(const Tunnel& tunnel, Family real) {
    const std::uint32_t ip = real == Family::V6 ? 40 : 20;
    switch (tunnel.type) {
        case Tunnel::Type::Gue:  // UDP, GUE, its private option
            return ip + 8 + 4 + (tunnel.checksum == Tunnel::Checksum::Remote ? 8U : 0U);
        case Tunnel::Type::Gre:
            return ip + 4 + (tunnel.checksum == Tunnel::Checksum::Full ? 4U : 0U);
        case Tunnel::Type::Ipip:
            break;
    }
    return ip;
}

}  // namespace vipd
