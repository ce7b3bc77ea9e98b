// SPDX-License-Identifier: Apache-2.0
// What each virtual_server stands for: the addresses of its group, what carries its fwmark.
#include "userspace/config/parser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace vipd::config {

namespace {

/// Of one virtual_server: the data plane has no room for more.
constexpr std::size_t kMaxMembers = 4096;

std::optional<IpAddress> following(const IpAddress& address) {
    std::vector<std::uint8_t> bytes(address.bytes().begin(), address.bytes().end());
    for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte) {
        if (++*byte == 0) continue;
        const std::span<const std::uint8_t> all(bytes);
        return address.is_v4() ? IpAddress::v4(all.first<4>()) : IpAddress::v6(all.first<16>());
    }
    return std::nullopt;
}

void expand(const AddressRange& range, Protocol protocol, std::vector<ServiceKey>& keys) {
    std::optional<IpAddress> at = range.first;
    for (std::uint32_t i = 0; i < range.count && at && keys.size() <= kMaxMembers; ++i) {
        keys.push_back({{*at, range.port}, protocol});
        at = following(*at);
    }
}

/// The service of a mark; says why it is none.
std::optional<ServiceMember> member_of(Parsing& parsing, std::uint32_t mark, const Word& word) {
    std::vector<ServiceKey> keys;
    for (const Fwmark& known : parsing.config.vipd.fwmarks)
        if (known.value == mark)
            for (const auto& carrier : known.carriers)
                expand(carrier.range, carrier.protocol, keys);
    std::ranges::sort(keys);
    keys.erase(std::ranges::unique(keys).begin(), keys.end());
    if (keys.empty()) {
        parsing.reporter.error(
            word,
            fmt::format("nothing says what carries fwmark {}, which XDP cannot see; not forwarded",
                        mark),
            fmt::format("add to vipd {{ }}: fwmark {} {{ ADDRESS [PORT] PROTOCOL }}", mark));
        return std::nullopt;
    }
    if (keys.size() > kMaxMembers) {
        parsing.reporter.error(
            word, fmt::format("fwmark {} has more than {} addresses", mark, kMaxMembers));
        return std::nullopt;
    }
    ServiceMember member{keys.front(), {}, mark};
    member.also.assign(keys.begin() + 1, keys.end());
    return member;
}

std::vector<ServiceMember> members_of_group(Parsing& parsing, const VirtualServer& server) {
    const Word word = parsing.reporter.word_at(server.at);
    const auto& groups = parsing.config.virtual_server_groups;
    const auto group = std::ranges::find(groups, server.group, &VirtualServerGroup::name);
    if (group == groups.end()) {
        parsing.reporter.error(word,
                               fmt::format("virtual_server_group {} is not defined; this "
                                           "virtual_server is not forwarded",
                                           quoted(server.group)));
        return {};
    }
    std::vector<ServiceKey> keys;
    for (const AddressRange& range : group->ranges) expand(range, server.key.protocol, keys);
    if (keys.size() > kMaxMembers) {
        parsing.reporter.error(word,
                               fmt::format("virtual_server_group {} has more than {} addresses; "
                                           "this virtual_server is not forwarded",
                                           quoted(server.group),
                                           kMaxMembers));
        return {};
    }
    std::vector<ServiceMember> members;
    for (const ServiceKey& key : keys) members.push_back({key, {}, 0});
    for (const auto& mark : group->marks)
        if (auto member = member_of(parsing, mark.value, parsing.reporter.word_at(mark.at)))
            members.push_back(std::move(*member));
    return members;
}

