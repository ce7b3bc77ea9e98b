// SPDX-License-Identifier: Apache-2.0
// What the check process gives away before it reads a byte from anybody: its user, its
// capabilities, and the system calls that it will never need. There is no way back.
#pragma once

#include <vipd/error.hpp>

#include <cstdint>
#include <string>

namespace vipd::daemon {

/// Lets the user of the check process ask by ICMP echo without any right: widens
/// net.ipv4.ping_group_range of this network namespace by its group, as keepalived does.
Result<> allow_ping();

/// Room for the sockets of many attempts at once: raises the limit of open files as far as it may
/// be raised, at most to `wanted`; returns what it is now. Before drop_privileges().
std::uint64_t raise_open_files(std::uint64_t wanted);

/// Becomes the user `vipd`, or `nobody` where there is no such user; no supplementary groups, no
/// capabilities in any set, none to be gained by exec, no core dumps, no ptrace by equals. Started
/// without root's rights it keeps its user and does the rest. Returns the user's name.
Result<std::string> drop_privileges();

/// Seccomp: running programs, making processes, tracing, namespaces, mounts, BPF, modules, keys,
/// listening, and every kind of socket but TCP, UDP and local ones answer EPERM from now on. Needs
/// drop_privileges() first.
Result<> forbid_system_calls();

}  // namespace vipd::daemon
