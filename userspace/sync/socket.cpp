// SPDX-License-Identifier: Apache-2.0
#include "userspace/sync/socket.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace vipd::sync {

namespace {

constexpr int kBacklog = 16;
constexpr int kUserTimeoutMs = 3000;

struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

Address to_sockaddr(const IpAddress& address, std::uint16_t port, int scope = 0) {
    Address result;
    if (address.is_v4()) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(port);
        in.sin_addr.s_addr = address.v4_be();
        std::memcpy(&result.storage, &in, sizeof in);
        result.size = sizeof in;
    } else {
        sockaddr_in6 in6{};
        in6.sin6_family = AF_INET6;
        in6.sin6_port = htons(port);
        in6.sin6_scope_id = static_cast<std::uint32_t>(scope);
        std::copy(address.bytes().begin(), address.bytes().end(), in6.sin6_addr.s6_addr);
        std::memcpy(&result.storage, &in6, sizeof in6);
        result.size = sizeof in6;
    }
    return result;
}

IpAddress from_sockaddr(const sockaddr_storage& storage) {
    if (storage.ss_family == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, &storage, sizeof in);
        return IpAddress::v4(ntohl(in.sin_addr.s_addr));
    }
    if (storage.ss_family != AF_INET6) return {};
    sockaddr_in6 in6{};
    std::memcpy(&in6, &storage, sizeof in6);
    const std::span<const std::uint8_t, 16> bytes(in6.sin6_addr.s6_addr);
    // An IPv4 peer on a socket that listens for both families.
    if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) return IpAddress::v4(bytes.last<4>());
    return IpAddress::v6(bytes);
}

Result<> set(int fd, int level, int option, int value, const char* what) {
    if (::setsockopt(fd, level, option, &value, sizeof value) < 0) return fail_errno(errno, what);
    return {};
}

Result<> set_tcp_options(int fd) {
    if (auto ok = set(fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY"); !ok) return ok;
    return set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeoutMs, "TCP_USER_TIMEOUT");
}

Result<Fd> make_socket(const IpAddress& address) {
    Fd fd(::socket(address.is_v4() ? AF_INET : AF_INET6,
                   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                   IPPROTO_TCP));
    if (!fd) return fail_errno(errno, "socket");
    return fd;
}

}  // namespace

Result<Fd> listen_on(const IpAddress& bind, std::uint16_t port) {
    const std::string what = "sync: listen on " + Endpoint{bind, port}.to_string();
    auto fd = make_socket(bind);
    if (!fd) return fail(std::move(fd.error()).in(what));
    if (auto ok = set(fd->get(), SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR"); !ok)
        return fail(ok.error());
    if (!bind.is_v4())
        if (auto ok = set(
                fd->get(), IPPROTO_IPV6, IPV6_V6ONLY, bind.is_unspecified() ? 0 : 1, "IPV6_V6ONLY");
            !ok)
            return fail(ok.error());
    auto address = to_sockaddr(bind, port);
    if (::bind(fd->get(), address.get(), address.size) < 0 || ::listen(fd->get(), kBacklog) < 0)
        return fail_errno(errno, what);
    return fd;
}

Result<std::uint16_t> port_of(int fd) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) < 0)
        return fail_errno(errno, "getsockname");
    // sin_port and sin6_port lie at the same place.
    sockaddr_in in{};
    std::memcpy(&in, &storage, sizeof in);
    return ntohs(in.sin_port);
}

Result<Fd> connect_to(const IpAddress& peer, std::uint16_t port, const IpAddress& source) {
    auto fd = make_socket(peer);
    if (!fd) return fd;
    if (auto ok = set_tcp_options(fd->get()); !ok) return fail(ok.error());
    if (source && !source.is_unspecified() && source.family() == peer.family()) {
        auto from = to_sockaddr(source, 0);
        if (::bind(fd->get(), from.get(), from.size) < 0)
            return fail_errno(errno, "bind to " + source.to_string());
    }
    auto to = to_sockaddr(peer, port);
    if (::connect(fd->get(), to.get(), to.size) < 0 && errno != EINPROGRESS)
        return fail_errno(errno, "connect");
    return fd;
}

Result<> connect_result(int fd) {
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) error = errno;
    if (error != 0) return fail_errno(error, "connect");
    return {};
}

Result<std::pair<Fd, IpAddress>> accept_from(int listener) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    Fd fd(::accept4(
        listener, reinterpret_cast<sockaddr*>(&storage), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) return fail_errno(errno, "accept");
    if (auto ok = set_tcp_options(fd.get()); !ok) return fail(ok.error());
    return std::pair(std::move(fd), from_sockaddr(storage));
}

Result<Fd> send_to_group(const GroupAddress& to, std::uint8_t ttl) {
    const std::string what = "send to " + Endpoint{to.group, to.port}.to_string();
    const bool v4 = to.group.is_v4();
    Fd fd(::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno(errno, what);
    const int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
    Result<> ok = set(fd.get(), level, v4 ? IP_MULTICAST_LOOP : IPV6_MULTICAST_LOOP, 0, "loop");
    if (ok) ok = set(fd.get(), level, v4 ? IP_MULTICAST_TTL : IPV6_MULTICAST_HOPS, ttl, "ttl");
    if (ok && !v4) ok = set(fd.get(), level, IPV6_MULTICAST_IF, to.ifindex, "IPV6_MULTICAST_IF");
    if (!ok) return fail(std::move(ok.error()).in(what));
    ip_mreqn request{};
    request.imr_ifindex = to.ifindex;
    auto address = to_sockaddr(to.group, to.port, to.ifindex);
    if ((v4 && ::setsockopt(fd.get(), level, IP_MULTICAST_IF, &request, sizeof request) < 0) ||
        ::connect(fd.get(), address.get(), address.size) < 0)
        return fail_errno(errno, what);
    return fd;
}

Result<Fd> receive_from_group(const GroupAddress& from) {
    const std::string what = "receive from " + Endpoint{from.group, from.port}.to_string();
    const bool v4 = from.group.is_v4();
    Fd fd(::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno(errno, what);
    if (auto ok = set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR"); !ok)
        return fail(std::move(ok.error()).in(what));
    auto address = to_sockaddr(from.group, from.port, from.ifindex);
    // Bound to the device: else what is sent to the group on other interfaces comes as well.
    if (::setsockopt(fd.get(),
                     SOL_SOCKET,
                     SO_BINDTODEVICE,
                     from.interface.c_str(),
                     static_cast<socklen_t>(from.interface.size())) < 0 ||
        ::bind(fd.get(), address.get(), address.size) < 0)
        return fail_errno(errno, what);
    int joined = 0;
    if (v4) {
        ip_mreqn request{};
        request.imr_multiaddr.s_addr = from.group.v4_be();
        request.imr_ifindex = from.ifindex;
        joined = ::setsockopt(fd.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request);
    } else {
        ipv6_mreq request{};
        std::ranges::copy(from.group.bytes(), request.ipv6mr_multiaddr.s6_addr);
        request.ipv6mr_interface = static_cast<unsigned>(from.ifindex);
        joined = ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof request);
    }
    if (joined < 0) return fail_errno(errno, what);
    return fd;
}

Result<std::pair<std::size_t, IpAddress>> receive_datagram(int fd, std::span<char> buffer) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    const ssize_t got = ::recvfrom(
        fd, buffer.data(), buffer.size(), MSG_TRUNC, reinterpret_cast<sockaddr*>(&storage), &size);
    if (got < 0) return fail_errno(errno, "receive");
    return std::pair(static_cast<std::size_t>(got), from_sockaddr(storage));
}

}  // namespace vipd::sync
