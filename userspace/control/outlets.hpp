// SPDX-License-Identifier: Apache-2.0
// Where core tells its events: scripts, FIFOs, mail. One place, so that an event is told the same
// way whoever found it out.
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/config/config.hpp"
#include "userspace/control/fifo.hpp"
#include "userspace/control/mailer.hpp"
#include "userspace/control/notify.hpp"
#include "userspace/control/script_runner.hpp"

#include <functional>
#include <string>
#include <vector>

namespace vipd::control {

class Outlets {
  public:
    using Say = std::function<void(bool warning, const std::string& line)>;
    Outlets(EventLoop& loop,
            ScriptRunner& scripts,
            const std::vector<std::string>& role_arguments,
            Say say);

    void configure(const config::Config& config);
    /// Of VRRP, else of the virtual servers: which FIFO it is for.
    enum class Source : std::uint8_t { Vrrp, Lvs };
    void tell(const Announcement& announcement, Source source);
    /// The daemon ends: those who read the FIFOs see their end.
    void close_fifos();
    std::size_t mails_on_their_way() const { return mailer_.running(); }

  private:
    void run(const config::Script& script);
    void mail(const Alert& alert);

    ScriptRunner& scripts_;
    Say say_;
    config::GlobalDefs global_;
    Fifo all_, vrrp_, lvs_;
    Mailer mailer_;
};

}  // namespace vipd::control
