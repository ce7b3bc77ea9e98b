// SPDX-License-Identifier: Apache-2.0
#include "vrrp/fsm/machine.hpp"

#include "vrrp/packet/advert.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace vipd::vrrp {

namespace {

// A weaker master's adverts are answered at once, but not each of a flood of them.
constexpr int kAnswersPerInterval = 10;
constexpr Nanos kGarpAnswerInterval = Seconds(1);
constexpr int kOwnerPatience = 3;

Nanos skew(std::uint8_t version, std::uint8_t priority, Nanos interval) {
    return (version == 3 ? interval : Nanos(Seconds(1))) * (256 - priority) / 256;
}

/// One call of step(): the machine, what it may read, and the actions that gather.
class Transition {
  public:
    Transition(Machine& machine, const Policy& policy, TimePoint now, Actions& actions)
        : m_(machine), policy_(policy), now_(now), actions_(actions) {}

    void on(const Startup&);
    void on(const Resume&);
    void on(const Tick&);
    void on(const Heard&);
    void on(const FaultSet&);
    void on(const FaultCleared&);
    void on(const PriorityChanged&);
    void on(const Handover&);
    void on(const PolicyChanged&);
    void on(const Shutdown&);
    void on(const SyncMaster&);
    void on(const SyncBackup&);
    void on(const SyncFault&);

  private:
    bool owner() const { return policy_.priority == kOwnerPriority; }
    void log(LogEvent event) { actions_.emplace_back(Log{event, {}, 0, m_.priority}); }
    void log(LogEvent event, const Heard& heard) {
        actions_.emplace_back(Log{event, heard.source, heard.priority, m_.priority});
    }
    void act(Action action) { actions_.push_back(action); }

    void heard_as_backup(const Heard&);
    void heard_as_master(const Heard&);
    bool may_preempt(const Heard&);
    void answer_weaker_master();
    void schedule_garp(Nanos delay, bool by_peer);
    void schedule_refresh();
    bool heard_other_owner(const Heard&);
    void advance_advert_timer();

    void become_master();
    void become_backup(LogEvent how);
    void become_backup_or_owner();
    void become_fault();
    void give_up_vips(int resigns);
    void forget_master();

