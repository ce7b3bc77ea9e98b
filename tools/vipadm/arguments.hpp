// SPDX-License-Identifier: Apache-2.0
// ipvsadm's command line: what it takes, what it refuses, in its words and with its exit codes
// (ipvsadm(8), version 1.31).
#pragma once

#include "tools/vipadm/table.hpp"

#include <tl/expected.hpp>

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace vipd::vipadm {

enum class Verb : std::uint8_t {
    AddService,
    EditService,
    DeleteService,
    Flush,
    Restore,
    Save,
    AddServer,
    DeleteServer,
    EditServer,
    List,
    Zero,
    SetTimeouts,
    StartDaemon,
    StopDaemon,
    Help,
    Version,
};

/// What a listing looks like.
struct Format {
    bool numeric = false;
    bool stats = false;
    bool rates = false;
    bool thresholds = false;
    bool persistent = false;
    bool tunnels = false;
    bool exact = false;
    bool sort = true;
};

struct Command {
    Verb verb = Verb::List;
    std::optional<ServiceId> id;  ///< -t, -u, --sctp-service, -f
    Service service;              ///< what -A and -E make of it
    Real real;                    ///< -a, -e, -d
    Format format;
    bool connections = false, timeouts = false, daemons = false;  ///< what -L lists instead
    std::array<std::uint32_t, 3> set{};                           ///< --set
    SyncDaemon daemon;
};

/// The end of a command that is not run: what goes to stderr, and the exit status.
struct Refusal {
    int status = 2;
    std::string text;
};

/// How names are looked up; tests give their own.
struct Names {
    std::optional<IpAddress> (*address)(const std::string& name) = nullptr;
    std::optional<std::uint16_t> (*port)(const std::string& name, Protocol protocol) = nullptr;
};

/// The words after the program's name. No words at all: the listing.
tl::expected<Command, Refusal> parse(const std::vector<std::string>& words, const Names& names);

std::string usage();

}  // namespace vipd::vipadm
