// SPDX-License-Identifier: Apache-2.0
// A session on its socket: moves the bytes, keeps the session's time, and tells the owner after
// each turn.
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/base/fd.hpp"
#include "userspace/sync/session.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace vipd::sync {

class Connection {
  public:
    struct Hooks {
        /// After each turn, before what the session has written is sent: take its flows and events,
        /// give it flows. Must not destroy the Connection.
        std::function<void(TimePoint now)> turn;
        /// The last call, once: the session has ended or the socket failed. May destroy it.
        std::function<void()> ended;
    };

    /// Takes the socket; `connecting`: connect_to() has begun. For a failed open nothing is called.
    static Result<std::unique_ptr<Connection>> open(
        EventLoop& loop, Fd fd, bool connecting, std::unique_ptr<Session> session, Hooks hooks);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// After the owner has given the session something out of turn. May end in Hooks::ended.
    void update();

    bool connecting() const { return connecting_; }
    /// Why it ended: the session's reason or the socket's error.
    std::string why() const;
    const std::string& socket_error() const { return socket_error_; }
    std::uint64_t bytes_in() const { return bytes_in_; }
    std::uint64_t bytes_out() const { return bytes_out_; }

  private:
    Connection(
        EventLoop& loop, Fd fd, bool connecting, std::unique_ptr<Session> session, Hooks hooks);
    void on_ready(std::uint32_t revents);
    void read(TimePoint now);
    void write();
    void turn(TimePoint now);
    bool over() const { return session_->end() || !socket_error_.empty(); }

    EventLoop& loop_;
    Fd fd_;
    bool connecting_;
    std::unique_ptr<Session> session_;
    Hooks hooks_;
    bool ended_ = false;
    std::string socket_error_;
    std::uint32_t watched_ = 0;
    std::uint64_t bytes_in_ = 0;
    std::uint64_t bytes_out_ = 0;
    EventLoop::Source io_;
    EventLoop::Source timer_;
};

}  // namespace vipd::sync
