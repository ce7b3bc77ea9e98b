// SPDX-License-Identifier: Apache-2.0
// The regex of HTTP_GET and SSL_GET: PCRE2, with keepalived's option names.
#pragma once

#include "userspace/check/checker.hpp"

#include <vipd/error.hpp>

#include <string_view>

namespace vipd::check {

/// Whether `body` is as the regex wants it, no_match and offsets heeded. Errors: an unknown option,
/// a pattern that does not compile, or a body that makes the search too long.
Result<bool> fits(const Regex& regex, std::string_view body);

}  // namespace vipd::check
