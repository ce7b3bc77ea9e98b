// SPDX-License-Identifier: Apache-2.0
#include "vrrp/engine/engine.hpp"

#include "vrrp/fsm/sync_group.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace vipd::vrrp {

namespace {

constexpr Nanos kLookAgain = Seconds(1);
constexpr Nanos kStaticsRetry = Seconds(5);
constexpr Nanos kStaticsVerify = Seconds(1);  // two managers must not keep a core busy

// keepalived's key for "the same virtual router" over a reload.
bool same_router(const InstanceSettings& a, const InstanceSettings& b) {
    return a.vrid == b.vrid && a.family == b.family && a.interface == b.interface &&
           a.group == b.group && a.peers.empty() == b.peers.empty() &&
           (a.peers.empty() || a.source == b.source);
}

bool share_senders(const InstanceSettings& a, const InstanceSettings& b) {
    if (a.peers.empty() || b.peers.empty())
        return a.peers.empty() && b.peers.empty() && a.group == b.group;
    return std::ranges::any_of(a.peers, [&](const UnicastPeer& peer) {
        return std::ranges::find(b.peers, peer.address, &UnicastPeer::address) != b.peers.end();
    });
}

}  // namespace

Engine::Engine(Links& links,
               Transport& transport,
               Observer& observer,
               std::function<TimePoint()> clock)
    : world_{
          .links = links, .transport = transport, .observer = observer, .clock = std::move(clock)} {
    transport.set_receiver([this](int ifindex,
                                  std::span<const std::uint8_t> datagram,
                                  bool truncated) { receive(ifindex, datagram, truncated); });
}

Engine::~Engine() {
    world_.transport.set_receiver({});
}

// --- configuration -----------------------------------------------------------------------------

std::vector<InstanceSettings> Engine::usable(std::vector<InstanceSettings> wanted) {
    std::vector<InstanceSettings> good;
    std::set<std::string> names;
    for (InstanceSettings& one : wanted) {
        std::string problem;
        if (one.vrid == 0) problem = "it has no virtual_router_id";
        if (one.interface.empty() && !one.source) problem = "it has no interface";
        if (!one.group && one.peers.empty() && !one.needs_peer)
            problem = "it has neither a group nor a peer";
        if (!names.insert(one.name).second) problem = "another instance has its name";
        for (const InstanceSettings& other : good)
            if (other.vrid == one.vrid && other.family == one.family &&
                other.interface == one.interface && share_senders(one, other))
                problem = "instance " + other.name + " has its virtual_router_id and interface";
        if (problem.empty()) {
            good.push_back(std::move(one));
        } else {
            world_.log(LogLevel::Error,
                       fmt::format("({}) instance is not started: {}", one.name, problem));
        }
    }
    return good;
}

void Engine::configure(EngineSettings settings, TimePoint now) {
    auto wanted = usable(std::move(settings.instances));
    world_.announcer.configure(std::move(settings.announce_groups));
    startup_delay_ = settings.startup_delay;
    log_unknown_vrids_ = settings.log_unknown_vrids;
    link_delays_.configure(settings.link_delays);
    change_statics({std::move(settings.static_addresses),
                    std::move(settings.static_routing),
                    std::move(settings.static_groups)},
                   now);
    world_.ah_sequence = settings.ah_sequence;
    if (started_) {
        read_interfaces(now);
        groups_.clear();
        // VIPs may move to new devices, and from old ones, which refresh_all() removes.
        use_devices(wanted, now);
        reload(std::move(wanted), now);
    } else {
        instances_.clear();
        for (InstanceSettings& one : wanted)
            instances_.push_back(std::make_unique<Instance>(world_, std::move(one)));
    }
    make_groups(settings.groups);
    if (started_) {
        refresh_all(now);
        for (const auto& instance : instances_) {
            if (instance->machine().state == State::Init) instance->deliver(Startup{}, now);
            if (group_of(*instance) == nullptr && instance->machine().group_fault)
                instance->deliver(SyncFault{false}, now);
        }
    }
    finish(now);
}

void Engine::change_statics(Statics wanted, TimePoint now) {
    const Statics old = std::exchange(statics_, std::move(wanted));
    if (!started_) return;
    static_routing_.remove(RoutingSet::difference(old.routing, statics_.routing));
    std::vector<Vip> gone;
    for (const Vip& address : old.addresses)
        if (std::ranges::find(statics_.addresses, address) == statics_.addresses.end())
            gone.push_back(address);
    static_addresses_.remove(gone);
    set_statics(now);
}

