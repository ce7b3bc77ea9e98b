// SPDX-License-Identifier: Apache-2.0
#include "tools/vipadm/arguments.hpp"

#include "tools/vipadm/options.hpp"
#include "tools/vipadm/verb_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

namespace vipd::vipadm {

namespace {

constexpr std::uint32_t kMaxTimeout = 31 * 24 * 3600;
constexpr std::uint32_t kDefaultPersistence = 360;
constexpr int kUsage = 255;  // exit(-1)
constexpr std::string_view kTryHelp = "Try `ipvsadm -h' or 'ipvsadm --help' for more information.";

std::optional<std::uint64_t> number(const std::string& text,
                                    std::uint64_t low,
                                    std::uint64_t high) {
    std::uint64_t value = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value);
    if (parsed.ec != std::errc() || parsed.ptr != end || value < low || value > high)
        return std::nullopt;
    return value;
}

template <class... Arguments>
Refusal refusal(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    return {2, fmt::format(format, std::forward<Arguments>(arguments)...)};
}

struct Place {
    IpAddress address;
    std::optional<std::uint16_t> port;
};

/// host, host:port, v6, [v6]:port; names by the resolver.
std::optional<Place> parse_place(const std::string& text, Protocol protocol, const Names& names) {
    const auto port_of = [&](const std::string& word) -> std::optional<std::uint16_t> {
        if (const auto value = number(word, 0, 65535)) return static_cast<std::uint16_t>(*value);
        const bool digits = !word.empty() && word.front() >= '0' && word.front() <= '9';
        return digits || names.port == nullptr ? std::nullopt : names.port(word, protocol);
    };
    if (text.starts_with('[')) {
        const auto close = text.find(']');
        if (close == std::string::npos || close + 1 >= text.size() || text[close + 1] != ':')
            return std::nullopt;
        const auto address = IpAddress::parse(text.substr(1, close - 1));
        const auto port = port_of(text.substr(close + 2));
        if (!address || !address->is_v6() || !port) return std::nullopt;
        return Place{*address, port};
    }
    if (const auto whole = IpAddress::parse(text)) return Place{*whole, std::nullopt};
    const auto colon = text.find(':');
    const std::string host = text.substr(0, colon);
    Place place;
    if (const auto address = IpAddress::parse(host)) {
        place.address = *address;
    } else {
        // "300.1.2.3" is no name, whatever a resolver would say.
        const bool numeric = host.find_first_not_of("0123456789.") == std::string::npos;
        const auto found = numeric || names.address == nullptr ? std::nullopt : names.address(host);
        if (!found) return std::nullopt;
        place.address = *found;
    }
    if (colon == std::string::npos) return place;
    place.port = port_of(text.substr(colon + 1));
    if (!place.port) return std::nullopt;
    return place;
}

/// One command line being read.
class Parser {
  public:
    Parser(const std::vector<std::string>& words, const Names& names)
        : reader_(words), names_(names) {}

    tl::expected<Command, Refusal> run();

  private:
    using Step = std::optional<Refusal>;
    Step begin(const OptionReader::Option& first);
    Step option(const OptionReader::Option& given);
    Step service_option(const OptionReader::Option& given);
    Step server_option(const OptionReader::Option& given);
    Step daemon_option(const OptionReader::Option& given);
    bool list_option(int id);
    Step note(What what);
    Step read_netmask(const std::string& text);
    Step read_flags();
    Step finish();
    Step check_tunnel();

