// SPDX-License-Identifier: Apache-2.0
#include "vrrp/engine/vip_set.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace vipd::vrrp {

void VipSet::use(std::string instance, int ifindex, bool owner) {
    instance_ = std::move(instance);
    ifindex_ = ifindex;
    owner_ = owner;
}

const Link* VipSet::link_of(const Vip& vip) const {
    return vip.device.empty() ? world_.find(ifindex_) : world_.find(vip.device);
}

LinkAddress VipSet::address_of(const Vip& vip, int ifindex) const {
    return {.ifindex = ifindex,
            .prefix = vip.prefix,
            .label = vip.label,
            .broadcast = vip.broadcast,
            .scope = vip.scope};
}

// It is tried again every few seconds: one line for each text is enough.
void VipSet::complain(std::string text) {
    std::string key = text;
    world_.log(LogLevel::Error, std::move(text), std::move(key));
}

std::vector<LinkAddress> VipSet::present(int ifindex) {
    auto addresses = world_.links.addresses(ifindex);
    if (addresses) return std::move(*addresses);
    incomplete_ = true;
    complain(fmt::format("({}) {}", instance_, addresses.error().message));
    return {};
}

std::vector<Vip> VipSet::add(std::span<const Vip> vips) {
    std::vector<Vip> added;
    incomplete_ = false;
    std::map<int, std::vector<LinkAddress>> present_on;
    for (const Vip& vip : vips) {
        const Link* link = link_of(vip);
        if (link == nullptr) {
            incomplete_ = true;
            complain(fmt::format("({}) cannot set VIP {}: interface {} does not exist",
                                 instance_,
                                 vip.prefix.to_string(),
                                 vip.device));
            continue;
        }
        if (const Link* before = left_on(vip, link)) take_off(vip, *before, present(before->index));
        auto [entry, fresh] = present_on.try_emplace(link->index);
        if (fresh) entry->second = present(link->index);
        const bool there = std::ranges::any_of(
            entry->second, [&](const LinkAddress& a) { return a.prefix == vip.prefix; });
        if (there) {
            if (owner_ && !adopting_)
                hosts_own_.insert(vip.prefix.address);
            else
                placed_[vip.prefix.address] = link->index;
            continue;
        }
        if (auto result = world_.links.add_address(address_of(vip, link->index)); !result) {
            incomplete_ = true;
            complain(fmt::format("({}) cannot set VIP {} on {}: {}",
                                 instance_,
                                 vip.prefix.to_string(),
                                 link->name,
                                 result.error().message));
            continue;
        }
        hosts_own_.erase(vip.prefix.address);
        placed_[vip.prefix.address] = link->index;
        added.push_back(vip);
    }
    return added;
}

// An interface that has been renamed is still there, and so is what was put on it.
const Link* VipSet::left_on(const Vip& vip, const Link* link) const {
    const auto placed = placed_.find(vip.prefix.address);
    if (placed == placed_.end() || (link != nullptr && link->index == placed->second))
        return nullptr;
    return world_.find(placed->second);
}

void VipSet::take_off(const Vip& vip, const Link& link, std::span<const LinkAddress> present) {
    for (const LinkAddress& address : present) {
        if (address.prefix.address != vip.prefix.address) continue;
        if (auto result = world_.links.remove_address(address); !result) {
            incomplete_ = true;
            complain(fmt::format("({}) cannot remove VIP {} from {}: {}",
                                 instance_,
                                 address.prefix.to_string(),
                                 link.name,
                                 result.error().message));
        }
    }
}

void VipSet::remove(std::span<const Vip> vips) {
    incomplete_ = false;
    std::map<int, std::vector<LinkAddress>> present_on;
    for (const Vip& vip : vips) {
        if (owner_ && hosts_own_.contains(vip.prefix.address)) continue;
        const Link* link = link_of(vip);
        for (const Link* place : {link, left_on(vip, link)}) {
            if (place == nullptr) continue;  // gone, and the address with it
            auto [entry, fresh] = present_on.try_emplace(place->index);
            if (fresh) entry->second = present(place->index);
            take_off(vip, *place, entry->second);
        }
        if (!incomplete_) placed_.erase(vip.prefix.address);
    }
}

}  // namespace vipd::vrrp
