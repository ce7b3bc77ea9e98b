// SPDX-License-Identifier: Apache-2.0
// vipd -t --lint: what keepalived runs with and somebody regrets later.
#pragma once

#include "userspace/config/config.hpp"

#include <span>

namespace vipd::config {

/// Remarks on each configuration by itself, and on all of them as the directors of one pair where
/// there are several: what compare_peers() finds is no part of it. Warnings, in the order of the
/// files. `environment`: script_insecure is asked about every tracked script, whether or not script
/// security is enabled.
std::vector<Diagnostic> lint(std::span<const Config> configs, const Environment& environment);

}  // namespace vipd::config
