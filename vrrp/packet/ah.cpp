// SPDX-License-Identifier: Apache-2.0
#include "vrrp/packet/ah.hpp"

#include "vrrp/packet/checksum.hpp"
#include "vrrp/packet/md5.hpp"

#include <algorithm>

namespace vipd::vrrp {

namespace {

constexpr std::size_t kIpHeader = 20;
constexpr std::size_t kMaxIpHeader = 60;
constexpr std::size_t kIcv = 12;  // offset of the value within the header

void write_u16(std::span<std::uint8_t> at, std::size_t value) {
    at[0] = static_cast<std::uint8_t>(value >> 8);
    at[1] = static_cast<std::uint8_t>(value & 0xff);
}

}  // namespace

AhIcv ah_icv(std::span<const std::uint8_t> datagram, std::size_t ip_header, const AhKey& key) {
    std::array<std::uint8_t, kMaxIpHeader> header{};
    std::ranges::copy(datagram.first(ip_header), header.begin());
    header[1] = 0;
    header[6] = header[7] = 0;
    header[10] = header[11] = 0;
    HmacMd5 hmac(key);
    hmac.add(std::span(header).first(ip_header));
    hmac.add(datagram.subspan(ip_header, kIcv));
    hmac.add(AhIcv{});
    hmac.add(datagram.subspan(ip_header + kAhHeader));
    const Md5Digest digest = hmac.finish();
    AhIcv icv{};
    std::copy_n(digest.begin(), icv.size(), icv.begin());
    return icv;
}

std::vector<std::uint8_t> add_ah(std::span<const std::uint8_t> datagram,
                                 const AhKey& key,
                                 std::uint32_t sequence) {
    std::vector<std::uint8_t> out;
    add_ah(datagram, key, sequence, out);
    return out;
}

void add_ah(std::span<const std::uint8_t> datagram,
            const AhKey& key,
            std::uint32_t sequence,
            std::vector<std::uint8_t>& out) {
    out.assign(datagram.begin(), datagram.end());
    out.insert(out.begin() + kIpHeader, kAhHeader, std::uint8_t{0});
    const std::span header(out.data(), kIpHeader);
    const std::span ah(out.data() + kIpHeader, kAhHeader);
    const auto low = static_cast<std::uint16_t>(sequence & 0xffff);
    write_u16(header.subspan(2), out.size());
    write_u16(header.subspan(4), low == 0 ? 1 : low);
    ah[0] = header[9];
    header[9] = kProtocolAh;
    ah[1] = kAhHeader / 4 - 2;
    std::copy_n(header.begin() + 12, 4, ah.begin() + 4);
    write_u16(ah.subspan(8), sequence >> 16);
    write_u16(ah.subspan(10), low);
    std::ranges::copy(ah_icv(out, kIpHeader, key), ah.begin() + kIcv);
    write_u16(header.subspan(10), 0);
    write_u16(header.subspan(10), checksum_finish(checksum_add(header)));
}

}  // namespace vipd::vrrp
