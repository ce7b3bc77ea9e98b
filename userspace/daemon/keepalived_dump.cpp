// SPDX-License-Identifier: Apache-2.0
#include "userspace/daemon/keepalived_dump.hpp"

#include "userspace/api/json.hpp"
#include "userspace/config/made_devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace vipd::daemon {

namespace {

using api::Json;
using api::state_name;
using api::to_text;

/// A figure of keepalived's: its JSON name, its place in keepalived.stats, and the counters of ours
/// that add up to it (vipd tells more reasons apart).
struct Figure {
    std::string_view json;
    std::string_view section;
    std::string_view label;
    std::array<std::string_view, 4> counters;
};

constexpr std::array kFigures{
    Figure{"advert_rcvd", "Advertisements", "Received", {"advert_rx"}},
    Figure{"advert_sent", "Advertisements", "Sent", {"advert_tx"}},
    Figure{"become_master", "", "Became master", {"become_master"}},
    Figure{"release_master", "", "Released master", {"release_master"}},
    Figure{"packet_len_err", "Packet Errors", "Length", {"length", "ip_length", "truncated"}},
    Figure{"ip_ttl_err", "Packet Errors", "TTL", {"ttl"}},
    Figure{"invalid_type_rcvd", "Packet Errors", "Invalid Type", {"type"}},
    Figure{"advert_interval_err",
           "Packet Errors",
           "Advertisement Interval",
           {"interval_mismatch", "interval_zero", "interval_differs"}},
    Figure{"addr_list_err",
           "Packet Errors",
           "Address List",
           {"address_list", "address_count", "address_list_differs"}},
    // vipd knows one reason here: the type is not the one configured.
    Figure{"invalid_authtype", "Authentication Errors", "Invalid Type", {}},
    Figure{"authtype_mismatch", "Authentication Errors", "Type Mismatch", {"auth_type"}},
    Figure{"auth_failure", "Authentication Errors", "Failure", {"auth_failure"}},
    Figure{"pri_zero_rcvd", "Priority Zero", "Received", {"priority_zero_rx"}},
    Figure{"pri_zero_sent", "Priority Zero", "Sent", {"priority_zero_tx"}},
};

/// Those of keepalived 2.4.1 with auth_hmac; others have never heard of them.
constexpr std::array kHmacFigures{
    Figure{"auth_ext_missing", "", "", {"hmac_missing"}},
    Figure{"auth_ext_malformed", "", "", {"hmac_malformed"}},
    Figure{"auth_ext_unknown_key", "", "", {"hmac_unknown_key"}},
    Figure{"auth_ext_invalid_hmac", "", "", {"hmac_failure"}},
    Figure{"auth_ext_stale", "", "", {"hmac_stale"}},
    Figure{"auth_ext_replay", "", "", {"hmac_replay"}},
};

/// The order of the JSON members, which is not that of the text.
constexpr std::array<std::string_view, kFigures.size()> kJsonOrder{"advert_rcvd",
                                                                   "advert_sent",
                                                                   "become_master",
                                                                   "release_master",
                                                                   "packet_len_err",
                                                                   "advert_interval_err",
                                                                   "ip_ttl_err",
                                                                   "invalid_type_rcvd",
                                                                   "addr_list_err",
                                                                   "invalid_authtype",
                                                                   "authtype_mismatch",
                                                                   "auth_failure",
                                                                   "pri_zero_rcvd",
                                                                   "pri_zero_sent"};

std::uint64_t value_of(const Figure& figure,
                       const ipc::InstanceReport& report,
                       const CounterBase& base) {
    std::uint64_t sum = 0;
    for (const auto& counter : report.counters) {
        if (std::ranges::find(figure.counters, counter.name) == figure.counters.end()) continue;
        const auto before = base.find({report.instance, counter.name});
        // A vrrp process that was restarted counts from 0 again.
        const bool cleared = before != base.end() && before->second <= counter.value;
        sum += counter.value - (cleared ? before->second : 0);
    }
    return sum;
}

const control::InstanceStatus* find(const control::Status& status, const std::string& name) {
    for (const auto& instance : status.instances)
        if (instance.report.instance == name) return &instance;
    return nullptr;
}

double seconds(Nanos time) {
    return std::chrono::duration<double>(time).count();
}

/// When the state was entered, by the clock on the wall.
double last_transition(const control::Status& status, const control::InstanceStatus& instance) {
    const auto in_state = seconds(instance.in_state);
    return static_cast<double>(status.started) + seconds(status.uptime) - in_state;
}

std::string command(const config::Script& script) {
    std::string text;
    for (const auto& word : script.argv)
        text += fmt::format("{}'{}'", text.empty() ? "" : " ", word);
    return text;
}

std::string_view scope_name(std::uint8_t scope) {
    switch (scope) {
        case 0:
            return "global";
        case 200:
            return "site";
        case 253:
            return "link";
        case 254:
            return "host";
        default:
            return "";
    }
}

/// "10.0.0.1/24 brd 10.0.0.255 dev eth0 scope global label eth0:1 set", as keepalived writes it.
std::string vip_text(const config::VrrpInstance& instance,
                     const config::VipAddress& vip,
                     bool held) {
    const unsigned whole = vip.prefix.address.is_v4() ? 32 : 128;
    std::string text = vip.prefix.address.to_string();
    if (vip.prefix.length != whole) text += fmt::format("/{}", vip.prefix.length);
    if (vip.broadcast) text += " brd " + vip.broadcast->to_string();
    text += " dev " + (vip.device.empty() ? *instance.interface : vip.device);
    const auto scope = scope_name(vip.scope);
    text += scope.empty() ? fmt::format(" scope {}", vip.scope) : fmt::format(" scope {}", scope);
    if (!vip.label.empty()) text += " label " + vip.label;
    return text + (held ? " set" : "");
}

Json vips_json(const config::VrrpInstance& instance,
               const std::vector<config::VipAddress>& vips,
               bool held) {
    Json list = Json::array();
    for (const auto& vip : vips) list.push_back(vip_text(instance, vip, held));
    return list;
}

Json seconds_json(Nanos time) {
    const auto whole = std::chrono::duration_cast<Seconds>(time);
    if (whole == time) return whole.count();
    return seconds(time);
}

Json instance_data(const config::VrrpInstance& instance,
                   const control::Status& status,
                   const control::InstanceStatus* known,
                   const std::string& device,
                   bool smtp_default) {
    const ipc::InstanceReport report = known != nullptr ? known->report : ipc::InstanceReport{};
    const bool master = report.state == ipc::VrrpState::Master;
    const Json advert = seconds_json(*instance.advert_int);
    const bool smtp_alert =
        instance.notify.smtp_alert.set ? *instance.notify.smtp_alert : smtp_default;
    Json data = {
        {"iname", instance.name},
        {"dont_track_primary", *instance.dont_track_primary ? 1 : 0},
        {"skip_check_adv_addr", *instance.skip_check_adv_addr ? 1 : 0},
        {"strict_mode", *instance.strict ? 1 : 0},
        {"vmac_ifname", device},
        {"ifp_ifname", *instance.interface},
        {"master_priority", master ? 0 : report.master_priority},
        {"last_transition", known != nullptr ? last_transition(status, *known) : 0.0},
        {"garp_delay", seconds_json(*instance.garp_master_delay)},
        {"garp_refresh", seconds_json(*instance.garp_master_refresh)},
        {"garp_rep", *instance.garp_master_repeat},
        {"garp_refresh_rep", *instance.garp_master_refresh_repeat},
        {"garp_lower_prio_delay", seconds_json(*instance.garp_lower_prio_delay)},
        {"garp_lower_prio_rep", *instance.garp_lower_prio_repeat},
        {"lower_prio_no_advert", *instance.lower_prio_no_advert ? 1 : 0},
        {"higher_prio_send_advert", *instance.higher_prio_send_advert ? 1 : 0},
        {"vrid", *instance.virtual_router_id},
        {"base_priority", *instance.priority},
        {"effective_priority", known != nullptr ? report.priority : *instance.priority},
        {"vipset", master},
        {"promote_secondaries", *instance.promote_secondaries},
        {"adver_int", advert},
        {"master_adver_int", advert},
        {"accept", *instance.accept ? 1 : 0},
        {"nopreempt", *instance.nopreempt},
        {"preempt_delay", seconds_json(*instance.preempt_delay)},
        {"state", static_cast<int>(report.state)},
        {"wantstate", *instance.initial_master ? 2 : static_cast<int>(report.state)},
        {"version", *instance.version},
        {"smtp_alert", smtp_alert},
        {"notify_deleted", instance.notify.deleted.has_value()},
    };
    const auto script = [&](const char* name, const std::optional<config::Script>& given) {
        if (given) data[name] = command(*given);
    };
    script("script_backup", instance.notify.backup);
    script("script_master", instance.notify.master);
    script("script_fault", instance.notify.fault);
    script("script_stop", instance.notify.stop);
    script("script", instance.notify.any);
    const auto list = [&](const char* name, Json values) {
        if (!values.empty()) data[name] = std::move(values);
    };
    list("vips", vips_json(instance, instance.virtual_ipaddress, master));
    list("evips", vips_json(instance, instance.virtual_ipaddress_excluded, master));
    Json interfaces = Json::array();
    for (const auto& tracked : instance.track_interfaces) interfaces.push_back(tracked.name);
    list("track_ifp", std::move(interfaces));
    Json scripts = Json::array();
    for (const auto& tracked : instance.track_scripts) scripts.push_back(tracked.name);
    list("track_script", std::move(scripts));
    data["auth_type"] = instance.auth_pass->empty() ? 0 : 1;
    if (!instance.auth_pass->empty()) data["auth_data"] = "********";
    return data;
}

void scripts_text(std::string& out, const config::Notify& notify) {
    const auto one = [&](const char* label, const std::optional<config::Script>& script) {
        if (script)
            out += fmt::format("   {} state transition script = {}\n", label, command(*script));
    };
    one("Backup", notify.backup);
    one("Master", notify.master);
    one("Fault", notify.fault);
    one("Stop", notify.stop);
    one("Generic", notify.any);
}

std::string instance_text(const config::VrrpInstance& instance,
                          const control::Status& status,
                          const control::InstanceStatus* known) {
    const ipc::InstanceReport report = known != nullptr ? known->report : ipc::InstanceReport{};
    const bool master = report.state == ipc::VrrpState::Master;
    std::string out = fmt::format(" VRRP Instance = {}\n", instance.name);
    const auto line = [&](std::string_view name, const auto& value) {
        out += fmt::format("   {} = {}\n", name, value);
    };
    line("VRRP Version", *instance.version);
    if (known != nullptr && !known->sync_group.empty()) line("Sync group", known->sync_group);
    line("State", state_name(report.state));
    line("Wantstate", *instance.initial_master ? "MASTER" : "BACKUP");
    if (!report.fault.empty()) line("Fault", report.fault);
    if (known != nullptr)
        line("Last transition", fmt::format("{:.6f}", last_transition(status, *known)));
    line("Interface", *instance.interface);
    line("Gratuitous ARP delay", seconds(*instance.garp_master_delay));
    line("Gratuitous ARP repeat", *instance.garp_master_repeat);
    line("Gratuitous ARP refresh", seconds(*instance.garp_master_refresh));
    line("Gratuitous ARP refresh repeat", *instance.garp_master_refresh_repeat);
    line("Down timer adverts", *instance.down_timer_adverts);
    line("Virtual Router ID", *instance.virtual_router_id);
    line("Priority", *instance.priority);
    line("Effective priority", known != nullptr ? report.priority : *instance.priority);
    line("Advert interval",
         *instance.version == 2
             ? fmt::format("{} sec", seconds(*instance.advert_int))
             : fmt::format("{} milli-sec",
                           std::chrono::duration_cast<Millis>(*instance.advert_int).count()));
    line("Preempt", *instance.nopreempt ? "disabled" : "enabled");
    if (report.master) line("Master router", report.master.to_string());
    if (!instance.auth_pass->empty()) line("Authentication type", "SIMPLE_PASSWORD");
    const auto vips = [&](const std::string& title, const std::vector<config::VipAddress>& list) {
        if (list.empty()) return;
        out += fmt::format("   {}:\n", title);
        for (const auto& vip : list)
            out += fmt::format("     {}\n", vip_text(instance, vip, master));
    };
    vips(fmt::format("Virtual IP ({})", instance.virtual_ipaddress.size()),
         instance.virtual_ipaddress);
    vips("Virtual IP Excluded ", instance.virtual_ipaddress_excluded);
    if (!instance.track_interfaces.empty()) out += "   Tracked interfaces :\n";
    for (const auto& tracked : instance.track_interfaces)
        out += fmt::format("     {} weight {}\n", tracked.name, tracked.weight);
    if (!instance.track_scripts.empty()) out += "   Tracked scripts :\n";
    for (const auto& tracked : instance.track_scripts)
        out += fmt::format("     {}\n", tracked.name);
    scripts_text(out, instance.notify);
    return out;
}

}  // namespace

