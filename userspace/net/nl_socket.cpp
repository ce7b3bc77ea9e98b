// SPDX-License-Identifier: Apache-2.0
#include "userspace/net/nl_socket.hpp"

#include "userspace/net/nl_decode.hpp"

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <optional>
#include <sys/socket.h>
#include <sys/time.h>

namespace vipd::net {

namespace {

// The kernel builds dumps in buffers of at most 32 KiB; a single notification is far smaller.
constexpr std::size_t kBuffer = 64 * 1024;
// A burst of a full routing table must not cost us a neighbour event.
constexpr int kEventBuffer = 8 * 1024 * 1024;
// The kernel answers within the sendmsg() call; only a broken one lets us wait.
constexpr timeval kReplyTimeout{.tv_sec = 2, .tv_usec = 0};

Result<Socket> open_socket() {
    Socket socket(nl_socket_alloc());
    if (!socket) return fail_errno(ENOMEM, "netlink socket");
    if (const int error = nl_connect(socket.get(), NETLINK_ROUTE); error < 0)
        return fail(std::string("netlink socket: ") + nl_geterror(error), errno);
    return socket;
}

// One datagram from the kernel; nullopt for one that somebody else sent. Errors carry the errno:
// EAGAIN nothing waits, ENOBUFS notifications were lost, EMSGSIZE a message was cut.
Result<std::optional<std::size_t>> receive_from_kernel(int fd,
                                                       std::span<std::byte> buffer,
                                                       int flags) {
    sockaddr_nl sender{};
    socklen_t sender_length = sizeof sender;
    ssize_t got = -1;
    do {
        got = ::recvfrom(fd,
                         buffer.data(),
                         buffer.size(),
                         flags | MSG_TRUNC,
                         reinterpret_cast<sockaddr*>(&sender),
                         &sender_length);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return fail_errno(errno, "netlink: receive");
    if (sender_length != sizeof sender || sender.nl_pid != 0) return std::nullopt;
    if (static_cast<std::size_t>(got) > buffer.size())
        return fail_errno(EMSGSIZE, "netlink: receive");
    return static_cast<std::size_t>(got);
}

// The messages of one datagram; each lies wholly within it.
Result<> for_each_message(std::span<const std::byte> datagram, const RequestSocket::Visit& visit) {
    while (!datagram.empty()) {
        nlmsghdr header{};
        if (datagram.size() < sizeof header) return fail("netlink: malformed message", EBADMSG);
        std::memcpy(&header, datagram.data(), sizeof header);
        if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size())
            return fail("netlink: malformed message", EBADMSG);
        if (auto ok = visit(*reinterpret_cast<const nlmsghdr*>(datagram.data())); !ok) return ok;
        datagram = datagram.subspan(
            std::min<std::size_t>(NLMSG_ALIGN(std::size_t{header.nlmsg_len}), datagram.size()));
    }
    return {};
}

// What NLMSG_ERROR says: success (an acknowledgement), or errno and the kernel's explanation.
Result<> outcome(const nlmsghdr& message) {
    if (nlmsg_valid_hdr(&message, sizeof(nlmsgerr)) == 0)
        return fail("netlink: malformed message", EBADMSG);
    const auto& error = *static_cast<const nlmsgerr*>(nlmsg_data(&message));
    if (error.error == 0) return {};
    const int errnum = -error.error;
    std::size_t attributes = sizeof error;
    if ((message.nlmsg_flags & NLM_F_CAPPED) == 0 && error.msg.nlmsg_len > sizeof(nlmsghdr))
        attributes += NLMSG_ALIGN(std::size_t{error.msg.nlmsg_len}) - sizeof(nlmsghdr);
    const std::size_t payload = static_cast<std::size_t>(nlmsg_datalen(&message));
    if ((message.nlmsg_flags & NLM_F_ACK_TLVS) != 0 && attributes < payload) {
        const auto* first = reinterpret_cast<const nlattr*>(
            static_cast<const std::byte*>(nlmsg_data(&message)) + attributes);
        const nlattr* text =
            nla_find(first, static_cast<int>(payload - attributes), NLMSGERR_ATTR_MSG);
        if (text != nullptr) {
            const auto* begin = static_cast<const char*>(nla_data(text));
            const auto length = static_cast<std::size_t>(nla_len(text));
            return fail_errno(errnum, std::string(begin, ::strnlen(begin, length)));
        }
    }
    return tl::unexpected<Error>(Error{std::strerror(errnum), errnum});
}

}  // namespace

void SocketFree::operator()(nl_sock* socket) const {
    nl_socket_free(socket);
}

void Request::Free::operator()(nl_msg* message) const {
    nlmsg_free(message);
}

Request::Request(std::uint16_t type, std::uint16_t flags, std::span<const std::byte> header)
    : message_(nlmsg_alloc_simple(type, flags)) {
    complete_ = message_ && nlmsg_append(message_.get(),
                                         const_cast<std::byte*>(header.data()),
                                         header.size(),
                                         NLMSG_ALIGNTO) == 0;
}

Request& Request::put(int attribute, const void* data, std::size_t size) {
    complete_ = complete_ && nla_put(message_.get(), attribute, static_cast<int>(size), data) == 0;
    return *this;
}

Request& Request::put(int attribute, const IpAddress& address) {
    return put(attribute, address.bytes().data(), address.bytes().size());
}

Request& Request::put(int attribute, const std::string& text) {
    return put(attribute, text.c_str(), text.size() + 1);
}

Request& Request::put(int attribute, std::uint32_t value) {
    return put(attribute, &value, sizeof value);
}

RequestSocket::RequestSocket(Socket socket) : socket_(std::move(socket)), buffer_(kBuffer) {}

Result<RequestSocket> RequestSocket::open() {
    auto socket = open_socket();
    if (!socket) return fail(std::move(socket.error()));
    const int fd = nl_socket_get_fd(socket->get());
    if (::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kReplyTimeout, sizeof kReplyTimeout) < 0)
        return fail_errno(errno, "netlink socket: receive timeout");
    // Comforts: explanations with errors, dumps filtered by the kernel. Older kernels go without.
    const int on = 1;
    (void)::setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    (void)::setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    (void)::setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
    return RequestSocket(std::move(*socket));
}

