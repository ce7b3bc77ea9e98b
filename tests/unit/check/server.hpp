// SPDX-License-Identifier: Apache-2.0
// A TCP server on 127.0.0.1 in a thread of its own, which answers as badly as a test wants.
#pragma once

#include <vipd/address.hpp>

#include <unistd.h>

#include <arpa/inet.h>
#include <array>
#include <atomic>
#include <functional>
#include <mutex>
#include <netinet/in.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <utility>

namespace vipd::test {

class Server {
  public:
    /// `serve` gets each connection in turn, with its request; it need not close it.
    using Serve = std::function<void(int fd, const std::string& request)>;

    explicit Server(Serve serve) : serve_(std::move(serve)) {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
            ::listen(listener_, 64) != 0 ||
            ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) != 0)
            throw std::runtime_error("cannot listen on 127.0.0.1");
        endpoint_ = {IpAddress::v4(INADDR_LOOPBACK), ntohs(address.sin_port)};
        thread_ = std::thread([this] { accept(); });
    }
    ~Server() {
        ::shutdown(listener_, SHUT_RDWR);
        thread_.join();
        ::close(listener_);
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    Endpoint endpoint() const { return endpoint_; }
    std::string last_request() {
        const std::lock_guard lock(mutex_);
        return last_request_;
    }
    std::string last_peer() {
        const std::lock_guard lock(mutex_);
        return last_peer_;
    }

    static bool send(int fd, const std::string& text) {
        return ::send(fd, text.data(), text.size(), MSG_NOSIGNAL) ==
               static_cast<ssize_t>(text.size());
    }
    /// Waits until the other side has closed.
    static void hold(int fd) {
        std::array<char, 4096> junk{};
        while (::recv(fd, junk.data(), junk.size(), 0) > 0) {
        }
    }
    /// A server that always says the same and closes.
    static Serve says(std::string answer) {
        return [answer = std::move(answer)](int fd, const std::string&) { send(fd, answer); };
    }

  private:
    void accept() {
        for (;;) {
            sockaddr_in peer{};
            socklen_t length = sizeof peer;
            const int fd =
                ::accept4(listener_, reinterpret_cast<sockaddr*>(&peer), &length, SOCK_CLOEXEC);
            if (fd < 0) return;
            std::string request;
            std::array<char, 4096> part{};
            while (request.find("\r\n\r\n") == std::string::npos) {
                const auto got = ::recv(fd, part.data(), part.size(), 0);
                if (got <= 0) break;
                request.append(part.data(), static_cast<std::size_t>(got));
            }
            {
                const std::lock_guard lock(mutex_);
                last_request_ = request;
                last_peer_ = ::inet_ntoa(peer.sin_addr);
            }
            if (!request.empty()) serve_(fd, request);
            ::close(fd);
        }
    }

    Serve serve_;
    int listener_ = -1;
    Endpoint endpoint_;
    std::thread thread_;
    std::mutex mutex_;
    std::string last_request_;
    std::string last_peer_;
};

/// A port of 127.0.0.1 on which nobody listens.
inline Endpoint closed_port() {
    Server server([](int, const std::string&) {});
    return server.endpoint();
}

}  // namespace vipd::test