CounterBase counter_base(const control::Status& status) {
    CounterBase base;
    for (const auto& instance : status.instances)
        for (const auto& counter : instance.report.counters)
            base[{instance.report.instance, counter.name}] = counter.value;
    return base;
}

std::string keepalived_json(const config::Config& config,
                            const control::Status& status,
                            const CounterBase& base) {
    const auto& smtp = config.global.smtp;
    const bool smtp_default = smtp.alert_vrrp.set ? *smtp.alert_vrrp : *smtp.alert;
    const auto devices = config::made_devices(config);
    Json instances = Json::array();
    for (std::size_t at = 0; at < config.instances.size(); ++at) {
        const auto& instance = config.instances[at];
        const bool has_device = instance.device.kind != config::VirtualDevice::Kind::None;
        const std::string device = has_device ? devices[at].front().link.name : "";
        const auto* known = find(status, instance.name);
        Json stats = Json::object();
        for (const auto name : kJsonOrder)
            for (const auto& figure : kFigures)
                if (figure.json == name)
                    stats[std::string(name)] =
                        known != nullptr ? value_of(figure, known->report, base) : 0;
        if (instance.auth_hmac)
            for (const auto& figure : kHmacFigures)
                stats[std::string(figure.json)] =
                    known != nullptr ? value_of(figure, known->report, base) : 0;
        instances.push_back({{"data", instance_data(instance, status, known, device, smtp_default)},
                             {"stats", std::move(stats)}});
    }
    if (*config.global.json_version < 2) return to_text(instances);
    return to_text(Json{{"vrrp", std::move(instances)}, {"track_process", Json::array()}});
}

