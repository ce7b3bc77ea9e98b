// SPDX-License-Identifier: Apache-2.0
// What an instance acts upon, gathered: the kernel, the wire, the clock, and who is told.
#pragma once

#include "vrrp/engine/announcer.hpp"
#include "vrrp/transport/transport.hpp"

#include <vipd/ipc.hpp>
#include <vipd/links.hpp>
#include <vipd/routing.hpp>
#include <vipd/time.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace vipd::vrrp {

enum class LogLevel : std::uint8_t { Info, Warning, Error };

struct LogLine {
    LogLevel level = LogLevel::Info;
    std::string text;
    /// Not empty: a remote can cause it. At most one line per key and interval may be written.
    std::string rate_key;
};

/// Where the engine's findings go; the role's main implements it.
class Observer {
  public:
    virtual ~Observer() = default;
    virtual void state_changed(const ipc::InstanceStateChange& change) = 0;
    /// A peer can cause LowerPriorityHeard as often as it likes.
    virtual void happened(const ipc::InstanceEvent& event) = 0;
    virtual void log(const LogLine& line) = 0;
    /// After each piece of work: when the engine's tick() is due next; nullopt: no timer runs.
    virtual void wake_at(std::optional<TimePoint> when) = 0;
};

struct World {
    Links& links;
    Transport& transport;
    Observer& observer;
    /// Absent: routes and rules cannot be set.
    Routing* routing = nullptr;
    /// CLOCK_MONOTONIC, for the moments that are measured; decisions take the time they are given.
    std::function<TimePoint()> clock;
    /// Time since 1970, for auth_hmac alone. Absent: 1970, and nobody believes us.
    std::function<Nanos()> wall_clock{};
    Announcer announcer{transport, clock};
    std::uint32_t ah_sequence = 0;  ///< where new instances begin
    /// The interfaces as of the last refresh.
    std::vector<Link> interfaces{};
    std::set<std::string> failing_groups{};  ///< track_groups that lack something
    /// Netlink did not answer some question: it is asked again in a second.
    bool look_again = false;
    /// Lines of the work in hand: written when it is done, since writing may take long.
    std::vector<LogLine> lines{};

    const Link* find(const std::string& name) const {
        for (const Link& link : interfaces)
            if (link.name == name) return &link;
        return nullptr;
    }
    const Link* find(int ifindex) const {
        for (const Link& link : interfaces)
            if (link.index == ifindex) return &link;
        return nullptr;
    }
    Nanos unix_time() const { return wall_clock ? wall_clock() : Nanos(0); }
    void log(LogLevel level, std::string text, std::string rate_key = {}) {
        lines.push_back({level, std::move(text), std::move(rate_key)});
    }
};

}  // namespace vipd::vrrp
