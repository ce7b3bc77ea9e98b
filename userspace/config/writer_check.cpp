// SPDX-License-Identifier: Apache-2.0
// The checkers as text. Each says all that it could have inherited: whose it was is not in the
// model.
#include "userspace/config/writer_lines.hpp"

#include <fmt/ranges.h>

namespace vipd::config {

namespace {

using Kind = Checker::Kind;

std::string_view keyword_of(Kind kind) {
    switch (kind) {
        case Kind::Tcp:
            return "TCP_CHECK";
        case Kind::Http:
            return "HTTP_GET";
        case Kind::Ssl:
            return "SSL_GET";
        case Kind::Smtp:
            return "SMTP_CHECK";
        case Kind::Dns:
            return "DNS_CHECK";
        case Kind::Misc:
            return "MISC_CHECK";
        case Kind::Udp:
            return "UDP_CHECK";
        case Kind::Ping:
            return "PING_CHECK";
        case Kind::Bfd:
            return "BFD_CHECK";
        case Kind::File:
            break;
    }
    return "FILE_CHECK";
}

void write_timing(Lines& lines, const Checker& checker) {
    const CheckTiming& timing = checker.timing;
    lines.line("delay_loop " + seconds_word(timing.delay_loop));
    if (checker.kind != Kind::Misc)
        lines.line("connect_timeout " + seconds_word(timing.connect_timeout));
    lines.line(fmt::format("retry {}", timing.retry));
    lines.line("delay_before_retry " + seconds_word(timing.delay_before_retry));
    if (timing.warmup >= Nanos(0)) lines.line("warmup " + seconds_word(timing.warmup));
    lines.line(checker.alpha ? "alpha" : "alpha off");
    lines.line(checker.log_all_failures ? "log_all_failures" : "log_all_failures off");
}

void write_connection(Lines& lines, const Checker& checker) {
    lines.plain("connect_ip", checker.connect_to.address.to_string());
    const auto number = [&](const char* name, std::uint32_t value) {
        if (value != 0) lines.line(fmt::format("{} {}", name, value));
    };
    number("connect_port", checker.connect_to.port);
    if (checker.bind_to) lines.line("bindto " + checker.bind_to.to_string());
    number("bind_port", checker.bind_port);
    lines.plain("bind_if", checker.bind_interface);
    number("fwmark", checker.fwmark);
}

void write_url(Lines& lines, const HttpUrl& url) {
    lines.open("url");
    lines.line("path " + word(url.path));
    lines.plain("digest", url.digest);
    for (const auto& [low, high] : url.status_codes)
        lines.line(fmt::format("status_code {}-{}", low, high));
    lines.plain("virtualhost", url.virtualhost);
    lines.plain("regex", url.regex);
    lines.on("regex_no_match", url.regex_no_match);
    for (const auto& option : url.regex_options) lines.plain("regex_options", option);
    if (url.regex_min_offset != 0)
        lines.line(fmt::format("regex_min_offset {}", url.regex_min_offset));
    if (url.regex_max_offset != 0)
        lines.line(fmt::format("regex_max_offset {}", url.regex_max_offset));
    if (url.regex_stack_start != 0)
        lines.line(fmt::format("regex_stack {} {}", url.regex_stack_start, url.regex_stack_max));
    lines.on("tls_compliant", url.tls_compliant);
    lines.close();
}

void write_http(Lines& lines, const Checker& checker) {
    using Http = Checker::HttpProtocol;
    if (checker.http_protocol != Http::V1_0)
        lines.line(checker.http_protocol == Http::V1_1 ? "http_protocol 1.1"
                                                       : "http_protocol 1.0C");
    lines.on("fast_recovery", checker.fast_recovery);
    lines.on("enable_sni", checker.enable_sni);
    lines.plain("sni_name", checker.sni_name);
    lines.on("tls_compliant", checker.tls_compliant);
    for (const auto& url : checker.urls) write_url(lines, url);
}

/// x stands for a half byte that may be any.
std::string reply_word(const Checker& checker) {
    std::string text = hex_word(checker.reply);
    for (std::size_t at = 0; at < text.size(); ++at) {
        const unsigned mask = checker.reply_mask[at / 2];
        if ((at % 2 == 0 ? mask >> 4U : mask & 0xfU) == 0) text[at] = 'x';
    }
    return text;
}

void write_udp(Lines& lines, const Checker& checker) {
    const Checker usual;
    lines.plain("payload", hex_word(checker.payload));
    if (checker.require_reply)
        lines.line(checker.reply.empty() ? "require_reply"
                                         : "require_reply " + reply_word(checker));
    if (checker.min_reply_length != usual.min_reply_length)
        lines.line(fmt::format("min_reply_length {}", checker.min_reply_length));
    if (checker.max_reply_length != usual.max_reply_length)
        lines.line(fmt::format("max_reply_length {}", checker.max_reply_length));
}

void write_misc(Lines& lines, const Checker& checker) {
    const Script& path = checker.misc_path;
    lines.script("misc_path", Script{path.argv, "", path.user.empty() ? path.group : "", path.at});
    if (!path.user.empty())
        lines.line("user " + word(path.user) + (path.group.empty() ? "" : ' ' + word(path.group)));
    // The same as delay_loop is its default, which may be longer than what may be written.
    if (checker.misc_timeout != checker.timing.delay_loop)
        lines.line("misc_timeout " + seconds_word(checker.misc_timeout));
    lines.on("misc_dynamic", checker.misc_dynamic);
}

}  // namespace

void write_checker(Lines& lines, const Checker& checker) {
    lines.open(keyword_of(checker.kind));
    if (checker.kind == Kind::Bfd) {
        lines.plain("name", checker.bfd_instance);
        lines.line(checker.alpha ? "alpha" : "alpha off");
        lines.close();
        return;
    }
    if (checker.kind == Kind::File) {
        lines.plain("track_file", checker.track_file);
        if (checker.file_weight != 1 || checker.file_reverse)
            lines.line(fmt::format(
                "weight {}{}", checker.file_weight, checker.file_reverse ? " reverse" : ""));
        lines.close();
        return;
    }
    write_timing(lines, checker);
    if (checker.kind == Kind::Misc)
        write_misc(lines, checker);
    else
        write_connection(lines, checker);
    if (checker.kind == Kind::Http || checker.kind == Kind::Ssl) write_http(lines, checker);
    if (checker.kind == Kind::Smtp) lines.plain("helo_name", checker.helo_name);
    if (checker.kind == Kind::Dns) {
        lines.line("type " + checker.dns_type);
        lines.line("name " + word(checker.dns_name));
    }
    if (checker.kind == Kind::Udp) write_udp(lines, checker);
    lines.close();
}

}  // namespace vipd::config
