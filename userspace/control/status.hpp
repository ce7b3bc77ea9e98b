// SPDX-License-Identifier: Apache-2.0
// What the daemon knows at one moment, as values: control fills it, the API writes it out as JSON
// and as Prometheus metrics. No JSON, no file descriptor, nothing that points back into the core.
#pragma once

#include "userspace/dataplane/dataplane.hpp"
#include "userspace/model/model.hpp"

#include <vipd/address.hpp>
#include <vipd/ipc.hpp>
#include <vipd/time.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vipd::control {

/// Seconds since 1970 (UTC); 0: never.
using UnixTime = std::int64_t;

/// Counters per second, smoothed by control (exponentially weighted, 1 s).
struct Rates {
    double packets = 0;
    double bytes = 0;
    double connections = 0;
};

/// One of the processes: core itself, vrrp, check.
struct ProcessStatus {
    std::string role;   ///< "core", "vrrp", "check"
    std::string state;  ///< "starting", "running", "waiting" (for the next start), "stopped"
    std::int32_t pid = 0;
    std::uint64_t restarts = 0;
};

struct ReloadStatus {
    UnixTime when = 0;        ///< 0: there was none
    bool ok = true;           ///< false: refused, what ran before still runs
    std::string reason;       ///< why refused, or undone
    UnixTime confirm_by = 0;  ///< goes back then unless confirmed; 0: it does not
};

struct InstanceStatus {
    ipc::InstanceReport report;  ///< as the vrrp process last said it
    Millis in_state{0};          ///< time since the last transition
    std::string sync_group;      ///< vrrp_sync_group; empty: none
};

struct TrackScriptStatus {
    std::string name;
    bool known = false;  ///< false until the first run has ended
    bool up = false;
    std::string detail;  ///< of the last run: "exited with status 1"
};

/// A BFD session (bfd_instance).
struct BfdStatus {
    ipc::BfdReport report;  ///< as the vrrp process last said it
    Millis in_state{0};     ///< since it last came up or went down, or was opened; 0: not open
};

struct RealStatus {
    Endpoint endpoint;
    model::Method method = model::Method::DirectRouting;
    Tunnel tunnel{};                     ///< of TUN
    std::uint32_t weight = 1;            ///< as configured
    std::uint32_t effective_weight = 1;  ///< as in the data plane: 0 when drained or inhibited
    bool alive = true;                   ///< up, and in the data plane as such
    bool inhibited = false;              ///< failed, but kept with weight 0 (inhibit_on_failure)
    bool known = true;                   ///< its checkers have all spoken; true without checkers
    bool sorry = false;                  ///< this is the sorry server
    bool live = false;                   ///< there, or as it is, by a command (vipadm)
    dataplane::PacketCounters zeroed;    ///< the counters when they were last zeroed
    std::string reason;                  ///< why down; empty when up
    std::uint32_t upper_threshold = 0;   ///< connections; 0: no limit
    std::uint32_t lower_threshold = 0;
    std::uint64_t active = 0;  ///< connections, as ipvsadm counts them
    std::uint64_t inactive = 0;
    dataplane::PacketCounters counters;
    Rates rates;
    std::optional<dataplane::NextHop> next_hop;  ///< nullopt: not resolved (yet)
    std::string interface;                       ///< of the next hop; empty when unresolved
};

struct ServiceStatus {
    ServiceKey key;
    std::uint32_t mark = 0;  ///< of a service by fwmark, of which `key` is one address
    std::string group;       ///< the virtual_server_group that it is of
    Seconds persistence{0};  ///< 0: none
    std::uint8_t granularity = 32;
    model::Scheduler scheduler = model::Scheduler::WeightedRoundRobin;
    model::Method method = model::Method::DirectRouting;
    std::uint32_t quorum = 1;
    bool quorum_up = true;
    bool sorry_active = false;  ///< the sorry server stands in for the reals
    bool hash_port = false;     ///< mh-port, sh-port
    bool hash_fallback = false;
    bool live = false;                 ///< there, or as it is, by a command (vipadm)
    dataplane::PacketCounters zeroed;  ///< the counters when they were last zeroed
    dataplane::PacketCounters counters;
    Rates rates;
    std::vector<RealStatus> reals;  ///< in the order of the configuration, the sorry server last
};

