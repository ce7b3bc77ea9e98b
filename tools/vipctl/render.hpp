// SPDX-License-Identifier: Apache-2.0
// What vipctl prints, from what the API says. Pure: JSON in, text out. Members that are missing
// (an older vipd) read as empty or 0.
#pragma once

#include "tools/vipctl/table.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vipd::vipctl {

using Json = nlohmann::json;

/// A time as a person says it: "350ms", "12s", "5m12s", "3h05m", "3d4h".
std::string duration_text(std::uint64_t milliseconds);
/// A number per second in at most five characters: "0", "7.5", "950", "1.2k", "35M".
std::string rate_text(double value);
/// Text from the daemon made harmless for a terminal: control characters as \xNN.
std::string plain(std::string_view text);

/// The page of `vipctl status`, from GET /v1/status.
std::string render_status(const Json& status, const Screen& screen);

/// The lines of `vipctl flows`, made while GET /v1/flows still runs: the answer has one flow a
/// line.
class FlowLines {
  public:
    /// Takes the next part of the answer, returns the lines to print.
    std::string feed(std::string_view part);
    /// The last line: how many there are. Error text if the answer was cut short.
    std::string finish() const;
    bool complete() const { return complete_; }

  private:
    std::string take_line(std::string_view line);

    std::string rest_;
    bool titled_ = false;
    bool complete_ = false;
    std::uint64_t returned_ = 0, matched_ = 0, total_ = 0;
};

/// The query of GET /v1/flows from the words of a command line: "client=10.0.0.5", and bare words:
/// an address, network or port (any column), a state or a protocol. Percent-encoded; values are
/// checked by the daemon.
std::string flow_query(const std::vector<std::string>& words, std::uint64_t limit);

/// One line on what has this target ("real 10.1.0.2:80") among the drains of GET /v1/status;
/// `left`: whether there is still something to wait for. Empty: it is not being drained.
std::string drain_line(const Json& status, const std::string& target, bool& left);
/// The table of `vipctl failovers`: the last times an instance became MASTER, the newest first.
std::string render_failovers(const Json& status, const Screen& screen);
/// `vipctl reload --dry-run`, from the answer's plan.
std::string render_plan(const Json& plan);
/// The part of `vipctl status` on drains and the checkpoint; empty where there is none.
std::string render_state(const Json& status, const Screen& screen);

/// Whether the instances that were MASTER in `before` (`instance` alone if it is not empty) have
/// given it up in `now`; `report` gets a line for each.
bool handed_over(const Json& before,
                 const Json& now,
                 const std::string& instance,
                 std::string& report);

}  // namespace vipd::vipctl
