// SPDX-License-Identifier: Apache-2.0
#include "userspace/config/routing_words.hpp"

#include <fmt/format.h>

#include <array>

namespace vipd::config {

std::span<const NamedNumber> scope_names() {
    static constexpr std::array kNames{NamedNumber{"global", 0},
                                       NamedNumber{"universe", 0},
                                       NamedNumber{"site", 200},
                                       NamedNumber{"link", 253},
                                       NamedNumber{"host", 254},
                                       NamedNumber{"nowhere", 255}};
    return kNames;
}

std::span<const NamedNumber> table_names() {
    static constexpr std::array kNames{
        NamedNumber{"default", 253}, NamedNumber{"main", 254}, NamedNumber{"local", 255}};
    return kNames;
}

std::span<const NamedNumber> protocol_names() {
    static constexpr std::array kNames{
        NamedNumber{"unspec", 0}, NamedNumber{"redirect", 1},  NamedNumber{"kernel", 2},
        NamedNumber{"boot", 3},   NamedNumber{"static", 4},    NamedNumber{"gated", 8},
        NamedNumber{"ra", 9},     NamedNumber{"mrt", 10},      NamedNumber{"zebra", 11},
        NamedNumber{"bird", 12},  NamedNumber{"dnrouted", 13}, NamedNumber{"xorp", 14},
        NamedNumber{"ntk", 15},   NamedNumber{"dhcp", 16},     NamedNumber{"keepalived", 18},
        NamedNumber{"babel", 42}, NamedNumber{"bgp", 186},     NamedNumber{"isis", 187},
        NamedNumber{"ospf", 188}, NamedNumber{"rip", 189},     NamedNumber{"eigrp", 192}};
    return kNames;
}

std::span<const NamedNumber> dsfield_names() {
    static constexpr std::array kNames{
        NamedNumber{"default", 0x00}, NamedNumber{"AF11", 0x28}, NamedNumber{"AF12", 0x30},
        NamedNumber{"AF13", 0x38},    NamedNumber{"AF21", 0x48}, NamedNumber{"AF22", 0x50},
        NamedNumber{"AF23", 0x58},    NamedNumber{"AF31", 0x68}, NamedNumber{"AF32", 0x70},
        NamedNumber{"AF33", 0x78},    NamedNumber{"AF41", 0x88}, NamedNumber{"AF42", 0x90},
        NamedNumber{"AF43", 0x98},    NamedNumber{"CS1", 0x20},  NamedNumber{"CS2", 0x40},
        NamedNumber{"CS3", 0x60},     NamedNumber{"CS4", 0x80},  NamedNumber{"CS5", 0xa0},
        NamedNumber{"CS6", 0xc0},     NamedNumber{"CS7", 0xe0},  NamedNumber{"EF", 0xb8}};
    return kNames;
}

std::optional<std::uint32_t> read_named(Reporter& reporter,
                                        const Word& word,
                                        std::span<const NamedNumber> names,
                                        std::uint32_t limit,
                                        std::string_view what) {
    for (const auto& one : names)
        if (word.text == one.name) return one.value;
    if (const auto number = parse_unsigned(word.text); number && *number <= limit)
        return static_cast<std::uint32_t>(*number);
    std::string hint = fmt::format("a number up to {} is expected", limit);
    if (!names.empty()) hint += fmt::format(", or a name such as {}", names.back().name);
    reporter.error(
        word, fmt::format("{} is no {}; ignored", quoted(word.text), what), std::move(hint));
    return std::nullopt;
}

std::optional<std::uint32_t> read_realms(Reporter& reporter, const Word& word) {
    const std::size_t slash = word.text.find('/');
    const auto to = parse_unsigned(
        std::string_view(word.text).substr(slash == std::string::npos ? 0 : slash + 1));
    const auto from = slash == std::string::npos
                          ? std::optional<std::uint64_t>(0)
                          : parse_unsigned(std::string_view(word.text).substr(0, slash));
    if (!from || !to || *from > 65535 || *to > 65535) {
        reporter.error(word,
                       fmt::format("{} is no realm; ignored", quoted(word.text)),
                       "REALM or FROM/TO is expected, numbers up to 65535");
        return std::nullopt;
    }
    return static_cast<std::uint32_t>(*from << 16U | *to);
}

std::optional<IpPrefix> read_network(Reporter& reporter, const Word& word, Family family) {
    if (word.text == "default" || word.text == "any" || word.text == "all") {
        const bool v6 = family == Family::V6;
        return IpPrefix{*IpAddress::parse(v6 ? "::" : "0.0.0.0"), 0};
    }
    if (word.text == "default6") return IpPrefix{*IpAddress::parse("::"), 0};
    auto prefix = IpPrefix::parse(word.text);
    if (!prefix)
        reporter.error(word, fmt::format("{} is not an IP address or network", quoted(word.text)));
    return prefix;
}

std::optional<std::pair<std::uint32_t, std::uint32_t>> read_range(Reporter& reporter,
                                                                  const Word& word,
                                                                  std::uint32_t limit) {
    const std::size_t dash = word.text.find('-');
    const std::string_view text = word.text;
    const auto low = parse_unsigned(text.substr(0, dash));
    const auto high = dash == std::string::npos ? low : parse_unsigned(text.substr(dash + 1));
    if (!low || !high || *low > *high || *high > limit) {
        reporter.error(word,
                       fmt::format("{} is no range; ignored", quoted(word.text)),
                       fmt::format("LOW-HIGH is expected, numbers up to {}", limit));
        return std::nullopt;
    }
    return std::pair(static_cast<std::uint32_t>(*low), static_cast<std::uint32_t>(*high));
}

const Word* Words::value() {
    if (!end()) return &take();
    const Word& option = words_[at_ - 1];
    reporter_.error(option, fmt::format("{} needs a value; ignored", quoted(option.text)));
    return nullptr;
}

bool Words::accept(std::string_view text) {
    if (end() || peek().text != text) return false;
    ++at_;
    return true;
}

}  // namespace vipd::config
