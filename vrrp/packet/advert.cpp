// SPDX-License-Identifier: Apache-2.0
#include "vrrp/packet/advert.hpp"

#include "vrrp/packet/checksum.hpp"

#include <algorithm>
#include <cstdlib>

namespace vipd::vrrp {

namespace {

constexpr std::size_t kIpHeader = 20;
constexpr std::size_t kIp6Header = 40;
constexpr std::size_t kFixed = 8;
constexpr std::size_t kAuth = 8;
constexpr std::uint8_t kTypeAdvertisement = 1;
constexpr std::uint8_t kAuthNone = 0;
constexpr std::uint8_t kAuthPass = 1;
constexpr std::uint8_t kAuthAh = 2;
constexpr std::uint8_t kTosInternetworkControl = 0xc0;
constexpr Nanos kCentisecond = Millis(10);

std::uint16_t read_u16(std::span<const std::uint8_t> bytes, std::size_t at) {
    return static_cast<std::uint16_t>((bytes[at] << 8) | bytes[at + 1]);
}

void write_u16(std::span<std::uint8_t> bytes, std::size_t at, std::size_t value) {
    bytes[at] = static_cast<std::uint8_t>(value >> 8);
    bytes[at + 1] = static_cast<std::uint8_t>(value & 0xff);
}

IpAddress read_v4(std::span<const std::uint8_t> bytes, std::size_t at) {
    return IpAddress::v4(bytes.subspan(at).first<4>());
}

IpAddress read_v6(std::span<const std::uint8_t> bytes, std::size_t at) {
    return IpAddress::v6(bytes.subspan(at).first<16>());
}

std::uint32_t pseudo_header(const IpAddress& source, const IpAddress& destination, std::size_t n) {
    std::uint32_t sum = checksum_add(source.bytes());
    sum = checksum_add(destination.bytes(), sum);
    return sum + kProtocolVrrp + static_cast<std::uint32_t>(n);
}

// No early exit: how long it takes must not tell how many leading bytes were right.
bool equal_in_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
    unsigned difference = 0;
    for (std::size_t i = 0; i < b.size(); ++i)
        difference |= static_cast<unsigned>(a[i]) ^ static_cast<unsigned>(b[i]);
    return difference == 0;
}

// As sets: routers may list them in any order. Sorted, so that a flood of long lists in the worst
// order costs no more than one in ours.
template <std::size_t kSize>
bool same_addresses(std::span<const std::uint8_t> list, std::span<const IpAddress> ours) {
    if (list.size() != ours.size() * kSize) return false;
    using Address = std::array<std::uint8_t, kSize>;
    std::array<Address, 255> theirs;  // NOLINT: as much as is compared is filled
    std::array<Address, 255> mine;    // NOLINT
    for (std::size_t i = 0; i < ours.size(); ++i) {
        std::ranges::copy(list.subspan(i * kSize, kSize), theirs[i].begin());
        std::ranges::copy(ours[i].bytes(), mine[i].begin());
    }
    const auto size = static_cast<std::ptrdiff_t>(ours.size());
    std::sort(theirs.begin(), theirs.begin() + size);
    std::sort(mine.begin(), mine.begin() + size);
    return std::equal(mine.begin(), mine.begin() + size, theirs.begin());
}

bool is_broadcast(const IpAddress& address) {
    return address.is_v4() && address.v4_host_order() == 0xffffffffU;
}

std::optional<Reject> check_way(const Envelope& envelope, const Expected& expected) {
    const IpAddress& from = envelope.source;
    const bool multicast = static_cast<bool>(expected.group);
    const auto peer = std::ranges::find(expected.peers, from, &UnicastPeer::address);
    const bool known_peer = !multicast && peer != expected.peers.end();
    // A unicast peer may be several hops away; what protects then is the list of peers.
    if (multicast && envelope.ttl != 255) return Reject::Ttl;
    if (known_peer && (envelope.ttl < peer->min_ttl || envelope.ttl > peer->max_ttl))
        return Reject::Ttl;
    if (multicast ? envelope.destination != expected.group : envelope.destination.is_multicast())
        return Reject::Destination;
    if (from.is_multicast() || from.is_unspecified() || is_broadcast(from)) return Reject::Source;
    // RFC 9568, 5.1.2.1.
    if (multicast && from.is_v6() && !from.is_link_local()) return Reject::Source;
    if (from == expected.own) return Reject::OwnAddress;
    if (!multicast && !known_peer) return Reject::UnicastPeer;
    return std::nullopt;
}

tl::expected<Envelope, Reject> open_ah(Envelope envelope,
                                       std::span<const std::uint8_t> datagram,
                                       std::size_t ip_header) {
    const auto ah = envelope.payload;
    // RFC 2402, 2: next header, length in words less 2, SPI (keepalived: the source), sequence.
    if (ah.size() < kAhHeader || ah[0] != kProtocolVrrp || ah[1] != kAhHeader / 4 - 2 ||
        read_u16(ah, 2) != 0 || !std::ranges::equal(ah.subspan(4, 4), envelope.source.bytes()))
        return tl::unexpected(Reject::AhHeader);
    envelope.ah = Envelope::Ah{};
    envelope.ah->datagram = datagram;
    envelope.ah->ip_header = ip_header;
    envelope.ah->sequence = static_cast<std::uint32_t>(read_u16(ah, 8)) << 16 | read_u16(ah, 10);
    std::ranges::copy(ah.subspan(12, envelope.ah->icv.size()), envelope.ah->icv.begin());
    envelope.payload = ah.subspan(kAhHeader);
    return envelope;
}

std::optional<Reject> check_ah(const Envelope& envelope, const Expected& expected) {
    if (!expected.ah) return std::nullopt;
    const Envelope::Ah& ah = *envelope.ah;
    if (!equal_in_constant_time(ah.icv, ah_icv(ah.datagram, ah.ip_header, expected.ah->key)))
        return Reject::AhFailure;
    if (expected.ah->last_sequence && !comes_after(ah.sequence, *expected.ah->last_sequence))
        return Reject::AhReplay;
    return std::nullopt;
}

bool has_old_checksum(const Envelope& envelope,
                      const Expected& expected,
                      std::uint32_t sum,
                      std::size_t size) {
    if (!expected.checksum_group || !envelope.source.is_v4()) return false;
    return checksum_finish(sum + pseudo_header(envelope.source, expected.checksum_group, size)) ==
           0;
}

// Cheap things first, as keepalived does: only what may be fresh is worth a digest.
std::optional<Reject> check_hmac(const HmacExpected& expected,
                                 const Envelope& envelope,
                                 const HmacTrailer& trailer) {
    const HmacSettings& settings = *expected.settings;
    if (trailer.type != kHmacSha256 || trailer.reserved != 0) return Reject::HmacMalformed;
    const std::int64_t skew = hmac_skew(trailer.sequence, expected.unix_time);
    if (!settings.monotonic && std::abs(skew) > std::int64_t{settings.window})
        return Reject::HmacStale;
    const HmacKey* key = settings.find(trailer.key);
    if (key == nullptr) return Reject::HmacUnknownKey;
    if (!equal_in_constant_time(trailer.hmac, hmac_of(*key, envelope.source, envelope.payload)))
        return Reject::HmacFailure;
    if (expected.replay != nullptr &&
        !expected.replay->is_new(settings, envelope.source, trailer.sequence, expected.unix_time))
        return Reject::HmacReplay;
    return std::nullopt;
}

/// The trailer that is there, or none where the mode allows it.
tl::expected<std::optional<HmacTrailer>, Reject> take_hmac(const Expected& expected,
                                                           const Envelope& envelope,
                                                           bool present,
                                                           Notes& notes) {
    if (!expected.hmac) return std::nullopt;
    const HmacSettings& settings = *expected.hmac->settings;
    if (!present) {
        if (settings.mode == HmacSettings::Mode::Enforce)
            return tl::unexpected(Reject::HmacMissing);
        notes.hmac_missing = true;
        return std::nullopt;
    }
    const HmacTrailer trailer = read_hmac_trailer(envelope.payload.last(kHmacTrailer));
    if (const auto reason = check_hmac(*expected.hmac, envelope, trailer))
        return tl::unexpected(*reason);
    const std::int64_t skew = hmac_skew(trailer.sequence, expected.hmac->unix_time);
    notes.hmac_clock_skew = !settings.monotonic && std::abs(skew) > settings.window / 2;
    return trailer;
}

tl::expected<Envelope, Reject> open_v4(std::span<const std::uint8_t> datagram) {
    if (datagram.size() < kIpHeader) return tl::unexpected(Reject::IpHeader);
    const std::size_t header = static_cast<std::size_t>(datagram[0] & 0x0f) * 4;
    if (header < kIpHeader || header > datagram.size()) return tl::unexpected(Reject::IpHeader);
    const std::size_t total = read_u16(datagram, 2);
    if (total > datagram.size() || total < header) return tl::unexpected(Reject::IpLength);
    if (checksum_finish(checksum_add(datagram.first(header))) != 0)
        return tl::unexpected(Reject::IpChecksum);
    Envelope envelope{.source = read_v4(datagram, 12),
                      .destination = read_v4(datagram, 16),
                      .ttl = datagram[8],
                      .payload = datagram.subspan(header, total - header),
                      .claimed_vrid = std::nullopt};
    if (datagram[9] == kProtocolAh) return open_ah(envelope, datagram.first(total), header);
    if (datagram[9] != kProtocolVrrp) return tl::unexpected(Reject::Protocol);
    return envelope;
}

// Extension headers are the kernel's to skip: what it hands over begins with the advert, and the
// header in front of it has been made by RawTransport.
tl::expected<Envelope, Reject> open_v6(std::span<const std::uint8_t> datagram) {
    if (datagram.size() < kIp6Header) return tl::unexpected(Reject::IpHeader);
    const std::size_t length = read_u16(datagram, 4);
    if (kIp6Header + length > datagram.size()) return tl::unexpected(Reject::IpLength);
    if (datagram[6] != kProtocolVrrp) return tl::unexpected(Reject::Protocol);
    return Envelope{.source = read_v6(datagram, 8),
                    .destination = read_v6(datagram, 24),
                    .ttl = datagram[7],
                    .payload = datagram.subspan(kIp6Header, length),
                    .claimed_vrid = std::nullopt};
}

}  // namespace

