// SPDX-License-Identifier: Apache-2.0
// vrrp_instance, vrrp_sync_group, vrrp_script.
#include "userspace/config/parser.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace vipd::config {

namespace {

constexpr std::int64_t kMaxInt = 2147483647;
constexpr std::size_t kAuthLength = 8;

// More of anything in one instance is a mistake; it bounds the search for duplicates.
constexpr std::size_t kMaxTracked = 255;
constexpr std::size_t kMaxAdvertised = 255;  // the count is one byte of the advert
constexpr std::size_t kMaxExcluded = 100'000;

/// Reports the second definition of a name; the first one counts.
bool already_defined(Parsing& parsing, const Statement& statement) {
    const Word& name = statement.value();
    const auto [first, is_new] =
        parsing.defined.try_emplace(statement.head().text + ' ' + name.text, name.line);
    if (is_new) return false;
    parsing.reporter.error(name,
                           fmt::format("{} {} has been defined in line {} already; ignored",
                                       statement.head().text,
                                       quoted(name.text),
                                       first->second));
    return true;
}

/// True, with a report, if a list is full or has an item of this name.
template <class T>
bool no_room(Parsing& parsing, const std::vector<T>& list, const Word& word) {
    if (list.size() >= kMaxTracked) {
        parsing.reporter.error(word, fmt::format("more than {} here; ignored", kMaxTracked));
        return true;
    }
    const bool again = std::any_of(
        list.begin(), list.end(), [&](const T& other) { return other.name == word.text; });
    if (again)
        parsing.reporter.complaint(
            word, fmt::format("{} is tracked already; ignored", quoted(word.text)));
    return again;
}

/// `weight W`, `reverse`, `noreverse` after the first word of a track_* line.
template <class Weight, class Reverse>
void read_track_options(Parsing& parsing,
                        const Statement& line,
                        std::int64_t limit,
                        Weight set_weight,
                        Reverse reverse) {
    Reporter& reporter = parsing.reporter;
    for (std::size_t at = 1; at < line.words.size(); ++at) {
        const Word& word = line.words[at];
        if (word.text == "weight") {
            if (at + 1 >= line.words.size()) {
                reporter.error(word, "'weight' needs a value; ignored");
                return;
            }
            if (const auto weight = read_number(reporter, line.words[++at], -limit, limit))
                set_weight(static_cast<int>(*weight));
        } else if (word.text == "reverse" || word.text == "noreverse") {
            reverse(word.text == "reverse");
        } else {
            reporter.error(word, fmt::format("unknown option {}; ignored", quoted(word.text)));
        }
    }
}

void parse_track_interface(Parsing& parsing, const Statement& block, VrrpInstance& instance) {
    for (const auto& line : block.body) {
        TrackedInterface tracked;
        tracked.name = line.head().text;
        tracked.at = parsing.reporter.at(line.head());
        if (no_room(parsing, instance.track_interfaces, line.head())) continue;
        read_track_options(
            parsing,
            line,
            253,
            [&](int weight) { tracked.weight = weight; },
            [&](bool reverse) { tracked.reverse = reverse; });
        parsing.interfaces.push_back(line.head());
        instance.track_interfaces.push_back(std::move(tracked));
    }
}

void parse_track_script(Parsing& parsing, const Statement& block, VrrpInstance& instance) {
    for (const auto& line : block.body) {
        TrackedScript tracked;
        tracked.name = line.head().text;
        tracked.at = parsing.reporter.at(line.head());
        if (no_room(parsing, instance.track_scripts, line.head())) continue;
        read_track_options(
            parsing,
            line,
            253,
            [&](int weight) { tracked.weight = weight; },
            [&](bool reverse) { tracked.reverse = reverse; });
        instance.track_scripts.push_back(std::move(tracked));
    }
}

void parse_unicast_peers(Parsing& parsing, const Statement& block, VrrpInstance& instance) {
    Reporter& reporter = parsing.reporter;
    if (block.body.empty() && instance.unicast_peers.empty())
        reporter.complaint(block.head(),
                           "unicast_peer is empty: without any peer multicast is used");
    for (const auto& line : block.body) {
        const auto address = read_address(reporter, line.head());
        for (std::size_t at = 1; at < line.words.size(); ++at) {
            const Word& option = line.words[at];
            const bool known = option.text == "min_ttl" || option.text == "max_ttl";
            if (!known) {
                reporter.error(option,
                               fmt::format("unknown option {}; ignored", quoted(option.text)));
                continue;
            }
            reporter.warning(
                option, fmt::format("{} is not done by vipd yet; ignored", quoted(option.text)));
            if (at + 1 < line.words.size())
                read_number(reporter, line.words[++at], 0, 255);
            else
                reporter.error(option, fmt::format("{} needs a value", quoted(option.text)));
        }
        if (!address) continue;
        Value<IpAddress> peer(*address);
        peer.at = reporter.at(line.head());
        peer.set = true;
        instance.unicast_peers.push_back(std::move(peer));
    }
}

void parse_authentication(Parsing& parsing, const Statement& block, VrrpInstance& instance) {
    Reporter& reporter = parsing.reporter;
    bool pass = true;
    for (const auto& line : block.body) {
        if (line.keyword->status != Status::Done) continue;
        const Word& word = line.value();
        if (line.head().text == "auth_type") {
            pass = word.text == "PASS";
            if (word.text == "AH")
                reporter.warning(word, "auth_type AH is not done by vipd yet; no authentication");
            else if (!pass)
                reporter.error(
                    word,
                    fmt::format("unknown auth_type {}; no authentication", quoted(word.text)),
                    "PASS and AH are known");
        } else if (line.head().text == "auth_pass") {
            assign_text(reporter, instance.auth_pass, line);
            if (word.text.size() > kAuthLength) {
                reporter.complaint(
                    word, "this password is too long: only its first 8 characters are used");
                instance.auth_pass.value.resize(kAuthLength);
            }
        }
    }
    if (pass && instance.auth_pass.value.empty())
        reporter.complaint(block.head(), "authentication without auth_pass; no authentication");
    if (!pass) instance.auth_pass = {};
}

void parse_vips(Parsing& parsing,
                const Statement& block,
                std::size_t limit,
                std::vector<VipAddress>& to) {
    std::map<std::pair<IpAddress, std::string>, std::uint32_t> known;
    for (const auto& vip : to) known.try_emplace({vip.prefix.address, vip.device}, vip.at.line);
    for (const auto& line : block.body) {
        auto vip = parse_vip(parsing, line);
        if (!vip) continue;
        const auto [first, is_new] =
            known.try_emplace({vip->prefix.address, vip->device}, vip->at.line);
        if (!is_new)
            parsing.reporter.warning(line.head(),
                                     fmt::format("{} stands here twice, first in line {}; ignored",
                                                 quoted(line.head().text),
                                                 first->second));
        else if (to.size() >= limit)
            parsing.reporter.error(line.head(),
                                   fmt::format("more than {} addresses; ignored", limit));
        else
            to.push_back(std::move(*vip));
    }
}

bool read_instance_lists(Parsing& parsing, const Statement& line, VrrpInstance& instance) {
    const std::string_view name = line.head().text;
    if (name == "track_interface")
        parse_track_interface(parsing, line, instance);
    else if (name == "track_script")
        parse_track_script(parsing, line, instance);
    else if (name == "unicast_peer")
        parse_unicast_peers(parsing, line, instance);
    else if (name == "authentication")
        parse_authentication(parsing, line, instance);
    else if (name == "virtual_ipaddress")
        parse_vips(parsing, line, kMaxAdvertised, instance.virtual_ipaddress);
    else if (name == "virtual_ipaddress_excluded")
        parse_vips(parsing, line, kMaxExcluded, instance.virtual_ipaddress_excluded);
    else
        return false;
    return true;
}

void parse_state(Parsing& parsing, const Statement& line, VrrpInstance& instance) {
    const Word& word = line.value();
    if (word.text != "MASTER" && word.text != "BACKUP") {
        std::string upper = word.text;
        std::transform(upper.begin(), upper.end(), upper.begin(), [](char c) {
            return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        });
        parsing.reporter.error(word,
                               fmt::format("unknown state {}; BACKUP is used", quoted(word.text)),
                               upper == "MASTER"   ? "it must be written in capitals: MASTER"
                               : upper == "BACKUP" ? "it must be written in capitals: BACKUP"
                                                   : "MASTER and BACKUP are known");
    }
    instance.initial_master.value = word.text == "MASTER";
    instance.initial_master.at = parsing.reporter.at(line.head());
    instance.initial_master.set = true;
}

void read_instance(Parsing& parsing, const Statement& line, VrrpInstance& instance) {
    Reporter& reporter = parsing.reporter;
    const std::string_view name = line.head().text;
    const Seconds day(86400);
    if (name == "state")
        parse_state(parsing, line, instance);
    else if (name == "interface") {
        assign_text(reporter, instance.interface, line);
        parsing.interfaces.push_back(line.value());
    } else if (name == "virtual_router_id")
        assign_number(reporter, instance.virtual_router_id, line, 1, 255);
    else if (name == "priority") {
        assign_number(reporter, instance.priority, line, 1, 255);
        instance.priority.set = true;  // a bad one means 100, whatever the state
    } else if (name == "advert_int")
        assign_seconds(
            reporter, instance.advert_int, line, std::chrono::milliseconds(10), Seconds(255));
    else if (name == "version")
        assign_number(reporter, instance.version, line, 2, 3);
    else if (name == "nopreempt")
        assign_flag(reporter, instance.nopreempt, line);
    else if (name == "preempt") {
        if (const auto preempt = read_flag(reporter, line)) instance.nopreempt.value = !*preempt;
    } else if (name == "preempt_delay")
        assign_seconds(reporter, instance.preempt_delay, line, Nanos(0), Seconds(1000));
    else if (name == "mcast_src_ip")
        assign(reporter, instance.mcast_src_ip, read_address(reporter, line.value()), line.value());
    else if (name == "unicast_src_ip")
        assign(
            reporter, instance.unicast_src_ip, read_address(reporter, line.value()), line.value());
    else if (name == "unicast_ttl")
        assign_number(reporter, instance.unicast_ttl, line, 0, 255);
    else if (name == "dont_track_primary")
        assign_flag(reporter, instance.dont_track_primary, line);
    else if (name == "garp_master_delay")
        assign_seconds(reporter, instance.garp_master_delay, line, Nanos(0), day);
    else if (name == "garp_master_repeat")
        assign_number(reporter, instance.garp_master_repeat, line, 1, 1000);
    else if (name == "garp_master_refresh")
        assign_seconds(reporter, instance.garp_master_refresh, line, Nanos(0), day);
    else if (name == "garp_master_refresh_repeat")
        assign_number(reporter, instance.garp_master_refresh_repeat, line, 1, 1000);
    else if (name == "down_timer_adverts")
        assign_number(reporter, instance.down_timer_adverts, line, 1, 100);
    else if (name == "skip_check_adv_addr")
        assign_flag(reporter, instance.skip_check_adv_addr, line);
    else if (name == "strict_mode")
        assign_flag(reporter, instance.strict, line);
    else if (name == "lvs_sync_daemon_interface") {
        reporter.complaint(line.head(),
                           "lvs_sync_daemon_interface is deprecated",
                           "write lvs_sync_daemon in global_defs instead");
        parsing.interfaces.push_back(line.value());
        if (parsing.config.global.sync_daemon) return;
        SyncDaemon daemon;
        daemon.interface = line.value().text;
        daemon.instance = instance.name;
        daemon.at = reporter.at(line.head());
        parsing.config.global.sync_daemon = std::move(daemon);
    }
}

}  // namespace