void Engine::set_statics(TimePoint now) {
    statics_at_.reset();
    world_.failing_groups.clear();
    if (statics_.addresses.empty() && statics_.routing.empty()) return;
    static_addresses_.use("static", 0, false);
    static_addresses_.add(statics_.addresses);
    static_routing_.add(statics_.routing);
    if (!static_addresses_.incomplete() && !static_routing_.incomplete()) return;
    statics_at_ = now + kStaticsRetry;
    look_at_static_groups();
}

// Whose is what cannot be set? The rest is there already.
void Engine::look_at_static_groups() {
    for (const StaticGroup& group : statics_.groups) {
        static_addresses_.add(group.addresses);
        static_routing_.add(group.routing);
        if (static_addresses_.incomplete() || static_routing_.incomplete())
            world_.failing_groups.insert(group.name);
    }
}

void Engine::reload(std::vector<InstanceSettings> wanted, TimePoint now) {
    std::vector<std::unique_ptr<Instance>> kept;
    std::vector<InstanceSettings> kept_settings;
    std::vector<InstanceSettings> fresh;
    for (InstanceSettings& one : wanted) {
        const auto match = std::ranges::find_if(instances_, [&](const auto& instance) {
            return instance && same_router(instance->settings(), one);
        });
        if (match == instances_.end()) {
            fresh.push_back(std::move(one));
        } else {
            kept.push_back(std::move(*match));
            kept_settings.push_back(std::move(one));
        }
    }
    // Those that stay master send their advert before anything that may take time.
    for (std::size_t i = 0; i < kept.size(); ++i)
        kept[i]->reconfigure(std::move(kept_settings[i]), now);
    for (const auto& instance : instances_)
        if (instance) instance->shutdown(now);
    // A VIP that moved from a stopped instance to a kept master has just been taken off.
    for (const auto& instance : kept) instance->verify_vips_soon(now);
    instances_ = std::move(kept);
    for (InstanceSettings& one : fresh)
        instances_.push_back(std::make_unique<Instance>(world_, std::move(one)));
}

void Engine::make_groups(const std::vector<GroupSettings>& groups) {
    groups_.clear();
    for (const auto& instance : instances_) instance->set_grouped(false);
    for (const GroupSettings& settings : groups) {
        Group group{settings.name, {}};
        for (const std::string& member : settings.members) {
            Instance* instance = find(member);
            if (instance == nullptr) {
                world_.log(
                    LogLevel::Error,
                    fmt::format("VRRP_Group({}) has no usable instance {}", settings.name, member));
                continue;
            }
            if (group_of(*instance) != nullptr) continue;
            if (std::ranges::find(group.members, instance) != group.members.end()) continue;
            instance->set_grouped(true);
            group.members.push_back(instance);
        }
        if (!group.members.empty()) groups_.push_back(std::move(group));
    }
}

void Engine::resume(const std::string& instance, State state) {
    if (!started_) resume_[instance] = state;
}

void Engine::start(TimePoint now) {
    if (started_) return;
    started_ = true;
    read_interfaces(now);
    set_statics(now);
    refresh_all(now);
    // Masters first: each has an advert to send.
    for (const bool masters : {true, false}) {
        for (const auto& instance : instances_) {
            const auto before = resume_.find(instance->settings().name);
            const State as = before == resume_.end() ? State::Init : before->second;
            if ((as == State::Master) != masters) continue;
            // An instance that was at work before has waited already.
            if (as == State::Init) {
                instance->deliver(Startup{startup_delay_}, now);
            } else {
                instance->deliver(Resume{as}, now);
            }
        }
    }
    resume_.clear();
    finish(now);
}

void Engine::stop(TimePoint now, bool keep_vips) {
    for (const auto& instance : instances_) instance->shutdown(now, keep_vips);
    instances_.clear();
    groups_.clear();
    if (!keep_vips) use_devices({}, now);
    static_routing_.remove(statics_.routing);
    static_addresses_.remove(statics_.addresses);
    promotion_.use({});  // not before the addresses are gone: it is for their sake
    started_ = false;
    finish(now);
}

// --- events ------------------------------------------------------------------------------------

void Engine::script_state(const std::string& script, bool known, bool up, TimePoint now) {
    trackers_.scripts[script] = known ? std::optional(up) : std::nullopt;
    if (!started_) return;
    refresh_all(now);
    finish(now);
}

void Engine::tracker_state(const ipc::TrackerState& state, TimePoint now) {
    trackers_.objects[{state.kind, state.name}] = state;
    if (!started_) return;
    refresh_all(now);
    finish(now);
}

bool Engine::handover(const std::string& instance, Nanos hold, TimePoint now) {
    if (!started_) return false;
    std::vector<Instance*> which;
    if (instance.empty()) {
        for (const auto& one : instances_) which.push_back(one.get());
    } else if (Instance* one = find(instance); one != nullptr) {
        const Group* group = group_of(*one);
        which = group != nullptr ? group->members : std::vector{one};
    } else {
        return false;
    }
    for (Instance* one : which) one->deliver(Handover{hold}, now);
    finish(now);
    return true;
}

