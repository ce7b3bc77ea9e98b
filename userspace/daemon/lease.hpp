// SPDX-License-Identifier: Apache-2.0
// The time stamp by which the XDP program knows that somebody still stands behind the VIPs.
#pragma once

#include "userspace/base/fd.hpp"

#include <vipd/error.hpp>
#include <vipd/time.hpp>

#include <cstdint>
#include <memory>

namespace vipd::daemon {

/// One u64 in a BPF array, mapped: CLOCK_MONOTONIC nanoseconds until which this node may answer for
/// its VIPs. Writing it is a store, no system call.
class Lease {
  public:
    /// `map`: a BPF_F_MMAPABLE array of one u64.
    static Result<Lease> open(const Fd& map);
    void renew(TimePoint until);
    void renew_for_ever();

  private:
    struct Unmap {
        void operator()(std::uint64_t* at) const;
    };
    explicit Lease(std::uint64_t* at) : at_(at) {}
    std::unique_ptr<std::uint64_t, Unmap> at_;
};

}  // namespace vipd::daemon
