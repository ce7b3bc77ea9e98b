// SPDX-License-Identifier: Apache-2.0
// Network namespaces that a test makes for itself. They belong to the test's threads and processes
// alone and go with them: nothing is left behind whatever happens.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>
#include <sys/wait.h>

namespace vipd::test {

/// Moves this thread into a new network namespace; false where that is not permitted.
inline bool enter_new_netns() {
    return ::unshare(CLONE_NEWNET) == 0;
}

/// The output of a command; `status` gets its exit status.
inline std::string run(const std::string& command, int* status = nullptr) {
    std::string out;
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "re");
    if (pipe == nullptr) return out;
    std::array<char, 4096> part{};
    while (const auto got = std::fread(part.data(), 1, part.size(), pipe))
        out.append(part.data(), got);
    const int raw = ::pclose(pipe);
    if (status != nullptr) *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : -1;
    return out;
}

/// A second namespace, held open by a descriptor; enter() and leave() move this thread.
class Netns {
  public:
    Netns() : home_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
        if (::unshare(CLONE_NEWNET) != 0) return;
        fd_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        leave();
    }
    ~Netns() {
        leave();
        if (fd_ >= 0) ::close(fd_);
        if (home_ >= 0) ::close(home_);
    }
    Netns(const Netns&) = delete;
    Netns& operator=(const Netns&) = delete;

    bool valid() const { return fd_ >= 0; }
    void enter() const { (void)!::setns(fd_, CLONE_NEWNET); }
    void leave() const { (void)!::setns(home_, CLONE_NEWNET); }
    /// What `ip link set X netns` takes: good while this object lives.
    std::string path() const {
        return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd_);
    }
    /// The output of a command run inside.
    std::string run(const std::string& command, int* status = nullptr) const {
        enter();
        std::string out = test::run(command, status);
        leave();
        return out;
    }

  private:
    int home_ = -1;
    int fd_ = -1;
};

}  // namespace vipd::test
