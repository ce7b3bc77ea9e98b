// SPDX-License-Identifier: Apache-2.0
// The lines of virtual_rules and static_rules, in iproute2's words.
#include "userspace/config/routing_words.hpp"

#include <fmt/format.h>

#include <array>
#include <linux/fib_rules.h>

namespace vipd::config {

namespace {

constexpr std::uint32_t kAny32 = 4294967295;
constexpr std::size_t kMaxRules = 100'000;

class RuleLine {
  public:
    RuleLine(Parsing& parsing, const Statement& line)
        : parsing_(parsing), reporter_(parsing.reporter), words_(parsing.reporter, line) {}

    std::optional<Rule> read() {
        const Word& first = words_.peek();
        rule_.at = reporter_.at(first);
        while (!words_.end()) {
            const Word& word = words_.take();
            if (!selector(word) && !action(word) && !other(word)) {
                reporter_.error(
                    word, fmt::format("unknown word {}; the rule is ignored", quoted(word.text)));
                return std::nullopt;
            }
            if (failed_) return std::nullopt;
        }
        return settle(first);
    }

  private:
    std::optional<std::uint32_t> number(std::span<const NamedNumber> names,
                                        std::uint32_t limit,
                                        std::string_view what) {
        const Word* word = words_.value();
        return word != nullptr ? read_named(reporter_, *word, names, limit, what) : std::nullopt;
    }

    template <class T>
    void set(std::optional<T>& to, std::optional<std::uint32_t> number) {
        if (number) to = static_cast<T>(*number);
    }

    void network(std::optional<IpPrefix>& to) {
        const Word* word = words_.value();
        if (word == nullptr) return;
        to = read_network(reporter_, *word, rule_.family);
        if (!to) {
            failed_ = true;
            return;
        }
        if (to->length == 0 && word->text.find('/') == std::string::npos) {
            if (word->text == "default6" && !family_known_) {
                rule_.family = Family::V6;
                family_known_ = true;
            }
            to.reset();
            return;
        }
        if (!family_known_) rule_.family = to->address.family();
        family_known_ = true;
        if (to->address.family() != rule_.family) {
            reporter_.error(*word, "the addresses of this rule are not of one family; ignored");
            failed_ = true;
        }
    }

    void interface(std::string& to) {
        if (const Word* word = words_.value()) {
            to = word->text;
            parsing_.interfaces.push_back(*word);
        }
    }

    void ports(std::optional<std::pair<std::uint16_t, std::uint16_t>>& to) {
        const Word* word = words_.value();
        if (word == nullptr) return;
        if (const auto range = read_range(reporter_, *word, 65535))
            to = std::pair(static_cast<std::uint16_t>(range->first),
                           static_cast<std::uint16_t>(range->second));
    }

    void mark() {
        const Word* word = words_.value();
        if (word == nullptr) return;
        const std::size_t slash = word->text.find('/');
        const std::string_view text = word->text;
        const auto value = parse_unsigned(text.substr(0, slash));
        const auto mask =
            slash == std::string::npos ? value : parse_unsigned(text.substr(slash + 1));
        if (!value || !mask || *value > kAny32 || *mask > kAny32) {
            reporter_.error(*word,
                            fmt::format("{} is no mark; ignored", quoted(word->text)),
                            "MARK or MARK/MASK is expected");
            return;
        }
        rule_.fwmark = static_cast<std::uint32_t>(*value);
        if (slash != std::string::npos) rule_.fwmask = static_cast<std::uint32_t>(*mask);
    }

