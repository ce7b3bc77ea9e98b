// SPDX-License-Identifier: Apache-2.0
// What each path answers. One Routes serves one socket; its methods run on that socket's workers.
#pragma once

#include "userspace/api/connection.hpp"
#include "userspace/api/flow_filter.hpp"
#include "userspace/api/loop_calls.hpp"
#include "userspace/control/backend.hpp"

#include <httplib.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace vipd::api {

/// What all sockets' workers share.
struct Shared {
    Shared(control::Backend& core, LoopCalls& loop_calls, const Limits& given)
        : backend(core), calls(loop_calls), limits(given) {}

    control::Backend& backend;
    LoopCalls& calls;
    const Limits limits;
    std::array<std::atomic<std::uint64_t>, 6> answers{};  ///< by the status code's first digit

    /// The status, asked of the core at most every 50 ms however many clients ask.
    std::shared_ptr<const control::Status> status();
    /// Forgets it: a command may have changed it.
    void forget_status();

  private:
    std::mutex mutex_;
    std::shared_ptr<const control::Status> status_;  // guarded by mutex_
    TimePoint taken_;                                // guarded by mutex_
    TimePoint failed_;                               // guarded by mutex_
};

/// What a listing of flows has found.
struct Listing {
    std::vector<dataplane::Flow> flows;  ///< at most as many as were asked for
    std::uint64_t matched = 0;
    std::uint64_t total = 0;
};

class Routes : public httplib::Server {
  public:
    /// `read_only`: no POST and no command.
    Routes(Shared& shared, bool read_only);

    /// Reads one request from the connection and answers it.
    void serve(Connection& connection);

  private:
    HandlerResponse check(const httplib::Request& request, httplib::Response& response) const;
    void status(httplib::Response& response);
    void metrics(httplib::Response& response);
    void flows(const httplib::Request& request, httplib::Response& response);
    std::shared_ptr<const Listing> scan(const FlowFilter& filter);
    void reload(const httplib::Request& request, httplib::Response& response);
    void plan_reload(httplib::Response& response);
    void change(const httplib::Request& request, httplib::Response& response);
    void handover(const httplib::Request& request, httplib::Response& response);
    void upgrade(httplib::Response& response);
    void drain(const httplib::Request& request, httplib::Response& response, bool begin);

    Shared& shared_;
    bool read_only_;
    std::atomic<std::size_t> scans_ = 0;
};

}  // namespace vipd::api
