// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/resume.hpp"

#include "userspace/base/fd.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <sstream>
#include <sys/wait.h>

namespace vipd::control {

namespace {

constexpr int kPatienceMs = 2000;
constexpr std::size_t kMaxAnswer = 64;

}  // namespace

std::string encode(const Resume& resume) {
    std::string out = fmt::format("vrrp {} {}\n", resume.vrrp, resume.channel);
    for (const auto& [instance, state] : resume.states)
        out += fmt::format("state {} {}\n", static_cast<unsigned>(state), instance);
    return out;
}

Result<Resume> decode_resume(std::string_view text) {
    Resume resume;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string kind;
        words >> kind;
        if (kind == "vrrp" && words >> resume.vrrp >> resume.channel) continue;
        unsigned state = 0;
        std::string instance;
        if (kind != "state" || !(words >> state) || state > 3 ||
            !std::getline(words >> std::ws, instance))
            return fail("what the core before this one has left cannot be read: " + line);
        resume.states[instance] = static_cast<ipc::VrrpState>(state);
    }
    return resume;
}

Result<std::uint32_t> ask_abi(const std::string& path) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) < 0) return fail_errno(errno, "pipe");
    const Fd hear(ends[0]);
    Fd tell(ends[1]);
    const pid_t pid = ::fork();
    if (pid < 0) return fail_errno(errno, "fork");
    if (pid == 0) {
        ::dup2(tell.get(), STDOUT_FILENO);
        const std::array<const char*, 3> argv{path.c_str(), "--abi", nullptr};
        ::execv(path.c_str(), const_cast<char* const*>(argv.data()));
        ::_exit(127);
    }
    tell.reset();
    std::string answer;
    for (;;) {
        pollfd ready{hear.get(), POLLIN, 0};
        std::array<char, kMaxAnswer> buffer{};
        const int polled = ::poll(&ready, 1, kPatienceMs);
        if (polled < 0 && errno == EINTR) continue;
        const ssize_t got = polled > 0 ? ::read(hear.get(), buffer.data(), buffer.size()) : 0;
        if (got <= 0 || answer.size() > kMaxAnswer) break;
        answer.append(buffer.data(), static_cast<std::size_t>(got));
    }
    ::kill(pid, SIGKILL);  // it has answered, or will not
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    std::uint32_t abi = 0;
    const auto [end, error] = std::from_chars(answer.data(), answer.data() + answer.size(), abi);
    if (error != std::errc() || end == answer.data() || *end != '\n')
        return fail(path + " cannot be run, or does not know --abi");
    return abi;
}

}  // namespace vipd::control
