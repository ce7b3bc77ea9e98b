// SPDX-License-Identifier: Apache-2.0
// What the three processes say to one another over their SOCK_SEQPACKET pairs.
//
// Core speaks first: Configure with a sealed memfd (the configuration text it has read) as the
// attached file descriptor, then the state that the role is to take up again. Each message is one
// datagram: kind (u16), then the fields in order; integers little-endian, strings and lists with a
// u32 length. userspace/base/channel.hpp carries them; a message that does not decode is dropped
// and counted, it never ends the receiver.
#pragma once

#include <vipd/address.hpp>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace vipd::ipc {

/// Largest message; longer lists are sent as several messages.
inline constexpr std::size_t kMaxMessage = std::size_t{60} * 1024;

/// VRRP states as they travel, keepalived's JSON numbers (0 INIT, 1 BACKUP, 2 MASTER, 3 FAULT).
enum class VrrpState : std::uint8_t { Init = 0, Backup = 1, Master = 2, Fault = 3 };

// --- core -> vrrp, core -> check -------------------------------------------------------------

/// A configuration to run with. The memfd with its text is attached. `generation` counts up with
/// each reload and is echoed in Ready.
struct Configure {
    std::uint32_t generation = 0;
    std::string path;  ///< what the file is called in diagnostics
    std::string config_id;
    void fields(auto&& f) { f(generation), f(path), f(config_id); }
};

/// The role of an instance before the vrrp process was restarted.
struct ResumeInstance {
    std::string instance;
    VrrpState state = VrrpState::Init;
    void fields(auto&& f) { f(instance), f(state); }
};

/// All state has been handed back: start working. To vrrp the map of the lease is attached
/// (Dataplane::lease_fd), where there is one.
struct Start {
    void fields(auto&&) {}
};

/// Finish: vrrp sends priority 0 and removes its VIPs, check closes its sockets; then both exit 0.
struct Stop {
    void fields(auto&&) {}
};

/// A tracked script's state, decided by core from its runs (rise, fall). Sent for each script that
/// core runs, known or not, before Start and after each Configure: one that vrrp hears nothing of
/// is not run, and not tracked.
struct TrackScriptState {
    std::string script;
    bool known = false;  ///< false until the first run has ended
    bool up = false;
    void fields(auto&& f) { f(script), f(known), f(up); }
};

enum class TrackerKind : std::uint8_t { File = 0, Process = 1, Bfd = 2 };

/// How another tracked object stands. Sent for each one that core watches, before Start and after
/// each Configure, and on each change. vrrp -> core: a BFD session has come up or gone down.
struct TrackerState {
    TrackerKind kind = TrackerKind::File;
    std::string name;
    bool up = false;         ///< processes, BFD sessions
    std::int32_t value = 0;  ///< files
    void fields(auto&& f) { f(kind), f(name), f(up), f(value); }
    bool operator==(const TrackerState&) const = default;
};

/// Give up mastership of an instance ("" = all) although nothing is wrong: priority 0 is sent, and
/// the instance does not preempt for `hold_ms`.
struct Handover {
    std::string instance;
    std::uint32_t hold_ms = 0;
    void fields(auto&& f) { f(instance), f(hold_ms); }
};

/// Ask for an InstanceReport of each instance.
struct Query {
    void fields(auto&&) {}
};

// --- vrrp -> core ----------------------------------------------------------------------------

struct InstanceStateChange {
    std::string instance;
    VrrpState state = VrrpState::Init;
    std::uint8_t priority = 0;        ///< effective
    std::uint64_t at_ns = 0;          ///< CLOCK_MONOTONIC of the decision
    std::uint64_t announced_ns = 0;   ///< CLOCK_MONOTONIC after the first gratuitous ARP, 0 if none
    std::uint64_t heard_ns = 0;       ///< of the last advert taken before the decision, 0 if none
    std::uint8_t heard_priority = 0;  ///< what that advert said; 0: its sender has resigned
    void fields(auto&& f) {
        f(instance), f(state), f(priority), f(at_ns), f(announced_ns), f(heard_ns),
            f(heard_priority);
    }
};

enum class InstanceEventKind : std::uint8_t { LowerPriorityHeard = 0, PriorityChanged = 1 };

/// What has happened to an instance without a change of its state.
struct InstanceEvent {
    std::string instance;
    InstanceEventKind kind = InstanceEventKind::LowerPriorityHeard;
    VrrpState state = VrrpState::Init;
    std::uint8_t priority = 0;  ///< effective
    void fields(auto&& f) { f(instance), f(kind), f(state), f(priority); }
};

