// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/replace_file.hpp"

#include "userspace/base/fd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <sys/stat.h>

namespace vipd {

Result<> replace_file(const std::string& path, std::string_view text, unsigned mode) {
    std::string beside = path + ".XXXXXX";
    const Fd fd(::mkostemp(beside.data(), O_CLOEXEC));
    if (!fd) return fail_errno(errno, path);
    const auto given_up = [&](int error) {
        ::unlink(beside.c_str());
        return fail_errno(error, path);
    };
    if (::fchmod(fd.get(), mode) < 0) return given_up(errno);
    while (!text.empty()) {
        const ssize_t written = ::write(fd.get(), text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return given_up(errno);
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::rename(beside.c_str(), path.c_str()) < 0) return given_up(errno);
    return {};
}

}  // namespace vipd
