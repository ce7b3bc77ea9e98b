// SPDX-License-Identifier: Apache-2.0
// Services, reals and next hops; bpf_dataplane_flows.cpp has the flows, bpf_dataplane_adopt.cpp the
// opening and taking up.
#include "userspace/dataplane/bpf_dataplane_impl.hpp"
#include "userspace/sched/ring.hpp"

#include <vipd/abi/verdict.h>

#include <bpf/libbpf.h>
#include <unistd.h>

#include <algorithm>
#include <arpa/inet.h>
#include <atomic>
#include <cerrno>
#include <sys/mman.h>

namespace vipd::dataplane {

namespace {

constexpr std::array<std::string_view, VIPD_VERDICT_COUNT> kVerdictNames = {
#define VIPD_NAME(upper, lower, doc) #lower,
    VIPD_VERDICTS(VIPD_NAME)};
constexpr std::array<std::string_view, VIPD_NOTE_COUNT> kNoteNames = {VIPD_NOTES(VIPD_NAME)};
#undef VIPD_NAME

std::string which(const model::Service& service, const model::Real& real) {
    return "virtual_server " + service.key.to_string() + ": real_server " +
           real.endpoint.to_string();
}

Result<> check(const model::Service& service) {
    const std::string name = service.key.to_string();
    if (service.key.protocol != Protocol::Tcp && service.key.protocol != Protocol::Udp)
        return fail("virtual_server " + name + ": " + std::string(to_string(service.key.protocol)) +
                    " is not forwarded yet");
    std::set<Endpoint> seen;
    for (const model::Real& real : service.reals) {
        if (real.endpoint.address.family() != service.key.endpoint.address.family() &&
            real.method != model::Method::Tunnel)
            return fail(which(service, real).append(" is of another address family"));
        if (!seen.insert(real.endpoint).second)
            return fail(which(service, real).append(" stands there twice"));
    }
    return {};
}

/// What the schedulers see: a dead real takes no connection.
std::uint32_t weight_of(const model::Real& real) {
    return real.alive ? real.weight : 0;
}

Result<std::vector<VerdictCount>> read_counts(const BpfObject& object,
                                              const char* map,
                                              std::span<const std::string_view> names) {
    std::vector<VerdictCount> counts;
    for (std::uint32_t i = 0; i < names.size(); ++i) {
        auto cpus = map_per_cpu<vipd_count>(object, map, i);
        if (!cpus) return fail(cpus.error());
        VerdictCount count{.name = names[i]};
        for (const vipd_count& cpu : *cpus) {
            count.packets += cpu.packets;
            count.bytes += cpu.bytes;
        }
        counts.push_back(count);
    }
    return counts;
}

Result<PacketCounters> read_counters(const BpfObject& object, const char* map, std::uint32_t id) {
    auto cpus = map_per_cpu<vipd_counters>(object, map, id);
    if (!cpus) return fail(cpus.error());
    PacketCounters sum;
    for (const vipd_counters& cpu : *cpus) {
        sum.packets += cpu.packets;
        sum.bytes += cpu.bytes;
        sum.connections += cpu.connections;
        sum.reply_packets += cpu.reply_packets;
        sum.reply_bytes += cpu.reply_bytes;
    }
    return sum;
}

}  // namespace

Result<AttachedInterface> BpfDataplane::attach(int ifindex,
                                               const std::string& name,
                                               AttachMode mode) {
    return links_.attach(ifindex, name, mode);
}

Result<> BpfDataplane::detach(int ifindex) {
    return links_.detach(ifindex);
}

std::vector<AttachedInterface> BpfDataplane::attached() const {
    return links_.attached();
}

Result<> BpfDataplane::apply(const model::Change& change) {
    const ServiceKey& key = change.service.key;
    auto done =
        change.kind == model::Change::Kind::RemoveService ? remove(key) : update(change.service);
    if (!done) return fail(std::move(done.error()).in("data plane: " + key.to_string()));
    return done;
}

Result<> BpfDataplane::update(const model::Service& service) {
    if (auto valid = check(service); !valid) return valid;
    const auto known = service_ids_.find(service.key);
    const auto service_id =
        known != service_ids_.end() ? std::optional(known->second) : free_service_id();
    if (!service_id)
        return fail("more than " + std::to_string(VIPD_MAX_SERVICES) + " virtual services");

    std::vector<RealId> ids;
    std::vector<RealId> fresh;  // not active before
    for (const model::Real& real : service.reals) {
        const auto before = registry_.find(service.key, real.endpoint);
        const bool active =
            before && registry_.entry(*before)->state == RealRegistry::State::Active;
        const auto id = registry_.acquire(service.key, real.endpoint);
        if (!id) {
            take_back(service, *service_id, fresh);
            return fail("more than " + std::to_string(VIPD_MAX_REALS) + " real servers");
        }
        if (!active) fresh.push_back(*id);
        ids.push_back(*id);
    }
    if (known == service_ids_.end()) {
        auto reset = reset_counters("vipd_service_st", *service_id);
        if (reset) reset = map_update(object_, "vipd_cursors", *service_id, vipd_cursor{});
        if (!reset) {
            take_back(service, *service_id, fresh);
            return reset;
        }
    }
    if (auto written = write_service(service, *service_id, ids); !written) {
        take_back(service, *service_id, fresh);
        return written;
    }
    // In force. Who is no longer among the reals keeps its id, and its connections wait for it.
    if (const auto old = model_.find(service.key); old != model_.end()) {
        for (const model::Real& real : old->second.reals) {
            const auto id = registry_.find(service.key, real.endpoint);
            if (id && std::ranges::find(ids, *id) == ids.end()) (void)retire(*id);
        }
    }
    service_ids_[service.key] = *service_id;
    model_[service.key] = service;
    return {};
}

/// Reals, then the ring that names them, then the service; what only takes away comes at the end,
/// so that no packet in between finds less than before or after.
Result<> BpfDataplane::write_service(const model::Service& service,
                                     std::uint32_t service_id,
                                     const std::vector<RealId>& ids) {
    std::vector<vipd_real> wanted;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const model::Real& real = service.reals[i];
        wanted.push_back(make_real(service, real, ids[i]));
        vipd_real now = wanted.back();
        const bool same_use = ids[i] < reals_.size() && reals_[ids[i]].generation == now.generation;
        if (same_use)
            now.flags |= reals_[ids[i]].flags & VIPD_REAL_ALIVE;
        else {
            if (auto reset = reset_counters("vipd_real_st", ids[i]); !reset) return reset;
            loads_.reset(ids[i]);
        }
        loads_.set_limits(ids[i], real.upper, real.lower);
        persistent_.resize(std::max<std::size_t>(persistent_.size(), ids[i] + 1));
        persistent_[ids[i]].reset();
        if (service.persistence > Seconds(0)) persistent_[ids[i]] = to_abi(service);
        if (const auto weight = weight_of(real); weight > 0) loads_.set_weight(ids[i], weight);
        if (auto written = write_real(ids[i], now); !written) return written;
        const vipd_real_cfg config{.service = to_abi(service.key),
                                   .state = VIPD_REAL_ACTIVE,
                                   .position = static_cast<std::uint32_t>(i),
                                   .weight = real.weight,
                                   .last_weight = real.last_weight,
                                   .port = real.endpoint.port,
                                   .alive = real.alive ? std::uint16_t{1} : std::uint16_t{0}};
        if (auto written = write_config(ids[i], config); !written) return written;
    }
    if (const auto old = model_.find(service.key); old != model_.end())
        if (auto resumed = resume_turn(service_id, old->second, service); !resumed) return resumed;
    if (auto swapped = swap_ring(service_id, service, ids); !swapped) return swapped;
    if (auto written = write_keys(service, service_id); !written) return written;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        loads_.set_weight(ids[i], weight_of(service.reals[i]));
        if (auto written = write_real(ids[i], wanted[i]); !written) return written;
    }
    return {};
}

