// SPDX-License-Identifier: Apache-2.0
// One attempt under way. Destroying it gives it up without a word.
#pragma once

#include "userspace/check/checker.hpp"

#include <functional>

namespace vipd::check {

class Attempt {
  public:
    /// Called once, never from within the call that started the attempt. It may destroy the
    /// attempt and start others.
    using Done = std::function<void(Outcome)>;

    Attempt() = default;
    virtual ~Attempt() = default;
    Attempt(const Attempt&) = delete;
    Attempt& operator=(const Attempt&) = delete;
};

}  // namespace vipd::check
