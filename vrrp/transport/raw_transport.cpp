// SPDX-License-Identifier: Apache-2.0
#include "vrrp/transport/raw_transport.hpp"

#include "vrrp/packet/advert.hpp"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace vipd::vrrp {

namespace {

constexpr int kBatch = 64;  // then timers and other sources get their turn
constexpr int kPriorityControl = 7;

template <class T>
Result<> set_option(const Fd& fd, int level, int option, const T& value, const char* name) {
    if (::setsockopt(fd.get(), level, option, &value, sizeof value) < 0)
        return fail_errno(errno, std::string("VRRP socket: ") + name);
    return {};
}

ip_mreqn membership(int ifindex, const IpAddress& group) {
    ip_mreqn request{};
    request.imr_multiaddr.s_addr = group.v4_be();
    request.imr_ifindex = ifindex;
    return request;
}

}  // namespace

Result<std::unique_ptr<RawTransport>> RawTransport::create(EventLoop& loop) {
    // Protocol 0: it only sends.
    Fd packet(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!packet)
        return fail_errno(errno, "packet socket for gratuitous ARP (CAP_NET_RAW is needed)");
    return std::unique_ptr<RawTransport>(new RawTransport(loop, std::move(packet)));
}

Result<RawTransport::Port> RawTransport::make_port(int ifindex) {
    Port port;
    port.fd.reset(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, kProtocolVrrp));
    if (!port.fd) return fail_errno(errno, "VRRP socket (CAP_NET_RAW is needed)");
    const int on = 1;
    const int off = 0;
    const auto step = [&](Result<>& so_far, int level, int option, int value, const char* name) {
        if (so_far) so_far = set_option(port.fd, level, option, value, name);
    };
    Result<> result;
    step(result, SOL_SOCKET, SO_BINDTOIFINDEX, ifindex, "bind to interface");
    step(result, IPPROTO_IP, IP_HDRINCL, on, "IP_HDRINCL");
    step(result, IPPROTO_IP, IP_MULTICAST_LOOP, off, "IP_MULTICAST_LOOP");
    // Only the groups joined here, not those that others on this host have joined.
    step(result, IPPROTO_IP, IP_MULTICAST_ALL, off, "IP_MULTICAST_ALL");
    if (result) {
        const auto request = membership(ifindex, IpAddress::v4(0));
        result = set_option(port.fd, IPPROTO_IP, IP_MULTICAST_IF, request, "IP_MULTICAST_IF");
    }
    if (!result) return fail(std::move(result.error()));
    // Ahead of bulk traffic in the queue; sending works without it.
    (void)set_option(port.fd, SOL_SOCKET, SO_PRIORITY, kPriorityControl, "SO_PRIORITY");
    auto source =
        loop_.io(port.fd.get(), EPOLLIN, [this, ifindex](std::uint32_t) { receive(ifindex); });
    if (!source) return fail(std::move(source.error()));
    port.source = std::move(*source);
    return port;
}

Result<> RawTransport::open(int ifindex, const IpAddress& group) {
    auto found = ports_.find(ifindex);
    if (found == ports_.end()) {
        auto port = make_port(ifindex);
        if (!port) return fail(std::move(port.error()));
        found = ports_.emplace(ifindex, std::move(*port)).first;
    }
    Port& port = found->second;
    int& users = port.users[group];
    if (users == 0 && group) {
        auto joined = set_option(port.fd,
                                 IPPROTO_IP,
                                 IP_ADD_MEMBERSHIP,
                                 membership(ifindex, group),
                                 "join multicast group");
        if (!joined) {
            port.users.erase(group);
            if (port.users.empty()) ports_.erase(found);
            return joined;
        }
    }
    ++users;
    return {};
}

void RawTransport::close(int ifindex, const IpAddress& group) {
    const auto found = ports_.find(ifindex);
    if (found == ports_.end()) return;
    Port& port = found->second;
    const auto user = port.users.find(group);
    if (user == port.users.end() || --user->second > 0) return;
    port.users.erase(user);
    // Fails where the interface is gone already; so is the membership then.
    if (group)
        (void)set_option(
            port.fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, membership(ifindex, group), "leave group");
    if (port.users.empty()) ports_.erase(found);
}

void RawTransport::receive(int ifindex) {
    std::array<std::uint8_t, kMaxAdvert + 1> buffer;  // NOLINT: filled by recv
    for (int i = 0; i < kBatch; ++i) {
        const auto found = ports_.find(ifindex);  // the receiver may close it
        if (found == ports_.end()) return;
        const ssize_t got =
            ::recv(found->second.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_TRUNC);
        if (got < 0) {
            // ENETDOWN and the like are reported once each by the kernel and say nothing of
            // adverts.
            if (errno == EINTR || errno == ENETDOWN || errno == ENOBUFS) continue;
            return;
        }
        const auto size = static_cast<std::size_t>(got);
        const bool truncated = size > kMaxAdvert;
        if (receiver_)
            receiver_(ifindex, std::span(buffer).first(std::min(size, kMaxAdvert)), truncated);
    }
}

void RawTransport::drain() {
    std::vector<int> indexes;
    for (const auto& [ifindex, port] : ports_) indexes.push_back(ifindex);
    for (const int ifindex : indexes) receive(ifindex);
}

Result<> RawTransport::send(int ifindex,
                            const IpAddress& destination,
                            std::span<const std::uint8_t> datagram) {
    const auto found = ports_.find(ifindex);
    if (found == ports_.end()) return fail("advert: interface is not open", ENODEV);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = destination.v4_be();
    if (::sendto(found->second.fd.get(),
                 datagram.data(),
                 datagram.size(),
                 MSG_DONTWAIT | MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&to),
                 sizeof to) < 0)
        return fail_errno(errno, "advert to " + destination.to_string());
    return {};
}

Result<> RawTransport::send_frame(int ifindex, std::span<const std::uint8_t> frame) {
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_protocol = htons(0x0806);
    to.sll_ifindex = ifindex;
    if (::sendto(packet_.get(),
                 frame.data(),
                 frame.size(),
                 MSG_DONTWAIT | MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&to),
                 sizeof to) < 0)
        return fail_errno(errno, "gratuitous ARP");
    return {};
}

}  // namespace vipd::vrrp
