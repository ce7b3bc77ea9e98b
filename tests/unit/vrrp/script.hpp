// SPDX-License-Identifier: Apache-2.0
// One machine on simulated time, driven event by event; what it asks for reads as short text.
#pragma once

#include "tests/unit/vrrp/packets.hpp"
#include "vrrp/fsm/machine.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace vipd::vrrp::test {

inline std::string describe(const Action& action, const Machine& machine) {
    if (std::holds_alternative<SendAdvert>(action))
        return "advert " + std::to_string(machine.priority);
    if (std::holds_alternative<SendResign>(action)) return "resign";
    if (std::holds_alternative<AddVips>(action)) return "add";
    if (std::holds_alternative<RemoveVips>(action)) return "remove";
    if (const auto* garp = std::get_if<SendGarp>(&action))
        return "garp " + std::to_string(garp->rounds);
    if (std::holds_alternative<ReportState>(action)) return std::string(to_string(machine.state));
    return {};
}

class Script {
  public:
    explicit Script(Policy with) : policy(with) {
        if (!policy.primary) policy.primary = ip("10.0.0.1");
        policy.garp_delay = with.garp_delay;
    }
    static Policy v2(std::uint8_t priority) {
        Policy policy;
        policy.priority = priority;
        return policy;
    }
    static Policy v3(std::uint8_t priority, Nanos interval) {
        Policy policy = v2(priority);
        policy.version = 3;
        policy.advert_interval = interval;
        return policy;
    }

    /// Gives the event now; returns the actions, and keeps the log lines in `lines`.
    std::string give(const Event& event) {
        std::string out;
        for (const Action& action : step(machine, policy, event, now)) {
            if (const auto* line = std::get_if<Log>(&action)) {
                lines.push_back(line->text("VI_1"));
                continue;
            }
            if (!out.empty()) out += ", ";
            out += describe(action, machine);
        }
        return out;
    }
    std::string hear(std::uint8_t priority, const char* source, Nanos interval = Seconds(1)) {
        return give(Heard{priority, interval, ip(source)});
    }
    /// Lets `time` pass; ticks at each moment that the machine asks for.
    std::string pass(Nanos time) {
        const TimePoint end = now + time;
        std::string out;
        while (next_wake(machine) && *next_wake(machine) <= end) {
            now = std::max(now, *next_wake(machine));
            const std::string actions = give(Tick{});
            if (!out.empty() && !actions.empty()) out += "; ";
            out += actions;
        }
        now = end;
        return out;
    }
    /// How long until the machine's next wake-up.
    Nanos until_wake() const { return *next_wake(machine) - now; }

    Policy policy;
    Machine machine;
    TimePoint now{Seconds(1000)};
    std::vector<std::string> lines;
};

inline constexpr const char* kBecomesMaster = "advert 100, add, garp 5, MASTER";

}  // namespace vipd::vrrp::test
