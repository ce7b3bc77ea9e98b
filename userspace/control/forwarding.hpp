// SPDX-License-Identifier: Apache-2.0
// Keeps the data plane as the configuration and the health checks want it: which interfaces it is
// attached to, which services it forwards, how each real server is reached, and what its peers
// hold.
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/config/config.hpp"
#include "userspace/control/checkpoint.hpp"
#include "userspace/control/ipvs_sync.hpp"
#include "userspace/control/rates.hpp"
#include "userspace/dataplane/dataplane.hpp"
#include "userspace/model/model.hpp"
#include "userspace/net/next_hop.hpp"
#include "userspace/sync/sync_daemon.hpp"

#include <vipd/error.hpp>
#include <vipd/links.hpp>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace vipd::control {

class Forwarding {
  public:
    using Say = std::function<void(bool warning, const std::string& line)>;

    /// `links` outlives this.
    Forwarding(EventLoop& loop,
               Links& links,
               std::unique_ptr<dataplane::Dataplane> dataplane,
               Say say);
    ~Forwarding();
    Forwarding(const Forwarding&) = delete;
    Forwarding& operator=(const Forwarding&) = delete;

    /// Whether configure() would get what it needs from outside: the key of the connection sync.
    static Result<> check(const config::Config& config);
    /// Attaches to the interfaces that the configuration means, claims its VIPs (only where a vrrp
    /// process of ours renews the lease: `claim`), starts or changes the connection sync. An error
    /// leaves attached what was attached.
    Result<> configure(const config::Config& config, bool claim);
    /// Makes the data plane forward `desired`, whole or not at all.
    Result<> follow(const model::Model& desired);
    void on_link_event(const LinkEvent& event);
    /// Once a second: rates, and interfaces that have come or gone.
    void on_second(TimePoint now);
    /// The daemon ends in good order. The program stays attached and forwards on; unless `keep`,
    /// only for kLinger, so that a restart costs no packet and another balancer can take over after
    /// a stop.
    void leave(bool keep);

    dataplane::Dataplane& dataplane() { return *dataplane_; }
    const dataplane::Dataplane& dataplane() const { return *dataplane_; }
    const net::NextHop* next_hop(const IpAddress& real) const { return hops_.find(real); }
    Rates rates(const ServiceKey& service) const;
    Rates rates(const ServiceKey& service, const Endpoint& real) const;
    const sync::SyncDaemon* sync() const { return sync_.get(); }
    const Checkpoint& checkpoint() const { return checkpoint_; }
    /// Whole and on the disk, for a successor that cannot take up the table itself.
    void save_flows() { checkpoint_.save(); }
    /// The flow table is new: take what the checkpoint holds. After the first follow().
    void restore(const config::Config& config);
    /// This node is about to give its VIPs to another: its peers are told all that waits, half-open
    /// connections too. `then` once they have it, or after kSettleLimit.
    void settle(std::function<void()> then);
    const IpvsSync& ipvs_sync() const { return ipvs_sync_; }
    /// An instance of this node has another role now.
    void on_instance_state(const std::string& instance, ipc::VrrpState state) {
        ipvs_sync_.on_instance_state(instance, state);
    }
    /// This node holds what its peers hold; true where there is no sync.
    bool synced() const;
    std::vector<std::string> warnings() const;

    static constexpr Seconds kLinger{60};
    static constexpr Millis kSettleLimit{200};
    /// Longer than what waits at a peer takes to come, shorter than TCP's first retransmission.
    static constexpr Millis kSettleTime{100};
    /// Until after a handover has happened, or has failed to.
    static constexpr Seconds kLeaving{5};

  private:
    struct Interface {
        int ifindex = 0;  ///< 0: there is none of this name
        std::string name;
        MacAddress mac{};
    };
    struct Wanted {
        std::vector<Interface> interfaces;
        bool complete = true;  ///< false: the kernel could not be asked about all of them
    };
    Wanted wanted_interfaces() const;
    void attach_wanted();
    void set_stations();
    void renew_mac(int ifindex);
    void work_off_hops();
    Result<> configure_sync(const config::Config& config);

    EventLoop& loop_;
    Links& links_;
    std::unique_ptr<dataplane::Dataplane> dataplane_;
    Say say_;
    config::Config config_;
    net::NextHopTracker hops_;
    EventLoop::Source hop_timer_;
    sync::FlowPump pump_;
    bool pumping_ = false;
    IpvsSync ipvs_sync_;
    Checkpoint checkpoint_;
    sync::Digests digests_;
    std::unique_ptr<sync::SyncDaemon> sync_;
    std::map<std::string, std::string> attach_errors_;  ///< interface -> why not
    std::map<IpAddress, std::string> unreachable_;      ///< real server -> why
    std::map<ServiceKey, RateMeter> service_rates_;
    std::map<std::pair<ServiceKey, Endpoint>, RateMeter> real_rates_;
    bool interfaces_due_ = false;
    bool followed_ = false;  ///< the first follow() takes up an adopted model as it is
};

}  // namespace vipd::control
