// SPDX-License-Identifier: Apache-2.0
// Inside of this folder: the class behind open_bpf_dataplane().
#pragma once

#include "userspace/dataplane/abi.hpp"
#include "userspace/dataplane/bpf_dataplane.hpp"
#include "userspace/dataplane/bpf_object.hpp"
#include "userspace/dataplane/flow_table.hpp"
#include "userspace/dataplane/nat_reals.hpp"
#include "userspace/dataplane/real_loads.hpp"
#include "userspace/dataplane/real_registry.hpp"
#include "userspace/dataplane/sweep_window.hpp"
#include "userspace/dataplane/xdp_links.hpp"

#include <vipd/time.hpp>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

struct ring_buffer;

namespace vipd::dataplane {

class BpfDataplane final : public Dataplane {
  public:
    static Result<std::unique_ptr<BpfDataplane>> open(const Options& options);
    ~BpfDataplane() override;
    BpfDataplane(const BpfDataplane&) = delete;
    BpfDataplane& operator=(const BpfDataplane&) = delete;

    Result<AttachedInterface> attach(int ifindex,
                                     const std::string& name,
                                     AttachMode mode) override;
    Result<> detach(int ifindex) override;
    Result<> set_interface_mac(int ifindex, const MacAddress& mac) override;
    std::vector<AttachedInterface> attached() const override;

    Result<> apply(const model::Change& change) override;
    const model::Model& model() const override { return model_; }
    Result<> set_next_hop(const IpAddress& real, const std::optional<NextHop>& hop) override;

    Result<PacketCounters> counters(const ServiceKey& service) const override;
    Result<PacketCounters> counters(const ServiceKey& service, const Endpoint& real) const override;
    Result<std::vector<VerdictCount>> verdicts() const override;
    Result<std::vector<VerdictCount>> notes() const override;

    ConnectionCount connections(const ServiceKey& service, const Endpoint& real) const override;
    TableUse table_use() const override { return use_; }
    void for_each_flow(const std::function<bool(const Flow&)>& visit) const override;
    std::uint64_t scan_flows(std::uint64_t cursor,
                             std::uint64_t slots,
                             const std::function<void(const Flow&)>& visit) const override;
    StoreResult store_flows(std::span<const Flow> flows) override;
    int change_fd() const override;
    std::uint64_t take_changes(const std::function<void(const Flow&)>& visit) override;
    void on_neighbour_wanted(std::function<void(int, const IpAddress&)> ask) override {
        ask_neighbour_ = std::move(ask);
    }
    void sweep(Seconds round, const std::function<void(const Flow&)>& refresh) override;

    Result<> set_claims(std::span<const Claim> vips) override;
    Result<> set_stations(std::span<const Station> stations) override;
    std::uint32_t abi_version() const override { return VIPD_ABI_VERSION; }
    Result<> set_forwarding_end(const std::optional<TimePoint>& end) override;
    Result<> set_settle_time(Nanos time) override;
    Result<> report_half_open(TimePoint until) override;
    int lease_fd() const override { return object_.map("vipd_lease"); }

    const BpfObject& object() const { return object_; }

  private:
    /// The memory of a map, shared with the kernel; unmapped when it goes.
    struct Mapping {
        void* address = nullptr;
        std::size_t length = 0;
        ~Mapping();
        Mapping() = default;
        Mapping(const Mapping&) = delete;
        Mapping& operator=(const Mapping&) = delete;
    };
    struct FreeRingBuffer {
        void operator()(ring_buffer* buffer) const;
    };
    /// What set_next_hop() said about an address.
    using NextHops = std::map<IpAddress, NextHop>;

    BpfDataplane(BpfObject object, const std::string& pin_dir);
    Result<> map_flows();
    Result<void*> map_memory(const char* map, std::size_t length, Mapping& mapping) const;
    Result<> listen();
    Result<> adopt();
    Result<> adopt_reals();
    Result<> adopt_services();
    Result<> write_lease(__u64 vipd_lease::* field, std::uint64_t value);
    static int on_change(void* self, void* data, std::size_t size);
    static int on_wanted(void* self, void* data, std::size_t size);

    Result<> update(const model::Service& service);
    Result<> remove(const ServiceKey& service);
    Result<> put_service(const ServiceKey& key, const vipd_service& abi);
    Result<> drop_service(const ServiceKey& key);
    Result<> write_service(const model::Service& service,
                           std::uint32_t service_id,
                           const std::vector<RealId>& ids);
    void take_back(const model::Service& wanted,
                   std::uint32_t service_id,
                   const std::vector<RealId>& fresh);
    Result<> write_real(RealId id, const vipd_real& real);
    void free_real(RealId id);
    Result<> write_config(RealId id, const vipd_real_cfg& config);
    Result<> swap_ring(std::uint32_t service_id,
                       const model::Service& service,
                       const std::vector<RealId>& ids);
    vipd_real make_real(const model::Service& service, const model::Real& real, RealId id) const;
    void apply_hop(vipd_real& real, const IpAddress& address) const;
    Result<> retire(RealId id);
    Result<> resume_turn(std::uint32_t service_id,
                         const model::Service& before,
                         const model::Service& after);
    /// Makes the service's keys its own, and takes away those that it had.
    Result<> write_keys(const model::Service& service, std::uint32_t service_id);
    std::uint32_t any_port_keys() const;
    /// The service that a packet to this address would be of; of a template of a mark, by that.
    const model::Service* service_of(const Flow& flow) const;
    /// The id of a real as flows name it: with the port that the client asked for.
    std::optional<RealId> real_of(const model::Service& service, const Endpoint& real) const;
    void prolong_template(const vipd_flow& flow, Tick now);
    Result<> reset_counters(const char* map, std::uint32_t id);
    std::optional<std::uint32_t> free_service_id() const;

    std::optional<Flow> flow_at(std::uint32_t slot, Tick now) const;
    std::optional<Flow> to_flow(const vipd_flow& flow, Tick now) const;
    void end_round();

    BpfObject object_;
    XdpLinks links_;
    Mapping mapping_;
    Mapping loads_mapping_;
    RealLoads loads_;
    std::optional<FlowTable> table_;
    std::unique_ptr<ring_buffer, FreeRingBuffer> changes_;

    model::Model model_;
    std::map<ServiceKey, std::uint32_t> service_ids_;
    /// Each key in vipd_services, and Service::key of the service that it finds.
    std::map<ServiceKey, ServiceKey> owners_;
    /// By real id: its service as the program has it, where that is persistent.
    std::vector<std::optional<vipd_service>> persistent_;
    RealRegistry registry_;
    NatReals nat_reals_;
    /// vipd_reals as last written, by id.
    std::vector<vipd_real> reals_;
    NextHops hops_;

    // take_changes()
    const std::function<void(const Flow&)>* visit_change_ = nullptr;
    std::size_t visited_changes_ = 0;
    std::uint64_t lost_changes_ = 0;
    std::function<void(int, const IpAddress&)> ask_neighbour_;

    // sweep()
    std::uint32_t sweep_at_ = 0;
    std::uint64_t sweep_round_ = 1;
    std::optional<TimePoint> last_sweep_;
    SweepWindow window_;
    std::vector<RealLoads::Count> counting_;  // by real id
    std::uint64_t used_ = 0;
    TableUse use_;
    std::map<std::uint32_t, std::uint32_t> held_;  // slot -> odd version seen in the last round
    std::map<std::uint32_t, std::uint32_t> held_before_;
};

}  // namespace vipd::dataplane
