// SPDX-License-Identifier: Apache-2.0
// virtual_server and real_server.
#include "userspace/config/fields.hpp"
#include "userspace/config/service_draft.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>

namespace vipd::config {

namespace {

constexpr std::int64_t kMaxWeight = 2147483647;
constexpr std::int64_t kMaxCount = 4294967295;
constexpr std::array<std::string_view, 14> kSchedulers{
    "rr", "wrr", "lc", "wlc", "lblc", "sh", "mh", "dh", "fo", "ovf", "lblcr", "sed", "nq", "twos"};

/// [type ipip|gue port N|gre] [nocsum|csum|remcsum] after TUN.
void read_tunnel(Parsing& parsing, const Statement& line, Tunnel& tunnel) {
    Reporter& reporter = parsing.reporter;
    for (std::size_t at = 1; at < line.values(); ++at) {
        const Word& option = line.value(at);
        const bool more = at + 1 < line.values();
        if (option.text == "type" && more) {
            const Word& type = line.value(++at);
            if (const auto known = tunnel_type_of(type.text))
                tunnel.type = *known;
            else
                reporter.error(type,
                               fmt::format("unknown tunnel type {}; ignored", quoted(type.text)),
                               "ipip, gue and gre are known");
        } else if (option.text == "port" && more) {
            if (const auto port = read_number(reporter, line.value(++at), 1, 65535))
                tunnel.port = static_cast<std::uint16_t>(*port);
        } else if (const auto checksum = tunnel_checksum_of(option.text)) {
            tunnel.checksum = *checksum;
        } else {
            reporter.error(option, fmt::format("unknown option {}; ignored", quoted(option.text)));
        }
    }
    if (tunnel.type == Tunnel::Type::Gue && tunnel.port == 0)
        reporter.error(line.head(), "a gue tunnel needs a port");
    const bool ipip = tunnel.type == Tunnel::Type::Ipip;
    if (tunnel.type != Tunnel::Type::Gue && tunnel.port != 0) {
        reporter.warning(line.head(), "only a gue tunnel has a port; ignored");
        tunnel.port = 0;
    }
    if (tunnel.checksum == Tunnel::Checksum::Remote && tunnel.type != Tunnel::Type::Gue) {
        reporter.error(line.head(), "remcsum is for gue tunnels only; ignored");
        tunnel.checksum = Tunnel::Checksum::None;
    } else if (ipip && tunnel.checksum != Tunnel::Checksum::None) {
        reporter.warning(line.head(), "an ipip tunnel has no checksum; ignored");
        tunnel.checksum = Tunnel::Checksum::None;
    }
}

/// lb_kind NAT|DR|TUN [tunnel]
std::optional<std::string> read_method(Parsing& parsing, const Statement& line, Tunnel& tunnel) {
    Reporter& reporter = parsing.reporter;
    const Word& word = line.value();
    if (word.text != "NAT" && word.text != "DR" && word.text != "TUN") {
        std::string upper = word.text;
        std::ranges::transform(upper, upper.begin(), [](char c) {
            return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        });
        const bool spelling = upper == "NAT" || upper == "DR" || upper == "TUN";
        reporter.error(word,
                       fmt::format("unknown {} {}; ignored", line.head().text, quoted(word.text)),
                       spelling ? fmt::format("it must be written in capitals: {}", upper)
                                : "NAT, DR and TUN are known");
        return std::nullopt;
    }
    tunnel = {};
    if (word.text == "TUN")
        read_tunnel(parsing, line, tunnel);
    else if (line.values() > 1)
        reporter.warning(line.value(1), fmt::format("extra word after {}; ignored", word.text));
    return word.text;
}

void read_scheduler(Parsing& parsing, const Statement& line, ServiceDraft& service) {
    const Word& word = line.value();
    if (std::ranges::find(kSchedulers, word.text) == kSchedulers.end()) {
        parsing.reporter.error(word,
                               fmt::format("unknown scheduler {}; ignored", quoted(word.text)),
                               fmt::format("known are {}", fmt::join(kSchedulers, " ")));
        return;
    }
    service.scheduler_given = true;
    assign_text(parsing.reporter, service.server.scheduler, line);
}

void read_protocol(Parsing& parsing, const Statement& line, ServiceDraft& service) {
    const Word& word = line.value();
    std::string upper = word.text;
    std::ranges::transform(upper, upper.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    service.protocol_given = true;
    if (upper == "TCP") {
        service.server.key.protocol = Protocol::Tcp;
    } else if (upper == "UDP") {
        service.server.key.protocol = Protocol::Udp;
    } else if (upper == "SCTP") {
        service.server.key.protocol = Protocol::Sctp;
    } else {
        service.protocol_given = false;
        parsing.reporter.error(word,
                               fmt::format("unknown protocol {}; ignored", quoted(word.text)),
                               "TCP, UDP and SCTP are known");
    }
}

/// False: the keyword is no flag of the scheduler. They stand behind lvs_sched.
bool read_scheduler_flag(Parsing& parsing, const Statement& line, VirtualServer& server) {
    const std::string_view name = line.head().text;
    bool* const to = name == "sh-port" || name == "mh-port"           ? &server.hash_port
                     : name == "sh-fallback" || name == "mh-fallback" ? &server.hash_fallback
                     : name == "flag-1"                               ? &server.flag_1
                     : name == "flag-2"                               ? &server.flag_2
                     : name == "flag-3"                               ? &server.flag_3
                     : name == "hashed"                               ? &server.hashed
                                                                      : nullptr;
    if (to == nullptr) return false;
    const bool own = name.starts_with("sh-") || name.starts_with("mh-");
    if (own && (!server.scheduler.set || !name.starts_with(*server.scheduler + "-"))) {
        parsing.reporter.warning(
            line.head(),
            fmt::format("{} must follow lvs_sched {}; ignored", quoted(name), name.substr(0, 2)));
        return true;
    }
    if (const auto on = read_flag(parsing.reporter, line)) *to = *on;
    return true;
}

void parse_real_server(Parsing& parsing, const Statement& statement, ServiceDraft& service) {
    using R = RealServer;
    static const Fields<R> fields{
        {"weight", number(&R::weight, 0, kMaxWeight)},
        {"inhibit_on_failure", flag(&R::inhibit_on_failure)},
        {"uthreshold", number(&R::upper_threshold, 0, kMaxCount)},
        {"lthreshold", number(&R::lower_threshold, 0, kMaxCount)},
        {"smtp_alert", flag(&R::smtp_alert)},
        {"snmp_name", text(&R::snmp_name)},
        {"notify_up", command(&R::notify_up)},
        {"notify_down", command(&R::notify_down)},
        {"lvs_method",
         [](Parsing& outer, R& real, const Statement& line) {
             if (auto method = read_method(outer, line, real.tunnel)) real.method = *method;
         }},
    };
    Reporter& reporter = parsing.reporter;
    ServiceDraft::Real made;
    const auto endpoint = read_endpoint(
        reporter, statement.value(), statement.values() > 1 ? &statement.value(1) : nullptr);
    if (!endpoint) return;
    made.real.endpoint = *endpoint;
    made.real.at = reporter.at(statement.value());
    const Word* done = nullptr;
    const Word* not_done = nullptr;
    for (const auto& line : statement.body) {
        if (made.settings.read(parsing, line) || read_field(fields, parsing, made.real, line))
            continue;
        auto checker = parse_checker(parsing, line);
        if (!checker) continue;
        const Word*& which = line.keyword->status == Status::NotYet ? not_done : done;
        if (which == nullptr) which = &line.head();
        made.checkers.push_back(std::move(*checker));
    }
    if (not_done != nullptr && done == nullptr)
        reporter.warning(*not_done,
                         fmt::format("without {} real_server {} has no checker: the real server "
                                     "counts as up",
                                     not_done->text,
                                     endpoint->to_string()));
    if (*made.real.lower_threshold > *made.real.upper_threshold) {
        reporter.error(reporter.word_at(made.real.lower_threshold.at),
                       fmt::format("lthreshold {} is above uthreshold {}; ignored",
                                   *made.real.lower_threshold,
                                   *made.real.upper_threshold));
        made.real.lower_threshold.value = 0;
    }
    if (made.settings.virtualhost) made.real.virtualhost.value = *made.settings.virtualhost;
    service.reals.push_back(std::move(made));
}

/// persistence_timeout [SECONDS]
void read_persistence(Parsing& parsing, VirtualServer& server, const Statement& line) {
    constexpr std::uint32_t kDefault = 360;
    if (line.values() == 0)
        assign(parsing.reporter, server.persistence_timeout, std::optional(kDefault), line.head());
    else
        number(&VirtualServer::persistence_timeout, 1, 31 * 86400)(parsing, server, line);
}

/// persistence_granularity: a netmask, or a prefix length for IPv6.
void read_granularity(Parsing& parsing, VirtualServer& server, const Statement& line) {
    Reporter& reporter = parsing.reporter;
    const Word& word = line.value();
    std::optional<std::uint8_t> length;
    const auto mask = IpAddress::parse(word.text);
    if (mask && mask->is_v4()) {
        const std::uint32_t bits = mask->v4_host_order();
        const auto ones = static_cast<std::uint8_t>(std::countl_one(bits));
        if (ones > 0 && std::popcount(bits) == ones) length = ones;
    } else if (const auto number = parse_unsigned(word.text);
               number && *number >= 1 && *number <= 128) {
        length = static_cast<std::uint8_t>(*number);
    }
    if (!length && mask && mask->is_v4() && mask->v4_host_order() != 0)
        reporter.warning(
            word,
            fmt::format("{} is a netmask with holes, which vipd cannot do; each client "
                        "counts by itself",
                        quoted(word.text)));
    else if (!length)
        reporter.error(word,
                       fmt::format("{} is no netmask or prefix length; ignored", quoted(word.text)),
                       "such as 255.255.255.0, or 64 for IPv6");
    assign(reporter, server.persistence_prefix, length, word);
}

void read_engine(Parsing& parsing, VirtualServer& server, const Statement& line) {
    if (line.value().text == "sip")
        assign_text(parsing.reporter, server.persistence_engine, line);
    else
        parsing.reporter.error(
            line.value(),
            fmt::format("unknown persistence_engine {}; ignored", quoted(line.value().text)),
            "sip is the only one");
}

void read_family(Parsing& parsing, VirtualServer& server, const Statement& line) {
    Reporter& reporter = parsing.reporter;
    const Word& word = line.value();
    if (word.text != "inet" && word.text != "inet6") {
        reporter.error(word,
                       fmt::format("unknown ip_family {}; ignored", quoted(word.text)),
                       "inet and inet6 are known");
        return;
    }
    const Family family = word.text == "inet" ? Family::V4 : Family::V6;
    if (server.kind == VirtualServer::Kind::Address &&
        server.key.endpoint.address.family() != family)
        reporter.error(
            word,
            fmt::format("ip_family {} does not go with the address; ignored", quoted(word.text)));
    else
        server.family = family;
}

const Fields<VirtualServer>& service_fields() {
    using S = VirtualServer;
    static const Fields<S> fields{
        {"persistence_timeout", read_persistence},
        {"persistence_granularity", read_granularity},
        {"persistence_engine", read_engine},
        {"ops", flag(&S::one_packet)},
        {"ha_suspend", flag(&S::ha_suspend)},
        {"quorum", number(&S::quorum, 1, kMaxCount)},
        {"hysteresis", number(&S::hysteresis, 0, kMaxCount)},
        {"quorum_up", command(&S::quorum_up)},
        {"quorum_down", command(&S::quorum_down)},
        {"sorry_server_inhibit", flag(&S::sorry_server_inhibit)},
        {"alpha", present(&S::alpha)},
        {"omega", present(&S::omega)},
        {"snmp_name", text(&S::snmp_name)},
        {"ip_family", read_family},
        {"sorry_server",
         [](Parsing& parsing, S& server, const Statement& line) {
             server.sorry_server = read_endpoint(
                 parsing.reporter, line.value(), line.values() > 1 ? &line.value(1) : nullptr);
         }},
        {"sorry_server_lvs_method",
         [](Parsing& parsing, S& server, const Statement& line) {
             server.sorry_server_method = read_method(parsing, line, server.sorry_server_tunnel);
         }},
    };
    return fields;
}

void read_service(Parsing& parsing, const Statement& line, ServiceDraft& service) {
    Reporter& reporter = parsing.reporter;
    VirtualServer& server = service.server;
    const std::string_view name = line.head().text;
    if (read_scheduler_flag(parsing, line, server)) return;
    if (read_field(service_fields(), parsing, server, line)) return;
    if (service.settings.read(parsing, line)) return;
    if (name == "lb_algo" || name == "lvs_sched")
        read_scheduler(parsing, line, service);
    else if (name == "lb_kind" || name == "lvs_method") {
        if (const auto method = read_method(parsing, line, server.tunnel)) {
            server.method.value = *method;
            server.method.at = reporter.at(line.value());
            server.method.set = service.method_given = true;
        }
    } else if (name == "protocol")
        read_protocol(parsing, line, service);
    else if (name == "inhibit_on_failure")
        assign_flag(reporter, service.inhibit, line);
    else if (name == "smtp_alert") {
        assign_flag(reporter, server.smtp_alert, line);
        service.smtp_alert = server.smtp_alert;
    } else if (name == "weight")
        assign_number(reporter, service.weight, line, 1, kMaxWeight);
    else if (name == "real_server")
        parse_real_server(parsing, line, service);
}

/// virtual_server A [PORT] | fwmark N | group NAME; false: it names none.
bool read_key(Parsing& parsing, const Statement& statement, VirtualServer& server) {
    Reporter& reporter = parsing.reporter;
    const Word& first = statement.value();
    const bool fwmark = first.text == "fwmark";
    if (fwmark || first.text == "group") {
        if (statement.values() < 2) {
            reporter.error(first, fmt::format("{} needs a value; ignored", quoted(first.text)));
            return false;
        }
        server.at = reporter.at(first);
        server.kind = fwmark ? VirtualServer::Kind::Fwmark : VirtualServer::Kind::Group;
        server.group = fwmark ? "" : statement.value(1).text;
        if (!fwmark) return true;
        const auto mark = read_number(reporter, statement.value(1), 1, kMaxCount);
        server.fwmark = static_cast<std::uint32_t>(mark.value_or(0));
        return mark.has_value();
    }
    const auto endpoint =
        read_endpoint(reporter, first, statement.values() > 1 ? &statement.value(1) : nullptr);
    if (!endpoint) return false;
    server.key.endpoint = *endpoint;
    server.at = reporter.at(first);
    return true;
}

}  // namespace

std::string describe(const VirtualServer& server) {
    switch (server.kind) {
        case VirtualServer::Kind::Fwmark:
            return fmt::format("fwmark {}", server.fwmark);
        case VirtualServer::Kind::Group:
            return "group " + quoted(server.group);
        case VirtualServer::Kind::Address:
            break;
    }
    return server.key.endpoint.to_string();
}

void parse_virtual_server(Parsing& parsing, const Statement& statement) {
    ServiceDraft service;
    if (!read_key(parsing, statement, service.server)) return;
    for (const auto& line : statement.body) read_service(parsing, line, service);
    if (service.settings.virtualhost)
        service.server.virtualhost.value = *service.settings.virtualhost;
    if (!settle_service(parsing, statement.value(), service)) return;
    Config& config = parsing.config;
    (service.server.kind == VirtualServer::Kind::Address ? config.virtual_servers
                                                         : config.keyless_servers)
        .push_back(std::move(service.server));
}

}  // namespace vipd::config
