// SPDX-License-Identifier: Apache-2.0
// vipd's command line: keepalived's flags where they mean the same.
#pragma once

#include "userspace/base/log.hpp"

#include <vipd/error.hpp>

#include <optional>
#include <string>
#include <vector>

namespace vipd::daemon {

struct Options {
    enum class Action : std::uint8_t { Run, Test, DumpConfig, Detach, Signum, Version, Help };
    Action action = Action::Run;
    std::vector<std::string> files;  ///< -f; empty: the default path
    std::string test_output;         ///< -t=FILE; empty: stderr
    bool lint = false;               ///< --lint, with -t: remarks on what works and is unwise
    std::string config_id;           ///< -i
    std::string net_namespace;       ///< -s
    std::string pid_file;            ///< -p; empty: in the run directory
    std::string vrrp_pid_file;       ///< -r; the same
    std::string check_pid_file;      ///< -c; the same
    std::string signal_name;         ///< --signum
    std::string instance;            ///< --detach: whose pins
    bool foreground = false;         ///< -n
    bool console = false;            ///< -l
    bool vrrp = true;                ///< -C switches it off
    bool check = true;               ///< -P switches it off
    bool keep_services = false;      ///< -I: forwarding goes on after stop without limit
    bool keep_vips = false;          ///< -V: VIPs stay after stop
    bool all_roles = false;          ///< --all: also those that have nothing to do
    bool respawn = true;             ///< -R switches it off
    bool dump_config = false;        ///< -d
    bool log_addresses = false;      ///< -a
    bool ignore_sigint = false;
    std::optional<unsigned> file_mask;  ///< -u
    bool core_dump = false;             ///< -m
    std::string core_pattern;           ///< -M
    /// Accepted, but not done: one sentence each, for the log.
    std::vector<std::string> remarks;
    log::Options log;

    // Of the role processes, started by core, and of a core that takes another's place: not for
    // people.
    std::string role;
    int channel = -1;
    int resume = -1;
    std::vector<std::string> arguments;  ///< as given, less --resume
};

inline constexpr const char* kDefaultConfig = "/etc/vipd/vipd.conf";
inline constexpr const char* kKeepalivedConfig = "/etc/keepalived/keepalived.conf";

/// An error is one sentence for the user, who is then pointed to --help.
Result<Options> parse_options(int argc, char** argv);

/// The --help text.
std::string usage();

/// The number of the signal that keepalived's --signum calls `name`: STOP, RELOAD, DATA, STATS,
/// STATS_CLEAR, JSON; nullopt: there is none.
std::optional<int> signal_number(std::string_view name);

/// The file to read: the given one, else vipd's default, else keepalived's.
std::string config_path(const Options& options);

/// The flags that make a role process log like its core.
std::vector<std::string> log_arguments(const log::Options& options);

}  // namespace vipd::daemon
