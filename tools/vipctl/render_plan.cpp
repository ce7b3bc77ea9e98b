// SPDX-License-Identifier: Apache-2.0
// vipctl reload --dry-run: what would change.
#include "tools/vipctl/fields.hpp"
#include "tools/vipctl/render.hpp"

#include <fmt/format.h>

namespace vipd::vipctl {

namespace {

std::string_view sign(std::string_view what) {
    if (what == "add") return "+";
    if (what == "remove") return "-";
    return "~";
}

}  // namespace

std::string render_plan(const Json& plan) {
    std::string out;
    for (const auto& warning : list(plan, "warnings"))
        if (warning.is_string()) out += plain(warning.get<std::string>()) + "\n";
    for (const auto& step : list(plan, "steps")) {
        const auto what = text(step, "what");
        out += fmt::format("{} {} {}\n", sign(what), text(step, "object"), text(step, "name"));
        for (const auto& detail : list(step, "details"))
            if (detail.is_string()) out += "    " + plain(detail.get<std::string>()) + "\n";
        const auto& moved = member(step, "moved_share");
        if (moved.is_number())
            out += fmt::format(
                "    {:.2f} % of the new connections of real servers that stay go elsewhere\n",
                moved.get<double>() * 100);
    }
    if (list(plan, "steps").empty()) out += "Nothing would change.\n";
    out += fmt::format("Open connections: {}", number(plan, "open_connections"));
    if (const auto count = number(plan, "running_out"); count > 0)
        out += fmt::format("; {} run out on removed real servers", count);
    if (const auto count = number(plan, "cut_off"); count > 0)
        out += fmt::format("; {} are cut off with removed services", count);
    out += "\n";
    return out;
}

}  // namespace vipd::vipctl
