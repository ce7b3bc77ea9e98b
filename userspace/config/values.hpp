// SPDX-License-Identifier: Apache-2.0
// From words to typed values. Each function reports what is wrong with the word and then returns
// nothing; the caller keeps its default.
#pragma once

#include "userspace/config/syntax.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace vipd::config {

/// A whole number in [low, high].
std::optional<std::int64_t> read_number(Reporter& reporter,
                                        const Word& word,
                                        std::int64_t low,
                                        std::int64_t high);

/// Seconds with up to nine decimals, in [low, high].
std::optional<Nanos> read_seconds(Reporter& reporter, const Word& word, Nanos low, Nanos high);

/// A flag: present means true; on, true, yes, off, false, no may follow.
std::optional<bool> read_flag(Reporter& reporter, const Statement& statement);

std::optional<IpAddress> read_address(Reporter& reporter, const Word& word);

/// The command of a script keyword and the `user group` that may follow it (keepalived.md 3.14:
/// split at blanks, '...' and "..." and backslashes as in a shell, nothing else of a shell).
std::optional<Script> read_script(Reporter& reporter, const Statement& statement);

std::vector<std::string> split_command(std::string_view command);

/// Decimal, or hexadecimal after 0x; nothing else.
std::optional<std::uint64_t> parse_unsigned(std::string_view text);

/// An even number of hexadecimal digits as bytes, at least one.
std::optional<std::vector<std::uint8_t>> parse_hex(std::string_view text);

/// `A`, `A PORT`; the port 0 if there is none.
std::optional<Endpoint> read_endpoint(Reporter& reporter, const Word& address, const Word* port);

/// Sets a Value of the model with its place; `read` is one of the optionals from above.
template <class T, class U>
void assign(Reporter& reporter, Value<T>& to, const std::optional<U>& read, const Word& from) {
    if (!read) return;
    to.value = static_cast<T>(*read);
    to.at = reporter.at(from);
    to.set = true;
}

/// For a flag statement.
void assign_flag(Reporter& reporter, Value<bool>& to, const Statement& statement);
void assign_number(Reporter& reporter,
                   Value<std::uint32_t>& to,
                   const Statement& statement,
                   std::int64_t low,
                   std::int64_t high);
void assign_number(Reporter& reporter,
                   Value<std::uint8_t>& to,
                   const Statement& statement,
                   std::int64_t low,
                   std::int64_t high);
void assign_seconds(
    Reporter& reporter, Value<Nanos>& to, const Statement& statement, Nanos low, Nanos high);
void assign_text(Reporter& reporter, Value<std::string>& to, const Statement& statement);

/// keepalived's limit of most timers: 2^32 - 1 microseconds.
constexpr Nanos kMaxTimer = std::chrono::microseconds(4294967295);
constexpr Nanos kMinTimer = std::chrono::microseconds(1);

}  // namespace vipd::config
