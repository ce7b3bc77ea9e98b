// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/notify.hpp"

#include <algorithm>

namespace vipd::control {

namespace {

void append(std::vector<config::Script>& scripts,
            const std::optional<config::Script>& specific,
            const std::optional<config::Script>& any,
            const char* kind,
            const std::string& name,
            const char* state,
            unsigned priority) {
    if (specific) scripts.push_back(*specific);
    if (!any) return;
    config::Script script = *any;
    script.argv.insert(script.argv.end(), {kind, name, state, std::to_string(priority)});
    scripts.push_back(std::move(script));
}

void append(std::vector<config::Script>& scripts,
            const config::Notify& notify,
            const char* kind,
            const std::string& name,
            ipc::VrrpState state,
            unsigned priority) {
    switch (state) {
        case ipc::VrrpState::Master:
            append(scripts, notify.master, notify.any, kind, name, "MASTER", priority);
            break;
        case ipc::VrrpState::Backup:
            append(scripts, notify.backup, notify.any, kind, name, "BACKUP", priority);
            break;
        case ipc::VrrpState::Fault:
            append(scripts, notify.fault, notify.any, kind, name, "FAULT", priority);
            break;
        case ipc::VrrpState::Init:
            break;
    }
}

}  // namespace

void NotifyPlan::configure(const config::Config& config) {
    instances_.clear();
    priorities_.clear();
    std::map<std::string, Group> groups;
    for (const auto& instance : config.instances) {
        instances_[instance.name] = instance.notify;
        priorities_[instance.name] = *instance.priority;
    }
    for (const auto& group : config.sync_groups) {
        Group entry{group.notify, {}, ipc::VrrpState::Init};
        for (const auto& member : group.members) entry.members.push_back(*member);
        if (const auto old = groups_.find(group.name); old != groups_.end())
            entry.last = old->second.last;
        groups.emplace(group.name, std::move(entry));
    }
    groups_ = std::move(groups);
    std::erase_if(states_, [&](const auto& state) { return !instances_.contains(state.first); });
}

std::vector<config::Script> NotifyPlan::on_state(const std::string& instance,
                                                 ipc::VrrpState state,
                                                 std::uint8_t priority) {
    std::vector<config::Script> scripts;
    const auto found = instances_.find(instance);
    if (found == instances_.end()) return scripts;
    states_[instance] = state;
    append(scripts, found->second, "INSTANCE", instance, state, priority);
    for (auto& [name, group] : groups_) {
        const auto in_state = [&](const std::string& member) {
            const auto known = states_.find(member);
            return known != states_.end() && known->second == state;
        };
        if (group.last == state ||
            std::find(group.members.begin(), group.members.end(), instance) ==
                group.members.end() ||
            !std::all_of(group.members.begin(), group.members.end(), in_state))
            continue;
        group.last = state;
        append(scripts, group.notify, "GROUP", name, state, 0);
    }
    return scripts;
}

std::vector<config::Script> NotifyPlan::on_stop() const {
    std::vector<config::Script> scripts;
    for (const auto& [name, notify] : instances_)
        append(scripts, notify.stop, notify.any, "INSTANCE", name, "STOP", priorities_.at(name));
    for (const auto& [name, group] : groups_)
        append(scripts, group.notify.stop, group.notify.any, "GROUP", name, "STOP", 0);
    return scripts;
}

std::string NotifyPlan::group_of(const std::string& instance) const {
    for (const auto& [name, group] : groups_)
        if (std::find(group.members.begin(), group.members.end(), instance) != group.members.end())
            return name;
    return {};
}

}  // namespace vipd::control
