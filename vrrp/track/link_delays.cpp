// SPDX-License-Identifier: Apache-2.0
#include "vrrp/track/link_delays.hpp"

#include <algorithm>

namespace vipd::vrrp {

void LinkDelays::configure(const std::vector<LinkDelay>& delays) {
    std::map<std::string, Entry> entries;
    for (const LinkDelay& delay : delays) {
        const auto before = entries_.find(delay.interface);
        Entry entry = before == entries_.end() ? Entry{} : before->second;
        entry.down = delay.down;
        entry.up = delay.up;
        entries[delay.interface] = entry;
    }
    entries_ = std::move(entries);
}

void LinkDelays::apply(std::vector<Link>& links, TimePoint now) {
    for (auto& [name, entry] : entries_) {
        const auto link = std::ranges::find(links, name, &Link::name);
        if (link == links.end()) {
            entry.ifindex = 0;
            entry.changes_at.reset();
            continue;
        }
        const bool up = link->up && link->running;
        if (entry.ifindex != link->index) {
            entry.ifindex = link->index;
            entry.is_up = up;
        }
        if (up == entry.is_up) {
            entry.changes_at.reset();
            continue;
        }
        if (!entry.changes_at) entry.changes_at = now + (up ? entry.up : entry.down);
        if (*entry.changes_at <= now) {
            entry.is_up = up;
            entry.changes_at.reset();
        } else {
            link->up = link->running = entry.is_up;
        }
    }
}

std::optional<TimePoint> LinkDelays::wake() const {
    std::optional<TimePoint> wake;
    for (const auto& [name, entry] : entries_)
        if (entry.changes_at && (!wake || *entry.changes_at < *wake)) wake = entry.changes_at;
    return wake;
}

}  // namespace vipd::vrrp
