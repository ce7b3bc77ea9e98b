// SPDX-License-Identifier: Apache-2.0
#include "userspace/sync/checkpoint.hpp"

#include "tests/unit/sync/support.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sys/resource.h>
#include <sys/stat.h>

namespace vipd::sync {
namespace {

using testing::bytes_of;
using testing::flow_of;

class SyncCheckpoint : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string name = "/tmp/vipd-checkpoint-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
        path_ = folder_ + "/flows";
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    void save(std::uint32_t flows, const std::string& node = "dir-a") {
        auto writer = CheckpointWriter::open(path_, node, WallTime(123'456));
        ASSERT_TRUE(writer) << writer.error().message;
        for (std::uint32_t n = 0; n < flows; ++n) ASSERT_TRUE(writer->add(flow_of(n)));
        ASSERT_TRUE(writer->commit(true));
    }
    Result<CheckpointContent> read(const std::string& node = "dir-a") {
        taken_.clear();
        return read_checkpoint(path_, node, [this](WallTime at, std::span<const Flow> flows) {
            EXPECT_EQ(at, WallTime(123'456));
            taken_.insert(taken_.end(), flows.begin(), flows.end());
        });
    }
    std::string content() const {
        std::ifstream file(path_, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    }
    std::size_t files() const {
        const std::filesystem::directory_iterator all(folder_);
        return static_cast<std::size_t>(std::distance(begin(all), end(all)));
    }

    std::string folder_;
    std::string path_;
    std::vector<Flow> taken_;
};

TEST_F(SyncCheckpoint, GivesBackWhatWasWritten) {
    for (const std::uint32_t flows : {0U, 1U, 20'000U}) {
        save(flows);
        const auto content = read();
        ASSERT_TRUE(content) << content.error().message;
        EXPECT_EQ(content->count, flows);
        ASSERT_EQ(taken_.size(), flows);
        for (std::uint32_t n = 0; n < flows; ++n) ASSERT_EQ(taken_[n], flow_of(n));
        EXPECT_EQ(files(), 1U);
    }
    struct ::stat status{};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(SyncCheckpoint, LeavesOutFlowsThatAreOver) {
    auto writer = CheckpointWriter::open(path_, "dir-a", WallTime(123'456));
    ASSERT_TRUE(writer);
    ASSERT_TRUE(writer->add(flow_of(1, testing::FlowState::None)));
    ASSERT_TRUE(writer->add(flow_of(2)));
    ASSERT_TRUE(writer->commit(false));
    ASSERT_TRUE(read());
    EXPECT_EQ(taken_, std::vector<Flow>{flow_of(2)});
}

TEST_F(SyncCheckpoint, ReplacesTheOldFileOnlyWhenItIsWhole) {
    save(3);
    {
        auto writer = CheckpointWriter::open(path_, "dir-a", WallTime(99));
        ASSERT_TRUE(writer);
        ASSERT_TRUE(writer->add(flow_of(50)));
        EXPECT_EQ(files(), 2U);
        ASSERT_TRUE(read());
        EXPECT_EQ(taken_.size(), 3U);
    }
    EXPECT_EQ(files(), 1U);  // what was not finished is gone
    // One that was killed has left its unfinished file: it is not in the way.
    std::ofstream(path_ + ".new") << "half";
    save(4);
    ASSERT_TRUE(read());
    EXPECT_EQ(taken_.size(), 4U);
    EXPECT_EQ(files(), 1U);
}

TEST_F(SyncCheckpoint, KeepsTheOldFileWhenTheDiskIsFull) {
    save(3);
    // As a full disk: no file may grow beyond this. Without the signal, write() says so.
    ::signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const rlimit small{100'000, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    Result<> failed;
    {
        auto writer = CheckpointWriter::open(path_, "dir-a", WallTime(99));
        ASSERT_TRUE(writer);
        for (std::uint32_t n = 0; n < 100'000 && failed; ++n) failed = writer->add(flow_of(n));
    }
    ::setrlimit(RLIMIT_FSIZE, &before);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().errnum, EFBIG);
    EXPECT_EQ(files(), 1U);
    ASSERT_TRUE(read());
    EXPECT_EQ(taken_.size(), 3U);
}

TEST_F(SyncCheckpoint, IsRefusedWhenAnyByteIsAnother) {
    save(20);
    const std::string good = content();
    for (std::size_t at = 0; at < good.size(); ++at) {
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ 0x20);
        const auto content = decode_checkpoint(
            bytes_of(bad), "dir-a", [](WallTime, std::span<const Flow>) { FAIL(); });
        ASSERT_FALSE(content) << at;
    }
    for (std::size_t size = 0; size < good.size(); ++size)
        ASSERT_FALSE(decode_checkpoint(bytes_of(good.substr(0, size)),
                                       "dir-a",
                                       [](WallTime, std::span<const Flow>) { FAIL(); }))
            << size;
    EXPECT_FALSE(decode_checkpoint(
        bytes_of(good + "x"), "dir-a", [](WallTime, std::span<const Flow>) { FAIL(); }));
}

TEST_F(SyncCheckpoint, SaysWhyItIsRefused) {
    const auto why = [&](const Result<CheckpointContent>& content) {
        return content ? std::string() : content.error().message;
    };
    EXPECT_EQ(read().error().errnum, ENOENT);
    save(1);
    EXPECT_NE(why(read("dir-b")).find("it is another node's: dir-a"), std::string::npos);
    ASSERT_EQ(::chmod(path_.c_str(), 0622), 0);
    EXPECT_NE(why(read()).find("others may write to it"), std::string::npos);
    std::filesystem::remove(path_);
    std::ofstream(path_) << "VIPDFLO";
    EXPECT_NE(why(read()).find("this is no checkpoint of vipd"), std::string::npos);
    std::ofstream(path_) << "VIPDFLOW" << std::string("\0\0\0\x02", 4);
    EXPECT_NE(why(read()).find("another version (2)"), std::string::npos);
    std::ofstream(path_) << "VIPDFLOW" << std::string("\0\0\0\x01", 4);
    EXPECT_NE(why(read()).find("cut off"), std::string::npos);
    std::filesystem::remove(path_);
    ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    EXPECT_NE(why(read()).find("no regular file"), std::string::npos);
    std::filesystem::remove(path_);
    std::filesystem::create_symlink("/etc/passwd", path_);
    EXPECT_EQ(read().error().errnum, ELOOP);
}

}  // namespace
}  // namespace vipd::sync
