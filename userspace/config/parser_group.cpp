// SPDX-License-Identifier: Apache-2.0
// virtual_server_group: many addresses or marks that are one service.
#include "userspace/config/fields.hpp"

#include <fmt/format.h>

namespace vipd::config {

namespace {

constexpr std::int64_t kMaxMark = 4294967295;
// A range beyond this is a mistake; every address becomes a service of the data plane.
constexpr std::uint32_t kMaxRange = 65536;

std::optional<AddressRange> bad_range(Parsing& parsing, const Word& word, std::string_view why) {
    parsing.reporter.error(word, fmt::format("{} {}; ignored", quoted(word.text), why));
    return std::nullopt;
}

/// How many addresses lie from `first` to `last`; 0: they are not in order, or too many.
std::uint32_t distance(const IpAddress& first, const IpAddress& last) {
    if (first.family() != last.family() || last < first) return 0;
    std::uint64_t count = 0;
    const auto low = first.bytes();
    const auto high = last.bytes();
    for (std::size_t at = 0; at < low.size(); ++at) {
        count = count * 256 + high[at] - low[at];
        if (count > kMaxRange && count < (std::uint64_t{1} << 62U)) return 0;
    }
    return count < kMaxRange ? static_cast<std::uint32_t>(count) + 1 : 0;
}

/// "A-B", where B is an address or, as in 10.0.0.1-10, its last part.
std::optional<AddressRange> dashed_range(Parsing& parsing, const Word& word, std::size_t dash) {
    const std::string_view text = word.text;
    const auto first = IpAddress::parse(text.substr(0, dash));
    if (!first) return bad_range(parsing, word, "does not begin with an IP address");
    const std::string_view end = text.substr(dash + 1);
    auto last = IpAddress::parse(end);
    if (!last || (first->is_v6() && end.find(':') == std::string_view::npos)) {
        const std::size_t part = text.substr(0, dash).rfind(first->is_v4() ? '.' : ':');
        last = IpAddress::parse(std::string(text.substr(0, part + 1)) + std::string(end));
    }
    if (!last) return bad_range(parsing, word, "does not end in an IP address");
    const std::uint32_t count = distance(*first, *last);
    if (count == 0) return bad_range(parsing, word, "is no range of at most 65536 addresses");
    return AddressRange{*first, count, 0, parsing.reporter.at(word)};
}

}  // namespace

std::optional<AddressRange> read_range(Parsing& parsing, const Word& word) {
    if (const std::size_t dash = word.text.find('-'); dash != std::string::npos)
        return dashed_range(parsing, word, dash);
    const auto prefix = IpPrefix::parse(word.text);
    if (!prefix) return bad_range(parsing, word, "is not an IP address or range");
    const unsigned host_bits = (prefix->address.is_v4() ? 32U : 128U) - prefix->length;
    if (host_bits > 16) return bad_range(parsing, word, "is no range of at most 65536 addresses");
    return AddressRange{prefix->address, 1U << host_bits, 0, parsing.reporter.at(word)};
}

namespace {

void read_mark(Parsing& parsing, const Statement& line, VirtualServerGroup& group) {
    Reporter& reporter = parsing.reporter;
    if (line.values() == 0) {
        reporter.error(line.head(), "'fwmark' needs a value; ignored");
        return;
    }
    const auto value = read_number(reporter, line.value(), 1, kMaxMark);
    if (!value) return;
    VirtualServerGroup::Mark mark;
    mark.value = static_cast<std::uint32_t>(*value);
    mark.at = reporter.at(line.value());
    if (line.values() > 1) {
        const std::string_view family = line.value(1).text;
        if (family == "inet" || family == "inet6")
            mark.family = family == "inet" ? Family::V4 : Family::V6;
        else
            reporter.error(line.value(1),
                           fmt::format("unknown family {}; ignored", quoted(family)),
                           "inet and inet6 are known");
    }
    group.marks.push_back(std::move(mark));
}

}  // namespace

void parse_virtual_server_group(Parsing& parsing, const Statement& statement) {
    if (already_defined(parsing, statement)) return;
    VirtualServerGroup group;
    group.name = statement.value().text;
    group.at = parsing.reporter.at(statement.value());
    for (const auto& line : statement.body) {
        if (line.head().text == "fwmark") {
            read_mark(parsing, line, group);
            continue;
        }
        auto range = read_range(parsing, line.head());
        if (!range) continue;
        if (line.values() > 0) {
            const auto port = read_number(parsing.reporter, line.value(), 0, 65535);
            if (!port) continue;
            range->port = static_cast<std::uint16_t>(*port);
        }
        group.ranges.push_back(std::move(*range));
    }
    if (group.ranges.empty() && group.marks.empty())
        parsing.reporter.complaint(
            statement.value(),
            fmt::format("virtual_server_group {} is empty; ignored", quoted(group.name)));
    else
        parsing.config.virtual_server_groups.push_back(std::move(group));
}

}  // namespace vipd::config
