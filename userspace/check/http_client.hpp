// SPDX-License-Identifier: Apache-2.0
// HTTP_GET and SSL_GET: one request to one server, whatever it answers. libcurl speaks, the event
// loop drives.
//
// The request is keepalived's: User-Agent KeepAliveClient, Host with the port unless a virtual host
// is named, nothing else but Connection: close where asked for. Redirects are answers, not
// instructions; proxies, cookies, compression, name resolution and reuse of connections do not
// exist here. A server that is slow, endless or talks nonsense fails its attempt and costs at most
// the Limits.
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/check/attempt.hpp"

#include <vipd/error.hpp>

#include <cstddef>
#include <memory>

namespace vipd::check {

class HttpClient {
  public:
    struct Limits {
        std::size_t header_bytes = std::size_t{64} * 1024;
        std::size_t body_bytes = std::size_t{16} * 1024 * 1024;
        std::size_t regex_bytes = std::size_t{1} * 1024 * 1024;  ///< of the body, for a regex
        Nanos total{Seconds(60)};  ///< of a whole attempt, at least ten times its connect_timeout
    };
    /// An answer as it came.
    struct Received {
        long status = 0;
        std::string md5;  ///< of the body, in hex
        std::string head;
        std::string body;
    };
    struct Request {
        Endpoint target{};
        Source source{};
        std::optional<Tls> tls{};
        HttpVersion version = HttpVersion::V1_0;
        HttpUrl url{};
        /// For the connection, and for every silence after it.
        Nanos timeout{Seconds(5)};
        /// Gets the answer before it is judged; head and body are only kept for it.
        std::function<void(const Received&)> received{};
    };

    /// `loop` outlives the client, the client every attempt.
    static Result<std::unique_ptr<HttpClient>> create(EventLoop& loop, Limits limits);

    /// What the root block SSL names, as read; an empty text: not given.
    struct Certificates {
        std::string ca, certificate, key, password;
    };
    /// For all attempts from now on. With a CA a server's certificate must come from it.
    virtual void use(Certificates certificates) = 0;
    virtual ~HttpClient() = default;

    virtual std::unique_ptr<Attempt> start(const Request& request, Attempt::Done done) = 0;
};

}  // namespace vipd::check
