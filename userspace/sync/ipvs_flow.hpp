// SPDX-License-Identifier: Apache-2.0
// Between IPVS's connections, as its sync daemons tell them, and vipd's flows. Pure.
#pragma once

#include "userspace/dataplane/dataplane.hpp"
#include "userspace/model/model.hpp"
#include "userspace/sync/ipvs_wire.hpp"

#include <tl/expected.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vipd::sync::ipvs {

// NOLINTNEXTLINE(cppcoreguidelines-macro-usage): one list, several tables made of it
#define VIPD_IPVS_SKIPS(X)                                                             \
    X(Template, "template", "a persistence template")                                  \
    X(OnePacket, "one_packet", "of one-packet scheduling: nothing to hold")            \
    X(Sequences, "sequences", "its sequence numbers are shifted, which vipd does not") \
    X(Protocol, "protocol", "neither TCP, UDP nor SCTP")                               \
    X(State, "state", "no state of its protocol, or one before any connection")

/// Why a connection is not taken over.
enum class Skip : std::uint8_t {
#define X(id, name, help) id,
    VIPD_IPVS_SKIPS(X)
#undef X
};
inline constexpr std::array kSkipNames{
#define X(id, name, help) std::string_view{name},
    VIPD_IPVS_SKIPS(X)
#undef X
};
inline constexpr std::size_t kSkips = kSkipNames.size();

/// IPVS sends a datagram that is not full up to two seconds after its first record: a packet seen
/// here since is newer than what it tells.
inline constexpr Millis kDelay{2000};

tl::expected<dataplane::Flow, Skip> to_flow(const Connection& connection);

/// `real` is the flow's own in `service`. Precondition: the flow has a state.
Connection from_flow(const dataplane::Flow& flow,
                     const model::Service& service,
                     const model::Real& real);

}  // namespace vipd::sync::ipvs
