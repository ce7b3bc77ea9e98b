// SPDX-License-Identifier: Apache-2.0
// The Internet checksum (RFC 1071).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace vipd::vrrp {

/// Adds the bytes, taken as big-endian words (an odd last byte is padded with zero), to `sum`.
constexpr std::uint32_t checksum_add(std::span<const std::uint8_t> bytes, std::uint32_t sum = 0) {
    for (std::size_t i = 0; i < bytes.size(); i += 2) {
        const std::uint32_t low = i + 1 < bytes.size() ? bytes[i + 1] : 0U;
        sum += (static_cast<std::uint32_t>(bytes[i]) << 8) | low;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

/// The value for the checksum field, host order; 0 over bytes that include a correct one.
constexpr std::uint16_t checksum_finish(std::uint32_t sum) {
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum & 0xffff);
}

}  // namespace vipd::vrrp
