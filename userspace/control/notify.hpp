// SPDX-License-Identifier: Apache-2.0
// Which notify scripts a VRRP state change runs, in keepalived's order and with its arguments
// (keepalived.conf(5), "NOTIFY SCRIPTS"): first the one for the state, then `notify`.
#pragma once

#include "userspace/config/config.hpp"

#include <vipd/ipc.hpp>

#include <map>
#include <string>
#include <vector>

namespace vipd::control {

class NotifyPlan {
  public:
    void configure(const config::Config& config);

    /// An instance has entered `state`: the scripts of the instance, then, when it was the last
    /// member of its group to get there, those of the group.
    std::vector<config::Script> on_state(const std::string& instance,
                                         ipc::VrrpState state,
                                         std::uint8_t priority);
    /// The daemon stops: the STOP scripts of every instance and group.
    std::vector<config::Script> on_stop() const;

    bool knows(const std::string& instance) const { return instances_.contains(instance); }
    /// The sync group of an instance; empty: none.
    std::string group_of(const std::string& instance) const;

  private:
    struct Group {
        config::Notify notify;
        std::vector<std::string> members;
        ipc::VrrpState last = ipc::VrrpState::Init;
    };
    std::map<std::string, config::Notify> instances_;
    std::map<std::string, std::uint8_t> priorities_;
    std::map<std::string, ipc::VrrpState> states_;
    std::map<std::string, Group> groups_;
};

}  // namespace vipd::control
