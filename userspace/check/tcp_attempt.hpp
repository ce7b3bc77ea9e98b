// SPDX-License-Identifier: Apache-2.0
// TCP_CHECK: can a connection be opened?
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/check/attempt.hpp"

#include <vipd/address.hpp>
#include <vipd/time.hpp>

#include <memory>

namespace vipd::check {

/// Connects to `target` from `bind_to` (none: any) and closes again. Passed once the handshake is
/// complete within `timeout`; NotRun where no socket is to be had or bound.
std::unique_ptr<Attempt> start_tcp(EventLoop& loop,
                                   const Endpoint& target,
                                   const IpAddress& bind_to,
                                   Nanos timeout,
                                   Attempt::Done done);

}  // namespace vipd::check
