// SPDX-License-Identifier: Apache-2.0
// The sockets that the API listens on.
#pragma once

#include "userspace/base/fd.hpp"

#include <vipd/address.hpp>
#include <vipd/error.hpp>

#include <cstdint>
#include <string>
#include <sys/types.h>

namespace vipd::api {

/// A listening unix socket; its file goes when this does, unless somebody has put another there.
class UnixListener {
  public:
    /// Makes the folders above `path` (0755) and the socket (0660). A file left behind by a process
    /// that has ended is replaced; error if somebody listens there or it is no socket.
    static Result<UnixListener> open(const std::string& path);
    UnixListener(UnixListener&&) noexcept = default;
    UnixListener& operator=(UnixListener&&) = delete;
    ~UnixListener();

    int fd() const { return fd_.get(); }

  private:
    UnixListener(Fd fd, std::string path, dev_t device, ino_t inode)
        : fd_(std::move(fd)), path_(std::move(path)), device_(device), inode_(inode) {}

    Fd fd_;
    std::string path_;
    dev_t device_;
    ino_t inode_;
};

/// A listening TCP socket, non-blocking. Port 0 lets the kernel choose.
Result<Fd> listen_tcp(const Endpoint& endpoint);

/// The port that a TCP socket is bound to.
Result<std::uint16_t> local_port(int fd);

}  // namespace vipd::api
