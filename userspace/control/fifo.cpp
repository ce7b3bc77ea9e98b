// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/fifo.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <sys/stat.h>

namespace vipd::control {

namespace {

constexpr mode_t kMode = 0644;  // keepalived's

Result<> give_to(int fd, const FifoSettings& settings) {
    if (settings.user.empty() && settings.group.empty()) return {};
    auto uid = static_cast<uid_t>(-1);
    auto gid = static_cast<gid_t>(-1);
    if (!settings.user.empty()) {
        const passwd* entry = ::getpwnam(settings.user.c_str());
        if (entry == nullptr) return fail("no such user: " + settings.user);
        uid = entry->pw_uid;
        gid = entry->pw_gid;
    }
    if (!settings.group.empty()) {
        const group* entry = ::getgrnam(settings.group.c_str());
        if (entry == nullptr) return fail("no such group: " + settings.group);
        gid = entry->gr_gid;
    }
    if (::fchown(fd, uid, gid) < 0) return fail_errno(errno, settings.path);
    return {};
}

}  // namespace

Result<> Fifo::open() {
    made_ = ::mkfifo(settings_.path.c_str(), kMode) == 0;
    if (!made_ && errno != EEXIST) return fail_errno(errno, settings_.path);
    // Both ends: without a reader O_WRONLY would fail, and each reader's end would be ours.
    fd_.reset(::open(settings_.path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
    if (!fd_) return fail_errno(errno, settings_.path);
    struct stat info{};
    if (::fstat(fd_.get(), &info) < 0) return fail_errno(errno, settings_.path);
    if (!S_ISFIFO(info.st_mode)) {
        fd_.reset();
        return fail(settings_.path + " is not a FIFO");
    }
    return made_ ? give_to(fd_.get(), settings_) : Result<>();
}

void Fifo::close() {
    if (fd_ && made_) ::unlink(settings_.path.c_str());
    fd_.reset();
    made_ = false;
    full_ = false;
}

Result<> Fifo::configure(const FifoSettings& settings, ScriptRunner& scripts) {
    if (settings == settings_ && (fd_ || settings.path.empty())) return {};
    close();
    settings_ = settings;
    if (settings_.path.empty()) return {};
    if (auto opened = open(); !opened) return fail(std::move(opened.error()).in("notify FIFO"));
    if (settings_.script.argv.empty()) return {};
    ScriptJob job = settings_.script;
    job.argv.push_back(settings_.path);
    job.vital = true;
    const std::string name = job.argv.front();
    return scripts.run(job, [say = say_, name](const ScriptResult& result) {
        if (result.status != 0) say(true, fmt::format("FIFO script {} {}", name, result.detail));
    });
}

void Fifo::write(std::string_view line) {
    if (!fd_) return;
    // One call: lines of this length are written whole or not at all (PIPE_BUF).
    const std::string text = std::string(line) + "\n";
    const ssize_t written = ::write(fd_.get(), text.data(), text.size());
    if (written == static_cast<ssize_t>(text.size())) {
        if (std::exchange(full_, false))
            say_(false,
                 fmt::format("{} is read again; {} events were lost", settings_.path, lost_));
        return;
    }
    ++lost_;
    if (!std::exchange(full_, true))
        say_(true, fmt::format("{} is full, nobody reads it: events are lost", settings_.path));
}

}  // namespace vipd::control
