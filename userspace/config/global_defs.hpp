// SPDX-License-Identifier: Apache-2.0
// The block global_defs. Times are seconds in the file unless said otherwise.
#pragma once

#include "userspace/config/source.hpp"

namespace vipd::config {

struct SyncDaemon {  ///< lvs_sync_daemon
    std::string interface;
    std::string instance;
    std::uint8_t id = 0;
    std::uint16_t port = 8848;
    std::uint16_t maxlen = 0;  ///< 0: from the interface's MTU
    std::uint8_t ttl = 1;
    IpAddress group;
    Location at;
    bool operator==(const SyncDaemon&) const = default;
};

struct Smtp {  ///< mail alerts
    std::vector<Value<std::string>> to;
    Value<std::string> from;
    Value<std::string> server;  ///< a name or an address; empty: no mail
    Value<std::uint16_t> port{25};
    Value<std::string> helo_name;  ///< empty: the host's name
    Value<Nanos> connect_timeout{Seconds(30)};
    Value<bool> no_email_faults{false};
    /// No mail for a check that changes nothing about its real server; vipd sends none of those.
    Value<bool> no_checker_emails{false};
    // Unset: instances and groups no, real servers yes, virtual servers no.
    Value<bool> alert, alert_vrrp, alert_checker;
    bool operator==(const Smtp&) const = default;
};

struct NotifyFifo {
    Value<std::string> path;
    std::optional<Script> script;
    std::string user, group;  ///< owner of a FIFO that had to be made
    bool operator==(const NotifyFifo&) const = default;
};

/// Scheduling of one of the processes (vrrp_*, checker_*, bfd_*).
struct ProcessSettings {
    Value<int> nice{0};
    Value<std::uint8_t> rt_priority{0};  ///< SCHED_RR; 0: normal scheduling
    Value<std::uint32_t> rlimit_rttime_us{10'000};
    Value<std::vector<std::uint32_t>> cpu_affinity;
    Value<bool> no_swap{false};
    Value<std::string> name;
    bool operator==(const ProcessSettings&) const = default;
};

struct Snmp {
    Value<std::string> socket;
    Value<bool> vrrp{false}, checker{false}, rfcv2{false}, rfcv3{false}, traps{false};
    Value<Nanos> vs_stats_interval{Seconds(5)}, rs_stats_interval{Seconds(5)};
    bool operator==(const Snmp&) const = default;
};

struct GlobalDefs {
    Value<std::string> router_id;
    Value<std::uint8_t> vrrp_version{2};
    Value<IpAddress> vrrp_mcast_group4;  ///< 224.0.0.18
    Value<IpAddress> vrrp_mcast_group6;  ///< ff02::12
    Value<Nanos> garp_master_delay{Seconds(5)};
    Value<std::uint32_t> garp_master_repeat{5};
    Value<Nanos> garp_master_refresh{Seconds(0)};
    Value<std::uint32_t> garp_master_refresh_repeat{1};
    Value<Nanos> garp_lower_prio_delay{Seconds(5)};  ///< unset: garp_master_delay
    Value<std::uint32_t> garp_lower_prio_repeat{5};  ///< unset: garp_master_repeat
    Value<Nanos> garp_interval{Nanos(0)};            ///< between two of one interface
    Value<Nanos> gna_interval{Nanos(0)};
    Value<bool> min_garp{false};
    Value<Nanos> garp_extra_if{Nanos(0)};  ///< 0: off
    Value<bool> garp_extra_if_all{false};
    Value<std::uint8_t> down_timer_adverts{3};
    Value<bool> lower_prio_no_advert{false};
    Value<bool> higher_prio_send_advert{false};
    Value<bool> owner_ignore_adverts{false};
    Value<bool> check_unicast_src{false};
    Value<bool> v3_checksum_as_v2{false};
    Value<bool> strict{false};
    Value<bool> skip_check_adv_addr{false};
    Value<bool> notify_priority_changes{false};
    Value<Nanos> startup_delay{Seconds(0)};
    Value<Nanos> delay_after_boot{Seconds(0)};
    Value<bool> log_unknown_vrids{false};
    Value<bool> dynamic_interfaces{false};
    Value<bool> dynamic_interfaces_may_change{false};  ///< allow_if_changes
    Value<std::string> default_interface{std::string("eth0")};
    Value<std::string> vmac_prefix{std::string("vrrp")};
    Value<std::string> vmac_addr_prefix{std::string("vrrp")};
    Value<std::string> rx_bufs_policy;  ///< MTU, ADVERT or a number of bytes
    Value<std::uint32_t> rx_bufs_multiplier{3};

    Value<bool> enable_script_security{false};
    Value<std::string> script_user;
    Value<std::string> script_group;
    Value<bool> use_symlink_paths{false};
    Value<bool> set_supplementary_groups{false};
    std::optional<Script> startup_script, shutdown_script;
    Value<Nanos> startup_script_timeout{Seconds(10)}, shutdown_script_timeout{Seconds(10)};

    std::optional<SyncDaemon> sync_daemon;
    Value<std::uint32_t> tcp_timeout{900};  ///< lvs_timeouts, seconds
    Value<std::uint32_t> tcp_fin_timeout{120};
    Value<std::uint32_t> udp_timeout{300};
    Value<bool> lvs_flush{false};
    /// lvs_flush_on_stop: whole table, or (VS) the services of the file.
    enum class FlushOnStop : std::uint8_t { No, All, Services };
    Value<FlushOnStop> lvs_flush_on_stop{FlushOnStop::No};

    Smtp smtp;
    Value<bool> checker_log_all_failures{false};
    NotifyFifo fifo, vrrp_fifo, lvs_fifo;
    Value<bool> fifo_write_vrrp_states_on_reload{false};
    Value<bool> rs_init_notifies{false};

    ProcessSettings vrrp, checker, bfd;
    Value<std::string> process_name;  ///< the parent's
    Value<bool> process_names{false};
    Value<int> max_auto_priority{0};  ///< -1..99; 0 and -1: off
    Value<std::uint32_t> min_auto_priority_delay_us{1'000'000};

    Snmp snmp;
    Value<bool> enable_dbus{false};
    Value<std::string> dbus_service_name;
    Value<bool> dbus_no_interface_name{false};

    Value<std::uint32_t> umask{0177};
    Value<std::string> reload_check_config;  ///< a log file; may be empty
    Value<std::string> reload_time_file;
    Value<bool> reload_repeat{false};
    Value<std::string> reload_file;
    Value<std::string> config_save_dir, tmp_config_directory;
    Value<bool> data_use_instance{false};
    Value<std::string> state_dump_file, stats_dump_file, json_dump_file;
    Value<std::uint8_t> json_version{1};
    Value<std::string> iproute_usr_dir, iproute_etc_dir;
    bool operator==(const GlobalDefs&) const = default;
};

}  // namespace vipd::config
