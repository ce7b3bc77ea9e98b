// SPDX-License-Identifier: Apache-2.0
#include "userspace/model/model.hpp"

#include <algorithm>
#include <array>

namespace vipd::model {

namespace {

constexpr std::array<std::string_view, 14> kSchedulers{
    "rr", "wrr", "sh", "mh", "dh", "fo", "ovf", "lc", "wlc", "sed", "nq", "lblc", "lblcr", "twos"};
constexpr std::array<std::string_view, 3> kTunnelTypes{"ipip", "gue", "gre"};
constexpr std::array<std::string_view, 3> kTunnelChecksums{"nocsum", "csum", "remcsum"};

template <class T, class Words>
std::optional<T> value_of(const Words& words, std::string_view word) {
    const auto found = std::ranges::find(words, word);
    if (found == words.end()) return std::nullopt;
    return static_cast<T>(found - words.begin());
}

static_assert(kSchedulers.size() == static_cast<std::size_t>(Scheduler::PowerOfTwo) + 1);

}  // namespace

std::string_view to_string(Scheduler scheduler) {
    return kSchedulers.at(static_cast<std::size_t>(scheduler));
}

std::optional<Scheduler> scheduler_of(std::string_view word) {
    return value_of<Scheduler>(kSchedulers, word);
}

std::string_view to_string(Method method) {
    switch (method) {
        case Method::DirectRouting:
            return "DR";
        case Method::Tunnel:
            return "TUN";
        case Method::Nat:
            return "NAT";
    }
    return "?";
}

std::string_view to_string(Tunnel::Type type) {
    return kTunnelTypes.at(static_cast<std::size_t>(type));
}

std::optional<Tunnel::Type> tunnel_type_of(std::string_view word) {
    return value_of<Tunnel::Type>(kTunnelTypes, word);
}

std::string_view to_string(Tunnel::Checksum checksum) {
    return kTunnelChecksums.at(static_cast<std::size_t>(checksum));
}

std::optional<Tunnel::Checksum> tunnel_checksum_of(std::string_view word) {
    return value_of<Tunnel::Checksum>(kTunnelChecksums, word);
}

std::uint32_t overhead(const Tunnel& tunnel, Family real) {
    const std::uint32_t ip = real == Family::V6 ? 40 : 20;
    switch (tunnel.type) {
        case Tunnel::Type::Gue:  // UDP, GUE, its private option
            return ip + 8 + 4 + (tunnel.checksum == Tunnel::Checksum::Remote ? 8U : 0U);
        case Tunnel::Type::Gre:
            return ip + 4 + (tunnel.checksum == Tunnel::Checksum::Full ? 4U : 0U);
        case Tunnel::Type::Ipip:
            break;
    }
    return ip;
}

std::vector<Change> diff(const Model& from, const Model& to) {
    std::vector<Change> additions;
    std::vector<Change> updates;
    std::vector<Change> removals;
    for (const auto& [key, service] : to) {
        const auto old = from.find(key);
        if (old == from.end()) {
            additions.push_back({Change::Kind::AddService, service});
        } else if (old->second != service) {
            updates.push_back({Change::Kind::UpdateService, service});
        }
    }
    for (const auto& [key, service] : from) {
        if (!to.contains(key)) removals.push_back({Change::Kind::RemoveService, service});
    }
    additions.insert(additions.end(), updates.begin(), updates.end());
    additions.insert(additions.end(), removals.begin(), removals.end());
    return additions;
}

}  // namespace vipd::model
