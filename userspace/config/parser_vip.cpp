// SPDX-License-Identifier: Apache-2.0
// The lines of virtual_ipaddress and virtual_ipaddress_excluded.
#include "userspace/config/parser.hpp"

#include <fmt/format.h>

#include <array>

namespace vipd::config {

namespace {

constexpr std::size_t kMaxLabel = 15;  // IFNAMSIZ - 1

struct Scope {
    std::string_view name;
    std::uint8_t value;
};
constexpr std::array kScopes{Scope{"global", 0},
                             Scope{"universe", 0},
                             Scope{"site", 200},
                             Scope{"link", 253},
                             Scope{"host", 254},
                             Scope{"nowhere", 255}};

std::optional<IpPrefix> read_prefix(Reporter& reporter, const Word& word) {
    if (const auto prefix = IpPrefix::parse(word.text)) return prefix;
    const std::size_t slash = word.text.find('/');
    const auto address = IpAddress::parse(std::string_view(word.text).substr(0, slash));
    if (!address) {
        reporter.error(word, fmt::format("{} is not an IP address; ignored", quoted(word.text)));
        return std::nullopt;
    }
    const std::uint8_t full = address->is_v4() ? 32 : 128;
    reporter.error(
        word,
        fmt::format(
            "{} is no prefix length; {} is used", quoted(word.text.substr(slash + 1)), full));
    return IpPrefix{*address, full};
}

void read_scope(Reporter& reporter, const Word& word, VipAddress& vip) {
    for (const auto& scope : kScopes)
        if (word.text == scope.name) {
            vip.scope = scope.value;
            return;
        }
    if (const auto number = read_number(reporter, word, 0, 255))
        vip.scope = static_cast<std::uint8_t>(*number);
}

void read_broadcast(Reporter& reporter, const Word& word, VipAddress& vip) {
    if (word.text == "+")
        vip.broadcast_auto = true;
    else if (word.text != "-")
        vip.broadcast = read_address(reporter, word);
}

}  // namespace

std::optional<VipAddress> parse_vip(Parsing& parsing, const Statement& line) {
    Reporter& reporter = parsing.reporter;
    const auto prefix = read_prefix(reporter, line.head());
    if (!prefix) return std::nullopt;
    VipAddress vip;
    vip.prefix = *prefix;
    vip.at = reporter.at(line.head());
    for (std::size_t at = 1; at < line.words.size(); ++at) {
        const Word& option = line.words[at];
        const std::string_view name = option.text;
        const bool known = name == "dev" || name == "label" || name == "scope" || name == "brd" ||
                           name == "broadcast";
        const bool takes_value =
            known || name == "peer" || name == "preferred_lft" || name == "track_group";
        const bool undone = name == "use_vmac" || name == "peer" || name == "home" ||
                            name == "-nodad" || name == "nodad" || name == "mngtmpaddr" ||
                            name == "noprefixroute" || name == "autojoin" || name == "no_track" ||
                            name == "preferred_lft" || name == "track_group";
        if (!known && !undone) {
            reporter.error(option,
                           fmt::format("unknown option {} of an address; ignored", quoted(name)));
            continue;
        }
        if (takes_value && at + 1 >= line.words.size()) {
            reporter.error(option, fmt::format("{} needs a value; ignored", quoted(name)));
            break;
        }
        if (undone) {
            reporter.warning(
                option, fmt::format("option {} is not done by vipd yet; ignored", quoted(name)));
            if (takes_value) ++at;
            continue;
        }
        const Word& value = line.words[++at];
        if (name == "dev") {
            vip.device = value.text;
            parsing.interfaces.push_back(value);
        } else if (name == "scope") {
            read_scope(reporter, value, vip);
        } else if (name == "label") {
            if (value.text.size() > kMaxLabel) {
                reporter.error(value,
                               fmt::format("label {} is longer than 15 characters; the address is "
                                           "ignored",
                                           quoted(value.text)));
                return std::nullopt;
            }
            vip.label = value.text;
        } else {
            read_broadcast(reporter, value, vip);
        }
    }
    return vip;
}

}  // namespace vipd::config
