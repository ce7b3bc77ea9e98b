// SPDX-License-Identifier: Apache-2.0
// What the API may ask of the core. control implements it, the API server (userspace/api) calls it.
#pragma once

#include "userspace/control/status.hpp"
#include "userspace/dataplane/dataplane.hpp"

#include <vipd/error.hpp>
#include <vipd/time.hpp>

#include <functional>
#include <string>

namespace vipd::control {

/// All calls come on the thread of the core's event loop (the API server brings them there), except
/// for_each_flow().
class Backend {
  public:
    virtual ~Backend() = default;

    virtual Status status() = 0;

    /// Reads the configuration again. Success: it is accepted and being put in force; the end is in
    /// Status::last_reload. Error: refused, what ran before still runs.
    virtual Result<> reload() = 0;

    /// Gives up mastership of `instance` ("" = all that are MASTER) and does not preempt for
    /// `hold`. The answer is one sentence for people; errors: unknown instance, not MASTER. The
    /// transition itself follows and is seen in status().
    virtual Result<std::string> handover(const std::string& instance, Millis hold) = 0;

    /// Calls `visit` for each live flow until it returns false. Called from the API's own threads,
    /// several at a time and at any moment between the start and the end of the API server, so that
    /// a scan of a million flows does not hold up the loop.
    virtual void for_each_flow(const std::function<bool(const dataplane::Flow&)>& visit) const = 0;
};

}  // namespace vipd::control
