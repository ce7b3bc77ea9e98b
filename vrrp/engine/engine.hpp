// SPDX-License-Identifier: Apache-2.0
// All VRRP instances of this host: the role's main feeds it packets, link events, timers and
// orders, each with the time; it drives the machines and acts on Links and Transport at once.
//
// One thread. Nothing here blocks: netlink requests answer at once, sockets are non-blocking, and
// log lines are handed on only when everything urgent has been done.
#pragma once

#include "vrrp/engine/instance.hpp"
#include "vrrp/engine/promotion.hpp"
#include "vrrp/engine/settings.hpp"
#include "vrrp/engine/virtual_links.hpp"
#include "vrrp/engine/world.hpp"

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vipd::vrrp {

class Engine {
  public:
    /// All must outlive the engine. `clock` is CLOCK_MONOTONIC.
    Engine(Links& links,
           Transport& transport,
           Observer& observer,
           std::function<TimePoint()> clock);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    /// Who sets routes and rules; must outlive the engine. Without it they are a logged error.
    void set_routing(Routing& routing) { world_.routing = &routing; }

    /// Time since 1970, where an instance has auth_hmac.
    void set_wall_clock(std::function<Nanos()> clock) { world_.wall_clock = std::move(clock); }

    /// What to run. Before start() it is only kept; after it, this is a reload: an instance of the
    /// same VRID on the same interface goes on in its state, the others are stopped and started.
    /// Unusable instances are logged and left out.
    void configure(EngineSettings settings, TimePoint now);
    /// The state of an instance before the process was restarted; counts until start().
    void resume(const std::string& instance, State state);
    /// Begins to work: instances resumed as master go on as master at once.
    void start(TimePoint now);
    bool started() const { return started_; }
    /// Priority 0, VIPs off, sockets closed.
    void stop(TimePoint now, bool keep_vips = false);

    /// How a tracked script stands. Before start(): every one that is run at all.
    void script_state(const std::string& script, bool known, bool up, TimePoint now);
    void tracker_state(const ipc::TrackerState& state, TimePoint now);
    /// Gives up mastership of the instance ("" = all) and of its sync group; false: no such one.
    bool handover(const std::string& instance, Nanos hold, TimePoint now);
    /// Events as Links::dispatch() gave them, together.
    void link_events(std::span<const LinkEvent> events, TimePoint now);
    /// Look at everything anew (netlink overrun).
    void resync(TimePoint now);
    void tick(TimePoint now);
    /// When tick() is due.
    std::optional<TimePoint> wake() const;

    std::vector<ipc::InstanceReport> reports() const;
    /// The virtual routers that this host is master of now.
    std::vector<RouterId> masters() const;
    /// Datagrams that belong to no instance, by reason.
    std::uint64_t unmatched(Reject reason) const {
        return unmatched_[static_cast<std::size_t>(reason)];
    }

  private:
    /// static_ipaddress, static_routes, static_rules: there while the daemon runs.
    struct Statics {
        std::vector<Vip> addresses{};
        RoutingItems routing{};
        std::vector<StaticGroup> groups{};
    };
    struct Group {
        std::string name;
        std::vector<Instance*> members;
    };

    void receive(int ifindex, std::span<const std::uint8_t> datagram, bool truncated);
    std::vector<InstanceSettings> usable(std::vector<InstanceSettings> wanted);
    void reload(std::vector<InstanceSettings> wanted, TimePoint now);
    void change_statics(Statics wanted, TimePoint now);
    void set_statics(TimePoint now);
    void look_at_static_groups();
    void make_groups(const std::vector<GroupSettings>& groups);
    void read_interfaces(TimePoint now);
    void use_interfaces(TimePoint now);
    void refresh_all(TimePoint now);
    /// Makes the devices that the instances ask for, and those of `further`; removes others.
    void use_devices(std::span<const InstanceSettings> further, TimePoint now);
    void settle(TimePoint now);
    /// After each piece of work: groups agree, then the log lines go out.
    void finish(TimePoint now);
    Instance* find(const std::string& name) const;
    const Group* group_of(const Instance& instance) const;

    World world_;
    Statics statics_;
    VipSet static_addresses_{world_};
    RoutingSet static_routing_{world_, "static"};
    Promotion promotion_{world_};
    VirtualLinks virtual_links_{world_};
    std::vector<Link> kernel_links_;  ///< as netlink has told, without link_delays_
    LinkDelays link_delays_;
    std::optional<TimePoint> statics_at_;  ///< they are looked after then
    std::vector<std::unique_ptr<Instance>> instances_;
    std::vector<Group> groups_;
    std::map<std::string, State> resume_;
    TrackerResults trackers_;
    Nanos startup_delay_{0};
    bool log_unknown_vrids_ = false;
    bool started_ = false;
    std::optional<TimePoint> look_again_at_;
    std::array<std::uint64_t, kRejects.size()> unmatched_{};
};

}  // namespace vipd::vrrp
