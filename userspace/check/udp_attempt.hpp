// SPDX-License-Identifier: Apache-2.0
// One datagram to a server and what comes back: UDP_CHECK, DNS_CHECK, PING_CHECK.
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/check/attempt.hpp"
#include "userspace/check/datagrams.hpp"

#include <vipd/address.hpp>
#include <vipd/time.hpp>

#include <functional>
#include <memory>

namespace vipd::check {

struct DatagramRequest {
    Endpoint target{};
    Source source{};
    bool ping = false;  ///< an ICMP echo instead of UDP
    Bytes payload{};
    Nanos timeout{Seconds(5)};
    /// nullopt: this datagram is no answer.
    std::function<std::optional<Outcome>(ByteView)> judge{};
    bool silence_passes = false;  ///< up unless the host says by ICMP that nobody is there
};

/// NotRun where no socket is to be had or bound; for a ping also where the kernel lets no group of
/// ours make one (net.ipv4.ping_group_range).
std::unique_ptr<Attempt> start_datagram(EventLoop& loop,
                                        DatagramRequest request,
                                        Attempt::Done done);

}  // namespace vipd::check
