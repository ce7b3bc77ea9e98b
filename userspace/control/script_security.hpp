// SPDX-License-Identifier: Apache-2.0
// What enable_script_security asks of a script (keepalived.conf(5), "SCRIPTS"): whoever can change
// what root runs is root.
#pragma once

#include "userspace/config/config.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace vipd::control {

/// Whether this host has a user of that name.
bool user_exists(std::string_view name);

/// Why root must not run `path`; nullopt: it may. Looked at are the file, the directories up to /
/// and every symbolic link on the way. Each must belong to root and must not be writable by others;
/// the group root and sticky directories, where others cannot replace what is root's, are no
/// others.
std::optional<std::string> insecure_path(const std::string& path);

/// Environment::script_insecure of this host: only scripts that run as root are looked at.
std::optional<std::string> script_insecure(const config::Script& script);

}  // namespace vipd::control
