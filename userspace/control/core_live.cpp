// SPDX-License-Identifier: Apache-2.0
// Changes while the core runs: a reload, what vipadm orders beside the file, counters from 0.
#include "userspace/control/core.hpp"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <ctime>
#include <utility>

namespace vipd::control {

Result<> Core::reload() {
    if (stopping_) return fail("vipd is stopping");
    const auto refuse = [&](Error error) -> Result<> {
        last_reload_ = {std::time(nullptr), false, error.message};
        spdlog::error("Reload refused, nothing has changed: {}", error.message);
        return fail(std::move(error));
    };
    spdlog::info("Reloading {}", loaded_.path);
    auto loaded = load_config(loaded_.path, options_.config_id);
    if (!loaded) return refuse(std::move(loaded.error()));
    const auto fresh = new_errors(loaded_.parsed, loaded->parsed);
    for (const auto& diagnostic : fresh) spdlog::error("{}", config::render(diagnostic));
    if (!fresh.empty())
        return refuse(Error{fmt::format("{} new error{} in {}; the first: {}: {}",
                                        fresh.size(),
                                        fresh.size() == 1 ? "" : "s",
                                        loaded_.path,
                                        fresh.front().at.to_string(),
                                        fresh.front().message)});
    if (loaded->parsed.has(config::Severity::Fatal))
        return refuse(Error{loaded_.path + " cannot be run with"});
    const auto& now = config();
    const auto& next = loaded->parsed.config;
    if (next.instance_name != now.instance_name || next.net_namespace != now.net_namespace ||
        *next.vipd.api_socket != *now.vipd.api_socket ||
        next.vipd.api_listen != now.vipd.api_listen ||
        (forwarding_ && *next.vipd.flow_table_size != *now.vipd.flow_table_size))
        return refuse(
            Error{"instance, net_namespace, flow_table_size and the API's addresses need a restart "
                  "to change"});
    sd_notify(0, "RELOADING=1");
    ++generation_;
    auto done = put_in_force(std::move(*loaded));
    sd_notify(0, "READY=1");
    if (!done) {
        --generation_;
        return refuse(std::move(done.error()));
    }
    last_reload_ = {std::time(nullptr), true, ""};
    spdlog::info("Reloaded");
    return {};
}

Result<> Core::change(const LiveCommand& command) {
    if (stopping_) return fail("vipd is stopping");
    LiveChanges before = live_;
    if (auto applied = live_.apply(command, config()); !applied) return applied;
    if (command.verb == LiveCommand::Verb::Zero) {
        zero_counters(command.service);
        return {};
    }
    if (auto done = put_in_force(loaded_, false); !done) {
        live_ = std::move(before);
        return done;
    }
    return {};
}

void Core::zero_counters(const std::optional<ServiceKey>& only) {
    if (!forwarding_) return;
    const auto& plane = forwarding_->dataplane();
    for (const auto& [key, service] : services_.desired()) {
        if (only && key != *only) continue;
        if (const auto counters = plane.counters(key)) zeroed_[key] = *counters;
        for (const auto& real : service.reals)
            if (const auto counters = plane.counters(key, real.endpoint))
                zeroed_reals_[{key, real.endpoint}] = *counters;
    }
}

std::uint64_t Core::scan_flows(std::uint64_t cursor,
                               std::uint64_t slots,
                               const std::function<void(const dataplane::Flow&)>& visit) const {
    return forwarding_ ? forwarding_->dataplane().scan_flows(cursor, slots, visit) : 0;
}

}  // namespace vipd::control
