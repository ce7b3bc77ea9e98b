// SPDX-License-Identifier: Apache-2.0
#include "userspace/config/lint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>

namespace vipd::config {

namespace {

constexpr std::size_t kMaxRemarks = 1000;
constexpr std::uint8_t kOwnerPriority = 255;

class Remarks {
  public:
    void add(const Location& at, std::string message, std::string hint = {}) {
        if (list_.size() >= kMaxRemarks) return;
        list_.push_back(diagnostic_at(Severity::Warning, at, std::move(message), std::move(hint)));
    }
    std::vector<Diagnostic> take() {
        std::ranges::stable_sort(list_, {}, [](const Diagnostic& one) { return one.at.line; });
        return std::move(list_);
    }

  private:
    std::vector<Diagnostic> list_;
};

std::string seconds(Nanos time) {
    return fmt::format("{:g} s", std::chrono::duration<double>(time).count());
}

void lint_scripts(const Config& config, const Environment& environment, Remarks& remarks) {
    for (const VrrpScript& script : config.scripts) {
        if (*script.timeout > *script.interval)
            remarks.add(
                script.timeout.set ? script.timeout.at : script.at,
                fmt::format("a run of vrrp_script '{}' may take {}, and the next is due after "
                            "{}: a hanging script is noticed late",
                            script.name,
                            seconds(*script.timeout),
                            seconds(*script.interval)),
                "timeout no longer than interval");
        if (!environment.script_insecure) continue;
        if (const auto why = environment.script_insecure(
                run_as(script.script, config.global, environment.user_exists)))
            remarks.add(script.script.at,
                        fmt::format("vrrp_script '{}' is not safe to run: {}", script.name, *why));
    }
}

/// How long a checker needs to notice, once it has begun.
Nanos longest_check(const Checker& checker) {
    const Nanos once =
        checker.kind == Checker::Kind::Misc ? checker.misc_timeout : checker.timing.connect_timeout;
    return once + checker.timing.retry * (checker.timing.delay_before_retry + once);
}

void lint_checkers(const VirtualServer& server, Remarks& remarks) {
    for (const RealServer& real : server.real_servers) {
        const std::string name = real.endpoint.to_string();
        if (real.checkers.empty())
            remarks.add(real.at,
                        fmt::format("nothing checks real_server {}: it gets connections also when "
                                    "it is down",
                                    name));
        for (const Checker& checker : real.checkers) {
            if (checker.follows()) continue;  // it waits for nobody
            const Nanos longest = longest_check(checker);
            if (longest <= checker.timing.delay_loop) continue;
            remarks.add(
                checker.at,
                fmt::format("until this check of real_server {} has failed for good, {} may "
                            "pass, and delay_loop is {}",
                            name,
                            seconds(longest),
                            seconds(checker.timing.delay_loop)),
                "shorter connect_timeout or fewer retries");
        }
    }
}

/// Addresses that some instance of this node holds.
std::set<IpAddress> addresses_of(const Config& config) {
    std::set<IpAddress> held;
    for (const VrrpInstance& instance : config.instances) {
        for (const auto& vip : instance.virtual_ipaddress) held.insert(vip.prefix.address);
        for (const auto& vip : instance.virtual_ipaddress_excluded) held.insert(vip.prefix.address);
    }
    return held;
}

void lint_addresses(const Config& config, Remarks& remarks) {
    if (config.instances.empty() || config.virtual_servers.empty()) return;
    const std::set<IpAddress> held = addresses_of(config);
    std::set<IpAddress> served;
    for (const VirtualServer& server : config.virtual_servers) {
        if (server.members.empty()) served.insert(server.key.endpoint.address);
        for (const ServiceMember& member : server.members) {
            served.insert(member.key.endpoint.address);
            for (const ServiceKey& key : member.also) served.insert(key.endpoint.address);
        }
        const IpAddress& address = server.key.endpoint.address;
        if (server.kind == VirtualServer::Kind::Address && !held.contains(address))
            remarks.add(server.at,
                        fmt::format("no vrrp_instance holds {}, the address of this virtual_server",
                                    address.to_string()));
    }
    for (const VrrpInstance& instance : config.instances)
        for (const auto& vip : instance.virtual_ipaddress)
            if (!served.contains(vip.prefix.address))
                remarks.add(
                    vip.at,
                    fmt::format("no virtual_server has the address {} of vrrp_instance '{}'",
                                vip.prefix.address.to_string(),
                                instance.name));
}

void lint_instances(const Config& config, Remarks& remarks) {
    for (const VrrpInstance& instance : config.instances) {
        if (instance.track_interfaces.empty() && *instance.dont_track_primary)
            remarks.add(instance.dont_track_primary.at,
                        fmt::format("vrrp_instance '{}' stays MASTER with its interface down",
                                    instance.name));
        if (!*instance.accept && !instance.accept.set && *instance.priority != kOwnerPriority)
            remarks.add(instance.strict.set ? instance.strict.at : instance.at,
                        fmt::format("strict mode: while vrrp_instance '{}' is MASTER, what is for "
                                    "one of its addresses and for no virtual_server is dropped, "
                                    "also ping",
                                    instance.name),
                        "say accept, with version 3");
    }
}

/// An instance's priority with all its scripts well, and with all of them failed; nullopt where a
/// failure is a fault, or a script counts the other way round.
struct Priorities {
    std::int64_t well = 0;
    std::int64_t failed = 0;
};
std::optional<Priorities> priorities(const Config& config, const VrrpInstance& instance) {
    Priorities result{*instance.priority, *instance.priority};
    for (const TrackedScript& tracked : instance.track_scripts) {
        const auto script = std::ranges::find(config.scripts, tracked.name, &VrrpScript::name);
        if (script == config.scripts.end()) continue;
        const int weight = tracked.weight.value_or(*script->weight);
        if (weight == 0 || tracked.reverse || *script->reverse) return std::nullopt;
        (weight > 0 ? result.well : result.failed) += weight;
    }
    return result;
}

/// Scripts are tracked so that the other node takes over: can it?
void lint_weights(std::span<const Config> configs, Remarks& remarks) {
    for (const Config& config : configs)
        for (const VrrpInstance& instance : config.instances) {
            const auto own = priorities(config, instance);
            if (!own || own->well == own->failed) continue;
            std::int64_t next = -1;
            for (const Config& other : configs) {
                if (&other == &config) continue;
                for (const VrrpInstance& peer : other.instances) {
                    if (*peer.virtual_router_id != *instance.virtual_router_id) continue;
                    const auto theirs = priorities(other, peer);
                    if (theirs && theirs->well <= own->well) next = std::max(next, theirs->well);
                }
            }
            if (next < 0 || own->failed < next) continue;
            remarks.add(
                instance.track_scripts.front().at,
                fmt::format("with all its scripts failed vrrp_instance '{}' has priority {}, "
                            "its peer {}: it stays MASTER",
                            instance.name,
                            own->failed,
                            next),
                "a larger weight, or none");
        }
}

}  // namespace

std::vector<Diagnostic> lint(std::span<const Config> configs, const Environment& environment) {
    std::vector<Diagnostic> all;
    for (const Config& config : configs) {
        Remarks remarks;
        lint_scripts(config, environment, remarks);
        lint_instances(config, remarks);
        lint_addresses(config, remarks);
        for (const VirtualServer& server : config.virtual_servers) lint_checkers(server, remarks);
        std::ranges::move(remarks.take(), std::back_inserter(all));
    }
    Remarks remarks;
    lint_weights(configs, remarks);
    std::ranges::move(remarks.take(), std::back_inserter(all));
    return all;
}

}  // namespace vipd::config
