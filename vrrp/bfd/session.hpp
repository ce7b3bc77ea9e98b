// SPDX-License-Identifier: Apache-2.0
// One BFD session (RFC 5880, 6.8): asynchronous mode, no echo, no authentication. Pure: time,
// packets and randomness go in, packets and state changes come out; next_wake() says when step()
// has to be called with Tick.
#pragma once

#include "vrrp/bfd/packet.hpp"

#include <vipd/time.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>

namespace vipd::bfd {

/// bfd_instance's timing.
struct Policy {
    Nanos min_tx{Millis(10)};
    Nanos min_rx{Millis(10)};
    Nanos idle_tx{Seconds(1)};  ///< while not up: at least 1 s (RFC 5880, 6.8.3)
    std::uint8_t multiplier = 5;
    bool passive = false;  ///< silent until the neighbour speaks
};

struct Session {
    State state = State::Down;
    Diagnostic diagnostic = Diagnostic::None;
    std::uint32_t mine = 0;  ///< not 0; unique on this host
    State remote_state = State::Down;
    std::uint32_t yours = 0;
    Nanos remote_min_rx{Micros(1)};
    Nanos remote_desired_tx{0};
    std::uint8_t remote_multiplier = 0;
    bool remote_demand = false;
    bool polling = false;  ///< a poll sequence is under way
    /// What we say and go by; they follow the policy and the state.
    Nanos desired_tx{0};
    Nanos required_rx{0};
    /// Until the poll sequence that tells of a change ends, the old values are kept to.
    Nanos tx_in_force{0};
    Nanos rx_in_force{0};
    std::optional<TimePoint> send_at;
    std::optional<TimePoint> expires_at;  ///< the detection time ends
    TimePoint last_sent = TimePoint::min();
    std::uint32_t random = 1;
};

struct Start {
    std::uint32_t discriminator = 1;
    std::uint32_t random = 1;  ///< not 0: of the jitter
};
struct Received {
    ControlPacket packet;
};
struct Tick {};
struct PolicyChanged {};
/// The neighbour is told, if it is known.
struct Stop {};

using Event = std::variant<Start, Received, Tick, PolicyChanged, Stop>;

/// What one event makes us send: the change of the state, the answer to a poll. Without a heap, so
/// that sending and hearing never wait for one.
class Packets {
  public:
    void add(const ControlPacket& packet) {
        if (count_ < packets_.size()) packets_[count_++] = packet;
    }
    const ControlPacket* begin() const { return packets_.data(); }
    const ControlPacket* end() const { return packets_.data() + count_; }

  private:
    std::array<ControlPacket, 2> packets_{};
    std::size_t count_ = 0;
};

struct Actions {
    Packets send;
    bool changed = false;  ///< up became not up, or the reverse
};

Actions step(Session& session, const Policy& policy, const Event& event, TimePoint now);

std::optional<TimePoint> next_wake(const Session& session);

/// RFC 5880, 6.8.4: the neighbour's multiplier times the interval that both have agreed to.
Nanos detection_time(const Session& session);
/// RFC 5880, 6.8.7, without jitter.
Nanos transmit_interval(const Session& session);

}  // namespace vipd::bfd
