// SPDX-License-Identifier: Apache-2.0
// global_defs.
#include "userspace/config/fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace vipd::config {

namespace {

constexpr std::int64_t kMaxSeconds = 86400;

/// lvs_sync_daemon IF [[inst] VI] [id N] [maxlen N] [port N] [ttl N] [group A]
void parse_sync_daemon(Parsing& parsing, const Statement& statement) {
    Reporter& reporter = parsing.reporter;
    if (parsing.config.global.sync_daemon) {
        reporter.complaint(statement.head(), "lvs_sync_daemon has been given already; ignored");
        return;
    }
    SyncDaemon daemon;
    daemon.interface = statement.value().text;
    daemon.at = reporter.at(statement.head());
    parsing.interfaces.push_back(statement.value());
    for (std::size_t at = 1; at < statement.values(); ++at) {
        const Word& option = statement.value(at);
        const std::string_view name = option.text;
        const bool keyword = name == "inst" || name == "id" || name == "maxlen" || name == "port" ||
                             name == "ttl" || name == "group";
        if (!keyword) {
            if (at == 1)
                daemon.instance = name;
            else
                reporter.error(option, fmt::format("unknown option {}; ignored", quoted(name)));
            continue;
        }
        if (at + 1 >= statement.values()) {
            reporter.error(option, fmt::format("{} needs a value; ignored", quoted(name)));
            break;
        }
        const Word& value = statement.value(++at);
        if (name == "inst") {
            daemon.instance = value.text;
        } else if (name == "id") {
            if (const auto id = read_number(reporter, value, 0, 255))
                daemon.id = static_cast<std::uint8_t>(*id);
        } else if (name == "port") {
            if (const auto port = read_number(reporter, value, 1, 65535))
                daemon.port = static_cast<std::uint16_t>(*port);
        } else if (name == "group") {
            const auto group = read_address(reporter, value);
            if (group && !group->is_multicast())
                reporter.error(
                    value, fmt::format("{} is no multicast address; ignored", quoted(value.text)));
            else if (group)
                daemon.group = *group;
        } else if (name == "maxlen") {
            if (const auto maxlen = read_number(reporter, value, 1, 65507))
                daemon.maxlen = static_cast<std::uint16_t>(*maxlen);
        } else if (const auto ttl = read_number(reporter, value, 1, 255)) {
            daemon.ttl = static_cast<std::uint8_t>(*ttl);
        }
    }
    parsing.config.global.sync_daemon = std::move(daemon);
}

/// lvs_timeouts [tcp N] [tcpfin N] [udp N]
void parse_timeouts(Parsing& parsing, const Statement& statement) {
    Reporter& reporter = parsing.reporter;
    GlobalDefs& global = parsing.config.global;
    for (std::size_t at = 0; at < statement.values(); at += 2) {
        const Word& name = statement.value(at);
        Value<std::uint32_t>* const to = name.text == "tcp"      ? &global.tcp_timeout
                                         : name.text == "tcpfin" ? &global.tcp_fin_timeout
                                         : name.text == "udp"    ? &global.udp_timeout
                                                                 : nullptr;
        if (to == nullptr) {
            reporter.error(name,
                           fmt::format("unknown timeout {}; ignored", quoted(name.text)),
                           "tcp, tcpfin and udp are known");
            return;
        }
        if (at + 1 >= statement.values()) {
            reporter.error(name, fmt::format("{} needs a value; ignored", quoted(name.text)));
            return;
        }
        const Word& value = statement.value(at + 1);
        assign(reporter, *to, read_number(reporter, value, 1, 31 * kMaxSeconds), value);
    }
}

void parse_script_user(Parsing& parsing, const Statement& statement) {
    GlobalDefs& global = parsing.config.global;
    assign_text(parsing.reporter, global.script_user, statement);
    std::string& user = global.script_user.value;
    const std::size_t colon = user.find(':');
    if (colon != std::string::npos) {
        global.script_group.value = user.substr(colon + 1);
        user.erase(colon);
    }
    if (statement.values() > 1) {
        const Word& group = statement.value(1);
        global.script_group.value = group.text.starts_with(':') ? group.text.substr(1) : group.text;
        global.script_group.at = parsing.reporter.at(group);
        global.script_group.set = true;
    }
}

constexpr Nanos kDay = Seconds(kMaxSeconds);
constexpr std::int64_t kMaxNumber = 4294967295;

/// smtp_server HOST [PORT]
void parse_smtp_server(Parsing& parsing, GlobalDefs& global, const Statement& line) {
    assign_text(parsing.reporter, global.smtp.server, line);
    if (line.values() > 1)
        assign(parsing.reporter,
               global.smtp.port,
               read_number(parsing.reporter, line.value(1), 1, 65535),
               line.value(1));
}

void parse_mail_addresses(Parsing& parsing, GlobalDefs& global, const Statement& block) {
    if (block.body.empty())
        parsing.reporter.complaint(block.head(), "notification_email is empty: no mail is sent");
    for (const auto& line : block.body) {
        Value<std::string> address(line.head().text);
        address.at = parsing.reporter.at(line.head());
        address.set = true;
        global.smtp.to.push_back(std::move(address));
    }
}

/// The multicast group of a family.
auto group(Value<IpAddress> GlobalDefs::* member, Family family) {
    return [=](Parsing& parsing, GlobalDefs& global, const Statement& line) {
        auto group = read_address(parsing.reporter, line.value());
        if (group && !(group->family() == family && group->is_multicast())) {
            parsing.reporter.error(line.value(),
                                   fmt::format("{} is no IPv{} multicast address; ignored",
                                               quoted(line.value().text),
                                               family == Family::V4 ? 4 : 6));
            group.reset();
        }
        assign(parsing.reporter, global.*member, group, line.value());
    };
}

/// PATH [USER [GROUP]]
auto fifo_path() {
    return [](Parsing& parsing, NotifyFifo& fifo, const Statement& line) {
        assign_text(parsing.reporter, fifo.path, line);
        if (line.values() > 1) fifo.user = line.value(1).text;
        if (line.values() > 2) fifo.group = line.value(2).text;
    };
}

/// [all] N
void parse_extra_garp(Parsing& parsing, GlobalDefs& global, const Statement& line) {
    read_extra_garp(parsing.reporter, line, global.garp_extra_if, global.garp_extra_if_all);
}

/// A number, or IRUSR | IWGRP ...
void parse_umask(Parsing& parsing, GlobalDefs& global, const Statement& line) {
    struct Bit {
        std::string_view name;
        std::uint32_t bit;
    };
    static constexpr std::array kBits{Bit{"IRUSR", 0400},
                                      Bit{"IWUSR", 0200},
                                      Bit{"IXUSR", 0100},
                                      Bit{"IRGRP", 0040},
                                      Bit{"IWGRP", 0020},
                                      Bit{"IXGRP", 0010},
                                      Bit{"IROTH", 0004},
                                      Bit{"IWOTH", 0002},
                                      Bit{"IXOTH", 0001}};
    Reporter& reporter = parsing.reporter;
    const Word& first = line.value();
    std::uint32_t mask = 0;
    if (!first.text.empty() && first.text[0] >= '0' && first.text[0] <= '9') {
        const char* const end = first.text.data() + first.text.size();
        const auto [stop, problem] = std::from_chars(first.text.data(), end, mask, 8);
        if (problem != std::errc() || stop != end || mask > 0777) {
            reporter.error(first,
                           fmt::format("{} is no file mode; ignored", quoted(first.text)),
                           "an octal number from 0 to 0777 is expected");
            return;
        }
    } else {
        std::string names;
        for (std::size_t at = 0; at < line.values(); ++at) names += line.value(at).text + '|';
        for (std::size_t at = 0; at < names.size();) {
            const std::size_t end = names.find('|', at);
            const std::string name = names.substr(at, end - at);
            at = end + 1;
            if (name.empty()) continue;
            const auto* bit =
                std::ranges::find_if(kBits, [&](const Bit& one) { return name == one.name; });
            if (bit == kBits.end()) {
                reporter.error(first,
                               fmt::format("unknown mode bit {}; umask is ignored", quoted(name)),
                               "IRUSR, IWGRP, IXOTH and so on are known");
                return;
            }
            mask |= bit->bit;
        }
    }
    assign(reporter, global.umask, std::optional(mask), first);
}

constexpr int kHighestRealTime = 99;

/// max_auto_priority [-1..99]; without a value: the highest. -1 is off, as 0 is.
void parse_auto_priority(Parsing& parsing, GlobalDefs& global, const Statement& line) {
    if (line.values() == 0)
        assign(parsing.reporter,
               global.max_auto_priority,
               std::optional(kHighestRealTime),
               line.head());
    else
        number(&GlobalDefs::max_auto_priority, -1, 99)(parsing, global, line);
}

void parse_flush_on_stop(Parsing& parsing, GlobalDefs& global, const Statement& line) {
    using Flush = GlobalDefs::FlushOnStop;
    std::optional<Flush> flush = Flush::All;
    if (line.values() > 0) {
        if (line.value().text == "VS")
            flush = Flush::Services;
        else
            parsing.reporter.error(
                line.value(), fmt::format("unknown option {}; ignored", quoted(line.value().text)));
    }
    assign(parsing.reporter, global.lvs_flush_on_stop, flush, line.head());
}

void parse_dynamic_interfaces(Parsing& parsing, GlobalDefs& global, const Statement& line) {
    assign(parsing.reporter, global.dynamic_interfaces, std::optional(true), line.head());
    if (line.values() == 0) return;
    if (line.value().text == "allow_if_changes")
        assign(parsing.reporter,
               global.dynamic_interfaces_may_change,
               std::optional(true),
               line.value());
    else
        parsing.reporter.error(
            line.value(), fmt::format("unknown option {}; ignored", quoted(line.value().text)));
}

void parse_cpu_affinity(Parsing& parsing, ProcessSettings& process, const Statement& line) {
    std::vector<std::uint32_t> cpus;
    for (std::size_t at = 0; at < line.values(); ++at)
        if (const auto cpu = read_number(parsing.reporter, line.value(at), 0, 1023))
            cpus.push_back(static_cast<std::uint32_t>(*cpu));
    assign(parsing.reporter, process.cpu_affinity, std::optional(std::move(cpus)), line.head());
}

/// The optional file of reload_check_config.
void parse_reload_check(Parsing& parsing, GlobalDefs& global, const Statement& line) {
    const Word& word = line.values() > 0 ? line.value() : line.head();
    assign(parsing.reporter,
           global.reload_check_config,
           std::optional(line.values() > 0 ? word.text : std::string()),
           word);
}

void parse_rx_bufs_policy(Parsing& parsing, GlobalDefs& global, const Statement& line) {
    const Word& word = line.value();
    if (word.text == "MTU" || word.text == "ADVERT" ||
        read_number(parsing.reporter, word, 1, 2147483647))
        assign_text(parsing.reporter, global.rx_bufs_policy, line);
}

void without_iptables(Parsing& parsing, GlobalDefs&, const Statement& line) {
    parsing.reporter.complaint(line.head(), "iptables is not used; ignored");
}

void add_process(Fields<GlobalDefs>& fields,
                 const std::string& prefix,
                 ProcessSettings GlobalDefs::* process) {
    fields[prefix + "_priority"] = within(process, number(&ProcessSettings::nice, -20, 19));
    fields[prefix + "_rt_priority"] = within(process, number(&ProcessSettings::rt_priority, 1, 99));
    const Field<GlobalDefs> rttime =
        within(process, number(&ProcessSettings::rlimit_rttime_us, 1, kMaxNumber));
    fields[prefix + "_rlimit_rttime"] = rttime;
    fields[prefix + "_rlimit_rtime"] = deprecated(prefix + "_rlimit_rttime", rttime);
    fields[prefix + "_cpu_affinity"] = within(process, parse_cpu_affinity);
    fields[prefix + "_no_swap"] = within(process, flag(&ProcessSettings::no_swap));
    fields[prefix + "_process_name"] = within(process, text(&ProcessSettings::name));
}

void add_fifo(Fields<GlobalDefs>& fields, const std::string& name, NotifyFifo GlobalDefs::* fifo) {
    fields[name] = within(fifo, fifo_path());
    fields[name + "_script"] = within(fifo, command(&NotifyFifo::script));
}

void add_vrrp(Fields<GlobalDefs>& fields) {
    using G = GlobalDefs;
    fields.insert({
        {"vrrp_version", number(&G::vrrp_version, 2, 3)},
        {"vrrp_mcast_group4", group(&G::vrrp_mcast_group4, Family::V4)},
        {"vrrp_mcast_group6", group(&G::vrrp_mcast_group6, Family::V6)},
        {"vrrp_garp_master_delay", seconds(&G::garp_master_delay, Nanos(0), kDay)},
        {"vrrp_garp_master_repeat", number(&G::garp_master_repeat, 1, 1000)},
        {"vrrp_garp_master_refresh", seconds(&G::garp_master_refresh, Nanos(0), kDay)},
        {"vrrp_garp_master_refresh_repeat", number(&G::garp_master_refresh_repeat, 1, 1000)},
        {"vrrp_garp_lower_prio_delay", seconds(&G::garp_lower_prio_delay, Nanos(0), kDay)},
        {"vrrp_garp_lower_prio_repeat", number(&G::garp_lower_prio_repeat, 0, 1000)},
        {"vrrp_garp_interval", seconds(&G::garp_interval)},
        {"vrrp_gna_interval", seconds(&G::gna_interval)},
        {"vrrp_min_garp", flag(&G::min_garp)},
        {"vrrp_garp_extra_if", parse_extra_garp},
        {"vrrp_vmac_garp_intvl", parse_extra_garp},
        {"vrrp_down_timer_adverts", number(&G::down_timer_adverts, 1, 100)},
        {"vrrp_lower_prio_no_advert", flag(&G::lower_prio_no_advert)},
        {"vrrp_higher_prio_send_advert", flag(&G::higher_prio_send_advert)},
        {"vrrp_owner_ignore_adverts", flag(&G::owner_ignore_adverts)},
        {"vrrp_check_unicast_src", flag(&G::check_unicast_src)},
        {"v3_checksum_as_v2", flag(&G::v3_checksum_as_v2)},
        {"vrrp_strict", flag(&G::strict)},
        {"vrrp_skip_check_adv_addr", flag(&G::skip_check_adv_addr)},
        {"vrrp_notify_priority_changes", flag(&G::notify_priority_changes)},
        {"vrrp_startup_delay", seconds(&G::startup_delay)},
        {"vrrp_delay_after_boot", seconds(&G::delay_after_boot)},
        {"log_unknown_vrids", flag(&G::log_unknown_vrids)},
        {"dynamic_interfaces", parse_dynamic_interfaces},
        {"default_interface", text(&G::default_interface)},
        {"vmac_prefix", text(&G::vmac_prefix)},
        {"vmac_addr_prefix", text(&G::vmac_addr_prefix)},
        {"vrrp_rx_bufs_policy", parse_rx_bufs_policy},
        {"vrrp_iptables", without_iptables},
        {"vrrp_ipsets", without_iptables},
        {"vrrp_rx_bufs_multiplier", number(&G::rx_bufs_multiplier, 1, kMaxNumber)},
    });
}

void add_lvs_and_alerts(Fields<GlobalDefs>& fields) {
    using G = GlobalDefs;
    fields.insert({
        {"lvs_sync_daemon",
         [](Parsing& parsing, G&, const Statement& line) { parse_sync_daemon(parsing, line); }},
        {"lvs_timeouts",
         [](Parsing& parsing, G&, const Statement& line) { parse_timeouts(parsing, line); }},
        {"lvs_flush", flag(&G::lvs_flush)},
        {"lvs_flush_on_stop", parse_flush_on_stop},
        {"lvs_flush_onstop", deprecated("lvs_flush_on_stop", parse_flush_on_stop)},
        {"notification_email", parse_mail_addresses},
        {"notification_email_from", within(&G::smtp, text(&Smtp::from))},
        {"smtp_server", parse_smtp_server},
        {"smtp_helo_name", within(&G::smtp, text(&Smtp::helo_name))},
        {"smtp_connect_timeout", within(&G::smtp, seconds(&Smtp::connect_timeout))},
        {"smtp_alert", within(&G::smtp, flag(&Smtp::alert))},
        {"smtp_alert_vrrp", within(&G::smtp, flag(&Smtp::alert_vrrp))},
        {"smtp_alert_checker", within(&G::smtp, flag(&Smtp::alert_checker))},
        {"no_email_faults", within(&G::smtp, flag(&Smtp::no_email_faults))},
        {"no_checker_emails", within(&G::smtp, flag(&Smtp::no_checker_emails))},
        {"checker_log_all_failures", flag(&G::checker_log_all_failures)},
        {"fifo_write_vrrp_states_on_reload", flag(&G::fifo_write_vrrp_states_on_reload)},
        {"rs_init_notifies", flag(&G::rs_init_notifies)},
    });
    add_fifo(fields, "notify_fifo", &G::fifo);
    add_fifo(fields, "vrrp_notify_fifo", &G::vrrp_fifo);
    add_fifo(fields, "lvs_notify_fifo", &G::lvs_fifo);
}

void add_daemon(Fields<GlobalDefs>& fields) {
    using G = GlobalDefs;
    fields.insert({
        {"router_id", text(&G::router_id)},
        {"enable_script_security", flag(&G::enable_script_security)},
        {"script_user",
         [](Parsing& parsing, G&, const Statement& line) { parse_script_user(parsing, line); }},
        {"use_symlink_paths", flag(&G::use_symlink_paths)},
        {"set_supplementary_groups", flag(&G::set_supplementary_groups)},
        {"startup_script", command(&G::startup_script)},
        {"shutdown_script", command(&G::shutdown_script)},
        {"startup_script_timeout", seconds(&G::startup_script_timeout, Seconds(1), Seconds(1000))},
        {"shutdown_script_timeout",
         seconds(&G::shutdown_script_timeout, Seconds(1), Seconds(1000))},
        {"process_names", flag(&G::process_names)},
        {"process_name", text(&G::process_name)},
        {"max_auto_priority", parse_auto_priority},
        {"min_auto_priority_delay", number(&G::min_auto_priority_delay_us, 1, 10'000'000)},
        {"snmp_socket", within(&G::snmp, text(&Snmp::socket))},
        {"enable_snmp_vrrp", within(&G::snmp, flag(&Snmp::vrrp))},
        {"enable_snmp_keepalived", within(&G::snmp, flag(&Snmp::vrrp))},
        {"enable_snmp_checker", within(&G::snmp, flag(&Snmp::checker))},
        {"enable_snmp_rfcv2", within(&G::snmp, flag(&Snmp::rfcv2))},
        {"enable_snmp_rfcv3", within(&G::snmp, flag(&Snmp::rfcv3))},
        {"enable_snmp_rfc",
         [](Parsing& parsing, G& global, const Statement& line) {
             assign_flag(parsing.reporter, global.snmp.rfcv2, line);
             global.snmp.rfcv3 = global.snmp.rfcv2;
         }},
        {"enable_traps", within(&G::snmp, flag(&Snmp::traps))},
        {"snmp_vs_stats_update_interval", within(&G::snmp, seconds(&Snmp::vs_stats_interval))},
        {"snmp_rs_stats_update_interval", within(&G::snmp, seconds(&Snmp::rs_stats_interval))},
        {"enable_dbus", flag(&G::enable_dbus)},
        {"dbus_service_name", text(&G::dbus_service_name)},
        {"dbus_no_interface_name", flag(&G::dbus_no_interface_name)},
        {"umask", parse_umask},
        {"reload_check_config", parse_reload_check},
        {"reload_time_file", text(&G::reload_time_file)},
        {"reload_repeat", flag(&G::reload_repeat)},
        {"reload_file",
         [](Parsing& parsing, G& global, const Statement& line) {
             const Word& word = line.values() > 0 ? line.value() : line.head();
             assign(parsing.reporter,
                    global.reload_file,
                    std::optional(line.values() > 0 ? word.text : std::string()),
                    word);
         }},
        {"config_save_dir", text(&G::config_save_dir)},
        {"tmp_config_directory", text(&G::tmp_config_directory)},
        {"data_use_instance", flag(&G::data_use_instance)},
        {"state_dump_file", text(&G::state_dump_file)},
        {"stats_dump_file", text(&G::stats_dump_file)},
        {"json_dump_file", text(&G::json_dump_file)},
        {"json_version", number(&G::json_version, 1, 2)},
        {"iproute_usr_dir", text(&G::iproute_usr_dir)},
        {"iproute_etc_dir", text(&G::iproute_etc_dir)},
    });
    add_process(fields, "vrrp", &G::vrrp);
    add_process(fields, "checker", &G::checker);
    add_process(fields, "bfd", &G::bfd);
    fields["lvs_process_name"] = deprecated("checker_process_name", fields["checker_process_name"]);
}

const Fields<GlobalDefs>& global_fields() {
    static const auto made = [] {
        Fields<GlobalDefs> fields;
        add_vrrp(fields);
        add_lvs_and_alerts(fields);
        add_daemon(fields);
        return fields;
    }();
    return made;
}

}  // namespace

void read_extra_garp(Reporter& reporter,
                     const Statement& line,
                     Value<Nanos>& interval,
                     Value<bool>& all) {
    const bool every = line.value().text == "all";
    if (every) assign(reporter, all, std::optional(true), line.value());
    if (every && line.values() == 1) {
        reporter.error(line.value(), "'all' needs an interval after it; ignored");
        return;
    }
    const Word& word = line.value(every ? 1 : 0);
    assign(reporter, interval, read_seconds(reporter, word, Nanos(0), kDay), word);
}

void parse_global_defs(Parsing& parsing, const Statement& statement) {
    read_fields(global_fields(), parsing, parsing.config.global, statement);
}

}  // namespace vipd::config
