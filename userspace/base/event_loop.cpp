// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/event_loop.hpp"

#include <signal.h>
#include <systemd/sd-event.h>

#include <cerrno>
#include <sys/epoll.h>
#include <sys/wait.h>

namespace vipd {

struct EventLoop::Source::Impl {
    sd_event_source* source = nullptr;
    std::function<void(std::uint32_t)> on_io;
    std::function<void(TimePoint)> on_time;
    std::function<void(int)> on_signal;
    std::function<void(ChildExit)> on_child;
    Nanos period{0};
    TimePoint next;
};

namespace {

constexpr std::uint64_t kAccuracyUs = 1;

std::uint64_t to_usec(TimePoint when) {
    const auto ns = when.time_since_epoch().count();
    // Rounded up: a timer must never fire before its time. 0 would mean "at once" as well.
    return ns <= 0 ? 1 : (static_cast<std::uint64_t>(ns) + 999) / 1000;
}

TimePoint from_usec(std::uint64_t usec) {
    return TimePoint(Micros(usec));
}

// The callback may destroy its own handle: it is called as a copy, and the handle not touched
// after.
int on_io(sd_event_source*, int, std::uint32_t revents, void* data) {
    const auto callback = static_cast<EventLoop::Source::Impl*>(data)->on_io;
    callback(revents);
    return 0;
}

int on_timer(sd_event_source* source, std::uint64_t, void* data) {
    auto* impl = static_cast<EventLoop::Source::Impl*>(data);
    std::uint64_t usec = 0;
    sd_event_now(sd_event_source_get_event(source), CLOCK_MONOTONIC, &usec);
    const TimePoint now = from_usec(usec);
    if (impl->period > Nanos(0)) {
        // A late turn of the loop skips the missed ticks instead of firing a burst.
        impl->next += impl->period;
        if (impl->next <= now) impl->next = now + impl->period;
        sd_event_source_set_time(source, to_usec(impl->next));
        sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    }
    const auto callback = impl->on_time;
    callback(now);
    return 0;
}

int on_signal(sd_event_source*, const struct signalfd_siginfo* info, void* data) {
    const auto callback = static_cast<EventLoop::Source::Impl*>(data)->on_signal;
    callback(static_cast<int>(info->ssi_signo));
    return 0;
}

int on_child(sd_event_source*, const siginfo_t* info, void* data) {
    const auto callback = static_cast<EventLoop::Source::Impl*>(data)->on_child;
    callback({info->si_code == CLD_EXITED, info->si_status});
    return 0;
}

}  // namespace

EventLoop::Source::Source(std::unique_ptr<Impl> impl) : impl_(impl.release()) {}

void EventLoop::Source::Deleter::operator()(Impl* impl) const {
    if (impl->source != nullptr) sd_event_source_disable_unref(impl->source);
    delete impl;
}

void EventLoop::Unref::operator()(sd_event* event) const {
    sd_event_unref(event);
}

EventLoop::~EventLoop() = default;

Result<EventLoop> EventLoop::create() {
    sd_event* event = nullptr;
    if (const int error = sd_event_new(&event); error < 0) return fail_errno(-error, "event loop");
    return EventLoop(event);
}

TimePoint EventLoop::now() const {
    std::uint64_t usec = 0;
    sd_event_now(event_.get(), CLOCK_MONOTONIC, &usec);
    return from_usec(usec);
}

Result<EventLoop::Source> EventLoop::io(int fd,
                                        std::uint32_t events,
                                        std::function<void(std::uint32_t)> callback,
                                        Priority priority) {
    auto impl = std::make_unique<Source::Impl>();
    impl->on_io = std::move(callback);
    const int error = sd_event_add_io(event_.get(), &impl->source, fd, events, on_io, impl.get());
    if (error < 0) return fail_errno(-error, "watch file descriptor");
    sd_event_source_set_priority(impl->source, static_cast<std::int64_t>(priority));
    return Source(std::move(impl));
}

Result<> EventLoop::set_events(Source& source, std::uint32_t events) {
    const int error = sd_event_source_set_io_events(source.impl_->source, events);
    if (error < 0) return fail_errno(-error, "watch file descriptor");
    return {};
}

Result<EventLoop::Source> EventLoop::at(TimePoint when,
                                        std::function<void(TimePoint)> callback,
                                        Priority priority) {
    auto impl = std::make_unique<Source::Impl>();
    impl->on_time = std::move(callback);
    const int error = sd_event_add_time(event_.get(),
                                        &impl->source,
                                        CLOCK_MONOTONIC,
                                        to_usec(when),
                                        kAccuracyUs,
                                        on_timer,
                                        impl.get());
    if (error < 0) return fail_errno(-error, "timer");
    sd_event_source_set_priority(impl->source, static_cast<std::int64_t>(priority));
    return Source(std::move(impl));
}

Result<> EventLoop::rearm(Source& source, TimePoint when) {
    auto* raw = source.impl_->source;
    int error = sd_event_source_set_time(raw, to_usec(when));
    if (error >= 0) error = sd_event_source_set_enabled(raw, SD_EVENT_ONESHOT);
    if (error < 0) return fail_errno(-error, "timer");
    return {};
}

Result<EventLoop::Source> EventLoop::every(Nanos period,
                                           std::function<void(TimePoint)> callback,
                                           Priority priority) {
    const TimePoint first = now() + period;
    auto source = at(first, std::move(callback), priority);
    if (source) {
        source->impl_->period = period;
        source->impl_->next = first;
    }
    return source;
}

Result<EventLoop::Source> EventLoop::signal(int signal_number, std::function<void(int)> callback) {
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, signal_number);
    if (sigprocmask(SIG_BLOCK, &mask, nullptr) < 0) return fail_errno(errno, "sigprocmask");
    auto impl = std::make_unique<Source::Impl>();
    impl->on_signal = std::move(callback);
    const int error =
        sd_event_add_signal(event_.get(), &impl->source, signal_number, on_signal, impl.get());
    if (error < 0) return fail_errno(-error, "signal");
    return Source(std::move(impl));
}

Result<EventLoop::Source> EventLoop::child(pid_t pid, std::function<void(ChildExit)> callback) {
    // sd-event wants SIGCHLD blocked even where it uses a pidfd.
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &mask, nullptr) < 0) return fail_errno(errno, "sigprocmask");
    auto impl = std::make_unique<Source::Impl>();
    impl->on_child = std::move(callback);
    const int error =
        sd_event_add_child(event_.get(), &impl->source, pid, WEXITED, on_child, impl.get());
    if (error < 0) return fail_errno(-error, "child");
    return Source(std::move(impl));
}

Result<int> EventLoop::run() {
    const int code = sd_event_loop(event_.get());
    if (code < 0) return fail_errno(-code, "event loop");
    return code;
}

void EventLoop::exit(int code) {
    sd_event_exit(event_.get(), code);
}

Result<> EventLoop::enable_watchdog() {
    if (const int error = sd_event_set_watchdog(event_.get(), 1); error < 0)
        return fail_errno(-error, "watchdog");
    return {};
}

}  // namespace vipd
