// SPDX-License-Identifier: Apache-2.0
// keepalived.conf as a typed model: parse() turns text into a Config and diagnostics. Pure: the
// text and an include reader go in, values come out. Facts about keepalived's language and defaults
// are those of keepalived 2.2.7 and its manual page.
#pragma once

#include "userspace/config/global_defs.hpp"
#include "userspace/config/lvs_model.hpp"
#include "userspace/config/sources.hpp"
#include "userspace/config/vrrp_model.hpp"

#include <functional>
#include <string_view>

namespace vipd::config {

enum class Severity : std::uint8_t {
    Warning,   ///< runs as keepalived would, but look here (also: known keyword, not yet done)
    Error,     ///< reported and skipped, the rest runs (keepalived's -t exit 5)
    Security,  ///< script security (exit 6)
    Fatal,     ///< cannot run with this (exit 4)
};

struct Diagnostic {
    Severity severity = Severity::Error;
    Location at;
    std::string message;          ///< one sentence without a full stop
    std::string hint;             ///< "did you mean 'notify_backup'?"; empty for none
    std::string source;           ///< the line's text
    std::uint32_t length = 1;     ///< how many characters the caret underlines
    bool keepalived_too = false;  ///< a Warning that keepalived gives too: exit status 5
};

/// A diagnostic about the word at a place: with its line, as the parser's own have it.
Diagnostic diagnostic_at(Severity severity,
                         const Location& at,
                         std::string message,
                         std::string hint = {});

/// The diagnostic as people see it: "FILE:12:5: error: ...", the line, the caret, the hint.
std::string render(const Diagnostic& diagnostic);

/// The block vipd { }: what keepalived has no word for. Every setting has a default.
struct Vipd {
    std::vector<Value<std::string>> interfaces;  ///< empty: found from instances and routes
    enum class Attach : std::uint8_t { NativeElseGeneric, Native, Generic };
    Value<Attach> attach{Attach::NativeElseGeneric};  ///< attach_mode auto|native|generic
    Value<std::uint32_t> flow_table_size{1U << 20};   ///< slots, rounded up to a power of two
    Value<std::uint32_t> ring_size{4093};             ///< Maglev table: a prime
    Value<Nanos> lease{Seconds(0)};                   ///< 0: three advert intervals, at least 1 s
    Value<bool> lease_enabled{true};                  ///< lease off
    Value<std::string> api_socket{std::string("/run/vipd/api.sock")};
    std::vector<Fwmark> fwmarks;               ///< fwmark N { ... }
    std::optional<Endpoint> api_listen;        ///< metrics on TCP; unset: none
    std::vector<Value<IpAddress>> sync_peers;  ///< sync { peer A }
    Value<std::string> sync_key_file;          ///< sync { key_file PATH }
    Value<IpAddress> sync_bind;                ///< sync { bind A }
    Value<std::uint16_t> sync_port{8849};      ///< sync { port N }
    /// sync { wait_limit S }: how long VRRP waits for the peers' connections at the start; 0: not
    Value<Nanos> sync_wait_limit{Seconds(5)};
    Value<std::string> checkpoint;         ///< the flow table's file; unset: in the state directory
    Value<bool> checkpoint_enabled{true};  ///< checkpoint off
    Value<Nanos> checkpoint_interval{Seconds(60)};  ///< how often it is written
    bool operator==(const Vipd&) const = default;
};

struct Config {
    GlobalDefs global;
    std::vector<VrrpInstance> instances;
    std::vector<SyncGroup> sync_groups;
    std::vector<VrrpScript> scripts;
    std::vector<TrackFile> track_files;
    std::vector<TrackProcess> track_processes;
    std::vector<BfdInstance> bfd_instances;
    std::vector<VipAddress> static_addresses;
    std::vector<Route> static_routes;
    std::vector<Rule> static_rules;
    std::vector<TrackGroup> track_groups;
    std::vector<GarpGroup> garp_groups;
    std::vector<UpDownDelay> up_down_delays;
    std::vector<Linkbeat> linkbeat_interfaces;
    Value<bool> linkbeat_use_polling{false};
    std::vector<VirtualServer> virtual_servers;  ///< those of an address
    std::vector<VirtualServer> keyless_servers;  ///< of a fwmark or group that nothing carries
    std::vector<VirtualServerGroup> virtual_server_groups;
    Ssl ssl;
    Vipd vipd;
    std::string instance_name;  ///< root keyword `instance NAME`: separates pins, pid files, API
    std::string net_namespace;  ///< root keyword `net_namespace NAME`
    std::string net_namespace_ipvs;
    Value<bool> use_pid_dir{false};
    Value<Nanos> child_wait_time{Seconds(5)};
    bool operator==(const Config&) const = default;
};

/// Neither instances nor services: a file that was cut short, most likely.
inline bool does_nothing(const Config& config) {
    return config.instances.empty() && config.virtual_servers.empty() &&
           config.keyless_servers.empty();
}

/// What parse() may ask of the world; tests give their own.
/// How packets get to an address.
struct Way {
    bool local = false;    ///< it is one of this host's
    bool gateway = false;  ///< by another router: it is not on link
    std::uint32_t mtu = 0;
};

struct Environment {
    /// True if an interface of this name exists now; absent: not checked.
    std::function<bool(std::string_view)> interface_exists;
    /// The way to an address now; nullopt: there is none. Absent: not checked.
    std::function<std::optional<Way>(const IpAddress&)> way_to;
    /// True if a user of this name exists; absent: none does.
    std::function<bool(std::string_view)> user_exists;
    /// Why a script cannot run as this user ("not found", "not executable"...); nullopt: it can.
    /// Absent: not checked. The script is as run_as() gives it, also below.
    std::function<std::optional<std::string>(const Script&)> script_problem;
    /// With enable_script_security, for scripts that can run: why this user must not run it
    /// nevertheless; nullopt: it may. Absent: not checked.
    std::function<std::optional<std::string>(const Script&)> script_insecure;
    /// Included files, variables, chance.
    Sources sources;
    std::string hostname;   ///< router_id's default
    std::string config_id;  ///< for @id lines; default: hostname up to the first dot
};

/// The script with the user and group that it runs as: its own, else script_user, else the user
/// keepalived_script if there is one, else "" (the daemon's own). With script security root is no
/// default: it is keepalived_script in any case. This alone decides it, at the check and at the
/// run.
Script run_as(const Script& script,
              const GlobalDefs& global,
              const std::function<bool(std::string_view)>& user_exists);

/// Where an instance without unicast_peer sends to: mcast_dst_ip, else global_defs' group of its
/// family, else the protocol's (224.0.0.18, RFC 5798 5.1.1.2; ff02::12, 5.1.2.2).
IpAddress multicast_group(const GlobalDefs& global, const VrrpInstance& instance, bool v6);

struct Parsed {
    Config config;
    std::vector<Diagnostic> diagnostics;  ///< in file order

    bool has(Severity severity) const;
    /// keepalived's -t exit status: 0 where keepalived would have nothing to say (vipd's own
    /// warnings, as of what is not yet done, allowed), 4, 5 or 6.
    int exit_status() const;
};

/// Parses the text of one configuration file, called `name` in diagnostics. Never throws, whatever
/// the bytes; time and memory are linear in the text.
Parsed parse(std::string_view text, std::string name, const Environment& environment);

}  // namespace vipd::config
