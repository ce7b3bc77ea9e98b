// SPDX-License-Identifier: Apache-2.0
// The body of POST /v1/change (docs/API.md).
#pragma once

#include "userspace/control/live_changes.hpp"

#include <vipd/error.hpp>

#include <string_view>

namespace vipd::api {

/// Errors are sentences for whoever wrote the body.
Result<control::LiveCommand> live_command(std::string_view body);

}  // namespace vipd::api
