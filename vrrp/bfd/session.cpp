// SPDX-License-Identifier: Apache-2.0
#include "vrrp/bfd/session.hpp"

#include <algorithm>

namespace vipd::bfd {

namespace {

constexpr Nanos kSlow = Seconds(1);

class Transition {
  public:
    Transition(Session& session, const Policy& policy, TimePoint now)
        : s_(session), policy_(policy), now_(now) {}

    Actions take() const { return actions_; }

    void on(const Start& start) {
        s_ = Session{};
        s_.mine = start.discriminator;
        s_.random = start.random == 0 ? 1 : start.random;
        choose_intervals();
        s_.tx_in_force = s_.desired_tx;
        s_.rx_in_force = s_.required_rx;
        if (!policy_.passive) s_.send_at = now_ + jittered();
    }

    void on(const Received& received);

    void on(const Tick&) {
        if (s_.expires_at && now_ >= *s_.expires_at) {
            s_.expires_at.reset();
            // RFC 5880, 6.8.1: as if nothing had ever been heard.
            s_.yours = 0;
            s_.remote_state = State::Down;
            s_.remote_min_rx = Micros(1);
            s_.remote_demand = false;
            if (s_.state == State::Init || s_.state == State::Up)
                go(State::Down, Diagnostic::DetectionTimeExpired);
            if (policy_.passive) s_.send_at.reset();
        }
        if (s_.send_at && now_ >= *s_.send_at) send();
    }

    void on(const PolicyChanged&) { choose_intervals(); }

    void on(const Stop&) {
        const bool was_up = s_.state == State::Up;
        s_.state = State::AdminDown;
        s_.diagnostic = Diagnostic::AdministrativelyDown;
        s_.polling = false;
        if (s_.yours != 0) actions_.send.add(packet());
        s_.send_at.reset();
        s_.expires_at.reset();
        actions_.changed = was_up;
    }

  private:
    ControlPacket packet() const {
        return {.diagnostic = s_.diagnostic,
                .state = s_.state,
                .poll = s_.polling,
                .detect_multiplier = policy_.multiplier,
                .mine = s_.mine,
                .yours = s_.yours,
                .desired_min_tx = s_.desired_tx,
                .required_min_rx = s_.required_rx};
    }

    void send() {
        actions_.send.add(packet());
        s_.last_sent = now_;
        schedule();
    }

    void schedule() {
        s_.send_at.reset();
        if (s_.state == State::AdminDown || s_.remote_min_rx == Nanos(0)) return;
        // RFC 5880, 6.8.7: silence where the neighbour asks for it and both are up.
        if (s_.remote_demand && s_.state == State::Up && s_.remote_state == State::Up &&
            !s_.polling)
            return;
        if (policy_.passive && s_.yours == 0) return;
        const TimePoint from = s_.last_sent == TimePoint::min() ? now_ : s_.last_sent;
        s_.send_at = std::max(now_, from + jittered());
    }

    /// 75 to 100 % of the interval; with a multiplier of 1 at most 90 %, since a single one that
    /// is late is a loss.
    Nanos jittered() {
        s_.random ^= s_.random << 13;
        s_.random ^= s_.random >> 17;
        s_.random ^= s_.random << 5;
        const std::int64_t spread = policy_.multiplier == 1 ? 15 : 25;
        const std::int64_t thousandths = 750 + s_.random % static_cast<std::uint32_t>(spread * 10);
        return transmit_interval(s_) * thousandths / 1000;
    }

    /// What is told of the policy: slow while not up. A change that makes us slower or deafer is in
    /// force only when the neighbour has confirmed it (RFC 5880, 6.8.3).
    void choose_intervals() {
        const bool up = s_.state == State::Up;
        const Nanos tx = up ? policy_.min_tx : std::max({policy_.min_tx, policy_.idle_tx, kSlow});
        const Nanos rx = policy_.min_rx;
        const bool differs = tx != s_.desired_tx || rx != s_.required_rx;
        s_.desired_tx = tx;
        s_.required_rx = rx;
        if (!up || tx < s_.tx_in_force) s_.tx_in_force = tx;
        if (!up || rx > s_.rx_in_force) s_.rx_in_force = rx;
        if (up && differs) s_.polling = true;
    }

    void go(State state, Diagnostic diagnostic) {
        const bool was_up = s_.state == State::Up;
        s_.state = state;
        s_.diagnostic = diagnostic;
        if (state == State::Down) s_.polling = false;
        choose_intervals();
        actions_.changed |= was_up != (state == State::Up);
        // The neighbour learns of it now, not at the next turn.
        send();
    }

    Session& s_;
    const Policy& policy_;
    TimePoint now_;
    Actions actions_;
};

void Transition::on(const Received& received) {
    const ControlPacket& got = received.packet;
    s_.yours = got.mine;
    s_.remote_state = got.state;
    s_.remote_demand = got.demand;
    s_.remote_min_rx = got.required_min_rx;
    s_.remote_desired_tx = got.desired_min_tx;
    s_.remote_multiplier = got.detect_multiplier;
    if (s_.polling && got.final) {
        s_.polling = false;
        s_.tx_in_force = s_.desired_tx;
        s_.rx_in_force = s_.required_rx;
    }
    if (s_.state == State::AdminDown) return;

    const State before = s_.state;
    if (got.state == State::AdminDown) {
        if (s_.state != State::Down) go(State::Down, Diagnostic::NeighbourSignaledDown);
    } else if (s_.state == State::Down) {
        if (got.state == State::Down) go(State::Init, s_.diagnostic);
        if (got.state == State::Init) go(State::Up, Diagnostic::None);
    } else if (s_.state == State::Init) {
        if (got.state == State::Init || got.state == State::Up) go(State::Up, Diagnostic::None);
    } else if (got.state == State::Down) {
        go(State::Down, Diagnostic::NeighbourSignaledDown);
    }
    s_.expires_at = now_ + detection_time(s_);
    if (got.poll) {
        // At once, whatever the interval; it is no answer to a poll of ours.
        ControlPacket answer = packet();
        answer.poll = false;
        answer.final = true;
        actions_.send.add(answer);
    }
    if (s_.state == before) {
        // What it wants may have changed: never later than that asks for.
        const auto planned = s_.send_at;
        schedule();
        if (planned && s_.send_at) s_.send_at = std::min(*planned, *s_.send_at);
    }
}

}  // namespace

Nanos transmit_interval(const Session& session) {
    return std::max(session.tx_in_force, session.remote_min_rx);
}

Nanos detection_time(const Session& session) {
    return std::max(session.rx_in_force, session.remote_desired_tx) * session.remote_multiplier;
}

Actions step(Session& session, const Policy& policy, const Event& event, TimePoint now) {
    Transition transition(session, policy, now);
    std::visit([&](const auto& what) { transition.on(what); }, event);
    return transition.take();
}

std::optional<TimePoint> next_wake(const Session& session) {
    if (!session.send_at) return session.expires_at;
    if (!session.expires_at) return session.send_at;
    return std::min(*session.send_at, *session.expires_at);
}

}  // namespace vipd::bfd
