// SPDX-License-Identifier: Apache-2.0
// Which options go with which of ipvsadm's commands.
#pragma once

#include "tools/vipadm/arguments.hpp"

#include <array>
#include <set>
#include <string_view>

namespace vipd::vipadm {

/// What may be given, in the order in which ipvsadm looks for mistakes, under the names that it
/// uses in its messages.
enum class What : std::uint8_t {
    Numeric,
    Connection,
    Service,
    Scheduler,
    Persistent,
    Netmask,
    Server,
    Forward,
    Weight,
    Upper,
    Lower,
    Mcast,
    Timeout,
    Daemon,
    Stats,
    Rate,
    Thresholds,
    PersistentConn,
    Nosort,
    Syncid,
    Exact,
    OnePacket,
    Engine,
    Flags,
    Group,
    Port,
    Ttl,
    Maxlen,
    TunInfo,
    TunType,
    TunPort,
    TunNocsum,
    TunCsum,
    TunRemcsum,
    kCount,
};

inline constexpr std::array<std::string_view, static_cast<std::size_t>(What::kCount)> kWhatNames{
    "numeric",
    "connection",
    "service-address",
    "scheduler",
    "persistent",
    "netmask",
    "real-server",
    "forwarding-method",
    "weight",
    "u-threshold",
    "l-threshold",
    "mcast-interface",
    "timeout",
    "daemon",
    "stats",
    "rate",
    "thresholds",
    "persistent-conn",
    "nosort",
    "syncid",
    "exact",
    "ops",
    "pe",
    "sched-flags",
    "mcast-group",
    "mcast-port",
    "mcast-ttl",
    "sync-maxlen",
    "tun-info",
    "tun-type",
    "tun-port",
    "tun-nocsum",
    "tun-csum",
    "tun-remcsum"};

using Whats = std::set<What>;

struct VerbRules {
    std::string_view name;
    Whats needed;
    Whats allowed;
};

const VerbRules& rules_of(Verb verb);

}  // namespace vipd::vipadm
