// SPDX-License-Identifier: Apache-2.0
// What an operator tells the core to do beside a reload: give mastership away, drain.
#include "userspace/control/core.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <sys/wait.h>
#include <tuple>
#include <utility>

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

Result<std::string> Core::upgrade() {
    if (stopping_ || !told_ready_) return fail("vipd is starting or stopping");
    if (old_vrrp_ > 0) return fail("an upgrade is going on");
    if (confirm_wait_) return fail("a reload waits to be confirmed");
    const auto abi = ask_abi(options_.program);
    if (!abi) return fail(abi.error());
    const auto own = forwarding_ ? forwarding_->dataplane().abi_version() : *abi;
    if (*abi != own)
        return fail(
            fmt::format("{} has maps of another layout ({}, here {}): only a restart can change "
                        "that, which begins "
                        "with the flows of the checkpoint",
                        options_.program,
                        *abi,
                        own));
    // The answer goes out first.
    auto timer = loop_.at(loop_.now() + Millis(200), [this](TimePoint) {
        Resume resume;
        resume.states = states_;
        if (vrrp_) std::tie(resume.vrrp, resume.channel) = vrrp_->leave();
        spdlog::info("Going over to {}", options_.program);
        options_.on_upgrade(resume);
        loop_.exit(0);
    });
    if (!timer) return fail(std::move(timer.error()));
    stop_wait_ = std::move(*timer);
    return "going over to " + options_.program;
}

void Core::take_up(const Resume& resume) {
    states_ = resume.states;
    for (const auto& [instance, state] : states_) {
        instances_[instance].instance = instance;
        instances_[instance].state = state;
    }
    if (resume.vrrp <= 0) return;
    auto channel = ipc::Channel::open(
        loop_,
        Fd(resume.channel),
        [this](ipc::Message message, Fd) {
            if (const auto* change = std::get_if<ipc::InstanceStateChange>(&message))
                on_instance_state(*change);
        },
        [] {});
    old_vrrp_ = resume.vrrp;
    if (channel) old_channel_ = std::move(*channel);
}

// Ours has parsed the configuration and holds its sockets: between the two no advert is late.
void Core::relieve_old_vrrp() {
    if (old_vrrp_ <= 0) return;
    ::kill(old_vrrp_, SIGKILL);
    int status = 0;
    while (::waitpid(old_vrrp_, &status, 0) < 0 && errno == EINTR) {
    }
    old_vrrp_ = -1;
    old_channel_.reset();
    for (const auto& [instance, state] : states_)
        (void)vrrp_->send(ipc::ResumeInstance{instance, state});
    let_vrrp_start();
}

}  // namespace vipd::control