struct SyncPeerStatus {
    Endpoint address;
    bool connected = false;
    bool synced = false;                   ///< holds all that the peer holds, up to `lag`
    std::string snapshot;                  ///< "none", "receiving", "sending", "done"
    std::optional<std::uint8_t> progress;  ///< per cent of a snapshot that comes in, about
    std::uint64_t flows_sent = 0;
    std::uint64_t flows_received = 0;
    Millis lag{0};           ///< age of the oldest change that the peer has not acknowledged
    std::string last_error;  ///< empty: none since the connection was made
    std::vector<ipc::Counter> counters;  ///< further ones by name: rejects, repairs
};

/// lvs_sync_daemon: beside directors that run IPVS.
struct IpvsSyncStatus {
    std::string interface;
    std::uint8_t sync_id = 0;
    std::uint8_t version = 1;  ///< sent
    bool master = false;       ///< tells this node's connections
    bool backup = false;       ///< stores those of others
    std::string problem;       ///< why it does not run; empty: it does
    std::vector<ipc::Counter> counters;
};

struct SyncStatus {
    bool enabled = false;
    /// VRRP has not begun: it waits for the peers' connections, this long at most.
    std::optional<Millis> gate;
    std::vector<SyncPeerStatus> peers;
    std::vector<ipc::Counter> counters;  ///< those that belong to no peer: "reject_auth" ...
    std::optional<IpvsSyncStatus> ipvs;  ///< nullopt: no lvs_sync_daemon
};

/// The file of the flow table.
struct CheckpointStatus {
    std::string path;  ///< empty: none is kept
    UnixTime saved = 0;
    std::uint64_t flows = 0;     ///< in it
    std::uint64_t restored = 0;  ///< taken from it when this daemon began
    std::uint64_t failures = 0;
    std::string problem;  ///< why it was not written or taken; empty: it was
};

/// A real server, service or node that gets no new connections.
struct DrainStatus {
    std::string target;  ///< "real 10.1.0.2:80 of 10.0.0.1:80/TCP", "node"
    UnixTime since = 0;
    UnixTime limit = 0;                        ///< when it should be done
    std::optional<std::uint64_t> connections;  ///< left; nullopt: not counted yet
    std::string state;                         ///< "draining", "drained", "overdue"
    std::optional<Millis> took;                ///< until no connection was left
};

/// One time that an instance became MASTER. The steps that are not known are left out.
struct FailoverStatus {
    std::string instance;
    UnixTime at = 0;
    std::string reason;
    std::optional<Micros> detection;     ///< from the last advert of another to the decision
    std::optional<Micros> announcement;  ///< from the decision to the first gratuitous ARP
    std::optional<Micros> core;          ///< from the decision until core knew
};

struct InterfaceStatus {
    std::string name;
    int ifindex = 0;
    bool native = true;    ///< else generic (slow)
    bool adopted = false;  ///< was attached already when this daemon came
};

struct LeaseStatus {
    bool enabled = false;
    bool held = false;  ///< not run out: this node may answer for its VIPs
    /// Until it runs out if nobody renews it; nullopt: never.
    std::optional<Millis> remaining;
};

/// A verdict of the XDP program with its count.
struct VerdictStatus {
    std::string name;
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
};

struct Status {
    std::string version;     ///< VIPD_VERSION
    std::string node;        ///< router_id
    std::string instance;    ///< root keyword `instance`; empty: the only vipd here
    std::string namespace_;  ///< net_namespace; empty: the host's
    std::int32_t pid = 0;    ///< of core
    UnixTime started = 0;
    Millis uptime{0};
    std::string config_file;
    std::uint32_t config_generation = 0;  ///< counts up with each accepted configuration
    ReloadStatus last_reload;

    std::vector<ProcessStatus> processes;
    std::vector<InstanceStatus> instances;
    std::vector<TrackScriptStatus> track_scripts;
    std::vector<BfdStatus> bfd;
    std::vector<ServiceStatus> services;
    SyncStatus sync;
    CheckpointStatus checkpoint;
    std::vector<DrainStatus> drains;
    std::vector<FailoverStatus> failovers;  ///< the last ones, oldest first
    std::uint64_t failover_count = 0;
    dataplane::Dataplane::TableUse table;
    std::array<std::uint32_t, 3> timeouts{};  ///< of connections in seconds: tcp, tcpfin, udp
    LeaseStatus lease;
    std::vector<VerdictStatus> verdicts;
    std::vector<InterfaceStatus> interfaces;
    std::vector<ipc::Counter> counters;  ///< of the core: "ipc_malformed", "scripts_run" ...
    std::vector<std::string> warnings;   ///< one sentence each, for as long as it holds
};

}  // namespace vipd::control
