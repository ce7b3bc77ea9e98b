// SPDX-License-Identifier: Apache-2.0
#include "userspace/config/keywords.hpp"

#include "userspace/base/text.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

namespace vipd::config {

namespace {

using enum Block;
using enum Status;

template <class... Blocks>
constexpr std::uint64_t in(Blocks... blocks) {
    return ((std::uint64_t{1} << static_cast<unsigned>(blocks)) | ...);
}

constexpr std::uint64_t kGlobal = in(GlobalDefs);
constexpr std::uint64_t kVrrp = in(VrrpInstance);
constexpr std::uint64_t kVrrpOrGroup = in(VrrpInstance, SyncGroup);
constexpr std::uint64_t kService = in(VirtualServer);
constexpr std::uint64_t kReal = in(RealServer);
constexpr std::uint64_t kServiceOrReal = in(VirtualServer, RealServer);
/// The checkers with a connection of their own.
constexpr std::uint64_t kConnects =
    in(TcpCheck, HttpGet, SslGet, SmtpCheck, SmtpHost, DnsCheck, UdpCheck, PingCheck);
constexpr std::uint64_t kRetries =
    in(TcpCheck, HttpGet, SslGet, SmtpCheck, DnsCheck, MiscCheck, UdpCheck, PingCheck);
constexpr std::uint64_t kHttp = in(HttpGet, SslGet);

Keyword flag(std::string_view name, std::uint64_t where, Status status = Done) {
    return {name, where, status, None, 0, 1};
}
Keyword value(std::string_view name,
              std::uint64_t where,
              Status status = Done,
              std::uint8_t least = 1,
              std::uint8_t most = 1) {
    return {name, where, status, None, least, most};
}
Keyword values(std::string_view name, std::uint64_t where, Status status = Done) {
    return {name, where, status, None, 1, kAny, false, true};
}
Keyword script(std::string_view name, std::uint64_t where, Status status = Done) {
    return {name, where, status, None, 1, 3, true};
}
/// `count` values stand between the keyword and its brace.
Keyword block(std::string_view name,
              std::uint64_t where,
              Block body,
              std::uint8_t count = 0,
              Status status = Done) {
    return {name, where, status, body, count, count, false, true};
}

std::vector<Keyword> table() {
    std::vector<Keyword> all{
        // ---- the root of the file
        block("global_defs", in(Root), GlobalDefs),
        block("vrrp_instance", in(Root), VrrpInstance, 1),
        block("vrrp_sync_group", in(Root), SyncGroup, 1),
        block("vrrp_script", in(Root), VrrpScript, 1),
        {"virtual_server", in(Root), Done, VirtualServer, 1, 3, false, true},
        block("vipd", in(Root), Vipd),
        value("net_namespace", in(Root), Done, 0),
        value("instance", in(Root)),
        block("virtual_server_group", in(Root), List, 1),
        block("track_file", in(Root), TrackFile, 1),
        block("vrrp_track_file", in(Root), TrackFile, 1),
        block("vrrp_track_process", in(Root), TrackProcess, 1),
        block("bfd_instance", in(Root), BfdInstance, 1),
        block("static_ipaddress", in(Root), List),
        block("static_routes", in(Root), List),
        block("static_rules", in(Root), List),
        block("track_group", in(Root), TrackGroup, 1),
        block("garp_group", in(Root), GarpGroup),
        block("interface_up_down_delays", in(Root), List),
        block("SSL", in(Root), Ssl, 0, NotYet),
        value("net_namespace_ipvs", in(Root), NotYet),
        value("child_wait_time", in(Root)),

        // ---- global_defs
        value("router_id", kGlobal),
        value("vrrp_version", kGlobal),
        value("vrrp_mcast_group4", kGlobal),
        value("vrrp_garp_master_delay", kGlobal),
        value("vrrp_garp_master_repeat", kGlobal),
        value("vrrp_garp_master_refresh", kGlobal),
        value("vrrp_garp_master_refresh_repeat", kGlobal),
        value("vrrp_down_timer_adverts", kGlobal),
        flag("vrrp_strict", kGlobal),
        flag("vrrp_skip_check_adv_addr", kGlobal),
        flag("enable_script_security", kGlobal),
        value("script_user", kGlobal, Done, 1, 2),
        value("lvs_sync_daemon", kGlobal, Done, 1, kAny),
        value("lvs_timeouts", kGlobal, Done, 2, 6),
        value("vrrp_garp_interval", kGlobal),
        value("vrrp_gna_interval", kGlobal),
        block("notification_email", kGlobal, List),
        script("startup_script", kGlobal),
        script("shutdown_script", kGlobal),
        value("notify_fifo", kGlobal, Done, 1, 3),
        value("vrrp_notify_fifo", kGlobal, Done, 1, 3),
        value("lvs_notify_fifo", kGlobal, Done, 1, 3),
        value("smtp_server", kGlobal, Done, 1, 2),
        value("vrrp_garp_extra_if", kGlobal, Done, 1, 2),
        value("vrrp_vmac_garp_intvl", kGlobal, Done, 1, 2),
        flag("max_auto_priority", kGlobal),
        flag("dynamic_interfaces", kGlobal, Done),
        flag("reload_file", kGlobal, NotYet),
        value("umask", kGlobal, Done, 1, kAny),
        value("vrrp_cpu_affinity", kGlobal, Done, 1, kAny),
        value("checker_cpu_affinity", kGlobal, Done, 1, kAny),
        script("notify_fifo_script", kGlobal),
        script("vrrp_notify_fifo_script", kGlobal),
        script("lvs_notify_fifo_script", kGlobal),

        // ---- vrrp_instance and vrrp_sync_group
        value("state", kVrrp),
        value("interface", kVrrp),
        value("virtual_router_id", kVrrp),
        value("priority", kVrrp),
        value("advert_int", kVrrp),
        value("version", kVrrp),
        flag("nopreempt", kVrrp),
        flag("preempt", kVrrp),
        value("preempt_delay", kVrrp),
        value("mcast_src_ip", kVrrp),
        value("unicast_src_ip", kVrrp),
        value("unicast_ttl", kVrrp),
        block("unicast_peer", kVrrp, List),
        block("virtual_ipaddress", kVrrp, List),
        block("virtual_ipaddress_excluded", kVrrp, List),
        block("authentication", kVrrp, Authentication),
        value("auth_type", in(Authentication)),
        value("auth_pass", in(Authentication)),
        flag("dont_track_primary", kVrrp),
        value("garp_master_delay", kVrrp),
        value("garp_master_repeat", kVrrp),
        value("garp_master_refresh", kVrrp),
        value("garp_master_refresh_repeat", kVrrp),
        value("down_timer_adverts", kVrrp),
        flag("skip_check_adv_addr", kVrrp),
        flag("strict_mode", kVrrp),
        value("lvs_sync_daemon_interface", kVrrp),
        flag("no_virtual_ipaddress", kVrrp),
        block("track_interface", kVrrp, List),
        block("track_script", kVrrp, List),
        block("track_interface", in(SyncGroup), List),
        block("track_script", in(SyncGroup), List),
        block("group", in(SyncGroup), List),
        script("notify_master", kVrrpOrGroup),
        script("notify_backup", kVrrpOrGroup),
        script("notify_fault", kVrrpOrGroup),
        script("notify_stop", kVrrpOrGroup),
        script("notify", kVrrpOrGroup),
        script("notify_deleted", kVrrp),
        script("notify_master_rx_lower_pri", kVrrp),
        flag("notify_priority_changes", kVrrpOrGroup),
        flag("smtp_alert", kVrrpOrGroup | kServiceOrReal),
        block("track_file", kVrrpOrGroup, List),
        block("track_process", kVrrpOrGroup, List),
        block("track_bfd", kVrrpOrGroup, List),
        block("virtual_routes", kVrrp, List),
        block("virtual_rules", kVrrp, List),
        block("auth_hmac", kVrrp, AuthHmac),

        // ---- vrrp_script and the other trackers
        script("script", in(VrrpScript)),
        value("interval", in(VrrpScript)),
        value("timeout", in(VrrpScript)),
        value("weight", in(VrrpScript), Done, 1, 2),
        value("rise", in(VrrpScript)),
        value("fall", in(VrrpScript)),
        value("user", in(VrrpScript, MiscCheck), Done, 1, 2),
        flag("init_fail", in(VrrpScript)),
        value("weight", in(TrackFile, TrackProcess, BfdInstance), Done, 1, 2),
        value("weight", in(FileCheck), Done, 1, 2),
        {"init_file", in(TrackFile), Done, None, 0, 2},
        {"process", in(TrackProcess), Done, None, 1, kAny, true},
        {"key", in(AuthHmac), Done, None, 2, 2, false, true},
        value("garp_extra_if", kVrrp, Done, 1, 2),
        value("vmac_garp_intvl", kVrrp, Done, 1, 2),
        block("group", in(TrackGroup), List),
        block("interfaces", in(GarpGroup), List),

        // ---- virtual_server
        value("delay_loop", kService | kReal | kRetries),
        value("lb_algo", kService),
        value("lvs_sched", kService),
        value("lb_kind", kService, Done, 1, 6),
        value("lvs_method", kServiceOrReal, Done, 1, 6),
        value("sorry_server_lvs_method", kService, Done, 1, 6),
        value("protocol", kService),
        flag("sh-port", kService),
        flag("sh-fallback", kService),
        flag("mh-port", kService),
        flag("mh-fallback", kService),
        value("connect_timeout", kServiceOrReal | kConnects),
        value("retry", kServiceOrReal | kRetries),
        value("delay_before_retry", kServiceOrReal | kRetries),
        value("warmup", kServiceOrReal | kRetries | in(SmtpHost)),
        value("quorum", kService),
        value("hysteresis", kService),
        script("quorum_up", kService),
        script("quorum_down", kService),
        value("sorry_server", kService, Done, 1, 2),
        flag("sorry_server_inhibit", kService),
        flag("inhibit_on_failure", kServiceOrReal),
        {"alpha", kService},
        {"omega", kService},
        value("virtualhost", kServiceOrReal | kHttp | in(Url)),
        value("weight", kServiceOrReal),
        value("ip_family", kService),
        {"real_server", kService, Done, RealServer, 1, 2, false, true},
        {"persistence_timeout", kService, Done, None, 0, 1},
        value("persistence_granularity", kService),
        value("persistence_engine", kService, NotYet),
        flag("ha_suspend", kService, NotYet),
        flag("ops", kService),
        flag("flag-1", kService),
        flag("flag-2", kService),

        // ---- real_server and its checkers
        script("notify_up", kReal),
        script("notify_down", kReal),
        value("uthreshold", kReal),
        value("lthreshold", kReal),
        flag("alpha", kReal | kRetries | in(BfdCheck)),
        block("TCP_CHECK", kReal, TcpCheck),
        block("HTTP_GET", kReal, HttpGet),
        block("MISC_CHECK", kReal, MiscCheck),
        block("SSL_GET", kReal, SslGet),
        block("SMTP_CHECK", kReal, SmtpCheck),
        block("DNS_CHECK", kReal, DnsCheck),
        block("UDP_CHECK", kReal, UdpCheck),
        block("PING_CHECK", kReal, PingCheck),
        block("BFD_CHECK", kReal, BfdCheck),
        block("FILE_CHECK", kReal, FileCheck, 0),
        value("connect_ip", kConnects),
        value("connect_port", kConnects),
        value("bindto", kConnects),
        value("bind_port", kConnects),
        value("bind_if", kConnects),
        value("fwmark", kConnects, NotYet),
        flag("log_all_failures", kRetries),
        block("url", kHttp, Url),
        value("http_protocol", kHttp),
        {"nb_get_retry", kHttp | in(SmtpCheck), Done, None, 1, 1},
        flag("fast_recovery", kHttp),
        flag("enable_sni", kHttp),
        value("sni_name", kHttp),
        flag("tls_compliant", kHttp | in(Url), NotYet),
        value("path", in(Url)),
        value("digest", in(Url)),
        values("status_code", in(Url)),
        script("misc_path", in(MiscCheck)),
        value("misc_timeout", in(MiscCheck)),
        flag("misc_dynamic", in(MiscCheck)),
        block("host", in(SmtpCheck), SmtpHost),

        // ---- vipd's own
        values("interfaces", in(Vipd)),
        value("attach_mode", in(Vipd)),
        value("flow_table_size", in(Vipd)),
        value("ring_size", in(Vipd)),
        block("fwmark", in(Vipd), List, 1),
        value("lease", in(Vipd)),
        value("api_socket", in(Vipd)),
        value("api_listen", in(Vipd), Done, 1, 2),
        value("checkpoint", in(Vipd)),
        value("checkpoint_interval", in(Vipd)),
        block("sync", in(Vipd), VipdSync),
        values("peer", in(VipdSync)),
        value("key_file", in(VipdSync)),
        value("bind", in(VipdSync)),
        value("port", in(VipdSync)),
        value("wait_limit", in(VipdSync)),
    };

    // Many of a kind: flags, keywords with one value, and what takes any number of words.
    const auto flags = [&](Status status, std::uint64_t where, auto... names) {
        (all.push_back(flag(names, where, status)), ...);
    };
    const auto single = [&](Status status, std::uint64_t where, auto... names) {
        (all.push_back(value(names, where, status)), ...);
    };
    const auto any = [&](Status status, std::uint64_t where, auto... names) {
        (all.push_back({names, where, status, None, 0, kAny, false, true}), ...);
    };
    const auto no_effect = [&](std::string_view why, std::uint64_t where, auto... names) {
        (all.push_back({names, where, NoEffect, None, 0, kAny, false, true, why}), ...);
    };
    // clang-format off
    for (const auto* name :
         {"include", "includer", "includem", "includew", "includeb", "includea"})
        all.push_back({name, ~in(None, List), Done, None, 1, kAny, false, true});
    any(Done, in(Root, GlobalDefs), "include_check");
    flags(Done, kGlobal,
        "smtp_alert", "smtp_alert_vrrp", "smtp_alert_checker", "no_email_faults",
        "checker_log_all_failures", "fifo_write_vrrp_states_on_reload", "data_use_instance",
        "vrrp_min_garp", "vrrp_lower_prio_no_advert", "vrrp_higher_prio_send_advert",
        "vrrp_owner_ignore_adverts", "vrrp_check_unicast_src", "v3_checksum_as_v2", "vrrp_no_swap", "checker_no_swap",
        "no_checker_emails", "vrrp_notify_priority_changes", "log_unknown_vrids");
    single(Done, kGlobal,
        "notification_email_from", "smtp_helo_name", "smtp_connect_timeout",
        "startup_script_timeout", "shutdown_script_timeout", "state_dump_file",
        "stats_dump_file", "json_dump_file", "json_version", "random_seed",
        "vrrp_mcast_group6", "vrrp_garp_lower_prio_delay", "vrrp_garp_lower_prio_repeat",
        "vrrp_startup_delay", "vrrp_delay_after_boot", "default_interface", "vrrp_priority",
        "vrrp_rt_priority", "vrrp_rlimit_rttime", "vrrp_rlimit_rtime", "checker_priority",
        "checker_rt_priority", "checker_rlimit_rttime", "checker_rlimit_rtime", "process_name",
        "vrrp_process_name", "checker_process_name", "lvs_process_name",
        "min_auto_priority_delay", "vmac_prefix", "vmac_addr_prefix");
    flags(NotYet, kGlobal,
        "use_symlink_paths",
        "set_supplementary_groups", "rs_init_notifies",
        "reload_repeat");
    single(NotYet, kGlobal,
        "reload_time_file", "config_save_dir",
        "iproute_usr_dir", "iproute_etc_dir");
    no_effect("BFD runs in the vrrp process", kGlobal,
        "bfd_priority", "bfd_rt_priority", "bfd_rlimit_rttime", "bfd_rlimit_rtime",
        "bfd_cpu_affinity", "bfd_no_swap", "bfd_process_name");
    no_effect("the processes have names of their own in any case", kGlobal, "process_names");
    no_effect("pid files are in /run/vipd in any case", in(Root), "use_pid_dir");
    no_effect("vipd sets no firewall rules", in(Root), "namespace_with_ipsets");
    no_effect("logging is the same for all instances", kVrrp, "debug");
    no_effect("vipd sets no firewall rules", kGlobal,
        "nftables", "nftables_priority", "nftables_counters", "nftables_ifindex",
        "nftables_ipvs", "nftables_ipvs_priority", "nftables_ipvs_start_fwmark", "vrrp_iptables",
        "vrrp_ipsets", "disable_local_igmp");
    no_effect("there is no IPVS table", kGlobal,
        "lvs_flush", "lvs_flush_on_stop", "lvs_flush_onstop");
    no_effect("that flag is for IPVS itself", kService, "hashed", "flag-3");
    no_effect("its buffers are as large as they may be, and an overrun is made good", kGlobal,
        "vrrp_netlink_cmd_rcv_bufs", "vrrp_netlink_cmd_rcv_bufs_force",
        "vrrp_netlink_monitor_rcv_bufs", "vrrp_netlink_monitor_rcv_bufs_force",
        "lvs_netlink_cmd_rcv_bufs", "lvs_netlink_cmd_rcv_bufs_force",
        "lvs_netlink_monitor_rcv_bufs", "lvs_netlink_monitor_rcv_bufs_force",
        "process_monitor_rcv_bufs", "process_monitor_rcv_bufs_force");
    no_effect("the kernel tells of every link at once", in(Root) | kVrrp, "linkbeat_use_polling");
    all.push_back({"linkbeat_interfaces", in(Root), NoEffect, List, 0, 0, false, true,
                   "the kernel tells of every link at once"});
    no_effect("a reload is always checked first", kGlobal, "reload_check_config");
    no_effect("the configuration is kept in memory", kGlobal, "tmp_config_directory");
    no_effect("there is no SNMP agent; metrics are for Prometheus (docs/API.md)", kGlobal,
        "enable_snmp_vrrp", "enable_snmp_checker", "enable_snmp_rfc", "enable_snmp_rfcv2",
        "enable_snmp_rfcv3", "enable_snmp_keepalived", "enable_traps", "snmp_socket",
        "snmp_vs_stats_update_interval", "snmp_rs_stats_update_interval");
    no_effect("there is no SNMP agent", kServiceOrReal, "snmp_name");
    no_effect("there is no D-Bus service; vipctl and the API tell the same (docs/API.md)", kGlobal,
        "enable_dbus", "dbus_no_interface_name", "dbus_service_name");
    no_effect("deprecated, and without effect in keepalived, too", in(SyncGroup), "global_tracking");
    flags(Done, kVrrp,
        "native_ipv6", "track_src_ip", "unicast_fault_no_peer", "check_unicast_src",
        "v3_checksum_as_v2", "lower_prio_no_advert", "higher_prio_send_advert",
        "owner_ignore_adverts", "timer_expired_backup", "thread_timer_expired",
        "promote_secondaries", "accept", "no_accept", "use_vmac_addr", "vmac_xmit_base");
    single(Done, kVrrp, "mcast_dst_ip", "garp_lower_prio_delay", "garp_lower_prio_repeat");
    flags(Done, kVrrp, "old_unicast_checksum");
    single(Done, kVrrp, "vrf", "kernel_rx_buf_size");
    single(Done, kGlobal, "vrrp_rx_bufs_policy", "vrrp_rx_bufs_multiplier");
    any(Done, kVrrp, "use_vmac", "use_ipvlan");
    flags(Done, in(SyncGroup), "sync_group_tracking_weight");
    single(Done, in(AuthHmac), "active_key", "time_window", "anti_replay", "mode");
    single(Done, in(TrackFile), "file");
    flags(Done, in(TrackProcess), "param_match", "full_command");
    single(Done, in(TrackProcess),
        "quorum", "quorum_max", "fork_delay", "terminate_delay", "delay");
    flags(Done, in(BfdInstance), "passive", "multihop", "vrrp", "checker");
    single(Done, in(BfdInstance),
        "neighbor_ip", "neighbour_ip", "source_ip", "min_rx", "min_tx", "idle_tx", "multiplier",
        "ttl", "hoplimit", "max_hops");
    single(Done, in(GarpGroup), "garp_interval", "gna_interval", "interface");
    single(NotYet, in(Ssl), "password", "ca", "certificate", "key");
    flags(Done, in(Url), "regex_no_match");
    single(Done, in(Url), "regex", "regex_min_offset", "regex_max_offset");
    any(Done, in(Url), "regex_options");
    no_effect("the search has limits of its own", in(Url), "regex_stack");
    single(Done, in(SmtpCheck), "helo_name");
    single(Done, in(DnsCheck), "type", "name");
    single(Done, in(UdpCheck), "payload", "min_reply_length", "max_reply_length");
    flags(Done, in(UdpCheck), "require_reply");
    single(Done, in(BfdCheck), "name");
    single(Done, in(FileCheck), "track_file");
    // clang-format on
    return all;
}

struct Index {
    std::vector<Keyword> all = table();
    std::unordered_map<std::string_view, std::vector<const Keyword*>> by_name;
    std::unordered_set<std::string_view> scripts;
    /// The names of each block, for nearest().
    std::array<std::vector<std::string_view>, static_cast<std::size_t>(List) + 1> of_block;
    std::vector<std::string_view> names;

