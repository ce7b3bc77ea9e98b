// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/forwarding.hpp"

#include "userspace/config/made_devices.hpp"
#include "userspace/sched/ring.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>

namespace vipd::control {

namespace {

dataplane::AttachMode mode_of(config::Vipd::Attach attach) {
    switch (attach) {
        case config::Vipd::Attach::Native:
            return dataplane::AttachMode::Native;
        case config::Vipd::Attach::Generic:
            return dataplane::AttachMode::Generic;
        case config::Vipd::Attach::NativeElseGeneric:
            break;
    }
    return dataplane::AttachMode::NativeElseGeneric;
}

std::vector<IpAddress> real_addresses(const model::Model& model) {
    std::set<IpAddress> addresses;
    for (const auto& [key, service] : model)
        for (const auto& real : service.reals) addresses.insert(real.endpoint.address);
    return {addresses.begin(), addresses.end()};
}

// Peers without a key are an error that the parser has told of; the rest runs.
bool wants_sync(const config::Config& config) {
    return !config.vipd.sync_peers.empty() && config.vipd.sync_key_file.set;
}

// Why the method cannot work by this way.
std::optional<std::string> unfit(const net::NextHop& hop,
                                 const model::Real& real,
                                 std::uint16_t service_port) {
    if (hop.gateway && real.method == model::Method::DirectRouting)
        return "is behind a gateway: DR needs it on link";
    if (hop.local && real.method == model::Method::Nat && real.endpoint.port != service_port)
        return "is this host: its packets are handed to the local stack, which NAT does not "
               "rewrite";
    return std::nullopt;
}

// NAT sends replies by the kernel's routes, which answer only where forwarding is on.
std::optional<std::string> forwarding_off(const model::Model& model) {
    for (const auto& [key, service] : model) {
        const bool v4 = key.endpoint.address.is_v4();
        const auto is_nat = [](const model::Real& real) {
            return real.method == model::Method::Nat;
        };
        if (std::ranges::none_of(service.reals, is_nat)) continue;
        const std::string name = v4 ? "net/ipv4/ip_forward" : "net/ipv6/conf/all/forwarding";
        std::string value;
        if (std::ifstream("/proc/sys/" + name) >> value && value == "0")
            return fmt::format("{} is 0: replies of NAT real servers are dropped", name);
    }
    return std::nullopt;
}

// What comes to a VIP on a virtual router's device was sent by who is reached by the interface.
std::optional<std::string> reverse_path_checked(const config::Config& config) {
    const auto on_device = [](const auto& instance) {
        return instance.device.kind != config::VirtualDevice::Kind::None;
    };
    std::string value;
    if (std::ranges::any_of(config.instances, on_device) &&
        std::ifstream("/proc/sys/net/ipv4/conf/all/rp_filter") >> value && value == "1")
        return "net/ipv4/conf/all/rp_filter is 1: with use_vmac, what is for a VIP and for no "
               "virtual_server does not arrive; 2 or 0 will do";
    return std::nullopt;
}

dataplane::NextHop to_dataplane(const net::NextHop& hop) {
    dataplane::NextHop out;
    out.ifindex = hop.ifindex;
    out.destination = hop.destination;
    out.source = hop.source;
    out.mtu = hop.mtu;
    out.vlan = hop.vlan;
    out.tunnel_source = hop.source_address;
    out.local = hop.local;
    return out;
}

constexpr std::uint8_t kOwnerPriority = 255;

/// What IPVS's daemons send by default; both versions are understood.
constexpr std::uint8_t kIpvsSyncVersion = 1;

// With `lease off` they are answered for ever, but may be refused nevertheless.
std::vector<dataplane::Claim> claims_of(const config::Config& config) {
    std::vector<dataplane::Claim> claims;
    for (const auto& instance : config.instances) {
        const bool refused = !*instance.accept && *instance.priority != kOwnerPriority;
        if (!*config.vipd.lease_enabled && !refused) continue;
        for (const auto* list : {&instance.virtual_ipaddress, &instance.virtual_ipaddress_excluded})
            for (const auto& vip : *list)
                claims.push_back({.address = vip.prefix.address,
                                  .vrid = *instance.virtual_router_id,
                                  .family = config::family_of(instance),
                                  .refused = refused});
    }
    return claims;
}

std::string node_id_of(const config::Config& config) {
    std::array<char, 65> host{};
    (void)::gethostname(host.data(), host.size() - 1);
    return fmt::format("{}@{}{}{}",
                       *config.global.router_id,
                       host.data(),
                       config.instance_name.empty() ? "" : "/",
                       config.instance_name)
        .substr(0, 64);
}

Checkpoint::Settings checkpoint_settings(const config::Config& config) {
    Checkpoint::Settings settings;
    if (*config.vipd.checkpoint_enabled)
        settings.path = config.vipd.checkpoint.set ? *config.vipd.checkpoint
                                                   : default_checkpoint_path(config.instance_name);
    settings.interval = *config.vipd.checkpoint_interval;
    settings.node_id = node_id_of(config);
    return settings;
}

}  // namespace

Forwarding::Forwarding(EventLoop& loop,
                       Links& links,
                       std::unique_ptr<dataplane::Dataplane> dataplane,
                       Say say)
    : loop_(loop),
      links_(links),
      dataplane_(std::move(dataplane)),
      say_(std::move(say)),
      hops_(links),
      pump_(loop, *dataplane_),
      ipvs_sync_(loop, links, *dataplane_, pump_, say_),
      checkpoint_(loop, *dataplane_, say_) {
    for (const auto& [key, service] : dataplane_->model())
        digests_.rings[key] = sched::digest(service, sched::build_ring(service));
    dataplane_->on_neighbour_wanted([this](int ifindex, const IpAddress& address) {
        // One that cannot be sent is asked for again by the next packet.
        (void)links_.probe_neighbour(ifindex, address);
    });
}

Forwarding::~Forwarding() = default;

Forwarding::Wanted Forwarding::wanted_interfaces() const {
    std::map<std::string, Interface> wanted;
    const auto links = links_.links();
    Wanted result;
    result.complete = links.has_value();
    const auto by_index = [&](int index) {
        const auto same = [&](const Link& link) { return link.index == index; };
        return std::find_if(links->begin(), links->end(), same);
    };
    // Frames of a VLAN are seen on the interface below it, tags and all, and so are those of a
    // virtual router's device; their own have no XDP.
    const auto add_link = [&](Link link) {
        for (int below = 0; links && link.parent != 0 && below < 2; ++below)
            if (const auto parent = by_index(link.parent); parent != links->end()) link = *parent;
        wanted[link.name] = {link.index, link.name, link.mac};
    };
    const auto add = [&](const std::string& name) {
        if (const auto link = links_.link_by_name(name))
            add_link(*link);
        else if (link.error().errnum == ENODEV)
            wanted[name] = {0, name, {}};
        else
            result.complete = false;
    };
    if (!config_.vipd.interfaces.empty()) {
        for (const auto& name : config_.vipd.interfaces) add(*name);
    } else {
        for (const auto& instance : config_.instances) {
            if (!instance.interface->empty()) add(*instance.interface);
            for (const auto& vip : instance.virtual_ipaddress)
                if (!vip.device.empty()) add(vip.device);
        }
        // What comes back from a real server's direction (and a director without VRRP) needs the
        // interfaces of the routes, too.
        for (const auto& address : real_addresses(dataplane_->model())) {
            const auto route = links_.route_to(address);
            if (!route || route->local || !links) continue;
            const auto link = by_index(route->ifindex);
            if (link != links->end() && !link->loopback) add_link(*link);
        }
    }
    for (auto& [name, interface] : wanted) result.interfaces.push_back(std::move(interface));
    return result;
}

void Forwarding::attach_wanted() {
    const auto wanted = wanted_interfaces();
    std::set<int> keep;
    std::map<std::string, std::string> errors;
    for (const auto& interface : wanted.interfaces) {
        if (interface.ifindex == 0) {
            errors[interface.name] = "no such interface";
            continue;
        }
        keep.insert(interface.ifindex);
        // First: from its first packet on the program must know what is for this host.
        if (auto told = dataplane_->set_interface_mac(interface.ifindex, interface.mac); !told)
            errors[interface.name] = told.error().message;
        const auto attached = dataplane_->attached();
        if (std::ranges::any_of(
                attached, [&](const auto& known) { return known.ifindex == interface.ifindex; }))
            continue;
        const auto result =
            dataplane_->attach(interface.ifindex, interface.name, mode_of(*config_.vipd.attach));
        if (!result) {
            errors[interface.name] = result.error().message;
        } else if (!result->native && *config_.vipd.attach != config::Vipd::Attach::Generic) {
            say_(true,
                 fmt::format(
                     "{}: the driver has no native XDP; attached in generic mode, which is slow",
                     interface.name));
        } else {
            say_(false,
                 fmt::format("{} the XDP program on {} ({})",
                             result->adopted ? "Adopted" : "Attached",
                             interface.name,
                             result->native ? "native" : "generic"));
        }
    }
    set_stations();
    // What could not be asked about is not gone: on_second() asks again.
    if (!wanted.complete) interfaces_due_ = true;
    for (const auto& attached : dataplane_->attached()) {
        if (!wanted.complete || keep.contains(attached.ifindex)) continue;
        if (const auto detached = dataplane_->detach(attached.ifindex); !detached)
            say_(true, fmt::format("{}: {}", attached.name, detached.error().message));
        else
            say_(false, fmt::format("Detached the XDP program from {}", attached.name));
    }
    for (const auto& [name, error] : errors)
        if (const auto before = attach_errors_.find(name);
            before == attach_errors_.end() || before->second != error)
            say_(true, fmt::format("cannot forward on {}: {}", name, error));
    attach_errors_ = std::move(errors);
}

void Forwarding::set_stations() {
    std::vector<dataplane::Station> stations;
    const auto devices = config::made_devices(config_);
    for (std::size_t at = 0; at < devices.size(); ++at) {
        const auto& instance = config_.instances[at];
        for (const auto& device : devices[at]) {
            const auto parent = links_.link_by_name(device.parent);
            if (!parent || device.link.kind != VirtualLink::Kind::Macvlan) continue;
            stations.push_back({.ifindex = parent->parent != 0 ? parent->parent : parent->index,
                                .mac = device.link.mac,
                                .vrid = *instance.virtual_router_id,
                                .family = config::family_of(instance)});
        }
    }
    if (auto told = dataplane_->set_stations(stations); !told) say_(true, told.error().message);
}

Result<> Forwarding::check(const config::Config& config) {
    if (!wants_sync(config)) return {};
    const auto key = sync::load_keyring(*config.vipd.sync_key_file);
    if (!key) return fail(Error(key.error()).in("connection sync"));
    return {};
}

Result<> Forwarding::configure(const config::Config& config, bool claim) {
    config_ = config;
    attach_wanted();
    if (dataplane_->attached().empty() && !dataplane_->model().empty()) {
        std::string reasons;
        for (const auto& [name, error] : attach_errors_)
            reasons += fmt::format("; {}: {}", name, error);
        return fail(
            "no interface to forward on" +
            (reasons.empty() ? std::string("; name one in vipd { interfaces ... }") : reasons));
    }
    if (auto claimed =
            dataplane_->set_claims(claim ? claims_of(config) : std::vector<dataplane::Claim>{});
        !claimed)
        return claimed;
    // Forwarding has gone on from an earlier daemon only for a while; now there is one again.
    if (auto unlimited = dataplane_->set_forwarding_end(std::nullopt); !unlimited) return unlimited;
    if (!pumping_) {
        if (auto pumping = pump_.start(); !pumping) return pumping;
        pumping_ = true;
    }
    // Without peers nothing can come that would be worth waiting for.
    if (auto settled = dataplane_->set_settle_time(wants_sync(config) ? kSettleTime : Nanos(0));
        !settled)
        return settled;
    if (auto kept = checkpoint_.configure(checkpoint_settings(config)); !kept) return kept;
    if (auto synced = configure_sync(config); !synced) return synced;
    ipvs_sync_.configure(config.global.sync_daemon, kIpvsSyncVersion);
    return {};
}

Result<> Forwarding::configure_sync(const config::Config& config) {
    if (!wants_sync(config)) {
        sync_.reset();
        return {};
    }
    sync::Options options;
    options.bind = *config.vipd.sync_bind;
    options.port = *config.vipd.sync_port;
    for (const auto& peer : config.vipd.sync_peers) options.peers.push_back(*peer);
    auto key = sync::load_keyring(*config.vipd.sync_key_file);
    if (!key) return fail(std::move(key.error()).in("connection sync"));
    options.keys = std::move(*key);
    options.node_id = node_id_of(config);
    options.abi = dataplane_->abi_version();
    options.digests = digests_;
    auto daemon =
        sync_ ? nullptr
              : std::make_unique<sync::SyncDaemon>(
                    loop_, *dataplane_, pump_, [this](const sync::LogEvent& event) {
                        say_(event.warning,
                             event.held == 0
                                 ? event.text
                                 : fmt::format("{} ({} more held back)", event.text, event.held));
                    });
    auto& target = daemon ? *daemon : *sync_;
    if (auto running = target.reconfigure(std::move(options)); !running)
        return fail(std::move(running.error()).in("connection sync"));
    if (daemon) sync_ = std::move(daemon);
    return {};
}

void Forwarding::restore(const config::Config& config) {
    if (checkpoint_.configure(checkpoint_settings(config))) checkpoint_.restore();
}

void Forwarding::settle(std::function<void()> then) {
    if (!sync_) return then();
    if (auto told = dataplane_->report_half_open(loop_.now() + kLeaving); !told)
        say_(true, told.error().message);
    std::vector<dataplane::Flow> half_open;
    dataplane_->for_each_flow([&](const dataplane::Flow& flow) {
        if (flow.state == dataplane::FlowState::SynRecv) half_open.push_back(flow);
        return true;
    });
    sync_->settle(half_open, kSettleLimit, [this, then = std::move(then)](bool all) {
        if (!all) say_(true, "a sync peer has not confirmed the last connections; going on");
        then();
    });
}

void Forwarding::leave(bool keep) {
    sync_.reset();
    save_flows();
    ipvs_sync_.configure(std::nullopt, 1);
    pump_.stop();
    // A clean end gives the VIPs back: the lease must not outlive the daemon that renewed it.
    if (auto claimed = dataplane_->set_claims({}); !claimed) say_(true, claimed.error().message);
    if (keep) return;
    const TimePoint end = loop_.now() + kLinger;
    if (auto limited = dataplane_->set_forwarding_end(end); !limited)
        say_(true, limited.error().message);
    else
        say_(false,
             fmt::format("Forwarding goes on for {} s for a restart; vipd --detach ends it now",
                         kLinger.count()));
}

bool Forwarding::synced() const {
    return !sync_ || sync_->synced();
}

Result<> Forwarding::follow(const model::Model& desired) {
    const model::Model before = dataplane_->model();
    const auto changes = model::diff(before, desired);
    if (changes.empty() && std::exchange(followed_, true)) return {};
    // The ways first: a new real server is reachable from its first packet on.
    model::Model both = before;
    for (const auto& [key, service] : desired) both.insert_or_assign(key, service);
    hops_.set_addresses(real_addresses(both), loop_.now());
    work_off_hops();
    for (const auto& change : changes) {
        auto applied = dataplane_->apply(change);
        if (applied) continue;
        for (const auto& undo : model::diff(dataplane_->model(), before))
            if (const auto undone = dataplane_->apply(undo); !undone)
                say_(true, "undoing a change that failed: " + undone.error().message);
        return fail(
            std::move(applied.error()).in("virtual_server " + change.service.key.to_string()));
    }
    for (const auto& change : changes) {
        if (change.kind == model::Change::Kind::RemoveService)
            digests_.rings.erase(change.service.key);
        else
            digests_.rings[change.service.key] =
                sched::digest(change.service, sched::build_ring(change.service));
    }
    if (sync_) sync_->set_digests(digests_);
    const auto addresses = real_addresses(desired);
    for (const auto& address : real_addresses(before))
        if (!std::ranges::binary_search(addresses, address))
            (void)dataplane_->set_next_hop(address, std::nullopt);
    hops_.set_addresses(addresses, loop_.now());
    for (const auto& address : addresses) {
        const auto* hop = hops_.find(address);
        if (hop == nullptr) continue;
        if (auto set = dataplane_->set_next_hop(address, to_dataplane(*hop)); !set)
            say_(true, fmt::format("real server {}: {}", address.to_string(), set.error().message));
    }
    work_off_hops();
    std::erase_if(unreachable_, [&](const auto& entry) {
        return !std::binary_search(addresses.begin(), addresses.end(), entry.first);
    });
    std::erase_if(service_rates_,
                  [&](const auto& entry) { return !desired.contains(entry.first); });
    std::erase_if(real_rates_, [&](const auto& entry) {
        const auto service = desired.find(entry.first.first);
        return service == desired.end() ||
               std::ranges::none_of(service->second.reals, [&](const auto& real) {
                   return real.endpoint == entry.first.second;
               });
    });
    return {};
}

void Forwarding::work_off_hops() {
    const TimePoint now = loop_.now();
    const TimePoint next = hops_.tick(now);
    for (const auto& update : hops_.take_updates()) {
        std::optional<dataplane::NextHop> hop;
        if (update.hop) hop = to_dataplane(*update.hop);
        if (auto set = dataplane_->set_next_hop(update.address, hop); !set) {
            say_(
                true,
                fmt::format("real server {}: {}", update.address.to_string(), set.error().message));
        }
        const auto known = unreachable_.find(update.address);
        if (hop) {
            if (known != unreachable_.end()) {
                say_(false,
                     fmt::format("real server {} is reachable again", update.address.to_string()));
                unreachable_.erase(known);
            }
        } else if (known == unreachable_.end()) {
            unreachable_.emplace(update.address, update.reason);
            // At the first look a neighbour is simply not known yet.
            if (hops_.find(update.address) == nullptr && !update.reason.empty())
                say_(false,
                     fmt::format("real server {} is not reachable yet: {}",
                                 update.address.to_string(),
                                 update.reason));
        } else {
            known->second = update.reason;
        }
    }
    if (next == TimePoint::max()) return;
    // Never at once again: a look that finds nothing new must not become a busy loop.
    const TimePoint when = std::max(next, now + Millis(1));
    if (hop_timer_) {
        (void)EventLoop::rearm(hop_timer_, when);
    } else if (auto timer = loop_.at(when, [this](TimePoint) { work_off_hops(); })) {
        hop_timer_ = std::move(*timer);
    }
}

void Forwarding::on_link_event(const LinkEvent& event) {
    hops_.on_event(event, loop_.now());
    if (event.kind != LinkEvent::Kind::Neighbour) interfaces_due_ = true;
    if (event.kind == LinkEvent::Kind::Link) renew_mac(event.ifindex);
    if (hop_timer_)
        (void)EventLoop::rearm(hop_timer_, loop_.now() + Millis(1));
    else
        work_off_hops();
}

// At once: frames to a new MAC would be passed to the stack until it is known.
void Forwarding::renew_mac(int ifindex) {
    const auto attached = dataplane_->attached();
    const auto links = links_.links();
    if (!links) return;
    for (const auto& link : *links)
        if (link.index == ifindex && std::ranges::any_of(attached, [&](const auto& known) {
                return known.ifindex == ifindex;
            }))
            if (auto told = dataplane_->set_interface_mac(ifindex, link.mac); !told)
                say_(true, fmt::format("{}: {}", link.name, told.error().message));
}

void Forwarding::on_second(TimePoint now) {
    if (std::exchange(interfaces_due_, false)) {
        attach_wanted();
        ipvs_sync_.refresh();
    }
    for (const auto& [key, service] : dataplane_->model()) {
        if (const auto counters = dataplane_->counters(key))
            service_rates_[key].update(*counters, now);
        for (const auto& real : service.reals)
            if (const auto counters = dataplane_->counters(key, real.endpoint))
                real_rates_[{key, real.endpoint}].update(*counters, now);
    }
}

Rates Forwarding::rates(const ServiceKey& service) const {
    const auto found = service_rates_.find(service);
    return found == service_rates_.end() ? Rates{} : found->second.rates();
}

Rates Forwarding::rates(const ServiceKey& service, const Endpoint& real) const {
    const auto found = real_rates_.find({service, real});
    return found == real_rates_.end() ? Rates{} : found->second.rates();
}

std::vector<std::string> Forwarding::warnings() const {
    std::vector<std::string> list;
    for (const auto& [name, error] : attach_errors_)
        list.push_back(fmt::format("cannot forward on {}: {}", name, error));
    for (const auto& attached : dataplane_->attached())
        if (!attached.native)
            list.push_back(
                fmt::format("{} runs in generic XDP mode, which is slow", attached.name));
    for (const auto& [address, reason] : unreachable_)
        list.push_back(
            fmt::format("real server {} is not reachable: {}", address.to_string(), reason));
    for (const auto& [key, service] : dataplane_->model())
        for (const auto& real : service.reals)
            if (const auto* hop = hops_.find(real.endpoint.address); hop != nullptr)
                if (const auto why = unfit(*hop, real, key.endpoint.port))
                    list.push_back(fmt::format("real server {} of {} {}",
                                               real.endpoint.to_string(),
                                               key.to_string(),
                                               *why));
    if (const auto off = forwarding_off(dataplane_->model())) list.push_back(*off);
    if (const auto checked = reverse_path_checked(config_)) list.push_back(*checked);
    return list;
}

}  // namespace vipd::control
