// SPDX-License-Identifier: Apache-2.0
// Why a received advert is not used. One list makes the enum, the counter names and the log texts;
// the order of the list is the order in which decode() looks, so that a packet with two faults is
// always counted under the first.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vipd::vrrp {

// X(enumerator, counter name, what an operator is told: the finding, then what to do)
// clang-format off
#define VIPD_VRRP_REJECTS(X)                                                                       \
    X(Truncated, "truncated", "packet larger than any advert")                                     \
    X(IpHeader, "ip_header", "malformed IP header")                                                \
    X(IpLength, "ip_length", "IP total length exceeds what was received")                          \
    X(IpChecksum, "ip_checksum", "wrong IP header checksum")                                       \
    X(AhHeader, "ah_header", "malformed authentication header")                                    \
    X(Protocol, "protocol",                                                                        \
      "not the IP protocol expected: with auth_type AH 51, else 112; set the same auth_type on both routers") \
    X(Ttl, "ttl", "TTL is not 255: it was forwarded by a router or forged")                        \
    X(Destination, "destination",                                                                  \
      "sent to another address than ours: multicast group or unicast_peer differ between the routers") \
    X(Source, "source", "invalid source address")                                                  \
    X(OwnAddress, "own_address",                                                                   \
      "it carries our own source address: two routers have one address, or it was reflected")      \
    X(UnicastPeer, "unicast_peer", "the sender is not a configured unicast_peer: add it if it should be") \
    X(AhFailure, "ah_failure",                                                                     \
      "its authentication header is not made with our auth_pass: set the same on both routers")    \
    X(AhReplay, "ah_replay", "its authentication header's sequence number has been used already")  \
    X(Length, "length", "wrong length for its version and address count")                          \
    X(Version, "version", "VRRP version differs: set the same version on both routers")            \
    X(Type, "type", "not an advertisement")                                                        \
    X(Vrid, "vrid", "no instance with its virtual_router_id on this interface")                    \
    X(Checksum, "checksum", "wrong VRRP checksum")                                                 \
    X(AddressCount, "address_count", "it lists no address")                                        \
    X(IntervalZero, "interval_zero", "advertisement interval 0")                                   \
    X(IntervalMismatch, "interval_mismatch",                                                       \
      "advertisement interval differs: set the same advert_int on both routers")                   \
    X(AuthType, "auth_type", "authentication type differs: set the same auth_type on both routers")\
    X(AuthFailure, "auth_failure",                                                                 \
      "received an invalid passwd! Set the same auth_pass on both routers (its first 8 characters count)") \
    X(HmacMissing, "hmac_missing",                                                                 \
      "it has no auth_hmac trailer: configure auth_hmac on both routers, or mode permissive until then") \
    X(HmacMalformed, "hmac_malformed", "malformed auth_hmac trailer")                              \
    X(HmacStale, "hmac_stale",                                                                     \
      "its auth_hmac trailer's time is outside of time_window: replayed, or the clocks differ; set both by NTP") \
    X(HmacUnknownKey, "hmac_unknown_key",                                                          \
      "its auth_hmac trailer is made with a key whose number is not configured here")              \
    X(HmacFailure, "hmac_failure",                                                                 \
      "its auth_hmac trailer is not made with our key: set the same on both routers")              \
    X(HmacReplay, "hmac_replay", "its auth_hmac trailer has been used already")                    \
    X(AddressList, "address_list",                                                                 \
      "its virtual addresses differ from ours: set the same virtual_ipaddress list on both routers")
// clang-format on

enum class Reject : std::uint8_t {
#define X(name, counter, text) name,
    VIPD_VRRP_REJECTS(X)
#undef X
};

inline constexpr std::array kRejects = {
#define X(name, counter, text) Reject::name,
    VIPD_VRRP_REJECTS(X)
#undef X
};

/// The counter's name: "auth_failure".
constexpr std::string_view counter_name(Reject reason) {
    constexpr std::array<std::string_view, kRejects.size()> kNames = {
#define X(name, counter, text) counter,
        VIPD_VRRP_REJECTS(X)
#undef X
    };
    return kNames[static_cast<std::size_t>(reason)];
}

/// The finding and what to do about it, for the log.
constexpr std::string_view explain(Reject reason) {
    constexpr std::array<std::string_view, kRejects.size()> kTexts = {
#define X(name, counter, text) text,
        VIPD_VRRP_REJECTS(X)
#undef X
    };
    return kTexts[static_cast<std::size_t>(reason)];
}

}  // namespace vipd::vrrp
