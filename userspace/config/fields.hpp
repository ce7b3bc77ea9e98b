// SPDX-License-Identifier: Apache-2.0
// Blocks as tables: keyword -> where its value goes and within which limits. Inside this folder
// only.
#pragma once

#include "userspace/config/parser.hpp"

#include <functional>
#include <string>
#include <type_traits>
#include <unordered_map>

namespace vipd::config {

template <class T>
using Field = std::function<void(Parsing&, T&, const Statement&)>;
template <class T>
using Fields = std::unordered_map<std::string, Field<T>>;

/// Reads the statement if its keyword is in the table.
template <class T>
bool read_field(const Fields<T>& fields, Parsing& parsing, T& to, const Statement& statement) {
    const auto field = fields.find(statement.head().text);
    if (field == fields.end()) return false;
    field->second(parsing, to, statement);
    return true;
}

/// Reads every statement of a block that is in the table.
template <class T>
void read_fields(const Fields<T>& fields, Parsing& parsing, T& to, const Statement& block) {
    for (const auto& line : block.body) read_field(fields, parsing, to, line);
}

inline auto flag(auto member) {
    return [member](Parsing& parsing, auto& to, const Statement& line) {
        assign_flag(parsing.reporter, to.*member, line);
    };
}

/// A flag that is set by standing there; keepalived reads no value after it.
inline auto present(auto member) {
    return [member](Parsing& parsing, auto& to, const Statement& line) {
        assign(parsing.reporter, to.*member, std::optional(true), line.head());
    };
}

inline auto number(auto member, std::int64_t low, std::int64_t high) {
    return [=](Parsing& parsing, auto& to, const Statement& line) {
        assign(parsing.reporter,
               to.*member,
               read_number(parsing.reporter, line.value(), low, high),
               line.value());
    };
}

inline auto seconds(auto member, Nanos low = kMinTimer, Nanos high = kMaxTimer) {
    return [=](Parsing& parsing, auto& to, const Statement& line) {
        assign_seconds(parsing.reporter, to.*member, line, low, high);
    };
}

inline auto text(auto member) {
    return [member](Parsing& parsing, auto& to, const Statement& line) {
        assign_text(parsing.reporter, to.*member, line);
    };
}

inline auto address(auto member) {
    return [member](Parsing& parsing, auto& to, const Statement& line) {
        assign(parsing.reporter,
               to.*member,
               read_address(parsing.reporter, line.value()),
               line.value());
    };
}

/// A command; the first of two counts.
inline auto command(auto member) {
    return [member](Parsing& parsing, auto& to, const Statement& line) {
        read_script_once(parsing, line, to.*member);
    };
}

/// A field of a part of the block.
inline auto within(auto part, auto field) {
    return
        [=](Parsing& parsing, auto& to, const Statement& line) { field(parsing, to.*part, line); };
}

/// An old name that keepalived still takes, with a remark.
inline auto deprecated(std::string better, auto field) {
    return [better = std::move(better), field](Parsing& parsing, auto& to, const Statement& line) {
        parsing.reporter.complaint(
            line.head(), quoted(line.head().text) + " is deprecated", "write " + better);
        field(parsing, to, line);
    };
}

}  // namespace vipd::config
