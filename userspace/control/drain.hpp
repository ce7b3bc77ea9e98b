// SPDX-License-Identifier: Apache-2.0
// What is being drained: a real server or a whole service gets no new connections, a node gives its
// VIPs away. Those that are open stay until they end; how many they are is counted while there is
// anything to drain, in parts, over the whole table.
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/control/status.hpp"
#include "userspace/dataplane/dataplane.hpp"

#include <vipd/address.hpp>
#include <vipd/time.hpp>

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vipd::control {

/// Neither service nor real: the node. Real without service: that real server of all services.
struct DrainTarget {
    std::optional<ServiceKey> service;
    std::optional<Endpoint> real;

    bool node() const { return !service && !real; }
    bool covers(const ServiceKey& key, const Endpoint& endpoint) const {
        return !node() && (!service || *service == key) && (!real || *real == endpoint);
    }
    std::string to_string() const;
    auto operator<=>(const DrainTarget&) const = default;
};

class Drains {
  public:
    Drains(EventLoop& loop) : loop_(loop) {}

    /// `limit`: after so long it is said to have failed if connections are left; it goes on.
    void add(const DrainTarget& target, Millis limit, const dataplane::Dataplane* plane);
    /// False: it was not being drained.
    bool remove(const DrainTarget& target);
    bool covers(const ServiceKey& key, const Endpoint& endpoint) const;
    bool empty() const { return drains_.empty(); }
    std::vector<DrainStatus> status() const;

  private:
    struct Drain {
        TimePoint since;
        Millis limit{0};
        std::optional<std::uint64_t> left;  ///< of the last whole count
        std::optional<TimePoint> done;
    };
    void step(TimePoint now);
    void end_round(TimePoint now);

    EventLoop& loop_;
    const dataplane::Dataplane* plane_ = nullptr;
    EventLoop::Source steps_;
    std::map<DrainTarget, Drain> drains_;
    std::map<DrainTarget, std::uint64_t> counting_;
    std::uint64_t cursor_ = 0;
};

}  // namespace vipd::control
