// SPDX-License-Identifier: Apache-2.0
#include "userspace/check/socket.hpp"

#include <cctype>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>

namespace vipd::check {

SocketAddress to_sockaddr(const Endpoint& endpoint) {
    SocketAddress out;
    const auto bytes = endpoint.address.bytes();
    if (endpoint.address.is_v4()) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(endpoint.port);
        std::memcpy(&in.sin_addr, bytes.data(), bytes.size());
        std::memcpy(&out.storage, &in, out.length = sizeof in);
    } else {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(endpoint.port);
        std::memcpy(&in.sin6_addr, bytes.data(), bytes.size());
        std::memcpy(&out.storage, &in, out.length = sizeof in);
    }
    return out;
}

Result<Fd> open_socket(const IpAddress& target, const Source& source, int type, int protocol) {
    const int family = target.is_v6() ? AF_INET6 : AF_INET;
    Fd socket(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
    if (!socket) return fail("socket: " + text_of(errno), errno);
    // Needs no right as long as the socket is bound to no other interface (Linux 5.7).
    if (!source.interface.empty() &&
        ::setsockopt(socket.get(),
                     SOL_SOCKET,
                     SO_BINDTODEVICE,
                     source.interface.data(),
                     static_cast<socklen_t>(source.interface.size())) < 0)
        return fail("bind to " + source.interface + ": " + text_of(errno), errno);
    if (source.fwmark != 0 &&
        ::setsockopt(socket.get(), SOL_SOCKET, SO_MARK, &source.fwmark, sizeof source.fwmark) < 0)
        return fail("fwmark: " + text_of(errno), errno);
    if (!source.address && source.port == 0) return socket;
    const IpAddress any = target.is_v6() ? IpAddress::parse("::").value() : IpAddress::v4(0);
    const Endpoint from{source.address ? source.address : any, source.port};
    if (source.port != 0) {
        // The connection before this one is still in TIME_WAIT at the same port.
        const int on = 1;
        (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    const auto address = to_sockaddr(from);
    if (::bind(socket.get(), address.get(), address.length) < 0) {
        const std::string where = source.port != 0 ? from.to_string() : source.address.to_string();
        return fail("bind to " + where + ": " + text_of(errno), errno);
    }
    return socket;
}

std::string text_of(int errnum) {
    std::string text = std::strerror(errnum);
    if (!text.empty())
        text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return text;
}

}  // namespace vipd::check
