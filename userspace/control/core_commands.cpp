// SPDX-License-Identifier: Apache-2.0
// What an operator tells the core to do beside a reload: give mastership away, drain.
#include "userspace/control/core.hpp"

#include <fmt/format.h>

namespace vipd::control {

Result<std::string> Core::handover(const std::string& instance, Millis hold) {
    if (!instance.empty() && !notify_.knows(instance)) return fail("no vrrp_instance " + instance);
    std::size_t masters = 0;
    for (const auto& [name, state] : states_)
        if ((instance.empty() || instance == name) && state == ipc::VrrpState::Master) ++masters;
    if (masters == 0)
        return fail(instance.empty() ? "no instance is MASTER here"
                                     : instance + " is not MASTER here");
    settle([this, instance, hold] {
        auto sent = vrrp_->send(ipc::Handover{instance, static_cast<std::uint32_t>(hold.count())});
        if (!sent) spdlog::warn("{}", sent.error().message);
    });
    return fmt::format("handing over {}; not preempting for {} s",
                       instance.empty()
                           ? fmt::format("{} instance{}", masters, masters == 1 ? "" : "s")
                           : instance,
                       std::chrono::duration_cast<Seconds>(hold).count());
}

void Core::settle(std::function<void()> then) {
    if (forwarding_)
        forwarding_->settle(std::move(then));
    else
        then();
}

Result<std::string> Core::drain(const DrainTarget& target, Millis limit) {
    if (target.node()) {
        // A node that is BACKUP everywhere has nothing to give away, but must not take it either.
        if (vrrp_) {
            if (auto handed = handover("", limit); !handed)
                (void)vrrp_->send(ipc::Handover{"", static_cast<std::uint32_t>(limit.count())});
        }
    } else {
        bool found = false;
        for (const auto& [key, service] : services_.desired())
            for (const auto& real : service.reals)
                found = found || target.covers(key, real.endpoint);
        if (!found) return fail("there is no such " + target.to_string());
    }
    drains_.add(target, limit, forwarding_ ? &forwarding_->dataplane() : nullptr);
    services_.rebuild();
    if (forwarding_)
        if (auto followed = forwarding_->follow(services_.desired()); !followed) {
            (void)drains_.remove(target);
            services_.rebuild();
            return fail(std::move(followed.error()));
        }
    spdlog::info("Draining {}", target.to_string());
    return "draining " + target.to_string();
}

Result<std::string> Core::undrain(const DrainTarget& target) {
    if (!drains_.remove(target)) return fail(target.to_string() + " is not being drained");
    // Where it has become MASTER all the same, nobody else was there: it stays so.
    if (target.node() && vrrp_)
        for (const auto& [instance, state] : states_)
            if (state != ipc::VrrpState::Master) (void)vrrp_->send(ipc::Handover{instance, 0});
    services_.rebuild();
    if (forwarding_)
        if (auto followed = forwarding_->follow(services_.desired()); !followed)
            return fail(std::move(followed.error()));
    spdlog::info("No longer draining {}", target.to_string());
    return target.to_string() + " takes new connections again";
}

}  // namespace vipd::control
