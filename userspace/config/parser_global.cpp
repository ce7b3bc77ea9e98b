// SPDX-License-Identifier: Apache-2.0
// global_defs and vipd's own block.
#include "userspace/config/parser.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace vipd::config {

namespace {

constexpr std::int64_t kMaxSeconds = 86400;

/// lvs_sync_daemon IF [[inst] VI] [id N] [maxlen N] [port N] [ttl N] [group A]
void parse_sync_daemon(Parsing& parsing, const Statement& statement) {
    Reporter& reporter = parsing.reporter;
    if (parsing.config.global.sync_daemon) {
        reporter.complaint(statement.head(), "lvs_sync_daemon has been given already; ignored");
        return;
    }
    SyncDaemon daemon;
    daemon.interface = statement.value().text;
    daemon.at = reporter.at(statement.head());
    parsing.interfaces.push_back(statement.value());
    for (std::size_t at = 1; at < statement.values(); ++at) {
        const Word& option = statement.value(at);
        const std::string_view name = option.text;
        const bool keyword = name == "inst" || name == "id" || name == "maxlen" || name == "port" ||
                             name == "ttl" || name == "group";
        if (!keyword) {
            if (at == 1)
                daemon.instance = name;
            else
                reporter.error(option, fmt::format("unknown option {}; ignored", quoted(name)));
            continue;
        }
        if (at + 1 >= statement.values()) {
            reporter.error(option, fmt::format("{} needs a value; ignored", quoted(name)));
            break;
        }
        const Word& value = statement.value(++at);
        if (name == "inst") {
            daemon.instance = value.text;
        } else if (name == "id") {
            if (const auto id = read_number(reporter, value, 0, 255))
                daemon.id = static_cast<std::uint8_t>(*id);
        } else if (name == "port") {
            if (const auto port = read_number(reporter, value, 1, 65535))
                daemon.port = static_cast<std::uint16_t>(*port);
        } else if (name == "group") {
            const auto group = read_address(reporter, value);
            if (group && !group->is_multicast())
                reporter.error(
                    value, fmt::format("{} is no multicast address; ignored", quoted(value.text)));
            else if (group)
                daemon.group = *group;
        } else if (read_number(reporter, value, 1, name == "ttl" ? 255 : 65507)) {
            reporter.warning(
                option, fmt::format("option {} is not done by vipd yet; ignored", quoted(name)));
        }
    }
    parsing.config.global.sync_daemon = std::move(daemon);
}

/// lvs_timeouts [tcp N] [tcpfin N] [udp N]
void parse_timeouts(Parsing& parsing, const Statement& statement) {
    Reporter& reporter = parsing.reporter;
    GlobalDefs& global = parsing.config.global;
    for (std::size_t at = 0; at < statement.values(); at += 2) {
        const Word& name = statement.value(at);
        Value<std::uint32_t>* const to = name.text == "tcp"      ? &global.tcp_timeout
                                         : name.text == "tcpfin" ? &global.tcp_fin_timeout
                                         : name.text == "udp"    ? &global.udp_timeout
                                                                 : nullptr;
        if (to == nullptr) {
            reporter.error(name,
                           fmt::format("unknown timeout {}; ignored", quoted(name.text)),
                           "tcp, tcpfin and udp are known");
            return;
        }
        if (at + 1 >= statement.values()) {
            reporter.error(name, fmt::format("{} needs a value; ignored", quoted(name.text)));
            return;
        }
        const Word& value = statement.value(at + 1);
        assign(reporter, *to, read_number(reporter, value, 1, 31 * kMaxSeconds), value);
    }
}

void parse_script_user(Parsing& parsing, const Statement& statement) {
    GlobalDefs& global = parsing.config.global;
    assign_text(parsing.reporter, global.script_user, statement);
    std::string& user = global.script_user.value;
    const std::size_t colon = user.find(':');
    if (colon != std::string::npos) {
        global.script_group.value = user.substr(colon + 1);
        user.erase(colon);
    }
    if (statement.values() > 1) {
        const Word& group = statement.value(1);
        global.script_group.value = group.text.starts_with(':') ? group.text.substr(1) : group.text;
        global.script_group.at = parsing.reporter.at(group);
        global.script_group.set = true;
    }
}

bool is_prime(std::int64_t number) {
    for (std::int64_t divisor = 2; divisor * divisor <= number; ++divisor)
        if (number % divisor == 0) return false;
    return number > 1;
}

void parse_api_listen(Parsing& parsing, const Statement& statement) {
    Reporter& reporter = parsing.reporter;
    const Word& word = statement.value();
    Word address = word;
    Word port = statement.values() > 1 ? statement.value(1) : word;
    if (statement.values() == 1) {  // A:PORT, [A]:PORT
        const std::size_t colon = word.text.rfind(':');
        if (colon == std::string::npos) {
            reporter.error(word,
                           fmt::format("{} has no port; ignored", quoted(word.text)),
                           "write ADDRESS:PORT");
            return;
        }
        address.text = word.text.substr(0, colon);
        port.text = word.text.substr(colon + 1);
        if (address.text.starts_with('[') && address.text.ends_with(']'))
            address.text = address.text.substr(1, address.text.size() - 2);
    }
    const auto ip = read_address(reporter, address);
    if (!ip) return;
    const auto number = read_number(reporter, port, 1, 65535);
    if (number) parsing.config.vipd.api_listen = Endpoint{*ip, static_cast<std::uint16_t>(*number)};
}

void parse_vipd_sync(Parsing& parsing, const Statement& statement) {
    Reporter& reporter = parsing.reporter;
    Vipd& vipd = parsing.config.vipd;
    for (const auto& line : statement.body) {
        const std::string_view name = line.head().text;
        if (name == "peer") {
            for (std::size_t at = 0; at < line.values(); ++at) {
                Value<IpAddress> peer;
                assign(reporter, peer, read_address(reporter, line.value(at)), line.value(at));
                if (peer.set) vipd.sync_peers.push_back(std::move(peer));
            }
        } else if (name == "key_file") {
            assign_text(reporter, vipd.sync_key_file, line);
        } else if (name == "bind") {
            assign(reporter, vipd.sync_bind, read_address(reporter, line.value()), line.value());
        } else if (name == "port") {
            assign(reporter,
                   vipd.sync_port,
                   read_number(reporter, line.value(), 1, 65535),
                   line.value());
        }
    }
    if (!vipd.sync_peers.empty() && !vipd.sync_key_file.set)
        reporter.error(statement.head(),
                       "sync has peers but no key_file; connections are not synchronised",
                       "all directors need the same key file");
}

}  // namespace

