// SPDX-License-Identifier: Apache-2.0
// The data plane simulated: services, next hops and flows in memory, time moved by the test, and a
// call of the test's choice that fails.
#pragma once

#include "userspace/base/fd.hpp"
#include "userspace/dataplane/dataplane.hpp"

#include <unistd.h>

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unordered_map>
#include <utility>
#include <vector>

namespace vipd::testing {

/// What names a flow: at most one real per client, VIP and protocol.
struct FlowKey {
    Protocol protocol = Protocol::Tcp;
    Endpoint client;
    Endpoint vip;
    auto operator<=>(const FlowKey&) const = default;

    static FlowKey of(const dataplane::Flow& flow) {
        return {flow.protocol, flow.client, flow.vip};
    }
    struct Hash {
        std::size_t operator()(const FlowKey& key) const noexcept {
            const std::hash<IpAddress> hash;
            const auto ports = static_cast<std::size_t>(key.client.port) << 24 |
                               static_cast<std::size_t>(key.vip.port) << 8 |
                               static_cast<std::size_t>(key.protocol);
            return (hash(key.client.address) * 31 + hash(key.vip.address)) * 31 +
                   ports * 0x9e3779b1;
        }
    };
};

class FakeDataplane final : public dataplane::Dataplane {
  public:
    using Flow = dataplane::Flow;
    using FlowState = dataplane::FlowState;

    FakeDataplane()
        : change_fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
          lease_(::memfd_create("fake-lease", MFD_CLOEXEC)) {
        // A page, so that the vrrp side can map it as it maps the real one.
        if (!change_fd_ || !lease_ || ::ftruncate(lease_.get(), 4096) != 0) std::abort();
    }

    // --- what the test does ------------------------------------------------------------------

    /// The k-th call from now that can fail (1: the next) fails, once.
    void fail_call(std::size_t k) { fail_in_ = k; }
    /// Each call that can fail, in order, as text: "attach eth0", "apply add 10.0.0.1:80/TCP" ...
    const std::vector<std::string>& calls() const { return calls_; }
    void clear_calls() { calls_.clear(); }

    /// Puts a service into the model without counting as a call.
    void put_service(model::Service service) {
        const ServiceKey key = service.key;
        model_[key] = std::move(service);
    }

    /// A flow as a packet would make or change it; `idle` counts from now. With `announce` it is
    /// among the next take_changes().
    void put_flow(Flow flow, bool announce = true) {
        put(flow);
        if (announce) add_change(std::move(flow));
    }
    /// Takes a flow away and announces it, as the sweep does with an expired one.
    void remove_flow(const FlowKey& key) {
        const auto flow = find(key);
        if (!flow) return;
        erase(key);
        Flow gone = *flow;
        gone.state = FlowState::None;
        add_change(std::move(gone));
    }
    std::optional<Flow> find(const FlowKey& key) const {
        const auto at = index_.find(key);
        if (at == index_.end()) return std::nullopt;
        return aged(*slots_[at->second]);
    }
    std::size_t flow_count() const { return index_.size(); }
    /// All flows by key, to compare two nodes.
    std::map<FlowKey, Flow> flows() const {
        std::map<FlowKey, Flow> all;
        for_each_flow(
            [&](const Flow& flow) { return all.emplace(FlowKey::of(flow), flow).second; });
        return all;
    }
    /// Lets time pass: every flow is idle for longer.
    void advance(Millis by) { now_ += by; }
    /// The next sweep calls `refresh` with this flow as it is then.
    void refresh_on_sweep(const FlowKey& key) { refresh_.push_back(key); }
    /// The next take_changes() says that so many changes were left out.
    void lose_changes(std::uint64_t count) {
        left_out_ += count;
        signal();
    }
    /// Stored flows appear among the changes too, as of a data plane that tells its own writes.
    void announce_stored(bool on) { announce_stored_ = on; }
    /// Flows that the table can hold; further ones are `full`.
    void set_capacity(std::size_t flows) { capacity_ = flows; }
    void set_counters(const ServiceKey& service, dataplane::PacketCounters counters) {
        service_counters_[service] = counters;
    }
    void set_counters(const ServiceKey& service,
                      const Endpoint& real,
                      dataplane::PacketCounters counters) {
        real_counters_[{service, real}] = counters;
    }
    void set_verdicts(std::vector<dataplane::VerdictCount> verdicts) {
        verdicts_ = std::move(verdicts);
    }

    const std::map<IpAddress, dataplane::NextHop>& next_hops() const { return next_hops_; }
    const std::vector<dataplane::Claim>& claims() const { return claims_; }
    const std::vector<dataplane::Station>& stations() const { return stations_; }
    std::size_t sweeps() const { return sweeps_; }
    std::size_t store_calls() const { return store_calls_; }

