// SPDX-License-Identifier: Apache-2.0
// Where log lines go. Only shells (daemon, control, the role mains) log; libraries return errors.
#pragma once

#include <vipd/time.hpp>

#include <spdlog/spdlog.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace vipd::log {

enum class Target : std::uint8_t { Console, Journal, Syslog, File };

struct Options {
    Target target = Target::Console;
    std::string ident = "vipd";  ///< "vipd", "vipd_vrrp", "vipd_check"
    std::string file;            ///< Target::File
    int facility = -1;           ///< Target::Syslog; -1: LOG_DAEMON
    bool debug = false;
};

/// Sets the default logger of this process. Console lines carry time and level; journal lines carry
/// the priority prefix that journald reads from stderr.
void setup(const Options& options);

/// Lets through one line per key and interval; says how many it held back since. For every log line
/// that a remote can cause.
class RateLimit {
  public:
    explicit RateLimit(Nanos interval) : interval_(interval) {}
    /// nullopt: hold this line back. Otherwise how many of this key were held back since the last.
    /// At most 1,024 keys are remembered; further ones share one.
    std::optional<std::uint64_t> allow(const std::string& key, TimePoint now);

  private:
    struct Entry {
        TimePoint last;
        std::uint64_t held = 0;
    };
    Nanos interval_;
    std::map<std::string, Entry> entries_;
};

}  // namespace vipd::log
