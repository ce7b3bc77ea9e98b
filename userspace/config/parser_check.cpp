// SPDX-License-Identifier: Apache-2.0
// TCP_CHECK, HTTP_GET, MISC_CHECK and the settings that services, reals and checkers share.
#include "userspace/config/parser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace vipd::config {

namespace {

constexpr std::int64_t kMaxRetry = 4294967295;
// keepalived allows 18 million million seconds; 95 years still leave room to add them to a clock.
constexpr Nanos kMaxDelay = Seconds(3'000'000'000);
constexpr std::size_t kDigestLength = 32;

/// "200" or "200-299"; each word of the line is one.
void read_status_codes(Parsing& parsing, const Statement& line, HttpUrl& url) {
    for (std::size_t at = 0; at < line.values(); ++at) {
        const Word& word = line.value(at);
        const char* const end = word.text.data() + word.text.size();
        std::uint16_t low = 0;
        auto parsed = std::from_chars(word.text.data(), end, low);
        std::uint16_t high = low;
        if (parsed.ec == std::errc() && parsed.ptr != end && *parsed.ptr == '-')
            parsed = std::from_chars(parsed.ptr + 1, end, high);
        if (parsed.ec != std::errc() || parsed.ptr != end || low < 100 || high > 999 || high < low)
            parsing.reporter.error(
                word,
                fmt::format("{} is no HTTP status code or range; ignored", quoted(word.text)),
                "write 200 or 200-299");
        else
            url.status_codes.emplace_back(low, high);
    }
}

void parse_url(Parsing& parsing, const Statement& block, Checker& checker) {
    Reporter& reporter = parsing.reporter;
    HttpUrl url;
    url.at = reporter.at(block.head());
    bool path = false;
    for (const auto& line : block.body) {
        const std::string_view name = line.head().text;
        if (line.keyword->status != Status::Done) continue;
        const Word& word = line.value();
        if (name == "path") {
            path = true;
            url.path = word.text;
        } else if (name == "digest") {
            const bool hex = std::all_of(word.text.begin(), word.text.end(), [](char c) {
                return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
            });
            if (word.text.size() != kDigestLength || !hex) {
                reporter.error(word,
                               fmt::format("{} is no MD5 digest of 32 hexadecimal digits; ignored",
                                           quoted(word.text)));
                continue;
            }
            url.digest = word.text;
            std::transform(url.digest.begin(), url.digest.end(), url.digest.begin(), [](char c) {
                return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
            });
        } else if (name == "status_code") {
            read_status_codes(parsing, line, url);
        } else if (name == "virtualhost") {
            url.virtualhost = word.text;
        }
    }
    if (path)
        checker.urls.push_back(std::move(url));
    else
        reporter.complaint(block.head(), "this url has no path; ignored");
}

void read_http_protocol(Parsing& parsing, const Word& word, Checker& checker) {
    using Http = Checker::HttpProtocol;
    if (word.text == "1.0")
        checker.http_protocol = Http::V1_0;
    else if (word.text == "1.0C" || word.text == "1.0c")
        checker.http_protocol = Http::V1_0C;
    else if (word.text == "1.1")
        checker.http_protocol = Http::V1_1;
    else
        parsing.reporter.error(word,
                               fmt::format("unknown http_protocol {}; ignored", quoted(word.text)),
                               "1.0, 1.0C and 1.1 are known");
}

void read_connection(Parsing& parsing, const Statement& line, CheckerDraft& draft) {
    Reporter& reporter = parsing.reporter;
    Checker& checker = draft.checker;
    const std::string_view name = line.head().text;
    if (name == "connect_ip") {
        if (const auto address = read_address(reporter, line.value()))
            checker.connect_to.address = *address;
    } else if (name == "connect_port") {
        if (const auto port = read_number(reporter, line.value(), 1, 65535))
            checker.connect_to.port = static_cast<std::uint16_t>(*port);
    } else if (name == "bindto") {
        if (const auto address = read_address(reporter, line.value())) checker.bind_to = *address;
    } else if (name == "url") {
        parse_url(parsing, line, checker);
    } else if (name == "http_protocol") {
        read_http_protocol(parsing, line.value(), checker);
    } else if (name == "nb_get_retry") {
        reporter.complaint(line.head(), "nb_get_retry is deprecated", "write retry instead");
        if (const auto retry = read_number(reporter, line.value(), 0, kMaxRetry))
            draft.settings.retry = static_cast<std::uint32_t>(*retry);
    }
}

}  // namespace

bool CheckSettings::read(Parsing& parsing, const Statement& statement) {
    Reporter& reporter = parsing.reporter;
    const std::string_view name = statement.head().text;
    const auto time = [&](std::optional<Nanos>& to, Nanos low, Nanos high) {
        if (const auto seconds = read_seconds(reporter, statement.value(), low, high)) to = seconds;
    };
    if (name == "delay_loop")
        time(delay_loop, kMinTimer, kMaxDelay);
    else if (name == "connect_timeout")
        time(connect_timeout, kMinTimer, kMaxTimer);
    else if (name == "delay_before_retry")
        time(delay_before_retry, Nanos(0), kMaxDelay);
    else if (name == "warmup")
        time(warmup, Nanos(0), kMaxDelay);
    else if (name == "retry") {
        if (const auto number = read_number(reporter, statement.value(), 0, kMaxRetry))
            retry = static_cast<std::uint32_t>(*number);
    } else if (name == "virtualhost")
        virtualhost = statement.value().text;
    else
        return false;
    return true;
}

CheckSettings CheckSettings::within(const CheckSettings& outer) const {
    CheckSettings result = *this;
    const auto fill = [](auto& own, const auto& other) {
        if (!own) own = other;
    };
    fill(result.delay_loop, outer.delay_loop);
    fill(result.connect_timeout, outer.connect_timeout);
    fill(result.delay_before_retry, outer.delay_before_retry);
    fill(result.warmup, outer.warmup);
    fill(result.retry, outer.retry);
    fill(result.virtualhost, outer.virtualhost);
    return result;
}

std::optional<CheckerDraft> parse_checker(Parsing& parsing, const Statement& statement) {
    Reporter& reporter = parsing.reporter;
    const std::string_view kind = statement.head().text;
    CheckerDraft draft;
    Checker& checker = draft.checker;
    checker.at = reporter.at(statement.head());
    checker.kind = kind == "HTTP_GET"     ? Checker::Kind::Http
                   : kind == "MISC_CHECK" ? Checker::Kind::Misc
                                          : Checker::Kind::Tcp;
    const Statement* user = nullptr;
    bool path = false;
    for (const auto& line : statement.body) {
        const std::string_view name = line.head().text;
        if (line.keyword->status != Status::Done || draft.settings.read(parsing, line)) continue;
        if (name == "misc_path") {
            path = true;
            if (auto script = read_script(reporter, line)) checker.misc_path = std::move(*script);
        } else if (name == "misc_timeout") {
            if (const auto time = read_seconds(reporter, line.value(), kMinTimer, kMaxTimer))
                checker.misc_timeout = *time;
        } else if (name == "misc_dynamic") {
            checker.misc_dynamic = read_flag(reporter, line).value_or(false);
        } else if (name == "user") {
            user = &line;
        } else {
            read_connection(parsing, line, draft);
        }
    }
    if (checker.kind == Checker::Kind::Http && checker.urls.empty()) {
        reporter.complaint(statement.head(), "HTTP_GET without a url; ignored");
        return std::nullopt;
    }
    if (checker.kind == Checker::Kind::Misc && checker.misc_path.argv.empty()) {
        if (!path) reporter.complaint(statement.head(), "MISC_CHECK without misc_path; ignored");
        return std::nullopt;
    }
    if (user != nullptr) {
        checker.misc_path.user = user->value().text;
        if (user->values() > 1) checker.misc_path.group = user->value(1).text;
    }
    return draft;
}

}  // namespace vipd::config
