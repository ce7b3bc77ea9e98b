// SPDX-License-Identifier: Apache-2.0
#include "userspace/daemon/role_signals.hpp"

#include <csignal>

namespace vipd::daemon {

Result<RoleSignals> RoleSignals::open(EventLoop& loop, std::function<void()> end) {
    for (const int ignored : {SIGINT, SIGHUP, SIGPIPE}) ::signal(ignored, SIG_IGN);
    RoleSignals signals;
    auto term =
        loop.signal(SIGTERM, [&loop, end = std::move(end), late = signals.late_.get()](int) {
            if (*late) return;
            auto timer = loop.at(loop.now() + kCoreDecides, [end](TimePoint) { end(); });
            if (timer)
                *late = std::move(*timer);
            else
                end();
        });
    if (!term) return fail(std::move(term.error()));
    signals.term_ = std::move(*term);
    return signals;
}

}  // namespace vipd::daemon
