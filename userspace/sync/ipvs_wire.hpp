// SPDX-License-Identifier: Apache-2.0
// The datagrams of IPVS's sync daemons (net/netfilter/ipvs/ip_vs_sync.c), version 1 and 0. Pure.
//
// Version 1: a header of 8 bytes, then records of 36 (IPv4) or 72 bytes (IPv6), each with options
// behind it and padded to 4 bytes, the last one not. Version 0: a header of 4, records of 24, IPv4
// only, without timeout, mark and names. Big-endian, but for the sequence numbers of version 0,
// which the kernel copies in the sender's own order.
#pragma once

#include "userspace/sync/bytes.hpp"

#include <vipd/address.hpp>

#include <tl/expected.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vipd::sync::ipvs {

// Connection::flags, IP_VS_CONN_F_*.
inline constexpr std::uint32_t kForwardMask = 0x7;
inline constexpr std::uint32_t kMasq = 0;
inline constexpr std::uint32_t kTunnel = 2;
inline constexpr std::uint32_t kDirectRoute = 3;
inline constexpr std::uint32_t kSync = 0x20;
inline constexpr std::uint32_t kNoOutput = 0x80;  ///< the director sees one direction only
inline constexpr std::uint32_t kInactive = 0x100;
inline constexpr std::uint32_t kOutSequence = 0x200;
inline constexpr std::uint32_t kInSequence = 0x400;
inline constexpr std::uint32_t kTemplate = 0x1000;  ///< of persistence: no connection itself
inline constexpr std::uint32_t kOnePacket = 0x2000;

/// What NAT of a protocol with addresses in its text has shifted (IPVS's ip_vs_seq).
struct Sequence {
    std::uint32_t initial = 0;
    std::uint32_t delta = 0;
    std::uint32_t previous_delta = 0;
    bool operator==(const Sequence&) const = default;
};
struct Sequences {
    Sequence in;
    Sequence out;
    bool operator==(const Sequences&) const = default;
};

struct Connection {
    std::uint8_t protocol = 0;  ///< IPPROTO_*; 0: template of a firewall mark, which is the vip
    Endpoint client;
    Endpoint vip;
    Endpoint real;
    std::uint32_t flags = 0;
    std::uint16_t state = 0;    ///< the protocol's own numbers
    std::uint32_t fwmark = 0;   ///< version 1
    std::uint32_t timeout = 0;  ///< seconds; version 1
    std::optional<Sequences> sequences;
    std::string engine_data;  ///< PE_DATA, PE_NAME; version 1
    std::string engine_name;
    bool operator==(const Connection&) const = default;
};

struct Datagram {
    std::uint8_t version = 1;
    std::uint8_t sync_id = 0;
    std::vector<Connection> connections;
    bool operator==(const Datagram&) const = default;
};

// NOLINTNEXTLINE(cppcoreguidelines-macro-usage): one list, several tables made of it
#define VIPD_IPVS_DROPS(X)                                                          \
    X(Oversized, "oversized", "longer than maxlen")                                 \
    X(Truncated, "truncated", "shorter than a header, or than its size field says") \
    X(Size, "size", "longer than its size field says")                              \
    X(Malformed, "malformed", "a record that does not decode")                      \
    X(OtherId, "other_id", "of another syncid")                                     \
    X(Foreign, "foreign", "from an address that is not on the interface's own network")

/// Why a datagram was dropped, whole.
enum class Drop : std::uint8_t {
#define X(id, name, help) id,
    VIPD_IPVS_DROPS(X)
#undef X
};
inline constexpr std::array kDropNames{
#define X(id, name, help) std::string_view{name},
    VIPD_IPVS_DROPS(X)
#undef X
};
inline constexpr std::size_t kDrops = kDropNames.size();

/// All of it or nothing: unlike the kernel, which keeps what stood before a bad record.
tl::expected<Datagram, Drop> decode(Bytes datagram);

/// Collects connections into datagrams of at most `max_size` bytes (IPVS: the interface's MTU less
/// the headers of IP and UDP).
class Writer {
  public:
    Writer(std::uint8_t version, std::uint8_t sync_id, std::size_t max_size);

    /// Whether a datagram of this version and size can carry it: version 0 has IPv4 only.
    bool can_carry(const Connection& connection) const;
    /// False, and nothing added, when the datagram is full. Precondition: can_carry().
    bool add(const Connection& connection);
    std::size_t count() const { return count_; }
    /// The datagram; the writer is empty after.
    std::string take();

  private:
    std::string record(const Connection& connection) const;

    std::uint8_t version_;
    std::uint8_t sync_id_;
    std::size_t max_size_;
    std::string records_;
    std::uint8_t count_ = 0;
};

}  // namespace vipd::sync::ipvs
