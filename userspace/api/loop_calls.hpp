// SPDX-License-Identifier: Apache-2.0
// Brings calls from the API's threads to the thread of the core's event loop.
//
// The loop's thread owns all state of the core, without locks. An API thread queues a function and
// waits; the loop runs it between two other events. The queue is bounded and a wait has a limit, so
// neither a busy core nor a flood of requests piles anything up.
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/base/fd.hpp"

#include <vipd/error.hpp>
#include <vipd/time.hpp>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

namespace vipd::api {

class LoopCalls {
  public:
    static constexpr std::size_t kMaxQueued = 64;

    /// On the loop's thread. The loop must outlive this object.
    static Result<std::unique_ptr<LoopCalls>> create(EventLoop& loop);
    /// On the loop's thread; fails what still waits. No other thread may call after.
    ~LoopCalls();
    LoopCalls(const LoopCalls&) = delete;
    LoopCalls& operator=(const LoopCalls&) = delete;

    /// From any thread but the loop's: has `function` run there and returns what it returns.
    /// nullopt: the queue was full, `timeout` passed first, or close() was called; the function has
    /// then not run and never will, unless it had begun.
    template <class T>
    std::optional<T> call(std::function<T()> function, Nanos timeout) {
        auto result = std::make_shared<std::optional<T>>();
        // The result is shared: a caller whose time is up is gone when the function ends.
        const bool done =
            run([result, function = std::move(function)] { *result = function(); }, timeout);
        if (!done) return std::nullopt;
        return std::move(*result);
    }

    /// From any thread: fails all calls, those that wait and those to come.
    void close();

  private:
    struct Call {
        std::function<void()> function;
        enum class State { Queued, Running, Done, Abandoned } state = State::Queued;
    };

    explicit LoopCalls(Fd event) : event_(std::move(event)) {}
    bool run(std::function<void()> function, Nanos timeout);
    void on_ready();

    Fd event_;
    EventLoop::Source source_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::shared_ptr<Call>> queue_;  // guarded by mutex_
    bool closed_ = false;                      // guarded by mutex_
};

}  // namespace vipd::api
