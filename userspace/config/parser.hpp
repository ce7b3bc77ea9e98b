// SPDX-License-Identifier: Apache-2.0
// From statements to the model, one function per block family. Inside this folder only.
#pragma once

#include "userspace/config/values.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace vipd::config {

/// What the functions share while one file is read.
struct Parsing {
    Config& config;
    Reporter& reporter;
    const Environment& environment;
    /// "keyword name" of each named block so far, with its line.
    std::map<std::string, std::uint32_t> defined{};
    /// Names (of scripts, files, processes, BFD instances) whose definition was faulty: already
    /// reported, no need to call them undefined too.
    std::set<std::string, std::less<>> faulty{};
    /// Instances that are left out, as those of IPv6: sync groups may name them.
    std::set<std::string, std::less<>> left_out_instances{};
    /// Interfaces that were named, checked once global_defs is known.
    std::vector<Word> interfaces{};
    bool interface_missing = false;  ///< check_interfaces() has found one that is needed now
};

void parse_global_defs(Parsing& parsing, const Statement& statement);
void parse_vipd(Parsing& parsing, const Statement& statement);
void parse_vrrp_instance(Parsing& parsing, const Statement& statement);
void parse_sync_group(Parsing& parsing, const Statement& statement);
void parse_vrrp_script(Parsing& parsing, const Statement& statement);
void parse_track_file(Parsing& parsing, const Statement& statement);
void parse_track_process(Parsing& parsing, const Statement& statement);
void parse_bfd_instance(Parsing& parsing, const Statement& statement);
void parse_garp_group(Parsing& parsing, const Statement& statement);
void parse_up_down_delays(Parsing& parsing, const Statement& statement);
void parse_linkbeat(Parsing& parsing, const Statement& statement);
void parse_track_group(Parsing& parsing, const Statement& statement);
void parse_static_addresses(Parsing& parsing, const Statement& statement);
void parse_virtual_server_group(Parsing& parsing, const Statement& statement);
/// `A`, `A-B`, `A/M`; the port is not part of the word.
std::optional<AddressRange> read_range(Parsing& parsing, const Word& word);
void parse_virtual_server(Parsing& parsing, const Statement& statement);

/// What a virtual_server, a real_server and a checker may say about checking; the nearest counts.
struct CheckSettings {
    std::optional<Nanos> delay_loop, connect_timeout, delay_before_retry, warmup;
    std::optional<std::uint32_t> retry;
    std::optional<std::string> virtualhost;
    std::optional<bool> alpha, log_all_failures;  ///< of real servers and checkers

    /// Takes the statement if it is one of these settings.
    bool read(Parsing& parsing, const Statement& statement);
    /// Own settings, and `outer` for those that are not set here.
    CheckSettings within(const CheckSettings& outer) const;
};

struct CheckerDraft {
    Checker checker;
    CheckSettings settings;
};

/// One checker; nothing where it cannot work.
std::optional<CheckerDraft> parse_checker(Parsing& parsing, const Statement& statement);

/// One line of virtual_ipaddress; nothing where it is no address.
std::optional<VipAddress> parse_vip(Parsing& parsing, const Statement& line);

/// Lines of virtual_routes and static_routes, of virtual_rules and static_rules.
void parse_routes(Parsing& parsing, const Statement& block, std::vector<Route>& to);
void parse_rules(Parsing& parsing, const Statement& block, std::vector<Rule>& to);

void parse_use_vmac(Parsing& parsing, VrrpInstance& instance, const Statement& line);
void parse_use_ipvlan(Parsing& parsing, VrrpInstance& instance, const Statement& line);
void parse_auth_hmac(Parsing& parsing, VrrpInstance& instance, const Statement& block);

/// Reads one notify_* keyword into `notify`; false: it is another keyword.
bool read_notify(Parsing& parsing, const Statement& statement, Notify& notify);

/// Reads one track_* block; false: it is another keyword.
bool read_tracking(Parsing& parsing, const Statement& block, VrrpInstance& instance);
bool read_tracking(Parsing& parsing, const Statement& block, SyncGroup& group);

/// Reports the second definition of a name; the first one counts.
bool already_defined(Parsing& parsing, const Statement& statement);

/// A command; a second one is reported, the first counts.
void read_script_once(Parsing& parsing, const Statement& statement, std::optional<Script>& to);

/// [all] SECONDS
void read_extra_garp(Reporter& reporter,
                     const Statement& line,
                     Value<Nanos>& interval,
                     Value<bool>& all);

/// What can be told only once the whole file is known: inherited values, references between
/// blocks, interfaces and scripts of this machine.
void resolve_vrrp(Parsing& parsing);
void resolve_services(Parsing& parsing);
void check_interfaces(Parsing& parsing);
void check_scripts(Parsing& parsing);
void check_ways(Parsing& parsing);

}  // namespace vipd::config
