// SPDX-License-Identifier: Apache-2.0
// $NAME=value and what $NAME and ${NAME} then stand for (keepalived.md 1.0).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace vipd::config {

/// A line with its references replaced.
struct Expansion {
    std::string text;                    ///< several lines if a value has several
    std::vector<std::uint32_t> columns;  ///< for each byte, and the end: the column in the file
};

class Definitions {
  public:
    /// The length of `NAME` if `line` begins with `$NAME=`, else 0.
    static std::size_t defines(std::string_view line);

    void set(std::string_view name, std::string value);

    /// True if `line` has a reference to a name that is defined.
    bool refers(std::string_view line) const;

    /// Replaces the references of `line`, and those in their values, which are looked up only now.
    /// A value that refers to itself, or grows beyond all measure, stays as it is written.
    /// `column`: that of the line's first byte.
    Expansion expand(std::string_view line, std::uint32_t column);

  private:
    struct Reference {
        std::string_view name;
        std::size_t length = 0;  ///< with `$` and braces; 0: none here
    };
    static Reference reference_at(std::string_view text, std::size_t position);
    void append(std::string_view text, std::uint32_t column, int depth, Expansion& out);

    std::map<std::string, std::string, std::less<>> values_;
    std::size_t budget_ = std::size_t{8} << 20;  ///< bytes that all expansions of a file may add
};

}  // namespace vipd::config
