// SPDX-License-Identifier: Apache-2.0
#include "userspace/api/live_command.hpp"

#include "userspace/api/json.hpp"

#include <fmt/format.h>

#include <array>
#include <limits>
#include <optional>
#include <string>

namespace vipd::api {
namespace {

using Verb = control::LiveCommand::Verb;

constexpr std::array<std::pair<std::string_view, Verb>, 9> kVerbs{
    {{"add-service", Verb::AddService},
     {"edit-service", Verb::EditService},
     {"delete-service", Verb::DeleteService},
     {"flush", Verb::Flush},
     {"add-server", Verb::AddServer},
     {"edit-server", Verb::EditServer},
     {"delete-server", Verb::DeleteServer},
     {"zero", Verb::Zero},
     {"set-timeouts", Verb::SetTimeouts}}};

std::optional<Endpoint> endpoint_of(const Json& json) {
    if (!json.is_object()) return std::nullopt;
    const auto address = json.find("address");
    const auto port = json.find("port");
    if (address == json.end() || !address->is_string()) return std::nullopt;
    if (port == json.end() || !port->is_number_unsigned() || port->get<std::uint64_t>() > 65535)
        return std::nullopt;
    const auto ip = IpAddress::parse(address->get<std::string>());
    if (!ip) return std::nullopt;
    return Endpoint{*ip, port->get<std::uint16_t>()};
}

std::optional<Protocol> protocol_of(const Json& json) {
    const auto found = json.find("protocol");
    if (found == json.end() || !found->is_string()) return std::nullopt;
    for (const auto protocol : {Protocol::Tcp, Protocol::Udp, Protocol::Sctp})
        if (to_string(protocol) == found->get<std::string>()) return protocol;
    return std::nullopt;
}

bool take_number(const Json& value, std::uint32_t& to) {
    if (!value.is_number_unsigned() ||
        value.get<std::uint64_t>() > std::numeric_limits<std::uint32_t>::max())
        return false;
    to = value.get<std::uint32_t>();
    return true;
}

bool take_text(const Json& value, std::string& to) {
    if (!value.is_string()) return false;
    to = value.get<std::string>();
    return true;
}

bool take_flag(const Json& value, bool& to) {
    if (!value.is_boolean()) return false;
    to = value.get<bool>();
    return true;
}

/// {"type": "ipip"|"gue"|"gre", "port": N, "checksum": "nocsum"|"csum"|"remcsum"}
bool take_tunnel(const Json& value, Tunnel& to) {
    if (!value.is_object()) return false;
    to = {};
    for (const auto& [name, member] : value.items()) {
        std::uint32_t port = 0;
        std::string word;
        if (name == "port") {
            if (!take_number(member, port) || port == 0 || port > 65535) return false;
            to.port = static_cast<std::uint16_t>(port);
            continue;
        }
        if (!take_text(member, word)) return false;
        if (const auto type = tunnel_type_of(word); name == "type" && type)
            to.type = *type;
        else if (const auto sum = tunnel_checksum_of(word); name == "checksum" && sum)
            to.checksum = *sum;
        else
            return false;
    }
    const bool gue = to.type == Tunnel::Type::Gue;
    const bool ipip = to.type == Tunnel::Type::Ipip;
    return gue == (to.port != 0) && (!ipip || to.checksum == Tunnel::Checksum::None) &&
           (gue || to.checksum != Tunnel::Checksum::Remote);
}

/// One member of the body; false: unknown, or not of its kind.
bool take(control::LiveCommand& command, const std::string& name, const Json& value) {
    if (name == "service") {
        const auto endpoint = endpoint_of(value);
        const auto protocol = endpoint ? protocol_of(value) : std::nullopt;
        if (!protocol) return false;
        command.service = ServiceKey{*endpoint, *protocol};
        return true;
    }
    if (name == "real") {
        const auto endpoint = endpoint_of(value);
        if (endpoint) command.real = *endpoint;
        return endpoint.has_value();
    }
    if (name == "scheduler") return take_text(value, command.scheduler);
    if (name == "hash_port") return take_flag(value, command.hash_port);
    if (name == "hash_fallback") return take_flag(value, command.hash_fallback);
    if (name == "method") {
        return take_text(value, command.method) &&
               (command.method == "DR" || command.method == "TUN" || command.method == "NAT");
    }
    if (name == "tunnel") return take_tunnel(value, command.tunnel);
    if (name == "uthreshold") return take_number(value, command.upper);
    if (name == "lthreshold") return take_number(value, command.lower);
    if (name == "weight") return take_number(value, command.weight);
    if (name == "tcp") return take_number(value, command.timeouts[0]);
    if (name == "tcpfin") return take_number(value, command.timeouts[1]);
    if (name == "udp") return take_number(value, command.timeouts[2]);
    return false;
}

}  // namespace

Result<control::LiveCommand> live_command(std::string_view body) {
    const auto json = Json::parse(body, nullptr, false);
    if (!json.is_object()) return fail("the body is not a JSON object");
    control::LiveCommand command;
    bool known = false;
    bool real = false;
    for (const auto& [name, value] : json.items()) {
        if (name == "command") {
            for (const auto& [word, verb] : kVerbs)
                if (value.is_string() && value.get<std::string>() == word) {
                    command.verb = verb;
                    known = true;
                }
            continue;
        }
        if (!take(command, name, value))
            return fail(fmt::format("'{}' is unknown, or its value is not one", name));
        real = real || name == "real";
    }
    if (!known) return fail("'command' is missing or unknown");
    const bool whole = command.verb == Verb::Flush || command.verb == Verb::Zero ||
                       command.verb == Verb::SetTimeouts;
    if (!whole && !command.service) return fail("'service' is missing");
    const bool server = command.verb == Verb::AddServer || command.verb == Verb::EditServer ||
                        command.verb == Verb::DeleteServer;
    if (server && !real) return fail("'real' is missing");
    return command;
}

}  // namespace vipd::api
