// SPDX-License-Identifier: Apache-2.0
// What a reload would change, before it does (vipctl reload --dry-run). Pure.
#pragma once

#include "userspace/model/model.hpp"

#include <vipd/address.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vipd::control {

struct ReloadPlan {
    enum class What : std::uint8_t { Add, Change, Remove };
    struct Step {
        What what = What::Change;
        std::string object;                ///< "virtual_server", "vrrp_instance"
        std::string name;                  ///< "192.0.2.1:80/TCP", "VI_1"
        std::vector<std::string> details;  ///< one line each: "weight of 10.0.0.1:80: 1 -> 2"
        /// Of the clients of a service that chooses by hash and whose real server stays usable, the
        /// share whose next connection goes to another one. Unset: it does not choose so.
        std::optional<double> moved;
        bool operator==(const Step&) const = default;
    };
    std::vector<Step> steps;             ///< in the order in which they are done
    std::vector<std::string> warnings;   ///< diagnostics that the running file does not have
    std::uint64_t open_connections = 0;  ///< flows in the table; none of them moves
    std::uint64_t running_out = 0;       ///< those of them that are of removed real servers
    std::uint64_t cut_off = 0;           ///< those of them that are of removed services
};

constexpr std::string_view to_string(ReloadPlan::What what) {
    switch (what) {
        case ReloadPlan::What::Add:
            return "add";
        case ReloadPlan::What::Change:
            return "change";
        case ReloadPlan::What::Remove:
            return "remove";
    }
    return "?";
}

/// What becomes of the connections of a real server when `to` is put in force.
enum class Fate : std::uint8_t { Stay, RunOut, CutOff };
Fate fate_of_connections(const model::Model& to, const ServiceKey& service, const Endpoint& real);

/// The steps from one model to the other, as model::diff() orders them.
std::vector<ReloadPlan::Step> service_steps(const model::Model& from, const model::Model& to);

}  // namespace vipd::control
