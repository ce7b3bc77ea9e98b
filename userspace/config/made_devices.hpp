// SPDX-License-Identifier: Apache-2.0
// The devices that instances have made for them: use_vmac, use_vmac_addr, use_ipvlan.
#pragma once

#include "userspace/config/config.hpp"

#include <vipd/links.hpp>

#include <string>
#include <vector>

namespace vipd::config {

/// Of the adverts and of the VIPs that they name: that of the first VIP, else of the first peer.
Family family_of(const VrrpInstance& instance);

struct MadeDevice {
    std::string parent;          ///< the interface that it is on
    Family family = Family::V4;  ///< of the VIPs that it is for, and of its MAC
    VirtualLink link;
    IpAddress address;  ///< use_ipvlan's: the device has it, and adverts are sent from it
    bool operator==(const MadeDevice&) const = default;
};

/// Those of each instance, in the order of Config::instances; the instance's own, which its adverts
/// leave by, first. Names are distinct: vrrp.VRID, vrrp6.VRID (vmac_prefix), and with a further
/// number where that is taken.
std::vector<std::vector<MadeDevice>> made_devices(const Config& config);

/// Which one of the instance's devices the VIP lives on; nullptr: on an interface as it is.
const MadeDevice* device_of(const VrrpInstance& instance,
                            const std::vector<MadeDevice>& devices,
                            const VipAddress& vip);

}  // namespace vipd::config
