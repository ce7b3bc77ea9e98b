// SPDX-License-Identifier: Apache-2.0
// global_defs as text.
#include "userspace/config/writer_lines.hpp"

#include <fmt/ranges.h>

namespace vipd::config {

namespace {

void write_vrrp(Lines& lines, const GlobalDefs& global) {
    lines.number("vrrp_version", global.vrrp_version);
    lines.address("vrrp_mcast_group4", global.vrrp_mcast_group4);
    lines.address("vrrp_mcast_group6", global.vrrp_mcast_group6);
    lines.seconds("vrrp_garp_master_delay", global.garp_master_delay);
    lines.number("vrrp_garp_master_repeat", global.garp_master_repeat);
    lines.seconds("vrrp_garp_master_refresh", global.garp_master_refresh);
    lines.number("vrrp_garp_master_refresh_repeat", global.garp_master_refresh_repeat);
    lines.seconds("vrrp_garp_lower_prio_delay", global.garp_lower_prio_delay);
    lines.number("vrrp_garp_lower_prio_repeat", global.garp_lower_prio_repeat);
    lines.seconds("vrrp_garp_interval", global.garp_interval);
    lines.seconds("vrrp_gna_interval", global.gna_interval);
    lines.flag("vrrp_min_garp", global.min_garp);
    write_extra_garp(lines, "vrrp_garp_extra_if", global.garp_extra_if, global.garp_extra_if_all);
    lines.number("vrrp_down_timer_adverts", global.down_timer_adverts);
    lines.flag("vrrp_lower_prio_no_advert", global.lower_prio_no_advert);
    lines.flag("vrrp_higher_prio_send_advert", global.higher_prio_send_advert);
    lines.flag("vrrp_owner_ignore_adverts", global.owner_ignore_adverts);
    lines.flag("vrrp_check_unicast_src", global.check_unicast_src);
    lines.flag("v3_checksum_as_v2", global.v3_checksum_as_v2);
    lines.flag("vrrp_strict", global.strict);
    lines.flag("vrrp_skip_check_adv_addr", global.skip_check_adv_addr);
    lines.flag("vrrp_notify_priority_changes", global.notify_priority_changes);
    lines.seconds("vrrp_startup_delay", global.startup_delay);
    lines.seconds("vrrp_delay_after_boot", global.delay_after_boot);
    lines.flag("log_unknown_vrids", global.log_unknown_vrids);
    if (global.dynamic_interfaces.set)
        lines.line(global.dynamic_interfaces_may_change.set ? "dynamic_interfaces allow_if_changes"
                                                            : "dynamic_interfaces");
    lines.text("default_interface", global.default_interface);
    lines.text("vmac_prefix", global.vmac_prefix);
    lines.text("vmac_addr_prefix", global.vmac_addr_prefix);
    lines.text("vrrp_rx_bufs_policy", global.rx_bufs_policy);
    lines.number("vrrp_rx_bufs_multiplier", global.rx_bufs_multiplier);
}

void write_scripts(Lines& lines, const GlobalDefs& global) {
    lines.flag("enable_script_security", global.enable_script_security);
    if (global.script_user.set) {
        const auto& group = global.script_group;
        lines.line("script_user " + (group.set ? word(*global.script_user) + ' ' + word(*group)
                                     : group->empty() ? word(*global.script_user)
                                                      : word(*global.script_user + ':' + *group)));
    }
    lines.flag("use_symlink_paths", global.use_symlink_paths);
    lines.flag("set_supplementary_groups", global.set_supplementary_groups);
    lines.script("startup_script", global.startup_script);
    lines.seconds("startup_script_timeout", global.startup_script_timeout);
    lines.script("shutdown_script", global.shutdown_script);
    lines.seconds("shutdown_script_timeout", global.shutdown_script_timeout);
}

void write_fifo(Lines& lines, std::string_view name, const NotifyFifo& fifo) {
    if (fifo.path.set) {
        std::string text = fmt::format("{} {}", name, word(*fifo.path));
        if (!fifo.user.empty() || !fifo.group.empty()) text += ' ' + word(fifo.user);
        if (!fifo.group.empty()) text += ' ' + word(fifo.group);
        lines.line(text);
    }
    lines.script(fmt::format("{}_script", name), fifo.script);
}

void write_sync_daemon(Lines& lines, const SyncDaemon& daemon) {
    const SyncDaemon usual;
    std::string text = "lvs_sync_daemon " + word(daemon.interface);
    if (!daemon.instance.empty()) text += " inst " + word(daemon.instance);
    if (daemon.id != usual.id) text += fmt::format(" id {}", daemon.id);
    if (daemon.maxlen != usual.maxlen) text += fmt::format(" maxlen {}", daemon.maxlen);
    if (daemon.port != usual.port) text += fmt::format(" port {}", daemon.port);
    if (daemon.ttl != usual.ttl) text += fmt::format(" ttl {}", daemon.ttl);
    if (daemon.group) text += " group " + daemon.group.to_string();
    lines.line(text);
}

void write_lvs(Lines& lines, const GlobalDefs& global) {
    if (global.sync_daemon) write_sync_daemon(lines, *global.sync_daemon);
    std::string timeouts;
    const auto timeout = [&](const char* name, const Value<std::uint32_t>& value) {
        if (value.set) timeouts += fmt::format(" {} {}", name, *value);
    };
    timeout("tcp", global.tcp_timeout);
    timeout("tcpfin", global.tcp_fin_timeout);
    timeout("udp", global.udp_timeout);
    if (!timeouts.empty()) lines.line("lvs_timeouts" + timeouts);
    lines.flag("lvs_flush", global.lvs_flush);
    if (global.lvs_flush_on_stop.set)
        lines.line(*global.lvs_flush_on_stop == GlobalDefs::FlushOnStop::Services
                       ? "lvs_flush_on_stop VS"
                       : "lvs_flush_on_stop");
    lines.flag("checker_log_all_failures", global.checker_log_all_failures);
    lines.flag("rs_init_notifies", global.rs_init_notifies);
}

void write_smtp(Lines& lines, const Smtp& smtp) {
    lines.list("notification_email", smtp.to);
    lines.text("notification_email_from", smtp.from);
    if (smtp.server.set)
        lines.line("smtp_server " + word(*smtp.server) +
                   (smtp.port.set ? fmt::format(" {}", *smtp.port) : ""));
    lines.text("smtp_helo_name", smtp.helo_name);
    lines.seconds("smtp_connect_timeout", smtp.connect_timeout);
    lines.flag("no_email_faults", smtp.no_email_faults);
    lines.flag("no_checker_emails", smtp.no_checker_emails);
    lines.flag("smtp_alert", smtp.alert);
    lines.flag("smtp_alert_vrrp", smtp.alert_vrrp);
    lines.flag("smtp_alert_checker", smtp.alert_checker);
}

void write_process(Lines& lines, const std::string& prefix, const ProcessSettings& process) {
    lines.number(prefix + "_priority", process.nice);
    lines.number(prefix + "_rt_priority", process.rt_priority);
    lines.number(prefix + "_rlimit_rttime", process.rlimit_rttime_us);
    if (process.cpu_affinity.set && !process.cpu_affinity->empty())
        lines.line(
            fmt::format("{}_cpu_affinity {}", prefix, fmt::join(*process.cpu_affinity, " ")));
    lines.flag(prefix + "_no_swap", process.no_swap);
    lines.text(prefix + "_process_name", process.name);
}

void write_snmp(Lines& lines, const Snmp& snmp) {
    lines.text("snmp_socket", snmp.socket);
    lines.flag("enable_snmp_vrrp", snmp.vrrp);
    lines.flag("enable_snmp_checker", snmp.checker);
    lines.flag("enable_snmp_rfcv2", snmp.rfcv2);
    lines.flag("enable_snmp_rfcv3", snmp.rfcv3);
    lines.flag("enable_traps", snmp.traps);
    lines.seconds("snmp_vs_stats_update_interval", snmp.vs_stats_interval);
    lines.seconds("snmp_rs_stats_update_interval", snmp.rs_stats_interval);
}

/// A keyword whose value may be left out, which is "".
void write_optional(Lines& lines, std::string_view name, const Value<std::string>& value) {
    if (value.set)
        lines.line(value->empty() ? std::string(name) : fmt::format("{} {}", name, word(*value)));
}

void write_daemon(Lines& lines, const GlobalDefs& global) {
    lines.text("process_name", global.process_name);
    lines.flag("process_names", global.process_names);
    write_process(lines, "vrrp", global.vrrp);
    write_process(lines, "checker", global.checker);
    write_process(lines, "bfd", global.bfd);
    lines.number("max_auto_priority", global.max_auto_priority);
    lines.number("min_auto_priority_delay", global.min_auto_priority_delay_us);
    write_snmp(lines, global.snmp);
    lines.flag("enable_dbus", global.enable_dbus);
    lines.text("dbus_service_name", global.dbus_service_name);
    lines.flag("dbus_no_interface_name", global.dbus_no_interface_name);
    if (global.umask.set) lines.line(fmt::format("umask 0{:o}", *global.umask));
    write_optional(lines, "reload_check_config", global.reload_check_config);
    lines.text("reload_time_file", global.reload_time_file);
    lines.flag("reload_repeat", global.reload_repeat);
    write_optional(lines, "reload_file", global.reload_file);
    lines.text("config_save_dir", global.config_save_dir);
    lines.text("tmp_config_directory", global.tmp_config_directory);
    lines.flag("data_use_instance", global.data_use_instance);
    lines.text("state_dump_file", global.state_dump_file);
    lines.text("stats_dump_file", global.stats_dump_file);
    lines.text("json_dump_file", global.json_dump_file);
    lines.number("json_version", global.json_version);
    lines.text("iproute_usr_dir", global.iproute_usr_dir);
    lines.text("iproute_etc_dir", global.iproute_etc_dir);
}

}  // namespace

void write_global_defs(Lines& lines, const GlobalDefs& global) {
    lines.open("global_defs");
    lines.text("router_id", global.router_id);
    write_vrrp(lines, global);
    write_scripts(lines, global);
    write_lvs(lines, global);
    write_smtp(lines, global.smtp);
    write_fifo(lines, "notify_fifo", global.fifo);
    write_fifo(lines, "vrrp_notify_fifo", global.vrrp_fifo);
    write_fifo(lines, "lvs_notify_fifo", global.lvs_fifo);
    lines.flag("fifo_write_vrrp_states_on_reload", global.fifo_write_vrrp_states_on_reload);
    write_daemon(lines, global);
    lines.close();
}

}  // namespace vipd::config
