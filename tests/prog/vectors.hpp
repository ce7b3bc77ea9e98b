// SPDX-License-Identifier: Apache-2.0
// Packets and what becomes of them, as values. The same table is the correctness test, the sweep
// over all truncations, the seed of random packets and the proof that every verdict can be reached.
#pragma once

#include "tests/prog/program_test.hpp"

#include <functional>
#include <linux/bpf.h>
#include <string>
#include <utility>
#include <vector>

namespace vipd::testing {

struct Vector {
    std::string description;
    Bytes packet;
    std::string verdict;
    std::uint32_t action = XDP_PASS;
    Bytes expected;
    std::size_t metadata = 0;
};

/// The services that the vectors speak to, in both families; see VectorTest::SetUp. The number of
/// the real server that has each stands behind it.
inline constexpr std::uint16_t kDr = 80;                // 1
inline constexpr std::uint16_t kDrOtherInterface = 81;  // 3
inline constexpr std::uint16_t kTun = 82;               // 2
inline constexpr std::uint16_t kNoNeighbour = 83;       // 4
inline constexpr std::uint16_t kNoReal = 84;
inline constexpr std::uint16_t kLocal = 85;     // 5
inline constexpr std::uint16_t kDown = 86;      // 1, failed
inline constexpr std::uint16_t kTunMixed = 87;  // 2, of the other family
inline constexpr std::uint16_t kDrVlan = 88;    // 6, on VLAN 10
inline constexpr std::uint16_t kTunVlan = 89;   // 7, on VLAN 20
inline constexpr std::uint16_t kNat = 90;       // 8, port 8090
inline constexpr std::uint16_t kNatVlan = 91;   // 9, port 91, on VLAN 10
inline constexpr std::uint16_t kDnsNat = 55;    // 8, port 5353
inline constexpr std::uint16_t kDns = 53;       // 1
inline constexpr std::uint16_t kDnsTun = 54;    // 2

inline constexpr std::uint16_t kVlan = 10;
inline constexpr std::uint16_t kTunnelVlan = 20;

inline constexpr std::uint16_t kNatPort = 8090;
inline constexpr std::uint16_t kNatDnsPort = 5353;

/// The clients' side: 198.51.100.0/24 and 2001:db8:aa::/64 are on this host's interface "clients",
/// where only 198.51.100.7 and 2001:db8:aa::7 have a neighbour entry.
inline constexpr MacAddress kClientMac{0x02, 0xcc, 0, 0, 0, 0x07};
MacAddress clients_mac();

inline constexpr const char* kUnresolved = "198.51.100.8";
inline constexpr const char* kUnresolved6 = "2001:db8:aa::8";
inline constexpr const char* kUnrouted = "100.64.0.8";
inline constexpr const char* kUnrouted6 = "2001:db9::8";

/// Ports from which connections to kDr, kTun, ... exist before the vectors run.
inline constexpr std::uint16_t kKnownClient = 50001;

PacketSpec tcp(std::uint16_t port, std::uint8_t flags = kSyn);
PacketSpec udp(std::uint16_t port, std::string payload = "query");
/// The same to the IPv6 VIP from an IPv6 client.
PacketSpec v6(PacketSpec spec);
PacketSpec with(PacketSpec spec, const std::function<void(PacketSpec&)>& change);

/// Neighbour discovery (RFC 4861) about the target, 135: a solicitation.
Bytes solicitation(const std::string& target, std::uint8_t type = 135);
/// The frame as real server `n` gets it, directly or in a tunnel from this host.
Bytes to_real(const Bytes& frame, int n, const std::vector<std::uint16_t>& tags = {});
Bytes in_tunnel(const Bytes& frame,
                const PacketSpec& of,
                int n,
                bool outer_v6,
                const std::vector<std::uint16_t>& tags = {});

/// Collects vectors.
class Vectors {
  public:
    void dr(std::string description, const PacketSpec& spec);
    void tun(std::string description, const PacketSpec& spec, bool outer_v6);
    /// Passed or dropped as it came.
    void pass(std::string description, const Bytes& frame, std::string verdict);
    void drop(std::string description, const Bytes& frame, std::string verdict);
    void add(Vector vector) { all.push_back(std::move(vector)); }

    std::vector<Vector> all;
};

void add_v4(Vectors& to);
void add_v6(Vectors& to);
void add_icmp(Vectors& to);
void add_tags(Vectors& to);
void add_nat(Vectors& to);
void add_fragments(Vectors& to);
std::vector<Vector> vectors();

}  // namespace vipd::testing
