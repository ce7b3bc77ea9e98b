// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/live_changes.hpp"

#include "userspace/control/service_table.hpp"

#include <algorithm>
#include <cerrno>

namespace vipd::control {

namespace {

using Verb = LiveCommand::Verb;

const config::VirtualServer* find(const config::Config& config, const ServiceKey& key) {
    for (const auto& server : config.virtual_servers)
        if (server.key == key) return &server;
    return nullptr;
}

const config::RealServer* find(const config::VirtualServer& server, const Endpoint& endpoint) {
    for (const auto& real : server.real_servers)
        if (real.endpoint == endpoint) return &real;
    return nullptr;
}

/// Why the data plane would not take such a real server of such a service.
Result<> check_forwarding(config::VirtualServer server, const std::string& method) {
    server.method.value = method;
    if (const auto why = unsupported(server)) return fail(*why, EOPNOTSUPP);
    return {};
}

config::VirtualServer service_of(const LiveCommand& command) {
    config::VirtualServer server;
    server.key = *command.service;
    server.scheduler.value = command.scheduler;
    server.method.value = "DR";  // each real server says its own
    server.hash_port = command.hash_port;
    server.hash_fallback = command.hash_fallback;
    return server;
}

void take_settings(config::VirtualServer& to, const config::VirtualServer& from) {
    to.scheduler.value = from.scheduler.value;
    to.hash_port = from.hash_port;
    to.hash_fallback = from.hash_fallback;
}

bool is_server_verb(Verb verb) {
    return verb == Verb::AddServer || verb == Verb::EditServer || verb == Verb::DeleteServer;
}

}  // namespace

Result<> LiveChanges::apply(const LiveCommand& command, const config::Config& file) {
    if (command.verb == Verb::SetTimeouts) {
        for (std::size_t at = 0; at < timeouts_.size(); ++at)
            if (command.timeouts[at] != 0) timeouts_[at] = command.timeouts[at];
        return {};
    }
    const config::Config now = over(file);
    if (command.verb == Verb::Flush) {
        patches_.clear();
        for (const auto& server : file.virtual_servers) patches_[server.key].deleted = true;
        return {};
    }
    const auto* server = command.service ? find(now, *command.service) : nullptr;
    if (command.verb == Verb::Zero)
        return server != nullptr || !command.service ? Result<>() : fail("No such service", ESRCH);

    const bool adds = command.verb == Verb::AddService;
    if (adds && server != nullptr) return fail("Service already exists", EEXIST);
    if (!adds && server == nullptr)
        return fail(is_server_verb(command.verb) ? "Service not defined" : "No such service",
                    ESRCH);
    if (adds || command.verb == Verb::EditService) {
        if (!model::scheduler_of(command.scheduler))
            return fail("Scheduler or persistence engine not found", ENOENT);
        if (auto able = check_forwarding(service_of(command), "DR"); !able) return able;
        if (patches_.size() >= kMaxServices) return fail("too many services", ENOSPC);
        Patch& patch = patches_[*command.service];
        patch.service = service_of(command);
        return {};
    }
    if (command.verb == Verb::DeleteService) {
        patches_.erase(*command.service);
        if (find(file, *command.service) != nullptr) patches_[*command.service].deleted = true;
        return {};
    }

    const auto* real = find(*server, command.real);
    if (command.verb == Verb::AddServer && real != nullptr)
        return fail("Destination already exists", EEXIST);
    if (command.verb != Verb::AddServer && real == nullptr)
        return fail("No such destination", ENOENT);
    if (command.verb == Verb::DeleteServer) {
        Patch& patch = patches_[*command.service];
        const auto* in_file = find(file, *command.service);
        const bool of_file =
            in_file != nullptr && !patch.deleted && find(*in_file, command.real) != nullptr;
        if (of_file)
            patch.reals[command.real] = std::nullopt;
        else
            patch.reals.erase(command.real);
        return {};
    }
    if (command.lower > command.upper) return fail("Numerical result out of range", ERANGE);
    if (auto able = check_forwarding(*server, command.method); !able) return able;
    std::size_t reals = 0;
    for (const auto& [key, patch] : patches_) reals += patch.reals.size();
    if (reals >= kMaxReals) return fail("too many real servers", ENOSPC);
    config::RealServer made = real != nullptr ? *real : config::RealServer();
    made.endpoint = command.real;
    made.weight.value = command.weight;
    made.upper_threshold.value = command.upper;
    made.lower_threshold.value = command.lower;
    made.method = command.method;
    made.tunnel = command.tunnel;
    patches_[*command.service].reals[command.real] = std::move(made);
    return {};
}

void LiveChanges::patch(config::VirtualServer& server, const Patch& patch) {
    if (patch.service) take_settings(server, *patch.service);
    auto left = patch.reals;
    std::erase_if(server.real_servers, [&](config::RealServer& real) {
        const auto changed = left.find(real.endpoint);
        if (changed == left.end()) return false;
        const bool deleted = !changed->second;
        if (!deleted) {  // its checks go on
            real.weight.value = changed->second->weight.value;
            real.upper_threshold.value = changed->second->upper_threshold.value;
            real.lower_threshold.value = changed->second->lower_threshold.value;
            real.method = changed->second->method;
            real.tunnel = changed->second->tunnel;
        }
        left.erase(changed);
        return deleted;
    });
    for (auto& [endpoint, real] : left)
        if (real) server.real_servers.push_back(std::move(*real));
}

config::Config LiveChanges::over(config::Config file) const {
    const auto in_force = timeouts(file.global);
    file.global.tcp_timeout.value = in_force[0];
    file.global.tcp_fin_timeout.value = in_force[1];
    file.global.udp_timeout.value = in_force[2];
    auto left = patches_;
    std::erase_if(file.virtual_servers, [&](config::VirtualServer& server) {
        const auto changed = left.find(server.key);
        if (changed == left.end() || (changed->second.deleted && changed->second.service))
            return changed != left.end();
        const bool deleted = changed->second.deleted;
        if (!deleted) patch(server, changed->second);
        left.erase(changed);
        return deleted;
    });
    for (const auto& [key, changed] : left) {
        if (!changed.service) continue;
        config::VirtualServer server = *changed.service;
        patch(server, changed);
        file.virtual_servers.push_back(std::move(server));
    }
    return file;
}

std::array<std::uint32_t, 3> LiveChanges::timeouts(const config::GlobalDefs& file) const {
    std::array<std::uint32_t, 3> in_force{
        *file.tcp_timeout, *file.tcp_fin_timeout, *file.udp_timeout};
    for (std::size_t at = 0; at < in_force.size(); ++at)
        if (timeouts_[at] != 0) in_force[at] = timeouts_[at];
    return in_force;
}

bool LiveChanges::touches(const ServiceKey& service) const {
    const auto found = patches_.find(service);
    return found != patches_.end() && found->second.service.has_value();
}

bool LiveChanges::touches(const ServiceKey& service, const Endpoint& real) const {
    const auto found = patches_.find(service);
    return found != patches_.end() && found->second.reals.contains(real);
}

}  // namespace vipd::control
