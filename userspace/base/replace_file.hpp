// SPDX-License-Identifier: Apache-2.0
// Files that others read while we write them.
#pragma once

#include <vipd/error.hpp>

#include <string>
#include <string_view>

namespace vipd {

/// Replaces the file at `path`, whole or not at all: whoever reads it sees the old text or the new,
/// and what somebody has put there under that name (a link, a FIFO) is never written to.
Result<> replace_file(const std::string& path, std::string_view text, unsigned mode);

}  // namespace vipd
