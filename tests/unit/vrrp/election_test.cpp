// SPDX-License-Identifier: Apache-2.0
// Many routers of one or two virtual routers, on a network that loses, delays, doubles and cuts,
// with routers that crash, restart, pause, fault, hand over and find their clocks far ahead; all
// from recorded seeds. At every step: who is not master has no address, and members of a sync group
// are alike. At every moment: who has died or stands still answers for no address longer than its
// lease. However bad it was: after three calm intervals and the skew nobody is master beside
// another for longer than an advert takes, and soon exactly one is.
#include "tests/unit/vrrp/packets.hpp"
#include "vrrp/fsm/machine.hpp"
#include "vrrp/fsm/sync_group.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace vipd::vrrp::test {
namespace {

constexpr Nanos kLongestDelay = Millis(5);
constexpr std::size_t kMishaps = 11;

/// What has happened, so that a test can tell whether it was enough.
struct Tally {
    std::size_t steps = 0;
    std::size_t lost = 0;
    std::size_t doubled = 0;
    std::size_t elections = 0;
    std::array<std::size_t, kMishaps> mishaps{};
};

struct Conditions {
    unsigned seed = 0;
    std::uint8_t version = 2;
    bool nopreempt = false;
    std::size_t instances = 1;  ///< on each router; two are a sync group
};

class Network {
  public:
    Network(const Conditions& conditions, Tally& tally) : random_(conditions.seed), tally_(tally) {
        interval_ = conditions.version == 3 ? Nanos(Millis(100)) : Nanos(Seconds(1));
        // As configured by itself: three adverts, at least a second.
        lease_ = std::max<Nanos>(Seconds(1), 3 * interval_);
        const std::size_t count = 2 + random_() % 4;
        for (std::size_t i = 0; i < count; ++i) {
            Router router;
            Policy policy;
            policy.version = conditions.version;
            policy.advert_interval = interval_;
            policy.grouped = conditions.instances > 1;
            policy.nopreempt = conditions.nopreempt && random_() % 2 == 0;
            policy.lower_prio_no_advert = random_() % 4 == 0;
            policy.higher_prio_send_advert = random_() % 4 == 0;
            if (random_() % 4 == 0) policy.timer_expired_backup = std::uint8_t{150};
            if (random_() % 4 == 0) policy.preempt_delay = interval_ * (random_() % 5);
            // Few values: equal priorities must be common.
            policy.priority = static_cast<std::uint8_t>(100 + random_() % 3 * 50);
            policy.primary = IpAddress::v4(0x0a000001U + static_cast<std::uint32_t>(i));
            router.instances.resize(conditions.instances, {.policy = policy});
            routers_.push_back(router);
            if (random_() % 3 != 0) start(i, State::Init);
        }
    }

    void rage(Nanos time) { run(time, true); }
    void calm(Nanos time) {
        calm_since_ = now_;
        for (std::size_t i = 0; i < routers_.size(); ++i) {
            routers_[i].cut = false;
            wake(i);
            for (std::size_t k = 0; k < routers_[i].instances.size(); ++k)
                if (state(i, k) == State::Init) start(i, k, State::Init);
            const bool heals = i > 0 || random_() % 2 == 0;
            for (std::size_t k = 0; heals && k < routers_[i].instances.size(); ++k)
                give(i, k, FaultCleared{});
        }
        run(time, false);
    }

    Nanos interval() const { return interval_; }
    std::size_t instances() const { return routers_[0].instances.size(); }
    std::vector<std::size_t> masters(std::size_t vrid) const { return in(State::Master, vrid); }
    std::size_t healthy() const { return routers_.size() - in(State::Fault, 0).size(); }
    std::uint8_t priority(std::size_t i) const { return routers_[i].instances[0].machine.priority; }
    /// What the master's priority must be where everybody preempts; an equal one preempts nobody.
    std::uint8_t highest_priority() const {
        std::uint8_t best = 0;
        for (std::size_t i = 0; i < routers_.size(); ++i)
            if (state(i, 0) != State::Fault) best = std::max(best, priority(i));
        return best;
    }