    Machine& m_;
    const Policy& policy_;
    TimePoint now_;
    Actions& actions_;
};

void Transition::forget_master() {
    m_.master = {};
    m_.master_priority = 0;
    m_.master_interval = policy_.advert_interval;
}

void Transition::schedule_garp(Nanos delay, bool by_peer) {
    m_.garp_again.reset();
    m_.garp_again_by_peer = by_peer;
    if (delay > Nanos(0)) m_.garp_again = now_ + delay;
}

void Transition::schedule_refresh() {
    m_.garp_refresh.reset();
    if (policy_.garp_refresh > Nanos(0)) m_.garp_refresh = now_ + policy_.garp_refresh;
}

void Transition::become_master() {
    m_.state = State::Master;
    m_.wants_master = false;
    m_.preempt_at.reset();
    m_.hold_until.reset();
    forget_master();
    m_.rogue_until.reset();
    if (std::exchange(m_.yielding, false)) m_.priority = policy_.priority;
    m_.timer = now_ + policy_.advert_interval;
    m_.last_answer = m_.last_garp_answer = TimePoint::min();
    log(LogEvent::EnteringMaster);
    // The advert first: it silences the others; an address that two nodes hold for a moment does
    // less harm than an election that is still open.
    act(SendAdvert{});
    log(LogEvent::SettingVips);
    act(AddVips{});
    if (policy_.garp_repeat > 0) act(SendGarp{policy_.garp_repeat});
    act(ReportState{});
    schedule_garp(policy_.garp_repeat > 0 ? policy_.garp_delay : Nanos(0), false);
    schedule_refresh();
}

void Transition::become_backup(LogEvent how) {
    m_.state = State::Backup;
    m_.wants_master = false;
    m_.preempt_at.reset();
    m_.rogue_until.reset();
    m_.garp_again.reset();
    m_.garp_refresh.reset();
    m_.timer = now_ + master_down_interval(m_, policy_);
    log(how);
    act(ReportState{});
}

// RFC 9568, 6.4.1: the owner of the address does not wait. In a group it waits for the others.
void Transition::become_backup_or_owner() {
    forget_master();
    if (owner() && !policy_.grouped) {
        become_master();
        return;
    }
    const bool init = m_.state == State::Init;
    become_backup(init ? LogEvent::EnteringBackupInit : LogEvent::EnteringBackup);
    if (owner()) m_.timer = now_;
}

void Transition::give_up_vips(int resigns) {
    for (int i = 0; i < resigns; ++i) act(SendResign{});
    if (resigns > 0) log(LogEvent::SentZeroPriority);
    log(LogEvent::RemovingVips);
    act(RemoveVips{});
}

void Transition::become_fault() {
    if (m_.state == State::Master) give_up_vips(2);
    m_.state = State::Fault;
    m_.wants_master = false;
    m_.preempt_at.reset();
    m_.garp_again.reset();
    m_.garp_refresh.reset();
    forget_master();
    log(LogEvent::EnteringFault);
    act(ReportState{});
}

void Transition::on(const Startup& startup) {
    if (m_.state != State::Init) return;
    if (m_.priority == 0) m_.priority = policy_.priority;
    // A VIP found on the interface is of an instance that crashed: not ours to answer for yet.
    if (!owner() || m_.fault || m_.group_fault) give_up_vips(0);
    if (m_.fault || m_.group_fault) {
        become_fault();
    } else if (startup.delay > Nanos(0)) {
        forget_master();
        become_backup(LogEvent::EnteringBackupInit);
        m_.timer = (owner() ? now_ : m_.timer) + startup.delay;
    } else {
        become_backup_or_owner();
    }
}

void Transition::on(const Resume& resume) {
    if (m_.state != State::Init) return;
    if (m_.priority == 0) m_.priority = policy_.priority;
    if (resume.as != State::Master) {
        on(Startup{});
        return;
    }
    if (m_.fault || m_.group_fault) {
        m_.state = State::Master;
        become_fault();
        return;
    }
    become_master();
    // The VIPs stand and the neighbours know us: nothing is announced but the advert, and one round
    // in case the end came between the two.
    for (Action& action : actions_) {
        if (auto* garp = std::get_if<SendGarp>(&action)) garp->rounds = 1;
        if (auto* line = std::get_if<Log>(&action); line != nullptr)
            if (line->event == LogEvent::EnteringMaster) line->event = LogEvent::ResumingMaster;
    }
}

void Transition::advance_advert_timer() {
    // From the last due time, not from now: lateness must not add up.
    m_.timer += policy_.advert_interval;
    if (m_.timer <= now_) m_.timer = now_ + policy_.advert_interval;
}

void Transition::on(const Tick&) {
    if (m_.hold_until && now_ >= *m_.hold_until) m_.hold_until.reset();
    if (m_.state == State::Backup && now_ >= m_.timer) {
        if (!policy_.grouped) {
            log(LogEvent::AdvertTimeout);
            become_master();
            return;
        }
        if (!m_.wants_master) log(LogEvent::AdvertTimeout);
        m_.wants_master = true;
        m_.timer = now_ + master_down_interval(m_, policy_);
        return;
    }
    if (m_.state != State::Master) return;
    if (policy_.timer_expired_backup && policy_.nopreempt && now_ >= m_.timer) {
        // Somebody else has been master for a while: we do not take it from him.
        const Nanos theirs =
            policy_.advert_interval * policy_.down_timer_adverts +
            skew(policy_.version, *policy_.timer_expired_backup, policy_.advert_interval);
        if (now_ - m_.timer + policy_.advert_interval > theirs) {
            log(LogEvent::TimerTooLate);
            give_up_vips(0);
            forget_master();
            become_backup(LogEvent::EnteringBackup);
            return;
        }
    }
    if (now_ >= m_.timer) {
        act(SendAdvert{});
        advance_advert_timer();
    }
    if (m_.garp_again && now_ >= *m_.garp_again) {
        m_.garp_again.reset();
        act(SendGarp{
            .rounds = m_.garp_again_by_peer ? policy_.garp_lower_prio_repeat : policy_.garp_repeat,
            .caused_by_peer = m_.garp_again_by_peer});
    }
    if (m_.garp_refresh && now_ >= *m_.garp_refresh) {
        schedule_refresh();
        act(SendGarp{policy_.garp_refresh_repeat});
    }
}

void Transition::on(const Heard& heard) {
    if (heard.source == policy_.primary) return;
    if (owner() && policy_.owner_ignore_adverts) return;
    if (m_.state == State::Backup) {
        heard_as_backup(heard);
    } else if (m_.state == State::Master) {
        heard_as_master(heard);
    }
}

// Whether a weaker master's advert is to be disregarded, so that our timer runs out.
bool Transition::may_preempt(const Heard& heard) {
    if (heard.priority >= m_.priority) {
        m_.preempt_at.reset();
        return false;
    }
    if (policy_.nopreempt || (m_.hold_until && now_ < *m_.hold_until)) return false;
    if (policy_.preempt_delay > Nanos(0)) {
        if (!m_.preempt_at) m_.preempt_at = now_ + policy_.preempt_delay;
        if (now_ < *m_.preempt_at) return false;
    }
    return true;
}

void Transition::heard_as_backup(const Heard& heard) {
    if (heard.priority == kResignPriority) {
        // Never later than it was: a stream of forged resignations must not hold us back.
        m_.timer = std::min(m_.timer, now_ + skew_time(m_, policy_));
        log(LogEvent::BackupGotZeroPriority, heard);
        return;
    }
    if (may_preempt(heard)) return;
    m_.master = heard.source;
    m_.master_priority = heard.priority;
    m_.master_interval = policy_.version == 3 ? heard.interval : policy_.advert_interval;
    m_.wants_master = false;
    m_.timer = now_ + master_down_interval(m_, policy_);
}

void Transition::answer_weaker_master() {
    if (m_.last_answer != TimePoint::min() &&
        now_ - m_.last_answer < policy_.advert_interval / kAnswersPerInterval)
        return;
    m_.last_answer = now_;
    m_.timer = now_ + policy_.advert_interval;
    act(SendAdvert{});
}

void Transition::heard_as_master(const Heard& heard) {
    if (heard.priority == kResignPriority) {
        log(LogEvent::MasterGotZeroPriority, heard);
        answer_weaker_master();
        return;
    }
    const bool same = heard.priority == m_.priority;
    if (heard.priority > m_.priority || (same && heard.source > policy_.primary)) {
        log(same ? LogEvent::MasterGotSamePriorityHigherAddress : LogEvent::MasterGotHigherPriority,
            heard);
        if (policy_.higher_prio_send_advert) act(SendAdvert{});
        give_up_vips(0);
        m_.master = heard.source;
        m_.master_priority = heard.priority;
        m_.master_interval = policy_.version == 3 ? heard.interval : policy_.advert_interval;
        become_backup(LogEvent::EnteringBackup);
        return;
    }
    if (heard_other_owner(heard)) return;
    log(LogEvent::MasterGotLowerPriority, heard);
    if (!policy_.lower_prio_no_advert) answer_weaker_master();
    // It has announced the addresses as its own: take the neighbours' entries back.
    if (policy_.garp_lower_prio_repeat > 0 && (m_.last_garp_answer == TimePoint::min() ||
                                               now_ - m_.last_garp_answer >= kGarpAnswerInterval)) {
        m_.last_garp_answer = now_;
        act(SendGarp{.rounds = policy_.garp_lower_prio_repeat, .caused_by_peer = true});
        schedule_garp(policy_.garp_lower_prio_delay, true);
    }
}

// Two owners of one address are a mistake; the one with the lower address gives up as soon as it
// hears the other. One that does not even after some intervals will never: then we have to. True:
// we have.
bool Transition::heard_other_owner(const Heard& heard) {
    if (!owner() || heard.priority != kOwnerPriority) return false;
    const Nanos patience = std::max(policy_.advert_interval, heard.interval) * kOwnerPatience;
    if (!m_.rogue_until || now_ > *m_.rogue_until + patience) {
        log(LogEvent::OtherOwner, heard);
        m_.rogue_until = now_ + patience;
    }
    if (now_ < *m_.rogue_until) return false;
    log(LogEvent::YieldingToOwner, heard);
    m_.yielding = true;
    m_.priority = kOwnerPriority - 1;
    give_up_vips(0);
    m_.master = heard.source;
    m_.master_priority = heard.priority;
    m_.master_interval = policy_.version == 3 ? heard.interval : policy_.advert_interval;
    become_backup(LogEvent::EnteringBackup);
    return true;
}

void Transition::on(const FaultSet&) {
    m_.fault = true;
    if (m_.state == State::Backup || m_.state == State::Master) become_fault();
}

void Transition::on(const FaultCleared&) {
    m_.fault = false;
    if (m_.state == State::Fault && !m_.group_fault) become_backup_or_owner();
}

void Transition::on(const SyncFault& fault) {
    m_.group_fault = fault.set;
    if (fault.set && (m_.state == State::Backup || m_.state == State::Master)) become_fault();
    if (!fault.set && m_.state == State::Fault && !m_.fault) become_backup_or_owner();
}

void Transition::on(const PriorityChanged& change) {
    if (change.priority == m_.priority) return;
    if (m_.yielding && change.priority == kOwnerPriority) return;
    m_.yielding = false;
    const Nanos before = skew_time(m_, policy_);
    const std::uint8_t old = m_.priority;
    m_.priority = change.priority;
    if (m_.state == State::Init) return;
    act(Log{LogEvent::PriorityChanged, {}, old, m_.priority});
    // The skew is the only part of the running timer that depends on the priority.
    if (m_.state == State::Backup) m_.timer += skew_time(m_, policy_) - before;
}

void Transition::on(const Handover& handover) {
    if (m_.state == State::Init) return;
    m_.hold_until = now_ + handover.hold;
    if (m_.state != State::Master) return;
    log(LogEvent::HandingOver);
    give_up_vips(2);
    forget_master();
    become_backup(LogEvent::EnteringBackup);
}

void Transition::on(const PolicyChanged&) {
    const Nanos before = m_.master_interval * policy_.down_timer_adverts + skew_time(m_, policy_);
    if (!m_.master || policy_.version == 2) m_.master_interval = policy_.advert_interval;
    // Moved by what the interval has changed, not begun anew: reloads in a row would keep the node
    // from ever taking over.
    if (m_.state == State::Backup) m_.timer += master_down_interval(m_, policy_) - before;
    if (!policy_.grouped) m_.wants_master = false;
    if (m_.state != State::Master) return;
    act(SendAdvert{});
    m_.timer = now_ + policy_.advert_interval;
    schedule_refresh();
}

void Transition::on(const Shutdown&) {
    if (m_.state == State::Master) give_up_vips(1);
    m_.state = State::Init;
    m_.wants_master = false;
    m_.garp_again.reset();
    m_.garp_refresh.reset();
}

void Transition::on(const SyncMaster&) {
    if (m_.state == State::Backup) become_master();
}

void Transition::on(const SyncBackup&) {
    if (m_.state != State::Master) return;
    give_up_vips(1);
    forget_master();
    become_backup(LogEvent::EnteringBackup);
}

}  // namespace

