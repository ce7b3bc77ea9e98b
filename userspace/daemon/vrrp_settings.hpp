// SPDX-License-Identifier: Apache-2.0
// From the configuration as written to what the VRRP engine runs. Pure.
#pragma once

#include "userspace/config/config.hpp"
#include "vrrp/bfd/engine.hpp"
#include "vrrp/engine/settings.hpp"

#include <vipd/time.hpp>

#include <chrono>
#include <vector>

namespace vipd::daemon {

/// When the settings are made.
struct Moment {
    Nanos uptime{0};                    ///< since boot
    std::chrono::seconds unix_time{0};  ///< CLOCK_REALTIME
};

/// What cannot be run is left to the engine to refuse by name.
vrrp::EngineSettings vrrp_settings(const config::Config& config, const Moment& moment = {});

/// The BFD sessions that some instance or group tracks, or the check of a real server names.
std::vector<bfd::SessionSettings> bfd_settings(const config::Config& config);

/// How long the data plane may answer for the VIPs after this process has last been alive. 0: for
/// ever (`lease off`, or no instance whose VIPs would be at stake).
Nanos lease_time(const config::Config& config);

}  // namespace vipd::daemon
