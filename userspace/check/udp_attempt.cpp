// SPDX-License-Identifier: Apache-2.0
#include "userspace/check/udp_attempt.hpp"

#include "userspace/check/socket.hpp"

#include <array>
#include <cerrno>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <utility>

namespace vipd::check {

namespace {

class DatagramAttempt final : public Attempt {
  public:
    DatagramAttempt(DatagramRequest request, Done done)
        : request_(std::move(request)), done_(std::move(done)) {}

    void start(EventLoop& loop) {
        auto early = send();
        if (!early) {
            auto io = loop.io(socket_.get(), EPOLLIN, [this](std::uint32_t) { read(); });
            if (io)
                io_ = std::move(*io);
            else
                early = Outcome::not_run(io.error().message);
        }
        // Even what is known at once is told by the loop: the caller has not got us yet.
        const TimePoint when = early ? loop.now() : loop.now() + request_.timeout;
        auto timer = loop.at(when, [this, early](TimePoint) {
            finish(early.value_or(request_.silence_passes ? Outcome::passed()
                                                          : Outcome::failed("no reply")));
        });
        if (timer) timer_ = std::move(*timer);
    }

  private:
    std::optional<Outcome> send() {
        const bool v6 = request_.target.address.is_v6();
        const int echo = v6 ? int{IPPROTO_ICMPV6} : int{IPPROTO_ICMP};
        const int protocol = request_.ping ? echo : int{IPPROTO_UDP};
        auto socket = open_socket(request_.target.address, request_.source, SOCK_DGRAM, protocol);
        if (!socket) return Outcome::not_run(socket.error().message);
        socket_ = std::move(*socket);
        const auto to = to_sockaddr(request_.target);
        if (::connect(socket_.get(), to.get(), to.length) < 0)
            return Outcome::failed(text_of(errno));
        if (::send(socket_.get(), request_.payload.data(), request_.payload.size(), 0) < 0) {
            if (errno == EAGAIN || errno == ENOBUFS)
                return Outcome::not_run("send: " + text_of(errno));
            return Outcome::failed(text_of(errno));
        }
        return std::nullopt;
    }

    void read() {
        std::array<std::uint8_t, 65536> answer;  // NOLINT: filled by recv
        const ssize_t got = ::recv(socket_.get(), answer.data(), answer.size(), 0);
        if (got < 0) {
            // An ICMP error about what was sent.
            if (errno != EAGAIN && errno != EINTR) finish(Outcome::failed(text_of(errno)));
            return;
        }
        if (auto outcome = request_.judge(ByteView(answer.data(), static_cast<std::size_t>(got))))
            finish(std::move(*outcome));
    }

    void finish(Outcome outcome) {
        io_.reset();
        timer_.reset();
        socket_.reset();
        const auto done = std::move(done_);  // the callee may destroy us
        done(std::move(outcome));
    }

    DatagramRequest request_;
    Done done_;
    Fd socket_;
    EventLoop::Source io_;
    EventLoop::Source timer_;
};

}  // namespace

std::unique_ptr<Attempt> start_datagram(EventLoop& loop,
                                        DatagramRequest request,
                                        Attempt::Done done) {
    auto attempt = std::make_unique<DatagramAttempt>(std::move(request), std::move(done));
    attempt->start(loop);
    return attempt;
}

}  // namespace vipd::check