    Index() {
        for (const auto& keyword : all) {
            by_name[keyword.name].push_back(&keyword);
            if (keyword.script) scripts.insert(keyword.name);
            for (std::size_t at = 0; at < of_block.size(); ++at)
                if ((keyword.where >> at & 1U) != 0) of_block[at].push_back(keyword.name);
        }
        for (const auto& [name, entries] : by_name) names.push_back(name);
        std::ranges::sort(names);  // hints must not depend on the hash
    }
};

const Index& index() {
    static const Index made;
    return made;
}

}  // namespace

const std::vector<Keyword>& keywords() {
    return index().all;
}

const Keyword* find_keyword(Block block, std::string_view name) {
    const auto found = index().by_name.find(name);
    if (found == index().by_name.end()) return nullptr;
    for (const auto* keyword : found->second)
        if ((keyword->where & in(block)) != 0) return keyword;
    return nullptr;
}

std::vector<std::string_view> homes_of(std::string_view name) {
    std::vector<std::string_view> homes;
    const auto found = index().by_name.find(name);
    if (found == index().by_name.end()) return homes;
    for (unsigned at = 0; at < static_cast<unsigned>(List); ++at)
        for (const auto* keyword : found->second)
            if ((keyword->where >> at & 1U) != 0) homes.push_back(name_of(static_cast<Block>(at)));
    return homes;
}

bool only_at_root(std::string_view name) {
    const auto found = index().by_name.find(name);
    if (found == index().by_name.end()) return false;
    return std::ranges::all_of(found->second, [](const Keyword* keyword) {
        return keyword->where == in(Root) && keyword->block != None;
    });
}

bool takes_script(std::string_view name) {
    return index().scripts.contains(name);
}

std::string_view name_of(Block block) {
    if (block == Root) return "the file, outside all blocks";
    for (const auto& keyword : index().all)
        if (keyword.block == block && block != List && block != None) return keyword.name;
    return "this block";
}

std::string_view nearest_keyword(Block block, std::string_view word) {
    if (const auto here = nearest(word, index().of_block[static_cast<std::size_t>(block)]))
        return *here;
    return nearest(word, index().names).value_or(std::string_view());
}

}  // namespace vipd::config
