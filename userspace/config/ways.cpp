// SPDX-License-Identifier: Apache-2.0
// Whether packets get to the real servers as the method needs it, from this host as it is now.
// Routes come and go, so that none of it keeps a server out of service: `vipctl status` tells how
// it stands.
#include "userspace/config/parser.hpp"
#include "userspace/config/values.hpp"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <utility>

namespace vipd::config {

namespace {

constexpr std::size_t kMaxLookups = 4096;  // so that a file of any size is read within seconds
constexpr std::uint32_t kFullFrame = 1500;

/// The outer IP header alone; GUE and GRE add to it.
std::uint32_t least_overhead(const IpAddress& real) {
    return real.is_v4() ? 20 : 40;
}

std::optional<std::string> problem(const std::string& method,
                                   const IpAddress& real,
                                   const std::optional<Way>& way) {
    if (!way) return "no route leads to it";
    if (way->local) return std::nullopt;
    if (way->gateway && method == "DR") return "it is behind a gateway: DR needs it on link";
    if (method == "TUN" && way->mtu < kFullFrame + least_overhead(real))
        return fmt::format(
            "by an MTU of {} no tunnel carries a full frame of {} bytes: clients are told to send "
            "smaller ones",
            way->mtu,
            kFullFrame);
    return std::nullopt;
}

}  // namespace

void check_ways(Parsing& parsing) {
    if (!parsing.environment.way_to) return;
    std::map<IpAddress, std::optional<Way>> known;
    for (const auto& server : parsing.config.virtual_servers) {
        bool told_of_mtu = false;
        for (const auto& real : server.real_servers) {
            const IpAddress& address = real.endpoint.address;
            auto way = known.find(address);
            if (way == known.end()) {
                if (known.size() >= kMaxLookups) return;
                way = known.emplace(address, parsing.environment.way_to(address)).first;
            }
            const std::string method = real.method.value_or(*server.method);
            const auto found = problem(method, address, way->second);
            if (!found) continue;
            // All tunnels of a service go by one interface, mostly: once is enough.
            if (method == "TUN" && way->second && std::exchange(told_of_mtu, true)) continue;
            parsing.reporter.warning(
                parsing.reporter.word_at(real.at),
                fmt::format("real_server {}: {}", real.endpoint.to_string(), *found));
        }
    }
}

}  // namespace vipd::config
