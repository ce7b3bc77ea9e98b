// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/notify.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace vipd::control {

namespace {

constexpr const char* kInstance = "INSTANCE";
constexpr const char* kGroup = "GROUP";

std::string_view state_word(ipc::VrrpState state) {
    switch (state) {
        case ipc::VrrpState::Master:
            return "MASTER";
        case ipc::VrrpState::Backup:
            return "BACKUP";
        case ipc::VrrpState::Fault:
            return "FAULT";
        case ipc::VrrpState::Init:
            break;
    }
    return "";
}

/// Scripts and FIFO line of one event.
Announcement announcement(const std::optional<config::Script>& specific,
                          const std::optional<config::Script>& any,
                          const char* kind,
                          const std::string& name,
                          std::string_view state,
                          unsigned priority) {
    Announcement made;
    if (state.empty()) return made;
    if (specific) made.scripts.push_back(*specific);
    if (any) {
        config::Script script = *any;
        script.argv.insert(script.argv.end(),
                           {kind, name, std::string(state), std::to_string(priority)});
        made.scripts.push_back(std::move(script));
    }
    made.fifo_line = fmt::format("{} \"{}\" {} {}", kind, name, state, priority);
    return made;
}

const std::optional<config::Script>& script_for(const config::Notify& notify,
                                                ipc::VrrpState state) {
    static const std::optional<config::Script> kNone;
    switch (state) {
        case ipc::VrrpState::Master:
            return notify.master;
        case ipc::VrrpState::Backup:
            return notify.backup;
        case ipc::VrrpState::Fault:
            return notify.fault;
        case ipc::VrrpState::Init:
            break;
    }
    return kNone;
}

/// smtp_alert: its own word, else that for VRRP, else that for all; keepalived mails nothing unless
/// told.
bool mails(const config::Notify& notify, const config::Smtp& smtp) {
    for (const auto* word : {&notify.smtp_alert, &smtp.alert_vrrp, &smtp.alert})
        if (word->set) return word->value;
    return false;
}

}  // namespace

std::vector<Announcement> NotifyPlan::configure(const config::Config& config) {
    std::map<std::string, Instance> instances;
    std::map<std::string, Group> groups;
    order_.clear();
    group_order_.clear();
    faults_by_mail_ = !*config.global.smtp.no_email_faults;
    for (const auto& instance : config.instances) {
        Instance entry{instance.notify,
                       *instance.priority,
                       *instance.priority,
                       ipc::VrrpState::Init,
                       mails(instance.notify, config.global.smtp),
                       instance.notify.priority_changes.set
                           ? *instance.notify.priority_changes
                           : *config.global.notify_priority_changes};
        if (const auto old = instances_.find(instance.name); old != instances_.end()) {
            entry.state = old->second.state;
            if (old->second.configured == entry.configured) entry.priority = old->second.priority;
        }
        instances.emplace(instance.name, std::move(entry));
        order_.push_back(instance.name);
    }
    for (const auto& group : config.sync_groups) {
        Group entry{
            group.notify, {}, ipc::VrrpState::Init, mails(group.notify, config.global.smtp)};
        for (const auto& member : group.members) {
            entry.members.push_back(*member);
            const auto known = instances.find(*member);
            if (known != instances.end() && *group.notify.priority_changes)
                known->second.priority_changes = true;
        }
        if (const auto old = groups_.find(group.name); old != groups_.end())
            entry.last = old->second.last;
        groups.emplace(group.name, std::move(entry));
        group_order_.push_back(group.name);
    }
    std::vector<Announcement> gone;
    for (const auto& [name, instance] : instances_) {
        if (instances.contains(name)) continue;
        // Without notify_deleted keepalived calls it a FAULT.
        const auto& notify = instance.notify;
        gone.push_back(
            notify.deleted
                ? announcement(
                      notify.deleted, notify.any, kInstance, name, "DELETED", instance.priority)
                : announcement(
                      notify.fault, notify.any, kInstance, name, "FAULT", instance.priority));
    }
    instances_ = std::move(instances);
    groups_ = std::move(groups);
    return gone;
}

