// SPDX-License-Identifier: Apache-2.0
#include "tools/vipctl/fields.hpp"
#include "tools/vipctl/render.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace vipd::vipctl {
namespace {

Color instance_color(std::string_view state) {
    if (state == "MASTER") return Color::Good;
    return state == "FAULT" ? Color::Bad : Color::None;
}

/// A line of its own: cut where the screen ends.
std::string head_line(const Screen& screen, std::string_view text, Color color = Color::None) {
    return paint(screen, color, screen.width > 0 ? cut(text, screen.width) : std::string(text)) +
           "\n";
}

std::string section(const Screen& screen, std::string_view title) {
    return "\n" + head_line(screen, title, Color::Bold);
}

std::string reload_text(const Json& status) {
    const auto& reload = member(member(status, "config"), "last_reload");
    if (!reload.is_object()) return {};
    // The daemon's own clock: this host's need not be near it when a file is looked at later.
    const std::uint64_t now = number(status, "started") + number(status, "uptime_ms") / 1000;
    const std::uint64_t when = number(reload, "when");
    const auto ago = duration_text((now > when ? now - when : 0) * 1000) + " ago";
    const std::uint64_t confirm_by = number(reload, "confirm_by");
    const auto waits = confirm_by > now
                           ? ", to be confirmed within " + duration_text((confirm_by - now) * 1000)
                           : std::string();
    if (flag(reload, "ok")) return ", reloaded " + ago + waits;
    return ", RELOAD REFUSED " + ago + ": " + text(reload, "reason") + waits;
}

std::string render_head(const Json& status, const Screen& screen) {
    std::string title = "vipd " + text(status, "version");
    if (const auto instance = text(status, "instance"); !instance.empty()) title += " " + instance;
    title += " on " + text(status, "node") + ", up " + duration_text(number(status, "uptime_ms"));
    if (const auto space = text(status, "net_namespace"); !space.empty())
        title += ", namespace " + space;
    std::string out = head_line(screen, title, Color::Bold);

    const auto reload = reload_text(status);
    const auto& config = member(status, "config");
    out += head_line(screen,
                     fmt::format("Configuration  {}, generation {}{}",
                                 text(config, "file"),
                                 number(config, "generation"),
                                 reload),
                     reload.starts_with(", RELOAD") ? Color::Bad : Color::None);

    std::string processes = "Processes     ";
    bool all_run = true;
    for (const auto& process : list(status, "processes")) {
        processes += " " + text(process, "role") + " ";
        const auto state = text(process, "state");
        const auto restarts = number(process, "restarts");
        all_run = all_run && state == "running";
        processes += state == "running" ? std::to_string(number(process, "pid")) : state;
        if (restarts > 0) processes += fmt::format(" ({} restarts)", restarts);
        processes += ",";
    }
    if (processes.ends_with(',')) processes.pop_back();
    out += head_line(screen, processes, all_run ? Color::None : Color::Warn);

    const auto& table = member(status, "flow_table");
    const auto slots = number(table, "slots");
    const auto used = number(table, "used");
    if (slots > 0)
        out +=
            head_line(screen,
                      fmt::format("Flow table     {} of {} slots ({:.1f} %)",
                                  used,
                                  slots,
                                  100.0 * static_cast<double>(used) / static_cast<double>(slots)));

    const auto& lease = member(status, "lease");
    if (flag(lease, "enabled") && !flag(lease, "held"))
        out += head_line(
            screen, "Lease          run out: this node does not answer for its VIPs", Color::Bad);
    for (const auto& warning : list(status, "warnings"))
        if (warning.is_string())
            out +=
                paint(screen, Color::Warn, "Warning: " + plain(warning.get<std::string>())) + "\n";
    return out;
}

std::string render_instances(const Json& status, const Screen& screen) {
    Table table({{"Instance"},
                 {"State"},
                 {"For", true},
                 {"Prio", true},
                 {"Master", false, 1},
                 {"Interface", false, 3},
                 {"VRID", true, 2},
                 {"Addresses"}});
    for (const auto& instance : list(status, "instances")) {
        const auto state = text(instance, "state");
        const auto priority = number(instance, "priority");
        const auto base = number(instance, "base_priority");
        std::string master = state == "MASTER" ? "this node" : text(instance, "master");
        if (state != "MASTER" && !master.empty())
            master += fmt::format(" ({})", number(instance, "master_priority"));
        std::string addresses;
        for (const auto& vip : list(instance, "vips"))
            if (vip.is_string())
                addresses.append(addresses.empty() ? "" : " ")
                    .append(plain(vip.get<std::string>()));
        if (const auto fault = text(instance, "fault"); !fault.empty())
            addresses = addresses.empty() ? fault : fmt::format("{}; {}", fault, addresses);
        table.add(
            {{text(instance, "name"), Color::Bold},
             {state, instance_color(state)},
             {duration_text(number(instance, "in_state_ms"))},
             {priority == base ? std::to_string(priority) : fmt::format("{} ({})", priority, base)},
             {master},
             {text(instance, "interface")},
             {std::to_string(number(instance, "vrid"))},
             {addresses}});
    }
    if (table.empty()) return {};
    return section(screen, "VRRP instances") + table.render(screen);
}

std::string render_bfd(const Json& status, const Screen& screen) {
    Table table({{"BFD session"},
                 {"State"},
                 {"For", true},
                 {"Neighbour"},
                 {"Sent", true, 2},
                 {"Heard", true, 2},
                 {"Downs", true, 1}});
    for (const auto& session : list(status, "bfd")) {
        const auto state = text(session, "state");
        const auto& counters = member(session, "counters");
        table.add({{text(session, "name")},
                   {state, state == "up" ? Color::Good : Color::Bad},
                   {duration_text(number(session, "in_state_ms"))},
                   {text(session, "neighbour") + (flag(session, "multihop") ? " (multihop)" : "")},
                   {std::to_string(number(counters, "packet_tx"))},
                   {std::to_string(number(counters, "packet_rx"))},
                   {std::to_string(number(counters, "down"))}});
    }
    if (table.empty()) return {};
    return section(screen, "BFD sessions") + table.render(screen);
}

std::string render_scripts(const Json& status, const Screen& screen) {
    Table table({{"Script"}, {"State"}, {"Last run"}});
    for (const auto& script : list(status, "track_scripts")) {
        const auto state = text(script, "state");
        table.add({{text(script, "name")},
                   {state, state == "up" ? Color::Good : Color::Bad},
                   {text(script, "detail")}});
    }
    if (table.empty()) return {};
    return section(screen, "Tracked scripts") + table.render(screen);
}

std::string endpoint_text(const Json& of) {
    const auto address = text(of, "address");
    const auto port = number(of, "port");
    return address.find(':') == std::string::npos ? fmt::format("{}:{}", address, port)
                                                  : fmt::format("[{}]:{}", address, port);
}

/// ipvsadm's word for how packets go to a real server.
std::string forward_text(std::string_view method) {
    if (method == "DR") return "Route";
    if (method == "TUN") return "Tunnel";
    return method == "NAT" ? "Masq" : std::string(method);
}

std::vector<Cell> service_row(const Json& service) {
    Cell state{"up", Color::Good};
    if (flag(service, "sorry_active"))
        state = {"sorry", Color::Warn};
    else if (!flag(service, "quorum_up"))
        state = {"no quorum", Color::Bad};
    const auto& rates = member(service, "rates");
    const auto mark = number(service, "fwmark");
    const auto persistence = number(service, "persistence_timeout");
    return {{fmt::format("{:<4} {} {}{}",
                         mark != 0 ? "FWM" : text(service, "protocol"),
                         mark != 0 ? std::to_string(mark) : endpoint_text(service),
                         text(service, "scheduler"),
                         persistence != 0 ? fmt::format(" persistent {}", persistence) : ""),
             Color::Bold},
            {},
            {},
            {},
            {},
            state,
            {rate_text(real_number(rates, "connections"))},
            {rate_text(real_number(rates, "packets"))},
            {rate_text(real_number(rates, "bytes"))}};
}

std::vector<Cell> real_row(const Json& real) {
    const auto state = text(real, "state");
    const auto weight = number(real, "weight");
    const auto effective = number(real, "effective_weight");
    std::string note = text(real, "reason");
    if (!member(real, "next_hop").is_object())
        note += note.empty() ? "next hop not resolved" : "; next hop not resolved";
    if (flag(real, "sorry")) note = note.empty() ? "sorry server" : "sorry server; " + note;
    const auto& rates = member(real, "rates");
    return {
        {"  -> " + endpoint_text(real)},
        {forward_text(text(real, "method"))},
        {weight == effective ? std::to_string(weight) : fmt::format("{} ({})", effective, weight)},
        {std::to_string(number(real, "active"))},
        {std::to_string(number(real, "inactive"))},
        {state,
         state == "up"     ? Color::Good
         : state == "down" ? Color::Bad
                           : Color::Warn},
        {rate_text(real_number(rates, "connections"))},
        {rate_text(real_number(rates, "packets"))},
        {rate_text(real_number(rates, "bytes"))},
        {note}};
}

std::string render_services(const Json& status, const Screen& screen) {
    Table table({{"  -> RemoteAddress:Port"},
                 {"Forward"},
                 {"Weight"},
                 {"ActiveConn"},
                 {"InActConn"},
                 {"State"},
                 {"Conn/s", true, 1},
                 {"Pkt/s", true, 2},
                 {"Byte/s", true, 3},
                 {""}});
    for (const auto& service : list(status, "services")) {
        table.add(service_row(service));
        for (const auto& real : list(service, "reals")) table.add(real_row(real));
    }
    if (table.empty()) return {};
    return section(screen, "Prot LocalAddress:Port Scheduler") + table.render(screen);
}

std::string render_sync(const Json& status, const Screen& screen) {
    const auto& sync = member(status, "sync");
    if (!flag(sync, "enabled")) return {};
    Table table({{"Sync peer"},
                 {"State"},
                 {"Snapshot", false, 2},
                 {"Sent", true, 1},
                 {"Received", true, 1},
                 {"Lag", true},
                 {""}});
    for (const auto& peer : list(sync, "peers")) {
        const bool connected = flag(peer, "connected");
        const bool synced = flag(peer, "synced");
        Cell state{"disconnected", Color::Bad};
        if (connected)
            state = synced ? Cell{"synced", Color::Good} : Cell{"not synced", Color::Warn};
        table.add({{text(peer, "address")},
                   state,
                   {text(peer, "snapshot") + (member(peer, "progress").is_number_unsigned()
                                                  ? fmt::format(" {}%", number(peer, "progress"))
                                                  : "")},
                   {std::to_string(number(peer, "flows_sent"))},
                   {std::to_string(number(peer, "flows_received"))},
                   {duration_text(number(peer, "lag_ms"))},
                   {text(peer, "last_error")}});
    }
    if (const auto& gate = member(sync, "gate_ms"); gate.is_number_unsigned())
        return "\n" + table.render(screen) +
               fmt::format("VRRP waits for the peers' connections, {} at most\n",
                           duration_text(gate.get<std::uint64_t>()));
    if (table.empty()) return section(screen, "Sync") + "enabled, but no peer is configured\n";
    return "\n" + table.render(screen);
}

std::string render_ipvs_sync(const Json& status, const Screen& screen) {
    const auto& ipvs = member(member(status, "sync"), "ipvs");
    if (!ipvs.is_object()) return {};
    const auto& counters = member(ipvs, "counters");
    const bool master = flag(ipvs, "master");
    const bool backup = flag(ipvs, "backup");
    Table table(
        {{"IPVS sync"}, {"Part"}, {"Syncid", true}, {"Sent", true}, {"Stored", true}, {""}});
    table.add({{text(ipvs, "interface")},
               {master && backup ? "master, backup"
                : master         ? "master"
                : backup         ? "backup"
                                 : "down",
                master || backup ? Color::Good : Color::Bad},
               {std::to_string(number(ipvs, "sync_id"))},
               {std::to_string(number(counters, "connections_sent"))},
               {std::to_string(number(counters, "flows_stored"))},
               {text(ipvs, "problem")}});
    return "\n" + table.render(screen);
}

std::string render_interfaces(const Json& status, const Screen& screen) {
    Table table({{"Interface"}, {"XDP"}, {""}});
    for (const auto& interface : list(status, "interfaces")) {
        const auto mode = text(interface, "mode");
        std::string note = flag(interface, "adopted") ? "adopted from an earlier vipd" : "";
        if (mode != "native") note += note.empty() ? "slow" : ", slow";
        table.add({{text(interface, "name")},
                   {mode, mode == "native" ? Color::None : Color::Warn},
                   {note}});
    }
    if (table.empty()) return {};
    return "\n" + table.render(screen);
}

std::string render_verdicts(const Json& status, const Screen& screen) {
    Table table({{"Verdict"}, {"Packets", true}, {"Bytes", true}});
    for (const auto& [name, counts] : member(status, "verdicts").items())
        if (number(counts, "packets") > 0)
            table.add({{plain(name)},
                       {std::to_string(number(counts, "packets"))},
                       {std::to_string(number(counts, "bytes"))}});
    if (table.empty()) return {};
    return "\n" + table.render(screen);
}

}  // namespace

