// SPDX-License-Identifier: Apache-2.0
// Why a sync connection was refused or ended: one list that makes the enum, the names under which
// it is counted, and their explanation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vipd::sync {

// NOLINTNEXTLINE(cppcoreguidelines-macro-usage): one list, several tables made of it
#define VIPD_SYNC_REJECTIONS(X)                                                              \
    X(BadMagic, "bad_magic", "the first bytes were not a sync preamble")                     \
    X(BadVersion, "bad_version", "the peer speaks another major version")                    \
    X(BadRole, "bad_role", "both sides claim the same role")                                 \
    X(HandshakeTimeout, "handshake_timeout", "not authenticated within the time limit")      \
    X(HalfOpenLimit, "half_open_limit", "too many connections not yet authenticated")        \
    X(Undersized, "undersized", "a record shorter than any record can be")                   \
    X(Oversized, "oversized", "a record longer than any record may be")                      \
    X(Forged, "forged", "a record failed authentication: other key, forged, replayed")       \
    X(Malformed, "malformed", "an authenticated record did not decode")                      \
    X(Unexpected, "unexpected", "a record that does not belong at its place")                \
    X(SnapshotCount, "snapshot_count", "a snapshot ended with another number than was sent") \
    X(Truncated, "truncated", "the connection ended within a record or the handshake")       \
    X(OwnConnection, "own_connection", "the peer is this very node")                         \
    X(Silent, "silent", "nothing heard from the peer for too long")                          \
    X(QueueOverflow, "queue_overflow", "the peer does not take what is sent to it")          \
    X(KeyUsedUp, "key_used_up", "a key has sealed as much as it may; a fresh one is needed")

enum class Reject : std::uint8_t {
#define X(id, name, help) id,
    VIPD_SYNC_REJECTIONS(X)
#undef X
};

inline constexpr std::array kRejectNames{
#define X(id, name, help) std::string_view{name},
    VIPD_SYNC_REJECTIONS(X)
#undef X
};
inline constexpr std::array kRejectHelp{
#define X(id, name, help) std::string_view{help},
    VIPD_SYNC_REJECTIONS(X)
#undef X
};
inline constexpr std::size_t kRejects = kRejectNames.size();

constexpr std::string_view name_of(Reject reason) {
    return kRejectNames[static_cast<std::size_t>(reason)];
}
constexpr std::string_view help_of(Reject reason) {
    return kRejectHelp[static_cast<std::size_t>(reason)];
}

/// How often each happened; index by the enum, name by kRejectNames.
using RejectCounters = std::array<std::uint64_t, kRejects>;

}  // namespace vipd::sync
