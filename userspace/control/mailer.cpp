// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/mailer.hpp"

#include "userspace/base/fd.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <utility>

namespace vipd::control {

Mailer::~Mailer() {
    for (const auto& [pid, source] : running_) ::kill(pid, SIGKILL);
}

void Mailer::send(const Mail& mail) {
    if (running_.size() < kAtOnce) {
        start(mail);
    } else if (waiting_.size() < kWaiting) {
        waiting_.push_back(mail);
    } else if (!std::exchange(full_, true)) {
        say_(
            true,
            fmt::format("More than {} mails wait for {}; the rest is lost", kWaiting, mail.server));
    }
}

void Mailer::next() {
    while (!waiting_.empty() && running_.size() < kAtOnce) {
        const Mail mail = std::move(waiting_.front());
        waiting_.pop_front();
        full_ = false;
        start(mail);
    }
}

void Mailer::start(const Mail& mail) {
    const auto text = make_sealed_memfd("vipd-mail", encode(mail));
    if (!text) return say_(true, "mail: " + text.error().message);
    // Everything the child needs is made before the fork: the daemon has other threads.
    const std::string channel = fmt::format("--channel={}", text->get());
    std::vector<char*> argv{const_cast<char*>("vipd: mail"),
                            const_cast<char*>("--role=mail"),
                            const_cast<char*>(channel.c_str())};
    for (const auto& argument : arguments_) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    const pid_t pid = ::fork();
    if (pid < 0) return say_(true, Error::from_errno(errno, "mail: fork").message);
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, nullptr);
        ::fcntl(text->get(), F_SETFD, 0);
        ::execv("/proc/self/exe", argv.data());
        ::_exit(127);
    }
    // It says itself what has become of it.
    auto exit = loop_.child(pid, [this, pid](EventLoop::ChildExit) {
        const auto ended = running_.extract(pid);  // the source must outlive this call
        next();
    });
    if (exit)
        running_[pid] = std::move(*exit);
    else
        say_(true, "mail: " + exit.error().message);
}

}  // namespace vipd::control
