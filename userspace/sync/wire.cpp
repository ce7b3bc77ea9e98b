// SPDX-License-Identifier: Apache-2.0
#include "userspace/sync/wire.hpp"

#include "userspace/sync/bytes.hpp"

#include <algorithm>
#include <iterator>
#include <limits>

namespace vipd::sync {

namespace {

using dataplane::FlowState;

constexpr std::array<std::uint8_t, 4> kMagic{'V', 'S', 'Y', 'N'};
constexpr std::size_t kFlowsHeader = 3;  // kind, count

// Family bits of a flow entry.
constexpr std::uint8_t kClientV6 = 1;  // client and VIP, which are always alike
constexpr std::uint8_t kRealV6 = 2;

// Flags of a flow entry.
constexpr std::uint8_t kTemplate = 1;  // persistence: see Flow::is_template

bool is_protocol(std::uint8_t value) {
    return value == static_cast<std::uint8_t>(Protocol::Tcp) ||
           value == static_cast<std::uint8_t>(Protocol::Udp) ||
           value == static_cast<std::uint8_t>(Protocol::Sctp);
}

void put_service(std::string& out, const ServiceKey& key) {
    put<std::uint8_t>(out, key.endpoint.address.is_v4() ? 0 : 1);
    put(out, static_cast<std::uint8_t>(key.protocol));
    put(out, key.endpoint.address);
    put(out, key.endpoint.port);
}

ServiceKey get_service(Reader& in) {
    ServiceKey key;
    const auto v6 = in.get<std::uint8_t>();
    const auto protocol = in.get<std::uint8_t>();
    in.require(v6 <= 1 && is_protocol(protocol));
    key.protocol = static_cast<Protocol>(protocol);
    key.endpoint.address = in.address(v6 == 1);
    key.endpoint.port = in.get<std::uint16_t>();
    return key;
}

struct Encoder {
    std::string& out;

    void kind(Kind value) const { put(out, static_cast<std::uint8_t>(value)); }
    void operator()(const Hello& hello) const {
        kind(Kind::Hello);
        put(out, hello.minor), put(out, hello.abi), put(out, hello.features);
        put(out, hello.incarnation);
        put(out, static_cast<std::uint8_t>(hello.node_id.size()));
        out += hello.node_id;
    }
    void operator()(const DigestsPart& part) const {
        kind(Kind::Digests);
        put(out, static_cast<std::uint8_t>((part.first ? 1 : 0) | (part.last ? 2 : 0)));
        put(out, part.config);
        put(out, static_cast<std::uint16_t>(part.rings.size()));
        for (const auto& [service, digest] : part.rings)
            put_service(out, service), put(out, digest);
    }
    void operator()(const SnapshotBegin& begin) const {
        kind(Kind::SnapshotBegin), put(out, begin.id), put(out, begin.expected);
    }
    void operator()(const Flows& flows) const {
        kind(flows.kind), put(out, static_cast<std::uint16_t>(flows.flows.size()));
        for (const auto& flow : flows.flows) put_flow(out, flow);
    }
    void operator()(const SnapshotEnd& end) const {
        kind(Kind::SnapshotEnd), put(out, end.id), put(out, end.count);
    }
    void operator()(const Keepalive& keepalive) const {
        kind(Kind::Keepalive), put(out, keepalive.stamp);
    }
    void operator()(const Echo& echo) const {
        kind(Kind::Echo), put(out, echo.stamp), put(out, echo.flows), put(out, echo.snapshot);
    }
};

Hello decode_hello(Reader& in) {
    Hello hello;
    hello.minor = in.get<std::uint16_t>();
    hello.abi = in.get<std::uint32_t>();
    hello.features = in.get<std::uint64_t>();
    hello.incarnation = in.get<std::uint64_t>();
    const Bytes id = in.take(in.get<std::uint8_t>());
    in.require(!id.empty() && id.size() <= kMaxNodeId);
    hello.node_id.assign(id.begin(), id.end());
    return hello;
}

DigestsPart decode_digests(Reader& in) {
    DigestsPart part;
    const auto flags = in.get<std::uint8_t>();
    in.require(flags <= 3);
    part.first = (flags & 1) != 0;
    part.last = (flags & 2) != 0;
    part.config = in.get<std::uint64_t>();
    const auto count = in.get<std::uint16_t>();
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
        const ServiceKey key = get_service(in);
        part.rings.emplace_back(key, in.get<std::uint64_t>());
    }
    return part;
}

Flows decode_flows(Reader& in, Kind kind) {
    Flows flows{kind, {}};
    const auto count = in.get<std::uint16_t>();
    in.require(count > 0);
    for (std::size_t i = 0; i < count && !in.failed(); ++i)
        flows.flows.push_back(get_flow(in, kind));
    return flows;
}

}  // namespace

void put_flow(std::string& out, const Flow& flow) {
    const bool v6 = !flow.client.address.is_v4();
    const bool real_v6 = !flow.real.address.is_v4();
    put<std::uint8_t>(out,
                      static_cast<std::uint8_t>((v6 ? kClientV6 : 0) | (real_v6 ? kRealV6 : 0)));
    put(out, static_cast<std::uint8_t>(flow.protocol));
    put(out, static_cast<std::uint8_t>(flow.state));
    put<std::uint8_t>(out, flow.is_template ? kTemplate : 0);
    const auto idle =
        std::clamp<std::int64_t>(flow.idle.count(), 0, std::numeric_limits<std::uint32_t>::max());
    put(out, static_cast<std::uint32_t>(idle));
    for (const auto* endpoint : {&flow.client, &flow.vip, &flow.real}) {
        put(out, endpoint->address);
        put(out, endpoint->port);
    }
}

