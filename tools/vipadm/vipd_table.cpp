// SPDX-License-Identifier: Apache-2.0
#include "tools/vipadm/vipd_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

namespace vipd::vipadm {

namespace {

using nlohmann::json;

constexpr int kKernelRefused = 255;

std::uint64_t number(const json& from, const char* name) {
    const auto found = from.find(name);
    return found != from.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::string text(const json& from, const char* name) {
    const auto found = from.find(name);
    return found != from.end() && found->is_string() ? found->get<std::string>() : "";
}

bool flag(const json& from, const char* name) {
    const auto found = from.find(name);
    return found != from.end() && found->is_boolean() && found->get<bool>();
}

Endpoint endpoint_of(const json& from) {
    const auto address = IpAddress::parse(text(from, "address"));
    return {address ? *address : IpAddress(), static_cast<std::uint16_t>(number(from, "port"))};
}

Protocol protocol_of(std::string_view name) {
    for (const auto protocol : {Protocol::Udp, Protocol::Sctp})
        if (to_string(protocol) == name) return protocol;
    return Protocol::Tcp;
}

/// Since they were last zeroed.
Counters stats_of(const json& from) {
    const json counters = from.value("counters", json::object());
    const json zeroed = from.value("zeroed", json::object());
    const auto since = [&](const char* name) {
        const auto now = number(counters, name);
        return now - std::min(now, number(zeroed, name));
    };
    Counters out;
    out.connections = since("connections");
    out.in_packets = since("packets");
    out.in_bytes = since("bytes");
    out.out_packets = since("out_packets");
    out.out_bytes = since("out_bytes");
    return out;
}

Counters rates_of(const json& from) {
    const json rates = from.value("rates", json::object());
    const auto rounded = [&](const char* name) -> std::uint64_t {
        const auto found = rates.find(name);
        if (found == rates.end() || !found->is_number()) return 0;
        return static_cast<std::uint64_t>(std::max(0.0, std::round(found->get<double>())));
    };
    Counters out;
    out.connections = rounded("connections");
    out.in_packets = rounded("packets");
    out.in_bytes = rounded("bytes");
    out.out_packets = rounded("out_packets");
    out.out_bytes = rounded("out_bytes");
    return out;
}

Forward forward_of(std::string_view method) {
    if (method == "TUN") return Forward::Tunnel;
    return method == "NAT" ? Forward::Masquerade : Forward::Route;
}

Tunnel tunnel_of(const json& from) {
    Tunnel tunnel;
    const std::string type = text(from, "type");
    const std::string checksum = text(from, "checksum");
    tunnel.type = tunnel_type_of(type).value_or(Tunnel::Type::Ipip);
    tunnel.checksum = tunnel_checksum_of(checksum).value_or(Tunnel::Checksum::None);
    tunnel.port = static_cast<std::uint16_t>(number(from, "port"));
    return tunnel;
}

json tunnel_json(const Tunnel& tunnel) {
    json made = {{"type", to_string(tunnel.type)}};
    if (tunnel.type == Tunnel::Type::Gue) made["port"] = tunnel.port;
    if (tunnel.type != Tunnel::Type::Ipip) made["checksum"] = to_string(tunnel.checksum);
    return made;
}

Real real_of(const json& from) {
    Real real;
    if (const auto tunnel = from.find("tunnel"); tunnel != from.end() && tunnel->is_object())
        real.tunnel = tunnel_of(*tunnel);
    real.endpoint = endpoint_of(from);
    real.forward = forward_of(text(from, "method"));
    real.weight = static_cast<std::uint32_t>(number(from, "effective_weight"));
    real.upper = static_cast<std::uint32_t>(number(from, "upper_threshold"));
    real.lower = static_cast<std::uint32_t>(number(from, "lower_threshold"));
    real.active = number(from, "active");
    real.inactive = number(from, "inactive");
    real.stats = stats_of(from);
    real.rates = rates_of(from);
    return real;
}

Service service_of(const json& from) {
    Service service;
    service.id.protocol = protocol_of(text(from, "protocol"));
    service.id.fwmark = static_cast<std::uint32_t>(number(from, "fwmark"));
    if (service.id.fwmark == 0) service.id.endpoint = endpoint_of(from);
    service.id.family = service.id.fwmark == 0 ? service.id.endpoint.address.family() : Family::V4;
    service.scheduler = text(from, "scheduler");
    const bool hashes = service.scheduler == "sh" || service.scheduler == "mh";
    if (hashes && flag(from, "hash_fallback"))
        service.flags.push_back(service.scheduler + "-fallback");
    if (hashes && flag(from, "hash_port")) service.flags.push_back(service.scheduler + "-port");
    service.timeout = static_cast<std::uint32_t>(number(from, "persistence"));
    service.stats = stats_of(from);
    service.rates = rates_of(from);
    for (const auto& real : from.value("reals", json::array())) {
        const std::string state = text(real, "state");
        // The sorry server stands in the table while it stands in for the others.
        const bool there = flag(real, "sorry") ? flag(from, "sorry_active")
                                               : flag(real, "alive") || state == "inhibited";
        if (there) service.reals.push_back(real_of(real));
    }
    return service;
}

/// How long a connection in this state stays without a packet, as IPVS has it.
std::uint32_t lifetime(const Connection& one, const Table& table) {
    if (one.protocol == "UDP") return table.timeouts[2];
    if (one.state == "ESTABLISHED") return table.timeouts[0];
    if (one.state == "FIN_WAIT" || one.state == "TIME_WAIT") return table.timeouts[1];
    return one.state == "CLOSE" ? 10 : 60;
}

/// "10.0.0.1:80", "[2001:db8::1]:80".
Endpoint parse_endpoint(const std::string& text) {
    const auto colon = text.rfind(':');
    if (colon == std::string::npos) return {};
    std::string host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    const auto address = IpAddress::parse(host);
    std::uint16_t port = 0;
    std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
    return {address ? *address : IpAddress(), port};
}

json place_json(const Endpoint& endpoint) {
    return {{"address", endpoint.address.to_string()}, {"port", endpoint.port}};
}

std::string_view method_name(Forward forward) {
    switch (forward) {
        case Forward::Masquerade:
            return "NAT";
        case Forward::Tunnel:
            return "TUN";
        case Forward::Route:
            break;
    }
    return "DR";
}

std::string_view command_name(Verb verb) {
    switch (verb) {
        case Verb::AddService:
            return "add-service";
        case Verb::EditService:
            return "edit-service";
        case Verb::DeleteService:
            return "delete-service";
        case Verb::Flush:
            return "flush";
        case Verb::AddServer:
            return "add-server";
        case Verb::EditServer:
            return "edit-server";
        case Verb::DeleteServer:
            return "delete-server";
        case Verb::Zero:
            return "zero";
        default:
            return "set-timeouts";
    }
}

/// What vipd cannot do live; empty: nothing.
std::string_view missing(const Command& command) {
    const Service& service = command.service;
    if (command.id && command.id->fwmark != 0) return "a firewall mark";
    if (service.timeout != 0) return "persistence";
    if (!service.engine.empty()) return "a persistence engine";
    if (service.one_packet) return "one-packet scheduling";
    for (const auto& one : service.flags)
        if (one.starts_with("flag-")) return "a flag without a meaning";
    return {};
}

}  // namespace

Table table_of(const json& status) {
    Table table;
    table.size = number(status.value("flow_table", json::object()), "slots");
    const json timeouts = status.value("timeouts", json::object());
    table.timeouts = {static_cast<std::uint32_t>(number(timeouts, "tcp")),
                      static_cast<std::uint32_t>(number(timeouts, "tcpfin")),
                      static_cast<std::uint32_t>(number(timeouts, "udp"))};
    for (const auto& service : status.value("services", json::array()))
        table.services.push_back(service_of(service));
    return table;
}

std::vector<Connection> connections_of(const json& flows, const Table& table) {
    std::vector<Connection> list;
    for (const auto& flow : flows.value("flows", json::array())) {
        Connection one;
        one.protocol = text(flow, "protocol");
        one.state = one.protocol == "UDP" ? "UDP" : text(flow, "state");
        const std::uint64_t limit = lifetime(one, table);
        one.expires_s = limit - std::min<std::uint64_t>(number(flow, "idle_ms") / 1000, limit);
        one.client = parse_endpoint(text(flow, "client"));
        one.virtual_address = parse_endpoint(text(flow, "vip"));
        one.real = parse_endpoint(text(flow, "real"));
        list.push_back(std::move(one));
    }
    return list;
}

tl::expected<json, Refusal> change_of(const Command& command) {
    if (const auto what = missing(command); !what.empty())
        return tl::unexpected(
            Refusal{kKernelRefused, fmt::format("vipd does not take {} by command yet", what)});
    json body{{"command", command_name(command.verb)}};
    if (command.id) {
        body["service"] = place_json(command.id->endpoint);
        body["service"]["protocol"] = to_string(command.id->protocol);
    }
    switch (command.verb) {
        case Verb::AddService:
        case Verb::EditService: {
            body["scheduler"] = command.service.scheduler;
            const auto has = [&](std::string_view end) {
                return std::ranges::any_of(command.service.flags,
                                           [&](const auto& one) { return one.ends_with(end); });
            };
            body["hash_port"] = has("-port");
            body["hash_fallback"] = has("-fallback");
            break;
        }
        case Verb::AddServer:
        case Verb::EditServer:
            body["method"] = method_name(command.real.forward);
            if (command.real.forward == Forward::Tunnel)
                body["tunnel"] = tunnel_json(command.real.tunnel);
            body["weight"] = command.real.weight;
            body["uthreshold"] = command.real.upper;
            body["lthreshold"] = command.real.lower;
            body["real"] = place_json(command.real.endpoint);
            // As IPVS: without NAT the port is the service's.
            if (command.real.forward != Forward::Masquerade)
                body["real"]["port"] = command.id->endpoint.port;
            break;
        case Verb::DeleteServer:
            body["real"] = place_json(command.real.endpoint);
            break;
        case Verb::SetTimeouts:
            body["tcp"] = command.set[0];
            body["tcpfin"] = command.set[1];
            body["udp"] = command.set[2];
            break;
        default:
            break;
    }
    return body;
}

}  // namespace vipd::vipadm
