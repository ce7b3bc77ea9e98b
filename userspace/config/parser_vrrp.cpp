// SPDX-License-Identifier: Apache-2.0
// vrrp_instance and vrrp_sync_group.
#include "userspace/config/fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace vipd::config {

namespace {

constexpr std::int64_t kMaxNumber = 4294967295;
constexpr std::size_t kAuthLength = 8;
constexpr std::size_t kMaxAdvertised = 255;  // the count is one byte of the advert
constexpr std::size_t kMaxExcluded = 100'000;
constexpr Nanos kDay = Seconds(86400);

std::optional<std::uint8_t> read_ttl(Parsing& parsing, const Statement& line, std::size_t at) {
    if (at >= line.words.size()) {
        parsing.reporter.error(line.words[at - 1],
                               fmt::format("{} needs a value", quoted(line.words[at - 1].text)));
        return std::nullopt;
    }
    const auto ttl = read_number(parsing.reporter, line.words[at], 0, 255);
    return ttl ? std::optional(static_cast<std::uint8_t>(*ttl)) : std::nullopt;
}

void parse_unicast_peers(Parsing& parsing, VrrpInstance& instance, const Statement& block) {
    Reporter& reporter = parsing.reporter;
    if (block.body.empty() && instance.unicast_peers.empty())
        reporter.complaint(block.head(),
                           "unicast_peer is empty: without any peer multicast is used");
    for (const auto& line : block.body) {
        const auto address = read_address(reporter, line.head());
        UnicastPeer limits{.address = address.value_or(IpAddress()),
                           .min_ttl = {},
                           .max_ttl = {},
                           .at = reporter.at(line.head())};
        for (std::size_t at = 1; at < line.words.size(); ++at) {
            const Word& option = line.words[at];
            if (option.text == "min_ttl" || option.text == "max_ttl") {
                (option.text == "min_ttl" ? limits.min_ttl : limits.max_ttl) =
                    read_ttl(parsing, line, ++at);
            } else {
                reporter.error(option,
                               fmt::format("unknown option {}; ignored", quoted(option.text)));
            }
        }
        if (!address) continue;
        Value<IpAddress> peer(*address);
        peer.at = limits.at;
        peer.set = true;
        instance.unicast_peers.push_back(std::move(peer));
        if (limits.min_ttl || limits.max_ttl)
            instance.unicast_peer_ttls.push_back(std::move(limits));
    }
}

void parse_authentication(Parsing& parsing, VrrpInstance& instance, const Statement& block) {
    Reporter& reporter = parsing.reporter;
    bool pass = true;
    bool ah = false;
    for (const auto& line : block.body) {
        const Word& word = line.value();
        if (line.head().text == "auth_type") {
            pass = word.text == "PASS";
            ah = word.text == "AH";
            if (!ah && !pass)
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
    if ((pass || ah) && instance.auth_pass.value.empty())
        reporter.complaint(block.head(), "authentication without auth_pass; no authentication");
    if (!pass && !ah) instance.auth_pass = {};
    if (ah) {
        instance.auth_ah.value = true;
        instance.auth_ah.set = true;
    }
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

void parse_state(Parsing& parsing, VrrpInstance& instance, const Statement& line) {
    const Word& word = line.value();
    if (word.text != "MASTER" && word.text != "BACKUP") {
        std::string upper = word.text;
        std::ranges::transform(upper, upper.begin(), [](char c) {
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

void parse_interface(Parsing& parsing, VrrpInstance& instance, const Statement& line) {
    assign_text(parsing.reporter, instance.interface, line);
    parsing.interfaces.push_back(line.value());
}

void parse_priority(Parsing& parsing, VrrpInstance& instance, const Statement& line) {
    number(&VrrpInstance::priority, 1, 255)(parsing, instance, line);
    instance.priority.set = true;  // a bad one means 100, whatever the state
}

void parse_preempt(Parsing& parsing, VrrpInstance& instance, const Statement& line) {
    if (const auto preempt = read_flag(parsing.reporter, line))
        instance.nopreempt.value = !*preempt;
}

/// accept; no_accept is its opposite.
void parse_accept(Parsing& parsing, VrrpInstance& instance, const Statement& line) {
    auto accept = read_flag(parsing.reporter, line);
    if (accept && line.head().text == "no_accept") accept = !*accept;
    assign(parsing.reporter, instance.accept, accept, line.head());
}

void parse_old_checksum(Parsing& parsing, VrrpInstance& instance, const Statement& line) {
    const bool never = line.values() > 0 && line.value().text == "never";
    if (line.values() > 0 && !never) {
        parsing.reporter.error(line.value(),
                               fmt::format("unknown option {}; ignored", quoted(line.value().text)),
                               "only never is known");
        return;
    }
    assign(parsing.reporter,
           never ? instance.old_unicast_checksum_never : instance.old_unicast_checksum,
           std::optional(true),
           line.head());
}

/// timer_expired_backup [PRIORITY]
void parse_timer_expired(Parsing& parsing, VrrpInstance& instance, const Statement& line) {
    assign(parsing.reporter, instance.timer_expired_backup, std::optional(true), line.head());
    if (line.values() > 0)
        assign(parsing.reporter,
               instance.timer_expired_priority,
               read_number(parsing.reporter, line.value(), 1, 254),
               line.value());
}

void parse_debug(Parsing& parsing, VrrpInstance& instance, const Statement& line) {
    if (line.values() > 0) number(&VrrpInstance::debug, 0, 4)(parsing, instance, line);
}

/// The deprecated way to say lvs_sync_daemon.
void parse_sync_interface(Parsing& parsing, VrrpInstance& instance, const Statement& line) {
    parsing.reporter.complaint(line.head(),
                               "lvs_sync_daemon_interface is deprecated",
                               "write lvs_sync_daemon in global_defs instead");
    parsing.interfaces.push_back(line.value());
    if (parsing.config.global.sync_daemon) return;
    SyncDaemon daemon;
    daemon.interface = line.value().text;
    daemon.instance = instance.name;
    daemon.at = parsing.reporter.at(line.head());
    parsing.config.global.sync_daemon = std::move(daemon);
}

const Fields<VrrpInstance>& instance_fields() {
    using I = VrrpInstance;
    static const Fields<I> fields{
        {"state", parse_state},
        {"interface", parse_interface},
        {"vrf", text(&I::vrf)},
        {"virtual_router_id", number(&I::virtual_router_id, 1, 255)},
        {"priority", parse_priority},
        {"advert_int", seconds(&I::advert_int, Millis(10), Seconds(255))},
        {"version", number(&I::version, 2, 3)},
        {"native_ipv6", flag(&I::native_ipv6)},
        {"nopreempt", flag(&I::nopreempt)},
        {"preempt", parse_preempt},
        {"preempt_delay", seconds(&I::preempt_delay, Nanos(0), Seconds(1000))},
        {"authentication", parse_authentication},
        {"auth_hmac", parse_auth_hmac},
        {"mcast_src_ip", address(&I::mcast_src_ip)},
        {"mcast_dst_ip", address(&I::mcast_dst_ip)},
        {"unicast_src_ip", address(&I::unicast_src_ip)},
        {"track_src_ip", flag(&I::track_src_ip)},
        {"unicast_peer", parse_unicast_peers},
        {"unicast_ttl", number(&I::unicast_ttl, 0, 255)},
        {"unicast_fault_no_peer", flag(&I::unicast_fault_no_peer)},
        {"check_unicast_src", flag(&I::check_unicast_src)},
        {"old_unicast_checksum", parse_old_checksum},
        {"v3_checksum_as_v2", flag(&I::v3_checksum_as_v2)},
        {"virtual_ipaddress",
         [](Parsing& parsing, I& instance, const Statement& block) {
             parse_vips(parsing, block, kMaxAdvertised, instance.virtual_ipaddress);
         }},
        {"virtual_ipaddress_excluded",
         [](Parsing& parsing, I& instance, const Statement& block) {
             parse_vips(parsing, block, kMaxExcluded, instance.virtual_ipaddress_excluded);
         }},
        {"no_virtual_ipaddress",
         [](Parsing&, I& instance, const Statement&) { instance.no_virtual_ipaddress = true; }},
        {"virtual_routes",
         [](Parsing& parsing, I& instance, const Statement& block) {
             parse_routes(parsing, block, instance.virtual_routes);
         }},
        {"virtual_rules",
         [](Parsing& parsing, I& instance, const Statement& block) {
             parse_rules(parsing, block, instance.virtual_rules);
         }},
        {"promote_secondaries", flag(&I::promote_secondaries)},
        {"use_vmac", parse_use_vmac},
        {"use_ipvlan", parse_use_ipvlan},
        {"use_vmac_addr", flag(&I::use_vmac_addr)},
        {"vmac_xmit_base", flag(&I::vmac_xmit_base)},
        {"accept", parse_accept},
        {"no_accept", parse_accept},
        {"dont_track_primary", flag(&I::dont_track_primary)},
        {"linkbeat_use_polling", flag(&I::linkbeat_use_polling)},
        {"garp_master_delay", seconds(&I::garp_master_delay, Nanos(0), kDay)},
        {"garp_master_repeat", number(&I::garp_master_repeat, 1, 1000)},
        {"garp_master_refresh", seconds(&I::garp_master_refresh, Nanos(0), kDay)},
        {"garp_master_refresh_repeat", number(&I::garp_master_refresh_repeat, 1, 1000)},
        {"garp_lower_prio_delay", seconds(&I::garp_lower_prio_delay, Nanos(0), kDay)},
        {"garp_lower_prio_repeat", number(&I::garp_lower_prio_repeat, 0, 1000)},
        {"garp_extra_if",
         [](Parsing& parsing, I& instance, const Statement& line) {
             read_extra_garp(
                 parsing.reporter, line, instance.garp_extra_if, instance.garp_extra_if_all);
         }},
        {"vmac_garp_intvl",
         [](Parsing& parsing, I& instance, const Statement& line) {
             read_extra_garp(
                 parsing.reporter, line, instance.garp_extra_if, instance.garp_extra_if_all);
         }},
        {"down_timer_adverts", number(&I::down_timer_adverts, 1, 100)},
        {"lower_prio_no_advert", flag(&I::lower_prio_no_advert)},
        {"higher_prio_send_advert", flag(&I::higher_prio_send_advert)},
        {"owner_ignore_adverts", flag(&I::owner_ignore_adverts)},
        {"timer_expired_backup", parse_timer_expired},
        {"thread_timer_expired", parse_timer_expired},
        {"skip_check_adv_addr", flag(&I::skip_check_adv_addr)},
        {"strict_mode", flag(&I::strict)},
        {"kernel_rx_buf_size", number(&I::kernel_rx_buf_size, 1, kMaxNumber)},
        {"debug", parse_debug},
        {"lvs_sync_daemon_interface", parse_sync_interface},
    };
    return fields;
}

void parse_members(Parsing& parsing, const Statement& block, SyncGroup& group) {
    for (const auto& members : block.body)
        for (const auto& word : members.words) {
            Value<std::string> member(word.text);
            member.at = parsing.reporter.at(word);
            member.set = true;
            group.members.push_back(std::move(member));
        }
}

}  // namespace

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

bool read_notify(Parsing& parsing, const Statement& statement, Notify& notify) {
    static const Fields<Notify> fields{
        {"notify_master", command(&Notify::master)},
        {"notify_backup", command(&Notify::backup)},
        {"notify_fault", command(&Notify::fault)},
        {"notify_stop", command(&Notify::stop)},
        {"notify", command(&Notify::any)},
        {"notify_deleted", command(&Notify::deleted)},
        {"notify_master_rx_lower_pri", command(&Notify::master_rx_lower_pri)},
        {"notify_priority_changes", flag(&Notify::priority_changes)},
        {"smtp_alert", flag(&Notify::smtp_alert)},
    };
    return read_field(fields, parsing, notify, statement);
}

void read_script_once(Parsing& parsing, const Statement& statement, std::optional<Script>& to) {
    if (to)
        parsing.reporter.complaint(
            statement.head(),
            fmt::format("{} has been given already; ignored", quoted(statement.head().text)));
    else
        to = read_script(parsing.reporter, statement);
}

void parse_vrrp_instance(Parsing& parsing, const Statement& statement) {
    if (already_defined(parsing, statement)) return;
    VrrpInstance instance;
    instance.name = statement.value().text;
    instance.at = parsing.reporter.at(statement.value());
    for (const auto& line : statement.body)
        if (!read_notify(parsing, line, instance.notify) && !read_tracking(parsing, line, instance))
            read_field(instance_fields(), parsing, instance, line);
    parsing.config.instances.push_back(std::move(instance));
}

void parse_sync_group(Parsing& parsing, const Statement& statement) {
    if (already_defined(parsing, statement)) return;
    SyncGroup group;
    group.name = statement.value().text;
    group.at = parsing.reporter.at(statement.value());
    for (const auto& line : statement.body) {
        if (read_notify(parsing, line, group.notify) || read_tracking(parsing, line, group))
            continue;
        if (line.head().text == "group")
            parse_members(parsing, line, group);
        else if (line.head().text == "sync_group_tracking_weight")
            assign_flag(parsing.reporter, group.tracking_weight, line);
        else if (line.head().text == "global_tracking")
            parsing.reporter.complaint(line.head(), "global_tracking is deprecated; ignored");
    }
    parsing.config.sync_groups.push_back(std::move(group));
}

}  // namespace vipd::config
