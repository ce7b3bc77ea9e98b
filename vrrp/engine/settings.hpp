// SPDX-License-Identifier: Apache-2.0
// What the engine is to run: plain structs, made by the role's main from the configuration.
#pragma once

#include "vrrp/fsm/machine.hpp"
#include "vrrp/packet/advert.hpp"

#include <vipd/address.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vipd::vrrp {

struct Vip {
    IpPrefix prefix;
    std::string device;  ///< empty: the instance's interface
    std::string label;
    std::optional<IpAddress> broadcast;
    std::uint8_t scope = 0;  ///< RT_SCOPE_*
    bool excluded = false;   ///< held, but not named in the adverts; any family
    bool operator==(const Vip&) const = default;
};

struct ScriptTrack {
    std::string script;
    int weight = 0;
    bool reverse = false;
};

struct InterfaceTrack {
    std::string interface;
    int weight = 0;
    bool reverse = false;
};

struct InstanceSettings {
    std::string name;
    std::string interface;  ///< may be empty with unicast: the one that holds `source`
    std::uint8_t vrid = 0;
    Policy policy;  ///< `grouped` and `primary` are filled in by the engine
    std::optional<AuthPass> auth;
    IpAddress source;              ///< mcast_src_ip or unicast_src_ip; none: the interface's first
    IpAddress group;               ///< multicast group; none: unicast to `peers`
    std::vector<IpAddress> peers;  ///< unicast only
    std::uint8_t ttl = 255;
    std::vector<Vip> vips;
    std::vector<ScriptTrack> scripts;
    std::vector<InterfaceTrack> interfaces;
    bool dont_track_primary = false;
    Expected::AddressCheck address_check = Expected::AddressCheck::Note;
};

struct GroupSettings {
    std::string name;
    std::vector<std::string> members;
};

struct EngineSettings {
    std::vector<InstanceSettings> instances;
    std::vector<GroupSettings> groups;
};

}  // namespace vipd::vrrp