bool read_notify(Parsing& parsing, const Statement& statement, Notify& notify) {
    const std::string_view name = statement.head().text;
    std::optional<Script>* const to = name == "notify_master"   ? &notify.master
                                      : name == "notify_backup" ? &notify.backup
                                      : name == "notify_fault"  ? &notify.fault
                                      : name == "notify_stop"   ? &notify.stop
                                      : name == "notify"        ? &notify.any
                                                                : nullptr;
    if (to == nullptr) return false;
    if (*to) {
        parsing.reporter.complaint(statement.head(),
                                   fmt::format("{} has been given already; ignored", quoted(name)));
        return true;
    }
    *to = read_script(parsing.reporter, statement);
    return true;
}

void parse_vrrp_instance(Parsing& parsing, const Statement& statement) {
    if (already_defined(parsing, statement)) return;
    VrrpInstance instance;
    instance.name = statement.value().text;
    instance.at = parsing.reporter.at(statement.value());
    bool no_vip_wanted = false;
    for (const auto& line : statement.body) {
        if (line.keyword->status != Status::Done) continue;
        if (line.head().text == "no_virtual_ipaddress") no_vip_wanted = true;
        if (read_instance_lists(parsing, line, instance) ||
            read_notify(parsing, line, instance.notify))
            continue;
        read_instance(parsing, line, instance);
    }
    if (no_vip_wanted) parsing.without_vips.insert(instance.name);
    parsing.config.instances.push_back(std::move(instance));
}

