// SPDX-License-Identifier: Apache-2.0
#include "userspace/check/datagrams.hpp"

#include <array>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

namespace vipd::check {

namespace {

constexpr std::size_t kDnsHeader = 12;
constexpr std::size_t kMaxLabel = 63;
constexpr std::size_t kMaxName = 255;
constexpr std::uint8_t kResponse = 0x80;
constexpr std::uint8_t kRecursionDesired = 0x01;
constexpr std::uint8_t kCodeMask = 0x0f;
constexpr std::uint16_t kInternet = 1;
constexpr std::size_t kEchoHeader = 8;
constexpr std::size_t kEchoData = 56;  // as ping(8)

void put16(Bytes& to, std::uint16_t value) {
    to.push_back(static_cast<std::uint8_t>(value >> 8U));
    to.push_back(static_cast<std::uint8_t>(value & 0xffU));
}

std::uint16_t get16(ByteView from, std::size_t at) {
    return static_cast<std::uint16_t>(from[at] << 8U | from[at + 1]);
}

std::string_view code_name(unsigned code) {
    static constexpr std::array<std::string_view, 6> kNames{
        "no error", "format error", "server failure", "no such name", "not implemented", "refused"};
    return code < kNames.size() ? kNames[code] : "error";
}

}  // namespace

std::optional<std::uint16_t> dns_type(std::string_view name) {
    struct Type {
        std::string_view name;
        std::uint16_t number;
    };
    static constexpr std::array kTypes{Type{"A", 1},
                                       Type{"NS", 2},
                                       Type{"CNAME", 5},
                                       Type{"SOA", 6},
                                       Type{"MX", 15},
                                       Type{"TXT", 16},
                                       Type{"AAAA", 28}};
    for (const auto& type : kTypes)
        if (type.name == name) return type.number;
    return std::nullopt;
}

std::optional<Bytes> dns_query(std::uint16_t id, std::string_view name, std::uint16_t type) {
    Bytes query;
    put16(query, id);
    query.push_back(kRecursionDesired);
    query.push_back(0);
    put16(query, 1);  // one question, nothing else
    for (int section = 0; section < 3; ++section) put16(query, 0);
    if (name.ends_with('.')) name.remove_suffix(1);
    if (name.size() > kMaxName - 2) return std::nullopt;
    while (!name.empty()) {
        const auto dot = name.find('.');
        const auto label = name.substr(0, dot);
        if (label.empty() || label.size() > kMaxLabel) return std::nullopt;
        query.push_back(static_cast<std::uint8_t>(label.size()));
        query.insert(query.end(), label.begin(), label.end());
        if (dot == std::string_view::npos) break;
        name.remove_prefix(dot + 1);
    }
    query.push_back(0);
    put16(query, type);
    put16(query, kInternet);
    return query;
}

std::optional<Outcome> judge_dns(ByteView answer, std::uint16_t id) {
    if (answer.size() < kDnsHeader || get16(answer, 0) != id || (answer[2] & kResponse) == 0)
        return std::nullopt;
    const unsigned code = answer[3] & kCodeMask;
    if (code == 0) return Outcome::passed();
    return Outcome::failed("DNS server says " + std::string(code_name(code)) + " (" +
                           std::to_string(code) + ")");
}

Bytes echo_request(Family family, std::uint16_t sequence) {
    Bytes request{static_cast<std::uint8_t>(family == Family::V6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO),
                  0,
                  0,
                  0,
                  0,
                  0};
    put16(request, sequence);
    request.resize(kEchoHeader + kEchoData);
    return request;
}

std::optional<Outcome> judge_echo(ByteView answer, Family family, std::uint16_t sequence) {
    const auto wanted = family == Family::V6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY;
    if (answer.size() < kEchoHeader || answer[0] != wanted || get16(answer, 6) != sequence)
        return std::nullopt;
    return Outcome::passed();
}

Outcome judge_udp(const UdpSettings& settings, ByteView answer) {
    if (answer.size() < settings.min_reply || answer.size() > settings.max_reply)
        return Outcome::failed("UDP reply of " + std::to_string(answer.size()) + " bytes");
    if (answer.size() < settings.reply.size()) return Outcome::failed("UDP reply is too short");
    for (std::size_t at = 0; at < settings.reply.size(); ++at)
        if (((answer[at] ^ settings.reply[at]) & settings.reply_mask[at]) != 0)
            return Outcome::failed("UDP reply differs at byte " + std::to_string(at));
    return Outcome::passed();
}

}  // namespace vipd::check