AuthPass make_auth_pass(std::string_view text) {
    AuthPass pass{};
    std::copy_n(text.begin(), std::min(text.size(), pass.size()), pass.begin());
    return pass;
}

tl::expected<Envelope, Reject> open_envelope(std::span<const std::uint8_t> datagram,
                                             bool truncated) {
    if (truncated) return tl::unexpected(Reject::Truncated);
    const unsigned version = datagram.empty() ? 0U : datagram[0] >> 4U;
    if (version != 4 && version != 6) return tl::unexpected(Reject::IpHeader);
    auto envelope = version == 4 ? open_v4(datagram) : open_v6(datagram);
    if (envelope && envelope->payload.size() >= 2) envelope->claimed_vrid = envelope->payload[1];
    return envelope;
}

tl::expected<Decoded, Reject> decode(const Envelope& envelope, const Expected& expected) {
    auto result = check(envelope, expected);
    if (!result) return result;
    const bool v4 = envelope.source.is_v4();
    const std::size_t width = v4 ? 4 : 16;
    const std::size_t count = envelope.payload[3];
    const auto list = envelope.payload.subspan(kFixed, count * width);
    result->advert.addresses.reserve(count);
    for (std::size_t at = 0; at < list.size(); at += width)
        result->advert.addresses.push_back(v4 ? read_v4(list, at) : read_v6(list, at));
    return result;
}

