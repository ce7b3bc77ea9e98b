// SPDX-License-Identifier: Apache-2.0
#include "vrrp/transport/raw_transport.hpp"

#include "vrrp/packet/advert.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <utility>
#include <vector>

namespace vipd::vrrp {

namespace {

constexpr int kBatch = 64;
constexpr int kPriorityControl = 7;
constexpr std::uint64_t kMaxRxBuffer = 1U << 30U;  // twice as much is an int, too
constexpr std::size_t kIp6Header = 40;
constexpr std::size_t kEtherType = 12;
// linux/in6.h, which does not go together with netinet/in.h.
constexpr int kIpv6MulticastAll = 29;
constexpr int kIpv6HeaderIncluded = 36;

/// What two ports have in common that use one socket.
Port socket_of(Port port) {
    port.group = {};
    port.rx_buffer = 0;
    return port;
}

template <class T>
Result<> set_option(const Fd& fd, int level, int option, const T& value, const char* name) {
    if (::setsockopt(fd.get(), level, option, &value, sizeof value) < 0)
        return fail_errno(errno, std::string("VRRP socket: ") + name);
    return {};
}

// The kernel doubles it, for its own needs. Without the force it stops at net.core.rmem_max.
void set_rx_buffer(const Fd& fd, std::uint64_t bytes) {
    if (bytes == 0) return;
    const int value = static_cast<int>(std::min<std::uint64_t>(bytes, kMaxRxBuffer));
    if (!set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, value, "SO_RCVBUFFORCE"))
        (void)set_option(fd, SOL_SOCKET, SO_RCVBUF, value, "SO_RCVBUF");
}

struct Option {
    int level;
    int option;
    int value;
    const char* name;
};

Result<> set_options(const Fd& fd, std::span<const Option> options) {
    for (const Option& one : options)
        if (auto set = set_option(fd, one.level, one.option, one.value, one.name); !set) return set;
    return {};
}

// Multicast: only the groups joined here, not those that others on this host have joined; and not
// what we have sent ourselves.
Result<> set_up_v4(const Fd& fd, int ifindex) {
    const std::array options = {
        Option{SOL_SOCKET, SO_BINDTOIFINDEX, ifindex, "bind to interface"},
        Option{IPPROTO_IP, IP_HDRINCL, 1, "IP_HDRINCL"},
        Option{IPPROTO_IP, IP_MULTICAST_LOOP, 0, "IP_MULTICAST_LOOP"},
        Option{IPPROTO_IP, IP_MULTICAST_ALL, 0, "IP_MULTICAST_ALL"},
    };
    if (auto set = set_options(fd, options); !set) return set;
    ip_mreqn request{};
    request.imr_ifindex = ifindex;
    return set_option(fd, IPPROTO_IP, IP_MULTICAST_IF, request, "IP_MULTICAST_IF");
}

Result<> set_up_v6(const Fd& fd, int ifindex) {
    const std::array options = {
        Option{SOL_SOCKET, SO_BINDTOIFINDEX, ifindex, "bind to interface"},
        Option{IPPROTO_IPV6, kIpv6HeaderIncluded, 1, "IPV6_HDRINCL"},
        Option{IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO"},
        Option{IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1, "IPV6_RECVHOPLIMIT"},
        Option{IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0, "IPV6_MULTICAST_LOOP"},
        Option{IPPROTO_IPV6, IPV6_MULTICAST_IF, ifindex, "IPV6_MULTICAST_IF"},
        Option{IPPROTO_IPV6, kIpv6MulticastAll, 0, "IPV6_MULTICAST_ALL"},
    };
    return set_options(fd, options);
}

Result<> change_membership(const Fd& fd, const Port& port, bool join) {
    if (port.family == Family::V4) {
        ip_mreqn request{};
        request.imr_multiaddr.s_addr = port.group.v4_be();
        request.imr_ifindex = port.ifindex;
        return set_option(fd,
                          IPPROTO_IP,
                          join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP,
                          request,
                          "multicast group");
    }
    ipv6_mreq request{};
    std::memcpy(&request.ipv6mr_multiaddr, port.group.bytes().data(), 16);
    request.ipv6mr_interface = static_cast<unsigned>(port.ifindex);
    return set_option(
        fd, IPPROTO_IPV6, join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, request, "multicast group");
}

/// The kernel keeps the IPv6 header to itself; here is one with what it tells about it.
void write_header(std::span<std::uint8_t> to,
                  std::size_t payload,
                  std::uint8_t protocol,
                  const sockaddr_in6& from,
                  msghdr& message) {
    to[0] = 0x60;
    to[1] = to[2] = to[3] = 0;
    to[4] = static_cast<std::uint8_t>(payload >> 8);
    to[5] = static_cast<std::uint8_t>(payload & 0xff);
    to[6] = protocol;
    to[7] = 0;
    std::memcpy(&to[8], &from.sin6_addr, 16);
    std::memset(&to[24], 0, 16);
    for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
        if (at->cmsg_level != IPPROTO_IPV6) continue;
        if (at->cmsg_type == IPV6_HOPLIMIT) {
            int limit = 0;
            std::memcpy(&limit, CMSG_DATA(at), sizeof limit);
            to[7] = static_cast<std::uint8_t>(limit);
        } else if (at->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(at), sizeof info);
            std::memcpy(&to[24], &info.ipi6_addr, 16);
        }
    }
}