/// A counter of one instance under its metric name ("advert_rx", "auth_failure" ...).
struct Counter {
    std::string name;
    std::uint64_t value = 0;
    void fields(auto&& f) { f(name), f(value); }
};

struct InstanceReport {
    std::string instance;
    std::string interface;
    std::uint8_t vrid = 0;
    std::uint8_t version = 0;
    VrrpState state = VrrpState::Init;
    std::uint8_t base_priority = 0;
    std::uint8_t priority = 0;
    std::uint8_t master_priority = 0;  ///< of the last accepted advert, own when master
    IpAddress master;                  ///< who sent it
    std::uint32_t advert_interval_ms = 0;
    std::uint64_t last_transition_ns = 0;  ///< CLOCK_MONOTONIC
    std::string fault;                     ///< why FAULT, empty otherwise
    std::vector<std::string> vips;
    std::vector<Counter> counters;
    void fields(auto&& f) {
        f(instance), f(interface), f(vrid), f(version), f(state), f(base_priority), f(priority),
            f(master_priority), f(master), f(advert_interval_ms), f(last_transition_ns), f(fault),
            f(vips), f(counters);
    }
};

/// A BFD session as it stands; the answer to Query, beside the reports.
struct BfdReport {
    std::string session;
    IpAddress neighbour;
    bool multihop = false;
    std::uint8_t state = 0;            ///< RFC 5880, 4.1: 0 AdminDown, 1 Down, 2 Init, 3 Up
    std::uint8_t diagnostic = 0;       ///< why it last left Up, as told to the neighbour
    std::uint64_t started_ns = 0;      ///< CLOCK_MONOTONIC; 0: it is not open yet
    std::uint64_t last_change_ns = 0;  ///< when it last came up or went down; 0: never
    std::vector<Counter> counters;
    void fields(auto&& f) {
        f(session), f(neighbour), f(multihop), f(state), f(diagnostic), f(started_ns),
            f(last_change_ns), f(counters);
    }
};

/// What the vrrp process counts that belongs to no instance; the answer to Query, beside the
/// reports.
struct RoleCounters {
    std::vector<Counter> counters;
    void fields(auto&& f) { f(counters); }
};

// --- check <-> core --------------------------------------------------------------------------

/// A real server's health as the checkers see it. check -> core on each change; core -> check after
/// a restart, so that what was down stays down.
struct RealServerState {
    ServiceKey service;
    Endpoint real;
    bool up = false;
    bool known = false;        ///< false: not yet checked once
    std::int32_t weight = -1;  ///< >= 0: the weight a dynamic MISC_CHECK asks for
    std::string reason;        ///< why down, for the log
    void fields(auto&& f) { f(service), f(real), f(up), f(known), f(weight), f(reason); }
};

/// check has no right to run anything: core runs the script of a MISC_CHECK for it.
struct RunScript {
    std::uint64_t id = 0;
    std::vector<std::string> argv;
    std::string user;  ///< "" = the default script user
    std::string group;
    std::uint32_t timeout_ms = 0;
    void fields(auto&& f) { f(id), f(argv), f(user), f(group), f(timeout_ms); }
};

/// ScriptDone::exit_status: core has left this script out of the configuration (not there, not
/// executable, insecure; it has said so). The check does not exist, as with keepalived.
inline constexpr std::int32_t kScriptLeftOut = -2;

struct ScriptDone {
    std::uint64_t id = 0;
    /// 0..255; -1: killed by a signal, timed out or not started; kScriptLeftOut
    std::int32_t exit_status = 0;
    std::string detail;  ///< "exited with status 1", "timed out", "not found"
    void fields(auto&& f) { f(id), f(exit_status), f(detail); }
};

// --- both roles -> core ----------------------------------------------------------------------

/// The configuration of this generation is in force (or was refused, with the reason).
struct Ready {
    std::uint32_t generation = 0;
    bool accepted = true;
    std::string reason;
    void fields(auto&& f) { f(generation), f(accepted), f(reason); }
};

/// Sent each second; core restarts a role that is silent for several.
struct Heartbeat {
    void fields(auto&&) {}
};

/// The order is the kind on the wire: append only.
using Message = std::variant<Configure,
                             ResumeInstance,
                             Start,
                             Stop,
                             TrackScriptState,
                             Handover,
                             Query,
                             InstanceStateChange,
                             InstanceReport,
                             RealServerState,
                             RunScript,
                             ScriptDone,
                             Ready,
                             Heartbeat,
                             RoleCounters,
                             TrackerState,
                             InstanceEvent,
                             BfdReport>;

}  // namespace vipd::ipc
