// SPDX-License-Identifier: Apache-2.0
// How adverts and announcements leave and reach the process, behind one seam: RawTransport has the
// sockets, tests have their own.
#pragma once

#include <vipd/address.hpp>
#include <vipd/error.hpp>

#include <compare>
#include <cstdint>
#include <functional>
#include <span>

namespace vipd::vrrp {

/// Where an instance listens and speaks.
struct Port {
    int ifindex = 0;
    Family family = Family::V4;
    std::uint8_t protocol = 112;  ///< or 51, adverts within AH
    IpAddress group;              ///< joined; none: unicast
    /// Bytes that it adds to what all on its socket have to receive (SO_RCVBUF); nobody: the
    /// system's default.
    std::uint32_t rx_buffer = 0;
    auto operator<=>(const Port&) const = default;
};

class Transport {
  public:
    virtual ~Transport() = default;

    /// Gets each datagram that arrives at an open port, IP header included. Of IPv6 the header is
    /// a plain one, with what the kernel tells of source, destination and hop limit (0 if it does
    /// not). `truncated`: there was more than an advert can hold.
    using Receiver =
        std::function<void(int ifindex, std::span<const std::uint8_t> datagram, bool truncated)>;
    virtual void set_receiver(Receiver receiver) = 0;

    /// Calls are counted: each open() needs its close().
    virtual Result<> open(const Port& port) = 0;
    virtual void close(const Port& port) = 0;

    /// Sends a datagram with its IP header out of an open port.
    virtual Result<> send(const Port& port,
                          const IpAddress& destination,
                          std::span<const std::uint8_t> datagram) = 0;
    /// Sends an Ethernet frame out of any interface.
    virtual Result<> send_frame(int ifindex, std::span<const std::uint8_t> frame) = 0;

    /// Hands over what has arrived by now, at most a batch per socket: so that an advert that
    /// waits in the socket counts before a timer that is due.
    virtual void drain() = 0;
};

}  // namespace vipd::vrrp
