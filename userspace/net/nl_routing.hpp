// SPDX-License-Identifier: Apache-2.0
// Routes and rules by netlink.
#pragma once

#include <vipd/routing.hpp>

#include <memory>

namespace vipd::net {

Result<std::unique_ptr<Routing>> open_routing();

}  // namespace vipd::net
