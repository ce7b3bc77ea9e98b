// SPDX-License-Identifier: Apache-2.0
// What every part of the model is made of: places in files, values that know theirs, commands.
#pragma once

#include <vipd/address.hpp>
#include <vipd/time.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vipd::config {

/// A file that was read, with its text: what stands at a place can be shown for as long as somebody
/// knows the place. A byte order mark in front is no part of it.
class SourceFile {
  public:
    SourceFile(std::string name, std::shared_ptr<const std::string> text);

    const std::string& name() const { return name_; }
    std::uint32_t lines() const { return lines_; }
    /// The text of a line as it may be shown: passwords are asterisks. Empty where there is none,
    /// or none of a length to be shown.
    std::string line(std::uint32_t number) const;
    /// How many characters the word there has, its quotes included; at least 1.
    std::uint32_t word_length(std::uint32_t line, std::uint32_t column) const;

  private:
    std::string name_;
    std::shared_ptr<const std::string> owner_;
    std::string_view text_;
    /// Where every kStride-th line begins: a file of line breaks must not cost more than itself.
    std::vector<std::size_t> line_starts_{0};
    std::uint32_t lines_ = 1;
    static constexpr std::uint32_t kStride = 64;
};

/// A file without the byte order mark that some editors put in front of it.
inline std::string_view without_bom(std::string_view text) {
    constexpr std::string_view kBom = "\xef\xbb\xbf";
    if (text.starts_with(kBom)) text.remove_prefix(kBom.size());
    return text;
}

/// Where a word stands. Lines and columns count from 1; columns count characters, not bytes.
struct Location {
    std::shared_ptr<const SourceFile> file;
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    std::string to_string() const;  ///< "FILE:12:5"
    /// Places are no part of what a file says: models are compared without them.
    bool operator==(const Location&) const { return true; }
};

/// A value with its place in the file; `set` tells a written value from a default.
template <class T>
struct Value {
    T value{};
    Location at;
    bool set = false;

    Value() = default;
    Value(T initial) : value(std::move(initial)) {}  // NOLINT: a default reads as its value
    const T& operator*() const { return value; }
    const T* operator->() const { return &value; }
    bool operator==(const Value&) const = default;
};

/// A command with its user, from a quoted string (keepalived.md 3.14). argv[0] is as written.
struct Script {
    std::vector<std::string> argv;
    std::string user;  ///< "" = script_user of global_defs
    std::string group;
    Location at;
    bool operator==(const Script& other) const {
        return argv == other.argv && user == other.user && group == other.group;
    }
};

}  // namespace vipd::config
