// SPDX-License-Identifier: Apache-2.0
// Each service is turned into a ring of slots that the XDP program reads (picker.hpp has how);
// building it is a function of the service alone, so that two directors with the
// same configuration pick alike. What comes out is what IPVS gives, client for client.
//
// IPVS keeps a service's reals newest first; here that is Service::reals read backwards.
#pragma once

#include "userspace/model/model.hpp"

#include <vipd/address.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace vipd::sched {

/// An index into Service::reals, or kNone.
using Slot = std::uint32_t;
/// No usable real behind this slot: its clients are refused, or with fallback go on to another.
inline constexpr Slot kNone = std::numeric_limits<Slot>::max();
using Ring = std::vector<Slot>;

/// Longest ring that rr and wrr make.
inline constexpr std::size_t kMaxSequence = 65536;
/// Bounds of a Maglev ring; 131071 is IPVS's largest.
inline constexpr std::uint32_t kMinMaglev = 251;
inline constexpr std::uint32_t kMaxMaglev = 131071;

/// The ring of a service; empty where no real is usable. A real that is not alive is no part of it
/// at all; one of weight 0 is no choice for new connections, but under mh and sh the slots that it
/// would have are kNone, as IPVS refuses the clients of a quiesced real.
/// - mh: Service::ring_size slots, by the real's last positive weight. A size that is no prime
///   within the bounds is taken as maglev_size() says.
/// - sh: 256 slots, `weight` in a row for each real.
/// - dh: 256 slots, one in turn for each real whatever its weight.
/// - lc, wlc, sed, nq, lblc, lblcr: each real once; fo, ovf: the same by falling weight.
/// - rr, wrr, and to draw from for twos: one period of the sequence in which IPVS hands them out,
/// weights divided by their
///   common divisor, and scaled down where it would be longer than kMaxSequence.
Ring build_ring(const model::Service& service);

/// The smallest prime that is at least `wanted`, within kMinMaglev and kMaxMaglev.
std::uint32_t maglev_size(std::uint32_t wanted);

/// Where rr and wrr go on after a change of the service, as IPVS does: rr behind the real that was
/// the last to get a connection, wrr with the level of weight that it was at. `turn`: how many the
/// ring of `before` has handed out.
std::uint64_t resume(const model::Service& before, std::uint64_t turn, const model::Service& after);

/// The 32 bits of an address that sh, dh and mh hash.
std::uint32_t fold(const IpAddress& address);

/// 64 bits that are the same on two nodes if their rings send each client to the same real: of the
/// scheduler, its flags and the address, port and method behind each slot.
std::uint64_t digest(const model::Service& service, std::span<const Slot> ring);

}  // namespace vipd::sched
