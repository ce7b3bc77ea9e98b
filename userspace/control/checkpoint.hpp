// SPDX-License-Identifier: Apache-2.0
// Keeps the flow table's file: written every so often and at the end, read when a table begins
// empty (after a reboot). The writing is done in parts, between the loop's other work.
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/control/status.hpp"
#include "userspace/dataplane/dataplane.hpp"
#include "userspace/sync/checkpoint.hpp"

#include <vipd/time.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace vipd::control {

class Checkpoint {
  public:
    using Say = std::function<void(bool warning, const std::string& line)>;
    struct Settings {
        std::string path;  ///< empty: none is kept
        Nanos interval{Seconds(60)};
        std::string node_id;
    };

    Checkpoint(EventLoop& loop, dataplane::Dataplane& plane, Say say)
        : loop_(loop), plane_(plane), say_(std::move(say)) {}

    Result<> configure(const Settings& settings);
    /// For a table that is empty, once its services are there. A file that cannot be taken is said
    /// and left alone.
    void restore();
    /// Now, whole, and on the disk: the daemon ends.
    void save();
    CheckpointStatus status() const;

  private:
    void begin();
    void step();
    void failed(const Error& error);
    void saved(std::uint64_t flows);

    EventLoop& loop_;
    dataplane::Dataplane& plane_;
    Say say_;
    Settings settings_;
    EventLoop::Source timer_;
    EventLoop::Source steps_;
    std::optional<sync::CheckpointWriter> writer_;
    std::uint64_t cursor_ = 0;
    CheckpointStatus status_;
};

/// Where the file is when the configuration does not say: in the state directory that systemd has
/// given us, else nowhere.
std::string default_checkpoint_path(const std::string& instance);

}  // namespace vipd::control
