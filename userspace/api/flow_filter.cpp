// SPDX-License-Identifier: Apache-2.0
#include "userspace/api/flow_filter.hpp"

#include "userspace/base/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace vipd::api {
namespace {

using dataplane::FlowState;

constexpr std::array<std::string_view, 9> kNames = {
    "client", "vip", "real", "any", "service", "protocol", "state", "synced", "limit"};

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return number;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; };
    return std::ranges::equal(a, b, [&](char x, char y) { return upper(x) == upper(y); });
}

std::optional<FlowState> parse_state(std::string_view text) {
    for (const auto state : {FlowState::None,
                             FlowState::SynRecv,
                             FlowState::Established,
                             FlowState::FinWait,
                             FlowState::TimeWait,
                             FlowState::Close,
                             FlowState::CloseWait})
        if (equal_ignoring_case(text, dataplane::to_string(state))) return state;
    return std::nullopt;
}

std::optional<Protocol> parse_protocol(std::string_view text) {
    for (const auto protocol : {Protocol::Tcp, Protocol::Udp, Protocol::Sctp})
        if (equal_ignoring_case(text, to_string(protocol))) return protocol;
    return std::nullopt;
}

bool contains(const IpPrefix& network, const IpAddress& address) {
    if (network.address.family() != address.family()) return false;
    const auto net = network.address.bytes();
    const auto bytes = address.bytes();
    unsigned bits = network.length;
    for (std::size_t i = 0; i < bytes.size() && bits > 0; ++i) {
        const unsigned here = std::min(bits, 8U);
        const unsigned mask = 0xffU << (8U - here) & 0xffU;
        if (((net[i] ^ bytes[i]) & mask) != 0) return false;
        bits -= here;
    }
    return true;
}

bool all_match(const std::vector<EndpointPattern>& patterns, const Endpoint& endpoint) {
    return std::ranges::all_of(patterns, [&](const auto& p) { return p.matches(endpoint); });
}

}  // namespace

std::optional<EndpointPattern> EndpointPattern::parse(std::string_view text) {
    EndpointPattern pattern;
    std::string_view address = text;
    const auto colon = text.rfind(':');
    const bool bracketed = text.starts_with('[');
    // A bare IPv6 address is full of colons; only brackets tell its port from its last group.
    const bool has_port =
        colon != std::string_view::npos &&
        (bracketed ? colon > 0 && text[colon - 1] == ']' : text.find(':') == colon);
    if (has_port) {
        pattern.port = parse_number<std::uint16_t>(text.substr(colon + 1));
        if (!pattern.port) return std::nullopt;
        address = text.substr(0, colon);
    }
    if (bracketed) {
        if (address.size() < 2 || !address.ends_with(']')) return std::nullopt;
        address = address.substr(1, address.size() - 2);
    }
    if (address.empty()) return has_port && !bracketed ? std::optional(pattern) : std::nullopt;
    pattern.network = IpPrefix::parse(address);
    if (!pattern.network) return std::nullopt;
    return pattern;
}

bool EndpointPattern::matches(const Endpoint& endpoint) const {
    return (!network || contains(*network, endpoint.address)) && (!port || *port == endpoint.port);
}

Result<FlowFilter> FlowFilter::parse(std::span<const Parameter> parameters, std::size_t max_limit) {
    if (parameters.size() > kMaxTerms) return fail("too many filter terms");
    FlowFilter filter;
    filter.limit_ = std::min(kDefaultLimit, max_limit);
    for (const auto& [name, value] : parameters)
        if (auto added = filter.add(name, value, max_limit); !added) return fail(added.error());
    return filter;
}

Result<> FlowFilter::add(std::string_view name, std::string_view value, std::size_t max_limit) {
    const auto bad = [&](std::string_view expected) {
        return fail(std::string(name) + ": '" + printable(value, 60) + "' is not " +
                    std::string(expected));
    };
    const auto pattern = [&](std::vector<EndpointPattern>& into,
                             std::string_view text) -> Result<> {
        const auto parsed = EndpointPattern::parse(text);
        if (!parsed) return bad("an address, ADDRESS:PORT, NETWORK/LENGTH or :PORT");
        into.push_back(*parsed);
        return {};
    };

    if (name == "client") return pattern(client_, value);
    if (name == "vip") return pattern(vip_, value);
    if (name == "real") return pattern(real_, value);
    if (name == "any") return pattern(any_, value);
    if (name == "service") {
        const auto slash = value.rfind('/');
        if (slash == std::string_view::npos) return pattern(vip_, value);
        protocol_ = parse_protocol(value.substr(slash + 1));
        if (!protocol_) return bad("ADDRESS:PORT/TCP or ADDRESS:PORT/UDP");
        return pattern(vip_, value.substr(0, slash));
    }
    if (name == "protocol") {
        protocol_ = parse_protocol(value);
        if (!protocol_) return bad("TCP or UDP");
        return {};
    }
    if (name == "state") {
        state_ = parse_state(value);
        if (!state_) return bad("a connection state such as ESTABLISHED");
        return {};
    }
    if (name == "synced") {
        if (value != "true" && value != "false") return bad("true or false");
        synced_ = value == "true";
        return {};
    }
    if (name == "limit") {
        const auto limit = parse_number<std::size_t>(value);
        if (!limit || *limit > max_limit)
            return bad("a number from 0 to " + std::to_string(max_limit));
        limit_ = *limit;
        return {};
    }
    std::string message = "unknown filter '" + printable(name, 60) + "'";
    if (const auto near = nearest(name, kNames))
        message += "; did you mean '" + std::string(*near) + "'?";
    return fail(std::move(message));
}

bool FlowFilter::matches(const dataplane::Flow& flow) const {
    if (protocol_ && *protocol_ != flow.protocol) return false;
    if (state_ && *state_ != flow.state) return false;
    if (synced_ && *synced_ != flow.synced) return false;
    if (!all_match(client_, flow.client) || !all_match(vip_, flow.vip) ||
        !all_match(real_, flow.real))
        return false;
    return std::ranges::all_of(any_, [&](const EndpointPattern& pattern) {
        return pattern.matches(flow.client) || pattern.matches(flow.vip) ||
               pattern.matches(flow.real);
    });
}

}  // namespace vipd::api
