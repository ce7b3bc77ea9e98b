// SPDX-License-Identifier: Apache-2.0
// The model back as a configuration file, the opposite of parse().
#pragma once

#include "userspace/config/config.hpp"

#include <string>

namespace vipd::config {

/// keepalived.conf's text, with the block vipd { }, that parse() reads as the same model, on the
/// same machine. What the file left to a default is left out; what a checker inherited stands in
/// the checker. Passwords and keys are in it. Definitions, includes and comments are not.
std::string to_text(const Config& config);

}  // namespace vipd::config
