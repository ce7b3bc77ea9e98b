// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/role_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace vipd::control {

Seconds restart_delay(std::uint32_t restarts) {
    if (restarts == 0) return Seconds(0);
    return Seconds(std::min<std::uint32_t>(60, 1U << std::min<std::uint32_t>(restarts - 1, 6)));
}

RoleProcess::RoleProcess(EventLoop& loop,
                         std::string role,
                         std::vector<std::string> arguments,
                         Callbacks callbacks)
    : loop_(loop),
      role_(std::move(role)),
      arguments_(std::move(arguments)),
      callbacks_(std::move(callbacks)) {}

RoleProcess::~RoleProcess() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
}

Result<> RoleProcess::start() {
    auto watch = loop_.every(Seconds(1), [this](TimePoint) {
        if (pid_ <= 0 || stopping_ || !silence_.on_second()) return;
        callbacks_.say(true,
                       fmt::format("process {} ({}) has not answered for {} s; killing it",
                                   role_,
                                   pid_,
                                   kSilence.count()));
        ::kill(pid_, SIGKILL);
    });
    if (!watch) return fail(std::move(watch.error()));
    watch_ = std::move(*watch);
    if (auto spawned = spawn(); !spawned)
        restart_later(fmt::format("process {}: {}", role_, spawned.error().message), false);
    return {};
}

Result<> RoleProcess::spawn() {
    auto ends = ipc::make_pair();
    if (!ends) return fail(std::move(ends.error()));
    auto& [ours, theirs] = *ends;

    // Everything the child needs is made before the fork: the daemon has other threads.
    const std::string title = "vipd: " + role_;
    const std::string role_argument = "--role=" + role_;
    const std::string channel_argument = fmt::format("--channel={}", theirs.get());
    std::vector<char*> argv{const_cast<char*>(title.c_str()),
                            const_cast<char*>(role_argument.c_str()),
                            const_cast<char*>(channel_argument.c_str())};
    for (const auto& argument : arguments_) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);

    const pid_t pid = ::fork();
    if (pid < 0) return fail_errno(errno, "fork");
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, nullptr);
        ::fcntl(theirs.get(), F_SETFD, 0);
        ::execv("/proc/self/exe", argv.data());
        ::_exit(127);
    }
    pid_ = pid;
    started_at_ = loop_.now();
    silence_.heard();
    auto exit = loop_.child(pid, [this](EventLoop::ChildExit how) { on_exit(how); });
    if (!exit) return fail(std::move(exit.error()));
    exit_ = std::move(*exit);
    kept_.reset(::fcntl(ours.get(), F_DUPFD_CLOEXEC, 3));
    auto channel = ipc::Channel::open(
        loop_,
        std::move(ours),
        [this](ipc::Message message, Fd) { on_message(std::move(message)); },
        [] { /* its exit is reported by the child source */ });
    if (!channel) return fail(std::move(channel.error()));
    channel_ = std::move(*channel);
    callbacks_.started(restarts_ > 0);
    return {};
}

std::pair<pid_t, int> RoleProcess::leave() {
    stopping_ = true;
    exit_.reset();
    restart_.reset();
    watch_.reset();
    channel_.reset();
    if (kept_) ::fcntl(kept_.get(), F_SETFD, 0);
    return {std::exchange(pid_, -1), kept_.release()};
}

Result<> RoleProcess::send(const ipc::Message& message, int attached) {
    if (!channel_) return {};
    return channel_->send(message, attached);
}

void RoleProcess::on_message(ipc::Message message) {
    silence_.heard();
    if (std::holds_alternative<ipc::Heartbeat>(message)) return;
    callbacks_.message(std::move(message));
}

void RoleProcess::on_exit(EventLoop::ChildExit how) {
    exit_.reset();
    channel_.reset();
    kept_.reset();
    const pid_t pid = std::exchange(pid_, -1);
    if (stopping_) {
        patience_.reset();
        if (stopped_) std::exchange(stopped_, nullptr)(how.exited && how.code == 0);
        return;
    }
    if (loop_.now() - started_at_ >= kStable) in_a_row_ = 0;
    restart_later(fmt::format("process {} ({}) {} {}",
                              role_,
                              pid,
                              how.exited ? "exited with status" : "was killed by signal",
                              how.code),
                  how.exited && how.code != 0);
}

void RoleProcess::restart_later(const std::string& why, bool by_itself) {
    const Seconds delay = restart_delay(in_a_row_++);
    ++restarts_;
    callbacks_.say(true,
                   fmt::format("{}; restarting it {}",
                               why,
                               delay.count() == 0 ? std::string("at once")
                                                  : fmt::format("in {} s", delay.count())));
    auto timer = loop_.at(loop_.now() + delay, [this](TimePoint) {
        if (stopping_) return;
        if (auto spawned = spawn(); !spawned)
            restart_later(fmt::format("process {}: {}", role_, spawned.error().message), false);
    });
    if (timer) restart_ = std::move(*timer);
    callbacks_.died(delay, by_itself);
}

void RoleProcess::stop(Nanos patience, std::function<void(bool)> stopped) {
    stopping_ = true;
    restart_.reset();
    if (pid_ <= 0) {
        stopped(false);
        return;
    }
    stopped_ = std::move(stopped);
    (void)send(ipc::Stop{});
    auto timer = loop_.at(loop_.now() + patience, [this](TimePoint) {
        if (pid_ > 0) ::kill(pid_, SIGKILL);
    });
    if (timer) patience_ = std::move(*timer);
}

}  // namespace vipd::control
