// SPDX-License-Identifier: Apache-2.0
// What a health checker decides, free of sockets and clocks.
//
// One checker watches one real server of one virtual server. step() turns what happened (begin, a
// timer, the end of an attempt) into what is to be done (arm the timer, start an attempt, report).
// The rules are keepalived's:
//  - the first failed attempt after the start takes the server down at once; later ones only after
//    `retry` further attempts, `delay_before_retry` apart;
//  - a server that is down is asked every `delay_loop`, one passed attempt brings it back;
//  - HTTP_GET asks one URL each `delay_loop`; a server is up when all have passed in a row, and one
//    that failed is asked first before all are asked again.
#pragma once

#include <vipd/address.hpp>
#include <vipd/time.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace vipd::check {

struct Timing {
    Nanos delay_loop{Seconds(60)};
    Nanos connect_timeout{Seconds(5)};
    std::uint32_t retry = 1;
    Nanos delay_before_retry{Seconds(1)};
    Nanos warmup{Seconds(-1)};  ///< the first attempt comes within this; < 0: within delay_loop
    bool operator==(const Timing&) const = default;
};

/// Where an attempt goes out from.
struct Source {
    IpAddress address{};       ///< none: any
    std::uint16_t port = 0;    ///< 0: any
    std::string interface{};   ///< empty: any
    std::uint32_t fwmark = 0;  ///< SO_MARK, which needs CAP_NET_ADMIN or CAP_NET_RAW; 0: none
    bool operator==(const Source&) const = default;
};

/// A pattern that the body of an answer must match, or (no_match) must not.
struct Regex {
    std::string pattern{};               ///< PCRE2; empty: none
    std::vector<std::string> options{};  ///< keepalived's names: caseless, multiline ...
    bool no_match = false;
    std::uint32_t min_offset = 0;  ///< where in the body the match may begin
    std::uint32_t max_offset = 0;  ///< 0: anywhere
    bool operator==(const Regex&) const = default;
};

struct HttpUrl {
    std::string path = "/";
    std::string digest{};  ///< MD5 of the body in hex; empty: not compared
    std::vector<std::pair<std::uint16_t, std::uint16_t>>
        status_codes{};         ///< ranges; empty: 200-299
    std::string virtualhost{};  ///< Host header; empty: address and port
    Regex regex{};
    bool operator==(const HttpUrl&) const = default;
};

enum class HttpVersion : std::uint8_t { V1_0, V1_0C, V1_1 };  ///< C: with Connection: close
enum class Kind : std::uint8_t { Tcp, Http, Misc, Smtp, Dns, Udp, Ping };

/// SSL_GET. The server's certificate is looked at only where a CA is given.
struct Tls {
    bool sni = false;
    std::string sni_name{};  ///< empty: the virtual host
    bool operator==(const Tls&) const = default;
};

struct UdpSettings {
    std::vector<std::uint8_t> payload{};
    bool require_reply = false;
    std::vector<std::uint8_t> reply{}, reply_mask{};  ///< bits that the mask leaves out are any
    std::uint16_t min_reply = 0;
    std::uint16_t max_reply = 255;
    bool operator==(const UdpSettings&) const = default;
};

struct Settings {
    Kind kind = Kind::Tcp;
    Timing timing;
    bool alpha = false;  ///< down until the first attempt has passed
    bool log_all_failures = false;

    Endpoint target;  // all but Misc
    Source source;
    std::vector<HttpUrl> urls;  // Http
    HttpVersion http_version = HttpVersion::V1_0;
    std::optional<Tls> tls;        ///< SSL_GET
    bool fast_recovery = false;    ///< of a server that is down all URLs are asked in one go
    std::string helo_name;         // Smtp
    std::string dns_type = "SOA";  // Dns
    std::string dns_name = ".";
    UdpSettings udp;

    std::vector<std::string> argv;  // Misc
    std::string user, group;
    Nanos script_timeout{0};
    bool dynamic_weight = false;  ///< exit status 2..255 asks for the weight status - 2

    /// The same question to the same server: state survives a reload, new timing is taken over.
    bool asks_the_same(const Settings& other) const;
};

/// How an attempt ended.
struct Outcome {
    enum class Verdict : std::uint8_t {
        Passed,
        Failed,
        NotRun,  ///< could not be made here (no descriptor, bind): says nothing about the server
    };
    Verdict verdict = Verdict::Failed;
    std::string detail;        ///< "connection refused", "HTTP status 503", ...
    std::int32_t weight = -1;  ///< >= 0: what a dynamic MISC_CHECK asks for

    static Outcome passed(std::string detail = {}) {
        return {Verdict::Passed, std::move(detail), -1};
    }
    static Outcome failed(std::string detail) { return {Verdict::Failed, std::move(detail), -1}; }
    static Outcome not_run(std::string detail) { return {Verdict::NotRun, std::move(detail), -1}; }
};

/// A script's exit status as an outcome; -1: killed by a signal, timed out or not started.
Outcome judge_script(const Settings& settings, std::int32_t exit_status, const std::string& detail);

/// What a server answered to one URL, judged. `md5` is in lower-case hex.
Outcome judge_http(const HttpUrl& url, long status, const std::string& md5);

/// keepalived's name of the check: "TCP_CHECK".
std::string_view check_name(const Settings& settings);

struct State {
    bool up = true;
    bool has_run = false;  ///< has once said up or down of its own knowledge
    std::uint32_t failures = 0;
    std::size_t url = 0;          ///< which is asked next
    bool url_has_failed = false;  ///< `url` took the server down
    std::int32_t weight = -1;     ///< last one asked for
    std::uint64_t attempt = 0;    ///< number of the last attempt started
    bool running = false;
    TimePoint started;
    TimePoint next;  ///< when the next attempt is due
};

// Events.
struct Begin {
    double fraction = 0;             ///< random, 0..1: where in the warm-up the first attempt lies
    std::optional<bool> known_up{};  ///< the server's state from before, if any
    bool judged = false;             ///< this very question led to it: retries count from the first
    std::int32_t weight = -1;        ///< last one asked for, if any
};
struct Due {};
struct Finished {
    std::uint64_t attempt = 0;
    Outcome outcome;
};
using Event = std::variant<Begin, Due, Finished>;

// Actions.
struct StartAt {
    TimePoint when;  ///< send Due then
};
struct Launch {
    std::uint64_t attempt = 0;  ///< to be echoed in Finished
    std::size_t url = 0;
};
/// The checker's state has changed, or is known for the first time, or asks for another weight.
struct Report {
    bool up = false;
    bool changed = false;       ///< up or down as well as known; else only the weight
    std::uint32_t retries = 0;  ///< attempts made in vain before it was called down
    std::string reason;
    std::int32_t weight = -1;
};
using Action = std::variant<StartAt, Launch, Report>;

/// Changes `state` by `event` at `now`; actions are to be carried out in order. An event that does
/// not fit (an old attempt's end, a second Due) changes nothing.
std::vector<Action> step(State& state, const Settings& settings, const Event& event, TimePoint now);

}  // namespace vipd::check
