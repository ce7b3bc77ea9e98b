// SPDX-License-Identifier: Apache-2.0
// vrrp_script: when to run which, and what its results mean. The judgement is pure (judge()); the
// class around it runs the scripts and tells the vrrp process.
#pragma once

#include "userspace/config/config.hpp"
#include "userspace/control/script_runner.hpp"

#include <vipd/ipc.hpp>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace vipd::control {

/// A script's standing. The count runs from 0 to rise + fall - 1; from `rise` up it is up.
struct ScriptStanding {
    bool known = false;
    std::uint32_t count = 0;
    bool operator==(const ScriptStanding&) const = default;
};

/// The standing before any run: with init_fail known as failed, else unknown.
ScriptStanding initial_standing(bool init_fail);

/// The standing after one run. The first completed run decides alone, unless init_fail has; after
/// it a failed script needs `rise` successes in a row, one that is up `fall` failures.
ScriptStanding judge(ScriptStanding standing, bool success, std::uint32_t rise, std::uint32_t fall);

inline bool is_up(const ScriptStanding& standing, std::uint32_t rise) {
    return standing.known && standing.count >= rise;
}

class TrackScripts {
  public:
    using Report = std::function<void(const ipc::TrackScriptState&)>;
    /// A line for the log.
    using Say = std::function<void(bool warning, const std::string& line)>;

    TrackScripts(EventLoop& loop, ScriptRunner& runner, Report report, Say say)
        : loop_(loop), runner_(runner), report_(std::move(report)), say_(std::move(say)) {}

    /// Takes over the scripts that some instance tracks; a script that stays the same keeps its
    /// standing.
    Result<> configure(const config::Config& config);
    /// Everything a restarted vrrp process must know.
    std::vector<ipc::TrackScriptState> states() const;
    /// How the script's last run ended; empty before it.
    std::string detail(const std::string& script) const;

  private:
    struct Entry {
        config::VrrpScript script;
        ScriptJob job;
        ScriptStanding standing;
        bool running = false;
        bool waits = false;  ///< the last start failed for want of resources, and that was said
        std::uint64_t generation = 0;
        EventLoop::Source timer;
        std::string last_detail;
    };
    void start(const std::string& name);
    void finished(const std::string& name, std::uint64_t generation, const ScriptResult& result);

    EventLoop& loop_;
    ScriptRunner& runner_;
    Report report_;
    Say say_;
    std::map<std::string, Entry> entries_;
    std::uint64_t next_generation_ = 1;
};

/// The script of the configuration as a job, for the user that config::run_as() says.
ScriptJob make_job(const config::Script& script, const config::GlobalDefs& global, Nanos timeout);

}  // namespace vipd::control
