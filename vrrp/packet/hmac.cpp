// SPDX-License-Identifier: Apache-2.0
#include "vrrp/packet/hmac.hpp"

#include "vrrp/packet/checksum.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstdlib>

namespace vipd::vrrp {

namespace {

constexpr std::size_t kBlock = 64;
constexpr std::size_t kIpHeader = 20;
constexpr std::size_t kIp6Header = 40;
constexpr std::size_t kSum = 6;      // offset of the checksum in the advert
constexpr std::size_t kPrefix = 12;  // of the trailer: all but the HMAC
constexpr std::uint8_t kVrrp = 112;

void write_u16(std::span<std::uint8_t> at, std::size_t value) {
    at[0] = static_cast<std::uint8_t>(value >> 8);
    at[1] = static_cast<std::uint8_t>(value & 0xff);
}

std::uint64_t read_number(std::span<const std::uint8_t> bytes) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : bytes) value = value << 8 | byte;
    return value;
}

bool comes_after(std::uint64_t sequence, std::uint64_t last) {
    return static_cast<std::int64_t>(sequence - last) > 0;
}

bool within(const HmacSettings& settings, std::int32_t skew) {
    return std::abs(std::int64_t{skew}) <= std::int64_t{settings.window};
}

}  // namespace

HmacKey::HmacKey(std::uint8_t id, std::span<const std::uint8_t> secret) : id_(id) {
    std::array<std::uint8_t, kBlock> block{};
    if (secret.size() > kBlock)
        SHA256(secret.data(), secret.size(), block.data());
    else
        std::ranges::copy(secret, block.begin());
    for (std::uint8_t& byte : block) byte ^= 0x36;
    SHA256_Init(&inner_);
    SHA256_Update(&inner_, block.data(), block.size());
    for (std::uint8_t& byte : block) byte ^= 0x36 ^ 0x5c;
    SHA256_Init(&outer_);
    SHA256_Update(&outer_, block.data(), block.size());
    OPENSSL_cleanse(block.data(), block.size());
}

HmacKey::~HmacKey() {
    OPENSSL_cleanse(&inner_, sizeof inner_);
    OPENSSL_cleanse(&outer_, sizeof outer_);
}

std::array<std::uint8_t, 32> HmacKey::digest(
    std::span<const std::span<const std::uint8_t>> parts) const {
    std::array<std::uint8_t, 32> digest{};
    SHA256_CTX inner = inner_;
    for (const auto part : parts) SHA256_Update(&inner, part.data(), part.size());
    SHA256_Final(digest.data(), &inner);
    SHA256_CTX outer = outer_;
    SHA256_Update(&outer, digest.data(), digest.size());
    SHA256_Final(digest.data(), &outer);
    return digest;
}

const HmacKey* HmacSettings::find(std::uint8_t id) const {
    const auto found = std::ranges::find(keys, id, &HmacKey::id);
    return found == keys.end() ? nullptr : &*found;
}

HmacTrailer read_hmac_trailer(std::span<const std::uint8_t> bytes) {
    HmacTrailer trailer{.type = bytes[0],
                        .key = bytes[1],
                        .reserved = static_cast<std::uint16_t>(read_number(bytes.subspan(2, 2))),
                        .sequence = read_number(bytes.subspan(4, 8))};
    std::ranges::copy(bytes.subspan(kPrefix, trailer.hmac.size()), trailer.hmac.begin());
    return trailer;
}

HmacValue hmac_of(const HmacKey& key,
                  const IpAddress& source,
                  std::span<const std::uint8_t> payload) {
    static constexpr HmacValue kZero{};
    std::array<std::uint8_t, 20> pseudo{};
    pseudo[0] = source.is_v4() ? 4 : 6;
    pseudo[1] = payload[0] >> 4;
    pseudo[2] = payload[1];
    std::ranges::copy(source.bytes(), pseudo.begin() + 4);
    const std::array<std::span<const std::uint8_t>, 5> parts = {
        pseudo,
        payload.first(kSum),
        std::span(kZero).first(2),
        payload.subspan(kSum + 2, payload.size() - kSum - 2 - kZero.size()),
        kZero};
    const auto digest = key.digest(parts);
    HmacValue value{};
    std::copy_n(digest.begin(), value.size(), value.begin());
    return value;
}