/// One datagram with its IP header; 0 bytes: it says nothing of adverts. nullopt: nothing waits.
struct Received {
    std::size_t size = 0;
    bool truncated = false;
};
std::optional<Received> read_datagram(int fd, const Port& port, std::span<std::uint8_t> buffer) {
    const std::size_t front = port.family == Family::V6 ? kIp6Header : 0;
    iovec data{.iov_base = buffer.data() + front, .iov_len = buffer.size() - front};
    sockaddr_in6 from{};
    alignas(cmsghdr) std::array<char, 128> control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (front > 0) {
        message.msg_name = &from;
        message.msg_namelen = sizeof from;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
    }
    const ssize_t got = ::recvmsg(fd, &message, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0) {
        // ENETDOWN and the like are reported once each by the kernel and say nothing of adverts.
        if (errno == EINTR || errno == ENETDOWN || errno == ENOBUFS) return Received{};
        return std::nullopt;
    }
    const bool truncated = (message.msg_flags & MSG_TRUNC) != 0;
    const std::size_t payload = truncated ? buffer.size() - front : static_cast<std::size_t>(got);
    if (front > 0) write_header(buffer.first(front), payload, port.protocol, from, message);
    return Received{front + payload, truncated};
}

}  // namespace

Result<std::unique_ptr<RawTransport>> RawTransport::create(EventLoop& loop) {
    // Protocol 0: it only sends.
    Fd packet(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!packet)
        return fail_errno(errno, "packet socket for announcements (CAP_NET_RAW is needed)");
    return std::unique_ptr<RawTransport>(new RawTransport(loop, std::move(packet)));
}

Result<RawTransport::Socket> RawTransport::make_socket(const Port& key) {
    const bool v4 = key.family == Family::V4;
    Socket socket;
    socket.fd.reset(
        ::socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, key.protocol));
    if (!socket.fd) return fail_errno(errno, "VRRP socket (CAP_NET_RAW is needed)");
    auto ready = v4 ? set_up_v4(socket.fd, key.ifindex) : set_up_v6(socket.fd, key.ifindex);
    if (!ready) return fail(std::move(ready.error()));
    // Ahead of bulk traffic in the queue; sending works without it.
    (void)set_option(socket.fd, SOL_SOCKET, SO_PRIORITY, kPriorityControl, "SO_PRIORITY");
    auto source = loop_.io(socket.fd.get(), EPOLLIN, [this, key](std::uint32_t) { receive(key); });
    if (!source) return fail(std::move(source.error()));
    socket.source = std::move(*source);
    return socket;
}

