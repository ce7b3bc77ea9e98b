// SPDX-License-Identifier: Apache-2.0
#include "userspace/model/model.hpp"

namespace vipd::model {

std::string_view to_string(Scheduler scheduler) {
    switch (scheduler) {
        case Scheduler::RoundRobin:
            return "rr";
        case Scheduler::WeightedRoundRobin:
            return "wrr";
        case Scheduler::SourceHash:
            return "sh";
        case Scheduler::Maglev:
            return "mh";
    }
    return "?";
}

std::string_view to_string(Method method) {
    switch (method) {
        case Method::DirectRouting:
            return "DR";
        case Method::Tunnel:
            return "TUN";
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
