// SPDX-License-Identifier: Apache-2.0
// What keepalived writes on its signals (SIGUSR1, SIGUSR2, SIGRTMIN+2), for the tools that read
// those files: the same names in the same places. Pure: state in, text out.
#pragma once

#include "userspace/config/config.hpp"
#include "userspace/control/status.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace vipd::daemon {

/// Counters as they were when they were last cleared, by instance and name.
using CounterBase = std::map<std::pair<std::string, std::string>, std::uint64_t>;

CounterBase counter_base(const control::Status& status);

/// keepalived.json of json_version 1 (an array of instances) or 2. Passwords are asterisks.
std::string keepalived_json(const config::Config& config,
                            const control::Status& status,
                            const CounterBase& base);
/// keepalived.stats.
std::string keepalived_stats(const control::Status& status, const CounterBase& base);
/// keepalived.data: the configuration as it is in force, and what has become of it.
std::string keepalived_data(const config::Config& config, const control::Status& status);
/// keepalived_check.data.
std::string keepalived_check_data(const config::Config& config, const control::Status& status);

}  // namespace vipd::daemon