std::string duration_text(std::uint64_t milliseconds) {
    if (milliseconds < 1000) return fmt::format("{}ms", milliseconds);
    const std::uint64_t seconds = milliseconds / 1000;
    if (seconds < 60) return fmt::format("{}s", seconds);
    if (seconds < 3600) return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
    if (seconds < 86400) return fmt::format("{}h{:02}m", seconds / 3600, seconds / 60 % 60);
    return fmt::format("{}d{}h", seconds / 86400, seconds / 3600 % 24);
}

std::string rate_text(double value) {
    if (value < 0.05) return "0";
    constexpr std::string_view kUnits[] = {"", "k", "M", "G", "T"};
    std::size_t unit = 0;
    // 999.5 would be printed as 1000: the limit is where rounding goes up.
    while (value >= 999.5 && unit + 1 < std::size(kUnits)) {
        value /= 1000;
        ++unit;
    }
    // A whole number of packets reads as one; fractions and scaled numbers keep a digit.
    if (value >= 9.95) return fmt::format("{:.0f}{}", value, kUnits[unit]);
    return fmt::format("{:.1f}{}", value, kUnits[unit]);
}

std::string render_status(const Json& status, const Screen& screen) {
    return render_head(status, screen) + render_instances(status, screen) +
           render_scripts(status, screen) + render_bfd(status, screen) +
           render_services(status, screen) + render_sync(status, screen) +
           render_ipvs_sync(status, screen) + render_state(status, screen) +
           render_interfaces(status, screen) + render_verdicts(status, screen);
}

}  // namespace vipd::vipctl
