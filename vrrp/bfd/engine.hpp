// SPDX-License-Identifier: Apache-2.0
// All BFD sessions of this host: gives packets and time to each, sends what they ask for, says who
// is up. One thread; what it sends goes through Wire, which tests replace.
#pragma once

#include "vrrp/bfd/session.hpp"

#include <vipd/address.hpp>
#include <vipd/error.hpp>

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vipd::bfd {

inline constexpr std::uint16_t kSingleHopPort = 3784;  ///< RFC 5881, 4
inline constexpr std::uint16_t kMultiHopPort = 4784;   ///< RFC 5883, 5

struct SessionSettings {
    std::string name;
    IpAddress neighbour;
    IpAddress source;  ///< none: as the route says
    Policy policy;
    bool multihop = false;
    std::uint8_t ttl = 255;     ///< of what we send
    std::uint8_t max_hops = 0;  ///< routers that a packet to us may have passed
};

/// A packet with what is known of its way.
struct Arrival {
    IpAddress source;
    IpAddress destination;
    std::uint16_t port = kSingleHopPort;  ///< the one it came to
    std::uint8_t ttl = 0;
    std::span<const std::uint8_t> bytes;
};

class Wire {
  public:
    virtual ~Wire() = default;
    /// Makes ready to send for a session, and to receive on its port.
    virtual Result<> open(const SessionSettings& session) = 0;
    virtual void close(const SessionSettings& session) = 0;
    virtual Result<> send(const SessionSettings& session, std::span<const std::uint8_t> packet) = 0;
};

/// What is known of a session, for whoever watches.
struct SessionReport {
    std::string name;
    IpAddress neighbour;
    bool multihop = false;
    State state = State::Down;
    Diagnostic diagnostic = Diagnostic::None;
    std::optional<TimePoint> started;      ///< nothing: it is not open yet
    std::optional<TimePoint> last_change;  ///< when it last came up or went down
    std::uint64_t sent = 0;
    std::uint64_t send_failed = 0;
    std::uint64_t received = 0;
    std::uint64_t too_far = 0;  ///< rejected for its TTL
    std::uint64_t ups = 0;
    std::uint64_t downs = 0;
};

class Engine {
  public:
    struct Listener {
        std::function<void(const std::string& session, bool up)> changed;
        std::function<void(const std::string& text, const std::string& rate_key)> log;
    };

    /// `random` gives discriminators and the seeds of jitter.
    Engine(Wire& wire, Listener listener, std::function<std::uint32_t()> random);

    /// A session of the same neighbour, source and port goes on.
    void configure(std::vector<SessionSettings> wanted, TimePoint now);
    /// Opens what could not be opened before: its source address may have come.
    void retry(TimePoint now);
    void stop(TimePoint now);
    void receive(const Arrival& arrival, TimePoint now);
    void tick(TimePoint now);
    std::optional<TimePoint> wake() const;

    bool up(const std::string& session) const;
    std::vector<SessionReport> reports() const;
    std::uint64_t rejected(Reject reason) const {
        return rejected_[static_cast<std::size_t>(reason)];
    }

  private:
    struct Running {
        SessionSettings settings;
        Session session;
        bool open = false;
        SessionReport counted;  ///< of which only times and counters are kept here
    };
    using Sessions = std::map<std::string, Running>;

    void deliver(Running& running, const Event& event, TimePoint now);
    void start(Running& running, TimePoint now);
    Running* find(const Arrival& arrival, const ControlPacket& packet);
    void reject(Reject reason, const Arrival& arrival);

    Wire& wire_;
    Listener listener_;
    std::function<std::uint32_t()> random_;
    Sessions sessions_;
    std::array<std::uint64_t, kRejects.size()> rejected_{};
};

}  // namespace vipd::bfd