void parse_vipd(Parsing& parsing, const Statement& statement) {
    Reporter& reporter = parsing.reporter;
    Vipd& vipd = parsing.config.vipd;
    for (const auto& line : statement.body) {
        const std::string_view name = line.head().text;
        if (line.keyword->status != Status::Done) continue;
        if (name == "sync") {
            parse_vipd_sync(parsing, line);
            continue;
        }
        const Word& word = line.value();
        if (name == "interfaces") {
            for (std::size_t at = 0; at < line.values(); ++at) {
                Value<std::string> interface(line.value(at).text);
                interface.at = reporter.at(line.value(at));
                interface.set = true;
                vipd.interfaces.push_back(std::move(interface));
                parsing.interfaces.push_back(line.value(at));
            }
        } else if (name == "attach_mode") {
            std::optional<Vipd::Attach> mode;
            if (word.text == "auto") mode = Vipd::Attach::NativeElseGeneric;
            if (word.text == "native") mode = Vipd::Attach::Native;
            if (word.text == "generic") mode = Vipd::Attach::Generic;
            if (!mode)
                reporter.error(word,
                               fmt::format("unknown attach mode {}; ignored", quoted(word.text)),
                               "auto, native and generic are known");
            assign(reporter, vipd.attach, mode, word);
        } else if (name == "flow_table_size") {
            assign_number(reporter, vipd.flow_table_size, line, 1024, 1 << 27);
        } else if (name == "ring_size") {
            auto size = read_number(reporter, word, 251, 131071);
            if (size && !is_prime(*size)) {
                std::int64_t near = *size;
                while (!is_prime(near)) ++near;
                reporter.error(word,
                               fmt::format("ring_size {} is not a prime; ignored", *size),
                               fmt::format("the next prime is {}", near));
                size.reset();
            }
            assign(reporter, vipd.ring_size, size, word);
        } else if (name == "lease") {
            if (word.text == "off") {
                assign(reporter, vipd.lease_enabled, std::optional(false), word);
            } else {
                assign_seconds(reporter,
                               vipd.lease,
                               line,
                               std::chrono::milliseconds(10),
                               Seconds(kMaxSeconds));
                if (vipd.lease.set) vipd.lease_enabled.value = true;
            }
        } else if (name == "api_socket") {
            if (!word.text.starts_with('/') || word.text.size() > 107)
                reporter.error(word,
                               "api_socket needs an absolute path of at most 107 bytes; ignored");
            else
                assign_text(reporter, vipd.api_socket, line);
        } else if (name == "api_listen") {
            parse_api_listen(parsing, line);
        }
    }
}