  private:
    struct Instance {
        Policy policy;
        Machine machine{};
        bool has_address = false;  ///< on its interface, whoever stands behind it
        TimePoint stood_behind{};  ///< when it was last master and alive
    };
    struct Router {
        std::vector<Instance> instances{};
        bool paused = false;
        bool cut = false;
        bool dead = false;
        Nanos ahead{0};  ///< its clock is so much later than the network's; monotonic, never less
        TimePoint lease_until{};
        TimePoint renewal{};  ///< the next
    };
    struct Packet {
        std::size_t from, to, vrid;
        Heard heard;
    };

    State state(std::size_t i, std::size_t k) const {
        return routers_[i].instances[k].machine.state;
    }
    bool runs(std::size_t i) const { return !routers_[i].paused && !routers_[i].dead; }
    std::vector<std::size_t> in(State wanted, std::size_t vrid) const {
        std::vector<std::size_t> out;
        for (std::size_t i = 0; i < routers_.size(); ++i)
            if (state(i, vrid) == wanted) out.push_back(i);
        return out;
    }

    // --- one router ------------------------------------------------------------------------------

    void renew_lease(std::size_t i) {
        routers_[i].lease_until = now_ + lease_;
        routers_[i].renewal = now_ + lease_ / 3;
    }
    void start(std::size_t i, std::size_t k, State as) {
        if (std::exchange(routers_[i].dead, false)) renew_lease(i);
        give(i, k, as == State::Init ? Event(Startup{}) : Event(Resume{as}));
    }
    void start(std::size_t i, State as) {
        renew_lease(i);
        for (std::size_t k = 0; k < routers_[i].instances.size(); ++k) start(i, k, as);
    }
    /// Nothing is sent, and what stands on the interface stays there.
    void crash(std::size_t i) {
        routers_[i].dead = true;
        routers_[i].paused = false;
        for (Instance& instance : routers_[i].instances) instance.machine = Machine{};
    }
    void wake(std::size_t i) {
        if (std::exchange(routers_[i].paused, false)) renew_lease(i);
    }

    void step_once(std::size_t i, std::size_t k, const Event& event) {
        ++tally_.steps;
        Instance& it = routers_[i].instances[k];
        for (const Action& action : step(it.machine, it.policy, event, now_ + routers_[i].ahead)) {
            if (std::holds_alternative<SendAdvert>(action)) send(i, k, it.machine.priority);
            if (std::holds_alternative<SendResign>(action)) send(i, k, 0);
            if (std::holds_alternative<AddVips>(action)) it.has_address = ++tally_.elections > 0;
            if (std::holds_alternative<RemoveVips>(action)) it.has_address = false;
        }
        if (it.machine.state == State::Master) it.stood_behind = now_;
        EXPECT_EQ(it.has_address, it.machine.state == State::Master) << where(i, k);
    }
    void give(std::size_t i, std::size_t k, const Event& event) {
        step_once(i, k, event);
        auto& members = routers_[i].instances;
        if (members.size() == 1) return;
        std::vector<const Machine*> machines;
        for (const Instance& member : members) machines.push_back(&member.machine);
        int rounds = 0;
        for (auto orders = sync_events(machines); !orders.empty(); orders = sync_events(machines)) {
            for (const auto& [index, order] : orders) step_once(i, index, order);
            ASSERT_LT(++rounds, 8) << where(i, k);
        }
        if (std::ranges::any_of(members,
                                [](const auto& one) { return one.machine.state == State::Init; }))
            return;
        for (const State alike : {State::Master, State::Fault})
            EXPECT_EQ(state(i, 0) == alike, state(i, 1) == alike) << where(i, k);
    }
    void send(std::size_t from, std::size_t vrid, std::uint8_t priority) {
        for (std::size_t to = 0; to < routers_.size(); ++to) {
            if (to == from) continue;
            if (raging_ && (routers_[from].cut || routers_[to].cut || random_() % 5 == 0)) {
                ++tally_.lost;
                continue;
            }
            const Nanos delay = Micros(50) + Nanos(random_() % kLongestDelay.count());
            const Policy& policy = routers_[from].instances[vrid].policy;
            const Packet packet{from, to, vrid, {priority, policy.advert_interval, policy.primary}};
            in_flight_.emplace(now_ + delay, packet);
            if (!raging_ || random_() % 10 != 0) continue;
            ++tally_.doubled;
            in_flight_.emplace(now_ + 2 * delay, packet);
        }
    }

