// SPDX-License-Identifier: Apache-2.0
// What the API says, as JSON: docs/API.md describes every member. Members are only ever added.
#pragma once

#include "userspace/control/reload_plan.hpp"
#include "userspace/control/status.hpp"
#include "userspace/dataplane/dataplane.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace vipd::api {

/// Keeps members in the order in which they were put in: people read this too.
using Json = nlohmann::ordered_json;

/// The body of GET /v1/status.
Json to_json(const control::Status& status);
Json to_json(const control::ReloadPlan& plan);

/// One element of the list of GET /v1/flows, as text: a listing can be a million of them.
std::string flow_text(const dataplane::Flow& flow);

/// The text of `json` on one line. Bytes that are no UTF-8 (a server's error text may hold some)
/// become U+FFFD instead of an exception.
std::string to_text(const Json& json);

/// {"error": "..."}: the body of every answer that is not a success.
std::string error_text(std::string_view message);

/// keepalived's word for a VRRP state: "INIT", "BACKUP", "MASTER", "FAULT".
std::string_view state_name(ipc::VrrpState state);

}  // namespace vipd::api
