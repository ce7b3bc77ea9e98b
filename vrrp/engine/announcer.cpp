// SPDX-License-Identifier: Apache-2.0
#include "vrrp/engine/announcer.hpp"

#include "vrrp/packet/announce.hpp"

#include <algorithm>

namespace vipd::vrrp {

namespace {

// A reload that comes while a long list is still being announced must not pile up for ever.
constexpr std::size_t kMaxWaiting = 100'000;

}  // namespace

const AnnounceGroup* Announcer::group_of(const Link& link, Key& key) const {
    const AnnounceGroup* general = nullptr;
    for (std::size_t i = 0; i < groups_.size(); ++i) {
        const auto& names = groups_[i].interfaces;
        if (std::ranges::find(names, link.name) != names.end()) {
            key.group = i;
            return &groups_[i];
        }
        if (names.empty()) general = &groups_[i];
    }
    key.group = groups_.size();
    key.ifindex = link.index;
    return general;
}

void Announcer::announce(Client& client,
                         const Link& link,
                         const IpAddress& address,
                         TimePoint now) {
    const Frame frame{&client, link.index, link.mac, link.router, address};
    Key key{.family = address.family()};
    const AnnounceGroup* group = group_of(link, key);
    const Nanos interval = group == nullptr  ? Nanos(0)
                           : address.is_v4() ? group->arp_interval
                                             : group->na_interval;
    if (interval == Nanos(0)) {
        send(frame);
        return;
    }
    Queue& queue = queues_[key];
    queue.interval = interval;
    if (queue.empty() && queue.next <= now) {
        queue.next = now + interval;
        send(frame);
    } else if (queue.waiting.size() < kMaxWaiting) {
        queue.waiting.push_back(frame);
    }
}

void Announcer::forget(const Client& client) {
    for (auto& [key, queue] : queues_) {
        auto& waiting = queue.waiting;
        waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(queue.first));
        queue.first = 0;
        std::erase_if(waiting, [&](const Frame& frame) { return frame.client == &client; });
    }
}

void Announcer::tick(TimePoint now) {
    for (auto& [key, queue] : queues_) {
        while (!queue.empty() && queue.next <= now) {
            queue.next = std::max(queue.next, now - queue.interval) + queue.interval;
            send(queue.waiting[queue.first++]);
        }
        if (queue.empty()) {
            queue.waiting.clear();
            queue.first = 0;
        }
    }
}

std::optional<TimePoint> Announcer::wake() const {
    std::optional<TimePoint> wake;
    for (const auto& [key, queue] : queues_)
        if (!queue.empty() && (!wake || queue.next < *wake)) wake = queue.next;
    return wake;
}

void Announcer::send(const Frame& frame) {
    Result<> sent;
    if (frame.address.is_v4()) {
        sent = transport_.send_frame(frame.ifindex, gratuitous_arp(frame.mac, frame.address));
    } else {
        sent = transport_.send_frame(
            frame.ifindex, neighbour_advertisement(frame.mac, frame.address, frame.router));
    }
    Client& client = *frame.client;
    if (!sent) {
        ++client.failed;
        client.error = std::move(sent.error().message);
        return;
    }
    ++client.sent;
    if (client.first_ns == 0)
        client.first_ns = static_cast<std::uint64_t>(clock_().time_since_epoch().count());
}

}  // namespace vipd::vrrp
