// SPDX-License-Identifier: Apache-2.0
// The flow table in a file, for the time in which nothing of it is in memory: a reboot. (While the
// machine runs the pinned maps keep it.) docs/SYNC_PROTOCOL.md has the bytes. A file is taken whole
// or not at all: its digest tells of any byte that is not as it was written.
#pragma once

#include "userspace/base/fd.hpp"
#include "userspace/sync/crypto.hpp"
#include "userspace/sync/wire.hpp"

#include <vipd/error.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace vipd::sync {

/// Since 1970: the one clock that goes on through a reboot.
using WallTime = std::chrono::milliseconds;

/// Writes beside `path` and puts that in its place with commit(); until then, and without it, the
/// file that is there stays.
class CheckpointWriter {
  public:
    static Result<CheckpointWriter> open(const std::string& path,
                                         const std::string& node_id,
                                         WallTime saved_at);
    CheckpointWriter(CheckpointWriter&&) noexcept = default;
    CheckpointWriter& operator=(CheckpointWriter&&) = delete;
    ~CheckpointWriter();

    Result<> add(const Flow& flow);
    std::uint64_t count() const { return count_; }
    /// `durable`: on the disk when it returns. Else a power failure may cost the file, which is
    /// then refused.
    Result<> commit(bool durable);

  private:
    CheckpointWriter(std::string path, std::string temporary, Fd fd, Sha256 digest);
    Result<> flush();

    std::string path_;
    std::string temporary_;  ///< empty: committed, or nothing to remove
    Fd fd_;
    Sha256 digest_;
    std::string buffer_;
    std::uint64_t count_ = 0;
};

struct CheckpointContent {
    WallTime saved_at{0};
    std::uint64_t count = 0;
};

/// Reads a whole checkpoint: checks all of it first, then hands its flows on in parts. An error
/// says why it is refused; nothing has been handed on then. Bytes may be anything.
Result<CheckpointContent> decode_checkpoint(
    Bytes bytes,
    const std::string& node_id,
    const std::function<void(WallTime saved_at, std::span<const Flow>)>& take);

/// The same from a file. errnum ENOENT: there is none.
Result<CheckpointContent> read_checkpoint(
    const std::string& path,
    const std::string& node_id,
    const std::function<void(WallTime saved_at, std::span<const Flow>)>& take);

}  // namespace vipd::sync