Nanos skew_time(const Machine& machine, const Policy& policy) {
    return skew(policy.version, machine.priority, machine.master_interval);
}

Nanos master_down_interval(const Machine& machine, const Policy& policy) {
    const Nanos interval = policy.version == 3 ? machine.master_interval : policy.advert_interval;
    return interval * policy.down_timer_adverts + skew_time(machine, policy);
}

void step(
    Machine& machine, const Policy& policy, const Event& event, TimePoint now, Actions& actions) {
    actions.clear();
    Transition transition(machine, policy, now, actions);
    std::visit([&](const auto& what) { transition.on(what); }, event);
}

Actions step(Machine& machine, const Policy& policy, const Event& event, TimePoint now) {
    Actions actions;
    step(machine, policy, event, now, actions);
    return actions;
}

std::optional<TimePoint> next_wake(const Machine& machine) {
    if (machine.state != State::Backup && machine.state != State::Master) return std::nullopt;
    TimePoint wake = machine.timer;
    if (machine.state == State::Master) {
        if (machine.garp_again) wake = std::min(wake, *machine.garp_again);
        if (machine.garp_refresh) wake = std::min(wake, *machine.garp_refresh);
    }
    return wake;
}

std::string_view to_string(State state) {
    static constexpr std::array<std::string_view, 4> kNames = {"INIT", "BACKUP", "MASTER", "FAULT"};
    return kNames.at(static_cast<std::size_t>(state));
}

