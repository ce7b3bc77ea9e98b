// SPDX-License-Identifier: Apache-2.0
// A datagram at a BFD port: whatever decodes can be written again and reads the same, and a session
// takes it in each state and goes on having a time to send.
#include "vrrp/bfd/packet.hpp"
#include "vrrp/bfd/session.hpp"

#include <algorithm>
#include <cstdlib>

namespace {

using namespace vipd;
using namespace vipd::bfd;

void give_to_sessions(const ControlPacket& packet) {
    const Policy policy;
    const TimePoint start{Seconds(1000)};
    for (const State state : {State::AdminDown, State::Down, State::Init, State::Up}) {
        Session session;
        (void)step(session, policy, Start{7, 9}, start);
        session.state = state;
        TimePoint now = start;
        for (int round = 0; round < 3; ++round) {
            const Actions actions = step(session, policy, Received{packet}, now);
            for (const ControlPacket& answer : actions.send) {
                const auto bytes = encode(answer);
                // While we say that we are not there the neighbour's number may be unknown.
                if (!decode(bytes) && answer.yours != 0) std::abort();
            }
            if (transmit_interval(session) < Nanos(0) || detection_time(session) < Nanos(0))
                std::abort();
            if (const auto wake = next_wake(session)) now = std::max(now, *wake);
            (void)step(session, policy, Tick{}, now);
            // A wake-up that stays due is a loop.
            if (const auto wake = next_wake(session); wake && *wake < now) std::abort();
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto packet = decode({data, size});
    if (!packet) return 0;
    const auto again = encode(*packet);
    const auto read = decode(again);
    if (!read || !(*read == *packet)) std::abort();
    give_to_sessions(*packet);
    return 0;
}
