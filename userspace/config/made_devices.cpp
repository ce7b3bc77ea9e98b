// SPDX-License-Identifier: Apache-2.0
#include "userspace/config/made_devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace vipd::config {

namespace {

constexpr std::size_t kMaxInterface = 15;  // IFNAMSIZ - 1

bool has_device(const VrrpInstance& instance) {
    return instance.device.kind != VirtualDevice::Kind::None;
}

const std::string& parent_of(const VrrpInstance& instance, const VipAddress& vip) {
    return vip.device.empty() ? *instance.interface : vip.device;
}

/// Is the VIP on a device of its own kind of MAC, and not on the interface itself?
bool on_device(const VrrpInstance& instance, const VipAddress& vip) {
    if (vip.use_vmac) return true;
    if (!has_device(instance)) return false;
    return parent_of(instance, vip) == *instance.interface || *instance.use_vmac_addr;
}

/// A VIP of the other family has the instance's device, unless each is to have its own.
Family family_for(const VrrpInstance& instance, const VipAddress& vip) {
    return vip.use_vmac || *instance.use_vmac_addr ? vip.prefix.address.family()
                                                   : family_of(instance);
}

VirtualLink::Mode mode_of(const VirtualDevice& device) {
    switch (device.mode) {
        case VirtualDevice::Mode::Vepa:
            return VirtualLink::Mode::Vepa;
        case VirtualDevice::Mode::Private:
            return VirtualLink::Mode::Private;
        case VirtualDevice::Mode::Bridge:
            return VirtualLink::Mode::Bridge;
        case VirtualDevice::Mode::Default:
            break;
    }
    // keepalived's: macvlans of several instances are nothing to each other.
    return device.kind == VirtualDevice::Kind::Ipvlan ? VirtualLink::Mode::Bridge
                                                      : VirtualLink::Mode::Private;
}

/// RFC 9568, 7.3.
MacAddress router_mac(Family family, std::uint8_t vrid) {
    return {0x00, 0x00, 0x5e, 0x00, static_cast<std::uint8_t>(family == Family::V6 ? 2 : 1), vrid};
}

class Names {
  public:
    explicit Names(const Config& config) {
        for (const auto& instance : config.instances)
            if (!instance.device.name.empty()) taken_.insert(instance.device.name);
    }
    std::string make(std::string_view prefix, Family family, std::uint8_t vrid) {
        for (int further = 0;; ++further) {
            std::string end = fmt::format("{}.{}", family == Family::V6 ? "6" : "", vrid);
            if (further > 0) end += fmt::format(".{}", further);
            std::string name =
                fmt::format("{}{}", prefix.substr(0, kMaxInterface - end.size()), end);
            if (taken_.insert(name).second) return name;
        }
    }

  private:
    std::set<std::string> taken_;
};

std::vector<MadeDevice> devices_for(const Config& config,
                                    const VrrpInstance& instance,
                                    Names& names) {
    const Family family = family_of(instance);
    const std::uint8_t vrid = *instance.virtual_router_id;
    std::vector<MadeDevice> devices;
    if (has_device(instance)) {
        const VirtualDevice& from = instance.device;
        VirtualLink link{.kind = from.kind == VirtualDevice::Kind::Ipvlan
                                     ? VirtualLink::Kind::Ipvlan
                                     : VirtualLink::Kind::Macvlan,
                         .mode = mode_of(from),
                         .name = from.name,
                         .mac = from.mac.value_or(router_mac(family, vrid)),
                         .group = from.group.value_or(0)};
        if (from.mac_ends_in_vrid) link.mac.back() = vrid;
        if (link.name.empty()) link.name = names.make(*config.global.vmac_prefix, family, vrid);
        devices.push_back({*instance.interface, family, std::move(link), from.address});
    }
    for (const auto* list : {&instance.virtual_ipaddress, &instance.virtual_ipaddress_excluded})
        for (const VipAddress& vip : *list) {
            if (!on_device(instance, vip) || device_of(instance, devices, vip) != nullptr) continue;
            const Family of_vip = family_for(instance, vip);
            VirtualLink link{.name = names.make(*config.global.vmac_addr_prefix, of_vip, vrid),
                             .mac = router_mac(of_vip, vrid)};
            devices.push_back({parent_of(instance, vip), of_vip, std::move(link), {}});
        }
    return devices;
}

}  // namespace

Family family_of(const VrrpInstance& instance) {
    if (!instance.virtual_ipaddress.empty())
        return instance.virtual_ipaddress.front().prefix.address.family();
    if (!instance.unicast_peers.empty()) return instance.unicast_peers.front()->family();
    return *instance.native_ipv6 ? Family::V6 : Family::V4;
}

std::vector<std::vector<MadeDevice>> made_devices(const Config& config) {
    Names names(config);
    std::vector<std::vector<MadeDevice>> made;
    made.reserve(config.instances.size());
    for (const auto& instance : config.instances)
        made.push_back(devices_for(config, instance, names));
    return made;
}

const MadeDevice* device_of(const VrrpInstance& instance,
                            const std::vector<MadeDevice>& devices,
                            const VipAddress& vip) {
    if (!on_device(instance, vip)) return nullptr;
    const auto found = std::ranges::find_if(devices, [&](const MadeDevice& device) {
        return device.parent == parent_of(instance, vip) &&
               device.family == family_for(instance, vip);
    });
    return found == devices.end() ? nullptr : &*found;
}

}  // namespace vipd::config
