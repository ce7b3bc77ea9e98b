// SPDX-License-Identifier: Apache-2.0
// Reading members of JSON that another version of vipd may have written: what is missing or of
// another kind reads as nothing, never as an exception.
#pragma once

#include "tools/vipctl/render.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>

namespace vipd::vipctl {

inline const Json& member(const Json& of, const char* name) {
    static const Json kNothing;
    const auto found = of.is_object() ? of.find(name) : of.end();
    return of.is_object() && found != of.end() ? *found : kNothing;
}

/// Always an array.
inline const Json& list(const Json& of, const char* name) {
    static const Json kEmpty = Json::array();
    const auto& found = member(of, name);
    return found.is_array() ? found : kEmpty;
}

/// A string, safe to print.
inline std::string text(const Json& of, const char* name) {
    const auto& found = member(of, name);
    return found.is_string() ? plain(found.get_ref<const std::string&>()) : std::string();
}

inline std::uint64_t number(const Json& of, const char* name) {
    const auto& found = member(of, name);
    return found.is_number_unsigned() ? found.get<std::uint64_t>() : 0;
}

inline double real_number(const Json& of, const char* name) {
    const auto& found = member(of, name);
    return found.is_number() ? found.get<double>() : 0;
}

inline bool flag(const Json& of, const char* name) {
    const auto& found = member(of, name);
    return found.is_boolean() && found.get<bool>();
}

}  // namespace vipd::vipctl
