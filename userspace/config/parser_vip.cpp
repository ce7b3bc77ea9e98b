// SPDX-License-Identifier: Apache-2.0
// The lines of virtual_ipaddress, virtual_ipaddress_excluded and static_ipaddress.
#include "userspace/config/routing_words.hpp"

#include <fmt/format.h>

#include <array>

namespace vipd::config {

namespace {

constexpr std::size_t kMaxLabel = 15;  // IFNAMSIZ - 1
constexpr std::size_t kMaxStatic = 100'000;

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

void read_broadcast(Reporter& reporter, const Word& word, VipAddress& vip) {
    if (word.text == "+")
        vip.broadcast_auto = true;
    else if (word.text != "-")
        vip.broadcast = read_address(reporter, word);
}

class VipLine {
  public:
    VipLine(Parsing& parsing, const Statement& line)
        : parsing_(parsing), reporter_(parsing.reporter), words_(parsing.reporter, line) {}

    std::optional<VipAddress> read() {
        const Word& first = words_.take();
        const auto prefix = read_prefix(reporter_, first);
        if (!prefix) return std::nullopt;
        vip_.prefix = *prefix;
        vip_.at = reporter_.at(first);
        while (!words_.end() && !failed_) {
            const Word& word = words_.take();
            if (!option(word) && !switch_of(word))
                reporter_.error(
                    word,
                    fmt::format("unknown option {} of an address; ignored", quoted(word.text)));
        }
        if (failed_) return std::nullopt;
        return std::move(vip_);
    }

  private:
    void not_yet(const Word& word) {
        reporter_.warning(
            word, fmt::format("option {} is not done by vipd yet; ignored", quoted(word.text)));
    }

    /// An option with a value.
    bool option(const Word& word) {
        const std::string_view name = word.text;
        const bool known = name == "dev" || name == "scope" || name == "label" || name == "brd" ||
                           name == "broadcast" || name == "peer" || name == "preferred_lft" ||
                           name == "track_group";
        if (!known) return false;
        const Word* value = words_.value();
        if (value == nullptr) return true;
        if (name == "dev") {
            vip_.device = value->text;
            parsing_.interfaces.push_back(*value);
        } else if (name == "scope") {
            if (const auto scope = read_named(reporter_, *value, scope_names(), 255, "scope"))
                vip_.scope = static_cast<std::uint8_t>(*scope);
        } else if (name == "label") {
            label(*value);
        } else if (name == "peer") {
            not_yet(word);
            vip_.peer = read_prefix(reporter_, *value);
        } else if (name == "preferred_lft") {
            not_yet(word);
            static constexpr std::array kForever{NamedNumber{"forever", 4294967295}};
            vip_.preferred_lifetime =
                read_named(reporter_, *value, kForever, 4294967295, "number of seconds");
        } else if (name == "track_group") {
            vip_.track_group = value->text;
        } else {
            read_broadcast(reporter_, *value, vip_);
        }
        return true;
    }

    void label(const Word& value) {
        if (value.text.size() <= kMaxLabel) {
            vip_.label = value.text;
            return;
        }
        reporter_.error(value,
                        fmt::format("label {} is longer than 15 characters; the address is ignored",
                                    quoted(value.text)));
        failed_ = true;
    }

    bool switch_of(const Word& word) {
        const std::string_view name = word.text;
        bool* const to = name == "use_vmac"                    ? &vip_.use_vmac
                         : name == "home"                      ? &vip_.home
                         : name == "-nodad" || name == "nodad" ? &vip_.nodad
                         : name == "mngtmpaddr"                ? &vip_.mngtmpaddr
                         : name == "noprefixroute"             ? &vip_.noprefixroute
                         : name == "autojoin"                  ? &vip_.autojoin
                         : name == "no_track"                  ? &vip_.no_track
                                                               : nullptr;
        if (to == nullptr) return false;
        // No address of ours waits for duplicate address detection.
        if (to != &vip_.no_track && to != &vip_.nodad && to != &vip_.use_vmac) not_yet(word);
        *to = true;
        return true;
    }

    Parsing& parsing_;
    Reporter& reporter_;
    Words words_;
    VipAddress vip_;
    bool failed_ = false;
};

}  // namespace

std::optional<VipAddress> parse_vip(Parsing& parsing, const Statement& line) {
    return VipLine(parsing, line).read();
}

void parse_static_addresses(Parsing& parsing, const Statement& statement) {
    for (const auto& line : statement.body) {
        if (parsing.config.static_addresses.size() >= kMaxStatic) {
            parsing.reporter.error(line.head(),
                                   fmt::format("more than {} addresses; ignored", kMaxStatic));
            return;
        }
        if (auto vip = parse_vip(parsing, line))
            parsing.config.static_addresses.push_back(std::move(*vip));
    }
}

}  // namespace vipd::config
