// SPDX-License-Identifier: Apache-2.0
// Flows: listing, changes, storing what peers have said, and the sweep.
#include "userspace/dataplane/bpf_dataplane_impl.hpp"

#include <bpf/libbpf.h>

#include <algorithm>
#include <limits>

namespace vipd::dataplane {

namespace {

/// Bounds one call of take_changes(): packets may come faster than their changes are read.
constexpr std::size_t kChangesPerCall = 65536;
/// Bounds one call of sweep(): some milliseconds.
constexpr std::uint32_t kSlotsPerSweep = 1U << 18;

Tick now_ticks() {
    return to_ticks(Clock::now().time_since_epoch());
}

}  // namespace

std::optional<Flow> BpfDataplane::to_flow(const vipd_flow& abi, Tick now) const {
    if (vipd_flow_age(abi.last_seen, now) > abi.timeout) return std::nullopt;
    const RealRegistry::Entry* real = registry_.entry(abi.real);
    if (real == nullptr || real->generation != abi.generation) return std::nullopt;
    Flow flow = from_abi(abi, now);
    flow.real = real->endpoint;
    // Where a real has no port of its own, packets keep theirs.
    if (flow.real.port == 0) flow.real.port = flow.vip.port;
    return flow;
}

std::optional<Flow> BpfDataplane::flow_at(std::uint32_t slot, Tick now) const {
    const auto abi = table_->read(slot);
    if (!abi) return std::nullopt;
    return to_flow(*abi, now);
}

void BpfDataplane::for_each_flow(const std::function<bool(const Flow&)>& visit) const {
    const Tick now = now_ticks();
    for (std::uint32_t slot = 0; slot < table_->slots(); ++slot) {
        const auto flow = flow_at(slot, now);
        if (flow && !visit(*flow)) return;
    }
}

std::uint64_t BpfDataplane::scan_flows(std::uint64_t cursor,
                                       std::uint64_t slots,
                                       const std::function<void(const Flow&)>& visit) const {
    const Tick now = now_ticks();
    const std::uint64_t size = table_->slots();
    const std::uint64_t end = cursor + std::min(slots, size - std::min(cursor, size));
    for (; cursor < end; ++cursor)
        if (const auto flow = flow_at(static_cast<std::uint32_t>(cursor), now)) visit(*flow);
    return cursor < size ? cursor : 0;
}

Dataplane::StoreResult BpfDataplane::store_flows(std::span<const Flow> flows) {
    StoreResult result;
    const Tick now = now_ticks();
    for (const Flow& flow : flows) {
        vipd_flow abi{};
        abi.key = flow_key(flow);
        abi.state = static_cast<vipd_flow_state>(flow.state);
        abi.last_seen = now - to_ticks(flow.idle);
        abi.flags = VIPD_FLOW_SYNCED;
        if (flow.state != FlowState::None || flow.is_template) {
            const model::Service* service = service_of(flow);
            const auto id = service != nullptr ? real_of(*service, flow.real) : std::nullopt;
            if (!id || registry_.entry(*id)->state != RealRegistry::State::Active ||
                (flow.is_template && service->persistence == Seconds(0))) {
                ++result.unknown;
                continue;
            }
            if (flow.is_template) {
                const vipd_service rule = to_abi(*service);
                const vipd_flow_key told = abi.key;
                vipd_template_key(&rule, &told, &abi.key);
            }
            abi.real = *id;
            abi.timeout = flow.is_template ? template_timeout(*service)
                                           : flow_timeout(*service, flow.protocol, abi.state);
            abi.generation = registry_.entry(*id)->generation;
        }
        switch (table_->store(abi, now)) {
            case FlowTable::Stored::Stored:
                ++result.stored;
                break;
            case FlowTable::Stored::Older:
                ++result.older;
                break;
            case FlowTable::Stored::Full:
                ++result.full;
                break;
        }
    }
    return result;
}

int BpfDataplane::change_fd() const {
    return ::ring_buffer__epoll_fd(changes_.get());
}

int BpfDataplane::on_change(void* self, void* data, std::size_t size) {
    auto& dataplane = *static_cast<BpfDataplane*>(self);
    if (size < sizeof(vipd_change)) return 0;
    const std::uint32_t slot = static_cast<const vipd_change*>(data)->slot;
    if (slot < dataplane.table_->slots()) {
        const auto flow = dataplane.flow_at(slot, now_ticks());
        // The slot may have been taken by another one meanwhile.
        if (flow && !flow->one_packet) (*dataplane.visit_change_)(*flow);
    }
    return ++dataplane.visited_changes_ < kChangesPerCall ? 0 : -1;
}

int BpfDataplane::on_wanted(void* self, void* data, std::size_t size) {
    auto& dataplane = *static_cast<BpfDataplane*>(self);
    if (size < sizeof(vipd_neighbour) || !dataplane.ask_neighbour_) return 0;
    const auto& want = *static_cast<const vipd_neighbour*>(data);
    dataplane.ask_neighbour_(static_cast<int>(want.ifindex), from_abi(want.address, want.family));
    return 0;
}

std::uint64_t BpfDataplane::take_changes(const std::function<void(const Flow&)>& visit) {
    visit_change_ = &visit;
    visited_changes_ = 0;
    (void)::ring_buffer__consume(changes_.get());
    visit_change_ = nullptr;

    const auto now = notes();
    if (!now) return 0;
    const auto lost = std::ranges::find(*now, "changes_lost", &VerdictCount::name);
    if (lost == now->end() || lost->packets <= lost_changes_) return 0;
    return lost->packets - std::exchange(lost_changes_, lost->packets);
}

void BpfDataplane::sweep(Seconds round, const std::function<void(const Flow&)>& refresh) {
    const TimePoint started = Clock::now();
    const Nanos passed = last_sweep_ ? started - *last_sweep_ : Nanos(round) / 100;
    if (!last_sweep_) window_.begin_round(started);
    last_sweep_ = started;
    // As many slots as this much of the round is worth.
    std::uint32_t part = table_->slots();
    if (round > Seconds(0)) {
        const double share =
            static_cast<double>(passed.count()) / static_cast<double>(Nanos(round).count());
        part = static_cast<std::uint32_t>(
            std::clamp(share * table_->slots() + 1, 1.0, static_cast<double>(kSlotsPerSweep)));
    }
    const Tick now = now_ticks();
    const auto window = window_.recent(started, round);
    const Tick recent = window ? to_ticks(*window) : std::numeric_limits<Tick>::max();

    counting_.resize(std::max(counting_.size(), registry_.size()));
    for (std::uint32_t i = 0; i < std::min(part, table_->slots()); ++i) {
        const std::uint32_t slot = sweep_at_;
        if (const auto flow = table_->read(slot); flow && !table_->expire(slot, now)) {
            ++used_;
            if (flow->real < counting_.size() && flow->key.is_template == 0) {
                prolong_template(*flow, now);
                RealLoads::Count& count = counting_[flow->real];
                ++(vipd_flow_is_active(flow->key.protocol, flow->state) != 0 ? count.active
                                                                             : count.inactive);
            }
            const bool own = (flow->flags & VIPD_FLOW_SYNCED) == 0;
            const std::uint32_t age = vipd_flow_age(flow->last_seen, now);
            if (own && refresh && age <= recent &&
                vipd_flow_rank(flow->state, flow->flags, age, flow->timeout) == VIPD_RANK_KEEP) {
                if (const auto told = to_flow(*flow, now)) refresh(*told);
            }
        } else if (!flow) {
            if (const std::uint32_t held = table_->held_version(slot); held != 0)
                held_[slot] = held;
        }
        if (++sweep_at_ == table_->slots()) {
            end_round();
            window_.begin_round(started);
        }
    }
}

/// A template lives on as long as it has connections.
void BpfDataplane::prolong_template(const vipd_flow& flow, Tick now) {
    if (flow.real >= persistent_.size() || !persistent_[flow.real]) return;
    vipd_flow_key key{};
    vipd_template_key(&*persistent_[flow.real], &flow.key, &key);
    table_->prolong(key, now, to_ticks(kTemplateGrace));
}

void BpfDataplane::end_round() {
    // Held with the same version for a whole round: a predecessor was killed while writing.
    for (const auto& [slot, version] : held_) {
        const auto before = held_before_.find(slot);
        if (before != held_before_.end() && before->second == version)
            table_->force_release(slot, version);
    }
    held_before_ = std::exchange(held_, {});

    // A retired id that no flow named during a whole round is free for others.
    for (const RealId id : registry_.retired_before(sweep_round_)) {
        if (id < counting_.size() && (counting_[id].active != 0 || counting_[id].inactive != 0))
            continue;
        free_real(id);
        (void)write_config(id, vipd_real_cfg{});
    }
    loads_.check(std::exchange(counting_, std::vector<RealLoads::Count>(registry_.size())));
    use_.used = std::exchange(used_, 0);
    sweep_at_ = 0;
    ++sweep_round_;
}

Dataplane::ConnectionCount BpfDataplane::connections(const ServiceKey& service,
                                                     const Endpoint& real) const {
    const auto id = registry_.find(service, real);
    if (!id) return {};
    const RealLoads::Count count = loads_.connections(*id);
    return {static_cast<std::uint64_t>(count.active), static_cast<std::uint64_t>(count.inactive)};
}

}  // namespace vipd::dataplane