/// Leaves out what another virtual_server has already.
void claim_members(Parsing& parsing, VirtualServer& server) {
    const Word word = parsing.reporter.word_at(server.at);
    const auto taken = [&](const ServiceKey& key) {
        const auto [earlier, is_new] =
            parsing.defined.try_emplace("virtual_server " + key.to_string(), word.line);
        if (!is_new)
            parsing.reporter.error(
                word,
                fmt::format("virtual_server {} has been defined in line {} already; ignored",
                            key.to_string(),
                            earlier->second));
        return !is_new;
    };
    std::erase_if(server.members, [&](ServiceMember& member) {
        std::vector<ServiceKey> keys = std::move(member.also);
        keys.insert(keys.begin(), member.key);
        std::erase_if(keys, taken);
        if (keys.empty()) return true;
        member.key = keys.front();
        member.also.assign(keys.begin() + 1, keys.end());
        return false;
    });
}

bool resolve_members(Parsing& parsing, VirtualServer& server) {
    if (server.kind == VirtualServer::Kind::Group)
        server.members = members_of_group(parsing, server);
    else if (auto member = member_of(parsing, server.fwmark, parsing.reporter.word_at(server.at)))
        server.members.push_back(std::move(*member));
    claim_members(parsing, server);
    if (server.members.empty()) return false;
    server.key = server.members.front().key;
    for (auto& real : server.real_servers)
        for (auto& checker : real.checkers)
            if (checker.connect_to.port == 0) checker.connect_to.port = server.key.endpoint.port;
    if (server.sorry_server && server.sorry_server->port == 0)
        server.sorry_server->port = server.key.endpoint.port;
    return true;
}

/// Why a real server cannot follow what its BFD_CHECK or FILE_CHECK names.
struct Unfollowed {
    std::string why;  ///< empty: the block that was to define it has had its error
    std::string hint{};
};
std::optional<Unfollowed> cannot_follow(const Parsing& parsing, const Checker& checker) {
    const Config& config = parsing.config;
    const bool bfd = checker.kind == Checker::Kind::Bfd;
    const std::string& name = bfd ? checker.bfd_instance : checker.track_file;
    const auto session = std::ranges::find(config.bfd_instances, name, &BfdInstance::name);
    const bool there = bfd ? session != config.bfd_instances.end()
                           : std::ranges::find(config.track_files, name, &TrackFile::name) !=
                                 config.track_files.end();
    if (!there) {
        if (parsing.faulty.contains(name)) return Unfollowed{};
        return Unfollowed{
            fmt::format("there is no {} {}", bfd ? "bfd_instance" : "track_file", quoted(name))};
    }
    if (bfd && *session->vrrp && !*session->checker)
        return Unfollowed{fmt::format("bfd_instance {} is for vrrp only", quoted(name)),
                          "add checker to it"};
    return std::nullopt;
}

/// BFD_CHECK and FILE_CHECK name what is there and may be followed, each only once.
void settle_followers(Parsing& parsing, RealServer& real) {
    std::set<std::pair<Checker::Kind, std::string>> known;
    std::erase_if(real.checkers, [&](const Checker& checker) {
        if (!checker.follows()) return false;
        const std::string& name =
            checker.kind == Checker::Kind::Bfd ? checker.bfd_instance : checker.track_file;
        auto problem = cannot_follow(parsing, checker);
        if (!problem && !known.emplace(checker.kind, name).second)
            problem = {fmt::format("the real server follows {} already", quoted(name))};
        if (!problem) return false;
        if (!problem->why.empty())
            parsing.reporter.complaint(
                parsing.reporter.word_at(checker.at), problem->why + "; ignored", problem->hint);
        return true;
    });
}

}  // namespace

void resolve_services(Parsing& parsing) {
    Config& config = parsing.config;
    for (auto* servers : {&config.virtual_servers, &config.keyless_servers})
        for (VirtualServer& server : *servers)
            for (RealServer& real : server.real_servers) settle_followers(parsing, real);
    std::vector<VirtualServer> unresolved;
    for (VirtualServer& server : config.keyless_servers)
        (resolve_members(parsing, server) ? config.virtual_servers : unresolved)
            .push_back(std::move(server));
    config.keyless_servers = std::move(unresolved);
}

}  // namespace vipd::config
