// SPDX-License-Identifier: Apache-2.0
// $NAME=value, what $NAME and ${NAME} then stand for, and the loops ~SEQ and ~LST
// (keepalived.md 1.0).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vipd::config {

class Definitions {
  public:
    /// The value of a predefined name ("_PWD", "_ENV HOME"); nullopt: there is none of this name.
    using Predefined = std::function<std::optional<std::string>(std::string_view)>;

    explicit Definitions(Predefined predefined) : predefined_(std::move(predefined)) {}

    /// The length of `NAME` if `line` begins with `$NAME=`, else 0.
    static std::size_t defines(std::string_view line);

    void set(std::string_view name, std::string value);
    void erase(std::string_view name);
    std::optional<std::string> value(std::string_view name) const;

    struct Reference {
        std::size_t length = 0;  ///< with `$` and braces
        std::string value;
    };
    /// The reference at the beginning of `text`, if it is one to a name that has a value.
    std::optional<Reference> reference(std::string_view text) const;

    /// True if `line` has such a reference anywhere.
    bool refers(std::string_view line) const;

    /// `text` with its references replaced, and those of their values, up to some depth.
    std::string expanded(std::string text) const;

  private:
    Predefined predefined_;
    std::map<std::string, std::string, std::less<>> values_;
};

/// ~SEQ(var,start,step,end), ~SEQx, ~LST(var,a,b), ~LST({v,w},{a,b},{c,d}).
struct Loop {
    std::vector<std::string> variables;
    std::vector<std::vector<std::string>> values;  ///< one for each turn, as many as variables
    std::string problem;                           ///< why it has no turn; empty: it has
};

/// The length of a loop's head, "~SEQ(...)", at the beginning of `line`; 0: there is none;
/// npos: its ')' is missing.
std::size_t loop_head(std::string_view line);

/// `head` as loop_head() found it, with its references replaced.
Loop parse_loop(std::string_view head);

}  // namespace vipd::config
