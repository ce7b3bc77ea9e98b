// SPDX-License-Identifier: Apache-2.0
// The table as text: ipvsadm's listings byte for byte, and the rules that make it again.
#pragma once

#include "tools/vipadm/arguments.hpp"
#include "tools/vipadm/table.hpp"

#include <string>
#include <vector>

namespace vipd::vipadm {

/// How addresses and ports are written without -n; tests give their own.
struct Writer {
    std::string (*address)(const IpAddress& address) = nullptr;  ///< a name, or the address
    std::string (*port)(std::uint16_t port, Protocol protocol) = nullptr;
};

/// ipvsadm -L of the whole table, or (one) of the services given without the line above them.
std::string listing(const Table& table, const Format& format, bool one, const Writer& writer);
std::string connections(const std::vector<Connection>& list, const Format& format);
std::string timeouts(const Table& table);
std::string daemons(const Table& table);
/// ipvsadm -S: lines that `vipadm -R` takes.
std::string commands(const Table& table, const Format& format, const Writer& writer);

}  // namespace vipd::vipadm
