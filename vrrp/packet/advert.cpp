// SPDX-License-Identifier: Apache-2.0
#include "vrrp/packet/advert.hpp"

#include "vrrp/packet/checksum.hpp"

#include <algorithm>

namespace vipd::vrrp {

namespace {

constexpr std::size_t kIpHeader = 20;
constexpr std::size_t kFixed = 8;
constexpr std::size_t kAuth = 8;
constexpr std::uint8_t kTypeAdvertisement = 1;
constexpr std::uint8_t kAuthNone = 0;
constexpr std::uint8_t kAuthPass = 1;
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

std::uint32_t pseudo_header(const IpAddress& source, const IpAddress& destination, std::size_t n) {
    std::uint32_t sum = checksum_add(source.bytes());
    sum = checksum_add(destination.bytes(), sum);
    return sum + kProtocolVrrp + static_cast<std::uint32_t>(n);
}

// No early exit: how long it takes must not tell how many leading bytes were right.
bool equal_in_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
    unsigned difference = 0;
    for (std::size_t i = 0; i < kAuth; ++i)
        difference |= static_cast<unsigned>(a[i]) ^ static_cast<unsigned>(b[i]);
    return difference == 0;
}

// As sets: routers may list them in any order. Sorted, so that a flood of long lists in the worst
// order costs no more than one in ours.
bool same_addresses(std::span<const std::uint8_t> list, std::span<const IpAddress> ours) {
    if (list.size() != ours.size() * 4) return false;
    std::array<std::uint32_t, 255> theirs{};
    std::array<std::uint32_t, 255> mine{};
    for (std::size_t i = 0; i < ours.size(); ++i) {
        theirs[i] = read_v4(list, i * 4).v4_host_order();
        mine[i] = ours[i].v4_host_order();
    }
    const auto size = static_cast<std::ptrdiff_t>(ours.size());
    std::sort(theirs.begin(), theirs.begin() + size);
    std::sort(mine.begin(), mine.begin() + size);
    return std::equal(mine.begin(), mine.begin() + size, theirs.begin());
}

std::optional<Reject> check_way(const Envelope& envelope, const Expected& expected) {
    const bool multicast = static_cast<bool>(expected.group);
    // A unicast peer may be several hops away; what protects then is the list of peers.
    if (multicast && envelope.ttl != 255) return Reject::Ttl;
    if (multicast ? envelope.destination != expected.group : envelope.destination.is_multicast())
        return Reject::Destination;
    if (envelope.source.is_multicast() || envelope.source.is_unspecified() ||
        envelope.source.v4_host_order() == 0xffffffffU)
        return Reject::Source;
    if (envelope.source == expected.own) return Reject::OwnAddress;
    if (!multicast && std::find(expected.peers.begin(), expected.peers.end(), envelope.source) ==
                          expected.peers.end())
        return Reject::UnicastPeer;
    return std::nullopt;
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
    if (datagram.size() < kIpHeader || datagram[0] >> 4 != 4)
        return tl::unexpected(Reject::IpHeader);
    const std::size_t header = static_cast<std::size_t>(datagram[0] & 0x0f) * 4;
    if (header < kIpHeader || header > datagram.size()) return tl::unexpected(Reject::IpHeader);
    const std::size_t total = read_u16(datagram, 2);
    if (total > datagram.size() || total < header) return tl::unexpected(Reject::IpLength);
    if (checksum_finish(checksum_add(datagram.first(header))) != 0)
        return tl::unexpected(Reject::IpChecksum);
    if (datagram[9] != kProtocolVrrp) return tl::unexpected(Reject::Protocol);
    Envelope envelope{.source = read_v4(datagram, 12),
                      .destination = read_v4(datagram, 16),
                      .ttl = datagram[8],
                      .payload = datagram.subspan(header, total - header),
                      .claimed_vrid = std::nullopt};
    if (envelope.payload.size() >= 2) envelope.claimed_vrid = envelope.payload[1];
    return envelope;
}

tl::expected<Decoded, Reject> decode(const Envelope& envelope, const Expected& expected) {
    if (const auto reason = check_way(envelope, expected)) return tl::unexpected(*reason);

    const auto bytes = envelope.payload;
    if (bytes.size() < kFixed) return tl::unexpected(Reject::Length);
    const std::uint8_t version = bytes[0] >> 4;
    const std::size_t count = bytes[3];
    const std::size_t body = kFixed + count * 4;
    if ((version == 2 && bytes.size() != body + kAuth) || (version == 3 && bytes.size() != body))
        return tl::unexpected(Reject::Length);
    if (version != expected.version) return tl::unexpected(Reject::Version);
    if ((bytes[0] & 0x0f) != kTypeAdvertisement) return tl::unexpected(Reject::Type);
    if (bytes[1] != expected.vrid || bytes[1] == 0) return tl::unexpected(Reject::Vrid);

    Decoded result;
    const std::uint32_t sum = checksum_add(bytes);
    if (version == 2) {
        if (checksum_finish(sum) != 0) return tl::unexpected(Reject::Checksum);
    } else {
        const auto pseudo = pseudo_header(envelope.source, envelope.destination, bytes.size());
        const bool with = checksum_finish(sum + pseudo) == 0;
        if (!with && checksum_finish(sum) != 0) return tl::unexpected(Reject::Checksum);
        result.notes.checksum_without_pseudo_header = !with;
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
        const std::uint8_t wanted = expected.auth ? kAuthPass : kAuthNone;
        if (bytes[4] != wanted) return tl::unexpected(Reject::AuthType);
        if (expected.auth && !equal_in_constant_time(bytes.subspan(body), *expected.auth))
            return tl::unexpected(Reject::AuthFailure);
    }

    const auto list = bytes.subspan(kFixed, count * 4);
    if (expected.address_check != Expected::AddressCheck::Skip &&
        !same_addresses(list, expected.addresses)) {
        // RFC 3768, 7.1 lets an address owner differ.
        if (expected.address_check == Expected::AddressCheck::Drop &&
            !(version == 2 && bytes[2] == kOwnerPriority))
            return tl::unexpected(Reject::AddressList);
        result.notes.address_list_differs = true;
    }

    result.source = envelope.source;
    result.advert.version = version;
    result.advert.vrid = bytes[1];
    result.advert.priority = bytes[2];
    result.advert.interval = interval;
    result.advert.auth = expected.auth && version == 2 ? expected.auth : std::nullopt;
    result.advert.addresses.reserve(count);
    for (std::size_t at = 0; at < list.size(); at += 4)
        result.advert.addresses.push_back(read_v4(list, at));
    return result;
}

std::vector<std::uint8_t> encode(const Advert& advert,
                                 const IpAddress& source,
                                 const IpAddress& destination,
                                 std::uint8_t ttl) {
    const std::size_t count = std::min<std::size_t>(advert.addresses.size(), 255);
    const std::size_t length = kFixed + count * 4 + (advert.version == 2 ? kAuth : 0);
    std::vector<std::uint8_t> out(kIpHeader + length);
    const std::span header(out.data(), kIpHeader);
    const std::span body(out.data() + kIpHeader, length);

    header[0] = 0x45;
    header[1] = kTosInternetworkControl;
    write_u16(header, 2, out.size());
    header[8] = ttl;
    header[9] = kProtocolVrrp;
    std::ranges::copy(source.bytes(), header.begin() + 12);
    std::ranges::copy(destination.bytes(), header.begin() + 16);
    write_u16(header, 10, checksum_finish(checksum_add(header)));

    body[0] = static_cast<std::uint8_t>((advert.version << 4) | kTypeAdvertisement);
    body[1] = advert.vrid;
    body[2] = advert.priority;
    body[3] = static_cast<std::uint8_t>(count);
    if (advert.version == 2) {
        body[4] = advert.auth ? kAuthPass : kAuthNone;
        body[5] = static_cast<std::uint8_t>(
            std::clamp<std::int64_t>(advert.interval / Nanos(Seconds(1)), 1, 255));
    } else {
        const auto cs = std::clamp<std::int64_t>(advert.interval / kCentisecond, 1, 4095);
        write_u16(body, 4, static_cast<std::size_t>(cs));
    }
    for (std::size_t i = 0; i < count; ++i)
        std::ranges::copy(advert.addresses[i].bytes(),
                          body.begin() + static_cast<std::ptrdiff_t>(kFixed + i * 4));
    if (advert.version == 2 && advert.auth)
        std::ranges::copy(*advert.auth,
                          body.begin() + static_cast<std::ptrdiff_t>(kFixed + count * 4));

    std::uint32_t sum = checksum_add(body);
    if (advert.version == 3) sum += pseudo_header(source, destination, length);
    write_u16(body, 6, checksum_finish(sum));
    return out;
}

}  // namespace vipd::vrrp