tl::expected<Decoded, Reject> check(const Envelope& envelope, const Expected& expected) {
    if (envelope.ah.has_value() != expected.ah.has_value()) return tl::unexpected(Reject::Protocol);
    if (const auto reason = check_way(envelope, expected)) return tl::unexpected(*reason);
    if (const auto reason = check_ah(envelope, expected)) return tl::unexpected(*reason);

    const auto bytes = envelope.payload;
    if (bytes.size() < kFixed) return tl::unexpected(Reject::Length);
    const std::uint8_t version = bytes[0] >> 4;
    const std::size_t count = bytes[3];
    const bool v4 = envelope.source.is_v4();
    const std::size_t width = v4 ? 4 : 16;
    const std::size_t body = kFixed + count * width;
    const std::size_t message = body + (version == 2 ? kAuth : 0);
    const bool with_hmac = expected.hmac && bytes.size() == message + kHmacTrailer;
    if ((version == 2 || version == 3) && bytes.size() != message && !with_hmac)
        return tl::unexpected(Reject::Length);
    // RFC 3768 is for IPv4 alone.
    if (version != expected.version || (version == 2 && !v4))
        return tl::unexpected(Reject::Version);
    if ((bytes[0] & 0x0f) != kTypeAdvertisement) return tl::unexpected(Reject::Type);
    if (bytes[1] != expected.vrid || bytes[1] == 0) return tl::unexpected(Reject::Vrid);

    Decoded result;
    // The kernel's checksum of IPv6 covers the trailer, too.
    const auto summed = v4 && with_hmac ? bytes.first(message) : bytes;
    const std::uint32_t sum = checksum_add(summed);
    if (version == 2) {
        if (checksum_finish(sum) != 0) return tl::unexpected(Reject::Checksum);
    } else {
        const auto pseudo = pseudo_header(envelope.source, envelope.destination, summed.size());
        const bool with = checksum_finish(sum + pseudo) == 0;
        const bool without = v4 && checksum_finish(sum) == 0;
        if (!with && !without && !has_old_checksum(envelope, expected, sum, summed.size()))
            return tl::unexpected(Reject::Checksum);
        result.notes.old_checksum = !with && !without;
        result.notes.checksum_form_differs = expected.plain_checksum ? !without : !with;
    }
    if (count == 0) return tl::unexpected(Reject::AddressCount);

    const Nanos interval =
        version == 2 ? Nanos(Seconds(bytes[5])) : (read_u16(bytes, 4) & 0x0fff) * kCentisecond;
    // One forged advert of interval 0 would make a v3 backup time out at once (RFC 9568, 5.2.7).
    if (interval == Nanos(0)) return tl::unexpected(Reject::IntervalZero);
    if (version == 2 && interval != expected.interval)
        return tl::unexpected(Reject::IntervalMismatch);
    result.notes.interval_differs = interval != expected.interval;

    if (version == 2) {
        const std::uint8_t wanted = expected.ah ? kAuthAh : expected.auth ? kAuthPass : kAuthNone;
        if (bytes[4] != wanted) return tl::unexpected(Reject::AuthType);
        if (expected.auth && !equal_in_constant_time(bytes.subspan(body, kAuth), *expected.auth))
            return tl::unexpected(Reject::AuthFailure);
    }

    auto trailer = take_hmac(expected, envelope, with_hmac, result.notes);
    if (!trailer) return tl::unexpected(trailer.error());
    result.hmac = *trailer;

    const auto list = bytes.subspan(kFixed, count * width);
    if (expected.address_check != Expected::AddressCheck::Skip &&
        !(v4 ? same_addresses<4>(list, expected.addresses)
             : same_addresses<16>(list, expected.addresses))) {
        // RFC 3768, 7.1 lets an address owner differ.
        if (expected.address_check == Expected::AddressCheck::Drop &&
            (version != 2 || bytes[2] != kOwnerPriority))
            return tl::unexpected(Reject::AddressList);
        result.notes.address_list_differs = true;
    }

    result.source = envelope.source;
    if (envelope.ah) result.ah_sequence = envelope.ah->sequence;
    result.advert.ah = envelope.ah.has_value();
    result.advert.version = version;
    result.advert.vrid = bytes[1];
    result.advert.priority = bytes[2];
    result.advert.interval = interval;
    result.advert.auth = expected.auth && version == 2 ? expected.auth : std::nullopt;
    result.notes.first_not_link_local = !v4 && !read_v6(list, 0).is_link_local();
    return result;
}

