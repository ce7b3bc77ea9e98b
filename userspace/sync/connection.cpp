// SPDX-License-Identifier: Apache-2.0
#include "userspace/sync/connection.hpp"

#include "userspace/sync/socket.hpp"

#include <array>
#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace vipd::sync {

namespace {

constexpr std::size_t kReadSize = 65536;
// Per turn: what other work of the loop has to wait for, and what bounds the flows of a turn.
constexpr int kReadsPerTurn = 4;

}  // namespace

Connection::Connection(
    EventLoop& loop, Fd fd, bool connecting, std::unique_ptr<Session> session, Hooks hooks)
    : loop_(loop),
      fd_(std::move(fd)),
      connecting_(connecting),
      session_(std::move(session)),
      hooks_(std::move(hooks)) {}

Result<std::unique_ptr<Connection>> Connection::open(
    EventLoop& loop, Fd fd, bool connecting, std::unique_ptr<Session> session, Hooks hooks) {
    std::unique_ptr<Connection> connection(
        new Connection(loop, std::move(fd), connecting, std::move(session), std::move(hooks)));
    auto* self = connection.get();
    self->watched_ = connecting ? EPOLLOUT : EPOLLIN;
    auto io = loop.io(self->fd_.get(), self->watched_, [self](std::uint32_t revents) {
        self->on_ready(revents);
    });
    if (!io) return fail(io.error());
    auto timer = loop.at(self->session_->deadline(), [self](TimePoint) { self->update(); });
    if (!timer) return fail(timer.error());
    self->io_ = std::move(*io);
    self->timer_ = std::move(*timer);
    return connection;
}

void Connection::on_ready(std::uint32_t revents) {
    const TimePoint now = loop_.now();
    if (connecting_) {
        if (auto ok = connect_result(fd_.get()); !ok)
            socket_error_ = ok.error().message;
        else
            connecting_ = false;
    } else if ((revents & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        read(now);
    }
    turn(now);
}

void Connection::update() {
    turn(loop_.now());
}

void Connection::read(TimePoint now) {
    std::array<std::uint8_t, kReadSize> buffer;
    for (int i = 0; i < kReadsPerTurn && !over(); ++i) {
        const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
        if (got > 0) {
            bytes_in_ += static_cast<std::uint64_t>(got);
            session_->receive(Bytes(buffer.data(), static_cast<std::size_t>(got)), now);
        } else if (got == 0) {
            session_->peer_closed();
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR) {
            socket_error_ = Error::from_errno(errno, "receive").message;
        }
    }
}

void Connection::write() {
    while (!connecting_ && !over() && !session_->output().empty()) {
        const auto output = session_->output();
        const ssize_t sent = ::send(fd_.get(), output.data(), output.size(), MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes_out_ += static_cast<std::uint64_t>(sent);
            session_->consumed(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR) {
            socket_error_ = Error::from_errno(errno, "send").message;
        }
    }
}

void Connection::turn(TimePoint now) {
    if (ended_) return;
    session_->tick(now);
    hooks_.turn(now);
    write();
    if (!over()) {
        const std::uint32_t wanted = connecting_                  ? EPOLLOUT
                                     : session_->output().empty() ? EPOLLIN
                                                                  : EPOLLIN | EPOLLOUT;
        Result<> ok;
        if (wanted != watched_) ok = EventLoop::set_events(io_, wanted);
        watched_ = wanted;
        if (ok) ok = EventLoop::rearm(timer_, session_->deadline());
        if (!ok) socket_error_ = ok.error().message;
    }
    if (!over()) return;
    ended_ = true;
    io_.reset();
    timer_.reset();
    // The hook may destroy this object, and with it the function it is.
    const auto ended = std::move(hooks_.ended);
    ended();
}

std::string Connection::why() const {
    return session_->end() ? session_->end()->text : socket_error_;
}

}  // namespace vipd::sync
