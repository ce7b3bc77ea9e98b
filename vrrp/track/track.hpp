// SPDX-License-Identifier: Apache-2.0
// What tracked scripts, interfaces, files, processes and BFD sessions do to an instance: a lower or
// higher priority, or a fault. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace vipd::vrrp {

/// One tracked thing as it stands now.
struct Tracked {
    std::string what;      ///< for people: "script chk_nginx", "interface eth1"
    int weight = 0;        ///< 0: a fault when down; > 0: added while up; < 0: taken off while down
    bool reverse = false;  ///< up counts as down and down as up
    bool known = true;     ///< false: no result yet
    bool up = true;
    /// track_file: a number instead of up and down. Times the weight it is added; from -254 down it
    /// is a fault. Weight 0: any number but 0 is one (reverse: 0 is).
    std::optional<int> value{};
};

struct TrackOutcome {
    std::uint8_t priority = 0;
    std::string fault;  ///< why the instance cannot be master; empty: it can
    bool operator==(const TrackOutcome&) const = default;
};

/// `base` is the configured priority. The result lies in 1..254; an owner's (255) stays. While a
/// weight-0 tracker is unknown the instance is held in fault; an unknown one with a weight adds
/// nothing.
TrackOutcome evaluate(std::uint8_t base, std::span<const Tracked> tracked);

}  // namespace vipd::vrrp
