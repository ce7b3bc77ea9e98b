// SPDX-License-Identifier: Apache-2.0
// What every part of the model is made of: places in files, values that know theirs, commands.
#pragma once

#include <vipd/address.hpp>
#include <vipd/time.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vipd::config {

/// Where a word stands. Lines and columns count from 1; columns count characters, not bytes.
struct Location {
    std::shared_ptr<const std::string> file;
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
