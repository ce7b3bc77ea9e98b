// SPDX-License-Identifier: Apache-2.0
// track_file and vrrp_track_process: core watches files and processes, since vrrp touches neither.
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/base/fd.hpp"
#include "userspace/config/config.hpp"

#include <vipd/ipc.hpp>

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace vipd::control {

/// The number that the content of a tracked file stands for: leading blanks, sign, digits; what
/// follows does not count. 0 where there is none.
std::int32_t file_value(std::string_view content);

/// Whether a process is meant. `arguments`: its command line, argv[0] first; `name`: its comm.
bool matches(const config::TrackProcess& wanted,
             std::string_view name,
             const std::vector<std::string>& arguments);

/// Whether as many processes as there are make the tracker up.
constexpr bool within_quorum(std::size_t running, std::uint32_t quorum, std::uint32_t most) {
    return running >= quorum && running <= most;
}

/// Files by inotify on their folders, so that a file that is replaced or does not exist yet is
/// seen; processes by a look at /proc each second, and the end of each one found by its pidfd at
/// once.
class TrackObjects {
  public:
    using Report = std::function<void(const ipc::TrackerState&)>;
    using Say = std::function<void(bool warning, const std::string& line)>;

    TrackObjects(EventLoop& loop, Report report, Say say)
        : loop_(loop), report_(std::move(report)), say_(std::move(say)) {}

    /// Takes over what some instance, group or FILE_CHECK tracks. init_file's are written here.
    Result<> configure(const config::Config& config);
    std::vector<ipc::TrackerState> states() const;

  private:
    struct File {
        config::TrackFile settings;
        std::int32_t value = 0;
        bool read = false;
    };
    struct Process {
        config::TrackProcess settings;
        bool up = false;
        bool known = false;
        EventLoop::Source delayed;  ///< fork_delay, terminate_delay
    };
    /// A process that some tracker means, until it ends.
    struct Watched {
        Fd pidfd;
        EventLoop::Source ended;
        std::uint64_t started = 0;  ///< of /proc/PID/stat: a pid is used again
        std::vector<std::string> trackers;
    };

    Result<> watch_files();
    void on_inotify();
    void read_file(const std::string& name);
    void look_for_processes();
    void count(const std::string& tracker, bool at_once);
    void settle(const std::string& tracker, bool up);

    EventLoop& loop_;
    Report report_;
    Say say_;
    std::map<std::string, File> files_;
    std::map<std::string, Process> processes_;
    std::map<int, Watched> watched_;  // by pid
    Fd inotify_;
    EventLoop::Source inotify_events_;
    std::map<int, std::string> folders_;  // by watch descriptor
    EventLoop::Source look_;
};

}  // namespace vipd::control