void Engine::link_events(std::span<const LinkEvent> events, TimePoint now) {
    if (!started_) return;
    bool look = false;
    bool overrun = false;
    bool lost = false;
    for (const LinkEvent& event : events) {
        look |= event.kind == LinkEvent::Kind::Link || event.kind == LinkEvent::Kind::Address;
        const bool routing = event.kind == LinkEvent::Kind::Route;
        overrun |= event.kind == LinkEvent::Kind::Overrun || (event.ifindex == 0 && !routing);
        if (event.removed && (routing || event.kind == LinkEvent::Kind::Address)) {
            if (!statics_at_) statics_at_ = now + kStaticsVerify;
            lost |= routing;
        }
        if (event.kind == LinkEvent::Kind::Address && event.removed)
            for (const auto& instance : instances_)
                instance->address_removed(event.ifindex, event.address, now);
    }
    if (overrun) {
        resync(now);
        return;
    }
    if (lost) {
        for (const auto& instance : instances_) instance->routing_removed(now);
        world_.observer.wake_at(wake());
    }
    if (!look) return;
    // With an interface that is up again its routes are not.
    if (!statics_at_) statics_at_ = now + kStaticsVerify;
    for (const auto& instance : instances_) instance->routing_removed(now);
    read_interfaces(now);
    refresh_all(now);
    finish(now);
}

void Engine::resync(TimePoint now) {
    if (!started_) return;
    read_interfaces(now);
    refresh_all(now);
    for (const auto& instance : instances_) instance->verify_vips_soon(now);
    finish(now);
}

void Engine::receive(int ifindex, std::span<const std::uint8_t> datagram, bool truncated) {
    if (!started_) return;
    const auto envelope = open_envelope(datagram, truncated);
    if (!envelope) {
        ++unmatched_[static_cast<std::size_t>(envelope.error())];
        return;
    }
    Instance* best = nullptr;
    int best_affinity = 0;
    for (const auto& instance : instances_) {
        const int affinity = instance->affinity(ifindex, *envelope);
        if (affinity > best_affinity) best = instance.get(), best_affinity = affinity;
    }
    if (best == nullptr) {
        const Reject reason = envelope->claimed_vrid ? Reject::Vrid : Reject::Length;
        ++unmatched_[static_cast<std::size_t>(reason)];
        // By VRID: of those there are no more than 255.
        if (log_unknown_vrids_ && envelope->claimed_vrid) {
            const auto link = std::ranges::find(kernel_links_, ifindex, &Link::index);
            world_.log(LogLevel::Info,
                       fmt::format("advert from {} on {} with unknown VRID {}",
                                   envelope->source.to_string(),
                                   link != kernel_links_.end() ? link->name : "?",
                                   *envelope->claimed_vrid),
                       fmt::format("unknown VRID {}", *envelope->claimed_vrid));
            finish(world_.clock());
        }
        return;
    }
    const TimePoint now = world_.clock();
    best->receive(*envelope, now);
    finish(now);
}

std::optional<TimePoint> Engine::wake() const {
    if (!started_) return std::nullopt;
    std::optional<TimePoint> wake = look_again_at_;
    const bool statics = !statics_.addresses.empty() || !statics_.routing.empty();
    if (statics && statics_at_ && (!wake || *statics_at_ < *wake)) wake = statics_at_;
    if (const auto at = link_delays_.wake(); at && (!wake || *at < *wake)) wake = at;
    if (const auto at = world_.announcer.wake(); at && (!wake || *at < *wake)) wake = at;
    for (const auto& instance : instances_)
        if (const auto at = instance->wake(); at && (!wake || *at < *wake)) wake = at;
    return wake;
}

void Engine::tick(TimePoint now) {
    if (!started_) return;
    // After a pause of this process the adverts of the living master wait in the socket: they count
    // before the timer that has run out meanwhile.
    const bool backup_due = std::ranges::any_of(instances_, [&](const auto& instance) {
        return instance->machine().state == State::Backup && instance->wake() &&
               *instance->wake() <= now;
    });
    if (backup_due) world_.transport.drain();
    for (const auto& instance : instances_) instance->tick(now);
    world_.announcer.tick(now);
    if (statics_at_ && *statics_at_ <= now) {
        const auto failing = world_.failing_groups;
        set_statics(now);
        if (world_.failing_groups != failing) refresh_all(now);
    }
    if (link_delays_.wake() && *link_delays_.wake() <= now) {
        use_interfaces(now);
        refresh_all(now);
    }
    if (look_again_at_ && *look_again_at_ <= now) {
        look_again_at_.reset();
        resync(now);
        return;
    }
    finish(now);
}

