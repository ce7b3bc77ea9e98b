// SPDX-License-Identifier: Apache-2.0
// The sockets of the checkers: where they go from, and how addresses look to the kernel.
#pragma once

#include "userspace/base/fd.hpp"
#include "userspace/check/checker.hpp"

#include <vipd/address.hpp>
#include <vipd/error.hpp>

#include <string>
#include <sys/socket.h>

namespace vipd::check {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress to_sockaddr(const Endpoint& endpoint);

/// A non-blocking socket towards `target`'s family, bound as `source` says. An error is a reason
/// for Outcome::not_run: it says nothing about the server.
Result<Fd> open_socket(const IpAddress& target, const Source& source, int type, int protocol);

/// strerror() as it goes on in a sentence: "connection refused".
std::string text_of(int errnum);

}  // namespace vipd::check
