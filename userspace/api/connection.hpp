// SPDX-License-Identifier: Apache-2.0
// One accepted connection as the stream that cpp-httplib parses requests from. It puts limits where
// the library has none: bytes of a request, time for a request, time without progress, time in all.
#pragma once

#include "userspace/base/fd.hpp"

#include <vipd/time.hpp>

#include <httplib.h>

#include <array>
#include <cstddef>
#include <string>

namespace vipd::api {

/// What one client can cost.
struct Limits {
    std::size_t request_bytes = std::size_t{16} * 1024;  ///< head and body of one request
    std::size_t body_bytes = std::size_t{4} * 1024;
    std::size_t target_bytes = 2048;  ///< path and query
    Millis request_time{5000};        ///< until the request is there whole
    Millis stall_time{5000};          ///< without a byte written
    Millis total_time{60000};         ///< of a connection
    Millis call_time{2000};           ///< for an answer of the core to a question
    Millis command_time{10000};       ///< for an answer of the core to a command
    std::size_t flows = 1000000;      ///< most flows in one listing
    std::size_t workers = 4;          ///< connections served at a time, on each socket
    std::size_t scans = 2;            ///< flow listings at a time, on each socket
};

class Connection : public httplib::Stream {
  public:
    /// `stop` is a descriptor that becomes readable when the server ends. Borrowed.
    Connection(Fd fd, int stop, const Limits& limits);

    bool is_readable() const override;
    bool is_writable() const override;
    ssize_t read(char* data, size_t size) override;
    ssize_t write(const char* data, size_t size) override;
    void get_remote_ip_and_port(std::string& ip, int& port) const override;
    void get_local_ip_and_port(std::string& ip, int& port) const override;
    socket_t socket() const override;

    /// Says that no more comes and takes in what the client still sends, for a moment: closing with
    /// unread bytes would take the answer away from it (RST).
    void finish();

  private:
    bool wait(short events, TimePoint until) const;

    Fd fd_;
    int stop_;
    TimePoint request_until_;
    TimePoint total_until_;
    Millis stall_;
    std::size_t budget_;  ///< bytes that may still be read
    std::array<char, 4096> buffer_{};
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

}  // namespace vipd::api
