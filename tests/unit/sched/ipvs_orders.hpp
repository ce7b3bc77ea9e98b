// SPDX-License-Identifier: Apache-2.0
// What IPVS of a 6.1 kernel did: the order in which a fresh service hands 24 new connections, each
// of its own client, to its reals.
#pragma once

#include "userspace/model/model.hpp"

#include <array>
#include <cstdint>
#include <ostream>
#include <string_view>

namespace vipd::sched::facts {

/// What becomes of each connection before the next one: TCP established and kept, a lone SYN, TCP
/// opened and closed; one datagram.
enum class Traffic : std::uint8_t { Held, Syn, Closed, Udp };

struct OrderFact {
    model::Scheduler scheduler;
    std::string_view reals;  ///< "number:weight", oldest first
    Traffic traffic;
    std::string_view chosen;  ///< numbers of reals, "-": refused
    friend std::ostream& operator<<(std::ostream& out, const OrderFact& fact) {
        return out << to_string(fact.scheduler) << " " << fact.reals;
    }
};

/// The service's address, of which dh makes its choice.
inline constexpr std::string_view kOrderVip = "203.0.113.80";

using model::Scheduler;

// clang-format off
inline constexpr std::array kOrderFacts = std::to_array<OrderFact>({
    {Scheduler::RoundRobin, "1:1 2:1 3:1", Traffic::Held, "321321321321321321321321"},
    {Scheduler::RoundRobin, "1:1 2:1 3:1", Traffic::Syn, "321321321321321321321321"},
    {Scheduler::RoundRobin, "1:1 2:1 3:1", Traffic::Closed, "321321321321321321321321"},
    {Scheduler::RoundRobin, "1:1 2:1 3:1", Traffic::Udp, "321321321321321321321321"},
    {Scheduler::RoundRobin, "3:1 2:1 1:1", Traffic::Syn, "123123123123123123123123"},
    {Scheduler::RoundRobin, "1:1 2:2 3:3", Traffic::Held, "321321321321321321321321"},
    {Scheduler::RoundRobin, "1:1 2:2 3:3", Traffic::Syn, "321321321321321321321321"},
    {Scheduler::RoundRobin, "1:1 2:2 3:3", Traffic::Closed, "321321321321321321321321"},
    {Scheduler::RoundRobin, "1:1 2:2 3:3", Traffic::Udp, "321321321321321321321321"},
    {Scheduler::RoundRobin, "3:3 2:2 1:1", Traffic::Syn, "123123123123123123123123"},
    {Scheduler::WeightedRoundRobin, "1:1 2:1 3:1", Traffic::Held, "321321321321321321321321"},
    {Scheduler::WeightedRoundRobin, "1:1 2:1 3:1", Traffic::Syn, "321321321321321321321321"},
    {Scheduler::WeightedRoundRobin, "1:1 2:1 3:1", Traffic::Closed, "321321321321321321321321"},
    {Scheduler::WeightedRoundRobin, "1:1 2:1 3:1", Traffic::Udp, "321321321321321321321321"},
    {Scheduler::WeightedRoundRobin, "3:1 2:1 1:1", Traffic::Syn, "123123123123123123123123"},
    {Scheduler::WeightedRoundRobin, "1:1 2:2 3:3", Traffic::Held, "321332321332321332321332"},
    {Scheduler::WeightedRoundRobin, "1:1 2:2 3:3", Traffic::Syn, "321332321332321332321332"},
    {Scheduler::WeightedRoundRobin, "1:1 2:2 3:3", Traffic::Closed, "321332321332321332321332"},
    {Scheduler::WeightedRoundRobin, "1:1 2:2 3:3", Traffic::Udp, "321332321332321332321332"},
    {Scheduler::WeightedRoundRobin, "3:3 2:2 1:1", Traffic::Syn, "123323123323123323123323"},
    {Scheduler::LeastConnection, "1:1 2:1 3:1", Traffic::Held, "321321321321321321321321"},
    {Scheduler::LeastConnection, "1:1 2:1 3:1", Traffic::Syn, "321321321321321321321321"},
    {Scheduler::LeastConnection, "1:1 2:1 3:1", Traffic::Closed, "321321321321321321321321"},
    {Scheduler::LeastConnection, "1:1 2:1 3:1", Traffic::Udp, "321321321321321321321321"},
    {Scheduler::LeastConnection, "3:1 2:1 1:1", Traffic::Syn, "123123123123123123123123"},
    {Scheduler::LeastConnection, "1:1 2:2 3:3", Traffic::Held, "321321321321321321321321"},
    {Scheduler::LeastConnection, "1:1 2:2 3:3", Traffic::Syn, "321321321321321321321321"},
    {Scheduler::LeastConnection, "1:1 2:2 3:3", Traffic::Closed, "321321321321321321321321"},
    {Scheduler::LeastConnection, "1:1 2:2 3:3", Traffic::Udp, "321321321321321321321321"},
    {Scheduler::LeastConnection, "3:3 2:2 1:1", Traffic::Syn, "123123123123123123123123"},
    {Scheduler::WeightedLeastConnection, "1:1 2:1 3:1", Traffic::Held, "321321321321321321321321"},
    {Scheduler::WeightedLeastConnection, "1:1 2:1 3:1", Traffic::Syn, "321321321321321321321321"},
    {Scheduler::WeightedLeastConnection, "1:1 2:1 3:1", Traffic::Closed, "321321321321321321321321"},
    {Scheduler::WeightedLeastConnection, "1:1 2:1 3:1", Traffic::Udp, "321321321321321321321321"},
    {Scheduler::WeightedLeastConnection, "3:1 2:1 1:1", Traffic::Syn, "123123123123123123123123"},
    {Scheduler::WeightedLeastConnection, "1:1 2:2 3:3", Traffic::Held, "321323321323321323321323"},
    {Scheduler::WeightedLeastConnection, "1:1 2:2 3:3", Traffic::Syn, "321323321323321323321323"},
    {Scheduler::WeightedLeastConnection, "1:1 2:2 3:3", Traffic::Closed, "321323321323321323321323"},
    {Scheduler::WeightedLeastConnection, "1:1 2:2 3:3", Traffic::Udp, "321323321323321323321323"},
    {Scheduler::WeightedLeastConnection, "3:3 2:2 1:1", Traffic::Syn, "123323123323123323123323"},
    {Scheduler::ShortestExpectedDelay, "1:1 2:1 3:1", Traffic::Held, "321321321321321321321321"},
    {Scheduler::ShortestExpectedDelay, "1:1 2:1 3:1", Traffic::Syn, "321321321321321321321321"},
    {Scheduler::ShortestExpectedDelay, "1:1 2:1 3:1", Traffic::Closed, "333333333333333333333333"},
    {Scheduler::ShortestExpectedDelay, "1:1 2:1 3:1", Traffic::Udp, "333333333333333333333333"},
    {Scheduler::ShortestExpectedDelay, "3:1 2:1 1:1", Traffic::Syn, "123123123123123123123123"},
    {Scheduler::ShortestExpectedDelay, "1:1 2:2 3:3", Traffic::Held, "323321323321323321323321"},
    {Scheduler::ShortestExpectedDelay, "1:1 2:2 3:3", Traffic::Syn, "323321323321323321323321"},
    {Scheduler::ShortestExpectedDelay, "1:1 2:2 3:3", Traffic::Closed, "333333333333333333333333"},
    {Scheduler::ShortestExpectedDelay, "1:1 2:2 3:3", Traffic::Udp, "333333333333333333333333"},
    {Scheduler::ShortestExpectedDelay, "3:3 2:2 1:1", Traffic::Syn, "323123323123323123323123"},
    {Scheduler::NeverQueue, "1:1 2:1 3:1", Traffic::Held, "321321321321321321321321"},
    {Scheduler::NeverQueue, "1:1 2:1 3:1", Traffic::Syn, "321321321321321321321321"},
    {Scheduler::NeverQueue, "1:1 2:1 3:1", Traffic::Closed, "333333333333333333333333"},
    {Scheduler::NeverQueue, "1:1 2:1 3:1", Traffic::Udp, "333333333333333333333333"},
    {Scheduler::NeverQueue, "3:1 2:1 1:1", Traffic::Syn, "123123123123123123123123"},
    {Scheduler::NeverQueue, "1:1 2:2 3:3", Traffic::Held, "321332323321323321323321"},
    {Scheduler::NeverQueue, "1:1 2:2 3:3", Traffic::Syn, "321332323321323321323321"},
    {Scheduler::NeverQueue, "1:1 2:2 3:3", Traffic::Closed, "333333333333333333333333"},
    {Scheduler::NeverQueue, "1:1 2:2 3:3", Traffic::Udp, "333333333333333333333333"},
    {Scheduler::NeverQueue, "3:3 2:2 1:1", Traffic::Syn, "123323323123323123323123"},
    {Scheduler::WeightedFailover, "1:1 2:1 3:1", Traffic::Held, "333333333333333333333333"},
    {Scheduler::WeightedFailover, "1:1 2:1 3:1", Traffic::Syn, "333333333333333333333333"},
    {Scheduler::WeightedFailover, "3:1 2:1 1:1", Traffic::Syn, "111111111111111111111111"},
    {Scheduler::WeightedFailover, "1:1 2:2 3:3", Traffic::Held, "333333333333333333333333"},
    {Scheduler::WeightedFailover, "1:1 2:2 3:3", Traffic::Syn, "333333333333333333333333"},
    {Scheduler::WeightedFailover, "3:3 2:2 1:1", Traffic::Syn, "333333333333333333333333"},
    {Scheduler::WeightedOverflow, "1:1 2:1 3:1", Traffic::Held, "332211------------------"},
    {Scheduler::WeightedOverflow, "1:1 2:1 3:1", Traffic::Syn, "332211------------------"},
    {Scheduler::WeightedOverflow, "3:1 2:1 1:1", Traffic::Syn, "112233------------------"},
    {Scheduler::WeightedOverflow, "1:1 2:2 3:3", Traffic::Held, "333322211---------------"},
    {Scheduler::WeightedOverflow, "1:1 2:2 3:3", Traffic::Syn, "333322211---------------"},
    {Scheduler::WeightedOverflow, "3:3 2:2 1:1", Traffic::Syn, "333322211---------------"},
    {Scheduler::WeightedRoundRobin, "1:3 2:1 3:1", Traffic::Syn, "321113211132111321113211"},
    {Scheduler::WeightedRoundRobin, "1:5 2:1 3:0", Traffic::Syn, "211111211111211111211111"},
    {Scheduler::WeightedRoundRobin, "1:2 2:4 3:6", Traffic::Syn, "321332321332321332321332"},
    {Scheduler::WeightedRoundRobin, "1:100 2:50 3:25", Traffic::Syn, "321112132111213211121321"},
    {Scheduler::RoundRobin, "1:1 2:0 3:1", Traffic::Syn, "313131313131313131313131"},
    {Scheduler::WeightedLeastConnection, "1:1 2:0 3:10", Traffic::Syn, "313333333333133333333331"},
    {Scheduler::WeightedOverflow, "1:3 2:5 3:100", Traffic::Held, "333333333333333333333333"},
    {Scheduler::DestinationHash, "1:1 2:1 3:1", Traffic::Syn, "222222222222222222222222"},
    {Scheduler::LocalityLeastConnection, "1:1 2:1 3:1", Traffic::Syn, "332211111111111111111111"},
    {Scheduler::LocalityLeastConnectionReplicated, "1:1 2:1 3:1", Traffic::Syn, "332211123123123123123123"},
});
// clang-format on

}  // namespace vipd::sched::facts
