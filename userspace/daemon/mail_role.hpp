// SPDX-License-Identifier: Apache-2.0
// The main of a process that sends one mail.
#pragma once

#include "userspace/base/fd.hpp"
#include "userspace/base/log.hpp"

namespace vipd::daemon {

/// `mail` holds it (control::encode). Gives up all rights, sends, says how it went; the exit
/// status.
int run_mail_role(Fd mail, const log::Options& options);

}  // namespace vipd::daemon
