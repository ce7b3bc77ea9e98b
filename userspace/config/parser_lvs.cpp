// SPDX-License-Identifier: Apache-2.0
// virtual_server and real_server.
#include "userspace/config/parser.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace vipd::config {

namespace {

constexpr std::int64_t kMaxWeight = 2147483647;
constexpr std::int64_t kMaxCount = 4294967295;
constexpr std::array<std::string_view, 14> kSchedulers{
    "rr", "wrr", "lc", "wlc", "lblc", "sh", "mh", "dh", "fo", "ovf", "lblcr", "sed", "nq", "twos"};

/// One virtual_server while it is read: what its reals inherit comes after them as often as before.
struct Service {
    VirtualServer server;
    CheckSettings settings;
    Value<std::uint32_t> weight{1};
    Value<bool> inhibit{false};
    bool scheduler_given = false;
    bool method_given = false;
    bool protocol_given = false;
    bool plain_tunnel = true;  ///< no TUN method other than IPIP
    Value<bool> persistent{false};
    struct Real {
        RealServer real;
        CheckSettings settings;
        std::vector<CheckerDraft> checkers;
    };
    std::vector<Real> reals;
};

/// lb_kind NAT|DR|TUN [type ipip|gue port N|gre] [nocsum|csum|remcsum]
std::optional<std::string> read_method(Parsing& parsing, const Statement& line, bool& plain) {
    Reporter& reporter = parsing.reporter;
    const Word& word = line.value();
    if (word.text != "NAT" && word.text != "DR" && word.text != "TUN") {
        std::string upper = word.text;
        std::transform(upper.begin(), upper.end(), upper.begin(), [](char c) {
            return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        });
        const bool spelling = upper == "NAT" || upper == "DR" || upper == "TUN";
        reporter.error(word,
                       fmt::format("unknown {} {}; ignored", line.head().text, quoted(word.text)),
                       spelling ? fmt::format("it must be written in capitals: {}", upper)
                                : "NAT, DR and TUN are known");
        return std::nullopt;
    }
    for (std::size_t at = 1; at < line.values(); ++at) {
        const Word& option = line.value(at);
        if (word.text != "TUN") {
            reporter.warning(option, fmt::format("extra word after {}; ignored", word.text));
            break;
        }
        if (option.text == "type" && at + 1 < line.values() && line.value(at + 1).text == "ipip") {
            ++at;
            continue;
        }
        reporter.warning(option,
                         "of TUN vipd does IPIP only yet; this virtual_server is not forwarded");
        plain = false;
        break;
    }
    return word.text;
}

void read_scheduler(Parsing& parsing, const Statement& line, Service& service) {
    const Word& word = line.value();
    if (std::find(kSchedulers.begin(), kSchedulers.end(), word.text) == kSchedulers.end()) {
        parsing.reporter.error(word,
                               fmt::format("unknown scheduler {}; ignored", quoted(word.text)),
                               fmt::format("known are {}", fmt::join(kSchedulers, " ")));
        return;
    }
    service.scheduler_given = true;
    assign_text(parsing.reporter, service.server.scheduler, line);
}

void read_protocol(Parsing& parsing, const Statement& line, Service& service) {
    const Word& word = line.value();
    std::string upper = word.text;
    std::transform(upper.begin(), upper.end(), upper.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    service.protocol_given = true;
    if (upper == "TCP") {
        service.server.key.protocol = Protocol::Tcp;
    } else if (upper == "UDP") {
        service.server.key.protocol = Protocol::Udp;
    } else if (upper == "SCTP") {
        service.server.key.protocol = Protocol::Sctp;
        service.server.forwarded = false;
        parsing.reporter.warning(
            word, "SCTP is not done by vipd yet; this virtual_server is not forwarded");
    } else {
        service.protocol_given = false;
        parsing.reporter.error(word,
                               fmt::format("unknown protocol {}; ignored", quoted(word.text)),
                               "TCP, UDP and SCTP are known");
    }
}

/// False: `name` is no flag of the scheduler.
bool read_scheduler_flag(Parsing& parsing, const Statement& line, VirtualServer& server) {
    const std::string_view name = line.head().text;
    const bool port = name == "sh-port" || name == "mh-port";
    const bool fallback = name == "sh-fallback" || name == "mh-fallback";
    if (!port && !fallback) return false;
    if (!server.scheduler.set || !name.starts_with(*server.scheduler + "-")) {
        parsing.reporter.warning(
            line.head(),
            fmt::format("{} must follow lvs_sched {}; ignored", quoted(name), name.substr(0, 2)));
        return true;
    }
    if (const auto on = read_flag(parsing.reporter, line))
        (port ? server.hash_port : server.hash_fallback) = *on;
    return true;
}

void read_script_once(Parsing& parsing, const Statement& line, std::optional<Script>& to) {
    if (auto script = read_script(parsing.reporter, line)) to = std::move(script);
}

void parse_real_server(Parsing& parsing, const Statement& statement, Service& service) {
    Reporter& reporter = parsing.reporter;
    Service::Real made;
    const auto endpoint = read_endpoint(
        reporter, statement.value(), statement.values() > 1 ? &statement.value(1) : nullptr);
    if (!endpoint) return;
    made.real.endpoint = *endpoint;
    made.real.at = reporter.at(statement.value());
    const Word* check_not_done = nullptr;
    for (const auto& line : statement.body) {
        const std::string_view name = line.head().text;
        const bool check = name.ends_with("_CHECK") || name == "SSL_GET";
        if (check && line.keyword->status == Status::NotYet && check_not_done == nullptr)
            check_not_done = &line.head();
        if (line.keyword->status != Status::Done || made.settings.read(parsing, line)) continue;
        if (name == "weight")
            assign_number(reporter, made.real.weight, line, 0, kMaxWeight);
        else if (name == "inhibit_on_failure")
            assign_flag(reporter, made.real.inhibit_on_failure, line);
        else if (name == "uthreshold")
            assign_number(reporter, made.real.upper_threshold, line, 0, kMaxCount);
        else if (name == "lthreshold")
            assign_number(reporter, made.real.lower_threshold, line, 0, kMaxCount);
        else if (name == "lvs_method")
            made.real.method = read_method(parsing, line, service.plain_tunnel);
        else if (name == "notify_up")
            read_script_once(parsing, line, made.real.notify_up);
        else if (name == "notify_down")
            read_script_once(parsing, line, made.real.notify_down);
        else if (auto checker = parse_checker(parsing, line))
            made.checkers.push_back(std::move(*checker));
    }
    if (check_not_done != nullptr && made.checkers.empty())
        reporter.warning(*check_not_done,
                         fmt::format("without {} real_server {} has no checker: the real server "
                                     "counts as up",
                                     check_not_done->text,
                                     endpoint->to_string()));
    if (*made.real.lower_threshold > *made.real.upper_threshold) {
        reporter.error(reporter.word_at(made.real.lower_threshold.at),
                       fmt::format("lthreshold {} is above uthreshold {}; ignored",
                                   *made.real.lower_threshold,
                                   *made.real.upper_threshold));
        made.real.lower_threshold.value = 0;
    }
    service.reals.push_back(std::move(made));
}

void read_service(Parsing& parsing, const Statement& line, Service& service) {
    Reporter& reporter = parsing.reporter;
    VirtualServer& server = service.server;
    const std::string_view name = line.head().text;
    if (name == "persistence_timeout") {
        const bool valid =
            line.values() == 0 || read_number(reporter, line.value(), 1, 31 * 86400).has_value();
        service.persistent.value = service.persistent.value || valid;
    }
    if (line.keyword->status != Status::Done || service.settings.read(parsing, line)) return;
    if (read_scheduler_flag(parsing, line, server)) return;
    if (name == "lb_algo" || name == "lvs_sched")
        read_scheduler(parsing, line, service);
    else if (name == "lb_kind" || name == "lvs_method") {
        if (const auto method = read_method(parsing, line, service.plain_tunnel)) {
            server.method.value = *method;
            server.method.at = reporter.at(line.value());
            server.method.set = service.method_given = true;
        }
    } else if (name == "sorry_server_lvs_method")
        server.sorry_server_method = read_method(parsing, line, service.plain_tunnel);
    else if (name == "protocol")
        read_protocol(parsing, line, service);
    else if (name == "quorum")
        assign_number(reporter, server.quorum, line, 1, kMaxCount);
    else if (name == "hysteresis")
        assign_number(reporter, server.hysteresis, line, 0, kMaxCount);
    else if (name == "quorum_up")
        read_script_once(parsing, line, server.quorum_up);
    else if (name == "quorum_down")
        read_script_once(parsing, line, server.quorum_down);
    else if (name == "sorry_server")
        server.sorry_server =
            read_endpoint(reporter, line.value(), line.values() > 1 ? &line.value(1) : nullptr);
    else if (name == "sorry_server_inhibit")
        assign_flag(reporter, server.sorry_server_inhibit, line);
    else if (name == "inhibit_on_failure")
        assign_flag(reporter, service.inhibit, line);
    else if (name == "alpha")
        assign_flag(reporter, server.alpha, line);
    else if (name == "omega")
        assign_flag(reporter, server.omega, line);
    else if (name == "weight")
        assign_number(reporter, service.weight, line, 1, kMaxWeight);
    else if (name == "ip_family") {
        const bool v6 = server.key.endpoint.address.is_v6();
        if (line.value().text != (v6 ? "inet6" : "inet"))
            reporter.error(line.value(),
                           fmt::format("ip_family {} does not go with the address; ignored",
                                       quoted(line.value().text)));
    } else if (name == "real_server")
        parse_real_server(parsing, line, service);
}

/// The checkers of one real server with all that they inherit.
void settle_checkers(const Service& service, const Service::Real& made, RealServer& real) {
    const CheckSettings outer = made.settings.within(service.settings);
    for (const auto& draft : made.checkers) {
        Checker checker = draft.checker;
        const CheckSettings settings = draft.settings.within(outer);
        const bool http = checker.kind == Checker::Kind::Http;
        const bool misc = checker.kind == Checker::Kind::Misc;
        CheckTiming& timing = checker.timing;
        timing.delay_loop = settings.delay_loop.value_or(Seconds(60));
        timing.connect_timeout = settings.connect_timeout.value_or(Seconds(5));
        timing.retry = settings.retry.value_or(misc ? 0 : 1);
        timing.delay_before_retry = settings.delay_before_retry.value_or(Seconds(http ? 3 : 1));
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

void settle_reals(Parsing& parsing, Service& service) {
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
        const std::uint16_t port = server.key.endpoint.port;
        if (real.endpoint.address.family() != server.key.endpoint.address.family() &&
            method != "TUN") {
            reporter.error(place, "this real_server is not of the service's family; ignored");
            continue;
        }
        if (method == "NAT" && *server.method != "NAT") {
            reporter.warning(place,
                             "lvs_method NAT is not done by vipd yet; this real_server is "
                             "ignored");
            continue;
        }
        if (real.endpoint.port == 0)
            real.endpoint.port = port;
        else if (method != "NAT" && real.endpoint.port != port) {
            reporter.complaint(place,
                               fmt::format("with {} the packets keep their port: {} is used for "
                                           "real_server {}",
                                           method,
                                           port,
                                           real.endpoint.to_string()));
            real.endpoint.port = port;
        }
        if (!real.weight.set) real.weight.value = *service.weight;
        if (!real.inhibit_on_failure.set) real.inhibit_on_failure.value = *service.inhibit;
        settle_checkers(service, made, real);
        server.real_servers.push_back(std::move(real));
    }
}

void settle_quorum(Parsing& parsing, VirtualServer& server) {
    Reporter& reporter = parsing.reporter;
    std::uint64_t total = 0;
    for (const auto& real : server.real_servers) total += *real.weight;
    if (*server.quorum > std::max<std::uint64_t>(total, 1)) {
        const auto reduced = static_cast<std::uint32_t>(std::max<std::uint64_t>(total, 1));
        reporter.complaint(reporter.word_at(server.quorum.at),
                           fmt::format("quorum {} is more than all weights together; {} is used",
                                       *server.quorum,
                                       reduced));
        server.quorum.value = reduced;
    }
    if (*server.hysteresis >= *server.quorum && *server.hysteresis > 0) {
        reporter.complaint(reporter.word_at(server.hysteresis.at),
                           fmt::format("hysteresis {} is not less than quorum {}; 0 is used",
                                       *server.hysteresis,
                                       *server.quorum));
        server.hysteresis.value = 0;
    }
}

/// A sorry server that is one of the reals too has one `inhibit`: the real's.
void settle_sorry_server(Parsing& parsing, VirtualServer& server) {
    if (!server.sorry_server) return;
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

void settle_kind(Parsing& parsing, const Word& head, Service& service) {
    Reporter& reporter = parsing.reporter;
    VirtualServer& server = service.server;
    const std::string name = server.key.endpoint.to_string();
    if (!service.protocol_given) {
        server.key.protocol = Protocol::Udp;
        reporter.complaint(head,
                           fmt::format("virtual_server {} has no protocol; UDP is used", name),
                           "a TCP service needs 'protocol TCP'");
    }
    if (!service.scheduler_given)
        reporter.complaint(head,
                           fmt::format("virtual_server {} has no lb_algo; wlc is used", name));
    if (!service.method_given)
        reporter.complaint(
            head,
            fmt::format("virtual_server {} has no lb_kind: NAT, which vipd does not do yet; it is "
                        "not forwarded",
                        name));
    else if (*server.method == "NAT")
        reporter.warning(reporter.word_at(server.method.at),
                         "NAT is not done by vipd yet; this virtual_server is not forwarded");
    if (*server.method == "NAT" || !service.plain_tunnel) server.forwarded = false;
    if (server.key.endpoint.address.is_v6()) {
        reporter.warning(head,
                         "IPv6 is not done by vipd yet; this virtual_server is not forwarded");
        server.forwarded = false;
    }
    if (server.key.endpoint.port == 0) {
        if (!*service.persistent)
            reporter.complaint(head, "only a persistent virtual_server can do without a port");
        reporter.warning(
            head,
            "a service of any port is not done by vipd yet; this virtual_server is not "
            "forwarded");
        server.forwarded = false;
    }
}

}  // namespace

void parse_virtual_server(Parsing& parsing, const Statement& statement) {
    Reporter& reporter = parsing.reporter;
    const Word& first = statement.value();
    if (first.text == "fwmark" || first.text == "group") {
        reporter.warning(
            first,
            fmt::format("virtual_server {} is not done by vipd yet; its block is ignored",
                        first.text));
        return;
    }
    const auto endpoint =
        read_endpoint(reporter, first, statement.values() > 1 ? &statement.value(1) : nullptr);
    if (!endpoint) return;
    Service service;
    VirtualServer& server = service.server;
    server.key.endpoint = *endpoint;
    server.at = reporter.at(first);
    for (const auto& line : statement.body) read_service(parsing, line, service);
    if (service.reals.empty()) {
        reporter.complaint(first,
                           fmt::format("virtual_server {} has no real_server; ignored",
                                       server.key.endpoint.to_string()));
        return;
    }
    settle_kind(parsing, first, service);
    const auto [earlier, is_new] =
        parsing.defined.try_emplace("virtual_server " + server.key.to_string(), first.line);
    if (!is_new) {
        reporter.error(first,
                       fmt::format("virtual_server {} has been defined in line {} already; ignored",
                                   server.key.to_string(),
                                   earlier->second));
        return;
    }
    settle_reals(parsing, service);
    settle_quorum(parsing, server);
    if (server.sorry_server && server.sorry_server->port == 0)
        server.sorry_server->port = server.key.endpoint.port;
    settle_sorry_server(parsing, server);
    parsing.config.virtual_servers.push_back(std::move(server));
}

}  // namespace vipd::config
