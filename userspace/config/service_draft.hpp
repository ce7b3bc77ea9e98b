// SPDX-License-Identifier: Apache-2.0
// One virtual_server while it is read: what its reals inherit may come after them.
// Inside this folder only.
#pragma once

#include "userspace/config/parser.hpp"

namespace vipd::config {

struct ServiceDraft {
    VirtualServer server;
    CheckSettings settings;
    Value<std::uint32_t> weight{1};
    Value<bool> inhibit{false};
    std::optional<Value<bool>> smtp_alert;
    bool scheduler_given = false;
    bool method_given = false;
    bool protocol_given = false;
    struct Real {
        RealServer real;
        CheckSettings settings;
        std::vector<CheckerDraft> checkers;
    };
    std::vector<Real> reals;
};

/// "10.0.0.1:80", "fwmark 7" or "group NAME".
std::string describe(const VirtualServer& server);

/// After the whole block: defaults, what excludes one another, what vipd does not do yet. False:
/// the service is left out.
bool settle_service(Parsing& parsing, const Word& head, ServiceDraft& draft);

}  // namespace vipd::config
