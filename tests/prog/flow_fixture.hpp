// SPDX-License-Identifier: Apache-2.0
// Clients of a service on port 80, for the tests of connections.
#pragma once

#include "tests/prog/program_test.hpp"

namespace vipd::testing {

using dataplane::Flow;
using dataplane::FlowState;
using model::Scheduler;

inline PacketSpec packet(std::uint16_t client_port, std::uint8_t flags) {
    PacketSpec spec;
    spec.from_port = client_port;
    spec.tcp_flags = flags;
    return spec;
}

inline PacketSpec datagram(std::uint16_t client_port) {
    PacketSpec spec = packet(client_port, 0);
    spec.protocol = Protocol::Udp;
    spec.to_port = 53;
    return spec;
}

/// A flow of 198.51.100.7 to the service on port 80, as a peer would tell of it.
inline Flow peer_flow(std::uint16_t client_port,
                      int real,
                      FlowState state = FlowState::Established) {
    Flow flow;
    flow.client = {ip("198.51.100.7"), client_port};
    flow.vip = {ip("10.0.0.100"), 80};
    flow.real = {ip(real_address(real)), 80};
    flow.state = state;
    return flow;
}

class FlowTest : public ProgramTest {
  protected:
    void SetUp() override {
        ProgramTest::SetUp();
        if (IsSkipped()) return;
        ASSERT_NO_FATAL_FAILURE(open());
        for (int n = 1; n <= 4; ++n) resolve(n);
    }

    /// Sends SYN and ACK; the real that took the connection.
    int connect(std::uint16_t client_port) {
        const int chosen = real_for(packet(client_port, kSyn));
        EXPECT_EQ(real_for(packet(client_port, kAck)), chosen);
        return chosen;
    }

    FlowState state(std::uint16_t client_port) {
        const auto found = flow(client_port);
        return found ? found->state : FlowState::None;
    }

    static void set_alive(model::Service& service, int real, bool alive) {
        service.reals.at(static_cast<std::size_t>(real) - 1).alive = alive;
    }

    static void set_weight(model::Service& service, int real, std::uint32_t weight) {
        service.reals.at(static_cast<std::size_t>(real) - 1).weight = weight;
    }
};

}  // namespace vipd::testing
