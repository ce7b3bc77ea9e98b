// SPDX-License-Identifier: Apache-2.0
// How adverts and ARP frames leave and reach the process, behind one seam: RawTransport has the
// sockets, tests have their own.
#pragma once

#include <vipd/address.hpp>
#include <vipd/error.hpp>

#include <cstdint>
#include <functional>
#include <span>

namespace vipd::vrrp {

class Transport {
  public:
    virtual ~Transport() = default;

    /// Gets each datagram of protocol 112 that arrives, IP header included. `truncated`: there was
    /// more than an advert can hold.
    using Receiver =
        std::function<void(int ifindex, std::span<const std::uint8_t> datagram, bool truncated)>;
    virtual void set_receiver(Receiver receiver) = 0;

    /// Starts to receive on the interface, as a member of `group` unless that is none (unicast).
    /// Calls are counted: each open() needs its close().
    virtual Result<> open(int ifindex, const IpAddress& group) = 0;
    virtual void close(int ifindex, const IpAddress& group) = 0;

    /// Sends a datagram with its IP header out of an opened interface.
    virtual Result<> send(int ifindex,
                          const IpAddress& destination,
                          std::span<const std::uint8_t> datagram) = 0;
    /// Sends an Ethernet frame out of any interface.
    virtual Result<> send_frame(int ifindex, std::span<const std::uint8_t> frame) = 0;

    /// Hands over what has arrived by now, at most a batch per interface: so that an advert that
    /// waits in the socket counts before a timer that is due.
    virtual void drain() = 0;
};

}  // namespace vipd::vrrp
