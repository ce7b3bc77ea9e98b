// SPDX-License-Identifier: Apache-2.0
#include "vrrp/engine/instance.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <set>

namespace vipd::vrrp {

namespace {

// Two managers that each put their addresses back must not keep a core busy.
constexpr Nanos kVerifyInterval = Seconds(1);
constexpr Nanos kRetryInterval = Seconds(5);  // for a VIP that could not be set
constexpr std::size_t kManyActions = 16;      // of one step

std::uint64_t to_ns(TimePoint time) {
    return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

std::string describe(const ObjectTrack& track) {
    switch (track.kind) {
        case ipc::TrackerKind::File:
            return "track_file " + track.name;
        case ipc::TrackerKind::Process:
            return "process " + track.name;
        case ipc::TrackerKind::Bfd:
            break;
    }
    return "BFD session " + track.name;
}

std::string seconds(Nanos time) {
    return fmt::format("{:g}s", std::chrono::duration<double>(time).count());
}

}  // namespace

Instance::Instance(World& world, InstanceSettings settings)
    : world_(world),
      settings_(std::move(settings)),
      vip_set_(world),
      routing_set_(world, settings_.name) {
    advertised_ = advertised();
    hmac_replay_.resize(std::max(kHmacSenders, settings_.peers.size()));
    actions_.reserve(kManyActions);
}

std::vector<IpAddress> Instance::advertised() const {
    std::vector<IpAddress> addresses;
    for (const Vip& vip : settings_.vips)
        if (!vip.excluded && vip.prefix.address.family() == settings_.family)
            addresses.push_back(vip.prefix.address);
    return addresses;
}

std::optional<TimePoint> Instance::wake() const {
    auto wake = next_wake(machine_);
    if (verify_at_ && (!wake || *verify_at_ < *wake)) wake = verify_at_;
    if (extra_garp_at_ && (!wake || *extra_garp_at_ < *wake)) wake = extra_garp_at_;
    return wake;
}

void Instance::deliver(const Event& event, TimePoint now) {
    const State before = machine_.state;
    announcing_.first_ns = 0;
    Actions actions = std::exchange(actions_, {});
    step(machine_, settings_.policy, event, now, actions);
    if (machine_.state != before) {
        last_transition_ = now;
        if (machine_.state == State::Master) ++counters_.become_master;
        if (before == State::Master) ++counters_.release_master;
        restart_extra_garp(now);
    }
    const auto* resume = std::get_if<Resume>(&event);
    vip_set_.set_adopting(resume != nullptr && resume->as == State::Master);
    for (const Action& action : actions) carry_out(action, now);
    vip_set_.set_adopting(false);
    actions_ = std::move(actions);
}

void Instance::carry_out(const Action& action, TimePoint now) {
    if (std::holds_alternative<SendAdvert>(action)) {
        send_advert(machine_.priority);
    } else if (std::holds_alternative<SendResign>(action)) {
        send_advert(kResignPriority);
        ++counters_.priority_zero_tx;
    } else if (std::holds_alternative<AddVips>(action)) {
        add_vips(now);
    } else if (std::holds_alternative<RemoveVips>(action)) {
        world_.announcer.forget(announcing_);
        if (!keeps_vips_) take_off(now);
    } else if (const auto* garp = std::get_if<SendGarp>(&action)) {
        if (garp->caused_by_peer)
            world_.log(
                LogLevel::Info,
                fmt::format("({}) Sending gratuitous ARPs for its VIPs again: another router "
                            "claimed them",
                            settings_.name),
                settings_.name + "/garp");
        announce(settings_.vips, garp->rounds, now, !garp->caused_by_peer);
    } else if (std::holds_alternative<ReportState>(action)) {
        world_.observer.state_changed({.instance = settings_.name,
                                       .state = machine_.state,
                                       .priority = machine_.priority,
                                       .at_ns = to_ns(now),
                                       .announced_ns = announcing_.first_ns,
                                       .heard_ns = heard_ns_,
                                       .heard_priority = heard_priority_});
    } else if (const auto* line = std::get_if<Log>(&action)) {
        std::string key;
        if (line->caused_by_peer())
            key = settings_.name + "/" + std::to_string(static_cast<int>(line->event));
        world_.log(LogLevel::Info, line->text(settings_.name), std::move(key));
        if (line->event == LogEvent::MasterGotLowerPriority)
            happened(ipc::InstanceEventKind::LowerPriorityHeard);
        if (line->event == LogEvent::PriorityChanged)
            happened(ipc::InstanceEventKind::PriorityChanged);
    }
}

void Instance::happened(ipc::InstanceEventKind kind) {
    world_.observer.happened({settings_.name, kind, machine_.state, machine_.priority});
}

void Instance::send_advert(std::uint8_t priority) {
    if (!port_ || !settings_.policy.primary) return;
    outgoing_.version = settings_.policy.version;
    outgoing_.vrid = settings_.vrid;
    outgoing_.priority = priority;
    outgoing_.interval = settings_.policy.advert_interval;
    outgoing_.auth = settings_.auth;
    outgoing_.ah = settings_.ah;
    outgoing_.addresses = advertised_;
    outgoing_.plain_checksum = settings_.plain_checksum;
    outgoing_.checksum_group =
        settings_.always_old_checksum || old_checksum_ ? settings_.checksum_group : IpAddress();
    const bool within_ah = settings_.ah && settings_.auth;
    if (settings_.ah) ah_sequence_ = ah_sequence_.value_or(world_.ah_sequence) + 1;
    const HmacKey* hmac = next_hmac();
    const auto send_to = [&](const IpAddress& destination) {
        encode(outgoing_, settings_.policy.primary, destination, settings_.ttl, datagram_);
        if (within_ah) add_ah(datagram_, *settings_.auth, *ah_sequence_, with_ah_);
        if (hmac != nullptr) add_hmac(datagram_, *hmac, hmac_sequence_);
        const auto& bytes = within_ah ? with_ah_ : datagram_;
        if (auto sent = world_.transport.send(*port_, destination, bytes); !sent) {
            ++counters_.send_error;
            // A link that is down or gone has its own line.
            const int why = sent.error().errnum;
            if (why != ENETDOWN && why != ENODEV && why != ENXIO)
                world_.log(LogLevel::Warning,
                           fmt::format("({}) {}", settings_.name, sent.error().message),
                           settings_.name + "/send");
            return;
        }
        ++counters_.advert_tx;
    };
    if (settings_.group) send_to(settings_.group);
    for (const UnicastPeer& peer : settings_.peers) send_to(peer.address);
}

void Instance::add_vips(TimePoint now) {
    vip_set_.add(settings_.vips);
    routing_set_.add(settings_.routing);
    last_verify_ = now;
    if (vip_set_.incomplete() || routing_set_.incomplete()) verify_at_ = now + kRetryInterval;
}

void Instance::take_off(TimePoint now) {
    routing_set_.remove(settings_.routing);
    vip_set_.remove(settings_.vips);
    if (vip_set_.incomplete() || routing_set_.incomplete()) verify_at_ = now + kVerifyInterval;
}

void Instance::announce(std::span<const Vip> vips,
                        std::uint32_t rounds,
                        TimePoint now,
                        bool say_each) {
    // Round by round over all addresses: the first announcement of each is what counts.
    for (std::uint32_t round = 0; round < rounds; ++round) {
        for (const Vip& vip : vips) {
            const Link* link = vip_set_.link_of(vip);
            if (link == nullptr || link->loopback) continue;
            const IpAddress& address = vip.prefix.address;
            if (round == 0 && say_each)
                world_.log(
                    LogLevel::Info,
                    fmt::format("Sending {} on {} for {}",
                                address.is_v4() ? "gratuitous ARP" : "unsolicited Neighbour Advert",
                                link->name,
                                address.to_string()));
            world_.announcer.announce(announcing_, *link, address, now);
        }
    }
    if (announcing_.error.empty()) return;
    world_.log(LogLevel::Warning,
               fmt::format("({}) {}", settings_.name, std::exchange(announcing_.error, {})),
               settings_.name + "/send");
}

void Instance::restart_extra_garp(TimePoint now) {
    extra_garp_at_.reset();
    if (machine_.state == State::Master && settings_.garp_extra_interval > Nanos(0))
        extra_garp_at_ = now + settings_.garp_extra_interval;
}

// Switches learn our MAC on the own interface from the adverts; elsewhere from nothing.
void Instance::announce_elsewhere(TimePoint now) {
    std::vector<Vip> first_of_each;
    std::set<int> told{ifindex_};
    for (const Vip& vip : settings_.vips) {
        const Link* link = vip_set_.link_of(vip);
        if (link == nullptr) continue;
        const bool made = std::ranges::any_of(settings_.devices, [&](const DeviceOn& device) {
            return device.link.name == link->name;
        });
        if ((made || settings_.garp_extra_all) && told.insert(link->index).second)
            first_of_each.push_back(vip);
    }
    announce(first_of_each, 1, now, false);
}

void Instance::restore_vips(TimePoint now) {
    last_verify_ = now;
    std::vector<Vip> tracked;
    for (const Vip& vip : settings_.vips)
        if (!vip.no_track) tracked.push_back(vip);
    const auto restored = vip_set_.add(tracked);
    routing_set_.restore(settings_.routing);
    if (vip_set_.incomplete() || routing_set_.incomplete()) verify_at_ = now + kRetryInterval;
    if (restored.empty()) return;
    counters_.vip_restored += restored.size();
    for (const Vip& vip : restored)
        world_.log(LogLevel::Warning,
                   fmt::format(
                       "({}) VIP {} was missing, put back", settings_.name, vip.prefix.to_string()),
                   settings_.name + "/restore");
    announce(restored, std::max<std::uint32_t>(settings_.policy.garp_repeat, 1), now);
}

void Instance::address_removed(int ifindex, const IpAddress& address, TimePoint now) {
    if (machine_.state != State::Master) return;
    for (const Vip& vip : settings_.vips) {
        const Link* link = vip_set_.link_of(vip);
        if (link != nullptr && link->index == ifindex && vip.prefix.address == address) {
            verify_vips_soon(now);
            return;
        }
    }
}

void Instance::verify_vips_soon(TimePoint now) {
    if (machine_.state != State::Master) return;
    // Never later than it was: an interface made anew is not made to wait.
    const TimePoint at = std::max(now, last_verify_ + kVerifyInterval);
    if (!verify_at_ || at < *verify_at_) verify_at_ = at;
}

void Instance::tick(TimePoint now) {
    if (next_wake(machine_) && *next_wake(machine_) <= now) deliver(Tick{}, now);
    if (extra_garp_at_ && *extra_garp_at_ <= now) {
        restart_extra_garp(now);
        announce_elsewhere(now);
    }
    if (verify_at_ && *verify_at_ <= now) {
        verify_at_.reset();
        if (machine_.state == State::Master) {
            restore_vips(now);
        } else {
            // A VIP that could not be taken off then: two nodes would answer for it.
            take_off(now);
        }
    }
}

// --- receiving ---------------------------------------------------------------------------------

int Instance::affinity(int ifindex, const Envelope& envelope) const {
    if (!port_ || port_->ifindex != ifindex || envelope.claimed_vrid != settings_.vrid) return 0;
    if (envelope.source.family() != settings_.family) return 0;
    if (settings_.group) return envelope.destination == settings_.group ? 2 : 1;
    const bool peer = std::ranges::find(settings_.peers, envelope.source, &UnicastPeer::address) !=
                      settings_.peers.end();
    return peer && !envelope.destination.is_multicast() ? 2 : 1;
}

Expected Instance::expected() const {
    return {.version = settings_.policy.version,
            .vrid = settings_.vrid,
            .interval = settings_.policy.advert_interval,
            .auth = settings_.ah ? std::nullopt : settings_.auth,
            .own = settings_.policy.primary,
            .group = settings_.group,
            .peers = settings_.peers,
            .addresses = advertised_,
            .plain_checksum = settings_.plain_checksum,
            .checksum_group = settings_.checksum_group,
            .address_check = settings_.address_check,
            .ah = settings_.ah && settings_.auth
                      ? std::optional(AhExpected{*settings_.auth, ah_sequence_})
                      : std::nullopt,
            .hmac = settings_.hmac ? std::optional(HmacExpected{
                                         &*settings_.hmac, &hmac_replay_, world_.unix_time()})
                                   : std::nullopt};
}

void Instance::receive(const Envelope& envelope, TimePoint now) {
    const auto decoded = check(envelope, expected());
    if (!decoded) {
        reject(decoded.error(), envelope.source);
        return;
    }
    ++counters_.advert_rx;
    if (settings_.ah) ah_sequence_ = decoded->ah_sequence;
    if (decoded->hmac) hmac_replay_.take(decoded->source, decoded->hmac->sequence);
    if (decoded->advert.priority == kResignPriority) ++counters_.priority_zero_rx;
    note(*decoded);
    heard_ns_ = to_ns(now);
    heard_priority_ = decoded->advert.priority;
    deliver(Heard{decoded->advert.priority, decoded->advert.interval, decoded->source}, now);
}

void Instance::reject(Reject reason, const IpAddress& source) {
    ++counters_.rejected[static_cast<std::size_t>(reason)];
    // By reason, never by sender: a flood from made-up addresses is one line too.
    world_.log(LogLevel::Warning,
               fmt::format("({}) advert from {} on {} dropped: {}",
                           settings_.name,
                           source.to_string(),
                           interface_name_,
                           explain(reason)),
               settings_.name + "/" + std::string(counter_name(reason)));
}

void Instance::note(const Decoded& decoded) {
    if (decoded.notes.checksum_form_differs) ++counters_.checksum_form_differs;
    if (decoded.notes.first_not_link_local) ++counters_.first_not_link_local;
    if (decoded.notes.old_checksum) {
        ++counters_.old_checksum;
        if (!std::exchange(old_checksum_, true) && !settings_.always_old_checksum)
            world_.log(LogLevel::Info,
                       fmt::format("({}) {} sends the unicast VRRPv3 checksum of old keepalived: "
                                   "so do we from now on",
                                   settings_.name,
                                   decoded.source.to_string()));
    }
    note_hmac(decoded);
    if (decoded.notes.address_list_differs) {
        ++counters_.address_list_differs;
        world_.log(LogLevel::Warning,
                   fmt::format("({}) advert from {}: {}",
                               settings_.name,
                               decoded.source.to_string(),
                               explain(Reject::AddressList)),
                   settings_.name + "/address_list_differs");
    }
    if (decoded.notes.interval_differs) {
        ++counters_.interval_differs;
        world_.log(LogLevel::Warning,
                   fmt::format("({}) advert from {}: its interval is {}, ours {}",
                               settings_.name,
                               decoded.source.to_string(),
                               seconds(decoded.advert.interval),
                               seconds(settings_.policy.advert_interval)),
                   settings_.name + "/interval_differs");
    }
}

// --- surroundings ------------------------------------------------------------------------------

// Where netlink does not answer, what was known stays: a moment's failure is no fault.
const Link* Instance::resolve_interface() const {
    if (!settings_.interface.empty()) return world_.find(settings_.interface);
    const Link* unsure = nullptr;
    const Link* vrf = settings_.vrf.empty() ? nullptr : world_.find(settings_.vrf);
    if (!settings_.vrf.empty() && vrf == nullptr) return nullptr;
    for (const Link& link : world_.interfaces) {
        // The same address may be in several.
        if (vrf != nullptr && link.master != vrf->index && link.index != vrf->index) continue;
        const auto addresses = world_.links.addresses(link.index);
        if (!addresses) {
            world_.look_again = true;
            if (link.index == ifindex_) unsure = &link;
            continue;
        }
        for (const LinkAddress& address : *addresses)
            if (address.prefix.address == settings_.source) return &link;
    }
    return unsure;
}

bool Instance::holds_source() const {
    const auto addresses = world_.links.addresses(ifindex_);
    if (!addresses) {
        world_.look_again = true;
        return true;
    }
    return std::ranges::any_of(*addresses, [&](const LinkAddress& address) {
        return address.prefix.address == settings_.source;
    });
}

IpAddress Instance::choose_source(int ifindex, std::span<const IpAddress> vips) const {
    if (settings_.source) return settings_.source;
    const auto addresses = world_.links.addresses(ifindex);
    if (!addresses) {
        world_.look_again = true;
        return settings_.policy.primary;
    }
    // First choice a global address that is no VIP, then any that is no VIP, then any; by IPv6
    // multicast a link-local one (RFC 9568, 5.1.2.1). The one in use stays while it is as good:
    // peers break ties by it.
    const bool link_local = settings_.family == Family::V6 && settings_.group;
    IpAddress best;
    int best_rank = 0;
    for (const LinkAddress& address : *addresses) {
        if (address.prefix.address.family() != settings_.family) continue;
        if (link_local && !address.prefix.address.is_link_local()) continue;
        const bool vip = std::ranges::find(vips, address.prefix.address) != vips.end();
        const int rank = vip ? 1 : address.scope != 0 && !link_local ? 2 : 3;
        const bool in_use = address.prefix.address == settings_.policy.primary;
        if (rank > best_rank || (rank == best_rank && in_use))
            best = address.prefix.address, best_rank = rank;
    }
    return best;
}

void Instance::leave_port() {
    if (port_) world_.transport.close(*port_);
    port_.reset();
}

// A device with the virtual router's MAC must listen, too: the kernel gives it alone what comes
// from that MAC, and a copy of what comes from any other.
void Instance::use_port(const Link& link, std::string& fault) {
    const Link* device = settings_.device.empty() ? nullptr : world_.find(settings_.device);
    if (!settings_.device.empty() && device == nullptr) return leave_port();
    const Port port{.ifindex = device != nullptr ? device->index : link.index,
                    .family = settings_.family,
                    .protocol = settings_.ah ? kProtocolAh : kProtocolVrrp,
                    .group = settings_.group,
                    .rx_buffer = settings_.rx_buffer + settings_.rx_buffer_mtus * link.mtu};
    if (port_ && *port_ != port) leave_port();
    if (port_) return;
    if (auto opened = world_.transport.open(port); !opened) {
        fault = opened.error().message;
        return;
    }
    port_ = port;
}

// Updates everything that hangs on the interface; returns why the instance cannot work, or "".
std::string Instance::look(std::span<const IpAddress> vips,
                           const TrackerResults& trackers,
                           TimePoint now) {
    const Link* link = resolve_interface();
    if (link == nullptr) {
        leave_port();
        ifindex_ = 0;
        interface_name_ = settings_.interface;
        vip_set_.use(settings_.name, 0, settings_.policy.priority == kOwnerPriority);
        if (settings_.interface.empty())
            return fmt::format("no interface{} has unicast_src_ip {}",
                               settings_.vrf.empty() ? "" : " of vrf " + settings_.vrf,
                               settings_.source.to_string());
        return "interface " + settings_.interface + " does not exist";
    }
    // Made anew, without our addresses; or seen only now, with those of a crashed instance.
    if (ifindex_ != link->index && machine_.state != State::Init) verify_at_ = now;
    ifindex_ = link->index;
    interface_name_ = link->name;
    vip_set_.use(settings_.name, ifindex_, settings_.policy.priority == kOwnerPriority);

    std::string fault;
    settings_.policy.primary = choose_source(ifindex_, vips);
    if (!settings_.policy.primary)
        fault = fmt::format("interface {} has no {} address",
                            link->name,
                            settings_.family == Family::V4 ? "IPv4"
                            : settings_.group              ? "link-local IPv6"
                                                           : "IPv6");
    if (settings_.needs_peer) fault = "it has no unicast_peer";
    if (settings_.track_source && settings_.source && !holds_source())
        fault = fmt::format("{} does not have {}", link->name, settings_.source.to_string());
    for (const DeviceOn& device : settings_.devices)
        if (const Link* made = world_.find(device.link.name); made == nullptr || !made->up)
            fault = fmt::format("its device {} is missing or down", device.link.name);
    use_port(*link, fault);

    std::vector<Tracked> tracked;
    if (!settings_.dont_track_primary)
        tracked.push_back({.what = "interface " + link->name, .up = link->up && link->running});
    for (const InterfaceTrack& track : settings_.interfaces) {
        const Link* other = world_.find(track.interface);
        tracked.push_back({.what = "interface " + track.interface,
                           .weight = track.weight,
                           .reverse = track.reverse,
                           .up = other != nullptr && other->up && other->running});
    }
    for (const ScriptTrack& track : settings_.scripts) {
        const auto result = trackers.scripts.find(track.script);
        if (result == trackers.scripts.end()) continue;
        tracked.push_back({.what = "script " + track.script,
                           .weight = track.weight,
                           .reverse = track.reverse,
                           .known = result->second.has_value(),
                           .up = result->second.value_or(false)});
    }
    for (const ObjectTrack& track : settings_.objects) {
        const auto state = trackers.objects.find({track.kind, track.name});
        if (state == trackers.objects.end()) continue;
        const bool file = track.kind == ipc::TrackerKind::File;
        tracked.push_back({.what = describe(track),
                           .weight = track.weight,
                           .reverse = track.reverse,
                           .up = state->second.up,
                           .value = file ? std::optional(state->second.value) : std::nullopt});
    }
    for (const std::string& group : settings_.track_groups)
        if (world_.failing_groups.contains(group))
            fault = fmt::format("track_group {} lacks something that cannot be set", group);
    auto outcome = evaluate(settings_.policy.priority, tracked);
    deliver(PriorityChanged{outcome.priority}, now);
    return fault.empty() ? std::move(outcome.fault) : fault;
}

void Instance::refresh(std::span<const IpAddress> vips,
                       const TrackerResults& trackers,
                       TimePoint now) {
    std::string fault = look(vips, trackers, now);
    const bool changed = fault != fault_;
    fault_ = std::move(fault);
    if (!fault_.empty()) {
        if (changed) world_.log(LogLevel::Warning, fmt::format("({}) {}", settings_.name, fault_));
        if (!machine_.fault) deliver(FaultSet{}, now);
    } else if (machine_.fault) {
        deliver(FaultCleared{}, now);
    }
}

void Instance::reconfigure(InstanceSettings settings, TimePoint now) {
    const InstanceSettings old = std::exchange(settings_, std::move(settings));
    settings_.policy.grouped = old.policy.grouped;
    settings_.policy.primary = old.policy.primary;
    advertised_ = advertised();
    hmac_replay_.resize(std::max(kHmacSenders, settings_.peers.size()));
    // The advert first: nothing that follows may make it late.
    deliver(PolicyChanged{}, now);
    if (settings_.garp_extra_interval != old.garp_extra_interval) restart_extra_garp(now);
    // Whoever keeps our state by name would not find it.
    if (settings_.name != old.name) carry_out(ReportState{}, now);
    if (machine_.state != State::Master) return;
    std::vector<Vip> gone;
    for (const Vip& vip : old.vips)
        if (std::ranges::find(settings_.vips, vip) == settings_.vips.end()) gone.push_back(vip);
    routing_set_.remove(RoutingSet::difference(old.routing, settings_.routing));
    vip_set_.remove(gone);
    routing_set_.add(RoutingSet::difference(settings_.routing, old.routing));
    const auto added = vip_set_.add(settings_.vips);
    if (vip_set_.incomplete()) verify_at_ = now + kRetryInterval;
    if (!added.empty())
        announce(added, std::max<std::uint32_t>(settings_.policy.garp_repeat, 1), now);
}

void Instance::shutdown(TimePoint now, bool keep_vips) {
    keeps_vips_ = keep_vips;
    deliver(Shutdown{}, now);
    leave_port();
}

}  // namespace vipd::vrrp
