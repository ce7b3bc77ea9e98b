// SPDX-License-Identifier: Apache-2.0
// The TCP sockets of connection sync: non-blocking, close-on-exec, TCP_NODELAY, and given up by the
// kernel when the peer does not acknowledge for three seconds.
#pragma once

#include "userspace/base/fd.hpp"

#include <vipd/address.hpp>
#include <vipd/error.hpp>

#include <cstdint>
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

}  // namespace vipd::sync
