// SPDX-License-Identifier: Apache-2.0
// keepalived.conf as a typed model: parse() turns text into a Config and diagnostics. Pure: the
// text and an include reader go in, values come out. Facts about keepalived's language and defaults
// are those of keepalived 2.2.7 and its manual page.
#pragma once

#include <vipd/address.hpp>
#include <vipd/time.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vipd::config {

/// Where a word stands. Lines and columns count from 1; columns count characters, not bytes.
struct Location {
    std::shared_ptr<const std::string> file;
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    std::string to_string() const;  ///< "FILE:12:5"
};

/// A value with its place in the file; `set` tells a written value from a default.
template <class T>
struct Value {
    T value{};
    Location at;
    bool set = false;

    Value() = default;
    Value(T initial) : value(std::move(initial)) {}  // NOLINT: a default reads as its value
    const T& operator*() const { return value; }
    const T* operator->() const { return &value; }
};

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

/// The diagnostic as people see it: "FILE:12:5: error: ...", the line, the caret, the hint.
std::string render(const Diagnostic& diagnostic);

/// A command with its user, from a quoted string (keepalived.md 3.14). argv[0] is as written.
struct Script {
    std::vector<std::string> argv;
    std::string user;  ///< "" = script_user of global_defs
    std::string group;
    Location at;
    bool operator==(const Script& other) const {
        return argv == other.argv && user == other.user && group == other.group;
    }
};

struct SyncDaemon {  ///< lvs_sync_daemon
    std::string interface;
    std::string instance;
    std::uint8_t id = 0;
    std::uint16_t port = 8848;
    IpAddress group;
    Location at;
};

struct GlobalDefs {
    Value<std::string> router_id;
    Value<std::uint8_t> vrrp_version{2};
    Value<IpAddress> vrrp_mcast_group4;  ///< 224.0.0.18
    Value<Nanos> garp_master_delay{Seconds(5)};
    Value<std::uint32_t> garp_master_repeat{5};
    Value<Nanos> garp_master_refresh{Seconds(0)};
    Value<std::uint32_t> garp_master_refresh_repeat{1};
    Value<std::uint8_t> down_timer_adverts{3};
    Value<bool> strict{false};
    Value<bool> skip_check_adv_addr{false};
    Value<bool> enable_script_security{false};
    Value<std::string> script_user;
    Value<std::string> script_group;
    std::optional<SyncDaemon> sync_daemon;
    Value<std::uint32_t> tcp_timeout{900};  ///< lvs_timeouts, seconds
    Value<std::uint32_t> tcp_fin_timeout{120};
    Value<std::uint32_t> udp_timeout{300};
};

struct VipAddress {
    IpPrefix prefix;
    std::string device;  ///< "" = the instance's interface
    std::string label;
    std::optional<IpAddress> broadcast;
    bool broadcast_auto = false;  ///< `brd +`
    std::uint8_t scope = 0;       ///< RT_SCOPE_*
    Location at;
};

struct TrackedScript {
    std::string name;
    std::optional<int> weight;  ///< unset: the script's own
    bool reverse = false;
    Location at;
};

struct TrackedInterface {
    std::string name;
    int weight = 0;
    bool reverse = false;
    Location at;
};

struct Notify {
    std::optional<Script> master, backup, fault, stop, any;
};

struct VrrpInstance {
    std::string name;
    Location at;
    Value<bool> initial_master{false};  ///< state MASTER
    Value<std::string> interface;
    Value<std::uint8_t> virtual_router_id{0};  ///< 0: missing (an error was reported)
    Value<std::uint8_t> priority{100};
    Value<Nanos> advert_int{Seconds(1)};
    Value<std::uint8_t> version{2};
    Value<bool> nopreempt{false};
    Value<Nanos> preempt_delay{Seconds(0)};
    Value<std::string> auth_pass;  ///< PASS: first 8 bytes count; empty: no authentication
    Value<IpAddress> unicast_src_ip;
    Value<IpAddress> mcast_src_ip;
    std::vector<Value<IpAddress>> unicast_peers;
    Value<std::uint8_t> unicast_ttl{255};
    std::vector<VipAddress> virtual_ipaddress;
    std::vector<VipAddress> virtual_ipaddress_excluded;
    std::vector<TrackedScript> track_scripts;
    std::vector<TrackedInterface> track_interfaces;
    Value<bool> dont_track_primary{false};
    Value<Nanos> garp_master_delay{Seconds(5)};  ///< these four: global_defs' value unless set
    Value<std::uint32_t> garp_master_repeat{5};
    Value<Nanos> garp_master_refresh{Seconds(0)};
    Value<std::uint32_t> garp_master_refresh_repeat{1};
    Value<std::uint8_t> down_timer_adverts{3};
    Value<bool> skip_check_adv_addr{false};
    Value<bool> strict{false};
    Notify notify;
};

struct SyncGroup {
    std::string name;
    Location at;
    std::vector<Value<std::string>> members;
    Notify notify;
};