// --- helpers -----------------------------------------------------------------------------------

void Engine::read_interfaces(TimePoint now) {
    auto links = world_.links.links();
    if (!links) {
        world_.log(LogLevel::Error, links.error().message, "netlink");
        world_.look_again = true;
        return;  // what was known is nearer to the truth than nothing
    }
    kernel_links_ = std::move(*links);
    use_interfaces(now);
}

void Engine::use_interfaces(TimePoint now) {
    std::vector<Link> links = kernel_links_;
    link_delays_.apply(links, now);
    std::set<std::string> ours;
    for (const auto& instance : instances_) {
        ours.insert(instance->settings().interface);
        for (const auto& track : instance->settings().interfaces) ours.insert(track.interface);
    }
    for (const Link& link : links) {
        const Link* before = world_.find(link.name);
        const bool up = link.up && link.running;
        if (before != nullptr && (before->up && before->running) != up && ours.contains(link.name))
            world_.log(LogLevel::Info,
                       fmt::format("Netlink reports {} {}", link.name, up ? "up" : "down"));
    }
    world_.interfaces = std::move(links);
}

void Engine::use_devices(std::span<const InstanceSettings> further, TimePoint now) {
    static constexpr int kRounds = 4;  // made, set up, there
    std::vector<DeviceOn> wanted;
    const auto want = [&](const InstanceSettings& settings) {
        for (const DeviceOn& device : settings.devices)
            if (std::ranges::find(wanted, device) == wanted.end()) wanted.push_back(device);
    };
    for (const auto& instance : instances_) want(instance->settings());
    for (const InstanceSettings& settings : further) want(settings);
    int round = 0;
    for (; round < kRounds && virtual_links_.use(wanted); ++round) read_interfaces(now);
    // A device made anew has no addresses, and the kernel does not say that they have gone.
    if (round > 0)
        for (const auto& instance : instances_) instance->verify_vips_soon(now);
}

void Engine::refresh_all(TimePoint now) {
    use_devices({}, now);
    std::vector<IpAddress> vips;
    for (const auto& instance : instances_)
        for (const Vip& vip : instance->settings().vips) vips.push_back(vip.prefix.address);
    for (const auto& instance : instances_) instance->refresh(vips, trackers_, now);
    std::set<int> promoting;
    for (const auto& instance : instances_)
        if (instance->settings().promote_secondaries) promoting.insert(instance->ifindex());
    promotion_.use(promoting);
}

void Engine::settle(TimePoint now) {
    static constexpr int kRounds = 16;  // two suffice; a loop here would stop the whole process
    for (const Group& group : groups_) {
        for (int round = 0; round < kRounds; ++round) {
            std::vector<const Machine*> machines;
            for (const Instance* member : group.members) machines.push_back(&member->machine());
            const auto events = sync_events(machines);
            if (events.empty()) break;
            std::string_view state = "FAULT";
            if (std::holds_alternative<SyncMaster>(events.front().second)) state = "MASTER";
            if (std::holds_alternative<SyncBackup>(events.front().second)) state = "BACKUP";
            const auto* fault = std::get_if<SyncFault>(&events.front().second);
            if (group.members.size() > 1 && (fault == nullptr || fault->set))
                world_.log(
                    LogLevel::Info,
                    fmt::format("VRRP_Group({}) Syncing instances to {} state", group.name, state));
            for (const auto& [index, event] : events) group.members[index]->deliver(event, now);
        }
    }
}

void Engine::finish(TimePoint now) {
    if (started_) settle(now);
    if (std::exchange(world_.look_again, false) && !look_again_at_)
        look_again_at_ = now + kLookAgain;
    world_.observer.wake_at(wake());
    const std::vector<LogLine> lines = std::exchange(world_.lines, {});
    for (const LogLine& line : lines) world_.observer.log(line);
}

Instance* Engine::find(const std::string& name) const {
    for (const auto& instance : instances_)
        if (instance->settings().name == name) return instance.get();
    return nullptr;
}

const Engine::Group* Engine::group_of(const Instance& instance) const {
    for (const Group& group : groups_)
        for (const Instance* member : group.members)
            if (member == &instance) return &group;
    return nullptr;
}

std::vector<RouterId> Engine::masters() const {
    std::vector<RouterId> masters;
    for (const auto& instance : instances_)
        if (instance->machine().state == State::Master)
            masters.push_back({instance->settings().family, instance->settings().vrid});
    return masters;
}

std::vector<ipc::InstanceReport> Engine::reports() const {
    std::vector<ipc::InstanceReport> reports;
    reports.reserve(instances_.size());
    for (const auto& instance : instances_) reports.push_back(instance->report());
    return reports;
}

}  // namespace vipd::vrrp