Result<> BpfDataplane::put_service(const ServiceKey& key, const vipd_service& abi) {
    if (auto written = map_update(object_, "vipd_services", to_abi(key), abi); !written)
        return written;
    return object_.services_changed(any_port_keys());
}

Result<> BpfDataplane::drop_service(const ServiceKey& key) {
    if (auto gone = map_delete(object_, "vipd_services", to_abi(key)); !gone) return gone;
    owners_.erase(key);
    return object_.services_changed(any_port_keys());
}

std::uint32_t BpfDataplane::any_port_keys() const {
    return static_cast<std::uint32_t>(std::ranges::count_if(
        owners_, [](const auto& entry) { return entry.first.endpoint.port == 0; }));
}

/// After a failure: what was in force before is in force again, as far as the kernel lets us.
void BpfDataplane::take_back(const model::Service& wanted,
                             std::uint32_t service_id,
                             const std::vector<RealId>& fresh) {
    const auto old = model_.find(wanted.key);
    if (old == model_.end()) {
        (void)drop_service(wanted.key);
        for (const ServiceKey& key : wanted.also) (void)drop_service(key);
        (void)map_delete(object_, "vipd_rings", service_id);
    } else {
        std::vector<RealId> ids;
        for (const model::Real& real : old->second.reals)
            ids.push_back(*registry_.find(wanted.key, real.endpoint));
        (void)write_service(old->second, service_id, ids);
    }
    // Not freed at once: an id that came back may have flows, the sweep knows.
    for (const RealId id : fresh) (void)retire(id);
}

