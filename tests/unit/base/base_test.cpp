// SPDX-License-Identifier: Apache-2.0
// The smaller parts of base: descriptors and files, text helpers, the rate limit, errors.
#include "userspace/base/fd.hpp"
#include "userspace/base/log.hpp"
#include "userspace/base/text.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <sys/stat.h>

namespace vipd {
namespace {

using namespace std::chrono_literals;

TEST(Fd, ClosesWhatItOwnsOnce) {
    const int raw = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ASSERT_GE(raw, 0);
    {
        Fd first(raw);
        const Fd second(std::move(first));
        EXPECT_EQ(second.get(), raw);
        EXPECT_NE(::fcntl(raw, F_GETFD), -1);
    }
    EXPECT_EQ(::fcntl(raw, F_GETFD), -1);
}

TEST(Memfd, CannotBeChangedAnyMore) {
    const Fd memfd = make_sealed_memfd("test", "text").value();
    EXPECT_EQ(::pwrite(memfd.get(), "x", 1, 0), -1);
    EXPECT_EQ(errno, EPERM);
    EXPECT_EQ(::ftruncate(memfd.get(), 0), -1);
    EXPECT_EQ(read_fd(memfd.get(), 4).value(), "text");
    EXPECT_EQ(read_fd(memfd.get(), 4).value(), "text");  // always from the start
    EXPECT_FALSE(read_fd(memfd.get(), 3));
}

TEST(ReadFile, RefusesWhatIsNoRegularFile) {
    EXPECT_FALSE(read_file("/", 100));
    EXPECT_FALSE(read_file("/dev/zero", 100));
    const auto missing = read_file("/nonexistent/file", 100);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().errnum, ENOENT);
    EXPECT_NE(missing.error().message.find("/nonexistent/file"), std::string::npos);

    const auto fifo =
        std::filesystem::temp_directory_path() / ("vipd-base-test." + std::to_string(::getpid()));
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    EXPECT_FALSE(read_file(fifo, 100));  // and does not hang
    std::filesystem::remove(fifo);
}

constexpr std::array<std::string_view, 5> kWords{
    "notify_backup", "notify_master", "notify_fault", "priority", "state"};

TEST(Nearest, FindsWhatWasMeant) {
    EXPECT_EQ(nearest("netify_backup", kWords), "notify_backup");
    EXPECT_EQ(nearest("pirority", kWords), "priority");
    EXPECT_EQ(nearest("stat", kWords), "state");
    EXPECT_EQ(nearest("sttae", kWords), "state");  // swapped neighbours are one edit
    EXPECT_EQ(nearest("priority", kWords), "priority");
}

TEST(Nearest, KeepsQuietAboutWordsThatAreFar) {
    EXPECT_EQ(nearest("virtual_router_id", kWords), std::nullopt);
    EXPECT_EQ(nearest("xtatx", kWords), std::nullopt);
    EXPECT_EQ(nearest("", kWords), std::nullopt);
    EXPECT_EQ(nearest(std::string(1000000, 'n'), kWords), std::nullopt);
    EXPECT_EQ(nearest("state", {}), std::nullopt);
}

TEST(Printable, LeavesNoControlCharacterAndIsBounded) {
    EXPECT_EQ(printable("a\nb\x1b[2J\x7f"), "a\\x0ab\\x1b[2J\\x7f");
    EXPECT_EQ(printable("caf\xc3\xa9"), "caf\xc3\xa9");
    EXPECT_LE(printable(std::string(100000, '\n'), 50).size(), 50U + 4 + 3);
}

TEST(RateLimit, LetsOnePassPerIntervalAndCountsTheRest) {
    log::RateLimit limit(10s);
    const TimePoint start(1h);
    EXPECT_EQ(limit.allow("a", start), 0U);
    EXPECT_EQ(limit.allow("a", start + 1s), std::nullopt);
    EXPECT_EQ(limit.allow("a", start + 9999ms), std::nullopt);
    EXPECT_EQ(limit.allow("b", start + 1s), 0U);  // another key, another limit
    EXPECT_EQ(limit.allow("a", start + 10s), 2U);
    EXPECT_EQ(limit.allow("a", start + 11s), std::nullopt);
    EXPECT_EQ(limit.allow("a", start + 30s), 1U);
    EXPECT_EQ(limit.allow("a", start + 60s), 0U);
}

TEST(RateLimit, KeysBeyondTheLimitShareOne) {
    log::RateLimit limit(10s);
    const TimePoint start(1h);
    for (int i = 0; i < 1024; ++i) EXPECT_EQ(limit.allow(std::to_string(i), start), 0U);
    EXPECT_EQ(limit.allow("x1", start), 0U);
    EXPECT_EQ(limit.allow("x2", start), std::nullopt);
    EXPECT_EQ(limit.allow("5", start + 10s), 0U);  // known ones keep their own
}

TEST(Error, ContextGoesOutermostFirst) {
    const Error error = Error::from_errno(ENOENT, "open").in("reload");
    EXPECT_EQ(error.message, "reload: open: No such file or directory");
    EXPECT_EQ(error.errnum, ENOENT);
}

}  // namespace
}  // namespace vipd
