// SPDX-License-Identifier: Apache-2.0
// One of the two role processes (vrrp, check) as core sees it: started, heard, restarted.
//
// The death of a role is not an event for the network: core starts it again (after 0, 1, 2, 4 ...
// 60 s) and hands its state back. A role that says nothing for kSilence hangs and is killed.
#pragma once

#include "userspace/base/channel.hpp"
#include "userspace/base/event_loop.hpp"
#include "userspace/base/fd.hpp"

#include <vipd/error.hpp>
#include <vipd/ipc.hpp>
#include <vipd/time.hpp>

#include <functional>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

namespace vipd::control {

/// How long to wait before start number `restarts` + 1: 0, 1, 2, 4 ... 60 s.
Seconds restart_delay(std::uint32_t restarts);

/// Whether a role hangs. Counts the seconds in which we ran and it was not heard: after a pause of
/// this whole machine, or of core alone, what it has said waits to be read.
class SilenceWatch {
  public:
    explicit SilenceWatch(unsigned limit) : limit_(limit) {}
    void heard() { silent_ = 0; }
    /// Once a second; true: it has been silent for too long. The count starts anew then.
    bool on_second() {
        if (++silent_ <= limit_) return false;
        silent_ = 0;
        return true;
    }

  private:
    unsigned limit_;
    unsigned silent_ = 0;
};

class RoleProcess {
  public:
    struct Callbacks {
        /// The process is there: send it its configuration and state. `restarted` is false the
        /// first time.
        std::function<void(bool restarted)> started;
        std::function<void(ipc::Message)> message;
        /// It has died and comes back after `delay`. `by_itself`: it exited with an error of its
        /// own.
        std::function<void(Nanos delay, bool by_itself)> died;
        /// A line for the log.
        std::function<void(bool warning, const std::string& line)> say;
    };

    /// `role` is "vrrp" or "check"; `arguments` follow --role and --channel on its command line.
    RoleProcess(EventLoop& loop,
                std::string role,
                std::vector<std::string> arguments,
                Callbacks callbacks);
    /// Kills the process if it is still there.
    ~RoleProcess();
    RoleProcess(const RoleProcess&) = delete;
    RoleProcess& operator=(const RoleProcess&) = delete;

    /// Errors are those of the event loop; a process that cannot be made is tried again.
    Result<> start();
    /// Sends; a role that is not there or does not read gets it after its restart, as state.
    Result<> send(const ipc::Message& message, int attached = -1);
    /// Asks it to finish; `stopped` is called when it has ended (or at once if it is not there),
    /// with whether it did so in good order. It is killed after `patience`.
    void stop(Nanos patience, std::function<void(bool clean)> stopped);
    /// Lets it go on without us: its pid, and our end of its channel, which outlives an exec().
    /// Then it is as if it had never been started.
    std::pair<pid_t, int> leave();

    const std::string& role() const { return role_; }
    pid_t pid() const { return pid_; }
    /// A descriptor of our end of the channel, which stays ours; -1: the process is not there.
    int channel_fd() const { return kept_.get(); }
    std::uint32_t restarts() const { return restarts_; }

    static constexpr Seconds kSilence{10};
    /// Alive this long, the back-off starts from 0 again.
    static constexpr Seconds kStable{60};

  private:
    void on_exit(EventLoop::ChildExit how);
    void on_message(ipc::Message message);
    void restart_later(const std::string& why, bool by_itself);
    Result<> spawn();

    EventLoop& loop_;
    std::string role_;
    std::vector<std::string> arguments_;
    Callbacks callbacks_;
    pid_t pid_ = -1;
    std::unique_ptr<ipc::Channel> channel_;
    Fd kept_;  ///< a second descriptor of our end, for leave()
    EventLoop::Source exit_;
    EventLoop::Source restart_;
    EventLoop::Source watch_;
    EventLoop::Source patience_;
    SilenceWatch silence_{static_cast<unsigned>(kSilence.count())};
    TimePoint started_at_;
    std::uint32_t restarts_ = 0;  ///< in all, for status
    std::uint32_t in_a_row_ = 0;
    bool stopping_ = false;
    std::function<void(bool)> stopped_;
};

}  // namespace vipd::control
