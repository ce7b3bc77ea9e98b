// SPDX-License-Identifier: Apache-2.0
// Runs scripts for the whole daemon: track scripts, MISC_CHECKs and notifications. Only core runs
// any; each runs without a shell, in a process group of its own, as its own user, with a time limit
// (keepalived.conf(5), "SCRIPTS").
#pragma once

#include "userspace/base/event_loop.hpp"

#include <vipd/error.hpp>
#include <vipd/time.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

namespace vipd::control {

struct ScriptJob {
    std::vector<std::string> argv;
    std::string user;    ///< "" = the daemon's own
    std::string group;   ///< "" = the user's first
    Nanos timeout{0};    ///< 0 = none
    bool vital = false;  ///< may use the places that are kept from the others
    bool operator==(const ScriptJob&) const = default;
};

struct ScriptResult {
    /// 0..255; -1 where it did not come to an exit status. 126 and 127 are failures, too:
    /// keepalived counts a script that is gone as a success.
    int status = -1;
    std::string detail;  ///< "exited with status 1", "timed out", "not found: /x"
};

/// The file that a command without a slash stands for, by PATH; one with a slash is that file.
Result<std::string> find_program(const std::string& name);

/// Whether run() failed for want of processes, descriptors, memory or places: it says nothing about
/// the script.
bool lacks_resources(const Error& error);

class ScriptRunner {
  public:
    using Done = std::function<void(const ScriptResult&)>;

    /// No more scripts at once than `running`; the last `kept` places are for vital ones.
    struct Limits {
        std::size_t running = 1024;
        std::size_t kept = 128;
    };

    explicit ScriptRunner(EventLoop& loop) : ScriptRunner(loop, Limits()) {}
    ScriptRunner(EventLoop& loop, Limits limits) : loop_(loop), limits_(limits) {}
    /// Ends what still runs (SIGKILL to each group).
    ~ScriptRunner();
    ScriptRunner(const ScriptRunner&) = delete;
    ScriptRunner& operator=(const ScriptRunner&) = delete;

    /// Starts the job; `done` is called once, later, from the loop. Where it cannot be started, the
    /// error is the return value and `done` is not called. lacks_resources() tells whether that is
    /// the script's fault.
    Result<> run(const ScriptJob& job, Done done);
    std::size_t running() const { return jobs_.size(); }

  private:
    struct Running {
        pid_t pid = -1;
        Done done;
        EventLoop::Source exit;
        EventLoop::Source timer;
        bool timed_out = false;
    };
    void on_timeout(std::uint64_t id);
    void on_exit(std::uint64_t id, EventLoop::ChildExit how);

    EventLoop& loop_;
    Limits limits_;
    std::map<std::uint64_t, Running> jobs_;
    std::uint64_t next_id_ = 1;
};

}  // namespace vipd::control