bool Log::caused_by_peer() const {
    return event == LogEvent::BackupGotZeroPriority || event == LogEvent::MasterGotZeroPriority ||
           event == LogEvent::MasterGotHigherPriority ||
           event == LogEvent::MasterGotSamePriorityHigherAddress ||
           event == LogEvent::MasterGotLowerPriority || event == LogEvent::OtherOwner ||
           event == LogEvent::YieldingToOwner;
}

std::string Log::text(const std::string& instance) const {
    const auto from = [&] { return peer.to_string(); };
    switch (event) {
        case LogEvent::EnteringBackupInit:
            return fmt::format("({}) Entering BACKUP STATE (init)", instance);
        case LogEvent::EnteringBackup:
            return fmt::format("({}) Entering BACKUP STATE", instance);
        case LogEvent::EnteringMaster:
            return fmt::format("({}) Entering MASTER STATE", instance);
        case LogEvent::ResumingMaster:
            return fmt::format("({}) Resuming MASTER STATE", instance);
        case LogEvent::EnteringFault:
            return fmt::format("({}) Entering FAULT STATE", instance);
        case LogEvent::AdvertTimeout:
            return fmt::format("({}) Receive advertisement timeout", instance);
        case LogEvent::SettingVips:
            return fmt::format("({}) setting VIPs.", instance);
        case LogEvent::RemovingVips:
            return fmt::format("({}) removing VIPs.", instance);
        case LogEvent::SentZeroPriority:
            return fmt::format("({}) sent 0 priority", instance);
        case LogEvent::BackupGotZeroPriority:
            return fmt::format(
                "({}) Backup received priority 0 advertisement from {}", instance, from());
        case LogEvent::MasterGotZeroPriority:
            return fmt::format(
                "({}) Master received priority 0 advertisement from {}", instance, from());
        case LogEvent::MasterGotHigherPriority:
            return fmt::format(
                "({}) Master received advert from {} with higher priority {}, ours {}",
                instance,
                from(),
                theirs,
                ours);
        case LogEvent::MasterGotSamePriorityHigherAddress:
            return fmt::format(
                "({}) Master received advert from {} with same priority {} but higher IP address "
                "than ours",
                instance,
                from(),
                theirs);
        case LogEvent::MasterGotLowerPriority:
            return fmt::format(
                "({}) Received advert from {} with lower priority {}, ours {}, forcing new "
                "election",
                instance,
                from(),
                theirs,
                ours);
        case LogEvent::TimerTooLate:
            return fmt::format("({}) its timer was so late that another router must be master",
                               instance);
        case LogEvent::OtherOwner:
            return fmt::format(
                "({}) {} has priority 255, too: only the owner of the address may have it",
                instance,
                from());
        case LogEvent::YieldingToOwner:
            return fmt::format(
                "({}) {} keeps priority 255: going on with 254 until it stops", instance, from());
        case LogEvent::PriorityChanged:
            return fmt::format(
                "({}) Changing effective priority from {} to {}", instance, theirs, ours);
        case LogEvent::HandingOver:
            break;
    }
    return fmt::format("({}) Handing over to another router as asked", instance);
}

}  // namespace vipd::vrrp
