// SPDX-License-Identifier: Apache-2.0
// Big-endian fields, written and read in order: what the codecs of this folder are made of.
#pragma once

#include <vipd/address.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

namespace vipd::sync {

using Bytes = std::span<const std::uint8_t>;

template <class T>
void put(std::string& out, T value) {
    static_assert(std::is_unsigned_v<T>);
    for (std::size_t i = sizeof(T); i-- > 0;)
        out.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xff));
}

inline void put(std::string& out, const IpAddress& address) {
    const auto bytes = address.bytes();
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

/// Reads in order; after the first short or invalid field everything reads as zero.
class Reader {
  public:
    explicit Reader(Bytes bytes) : rest_(bytes) {}

    template <class T>
    T get() {
        const Bytes bytes = take(sizeof(T));
        std::uint64_t value = 0;
        for (const auto byte : bytes) value = value << 8 | byte;
        return static_cast<T>(value);
    }
    IpAddress address(bool v6) {
        const Bytes bytes = take(v6 ? 16 : 4);
        if (failed_) return {};
        return v6 ? IpAddress::v6(bytes.first<16>()) : IpAddress::v4(bytes.first<4>());
    }
    Bytes take(std::size_t size) {
        if (failed_ || size > rest_.size()) {
            failed_ = true;
            return {};
        }
        const Bytes taken = rest_.first(size);
        rest_ = rest_.subspan(size);
        return taken;
    }
    void require(bool condition) { failed_ = failed_ || !condition; }
    bool failed() const { return failed_; }
    bool finished() const { return !failed_ && rest_.empty(); }
    std::size_t left() const { return failed_ ? 0 : rest_.size(); }

  private:
    Bytes rest_;
    bool failed_ = false;
};

}  // namespace vipd::sync
