// SPDX-License-Identifier: Apache-2.0
// The event loop of each process: sd-event with owned sources and C++ callbacks.
//
// One thread per loop; nothing here is called from another thread. A source lives as
// long as its handle; destroying the handle (also from within its own callback) ends it.
#pragma once

#include <vipd/error.hpp>
#include <vipd/time.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <sys/types.h>

struct sd_event;

namespace vipd {

class EventLoop {
  public:
    /// Owns one event source.
    class Source {
      public:
        Source() = default;
        Source(Source&&) noexcept = default;
        Source& operator=(Source&&) noexcept = default;
        ~Source() = default;
        explicit operator bool() const { return impl_ != nullptr; }
        void reset() { impl_.reset(); }

        struct Impl;

      private:
        friend class EventLoop;
        explicit Source(std::unique_ptr<Impl> impl);
        struct Deleter {
            void operator()(Impl* impl) const;
        };
        std::unique_ptr<Impl, Deleter> impl_;
    };

    /// Lower runs first when several sources are ready.
    enum class Priority : std::int8_t { High = -10, Normal = 0, Low = 10 };

    static Result<EventLoop> create();
    EventLoop(EventLoop&&) noexcept = default;
    EventLoop& operator=(EventLoop&&) noexcept = default;
    ~EventLoop();

    /// The time at which this turn of the loop woke up (CLOCK_MONOTONIC).
    TimePoint now() const;

    /// `callback(revents)` whenever `fd` has one of `events` (EPOLLIN, EPOLLOUT).
    Result<Source> io(int fd,
                      std::uint32_t events,
                      std::function<void(std::uint32_t)> callback,
                      Priority priority = Priority::Normal);
    /// Changes what an io source waits for.
    static Result<> set_events(Source& source, std::uint32_t events);

    /// Once, at `when` (at once if it is past). Accuracy 1 us: adverts go every 10 ms.
    Result<Source> at(TimePoint when,
                      std::function<void(TimePoint)> callback,
                      Priority priority = Priority::Normal);
    /// Moves a timer made by at(), armed again even if it has fired.
    static Result<> rearm(Source& source, TimePoint when);
    /// Every `period`, first after one period.
    Result<Source> every(Nanos period,
                         std::function<void(TimePoint)> callback,
                         Priority priority = Priority::Normal);

    /// `callback(signal)`; the signal is blocked for the process by this call.
    Result<Source> signal(int signal_number, std::function<void(int)> callback);

    /// How a child ended.
    struct ChildExit {
        bool exited = false;  ///< else killed by a signal
        int code = 0;         ///< exit status or signal number
    };
    /// Once, when the child has ended; it has been reaped then.
    Result<Source> child(pid_t pid, std::function<void(ChildExit)> callback);

    /// Runs until exit(); returns its code.
    Result<int> run();
    void exit(int code);
    /// Enables the systemd watchdog if the service manager asks for it.
    Result<> enable_watchdog();

    sd_event* native() const { return event_.get(); }

  private:
    struct Unref {
        void operator()(sd_event* event) const;
    };
    explicit EventLoop(sd_event* event) : event_(event) {}
    std::unique_ptr<sd_event, Unref> event_;
};

}  // namespace vipd
