// SPDX-License-Identifier: Apache-2.0
#include "vrrp/bfd/udp_wire.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace vipd::bfd {

namespace {

constexpr int kBatch = 64;
constexpr int kPriorityControl = 7;
constexpr int kTosInternetworkControl = 0xc0;
constexpr std::uint16_t kFirstSourcePort = 49152;
constexpr std::uint16_t kSourcePorts = 16384;

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress make_address(const IpAddress& address, Family family, std::uint16_t port) {
    SocketAddress out;
    if (family == Family::V4) {
        auto& v4 = reinterpret_cast<sockaddr_in&>(out.storage);
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        if (address) v4.sin_addr.s_addr = address.v4_be();
        out.size = sizeof v4;
    } else {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(out.storage);
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        if (address) std::memcpy(&v6.sin6_addr, address.bytes().data(), 16);
        out.size = sizeof v6;
    }
    return out;
}

Result<> set(const Fd& fd, int level, int option, int value, const char* name) {
    if (::setsockopt(fd.get(), level, option, &value, sizeof value) < 0)
        return fail_errno(errno, std::string("BFD socket: ") + name);
    return {};
}

Result<Fd> make_socket(Family family) {
    Fd fd(::socket(
        family == Family::V4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail_errno(errno, "BFD socket");
    if (family == Family::V6)
        if (auto only = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY"); !only)
            return fail(std::move(only.error()));
    return fd;
}

std::uint16_t port_of(const SessionSettings& session) {
    return session.multihop ? kMultiHopPort : kSingleHopPort;
}

void read_control(msghdr& message, Arrival& arrival) {
    for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
        const bool ttl = (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_TTL) ||
                         (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_HOPLIMIT);
        if (ttl) {
            int value = 0;
            std::memcpy(&value, CMSG_DATA(at), sizeof value);
            arrival.ttl = static_cast<std::uint8_t>(value);
        } else if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO) {
            in_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(at), sizeof info);
            arrival.destination = IpAddress::v4(ntohl(info.ipi_addr.s_addr));
        } else if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(at), sizeof info);
            arrival.destination = IpAddress::v6(std::span<const std::uint8_t, 16>(
                reinterpret_cast<const std::uint8_t*>(&info.ipi6_addr), 16));
        }
    }
}

IpAddress source_of(const sockaddr_storage& from) {
    if (from.ss_family == AF_INET)
        return IpAddress::v4(ntohl(reinterpret_cast<const sockaddr_in&>(from).sin_addr.s_addr));
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(from);
    return IpAddress::v6(std::span<const std::uint8_t, 16>(
        reinterpret_cast<const std::uint8_t*>(&v6.sin6_addr), 16));
}

}  // namespace

Result<> UdpWire::listen(const Place& place) {
    const auto [family, port] = place;
    auto fd = make_socket(family);
    if (!fd) return fail(std::move(fd.error()));
    const bool v4 = family == Family::V4;
    const int level = v4 ? int{IPPROTO_IP} : int{IPPROTO_IPV6};
    // Another user of the port (FRR, BIRD) would have to share it with us, too.
    (void)set(*fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
    if (auto ok = set(*fd, level, v4 ? IP_RECVTTL : IPV6_RECVHOPLIMIT, 1, "TTL"); !ok) return ok;
    if (auto ok = set(*fd, level, v4 ? IP_PKTINFO : IPV6_RECVPKTINFO, 1, "address"); !ok) return ok;
    const SocketAddress any = make_address({}, family, port);
    if (::bind(fd->get(), any.get(), any.size) < 0)
        return fail_errno(errno, "BFD socket: port " + std::to_string(port));
    auto source = loop_.io(
        fd->get(),
        EPOLLIN,
        [this, place](std::uint32_t) { receive(place); },
        EventLoop::Priority::High);
    if (!source) return fail(std::move(source.error()));
    Listening& listening = listening_[place];
    listening.fd = std::move(*fd);
    listening.source = std::move(*source);
    return {};
}

Result<> UdpWire::open(const SessionSettings& session) {
    const Family family = session.neighbour.family();
    const Place place{family, port_of(session)};
    if (!listening_.contains(place))
        if (auto ok = listen(place); !ok) return ok;
    auto fd = make_socket(family);
    if (!fd) return fail(std::move(fd.error()));
    const bool v4 = family == Family::V4;
    const int level = v4 ? int{IPPROTO_IP} : int{IPPROTO_IPV6};
    if (auto ok = set(*fd, level, v4 ? IP_TTL : IPV6_UNICAST_HOPS, session.ttl, "TTL"); !ok)
        return ok;
    (void)set(*fd, level, v4 ? IP_TOS : IPV6_TCLASS, kTosInternetworkControl, "traffic class");
    (void)set(*fd, SOL_SOCKET, SO_PRIORITY, kPriorityControl, "SO_PRIORITY");
    // Any free port of the range; where to begin is of no importance.
    static std::uint16_t next = 0;
    bool bound = false;
    for (unsigned i = 0; i < kSourcePorts && !bound; ++i) {
        const auto port = static_cast<std::uint16_t>(kFirstSourcePort + next++ % kSourcePorts);
        const SocketAddress from = make_address(session.source, family, port);
        bound = ::bind(fd->get(), from.get(), from.size) == 0;
        if (!bound && errno != EADDRINUSE) break;
    }
    if (!bound) return fail_errno(errno, "BFD socket: source " + session.source.to_string());
    senders_[session.name] = std::move(*fd);
    ++listening_[place].users;
    return {};
}

void UdpWire::close(const SessionSettings& session) {
    if (senders_.erase(session.name) == 0) return;
    const auto found = listening_.find({session.neighbour.family(), port_of(session)});
    if (found != listening_.end() && --found->second.users == 0) listening_.erase(found);
}

Result<> UdpWire::send(const SessionSettings& session, std::span<const std::uint8_t> packet) {
    const auto found = senders_.find(session.name);
    if (found == senders_.end()) return fail("BFD: session is not open", ENOTCONN);
    const SocketAddress to =
        make_address(session.neighbour, session.neighbour.family(), port_of(session));
    if (::sendto(found->second.get(),
                 packet.data(),
                 packet.size(),
                 MSG_DONTWAIT | MSG_NOSIGNAL,
                 to.get(),
                 to.size) < 0)
        return fail_errno(errno, "BFD packet to " + session.neighbour.to_string());
    return {};
}

void UdpWire::receive(const Place& place) {
    std::array<std::uint8_t, 256> buffer;  // NOLINT: filled by recvmsg
    for (int i = 0; i < kBatch; ++i) {
        const auto found = listening_.find(place);  // the receiver may close it
        if (found == listening_.end()) return;
        sockaddr_storage from{};
        iovec data{.iov_base = buffer.data(), .iov_len = buffer.size()};
        alignas(cmsghdr) std::array<char, 128> control{};
        msghdr message{};
        message.msg_name = &from;
        message.msg_namelen = sizeof from;
        message.msg_iov = &data;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const ssize_t got = ::recvmsg(found->second.fd.get(), &message, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return;
        Arrival arrival{.source = source_of(from),
                        .destination = {},
                        .port = place.second,
                        .bytes = std::span(buffer).first(static_cast<std::size_t>(got))};
        read_control(message, arrival);
        receiver_(arrival);
    }
}

void UdpWire::drain() {
    std::array<Place, 4> places;
    std::size_t count = 0;
    for (const auto& [place, listening] : listening_)
        if (count < places.size()) places[count++] = place;
    for (std::size_t i = 0; i < count; ++i) receive(places[i]);
}

}  // namespace vipd::bfd
