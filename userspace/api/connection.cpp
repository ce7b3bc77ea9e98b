// SPDX-License-Identifier: Apache-2.0
#include "userspace/api/connection.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>

namespace vipd::api {
namespace {

TimePoint clock_now() {
    return Clock::now();
}

}  // namespace

Connection::Connection(Fd fd, int stop, const Limits& limits)
    : fd_(std::move(fd)),
      stop_(stop),
      request_until_(clock_now() + limits.request_time),
      total_until_(clock_now() + limits.total_time),
      stall_(limits.stall_time),
      budget_(limits.request_bytes) {}

/// True when the socket is ready; false when the time is up or the server ends.
bool Connection::wait(short events, TimePoint until) const {
    for (;;) {
        const auto left = std::chrono::ceil<Millis>(until - clock_now()).count();
        std::array<pollfd, 2> fds{pollfd{fd_.get(), events, 0}, pollfd{stop_, POLLIN, 0}};
        const int ready = ::poll(fds.data(), fds.size(), static_cast<int>(std::max(left, 0L)));
        if (ready < 0 && errno == EINTR) continue;
        return ready > 0 && fds[1].revents == 0 && fds[0].revents != 0;
    }
}

bool Connection::is_readable() const {
    return begin_ < end_ || wait(POLLIN, request_until_);
}

bool Connection::is_writable() const {
    return wait(POLLOUT, std::min(total_until_, clock_now() + stall_));
}

ssize_t Connection::read(char* data, size_t size) {
    if (begin_ == end_) {
        const std::size_t room = std::min(buffer_.size(), budget_);
        if (room == 0) return -1;
        ssize_t count = 0;
        do {
            if (!wait(POLLIN, request_until_)) return -1;
            count = ::recv(fd_.get(), buffer_.data(), room, MSG_DONTWAIT);
        } while (count < 0 && (errno == EINTR || errno == EAGAIN));
        if (count <= 0) return count;
        begin_ = 0;
        end_ = static_cast<std::size_t>(count);
        budget_ -= end_;
    }
    const std::size_t count = std::min(size, end_ - begin_);
    std::memcpy(data, buffer_.data() + begin_, count);
    begin_ += count;
    return static_cast<ssize_t>(count);
}

ssize_t Connection::write(const char* data, size_t size) {
    for (;;) {
        if (!is_writable()) return -1;
        const ssize_t count = ::send(fd_.get(), data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count >= 0) return count;
        if (errno != EINTR && errno != EAGAIN) return -1;
    }
}

void Connection::finish() {
    ::shutdown(fd_.get(), SHUT_WR);
    const auto until = std::min(total_until_, clock_now() + Millis(500));
    std::size_t left = std::size_t{256} * 1024;
    while (left > 0 && wait(POLLIN, until)) {
        const ssize_t count = ::recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
        if (count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN)) return;
        if (count > 0) left -= std::min(left, static_cast<std::size_t>(count));
    }
}

// Nothing here depends on who the client is: the socket's file mode has decided that.
void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
    ip.clear();
    port = 0;
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
    ip.clear();
    port = 0;
}

// The library refuses descriptors that select() cannot take; this stream polls.
socket_t Connection::socket() const {
    return fd_.get() < FD_SETSIZE ? fd_.get() : -1;
}

}  // namespace vipd::api
