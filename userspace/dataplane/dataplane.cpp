// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/dataplane.hpp"

namespace vipd::dataplane {

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

}  // namespace vipd::dataplane