    OptionReader reader_;
    const Names& names_;
    Command command_;
    Whats given_;
    std::string flags_;
};

std::optional<Refusal> Parser::note(What what) {
    if (!given_.insert(what).second)
        return refusal("multiple '{}' options specified",
                       kWhatNames[static_cast<std::size_t>(what)]);
    return std::nullopt;
}

std::optional<Refusal> Parser::begin(const OptionReader::Option& first) {
    const auto daemon_state = [&](Verb verb) -> Step {
        command_.verb = verb;
        if (first.value != "master" && first.value != "backup")
            return refusal("illegal {} parameter specified", rules_of(verb).name);
        command_.daemon.master = first.value == "master";
        return std::nullopt;
    };
    switch (first.id) {
        case 'A':
            command_.verb = Verb::AddService;
            return std::nullopt;
        case 'E':
            command_.verb = Verb::EditService;
            return std::nullopt;
        case 'D':
            command_.verb = Verb::DeleteService;
            return std::nullopt;
        case 'C':
            command_.verb = Verb::Flush;
            return std::nullopt;
        case 'R':
            command_.verb = Verb::Restore;
            return std::nullopt;
        case 'S':
            command_.verb = Verb::Save;
            return std::nullopt;
        case 'a':
            command_.verb = Verb::AddServer;
            return std::nullopt;
        case 'e':
            command_.verb = Verb::EditServer;
            return std::nullopt;
        case 'd':
            command_.verb = Verb::DeleteServer;
            return std::nullopt;
        case 'L':
        case 'l':
            command_.verb = Verb::List;
            return std::nullopt;
        case 'Z':
            command_.verb = Verb::Zero;
            return std::nullopt;
        case kSet:
            command_.verb = Verb::SetTimeouts;
            return std::nullopt;
        case kStartDaemon:
            return daemon_state(Verb::StartDaemon);
        case kStopDaemon:
            return daemon_state(Verb::StopDaemon);
        case 'h':
            command_.verb = Verb::Help;
            return std::nullopt;
        case 'v':
        case kVersion:
            command_.verb = Verb::Version;
            return std::nullopt;
        default:
            return Refusal{kUsage, std::string(kTryHelp)};
    }
}

std::optional<Refusal> Parser::read_netmask(const std::string& text) {
    const bool v6 = command_.id && command_.id->family == Family::V6;
    if (!v6) {
        const auto mask = IpAddress::parse(text);
        if (!mask || !mask->is_v4())
            return refusal("illegal virtual server persistent mask specified");
        command_.service.netmask = text == "255.255.255.255" ? "" : mask->to_string();
        return std::nullopt;
    }
    const auto digits = text.substr(0, text.find_first_not_of("0123456789"));
    const auto length = number(digits, 1, 128);
    if (!length) return refusal("illegal ipv6 netmask specified");
    command_.service.netmask = *length == 128 ? "" : std::to_string(*length);
    return std::nullopt;
}

std::optional<Refusal> Parser::service_option(const OptionReader::Option& given) {
    const std::string value = given.value.value_or("");
    Service& service = command_.service;
    switch (given.id) {
        case 't':
        case 'u':
        case kSctp: {
            if (auto twice = note(What::Service)) return twice;
            ServiceId id;
            id.protocol = given.id == 't'   ? Protocol::Tcp
                          : given.id == 'u' ? Protocol::Udp
                                            : Protocol::Sctp;
            const auto place = parse_place(value, id.protocol, names_);
            if (!place) return refusal("illegal virtual server address[:port] specified");
            id.endpoint = {place->address, place->port.value_or(0)};
            id.family = place->address.family();
            command_.id = id;
            return std::nullopt;
        }
        case 'f': {
            if (auto twice = note(What::Service)) return twice;
            const auto mark = number(value, 1, std::numeric_limits<std::uint32_t>::max());
            if (!mark) return refusal("invalid fwmark value `{}' specified", value);
            command_.id =
                ServiceId{Protocol::Tcp, {}, static_cast<std::uint32_t>(*mark), Family::V4};
            return std::nullopt;
        }
        case '6':
            if (!command_.id || command_.id->fwmark == 0) return refusal("-6 used before -f\n");
            command_.id->family = Family::V6;
            return std::nullopt;
        case 's':
            service.scheduler = value;
            return note(What::Scheduler);
        case 'p': {
            if (auto twice = note(What::Persistent)) return twice;
            const auto seconds = given.value ? number(value, 1, kMaxTimeout)
                                             : std::optional(std::uint64_t{kDefaultPersistence});
            if (!seconds) return refusal("invalid timeout value `{}' specified", value);
            service.timeout = static_cast<std::uint32_t>(*seconds);
            return std::nullopt;
        }
        case 'M':
            if (auto twice = note(What::Netmask)) return twice;
            return read_netmask(value);
        case kEngine:
            service.engine = value;
            return note(What::Engine);
        case 'o':
            service.one_packet = true;
            return note(What::OnePacket);
        default:
            flags_ = value;
            return note(What::Flags);
    }
}

std::optional<Refusal> Parser::server_option(const OptionReader::Option& given) {
    const std::string value = given.value.value_or("");
    Real& real = command_.real;
    const auto count = [&](std::uint32_t& to, What what, std::string_view name) -> Step {
        if (auto twice = note(what)) return twice;
        const auto parsed = number(value, 0, std::numeric_limits<std::int32_t>::max());
        if (!parsed) return refusal("illegal {} specified", name);
        to = static_cast<std::uint32_t>(*parsed);
        return std::nullopt;
    };
    switch (given.id) {
        case 'r': {
            if (auto twice = note(What::Server)) return twice;
            const auto protocol = command_.id ? command_.id->protocol : Protocol::Tcp;
            const auto place = parse_place(value, protocol, names_);
            if (!place) return refusal("illegal real server address[:port] specified");
            const std::uint16_t port = command_.id ? command_.id->endpoint.port : 0;
            real.endpoint = {place->address, place->port.value_or(port)};
            return std::nullopt;
        }
        case 'g':
        case 'i':
        case 'm':
            real.forward = given.id == 'g'   ? Forward::Route
                           : given.id == 'i' ? Forward::Tunnel
                                             : Forward::Masquerade;
            return note(What::Forward);
        case 'w':
            return count(real.weight, What::Weight, "weight");
        case 'x':
            return count(real.upper, What::Upper, "u_threshold");
        case 'y':
            return count(real.lower, What::Lower, "l_threshold");
        case kTunType:
            if (const auto type = tunnel_type_of(value))
                real.tunnel.type = *type;
            else
                return refusal("illegal tunnel type specified");
            return note(What::TunType);
        case kTunPort: {
            const auto port = number(value, 1, 65535);
            if (!port) return refusal("illegal tunnel port specified");
            real.tunnel.port = static_cast<std::uint16_t>(*port);
            return note(What::TunPort);
        }
        case kTunNocsum:
            real.tunnel.checksum = Tunnel::Checksum::None;
            return note(What::TunNocsum);
        case kTunCsum:
            real.tunnel.checksum = Tunnel::Checksum::Full;
            return note(What::TunCsum);
        default:
            real.tunnel.checksum = Tunnel::Checksum::Remote;
            return note(What::TunRemcsum);
    }
}

std::optional<Refusal> Parser::daemon_option(const OptionReader::Option& given) {
    const std::string value = given.value.value_or("");
    SyncDaemon& daemon = command_.daemon;
    const auto count = [&](auto& to,
                           What what,
                           std::uint64_t low,
                           std::uint64_t high,
                           std::string_view name) -> Step {
        if (auto twice = note(what)) return twice;
        const auto parsed = number(value, low, high);
        if (!parsed) return refusal("illegal {} specified", name);
        to = static_cast<std::remove_reference_t<decltype(to)>>(*parsed);
        return std::nullopt;
    };
    switch (given.id) {
        case kSyncid:
            return count(daemon.id, What::Syncid, 0, 255, "syncid");
        case kMaxlen:
            return count(daemon.maxlen, What::Maxlen, 1, 65507, "sync-maxlen");
        case kMcastPort:
            return count(daemon.port, What::Port, 1, 65535, "mcast-port");
        case kMcastTtl:
            return count(daemon.ttl, What::Ttl, 1, 255, "mcast-ttl");
        case kMcastGroup: {
            const auto group = IpAddress::parse(value);
            if (!group || !group->is_multicast()) return refusal("illegal mcast-group specified");
            daemon.group = *group;
            return note(What::Group);
        }
        default:
            daemon.interface = value;
            return note(What::Mcast);
    }
}

bool Parser::list_option(int id) {
    struct Switch {
        int id;
        What what;
        bool* to;
    };
    Format& format = command_.format;
    const std::array switches{Switch{'c', What::Connection, &command_.connections},
                              Switch{'n', What::Numeric, &format.numeric},
                              Switch{kTimeout, What::Timeout, &command_.timeouts},
                              Switch{kDaemon, What::Daemon, &command_.daemons},
                              Switch{kStats, What::Stats, &format.stats},
                              Switch{kRate, What::Rate, &format.rates},
                              Switch{kThresholds, What::Thresholds, &format.thresholds},
                              Switch{kPersistentConn, What::PersistentConn, &format.persistent},
                              Switch{kTunInfo, What::TunInfo, &format.tunnels},
                              Switch{kExact, What::Exact, &format.exact}};
    for (const auto& one : switches)
        if (one.id == id) {
            *one.to = true;
            given_.insert(one.what);
            return true;
        }
    if (id != kNosort) return id == kSort;
    format.sort = false;
    given_.insert(What::Nosort);
    return true;
}

std::optional<Refusal> Parser::option(const OptionReader::Option& given) {
    switch (given.id) {
        case OptionReader::kUnknown:
            return Refusal{kUsage, given.written + ": unknown option"};
        case OptionReader::kNoValue:
            return Refusal{kUsage, given.written + ": missing argument"};
        case 't':
        case 'u':
        case kSctp:
        case 'f':
        case '6':
        case 's':
        case 'p':
        case 'M':
        case kEngine:
        case 'o':
        case 'b':
            return service_option(given);
        case 'r':
        case 'g':
        case 'i':
        case 'm':
        case 'w':
        case 'x':
        case 'y':
        case kTunType:
        case kTunPort:
        case kTunNocsum:
        case kTunCsum:
        case kTunRemcsum:
            return server_option(given);
        case kSyncid:
        case kMaxlen:
        case kMcastInterface:
        case kMcastGroup:
        case kMcastPort:
        case kMcastTtl:
            return daemon_option(given);
        default:
            if (list_option(given.id)) return std::nullopt;
            return refusal("invalid option `{}'", given.written);
    }
}

/// -b: names of the scheduler, or the plain flag-1 to flag-3; kept under the scheduler's own names.
std::optional<Refusal> Parser::read_flags() {
    Service& service = command_.service;
    std::set<unsigned> bits;
    const std::string own = service.scheduler + "-";
    const bool named = service.scheduler == "sh" || service.scheduler == "mh";
    std::string_view rest = flags_;
    while (!rest.empty()) {
        const auto comma = rest.find(',');
        const std::string word(rest.substr(0, comma));
        rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
        if (word == "flag-1" || (named && word == own + "fallback"))
            bits.insert(1);
        else if (word == "flag-2" || (named && word == own + "port"))
            bits.insert(2);
        else if (word == "flag-3")
            bits.insert(3);
        else
            return refusal("invalid scheduler flag `{}'", word);
    }
    for (const unsigned bit : bits)
        service.flags.push_back(named && bit == 1   ? own + "fallback"
                                : named && bit == 2 ? own + "port"
                                                    : fmt::format("flag-{}", bit));
    return std::nullopt;
}

std::optional<Refusal> Parser::check_tunnel() {
    const Tunnel& tunnel = command_.real.tunnel;
    const auto has = [&](What what) { return given_.contains(what); };
    const auto illegal = [&](What what, std::string_view type) {
        return refusal("Illegal '{}' option with the '{}' tunnel type",
                       kWhatNames[static_cast<std::size_t>(what)],
                       type);
    };
    const bool any = has(What::TunType) || has(What::TunPort) || has(What::TunNocsum) ||
                     has(What::TunCsum) || has(What::TunRemcsum);
    if (any && command_.real.forward != Forward::Tunnel)
        return refusal("Tunnel options conflict with forward method");
    if (tunnel.type == Tunnel::Type::Gue && !has(What::TunPort))
        return refusal("You need to supply the 'tun-port' option for the 'gue' tunnel type");
    if (tunnel.type == Tunnel::Type::Ipip)
        for (const auto what : {What::TunPort, What::TunNocsum, What::TunCsum, What::TunRemcsum})
            if (has(what)) return illegal(what, "ipip");
    if (tunnel.type == Tunnel::Type::Gre)
        for (const auto what : {What::TunPort, What::TunRemcsum})
            if (has(what)) return illegal(what, "gre");
    return std::nullopt;
}

std::optional<Refusal> Parser::finish() {
    const VerbRules& rule = rules_of(command_.verb);
    for (std::size_t at = 0; at < kWhatNames.size(); ++at) {
        const auto what = static_cast<What>(at);
        const bool given = given_.contains(what);
        if (!given && rule.needed.contains(what))
            return refusal("You need to supply the '{}' option for the '{}' command",
                           kWhatNames[at],
                           rule.name);
        if (given && !rule.needed.contains(what) && !rule.allowed.contains(what))
            return refusal("Illegal '{}' option with the '{}' command", kWhatNames[at], rule.name);
    }
    const bool makes = command_.verb == Verb::AddService || command_.verb == Verb::EditService;
    if (makes) {
        Service& service = command_.service;
        service.id = *command_.id;
        if (auto wrong = read_flags()) return wrong;
        if (service.one_packet && service.id.fwmark == 0 && service.id.protocol != Protocol::Udp)
            return refusal("One-Packet Scheduling is only for UDP virtual services");
        if (service.id.fwmark == 0 && service.id.endpoint.port == 0 && service.timeout == 0)
            return refusal("Zero port specified for non-persistent service");
    }
    if (command_.verb == Verb::AddServer || command_.verb == Verb::EditServer) {
        if (auto wrong = check_tunnel()) return wrong;
        if (command_.real.endpoint.address.family() != command_.id->family &&
            command_.real.forward != Forward::Tunnel)
            return refusal("Different address family is allowed only for tunneling servers");
    }
    if (command_.verb == Verb::List) {
        const int other = static_cast<int>(command_.connections) +
                          static_cast<int>(command_.timeouts) + static_cast<int>(command_.daemons);
        const Format& format = command_.format;
        if (other > 1 || (other == 1 && (format.stats || format.rates || format.thresholds)))
            return refusal("options conflicts in the list command");
    }
    return std::nullopt;
}

tl::expected<Command, Refusal> Parser::run() {
    const auto first = reader_.next();
    if (!first) {
        if (reader_.rest().empty()) return command_;
        return tl::unexpected(Refusal{kUsage, std::string(kTryHelp)});
    }
    if (auto refused = begin(*first)) return tl::unexpected(*refused);
    if (command_.verb == Verb::Help || command_.verb == Verb::Version) return command_;
    while (const auto given = reader_.next())
        if (auto refused = option(*given)) return tl::unexpected(*refused);
    auto rest = reader_.rest();
    if (command_.verb == Verb::SetTimeouts) {
        if (rest.size() < 3)
            return tl::unexpected(refusal("--set option requires 3 timeout values"));
        for (std::size_t at = 0; at < 3; ++at) {
            const auto seconds = number(rest[at], 0, kMaxTimeout);
            if (!seconds)
                return tl::unexpected(refusal("invalid timeout value `{}' specified", rest[at]));
            command_.set[at] = static_cast<std::uint32_t>(*seconds);
        }
        rest.erase(rest.begin(), rest.begin() + 3);
    }
    if (!rest.empty()) return tl::unexpected(refusal("unexpected argument {}", rest.front()));
    if (auto refused = finish()) return tl::unexpected(*refused);
    return command_;
}

}  // namespace

tl::expected<Command, Refusal> parse(const std::vector<std::string>& words, const Names& names) {
    return Parser(words, names).run();
}

}  // namespace vipd::vipadm
