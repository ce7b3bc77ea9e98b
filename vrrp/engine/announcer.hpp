// SPDX-License-Identifier: Apache-2.0
// Gratuitous ARP and unsolicited neighbour advertisements on their way out: at once, or spaced in
// time where the configuration asks for it (vrrp_garp_interval, garp_group).
#pragma once

#include "vrrp/engine/settings.hpp"
#include "vrrp/transport/transport.hpp"

#include <vipd/links.hpp>
#include <vipd/time.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vipd::vrrp {

class Announcer {
  public:
    /// Who announces; kept by the instance, which calls forget() before it goes.
    struct Client {
        std::uint64_t sent = 0;
        std::uint64_t failed = 0;
        std::uint64_t first_ns = 0;  ///< CLOCK_MONOTONIC of the first frame since it was 0
        std::string error;           ///< of the last failure; taken and cleared by the instance
    };

    Announcer(Transport& transport, const std::function<TimePoint()>& clock)
        : transport_(transport), clock_(clock) {}

    void configure(std::vector<AnnounceGroup> groups) { groups_ = std::move(groups); }

    /// Announces the address as living on the link.
    void announce(Client& client, const Link& link, const IpAddress& address, TimePoint now);
    /// Drops what still waits.
    void forget(const Client& client);

    void tick(TimePoint now);
    std::optional<TimePoint> wake() const;

  private:
    struct Frame {
        Client* client;
        int ifindex;
        MacAddress mac;
        bool router;
        IpAddress address;
    };
    /// One queue for each group and kind; its key is the group's place, or after all of them the
    /// interface's index.
    struct Queue {
        TimePoint next;  ///< not before
        Nanos interval{0};
        std::vector<Frame> waiting;  ///< those before `first` have gone; its memory is kept
        std::size_t first = 0;
        bool empty() const { return first == waiting.size(); }
    };
    struct Key {
        std::size_t group = 0;
        int ifindex = 0;
        Family family = Family::None;
        auto operator<=>(const Key&) const = default;
    };
    void send(const Frame& frame);
    const AnnounceGroup* group_of(const Link& link, Key& key) const;

    Transport& transport_;
    const std::function<TimePoint()>& clock_;
    std::vector<AnnounceGroup> groups_;
    std::map<Key, Queue> queues_;
};

}  // namespace vipd::vrrp
