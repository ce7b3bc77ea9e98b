// SPDX-License-Identifier: Apache-2.0
// A netlink message of each type that is looked at: whatever its bytes, nothing outside it is read,
// and what comes out is possible.
#include "userspace/net/nl_decode.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <memory>

namespace {

using namespace vipd;

void demand(bool holds) {
    if (!holds) std::abort();
}

bool is_ip(const IpAddress& address) {
    return address.is_v4() || address.is_v6();
}

void look_at(const nlmsghdr& message) {
    if (const auto link = net::decode_link(message)) {
        demand(link->index > 0 && !link->name.empty() && link->name.size() < IFNAMSIZ);
        demand(link->name.find('\0') == std::string::npos);
    }
    if (const auto address = net::decode_address(message)) {
        demand(is_ip(address->prefix.address));
        demand(address->prefix.length <= (address->prefix.address.is_v4() ? 32 : 128));
        demand(!address->broadcast ||
               address->broadcast->is_v4() == address->prefix.address.is_v4());
        demand(address->label.size() < IFNAMSIZ);
    }
    if (const auto route = net::decode_route(message, IpAddress::v4(0x0a000001U))) {
        demand(route->ifindex > 0 && is_ip(route->next_hop));
    }
    if (const auto neighbour = net::decode_neighbour(message)) {
        demand(is_ip(neighbour->address));
        demand(!neighbour->usable() || neighbour->mac);
    }
    if (const auto event = net::decode_event(message); event && *event) {
        const LinkEvent& what = **event;
        demand(what.kind == LinkEvent::Kind::Link || what.kind == LinkEvent::Kind::Route ||
               is_ip(what.address));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static constexpr std::array<std::uint16_t, 10> kTypes = {RTM_NEWLINK,
                                                             RTM_DELLINK,
                                                             RTM_NEWADDR,
                                                             RTM_DELADDR,
                                                             RTM_NEWROUTE,
                                                             RTM_DELROUTE,
                                                             RTM_NEWNEIGH,
                                                             RTM_DELNEIGH,
                                                             RTM_DELRULE,
                                                             RTM_NEWRULE};
    if (size == 0) return 0;
    const std::size_t length = sizeof(nlmsghdr) + size - 1;
    // A block of its own size: whoever reads beyond it is caught.
    const auto block = std::make_unique<std::uint8_t[]>(length);
    nlmsghdr header{};
    header.nlmsg_len = static_cast<std::uint32_t>(length);
    header.nlmsg_type = kTypes[data[0] % kTypes.size()];
    std::memcpy(block.get(), &header, sizeof header);
    std::copy_n(data + 1, size - 1, block.get() + sizeof header);
    look_at(*reinterpret_cast<const nlmsghdr*>(block.get()));
    return 0;
}