Result<> RawTransport::open(const Port& port) {
    const Port key = socket_of(port);
    auto found = sockets_.find(key);
    if (found == sockets_.end()) {
        auto socket = make_socket(key);
        if (!socket) return fail(std::move(socket.error()));
        found = sockets_.emplace(key, std::move(*socket)).first;
    }
    Socket& socket = found->second;
    int& users = socket.users[port.group];
    if (users == 0 && port.group) {
        if (auto joined = change_membership(socket.fd, port, true); !joined) {
            socket.users.erase(port.group);
            if (socket.users.empty()) sockets_.erase(found);
            return joined;
        }
    }
    ++users;
    socket.rx_buffer += port.rx_buffer;
    set_rx_buffer(socket.fd, socket.rx_buffer);
    return {};
}

void RawTransport::close(const Port& port) {
    const auto found = sockets_.find(socket_of(port));
    if (found == sockets_.end()) return;
    Socket& socket = found->second;
    const auto user = socket.users.find(port.group);
    if (user == socket.users.end()) return;
    socket.rx_buffer -= std::min<std::uint64_t>(socket.rx_buffer, port.rx_buffer);
    set_rx_buffer(socket.fd, socket.rx_buffer);
    if (--user->second > 0) return;
    socket.users.erase(user);
    // Fails where the interface is gone already; so is the membership then.
    if (port.group) (void)change_membership(socket.fd, port, false);
    if (socket.users.empty()) sockets_.erase(found);
}

void RawTransport::receive(const Port& key) {
    std::array<std::uint8_t, kMaxAdvert + 1> buffer;  // NOLINT: filled by recvmsg
    for (int i = 0; i < kBatch; ++i) {
        const auto found = sockets_.find(key);  // the receiver may close it
        if (found == sockets_.end()) return;
        const auto got = read_datagram(found->second.fd.get(), key, buffer);
        if (!got) return;
        if (got->size > 0 && receiver_)
            receiver_(key.ifindex, std::span(buffer).first(got->size), got->truncated);
    }
}

void RawTransport::drain() {
    std::vector<Port> keys = std::exchange(drained_, {});
    keys.clear();
    for (const auto& [key, socket] : sockets_) keys.push_back(key);
    for (const Port& key : keys) receive(key);
    drained_ = std::move(keys);
}

Result<> RawTransport::send(const Port& port,
                            const IpAddress& destination,
                            std::span<const std::uint8_t> datagram) {
    const auto found = sockets_.find(socket_of(port));
    if (found == sockets_.end()) return fail("advert: interface is not open", ENODEV);
    sockaddr_storage to{};
    socklen_t size = sizeof(sockaddr_in);
    if (destination.is_v4()) {
        auto& v4 = reinterpret_cast<sockaddr_in&>(to);
        v4.sin_family = AF_INET;
        v4.sin_addr.s_addr = destination.v4_be();
    } else {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(to);
        v6.sin6_family = AF_INET6;
        std::memcpy(&v6.sin6_addr, destination.bytes().data(), 16);
        if (destination.is_multicast() || destination.is_link_local())
            v6.sin6_scope_id = static_cast<unsigned>(port.ifindex);
        size = sizeof(sockaddr_in6);
    }
    if (::sendto(found->second.fd.get(),
                 datagram.data(),
                 datagram.size(),
                 MSG_DONTWAIT | MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&to),
                 size) < 0)
        return fail_errno(errno, "advert to " + destination.to_string());
    return {};
}

Result<> RawTransport::send_frame(int ifindex, std::span<const std::uint8_t> frame) {
    if (frame.size() < kEtherType + 2) return fail_errno(EINVAL, "announcement");
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    std::memcpy(&to.sll_protocol, &frame[kEtherType], 2);
    to.sll_ifindex = ifindex;
    if (::sendto(packet_.get(),
                 frame.data(),
                 frame.size(),
                 MSG_DONTWAIT | MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&to),
                 sizeof to) < 0)
        return fail_errno(errno, "announcement");
    return {};
}

}  // namespace vipd::vrrp
