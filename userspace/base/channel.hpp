// SPDX-License-Identifier: Apache-2.0
// Carries ipc::Message over a SOCK_SEQPACKET pair: encoding, one attached file descriptor at most,
// and a bounded queue for when the other side does not read.
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/base/fd.hpp"

#include <vipd/error.hpp>
#include <vipd/ipc.hpp>

#include <cstddef>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <utility>

namespace vipd::ipc {

/// The bytes of a message; at most kMaxMessage, else an error.
Result<std::string> encode(const Message& message);
/// Strict: unknown kind, short or surplus bytes are errors.
Result<Message> decode(std::span<const std::byte> bytes);

/// Two connected ends, close-on-exec, non-blocking.
Result<std::pair<Fd, Fd>> make_pair();

class Channel {
  public:
    using Handler = std::function<void(Message, Fd attached)>;
    using Closed = std::function<void()>;

    /// Takes the end `fd`. `handler` gets each message, `closed` is called once when the peer has
    /// gone. Neither may destroy the Channel.
    static Result<std::unique_ptr<Channel>> open(EventLoop& loop,
                                                 Fd fd,
                                                 Handler handler,
                                                 Closed closed);

    /// Sends or queues. The attached descriptor is duplicated, the caller keeps its own. An error
    /// means that the queue is full (the peer hangs) or the peer is gone; the message is lost.
    Result<> send(const Message& message, int attached = -1);
    /// Messages that did not decode.
    std::uint64_t malformed() const { return malformed_; }

    ~Channel();
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

  private:
    Channel(Fd fd, Handler handler, Closed closed);
    void on_ready(std::uint32_t revents);
    void receive();
    void flush();
    void close();

    struct Pending {
        std::string bytes;
        Fd attached;
    };
    static constexpr std::size_t kMaxQueued = 8192;

    Fd fd_;
    Handler handler_;
    Closed closed_;
    EventLoop::Source source_;
    std::deque<Pending> queue_;
    std::uint64_t malformed_ = 0;
};

}  // namespace vipd::ipc
