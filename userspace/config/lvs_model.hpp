// SPDX-License-Identifier: Apache-2.0
// virtual_server, virtual_server_group, real_server and the checkers.
#pragma once

#include "userspace/config/source.hpp"

#include <vipd/tunnel.hpp>

namespace vipd::config {

/// Settings that a virtual_server, a real_server and a checker can all carry; the nearest one that
/// is set counts. parse() has resolved them in each Checker.
struct CheckTiming {
    Nanos delay_loop{Seconds(60)};
    Nanos connect_timeout{Seconds(5)};
    std::uint32_t retry = 1;
    Nanos delay_before_retry{Seconds(1)};
    Nanos warmup{Seconds(-1)};  ///< < 0: a random part of delay_loop
    bool operator==(const CheckTiming&) const = default;
};

struct HttpUrl {
    std::string path = "/";
    std::string digest;  ///< MD5 in hex; empty: not compared
    std::vector<std::pair<std::uint16_t, std::uint16_t>> status_codes;  ///< ranges; empty: 200-299
    std::string virtualhost;      ///< resolved url > checker > real > service; empty: the address
    std::string regex;            ///< PCRE2; empty: none
    bool regex_no_match = false;  ///< up if it does not match
    std::vector<std::string> regex_options;  ///< as written: caseless, multiline ...
    std::uint32_t regex_min_offset = 0;
    std::uint32_t regex_max_offset = 0;  ///< 0: none
    std::uint32_t regex_stack_start = 0, regex_stack_max = 0;
    bool tls_compliant = false;
    Location at;
    bool operator==(const HttpUrl&) const = default;
};

struct Checker {
    enum class Kind : std::uint8_t { Tcp, Http, Ssl, Smtp, Dns, Misc, Udp, Ping, Bfd, File };
    /// Follows what somebody else watches: it asks nothing itself, and the check process has no
    /// part in it.
    bool follows() const { return kind == Kind::Bfd || kind == Kind::File; }
    Kind kind = Kind::Tcp;
    Location at;
    CheckTiming timing;
    bool alpha = false;  ///< down until the first success
    bool log_all_failures = false;
    Endpoint connect_to;  ///< resolved: connect_ip and connect_port, else the real server's
    IpAddress bind_to;    ///< none: any
    std::uint16_t bind_port = 0;
    std::string bind_interface;  ///< bind_if
    std::uint32_t fwmark = 0;
    std::vector<HttpUrl> urls;  // Http, Ssl
    enum class HttpProtocol : std::uint8_t { V1_0, V1_0C, V1_1 } http_protocol = HttpProtocol::V1_0;
    bool fast_recovery = false;                   // Http, Ssl: all urls in one go after a failure
    bool enable_sni = false;                      // Ssl
    std::string sni_name;                         // Ssl; empty: the virtualhost
    bool tls_compliant = false;                   // Ssl: an EOF without close_notify is a failure
    std::string helo_name;                        // Smtp
    std::string dns_type = "SOA";                 // Dns
    std::string dns_name = ".";                   // Dns
    Script misc_path;                             // Misc
    Nanos misc_timeout{0};                        // Misc; resolved
    bool misc_dynamic = false;                    // Misc
    std::vector<std::uint8_t> payload;            // Udp
    bool require_reply = false;                   // Udp
    std::vector<std::uint8_t> reply, reply_mask;  // Udp: bits that the mask leaves out are any
    std::uint16_t min_reply_length = 0, max_reply_length = 255;  // Udp
    std::string bfd_instance;                                    // Bfd
    std::string track_file;                                      // File
    int file_weight = 1;                                         // File
    bool file_reverse = false;                                   // File
    bool operator==(const Checker&) const = default;
};

struct RealServer {
    Endpoint endpoint;  ///< DR and TUN: the port is the service's
    Location at;
    Value<std::uint32_t> weight{1};
    Value<bool> inhibit_on_failure{false};
    std::optional<std::string> method;        ///< "NAT", "DR", "TUN" if it has its own
    Tunnel tunnel;                            ///< with `method`
    Value<std::uint32_t> upper_threshold{0};  ///< uthreshold; 0: no limit
    Value<std::uint32_t> lower_threshold{0};  ///< lthreshold
    Value<bool> smtp_alert{true};             ///< unset: as global_defs say, yes by default
    Value<std::string> virtualhost;
    Value<std::string> snmp_name;
    std::vector<Checker> checkers;
    std::optional<Script> notify_up, notify_down;
    bool operator==(const RealServer&) const = default;
};

/// One of the services that a virtual_server stands for.
struct ServiceMember {
    ServiceKey key;
    std::vector<ServiceKey> also;  ///< of a fwmark: what else carries it, in order
    std::uint32_t mark = 0;        ///< 0: it is no fwmark's
    bool operator==(const ServiceMember&) const = default;
};

struct VirtualServer {
    enum class Kind : std::uint8_t { Address, Fwmark, Group };
    Kind kind = Kind::Address;
    ServiceKey key;  ///< else the first one of its members
    /// Of a group or fwmark. Each is a service of its own with the same real servers, which are
    /// checked once.
    std::vector<ServiceMember> members;
    std::uint32_t fwmark = 0;  ///< Fwmark
    std::string group;         ///< Group
    /// ip_family, of a service without an address; None: that of its real servers.
    Family family = Family::None;
    Location at;
    Value<std::string> scheduler{std::string("wlc")};  ///< lb_algo as written
    Value<std::string> method{std::string("NAT")};     ///< lb_kind as written
    Tunnel tunnel;
    bool hash_port = false;      ///< sh-port, mh-port
    bool hash_fallback = false;  ///< sh-fallback, mh-fallback
    bool flag_1 = false, flag_2 = false, flag_3 = false;
    bool hashed = false;
    Value<bool> one_packet{false};                ///< ops
    Value<std::uint32_t> persistence_timeout{0};  ///< seconds; 0: none
    Value<std::uint8_t> persistence_prefix{0};    ///< granularity as a length; unset: the host
    Value<std::string> persistence_engine;
    Value<bool> ha_suspend{false};
    Value<std::uint32_t> quorum{1};
    Value<std::uint32_t> hysteresis{0};
    std::optional<Script> quorum_up, quorum_down;
    std::optional<Endpoint> sorry_server;
    Value<bool> sorry_server_inhibit{false};
    std::optional<std::string> sorry_server_method;
    Tunnel sorry_server_tunnel;
    Value<bool> alpha{false};
    Value<bool> omega{false};
    Value<bool> smtp_alert{false};
    Value<std::string> virtualhost;
    Value<std::string> snmp_name;
    std::vector<RealServer> real_servers;
    /// False: a warning said why vipd does not forward it yet (NAT, IPv6, SCTP).
    bool forwarded = true;
    bool operator==(const VirtualServer&) const = default;
};

/// `A [PORT]`, `A.B.C.1-10 [PORT]`, `A-B [PORT]`, `A/M [PORT]`: consecutive addresses.
struct AddressRange {
    IpAddress first;
    std::uint32_t count = 1;
    std::uint16_t port = 0;
    Location at;
    bool operator==(const AddressRange&) const = default;
};

/// vipd { fwmark N { A [PORT] PROTOCOL ... } }: what carries the mark.
struct Fwmark {
    std::uint32_t value = 0;
    Location at;
    struct Carrier {
        AddressRange range;
        Protocol protocol = Protocol::Tcp;
        bool operator==(const Carrier&) const = default;
    };
    std::vector<Carrier> carriers;
    bool operator==(const Fwmark&) const = default;
};

struct VirtualServerGroup {
    std::string name;
    Location at;
    std::vector<AddressRange> ranges;
    struct Mark {
        std::uint32_t value = 0;
        Family family = Family::None;  ///< None: the virtual_server's
        Location at;
        bool operator==(const Mark&) const = default;
    };
    std::vector<Mark> marks;
    bool operator==(const VirtualServerGroup&) const = default;
};

struct Ssl {  ///< the client's side of SSL_GET
    Value<std::string> password, ca, certificate, key;
    bool operator==(const Ssl&) const = default;
};

}  // namespace vipd::config
