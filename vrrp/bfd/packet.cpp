// SPDX-License-Identifier: Apache-2.0
#include "vrrp/bfd/packet.hpp"

#include <algorithm>
#include <chrono>

namespace vipd::bfd {

namespace {

constexpr unsigned kVersion = 1;
constexpr std::uint8_t kPoll = 0x20;
constexpr std::uint8_t kFinal = 0x10;
constexpr std::uint8_t kControlPlaneIndependent = 0x08;
constexpr std::uint8_t kAuthentication = 0x04;
constexpr std::uint8_t kDemand = 0x02;
constexpr std::uint8_t kMultipoint = 0x01;

std::uint32_t read_u32(std::span<const std::uint8_t> at) {
    return static_cast<std::uint32_t>(at[0]) << 24 | static_cast<std::uint32_t>(at[1]) << 16 |
           static_cast<std::uint32_t>(at[2]) << 8 | at[3];
}

void write_u32(std::span<std::uint8_t> at, std::uint32_t value) {
    for (unsigned i = 0; i < 4; ++i) at[i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
}

Nanos read_interval(std::span<const std::uint8_t> at) {
    return Micros(read_u32(at));
}

void write_interval(std::span<std::uint8_t> at, Nanos interval) {
    const auto us = std::chrono::duration_cast<Micros>(interval).count();
    write_u32(at, static_cast<std::uint32_t>(std::clamp<std::int64_t>(us, 0, 0xffffffff)));
}

}  // namespace

std::string_view to_string(State state) {
    static constexpr std::array<std::string_view, 4> kNames = {"AdminDown", "Down", "Init", "Up"};
    return kNames.at(static_cast<std::size_t>(state));
}

tl::expected<ControlPacket, Reject> decode(std::span<const std::uint8_t> bytes) {
    if (bytes.size() < kControlPacket) return tl::unexpected(Reject::Truncated);
    if (bytes[0] >> 5U != kVersion) return tl::unexpected(Reject::Version);
    const std::uint8_t flags = bytes[1];
    const bool authenticated = (flags & kAuthentication) != 0;
    const std::size_t length = bytes[3];
    if (length < (authenticated ? kControlPacket + 2 : kControlPacket) || length > bytes.size())
        return tl::unexpected(Reject::Length);
    if (bytes[2] == 0) return tl::unexpected(Reject::Multiplier);
    if ((flags & kMultipoint) != 0) return tl::unexpected(Reject::Multipoint);
    ControlPacket packet;
    packet.diagnostic = static_cast<Diagnostic>(bytes[0] & 0x1f);
    packet.state = static_cast<State>(flags >> 6);
    packet.poll = (flags & kPoll) != 0;
    packet.final = (flags & kFinal) != 0;
    packet.control_plane_independent = (flags & kControlPlaneIndependent) != 0;
    packet.demand = (flags & kDemand) != 0;
    packet.detect_multiplier = bytes[2];
    packet.mine = read_u32(bytes.subspan(4));
    packet.yours = read_u32(bytes.subspan(8));
    packet.desired_min_tx = read_interval(bytes.subspan(12));
    packet.required_min_rx = read_interval(bytes.subspan(16));
    packet.required_min_echo_rx = read_interval(bytes.subspan(20));
    if (packet.mine == 0) return tl::unexpected(Reject::MyDiscriminator);
    if (packet.yours == 0 && packet.state != State::Down && packet.state != State::AdminDown)
        return tl::unexpected(Reject::YourDiscriminator);
    if (authenticated) return tl::unexpected(Reject::Authentication);
    return packet;
}

std::array<std::uint8_t, kControlPacket> encode(const ControlPacket& packet) {
    std::array<std::uint8_t, kControlPacket> bytes{};
    const std::span all(bytes);
    bytes[0] = static_cast<std::uint8_t>(kVersion << 5U |
                                         (static_cast<unsigned>(packet.diagnostic) & 0x1fU));
    bytes[1] = static_cast<std::uint8_t>(
        static_cast<unsigned>(packet.state) << 6U | (packet.poll ? kPoll : 0U) |
        (packet.final ? kFinal : 0U) |
        (packet.control_plane_independent ? kControlPlaneIndependent : 0U) |
        (packet.demand ? kDemand : 0U));
    bytes[2] = packet.detect_multiplier;
    bytes[3] = kControlPacket;
    write_u32(all.subspan(4), packet.mine);
    write_u32(all.subspan(8), packet.yours);
    write_interval(all.subspan(12), packet.desired_min_tx);
    write_interval(all.subspan(16), packet.required_min_rx);
    write_interval(all.subspan(20), packet.required_min_echo_rx);
    return bytes;
}

}  // namespace vipd::bfd
