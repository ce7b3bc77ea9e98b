// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/dataplane.hpp"

#include <algorithm>

namespace vipd::dataplane {

namespace {

// IPVS's, where the configuration has no say.
constexpr Seconds kSynRecv{60};
constexpr Seconds kTimeWait{120};
constexpr Seconds kClose{10};
constexpr Seconds kCloseWait{60};

}  // namespace

std::string_view to_string(FlowState state) {
    switch (state) {
        case FlowState::None:
            return "NONE";
        case FlowState::SynRecv:
            return "SYN_RECV";
        case FlowState::Established:
            return "ESTABLISHED";
        case FlowState::FinWait:
            return "FIN_WAIT";
        case FlowState::TimeWait:
            return "TIME_WAIT";
        case FlowState::Close:
            return "CLOSE";
        case FlowState::CloseWait:
            return "CLOSE_WAIT";
    }
    return "NONE";
}

Seconds flow_lifetime(const model::Service& service, Protocol protocol, FlowState state) {
    switch (state) {
        case FlowState::SynRecv:
            return kSynRecv;
        case FlowState::Established:
            return protocol == Protocol::Tcp ? service.tcp_timeout : service.udp_timeout;
        case FlowState::FinWait:
            return service.tcp_fin_timeout;
        case FlowState::TimeWait:
            return kTimeWait;
        case FlowState::Close:
            return kClose;
        case FlowState::CloseWait:
            return kCloseWait;
        case FlowState::None:
            break;
    }
    return Seconds(0);
}

Seconds template_lifetime(const model::Service& service) {
    return std::max<Seconds>(service.persistence, kTemplateGrace);
}

}  // namespace vipd::dataplane
