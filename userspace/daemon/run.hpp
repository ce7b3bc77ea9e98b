// SPDX-License-Identifier: Apache-2.0
// What vipd's command line can ask for: run, test the configuration, detach.
#pragma once

#include "userspace/daemon/options.hpp"

namespace vipd::daemon {

// Exit codes as keepalived's.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFatal = 1;
inline constexpr int kExitConfig = 2;
inline constexpr int kExitPermission = 4;
inline constexpr int kExitNoConfig = 6;
inline constexpr int kTestCannotRun = 4;

/// Runs the daemon until it is told to stop; the exit code.
int run_core(const Options& options);
/// vipd -t: 0, 4, 5 or 6.
int test_configuration(const Options& options);
/// vipd --dump-config: the model as text to stdout, diagnostics to stderr; exits as -t.
int dump_configuration(const Options& options);
/// vipd --detach: takes links and pins away that a stopped daemon left.
int detach(const Options& options);

}  // namespace vipd::daemon
