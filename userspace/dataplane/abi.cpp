// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/abi.hpp"

#include <vipd/abi/load.h>

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <bit>
#include <cstring>

namespace vipd::dataplane {

// The layout is an interface: to other versions of vipd through the pins, and to bpftool's readers.
static_assert(sizeof(vipd_addr) == 16 && sizeof(vipd_meta) == 40);
static_assert(sizeof(vipd_service_key) == 20 && sizeof(vipd_service) == 84);
static_assert(sizeof(vipd_match) == 108);
static_assert(sizeof(vipd_real) == 64 && sizeof(vipd_real_cfg) == 40);
static_assert(sizeof(vipd_flow) == 64 && sizeof(vipd_flow_key) == 40);
static_assert(offsetof(vipd_flow, key) == 8 && offsetof(vipd_flow, state) == 48);
static_assert(sizeof(vipd_flow_key) == VIPD_FLOW_KEY_WORDS * sizeof(vipd_word));
static_assert(static_cast<int>(FlowState::CloseWait) == VIPD_FLOW_CLOSE_WAIT);
static_assert(static_cast<int>(model::Scheduler::Maglev) == VIPD_SCHED_MH);
static_assert(static_cast<int>(model::Scheduler::WeightedOverflow) == VIPD_SCHED_OVF);
static_assert(static_cast<int>(model::Scheduler::NeverQueue) == VIPD_SCHED_NQ);
static_assert(static_cast<int>(model::Scheduler::PowerOfTwo) == VIPD_SCHED_TWOS);
static_assert(sizeof(vipd_load) == 32 && sizeof(vipd_cursor) == 16);
static_assert(static_cast<int>(model::Method::Tunnel) == VIPD_METHOD_TUN);
static_assert(static_cast<int>(model::Method::Nat) == VIPD_METHOD_NAT);
static_assert(sizeof(vipd_fragment_key) == 40 && sizeof(vipd_neighbour) == 24);

namespace {

/// Half of the time after which ticks turn over, less some.
constexpr Seconds kLongest = std::chrono::hours(24 * 20);

std::uint32_t timeout_ticks(Seconds time) {
    return to_ticks(std::clamp(time, Seconds(1), kLongest));
}

std::uint32_t seconds(Seconds time) {
    return static_cast<std::uint32_t>(std::clamp(time, Seconds(0), kLongest).count());
}

}  // namespace

vipd_addr to_abi(const IpAddress& address) {
    vipd_addr abi{};
    const auto bytes = address.bytes();
    std::memcpy(&abi, bytes.data(), bytes.size());
    return abi;
}

IpAddress from_abi(const vipd_addr& address, std::uint8_t family) {
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &address, bytes.size());
    if (family == VIPD_FAMILY_V4)
        return IpAddress::v4(std::span<const std::uint8_t>(bytes).first<4>());
    if (family == VIPD_FAMILY_V6) return IpAddress::v6(bytes);
    return {};
}

std::uint8_t abi_family(const IpAddress& address) {
    if (address.is_v4()) return VIPD_FAMILY_V4;
    return address.is_v6() ? VIPD_FAMILY_V6 : 0;
}

vipd_service_key to_abi(const ServiceKey& key) {
    return {.address = to_abi(key.endpoint.address),
            .port = htons(key.endpoint.port),
            .protocol = static_cast<std::uint8_t>(key.protocol),
            .family = abi_family(key.endpoint.address)};
}

ServiceKey from_abi(const vipd_service_key& key) {
    return {.endpoint = {from_abi(key.address, key.family), ntohs(key.port)},
            .protocol = static_cast<Protocol>(key.protocol)};
}

std::uint32_t tunnel_flags(const model::Real& real) {
    if (real.method != model::Method::Tunnel || real.tunnel.type == Tunnel::Type::Ipip) return 0;
    const bool gue = real.tunnel.type == Tunnel::Type::Gue;
    const std::uint32_t type = gue ? VIPD_REAL_GUE : VIPD_REAL_GRE;
    switch (real.tunnel.checksum) {
        case Tunnel::Checksum::Full:
            return type | VIPD_REAL_CSUM;
        case Tunnel::Checksum::Remote:
            return gue ? type | VIPD_REAL_REMCSUM : type;
        case Tunnel::Checksum::None:
            break;
    }
    return type;
}

Tunnel tunnel_of(const vipd_real& real) {
    Tunnel tunnel;
    if ((real.flags & VIPD_REAL_GUE) != 0) {
        tunnel.type = Tunnel::Type::Gue;
        tunnel.port = ntohs(real.port);
    } else if ((real.flags & VIPD_REAL_GRE) != 0) {
        tunnel.type = Tunnel::Type::Gre;
    }
    if ((real.flags & VIPD_REAL_CSUM) != 0) tunnel.checksum = Tunnel::Checksum::Full;
    if ((real.flags & VIPD_REAL_REMCSUM) != 0) tunnel.checksum = Tunnel::Checksum::Remote;
    return tunnel;
}

std::uint32_t overhead(const vipd_real& real) {
    if (real.method != VIPD_METHOD_TUN) return 0;
    return overhead(tunnel_of(real), real.family == VIPD_FAMILY_V6 ? Family::V6 : Family::V4);
}

