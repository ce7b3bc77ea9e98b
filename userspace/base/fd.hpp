// SPDX-License-Identifier: Apache-2.0
// Owned file descriptors and the few system objects made of them.
#pragma once

#include <vipd/error.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace vipd {

/// Owns one file descriptor; closes it when it goes. -1 is none.
class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) reset(std::exchange(other.fd_, -1));
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() { reset(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int release() { return std::exchange(fd_, -1); }
    void reset(int fd = -1);

  private:
    int fd_ = -1;
};

/// A sealed memfd holding `text`: what a role reads its configuration from.
Result<Fd> make_sealed_memfd(const std::string& name, std::string_view text);

/// Everything in a regular file or memfd from its start, at most `limit` bytes (more is an error).
Result<std::string> read_fd(int fd, std::size_t limit);
/// The same by path. Directories, FIFOs and devices are refused.
Result<std::string> read_file(const std::string& path, std::size_t limit);

}  // namespace vipd
