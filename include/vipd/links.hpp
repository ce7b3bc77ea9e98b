// SPDX-License-Identifier: Apache-2.0
// The kernel's links, addresses, neighbours and routes, behind one seam: NlLinks (userspace/net) is
// real, FakeLinks (tests/support) is simulated and can fail the k-th call.
#pragma once

#include <vipd/address.hpp>
#include <vipd/error.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vipd {

/// For which addresses an interface answers ARP; the sysctls of these names.
struct ArpSettings {
    std::uint32_t ignore = 0;  ///< arp_ignore; 0: for any of this host, 1: for its own
    std::uint32_t filter = 0;  ///< arp_filter; 1: only where a reply to the sender leaves by it
    bool operator==(const ArpSettings&) const = default;
};

/// One network interface as netlink describes it.
struct Link {
    int index = 0;
    std::string name;
    MacAddress mac{};
    std::uint32_t mtu = 0;
    bool up = false;       ///< IFF_UP
    bool running = false;  ///< IFF_RUNNING: carrier and operationally up
    bool loopback = false;
    bool router = false;    ///< forwards IPv6 that arrives here
    bool promotes = false;  ///< promote_secondaries: of IPv4 addresses
    ArpSettings arp;
    std::string kind;           ///< "vlan", "macvlan" ...; empty: none, as of a network card
    int parent = 0;             ///< of these two and ipvlan: what it is on; 0: nothing
    int master = 0;             ///< the bridge, bond or VRF that it belongs to; 0: none
    std::uint16_t vlan_id = 0;  ///< of a VLAN of 802.1Q; 0 for any other tag
    bool operator==(const Link&) const = default;
};

/// A device of a virtual router on another interface: with a MAC of its own (macvlan), or sharing
/// that of the interface (ipvlan).
struct VirtualLink {
    enum class Kind : std::uint8_t { Macvlan, Ipvlan };
    enum class Mode : std::uint8_t { Private, Bridge, Vepa };
    Kind kind = Kind::Macvlan;
    Mode mode = Mode::Private;  ///< what it has to do with others on the same interface
    std::string name;
    MacAddress mac{};         ///< of a macvlan
    std::uint32_t group = 0;  ///< link group
    bool operator==(const VirtualLink&) const = default;
};

/// An address on an interface.
struct LinkAddress {
    int ifindex = 0;
    IpPrefix prefix;
    std::string label;                   ///< "eth0:1"; empty for none
    std::optional<IpAddress> broadcast;  ///< IPv4 only
    std::uint8_t scope = 0;              ///< RT_SCOPE_*
    bool operator==(const LinkAddress&) const = default;
};

/// How a destination is reached: out of which interface, to which next hop, from which source.
struct Route {
    int ifindex = 0;
    IpAddress next_hop;     ///< the destination itself where it is on link
    IpAddress source;       ///< what the kernel would send from
    std::uint32_t mtu = 0;  ///< 0: the interface's
    bool local = false;     ///< the destination is an address of this host
    bool operator==(const Route&) const = default;
};

/// Something changed; what, decides who must look again. `ifindex` 0 means "resync everything"
/// (netlink overrun).
struct LinkEvent {
    enum class Kind : std::uint8_t { Link, Address, Neighbour, Route, Overrun };
    Kind kind = Kind::Link;
    int ifindex = 0;
    IpAddress address;  ///< Address, Neighbour: which
    /// Gone. Of a neighbour: the kernel asked and got no answer (NUD_FAILED); an entry that was
    /// merely collected for lack of use is a change, not a removal.
    bool removed = false;
};

/// All calls answer from the kernel at once (request and reply); none blocks beyond that.
class Links {
  public:
    virtual ~Links() = default;

    virtual Result<std::vector<Link>> links() = 0;
    virtual Result<Link> link_by_name(const std::string& name) = 0;
    virtual Result<std::vector<LinkAddress>> addresses(int ifindex) = 0;

    /// Adds an address; success also if it is there already.
    virtual Result<> add_address(const LinkAddress& address) = 0;
    /// Removes an address; success also if it is not there.
    virtual Result<> remove_address(const LinkAddress& address) = 0;

    /// The interface's promote_secondaries: does another IPv4 address of a subnet stay when the
    /// first one of it is removed?
    virtual Result<> set_promotes(int ifindex, bool promotes) = 0;

    /// Makes the device on the interface `parent`, with no address of its own, for one use: it
    /// answers ARP for its addresses alone, and takes what comes back by the parent.
    virtual Result<> add_virtual_link(int parent, const VirtualLink& link) = 0;
    virtual Result<> set_up(int ifindex) = 0;
    /// Removes a device; success also if it is not there.
    virtual Result<> remove_link(int ifindex) = 0;
    virtual Result<> set_arp(int ifindex, const ArpSettings& settings) = 0;

    /// How `destination` would be reached now.
    virtual Result<Route> route_to(const IpAddress& destination) = 0;
    /// The neighbour's MAC if the kernel holds a usable one (reachable, stale, delay, probe,
    /// permanent).
    virtual Result<std::optional<MacAddress>> neighbour(int ifindex, const IpAddress& address) = 0;
    /// Has the kernel resolve (or confirm) the neighbour; the answer comes as an event.
    virtual Result<> probe_neighbour(int ifindex, const IpAddress& address) = 0;

    /// Readable when events wait; give it to the loop and call dispatch() then.
    virtual int event_fd() const = 0;
    /// Reads the waiting events and hands each to the handler.
    virtual Result<> dispatch(const std::function<void(const LinkEvent&)>& handler) = 0;
};

}  // namespace vipd
