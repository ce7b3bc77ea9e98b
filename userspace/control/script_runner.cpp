// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/script_runner.hpp"

#include "userspace/base/fd.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

namespace vipd::control {

namespace {

constexpr Seconds kKillAfterTerm{2};
constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct Identity {
    uid_t uid = 0;
    gid_t gid = 0;
};

Result<std::optional<Identity>> identity_of(const ScriptJob& job) {
    if (job.user.empty()) return std::nullopt;
    std::array<char, 16384> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    const int looked = ::getpwnam_r(job.user.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr) return fail("no such user: " + job.user, looked);
    Identity identity{entry.pw_uid, entry.pw_gid};
    if (!job.group.empty()) {
        group group_entry{};
        group* group_found = nullptr;
        const int looked_for_group = ::getgrnam_r(
            job.group.c_str(), &group_entry, buffer.data(), buffer.size(), &group_found);
        if (group_found == nullptr) return fail("no such group: " + job.group, looked_for_group);
        identity.gid = group_entry.gr_gid;
    }
    return identity;
}

// In the child, after fork: only async-signal-safe calls; the daemon has other threads.
[[noreturn]] void run_child(const std::optional<Identity>& identity,
                            const char* program,
                            char* const* argv,
                            char* const* shell_argv,
                            char* const* environment,
                            int report_fd) {
    const auto give_up = [report_fd] {
        const int error = errno;
        const auto written = ::write(report_fd, &error, sizeof error);
        (void)written;
        ::_exit(127);
    };
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int number : {SIGPIPE, SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2})
        ::signal(number, SIG_DFL);
    ::setpgid(0, 0);
    const int null = ::open("/dev/null", O_RDWR);
    if (null >= 0) {
        ::dup2(null, 0);
        ::dup2(null, 1);
        ::dup2(null, 2);
    }
    if (identity) {
        if (::setgroups(0, nullptr) < 0 || ::setgid(identity->gid) < 0 ||
            ::setuid(identity->uid) < 0)
            give_up();
    }
    // After setuid, which clears it: a dead daemon leaves no script behind.
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    ::execve(program, argv, environment);
    // keepalived runs a file without "#!" by the shell.
    if (errno == ENOEXEC) ::execve("/bin/sh", shell_argv, environment);
    give_up();
    ::_exit(127);
}

std::string reason_of(int error, const std::string& program) {
    switch (error) {
        case ENOENT:
            return "not found: " + program;
        case EACCES:
            return "not executable: " + program;
        default:
            return Error::from_errno(error, program).message;
    }
}

}  // namespace

Result<std::string> find_program(const std::string& name) {
    if (name.find('/') != std::string::npos) return name;
    const char* path = std::getenv("PATH");
    std::string_view rest = path != nullptr ? path : kDefaultPath;
    while (!rest.empty()) {
        const auto colon = rest.find(':');
        const auto folder = rest.substr(0, colon);
        rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
        if (folder.empty()) continue;
        std::string candidate = fmt::format("{}/{}", folder, name);
        struct stat info{};
        if (::stat(candidate.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
            ::access(candidate.c_str(), X_OK) == 0)
            return candidate;
    }
    return fail("not found: " + name, ENOENT);
}

bool lacks_resources(const Error& error) {
    switch (error.errnum) {
        case EAGAIN:
        case EMFILE:
        case ENFILE:
        case ENOMEM:
            return true;
        default:
            return false;
    }
}

ScriptRunner::~ScriptRunner() {
    for (auto& [id, job] : jobs_) ::kill(-job.pid, SIGKILL);
}

Result<> ScriptRunner::run(const ScriptJob& job, Done done) {
    if (job.argv.empty()) return fail("empty command");
    const std::size_t places = job.vital ? limits_.running : limits_.running - limits_.kept;
    if (jobs_.size() >= places) return fail("too many scripts are running", EAGAIN);
    auto identity = identity_of(job);
    if (!identity) return fail(std::move(identity.error()));
    // Before the fork: after it nothing may be allocated.
    auto program = find_program(job.argv.front());
    if (!program) return fail(std::move(program.error()));

    std::vector<char*> argv;
    for (const auto& word : job.argv) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    std::string shell = "/bin/sh";
    std::vector<char*> shell_argv{shell.data(), program->data()};
    shell_argv.insert(shell_argv.end(), argv.begin() + 1, argv.end());
    std::vector<char*> environment;
    for (char** variable = ::environ; *variable != nullptr; ++variable) {
        const std::string_view text(*variable);
        // Not for scripts: loader settings, word splitting, and what belongs to our service
        // manager.
        if (text.starts_with("LD_") || text.starts_with("IFS=") ||
            text.starts_with("NOTIFY_SOCKET=") || text.starts_with("WATCHDOG_") ||
            text.starts_with("LISTEN_"))
            continue;
        environment.push_back(*variable);
    }
    environment.push_back(nullptr);

    std::array<int, 2> pipe_fds{};
    if (::pipe2(pipe_fds.data(), O_CLOEXEC) < 0) return fail_errno(errno, "pipe");
    const Fd report(pipe_fds[0]);
    Fd child_report(pipe_fds[1]);
    const pid_t pid = ::fork();
    if (pid < 0) return fail_errno(errno, "fork");
    if (pid == 0)
        run_child(*identity,
                  program->c_str(),
                  argv.data(),
                  shell_argv.data(),
                  environment.data(),
                  child_report.get());
    child_report.reset();
    ::setpgid(pid, pid);  // also from here: a kill(-pid) must not come before the child's own call

    // The pipe closes at exec; until then this waits for a few system calls of the child.
    int error = 0;
    ssize_t got = 0;
    do got = ::read(report.get(), &error, sizeof error);
    while (got < 0 && errno == EINTR);
    if (got == sizeof error) {
        while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
        }
        return fail(reason_of(error, *program), error);
    }

    const std::uint64_t id = next_id_++;
    auto exit = loop_.child(pid, [this, id](EventLoop::ChildExit how) { on_exit(id, how); });
    if (!exit) {
        ::kill(-pid, SIGKILL);
        while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
        }
        return fail(std::move(exit.error()));
    }
    Running& running = jobs_[id];
    running.pid = pid;
    running.done = std::move(done);
    running.exit = std::move(*exit);
    if (job.timeout > Nanos(0)) {
        auto timer = loop_.at(loop_.now() + job.timeout, [this, id](TimePoint) { on_timeout(id); });
        if (timer) running.timer = std::move(*timer);
    }
    return {};
}

void ScriptRunner::on_timeout(std::uint64_t id) {
    const auto job = jobs_.find(id);
    if (job == jobs_.end()) return;
    ::kill(-job->second.pid, job->second.timed_out ? SIGKILL : SIGTERM);
    if (job->second.timed_out) return;
    job->second.timed_out = true;
    (void)EventLoop::rearm(job->second.timer, loop_.now() + kKillAfterTerm);
}

void ScriptRunner::on_exit(std::uint64_t id, EventLoop::ChildExit how) {
    auto node = jobs_.extract(id);
    if (node.empty()) return;
    ScriptResult result;
    if (node.mapped().timed_out) {
        result.detail = "timed out";
    } else if (!how.exited) {
        result.detail = fmt::format("killed by signal {}", how.code);
    } else {
        result.status = how.code;
        result.detail = fmt::format("exited with status {}", how.code);
    }
    node.mapped().done(result);
}

}  // namespace vipd::control
