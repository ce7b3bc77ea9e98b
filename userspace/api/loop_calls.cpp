// SPDX-License-Identifier: Apache-2.0
#include "userspace/api/loop_calls.hpp"

#include <unistd.h>

#include <cerrno>
#include <sys/epoll.h>
#include <sys/eventfd.h>

namespace vipd::api {

Result<std::unique_ptr<LoopCalls>> LoopCalls::create(EventLoop& loop) {
    Fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event) return fail_errno(errno, "eventfd");
    auto calls = std::unique_ptr<LoopCalls>(new LoopCalls(std::move(event)));
    auto source = loop.io(
        calls->event_.get(),
        EPOLLIN,
        [raw = calls.get()](std::uint32_t) { raw->on_ready(); },
        EventLoop::Priority::Low);
    if (!source) return fail(std::move(source).error());
    calls->source_ = std::move(*source);
    return calls;
}

LoopCalls::~LoopCalls() {
    close();
}

bool LoopCalls::run(std::function<void()> function, Nanos timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    auto call = std::make_shared<Call>();
    call->function = std::move(function);

    std::unique_lock lock(mutex_);
    if (closed_ || queue_.size() >= kMaxQueued) return false;
    queue_.push_back(call);
    const std::uint64_t one = 1;
    // It can only fail by overflowing, and then the loop is being woken anyway.
    (void)!::write(event_.get(), &one, sizeof one);

    changed_.wait_until(
        lock, deadline, [&] { return closed_ || call->state == Call::State::Done; });
    if (call->state == Call::State::Done) return true;
    if (call->state == Call::State::Queued) {
        call->state = Call::State::Abandoned;
        std::erase(queue_, call);
    }
    return false;
}

void LoopCalls::on_ready() {
    std::uint64_t count = 0;
    (void)!::read(event_.get(), &count, sizeof count);
    std::shared_ptr<Call> call;
    {
        const std::lock_guard lock(mutex_);
        if (queue_.empty()) return;
        call = std::move(queue_.front());
        queue_.pop_front();
        call->state = Call::State::Running;
        // One call a turn: whatever else became ready meanwhile goes first.
        const std::uint64_t one = 1;
        if (!queue_.empty()) (void)!::write(event_.get(), &one, sizeof one);
    }
    call->function();
    {
        const std::lock_guard lock(mutex_);
        call->state = Call::State::Done;
    }
    changed_.notify_all();
}

void LoopCalls::close() {
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        queue_.clear();
    }
    changed_.notify_all();
}

}  // namespace vipd::api
