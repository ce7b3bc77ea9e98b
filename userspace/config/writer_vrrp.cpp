// SPDX-License-Identifier: Apache-2.0
// vrrp_instance, vrrp_sync_group and what they track as text.
#include "userspace/config/writer_lines.hpp"

namespace vipd::config {

namespace {

std::string weight_of(const std::optional<int>& weight) {
    return weight ? fmt::format(" weight {}", *weight) : std::string();
}
std::string weight_of(int weight) {
    return weight != 0 ? fmt::format(" weight {}", weight) : std::string();
}

template <class T>
void write_tracked(Lines& lines, std::string_view name, const std::vector<T>& all) {
    if (all.empty()) return;
    lines.open(name);
    for (const auto& tracked : all)
        lines.line(word(tracked.name) + weight_of(tracked.weight) +
                   (tracked.reverse ? " reverse" : ""));
    lines.close();
}

template <class Owner>
void write_tracking(Lines& lines, const Owner& owner) {
    write_tracked(lines, "track_interface", owner.track_interfaces);
    write_tracked(lines, "track_script", owner.track_scripts);
    write_tracked(lines, "track_file", owner.track_files);
    write_tracked(lines, "track_process", owner.track_processes);
    write_tracked(lines, "track_bfd", owner.track_bfds);
}

void write_notify(Lines& lines, const Notify& notify) {
    lines.script("notify_master", notify.master);
    lines.script("notify_backup", notify.backup);
    lines.script("notify_fault", notify.fault);
    lines.script("notify_stop", notify.stop);
    lines.script("notify", notify.any);
    lines.script("notify_deleted", notify.deleted);
    lines.script("notify_master_rx_lower_pri", notify.master_rx_lower_pri);
    lines.flag("notify_priority_changes", notify.priority_changes);
    lines.flag("smtp_alert", notify.smtp_alert);
}

void write_authentication(Lines& lines, const VrrpInstance& instance) {
    if (instance.auth_pass.set || instance.auth_ah.set) {
        lines.open("authentication");
        lines.line(*instance.auth_ah ? "auth_type AH" : "auth_type PASS");
        lines.text("auth_pass", instance.auth_pass);
        lines.close();
    }
    if (!instance.auth_hmac) return;
    const HmacAuth& auth = *instance.auth_hmac;
    lines.open("auth_hmac");
    for (const auto& key : auth.keys)
        lines.line(fmt::format("key {} {}", key.id, word(key.secret)));
    lines.number("active_key", auth.active_key);
    lines.number("time_window", auth.time_window);
    if (auth.monotonic.set)
        lines.line(*auth.monotonic ? "anti_replay monotonic" : "anti_replay time");
    if (auth.mode.set)
        lines.line(*auth.mode == HmacAuth::Mode::Enforce      ? "mode enforce"
                   : *auth.mode == HmacAuth::Mode::Permissive ? "mode permissive"
                                                              : "mode receive-only");
    lines.close();
}

void write_peers(Lines& lines, const VrrpInstance& instance) {
    if (instance.unicast_peers.empty()) return;
    lines.open("unicast_peer");
    // Those with limits are a second list in the same order.
    auto limits = instance.unicast_peer_ttls.begin();
    for (const auto& peer : instance.unicast_peers) {
        std::string text = peer->to_string();
        if (limits != instance.unicast_peer_ttls.end() && limits->address == *peer) {
            if (limits->min_ttl) text += fmt::format(" min_ttl {}", *limits->min_ttl);
            if (limits->max_ttl) text += fmt::format(" max_ttl {}", *limits->max_ttl);
            ++limits;
        }
        lines.line(text);
    }
    lines.close();
}

void write_device(Lines& lines, const VirtualDevice& device) {
    using Kind = VirtualDevice::Kind;
    using Mode = VirtualDevice::Mode;
    if (device.kind == Kind::None) return;
    std::string text = device.kind == Kind::Macvlan ? "use_vmac" : "use_ipvlan";
    if (!device.name.empty()) text += ' ' + word(device.name);
    if (device.mac)
        text += ' ' + to_string(*device.mac).substr(0, device.mac_ends_in_vrid ? 14 : 17);
    if (device.address) text += ' ' + device.address.to_string();
    if (device.mode != Mode::Default)
        text += device.mode == Mode::Bridge ? " bridge"
                : device.mode == Mode::Vepa ? " vepa"
                                            : " private";
    if (device.netlink_notify) text += " netlink_notify_msg";
    if (device.group) text += fmt::format(" group {}", *device.group);
    lines.line(text);
}

void write_transport(Lines& lines, const VrrpInstance& instance) {
    lines.address("mcast_src_ip", instance.mcast_src_ip);
    lines.address("mcast_dst_ip", instance.mcast_dst_ip);
    lines.address("unicast_src_ip", instance.unicast_src_ip);
    lines.flag("track_src_ip", instance.track_src_ip);
    write_peers(lines, instance);
    lines.number("unicast_ttl", instance.unicast_ttl);
    lines.flag("unicast_fault_no_peer", instance.unicast_fault_no_peer);
    lines.flag("check_unicast_src", instance.check_unicast_src);
    if (instance.old_unicast_checksum.set) lines.line("old_unicast_checksum");
    if (instance.old_unicast_checksum_never.set) lines.line("old_unicast_checksum never");
    lines.flag("v3_checksum_as_v2", instance.v3_checksum_as_v2);
    write_device(lines, instance.device);
    lines.flag("use_vmac_addr", instance.use_vmac_addr);
    lines.flag("vmac_xmit_base", instance.vmac_xmit_base);
    if (instance.accept.set) lines.line(*instance.accept ? "accept" : "no_accept");
    lines.number("kernel_rx_buf_size", instance.kernel_rx_buf_size);
}

void write_election(Lines& lines, const VrrpInstance& instance) {
    if (instance.initial_master.set)
        lines.line(*instance.initial_master ? "state MASTER" : "state BACKUP");
    lines.text("interface", instance.interface);
    lines.text("vrf", instance.vrf);
    lines.number("virtual_router_id", instance.virtual_router_id);
    lines.number("priority", instance.priority);
    lines.seconds("advert_int", instance.advert_int);
    lines.number("version", instance.version);
    lines.flag("native_ipv6", instance.native_ipv6);
    lines.flag("nopreempt", instance.nopreempt);
    if (!instance.nopreempt.set && *instance.nopreempt) lines.line("preempt off");
    lines.seconds("preempt_delay", instance.preempt_delay);
    lines.number("down_timer_adverts", instance.down_timer_adverts);
    lines.flag("lower_prio_no_advert", instance.lower_prio_no_advert);
    lines.flag("higher_prio_send_advert", instance.higher_prio_send_advert);
    lines.flag("owner_ignore_adverts", instance.owner_ignore_adverts);
    if (instance.timer_expired_backup.set)
        lines.line(instance.timer_expired_priority.set
                       ? fmt::format("timer_expired_backup {}", *instance.timer_expired_priority)
                       : "timer_expired_backup");
    lines.flag("skip_check_adv_addr", instance.skip_check_adv_addr);
    lines.flag("strict_mode", instance.strict);
    lines.number("debug", instance.debug);
}

void write_garp(Lines& lines, const VrrpInstance& instance) {
    lines.seconds("garp_master_delay", instance.garp_master_delay);
    lines.number("garp_master_repeat", instance.garp_master_repeat);
    lines.seconds("garp_master_refresh", instance.garp_master_refresh);
    lines.number("garp_master_refresh_repeat", instance.garp_master_refresh_repeat);
    lines.seconds("garp_lower_prio_delay", instance.garp_lower_prio_delay);
    lines.number("garp_lower_prio_repeat", instance.garp_lower_prio_repeat);
    write_extra_garp(lines, "garp_extra_if", instance.garp_extra_if, instance.garp_extra_if_all);
}

void write_script(Lines& lines, const VrrpScript& script) {
    lines.open("vrrp_script " + word(script.name));
    // Its user may have a colon in it, which only `user` takes as it is.
    const Script command{script.script.argv,
                         "",
                         script.script.user.empty() ? script.script.group : "",
                         script.script.at};
    lines.script("script", command);
    if (!script.script.user.empty())
        lines.line("user " + word(script.script.user) +
                   (script.script.group.empty() ? "" : ' ' + word(script.script.group)));
    lines.seconds("interval", script.interval);
    lines.seconds("timeout", script.timeout);
    lines.weight(script.weight, script.reverse);
    lines.number("rise", script.rise);
    lines.number("fall", script.fall);
    lines.flag("init_fail", script.init_fail);
    lines.close();
}

void write_file(Lines& lines, const TrackFile& file) {
    lines.open("track_file " + word(file.name));
    lines.text("file", file.path);
    lines.weight(file.weight, file.reverse);
    if (file.initial.set)
        lines.line(
            fmt::format("init_file {}{}", *file.initial, file.overwrite ? " overwrite" : ""));
    lines.close();
}

void write_process(Lines& lines, const TrackProcess& process) {
    using Match = TrackProcess::Match;
    lines.open("vrrp_track_process " + word(process.name));
    std::vector<std::string> argv{*process.program};
    argv.insert(argv.end(), process.parameters.begin(), process.parameters.end());
    lines.line("process " + command_word(argv));
    if (process.match.set)
        lines.line(*process.match == Match::Initial   ? "param_match initial"
                   : *process.match == Match::Partial ? "param_match partial"
                                                      : "param_match");
    lines.weight(process.weight, process.reverse);
    lines.number("quorum", process.quorum);
    lines.number("quorum_max", process.quorum_max);
    lines.seconds("fork_delay", process.fork_delay);
    lines.seconds("terminate_delay", process.terminate_delay);
    lines.flag("full_command", process.full_command);
    lines.close();
}

void write_bfd(Lines& lines, const BfdInstance& bfd) {
    const auto millis = [&](const char* name, const Value<Nanos>& value) {
        if (value.set) lines.line(fmt::format("{} {}", name, *value / Millis(1)));
    };
    lines.open("bfd_instance " + word(bfd.name));
    lines.address("neighbor_ip", bfd.neighbour);
    lines.address("source_ip", bfd.source);
    millis("min_rx", bfd.min_rx);
    millis("min_tx", bfd.min_tx);
    millis("idle_tx", bfd.idle_tx);
    lines.number("multiplier", bfd.multiplier);
    lines.flag("passive", bfd.passive);
    lines.number("ttl", bfd.ttl);
    lines.number("max_hops", bfd.max_hops);
    lines.flag("multihop", bfd.multihop);
    lines.weight(bfd.weight, bfd.reverse);
    lines.flag("vrrp", bfd.vrrp);
    lines.flag("checker", bfd.checker);
    lines.close();
}

}  // namespace

void write_trackers(Lines& lines, const Config& config) {
    for (const auto& script : config.scripts) write_script(lines, script);
    for (const auto& file : config.track_files) write_file(lines, file);
    for (const auto& process : config.track_processes) write_process(lines, process);
    for (const auto& bfd : config.bfd_instances) write_bfd(lines, bfd);
}

void write_links(Lines& lines, const Config& config) {
    using Method = Linkbeat::Method;
    lines.flag("linkbeat_use_polling", config.linkbeat_use_polling);
    for (const auto& group : config.garp_groups) {
        lines.open("garp_group");
        lines.seconds("garp_interval", group.garp_interval);
        lines.seconds("gna_interval", group.gna_interval);
        lines.list("interfaces", group.interfaces);
        lines.close();
    }
    for (const auto& group : config.track_groups) {
        lines.open("track_group " + word(group.name));
        lines.list("group", group.members);
        lines.close();
    }
    if (!config.up_down_delays.empty()) {
        lines.open("interface_up_down_delays");
        for (const auto& delay : config.up_down_delays)
            lines.line(word(delay.interface) + ' ' + seconds_word(delay.down) + ' ' +
                       seconds_word(delay.up));
        lines.close();
    }
    if (config.linkbeat_interfaces.empty()) return;
    lines.open("linkbeat_interfaces");
    for (const auto& linkbeat : config.linkbeat_interfaces)
        lines.line(word(linkbeat.interface) + (linkbeat.method == Method::Mii       ? " MII"
                                               : linkbeat.method == Method::Ethtool ? " ETHTOOL"
                                               : linkbeat.method == Method::Ioctl   ? " IOCTL"
                                                                                    : ""));
    lines.close();
}

void write_instance(Lines& lines, const VrrpInstance& instance) {
    lines.open("vrrp_instance " + word(instance.name));
    write_election(lines, instance);
    write_authentication(lines, instance);
    write_transport(lines, instance);
    write_addresses(lines, "virtual_ipaddress", instance.virtual_ipaddress);
    write_addresses(lines, "virtual_ipaddress_excluded", instance.virtual_ipaddress_excluded);
    lines.on("no_virtual_ipaddress", instance.no_virtual_ipaddress);
    write_routes(lines, "virtual_routes", instance.virtual_routes);
    write_rules(lines, "virtual_rules", instance.virtual_rules);
    lines.flag("promote_secondaries", instance.promote_secondaries);
    write_tracking(lines, instance);
    lines.flag("dont_track_primary", instance.dont_track_primary);
    lines.flag("linkbeat_use_polling", instance.linkbeat_use_polling);
    write_garp(lines, instance);
    write_notify(lines, instance.notify);
    lines.close();
}

void write_sync_group(Lines& lines, const SyncGroup& group) {
    lines.open("vrrp_sync_group " + word(group.name));
    lines.list("group", group.members);
    write_tracking(lines, group);
    lines.flag("sync_group_tracking_weight", group.tracking_weight);
    write_notify(lines, group.notify);
    lines.close();
}

}  // namespace vipd::config
