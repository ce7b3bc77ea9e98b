// SPDX-License-Identifier: Apache-2.0
#include "vrrp/fsm/sync_group.hpp"

#include <algorithm>

namespace vipd::vrrp {

std::vector<std::pair<std::size_t, Event>> sync_events(std::span<const Machine* const> members) {
    std::vector<std::pair<std::size_t, Event>> events;
    if (std::ranges::any_of(members, [](auto* m) { return m->state == State::Init; }))
        return events;

    // A fault of any member is everyone's; it ends when the last member's own fault has ended.
    for (std::size_t i = 0; i < members.size(); ++i) {
        bool others = false;
        for (std::size_t k = 0; k < members.size(); ++k) others |= k != i && members[k]->fault;
        if (members[i]->group_fault != others) events.emplace_back(i, SyncFault{others});
    }
    if (!events.empty()) return events;

    const auto masters =
        std::ranges::count_if(members, [](auto* m) { return m->state == State::Master; });
    if (masters == std::ssize(members)) return events;
    const bool all_want = std::ranges::all_of(members, [](auto* m) {
        return m->state == State::Master || (m->state == State::Backup && m->wants_master);
    });
    for (std::size_t i = 0; i < members.size(); ++i) {
        if (all_want && members[i]->state == State::Backup) events.emplace_back(i, SyncMaster{});
        // Promotion is always of all at once: a mixture means that one of them has just lost it.
        if (!all_want && members[i]->state == State::Master) events.emplace_back(i, SyncBackup{});
    }
    return events;
}

}  // namespace vipd::vrrp
