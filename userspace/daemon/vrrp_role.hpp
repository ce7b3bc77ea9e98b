// SPDX-License-Identifier: Apache-2.0
// The main of the vrrp process.
#pragma once

#include "userspace/base/fd.hpp"
#include "userspace/base/log.hpp"

namespace vipd::daemon {

/// Runs VRRP as core tells it over `channel` (include/vipd/ipc.hpp); returns the exit status.
///
/// Configure (Ready comes back when it is parsed), ResumeInstance and TrackScriptState, then Start.
/// A later Configure is a reload; it is parsed beside the loop, so that no advert waits for it. A
/// Stop, a SIGTERM (role_signals.hpp) or the end of core make a clean end: priority 0, VIPs off
/// (unless `keep_vips`).
int run_vrrp_role(Fd channel, const log::Options& options, bool keep_vips = false);

}  // namespace vipd::daemon
