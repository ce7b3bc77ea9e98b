// SPDX-License-Identifier: Apache-2.0
// Reading the configuration file: the shell around config::parse().
#pragma once

#include "userspace/config/config.hpp"

#include <vipd/error.hpp>

#include <string>

namespace vipd::control {

/// What a running configuration may be at most; keepalived's largest known are a few MiB.
inline constexpr std::size_t kMaxConfigBytes = 128U << 20U;

struct LoadedConfig {
    std::string path;
    /// What the roles are given, a config::Record: all three processes parse the same text, that
    /// of included files, too.
    std::string text;
    config::Parsed parsed;
};

/// The world as the parser may ask about it: this host's interfaces, scripts and name.
config::Environment host_environment(const std::string& config_id);

/// Reads and parses. An error means that there is no text to parse; what is wrong in the text is in
/// parsed.diagnostics.
Result<LoadedConfig> load_config(const std::string& path, const std::string& config_id);

/// Diagnostics that `now` has and `before` has not, by message.
std::vector<config::Diagnostic> new_diagnostics(const config::Parsed& before,
                                                const config::Parsed& now);
/// Those of them that are errors: a reload is refused for these only, so that a file that
/// keepalived runs with can also be reloaded.
std::vector<config::Diagnostic> new_errors(const config::Parsed& before, const config::Parsed& now);

}  // namespace vipd::control
