// SPDX-License-Identifier: Apache-2.0
// What only a whole virtual_server can tell: inherited values, values that exclude one another.
#include "userspace/config/service_draft.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace vipd::config {

namespace {

using Kind = Checker::Kind;

/// The checkers of one real server with all that they inherit.
void settle_checkers(Parsing& parsing,
                     const ServiceDraft& service,
                     const ServiceDraft::Real& made,
                     RealServer& real) {
    const CheckSettings outer = made.settings.within(service.settings);
    for (const auto& draft : made.checkers) {
        Checker checker = draft.checker;
        const CheckSettings settings = draft.settings.within(outer);
        const bool http = checker.kind == Kind::Http || checker.kind == Kind::Ssl;
        const bool misc = checker.kind == Kind::Misc;
        const bool dns = checker.kind == Kind::Dns;
        CheckTiming& timing = checker.timing;
        timing.delay_loop = settings.delay_loop.value_or(Seconds(60));
        timing.connect_timeout = settings.connect_timeout.value_or(Seconds(5));
        timing.retry = settings.retry.value_or(misc ? 0 : dns ? 3 : 1);
        timing.delay_before_retry =
            settings.delay_before_retry.value_or(dns ? timing.delay_loop : Seconds(http ? 3 : 1));
        checker.alpha = settings.alpha.value_or(*service.server.alpha);
        checker.log_all_failures =
            settings.log_all_failures.value_or(*parsing.config.global.checker_log_all_failures);
        timing.warmup = settings.warmup.value_or(Seconds(-1));
        if (!checker.connect_to.address) checker.connect_to.address = real.endpoint.address;
        if (checker.connect_to.port == 0) checker.connect_to.port = made.real.endpoint.port;
        if (checker.connect_to.port == 0)
            checker.connect_to.port = service.server.key.endpoint.port;
        if (misc && checker.misc_timeout == Nanos(0)) checker.misc_timeout = timing.delay_loop;
        for (auto& url : checker.urls)
            if (url.virtualhost.empty()) url.virtualhost = settings.virtualhost.value_or("");
        real.checkers.push_back(std::move(checker));
    }
}

/// DR and TUN leave the port as it is, and so does a fwmark.
void settle_port(Parsing& parsing,
                 const Word& place,
                 std::string_view method,
                 const VirtualServer& server,
                 RealServer& real) {
    Reporter& reporter = parsing.reporter;
    if (server.kind == VirtualServer::Kind::Group) return;
    const std::uint16_t port = server.key.endpoint.port;
    const std::string name = real.endpoint.to_string();
    if (server.kind == VirtualServer::Kind::Fwmark) {
        if (real.endpoint.port != 0)
            reporter.complaint(
                place,
                fmt::format("the port of real_server {} goes with no fwmark; ignored", name));
        real.endpoint.port = 0;
    } else if (real.endpoint.port == 0) {
        real.endpoint.port = port;
    } else if (method != "NAT" && real.endpoint.port != port) {
        reporter.complaint(place,
                           fmt::format("with {} the packets keep their port: {} is used for "
                                       "real_server {}",
                                       method,
                                       port,
                                       name));
        real.endpoint.port = port;
    }
}

void settle_reals(Parsing& parsing, ServiceDraft& service) {
    Reporter& reporter = parsing.reporter;
    VirtualServer& server = service.server;
    std::set<Endpoint> known;
    for (auto& made : service.reals) {
        RealServer real = made.real;
        const auto place = reporter.word_at(real.at);
        if (!known.insert(real.endpoint).second) {
            reporter.complaint(
                place,
                fmt::format("real_server {} stands here twice; the second is ignored",
                            real.endpoint.to_string()));
            continue;
        }
        const std::string method = real.method.value_or(*server.method);
        const Family family = server.kind == VirtualServer::Kind::Address
                                  ? server.key.endpoint.address.family()
                                  : server.family;
        if (family != Family::None && real.endpoint.address.family() != family && method != "TUN") {
            reporter.error(place, "this real_server is not of the service's family; ignored");
            continue;
        }
        settle_port(parsing, place, method, server, real);
        if (!real.weight.set) real.weight.value = *service.weight;
        if (!real.inhibit_on_failure.set) real.inhibit_on_failure.value = *service.inhibit;
        settle_checkers(parsing, service, made, real);
        server.real_servers.push_back(std::move(real));
    }
}

void settle_quorum(Parsing& parsing, const ServiceDraft& service, VirtualServer& server) {
    Reporter& reporter = parsing.reporter;
    std::uint64_t total = 0;
    std::set<Endpoint> known;  // a real server that stands here twice counts once
    for (const auto& made : service.reals)
        if (known.insert(made.real.endpoint).second)
            total += made.real.weight.set ? *made.real.weight : *service.weight;
    if (*server.quorum > std::max<std::uint64_t>(total, 1)) {
        const auto reduced = static_cast<std::uint32_t>(std::max<std::uint64_t>(total, 1));
        reporter.complaint(reporter.word_at(server.quorum.at),
                           fmt::format("quorum {} is more than all weights together; {} is used",
                                       *server.quorum,
                                       reduced));
        server.quorum.value = reduced;
    }
    if (*server.hysteresis >= *server.quorum && *server.hysteresis > 0) {
        const std::uint32_t reduced = *server.quorum - 1;
        reporter.complaint(reporter.word_at(server.hysteresis.at),
                           fmt::format("hysteresis {} is not less than quorum {}; {} is used",
                                       *server.hysteresis,
                                       *server.quorum,
                                       reduced));
        server.hysteresis.value = reduced;
    }
}

/// A sorry server that is one of the reals too has one `inhibit`: the real's.
void settle_sorry_server(Parsing& parsing, VirtualServer& server) {
    if (!server.sorry_server) return;
    if (server.kind == VirtualServer::Kind::Address &&
        server.sorry_server->address.family() != server.key.endpoint.address.family() &&
        server.sorry_server_method.value_or(*server.method) != "TUN") {
        parsing.reporter.error(parsing.reporter.word_at(server.at),
                               fmt::format("sorry_server {} is not of the service's family; "
                                           "ignored",
                                           server.sorry_server->to_string()));
        server.sorry_server.reset();
        return;
    }
    for (const auto& real : server.real_servers) {
        if (real.endpoint != *server.sorry_server ||
            *real.inhibit_on_failure == *server.sorry_server_inhibit)
            continue;
        parsing.reporter.complaint(
            parsing.reporter.word_at(real.at),
            fmt::format(
                "real_server {} is the sorry_server too; its inhibit setting holds for both",
                real.endpoint.to_string()));
        server.sorry_server_inhibit.value = *real.inhibit_on_failure;
    }
}

/// What keepalived says about a service without a protocol, a scheduler or a method.
void settle_defaults(Parsing& parsing, const Word& head, ServiceDraft& service) {
    Reporter& reporter = parsing.reporter;
    VirtualServer& server = service.server;
    const std::string name = describe(server);
    const bool fwmark = server.kind == VirtualServer::Kind::Fwmark;
    if (fwmark && service.protocol_given)
        reporter.complaint(head, fmt::format("{} has its protocol from the mark; ignored", name));
    if (!service.protocol_given && !fwmark) {
        server.key.protocol = Protocol::Udp;
        reporter.complaint(head,
                           fmt::format("virtual_server {} has no protocol; UDP is used", name),
                           "a TCP service needs 'protocol TCP'");
    }
    if (!service.scheduler_given)
        reporter.complaint(head,
                           fmt::format("virtual_server {} has no lb_algo; wlc is used", name));
    if (!service.method_given)
        reporter.complaint(head,
                           fmt::format("virtual_server {} has no lb_kind; NAT is used", name));
    if (server.kind == VirtualServer::Kind::Address && server.key.endpoint.port == 0 &&
        *server.persistence_timeout == 0)
        reporter.complaint(head, "only a persistent virtual_server can do without a port");
    if (*server.one_packet && server.key.protocol != Protocol::Udp && !fwmark)
        reporter.complaint(reporter.word_at(server.one_packet.at), "ops is for UDP only; ignored");
    if (service.smtp_alert)
        for (auto& made : service.reals)
            if (!made.real.smtp_alert.set) made.real.smtp_alert.value = **service.smtp_alert;
}

/// What vipd does not forward yet, each with its reason.
void settle_forwarding(Parsing& parsing, const Word& head, ServiceDraft& service) {
    Reporter& reporter = parsing.reporter;
    VirtualServer& server = service.server;
    const auto no = [&](const Word& word, std::string_view what) {
        reporter.warning(
            word,
            fmt::format("{} not done by vipd yet; this virtual_server is not forwarded", what));
        server.forwarded = false;
    };
    // Of which the parser has told.
    const auto no_port = [](const Tunnel& tunnel) {
        return tunnel.type == Tunnel::Type::Gue && tunnel.port == 0;
    };
    if (no_port(server.tunnel) || no_port(server.sorry_server_tunnel) ||
        std::ranges::any_of(service.reals, [&](auto& made) { return no_port(made.real.tunnel); }))
        server.forwarded = false;
    if (server.key.protocol == Protocol::Sctp) no(head, "SCTP is");
    // Their replies could not be told from others'.
    const bool nat = *server.method == "NAT" || std::ranges::any_of(service.reals, [](auto& made) {
        return made.real.method == "NAT";
    });
    const bool any_port =
        server.kind == VirtualServer::Kind::Address && server.key.endpoint.port == 0;
    if (nat && (any_port || server.kind == VirtualServer::Kind::Fwmark))
        no(head, "NAT of any port or by fwmark is");
}

}  // namespace

bool settle_service(Parsing& parsing, const Word& head, ServiceDraft& service) {
    Reporter& reporter = parsing.reporter;
    VirtualServer& server = service.server;
    if (service.reals.empty()) {
        reporter.complaint(
            head, fmt::format("virtual_server {} has no real_server; ignored", describe(server)));
        return false;
    }
    settle_defaults(parsing, head, service);
    settle_forwarding(parsing, head, service);
    const std::string name =
        server.kind == VirtualServer::Kind::Address ? server.key.to_string()
        : server.kind == VirtualServer::Kind::Group
            ? fmt::format("{}/{}", describe(server), to_string(server.key.protocol))
            : describe(server);
    const auto [earlier, is_new] = parsing.defined.try_emplace("virtual_server " + name, head.line);
    if (!is_new) {
        reporter.error(head,
                       fmt::format("virtual_server {} has been defined in line {} already; ignored",
                                   name,
                                   earlier->second));
        return false;
    }
    settle_reals(parsing, service);
    settle_quorum(parsing, service, server);
    if (server.sorry_server && server.sorry_server->port == 0)
        server.sorry_server->port = server.key.endpoint.port;
    settle_sorry_server(parsing, server);
    return true;
}

}  // namespace vipd::config
