// SPDX-License-Identifier: Apache-2.0
// The checkers, and the settings that services, reals and checkers share.
#include "userspace/config/fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
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

void read_digest(Parsing& parsing, HttpUrl& url, const Statement& line) {
    const Word& word = line.value();
    const bool hex = std::ranges::all_of(word.text, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    });
    if (word.text.size() != kDigestLength || !hex) {
        parsing.reporter.error(word,
                               fmt::format("{} is no MD5 digest of 32 hexadecimal digits; ignored",
                                           quoted(word.text)));
        return;
    }
    url.digest = word.text;
    std::ranges::transform(url.digest, url.digest.begin(), [](char c) {
        return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    });
}

template <class T>
Field<HttpUrl> url_number(T HttpUrl::* member) {
    return [member](Parsing& parsing, HttpUrl& url, const Statement& line) {
        if (const auto number = read_number(parsing.reporter, line.value(), 0, kMaxRetry))
            url.*member = static_cast<T>(*number);
    };
}

Field<HttpUrl> url_text(std::string HttpUrl::* member) {
    return [member](Parsing&, HttpUrl& url, const Statement& line) {
        url.*member = line.value().text;
    };
}

/// regex_stack START MAX
void read_stack(Parsing& parsing, HttpUrl& url, const Statement& line) {
    if (line.values() < 2) {
        parsing.reporter.error(line.head(), "'regex_stack' needs 2 values; ignored");
        return;
    }
    const auto start = read_number(parsing.reporter, line.value(), 1, kMaxRetry);
    const auto most = read_number(parsing.reporter, line.value(1), 1, kMaxRetry);
    if (!start || !most) return;
    url.regex_stack_start = static_cast<std::uint32_t>(*start);
    url.regex_stack_max = static_cast<std::uint32_t>(*most);
}

const Fields<HttpUrl>& url_fields() {
    using U = HttpUrl;
    static const Fields<U> fields{
        {"path", url_text(&U::path)},
        {"digest", read_digest},
        {"status_code",
         [](Parsing& parsing, U& url, const Statement& line) {
             read_status_codes(parsing, line, url);
         }},
        {"virtualhost", url_text(&U::virtualhost)},
        {"regex", url_text(&U::regex)},
        {"regex_no_match",
         [](Parsing& parsing, U& url, const Statement& line) {
             url.regex_no_match = read_flag(parsing.reporter, line).value_or(false);
         }},
        {"regex_options",
         [](Parsing&, U& url, const Statement& line) {
             for (std::size_t at = 0; at < line.values(); ++at)
                 url.regex_options.push_back(line.value(at).text);
         }},
        {"regex_min_offset", url_number(&U::regex_min_offset)},
        {"regex_max_offset", url_number(&U::regex_max_offset)},
        {"regex_stack", read_stack},
        {"tls_compliant",
         [](Parsing& parsing, U& url, const Statement& line) {
             url.tls_compliant = read_flag(parsing.reporter, line).value_or(false);
         }},
    };
    return fields;
}

