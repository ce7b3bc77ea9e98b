// SPDX-License-Identifier: Apache-2.0
#include "userspace/api/server.hpp"

#include "userspace/api/listener.hpp"
#include "userspace/api/loop_calls.hpp"
#include "userspace/api/routes.hpp"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <thread>
#include <vector>

namespace vipd::api {
namespace {

constexpr int kNice = 10;  // the loop, and all other processes, come first
constexpr int kPauseMs = 100;

/// While it lives, threads that are made have every signal blocked: signals belong to the loop.
class SignalsBlocked {
  public:
    SignalsBlocked() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

  private:
    sigset_t before_{};
};

/// httplib::Server's constructor has SIGPIPE ignored in the whole process, which scripts would
/// inherit. Nothing here needs it (MSG_NOSIGNAL), so it is put back.
std::unique_ptr<Routes> make_routes(Shared& shared, bool read_only) {
    struct sigaction before{};
    ::sigaction(SIGPIPE, nullptr, &before);
    auto routes = std::make_unique<Routes>(shared, read_only);
    ::sigaction(SIGPIPE, &before, nullptr);
    return routes;
}

/// Waits for a connection; empty: the server ends.
Fd accept_next(int listener, int stop) {
    for (;;) {
        std::array<pollfd, 2> fds{pollfd{listener, POLLIN, 0}, pollfd{stop, POLLIN, 0}};
        if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return {};
        if (fds[1].revents != 0) return {};
        if (fds[0].revents == 0) continue;
        Fd fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (fd) return fd;
        // Out of descriptors or memory: the client waits in the backlog, this thread must not spin.
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            ::poll(&fds[1], 1, kPauseMs);
    }
}

void work(int listener, int stop, Routes& routes, const Limits& limits) {
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
    pthread_setname_np(pthread_self(), "vipd-api");
    while (Fd fd = accept_next(listener, stop)) {
        try {
            Connection connection(std::move(fd), stop, limits);
            routes.serve(connection);
        } catch (const std::exception&) {
            // Out of memory outside a handler: this connection ends, the worker does not.
        }
    }
}

}  // namespace

struct Server::Impl {
    Impl(UnixListener listener, std::unique_ptr<LoopCalls> loop_calls, Fd stop_event)
        : unix_listener(std::move(listener)),
          calls(std::move(loop_calls)),
          stop(std::move(stop_event)) {}

    void start_workers(int listener, Routes& with) {
        const SignalsBlocked blocked;
        for (std::size_t i = 0; i < shared->limits.workers; ++i)
            workers.emplace_back(
                [this, listener, &with] { work(listener, stop.get(), with, shared->limits); });
    }

    UnixListener unix_listener;
    Fd tcp_listener;
    std::uint16_t port = 0;
    std::unique_ptr<LoopCalls> calls;
    Fd stop;
    std::unique_ptr<Shared> shared;
    std::unique_ptr<Routes> routes;
    std::unique_ptr<Routes> tcp_routes;
    std::vector<std::jthread> workers;
};

Result<std::unique_ptr<Server>> Server::start(EventLoop& loop,
                                              control::Backend& backend,
                                              Options options) {
    auto listener = UnixListener::open(options.socket);
    if (!listener) return fail(std::move(listener).error());
    auto calls = LoopCalls::create(loop);
    if (!calls) return fail(std::move(calls).error().in("API"));
    Fd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!stop) return fail_errno(errno, "API: eventfd");

    auto impl = std::make_unique<Impl>(std::move(*listener), std::move(*calls), std::move(stop));
    impl->shared = std::make_unique<Shared>(backend, *impl->calls, options.limits);
    if (options.listen) {
        auto tcp = listen_tcp(*options.listen);
        if (!tcp) return fail(std::move(tcp).error());
        auto port = local_port(tcp->get());
        if (!port) return fail(std::move(port).error().in("API"));
        impl->tcp_listener = std::move(*tcp);
        impl->port = *port;
        impl->tcp_routes = make_routes(*impl->shared, true);
    }
    impl->routes = make_routes(*impl->shared, false);

    // From here on the destructor has threads to end.
    auto server = std::unique_ptr<Server>(new Server(std::move(impl)));
    auto& made = *server->impl_;
    made.start_workers(made.unix_listener.fd(), *made.routes);
    if (made.tcp_listener) made.start_workers(made.tcp_listener.get(), *made.tcp_routes);
    return server;
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() {
    // The workers may wait for this very thread.
    impl_->calls->close();
    const std::uint64_t one = 1;
    (void)!::write(impl_->stop.get(), &one, sizeof one);
    impl_->workers.clear();
}

std::uint16_t Server::port() const {
    return impl_->port;
}

}  // namespace vipd::api
