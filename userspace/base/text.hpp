// SPDX-License-Identifier: Apache-2.0
// Small text helpers that more than one folder needs.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace vipd {

/// The candidate that `word` was most likely meant to be, or nullopt where none is near enough
/// (a third of its length in edits, at least one; swapped neighbours count as one).
std::optional<std::string_view> nearest(std::string_view word,
                                        std::span<const std::string_view> candidates);

/// Text from outside made fit for one log line: control characters as \xNN, cut at `limit` bytes.
std::string printable(std::string_view text, std::size_t limit = 200);

}  // namespace vipd
