// SPDX-License-Identifier: Apache-2.0
#include "userspace/daemon/check_settings.hpp"

#include <optional>
#include <utility>

namespace vipd::daemon {

namespace {

// keepalived's.
constexpr const char* kHeloName = "smtpchecker.keepalived.org";

/// Nothing for a kind that is not done yet: the parser has warned.
std::optional<check::Kind> kind_of(config::Checker::Kind kind) {
    switch (kind) {
        case config::Checker::Kind::Tcp:
            return check::Kind::Tcp;
        case config::Checker::Kind::Http:
        case config::Checker::Kind::Ssl:
            return check::Kind::Http;
        case config::Checker::Kind::Misc:
            return check::Kind::Misc;
        case config::Checker::Kind::Smtp:
            return check::Kind::Smtp;
        case config::Checker::Kind::Dns:
            return check::Kind::Dns;
        case config::Checker::Kind::Udp:
            return check::Kind::Udp;
        case config::Checker::Kind::Ping:
            return check::Kind::Ping;
        case config::Checker::Kind::Bfd:
        case config::Checker::Kind::File:
            break;
    }
    return std::nullopt;
}

check::HttpVersion version_of(config::Checker::HttpProtocol protocol) {
    switch (protocol) {
        case config::Checker::HttpProtocol::V1_0:
            return check::HttpVersion::V1_0;
        case config::Checker::HttpProtocol::V1_0C:
            return check::HttpVersion::V1_0C;
        case config::Checker::HttpProtocol::V1_1:
            break;
    }
    return check::HttpVersion::V1_1;
}

check::Settings settings_of(check::Kind kind, const config::Checker& from) {
    check::Settings to;
    to.kind = kind;
    to.timing = {.delay_loop = from.timing.delay_loop,
                 .connect_timeout = from.timing.connect_timeout,
                 .retry = from.timing.retry,
                 .delay_before_retry = from.timing.delay_before_retry,
                 .warmup = from.timing.warmup};
    to.alpha = from.alpha;
    to.log_all_failures = from.log_all_failures;
    to.target = from.connect_to;
    to.source = {.address = from.bind_to, .port = from.bind_port, .interface = from.bind_interface};
    for (const auto& url : from.urls)
        to.urls.push_back({.path = url.path,
                           .digest = url.digest,
                           .status_codes = url.status_codes,
                           .virtualhost = url.virtualhost,
                           .regex = {.pattern = url.regex,
                                     .options = url.regex_options,
                                     .no_match = url.regex_no_match,
                                     .min_offset = url.regex_min_offset,
                                     .max_offset = url.regex_max_offset}});
    if (from.kind == config::Checker::Kind::Ssl)
        to.tls = check::Tls{.sni = from.enable_sni, .sni_name = from.sni_name};
    to.fast_recovery = from.fast_recovery;
    to.helo_name = from.helo_name.empty() ? kHeloName : from.helo_name;
    to.dns_type = from.dns_type;
    to.dns_name = from.dns_name;
    to.udp = {.payload = from.payload,
              .require_reply = from.require_reply,
              .reply = from.reply,
              .reply_mask = from.reply_mask,
              .min_reply = from.min_reply_length,
              .max_reply = from.max_reply_length};
    to.http_version = version_of(from.http_protocol);
    to.argv = from.misc_path.argv;
    to.user = from.misc_path.user;
    to.group = from.misc_path.group;
    to.script_timeout = from.misc_timeout;
    to.dynamic_weight = from.misc_dynamic;
    return to;
}

}  // namespace

std::vector<check::RealServer> check_settings(const config::Config& config) {
    std::vector<check::RealServer> reals;
    for (const auto& service : config.virtual_servers) {
        for (const auto& real : service.real_servers) {
            check::RealServer to{service.key, real.endpoint, false, {}};
            for (const auto& checker : real.checkers)
                if (const auto kind = kind_of(checker.kind))
                    to.checkers.push_back(settings_of(*kind, checker));
            if (!to.checkers.empty()) reals.push_back(std::move(to));
        }
    }
    return reals;
}

}  // namespace vipd::daemon
