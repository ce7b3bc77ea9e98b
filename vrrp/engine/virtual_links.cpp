// SPDX-License-Identifier: Apache-2.0
#include "vrrp/engine/virtual_links.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace vipd::vrrp {

namespace {

bool is_as_wanted(const Link& link, const Link& parent, const VirtualLink& wanted) {
    const bool macvlan = wanted.kind == VirtualLink::Kind::Macvlan;
    return link.kind == (macvlan ? "macvlan" : "ipvlan") && link.parent == parent.index &&
           (!macvlan || link.mac == wanted.mac);
}

}  // namespace

// It is tried again at each look: one line for each text is enough.
bool VirtualLinks::complain(Error error) {
    std::string key = error.message;
    world_.log(LogLevel::Error, std::move(error.message), std::move(key));
    return false;
}

Result<> VirtualLinks::add_address(const Link& link, const DeviceOn& wanted) {
    if (!wanted.address) return {};
    const std::uint8_t length = wanted.address.is_v4() ? 32 : 128;
    return world_.links.add_address(
        {.ifindex = link.index, .prefix = {wanted.address, length}, .label = {}, .broadcast = {}});
}

bool VirtualLinks::make(const Link& parent, const DeviceOn& wanted) {
    const std::string& name = wanted.link.name;
    const Link* link = world_.find(name);
    if (link == nullptr) {
        if (auto made = world_.links.add_virtual_link(parent.index, wanted.link); !made)
            return complain(std::move(made.error()));
    } else if (!is_as_wanted(*link, parent, wanted.link)) {
        return complain(Error(
            fmt::format("interface {} is there already, and not as use_vmac would make it", name)));
    } else if (!link->up) {
        if (auto up = world_.links.set_up(link->index); !up) return complain(std::move(up.error()));
        if (auto added = add_address(*link, wanted); !added)
            return complain(std::move(added.error()));
    } else {
        ours_.insert_or_assign(name, wanted);
        return false;
    }
    ours_.insert_or_assign(name, wanted);
    return true;
}

void VirtualLinks::answer_strictly(const Link& parent) {
    if (parent.arp.ignore != 0 && parent.arp.filter != 0) return;
    const ArpSettings strict{.ignore = std::max(parent.arp.ignore, 1U), .filter = 1};
    if (auto set = world_.links.set_arp(parent.index, strict); !set)
        complain(std::move(set.error()));
    else
        changed_.try_emplace(parent.index, parent.arp);
}

void VirtualLinks::relax(const std::vector<DeviceOn>& wanted) {
    std::erase_if(changed_, [&](const auto& entry) {
        const auto& [ifindex, before] = entry;
        const Link* parent = world_.find(ifindex);
        if (parent == nullptr) return true;
        if (std::ranges::find(wanted, parent->name, &DeviceOn::parent) != wanted.end())
            return false;
        if (auto set = world_.links.set_arp(ifindex, before); !set)
            complain(std::move(set.error()));
        return true;
    });
}

bool VirtualLinks::use(const std::vector<DeviceOn>& wanted) {
    bool again = false;
    std::erase_if(ours_, [&](const auto& entry) {
        const auto& [name, device] = entry;
        if (std::ranges::find(wanted, device) != wanted.end()) return false;
        const Link* link = world_.find(name);
        const Link* parent = world_.find(device.parent);
        if (link == nullptr || parent == nullptr || !is_as_wanted(*link, *parent, device.link))
            return true;
        again = true;
        if (auto removed = world_.links.remove_link(link->index); !removed)
            complain(std::move(removed.error()));
        return true;
    });
    for (const DeviceOn& device : wanted) {
        const Link* parent = world_.find(device.parent);
        if (parent == nullptr) continue;
        if (device.link.kind == VirtualLink::Kind::Macvlan) answer_strictly(*parent);
        again |= make(*parent, device);
    }
    relax(wanted);
    return again;
}

}  // namespace vipd::vrrp
