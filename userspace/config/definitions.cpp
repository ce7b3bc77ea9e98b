// SPDX-License-Identifier: Apache-2.0
#include "userspace/config/definitions.hpp"

#include <fmt/format.h>

#include <charconv>

namespace vipd::config {

namespace {

constexpr int kMaxDepth = 16;
constexpr std::size_t kMaxExpanded = 65536;  // of a loop's head or an include's pattern
constexpr std::size_t kMaxTurns = 65536;

bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

std::size_t name_length(std::string_view text) {
    if (text.empty() || !is_name_start(text[0])) return 0;
    std::size_t length = 1;
    while (length < text.size() &&
           (is_name_start(text[length]) || (text[length] >= '0' && text[length] <= '9')))
        ++length;
    return length;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

/// The parts between commas that stand in no braces.
std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> parts;
    std::size_t depth = 0;
    std::size_t begin = 0;
    for (std::size_t at = 0; at <= text.size(); ++at) {
        if (at < text.size() && text[at] == '{') ++depth;
        if (at < text.size() && text[at] == '}' && depth > 0) --depth;
        if (at < text.size() && (text[at] != ',' || depth > 0)) continue;
        parts.emplace_back(trimmed(text.substr(begin, at - begin)));
        begin = at + 1;
    }
    return parts;
}

/// "{a,b}" as a and b, anything else as itself.
std::vector<std::string> members(const std::string& part) {
    if (!part.starts_with('{') || !part.ends_with('}')) return {part};
    return split(std::string_view(part).substr(1, part.size() - 2));
}

std::optional<std::int64_t> number(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    const bool hex = text.starts_with("0x") || text.starts_with("0X");
    if (hex) text.remove_prefix(2);
    std::int64_t number = 0;
    const auto [stop, problem] =
        std::from_chars(text.data(), text.data() + text.size(), number, hex ? 16 : 10);
    constexpr std::int64_t kLimit = std::int64_t{1} << 40;
    if (text.empty() || problem != std::errc() || stop != text.data() + text.size() ||
        number < -kLimit || number > kLimit)
        return std::nullopt;
    return negative ? -number : number;
}

Loop sequence(const std::vector<std::string>& parts, bool hex) {
    Loop loop;
    const auto bad = [&](std::string why) {
        loop.values.clear();
        loop.problem = std::move(why);
        return loop;
    };
    if (parts.size() < 2 || parts.size() > 4)
        return bad("~SEQ needs a variable and one to three numbers");
    std::vector<std::int64_t> numbers;
    for (std::size_t at = 1; at < parts.size(); ++at) {
        const auto one = number(parts[at]);
        if (!one) return bad(fmt::format("'{}' is not a number", parts[at]));
        numbers.push_back(*one);
    }
    const std::int64_t start = numbers.size() > 1 ? numbers.front() : 1;
    const std::int64_t end = numbers.back();
    const std::int64_t step = numbers.size() > 2 ? numbers[1] : start <= end ? 1 : -1;
    if (step == 0 || (step > 0 && start > end) || (step < 0 && start < end))
        return bad(fmt::format("steps of {} do not lead from {} to {}", step, start, end));
    loop.variables = {parts[0]};
    for (std::int64_t at = start; step > 0 ? at <= end : at >= end; at += step) {
        if (loop.values.size() >= kMaxTurns)
            return bad(fmt::format("more than {} turns", kMaxTurns));
        loop.values.push_back({hex ? fmt::format("{:x}", at) : std::to_string(at)});
    }
    return loop;
}

Loop list(const std::vector<std::string>& parts) {
    Loop loop;
    loop.variables = members(parts[0]);
    for (std::size_t at = 1; at < parts.size(); ++at) {
        auto values = loop.variables.size() == 1 && !parts[0].starts_with('{')
                          ? std::vector<std::string>{parts[at]}
                          : members(parts[at]);
        if (values.size() != loop.variables.size()) {
            loop.problem = fmt::format("'{}' has not {} values", parts[at], loop.variables.size());
            loop.values.clear();
            return loop;
        }
        loop.values.push_back(std::move(values));
    }
    if (loop.values.empty()) loop.problem = "~LST needs a variable and values";
    return loop;
}

}  // namespace

std::size_t Definitions::defines(std::string_view line) {
    if (!line.starts_with('$')) return 0;
    const std::size_t length = name_length(line.substr(1));
    return length > 0 && line.substr(1 + length).starts_with('=') ? length : 0;
}

void Definitions::set(std::string_view name, std::string value) {
    // A reference at the very end must not meet what follows where the value is put.
    const std::size_t dollar = value.rfind('$');
    if (dollar != std::string::npos) {
        const std::size_t length = name_length(std::string_view(value).substr(dollar + 1));
        if (length > 0 && dollar + 1 + length == value.size())
            value = value.substr(0, dollar) + "${" + value.substr(dollar + 1) + "}";
    }
    values_.insert_or_assign(std::string(name), std::move(value));
}

void Definitions::erase(std::string_view name) {
    if (const auto found = values_.find(name); found != values_.end()) values_.erase(found);
}

std::optional<std::string> Definitions::value(std::string_view name) const {
    const auto found = values_.find(name);
    return found != values_.end() ? std::optional(found->second) : std::nullopt;
}

std::optional<Definitions::Reference> Definitions::reference(std::string_view text) const {
    if (!text.starts_with('$')) return std::nullopt;
    const std::string_view rest = text.substr(1);
    const bool braced = rest.starts_with('{');
    const std::size_t length = name_length(rest.substr(braced ? 1 : 0));
    if (length == 0) return std::nullopt;
    const std::string_view name = rest.substr(braced ? 1 : 0, length);
    std::size_t whole = length + 1;
    std::string_view words = name;
    if (braced) {
        const std::size_t end = rest.substr(0, 256).find('}');
        if (end == std::string_view::npos) return std::nullopt;
        words = rest.substr(1, end - 1);
        // Only predefined names take words of their own: ${_ENV NAME}.
        if (words != name && (!name.starts_with('_') || words[length] != ' ')) return std::nullopt;
        whole = end + 2;
    } else {
        constexpr std::string_view kAfter = " \t,)\r\n";
        if (rest.size() > length && kAfter.find(rest[length]) == std::string_view::npos)
            return std::nullopt;
    }
    if (words == name) {
        if (const auto found = values_.find(name); found != values_.end())
            return Reference{whole, found->second};
    }
    if (braced && name.starts_with('_') && predefined_)
        if (auto value = predefined_(words)) return Reference{whole, std::move(*value)};
    return std::nullopt;
}

bool Definitions::refers(std::string_view line) const {
    for (std::size_t at = line.find('$'); at != std::string_view::npos;
         at = line.find('$', at + 1)) {
        const std::string_view rest = line.substr(at + 1);
        const bool braced = rest.starts_with('{');
        const std::size_t length = name_length(rest.substr(braced ? 1 : 0));
        if (length == 0) continue;
        const std::string_view name = rest.substr(braced ? 1 : 0, length);
        // A predefined name is asked for once only, when it is replaced.
        if (values_.contains(name) || (braced && name.starts_with("_"))) return true;
    }
    return false;
}

std::string Definitions::expanded(std::string text) const {
    for (int depth = 0; depth < kMaxDepth && refers(text); ++depth) {
        std::string out;
        for (std::size_t at = 0; at < text.size();) {
            if (const auto found = reference(std::string_view(text).substr(at))) {
                out += found->value;
                at += found->length;
            } else {
                out += text[at++];
            }
            if (out.size() > kMaxExpanded) return text;
        }
        if (out == text) break;
        text = std::move(out);
    }
    return text;
}

std::size_t loop_head(std::string_view line) {
    std::size_t at = line.starts_with("~SEQx(")  ? 5
                     : line.starts_with("~SEQ(") ? 4
                     : line.starts_with("~LST(") ? 4
                                                 : 0;
    if (at == 0) return 0;
    for (std::size_t depth = 0; at < line.size(); ++at) {
        if (line[at] == '(') ++depth;
        if (line[at] == ')' && --depth == 0) return at + 1;
    }
    return std::string_view::npos;
}

Loop parse_loop(std::string_view head) {
    const std::size_t open = head.find('(');
    const auto parts = split(head.substr(open + 1, head.size() - open - 2));
    Loop loop = head.starts_with("~LST") ? list(parts) : sequence(parts, head[4] == 'x');
    for (const auto& variable : loop.variables)
        if (loop.problem.empty() && name_length(variable) != variable.size())
            loop.problem = fmt::format("'{}' is no name of a variable", variable);
    return loop;
}

}  // namespace vipd::config
