// SPDX-License-Identifier: Apache-2.0
// MD5 (RFC 1321) and HMAC-MD5 (RFC 2104), for AH alone (RFC 2403): it is what the routers in use
// speak. No allocation; OpenSSL's refuses MD5 on hardened hosts.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace vipd::vrrp {

using Md5Digest = std::array<std::uint8_t, 16>;

/// Takes bytes piece by piece.
class Md5 {
  public:
    void add(std::span<const std::uint8_t> bytes);
    /// Ends it; the object is of no more use.
    Md5Digest finish();

  private:
    void block(std::span<const std::uint8_t, 64> bytes);

    std::array<std::uint32_t, 4> state_{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    std::array<std::uint8_t, 64> pending_{};
    std::uint64_t length_ = 0;
};

/// HMAC over the pieces in their order. `key`: at most 64 bytes.
class HmacMd5 {
  public:
    explicit HmacMd5(std::span<const std::uint8_t> key);
    void add(std::span<const std::uint8_t> bytes) { inner_.add(bytes); }
    Md5Digest finish();

  private:
    Md5 inner_;
    std::array<std::uint8_t, 64> outer_pad_{};
};

}  // namespace vipd::vrrp