    void mishap() {
        const std::size_t i = random_() % routers_.size();
        Router& router = routers_[i];
        const std::size_t k = random_() % router.instances.size();
        const auto was = state(i, k);
        const std::size_t kind = random_() % kMishaps;
        ++tally_.mishaps.at(kind);
        switch (kind) {
            case 0:
                crash(i);
                break;
            case 1:
                if (was == State::Init) start(i, State::Init);
                break;
            case 2:  // the process is restarted and its role given back
                if (router.dead) break;
                crash(i);
                start(i, was);
                break;
            case 3:
                if (router.dead) break;
                if (router.paused) {
                    wake(i);
                } else {
                    router.paused = true;
                }
                break;
            case 4:
                if (runs(i))
                    give(i, k, was == State::Fault ? Event(FaultCleared{}) : Event(FaultSet{}));
                break;
            case 5: {
                const auto priority = static_cast<std::uint8_t>(100 + random_() % 3 * 50);
                for (std::size_t member = 0; runs(i) && member < router.instances.size(); ++member)
                    if (state(i, member) != State::Init) give(i, member, PriorityChanged{priority});
                break;
            }
            case 6:
                if (runs(i)) give(i, k, Handover{interval() * (random_() % 3)});
                break;
            case 7:
                for (std::size_t member = 0; runs(i) && member < router.instances.size(); ++member)
                    give(i, member, Shutdown{});
                break;
            case 8:  // the machine below it was suspended, or its clock is of another opinion
                router.ahead += interval() * (random_() % 20);
                break;
            case 9:
                if (runs(i)) give(i, k, PolicyChanged{});
                break;
            default:
                router.cut = !router.cut;
        }
    }

    // --- all of them -----------------------------------------------------------------------------

    void look() {
        for (std::size_t i = 0; i < routers_.size(); ++i) {
            for (Instance& one : routers_[i].instances) {
                if (runs(i) && one.machine.state == State::Master) one.stood_behind = now_;
                const bool answers = one.has_address && now_ <= routers_[i].lease_until;
                EXPECT_TRUE(!answers || now_ <= one.stood_behind + lease_) << where(i, 0);
            }
        }
        for (std::size_t vrid = 0; vrid < instances(); ++vrid) {
            const bool several = masters(vrid).size() > 1;
            if (!several) several_since_[vrid].reset();
            if (several && !several_since_[vrid]) several_since_[vrid] = now_;
            // 156 of 256: the skew of the lowest priority here; then what was under way.
            const TimePoint settled =
                calm_since_ + 3 * interval() + std::max<Nanos>(interval(), Seconds(1)) * 156 / 256;
            if (raging_ || !several) continue;
            const TimePoint since = std::max(*several_since_[vrid], settled + kLongestDelay);
            EXPECT_LE(now_, since + 2 * kLongestDelay) << where(0, vrid);
        }
    }

    void run(Nanos time, bool raging) {
        raging_ = raging;
        const TimePoint end = now_ + time;
        TimePoint next_mishap = now_;
        while (!testing::Test::HasFailure()) {
            TimePoint next = end;
            if (raging) next = std::min(next, next_mishap);
            if (!in_flight_.empty()) next = std::min(next, in_flight_.begin()->first);
            for (std::size_t i = 0; i < routers_.size(); ++i) {
                if (!runs(i)) continue;
                next = std::min(next, routers_[i].renewal);
                for (const Instance& one : routers_[i].instances)
                    if (const auto wake = next_wake(one.machine))
                        next = std::min(next, *wake - routers_[i].ahead);
            }
            now_ = std::max(now_, next);
            look();
            if (now_ >= end) break;
            if (raging && now_ >= next_mishap) {
                mishap();
                next_mishap =
                    now_ + Nanos(random_() % static_cast<std::uint64_t>(interval().count()));
            }
            while (!in_flight_.empty() && in_flight_.begin()->first <= now_) {
                const Packet packet = in_flight_.begin()->second;
                in_flight_.erase(in_flight_.begin());
                if (runs(packet.to)) give(packet.to, packet.vrid, packet.heard);
            }
            for (std::size_t i = 0; i < routers_.size(); ++i) {
                if (!runs(i)) continue;
                if (routers_[i].renewal <= now_) renew_lease(i);
                for (std::size_t k = 0; k < routers_[i].instances.size(); ++k) {
                    const auto wake = next_wake(routers_[i].instances[k].machine);
                    if (wake && *wake <= now_ + routers_[i].ahead) give(i, k, Tick{});
                }
            }
        }
    }

