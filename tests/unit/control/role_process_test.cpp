// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/role_process.hpp"

#include <gtest/gtest.h>

namespace vipd::control {
namespace {

TEST(SilenceWatch, CountsTheSecondsInWhichWeRan) {
    SilenceWatch watch(10);
    for (int second = 0; second < 10; ++second) EXPECT_FALSE(watch.on_second());
    EXPECT_TRUE(watch.on_second());
    // It has been killed; its successor has as long.
    for (int second = 0; second < 10; ++second) EXPECT_FALSE(watch.on_second());
    watch.heard();
    for (int second = 0; second < 10; ++second) EXPECT_FALSE(watch.on_second());
    EXPECT_TRUE(watch.on_second());
}

}  // namespace
}  // namespace vipd::control
