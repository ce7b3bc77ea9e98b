// SPDX-License-Identifier: Apache-2.0
// The time stamp by which the XDP program knows that somebody still stands behind the VIPs.
#pragma once

#include "userspace/base/fd.hpp"
#include "vrrp/engine/settings.hpp"

#include <vipd/abi/base.h>
#include <vipd/error.hpp>
#include <vipd/time.hpp>

#include <cstdint>
#include <memory>
#include <span>

namespace vipd::daemon {

/// vipd_lease in a BPF array, mapped: among others the CLOCK_MONOTONIC nanoseconds until which this
/// node may answer for its VIPs. Writing it is a store, no system call.
class Lease {
  public:
    /// `map`: Dataplane::lease_fd().
    static Result<Lease> open(const Fd& map);
    void renew(TimePoint until);
    void renew_for_ever();
    /// This node has just become MASTER: see vipd_lease::settle_ns.
    void settle(TimePoint now);
    /// The virtual routers that this node is master of: see vipd_lease::masters.
    void set_masters(std::span<const vrrp::RouterId> routers);

  private:
    struct Unmap {
        void operator()(vipd_lease* at) const;
    };
    explicit Lease(vipd_lease* at) : at_(at) {}
    std::unique_ptr<vipd_lease, Unmap> at_;
};

}  // namespace vipd::daemon
