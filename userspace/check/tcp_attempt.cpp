// SPDX-License-Identifier: Apache-2.0
#include "userspace/check/tcp_attempt.hpp"

#include "userspace/check/socket.hpp"

#include <array>
#include <cerrno>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <utility>

namespace vipd::check {

namespace {

class TcpAttempt final : public Attempt {
  public:
    TcpAttempt(TcpRequest request, Done done)
        : request_(std::move(request)), done_(std::move(done)) {}

    void start(EventLoop& loop) {
        auto early = connect();
        if (!early) {
            auto io = loop.io(socket_.get(), EPOLLOUT, [this](std::uint32_t) {
                connected_ ? read() : connected();
            });
            if (io)
                io_ = std::move(*io);
            else
                early = Outcome::not_run(io.error().message);
        }
        // Even what is known at once is told by the loop: the caller has not got us yet.
        const TimePoint when = early ? loop.now() : loop.now() + request_.timeout;
        auto timer = loop.at(when, [this, early](TimePoint) {
            finish(early.value_or(
                Outcome::failed(connected_ ? "SMTP answer timed out" : "connection timed out")));
        });
        if (timer) timer_ = std::move(*timer);
    }

  private:
    std::optional<Outcome> connect() {
        auto socket =
            open_socket(request_.target.address, request_.source, SOCK_STREAM, IPPROTO_TCP);
        if (!socket) return Outcome::not_run(socket.error().message);
        socket_ = std::move(*socket);
        const auto to = to_sockaddr(request_.target);
        if (::connect(socket_.get(), to.get(), to.length) == 0)
            return request_.dialogue ? std::nullopt : std::optional(Outcome::passed());
        if (errno == EINPROGRESS) return std::nullopt;
        // Used-up local ports are our own trouble; anything else is the way to the server.
        if (errno == EAGAIN || errno == EADDRNOTAVAIL || errno == ENOBUFS)
            return Outcome::not_run("connect: " + text_of(errno));
        return Outcome::failed(text_of(errno));
    }

    void connected() {
        int error = 0;
        socklen_t length = sizeof error;
        if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &length) < 0) error = errno;
        if (error != 0) return finish(Outcome::failed(text_of(error)));
        if (!request_.dialogue) return finish(Outcome::passed());
        connected_ = true;
        if (auto set = EventLoop::set_events(io_, EPOLLIN); !set)
            finish(Outcome::not_run(set.error().message));
    }

    void read() {
        std::array<char, 4096> part{};
        const ssize_t got = ::recv(socket_.get(), part.data(), part.size(), 0);
        if (got < 0) {
            if (errno != EAGAIN && errno != EINTR) finish(Outcome::failed(text_of(errno)));
            return;
        }
        if (got == 0) return finish(request_.dialogue->closed());
        auto step = request_.dialogue->feed({part.data(), static_cast<std::size_t>(got)});
        // A few words into an empty buffer: they fit or the server is gone.
        if (!step.send.empty())
            (void)::send(socket_.get(), step.send.data(), step.send.size(), MSG_NOSIGNAL);
        if (step.outcome) finish(std::move(*step.outcome));
    }

    void finish(Outcome outcome) {
        io_.reset();
        timer_.reset();
        socket_.reset();
        // As a local: the callee may destroy us.
        const auto done = std::move(done_);
        done(std::move(outcome));
    }

    TcpRequest request_;
    Done done_;
    Fd socket_;
    EventLoop::Source io_;
    EventLoop::Source timer_;
    bool connected_ = false;
};

}  // namespace

std::unique_ptr<Attempt> start_tcp(EventLoop& loop, TcpRequest request, Attempt::Done done) {
    auto attempt = std::make_unique<TcpAttempt>(std::move(request), std::move(done));
    attempt->start(loop);
    return attempt;
}

}  // namespace vipd::check
