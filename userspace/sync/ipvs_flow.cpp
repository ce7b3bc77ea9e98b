// SPDX-License-Identifier: Apache-2.0
#include "userspace/sync/ipvs_flow.hpp"

#include <span>

namespace vipd::sync::ipvs {

namespace {

using dataplane::Flow;
using dataplane::FlowState;

// IPVS's numbers: IP_VS_TCP_S_*, IP_VS_SCTP_S_*; UDP has only one.
constexpr std::array kTcpStates{FlowState::None,
                                FlowState::Established,
                                FlowState::SynRecv,  // SYN_SENT
                                FlowState::SynRecv,
                                FlowState::FinWait,
                                FlowState::TimeWait,
                                FlowState::Close,
                                FlowState::CloseWait,
                                FlowState::TimeWait,  // LAST_ACK
                                FlowState::None,      // LISTEN
                                FlowState::SynRecv};  // SYNACK
constexpr std::array kUdpStates{FlowState::Established};
constexpr std::array kSctpStates{FlowState::None,
                                 FlowState::SynRecv,  // INIT1
                                 FlowState::SynRecv,  // INIT
                                 FlowState::SynRecv,  // COOKIE_SENT
                                 FlowState::SynRecv,  // COOKIE_REPLIED
                                 FlowState::SynRecv,  // COOKIE_WAIT
                                 FlowState::SynRecv,  // COOKIE
                                 FlowState::SynRecv,  // COOKIE_ECHOED
                                 FlowState::Established,
                                 FlowState::FinWait,    // SHUTDOWN_SENT
                                 FlowState::CloseWait,  // SHUTDOWN_RECEIVED
                                 FlowState::CloseWait,  // SHUTDOWN_ACK_SENT
                                 FlowState::Close,      // REJECTED
                                 FlowState::Close};

constexpr std::array kToTcp{0, 3, 1, 4, 5, 6, 7};  // by FlowState
constexpr std::array kToSctp{0, 2, 8, 9, 13, 13, 10};

std::span<const FlowState> states_of(std::uint8_t protocol) {
    switch (protocol) {
        case static_cast<std::uint8_t>(Protocol::Tcp):
            return kTcpStates;
        case static_cast<std::uint8_t>(Protocol::Udp):
            return kUdpStates;
        case static_cast<std::uint8_t>(Protocol::Sctp):
            return kSctpStates;
        default:
            return {};
    }
}

std::uint32_t method_flags(model::Method method) {
    switch (method) {
        case model::Method::DirectRouting:
            return kDirectRoute | kNoOutput;
        case model::Method::Tunnel:
            return kTunnel | kNoOutput;
        case model::Method::Nat:
            break;
    }
    return kMasq;
}

bool shifted(const Sequence& sequence) {
    return sequence.delta != 0 || sequence.previous_delta != 0;
}

}  // namespace

tl::expected<Flow, Skip> to_flow(const Connection& connection) {
    if ((connection.flags & kTemplate) != 0) return tl::unexpected(Skip::Template);
    if ((connection.flags & kOnePacket) != 0) return tl::unexpected(Skip::OnePacket);
    if (connection.sequences &&
        (shifted(connection.sequences->in) || shifted(connection.sequences->out)))
        return tl::unexpected(Skip::Sequences);
    const auto states = states_of(connection.protocol);
    if (states.empty()) return tl::unexpected(Skip::Protocol);
    if (connection.state >= states.size() || states[connection.state] == FlowState::None)
        return tl::unexpected(Skip::State);
    Flow flow;
    flow.protocol = static_cast<Protocol>(connection.protocol);
    flow.client = connection.client;
    flow.vip = connection.vip;
    flow.real = connection.real;
    flow.state = states[connection.state];
    flow.idle = kDelay;
    return flow;
}

Connection from_flow(const Flow& flow, const model::Service& service, const model::Real& real) {
    Connection connection;
    connection.protocol = static_cast<std::uint8_t>(flow.protocol);
    connection.client = flow.client;
    connection.vip = flow.vip;
    connection.real = flow.real;
    connection.flags = method_flags(real.method);
    const auto state = static_cast<std::size_t>(flow.state);
    if (flow.protocol == Protocol::Tcp)
        connection.state = static_cast<std::uint16_t>(kToTcp[state]);
    if (flow.protocol == Protocol::Sctp)
        connection.state = static_cast<std::uint16_t>(kToSctp[state]);
    // IPVS calls active what is established or about to be; UDP never is.
    const bool active = flow.protocol != Protocol::Udp &&
                        (flow.state == FlowState::Established || flow.state == FlowState::SynRecv);
    if (!active) connection.flags |= kInactive;
    connection.timeout = static_cast<std::uint32_t>(
        dataplane::flow_lifetime(service, flow.protocol, flow.state).count());
    return connection;
}

}  // namespace vipd::sync::ipvs
