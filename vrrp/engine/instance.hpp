// SPDX-License-Identifier: Apache-2.0
// One VRRP instance at work: its machine, its interface, its VIPs and its counters. The engine
// gives it events; it carries out the machine's actions at once and in order.
#pragma once

#include "vrrp/engine/routing_set.hpp"
#include "vrrp/engine/settings.hpp"
#include "vrrp/engine/vip_set.hpp"
#include "vrrp/engine/world.hpp"
#include "vrrp/fsm/machine.hpp"
#include "vrrp/packet/advert.hpp"
#include "vrrp/track/track.hpp"

#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vipd::vrrp {

/// Results of the scripts that are run, by name; nullopt: none yet. One that is absent is not run
/// (it is not there, not executable, insecure), and who tracks it works as if it did not.
using ScriptResults = std::map<std::string, std::optional<bool>>;
using ObjectStates = std::map<std::pair<ipc::TrackerKind, std::string>, ipc::TrackerState>;

/// Everything that is tracked but interfaces.
struct TrackerResults {
    ScriptResults scripts{};
    ObjectStates objects{};  ///< one that is absent is not watched, and not tracked
};

class Instance {
  public:
    Instance(World& world, InstanceSettings settings);
    ~Instance() { world_.announcer.forget(announcing_); }
    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;

    const InstanceSettings& settings() const { return settings_; }
    const Machine& machine() const { return machine_; }
    int ifindex() const { return ifindex_; }
    std::optional<TimePoint> wake() const;

    void set_grouped(bool grouped) { settings_.policy.grouped = grouped; }
    /// Gives the machine an event and does what it asks for.
    void deliver(const Event& event, TimePoint now);
    /// Looks again at the interface, the source address and the trackers. `vips` are the addresses
    /// of all instances: none of them is ever sent from, unless there is no other.
    void refresh(std::span<const IpAddress> vips, const TrackerResults& trackers, TimePoint now);
    /// New settings for the same virtual router: state is kept, VIPs change by the difference.
    /// Call refresh() after it.
    void reconfigure(InstanceSettings settings, TimePoint now);
    /// Leaves mastership and the sockets; the VIPs too, unless they are to be kept.
    void shutdown(TimePoint now, bool keep_vips = false);

    /// How well a datagram of our VRID on our interface fits: 2 is meant for us, 1 may be (a peer
    /// configured otherwise), 0 is for another interface or VRID.
    int affinity(int ifindex, const Envelope& envelope) const;
    void receive(const Envelope& envelope, TimePoint now);

    /// An address went: if it is a VIP that we hold, it will be put back.
    void address_removed(int ifindex, const IpAddress& address, TimePoint now);
    /// A route or a rule went, whosever: if we hold any, they are looked after.
    void routing_removed(TimePoint now) {
        if (!settings_.routing.empty()) verify_vips_soon(now);
    }
    /// Puts back at the next wake-up whatever is missing.
    void verify_vips_soon(TimePoint now);
    void tick(TimePoint now);

    ipc::InstanceReport report() const;

  private:
    void carry_out(const Action& action, TimePoint now);
    void send_advert(std::uint8_t priority);
    void happened(ipc::InstanceEventKind kind);
    void add_vips(TimePoint now);
    void take_off(TimePoint now);
    void announce(std::span<const Vip> vips,
                  std::uint32_t rounds,
                  TimePoint now,
                  bool say_each = true);
    void announce_elsewhere(TimePoint now);
    void restart_extra_garp(TimePoint now);
    void restore_vips(TimePoint now);
    void note(const Decoded& decoded);
    void note_hmac(const Decoded& decoded);
    const HmacKey* next_hmac();
    void reject(Reject reason, const IpAddress& source);
    void use_port(const Link& link, std::string& fault);
    void leave_port();
    const Link* resolve_interface() const;
    bool holds_source() const;
    IpAddress choose_source(int ifindex, std::span<const IpAddress> vips) const;
    std::string look(std::span<const IpAddress> vips,
                     const TrackerResults& trackers,
                     TimePoint now);
    Expected expected() const;
    std::vector<IpAddress> advertised() const;

    World& world_;
    InstanceSettings settings_;
    Machine machine_;
    VipSet vip_set_;
    RoutingSet routing_set_;
    std::vector<IpAddress> advertised_;
    // Used again and again: an instance at work allocates nothing.
    Advert outgoing_;
    std::vector<std::uint8_t> datagram_;
    std::vector<std::uint8_t> with_ah_;
    Actions actions_;

    int ifindex_ = 0;
    std::optional<Port> port_;
    std::string interface_name_;
    std::string fault_;
    std::optional<TimePoint> verify_at_;
    TimePoint last_verify_;
    std::optional<TimePoint> extra_garp_at_;
    TimePoint last_transition_;
    Announcer::Client announcing_;
    /// The highest seen or sent: a new master goes on where the old one has stopped (keepalived).
    std::optional<std::uint32_t> ah_sequence_;
    std::uint64_t hmac_sequence_ = 0;  ///< the last sent; 0: none
    HmacReplay hmac_replay_;
    bool old_checksum_ = false;   ///< a peer has sent it: so do we (keepalived)
    std::uint64_t heard_ns_ = 0;  ///< the last advert taken
    std::uint8_t heard_priority_ = 0;

    struct Counters {
        std::uint64_t advert_rx = 0;
        std::uint64_t advert_tx = 0;
        std::uint64_t priority_zero_rx = 0;
        std::uint64_t priority_zero_tx = 0;
        std::uint64_t send_error = 0;
        std::uint64_t become_master = 0;
        std::uint64_t release_master = 0;
        std::uint64_t vip_restored = 0;
        std::uint64_t checksum_form_differs = 0;
        std::uint64_t old_checksum = 0;
        std::uint64_t first_not_link_local = 0;
        std::uint64_t address_list_differs = 0;
        std::uint64_t interval_differs = 0;
        std::uint64_t hmac_missing_accepted = 0;
        std::uint64_t hmac_clock_skew = 0;
        std::array<std::uint64_t, kRejects.size()> rejected{};
    } counters_;
    bool keeps_vips_ = false;  ///< at the end
};

}  // namespace vipd::vrrp
