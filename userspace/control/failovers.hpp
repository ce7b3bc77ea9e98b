// SPDX-License-Identifier: Apache-2.0
// The last times that an instance of this node became MASTER, and how long each step took.
#pragma once

#include "userspace/control/status.hpp"

#include <vipd/ipc.hpp>
#include <vipd/time.hpp>

#include <cstdint>
#include <deque>
#include <string>

namespace vipd::control {

class Failovers {
  public:
    static constexpr std::size_t kKept = 32;

    /// `change` is to MASTER; core learned of it at `now`. `at` is what the clock on the wall says.
    void add(const ipc::InstanceStateChange& change, TimePoint now, UnixTime at) {
        const auto since = [](std::uint64_t from, std::uint64_t to) {
            return from == 0 || to < from ? std::nullopt
                                          : std::optional(Micros((to - from) / 1000));
        };
        FailoverStatus one;
        one.instance = change.instance;
        one.at = at;
        one.reason = change.heard_ns == 0                      ? "no master was heard"
                     : change.heard_priority == 0              ? "the master has resigned"
                     : change.heard_priority < change.priority ? "preempted a lower priority"
                                                               : "the master was silent";
        one.detection = since(change.heard_ns, change.at_ns);
        one.announcement = since(change.at_ns, change.announced_ns);
        one.core = since(change.at_ns, static_cast<std::uint64_t>(now.time_since_epoch().count()));
        last_.push_back(std::move(one));
        if (last_.size() > kKept) last_.pop_front();
        ++count_;
    }
    const std::deque<FailoverStatus>& last() const { return last_; }
    std::uint64_t count() const { return count_; }

  private:
    std::deque<FailoverStatus> last_;
    std::uint64_t count_ = 0;
};

}  // namespace vipd::control
