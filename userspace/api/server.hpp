// SPDX-License-Identifier: Apache-2.0
// The API: HTTP and JSON on a unix socket, and read-only on a TCP address where one is configured.
// docs/API.md is its description for those who call it.
//
// Threads: each socket has a few workers of its own that accept, parse and answer, one request per
// connection, at a lower priority than the rest of the daemon. What touches the core's state they
// have the loop's thread do (LoopCalls), a scan of the flow table in many small parts.
#pragma once

#include "userspace/api/connection.hpp"
#include "userspace/base/event_loop.hpp"
#include "userspace/control/backend.hpp"

#include <vipd/address.hpp>
#include <vipd/error.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace vipd::api {

struct Options {
    std::string socket;              ///< path of the unix socket
    std::optional<Endpoint> listen;  ///< TCP: GET of /metrics, /v1/status and /v1/flows only
    Limits limits;
};

class Server {
  public:
    /// Starts to listen and serve. On the loop's thread; `loop` and `backend` must outlive the
    /// server. Errors: a socket that cannot be had; nothing is left behind then.
    static Result<std::unique_ptr<Server>> start(EventLoop& loop,
                                                 control::Backend& backend,
                                                 Options options);
    /// On the loop's thread, but not from within a call of the backend: ends the connections, joins
    /// the workers and removes the socket's file.
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// The TCP port listened on; 0 without TCP.
    std::uint16_t port() const;

  private:
    struct Impl;
    explicit Server(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace vipd::api
