// SPDX-License-Identifier: Apache-2.0
// Keeps the data plane's flow table going: sweeps it in parts and reads its changes, with or
// without anyone to tell. Whoever runs a Dataplane runs one FlowPump on it.
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/dataplane/dataplane.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <span>

namespace vipd::sync {

class FlowPump {
  public:
    /// `flows` have changed (state None: ended); `left_out` further changes were lost.
    using Listener =
        std::function<void(std::span<const dataplane::Flow> flows, std::uint64_t left_out)>;

    struct Options {
        Nanos interval = Millis(100);  ///< between two parts of the sweep
        Seconds round{10};             ///< a whole sweep takes this long
    };

    FlowPump(EventLoop& loop, dataplane::Dataplane& plane) : loop_(loop), plane_(plane) {}
    FlowPump(const FlowPump&) = delete;
    FlowPump& operator=(const FlowPump&) = delete;

    Result<> start(const Options& options);
    Result<> start() { return start(Options{}); }
    void stop();
    /// Each `who` has one listener, or (empty) none; without any, changes are read and dropped.
    void set_listener(const void* who, Listener listener);
    /// Reads the changes that wait, at once.
    void read_changes();

  private:
    void tell(std::span<const dataplane::Flow> flows, std::uint64_t left_out);
    void sweep(Seconds round);

    EventLoop& loop_;
    dataplane::Dataplane& plane_;
    std::map<const void*, Listener> listeners_;
    EventLoop::Source changes_;
    EventLoop::Source timer_;
};

}  // namespace vipd::sync
