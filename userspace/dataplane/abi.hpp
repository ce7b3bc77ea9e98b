// SPDX-License-Identifier: Apache-2.0
// From the model's types to those of the maps and back. Pure.
#pragma once

#include "userspace/dataplane/dataplane.hpp"
#include "userspace/model/model.hpp"

#include <vipd/abi/base.h>
#include <vipd/abi/flow.h>
#include <vipd/abi/service.h>
#include <vipd/address.hpp>
#include <vipd/time.hpp>

#include <cstdint>

namespace vipd::dataplane {

vipd_addr to_abi(const IpAddress& address);
IpAddress from_abi(const vipd_addr& address, std::uint8_t family);
std::uint8_t abi_family(const IpAddress& address);

vipd_service_key to_abi(const ServiceKey& key);
ServiceKey from_abi(const vipd_service_key& key);

/// All but the id.
vipd_service to_abi(const model::Service& service);
/// All but the reals.
model::Service from_abi(const vipd_service_key& key, const vipd_service& service);

/// VIPD_REAL_TUNNEL of vipd_real.flags.
std::uint32_t tunnel_flags(const model::Real& real);
/// What TUN to this real server puts its packets into.
Tunnel tunnel_of(const vipd_real& real);
/// What it takes off the MTU.
std::uint32_t overhead(const vipd_real& real);

/// Ticks that a flow of this service lives in this state without a packet.
std::uint32_t flow_timeout(const model::Service& service, Protocol protocol, vipd_flow_state state);
/// The same for a template.
std::uint32_t template_timeout(const model::Service& service);

/// Does the template of a service by this fwmark have this address for the service's?
bool is_mark(const IpAddress& vip, std::uint32_t mark);

vipd_flow_key flow_key(const Flow& flow);
/// Without the real, which the caller knows by its id.
Flow from_abi(const vipd_flow& flow, std::uint32_t now_ticks);

std::uint32_t to_ticks(Nanos time);
Millis ticks_to_millis(std::uint32_t ticks);

}  // namespace vipd::dataplane
