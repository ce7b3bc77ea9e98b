// SPDX-License-Identifier: Apache-2.0
#include "userspace/model/model.hpp"

#include <algorithm>
#include <array>

namespace vipd::model {

namespace {

constexpr std::array<std::string_view, 14> kSchedulers{
    "rr", "wrr", "sh", "mh", "dh", "fo", "ovf", "lc", "wlc", "sed", "nq", "lblc", "lblcr", "twos"};
static_assert(kSchedulers.size() == static_cast<std::size_t>(Scheduler::PowerOfTwo) + 1);

}  // namespace

std::string_view to_string(Scheduler scheduler) {
    return kSchedulers.at(static_cast<std::size_t>(scheduler));
}

std::optional<Scheduler> scheduler_of(std::string_view word) {
    const auto found = std::ranges::find(kSchedulers, word);
    if (found == kSchedulers.end()) return std::nullopt;
    return static_cast<Scheduler>(found - kSchedulers.begin());
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