void parse_url(Parsing& parsing, const Statement& block, Checker& checker) {
    Reporter& reporter = parsing.reporter;
    HttpUrl url;
    url.at = reporter.at(block.head());
    bool path = false;
    for (const auto& line : block.body) {
        path = path || line.head().text == "path";
        read_field(url_fields(), parsing, url, line);
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

void read_retry_as_before(Parsing& parsing, CheckerDraft& draft, const Statement& line) {
    parsing.reporter.complaint(line.head(), "nb_get_retry is deprecated", "write retry instead");
    if (const auto retry = read_number(parsing.reporter, line.value(), 0, kMaxRetry))
        draft.settings.retry = static_cast<std::uint32_t>(*retry);
}

/// payload HEX
std::vector<std::uint8_t> read_payload(Parsing& parsing, const Word& word) {
    auto bytes = parse_hex(word.text);
    if (!bytes)
        parsing.reporter.error(word,
                               fmt::format("{} is no payload; ignored", quoted(word.text)),
                               "an even number of hexadecimal digits is expected");
    return std::move(bytes).value_or(std::vector<std::uint8_t>());
}

/// require_reply [HEX], x for a half byte that may be any.
void read_reply(Parsing& parsing, Checker& checker, const Statement& line) {
    checker.require_reply = true;
    if (line.values() == 0) return;
    std::string digits = line.value().text;
    std::string mask = digits;
    for (std::size_t at = 0; at < digits.size(); ++at) {
        const bool any = digits[at] == 'x' || digits[at] == 'X';
        mask[at] = any ? '0' : 'f';
        if (any) digits[at] = '0';
    }
    Word word = line.value();
    word.text = digits;
    checker.reply = read_payload(parsing, word);
    if (!checker.reply.empty()) checker.reply_mask = *parse_hex(mask);
}

void read_dns_type(Parsing& parsing, Checker& checker, const Word& word) {
    static constexpr std::array<std::string_view, 7> kTypes{
        "A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA"};
    if (std::ranges::find(kTypes, word.text) == kTypes.end())
        parsing.reporter.error(word,
                               fmt::format("unknown DNS type {}; ignored", quoted(word.text)),
                               "A, NS, CNAME, SOA, MX, TXT and AAAA are known");
    else
        checker.dns_type = word.text;
}

/// weight W [reverse] of FILE_CHECK
void read_file_weight(Parsing& parsing, Checker& checker, const Statement& line) {
    if (const auto weight = read_number(parsing.reporter, line.value(), -2147483647, 2147483647))
        checker.file_weight = static_cast<int>(*weight);
    if (line.values() < 2) return;
    if (line.value(1).text == "reverse")
        checker.file_reverse = true;
    else
        parsing.reporter.error(
            line.value(1), fmt::format("unknown option {}; ignored", quoted(line.value(1).text)));
}

/// A field of the checker itself.
template <class Read>
Field<CheckerDraft> own(Read read) {
    return [read](Parsing& parsing, CheckerDraft& draft, const Statement& line) {
        read(parsing, draft.checker, line);
    };
}

template <class T>
Field<CheckerDraft> own_number(T Checker::* member, std::int64_t low, std::int64_t high) {
    return own([=](Parsing& parsing, Checker& checker, const Statement& line) {
        if (const auto number = read_number(parsing.reporter, line.value(), low, high))
            checker.*member = static_cast<T>(*number);
    });
}

Field<CheckerDraft> own_flag(bool Checker::* member) {
    return own([=](Parsing& parsing, Checker& checker, const Statement& line) {
        if (const auto on = read_flag(parsing.reporter, line)) checker.*member = *on;
    });
}

Field<CheckerDraft> own_text(std::string Checker::* member) {
    return own([=](Parsing&, Checker& checker, const Statement& line) {
        checker.*member = line.value().text;
    });
}

const Fields<CheckerDraft>& checker_fields() {
    using C = Checker;
    static const Fields<CheckerDraft> fields{
        {"connect_ip", own([](Parsing& parsing, C& checker, const Statement& line) {
             if (const auto address = read_address(parsing.reporter, line.value()))
                 checker.connect_to.address = *address;
         })},
        {"connect_port", own([](Parsing& parsing, C& checker, const Statement& line) {
             if (const auto port = read_number(parsing.reporter, line.value(), 1, 65535))
                 checker.connect_to.port = static_cast<std::uint16_t>(*port);
         })},
        {"bindto", own([](Parsing& parsing, C& checker, const Statement& line) {
             if (const auto address = read_address(parsing.reporter, line.value()))
                 checker.bind_to = *address;
         })},
        {"bind_port", own_number(&C::bind_port, 1, 65535)},
        {"bind_if", own([](Parsing& parsing, C& checker, const Statement& line) {
             checker.bind_interface = line.value().text;
             parsing.interfaces.push_back(line.value());
         })},
        {"fwmark", own_number(&C::fwmark, 0, kMaxRetry)},
        {"url", own([](Parsing& parsing, C& checker, const Statement& line) {
             parse_url(parsing, line, checker);
         })},
        {"http_protocol", own([](Parsing& parsing, C& checker, const Statement& line) {
             read_http_protocol(parsing, line.value(), checker);
         })},
        {"nb_get_retry", read_retry_as_before},
        {"fast_recovery", own_flag(&C::fast_recovery)},
        {"enable_sni", own_flag(&C::enable_sni)},
        {"sni_name", own_text(&C::sni_name)},
        {"tls_compliant", own_flag(&C::tls_compliant)},
        {"helo_name", own_text(&C::helo_name)},
        {"type", own([](Parsing& parsing, C& checker, const Statement& line) {
             read_dns_type(parsing, checker, line.value());
         })},
        {"misc_timeout", own([](Parsing& parsing, C& checker, const Statement& line) {
             if (const auto time =
                     read_seconds(parsing.reporter, line.value(), kMinTimer, kMaxTimer))
                 checker.misc_timeout = *time;
         })},
        {"misc_dynamic", own_flag(&C::misc_dynamic)},
        {"payload", own([](Parsing& parsing, C& checker, const Statement& line) {
             checker.payload = read_payload(parsing, line.value());
         })},
        {"require_reply", own(read_reply)},
        {"min_reply_length", own_number(&C::min_reply_length, 0, 65535)},
        {"max_reply_length", own_number(&C::max_reply_length, 0, 65535)},
        {"track_file", own_text(&C::track_file)},
        {"weight", own(read_file_weight)},
    };
    return fields;
}

const std::unordered_map<std::string_view, Checker::Kind>& checker_kinds() {
    using enum Checker::Kind;
    static const std::unordered_map<std::string_view, Checker::Kind> kinds{{"TCP_CHECK", Tcp},
                                                                           {"HTTP_GET", Http},
                                                                           {"SSL_GET", Ssl},
                                                                           {"SMTP_CHECK", Smtp},
                                                                           {"DNS_CHECK", Dns},
                                                                           {"MISC_CHECK", Misc},
                                                                           {"UDP_CHECK", Udp},
                                                                           {"PING_CHECK", Ping},
                                                                           {"BFD_CHECK", Bfd},
                                                                           {"FILE_CHECK", File}};
    return kinds;
}

/// The lines of a checker; `path`: a misc_path stood there, `user`: who runs it.
void read_checker(Parsing& parsing,
                  const Statement& block,
                  CheckerDraft& draft,
                  bool& path,
                  const Statement*& user) {
    Checker& checker = draft.checker;
    for (const auto& line : block.body) {
        const std::string_view name = line.head().text;
        if (name == "host") {  // SMTP_CHECK's, from before it could say connect_ip itself
            read_checker(parsing, line, draft, path, user);
        } else if (name == "misc_path") {
            path = true;
            if (auto script = read_script(parsing.reporter, line))
                checker.misc_path = std::move(*script);
        } else if (name == "user") {
            user = &line;
        } else if (name == "name") {
            (checker.kind == Checker::Kind::Bfd ? checker.bfd_instance : checker.dns_name) =
                line.value().text;
        } else if (!draft.settings.read(parsing, line)) {
            read_field(checker_fields(), parsing, draft, line);
        }
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
    else if (name == "log_all_failures")
        log_all_failures = read_flag(reporter, statement);
    else if (name == "alpha")
        alpha = read_flag(reporter, statement);
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
    fill(result.alpha, outer.alpha);
    fill(result.log_all_failures, outer.log_all_failures);
    return result;
}

std::optional<CheckerDraft> parse_checker(Parsing& parsing, const Statement& statement) {
    using enum Checker::Kind;
    Reporter& reporter = parsing.reporter;
    const auto kind = checker_kinds().find(statement.head().text);
    if (kind == checker_kinds().end()) return std::nullopt;
    CheckerDraft draft;
    Checker& checker = draft.checker;
    checker.at = reporter.at(statement.head());
    checker.kind = kind->second;
    bool path = false;
    const Statement* user = nullptr;
    read_checker(parsing, statement, draft, path, user);
    const auto without = [&](std::string_view what) {
        reporter.complaint(statement.head(),
                           fmt::format("{} without {}; ignored", statement.head().text, what));
        return std::nullopt;
    };
    if ((checker.kind == Http || checker.kind == Ssl) && checker.urls.empty())
        return without("a url");
    if (checker.kind == File && checker.track_file.empty()) return without("a track_file");
    if (checker.kind == Bfd && checker.bfd_instance.empty()) return without("a name");
    if (checker.kind == Misc && checker.misc_path.argv.empty()) {
        if (!path) return without("misc_path");
        return std::nullopt;
    }
    if (user != nullptr) {
        checker.misc_path.user = user->value().text;
        if (user->values() > 1) checker.misc_path.group = user->value(1).text;
    }
    return draft;
}

}  // namespace vipd::config
