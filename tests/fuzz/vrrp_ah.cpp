// SPDX-License-Identifier: Apache-2.0
// A key, the last sequence number, and a datagram within AH: as it is, with right sums, and with
// the right integrity value too. What is accepted has the value that OpenSSL finds, and comes after
// the last one; what has it is rejected for no other reason of AH's.
#include "vrrp/packet/advert.hpp"
#include "vrrp/packet/checksum.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

using namespace vipd;
using namespace vipd::vrrp;
using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kHeader = 20;

void demand(bool holds) {
    if (!holds) std::abort();
}

std::vector<std::uint8_t> md5(const Bytes& bytes) {
    std::vector<std::uint8_t> digest(16);
    demand(EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_md5(), nullptr) == 1);
    return digest;
}

/// RFC 2104 and 2402 told once more: of the IP header type of service, fragments and checksum are
/// 0.
AhIcv their_icv(Bytes datagram, std::size_t ip_header, const AhKey& key) {
    datagram[1] = datagram[6] = datagram[7] = datagram[10] = datagram[11] = 0;
    std::fill_n(
        datagram.begin() + static_cast<std::ptrdiff_t>(ip_header + 12), 12, std::uint8_t{0});
    Bytes inner(64, 0x36);
    Bytes outer(64, 0x5c);
    for (std::size_t i = 0; i < key.size(); ++i) {
        inner[i] ^= key[i];
        outer[i] ^= key[i];
    }
    inner.insert(inner.end(), datagram.begin(), datagram.end());
    const Bytes digest = md5(inner);
    outer.insert(outer.end(), digest.begin(), digest.end());
    AhIcv icv{};
    std::ranges::copy_n(md5(outer).begin(), 12, icv.begin());
    return icv;
}

void put(Bytes& bytes, std::size_t at, unsigned value) {
    bytes[at] = static_cast<std::uint8_t>(value >> 8U);
    bytes[at + 1] = static_cast<std::uint8_t>(value);
}

void mend_header(Bytes& bytes) {
    const std::size_t header = std::size_t{bytes[0] & 0x0fU} * 4;
    put(bytes, 10, 0);
    put(bytes, 10, checksum_finish(checksum_add(std::span(bytes).first(header))));
}

/// With a true IP header in front of an authentication header, where there is room for both.
bool mend(Bytes& bytes) {
    if (bytes.size() > 0xffff || bytes.size() < kHeader) return false;
    const std::size_t header = std::size_t{std::max(5U, bytes[0] & 0x0fU)} * 4;
    if (bytes.size() < header + kAhHeader) return false;
    bytes[0] = static_cast<std::uint8_t>(0x40 | header / 4);
    put(bytes, 2, static_cast<unsigned>(bytes.size()));
    bytes[9] = kProtocolAh;
    bytes[header] = kProtocolVrrp;
    bytes[header + 1] = kAhHeader / 4 - 2;
    put(bytes, header + 2, 0);
    std::copy_n(bytes.begin() + 12, 4, bytes.begin() + static_cast<std::ptrdiff_t>(header + 4));
    if (bytes.size() >= header + kAhHeader + 8) {
        const std::size_t body = header + kAhHeader;
        put(bytes, body + 6, 0);
        put(bytes, body + 6, checksum_finish(checksum_add(std::span(bytes).subspan(body))));
    }
    mend_header(bytes);
    return true;
}

/// Whether it was accepted, and why not.
std::optional<Reject> decoded(const Bytes& bytes, const Expected& expected) {
    const auto envelope = open_envelope(bytes, false);
    if (!envelope) return envelope.error();
    const auto result = decode(*envelope, expected);
    if (!result) return result.error();
    demand(envelope->ah.has_value());
    const Envelope::Ah& ah = *envelope->ah;
    demand(ah.icv ==
           their_icv({ah.datagram.begin(), ah.datagram.end()}, ah.ip_header, expected.ah->key));
    demand(comes_after(result->ah_sequence, *expected.ah->last_sequence));
    // A copy of it is not accepted again.
    Expected later = expected;
    later.ah->last_sequence = result->ah_sequence;
    const auto again = decode(*envelope, later);
    demand(!again && again.error() == Reject::AhReplay);
    // Another key is another value.
    Expected other = expected;
    other.ah->key[7] ^= 1;
    const auto forged = decode(*envelope, other);
    demand(!forged && forged.error() == Reject::AhFailure);
    return std::nullopt;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    AhExpected ah;
    if (size < ah.key.size() + 4) return 0;
    std::copy_n(data, ah.key.size(), ah.key.begin());
    std::uint32_t last = 0;
    std::memcpy(&last, data + ah.key.size(), sizeof last);
    ah.last_sequence = last;
    Bytes bytes(data + ah.key.size() + sizeof last, data + size);
    const std::array addresses = {*IpAddress::parse("10.9.0.100")};
    const Expected expected{.version = 2,
                            .vrid = 51,
                            .interval = Seconds(1),
                            .auth = std::nullopt,
                            .own = *IpAddress::parse("10.9.0.2"),
                            .group = *IpAddress::parse("224.0.0.18"),
                            .peers = {},
                            .addresses = addresses,
                            .ah = ah};
    (void)decoded(bytes, expected);
    if (!mend(bytes)) return 0;
    (void)decoded(bytes, expected);

    const std::size_t header = std::size_t{bytes[0] & 0x0fU} * 4;
    const AhIcv icv = ah_icv(bytes, header, ah.key);
    demand(icv == their_icv(bytes, header, ah.key));
    std::ranges::copy(icv, bytes.begin() + static_cast<std::ptrdiff_t>(header + 12));
    const auto reason = decoded(bytes, expected);
    demand(reason != Reject::AhFailure && reason != Reject::AhHeader);
    // On its way, type of service, fragment fields and checksum may change.
    bytes[1] ^= 0x20;
    bytes[6] ^= 0x40;
    mend_header(bytes);
    demand(decoded(bytes, expected) == reason);
    return 0;
}
