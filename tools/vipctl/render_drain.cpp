// SPDX-License-Identifier: Apache-2.0
#include "tools/vipctl/fields.hpp"
#include "tools/vipctl/render.hpp"

#include <fmt/format.h>

#include <ctime>

namespace vipd::vipctl {

namespace {

std::string clock_text(std::uint64_t unix_time) {
    const auto when = static_cast<std::time_t>(unix_time);
    std::tm local{};
    char buffer[32] = "";
    if (::localtime_r(&when, &local) != nullptr)
        (void)std::strftime(buffer, sizeof buffer, "%F %T", &local);
    return buffer;
}

std::string left_text(const Json& drain) {
    const auto& connections = member(drain, "connections");
    if (!connections.is_number_unsigned()) return "counting";
    const auto count = connections.get<std::uint64_t>();
    return fmt::format("{} connection{} left", count, count == 1 ? "" : "s");
}

std::string milliseconds_text(const Json& of, const char* name) {
    const auto& found = member(of, name);
    if (!found.is_number_unsigned()) return "-";
    return fmt::format("{:.1f}ms", static_cast<double>(found.get<std::uint64_t>()) / 1000);
}

}  // namespace

std::string drain_line(const Json& status, const std::string& target, bool& left) {
    left = false;
    for (const auto& drain : list(status, "drains")) {
        if (text(drain, "target") != target) continue;
        const auto state = text(drain, "state");
        left = state != "drained";
        if (!left)
            return fmt::format("{}: drained in {} ({})\n",
                               target,
                               duration_text(number(drain, "took_ms")),
                               left_text(drain));
        return fmt::format(
            "{}: {}, until {}\n", target, left_text(drain), clock_text(number(drain, "limit")));
    }
    return {};
}

std::string render_failovers(const Json& status, const Screen& screen) {
    Table table({{"When"},
                 {"Instance"},
                 {"Detection", true},
                 {"Announced", true},
                 {"Core", true},
                 {"Because", false, 1}});
    const auto& failovers = list(status, "failovers");
    for (auto at = failovers.rbegin(); at != failovers.rend(); ++at)
        table.add({{clock_text(number(*at, "at"))},
                   {text(*at, "instance")},
                   {milliseconds_text(*at, "detection_us")},
                   {milliseconds_text(*at, "announcement_us")},
                   {milliseconds_text(*at, "core_us")},
                   {text(*at, "reason")}});
    if (table.empty()) return "no instance of this vipd has become MASTER\n";
    return table.render(screen);
}

std::string render_state(const Json& status, const Screen& screen) {
    std::string out;
    Table table({{"Draining"}, {"State"}, {"Connections", true}, {"Until"}});
    for (const auto& drain : list(status, "drains")) {
        const auto state = text(drain, "state");
        table.add({{text(drain, "target")},
                   {state,
                    state == "drained"   ? Color::Good
                    : state == "overdue" ? Color::Bad
                                         : Color::Warn},
                   {member(drain, "connections").is_number_unsigned()
                        ? std::to_string(number(drain, "connections"))
                        : "-"},
                   {clock_text(number(drain, "limit"))}});
    }
    if (!table.empty()) out += "\n" + table.render(screen);
    const auto& checkpoint = member(status, "checkpoint");
    if (!checkpoint.is_object()) return out;
    Table file({{"Checkpoint"}, {"Written"}, {"Connections", true}, {""}});
    const auto saved = number(checkpoint, "saved");
    file.add({{text(checkpoint, "path")},
              {saved == 0 ? "not yet" : clock_text(saved)},
              {std::to_string(number(checkpoint, "flows"))},
              {text(checkpoint, "problem"), Color::Bad}});
    return out + "\n" + file.render(screen);
}

}  // namespace vipd::vipctl
