// SPDX-License-Identifier: Apache-2.0
// The files that keepalived writes on SIGUSR1, SIGUSR2 and SIGRTMIN+2, under its names, in $TMPDIR
// or /tmp. Each is replaced whole, so that a reader never sees half of one.
#pragma once

#include "userspace/control/core.hpp"
#include "userspace/daemon/keepalived_dump.hpp"

#include <vipd/error.hpp>

#include <string>

namespace vipd::daemon {

class Dumps {
  public:
    explicit Dumps(control::Core& core) : core_(core) {}

    void data();
    void stats(bool clear);
    void json();
    /// What data() writes, for -d.
    std::string text();

  private:
    std::string path(const char* name, const char* suffix, const std::string& configured) const;

    control::Core& core_;
    CounterBase base_;
};

}  // namespace vipd::daemon
