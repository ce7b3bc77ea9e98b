// SPDX-License-Identifier: Apache-2.0
#include "userspace/daemon/untold.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace vipd::daemon {
namespace {

using testing::ElementsAre;

/// Takes `room` messages, then refuses.
struct Queue {
    std::size_t room = 0;
    std::vector<std::string> taken;
    bool operator()(const std::string& message) {
        if (room == 0) return false;
        --room;
        taken.push_back(message);
        return true;
    }
};

TEST(Untold, RepeatsTheNewestOfEachUntilItGoesOut) {
    Queue queue;
    const auto send = [&](const std::string& message) { return queue(message); };
    Untold<int, std::string> untold;
    untold.tell(1, "1 down", send);
    untold.tell(2, "2 down", send);
    untold.tell(1, "1 up", send);
    EXPECT_EQ(untold.waiting(), 2U);

    queue.room = 1;
    untold.retry(send);
    EXPECT_THAT(queue.taken, ElementsAre("1 up"));
    queue.room = 10;
    untold.retry(send);
    untold.retry(send);
    EXPECT_THAT(queue.taken, ElementsAre("1 up", "2 down"));
}

TEST(Untold, WhatWentOutIsNotFollowedByWhatItReplaced) {
    Queue queue;
    const auto send = [&](const std::string& message) { return queue(message); };
    Untold<int, std::string> untold;
    untold.tell(1, "1 down", send);
    queue.room = 10;
    untold.tell(1, "1 up", send);
    untold.retry(send);
    EXPECT_THAT(queue.taken, ElementsAre("1 up"));
}

TEST(Untold, ForgetsWhatIsGone) {
    Queue queue;
    const auto send = [&](const std::string& message) { return queue(message); };
    Untold<int, std::string> untold;
    untold.tell(1, "1 down", send);
    untold.tell(2, "2 down", send);
    untold.drop_if([](int about) { return about == 1; });
    queue.room = 10;
    untold.retry(send);
    EXPECT_THAT(queue.taken, ElementsAre("2 down"));
}

}  // namespace
}  // namespace vipd::daemon
