// SPDX-License-Identifier: Apache-2.0
// The BFD control packet (RFC 5880, 4.1): bytes to values and back. Pure. Without authentication,
// as keepalived; a packet that has it is refused.
#pragma once

#include <vipd/time.hpp>

#include <tl/expected.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace vipd::bfd {

enum class State : std::uint8_t { AdminDown = 0, Down = 1, Init = 2, Up = 3 };
std::string_view to_string(State state);  ///< "AdminDown", "Down", "Init", "Up"

/// RFC 5880, 4.1; others may be received.
enum class Diagnostic : std::uint8_t {
    None = 0,
    DetectionTimeExpired = 1,
    EchoFailed = 2,
    NeighbourSignaledDown = 3,
    PathDown = 5,
    AdministrativelyDown = 7,
};

inline constexpr std::size_t kControlPacket = 24;

struct ControlPacket {
    Diagnostic diagnostic = Diagnostic::None;
    State state = State::Down;
    bool poll = false;
    bool final = false;
    bool control_plane_independent = false;
    bool demand = false;
    std::uint8_t detect_multiplier = 5;
    std::uint32_t mine = 0;   ///< the sender's discriminator
    std::uint32_t yours = 0;  ///< ours, or 0 as long as it does not know it
    Nanos desired_min_tx{0};  ///< whole microseconds, as the next two
    Nanos required_min_rx{0};
    Nanos required_min_echo_rx{0};
    bool operator==(const ControlPacket&) const = default;
};

// X(enumerator, counter name): in the order in which RFC 5880, 6.8.6 looks; decode() has those up
// to YourDiscriminator.
#define VIPD_BFD_REJECTS(X)                    \
    X(Truncated, "truncated")                  \
    X(Ttl, "ttl")                              \
    X(Version, "version")                      \
    X(Length, "length")                        \
    X(Multiplier, "detect_multiplier")         \
    X(Multipoint, "multipoint")                \
    X(MyDiscriminator, "my_discriminator")     \
    X(YourDiscriminator, "your_discriminator") \
    X(Authentication, "authentication")        \
    X(NoSession, "no_session")

enum class Reject : std::uint8_t {
#define X(name, counter) name,
    VIPD_BFD_REJECTS(X)
#undef X
};

inline constexpr std::array kRejects = {
#define X(name, counter) Reject::name,
    VIPD_BFD_REJECTS(X)
#undef X
};

constexpr std::string_view counter_name(Reject reason) {
    constexpr std::array<std::string_view, kRejects.size()> kNames = {
#define X(name, counter) counter,
        VIPD_BFD_REJECTS(X)
#undef X
    };
    return kNames[static_cast<std::size_t>(reason)];
}

/// RFC 5880, 6.8.6 as far as it needs no session.
tl::expected<ControlPacket, Reject> decode(std::span<const std::uint8_t> bytes);

std::array<std::uint8_t, kControlPacket> encode(const ControlPacket& packet);

}  // namespace vipd::bfd
