// SPDX-License-Identifier: Apache-2.0
// Requests about devices: making the one of a virtual router, and settings of IPv4 on an interface.
#pragma once

#include "userspace/net/nl_socket.hpp"

#include <vipd/links.hpp>

#include <cstdint>
#include <initializer_list>
#include <utility>

namespace vipd::net {

/// RTM_NEWLINK of the device on interface `parent`; it is down.
Request new_virtual_link(int parent, const VirtualLink& link);

/// RTM_SETLINK: the interface gets no link-local address by itself when it is set up.
Request set_no_ipv6_address(int ifindex);

/// RTM_SETLINK of IPV4_DEVCONF_* settings, by number and value.
Request set_ipv4_settings(int ifindex,
                          std::initializer_list<std::pair<int, std::uint32_t>> settings);

}  // namespace vipd::net
