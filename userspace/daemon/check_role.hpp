// SPDX-License-Identifier: Apache-2.0
// The main of the check process.
#pragma once

#include "userspace/base/fd.hpp"
#include "userspace/base/log.hpp"

namespace vipd::daemon {

/// Runs the health checkers as core tells it over `channel` (include/vipd/ipc.hpp); returns the
/// exit status.
///
/// First of all it gives its privileges away (sandbox.hpp): it alone reads what real servers send.
/// Then Configure (Ready comes back), RealServerState for what was known before, Start. A later
/// Configure is a reload. A Stop, a SIGTERM (role_signals.hpp) or the end of core ends it with 0.
int run_check_role(Fd channel, const log::Options& options);

}  // namespace vipd::daemon
