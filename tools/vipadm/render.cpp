// SPDX-License-Identifier: Apache-2.0
#include "tools/vipadm/render.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <tuple>

namespace vipd::vipadm {

namespace {

std::string_view forward_name(Forward forward) {
    switch (forward) {
        case Forward::Masquerade:
            return "Masq";
        case Forward::Route:
            return "Route";
        case Forward::Tunnel:
            return "Tunnel";
    }
    return "";
}

std::string place(const Endpoint& endpoint,
                  Protocol protocol,
                  const Format& format,
                  const Writer& writer) {
    const bool names = !format.numeric;
    const std::string port = names && endpoint.port != 0 && writer.port != nullptr
                                 ? writer.port(endpoint.port, protocol)
                                 : std::to_string(endpoint.port);
    const std::string plain = endpoint.address.to_string();
    const std::string host =
        names && writer.address != nullptr ? writer.address(endpoint.address) : plain;
    if (host == plain && endpoint.address.is_v6()) return "[" + host + "]:" + port;
    return host + ":" + port;
}

std::string service_place(const Service& service, const Format& format, const Writer& writer) {
    if (service.id.fwmark == 0)
        return place(service.id.endpoint, service.id.protocol, format, writer);
    return fmt::format("{}{}", service.id.fwmark, service.id.family == Family::V6 ? " IPv6" : "");
}

std::string tunnel_text(const Real& real) {
    if (real.forward != Forward::Tunnel) return "n/a";
    const std::string_view checksum = real.tunnel.checksum == Tunnel::Checksum::Full     ? "+c"
                                      : real.tunnel.checksum == Tunnel::Checksum::Remote ? "r+c"
                                                                                         : "-c";
    switch (real.tunnel.type) {
        case Tunnel::Type::Gue:
            return fmt::format("gue:{}:{}", real.tunnel.port, checksum);
        case Tunnel::Type::Gre:
            return fmt::format("gre:{}", checksum);
        case Tunnel::Type::Ipip:
            break;
    }
    return "ipip";
}

/// Eight places; from 10^8 on in thousands and so forth, unless exact.
std::string figure(std::uint64_t value, bool exact) {
    if (exact || value < 100'000'000) return fmt::format(" {:8}", value);
    if (value < 1'000'000'000) return fmt::format(" {:7}K", value / 1'000);
    if (value < 100'000'000'000) return fmt::format(" {:7}M", value / 1'000'000);
    return fmt::format(" {:7}G", value / 1'000'000'000);
}

std::string figures(const Counters& counters, bool exact) {
    return figure(counters.connections, exact) + figure(counters.in_packets, exact) +
           figure(counters.out_packets, exact) + figure(counters.in_bytes, exact) +
           figure(counters.out_bytes, exact) + "\n";
}

std::string_view heading(const Format& format) {
    if (format.stats)
        return "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n"
               "  -> RemoteAddress:Port\n";
    if (format.rates)
        return "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n"
               "  -> RemoteAddress:Port\n";
    if (format.thresholds)
        return "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n"
               "  -> RemoteAddress:Port\n";
    if (format.persistent)
        return "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n"
               "  -> RemoteAddress:Port\n";
    if (format.tunnels)
        return "Prot LocalAddress:Port Scheduler Flags\n"
               "  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn "
               "InActConn\n";
    return "Prot LocalAddress:Port Scheduler Flags\n"
           "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n";
}

std::string joined(const std::vector<std::string>& words) {
    return fmt::format("{}", fmt::join(words, ","));
}

std::string service_line(const Service& service, const Format& format, const Writer& writer) {
    const std::string_view kind = service.id.fwmark != 0 ? "FWM" : to_string(service.id.protocol);
    const std::string name = service_place(service, format, writer);
    if (format.stats || format.rates)
        return fmt::format("{:<4} {:<28}", kind, name) +
               figures(format.stats ? service.stats : service.rates, format.exact);
    std::string line = fmt::format("{:<4} {} {}", kind, name, service.scheduler);
    if (!service.flags.empty()) line += " (" + joined(service.flags) + ")";
    if (service.timeout != 0) line += fmt::format(" persistent {}", service.timeout);
    if (!service.netmask.empty()) line += " mask " + service.netmask;
    if (!service.engine.empty()) line += " pe " + service.engine;
    if (service.one_packet) line += " ops";
    return line + "\n";
}

std::string real_line(const Service& service,
                      const Real& real,
                      const Format& format,
                      const Writer& writer) {
    std::string line =
        fmt::format("  -> {:<28}", place(real.endpoint, service.id.protocol, format, writer));
    if (format.stats || format.rates)
        return line + figures(format.stats ? real.stats : real.rates, format.exact);
    const std::string connections = fmt::format(" {:<10} {:<10}\n", real.active, real.inactive);
    if (format.thresholds)
        return line + fmt::format(" {:<10} {:<10}", real.upper, real.lower) + connections;
    if (format.persistent)
        return line + fmt::format(" {:<9} {:<11}", real.weight, real.persistent) + connections;
    line += fmt::format(" {:<7}", forward_name(real.forward));
    if (format.tunnels) line += fmt::format(" {:<13}", tunnel_text(real));
    return line + fmt::format(" {:<6}", real.weight) + connections;
}

/// ipvsadm's order: marks last, then by family, protocol, address, port.
bool before(const ServiceId& a, const ServiceId& b) {
    const auto key = [](const ServiceId& id) {
        return std::tuple(id.fwmark, id.family, id.protocol, id.endpoint);
    };
    return key(a) < key(b);
}

std::vector<Service> in_order(const Table& table, bool sorted) {
    auto services = table.services;
    if (!sorted) return services;
    std::ranges::stable_sort(services,
                             [](const Service& a, const Service& b) { return before(a.id, b.id); });
    for (auto& service : services)
        std::ranges::stable_sort(service.reals, [](const Real& a, const Real& b) {
            return std::tuple(a.endpoint.address.family(), a.endpoint) <
                   std::tuple(b.endpoint.address.family(), b.endpoint);
        });
    return services;
}

std::string service_option(const Service& service, const Format& format, const Writer& writer) {
    const ServiceId& id = service.id;
    if (id.fwmark != 0)
        return fmt::format("-f {}{}", id.fwmark, id.family == Family::V6 ? " -6" : "");
    const std::string_view option = id.protocol == Protocol::Tcp   ? "-t"
                                    : id.protocol == Protocol::Udp ? "-u"
                                                                   : "--sctp-service";
    return fmt::format("{} {}", option, place(id.endpoint, id.protocol, format, writer));
}

std::string tunnel_options(const Tunnel& tunnel) {
    if (tunnel.type == Tunnel::Type::Ipip) return " --tun-type ipip";
    std::string text = tunnel.type == Tunnel::Type::Gue
                           ? fmt::format(" --tun-type gue --tun-port {}", tunnel.port)
                           : std::string(" --tun-type gre");
    switch (tunnel.checksum) {
        case Tunnel::Checksum::None:
            return text + " --tun-nocsum";
        case Tunnel::Checksum::Full:
            return text + " --tun-csum";
        case Tunnel::Checksum::Remote:
            break;
    }
    return text + " --tun-remcsum";
}

}  // namespace

std::string listing(const Table& table, const Format& format, bool one, const Writer& writer) {
    std::string text;
    if (!one) text = fmt::format("IP Virtual Server version 1.2.1 (size={})\n", table.size);
    text += heading(format);
    for (const auto& service : in_order(table, format.sort)) {
        text += service_line(service, format, writer);
        for (const auto& real : service.reals) text += real_line(service, real, format, writer);
    }
    return text;
}

std::string connections(const std::vector<Connection>& list, const Format& format) {
    std::string text =
        "IPVS connection entries\n"
        "pro expire state       source             virtual            destination";
    text += format.persistent ? "        pe name          pe_data\n" : "\n";
    for (const auto& one : list)
        text += fmt::format("{:<3} {:02}:{:02}  {:<11} {:<18} {:<18} {}\n",
                            one.protocol,
                            one.expires_s / 60,
                            one.expires_s % 60,
                            one.state,
                            one.client.to_string(),
                            one.virtual_address.to_string(),
                            one.real.to_string());
    return text;
}

std::string timeouts(const Table& table) {
    return fmt::format("Timeout (tcp tcpfin udp): {} {} {}\n",
                       table.timeouts[0],
                       table.timeouts[1],
                       table.timeouts[2]);
}

std::string daemons(const Table& table) {
    std::string text;
    for (const bool master : {true, false})
        for (const auto& daemon : table.daemons)
            if (daemon.master == master)
                text += fmt::format(
                    "{} sync daemon (mcast={}, syncid={}, maxlen={}, group={}, port={}, ttl={})\n",
                    master ? "master" : "backup",
                    daemon.interface,
                    daemon.id,
                    daemon.maxlen,
                    daemon.group.to_string(),
                    daemon.port,
                    daemon.ttl);
    return text;
}

std::string commands(const Table& table, const Format& format, const Writer& writer) {
    std::string text;
    for (const auto& service : in_order(table, format.sort)) {
        const std::string name = service_option(service, format, writer);
        text += fmt::format("-A {} -s {}", name, service.scheduler);
        if (service.timeout != 0) text += fmt::format(" -p {}", service.timeout);
        if (!service.netmask.empty()) text += " -M " + service.netmask;
        if (!service.engine.empty()) text += " --pe " + service.engine;
        if (service.one_packet) text += " -o";
        if (!service.flags.empty()) text += " -b " + joined(service.flags);
        text += "\n";
        for (const auto& real : service.reals) {
            const std::string_view forward = real.forward == Forward::Masquerade ? "-m"
                                             : real.forward == Forward::Route    ? "-g"
                                                                                 : "-i";
            text += fmt::format("-a {} -r {} {} -w {}",
                                name,
                                place(real.endpoint, service.id.protocol, format, writer),
                                forward,
                                real.weight);
            if (real.forward == Forward::Tunnel) text += tunnel_options(real.tunnel);
            text += "\n";
        }
    }
    return text;
}

}  // namespace vipd::vipadm