    std::string where(std::size_t i, std::size_t k) const {
        return "router " + std::to_string(i) + " instance " + std::to_string(k) + " at " +
               std::to_string((now_ - TimePoint(Seconds(1000))).count() / 1000) + " us";
    }

    std::mt19937 random_;
    Nanos interval_{0};
    Nanos lease_{0};
    std::vector<Router> routers_;
    std::multimap<TimePoint, Packet> in_flight_;
    std::map<std::size_t, std::optional<TimePoint>> several_since_;
    TimePoint now_{Seconds(1000)};
    TimePoint calm_since_{};
    bool raging_ = false;
    Tally& tally_;
};

void play(const Conditions& conditions, Tally& tally) {
    Network network(conditions, tally);
    for (int round = 0; round < 5 && !testing::Test::HasFailure(); ++round) {
        const testing::ScopedTrace trace(__FILE__,
                                         __LINE__,
                                         "seed " + std::to_string(conditions.seed) + " version " +
                                             std::to_string(conditions.version) + " nopreempt " +
                                             std::to_string(conditions.nopreempt) + " instances " +
                                             std::to_string(conditions.instances) + " round " +
                                             std::to_string(round));
        network.rage(network.interval() * 30);
        // Three intervals and the largest skew from the last advert that was lost; what was still
        // under way then; and the second round that a late resignation can cause. A group needs one
        // for the member that was heard last.
        const auto rounds = conditions.instances > 1 ? 8 : 4;
        network.calm(network.interval() * rounds + 2 * kLongestDelay);
        const std::size_t wanted = network.healthy() > 0 ? 1 : 0;
        for (std::size_t vrid = 0; vrid < network.instances(); ++vrid)
            EXPECT_EQ(network.masters(vrid).size(), wanted);
        // Holds, delays and all else are over after this.
        network.calm(network.interval() * 16);
        for (std::size_t vrid = 0; vrid < network.instances(); ++vrid)
            EXPECT_EQ(network.masters(vrid).size(), wanted);
        if (conditions.nopreempt || network.masters(0).empty()) continue;
        EXPECT_EQ(network.priority(network.masters(0)[0]), network.highest_priority());
    }
}

void expect_enough(const Tally& tally, std::size_t steps) {
    testing::Test::RecordProperty("steps", std::to_string(tally.steps));
    EXPECT_GE(tally.steps, steps);
    EXPECT_GE(tally.lost, 100'000U);
    EXPECT_GE(tally.doubled, 5'000U);
    EXPECT_GE(tally.elections, 10'000U);
    for (const std::size_t count : tally.mishaps) EXPECT_GE(count, 3'000U);
}

constexpr std::array<std::uint8_t, 2> kVersions = {2, 3};

TEST(VrrpElection, ExactlyOneMasterAfterCalmWhateverCameBefore) {
    Tally tally;
    for (unsigned seed = 1; seed <= 400 && !HasFailure(); ++seed)
        for (const auto version : kVersions)
            for (const bool nopreempt : {false, true})
                play({.seed = seed, .version = version, .nopreempt = nopreempt}, tally);
    expect_enough(tally, 1'000'000);
}

TEST(VrrpElection, OfSyncGroupsMovesAllMembersTogether) {
    Tally tally;
    for (unsigned seed = 1; seed <= 200 && !HasFailure(); ++seed)
        for (const auto version : kVersions)
            play({.seed = seed, .version = version, .instances = 2}, tally);
    expect_enough(tally, 500'000);
}

}  // namespace
}  // namespace vipd::vrrp::test
