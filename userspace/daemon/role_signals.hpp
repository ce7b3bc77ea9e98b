// SPDX-License-Identifier: Apache-2.0
// What the signals mean to a role, that is, to a process that core has made.
#pragma once

#include "userspace/base/event_loop.hpp"

#include <functional>
#include <memory>

namespace vipd::daemon {

/// Ctrl-C, a hang-up, pkill, a service manager: all of them tell every process at once, and only
/// core knows the order in which an end harms nobody. So a role waits for core's Stop; `end` is
/// called when SIGTERM has come and core has said nothing for kCoreDecides: the role alone was
/// meant.
class RoleSignals {
  public:
    static constexpr Seconds kCoreDecides{6};  // more than an end in good order takes

    static Result<RoleSignals> open(EventLoop& loop, std::function<void()> end);

  private:
    RoleSignals() = default;
    EventLoop::Source term_;
    std::unique_ptr<EventLoop::Source> late_ = std::make_unique<EventLoop::Source>();
};

}  // namespace vipd::daemon
