// SPDX-License-Identifier: Apache-2.0
#include "tools/vipctl/fields.hpp"
#include "tools/vipctl/render.hpp"
#include "userspace/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace vipd::vipctl {
namespace {

// ipvsadm -Lnc's columns, with room for a port of five digits.
constexpr const char* kFlowFormat = "{:<3} {:>6} {:<11} {:<21} {:<21} {:<21} {}";

std::string without_trailing_blanks(std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    return line + '\n';
}

/// Minutes and seconds since the last packet, as ipvsadm writes times.
std::string idle_text(std::uint64_t milliseconds) {
    const std::uint64_t seconds = milliseconds / 1000;
    return fmt::format("{:02}:{:02}", seconds / 60, seconds % 60);
}

std::string encode_query(std::string_view value) {
    std::string out;
    for (const char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        if (std::isalnum(byte) != 0 || std::string_view("-._~:/[]").find(c) != std::string::npos)
            out += c;
        else
            out += fmt::format("%{:02X}", byte);
    }
    return out;
}

/// What a word without "=" is about: letters alone name a protocol or a state.
std::string_view bare_word_name(std::string_view word) {
    const bool letters = std::ranges::all_of(
        word, [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; });
    if (!letters) return "any";
    std::string upper(word);
    std::ranges::transform(upper, upper.begin(), [](char c) {
        return static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    });
    return upper == "TCP" || upper == "UDP" || upper == "SCTP" ? "protocol" : "state";
}

}  // namespace

std::string plain(std::string_view text) {
    return printable(text, 4096);
}

std::string flow_query(const std::vector<std::string>& words, std::uint64_t limit) {
    std::string query = "limit=" + std::to_string(limit);
    for (const auto& word : words) {
        const auto equals = word.find('=');
        const auto name = equals == std::string::npos ? std::string(bare_word_name(word))
                                                      : word.substr(0, equals);
        const auto value = equals == std::string::npos ? word : word.substr(equals + 1);
        query += "&" + encode_query(name) + "=" + encode_query(value);
    }
    return query;
}

std::string FlowLines::feed(std::string_view part) {
    std::string out;
    if (!titled_) {
        titled_ = true;
        out = "vipd connection entries\n" +
              without_trailing_blanks(fmt::format(
                  kFlowFormat, "pro", "idle", "state", "source", "virtual", "destination", ""));
    }
    rest_ += part;
    std::size_t begin = 0;
    for (auto end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n', begin)) {
        out += take_line(std::string_view(rest_).substr(begin, end - begin));
        begin = end + 1;
    }
    rest_.erase(0, begin);
    return out;
}

std::string FlowLines::take_line(std::string_view line) {
    // The first line opens the object; the last one closes the list and has the totals.
    if (line.starts_with("],")) {
        const auto totals = Json::parse("{" + std::string(line.substr(2)), nullptr, false);
        returned_ = number(totals, "returned");
        matched_ = number(totals, "matched");
        total_ = number(totals, "total");
        complete_ = !totals.is_discarded();
        return {};
    }
    if (line.ends_with(',')) line.remove_suffix(1);
    const auto flow = Json::parse(line, nullptr, false);
    if (!flow.is_object()) return {};
    return without_trailing_blanks(fmt::format(kFlowFormat,
                                               text(flow, "protocol"),
                                               idle_text(number(flow, "idle_ms")),
                                               text(flow, "state"),
                                               text(flow, "client"),
                                               text(flow, "vip"),
                                               text(flow, "real"),
                                               flag(flow, "synced") ? "synced" : ""));
}

std::string FlowLines::finish() const {
    if (!complete_) return "vipctl: the listing was cut short\n";
    if (returned_ < matched_)
        return fmt::format("{} shown of {} that match ({} in all); --limit shows more\n",
                           returned_,
                           matched_,
                           total_);
    return fmt::format("{} of {} connections\n", matched_, total_);
}

bool handed_over(const Json& before,
                 const Json& now,
                 const std::string& instance,
                 std::string& report) {
    report.clear();
    bool all = true;
    for (const auto& was : list(before, "instances")) {
        const auto name = text(was, "name");
        if (text(was, "state") != "MASTER" || (!instance.empty() && name != instance)) continue;
        for (const auto& is : list(now, "instances")) {
            if (text(is, "name") != name) continue;
            const auto state = text(is, "state");
            report += name + ": MASTER -> " + state;
            const auto master = text(is, "master");
            if (state == "BACKUP" && !master.empty() && master != text(was, "master"))
                report += ", master is now " + master;
            report += "\n";
            all = all && state != "MASTER";
        }
    }
    return all;
}

}  // namespace vipd::vipctl