    bool selector(const Word& word) {
        const std::string_view name = word.text;
        if (name == "not") {
            rule_.negated = true;
        } else if (name == "from") {
            network(rule_.from);
        } else if (name == "to") {
            network(rule_.to);
        } else if (name == "iif" || name == "dev") {
            interface(rule_.in_interface);
        } else if (name == "oif") {
            interface(rule_.out_interface);
        } else if (name == "fwmark") {
            mark();
        } else if (name == "tos" || name == "dsfield") {
            set(rule_.tos, number(dsfield_names(), 255, "traffic class"));
        } else if (name == "tun-id" || name == "tun_id") {
            if (const Word* value = words_.value()) {
                rule_.tunnel_id = parse_unsigned(value->text);
                if (!rule_.tunnel_id)
                    reporter_.error(
                        *value, fmt::format("{} is no tunnel id; ignored", quoted(value->text)));
            }
        } else if (name == "uidrange") {
            if (const Word* value = words_.value())
                rule_.uid_range = read_range(reporter_, *value, kAny32);
        } else if (name == "ipproto") {
            static constexpr std::array kProtocols{NamedNumber{"icmp", 1},
                                                   NamedNumber{"udp", 17},
                                                   NamedNumber{"sctp", 132},
                                                   NamedNumber{"tcp", 6}};
            set(rule_.ip_protocol, number(kProtocols, 255, "protocol"));
        } else if (name == "sport") {
            ports(rule_.source_ports);
        } else if (name == "dport") {
            ports(rule_.destination_ports);
        } else if (name == "l3mdev") {
            rule_.l3mdev = true;
        } else {
            return false;
        }
        return true;
    }

    bool action(const Word& word) {
        const std::string_view name = word.text;
        if (name == "table" || name == "lookup") {
            set(rule_.table, number(table_names(), kAny32, "routing table"));
            act(FR_ACT_TO_TBL, word);
        } else if (name == "goto") {
            set(rule_.target, number({}, kAny32, "preference"));
            act(FR_ACT_GOTO, word);
        } else if (name == "nop") {
            act(FR_ACT_NOP, word);
        } else if (name == "blackhole") {
            act(FR_ACT_BLACKHOLE, word);
        } else if (name == "unreachable") {
            act(FR_ACT_UNREACHABLE, word);
        } else if (name == "prohibit") {
            act(FR_ACT_PROHIBIT, word);
        } else {
            return false;
        }
        return true;
    }

    void act(std::uint8_t action, const Word& word) {
        if (has_action_)
            reporter_.error(word, "this rule has an action already; the last one counts");
        has_action_ = true;
        rule_.action = action;
    }

    bool other(const Word& word) {
        const std::string_view name = word.text;
        if (name == "inet" || name == "inet6") {
            rule_.family = name == "inet" ? Family::V4 : Family::V6;
            family_known_ = true;
        } else if (name == "priority" || name == "preference" || name == "order" ||
                   name == "pref") {
            set(rule_.priority, number({}, kAny32, "preference"));
        } else if (name == "realms" || name == "realm") {
            if (const Word* value = words_.value()) rule_.realms = read_realms(reporter_, *value);
        } else if (name == "sup_group" || name == "suppress_ifgroup") {
            set(rule_.suppress_group, number({}, 2147483647, "interface group"));
        } else if (name == "sup_pl" || name == "suppress_prefixlength") {
            set(rule_.suppress_prefix_length, number({}, 128, "prefix length"));
        } else if (name == "protocol") {
            set(rule_.protocol, number(protocol_names(), 255, "routing protocol"));
        } else if (name == "no_track") {
            rule_.no_track = true;
        } else if (name == "track_group") {
            if (const Word* value = words_.value()) rule_.track_group = value->text;
        } else {
            return false;
        }
        return true;
    }

    std::optional<Rule> settle(const Word& first) {
        if (!has_action_ && rule_.l3mdev) has_action_ = true;
        if (!has_action_ && !rule_.realms) {
            reporter_.error(first, "this rule has no table and no other action; ignored");
            return std::nullopt;
        }
        if (!rule_.priority)
            reporter_.complaint(first,
                                "this rule has no preference; keepalived chooses one from 16384 on",
                                "write 'preference NUMBER'");
        return std::move(rule_);
    }

    Parsing& parsing_;
    Reporter& reporter_;
    Words words_;
    Rule rule_;
    bool family_known_ = false;
    bool has_action_ = false;
    bool failed_ = false;
};

}  // namespace

void parse_rules(Parsing& parsing, const Statement& block, std::vector<Rule>& to) {
    for (const auto& line : block.body) {
        if (to.size() >= kMaxRules) {
            parsing.reporter.error(line.head(),
                                   fmt::format("more than {} rules; ignored", kMaxRules));
            return;
        }
        if (auto rule = RuleLine(parsing, line).read()) to.push_back(std::move(*rule));
    }
}

}  // namespace vipd::config
