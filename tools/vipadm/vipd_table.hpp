// SPDX-License-Identifier: Apache-2.0
// vipd's answers as ipvsadm's table, and ipvsadm's commands as vipd's (docs/API.md).
#pragma once

#include "tools/vipadm/arguments.hpp"
#include "tools/vipadm/table.hpp"

#include <nlohmann/json.hpp>
#include <tl/expected.hpp>

#include <string>
#include <vector>

namespace vipd::vipadm {

/// The body of GET /v1/status as a table: a real server that is down is not in IPVS's table either.
Table table_of(const nlohmann::json& status);

/// The body of GET /v1/flows. Timeouts are those of the table: vipd tells how long a connection has
/// been idle, IPVS how long it still has.
std::vector<Connection> connections_of(const nlohmann::json& flows, const Table& table);

/// The body of POST /v1/change; a refusal where vipd has nothing of the kind.
tl::expected<nlohmann::json, Refusal> change_of(const Command& command);

}  // namespace vipd::vipadm