Result<> BpfDataplane::remove(const ServiceKey& key) {
    const auto service = model_.find(key);
    if (service == model_.end()) return {};
    std::vector<ServiceKey> keys = service->second.also;
    keys.push_back(key);
    for (const ServiceKey& each : keys) {
        // Another service may have taken it over.
        const auto owner = owners_.find(each);
        if (owner == owners_.end() || owner->second != key) continue;
        if (auto gone = drop_service(each); !gone) return gone;
    }
    // From here on nothing can reach the rest, so what fails leaves only litter.
    (void)map_delete(object_, "vipd_rings", service_ids_.at(key));
    for (const model::Real& real : service->second.reals) {
        if (const auto id = registry_.find(key, real.endpoint)) (void)retire(*id);
    }
    service_ids_.erase(key);
    model_.erase(service);
    return {};
}

Result<> BpfDataplane::resume_turn(std::uint32_t service_id,
                                   const model::Service& before,
                                   const model::Service& after) {
    vipd_cursor cursor{};
    if (::bpf_map_lookup_elem(object_.map("vipd_cursors"), &service_id, &cursor) != 0)
        return map_error("vipd_cursors", "lookup", errno);
    const auto turn = sched::resume(before, cursor.turn, after);
    if (turn == cursor.turn) return {};
    cursor.turn = turn;
    return map_update(object_, "vipd_cursors", service_id, cursor);
}

Result<> BpfDataplane::write_keys(const model::Service& service, std::uint32_t service_id) {
    std::vector<ServiceKey> keys{service.key};
    keys.insert(keys.end(), service.also.begin(), service.also.end());
    for (const ServiceKey& key : keys) owners_[key] = service.key;
    for (const ServiceKey& key : keys) {
        vipd_service value = to_abi(service);
        value.id = service_id;
        value.flags |= key == service.key ? 0 : VIPD_SERVICE_ALIAS;
        // The timeouts are those of the key's protocol.
        for (std::uint32_t state = 0; state < VIPD_FLOW_STATES; ++state)
            value.timeout_ticks[state] =
                flow_timeout(service, key.protocol, static_cast<vipd_flow_state>(state));
        if (auto written = put_service(key, value); !written) return written;
    }
    std::vector<ServiceKey> gone;
    for (const auto& [key, owner] : owners_)
        if (owner == service.key && std::ranges::find(keys, key) == keys.end()) gone.push_back(key);
    for (const ServiceKey& key : gone)
        if (auto removed = drop_service(key); !removed) return removed;
    return {};
}

