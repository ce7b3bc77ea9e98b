// SPDX-License-Identifier: Apache-2.0
// virtual_server and virtual_server_group as text; the checkers are in writer_check.cpp.
#include "userspace/config/writer_lines.hpp"

#include <algorithm>
#include <set>

namespace vipd::config {

namespace {

using Kind = VirtualServer::Kind;

std::string address_and_port(const IpAddress& address, std::uint16_t port) {
    return port != 0 ? fmt::format("{} {}", address.to_string(), port) : address.to_string();
}

std::string method_words(const std::string& method, const Tunnel& tunnel) {
    std::string text = method;
    if (tunnel.type == Tunnel::Type::Gue) text += fmt::format(" type gue port {}", tunnel.port);
    if (tunnel.type == Tunnel::Type::Gre) text += " type gre";
    if (tunnel.checksum != Tunnel::Checksum::None)
        text += fmt::format(" {}", to_string(tunnel.checksum));
    return text;
}

/// The checkers that have no connect_ip and connect_port, and none of some other settings.
bool connects(const Checker& checker) {
    using enum Checker::Kind;
    return checker.kind != Misc && checker.kind != Bfd && checker.kind != File;
}

/// Where the method or a mark overrules the port, checkers keep the one that was written. One that
/// cannot say its port itself takes it from here; `known`: a second real server of one address is
/// one only as long as it is written with another port.
std::uint16_t written_port(const VirtualServer& server,
                           const RealServer& real,
                           std::set<Endpoint>& known) {
    Endpoint written = real.endpoint;
    if (server.kind == Kind::Group) return written.port;
    for (const auto& checker : real.checkers)
        if (!connects(checker) && checker.connect_to.port != server.key.endpoint.port)
            written.port = checker.connect_to.port;
    while (!known.insert(written).second) ++written.port;
    return written.port;
}

/// What the checkers below cannot say themselves; the others say all of their own, so that they
/// inherit nothing of it.
void write_inherited(Lines& lines, const RealServer& real) {
    using enum Checker::Kind;
    const auto first = [&](Checker::Kind kind) {
        const auto found = std::ranges::find(real.checkers, kind, &Checker::kind);
        return found == real.checkers.end() ? nullptr : &*found;
    };
    const Checker* const file = first(File);
    const Checker* const silent = file != nullptr ? file : first(Bfd);
    const Checker* const misc = silent != nullptr ? silent : first(Misc);
    if (misc != nullptr)
        lines.line("connect_timeout " + seconds_word(misc->timing.connect_timeout));
    if (silent == nullptr) return;
    const CheckTiming& timing = silent->timing;
    lines.line("delay_loop " + seconds_word(timing.delay_loop));
    lines.line(fmt::format("retry {}", timing.retry));
    lines.line("delay_before_retry " + seconds_word(timing.delay_before_retry));
    if (timing.warmup >= Nanos(0)) lines.line("warmup " + seconds_word(timing.warmup));
    if (file != nullptr) lines.line(file->alpha ? "alpha" : "alpha off");
}

void write_real_server(Lines& lines, const RealServer& real, std::uint16_t port) {
    lines.open("real_server " + address_and_port(real.endpoint.address, port));
    lines.number("weight", real.weight);
    lines.flag("inhibit_on_failure", real.inhibit_on_failure);
    if (real.method) lines.line("lvs_method " + method_words(*real.method, real.tunnel));
    lines.number("uthreshold", real.upper_threshold);
    lines.number("lthreshold", real.lower_threshold);
    lines.flag("smtp_alert", real.smtp_alert);
    lines.plain("virtualhost", *real.virtualhost);
    lines.text("snmp_name", real.snmp_name);
    lines.script("notify_up", real.notify_up);
    lines.script("notify_down", real.notify_down);
    write_inherited(lines, real);
    for (const auto& checker : real.checkers) write_checker(lines, checker);
    lines.close();
}

/// What the real servers that say nothing themselves have from the service.
void write_of_reals(Lines& lines, const VirtualServer& server) {
    const auto weight = [](const RealServer& real) {
        return !real.weight.set && *real.weight != 1;
    };
    const auto inhibit = [](const RealServer& real) {
        return !real.inhibit_on_failure.set && *real.inhibit_on_failure;
    };
    for (const auto& real : server.real_servers)
        if (weight(real)) {
            lines.line(fmt::format("weight {}", *real.weight));
            break;
        }
    for (const auto& real : server.real_servers)
        if (inhibit(real)) {
            lines.line("inhibit_on_failure");
            break;
        }
}

void write_scheduler(Lines& lines, const VirtualServer& server) {
    lines.text("lvs_sched", server.scheduler);
    if (server.hash_port) lines.line(*server.scheduler + "-port");
    if (server.hash_fallback) lines.line(*server.scheduler + "-fallback");
    lines.on("flag-1", server.flag_1);
    lines.on("flag-2", server.flag_2);
    lines.on("flag-3", server.flag_3);
    lines.on("hashed", server.hashed);
}

void write_persistence(Lines& lines, const VirtualServer& server) {
    lines.number("persistence_timeout", server.persistence_timeout);
    if (server.persistence_prefix.set) {
        const unsigned length = *server.persistence_prefix;
        const bool v4 = server.key.endpoint.address.is_v4() && length >= 1 && length <= 32;
        const IpAddress mask = IpAddress::v4(v4 ? ~std::uint32_t{0} << (32 - length) : 0);
        lines.line("persistence_granularity " + (v4 ? mask.to_string() : std::to_string(length)));
    }
    lines.text("persistence_engine", server.persistence_engine);
}

void write_sorry_server(Lines& lines, const VirtualServer& server) {
    if (server.sorry_server)
        lines.line("sorry_server " +
                   address_and_port(server.sorry_server->address, server.sorry_server->port));
    lines.flag("sorry_server_inhibit", server.sorry_server_inhibit);
    if (server.sorry_server_method)
        lines.line("sorry_server_lvs_method " +
                   method_words(*server.sorry_server_method, server.sorry_server_tunnel));
}

}  // namespace

void write_server_group(Lines& lines, const VirtualServerGroup& group) {
    lines.open("virtual_server_group " + word(group.name));
    for (const auto& range : group.ranges) lines.line(range_words(range));
    for (const auto& mark : group.marks)
        lines.line(fmt::format("fwmark {}{}",
                               mark.value,
                               mark.family == Family::V4   ? " inet"
                               : mark.family == Family::V6 ? " inet6"
                                                           : ""));
    lines.close();
}

void write_virtual_server(Lines& lines, const VirtualServer& server) {
    lines.open("virtual_server " +
               (server.kind == Kind::Fwmark ? fmt::format("fwmark {}", server.fwmark)
                : server.kind == Kind::Group
                    ? "group " + word(server.group)
                    : address_and_port(server.key.endpoint.address, server.key.endpoint.port)));
    if (server.kind != Kind::Fwmark)  // the mark says it
        lines.line("protocol " + std::string(to_string(server.key.protocol)));
    if (server.family != Family::None)
        lines.line(server.family == Family::V4 ? "ip_family inet" : "ip_family inet6");
    write_scheduler(lines, server);
    if (server.method.set) lines.line("lvs_method " + method_words(*server.method, server.tunnel));
    lines.flag("ops", server.one_packet);
    write_persistence(lines, server);
    lines.flag("ha_suspend", server.ha_suspend);
    lines.on("alpha", server.alpha.set);
    lines.on("omega", server.omega.set);
    lines.number("quorum", server.quorum);
    lines.number("hysteresis", server.hysteresis);
    lines.script("quorum_up", server.quorum_up);
    lines.script("quorum_down", server.quorum_down);
    lines.flag("smtp_alert", server.smtp_alert);
    lines.plain("virtualhost", *server.virtualhost);
    lines.text("snmp_name", server.snmp_name);
    write_of_reals(lines, server);
    write_sorry_server(lines, server);
    std::set<Endpoint> known;
    for (const auto& real : server.real_servers)
        write_real_server(lines, real, written_port(server, real, known));
    lines.close();
}

}  // namespace vipd::config
