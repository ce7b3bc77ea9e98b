// SPDX-License-Identifier: Apache-2.0
// The kernel's own Links, by NETLINK_ROUTE, in the network namespace of the calling thread.
#pragma once

#include <vipd/error.hpp>
#include <vipd/links.hpp>

#include <memory>

namespace vipd::net {

/// Opens both netlink sockets and joins the notification groups; events count from here on.
/// Changing calls need CAP_NET_ADMIN; the rest needs nothing.
Result<std::unique_ptr<Links>> open_links();

}  // namespace vipd::net
