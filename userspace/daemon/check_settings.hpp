// SPDX-License-Identifier: Apache-2.0
// The checkers of a configuration as the check engine wants them.
#pragma once

#include "userspace/check/engine.hpp"
#include "userspace/config/config.hpp"

#include <vector>

namespace vipd::daemon {

/// Every real server that has a checker; the others are up, which core knows by itself.
std::vector<check::RealServer> check_settings(const config::Config& config);

}  // namespace vipd::daemon