void parse_sync_group(Parsing& parsing, const Statement& statement) {
    if (already_defined(parsing, statement)) return;
    SyncGroup group;
    group.name = statement.value().text;
    group.at = parsing.reporter.at(statement.value());
    for (const auto& line : statement.body) {
        if (line.keyword->status != Status::Done) continue;
        if (read_notify(parsing, line, group.notify)) continue;
        for (const auto& members : line.body)
            for (const auto& word : members.words) {
                Value<std::string> member(word.text);
                member.at = parsing.reporter.at(word);
                member.set = true;
                group.members.push_back(std::move(member));
            }
    }
    parsing.config.sync_groups.push_back(std::move(group));
}

void parse_vrrp_script(Parsing& parsing, const Statement& statement) {
    Reporter& reporter = parsing.reporter;
    if (already_defined(parsing, statement)) return;
    VrrpScript script;
    script.name = statement.value().text;
    script.at = reporter.at(statement.value());
    std::optional<Script> command;
    bool given = false;
    const Statement* user = nullptr;
    for (const auto& line : statement.body) {
        const std::string_view name = line.head().text;
        if (name == "script") {
            given = true;
            command = read_script(reporter, line);
        } else if (name == "interval")
            assign_seconds(reporter, script.interval, line, kMinTimer, kMaxTimer);
        else if (name == "timeout")
            assign_seconds(reporter, script.timeout, line, kMinTimer, kMaxTimer);
        else if (name == "weight") {
            const Word& word = line.value();
            assign(reporter, script.weight, read_number(reporter, word, -253, 253), word);
            if (line.values() > 1) {
                if (line.value(1).text == "reverse")
                    script.reverse.value = true;
                else
                    reporter.error(
                        line.value(1),
                        fmt::format("unknown option {}; ignored", quoted(line.value(1).text)));
            }
        } else if (name == "rise")
            assign_number(reporter, script.rise, line, 1, kMaxInt);
        else if (name == "fall")
            assign_number(reporter, script.fall, line, 1, kMaxInt);
        else if (name == "init_fail")
            assign_flag(reporter, script.init_fail, line);
        else if (name == "user")
            user = &line;
    }
    if (!command) {
        if (!given)
            reporter.error(
                statement.head(),
                fmt::format("vrrp_script {} has no script; ignored", quoted(script.name)));
        parsing.faulty_scripts.insert(script.name);
        return;
    }
    script.script = std::move(*command);
    if (user != nullptr) {
        script.script.user = user->value().text;
        if (user->values() > 1) script.script.group = user->value(1).text;
    }
    if (!script.timeout.set) script.timeout.value = script.interval.value;
    parsing.config.scripts.push_back(std::move(script));
}

}  // namespace vipd::config