    // --- Dataplane ---------------------------------------------------------------------------

    Result<dataplane::AttachedInterface> attach(int ifindex,
                                                const std::string& name,
                                                dataplane::AttachMode mode) override {
        if (auto ok = call("attach " + name); !ok) return fail(ok.error());
        dataplane::AttachedInterface entry{
            ifindex, name, mode != dataplane::AttachMode::Generic, false};
        attached_[ifindex] = entry;
        return entry;
    }
    Result<> detach(int ifindex) override {
        if (auto ok = call("detach " + std::to_string(ifindex)); !ok) return ok;
        attached_.erase(ifindex);
        return {};
    }
    Result<> set_interface_mac(int ifindex, const MacAddress& mac) override {
        if (auto ok = call("set_interface_mac " + std::to_string(ifindex)); !ok) return ok;
        macs_[ifindex] = mac;
        return {};
    }
    const std::map<int, MacAddress>& macs() const { return macs_; }
    std::vector<dataplane::AttachedInterface> attached() const override {
        std::vector<dataplane::AttachedInterface> all;
        for (const auto& [index, entry] : attached_) all.push_back(entry);
        return all;
    }

    Result<> apply(const model::Change& change) override {
        using Kind = model::Change::Kind;
        const char* verb = change.kind == Kind::AddService      ? "add "
                           : change.kind == Kind::UpdateService ? "update "
                                                                : "remove ";
        const auto& key = change.service.key;
        if (auto ok = call(std::string("apply ") + verb + key.to_string()); !ok) return ok;
        const bool known = model_.contains(key);
        if (known == (change.kind == Kind::AddService))
            return fail(key.to_string() + (known ? ": exists" : ": no such service"));
        if (change.kind == Kind::RemoveService)
            model_.erase(key);
        else
            model_[key] = change.service;
        return {};
    }
    const model::Model& model() const override { return model_; }

    Result<> set_next_hop(const IpAddress& real,
                          const std::optional<dataplane::NextHop>& hop) override {
        const std::string verb = hop ? "set_next_hop " : "clear_next_hop ";
        if (auto ok = call(verb + real.to_string()); !ok) return ok;
        if (hop)
            next_hops_[real] = *hop;
        else
            next_hops_.erase(real);
        return {};
    }

    Result<dataplane::PacketCounters> counters(const ServiceKey& service) const override {
        if (auto ok = call("counters " + service.to_string()); !ok) return fail(ok.error());
        if (!model_.contains(service)) return fail(service.to_string() + ": no such service");
        const auto at = service_counters_.find(service);
        return at == service_counters_.end() ? dataplane::PacketCounters{} : at->second;
    }
    Result<dataplane::PacketCounters> counters(const ServiceKey& service,
                                               const Endpoint& real) const override {
        if (auto ok = call("counters " + service.to_string() + " " + real.to_string()); !ok)
            return fail(ok.error());
        if (!knows(service, real)) return fail(real.to_string() + ": no such real server");
        const auto at = real_counters_.find({service, real});
        return at == real_counters_.end() ? dataplane::PacketCounters{} : at->second;
    }
    Result<std::vector<dataplane::VerdictCount>> verdicts() const override {
        if (auto ok = call("verdicts"); !ok) return fail(ok.error());
        return verdicts_;
    }

    ConnectionCount connections(const ServiceKey& service, const Endpoint& real) const override {
        ConnectionCount count;
        for (const auto& slot : slots_) {
            if (!slot || slot->flow.real != real || slot->flow.vip != service.endpoint ||
                slot->flow.protocol != service.protocol)
                continue;
            ++(slot->flow.state == FlowState::Established ? count.active : count.inactive);
        }
        return count;
    }
    TableUse table_use() const override { return {capacity_, index_.size()}; }

    void for_each_flow(const std::function<bool(const Flow&)>& visit) const override {
        for (const auto& slot : slots_)
            if (slot && !visit(aged(*slot))) return;
    }
    std::uint64_t scan_flows(std::uint64_t cursor,
                             std::uint64_t slots,
                             const std::function<void(const Flow&)>& visit) const override {
        const auto end = std::min<std::uint64_t>(slots_.size(), cursor + slots);
        for (; cursor < end; ++cursor)
            if (slots_[cursor]) visit(aged(*slots_[cursor]));
        return cursor >= slots_.size() ? 0 : cursor;
    }

