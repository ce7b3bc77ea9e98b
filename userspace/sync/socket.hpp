// SPDX-License-Identifier: Apache-2.0
// The sockets of connection sync, non-blocking and close-on-exec. TCP between vipd nodes: with
// TCP_NODELAY, and given up by the kernel when the peer does not acknowledge for three seconds. UDP
// to and from a multicast group beside IPVS.
#pragma once

#include "userspace/base/fd.hpp"

#include <vipd/address.hpp>
#include <vipd/error.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace vipd::sync {

/// Listens on `bind`:`port`; 0: any free port.
Result<Fd> listen_on(const IpAddress& bind, std::uint16_t port);
/// The port that a socket is bound to.
Result<std::uint16_t> port_of(int fd);
/// Begins to connect, from `source` where that is set; connect_result() when it is writable.
Result<Fd> connect_to(const IpAddress& peer, std::uint16_t port, const IpAddress& source);
Result<> connect_result(int fd);
/// The next waiting connection and who made it; errnum EAGAIN: none is waiting.
Result<std::pair<Fd, IpAddress>> accept_from(int listener);

/// A multicast group on one interface.
struct GroupAddress {
    std::string interface;
    int ifindex = 0;
    IpAddress group;
    std::uint16_t port = 0;
};
/// Sends to the group, and does not hear itself.
Result<Fd> send_to_group(const GroupAddress& to, std::uint8_t ttl);
/// Hears the group, on this interface only.
Result<Fd> receive_from_group(const GroupAddress& from);
/// The next datagram into `buffer` and who sent it; its real size, which may be more than fitted.
/// errnum EAGAIN: none is waiting.
Result<std::pair<std::size_t, IpAddress>> receive_datagram(int fd, std::span<char> buffer);

}  // namespace vipd::sync
