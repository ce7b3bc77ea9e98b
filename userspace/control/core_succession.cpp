// SPDX-License-Identifier: Apache-2.0
// How a core ends, and what it takes up from the one before it: after an upgrade, a restart, a
// crash.
#include "userspace/control/core.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <tuple>
#include <utility>

namespace vipd::control {

namespace {

constexpr Seconds kVrrpPatience{3};
constexpr Seconds kCheckPatience{1};
constexpr Seconds kScriptPatience{1};  // as keepalived for its STOP scripts
constexpr int kKillPatienceMs = 1000;

}  // namespace

void Core::stop() {
    if (std::exchange(stopping_, true)) return;
    if (old_vrrp_ > 0) {
        dismiss_old_vrrp();  // ours never got so far
    } else if (vrrp_ && fd_store_.there() && restart_wanted()) {
        leave_for_restart();
        return;
    }
    spdlog::info("Stopping");
    sd_notify(0, "STOPPING=1");
    const auto then = [this](bool clean) {
        if (vrrp_ && !clean && !options_.keep_vips)
            for (const auto& instance : config().instances)
                if (const auto state = states_.find(instance.name);
                    state != states_.end() && state->second == ipc::VrrpState::Master)
                    remove_vips(instance);
        on_events(services_.on_stop());
        tell(notify_.on_stop());
        const auto next = [this](bool) { finish_stop(); };
        if (check_)
            check_->stop(kCheckPatience, next);
        else
            next(true);
    };
    if (vrrp_)
        settle([this, then] {
            const auto& wait = config().child_wait_time;
            vrrp_->stop(wait.set ? *wait : Nanos(kVrrpPatience), then);
        });
    else
        then(true);
}

void Core::finish_stop() {
    fd_store_.forget();
    if (forwarding_) forwarding_->leave(options_.keep_services);
    outlets_.close_fifos();
    const auto& global = config().global;
    const bool last_a_script = run_host_script(
        global.shutdown_script, *global.shutdown_script_timeout, "shutdown_script", [] {});
    const auto deadline =
        loop_.now() + (last_a_script ? *global.shutdown_script_timeout + kScriptPatience
                                     : Nanos(kScriptPatience));
    std::error_code ignored;
    for (const auto* role : {"vrrp", "check"}) std::filesystem::remove(pid_file(role), ignored);
    auto wait = loop_.every(Millis(10), [this, deadline](TimePoint now) {
        if (scripts_.running() > 0 && now < deadline) return;
        spdlog::info("Stopped");
        loop_.exit(exit_code_);
    });
    if (wait)
        stop_wait_ = std::move(*wait);
    else
        loop_.exit(exit_code_);
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
            else if (const auto* event = std::get_if<ipc::InstanceEvent>(&message))
                tell(notify_.on_event(*event));
        },
        [] {});
    old_vrrp_ = resume.vrrp;
    if (channel) old_channel_ = std::move(*channel);
}

// Ours has parsed the configuration and holds its sockets: between the two no advert is late.
void Core::relieve_old_vrrp() {
    if (old_vrrp_ <= 0) return;
    // Its parent may be another core, which is dead: then there is nothing to reap.
    const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, old_vrrp_, 0)));
    ::kill(old_vrrp_, SIGKILL);
    pollfd ended{process.get(), POLLIN, 0};
    (void)::poll(&ended, 1, kKillPatienceMs);
    (void)::waitpid(old_vrrp_, nullptr, WNOHANG);
    old_vrrp_ = -1;
    old_channel_.reset();
    keep_for_successor();
    for (const auto& [instance, state] : states_)
        (void)vrrp_->send(ipc::ResumeInstance{instance, state});
    let_vrrp_start();
}

// Nobody stands behind it any more: with its channel closed it resigns.
void Core::dismiss_old_vrrp() {
    fd_store_.forget();
    old_channel_.reset();
    old_vrrp_ = -1;
}

void Core::keep_for_successor() {
    if (!vrrp_ || old_vrrp_ > 0 || stopping_) return;
    if (auto kept = fd_store_.keep({vrrp_->pid(), vrrp_->channel_fd(), states_}); !kept)
        spdlog::warn("{}", kept.error().message);
}

// vrrp goes on with its adverts: the core that is started next finds its channel in the fd store.
// The rest is as after the death of a core.
void Core::leave_for_restart() {
    spdlog::info("Stopping for a restart; VRRP goes on");
    sd_notify(0, "STOPPING=1");
    (void)vrrp_->leave();
    if (forwarding_) forwarding_->save_flows();
    outlets_.close_fifos();
    loop_.exit(exit_code_);
}

}  // namespace vipd::control
