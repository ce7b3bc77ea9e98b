// SPDX-License-Identifier: Apache-2.0
// The configuration file again: what it would change, taking it over, going back.
#include "userspace/control/core.hpp"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <chrono>
#include <ctime>
#include <utility>

namespace vipd::control {

Result<LoadedConfig> Core::read_again(std::vector<config::Diagnostic>& fresh) const {
    if (stopping_) return fail("vipd is stopping");
    auto loaded = load_config(loaded_.path, options_.config_id);
    if (!loaded) return fail(std::move(loaded.error()));
    fresh = new_errors(loaded_.parsed, loaded->parsed);
    if (!fresh.empty())
        return fail(fmt::format("{} new error{} in {}; the first: {}: {}",
                                fresh.size(),
                                fresh.size() == 1 ? "" : "s",
                                loaded_.path,
                                fresh.front().at.to_string(),
                                fresh.front().message));
    if (loaded->parsed.has(config::Severity::Fatal))
        return fail(loaded_.path + " cannot be run with");
    const auto& now = config();
    const auto& next = loaded->parsed.config;
    // A file cut short by an editor or a full disk is no order to give everything up.
    if (config::does_nothing(next) && !config::does_nothing(now))
        return fail(
            loaded_.path +
            " has neither a vrrp_instance nor a virtual_server; to end what runs, stop vipd");
    if (next.instance_name != now.instance_name || next.net_namespace != now.net_namespace ||
        *next.vipd.api_socket != *now.vipd.api_socket ||
        next.vipd.api_listen != now.vipd.api_listen ||
        (forwarding_ && *next.vipd.flow_table_size != *now.vipd.flow_table_size))
        return fail(
            "instance, net_namespace, flow_table_size and the API's addresses need a restart to "
            "change");
    return loaded;
}

Result<ReloadPlan> Core::plan_reload() const {
    std::vector<config::Diagnostic> fresh;
    auto loaded = read_again(fresh);
    if (!loaded) return fail(std::move(loaded.error()));
    const config::Config next = live_.over(loaded->parsed.config);
    if (wants_forwarding(next) || forwarding_)
        if (auto checked = Forwarding::check(next); !checked) return fail(checked.error());
    ServiceTable services = services_;
    (void)services.configure(next);
    ReloadPlan plan;
    plan.steps = service_steps(services_.desired(), services.desired());
    for (const auto& diagnostic : new_diagnostics(loaded_.parsed, loaded->parsed))
        plan.warnings.push_back(config::render(diagnostic));
    if (!forwarding_) return plan;
    const auto& plane = forwarding_->dataplane();
    for (const auto& [key, service] : services_.desired())
        for (const model::Real& real : service.reals) {
            const auto count = plane.connections(key, real.endpoint);
            plan.open_connections += count.active + count.inactive;
            const auto fate = fate_of_connections(services.desired(), key, real.endpoint);
            if (fate == Fate::CutOff) plan.cut_off += count.active + count.inactive;
            if (fate == Fate::RunOut) plan.running_out += count.active + count.inactive;
        }
    return plan;
}

Result<> Core::reload(std::optional<Seconds> confirm_within) {
    spdlog::info("Reloading {}", loaded_.path);
    std::vector<config::Diagnostic> fresh;
    auto loaded = read_again(fresh);
    for (const auto& diagnostic : fresh) spdlog::error("{}", config::render(diagnostic));
    // After several reloads without a confirmation it is the last confirmed one to go back to.
    std::optional<LoadedConfig> before;
    if (loaded && confirm_within && !confirmed_) before = loaded_;
    auto done = loaded ? take_over(std::move(*loaded)) : Result<>(fail(loaded.error()));
    if (!done) {
        // A wait goes on: what it would go back to has not changed.
        last_reload_ = {std::time(nullptr), false, done.error().message, last_reload_.confirm_by};
        spdlog::error("Reload refused, nothing has changed: {}", done.error().message);
        return done;
    }
    last_reload_ = {std::time(nullptr), true, "", 0};
    if (!confirm_within) {
        confirmed_.reset();
        confirm_wait_ = {};
        spdlog::info("Reloaded");
        return {};
    }
    if (before) confirmed_ = std::move(before);
    auto timer = loop_.at(loop_.now() + *confirm_within, [this](TimePoint) { go_back(); });
    if (!timer) {
        go_back();
        return fail(std::move(timer.error()));
    }
    confirm_wait_ = std::move(*timer);
    last_reload_.confirm_by = last_reload_.when + confirm_within->count();
    spdlog::info("Reloaded; going back in {} s unless it is confirmed", confirm_within->count());
    return {};
}

Result<> Core::take_over(LoadedConfig loaded) {
    sd_notify(0, "RELOADING=1");
    ++generation_;
    auto done = put_in_force(std::move(loaded));
    sd_notify(0, "READY=1");
    if (!done) --generation_;
    return done;
}

Result<> Core::confirm_reload() {
    if (!confirm_wait_) return fail("no reload waits to be confirmed");
    confirm_wait_ = {};
    confirmed_.reset();
    last_reload_.confirm_by = 0;
    spdlog::info("Reload confirmed");
    return {};
}

void Core::go_back() {
    confirm_wait_ = {};
    if (stopping_ || !confirmed_) return;
    auto done = take_over(std::move(*std::exchange(confirmed_, std::nullopt)));
    const std::string reason =
        done ? "not confirmed in time; the configuration before it runs again"
             : "not confirmed in time, and going back failed: " + done.error().message;
    last_reload_ = {std::time(nullptr), false, reason, 0};
    spdlog::warn("Reload {}", reason);
}

}  // namespace vipd::control
