// SPDX-License-Identifier: Apache-2.0
// Sends mail alerts, each by a process of its own without any right: finding the server and talking
// to it may take half a minute, and what it says is not core's to read.
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/control/smtp_sender.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

namespace vipd::control {

class Mailer {
  public:
    using Say = std::function<void(bool warning, const std::string& line)>;
    /// `arguments` follow --role and --channel on the command line of a sending process.
    Mailer(EventLoop& loop, std::vector<std::string> arguments, Say say)
        : loop_(loop), arguments_(std::move(arguments)), say_(std::move(say)) {}
    /// Ends what is on its way.
    ~Mailer();
    Mailer(const Mailer&) = delete;
    Mailer& operator=(const Mailer&) = delete;

    void send(const Mail& mail);
    std::size_t running() const { return running_.size(); }

    static constexpr std::size_t kAtOnce = 8;
    static constexpr std::size_t kWaiting = 256;  ///< further ones are lost, and that is said

  private:
    void start(const Mail& mail);
    void next();

    EventLoop& loop_;
    std::vector<std::string> arguments_;
    Say say_;
    std::map<pid_t, EventLoop::Source> running_;
    std::deque<Mail> waiting_;
    bool full_ = false;
};

}  // namespace vipd::control
