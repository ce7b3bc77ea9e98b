// SPDX-License-Identifier: Apache-2.0
// Keeps the way to each real server resolved: interface, MACs, MTU and source address, so that the
// XDP program need not ask anybody.
//
// Pure but for the Links it is given: time is passed in, nothing waits. Feed it every LinkEvent,
// call tick() when it is due, carry what take_updates() returns to the data plane. A neighbour that
// resolves stays in use until the kernel declares it failed: an entry that is only being asked
// again, or was collected because XDP's packets do not count as use, costs no packet.
#pragma once

#include <vipd/address.hpp>
#include <vipd/links.hpp>
#include <vipd/time.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace vipd::net {

/// A resolved way. Where `local`, the destination is an address of this host and the MACs are zero.
struct NextHop {
    int ifindex = 0;  ///< the interface that frames go out of: of a VLAN the parent
    MacAddress destination{};
    MacAddress source{};
    std::uint32_t mtu = 0;
    IpAddress source_address;  ///< what the kernel would send from: TUN's outer source
    bool local = false;
    bool gateway = false;    ///< not on link: DR cannot work unless the gateway knows the VIP
    std::uint16_t vlan = 0;  ///< VID of the tag to send with; 0: none
    bool operator==(const NextHop&) const = default;
};

struct Update {
    IpAddress address;
    std::optional<NextHop> hop;  ///< nullopt: no way at present
    std::string reason;          ///< why there is none: "no route", "neighbour 10.0.0.9 failed" ...
};

class NextHopTracker {
  public:
    /// `links` outlives the tracker.
    explicit NextHopTracker(Links& links) : links_(links) {}

    /// The addresses to keep resolved, duplicates allowed. New ones are looked up by the next tick;
    /// ones that are no longer named are forgotten without an update.
    void set_addresses(const std::vector<IpAddress>& addresses, TimePoint now);

    void on_event(const LinkEvent& event, TimePoint now);

    /// Does what is due, at most kBatch lookups. Returns when to call again; TimePoint::max() if
    /// there is nothing to watch.
    TimePoint tick(TimePoint now);

    /// What changed since the last call, one entry for each address; each address is told of at
    /// least once after its first lookup.
    std::vector<Update> take_updates();

    /// The way as it is now; nullptr where there is none.
    const NextHop* find(const IpAddress& address) const;

    static constexpr std::size_t kBatch = 256;
    /// Routes, links and own addresses change in bursts: one lookup for a burst.
    static constexpr Millis kSettle{50};
    static constexpr Seconds kFirstProbe{1};
    static constexpr Seconds kMaxProbe{30};
    /// How often a resolved neighbour is confirmed.
    static constexpr Seconds kConfirm{30};

  private:
    struct Entry {
        std::optional<NextHop> hop;
        IpAddress neighbour;  ///< whose MAC `hop` has or waits for
        int ifindex = 0;
        std::string reason;
        bool failed = false;  ///< the kernel gave the neighbour up; to be looked at
        TimePoint look;       ///< next lookup
        TimePoint probe;      ///< next probe
        Nanos interval{0};    ///< between probes while unresolved; 0: none is owed
    };

    void look(const IpAddress& address, Entry& entry, TimePoint now);
    void look_neighbour(
        const IpAddress& address, const Route& route, const Link& out, Entry& entry, TimePoint now);
    void probe(Entry& entry, bool resolved, TimePoint now);
    static void lose(Entry& entry, std::string reason);
    static void lose_way(Entry& entry, std::string reason, TimePoint now);
    /// nullptr: there is no such interface.
    Result<const Link*> link(int ifindex);
    void look_all(TimePoint when);
    /// A VLAN of an interface that is none itself.
    bool fits(const Link& out) const;

    Links& links_;
    std::map<IpAddress, Entry> entries_;
    std::map<int, Link> table_;
    bool table_stale_ = true;
    std::set<IpAddress> changed_;
};

}  // namespace vipd::net