std::vector<std::uint8_t> encode(const Advert& advert,
                                 const IpAddress& source,
                                 const IpAddress& destination,
                                 std::uint8_t ttl) {
    std::vector<std::uint8_t> out;
    encode(advert, source, destination, ttl, out);
    return out;
}

void encode(const Advert& advert,
            const IpAddress& source,
            const IpAddress& destination,
            std::uint8_t ttl,
            std::vector<std::uint8_t>& out) {
    const std::size_t count = std::min<std::size_t>(advert.addresses.size(), 255);
    const bool v4 = source.is_v4();
    const std::size_t width = v4 ? 4 : 16;
    const std::size_t front = v4 ? kIpHeader : kIp6Header;
    const std::size_t length = kFixed + count * width + (advert.version == 2 ? kAuth : 0);
    out.assign(front + length, 0);
    const std::span header(out.data(), front);
    const std::span body(out.data() + front, length);

    if (v4) {
        header[0] = 0x45;
        header[1] = kTosInternetworkControl;
        write_u16(header, 2, out.size());
        header[8] = ttl;
        header[9] = kProtocolVrrp;
        std::ranges::copy(source.bytes(), header.begin() + 12);
        std::ranges::copy(destination.bytes(), header.begin() + 16);
        write_u16(header, 10, checksum_finish(checksum_add(header)));
    } else {
        header[0] = 0x60 | kTosInternetworkControl >> 4;
        header[1] = (kTosInternetworkControl & 0x0f) << 4;
        write_u16(header, 4, length);
        header[6] = kProtocolVrrp;
        header[7] = ttl;
        std::ranges::copy(source.bytes(), header.begin() + 8);
        std::ranges::copy(destination.bytes(), header.begin() + 24);
    }

    body[0] = static_cast<std::uint8_t>((advert.version << 4) | kTypeAdvertisement);
    body[1] = advert.vrid;
    body[2] = advert.priority;
    body[3] = static_cast<std::uint8_t>(count);
    if (advert.version == 2) {
        body[4] = advert.ah ? kAuthAh : advert.auth ? kAuthPass : kAuthNone;
        body[5] = static_cast<std::uint8_t>(
            std::clamp<std::int64_t>(advert.interval / Nanos(Seconds(1)), 1, 255));
    } else {
        const auto cs = std::clamp<std::int64_t>(advert.interval / kCentisecond, 1, 4095);
        write_u16(body, 4, static_cast<std::size_t>(cs));
    }
    for (std::size_t i = 0; i < count; ++i)
        std::ranges::copy(advert.addresses[i].bytes(),
                          body.begin() + static_cast<std::ptrdiff_t>(kFixed + i * width));
    if (advert.version == 2 && advert.auth && !advert.ah)
        std::ranges::copy(*advert.auth,
                          body.begin() + static_cast<std::ptrdiff_t>(kFixed + count * width));

    std::uint32_t sum = checksum_add(body);
    if (advert.version == 3 && !(v4 && advert.plain_checksum))
        sum += pseudo_header(
            source, v4 && advert.checksum_group ? advert.checksum_group : destination, length);
    write_u16(body, 6, checksum_finish(sum));
}

}  // namespace vipd::vrrp
