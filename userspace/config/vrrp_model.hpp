// SPDX-License-Identifier: Apache-2.0
// vrrp_instance, vrrp_sync_group, what they track, and bfd_instance.
#pragma once

#include "userspace/config/routing_model.hpp"

namespace vipd::config {

/// A line of track_script, track_process, track_bfd or track_file.
struct TrackedScript {
    std::string name;
    std::optional<int> weight;  ///< unset: the script's own
    bool reverse = false;
    Location at;
    bool operator==(const TrackedScript&) const = default;
};
using TrackedObject = TrackedScript;

struct TrackedInterface {
    std::string name;
    int weight = 0;
    bool reverse = false;
    Location at;
    bool operator==(const TrackedInterface&) const = default;
};

struct Notify {
    std::optional<Script> master, backup, fault, stop, any;
    std::optional<Script> deleted, master_rx_lower_pri;  ///< instances only
    Value<bool> priority_changes;                        ///< unset: global_defs' value
    Value<bool> smtp_alert;                              ///< unset: global_defs' value
    bool operator==(const Notify&) const = default;
};

struct UnicastPeer {
    IpAddress address;
    std::optional<std::uint8_t> min_ttl, max_ttl;
    Location at;
    bool operator==(const UnicastPeer&) const = default;
};

/// use_vmac and use_ipvlan: a device of the instance's own.
struct VirtualDevice {
    enum class Kind : std::uint8_t { None, Macvlan, Ipvlan };
    Kind kind = Kind::None;
    std::string name;               ///< "": vmac_prefix.VRID
    std::optional<MacAddress> mac;  ///< unset: RFC 5798's
    bool mac_ends_in_vrid = false;  ///< five octets were given, the last is the VRID
    IpAddress address;              ///< use_ipvlan's
    enum class Mode : std::uint8_t { Default, Bridge, Private, Vepa };
    Mode mode = Mode::Default;
    bool netlink_notify = false;         ///< netlink_notify_msg
    std::optional<std::uint32_t> group;  ///< link group
    Location at;
    bool operator==(const VirtualDevice&) const = default;
};

/// auth_hmac: a trailer of HMAC-SHA256.
struct HmacAuth {
    struct Key {
        std::uint8_t id = 0;
        std::string secret;   ///< as written: hex:..., file:... or the text itself
        std::string bytes{};  ///< the key; empty: its file was not looked at
        Location at{};
        bool operator==(const Key&) const = default;
    };
    std::vector<Key> keys;
    Value<std::uint8_t> active_key{0};
    Value<std::uint32_t> time_window{0};  ///< seconds; 0: max(3 * advert_int, 5)
    Value<bool> monotonic{false};         ///< anti_replay monotonic
    enum class Mode : std::uint8_t { Enforce, Permissive, ReceiveOnly };
    Value<Mode> mode{Mode::Enforce};
    bool operator==(const HmacAuth&) const = default;
};

struct VrrpInstance {
    std::string name;
    Location at;
    Value<bool> initial_master{false};  ///< state MASTER
    Value<std::string> interface;
    Value<std::string> vrf;                    ///< without an interface
    Value<std::uint8_t> virtual_router_id{0};  ///< 0: missing (an error was reported)
    Value<std::uint8_t> priority{100};
    Value<Nanos> advert_int{Seconds(1)};
    Value<std::uint8_t> version{2};
    Value<bool> native_ipv6{false};  ///< deprecated
    Value<bool> nopreempt{false};
    Value<Nanos> preempt_delay{Seconds(0)};
    Value<std::string> auth_pass;  ///< PASS: first 8 bytes count; empty: no authentication
    Value<bool> auth_ah{false};    ///< auth_type AH, with auth_pass as its key
    std::optional<HmacAuth> auth_hmac;
    Value<IpAddress> unicast_src_ip;
    Value<IpAddress> mcast_src_ip;
    Value<bool> track_src_ip{false};
    Value<IpAddress> mcast_dst_ip;
    std::vector<Value<IpAddress>> unicast_peers;
    std::vector<UnicastPeer> unicast_peer_ttls;  ///< those of them with min_ttl or max_ttl
    Value<std::uint8_t> unicast_ttl{255};
    Value<bool> unicast_fault_no_peer{false};
    Value<bool> check_unicast_src{false};
    Value<bool> old_unicast_checksum{false};
    Value<bool> old_unicast_checksum_never{false};
    Value<bool> v3_checksum_as_v2{false};
    std::vector<VipAddress> virtual_ipaddress;
    std::vector<VipAddress> virtual_ipaddress_excluded;
    bool no_virtual_ipaddress = false;
    std::vector<Route> virtual_routes;
    std::vector<Rule> virtual_rules;
    Value<bool> promote_secondaries{false};
    VirtualDevice device;
    Value<bool> use_vmac_addr{false};
    Value<bool> vmac_xmit_base{false};
    Value<bool> accept{true};
    std::vector<TrackedScript> track_scripts;
    std::vector<TrackedInterface> track_interfaces;
    std::vector<TrackedObject> track_files, track_processes, track_bfds;
    Value<bool> dont_track_primary{false};
    Value<bool> linkbeat_use_polling{false};
    Value<Nanos> garp_master_delay{Seconds(5)};  ///< the garp_* : global_defs' value unless set
    Value<std::uint32_t> garp_master_repeat{5};
    Value<Nanos> garp_master_refresh{Seconds(0)};
    Value<std::uint32_t> garp_master_refresh_repeat{1};
    Value<Nanos> garp_lower_prio_delay{Seconds(5)};
    Value<std::uint32_t> garp_lower_prio_repeat{5};
    Value<Nanos> garp_extra_if{Nanos(0)};
    Value<bool> garp_extra_if_all{false};
    Value<std::uint8_t> down_timer_adverts{3};
    Value<bool> lower_prio_no_advert{false};
    Value<bool> higher_prio_send_advert{false};
    Value<bool> owner_ignore_adverts{false};
    Value<bool> timer_expired_backup{false};
    Value<std::uint8_t> timer_expired_priority{0};  ///< 0: the instance's
    Value<bool> skip_check_adv_addr{false};
    Value<bool> strict{false};
    Value<std::uint32_t> kernel_rx_buf_size{0};
    Value<std::uint8_t> debug{0};
    Notify notify;
    bool operator==(const VrrpInstance&) const = default;
};

struct SyncGroup {
    std::string name;
    Location at;
    std::vector<Value<std::string>> members;
    std::vector<TrackedScript> track_scripts;
    std::vector<TrackedInterface> track_interfaces;
    std::vector<TrackedObject> track_files, track_processes, track_bfds;
    Value<bool> tracking_weight{false};  ///< sync_group_tracking_weight
    Notify notify;
    bool operator==(const SyncGroup&) const = default;
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
    bool operator==(const VrrpScript&) const = default;
};

struct TrackFile {
    std::string name;
    Location at;
    Value<std::string> path;
    Value<int> weight{1};
    Value<bool> reverse{false};
    Value<int> initial{0};  ///< init_file; set: the file is made if it does not exist
    bool overwrite = false;
    bool operator==(const TrackFile&) const = default;
};

struct TrackProcess {
    std::string name;
    Location at;
    Value<std::string> program;  ///< argv[0], or its base name
    std::vector<std::string> parameters;
    enum class Match : std::uint8_t { None, Exact, Initial, Partial };
    Value<Match> match{Match::None};  ///< of the parameters
    Value<int> weight{0};
    Value<bool> reverse{false};
    Value<std::uint32_t> quorum{1};
    Value<std::uint32_t> quorum_max{4294967295};
    Value<Nanos> fork_delay{Seconds(0)};
    Value<Nanos> terminate_delay{Seconds(0)};
    Value<bool> full_command{false};
    bool operator==(const TrackProcess&) const = default;
};

struct BfdInstance {
    std::string name;
    Location at;
    Value<IpAddress> neighbour;
    Value<IpAddress> source;
    Value<Nanos> min_rx{Millis(10)}, min_tx{Millis(10)}, idle_tx{Millis(1000)};
    Value<std::uint8_t> multiplier{5};
    Value<bool> passive{false};
    Value<std::uint8_t> ttl{0};       ///< 0: 255, with multihop 64
    Value<std::uint8_t> max_hops{0};  ///< how many the neighbour's packets may have made
    Value<bool> multihop{false};
    Value<int> weight{0};
    Value<bool> reverse{false};
    Value<bool> vrrp{false}, checker{false};  ///< neither set: both
    bool operator==(const BfdInstance&) const = default;
};

struct GarpGroup {
    Location at;
    Value<Nanos> garp_interval{Nanos(0)}, gna_interval{Nanos(0)};
    std::vector<Value<std::string>> interfaces;
    bool operator==(const GarpGroup&) const = default;
};

struct TrackGroup {
    std::string name;
    Location at;
    std::vector<Value<std::string>> members;
    bool operator==(const TrackGroup&) const = default;
};

struct UpDownDelay {  ///< a line of interface_up_down_delays
    std::string interface;
    Nanos down{0}, up{0};
    Location at;
    bool operator==(const UpDownDelay&) const = default;
};

struct Linkbeat {  ///< a line of linkbeat_interfaces
    std::string interface;
    enum class Method : std::uint8_t { Any, Mii, Ethtool, Ioctl };
    Method method = Method::Any;
    Location at;
    bool operator==(const Linkbeat&) const = default;
};

}  // namespace vipd::config
