// SPDX-License-Identifier: Apache-2.0
#include "userspace/net/next_hop.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace vipd::net {

namespace {

// The kernel's way of saying that there is no route, rather than that the question went wrong.
bool means_no_route(int errnum) {
    return errnum == ENETUNREACH || errnum == EHOSTUNREACH || errnum == EACCES ||
           errnum == EINVAL || errnum == ENETDOWN || errnum == ENODEV;
}

}  // namespace

void NextHopTracker::set_addresses(const std::vector<IpAddress>& addresses, TimePoint now) {
    const std::set<IpAddress> wanted(addresses.begin(), addresses.end());
    std::erase_if(entries_, [&](const auto& item) { return !wanted.contains(item.first); });
    std::erase_if(changed_, [&](const IpAddress& address) { return !wanted.contains(address); });
    for (const auto& address : wanted) {
        auto [at, added] = entries_.try_emplace(address);
        if (!added) continue;
        at->second.look = at->second.probe = now;
    }
}

void NextHopTracker::look_all(TimePoint when) {
    for (auto& [address, entry] : entries_) entry.look = std::min(entry.look, when);
}

void NextHopTracker::on_event(const LinkEvent& event, TimePoint now) {
    switch (event.kind) {
        case LinkEvent::Kind::Neighbour:
            for (auto& [address, entry] : entries_) {
                if (entry.ifindex != event.ifindex || entry.neighbour != event.address) continue;
                entry.failed = event.removed;
                entry.look = std::min(entry.look, now);
            }
            break;
        case LinkEvent::Kind::Link:
        case LinkEvent::Kind::Overrun:
            table_stale_ = true;
            look_all(now + kSettle);
            break;
        case LinkEvent::Kind::Address:
        case LinkEvent::Kind::Route:
            look_all(now + kSettle);
            break;
    }
}

TimePoint NextHopTracker::tick(TimePoint now) {
    std::size_t looked = 0;
    TimePoint next = TimePoint::max();
    for (auto& [address, entry] : entries_) {
        if ((entry.look <= now || entry.probe <= now) && looked < kBatch) {
            ++looked;
            look(address, entry, now);
        }
        next = std::min({next, entry.look, entry.probe});
    }
    return next;
}

std::vector<Update> NextHopTracker::take_updates() {
    std::vector<Update> out;
    out.reserve(changed_.size());
    for (const auto& address : changed_) {
        const Entry& entry = entries_.at(address);
        out.push_back({address, entry.hop, entry.reason});
    }
    changed_.clear();
    return out;
}

const NextHop* NextHopTracker::find(const IpAddress& address) const {
    const auto at = entries_.find(address);
    return at != entries_.end() && at->second.hop ? &*at->second.hop : nullptr;
}

Result<const Link*> NextHopTracker::link(int ifindex) {
    if (table_stale_ || !table_.contains(ifindex)) {
        auto all = links_.links();
        if (!all) return fail(std::move(all.error()));
        table_.clear();
        for (auto& one : *all) table_.emplace(one.index, std::move(one));
        table_stale_ = false;
    }
    const auto at = table_.find(ifindex);
    return at == table_.end() ? nullptr : &at->second;
}

// Sent on the interface below, without or with one tag.
bool NextHopTracker::fits(const Link& out) const {
    if (out.parent == 0) return true;
    const auto parent = table_.find(out.parent);
    return parent != table_.end() && parent->second.parent == 0 &&
           (out.kind != "vlan" || out.vlan_id != 0);
}

void NextHopTracker::lose(Entry& entry, std::string reason) {
    entry.hop.reset();
    entry.reason = std::move(reason);
}

void NextHopTracker::lose_way(Entry& entry, std::string reason, TimePoint now) {
    lose(entry, std::move(reason));
    entry.ifindex = 0;
    entry.neighbour = {};
    entry.probe = TimePoint::max();
    entry.look = now + kMaxProbe;  // in case; an event comes first
}

void NextHopTracker::look(const IpAddress& address, Entry& entry, TimePoint now) {
    const auto before = entry.hop;
    const bool known = before || !entry.reason.empty();
    entry.look = TimePoint::max();

    auto route = links_.route_to(address);
    auto out = route ? link(route->ifindex) : Result<const Link*>(nullptr);
    if (!route && means_no_route(route.error().errnum)) {
        lose_way(entry, "no route", now);
    } else if (!route || !out) {
        // The question failed, not the way: what is known stays in use.
        if (!entry.hop) entry.reason = route ? out.error().message : route.error().message;
        entry.look = now + kFirstProbe;
        if (entry.probe <= now) entry.probe = entry.look;
    } else if (*out == nullptr) {
        lose_way(entry, "interface is gone", now);
    } else if (!(*out)->up) {
        lose_way(entry, "interface " + (*out)->name + " is down", now);
    } else if (route->local) {
        entry.hop = NextHop{.ifindex = route->ifindex,
                            .mtu = (*out)->mtu,
                            .source_address = route->source,
                            .local = true};
        entry.ifindex = 0;
        entry.neighbour = {};
        entry.probe = TimePoint::max();
    } else if (!fits(**out)) {
        lose_way(entry, "interface " + (*out)->name + " takes more than one tag of 802.1Q", now);
    } else {
        look_neighbour(address, *route, **out, entry, now);
    }
    entry.failed = false;
    if (entry.hop) entry.reason.clear();
    if (entry.hop != before || !known) changed_.insert(address);
}

void NextHopTracker::look_neighbour(
    const IpAddress& address, const Route& route, const Link& out, Entry& entry, TimePoint now) {
    const bool moved = entry.ifindex != route.ifindex || entry.neighbour != route.next_hop;
    if (moved) {
        entry.ifindex = route.ifindex;
        entry.neighbour = route.next_hop;
        entry.interval = Nanos(0);
        entry.probe = now;
    }

    auto found = links_.neighbour(route.ifindex, route.next_hop);
    std::optional<MacAddress> mac = found ? *found : std::nullopt;
    probe(entry, mac.has_value(), now);
    if (!mac && entry.hop && !moved && !entry.failed) mac = entry.hop->destination;
    if (!mac) {
        lose(entry,
             "neighbour " + route.next_hop.to_string() +
                 (entry.failed ? " does not answer" : " is not resolved"));
        return;
    }
    entry.hop = NextHop{.ifindex = out.parent != 0 ? out.parent : route.ifindex,
                        .destination = *mac,
                        .source = out.mac,
                        .mtu = route.mtu != 0 ? std::min(route.mtu, out.mtu) : out.mtu,
                        .source_address = route.source,
                        .local = false,
                        .gateway = route.next_hop != address,
                        .vlan = out.vlan_id};
}

void NextHopTracker::probe(Entry& entry, bool resolved, TimePoint now) {
    if (resolved && entry.interval != Nanos(0)) {  // just answered: needs no confirming yet
        entry.interval = Nanos(0);
        entry.probe = now + kConfirm;
        return;
    }
    const bool first = !resolved && entry.interval == Nanos(0);
    if (!first && entry.probe > now) return;
    // One that cannot be sent is sent again when the next is due.
    (void)links_.probe_neighbour(entry.ifindex, entry.neighbour);
    if (resolved) {
        entry.probe = now + kConfirm;
        return;
    }
    entry.interval = first ? Nanos(kFirstProbe) : std::min<Nanos>(entry.interval * 2, kMaxProbe);
    entry.probe = now + entry.interval;
}

}  // namespace vipd::net