Result<> RequestSocket::transact(const Request& request) {
    return transact(request, [](const nlmsghdr&) -> Result<> { return {}; });
}

Result<std::size_t> RequestSocket::receive() {
    for (;;) {
        auto got = receive_from_kernel(nl_socket_get_fd(socket_.get()), buffer_, 0);
        if (!got) return fail(std::move(got.error()));
        if (*got) return **got;
    }
}

Result<> RequestSocket::transact(const Request& request, const Visit& visit) {
    if (!request.complete()) return fail_errno(EMSGSIZE, "netlink: request");
    if (const int error = nl_send_auto(socket_.get(), request.native()); error < 0)
        return fail(std::string("netlink: send: ") + nl_geterror(error), errno);
    const std::uint32_t sequence = nlmsg_hdr(request.native())->nlmsg_seq;

    bool finished = false;
    bool interrupted = false;
    Result<> result;
    // After an error of ours the reply is still read to its end, so that it cannot meet the next
    // request.
    while (!finished) {
        auto got = receive();
        if (!got) return fail(std::move(got.error()));
        auto walked =
            for_each_message(std::span(buffer_).first(*got), [&](const nlmsghdr& message) {
                if (message.nlmsg_seq != sequence) return Result<>{};  // of an abandoned request
                if ((message.nlmsg_flags & NLM_F_DUMP_INTR) != 0) interrupted = true;
                if (message.nlmsg_type == NLMSG_ERROR) {
                    finished = true;
                    if (result) result = outcome(message);
                } else if (message.nlmsg_type == NLMSG_DONE) {
                    finished = true;
                    int error = 0;
                    if (nlmsg_datalen(&message) >= static_cast<int>(sizeof error))
                        std::memcpy(&error, nlmsg_data(&message), sizeof error);
                    if (result && error < 0)
                        result = tl::unexpected<Error>(Error{std::strerror(-error), -error});
                } else if (message.nlmsg_type >= NLMSG_MIN_TYPE && result) {
                    result = visit(message);
                }
                return Result<>{};
            });
        if (!walked) return walked;
    }
    if (result && interrupted) return fail_errno(EAGAIN, "netlink: dump interrupted");
    return result;
}

EventSocket::EventSocket(Socket socket) : socket_(std::move(socket)), buffer_(kBuffer) {}

Result<EventSocket> EventSocket::open() {
    auto socket = open_socket();
    if (!socket) return fail(std::move(socket.error()));
    const int fd = nl_socket_get_fd(socket->get());
    // FORCE wants CAP_NET_ADMIN; without it the largest size that the system allows will do.
    if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kEventBuffer, sizeof kEventBuffer) < 0)
        (void)::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kEventBuffer, sizeof kEventBuffer);
    for (const int group : {RTNLGRP_LINK,
                            RTNLGRP_IPV4_IFADDR,
                            RTNLGRP_IPV6_IFADDR,
                            RTNLGRP_NEIGH,
                            RTNLGRP_IPV4_ROUTE,
                            RTNLGRP_IPV6_ROUTE,
                            RTNLGRP_IPV4_RULE,
                            RTNLGRP_IPV6_RULE}) {
        if (::setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
            return fail_errno(errno, "netlink socket: join group");
    }
    return EventSocket(std::move(*socket));
}

int EventSocket::fd() const {
    return nl_socket_get_fd(socket_.get());
}

Result<> EventSocket::dispatch(const std::function<void(const LinkEvent&)>& handler) {
    bool lost = false;
    Result<> result;
    for (int i = 0; i < kBatch; ++i) {
        auto got = receive_from_kernel(fd(), buffer_, MSG_DONTWAIT);
        if (!got) {
            const int errnum = got.error().errnum;
            if (errnum == ENOBUFS || errnum == EMSGSIZE) {
                lost = true;
                continue;
            }
            if (errnum != EAGAIN) result = fail(std::move(got.error()));
            break;
        }
        if (!*got) continue;
        auto walked =
            for_each_message(std::span(buffer_).first(**got), [&](const nlmsghdr& message) {
                if (message.nlmsg_type < NLMSG_MIN_TYPE) return Result<>{};
                auto event = decode_event(message);
                if (!event) return Result<>(fail(std::move(event.error())));
                if (*event) handler(**event);
                return Result<>{};
            });
        if (!walked) lost = true;
    }
    // A notification that cannot be read may have been any: all must be looked at again.
    if (lost) handler({.kind = LinkEvent::Kind::Overrun, .ifindex = 0, .address = {}});
    return result;
}

}  // namespace vipd::net
