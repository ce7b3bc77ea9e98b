// SPDX-License-Identifier: Apache-2.0
// What the API may ask of the core. control implements it, the API server (userspace/api) calls it.
#pragma once

#include "userspace/control/drain.hpp"
#include "userspace/control/live_changes.hpp"
#include "userspace/control/reload_plan.hpp"
#include "userspace/control/status.hpp"
#include "userspace/dataplane/dataplane.hpp"

#include <vipd/error.hpp>
#include <vipd/time.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace vipd::control {

/// All calls come on the thread of the core's event loop; the API server brings them there.
class Backend {
  public:
    virtual ~Backend() = default;

    virtual Status status() = 0;

    /// Reads the configuration again. Success: it is accepted and being put in force; the end is in
    /// Status::last_reload. Error: refused, what ran before still runs. With `confirm_within` the
    /// configuration before it is put in force again after that time, unless confirm_reload() or a
    /// reload without it comes first; after several, the last one that was confirmed.
    virtual Result<> reload(std::optional<Seconds> confirm_within) = 0;
    virtual Result<> confirm_reload() = 0;
    /// What reload() would change now; an error: why it would be refused. Changes nothing.
    virtual Result<ReloadPlan> plan_reload() const = 0;

    /// Gives up mastership of `instance` ("" = all that are MASTER) and does not preempt for
    /// `hold`. The answer is one sentence for people; errors: unknown instance, not MASTER. The
    /// transition itself follows and is seen in status().
    virtual Result<std::string> handover(const std::string& instance, Millis hold) = 0;

    /// Goes over to the program that is installed now, in this very process, without a gap in
    /// forwarding or VRRP. The answer is one sentence; what follows is seen in the status of the
    /// new one.
    virtual Result<std::string> upgrade() = 0;

    /// Gives no new connections to the target; nothing that is open is touched. It stays so through
    /// reloads, until undrain() or the end of the daemon. A node hands its VIPs over and does not
    /// preempt for `limit`. The answer is one sentence.
    virtual Result<std::string> drain(const DrainTarget& target, Millis limit) = 0;
    virtual Result<std::string> undrain(const DrainTarget& target) = 0;

    /// A change beside the configuration file. Errors are IPVS's, as ipvsadm says them.
    virtual Result<> change(const LiveCommand& command) = 0;

    /// Visits the live flows among the next `slots` slots of the flow table from `cursor` on (0:
    /// from the start). Returns the cursor to go on with, 0 when the table is through. A listing is
    /// made of many such calls, so that a scan of a million flows does not hold up the loop.
    virtual std::uint64_t scan_flows(
        std::uint64_t cursor,
        std::uint64_t slots,
        const std::function<void(const dataplane::Flow&)>& visit) const = 0;
};

}  // namespace vipd::control