struct VrrpScript {
    std::string name;
    Location at;
    Script script;
    Value<Nanos> interval{Seconds(1)};
    Value<Nanos> timeout;  ///< unset: the interval
    Value<int> weight{0};
    Value<bool> reverse{false};
    Value<std::uint32_t> rise{1};
    Value<std::uint32_t> fall{1};
    Value<bool> init_fail{false};
};

/// Settings that a virtual_server, a real_server and a checker can all carry; the nearest one that
/// is set counts. parse() has resolved them in each Checker.
struct CheckTiming {
    Nanos delay_loop{Seconds(60)};
    Nanos connect_timeout{Seconds(5)};
    std::uint32_t retry = 1;
    Nanos delay_before_retry{Seconds(1)};
    Nanos warmup{Seconds(-1)};  ///< < 0: a random part of delay_loop
};

struct HttpUrl {
    std::string path = "/";
    std::string digest;  ///< MD5 in hex; empty: not compared
    std::vector<std::pair<std::uint16_t, std::uint16_t>> status_codes;  ///< ranges; empty: 200-299
    std::string virtualhost;  ///< resolved url > checker > real > service; empty: the address
    Location at;
};

struct Checker {
    enum class Kind : std::uint8_t { Tcp, Http, Misc };
    Kind kind = Kind::Tcp;
    Location at;
    CheckTiming timing;
    Endpoint connect_to;        ///< resolved: connect_ip and connect_port, else the real server's
    IpAddress bind_to;          ///< none: any
    std::vector<HttpUrl> urls;  // Http
    enum class HttpProtocol : std::uint8_t { V1_0, V1_0C, V1_1 } http_protocol = HttpProtocol::V1_0;
    Script misc_path;           // Misc
    Nanos misc_timeout{0};      // Misc; resolved
    bool misc_dynamic = false;  // Misc
};

struct RealServer {
    Endpoint endpoint;  ///< DR and TUN: the port is the service's
    Location at;
    Value<std::uint32_t> weight{1};
    Value<bool> inhibit_on_failure{false};
    Value<std::uint32_t> upper_threshold{0};  ///< uthreshold; 0: no limit
    Value<std::uint32_t> lower_threshold{0};  ///< lthreshold
    std::optional<std::string> method;  ///< "DR", "TUN" where it differs from the service's
    std::vector<Checker> checkers;
    std::optional<Script> notify_up, notify_down;
};

struct VirtualServer {
    ServiceKey key;
    Location at;
    Value<std::string> scheduler{std::string("wlc")};  ///< lb_algo as written
    Value<std::string> method{std::string("NAT")};     ///< lb_kind as written
    bool hash_port = false;                            ///< sh-port, mh-port
    bool hash_fallback = false;                        ///< sh-fallback, mh-fallback
    Value<std::uint32_t> quorum{1};
    Value<std::uint32_t> hysteresis{0};
    std::optional<Script> quorum_up, quorum_down;
    std::optional<Endpoint> sorry_server;
    Value<bool> sorry_server_inhibit{false};
    std::optional<std::string> sorry_server_method;
    Value<bool> alpha{false};
    Value<bool> omega{false};
    std::vector<RealServer> real_servers;
    /// False: a warning said why vipd does not forward it yet (NAT, IPv6, SCTP, any port).
    bool forwarded = true;
};

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
    std::optional<Endpoint> api_listen;        ///< metrics on TCP; unset: none
    std::vector<Value<IpAddress>> sync_peers;  ///< sync { peer A }
    Value<std::string> sync_key_file;          ///< sync { key_file PATH }
    Value<IpAddress> sync_bind;                ///< sync { bind A }
    Value<std::uint16_t> sync_port{8849};      ///< sync { port N }
};

struct Config {
    GlobalDefs global;
    std::vector<VrrpInstance> instances;
    std::vector<SyncGroup> sync_groups;
    std::vector<VrrpScript> scripts;
    std::vector<VirtualServer> virtual_servers;
    Vipd vipd;
    std::string instance_name;  ///< root keyword `instance NAME`: separates pins, pid files, API
    std::string net_namespace;  ///< root keyword `net_namespace NAME`
};

/// What parse() may ask of the world; tests give their own.
struct Environment {
    /// True if an interface of this name exists now; absent: not checked.
    std::function<bool(std::string_view)> interface_exists;
    /// True if a user of this name exists; absent: none does.
    std::function<bool(std::string_view)> user_exists;
    /// Why a script cannot run as this user ("not found", "not executable"...); nullopt: it can.
    /// Absent: not checked. The script is as run_as() gives it, also below.
    std::function<std::optional<std::string>(const Script&)> script_problem;
    /// With enable_script_security, for scripts that can run: why this user must not run it
    /// nevertheless; nullopt: it may. Absent: not checked.
    std::function<std::optional<std::string>(const Script&)> script_insecure;
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
