// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/fd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <sys/mman.h>
#include <sys/stat.h>

namespace vipd {

void Fd::reset(int fd) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
}

Result<Fd> make_sealed_memfd(const std::string& name, std::string_view text) {
    Fd fd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd) return fail_errno(errno, "memfd_create");
    while (!text.empty()) {
        const ssize_t written = ::write(fd.get(), text.data(), text.size());
        if (written < 0) {
            if (errno == EINTR) continue;
            return fail_errno(errno, "memfd write");
        }
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) <
        0)
        return fail_errno(errno, "memfd seal");
    return fd;
}

Result<std::string> read_fd(int fd, std::size_t limit) {
    std::string text;
    std::array<char, 65536> buffer{};
    for (;;) {
        const ssize_t got =
            ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(text.size()));
        if (got < 0) {
            if (errno == EINTR) continue;
            return fail_errno(errno, "read");
        }
        if (got == 0) return text;
        if (text.size() + static_cast<std::size_t>(got) > limit)
            return fail("larger than " + std::to_string(limit) + " bytes");
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
    // O_NONBLOCK: opening a FIFO by mistake must not hang.
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd) return fail_errno(errno, path);
    struct stat info{};
    if (::fstat(fd.get(), &info) < 0) return fail_errno(errno, path);
    if (!S_ISREG(info.st_mode)) return fail(path + ": not a regular file");
    auto text = read_fd(fd.get(), limit);
    if (!text) return fail(std::move(text.error()).in(path));
    return text;
}

}  // namespace vipd