void add_hmac(std::vector<std::uint8_t>& datagram, const HmacKey& key, std::uint64_t sequence) {
    const bool v4 = datagram[0] >> 4 == 4;
    const std::size_t front = v4 ? kIpHeader : kIp6Header;
    datagram.resize(datagram.size() + kHmacTrailer);
    const std::span header(datagram.data(), front);
    const std::span payload = std::span(datagram).subspan(front);
    const std::span trailer = payload.last(kHmacTrailer);
    trailer[0] = kHmacSha256;
    trailer[1] = key.id();
    for (std::size_t at = 0; at < 8; ++at)
        trailer[4 + at] = static_cast<std::uint8_t>(sequence >> (8 * (7 - at)));
    const IpAddress source =
        v4 ? IpAddress::v4(header.subspan<12, 4>()) : IpAddress::v6(header.subspan<8, 16>());
    std::ranges::copy(hmac_of(key, source, payload), trailer.begin() + kPrefix);
    if (v4) {
        write_u16(header.subspan(2), datagram.size());
        write_u16(header.subspan(10), 0);
        write_u16(header.subspan(10), checksum_finish(checksum_add(header)));
        return;
    }
    write_u16(header.subspan(4), payload.size());
    write_u16(payload.subspan(kSum), 0);
    std::uint32_t sum = checksum_add(header.subspan(8, 32), checksum_add(payload));
    sum += kVrrp + static_cast<std::uint32_t>(payload.size());
    write_u16(payload.subspan(kSum), checksum_finish(sum));
}

std::uint64_t hmac_sequence(Nanos unix_time) {
    constexpr std::int64_t kSecond = 1'000'000'000;
    const std::int64_t ns = std::max<std::int64_t>(unix_time.count(), 0);
    const auto seconds = static_cast<std::uint32_t>(ns / kSecond);
    const auto fraction = static_cast<std::uint64_t>(((ns % kSecond) << 16) / kSecond);
    return std::uint64_t{seconds} << 32 | fraction << 16;
}

std::uint64_t next_hmac_sequence(const HmacSettings& settings,
                                 std::uint64_t last,
                                 Nanos unix_time) {
    const std::uint64_t clock = hmac_sequence(unix_time);
    if (last == 0 || comes_after(clock, last)) return clock;
    const bool stranded = !settings.monotonic && !within(settings, hmac_skew(last, unix_time));
    return stranded ? clock : last + 1;
}

std::int32_t hmac_skew(std::uint64_t sequence, Nanos unix_time) {
    const auto now = static_cast<std::uint32_t>(hmac_sequence(unix_time) >> 32);
    return static_cast<std::int32_t>(now - static_cast<std::uint32_t>(sequence >> 32));
}

bool HmacReplay::is_new(const HmacSettings& settings,
                        const IpAddress& source,
                        std::uint64_t sequence,
                        Nanos unix_time) const {
    const auto found = std::ranges::find(senders_, source, &Sender::address);
    if (found == senders_.end()) return true;
    if (!settings.monotonic && !within(settings, hmac_skew(found->sequence, unix_time)))
        return true;
    return comes_after(sequence, found->sequence);
}

void HmacReplay::take(const IpAddress& source, std::uint64_t sequence) {
    if (senders_.empty()) return;
    auto to = std::ranges::find(senders_, source, &Sender::address);
    if (to == senders_.end()) to = std::ranges::min_element(senders_, {}, &Sender::used);
    *to = {.address = source, .sequence = sequence, .used = ++uses_};
}

}  // namespace vipd::vrrp
