// SPDX-License-Identifier: Apache-2.0
#include "userspace/config/writer_lines.hpp"

#include <algorithm>

namespace vipd::config {

namespace {

/// What no lexer mode, split_command() or beginning of a line (`@id`, `$NAME=`, `~SEQ`) minds.
bool is_plain(std::string_view text) {
    return !text.empty() && !text.starts_with("include") &&
           std::ranges::all_of(text, [](unsigned char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      c >= 0x80 ||
                      std::string_view("_-./:+,=%").find(static_cast<char>(c)) !=
                          std::string_view::npos;
           });
}

/// For the lexer's script words: in quotes only \" is special, so what is left at the end in
/// backslashes stands behind the quotes, where it is not.
std::string script_quoted(std::string_view text) {
    if (is_plain(text)) return std::string(text);
    std::size_t end = text.size();
    while (end > 0 && text[end - 1] == '\\') --end;
    std::string quoted = "\"";
    for (const char c : text.substr(0, end)) {
        if (c == '"') quoted += '\\';
        quoted += c;
    }
    return quoted + '"' + std::string(text.substr(end));
}

}  // namespace

std::string word(std::string_view text) {
    return is_plain(text) ? std::string(text) : fmt::format("\"{}\"", text);
}

std::string seconds_word(Nanos time) {
    constexpr std::int64_t kSecond = 1'000'000'000;
    std::string text = fmt::format("{}.{:09}", time.count() / kSecond, time.count() % kSecond);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    return text;
}

std::string command_word(const std::vector<std::string>& argv) {
    std::string command;
    for (const auto& argument : argv) {
        if (!command.empty()) command += ' ';
        if (is_plain(argument)) {
            command += argument;
            continue;
        }
        command += '\'';
        for (const char c : argument)
            if (c == '\'')
                command += "'\\''";
            else
                command += c;
        command += '\'';
    }
    return script_quoted(command);
}

std::string hex_word(const std::vector<std::uint8_t>& bytes) {
    std::string text;
    for (const auto byte : bytes) text += fmt::format("{:02x}", byte);
    return text;
}

void Lines::line(std::string_view text) {
    text_.append(depth_ * 4, ' ');
    text_ += text;
    text_ += '\n';
}

void Lines::flag(std::string_view name, const Value<bool>& value) {
    if (value.set) line(*value ? std::string(name) : fmt::format("{} off", name));
}

void Lines::text(std::string_view name, const Value<std::string>& value) {
    if (value.set) line(fmt::format("{} {}", name, word(*value)));
}

void Lines::seconds(std::string_view name, const Value<Nanos>& value) {
    if (value.set) line(fmt::format("{} {}", name, seconds_word(*value)));
}

void Lines::address(std::string_view name, const Value<IpAddress>& value) {
    if (value.set) line(fmt::format("{} {}", name, value->to_string()));
}

void Lines::script(std::string_view name, const std::optional<Script>& script) {
    if (!script) return;
    std::string text = fmt::format("{} {}", name, command_word(script->argv));
    if (!script->user.empty()) text += ' ' + script_quoted(script->user);
    if (!script->group.empty()) {
        // Behind a colon a group is one also where there is no user.
        text += ' ' + script_quoted((script->user.empty() ? ":" : "") + script->group);
    }
    line(text);
}

void Lines::list(std::string_view name, const std::vector<Value<std::string>>& values) {
    if (values.empty()) return;
    open(name);
    for (const auto& value : values) line(word(*value));
    close();
}

void Lines::weight(const Value<int>& weight, const Value<bool>& reverse) {
    if (weight.set) line(fmt::format("weight {}{}", *weight, *reverse ? " reverse" : ""));
}

void write_extra_garp(Lines& lines,
                      std::string_view name,
                      const Value<Nanos>& interval,
                      const Value<bool>& all) {
    if (interval.set)
        lines.line(fmt::format("{} {}{}", name, all.set ? "all " : "", seconds_word(*interval)));
}

}  // namespace vipd::config
