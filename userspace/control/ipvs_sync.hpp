// SPDX-License-Identifier: Apache-2.0
// lvs_sync_daemon as the configuration and the roles want it: which of IPVS's two parts (master,
// backup) runs, on which interface. The interface may come later, or change.
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/config/config.hpp"
#include "userspace/control/status.hpp"
#include "userspace/dataplane/dataplane.hpp"
#include "userspace/sync/ipvs_daemon.hpp"

#include <vipd/ipc.hpp>
#include <vipd/links.hpp>

#include <functional>
#include <optional>
#include <string>

namespace vipd::control {

class IpvsSync {
  public:
    using Say = std::function<void(bool warning, const std::string& line)>;

    IpvsSync(
        EventLoop& loop, Links& links, dataplane::Dataplane& plane, sync::FlowPump& pump, Say say)
        : links_(links), daemon_(loop, plane, pump), say_(std::move(say)) {}

    /// nullopt: off. What cannot be done now is said once and tried again by refresh().
    void configure(const std::optional<config::SyncDaemon>& wanted, std::uint8_t version);
    void on_instance_state(const std::string& instance, ipc::VrrpState state);
    /// The interfaces may have changed.
    void refresh();
    std::optional<IpvsSyncStatus> status() const;

  private:
    Result<> apply();

    Links& links_;
    sync::ipvs::IpvsDaemon daemon_;
    Say say_;
    std::optional<config::SyncDaemon> wanted_;
    std::uint8_t version_ = 1;
    bool master_ = false;  ///< its instance is
    std::string problem_;  ///< why it does not run; empty: it does
};

}  // namespace vipd::control