Announcement NotifyPlan::of_instance(const std::string& name,
                                     ipc::VrrpState state,
                                     unsigned priority) const {
    const Instance& instance = instances_.at(name);
    auto made = announcement(script_for(instance.notify, state),
                             instance.notify.any,
                             kInstance,
                             name,
                             state_word(state),
                             priority);
    const bool fault = state == ipc::VrrpState::Fault;
    if (instance.mail && state != ipc::VrrpState::Init && (!fault || faults_by_mail_))
        made.alert =
            Alert{fmt::format("VRRP Instance {} - Entering {} state", name, state_word(state)),
                  state == ipc::VrrpState::Master
                      ? "=> VRRP Instance is now owning VRRP VIPs <=\n\n"
                      : "=> VRRP Instance is no longer owning VRRP VIPs <=\n\n"};
    return made;
}

Announcement NotifyPlan::of_group(const std::string& name, ipc::VrrpState state) const {
    const Group& group = groups_.at(name);
    auto made = announcement(
        script_for(group.notify, state), group.notify.any, kGroup, name, state_word(state), 0);
    const bool fault = state == ipc::VrrpState::Fault;
    if (group.mail && state != ipc::VrrpState::Init && (!fault || faults_by_mail_))
        made.alert =
            Alert{fmt::format("VRRP Group {} - Entering {} state", name, state_word(state)),
                  fmt::format("=> All VRRP group instances are now in {} state <=\n\n",
                              state_word(state))};
    return made;
}

std::vector<Announcement> NotifyPlan::on_state(const std::string& instance,
                                               ipc::VrrpState state,
                                               std::uint8_t priority) {
    std::vector<Announcement> told;
    const auto found = instances_.find(instance);
    if (found == instances_.end()) return told;
    found->second.state = state;
    found->second.priority = priority;
    told.push_back(of_instance(instance, state, priority));
    for (auto& [name, group] : groups_) {
        if (group.last == state ||
            std::ranges::find(group.members, instance) == group.members.end())
            continue;
        if (group.last == ipc::VrrpState::Init && state == ipc::VrrpState::Backup) {
            group.last = state;
            told.insert(told.begin(), of_group(name, state));
            continue;
        }
        const auto in_state = [&](const std::string& member) {
            const auto known = instances_.find(member);
            return known != instances_.end() && known->second.state == state;
        };
        if (!std::ranges::all_of(group.members, in_state)) continue;
        group.last = state;
        told.push_back(of_group(name, state));
    }
    return told;
}

std::vector<Announcement> NotifyPlan::on_event(const ipc::InstanceEvent& event) {
    const auto found = instances_.find(event.instance);
    if (found == instances_.end()) return {};
    Instance& instance = found->second;
    instance.priority = event.priority;
    const bool lower = event.kind == ipc::InstanceEventKind::LowerPriorityHeard;
    if (!lower && (!instance.priority_changes || event.state == ipc::VrrpState::Init ||
                   event.state == ipc::VrrpState::Fault))
        return {};
    // `notify` is for states alone.
    Announcement told;
    if (lower && instance.notify.master_rx_lower_pri)
        told.scripts.push_back(*instance.notify.master_rx_lower_pri);
    told.fifo_line = fmt::format(
        "{} \"{}\" {} {}",
        kInstance,
        event.instance,
        lower ? "MASTER_RX_LOWER_PRI" : std::string(state_word(event.state)) + "_PRIORITY",
        event.priority);
    return {told};
}

std::vector<Announcement> NotifyPlan::on_stop() const {
    std::vector<Announcement> told;
    for (const auto& name : order_) {
        const auto& instance = instances_.at(name);
        told.push_back(announcement(
            instance.notify.stop, instance.notify.any, kInstance, name, "STOP", instance.priority));
    }
    for (const auto& name : group_order_) {
        const auto& notify = groups_.at(name).notify;
        told.push_back(announcement(notify.stop, notify.any, kGroup, name, "STOP", 0));
    }
    return told;
}

std::vector<Announcement> NotifyPlan::states() const {
    std::vector<Announcement> told;
    const auto add =
        [&](const char* kind, const std::string& name, ipc::VrrpState state, unsigned priority) {
            Announcement made;
            if (const auto word = state_word(state); !word.empty())
                made.fifo_line = fmt::format("{} \"{}\" {} {}", kind, name, word, priority);
            told.push_back(std::move(made));
        };
    for (const auto& name : order_)
        add(kInstance, name, instances_.at(name).state, instances_.at(name).priority);
    for (const auto& name : group_order_) add(kGroup, name, groups_.at(name).last, 0);
    return told;
}

std::string NotifyPlan::group_of(const std::string& instance) const {
    for (const auto& [name, group] : groups_)
        if (std::ranges::find(group.members, instance) != group.members.end()) return name;
    return {};
}

}  // namespace vipd::control
