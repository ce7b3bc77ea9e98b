// SPDX-License-Identifier: Apache-2.0
// What only the whole file can tell: inherited values, names that refer to other blocks, values
// that exclude one another, interfaces of this machine.
#include "userspace/config/made_devices.hpp"
#include "userspace/config/parser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

namespace vipd::config {

namespace {

/// Instances and scripts by name, and the names of what else is tracked.
struct Names {
    std::map<std::string_view, std::size_t> instances;
    std::map<std::string_view, std::size_t> scripts;
    std::set<std::string_view> files, processes, bfds;
};

template <class T>
void inherit(Value<T>& own, const Value<T>& global) {
    if (!own.set) own.value = global.value;
}

template <class T>
void complain(Parsing& parsing, const Value<T>& value, std::string message) {
    parsing.reporter.complaint(parsing.reporter.word_at(value.at), std::move(message));
}

void complain(Parsing& parsing, const Location& at, std::string message) {
    parsing.reporter.complaint(parsing.reporter.word_at(at), std::move(message));
}

void fault(Parsing& parsing, const Location& at, std::string message) {
    parsing.reporter.error(parsing.reporter.word_at(at), std::move(message));
}

void inherit_globals(Parsing& parsing, VrrpInstance& instance) {
    const GlobalDefs& global = parsing.config.global;
    inherit(instance.version, global.vrrp_version);
    inherit(instance.garp_master_delay, global.garp_master_delay);
    inherit(instance.garp_master_repeat, global.garp_master_repeat);
    inherit(instance.garp_master_refresh, global.garp_master_refresh);
    inherit(instance.garp_master_refresh_repeat, global.garp_master_refresh_repeat);
    if (!global.garp_lower_prio_delay.set)
        inherit(instance.garp_lower_prio_delay, instance.garp_master_delay);
    else
        inherit(instance.garp_lower_prio_delay, global.garp_lower_prio_delay);
    if (!global.garp_lower_prio_repeat.set)
        inherit(instance.garp_lower_prio_repeat, instance.garp_master_repeat);
    else
        inherit(instance.garp_lower_prio_repeat, global.garp_lower_prio_repeat);
    inherit(instance.garp_extra_if, global.garp_extra_if);
    inherit(instance.garp_extra_if_all, global.garp_extra_if_all);
    inherit(instance.down_timer_adverts, global.down_timer_adverts);
    inherit(instance.lower_prio_no_advert, global.lower_prio_no_advert);
    inherit(instance.higher_prio_send_advert, global.higher_prio_send_advert);
    inherit(instance.owner_ignore_adverts, global.owner_ignore_adverts);
    inherit(instance.check_unicast_src, global.check_unicast_src);
    inherit(instance.v3_checksum_as_v2, global.v3_checksum_as_v2);
    inherit(instance.notify.priority_changes, global.notify_priority_changes);
    inherit(instance.skip_check_adv_addr, global.skip_check_adv_addr);
    inherit(instance.strict, global.strict);
}

void settle_priority(Parsing& parsing, VrrpInstance& instance) {
    if (!instance.priority.set && *instance.initial_master) {
        instance.priority.value = 255;
        parsing.reporter.warning(
            parsing.reporter.word_at(instance.initial_master.at),
            fmt::format(
                "state MASTER of {} without a priority means priority 255, the address owner",
                quoted(instance.name)));
    }
    const bool owner = *instance.priority == 255;
    if (!instance.initial_master.set) instance.initial_master.value = owner;
    if (*instance.strict && instance.initial_master.set && *instance.initial_master != owner) {
        complain(parsing,
                 instance.initial_master,
                 fmt::format("strict mode: state MASTER of {} must go with priority 255, and only "
                             "with it; state {} is used",
                             quoted(instance.name),
                             owner ? "MASTER" : "BACKUP"));
        instance.initial_master.value = owner;
    }
}

void settle_preemption(Parsing& parsing, VrrpInstance& instance) {
    const bool delay = *instance.preempt_delay > Nanos(0);
    if (*instance.initial_master) {
        if (*instance.nopreempt)
            complain(
                parsing, instance.nopreempt, "nopreempt does not go with state MASTER; ignored");
        if (delay)
            complain(parsing,
                     instance.preempt_delay,
                     "preempt_delay does not go with state MASTER; ignored");
        instance.nopreempt.value = false;
        instance.preempt_delay.value = Nanos(0);
        return;
    }
    if (delay && *instance.strict) {
        complain(
            parsing, instance.preempt_delay, "preempt_delay does not go with strict mode; ignored");
        instance.preempt_delay.value = Nanos(0);
    } else if (delay && *instance.nopreempt) {
        complain(
            parsing, instance.preempt_delay, "preempt_delay does not go with nopreempt; ignored");
        instance.preempt_delay.value = Nanos(0);
    }
}

void settle_authentication(Parsing& parsing, VrrpInstance& instance) {
    using Mode = HmacAuth::Mode;
    if (instance.auth_hmac && *instance.strict && *instance.auth_hmac->mode != Mode::Enforce) {
        complain(parsing,
                 instance.auth_hmac->mode,
                 "strict mode wants mode enforce of auth_hmac; it is used");
        instance.auth_hmac->mode.value = Mode::Enforce;
    }
    if (instance.auth_pass.value.empty()) return;
    if (instance.auth_hmac)
        complain(parsing,
                 instance.auth_pass,
                 "authentication does not go with auth_hmac; it is not used");
    else if (*instance.version == 3)
        complain(parsing,
                 instance.auth_pass,
                 "VRRP version 3 has no authentication (RFC 5798); it is not used");
    else if (*instance.strict)
        complain(parsing,
                 instance.auth_pass,
                 "authentication does not go with strict mode; it is not used");
    else
        return;
    instance.auth_pass.value.clear();
    instance.auth_pass.set = false;  // as if none had been given, but with its place
}

void settle_accept(Parsing& parsing, VrrpInstance& instance) {
    const bool owner = *instance.priority == 255;
    if (*instance.strict && !instance.accept.set) instance.accept.value = false;
    if (*instance.strict && *instance.accept && *instance.version == 2 && !owner) {
        complain(parsing, instance.accept, "accept does not go with strict mode and version 2");
        instance.accept.value = false;
    }
}

/// RFC 3768: whole seconds up to 255; RFC 5798: centiseconds up to 40.95 s.
void settle_interval(Parsing& parsing, VrrpInstance& instance) {
    const Nanos unit = *instance.version == 3 ? Nanos(10'000'000) : Nanos(1'000'000'000);
    const Nanos longest = *instance.version == 3 ? unit * 4095 : unit * 255;
    const Nanos given = *instance.advert_int;
    Nanos rounded = unit * ((given + unit / 2) / unit);
    rounded = std::clamp(rounded, unit, longest);
    if (rounded == given) return;
    instance.advert_int.value = rounded;
    complain(parsing,
             instance.advert_int,
             fmt::format("VRRP version {} knows {} only; {} s is used",
                         *instance.version,
                         *instance.version == 3 ? "hundredths of a second up to 40.95 s"
                                                : "whole seconds up to 255",
                         std::chrono::duration<double>(rounded).count()));
}

/// An instance is of the family of its first address.
bool is_v6(const VrrpInstance& instance) {
    return family_of(instance) == Family::V6;
}

void settle_addresses(Parsing& parsing, VrrpInstance& instance) {
    auto& vips = instance.virtual_ipaddress;
    const bool v6 = is_v6(instance);
    std::erase_if(vips, [&](const VipAddress& vip) {
        if (vip.prefix.address.is_v6() == v6) return false;
        complain(
            parsing, vip.at, "all addresses of virtual_ipaddress must be of one family; ignored");
        return true;
    });
    if (v6 && !vips.empty() && !vips.front().prefix.address.is_link_local())
        parsing.reporter.warning(
            parsing.reporter.word_at(vips.front().at),
            "the first address of an IPv6 instance should be link-local (RFC 9568, 5.2.9)");
    if (vips.empty() && !instance.no_virtual_ipaddress)
        complain(parsing,
                 instance.at,
                 fmt::format("vrrp_instance {} has no virtual_ipaddress", quoted(instance.name)));
}

void settle_transport(Parsing& parsing, VrrpInstance& instance) {
    std::erase_if(instance.unicast_peers, [&](const Value<IpAddress>& peer) {
        if (peer->is_v6() == is_v6(instance)) return false;
        fault(parsing, peer.at, "this unicast_peer is not of the instance's family; ignored");
        return true;
    });
    for (auto* source : {&instance.unicast_src_ip, &instance.mcast_src_ip}) {
        if (!source->set || source->value.is_v6() == is_v6(instance)) continue;
        fault(parsing, source->at, "this source address is not of the instance's family; ignored");
        *source = {};
    }
    const bool vmac = instance.device.kind != VirtualDevice::Kind::None;
    if (vmac && !instance.unicast_peers.empty() && instance.interface.value.empty()) {
        complain(parsing, instance.device.at, "use_vmac does not go without an interface; ignored");
        instance.device = {};
    } else if (vmac && !instance.unicast_peers.empty() && !*instance.vmac_xmit_base) {
        complain(
            parsing, instance.device.at, "with unicast_peer use_vmac needs vmac_xmit_base; set");
        instance.vmac_xmit_base.value = true;
    }
    const bool ipvlan = instance.device.kind == VirtualDevice::Kind::Ipvlan;
    if (ipvlan && !is_v6(instance) && !instance.device.address) {
        complain(parsing, instance.device.at, "use_ipvlan needs an address with IPv4; ignored");
        instance.device = {};
    }
    if (*instance.promote_secondaries && instance.device.kind == VirtualDevice::Kind::Macvlan)
        complain(parsing,
                 instance.promote_secondaries,
                 "a use_vmac device has promote_secondaries in any case; ignored");
    if (!instance.unicast_peers.empty()) {
        if (instance.interface.value.empty() && !instance.unicast_src_ip.set)
            fault(parsing,
                  instance.at,
                  fmt::format("vrrp_instance {} needs an interface or a unicast_src_ip",
                              quoted(instance.name)));
        if (instance.interface.value.empty() && instance.unicast_src_ip.set &&
            parsing.environment.way_to) {
            const auto way = parsing.environment.way_to(*instance.unicast_src_ip);
            if (!way || !way->local)
                fault(parsing,
                      instance.unicast_src_ip.at,
                      fmt::format("no interface has {}, and {} names none",
                                  instance.unicast_src_ip.value.to_string(),
                                  quoted(instance.name)));
        }
        return;
    }
    if (instance.unicast_src_ip.set && !instance.unicast_src_ip.value.is_v6())
        complain(parsing,
                 instance.unicast_src_ip,
                 "unicast_src_ip without a unicast_peer: multicast is used");
    if (instance.interface.value.empty())
        fault(parsing,
              instance.at,
              fmt::format("vrrp_instance {} has no interface", quoted(instance.name)));
}

void drop_unknown(Parsing& parsing,
                  const std::set<std::string_view>& known,
                  const char* what,
                  std::vector<TrackedObject>& list) {
    std::erase_if(list, [&](const TrackedObject& tracked) {
        if (known.contains(tracked.name)) return false;
        if (!parsing.faulty.contains(tracked.name))
            fault(parsing,
                  tracked.at,
                  fmt::format("there is no {} {}; ignored", what, quoted(tracked.name)));
        return true;
    });
}

void settle_tracking(Parsing& parsing, const Names& names, VrrpInstance& instance) {
    drop_unknown(parsing, names.files, "track_file", instance.track_files);
    drop_unknown(parsing, names.processes, "vrrp_track_process", instance.track_processes);
    drop_unknown(parsing, names.bfds, "bfd_instance", instance.track_bfds);
    std::erase_if(instance.track_interfaces, [&](const TrackedInterface& tracked) {
        if (tracked.name != *instance.interface) return false;
        complain(parsing,
                 tracked.at,
                 fmt::format("{} is the instance's own interface and tracked anyway; ignored",
                             quoted(tracked.name)));
        return true;
    });
    std::erase_if(instance.track_scripts, [&](const TrackedScript& tracked) {
        if (names.scripts.contains(tracked.name)) return false;
        if (!parsing.faulty.contains(tracked.name)) {
            fault(parsing,
                  tracked.at,
                  fmt::format("there is no vrrp_script {}; ignored", quoted(tracked.name)));
        } else {
            parsing.reporter.warning(
                parsing.reporter.word_at(tracked.at),
                fmt::format("vrrp_script {} is faulty; {} runs as if it did not track it",
                            quoted(tracked.name),
                            quoted(instance.name)));
        }
        return true;
    });
}

/// Whether the two would hear each other's adverts as their own: by the same group, or from a peer
/// that both have.
bool share_senders(const Config& config, const VrrpInstance& one, const VrrpInstance& other) {
    if (one.unicast_peers.empty() != other.unicast_peers.empty()) return false;
    if (one.unicast_peers.empty())
        return multicast_group(config.global, one, is_v6(one)) ==
               multicast_group(config.global, other, is_v6(other));
    return std::ranges::any_of(one.unicast_peers, [&](const auto& peer) {
        return std::ranges::any_of(other.unicast_peers,
                                   [&](const auto& theirs) { return *theirs == *peer; });
    });
}

/// Two instances may share a VRID on an interface only if they speak to different routers.
void check_vrids(Parsing& parsing) {
    std::map<std::tuple<std::string_view, unsigned, bool>, std::vector<const VrrpInstance*>> users;
    for (const auto& instance : parsing.config.instances) {
        if (*instance.virtual_router_id == 0) continue;
        auto& others = users[{*instance.interface, *instance.virtual_router_id, is_v6(instance)}];
        for (const auto* other : others) {
            if (!share_senders(parsing.config, instance, *other)) continue;
            fault(
                parsing,
                instance.virtual_router_id.at,
                fmt::format("virtual_router_id {} on {} belongs to {} already (line {})",
                            *instance.virtual_router_id,
                            instance.interface.value.empty() ? "no interface" : *instance.interface,
                            quoted(other->name),
                            other->virtual_router_id.at.line));
            break;
        }
        // Enough to find a clash, and it keeps garbage linear.
        if (others.size() < 16) others.push_back(&instance);
    }
}

/// While its interface is down a master is not heard: the others have taken over by then, and it
/// would come back as a second one.
void check_down_delays(Parsing& parsing) {
    for (const UpDownDelay& delay : parsing.config.up_down_delays) {
        for (const VrrpInstance& instance : parsing.config.instances) {
            if (*instance.interface != delay.interface) continue;
            const Nanos most = (*instance.down_timer_adverts - 1) * *instance.advert_int;
            if (delay.down < most) continue;
            parsing.reporter.warning(
                parsing.reporter.word_at(delay.at),
                fmt::format("the down delay of {} should be less than {} s: then {} counts as "
                            "lost for the others",
                            quoted(delay.interface),
                            std::chrono::duration<double>(most).count(),
                            quoted(instance.name)));
            break;
        }
    }
}

void check_track_groups(Parsing& parsing, const Names& names) {
    for (const TrackGroup& group : parsing.config.track_groups)
        for (const auto& member : group.members)
            if (!names.instances.contains(*member) && !parsing.left_out_instances.contains(*member))
                parsing.reporter.warning(
                    parsing.reporter.word_at(member.at),
                    fmt::format("there is no vrrp_instance {}; ignored", quoted(*member)));
}

/// Without sync_group_tracking_weight the members of a group have their configured priorities:
/// trackers put them into FAULT or are of no use. Of a member, or of the group itself.
template <class Owner>
void drop_weights(Parsing& parsing, const Names& names, Owner& owner) {
    for (auto& tracked : owner.track_interfaces) {
        if (tracked.weight == 0) continue;
        complain(parsing,
                 tracked.at,
                 "a member of a sync group tracks an interface without weight; 0 is used");
        tracked.weight = 0;
    }
    const auto drop = [&](std::vector<TrackedObject>& list, const char* what, auto own_weight) {
        std::erase_if(list, [&](const TrackedObject& tracked) {
            if (tracked.weight.value_or(own_weight(tracked.name)) == 0) return false;
            complain(
                parsing,
                tracked.at,
                fmt::format("a member of a sync group cannot track a {} with a weight; ignored",
                            what));
            return true;
        });
    };
    const auto weight_in = [](const auto& definitions) {
        return [&definitions](const std::string& name) {
            const auto found = std::ranges::find_if(
                definitions, [&](const auto& one) { return one.name == name; });
            return found == definitions.end() ? 0 : *found->weight;
        };
    };
    const Config& config = parsing.config;
    drop(owner.track_scripts, "script", [&](const std::string& name) {
        const auto found = names.scripts.find(name);
        return found == names.scripts.end() ? 0 : *config.scripts[found->second].weight;
    });
    drop(owner.track_files, "file", weight_in(config.track_files));
    drop(owner.track_processes, "process", weight_in(config.track_processes));
    drop(owner.track_bfds, "BFD session", weight_in(config.bfd_instances));
}

void resolve_group(Parsing& parsing,
                   const Names& names,
                   SyncGroup& group,
                   std::map<std::string, std::string>& group_of) {
    std::size_t left_out = 0;
    std::erase_if(group.members, [&](const Value<std::string>& member) {
        const auto instance = names.instances.find(*member);
        if (instance == names.instances.end()) {
            if (parsing.left_out_instances.contains(*member)) {
                ++left_out;
                return true;
            }
            fault(parsing,
                  member.at,
                  fmt::format("there is no vrrp_instance {}; ignored", quoted(*member)));
            return true;
        }
        const auto [owner, is_new] = group_of.try_emplace(*member, group.name);
        if (is_new) return false;
        fault(parsing,
              member.at,
              fmt::format("{} is in vrrp_sync_group {} already; ignored",
                          quoted(*member),
                          quoted(owner->second)));
        return true;
    });
    if (group.members.size() + left_out < 2)
        complain(parsing,
                 group.at,
                 fmt::format("vrrp_sync_group {} has {}",
                             quoted(group.name),
                             group.members.size() + left_out == 0
                                 ? "no instance; ignored"
                                 : "one instance only; probably not what you want"));
    if (*group.tracking_weight) return;
    drop_weights(parsing, names, group);
    for (const auto& member : group.members)
        drop_weights(
            parsing, names, parsing.config.instances[names.instances.find(*member)->second]);
}

}  // namespace

IpAddress multicast_group(const GlobalDefs& global, const VrrpInstance& instance, bool v6) {
    if (instance.mcast_dst_ip->family() == (v6 ? Family::V6 : Family::V4))
        return *instance.mcast_dst_ip;
    if (const IpAddress& general = v6 ? *global.vrrp_mcast_group6 : *global.vrrp_mcast_group4)
        return general;
    return *IpAddress::parse(v6 ? "ff02::12" : "224.0.0.18");
}

void resolve_vrrp(Parsing& parsing) {
    Config& config = parsing.config;
    Names names;
    for (std::size_t at = 0; at < config.scripts.size(); ++at)
        names.scripts.emplace(config.scripts[at].name, at);
    for (const auto& file : config.track_files) names.files.insert(file.name);
    for (const auto& process : config.track_processes) names.processes.insert(process.name);
    for (const auto& bfd : config.bfd_instances) names.bfds.insert(bfd.name);
    std::erase_if(config.instances, [&](VrrpInstance& instance) {
        inherit_globals(parsing, instance);
        if (is_v6(instance)) instance.version.value = 3;  // version 2 (RFC 3768) is for IPv4
        settle_priority(parsing, instance);
        settle_preemption(parsing, instance);
        settle_authentication(parsing, instance);
        settle_accept(parsing, instance);
        settle_interval(parsing, instance);
        if (*instance.virtual_router_id == 0)
            fault(parsing,
                  instance.at,
                  fmt::format("vrrp_instance {} has no virtual_router_id; ignored",
                              quoted(instance.name)));
        settle_addresses(parsing, instance);
        if (*instance.virtual_router_id == 0) {
            parsing.left_out_instances.insert(instance.name);
            return true;
        }
        settle_transport(parsing, instance);
        settle_tracking(parsing, names, instance);
        return false;
    });
    for (std::size_t at = 0; at < config.instances.size(); ++at)
        names.instances.emplace(config.instances[at].name, at);
    check_vrids(parsing);
    check_down_delays(parsing);
    check_track_groups(parsing, names);
    std::map<std::string, std::string> group_of;
    for (auto& group : config.sync_groups) resolve_group(parsing, names, group, group_of);
    std::erase_if(config.sync_groups, [](const SyncGroup& group) { return group.members.empty(); });
    if (config.global.sync_daemon && !config.global.sync_daemon->instance.empty() &&
        !names.instances.contains(config.global.sync_daemon->instance))
        fault(parsing,
              config.global.sync_daemon->at,
              fmt::format("lvs_sync_daemon names vrrp_instance {}, which does not exist",
                          quoted(config.global.sync_daemon->instance)));
}

void check_interfaces(Parsing& parsing) {
    if (!parsing.environment.interface_exists) return;
    std::map<std::string_view, bool> known;
    for (const auto& word : parsing.interfaces) {
        const auto [entry, is_new] = known.try_emplace(word.text, false);
        if (is_new) entry->second = parsing.environment.interface_exists(word.text);
        if (entry->second) continue;
        const std::string message = fmt::format("interface {} does not exist", quoted(word.text));
        if (*parsing.config.global.dynamic_interfaces) {
            parsing.reporter.warning(word, message + " yet");
            continue;
        }
        parsing.reporter.error(word, message);
        parsing.interface_missing = true;
    }
}

}  // namespace vipd::config
