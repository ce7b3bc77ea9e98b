// SPDX-License-Identifier: Apache-2.0
// A notify FIFO: a line for each event, for whoever reads. Nobody reading must never hold the
// daemon up: it is opened for both ends and never waits; what does not fit is lost, counted and
// said.
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/base/fd.hpp"
#include "userspace/control/script_runner.hpp"

#include <vipd/error.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace vipd::control {

struct FifoSettings {
    std::string path;         ///< empty: none
    std::string user, group;  ///< owner of a FIFO that has to be made; "" = ours
    ScriptJob script;         ///< reads it; argv empty: none. It gets the path as its last argument
    bool operator==(const FifoSettings& other) const {
        return path == other.path && user == other.user && group == other.group &&
               script.argv == other.script.argv && script.user == other.script.user &&
               script.group == other.script.group;
    }
};

class Fifo {
  public:
    using Say = std::function<void(bool warning, const std::string& line)>;
    explicit Fifo(Say say) : say_(std::move(say)) {}
    ~Fifo() { close(); }
    Fifo(const Fifo&) = delete;
    Fifo& operator=(const Fifo&) = delete;

    /// Opens the FIFO, makes it if it is not there, and starts its script. The same settings as
    /// before change nothing.
    Result<> configure(const FifoSettings& settings, ScriptRunner& scripts);
    /// "INSTANCE ..." without the line feed.
    void write(std::string_view line);
    std::uint64_t lost() const { return lost_; }
    /// The end: whoever reads sees it. The file goes away if it was made here.
    void close();

  private:
    Result<> open();

    Say say_;
    FifoSettings settings_;
    Fd fd_;
    bool made_ = false;
    bool full_ = false;
    std::uint64_t lost_ = 0;
};

}  // namespace vipd::control
