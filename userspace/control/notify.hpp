// SPDX-License-Identifier: Apache-2.0
// What a VRRP state change is told to whom, in keepalived's order and words (keepalived.conf(5),
// "NOTIFY SCRIPTS"): the script for the state, then `notify`; a line for the FIFOs; a mail.
#pragma once

#include "userspace/config/config.hpp"

#include <vipd/ipc.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vipd::control {

/// A mail alert's own part of the subject ("VRRP Instance VI_1 - Entering MASTER state"), and text.
struct Alert {
    std::string subject;
    std::string body;
    bool operator==(const Alert&) const = default;
};

/// One event, to be told as it stands.
struct Announcement {
    std::vector<config::Script> scripts{};
    std::string fifo_line{};  ///< empty: none
    std::optional<Alert> alert{};
};

class NotifyPlan {
  public:
    /// What is to be told of instances that are gone.
    std::vector<Announcement> configure(const config::Config& config);

    /// An instance has entered `state`: the instance, then, when it was the last member of its
    /// group to get there, the group. At the start a group is BACKUP before its members, as with
    /// keepalived.
    std::vector<Announcement> on_state(const std::string& instance,
                                       ipc::VrrpState state,
                                       std::uint8_t priority);
    /// notify_master_rx_lower_pri and, for the FIFOs alone, notify_priority_changes.
    std::vector<Announcement> on_event(const ipc::InstanceEvent& event);
    /// The daemon stops: STOP of every instance and group, in the order of the file.
    std::vector<Announcement> on_stop() const;
    /// fifo_write_vrrp_states_on_reload: the states as they are, for the FIFOs alone.
    std::vector<Announcement> states() const;

    bool knows(const std::string& instance) const { return instances_.contains(instance); }
    /// The sync group of an instance; empty: none.
    std::string group_of(const std::string& instance) const;

  private:
    struct Instance {
        config::Notify notify;
        std::uint8_t configured = 0;  ///< priority
        std::uint8_t priority = 0;    ///< effective
        ipc::VrrpState state = ipc::VrrpState::Init;
        bool mail = false;
        bool priority_changes = false;
    };
    struct Group {
        config::Notify notify;
        std::vector<std::string> members;
        ipc::VrrpState last = ipc::VrrpState::Init;
        bool mail = false;
    };
    Announcement of_instance(const std::string& name,
                             ipc::VrrpState state,
                             unsigned priority) const;
    Announcement of_group(const std::string& name, ipc::VrrpState state) const;

    std::map<std::string, Instance> instances_;
    std::map<std::string, Group> groups_;
    std::vector<std::string> order_, group_order_;  ///< of the file
    bool faults_by_mail_ = true;                    ///< no_email_faults is not set
};

}  // namespace vipd::control
