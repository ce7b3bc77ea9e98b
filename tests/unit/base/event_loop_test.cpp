// SPDX-License-Identifier: Apache-2.0
// Time here is real but short, and nothing is asserted that a slow machine could break.
#include "userspace/base/event_loop.hpp"

#include "userspace/base/fd.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <sys/epoll.h>
#include <vector>

namespace vipd {
namespace {

using namespace std::chrono_literals;

class EventLoopTest : public testing::Test {
  protected:
    EventLoop loop_ = EventLoop::create().value();
};

TEST_F(EventLoopTest, TimersFireInTheOrderOfTheirTimesAndNeverEarly) {
    const TimePoint start = loop_.now();
    std::vector<int> order;
    auto late = loop_.at(start + 3ms, [&](TimePoint now) {
        EXPECT_GE(now, start + 3ms);
        order.push_back(2);
        loop_.exit(0);
    });
    auto early = loop_.at(start + 1ms, [&](TimePoint now) {
        EXPECT_GE(now, start + 1ms);
        order.push_back(1);
    });
    ASSERT_TRUE(late && early);
    ASSERT_EQ(loop_.run().value(), 0);
    EXPECT_EQ(order, (std::vector{1, 2}));
}

TEST_F(EventLoopTest, PastTimersFireAtOnceHighPriorityFirst) {
    std::vector<int> order;
    const auto add = [&](int name, EventLoop::Priority priority) {
        return loop_.at(
            loop_.now() - 1s, [&, name](TimePoint) { order.push_back(name); }, priority);
    };
    auto low = add(3, EventLoop::Priority::Low);
    auto normal = add(2, EventLoop::Priority::Normal);
    auto high = add(1, EventLoop::Priority::High);
    auto end =
        loop_.at(loop_.now() + 1ms, [&](TimePoint) { loop_.exit(0); }, EventLoop::Priority::Low);
    ASSERT_TRUE(loop_.run());
    EXPECT_EQ(order, (std::vector{1, 2, 3}));
}

TEST_F(EventLoopTest, RearmMovesATimerAlsoAfterItHasFired) {
    int fired = 0;
    EventLoop::Source timer;
    timer = loop_
                .at(loop_.now() + 1h,
                    [&](TimePoint now) {
                        if (++fired == 3) return loop_.exit(0);
                        ASSERT_TRUE(EventLoop::rearm(timer, now + 100us));
                    })
                .value();
    ASSERT_TRUE(EventLoop::rearm(timer, loop_.now()));
    ASSERT_EQ(loop_.run().value(), 0);
    EXPECT_EQ(fired, 3);
}

TEST_F(EventLoopTest, PeriodicTimerKeepsFiring) {
    const TimePoint start = loop_.now();
    int fired = 0;
    auto timer = loop_.every(1ms, [&](TimePoint now) {
        ++fired;
        EXPECT_GE(now, start + fired * 1ms);
        if (fired == 5) loop_.exit(0);
    });
    ASSERT_EQ(loop_.run().value(), 0);
    EXPECT_EQ(fired, 5);
}

TEST_F(EventLoopTest, DestroyedSourceDoesNotFireAlsoFromItsOwnCallback) {
    int own = 0;
    EventLoop::Source self;
    self = loop_
               .every(100us,
                      [&](TimePoint) {
                          ++own;
                          self.reset();
                          ++own;  // the captures must still be there
                      })
               .value();
    auto gone = loop_.at(loop_.now(), [](TimePoint) { FAIL(); }).value();
    gone.reset();
    auto end = loop_.at(loop_.now() + 2ms, [&](TimePoint) { loop_.exit(0); });
    ASSERT_EQ(loop_.run().value(), 0);
    EXPECT_EQ(own, 2);
}

TEST_F(EventLoopTest, IoSourceSaysWhatIsReady) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    const Fd read_end(ends[0]);
    Fd write_end(ends[1]);
    std::vector<std::uint32_t> seen;
    auto source = loop_.io(read_end.get(), EPOLLIN, [&](std::uint32_t revents) {
        seen.push_back(revents);
        char c = 0;
        if (::read(read_end.get(), &c, 1) == 0) return loop_.exit(0);
        write_end.reset();
    });
    ASSERT_EQ(::write(write_end.get(), "x", 1), 1);
    ASSERT_EQ(loop_.run().value(), 0);
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_NE(seen[0] & EPOLLIN, 0U);
    EXPECT_NE(seen[1] & EPOLLHUP, 0U);
}

TEST_F(EventLoopTest, ChildsEndIsReportedWithStatusOrSignal) {
    std::vector<EventLoop::ChildExit> ends;
    std::vector<EventLoop::Source> sources;
    for (const int how : {7, -SIGKILL}) {
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            if (how >= 0) ::_exit(how);
            ::raise(-how);
            ::_exit(0);
        }
        sources.push_back(loop_
                              .child(child,
                                     [&](EventLoop::ChildExit end) {
                                         ends.push_back(end);
                                         if (ends.size() == 2) loop_.exit(0);
                                     })
                              .value());
    }
    ASSERT_EQ(loop_.run().value(), 0);
    std::ranges::sort(ends, {}, &EventLoop::ChildExit::exited);
    EXPECT_FALSE(ends[0].exited);
    EXPECT_EQ(ends[0].code, SIGKILL);
    EXPECT_TRUE(ends[1].exited);
    EXPECT_EQ(ends[1].code, 7);
}

TEST_F(EventLoopTest, SignalGoesToItsCallbackInsteadOfKilling) {
    int got = 0;
    auto source = loop_.signal(SIGUSR1, [&](int number) {
        got = number;
        loop_.exit(0);
    });
    ASSERT_TRUE(source);
    ASSERT_EQ(::kill(::getpid(), SIGUSR1), 0);
    ASSERT_EQ(loop_.run().value(), 0);
    EXPECT_EQ(got, SIGUSR1);
}

TEST_F(EventLoopTest, WatchingABadDescriptorIsAnError) {
    const auto source = loop_.io(-1, EPOLLIN, [](std::uint32_t) {});
    ASSERT_FALSE(source);
    EXPECT_EQ(source.error().errnum, EBADF);
}

}  // namespace
}  // namespace vipd
