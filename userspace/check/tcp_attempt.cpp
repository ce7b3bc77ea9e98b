// SPDX-License-Identifier: Apache-2.0
#include "userspace/check/tcp_attempt.hpp"

#include "userspace/base/fd.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <optional>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace vipd::check {

namespace {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

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

std::string text_of(int errnum) {
    std::string text = std::strerror(errnum);
    if (!text.empty())
        text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return text;
}

class TcpAttempt final : public Attempt {
  public:
    explicit TcpAttempt(Done done) : done_(std::move(done)) {}

    void start(EventLoop& loop, const Endpoint& target, const IpAddress& bind_to, Nanos timeout) {
        auto early = connect(target, bind_to);
        if (!early) {
            auto io = loop.io(socket_.get(), EPOLLOUT, [this](std::uint32_t) { finish(result()); });
            if (io)
                io_ = std::move(*io);
            else
                early = Outcome::not_run(io.error().message);
        }
        // Even what is known at once is told by the loop: the caller has not got us yet.
        const TimePoint when = early ? loop.now() : loop.now() + timeout;
        auto timer = loop.at(when, [this, early](TimePoint) {
            finish(early.value_or(Outcome::failed("connection timed out")));
        });
        if (timer) timer_ = std::move(*timer);
    }

  private:
    std::optional<Outcome> connect(const Endpoint& target, const IpAddress& bind_to) {
        const int family = target.address.is_v6() ? AF_INET6 : AF_INET;
        socket_.reset(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
        if (!socket_) return Outcome::not_run("socket: " + text_of(errno));
        if (bind_to) {
            const auto from = to_sockaddr({bind_to, 0});
            if (::bind(socket_.get(), from.get(), from.length) < 0)
                return Outcome::not_run("bind to " + bind_to.to_string() + ": " + text_of(errno));
        }
        const auto to = to_sockaddr(target);
        if (::connect(socket_.get(), to.get(), to.length) == 0) return Outcome::passed();
        if (errno == EINPROGRESS) return std::nullopt;
        // Used-up local ports are our own trouble; anything else is the way to the server.
        if (errno == EAGAIN || errno == EADDRNOTAVAIL || errno == ENOBUFS)
            return Outcome::not_run("connect: " + text_of(errno));
        return Outcome::failed(text_of(errno));
    }

    Outcome result() const {
        int error = 0;
        socklen_t length = sizeof error;
        if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &length) < 0) error = errno;
        return error == 0 ? Outcome::passed() : Outcome::failed(text_of(error));
    }

    void finish(Outcome outcome) {
        io_.reset();
        timer_.reset();
        socket_.reset();
        // As a local: the callee may destroy us.
        const auto done = std::move(done_);
        done(std::move(outcome));
    }

    Done done_;
    Fd socket_;
    EventLoop::Source io_;
    EventLoop::Source timer_;
};

}  // namespace

std::unique_ptr<Attempt> start_tcp(EventLoop& loop,
                                   const Endpoint& target,
                                   const IpAddress& bind_to,
                                   Nanos timeout,
                                   Attempt::Done done) {
    auto attempt = std::make_unique<TcpAttempt>(std::move(done));
    attempt->start(loop, target, bind_to, timeout);
    return attempt;
}

}  // namespace vipd::check