std::uint32_t flow_timeout(const model::Service& service,
                           Protocol protocol,
                           vipd_flow_state state) {
    if (state == VIPD_FLOW_NONE) return 0;
    return timeout_ticks(flow_lifetime(service, protocol, static_cast<FlowState>(state)));
}

std::uint32_t template_timeout(const model::Service& service) {
    return timeout_ticks(template_lifetime(service));
}

bool is_mark(const IpAddress& vip, std::uint32_t mark) {
    vipd_addr address{};
    address.v4 = htonl(mark);
    return vip == from_abi(address, abi_family(vip));
}

vipd_service to_abi(const model::Service& service) {
    vipd_service abi{};
    abi.scheduler = static_cast<vipd_scheduler>(service.scheduler);
    abi.flags = (service.hash_port ? VIPD_SERVICE_HASH_PORT : 0U) |
                (service.hash_fallback ? VIPD_SERVICE_HASH_FALLBACK : 0U) |
                (service.key.endpoint.port == 0 ? VIPD_SERVICE_ANY_PORT : 0U) |
                (service.one_packet ? VIPD_SERVICE_ONE_PACKET : 0U);
    abi.mark = htonl(service.mark);
    if (service.persistence > Seconds(0)) {
        abi.persistence_s = seconds(service.persistence);
        abi.persistence_ticks = template_timeout(service);
    }
    for (std::uint8_t bit = 0; bit < std::min<std::uint8_t>(service.granularity, 128); ++bit)
        abi.client_mask.bytes[bit / 8] |= static_cast<std::uint8_t>(0x80U >> (bit % 8));
    abi.ring_size = service.ring_size;
    abi.tcp_timeout_s = seconds(service.tcp_timeout);
    abi.tcp_fin_timeout_s = seconds(service.tcp_fin_timeout);
    abi.udp_timeout_s = seconds(service.udp_timeout);
    for (std::uint32_t state = 0; state < VIPD_FLOW_STATES; ++state)
        abi.timeout_ticks[state] =
            flow_timeout(service, service.key.protocol, static_cast<vipd_flow_state>(state));
    return abi;
}

model::Service from_abi(const vipd_service_key& key, const vipd_service& abi) {
    model::Service service;
    service.key = from_abi(key);
    service.scheduler = static_cast<model::Scheduler>(abi.scheduler);
    service.hash_port = (abi.flags & VIPD_SERVICE_HASH_PORT) != 0;
    service.hash_fallback = (abi.flags & VIPD_SERVICE_HASH_FALLBACK) != 0;
    service.ring_size = abi.ring_size;
    service.tcp_timeout = Seconds(abi.tcp_timeout_s);
    service.tcp_fin_timeout = Seconds(abi.tcp_fin_timeout_s);
    service.udp_timeout = Seconds(abi.udp_timeout_s);
    service.mark = ntohl(abi.mark);
    service.persistence = Seconds(abi.persistence_s);
    service.granularity = 0;
    for (const std::uint8_t byte : abi.client_mask.bytes)
        service.granularity = static_cast<std::uint8_t>(service.granularity + std::popcount(byte));
    service.one_packet = (abi.flags & VIPD_SERVICE_ONE_PACKET) != 0;
    return service;
}

vipd_flow_key flow_key(const Flow& flow) {
    vipd_flow_key key{};
    key.client = to_abi(flow.client.address);
    key.vip = to_abi(flow.vip.address);
    key.client_port = htons(flow.client.port);
    key.vip_port = htons(flow.vip.port);
    key.protocol = static_cast<std::uint8_t>(flow.protocol);
    key.family = abi_family(flow.client.address);
    key.is_template = flow.is_template ? 1 : 0;
    return key;
}

Flow from_abi(const vipd_flow& abi, std::uint32_t now_ticks) {
    Flow flow;
    // The template of a mark is of all protocols.
    if (abi.key.protocol != 0) flow.protocol = static_cast<Protocol>(abi.key.protocol);
    flow.client = {from_abi(abi.key.client, abi.key.family), ntohs(abi.key.client_port)};
    flow.vip = {from_abi(abi.key.vip, abi.key.family), ntohs(abi.key.vip_port)};
    flow.state = static_cast<FlowState>(abi.state);
    flow.synced = (abi.flags & VIPD_FLOW_SYNCED) != 0;
    flow.is_template = abi.key.is_template != 0;
    flow.one_packet = (abi.flags & VIPD_FLOW_ONE_PACKET) != 0;
    flow.idle = ticks_to_millis(vipd_flow_age(abi.last_seen, now_ticks));
    return flow;
}

std::uint32_t to_ticks(Nanos time) {
    return static_cast<std::uint32_t>(time.count() >> VIPD_TICK_SHIFT);
}

Millis ticks_to_millis(std::uint32_t ticks) {
    return std::chrono::duration_cast<Millis>(
        Nanos(static_cast<std::int64_t>(ticks) << VIPD_TICK_SHIFT));
}

}  // namespace vipd::dataplane
