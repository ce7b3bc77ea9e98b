// SPDX-License-Identifier: Apache-2.0
#include "userspace/config/values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace vipd::config {

namespace {

std::string seconds_text(Nanos time) {
    std::string text = fmt::format("{:.9f}", std::chrono::duration<double>(time).count());
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    return text;
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// "12", "0.5", ".25", "3."; nothing else. Saturates at about 292 years.
std::optional<Nanos> parse_seconds(std::string_view text) {
    constexpr std::int64_t kLimit = 9'000'000'000;
    std::int64_t whole = 0;
    std::int64_t fraction = 0;
    std::int64_t unit = 1'000'000'000;
    bool digits = false;
    std::size_t at = 0;
    for (; at < text.size() && is_digit(text[at]); ++at, digits = true)
        whole = std::min(kLimit, whole * 10 + (text[at] - '0'));
    if (at < text.size() && text[at] == '.') {
        for (++at; at < text.size() && is_digit(text[at]); ++at, digits = true) {
            unit /= 10;
            fraction += unit * (text[at] - '0');
        }
    }
    if (!digits || at != text.size()) return std::nullopt;
    return Nanos(whole * 1'000'000'000 + fraction);
}

}  // namespace

std::optional<std::uint64_t> parse_unsigned(std::string_view text) {
    const bool hex = text.starts_with("0x") || text.starts_with("0X");
    if (hex) text.remove_prefix(2);
    const char* const end = text.data() + text.size();
    std::uint64_t number = 0;
    const auto [stop, problem] = std::from_chars(text.data(), end, number, hex ? 16 : 10);
    if (problem != std::errc() || stop != end) return std::nullopt;
    return number;
}

std::optional<std::vector<std::uint8_t>> parse_hex(std::string_view text) {
    if (text.empty() || text.size() % 2 != 0) return std::nullopt;
    std::vector<std::uint8_t> bytes;
    for (std::size_t at = 0; at < text.size(); at += 2) {
        std::uint8_t byte = 0;
        const auto [stop, problem] =
            std::from_chars(text.data() + at, text.data() + at + 2, byte, 16);
        if (problem != std::errc() || stop != text.data() + at + 2) return std::nullopt;
        bytes.push_back(byte);
    }
    return bytes;
}

std::optional<std::int64_t> read_number(Reporter& reporter,
                                        const Word& word,
                                        std::int64_t low,
                                        std::int64_t high) {
    const char* const begin = word.text.data();
    const char* const end = begin + word.text.size();
    const bool plus = word.text.starts_with('+');
    std::int64_t number = 0;
    const auto [stop, problem] = std::from_chars(begin + (plus ? 1 : 0), end, number);
    if (problem == std::errc::invalid_argument || stop != end) {
        reporter.error(word,
                       fmt::format("{} is not a whole number; ignored", quoted(word.text)),
                       fmt::format("a number from {} to {} is expected", low, high));
        return std::nullopt;
    }
    if (problem != std::errc() || number < low || number > high) {
        reporter.error(
            word,
            fmt::format("number {} is outside {} to {}; ignored", quoted(word.text), low, high));
        return std::nullopt;
    }
    return number;
}

std::optional<Nanos> read_seconds(Reporter& reporter, const Word& word, Nanos low, Nanos high) {
    const auto time = parse_seconds(word.text);
    if (!time) {
        reporter.error(word,
                       fmt::format("{} is not a time in seconds; ignored", quoted(word.text)));
        return std::nullopt;
    }
    if (*time < low || *time > high) {
        reporter.error(word,
                       fmt::format("{} seconds are outside {} to {}; ignored",
                                   word.text,
                                   seconds_text(low),
                                   seconds_text(high)));
        return std::nullopt;
    }
    return time;
}

std::optional<bool> read_flag(Reporter& reporter, const Statement& statement) {
    if (statement.values() == 0) return true;
    const std::string& text = statement.value().text;
    for (const std::string_view yes : {"on", "true", "yes"})
        if (text == yes) return true;
    for (const std::string_view no : {"off", "false", "no"})
        if (text == no) return false;
    reporter.error(statement.value(),
                   fmt::format("{} is neither on nor off; {} is ignored",
                               quoted(text),
                               quoted(statement.head().text)));
    return std::nullopt;
}

std::optional<IpAddress> read_address(Reporter& reporter, const Word& word) {
    auto address = IpAddress::parse(word.text);
    if (const auto prefix = IpPrefix::parse(word.text); !address && prefix) {
        reporter.warning(word,
                         fmt::format("an address without a prefix length is expected; {} is used",
                                     prefix->address.to_string()));
        address = prefix->address;
    }
    if (!address)
        reporter.error(word, fmt::format("{} is not an IP address; ignored", quoted(word.text)));
    return address;
}

std::optional<Endpoint> read_endpoint(Reporter& reporter, const Word& address, const Word* port) {
    const auto parsed = read_address(reporter, address);
    if (!parsed) return std::nullopt;
    Endpoint endpoint{*parsed, 0};
    if (port != nullptr) {
        const auto number = read_number(reporter, *port, 0, 65535);
        if (!number) return std::nullopt;
        endpoint.port = static_cast<std::uint16_t>(*number);
    }
    return endpoint;
}

std::vector<std::string> split_command(std::string_view command) {
    std::vector<std::string> argv;
    std::string word;
    bool in_word = false;
    char quote = '\0';
    for (std::size_t at = 0; at < command.size(); ++at) {
        const char c = command[at];
        // NOLINTNEXTLINE(bugprone-branch-clone): only within '...' is a backslash nothing special
        if (quote == '\'') {
            if (c == quote)
                quote = '\0';
            else
                word += c;
        } else if (c == '\\' && at + 1 < command.size()) {
            word += command[++at];
            in_word = true;
        } else if (quote == '"') {
            if (c == quote)
                quote = '\0';
            else
                word += c;
        } else if (c == '"' || c == '\'') {
            quote = c;
            in_word = true;
        } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            if (in_word) argv.push_back(std::exchange(word, {}));
            in_word = false;
        } else {
            word += c;
            in_word = true;
        }
    }
    if (in_word) argv.push_back(std::move(word));
    return argv;
}

std::optional<Script> read_script(Reporter& reporter, const Statement& statement) {
    Script script;
    script.at = reporter.at(statement.value());
    script.argv = split_command(statement.value().text);
    if (script.argv.empty() || script.argv.front().empty()) {
        reporter.error(statement.value(), "the command is empty; ignored");
        return std::nullopt;
    }
    if (script.argv.front().starts_with('<')) {
        reporter.warning(statement.value(),
                         "a command of the form '</path' is not done by vipd yet; ignored");
        return std::nullopt;
    }
    if (statement.values() > 1) {
        const std::string& user = statement.value(1).text;
        const std::size_t colon = user.find(':');
        script.user = user.substr(0, colon);
        if (colon != std::string::npos) script.group = user.substr(colon + 1);
    }
    if (statement.values() > 2) {
        const std::string& group = statement.value(2).text;
        script.group = group.starts_with(':') ? group.substr(1) : group;
    }
    return script;
}

void assign_flag(Reporter& reporter, Value<bool>& to, const Statement& statement) {
    assign(reporter, to, read_flag(reporter, statement), statement.head());
}

void assign_number(Reporter& reporter,
                   Value<std::uint32_t>& to,
                   const Statement& statement,
                   std::int64_t low,
                   std::int64_t high) {
    const Word& word = statement.value();
    assign(reporter, to, read_number(reporter, word, low, high), word);
}

void assign_number(Reporter& reporter,
                   Value<std::uint8_t>& to,
                   const Statement& statement,
                   std::int64_t low,
                   std::int64_t high) {
    const Word& word = statement.value();
    assign(reporter, to, read_number(reporter, word, low, high), word);
}

void assign_seconds(
    Reporter& reporter, Value<Nanos>& to, const Statement& statement, Nanos low, Nanos high) {
    const Word& word = statement.value();
    assign(reporter, to, read_seconds(reporter, word, low, high), word);
}

void assign_text(Reporter& reporter, Value<std::string>& to, const Statement& statement) {
    const Word& word = statement.value();
    to.value = word.text;
    to.at = reporter.at(word);
    to.set = true;
}

}  // namespace vipd::config
