// SPDX-License-Identifier: Apache-2.0
#include "userspace/daemon/mail_role.hpp"

#include "userspace/control/smtp_sender.hpp"
#include "userspace/daemon/sandbox.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>

namespace vipd::daemon {

namespace {

constexpr std::size_t kMaxMail = 1U << 20U;
constexpr std::size_t kMaxReply = std::size_t{16} * 1024;  // of one answer, however many lines
constexpr unsigned kMaxSeconds = 300;                      // of the whole dialogue

bool wait_for(int fd, short events, std::uint32_t timeout_ms) {
    pollfd poll{fd, events, 0};
    return ::poll(&poll, 1, static_cast<int>(timeout_ms)) == 1;
}

/// To the first of the server's addresses that takes a connection.
Result<Fd> connect_to(const control::Mail& mail) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int looked_up =
        ::getaddrinfo(mail.server.c_str(), std::to_string(mail.port).c_str(), &hints, &found);
    if (looked_up != 0) return fail(::gai_strerror(looked_up));
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> list(found, ::freeaddrinfo);
    int error = EHOSTUNREACH;
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
        Fd socket(::socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        if (!socket) continue;
        if (::connect(socket.get(), at->ai_addr, at->ai_addrlen) == 0) return socket;
        error = errno;
        if (error != EINPROGRESS) continue;
        if (!wait_for(socket.get(), POLLOUT, mail.timeout_ms)) {
            error = ETIMEDOUT;
            continue;
        }
        socklen_t length = sizeof error;
        ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &length);
        if (error == 0) return socket;
    }
    return fail_errno(error, "connection");
}

Result<> send_all(int fd, std::string_view text, std::uint32_t timeout_ms) {
    while (!text.empty()) {
        const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) return fail_errno(errno, "send");
        if (sent < 0 && !wait_for(fd, POLLOUT, timeout_ms)) return fail("the server does not read");
        if (sent > 0) text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return {};
}

Result<> deliver(const control::Mail& mail) {
    auto socket = connect_to(mail);
    if (!socket) return fail(std::move(socket.error()));
    control::SmtpSender sender(mail, std::time(nullptr));
    std::string waiting;
    for (;;) {
        std::array<char, 4096> part{};
        if (!wait_for(socket->get(), POLLIN, mail.timeout_ms)) return fail("no answer");
        const ssize_t got = ::recv(socket->get(), part.data(), part.size(), 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (got < 0) return fail_errno(errno, "recv");
        if (got == 0) return fail("the server has closed the connection");
        waiting.append(part.data(), static_cast<std::size_t>(got));
        for (std::size_t end = 0; (end = waiting.find('\n')) != std::string::npos;) {
            std::string line = waiting.substr(0, end);
            waiting.erase(0, end + 1);
            if (line.ends_with('\r')) line.pop_back();
            const auto step = sender.line(line);
            if (step.error) return step.error->empty() ? Result<>() : fail(*step.error);
            if (auto sent = send_all(socket->get(), step.send, mail.timeout_ms); !sent) return sent;
        }
        if (waiting.size() > kMaxReply) return fail("an answer without end");
    }
}

}  // namespace

int run_mail_role(Fd mail, const log::Options& options) {
    log::setup(options);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::alarm(kMaxSeconds);
    const auto text = read_fd(mail.get(), kMaxMail);
    const auto parsed = text ? control::decode_mail(*text)
                             : Result<control::Mail>(tl::unexpected(Error{text.error().message}));
    if (!parsed) {
        spdlog::error("mail alert: {}", parsed.error().message);
        return 1;
    }
    if (const auto user = drop_privileges(); !user) {
        spdlog::error("mail alert is not sent with privileges: {}", user.error().message);
        return 1;
    }
    if (auto forbidden = forbid_system_calls(); !forbidden)
        spdlog::warn("mail alert goes without a system call filter: {}", forbidden.error().message);
    const auto done = deliver(*parsed);
    if (!done) {
        spdlog::error("mail alert \"{}\" by {}:{}: {}",
                      parsed->subject,
                      parsed->server,
                      parsed->port,
                      done.error().message);
        return 1;
    }
    spdlog::info("Mail alert \"{}\" sent", parsed->subject);
    return 0;
}

}  // namespace vipd::daemon
