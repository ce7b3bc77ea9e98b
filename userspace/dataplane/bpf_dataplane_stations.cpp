// SPDX-License-Identifier: Apache-2.0
// Whom the XDP program takes this host for: MAC addresses, and VIPs.
#include "userspace/dataplane/bpf_dataplane_impl.hpp"

#include <algorithm>

namespace vipd::dataplane {

namespace {

std::uint8_t abi_family(Family family) {
    return family == Family::V6 ? VIPD_FAMILY_V6 : VIPD_FAMILY_V4;
}

bool same_key(const vipd_station_key& a, const vipd_station_key& b) {
    return a.ifindex == b.ifindex && std::ranges::equal(a.mac, b.mac);
}

}  // namespace

Result<> BpfDataplane::set_interface_mac(int ifindex, const MacAddress& mac) {
    const auto index = static_cast<std::uint32_t>(ifindex);
    const auto known = map_array<vipd_interface>(object_, "vipd_interfaces", VIPD_INTERFACES);
    if (!known) return fail(known.error());
    const auto interfaces = attached();
    for (std::uint32_t probe = 0; probe < VIPD_INTERFACE_PROBES; ++probe) {
        const std::uint32_t key = (index + probe) % VIPD_INTERFACES;
        const vipd_interface& entry = (*known)[key];
        // The place of an interface that is no longer attached may be taken over.
        const bool taken =
            entry.ifindex != index && std::ranges::any_of(interfaces, [&](const auto& other) {
                return static_cast<std::uint32_t>(other.ifindex) == entry.ifindex;
            });
        if (taken) continue;
        vipd_interface value{.ifindex = index, .mac = {}, .reserved = 0};
        std::ranges::copy(mac, value.mac);
        return map_update(object_, "vipd_interfaces", key, value);
    }
    return fail("interface " + std::to_string(ifindex) + ": no place in vipd_interfaces");
}

Result<> BpfDataplane::set_stations(std::span<const Station> stations) {
    auto present = map_keys<vipd_station_key>(object_, "vipd_stations");
    if (!present) return fail(present.error());
    std::vector<vipd_station_key> wanted;
    for (const Station& station : stations) {
        vipd_station_key key{
            .ifindex = static_cast<std::uint32_t>(station.ifindex), .mac = {}, .reserved = 0};
        std::ranges::copy(station.mac, key.mac);
        const vipd_station value{
            .vrid = station.vrid, .family = abi_family(station.family), .reserved = 0};
        if (auto added = map_update(object_, "vipd_stations", key, value); !added) return added;
        wanted.push_back(key);
    }
    for (const vipd_station_key& key : *present) {
        if (std::ranges::any_of(wanted, [&](const auto& kept) { return same_key(kept, key); }))
            continue;
        if (auto gone = map_delete(object_, "vipd_stations", key); !gone) return gone;
    }
    return {};
}

Result<> BpfDataplane::set_claims(std::span<const Claim> vips) {
    auto present = map_keys<vipd_claim_key>(object_, "vipd_claims");
    if (!present) return fail(present.error());
    const auto key_of = [](const IpAddress& address) {
        return vipd_claim_key{
            .address = to_abi(address), .family = abi_family(address), .reserved = {}};
    };
    for (const Claim& vip : vips) {
        const vipd_claim value{.vrid = vip.vrid,
                               .family = abi_family(vip.family),
                               .refused = static_cast<std::uint8_t>(vip.refused),
                               .reserved = 0};
        if (auto added = map_update(object_, "vipd_claims", key_of(vip.address), value); !added)
            return added;
    }
    for (const vipd_claim_key& key : *present) {
        if (std::ranges::find(vips, from_abi(key.address, key.family), &Claim::address) !=
            vips.end())
            continue;
        if (auto gone = map_delete(object_, "vipd_claims", key); !gone) return gone;
    }
    return object_.set_refused_vips(
        static_cast<std::uint32_t>(std::ranges::count(vips, true, &Claim::refused)));
}

}  // namespace vipd::dataplane