const model::Service* BpfDataplane::service_of(const Flow& flow) const {
    auto owner = owners_.find({flow.vip, flow.protocol});
    if (owner == owners_.end()) owner = owners_.find({{flow.vip.address, 0}, flow.protocol});
    if (owner == owners_.end()) {
        if (flow.is_template)
            for (const auto& [key, service] : model_)
                if (service.mark != 0 && is_mark(flow.vip.address, service.mark)) return &service;
        return nullptr;
    }
    const auto service = model_.find(owner->second);
    return service == model_.end() ? nullptr : &service->second;
}

std::optional<RealId> BpfDataplane::real_of(const model::Service& service,
                                            const Endpoint& real) const {
    const auto known = registry_.find(service.key, real);
    return known ? known : registry_.find(service.key, {real.address, 0});
}

Result<> BpfDataplane::swap_ring(std::uint32_t service_id,
                                 const model::Service& service,
                                 const std::vector<RealId>& ids) {
    std::vector<std::uint32_t> slots;
    for (const sched::Slot slot : sched::build_ring(service))
        slots.push_back(slot == sched::kNone ? VIPD_NO_REAL : ids[slot]);
    auto ring = object_.make_ring(slots);
    if (!ring) return fail(ring.error());
    const int fd = ring->get();
    return map_update(object_, "vipd_rings", service_id, fd);
}

vipd_real BpfDataplane::make_real(const model::Service& service,
                                  const model::Real& real,
                                  RealId id) const {
    vipd_real abi{};
    abi.address = to_abi(real.endpoint.address);
    // DR and TUN deliver to the port that the client asked for, as IPVS does.
    abi.port =
        htons(real.method == model::Method::Nat ? real.endpoint.port : service.key.endpoint.port);
    abi.flags = (real.alive ? VIPD_REAL_ALIVE : 0U) | tunnel_flags(real);
    if ((abi.flags & VIPD_REAL_GUE) != 0) abi.port = htons(real.tunnel.port);
    abi.family = abi_family(real.endpoint.address);
    abi.method = static_cast<std::uint8_t>(real.method);
    abi.generation = registry_.entry(id)->generation;
    apply_hop(abi, real.endpoint.address);
    return abi;
}

void BpfDataplane::apply_hop(vipd_real& real, const IpAddress& address) const {
    real.flags &= VIPD_REAL_ALIVE | VIPD_REAL_TUNNEL;
    const auto found = hops_.find(address);
    if (found == hops_.end()) return;
    const NextHop& hop = found->second;
    real.flags |= VIPD_REAL_RESOLVED | (hop.local ? VIPD_REAL_LOCAL : 0U);
    real.ifindex = static_cast<std::uint32_t>(hop.ifindex);
    real.mtu = hop.mtu - std::min(hop.mtu, overhead(real));
    real.vlan = htons(hop.vlan);
    real.tunnel_source = to_abi(hop.tunnel_source);
    std::ranges::copy(hop.destination, real.dst_mac);
    std::ranges::copy(hop.source, real.src_mac);
}

Result<> BpfDataplane::write_real(RealId id, const vipd_real& real) {
    if (auto written = map_update(object_, "vipd_reals", id, real); !written) return written;
    if (id >= reals_.size()) reals_.resize(id + 1);
    reals_[id] = real;
    return nat_reals_.set(id, registry_.entry(id)->service, real);
}

void BpfDataplane::free_real(RealId id) {
    (void)nat_reals_.erase(id);  // what stays there costs packets a look that finds nothing
    registry_.free(id);
}

Result<> BpfDataplane::write_config(RealId id, const vipd_real_cfg& config) {
    return map_update(object_, "vipd_real_cfg", id, config);
}

Result<> BpfDataplane::retire(RealId id) {
    const RealRegistry::Entry* entry = registry_.entry(id);
    if (entry == nullptr) return {};
    if (id >= reals_.size() || reals_[id].generation != entry->generation) {
        free_real(id);  // no packet has ever seen it
        return {};
    }
    vipd_real_cfg config{};
    config.service = to_abi(entry->service);
    config.state = VIPD_REAL_RETIRED;
    config.port = entry->endpoint.port;
    registry_.retire(id, sweep_round_);
    vipd_real real = reals_[id];
    real.flags |= VIPD_REAL_LEAVING;
    loads_.set_weight(id, 0);
    if (auto written = write_real(id, real); !written) return written;
    return write_config(id, config);
}

