// SPDX-License-Identifier: Apache-2.0
// The trailer of keepalived 2.4.1's auth_hmac (draft-cassen-vrrp-auth-hmac) behind an advert of any
// version and family: 28 bytes, network order.
//
//     type 1 | key id | 0 0 | seconds since 1970 (4) | 1/65536 s (2) | counter (2) | HMAC (16)
//
// The HMAC is HMAC-SHA256, cut to 16 bytes, over 20 bytes (4 or 6, version, VRID, 0, the sender's
// address, padded with 0), the advert with its checksum as 0, and the trailer with its HMAC as 0.
// Seconds, fraction and counter are one sequence of 64 bits, compared as serial numbers (RFC 1982).
// The checksum of IPv4 does not cover the trailer; that of IPv6 does.
#pragma once

#include <vipd/address.hpp>
#include <vipd/time.hpp>

#include <openssl/sha.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace vipd::vrrp {

inline constexpr std::size_t kHmacTrailer = 28;
inline constexpr std::uint8_t kHmacSha256 = 1;  ///< the only type
/// As many senders of a multicast group are told apart (keepalived): more are there only while
/// routers contend.
inline constexpr std::size_t kHmacSenders = 4;

using HmacValue = std::array<std::uint8_t, 16>;

/// HMAC-SHA256 with one key (RFC 2104), made ready once: a use takes nothing from the heap.
class HmacKey {
  public:
    /// A key of more than 64 bytes counts as its digest.
    HmacKey(std::uint8_t id, std::span<const std::uint8_t> secret);
    HmacKey(const HmacKey&) = default;
    HmacKey& operator=(const HmacKey&) = default;
    ~HmacKey();

    std::uint8_t id() const { return id_; }
    /// Over the parts, one behind the other.
    std::array<std::uint8_t, 32> digest(std::span<const std::span<const std::uint8_t>> parts) const;

  private:
    std::uint8_t id_;
    SHA256_CTX inner_{};
    SHA256_CTX outer_{};
};

struct HmacSettings {
    enum class Mode : std::uint8_t {
        Enforce,     ///< without a trailer it is dropped
        Permissive,  ///< sent with one, taken without, too
        ReceiveOnly  ///< sent without, taken without, too; one that is there must be right
    };
    std::vector<HmacKey> keys;  ///< all are taken
    std::uint8_t active = 0;    ///< this one is sent
    std::uint32_t window = 5;   ///< seconds that a sender's clock may differ from ours
    bool monotonic = false;     ///< no look at the clock: only growth counts
    Mode mode = Mode::Enforce;

    const HmacKey* find(std::uint8_t id) const;
};

/// A trailer, taken apart; nothing of it is verified.
struct HmacTrailer {
    std::uint8_t type = 0;
    std::uint8_t key = 0;
    std::uint16_t reserved = 0;
    std::uint64_t sequence = 0;
    HmacValue hmac{};

    std::uint32_t seconds() const { return static_cast<std::uint32_t>(sequence >> 32); }
};
/// `bytes` has kHmacTrailer.
HmacTrailer read_hmac_trailer(std::span<const std::uint8_t> bytes);

/// What the HMAC of an advert with its trailer (`payload`, at least 8 + kHmacTrailer bytes) has to
/// be when `source` sent it.
HmacValue hmac_of(const HmacKey& key,
                  const IpAddress& source,
                  std::span<const std::uint8_t> payload);

/// Puts the trailer behind the advert of a whole datagram (IPv4 header without options, or IPv6)
/// and sets the lengths and checksums right: with room in it (kHmacTrailer) nothing is allocated.
void add_hmac(std::vector<std::uint8_t>& datagram, const HmacKey& key, std::uint64_t sequence);

/// The sequence of a moment: `unix_time` since 1970.
std::uint64_t hmac_sequence(Nanos unix_time);
/// The one to send now, after `last`: the clock's, or one more where the clock stands or has been
/// set back; by more than the window, and time counts: the clock's again, since others would not
/// take it.
std::uint64_t next_hmac_sequence(const HmacSettings& settings, std::uint64_t last, Nanos unix_time);

/// How many seconds a sender's clock is behind ours (negative: ahead).
std::int32_t hmac_skew(std::uint64_t sequence, Nanos unix_time);

/// The last sequence of each of a limited number of senders; of too many, the one not heard of for
/// longest is forgotten. Only those whose HMAC is right get here.
class HmacReplay {
  public:
    explicit HmacReplay(std::size_t senders = kHmacSenders) : senders_(senders) {}
    /// Room for as many; what is known stays while it fits.
    void resize(std::size_t senders) { senders_.resize(senders); }

    /// Whether it is later than all of this sender. With a window of time a mark outside it counts
    /// no more: the window refuses what it was for, and a clock that was wrong may be set right.
    bool is_new(const HmacSettings& settings,
                const IpAddress& source,
                std::uint64_t sequence,
                Nanos unix_time) const;
    void take(const IpAddress& source, std::uint64_t sequence);

  private:
    struct Sender {
        IpAddress address;  ///< none: free
        std::uint64_t sequence = 0;
        std::uint64_t used = 0;
    };
    std::vector<Sender> senders_;
    std::uint64_t uses_ = 0;
};

}  // namespace vipd::vrrp
