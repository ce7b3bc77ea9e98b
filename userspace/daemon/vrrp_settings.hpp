// SPDX-License-Identifier: Apache-2.0
// From the configuration as written to what the VRRP engine runs. Pure.
#pragma once

#include "userspace/config/config.hpp"
#include "vrrp/engine/settings.hpp"

#include <vipd/time.hpp>

#include <vector>

namespace vipd::daemon {

/// Every IPv4 instance; what cannot be run is left to the engine to refuse by name. Instances whose
/// first VIP is IPv6 are not among them, their names go into `left_out`.
vrrp::EngineSettings vrrp_settings(const config::Config& config,
                                   std::vector<std::string>& left_out);

/// How long the data plane may answer for the VIPs after this process has last been alive. 0: for
/// ever (`lease off`, or no instance whose VIPs would be at stake).
Nanos lease_time(const config::Config& config);

}  // namespace vipd::daemon