void parse_global_defs(Parsing& parsing, const Statement& statement) {
    Reporter& reporter = parsing.reporter;
    GlobalDefs& global = parsing.config.global;
    for (const auto& line : statement.body) {
        const std::string_view name = line.head().text;
        if (name == "router_id")
            assign_text(reporter, global.router_id, line);
        else if (name == "vrrp_version")
            assign_number(reporter, global.vrrp_version, line, 2, 3);
        else if (name == "vrrp_mcast_group4") {
            auto group = read_address(reporter, line.value());
            if (group && !(group->is_v4() && group->is_multicast())) {
                reporter.error(line.value(),
                               fmt::format("{} is no IPv4 multicast address; ignored",
                                           quoted(line.value().text)));
                group.reset();
            }
            assign(reporter, global.vrrp_mcast_group4, group, line.value());
        } else if (name == "vrrp_garp_master_delay")
            assign_seconds(
                reporter, global.garp_master_delay, line, Nanos(0), Seconds(kMaxSeconds));
        else if (name == "vrrp_garp_master_repeat")
            assign_number(reporter, global.garp_master_repeat, line, 1, 1000);
        else if (name == "vrrp_garp_master_refresh")
            assign_seconds(
                reporter, global.garp_master_refresh, line, Nanos(0), Seconds(kMaxSeconds));
        else if (name == "vrrp_garp_master_refresh_repeat")
            assign_number(reporter, global.garp_master_refresh_repeat, line, 1, 1000);
        else if (name == "vrrp_down_timer_adverts")
            assign_number(reporter, global.down_timer_adverts, line, 1, 100);
        else if (name == "vrrp_strict")
            assign_flag(reporter, global.strict, line);
        else if (name == "vrrp_skip_check_adv_addr")
            assign_flag(reporter, global.skip_check_adv_addr, line);
        else if (name == "enable_script_security")
            assign_flag(reporter, global.enable_script_security, line);
        else if (name == "script_user")
            parse_script_user(parsing, line);
        else if (name == "lvs_sync_daemon")
            parse_sync_daemon(parsing, line);
        else if (name == "lvs_timeouts")
            parse_timeouts(parsing, line);
        else if (name == "dynamic_interfaces")
            parsing.dynamic_interfaces = true;
        // Not done yet, but these two are copied everywhere with a value that keepalived rejects.
        else if ((name == "vrrp_garp_interval" || name == "vrrp_gna_interval") && line.values() > 0)
            read_seconds(reporter, line.value(), kMinTimer, kMaxTimer);
    }
}

}  // namespace vipd::config
