// SPDX-License-Identifier: Apache-2.0
#include "userspace/api/listener.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace vipd::api {
namespace {

constexpr int kBacklog = 64;

Result<> make_parents(const std::string& path) {
    for (auto slash = path.find('/', 1); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
        const auto folder = path.substr(0, slash);
        if (::mkdir(folder.c_str(), 0755) < 0 && errno != EEXIST)
            return fail_errno(errno, "mkdir " + folder);
    }
    return {};
}

/// Removes what an earlier process left at `path`. Success: nothing is there now.
Result<> remove_stale(const std::string& path, const sockaddr_un& address) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) < 0) {
        if (errno == ENOENT) return {};
        return fail_errno(errno, "stat");
    }
    if (!S_ISSOCK(info.st_mode)) return fail("a file that is not a socket is in the way", EEXIST);
    // The kernel answers a connect() at once; only a socket that nobody listens on is refused.
    const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!probe) return fail_errno(errno, "socket");
    const int connected =
        ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    if (connected == 0 || errno != ECONNREFUSED)
        return fail("another process listens there already", EADDRINUSE);
    if (::unlink(path.c_str()) < 0 && errno != ENOENT) return fail_errno(errno, "unlink");
    return {};
}

}  // namespace

Result<UnixListener> UnixListener::open(const std::string& path) {
    const auto context = "API socket " + path;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.front() != '/' || path.size() >= sizeof address.sun_path)
        return fail(context + ": not an absolute path of at most " +
                    std::to_string(sizeof address.sun_path - 1) + " bytes");
    std::ranges::copy(path, address.sun_path);

    if (auto made = make_parents(path); !made) return fail(std::move(made).error().in(context));
    if (auto removed = remove_stale(path, address); !removed)
        return fail(std::move(removed).error().in(context));

    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail_errno(errno, context);
    // bind() gives the file the mode of the socket: there is no moment at which it is open to more.
    if (::fchmod(fd.get(), 0660) < 0 ||
        ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
        return fail_errno(errno, context + ": bind");
    struct stat info{};
    if (::chmod(path.c_str(), 0660) < 0 || ::lstat(path.c_str(), &info) < 0 ||
        ::listen(fd.get(), kBacklog) < 0) {
        const int error = errno;
        ::unlink(path.c_str());
        return fail_errno(error, context + ": listen");
    }
    return UnixListener(std::move(fd), path, info.st_dev, info.st_ino);
}

UnixListener::~UnixListener() {
    if (!fd_) return;
    struct stat info{};
    if (::lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_)
        ::unlink(path_.c_str());
}

Result<Fd> listen_tcp(const Endpoint& endpoint) {
    const auto context = "API address " + endpoint.to_string();
    sockaddr_storage storage{};
    socklen_t length = 0;
    const auto bytes = endpoint.address.bytes();
    if (endpoint.address.is_v4()) {
        auto* in = reinterpret_cast<sockaddr_in*>(&storage);
        in->sin_family = AF_INET;
        in->sin_port = htons(endpoint.port);
        std::memcpy(&in->sin_addr, bytes.data(), bytes.size());
        length = sizeof *in;
    } else if (endpoint.address.is_v6()) {
        auto* in = reinterpret_cast<sockaddr_in6*>(&storage);
        in->sin6_family = AF_INET6;
        in->sin6_port = htons(endpoint.port);
        std::memcpy(&in->sin6_addr, bytes.data(), bytes.size());
        length = sizeof *in;
    } else {
        return fail(context + ": no address");
    }
    Fd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail_errno(errno, context);
    const int on = 1;
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) < 0 ||
        ::listen(fd.get(), kBacklog) < 0)
        return fail_errno(errno, context);
    return fd;
}

Result<std::uint16_t> local_port(int fd) {
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) < 0)
        return fail_errno(errno, "getsockname");
    // The port stands at the same place in both families.
    return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

}  // namespace vipd::api