std::string keepalived_stats(const control::Status& status, const CounterBase& base) {
    std::string out;
    for (const auto& instance : status.instances) {
        out += fmt::format("VRRP Instance: {}\n", instance.report.instance);
        std::string_view section;
        for (const auto& figure : kFigures) {
            if (figure.section != section && !figure.section.empty())
                out += fmt::format("  {}:\n", figure.section);
            section = figure.section;
            out += fmt::format("{}{}: {}\n",
                               section.empty() ? "  " : "    ",
                               figure.label,
                               value_of(figure, instance.report, base));
        }
    }
    return out;
}

std::string keepalived_data(const config::Config& config, const control::Status& status) {
    std::string out = "------< Global definitions >------\n";
    const auto global = [&](std::string_view name, const auto& value) {
        out += fmt::format(" {} = {}\n", name, value);
    };
    global("Network namespace",
           status.namespace_.empty() ? std::string("(default)") : status.namespace_);
    global("Router ID", *config.global.router_id);
    global("Gratuitous ARP delay", seconds(*config.global.garp_master_delay));
    global("Gratuitous ARP repeat", *config.global.garp_master_repeat);
    global("Gratuitous ARP refresh timer", seconds(*config.global.garp_master_refresh));
    global("Gratuitous ARP refresh repeat", *config.global.garp_master_refresh_repeat);
    global("Num adverts before down", *config.global.down_timer_adverts);
    global("VRRP default protocol version", *config.global.vrrp_version);
    global("VRRP skip check advert addresses", *config.global.skip_check_adv_addr);
    global("VRRP strict mode", *config.global.strict);
    out += fmt::format(" Script security {}\n",
                       *config.global.enable_script_security ? "enabled" : "disabled");
    out += "------< VRRP Topology >------\n";
    for (const auto& instance : config.instances)
        out += instance_text(instance, status, find(status, instance.name));
    if (!config.sync_groups.empty()) out += "------< VRRP Sync groups >------\n";
    for (const auto& group : config.sync_groups) {
        out += fmt::format(" VRRP Sync Group = {}\n   VRRP member instances :\n", group.name);
        for (const auto& member : group.members) out += fmt::format("     {}\n", *member);
        scripts_text(out, group.notify);
    }
    if (!status.track_scripts.empty()) out += "------< VRRP Scripts >------\n";
    for (const auto& script : status.track_scripts)
        out += fmt::format(" VRRP Script = {}\n   Status = {}\n",
                           script.name,
                           !script.known ? "INIT"
                           : script.up   ? "GOOD"
                                         : "BAD");
    return out;
}

