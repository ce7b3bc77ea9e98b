// SPDX-License-Identifier: Apache-2.0
// Kernel netlink messages as values. Pure: bytes in, a value or an error out; whatever the bytes,
// nothing outside the message is read. The caller has checked that nlmsg_len lies in its buffer.
#pragma once

#include <vipd/address.hpp>
#include <vipd/error.hpp>
#include <vipd/links.hpp>

#include <cstdint>
#include <optional>

struct nlmsghdr;

namespace vipd::net {

/// A neighbour table entry.
struct Neighbour {
    int ifindex = 0;
    IpAddress address;
    std::uint16_t state = 0;        ///< NUD_*
    std::optional<MacAddress> mac;  ///< a six-byte link-layer address, where there is one
    /// The kernel would send to `mac` now (reachable, stale, delay, probe, permanent).
    bool usable() const;
};

/// RTM_NEWLINK.
Result<Link> decode_link(const nlmsghdr& message);
/// RTM_NEWADDR; the label is as the kernel tells it (the interface's name where none was set).
Result<LinkAddress> decode_address(const nlmsghdr& message);
/// RTM_NEWROUTE in answer to RTM_GETROUTE for `destination`. A route by which nothing can be sent
/// (blackhole, unreachable, prohibit, multicast, broadcast) is an error.
Result<Route> decode_route(const nlmsghdr& message, const IpAddress& destination);
/// RTM_NEWNEIGH and RTM_DELNEIGH of IPv4 and IPv6.
Result<Neighbour> decode_neighbour(const nlmsghdr& message);
/// A notification; nullopt for one that is of no interest (another family, another kind).
Result<std::optional<LinkEvent>> decode_event(const nlmsghdr& message);

}  // namespace vipd::net