    StoreResult store_flows(std::span<const Flow> flows) override {
        StoreResult result;
        ++store_calls_;
        for (const auto& flow : flows) {
            const auto known = find(FlowKey::of(flow));
            const bool older = known && (known->synced ? known->idle + Seconds(1) < flow.idle
                                                       : known->idle <= flow.idle);
            if (older) {
                ++result.older;
            } else if (flow.state == FlowState::None) {
                erase(FlowKey::of(flow));
                ++result.stored;
            } else if (!knows({flow.vip, flow.protocol}, flow.real)) {
                ++result.unknown;
            } else if (!known && index_.size() >= capacity_) {
                ++result.full;
            } else {
                Flow stored = flow;
                stored.synced = true;
                put(stored);
                if (announce_stored_) add_change(std::move(stored));
                ++result.stored;
            }
        }
        return result;
    }

    int change_fd() const override { return change_fd_.get(); }
    std::uint64_t take_changes(const std::function<void(const Flow&)>& visit) override {
        std::uint64_t signalled = 0;
        if (::read(change_fd_.get(), &signalled, sizeof signalled) < 0) signalled = 0;
        for (const auto& flow : std::exchange(changes_, {})) visit(flow);
        return std::exchange(left_out_, 0);
    }

    void sweep(Seconds, const std::function<void(const Flow&)>& refresh) override {
        ++sweeps_;
        for (const auto& key : std::exchange(refresh_, {}))
            if (const auto flow = find(key)) refresh(*flow);
    }

    Result<> set_claims(std::span<const dataplane::Claim> vips) override {
        if (auto ok = call("set_claims " + std::to_string(vips.size())); !ok) return ok;
        claims_.assign(vips.begin(), vips.end());
        return {};
    }
    Result<> set_stations(std::span<const dataplane::Station> stations) override {
        stations_.assign(stations.begin(), stations.end());
        return {};
    }
    int lease_fd() const override { return lease_.get(); }

  private:
    struct Slot {
        Flow flow;
        Millis seen{0};  ///< on the fake's own clock
    };

    Result<> call(std::string what) const {
        calls_.push_back(std::move(what));
        if (fail_in_ > 0 && --fail_in_ == 0) return fail(calls_.back() + ": simulated failure");
        return {};
    }
    bool knows(const ServiceKey& service, const Endpoint& real) const {
        const auto at = model_.find(service);
        return at != model_.end() && std::ranges::any_of(at->second.reals, [&](const auto& known) {
                   return known.endpoint == real;
               });
    }
    Flow aged(const Slot& slot) const {
        Flow flow = slot.flow;
        flow.idle = now_ - slot.seen;
        return flow;
    }
    void put(const Flow& flow) {
        const auto [at, added] = index_.try_emplace(FlowKey::of(flow), slots_.size());
        if (added && !free_.empty()) {
            at->second = free_.back();
            free_.pop_back();
        } else if (added) {
            slots_.emplace_back();
        }
        slots_[at->second] = Slot{flow, now_ - flow.idle};
    }
    void erase(const FlowKey& key) {
        const auto at = index_.find(key);
        if (at == index_.end()) return;
        slots_[at->second].reset();
        free_.push_back(at->second);
        index_.erase(at);
    }
    void add_change(Flow flow) {
        changes_.push_back(std::move(flow));
        signal();
    }
    void signal() {
        const std::uint64_t one = 1;
        if (::write(change_fd_.get(), &one, sizeof one) < 0) std::abort();
    }

    Fd change_fd_;
    Fd lease_;
    mutable std::size_t fail_in_ = 0;
    mutable std::vector<std::string> calls_;
    model::Model model_;
    std::map<int, dataplane::AttachedInterface> attached_;
    std::map<int, MacAddress> macs_;
    std::map<IpAddress, dataplane::NextHop> next_hops_;
    std::map<ServiceKey, dataplane::PacketCounters> service_counters_;
    std::map<std::pair<ServiceKey, Endpoint>, dataplane::PacketCounters> real_counters_;
    std::vector<dataplane::VerdictCount> verdicts_;
    std::vector<dataplane::Claim> claims_;
    std::vector<dataplane::Station> stations_;

    // Slots like those of the real table, so that a scan by cursor behaves alike.
    std::vector<std::optional<Slot>> slots_;
    std::vector<std::size_t> free_;
    std::unordered_map<FlowKey, std::size_t, FlowKey::Hash> index_;
    std::size_t capacity_ = std::size_t{1} << 22;
    Millis now_{0};
    std::vector<Flow> changes_;
    std::vector<FlowKey> refresh_;
    std::uint64_t left_out_ = 0;
    bool announce_stored_ = false;
    std::size_t sweeps_ = 0;
    std::size_t store_calls_ = 0;
};

}  // namespace vipd::testing