namespace {

/// As keepalived's dump_forwarding_method() writes it.
std::string forwarding_method(const config::VirtualServer& service,
                              const config::RealServer& real) {
    std::string method = real.method.value_or(*service.method);
    if (method != "TUN") return method;
    const Tunnel& tunnel = real.method ? real.tunnel : service.tunnel;
    if (tunnel.type == Tunnel::Type::Ipip) return "TUN, type = IPIP";
    const std::string_view checksum = tunnel.checksum == Tunnel::Checksum::Full ? "checksum"
                                      : tunnel.checksum == Tunnel::Checksum::Remote
                                          ? "remote checksum"
                                          : "no checksum";
    if (tunnel.type == Tunnel::Type::Gre) return fmt::format("TUN, type = GRE, {}", checksum);
    return fmt::format("TUN, type = GUE, port = {}, {}", tunnel.port, checksum);
}

}  // namespace

std::string keepalived_check_data(const config::Config& config, const control::Status& status) {
    std::string out = "------< LVS Topology >------\n";
    for (const auto& service : config.virtual_servers) {
        out += fmt::format(
            " Virtual server = {}\n   lb_algo = {}\n   lb_kind = {}\n   quorum = {}, "
            "hysteresis = {}\n",
            service.key.to_string(),
            *service.scheduler,
            *service.method,
            *service.quorum,
            *service.hysteresis);
        const control::ServiceStatus* now = nullptr;
        for (const auto& one : status.services)
            if (one.key == service.key) now = &one;
        if (now != nullptr) out += fmt::format("   has quorum = {}\n", now->quorum_up);
        for (const auto& real : service.real_servers) {
            out += fmt::format(
                "   Real server = {}\n     forwarding method = {}\n"
                "     weight = {}\n     checkers = {}\n",
                real.endpoint.to_string(),
                forwarding_method(service, real),
                *real.weight,
                real.checkers.size());
            if (now == nullptr) continue;
            for (const auto& one : now->reals)
                if (one.endpoint == real.endpoint && !one.sorry)
                    out += fmt::format("     alive = {}\n     effective weight = {}\n{}",
                                       one.alive,
                                       one.effective_weight,
                                       one.reason.empty()
                                           ? std::string()
                                           : fmt::format("     reason = {}\n", one.reason));
        }
    }
    return out;
}

}  // namespace vipd::daemon
