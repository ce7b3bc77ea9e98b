// SPDX-License-Identifier: Apache-2.0
// From configuration and health to what is to be forwarded: removal, inhibit, quorum, sorry server.
//
// Pure: every input gives the new model::Model and a list of events (log lines and scripts to run),
// which the shell works off. The rules are keepalived's (keepalived.conf(5), virtual_server).
#pragma once

#include "userspace/config/config.hpp"
#include "userspace/control/notify.hpp"
#include "userspace/model/model.hpp"

#include <vipd/ipc.hpp>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vipd::control {

/// Something to say, and perhaps a script to run for it.
struct ServiceEvent {
    bool warning = false;
    std::string line;
    std::optional<config::Script> script;
    std::string fifo_line{};       ///< empty: none
    std::optional<Alert> alert{};  ///< a mail
};

/// "[10.0.0.1]:tcp:80", as keepalived writes services and real servers.
std::string keepalived_name(const Endpoint& endpoint, Protocol protocol);

/// The services that a virtual_server stands for.
std::vector<config::ServiceMember> members_of(const config::VirtualServer& server);

/// Why this virtual server cannot be forwarded by this version; nullopt where it can.
std::optional<std::string> unsupported(const config::VirtualServer& server);

class ServiceTable {
  public:
    struct RealView {
        Endpoint endpoint;
        model::Method method = model::Method::DirectRouting;
        Tunnel tunnel;
        std::uint32_t configured_weight = 1;
        std::uint32_t weight = 1;  ///< effective: dynamic, or 0 by inhibit
        std::uint32_t upper_threshold = 0;
        std::uint32_t lower_threshold = 0;
        bool checked = false;  ///< has at least one checker
        bool known = false;    ///< has been checked once
        bool up = true;
        bool forwarding = true;  ///< in the model as alive: takes or keeps connections
        bool sorry = false;
        std::string reason;  ///< why down
    };
    struct ServiceView {
        ServiceKey key;
        std::uint32_t mark = 0;  ///< of a service by fwmark
        std::string group;       ///< the virtual_server_group that it is of
        std::string scheduler;
        model::Method method = model::Method::DirectRouting;
        bool quorum_up = true;
        std::uint32_t quorum = 1;
        std::optional<std::string> unsupported;
        std::vector<RealView> reals;
    };

    /// Takes over a configuration. Health of reals that were there before is kept.
    std::vector<ServiceEvent> configure(const config::Config& config);
    /// A real server's health has been told by the check process. Unknown ones are ignored: the
    /// message may have crossed a reload.
    std::vector<ServiceEvent> on_health(const ipc::RealServerState& state);
    /// A BFD session that real servers follow (BFD_CHECK) is up, or is not. As with keepalived a
    /// session counts from when it first came up: until then its real servers are up, or with alpha
    /// down.
    std::vector<ServiceEvent> on_bfd(const std::string& session, bool up);
    /// The number in a file that real servers follow (FILE_CHECK): times the checker's weight it is
    /// added to the real server's, and takes it out at -254 or less; with weight 0 any number but 0
    /// does. A file that has not been read yet is 0.
    std::vector<ServiceEvent> on_file(const std::string& file, std::int32_t value);
    /// What the data plane of an earlier daemon holds: real servers that had failed stay down until
    /// a check passes. Only those that are checked; nothing would ever bring the others up.
    void adopt(const model::Model& model);
    /// Which real servers get no new connections although they are well; asked at each change.
    using Drained = std::function<bool(const ServiceKey&, const Endpoint&)>;
    void set_drained(Drained drained) { drained_ = std::move(drained); }
    /// What is drained has changed.
    void rebuild();
    /// The daemon stops: notify_down and quorum_down of services with `omega`.
    std::vector<ServiceEvent> on_stop() const;

    const model::Model& desired() const { return desired_; }
    std::vector<ServiceView> view() const;
    /// What a restarted check process must know: what it has said itself.
    std::vector<ipc::RealServerState> health() const;

  private:
    struct Verdict {
        bool up = true;
        bool known = false;
        std::string reason;
    };
    struct RealState {
        bool up = true;  ///< this and the next two: of all its checkers, by settle()
        bool known = false;
        std::string reason;
        std::int32_t weight = -1;
        Verdict checked;                            ///< of the check process
        std::map<std::string, Verdict> sessions;    ///< of each BFD_CHECK, by bfd_instance
        std::map<std::string, std::int32_t> files;  ///< values of each FILE_CHECK, by track_file
        std::int64_t added = 0;                     ///< to the weight, by them
    };
    struct ServiceState {
        config::VirtualServer config;
        std::vector<RealState> reals;  ///< beside config.real_servers
        bool quorum_up = true;
    };

    static RealState fresh_state(const config::RealServer& real, bool alpha);
    static void settle(const config::RealServer& real, RealState& state);
    /// What a real server that was there before takes along.
    static void keep(const RealState& before,
                     const config::RealServer& then,
                     const config::RealServer& now,
                     RealState& state);
    /// Of each real server whose state `changes` has changed (true): what that means.
    std::vector<ServiceEvent> change_reals(const std::function<bool(RealState&)>& changes);
    /// What the change of a real server's state means, with the quorum.
    void announce(ServiceState& service,
                  std::size_t real,
                  bool was_up,
                  std::uint32_t old_weight,
                  std::vector<ServiceEvent>& events);
    static std::uint32_t effective_weight(const config::RealServer& real, const RealState& state);
    static std::uint64_t live_weight(const ServiceState& service);
    void update_quorum(ServiceState& service, bool initial, std::vector<ServiceEvent>& events);
    void announce_quorum(ServiceEvent& event, const ServiceState& service) const;
    model::Service build(const ServiceState& service, const config::ServiceMember& member) const;
    ServiceView view(const ServiceState& service, const config::ServiceMember& member) const;
    /// All members into desired_, where it is forwarded.
    void build_all(const ServiceState& service);

    config::GlobalDefs global_;
    std::uint32_t ring_size_ = 4093;
    std::map<ServiceKey, ServiceState> services_;  ///< by VirtualServer::key
    std::vector<ServiceKey> order_;                ///< of the file
    Drained drained_;
    model::Model desired_;
};

}  // namespace vipd::control
