// SPDX-License-Identifier: Apache-2.0
// The devices of instances with use_vmac or use_ipvlan: made, kept up, taken away.
#pragma once

#include "vrrp/engine/settings.hpp"
#include "vrrp/engine/world.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace vipd::vrrp {

class VirtualLinks {
  public:
    explicit VirtualLinks(World& world) : world_(world) {}

    /// Makes what is missing, sets up what is down, and removes what an earlier call has asked for
    /// and this one does not. A device that is there as it is wanted is taken for ours: a process
    /// before this one has left it. True: look at the interfaces and call again, there is more to
    /// do. Failures are logged.
    bool use(const std::vector<DeviceOn>& wanted);

  private:
    bool make(const Link& parent, const DeviceOn& wanted);
    Result<> add_address(const Link& link, const DeviceOn& wanted);
    void answer_strictly(const Link& parent);
    void relax(const std::vector<DeviceOn>& wanted);
    bool complain(Error error);

    World& world_;
    std::map<std::string, DeviceOn> ours_;  ///< by name
    /// Interfaces with a macvlan on them, and how they answered ARP before it: for the macvlan's
    /// addresses, too, with the wrong MAC.
    std::map<int, ArpSettings> changed_;
};

}  // namespace vipd::vrrp
