// SPDX-License-Identifier: Apache-2.0
// The VRRP advertisement, version 2 (RFC 3768, PASS of RFC 2338; IPv4) and 3 (RFC 5798, 9568; IPv4
// and IPv6): bytes to values and back. Pure; nothing here allocates before a packet has passed
// every check.
#pragma once

#include "vrrp/packet/ah.hpp"
#include "vrrp/packet/hmac.hpp"
#include "vrrp/packet/reject.hpp"

#include <vipd/address.hpp>
#include <vipd/time.hpp>

#include <tl/expected.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace vipd::vrrp {

inline constexpr std::uint8_t kProtocolVrrp = 112;
inline constexpr std::uint8_t kOwnerPriority = 255;
inline constexpr std::uint8_t kResignPriority = 0;
/// IPv6 header, fixed part, 255 addresses, HMAC: no advert is larger.
inline constexpr std::size_t kMaxAdvert = 40 + 8 + 255 * 16 + kHmacTrailer;

/// The password as it stands in the packet: 8 bytes, zero-padded (RFC 2338, 5.3.6.2).
using AuthPass = std::array<std::uint8_t, 8>;
AuthPass make_auth_pass(std::string_view text);

/// One advertisement's content.
struct Advert {
    std::uint8_t version = 2;
    std::uint8_t vrid = 0;
    std::uint8_t priority = 0;
    Nanos interval{Seconds(1)};  ///< v2: whole seconds 1..255; v3: 10 ms .. 40.95 s
    std::optional<AuthPass> auth;
    bool ah = false;                     ///< it will travel within AH (add_ah)
    std::vector<IpAddress> addresses{};  ///< of one family, at most 255
    /// v3 over IPv4: checksum of the message alone (RFC 9568) instead of the deployed form with a
    /// pseudo header (RFC 5798 as everybody reads it).
    bool plain_checksum = false;
    /// v3 over IPv4 by unicast: the destination in the pseudo header, as keepalived until 1.3.6 has
    /// it (its multicast group); none: the one it is sent to.
    IpAddress checksum_group{};
    bool operator==(const Advert&) const = default;
};

/// Things seen in an accepted advert that an operator should know of.
struct Notes {
    bool checksum_form_differs = false;  ///< v3 over IPv4: with the pseudo header, ours without
                                         ///< it, or the reverse
    bool old_checksum = false;           ///< with Expected::checksum_group
    bool address_list_differs = false;
    bool interval_differs = false;      ///< v3: adopted while backup
    bool first_not_link_local = false;  ///< IPv6, RFC 9568 5.2.9
    bool hmac_missing = false;          ///< and our mode takes that
    bool hmac_clock_skew = false;       ///< more than half of the window
    bool operator==(const Notes&) const = default;
};

/// A datagram whose IP header is sound. `payload` points into the caller's bytes.
struct Envelope {
    IpAddress source;
    IpAddress destination;
    std::uint8_t ttl = 0;  ///< IPv6: hop limit
    std::span<const std::uint8_t> payload;
    /// The second payload byte, unverified: only for finding the instance to decode() against.
    std::optional<std::uint8_t> claimed_vrid;
    /// The advert is within AH, which has not been looked at beyond its form.
    struct Ah {
        std::span<const std::uint8_t> datagram;
        std::size_t ip_header = 0;
        std::uint32_t sequence = 0;
        AhIcv icv{};
    };
    std::optional<Ah> ah{};
};

/// Who may send adverts to us by unicast, and from how far away.
struct UnicastPeer {
    IpAddress address;
    std::uint8_t min_ttl = 0;
    std::uint8_t max_ttl = 255;
    bool operator==(const UnicastPeer&) const = default;
};

/// AH with this key, and nothing that is not after the last sequence number seen.
struct AhExpected {
    AhKey key{};
    std::optional<std::uint32_t> last_sequence;
};

/// The trailer of auth_hmac: by these settings, later than what `replay` knows, at this time.
struct HmacExpected {
    const HmacSettings* settings = nullptr;  ///< never null
    const HmacReplay* replay = nullptr;      ///< absent: nobody has been heard of
    Nanos unix_time{0};
};

/// What an instance expects of the adverts that it accepts.
struct Expected {
    std::uint8_t version = 2;
    std::uint8_t vrid = 0;
    Nanos interval{Seconds(1)};
    std::optional<AuthPass> auth;
    IpAddress own;                       ///< our primary address; its family is the instance's
    IpAddress group;                     ///< multicast destination; none: unicast
    std::span<const UnicastPeer> peers;  ///< unicast: accepted senders
    std::span<const IpAddress> addresses;
    bool plain_checksum = false;  ///< what we send ourselves; both are accepted
    IpAddress checksum_group{};   ///< a third form, see Advert; none: not accepted
    enum class AddressCheck : std::uint8_t { Skip, Note, Drop } address_check = AddressCheck::Note;
    std::optional<AhExpected> ah{};      ///< instead of `auth`
    std::optional<HmacExpected> hmac{};  ///< without `auth` and `ah`
};

struct Decoded {
    Advert advert;
    IpAddress source;
    Notes notes;
    std::uint32_t ah_sequence = 0;
    std::optional<HmacTrailer> hmac;  ///< verified
};

/// Looks at the IPv4 or IPv6 header (with options or extension headers; padding after the datagram
/// is tolerated). `truncated`: the kernel had more bytes than the buffer took.
tl::expected<Envelope, Reject> open_envelope(std::span<const std::uint8_t> datagram,
                                             bool truncated);

/// Checks the rest in the order of Reject. v3 over IPv4: both checksum forms are accepted.
tl::expected<Decoded, Reject> decode(const Envelope& envelope, const Expected& expected);
/// The same but for the addresses, which are compared and left out: it allocates nothing.
tl::expected<Decoded, Reject> check(const Envelope& envelope, const Expected& expected);

/// The whole datagram, IP header included: TOS or traffic class 0xc0 (RFC 791 internetwork
/// control), identification left 0 for the kernel, no fragmentation flags.
std::vector<std::uint8_t> encode(const Advert& advert,
                                 const IpAddress& source,
                                 const IpAddress& destination,
                                 std::uint8_t ttl = 255);
/// The same into `out`: with room in it (kMaxAdvert) nothing is allocated.
void encode(const Advert& advert,
            const IpAddress& source,
            const IpAddress& destination,
            std::uint8_t ttl,
            std::vector<std::uint8_t>& out);

}  // namespace vipd::vrrp
