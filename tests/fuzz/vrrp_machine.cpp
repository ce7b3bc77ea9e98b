// SPDX-License-Identifier: Apache-2.0
// The same bytes, read as events, given to the state machine in each of its states and under
// several policies: it goes only where RFC 9568, 6.4 and keepalived's options let it go, and does
// what goes with that. Then to the members of a sync group, which have to come to an agreement each
// time.
#include "vrrp/fsm/machine.hpp"
#include "vrrp/fsm/sync_group.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace vipd;
using namespace vipd::vrrp;

constexpr TimePoint kStart{Seconds(1'000'000)};
constexpr std::array kStates = {State::Init, State::Backup, State::Master, State::Fault};

void demand(bool holds) {
    if (!holds) std::abort();
}

/// Bytes, and zeros behind them.
class Source {
  public:
    explicit Source(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
    bool empty() const { return bytes_.empty(); }
    std::uint8_t byte() {
        if (bytes_.empty()) return 0;
        const std::uint8_t first = bytes_.front();
        bytes_ = bytes_.subspan(1);
        return first;
    }
    bool flag() { return (byte() & 1U) != 0; }
    std::uint8_t priority() { return std::max<std::uint8_t>(1, byte()); }
    /// From nothing to a day, fine where it is short.
    Nanos time() {
        const unsigned value = byte();
        return Nanos(value % 16 * 7) * (std::int64_t{1} << (value / 16 * 3));
    }

  private:
    std::span<const std::uint8_t> bytes_;
};

Policy read_policy(Source& in) {
    Policy policy;
    policy.version = in.flag() ? 3 : 2;
    policy.priority = in.priority();
    const unsigned interval = in.byte();
    policy.advert_interval = policy.version == 3 ? Nanos(Millis(10) * (1 + interval * 16))
                                                 : Nanos(Seconds(1 + interval % 255));
    const unsigned bits = in.byte();
    policy.nopreempt = (bits & 1U) != 0;
    policy.grouped = (bits & 2U) != 0;
    policy.lower_prio_no_advert = (bits & 4U) != 0;
    policy.higher_prio_send_advert = (bits & 8U) != 0;
    policy.owner_ignore_adverts = (bits & 16U) != 0;
    if ((bits & 32U) != 0) policy.timer_expired_backup = in.priority();
    if ((bits & 64U) != 0) policy.preempt_delay = in.time();
    if ((bits & 128U) != 0) policy.garp_refresh = Seconds(1 + in.byte());
    policy.down_timer_adverts = static_cast<std::uint8_t>(1 + in.byte() % 100);
    policy.garp_repeat = in.byte() % 4U;
    policy.garp_lower_prio_repeat = in.byte() % 4U;
    policy.primary = IpAddress::v4(0x0a000080U);
    return policy;
}

Event read_event(Source& in) {
    switch (in.byte() % 13) {
        case 0:
            return Startup{in.time()};
        case 1:
            return Resume{kStates[in.byte() % kStates.size()]};
        case 2:
        case 3:
            return Tick{};
        case 4:
        case 5:
            // A name that is looked up: the same address as ours is a reflection.
            return Heard{in.byte(),
                         Millis(10) * (1 + in.byte() * 16),
                         IpAddress::v4(0x0a00007eU + in.byte() % 5U)};
        case 6:
            return FaultSet{};
        case 7:
            return FaultCleared{};
        case 8:
            return PriorityChanged{in.priority()};
        case 9:
            return Handover{in.time()};
        case 10:
            return PolicyChanged{};
        case 11:
            return Shutdown{};
        default:
            switch (in.byte() % 4) {
                case 0:
                    return SyncMaster{};
                case 1:
                    return SyncBackup{};
                case 2:
                    return SyncFault{true};
                default:
                    return SyncFault{false};
            }
    }
}

/// Whether `event` may bring a machine from one state into the other.
bool legal(const Machine& before, const Policy& policy, const Event& event, State to) {
    const State from = before.state;
    const bool fault = before.fault || before.group_fault;
    const bool owner = policy.priority == 255 && !policy.grouped;
    const auto only = [&](State of, bool may, State then) {
        return to == from || (from == of && may && to == then);
    };
    return std::visit(
        [&](const auto& what) {
            using T = std::decay_t<decltype(what)>;
            if constexpr (std::is_same_v<T, Startup>) {
                if (from != State::Init) return to == from;
                if (fault) return to == State::Fault;
                return to == (owner && what.delay == Nanos(0) ? State::Master : State::Backup);
            } else if constexpr (std::is_same_v<T, Resume>) {
                if (from != State::Init) return to == from;
                if (fault) return to == State::Fault;
                return to == (owner || what.as == State::Master ? State::Master : State::Backup);
            } else if constexpr (std::is_same_v<T, Tick>) {
                return only(State::Backup, !policy.grouped, State::Master) ||
                       only(State::Master,
                            policy.nopreempt && policy.timer_expired_backup,
                            State::Backup);
            } else if constexpr (std::is_same_v<T, Heard>) {
                const bool heard = what.source != policy.primary && what.priority > 0 &&
                                   (policy.priority != 255 || !policy.owner_ignore_adverts);
                const bool equal = heard && what.priority == before.priority;
                const bool stronger = (heard && what.priority > before.priority) ||
                                      (equal && what.source > policy.primary);
                if (from == State::Master && stronger) return to == State::Backup;
                // One owner that will not give up makes the other do so.
                return only(State::Master, equal && policy.priority == 255, State::Backup);
            } else if constexpr (std::is_same_v<T, FaultSet>) {
                return from == State::Init ? to == from : to == State::Fault;
            } else if constexpr (std::is_same_v<T, FaultCleared>) {
                return only(
                    State::Fault, !before.group_fault, owner ? State::Master : State::Backup);
            } else if constexpr (std::is_same_v<T, SyncFault>) {
                if (what.set) return from == State::Init ? to == from : to == State::Fault;
                return only(State::Fault, !before.fault, owner ? State::Master : State::Backup);
            } else if constexpr (std::is_same_v<T, Handover> || std::is_same_v<T, SyncBackup>) {
                return to == (from == State::Master ? State::Backup : from);
            } else if constexpr (std::is_same_v<T, SyncMaster>) {
                return to == (from == State::Backup ? State::Master : from);
            } else if constexpr (std::is_same_v<T, Shutdown>) {
                return to == State::Init;
            } else {
                return to == from;
            }
        },
        event);
}

template <class T>
std::ptrdiff_t count(const Actions& actions) {
    return std::ranges::count_if(actions,
                                 [](const Action& one) { return std::holds_alternative<T>(one); });
}

template <class T>
std::ptrdiff_t place(const Actions& actions) {
    return std::ranges::find_if(actions,
                                [](const Action& one) { return std::holds_alternative<T>(one); }) -
           actions.begin();
}

void check_actions(const Machine& before,
                   const Policy& policy,
                   const Event& event,
                   State to,
                   const Actions& actions) {
    const State from = before.state;
    const bool gains = from != State::Master && to == State::Master;
    const bool loses = from == State::Master && to != State::Master;
    // Addresses come with mastership and go with it; what a crash left behind goes at the start.
    demand(count<AddVips>(actions) == (gains ? 1 : 0));
    demand(count<RemoveVips>(actions) == 1 || (count<RemoveVips>(actions) == 0 && !loses));
    demand(count<RemoveVips>(actions) == 0 || loses || from == State::Init);
    if (from == State::Init && std::holds_alternative<Startup>(event))
        demand(count<RemoveVips>(actions) == 1 ||
               (policy.priority == 255 && !before.fault && !before.group_fault));
    // One event is never more than one advert, and only a master's.
    demand(count<SendAdvert>(actions) <= 1);
    demand(count<SendAdvert>(actions) == 0 || from == State::Master || to == State::Master);
    demand(!gains || place<SendAdvert>(actions) < place<AddVips>(actions));
    // Who resigns does so before its addresses go; a fault and a handover do it twice.
    const auto resigns = count<SendResign>(actions);
    demand(resigns == 0 || loses || std::holds_alternative<Resume>(event));
    demand(resigns == 0 || place<SendResign>(actions) < place<RemoveVips>(actions));
    if (loses && to == State::Fault) demand(resigns == 2);
    if (loses && std::holds_alternative<Shutdown>(event)) demand(resigns == 1);
    demand(count<SendGarp>(actions) == 0 || to == State::Master);
    // Everybody is told of every state but the last.
    demand((count<ReportState>(actions) == 1) == (from != to && to != State::Init));
}

Actions give(Machine& machine, const Policy& policy, const Event& event, TimePoint now) {
    const Machine before = machine;
    Actions actions = step(machine, policy, event, now);
    demand(legal(before, policy, event, machine.state));
    check_actions(before, policy, event, machine.state, actions);
    const auto wake = next_wake(machine);
    demand(wake.has_value() == (machine.state == State::Backup || machine.state == State::Master));
    // What was due has been done: a wake-up that stays due is a loop.
    if (std::holds_alternative<Tick>(event)) demand(!wake || *wake > now);
    demand(machine.state == State::Init || machine.priority != 0);
    demand(machine.state != State::Master || !machine.wants_master);
    for (const Action& action : actions)
        if (const auto* line = std::get_if<Log>(&action)) demand(!line->text("VI").empty());
    return actions;
}

Machine in_state(State state, const Policy& policy) {
    Machine machine;
    switch (state) {
        case State::Init:
            return machine;
        case State::Backup:
            (void)give(machine, policy, Startup{Seconds(1)}, kStart);
            break;
        case State::Master:
            (void)give(machine, policy, Resume{State::Master}, kStart);
            break;
        default:
            (void)give(machine, policy, FaultSet{}, kStart);
            (void)give(machine, policy, Startup{}, kStart);
    }
    demand(machine.state == state);
    return machine;
}

void alone(std::span<const std::uint8_t> bytes) {
    for (const State state : kStates) {
        Source in(bytes);
        Policy policy = read_policy(in);
        const Policy other = read_policy(in);
        Machine machine = in_state(state, policy);
        TimePoint now = kStart;
        while (!in.empty()) {
            now += in.time();
            const Event event = read_event(in);
            if (std::holds_alternative<PolicyChanged>(event)) policy = std::exchange(policy, other);
            (void)give(machine, policy, event, now);
            // However late: a tick brings everything up to date.
            (void)give(machine, policy, Tick{}, now);
        }
    }
}

void together(std::span<const std::uint8_t> bytes) {
    for (const State state : kStates) {
        Source in(bytes);
        std::array<Policy, 3> policies;
        std::array<Machine, 3> machines;
        std::vector<const Machine*> members;
        for (std::size_t i = 0; i < machines.size(); ++i) {
            policies[i] = read_policy(in);
            policies[i].grouped = true;
            machines[i] = in_state(state, policies[i]);
            members.push_back(&machines[i]);
        }
        TimePoint now = kStart;
        while (!in.empty()) {
            now += in.time();
            const std::size_t whose = in.byte() % machines.size();
            Event event = read_event(in);
            // These are the group's own.
            if (std::holds_alternative<SyncMaster>(event) ||
                std::holds_alternative<SyncBackup>(event) ||
                std::holds_alternative<SyncFault>(event))
                event = Tick{};
            (void)give(machines[whose], policies[whose], event, now);
            int rounds = 0;
            for (auto events = sync_events(members); !events.empty();
                 events = sync_events(members)) {
                for (const auto& [index, order] : events)
                    (void)give(machines[index], policies[index], order, now);
                demand(++rounds < 8);
            }
            const auto in_it = [&](State which) {
                return std::ranges::count_if(
                    machines, [&](const Machine& one) { return one.state == which; });
            };
            if (in_it(State::Init) > 0) continue;
            demand(in_it(State::Master) == 0 || in_it(State::Master) == 3);
            demand(in_it(State::Fault) == 0 || in_it(State::Fault) == 3);
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // Longer ones say nothing new.
    const std::span bytes(data, std::min<std::size_t>(size, 2048));
    alone(bytes);
    together(bytes);
    return 0;
}