Flow get_flow(Reader& in, Kind kind) {
    Flow flow;
    const auto families = in.get<std::uint8_t>();
    const auto protocol = in.get<std::uint8_t>();
    const auto state = in.get<std::uint8_t>();
    const auto flags = in.get<std::uint8_t>();
    in.require((families & ~(kClientV6 | kRealV6)) == 0 && (flags & ~kTemplate) == 0);
    flow.is_template = flags != 0;
    in.require(is_protocol(protocol) && state <= static_cast<std::uint8_t>(FlowState::CloseWait));
    flow.protocol = static_cast<Protocol>(protocol);
    flow.state = static_cast<FlowState>(state);
    in.require((flow.state == FlowState::None) == (kind == Kind::Removed));
    flow.idle = Millis(in.get<std::uint32_t>());
    for (auto* endpoint : {&flow.client, &flow.vip, &flow.real}) {
        const bool v6 = (families & (endpoint == &flow.real ? kRealV6 : kClientV6)) != 0;
        endpoint->address = in.address(v6);
        endpoint->port = in.get<std::uint16_t>();
    }
    return flow;
}

Preamble encode_preamble(Role role, const Nonce& nonce) {
    Preamble preamble{};
    auto at = std::ranges::copy(kMagic, preamble.begin()).out;
    *at++ = kMajorVersion;
    *at++ = static_cast<std::uint8_t>(role);
    at += 2;  // reserved, zero
    std::ranges::copy(nonce, at);
    return preamble;
}

std::optional<Reject> check_preamble(Bytes preamble, Role expected) {
    if (preamble.size() != kPreambleSize ||
        !std::equal(kMagic.begin(), kMagic.end(), preamble.begin()) || preamble[6] != 0 ||
        preamble[7] != 0)
        return Reject::BadMagic;
    if (preamble[4] != kMajorVersion) return Reject::BadVersion;
    if (preamble[5] != static_cast<std::uint8_t>(expected)) return Reject::BadRole;
    return std::nullopt;
}

std::string encode(const Record& record) {
    std::string out;
    std::visit(Encoder{out}, record);
    return out;
}

std::optional<Record> decode(Bytes plain) {
    if (plain.size() > kMaxPlain) return std::nullopt;
    Reader in(plain);
    std::optional<Record> record;
    switch (const auto kind = static_cast<Kind>(in.get<std::uint8_t>()); kind) {
        case Kind::Hello:
            record = decode_hello(in);
            break;
        case Kind::Digests:
            record = decode_digests(in);
            break;
        case Kind::SnapshotBegin: {
            const auto id = in.get<std::uint32_t>();
            record = SnapshotBegin{id, in.get<std::uint64_t>()};
            break;
        }
        case Kind::SnapshotFlows:
        case Kind::Changed:
        case Kind::Removed:
            record = decode_flows(in, kind);
            break;
        case Kind::SnapshotEnd: {
            const auto id = in.get<std::uint32_t>();
            record = SnapshotEnd{id, in.get<std::uint64_t>()};
            break;
        }
        case Kind::Keepalive:
            record = Keepalive{in.get<std::uint64_t>()};
            break;
        case Kind::Echo: {
            const auto stamp = in.get<std::uint64_t>();
            const auto flows = in.get<std::uint64_t>();
            record = Echo{stamp, flows, in.get<std::uint32_t>()};
            break;
        }
        default:
            return std::nullopt;
    }
    if (!in.finished()) return std::nullopt;
    return record;
}

std::vector<DigestsPart> split_digests(const Digests& digests) {
    constexpr std::size_t kRingsPerPart = 512;  // 28 bytes each at most
    static_assert(kRingsPerPart * 28 + 12 <= kMaxPlain);
    std::vector<DigestsPart> parts(1);
    parts.front().first = true;
    std::size_t count = 0;
    for (const auto& ring : digests.rings) {
        if (++count > kMaxRings) break;
        if (parts.back().rings.size() == kRingsPerPart) parts.emplace_back();
        parts.back().rings.push_back(ring);
    }
    for (auto& part : parts) part.config = digests.config;
    parts.back().last = true;
    return parts;
}

bool can_travel(const Flow& flow) {
    return flow.client.address && flow.real.address &&
           flow.client.address.family() == flow.vip.address.family();
}

FlowBatch::FlowBatch(Kind kind) : kind_(kind) {}

bool FlowBatch::add(const Flow& flow) {
    constexpr std::size_t kLargestFlow = 62;
    if (kFlowsHeader + bytes_.size() + kLargestFlow > kMaxPlain) return false;
    put_flow(bytes_, flow);
    ++count_;
    return true;
}

std::string FlowBatch::take() {
    std::string plain;
    plain.reserve(kFlowsHeader + bytes_.size());
    put(plain, static_cast<std::uint8_t>(kind_));
    put(plain, count_);
    plain += bytes_;
    bytes_.clear();
    count_ = 0;
    return plain;
}

}  // namespace vipd::sync
