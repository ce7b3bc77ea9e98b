// SPDX-License-Identifier: Apache-2.0
// What vipd asks of systemd beyond READY=1: to keep the vrrp process's channel while there is no
// core, and whether an end is half of a restart. Without a service manager all of it does nothing.
#pragma once

#include "userspace/base/fd.hpp"
#include "userspace/control/resume.hpp"

#include <vipd/error.hpp>

#include <optional>
#include <sys/types.h>

namespace vipd::control {

/// Our end of the vrrp process's channel and a memfd with the rest of a Resume, in the service
/// manager's fd store (sd_notify(3), FDSTORE=1). A core that is killed is started anew and finds
/// them; meanwhile vrrp, whose channel is open, goes on with its adverts. When the manager gives
/// the unit up, it closes the channel, and vrrp resigns.
class FdStore {
  public:
    FdStore();
    /// True: there is a manager that may keep something.
    bool there() const { return there_; }
    /// `resume` is what counts from now on; `resume.channel` stays the caller's.
    Result<> keep(const Resume& resume);
    void forget();
    /// What the manager has kept since the last core, its channel now ours to close. Empty:
    /// nothing, or a vrrp process that has ended meanwhile. To be called once, at the start.
    static Result<std::optional<Resume>> take();

  private:
    bool there_;
    Fd state_;
    pid_t stored_ = -1;
};

/// Whether the job of systemd that ends this service will start it again at once (`systemctl
/// restart`). False also where nobody can be asked. Three questions by D-Bus, for each of which the
/// answer is waited for 300 ms.
bool restart_wanted();

}  // namespace vipd::control
