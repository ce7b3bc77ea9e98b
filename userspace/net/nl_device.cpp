// SPDX-License-Identifier: Apache-2.0
#include "userspace/net/nl_device.hpp"

#include <netlink/attr.h>
#include <netlink/msg.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <span>
#include <string_view>

namespace vipd::net {

namespace {

Request link_request(std::uint16_t type, std::uint16_t flags, int ifindex) {
    ifinfomsg header{};
    header.ifi_index = ifindex;
    return {type, flags, std::as_bytes(std::span(&header, 1))};
}

/// What is put into a request while it lives stands in this attribute.
class Nested {
  public:
    Nested(Request& request, int attribute)
        : message_(request.native()), start_(nla_nest_start(message_, attribute)) {}
    ~Nested() {
        if (start_ != nullptr) nla_nest_end(message_, start_);
    }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

  private:
    nl_msg* message_;
    nlattr* start_;
};

std::uint32_t macvlan_mode(VirtualLink::Mode mode) {
    switch (mode) {
        case VirtualLink::Mode::Bridge:
            return MACVLAN_MODE_BRIDGE;
        case VirtualLink::Mode::Vepa:
            return MACVLAN_MODE_VEPA;
        case VirtualLink::Mode::Private:
            break;
    }
    return MACVLAN_MODE_PRIVATE;
}

std::uint16_t ipvlan_flags(VirtualLink::Mode mode) {
    switch (mode) {
        case VirtualLink::Mode::Vepa:
            return IPVLAN_F_VEPA;
        case VirtualLink::Mode::Private:
            return IPVLAN_F_PRIVATE;
        case VirtualLink::Mode::Bridge:
            break;
    }
    return 0;
}

}  // namespace

Request new_virtual_link(int parent, const VirtualLink& link) {
    auto request = link_request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
    request.put(IFLA_IFNAME, link.name);
    request.put(IFLA_LINK, static_cast<std::uint32_t>(parent));
    if (link.group != 0) request.put(IFLA_GROUP, link.group);
    const bool macvlan = link.kind == VirtualLink::Kind::Macvlan;
    if (macvlan) request.put(IFLA_ADDRESS, link.mac.data(), link.mac.size());
    const Nested info(request, IFLA_LINKINFO);
    const std::string_view kind = macvlan ? "macvlan" : "ipvlan";
    request.put(IFLA_INFO_KIND, kind.data(), kind.size());
    const Nested data(request, IFLA_INFO_DATA);
    if (macvlan) {
        request.put(IFLA_MACVLAN_MODE, macvlan_mode(link.mode));
    } else {
        const std::uint16_t mode = IPVLAN_MODE_L2;
        const std::uint16_t flags = ipvlan_flags(link.mode);
        request.put(IFLA_IPVLAN_MODE, &mode, sizeof mode);
        request.put(IFLA_IPVLAN_FLAGS, &flags, sizeof flags);
    }
    return request;
}

Request set_ipv4_settings(int ifindex,
                          std::initializer_list<std::pair<int, std::uint32_t>> settings) {
    auto request = link_request(RTM_SETLINK, 0, ifindex);
    const Nested families(request, IFLA_AF_SPEC);
    const Nested v4(request, AF_INET);
    const Nested values(request, IFLA_INET_CONF);
    for (const auto& [setting, value] : settings) request.put(setting, value);
    return request;
}

Request set_no_ipv6_address(int ifindex) {
    auto request = link_request(RTM_SETLINK, 0, ifindex);
    const Nested families(request, IFLA_AF_SPEC);
    const Nested v6(request, AF_INET6);
    const std::uint8_t none = IN6_ADDR_GEN_MODE_NONE;
    request.put(IFLA_INET6_ADDR_GEN_MODE, &none, sizeof none);
    return request;
}

}  // namespace vipd::net
