// SPDX-License-Identifier: Apache-2.0
// The real data plane. Its maps and links are pinned in one directory of a bpf file system and
// outlive the process: the next one takes them up as they are, and packets never notice.
#pragma once

#include "userspace/dataplane/dataplane.hpp"

#include <array>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace vipd::dataplane {

enum class LibbpfLevel : std::uint8_t { Warn, Info, Debug };

struct Options {
    std::string pin_dir = "/sys/fs/bpf/vipd";
    std::uint32_t flow_table_size = 1U << 20;  ///< slots; rounded up to a power of two
    /// Throw away what is pinned there (detaching it, losing its connections) and begin anew.
    bool fresh = false;
    /// Seed of the flow hash of new maps. For tests, which then share sets alike in each run; none:
    /// random and secret, as it must be where strangers choose the keys.
    std::optional<std::array<std::uint64_t, 2>> flow_seed;
    /// Receives libbpf's own messages; none: they are dropped. One for the whole process: the last
    /// one given counts.
    std::function<void(LibbpfLevel, std::string_view)> libbpf_log;
};

/// errnum of an Error that says: what is pinned is of another version or size. The caller may ask
/// again with `fresh`.
inline constexpr int kIncompatiblePins = ESTALE;

/// Loads the XDP program, takes up the maps pinned in `options.pin_dir` or makes them, and puts the
/// new program into each link pinned there. On failure what was pinned before is as it was.
Result<std::unique_ptr<Dataplane>> open_bpf_dataplane(const Options& options);

/// Detaches all that is pinned in the directory and removes the pins. Success if there is none.
Result<> detach_all(const std::string& pin_dir);

/// For tests and measurements: the loaded program and a map by its name; borrowed, -1 if unknown.
/// `dataplane` must come from open_bpf_dataplane().
int program_fd(const Dataplane& dataplane);
int map_fd(const Dataplane& dataplane, const std::string& name);

}  // namespace vipd::dataplane
