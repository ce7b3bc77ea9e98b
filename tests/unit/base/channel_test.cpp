// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/channel.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace vipd::ipc {
namespace {

/// A channel and the raw other end of its pair.
class ChannelTest : public testing::Test {
  protected:
    void SetUp() override {
        auto [near, far] = make_pair().value();
        far_ = std::move(far);
        channel_ = Channel::open(
                       loop_,
                       std::move(near),
                       [this](Message message, Fd attached) {
                           got_.push_back(std::move(message));
                           attached_ = std::move(attached);
                           if (got_.size() == stop_after_) loop_.exit(0);
                       },
                       [this] {
                           ++closed_;
                           loop_.exit(1);
                       })
                       .value();
    }

    void send_raw(std::string_view bytes) {
        ASSERT_EQ(::send(far_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(bytes.size()));
    }

    /// What the far end reads next; nullopt when there is nothing.
    std::optional<std::string> receive_raw() {
        std::string buffer(kMaxMessage, '\0');
        const ssize_t got = ::recv(far_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got < 0) return std::nullopt;
        buffer.resize(static_cast<std::size_t>(got));
        return buffer;
    }

    EventLoop loop_ = EventLoop::create().value();
    Fd far_;
    std::unique_ptr<Channel> channel_;
    std::vector<Message> got_;
    Fd attached_;
    std::size_t stop_after_ = 1;
    int closed_ = 0;
};

TEST_F(ChannelTest, BothEndsAreCloseOnExecAndNonBlocking) {
    EXPECT_NE(::fcntl(far_.get(), F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_NE(::fcntl(far_.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(ChannelTest, DeliversMessagesInOrder) {
    stop_after_ = 3;
    for (std::uint32_t i = 1; i <= 3; ++i) send_raw(encode(Handover{"VI", i}).value());
    ASSERT_EQ(loop_.run().value(), 0);
    ASSERT_EQ(got_.size(), 3U);
    for (std::uint32_t i = 1; i <= 3; ++i) EXPECT_EQ(std::get<Handover>(got_[i - 1]).hold_ms, i);
}

TEST_F(ChannelTest, CarriesADescriptorThatOutlivesTheSenders) {
    auto [left, right] = make_pair().value();
    auto peer_loop = EventLoop::create().value();
    auto sender = Channel::open(peer_loop, std::move(left), [](Message, Fd) {}, [] {}).value();
    auto receiver = Channel::open(
                        loop_,
                        std::move(right),
                        [this](Message message, Fd attached) {
                            got_.push_back(std::move(message));
                            attached_ = std::move(attached);
                            loop_.exit(0);
                        },
                        [] {})
                        .value();
    {
        const Fd memfd = make_sealed_memfd("test", "global_defs {}").value();
        ASSERT_TRUE(sender->send(Configure{3, "/etc/x", "id"}, memfd.get()));
    }
    ASSERT_EQ(loop_.run().value(), 0);
    EXPECT_EQ(std::get<Configure>(got_.at(0)).generation, 3U);
    ASSERT_TRUE(attached_);
    EXPECT_EQ(read_fd(attached_.get(), 100).value(), "global_defs {}");
    EXPECT_NE(::fcntl(attached_.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(ChannelTest, MalformedMessagesAreCountedAndTheNextOneIsTaken) {
    send_raw("x");
    send_raw(std::string("\xff\xff", 2));
    send_raw(encode(Heartbeat{}).value());
    ASSERT_EQ(loop_.run().value(), 0);
    EXPECT_EQ(channel_->malformed(), 2U);
    EXPECT_EQ(got_.size(), 1U);
}

TEST_F(ChannelTest, OversizedMessageIsCountedAndDropped) {
    send_raw(std::string(kMaxMessage + 1, 'x'));
    send_raw(encode(Heartbeat{}).value());
    ASSERT_EQ(loop_.run().value(), 0);
    EXPECT_EQ(channel_->malformed(), 1U);
}

TEST_F(ChannelTest, ReportsTheEndOfThePeerOnceAfterItsLastMessage) {
    stop_after_ = 0;
    send_raw(encode(Heartbeat{}).value());
    far_.reset();
    ASSERT_EQ(loop_.run().value(), 1);
    EXPECT_EQ(got_.size(), 1U);
    EXPECT_EQ(closed_, 1);
    const auto sent = channel_->send(Heartbeat{});
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().errnum, EPIPE);
}

TEST_F(ChannelTest, QueuesWhileThePeerDoesNotReadUpToALimitAndLosesNothing) {
    std::uint32_t sent = 0;
    Result<> result;
    while ((result = channel_->send(Handover{"", sent}))) ASSERT_LT(++sent, 100000U);
    EXPECT_EQ(result.error().errnum, ENOBUFS);
    EXPECT_GE(sent, 8192U);

    // The peer wakes up: everything that was accepted comes, in order, and then there is room.
    std::uint32_t received = 0;
    auto reader = loop_.io(far_.get(), EPOLLIN, [&](std::uint32_t) {
        while (const auto bytes = receive_raw()) {
            const auto message = decode(std::as_bytes(std::span(*bytes)));
            ASSERT_TRUE(message);
            ASSERT_EQ(std::get<Handover>(*message).hold_ms, received);
            if (++received == sent) loop_.exit(2);
        }
    });
    ASSERT_TRUE(reader);
    ASSERT_EQ(loop_.run().value(), 2);
    EXPECT_TRUE(channel_->send(Heartbeat{}));
}

}  // namespace
}  // namespace vipd::ipc
