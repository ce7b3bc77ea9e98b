// SPDX-License-Identifier: Apache-2.0
// Opening, and taking up what a predecessor has left in the maps.
#include "userspace/dataplane/bpf_dataplane_impl.hpp"

#include <bpf/libbpf.h>

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <sys/mman.h>

namespace vipd::dataplane {

BpfDataplane::Mapping::~Mapping() {
    if (address != nullptr) ::munmap(address, length);
}

void BpfDataplane::FreeRingBuffer::operator()(ring_buffer* buffer) const {
    ::ring_buffer__free(buffer);
}

BpfDataplane::BpfDataplane(BpfObject object, const std::string& pin_dir)
    : object_(std::move(object)),
      links_(pin_dir, object_.program()),
      registry_(VIPD_MAX_REALS),
      nat_reals_(object_) {}

BpfDataplane::~BpfDataplane() = default;

Result<std::unique_ptr<BpfDataplane>> BpfDataplane::open(const Options& options) {
    auto object = BpfObject::open(options);
    if (!object) return fail(object.error());
    std::unique_ptr<BpfDataplane> self(new BpfDataplane(std::move(*object), options.pin_dir));
    if (auto mapped = self->map_flows(); !mapped) return fail(mapped.error());
    if (auto listening = self->listen(); !listening) return fail(listening.error());
    if (self->object_.adopted()) {
        if (auto adopted = self->adopt(); !adopted) return fail(adopted.error());
    }
    return self;
}

Result<void*> BpfDataplane::map_memory(const char* map,
                                       std::size_t length,
                                       Mapping& mapping) const {
    void* memory = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, object_.map(map), 0);
    if (memory == MAP_FAILED) return map_error(map, "mmap", errno);
    mapping.address = memory;
    mapping.length = length;
    return memory;
}

Result<> BpfDataplane::map_flows() {
    const vipd_meta& meta = object_.meta();
    auto flows = map_memory("vipd_flows", meta.flow_slots * sizeof(vipd_flow), mapping_);
    if (!flows) return fail(flows.error());
    auto loads = map_memory("vipd_loads", VIPD_MAX_REALS * sizeof(vipd_load), loads_mapping_);
    if (!loads) return fail(loads.error());
    loads_ = RealLoads({static_cast<vipd_load*>(*loads), VIPD_MAX_REALS});
    table_.emplace(static_cast<vipd_flow*>(*flows),
                   meta.flow_slots,
                   std::array<std::uint64_t, 2>{meta.seed[0], meta.seed[1]},
                   &loads_);
    use_.slots = meta.flow_slots;
    return {};
}

Result<> BpfDataplane::listen() {
    changes_.reset(::ring_buffer__new(object_.map("vipd_changes"), on_change, this, nullptr));
    if (!changes_) return map_error("vipd_changes", "open", errno);
    if (::ring_buffer__add(changes_.get(), object_.map("vipd_wanted"), on_wanted, this) != 0)
        return map_error("vipd_wanted", "open", errno);
    auto now = notes();
    if (!now) return fail(now.error());
    for (const VerdictCount& note : *now) {
        if (note.name == "changes_lost") lost_changes_ = note.packets;
    }
    return {};
}

Result<> BpfDataplane::adopt() {
    if (auto reals = adopt_reals(); !reals) return reals;
    if (auto services = adopt_services(); !services) return services;
    return links_.adopt();
}

Result<> BpfDataplane::adopt_reals() {
    auto reals = map_array<vipd_real>(object_, "vipd_reals", VIPD_MAX_REALS);
    if (!reals) return fail(reals.error());
    auto configs = map_array<vipd_real_cfg>(object_, "vipd_real_cfg", VIPD_MAX_REALS);
    if (!configs) return fail(configs.error());
    for (RealId id = 0; id < VIPD_MAX_REALS; ++id) {
        const vipd_real& real = (*reals)[id];
        const vipd_real_cfg& config = (*configs)[id];
        if (real.generation == 0) continue;
        RealRegistry::Entry entry;
        entry.generation = real.generation;
        if (config.state != VIPD_REAL_FREE) {
            entry.state = config.state == VIPD_REAL_ACTIVE ? RealRegistry::State::Active
                                                           : RealRegistry::State::Retired;
            entry.service = from_abi(config.service);
            entry.endpoint = {from_abi(real.address, real.family), config.port};
            entry.retired_in = sweep_round_;
            if ((real.flags & VIPD_REAL_RESOLVED) != 0) {
                NextHop hop{.ifindex = static_cast<int>(real.ifindex),
                            .mtu = real.mtu + overhead(real),
                            .vlan = ntohs(real.vlan),
                            .tunnel_source = from_abi(real.tunnel_source, real.family),
                            .local = (real.flags & VIPD_REAL_LOCAL) != 0};
                if (hop.tunnel_source.is_unspecified()) hop.tunnel_source = {};
                std::ranges::copy(real.dst_mac, hop.destination.begin());
                std::ranges::copy(real.src_mac, hop.source.begin());
                hops_[entry.endpoint.address] = hop;
            }
        }
        if (config.state != VIPD_REAL_FREE)
            if (auto set = nat_reals_.set(id, entry.service, real); !set) return set;
        registry_.restore(id, std::move(entry));
        reals_.resize(id + 1);
        reals_[id] = real;
    }
    return nat_reals_.sweep();
}

