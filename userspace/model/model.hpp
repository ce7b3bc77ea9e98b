// SPDX-License-Identifier: Apache-2.0
// What is to be forwarded: virtual services and their real servers, as values. The configuration
// and the health checks make a Model; diff() says what must change for the data plane to follow.
#pragma once

#include <vipd/address.hpp>
#include <vipd/tunnel.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vipd::model {

/// IPVS's. In the order of vipd_scheduler.
enum class Scheduler : std::uint8_t {
    RoundRobin,
    WeightedRoundRobin,
    SourceHash,
    Maglev,
    DestinationHash,
    WeightedFailover,
    WeightedOverflow,
    LeastConnection,
    WeightedLeastConnection,
    ShortestExpectedDelay,
    NeverQueue,
    LocalityLeastConnection,
    LocalityLeastConnectionReplicated,
    PowerOfTwo,
};
enum class Method : std::uint8_t { DirectRouting, Tunnel, Nat };

std::string_view to_string(Scheduler scheduler);  ///< as lb_algo has it: "rr", "wrr", ...
std::optional<Scheduler> scheduler_of(std::string_view word);
std::string_view to_string(Method method);  ///< "DR", "TUN", "NAT"

/// A real server of one service, as the data plane needs it.
struct Real {
    Endpoint endpoint;
    Method method = Method::DirectRouting;
    Tunnel tunnel{};           ///< of Method::Tunnel
    std::uint32_t weight = 1;  ///< 0: no new connections, established ones stay (drain, inhibit)
    /// False: failed and taken out. New connections go elsewhere; those it had wait for it (IPVS).
    bool alive = true;
    /// The last positive weight (0: never had one). While `weight` is 0 mh's table goes on by it,
    /// so that no client of another real moves.
    std::uint32_t last_weight = 0;
    std::uint32_t upper = 0;  ///< uthreshold: connections at which it gets no more; 0: no limit
    std::uint32_t lower = 0;  ///< lthreshold: below which it gets some again; 0: 3/4 of upper
    bool operator==(const Real&) const = default;
};

struct Service {
    ServiceKey key;
    /// Of a service by fwmark: what else carries the mark, in order. It is one service all the
    /// same: one scheduler, one set of counters, one template for each client.
    std::vector<ServiceKey> also;
    std::uint32_t mark = 0;  ///< of a service by fwmark; 0: it is none
    Scheduler scheduler = Scheduler::WeightedLeastConnection;
    bool hash_port = false;  ///< mh-port, sh-port: the client's port is part of the hash
    bool hash_fallback =
        false;  ///< mh-fallback, sh-fallback: an unusable real's clients go on to the next
    std::uint32_t ring_size = 4093;  ///< Maglev slots (a prime); IPVS has 4093
    std::chrono::seconds tcp_timeout{900};
    std::chrono::seconds tcp_fin_timeout{120};
    std::chrono::seconds udp_timeout{300};
    /// A client's next connections go where the last one went, for so long; 0: they need not.
    std::chrono::seconds persistence{0};
    std::uint8_t granularity = 32;  ///< the client is its network of this prefix length
    bool one_packet = false;        ///< ops: UDP, each datagram is scheduled by itself
    /// In the order of the configuration file; schedulers depend on it as IPVS's do.
    std::vector<Real> reals;
    bool operator==(const Service&) const = default;
};

using Model = std::map<ServiceKey, Service>;

/// One step towards a new model. Within a service, reals come before the ring that names them.
struct Change {
    enum class Kind : std::uint8_t { AddService, UpdateService, RemoveService };
    Kind kind = Kind::AddService;
    Service service;  ///< the new state; for RemoveService the old
    bool operator==(const Change&) const = default;
};

/// What turns `from` into `to`, in an order in which no service that stays is ever without reals:
/// additions, updates, removals. Equal services do not appear.
std::vector<Change> diff(const Model& from, const Model& to);

}  // namespace vipd::model
