// SPDX-License-Identifier: Apache-2.0
// NETLINK_ROUTE sockets: one for requests and their replies, one for notifications.
#pragma once

#include <vipd/error.hpp>
#include <vipd/links.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

struct nl_sock;
struct nl_msg;
struct nlmsghdr;

namespace vipd::net {

/// A request under construction. Adding never fails visibly; transact() reports a full message.
class Request {
  public:
    /// `type` RTM_*, `flags` NLM_F_* (request and acknowledgement are implied).
    Request(std::uint16_t type, std::uint16_t flags, std::span<const std::byte> header);

    Request& put(int attribute, const void* data, std::size_t size);
    Request& put(int attribute, const IpAddress& address);
    Request& put(int attribute, const std::string& text);  ///< with its terminating zero
    Request& put(int attribute, std::uint32_t value);

    bool complete() const { return complete_; }
    nl_msg* native() const { return message_.get(); }

  private:
    struct Free {
        void operator()(nl_msg* message) const;
    };
    std::unique_ptr<nl_msg, Free> message_;
    bool complete_ = true;
};

struct SocketFree {
    void operator()(nl_sock* socket) const;
};
using Socket = std::unique_ptr<nl_sock, SocketFree>;

class RequestSocket {
  public:
    using Visit = std::function<Result<>(const nlmsghdr&)>;

    static Result<RequestSocket> open();

    /// Sends the request and hands each message of the reply to `visit` until the kernel's
    /// acknowledgement or the end of the dump. The kernel's error comes back with its errno and,
    /// where it gives one, its explanation; an interrupted dump as EAGAIN, to be repeated.
    Result<> transact(const Request& request, const Visit& visit);
    Result<> transact(const Request& request);

  private:
    explicit RequestSocket(Socket socket);
    Result<std::size_t> receive();

    Socket socket_;
    std::vector<std::byte> buffer_;
};

class EventSocket {
  public:
    static Result<EventSocket> open();
    int fd() const;

    /// Reads what waits, at most kBatch datagrams (the descriptor stays readable if there is more).
    /// Lost notifications and ones that make no sense become one Overrun.
    Result<> dispatch(const std::function<void(const LinkEvent&)>& handler);

    static constexpr int kBatch = 64;

  private:
    explicit EventSocket(Socket socket);

    Socket socket_;
    std::vector<std::byte> buffer_;
};

}  // namespace vipd::net
