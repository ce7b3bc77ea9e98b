// SPDX-License-Identifier: Apache-2.0
// The table of virtual services as ipvsadm shows and names it. Values only.
#pragma once

#include <vipd/address.hpp>
#include <vipd/tunnel.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace vipd::vipadm {

/// A virtual service's name: protocol and address, or a firewall mark.
struct ServiceId {
    Protocol protocol = Protocol::Tcp;
    Endpoint endpoint{};
    std::uint32_t fwmark = 0;      ///< not 0: this and the family alone
    Family family = Family::None;  ///< of the address, or of the mark
    auto operator<=>(const ServiceId&) const = default;
};

struct Counters {
    std::uint64_t connections = 0, in_packets = 0, out_packets = 0, in_bytes = 0, out_bytes = 0;
};

enum class Forward : std::uint8_t { Masquerade, Route, Tunnel };

struct Real {
    Endpoint endpoint{};
    Forward forward = Forward::Route;
    Tunnel tunnel{};
    std::uint32_t weight = 1;
    std::uint32_t upper = 0, lower = 0;
    std::uint64_t active = 0, inactive = 0, persistent = 0;
    Counters stats{}, rates{};
};

struct Service {
    ServiceId id{};
    std::string scheduler{"wlc"};
    std::vector<std::string> flags{};  ///< "sh-port", as -b takes them
    std::uint32_t timeout = 0;         ///< persistence in seconds; 0: none
    std::string netmask{};             ///< of it, "255.255.255.0" or "64"; empty: one address
    std::string engine{};              ///< --pe
    bool one_packet = false;
    Counters stats{}, rates{};
    std::vector<Real> reals{};
};

struct Connection {
    std::string protocol;  ///< "TCP"; "IP" for a mark's template
    std::uint64_t expires_s = 0;
    std::string state;
    Endpoint client, virtual_address, real;
};

struct SyncDaemon {
    bool master = false;
    std::string interface;
    std::uint8_t id = 0;
    std::uint16_t maxlen = 1472;
    IpAddress group;
    std::uint16_t port = 8848;
    std::uint8_t ttl = 1;
};

struct Table {
    std::uint64_t size = 4096;      ///< of the connection table
    std::vector<Service> services;  ///< in the order of the kernel, or of the configuration
    std::array<std::uint32_t, 3> timeouts{900, 120, 300};  ///< tcp, tcpfin, udp
    std::vector<SyncDaemon> daemons;
};

}  // namespace vipd::vipadm