Result<> BpfDataplane::adopt_services() {
    auto keys = map_keys<vipd_service_key>(object_, "vipd_services");
    if (!keys) return fail(keys.error());
    std::vector<std::pair<std::uint32_t, ServiceKey>> aliases;
    for (const vipd_service_key& key : *keys) {
        vipd_service abi{};
        if (::bpf_map_lookup_elem(object_.map("vipd_services"), &key, &abi) != 0)
            return map_error("vipd_services", "lookup", errno);
        if ((abi.flags & VIPD_SERVICE_ALIAS) != 0) {
            aliases.emplace_back(abi.id, from_abi(key));
            continue;
        }
        model::Service service = from_abi(key, abi);
        owners_[service.key] = service.key;
        service_ids_[service.key] = abi.id;
        model_[service.key] = std::move(service);
    }
    std::ranges::sort(aliases);
    for (const auto& [id, alias] : aliases) {
        const auto owner =
            std::ranges::find(service_ids_, id, [](const auto& entry) { return entry.second; });
        if (owner == service_ids_.end()) {
            // A predecessor killed within a change.
            if (auto gone = drop_service(alias); !gone) return gone;
            continue;
        }
        owners_[alias] = owner->first;
        model_[owner->first].also.push_back(alias);
    }
    if (auto told = object_.services_changed(any_port_keys()); !told) return told;

    auto configs = map_array<vipd_real_cfg>(
        object_,
        "vipd_real_cfg",
        static_cast<std::uint32_t>(std::max<std::size_t>(registry_.size(), 1)));
    if (!configs) return fail(configs.error());
    std::vector<RealId> active;
    for (RealId id = 0; id < registry_.size(); ++id) {
        const RealRegistry::Entry* entry = registry_.entry(id);
        if (entry == nullptr || entry->state != RealRegistry::State::Active) continue;
        // A predecessor killed within a change can leave a real without its service.
        if (model_.contains(entry->service))
            active.push_back(id);
        else
            (void)retire(id);
    }
    std::ranges::stable_sort(active, {}, [&](RealId id) { return (*configs)[id].position; });
    for (const RealId id : active) {
        const RealRegistry::Entry& entry = *registry_.entry(id);
        const vipd_real_cfg& config = (*configs)[id];
        persistent_.resize(std::max<std::size_t>(persistent_.size(), id + 1));
        if (const model::Service& service = model_[entry.service]; service.persistence > Seconds(0))
            persistent_[id] = to_abi(service);
        model_[entry.service].reals.push_back(
            {.endpoint = entry.endpoint,
             .method = static_cast<model::Method>(reals_[id].method),
             .tunnel = tunnel_of(reals_[id]),
             .weight = config.weight,
             .alive = config.alive != 0,
             .last_weight = config.last_weight,
             .upper = loads_.at(id).upper,
             .lower = loads_.at(id).lower});
    }
    return {};
}

Result<std::unique_ptr<Dataplane>> open_bpf_dataplane(const Options& options) {
    auto opened = BpfDataplane::open(options);
    if (!opened) return fail(opened.error());
    return std::unique_ptr<Dataplane>(std::move(*opened));
}

int program_fd(const Dataplane& dataplane) {
    const auto* bpf = dynamic_cast<const BpfDataplane*>(&dataplane);
    return bpf != nullptr ? bpf->object().program() : -1;
}

int map_fd(const Dataplane& dataplane, const std::string& name) {
    const auto* bpf = dynamic_cast<const BpfDataplane*>(&dataplane);
    return bpf != nullptr ? bpf->object().map(name) : -1;
}

}  // namespace vipd::dataplane