Result<> BpfDataplane::reset_counters(const char* map, std::uint32_t id) {
    const int cpus = ::libbpf_num_possible_cpus();
    if (cpus < 0) return fail_errno(-cpus, "number of CPUs");
    const std::vector<vipd_counters> zeros(static_cast<std::size_t>(cpus));
    if (::bpf_map_update_elem(object_.map(map), &id, zeros.data(), BPF_ANY) != 0)
        return map_error(map, "update", errno);
    return {};
}

std::optional<std::uint32_t> BpfDataplane::free_service_id() const {
    std::set<std::uint32_t> used;
    for (const auto& [key, id] : service_ids_) used.insert(id);
    std::uint32_t id = 0;
    for (const std::uint32_t taken : used) {
        if (taken != id) break;
        ++id;
    }
    if (id >= VIPD_MAX_SERVICES) return std::nullopt;
    return id;
}

Result<> BpfDataplane::set_next_hop(const IpAddress& address, const std::optional<NextHop>& hop) {
    if (hop)
        hops_[address] = *hop;
    else
        hops_.erase(address);
    for (RealId id = 0; id < registry_.size(); ++id) {
        const RealRegistry::Entry* entry = registry_.entry(id);
        if (entry == nullptr || entry->endpoint.address != address || id >= reals_.size()) continue;
        // Nobody looks for the way to a retired one any more; the last known is the best.
        if (!hop && entry->state == RealRegistry::State::Retired) continue;
        vipd_real real = reals_[id];
        apply_hop(real, address);
        if (auto written = write_real(id, real); !written)
            return fail(std::move(written.error()).in("next hop of " + address.to_string()));
    }
    return {};
}

Result<PacketCounters> BpfDataplane::counters(const ServiceKey& service) const {
    const auto id = service_ids_.find(service);
    if (id == service_ids_.end()) return fail("no virtual service " + service.to_string());
    return read_counters(object_, "vipd_service_st", id->second);
}

Result<PacketCounters> BpfDataplane::counters(const ServiceKey& service,
                                              const Endpoint& real) const {
    const auto id = registry_.find(service, real);
    if (!id)
        return fail("no real server " + real.to_string() + " of service " + service.to_string());
    return read_counters(object_, "vipd_real_st", *id);
}

Result<std::vector<VerdictCount>> BpfDataplane::verdicts() const {
    return read_counts(object_, "vipd_verdicts", kVerdictNames);
}

Result<std::vector<VerdictCount>> BpfDataplane::notes() const {
    return read_counts(object_, "vipd_notes", kNoteNames);
}

// Through memory, not by an update of the whole value: the vrrp process writes the other fields.
Result<> BpfDataplane::write_lease(__u64 vipd_lease::* field, std::uint64_t value) {
    Mapping mapping;
    mapping.length = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    mapping.address =
        ::mmap(nullptr, mapping.length, PROT_READ | PROT_WRITE, MAP_SHARED, lease_fd(), 0);
    if (mapping.address == MAP_FAILED) {
        mapping.address = nullptr;
        return fail_errno(errno, "map vipd_lease");
    }
    auto& lease = *static_cast<vipd_lease*>(mapping.address);
    std::atomic_ref(lease.*field).store(value, std::memory_order_relaxed);
    return {};
}

Result<> BpfDataplane::set_forwarding_end(const std::optional<TimePoint>& end) {
    const auto ns = end ? static_cast<std::uint64_t>(end->time_since_epoch().count()) : 0;
    return write_lease(&vipd_lease::forward_until_ns, ns);
}

Result<> BpfDataplane::set_settle_time(Nanos time) {
    return write_lease(&vipd_lease::settle_ns, static_cast<std::uint64_t>(time.count()));
}

Result<> BpfDataplane::report_half_open(TimePoint until) {
    return write_lease(&vipd_lease::half_open_until_ns,
                       static_cast<std::uint64_t>(until.time_since_epoch().count()));
}

}  // namespace vipd::dataplane
