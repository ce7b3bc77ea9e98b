// SPDX-License-Identifier: Apache-2.0
// The state machine of one VRRP instance (RFC 3768 6.4, RFC 9568 6.4, with keepalived's habits):
//
//     step(machine, policy, event, now) -> actions
//
// Pure: no clock, socket or log. All timers are points in time inside Machine; next_wake() says
// when the shell has to come back with Tick. The actions are to be carried out in their order.
#pragma once

#include <vipd/address.hpp>
#include <vipd/ipc.hpp>
#include <vipd/time.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace vipd::vrrp {

using State = ipc::VrrpState;

/// What the configuration says about one instance's conduct.
struct Policy {
    std::uint8_t version = 2;
    std::uint8_t priority = 100;  ///< configured; 255 is the address owner
    Nanos advert_interval{Seconds(1)};
    std::uint8_t down_timer_adverts = 3;
    bool nopreempt = false;
    Nanos preempt_delay{0};
    bool grouped = false;               ///< member of a sync group: never becomes master on its own
    bool lower_prio_no_advert = false;  ///< RFC 3768, 5798: a weaker master is not answered
    bool higher_prio_send_advert = false;  ///< tell a stronger master that there are two
    bool owner_ignore_adverts = false;     ///< RFC 3768, 5798: the owner hears nobody
    /// Nopreempt: a master whose timer is as late as a backup of this priority needs to take over
    /// becomes backup.
    std::optional<std::uint8_t> timer_expired_backup{};
    Nanos garp_delay{Seconds(5)};
    std::uint32_t garp_repeat = 5;
    Nanos garp_refresh{0};
    std::uint32_t garp_refresh_repeat = 1;
    Nanos garp_lower_prio_delay{Seconds(5)};  ///< after a weaker master has been heard
    std::uint32_t garp_lower_prio_repeat = 5;
    IpAddress primary;  ///< what our adverts are sent from: breaks ties
};

/// All that an instance remembers.
struct Machine {
    State state = State::Init;
    std::uint8_t priority = 0;  ///< effective; 0 until set or started
    bool fault = false;         ///< a fault of its own
    bool group_fault = false;   ///< another member of its sync group has one
    bool wants_master = false;  ///< grouped: its own timer has run out

    IpAddress master;  ///< sender of the last advert taken into account; none while master
    std::uint8_t master_priority = 0;
    Nanos master_interval{0};  ///< v3: learned from the master's adverts

    TimePoint timer;                        ///< Backup: master down; Master: next advert
    std::optional<TimePoint> preempt_at;    ///< preempt_delay is running until then
    std::optional<TimePoint> hold_until;    ///< after a handover: no preemption until then
    std::optional<TimePoint> garp_again;    ///< second burst
    bool garp_again_by_peer = false;        ///< because a peer had claimed the addresses
    std::optional<TimePoint> garp_refresh;  ///< next periodic burst
    std::optional<TimePoint> rogue_until;   ///< another owner has so long to give up
    bool yielding = false;                  ///< owner at priority 254, since it did not
    TimePoint last_answer;                  ///< to a weaker master's advert
    TimePoint last_garp_answer;
};

// --- events ------------------------------------------------------------------------------------

/// Out of Init. With a fault set before, into Fault. Mastership comes not before `delay`, unless
/// another master is heard and lost before that.
struct Startup {
    Nanos delay{0};
};
/// Instead of Startup, after a restart of the process: what the instance was before.
struct Resume {
    State as = State::Init;
};
/// Time has passed: whatever is due happens.
struct Tick {};
/// An advert that decode() has accepted.
struct Heard {
    std::uint8_t priority = 0;
    Nanos interval{0};
    IpAddress source;
};
/// Interface down, script failed, no address: the instance cannot be master.
struct FaultSet {};
struct FaultCleared {};
/// The trackers changed the effective priority.
struct PriorityChanged {
    std::uint8_t priority = 0;
};
/// Give up mastership although nothing is wrong, and do not preempt for `hold`.
struct Handover {
    Nanos hold{0};
};
/// `policy` is a new one.
struct PolicyChanged {};
struct Shutdown {};
/// From sync_events(): every member wants it.
struct SyncMaster {};
/// From sync_events(): a member is master no longer.
struct SyncBackup {};
struct SyncFault {
    bool set = false;
};

using Event = std::variant<Startup,
                           Resume,
                           Tick,
                           Heard,
                           FaultSet,
                           FaultCleared,
                           PriorityChanged,
                           Handover,
                           PolicyChanged,
                           Shutdown,
                           SyncMaster,
                           SyncBackup,
                           SyncFault>;

// --- actions -----------------------------------------------------------------------------------

/// An advert with the effective priority.
struct SendAdvert {};
/// An advert with priority 0.
struct SendResign {};
/// Make every VIP present on its interface.
struct AddVips {};
/// Take every VIP off its interface, also one that was found there.
struct RemoveVips {};
/// Gratuitous ARP for every VIP, `rounds` times over all of them.
struct SendGarp {
    std::uint32_t rounds = 1;
    /// A peer's advert is the cause: what is logged about it must be rate-limited by the shell.
    bool caused_by_peer = false;
};
/// Tell the world the state that the machine has now.
struct ReportState {};

enum class LogEvent : std::uint8_t {
    EnteringBackupInit,
    EnteringBackup,
    EnteringMaster,
    ResumingMaster,
    EnteringFault,
    AdvertTimeout,
    SettingVips,
    RemovingVips,
    SentZeroPriority,
    BackupGotZeroPriority,
    MasterGotZeroPriority,
    MasterGotHigherPriority,
    MasterGotSamePriorityHigherAddress,
    MasterGotLowerPriority,
    PriorityChanged,
    HandingOver,
    TimerTooLate,
    OtherOwner,
    YieldingToOwner,
};

/// A line for the log, as a value. The remote-caused ones must be rate-limited by the shell.
struct Log {
    LogEvent event = LogEvent::EnteringBackup;
    IpAddress peer;
    std::uint8_t theirs = 0;  ///< priority; PriorityChanged: the old one
    std::uint8_t ours = 0;
    /// keepalived's text: "(VI_1) Entering MASTER STATE".
    std::string text(const std::string& instance) const;
    bool caused_by_peer() const;
};

using Action =
    std::variant<SendAdvert, SendResign, AddVips, RemoveVips, SendGarp, ReportState, Log>;
using Actions = std::vector<Action>;

/// Changes `machine` and says what is to be done about it.
Actions step(Machine& machine, const Policy& policy, const Event& event, TimePoint now);
/// The same, into `actions`, which is emptied first: with room in it nothing is allocated.
void step(
    Machine& machine, const Policy& policy, const Event& event, TimePoint now, Actions& actions);

/// When Tick is due; nullopt: not before another event.
std::optional<TimePoint> next_wake(const Machine& machine);

/// RFC 3768 6.1: (256 - priority) / 256 s; RFC 9568 6.1: that part of the master's interval.
Nanos skew_time(const Machine& machine, const Policy& policy);
/// down_timer_adverts x the master's interval + skew.
Nanos master_down_interval(const Machine& machine, const Policy& policy);

std::string_view to_string(State state);  ///< "INIT", "BACKUP", "MASTER", "FAULT"

}  // namespace vipd::vrrp
