// SPDX-License-Identifier: Apache-2.0
#include "userspace/net/nl_decode.hpp"

#include <netlink/attr.h>
#include <netlink/msg.h>

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <span>

namespace vipd::net {

namespace {

// The attributes of one message by number, lengths of the known ones checked by the policy.
template <int Max>
class Attributes {
  public:
    using Policy = std::array<nla_policy, Max + 1>;

    static Result<Attributes> parse(const nlmsghdr& message,
                                    std::size_t header_length,
                                    const Policy& policy) {
        Attributes out;
        // libnl takes both as pointers to non-const and writes to neither.
        const int error = nlmsg_parse(const_cast<nlmsghdr*>(&message),
                                      static_cast<int>(header_length),
                                      out.table_.data(),
                                      Max,
                                      const_cast<nla_policy*>(policy.data()));
        if (error < 0) return fail("netlink: malformed message", EBADMSG);
        return out;
    }

    static Result<Attributes> parse_nested(const nlattr* in, const Policy& policy) {
        Attributes out;
        if (in == nullptr) return out;
        const int error = nla_parse_nested(out.table_.data(),
                                           Max,
                                           const_cast<nlattr*>(in),
                                           const_cast<nla_policy*>(policy.data()));
        if (error < 0) return fail("netlink: malformed message", EBADMSG);
        return out;
    }

    bool has(int type) const { return at(type) != nullptr; }
    std::uint32_t u32(int type) const { return has(type) ? nla_get_u32(at(type)) : 0; }
    std::uint16_t u16(int type) const { return has(type) ? nla_get_u16(at(type)) : 0; }
    std::string string(int type) const { return has(type) ? nla_get_string(at(type)) : ""; }
    const nlattr* at(int type) const { return table_[static_cast<std::size_t>(type)]; }
    std::span<const std::uint8_t> bytes(int type) const {
        if (!has(type)) return {};
        return {static_cast<const std::uint8_t*>(nla_data(at(type))),
                static_cast<std::size_t>(nla_len(at(type)))};
    }

  private:
    std::array<nlattr*, Max + 1> table_{};
};

constexpr nla_policy kU32{.type = NLA_U32, .minlen = 4, .maxlen = 4};
constexpr nla_policy kName{.type = NLA_STRING, .minlen = 1, .maxlen = IFNAMSIZ};

template <class Header>
const Header& header_of(const nlmsghdr& message) {
    return *static_cast<const Header*>(nlmsg_data(&message));
}

template <class Header>
bool holds(const nlmsghdr& message) {
    return nlmsg_valid_hdr(&message, sizeof(Header)) != 0;
}

Result<IpAddress> address_from(int family, std::span<const std::uint8_t> bytes) {
    if (family == AF_INET && bytes.size() == 4) return IpAddress::v4(bytes.first<4>());
    if (family == AF_INET6 && bytes.size() == 16) return IpAddress::v6(bytes.first<16>());
    return fail("netlink: address of wrong length", EBADMSG);
}

std::optional<MacAddress> mac_from(std::span<const std::uint8_t> bytes) {
    MacAddress mac{};
    if (bytes.size() != mac.size()) return std::nullopt;
    std::ranges::copy(bytes, mac.begin());
    return mac;
}

template <class Header>
Result<> expect(const nlmsghdr& message, std::uint16_t type) {
    if (message.nlmsg_type != type) return fail("netlink: unexpected answer", EBADMSG);
    if (!holds<Header>(message)) return fail("netlink: malformed message", EBADMSG);
    return {};
}

using LinkAttributes = Attributes<IFLA_MAX>;
LinkAttributes::Policy link_policy() {
    LinkAttributes::Policy policy{};
    policy[IFLA_IFNAME] = kName;
    policy[IFLA_MTU] = kU32;
    policy[IFLA_LINK] = kU32;
    policy[IFLA_MASTER] = kU32;
    policy[IFLA_LINKINFO] = {.type = NLA_NESTED, .minlen = 0, .maxlen = 0};
    return policy;
}

// IFLA_AF_SPEC > family > its settings: an array of numbers. The one at `place`; 0: it is not
// there.
std::uint32_t setting(const nlattr* families, int family, int settings, std::size_t place) {
    if (families == nullptr) return 0;
    const auto child = [](const nlattr* of, int type) {
        return nla_find(static_cast<const nlattr*>(nla_data(of)), nla_len(of), type);
    };
    const nlattr* of_family = child(families, family);
    const nlattr* array = of_family == nullptr ? nullptr : child(of_family, settings);
    std::uint32_t value = 0;
    const std::size_t at = place * sizeof value;
    if (array == nullptr || static_cast<std::size_t>(nla_len(array)) < at + sizeof value) return 0;
    std::memcpy(&value, static_cast<const std::uint8_t*>(nla_data(array)) + at, sizeof value);
    return value;
}

constexpr std::size_t kForwardingV6 = 0;
constexpr std::size_t kPromotesV4 = IPV4_DEVCONF_PROMOTE_SECONDARIES - 1;
constexpr std::size_t kArpIgnoreV4 = IPV4_DEVCONF_ARP_IGNORE - 1;
constexpr std::size_t kArpFilterV4 = IPV4_DEVCONF_ARPFILTER - 1;

using LinkInfo = Attributes<IFLA_INFO_MAX>;
LinkInfo::Policy link_info_policy() {
    LinkInfo::Policy policy{};
    policy[IFLA_INFO_KIND] = {.type = NLA_STRING, .minlen = 1, .maxlen = 32};
    policy[IFLA_INFO_DATA] = {.type = NLA_NESTED, .minlen = 0, .maxlen = 0};
    return policy;
}

using VlanInfo = Attributes<IFLA_VLAN_MAX>;
VlanInfo::Policy vlan_info_policy() {
    constexpr nla_policy kU16{.type = NLA_U16, .minlen = 2, .maxlen = 2};
    VlanInfo::Policy policy{};
    policy[IFLA_VLAN_ID] = kU16;
    policy[IFLA_VLAN_PROTOCOL] = kU16;
    return policy;
}

Result<> read_kind(const LinkAttributes& attributes, Link& link) {
    auto info = LinkInfo::parse_nested(attributes.at(IFLA_LINKINFO), link_info_policy());
    if (!info) return fail(std::move(info.error()));
    link.kind = info->string(IFLA_INFO_KIND);
    // Of a veth it is the other end.
    if (link.kind == "vlan" || link.kind == "macvlan" || link.kind == "ipvlan")
        link.parent = static_cast<int>(attributes.u32(IFLA_LINK));
    if (link.kind != "vlan") return {};
    auto vlan = VlanInfo::parse_nested(info->at(IFLA_INFO_DATA), vlan_info_policy());
    if (!vlan) return fail(std::move(vlan.error()));
    if (vlan->u16(IFLA_VLAN_PROTOCOL) == htons(ETH_P_8021Q)) link.vlan_id = vlan->u16(IFLA_VLAN_ID);
    return {};
}

using AddressAttributes = Attributes<IFA_MAX>;
AddressAttributes::Policy address_policy() {
    AddressAttributes::Policy policy{};
    policy[IFA_LABEL] = kName;
    return policy;
}

using RouteAttributes = Attributes<RTA_MAX>;
RouteAttributes::Policy route_policy() {
    RouteAttributes::Policy policy{};
    policy[RTA_OIF] = kU32;
    policy[RTA_METRICS] = {.type = NLA_NESTED, .minlen = 0, .maxlen = 0};
    return policy;
}

using NeighbourAttributes = Attributes<NDA_MAX>;

Result<IpAddress> address_of(const AddressAttributes& attributes, int family) {
    // IFA_ADDRESS is the peer's on a point-to-point link; IFA_LOCAL, where present, is ours.
    const int which = attributes.has(IFA_LOCAL) ? IFA_LOCAL : IFA_ADDRESS;
    return address_from(family, attributes.bytes(which));
}

// RTA_VIA is an IPv4 destination's gateway of the other family: struct rtvia, then the address.
Result<IpAddress> via_address(std::span<const std::uint8_t> bytes) {
    std::uint16_t family = 0;
    if (bytes.size() < sizeof family) return fail("netlink: malformed message", EBADMSG);
    std::copy_n(bytes.begin(), sizeof family, reinterpret_cast<std::uint8_t*>(&family));
    return address_from(family, bytes.subspan(sizeof family));
}

Result<std::uint32_t> mtu_of(const RouteAttributes& attributes) {
    if (!attributes.has(RTA_METRICS)) return 0U;
    std::array<nlattr*, RTAX_MAX + 1> metrics{};
    std::array<nla_policy, RTAX_MAX + 1> policy{};
    policy[RTAX_MTU] = kU32;
    if (nla_parse_nested(metrics.data(),
                         RTAX_MAX,
                         const_cast<nlattr*>(attributes.at(RTA_METRICS)),
                         policy.data()) < 0)
        return fail("netlink: malformed message", EBADMSG);
    return metrics[RTAX_MTU] != nullptr ? nla_get_u32(metrics[RTAX_MTU]) : 0U;
}

Result<std::optional<LinkEvent>> link_event(const nlmsghdr& message) {
    if (!holds<ifinfomsg>(message)) return fail("netlink: malformed message", EBADMSG);
    const auto& header = header_of<ifinfomsg>(message);
    LinkEvent event{.kind = LinkEvent::Kind::Link, .ifindex = header.ifi_index, .address = {}};
    // A bridge's RTM_DELLINK says that the port has left the bridge, not that the link is gone.
    event.removed = message.nlmsg_type == RTM_DELLINK && header.ifi_family != AF_BRIDGE;
    return event;
}

Result<std::optional<LinkEvent>> address_event(const nlmsghdr& message) {
    if (!holds<ifaddrmsg>(message)) return fail("netlink: malformed message", EBADMSG);
    const auto& header = header_of<ifaddrmsg>(message);
    if (header.ifa_family != AF_INET && header.ifa_family != AF_INET6) return std::nullopt;
    auto attributes = AddressAttributes::parse(message, sizeof header, address_policy());
    if (!attributes) return fail(std::move(attributes.error()));
    auto address = address_of(*attributes, header.ifa_family);
    if (!address) return fail(std::move(address.error()));
    return LinkEvent{.kind = LinkEvent::Kind::Address,
                     .ifindex = static_cast<int>(header.ifa_index),
                     .address = *address,
                     .removed = message.nlmsg_type == RTM_DELADDR};
}

Result<std::optional<LinkEvent>> neighbour_event(const nlmsghdr& message) {
    if (!holds<ndmsg>(message)) return fail("netlink: malformed message", EBADMSG);
    const auto family = header_of<ndmsg>(message).ndm_family;
    if (family != AF_INET && family != AF_INET6) return std::nullopt;  // AF_BRIDGE: the FDB
    auto neighbour = decode_neighbour(message);
    if (!neighbour) return fail(std::move(neighbour.error()));
    return LinkEvent{.kind = LinkEvent::Kind::Neighbour,
                     .ifindex = neighbour->ifindex,
                     .address = neighbour->address,
                     .removed = (neighbour->state & NUD_FAILED) != 0};
}

Result<std::optional<LinkEvent>> route_event(const nlmsghdr& message) {
    if (!holds<rtmsg>(message)) return fail("netlink: malformed message", EBADMSG);
    const auto& header = header_of<rtmsg>(message);
    if (header.rtm_family != AF_INET && header.rtm_family != AF_INET6) return std::nullopt;
    auto attributes = RouteAttributes::parse(message, sizeof header, route_policy());
    if (!attributes) return fail(std::move(attributes.error()));
    return LinkEvent{.kind = LinkEvent::Kind::Route,
                     .ifindex = static_cast<int>(attributes->u32(RTA_OIF)),
                     .address = {},
                     .removed = message.nlmsg_type == RTM_DELROUTE};
}

}  // namespace

bool Neighbour::usable() const {
    return mac &&
           (state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT)) != 0;
}

Result<Link> decode_link(const nlmsghdr& message) {
    if (auto ok = expect<ifinfomsg>(message, RTM_NEWLINK); !ok) return fail(std::move(ok.error()));
    const auto& header = header_of<ifinfomsg>(message);
    auto attributes = LinkAttributes::parse(message, sizeof header, link_policy());
    if (!attributes) return fail(std::move(attributes.error()));
    Link link;
    link.index = header.ifi_index;
    link.name = attributes->string(IFLA_IFNAME);
    if (link.index <= 0 || link.name.empty())
        return fail("netlink: link without index or name", EBADMSG);
    link.mac = mac_from(attributes->bytes(IFLA_ADDRESS)).value_or(MacAddress{});
    link.mtu = attributes->u32(IFLA_MTU);
    link.master = static_cast<int>(attributes->u32(IFLA_MASTER));
    link.up = (header.ifi_flags & IFF_UP) != 0;
    link.running = (header.ifi_flags & IFF_RUNNING) != 0;
    link.loopback = (header.ifi_flags & IFF_LOOPBACK) != 0;
    const nlattr* families = attributes->at(IFLA_AF_SPEC);
    const auto setting_v4 = [&](std::size_t place) {
        return setting(families, AF_INET, IFLA_INET_CONF, place);
    };
    link.router = setting(families, AF_INET6, IFLA_INET6_CONF, kForwardingV6) != 0;
    link.promotes = setting_v4(kPromotesV4) != 0;
    link.arp = {.ignore = setting_v4(kArpIgnoreV4), .filter = setting_v4(kArpFilterV4)};
    if (auto kind = read_kind(*attributes, link); !kind) return fail(std::move(kind.error()));
    return link;
}

Result<LinkAddress> decode_address(const nlmsghdr& message) {
    if (auto ok = expect<ifaddrmsg>(message, RTM_NEWADDR); !ok) return fail(std::move(ok.error()));
    const auto& header = header_of<ifaddrmsg>(message);
    auto attributes = AddressAttributes::parse(message, sizeof header, address_policy());
    if (!attributes) return fail(std::move(attributes.error()));
    auto address = address_of(*attributes, header.ifa_family);
    if (!address) return fail(std::move(address.error()));
    if (header.ifa_prefixlen > address->bytes().size() * 8)
        return fail("netlink: prefix longer than its address", EBADMSG);
    LinkAddress out;
    out.ifindex = static_cast<int>(header.ifa_index);
    out.prefix = {*address, header.ifa_prefixlen};
    out.label = attributes->string(IFA_LABEL);
    if (attributes->has(IFA_BROADCAST)) {
        auto broadcast = address_from(header.ifa_family, attributes->bytes(IFA_BROADCAST));
        if (!broadcast) return fail(std::move(broadcast.error()));
        out.broadcast = *broadcast;
    }
    out.scope = header.ifa_scope;
    return out;
}

Result<Route> decode_route(const nlmsghdr& message, const IpAddress& destination) {
    if (auto ok = expect<rtmsg>(message, RTM_NEWROUTE); !ok) return fail(std::move(ok.error()));
    const auto& header = header_of<rtmsg>(message);
    auto attributes = RouteAttributes::parse(message, sizeof header, route_policy());
    if (!attributes) return fail(std::move(attributes.error()));
    if (header.rtm_type != RTN_UNICAST && header.rtm_type != RTN_LOCAL)
        return fail("no unicast route", EHOSTUNREACH);
    Route route;
    route.local = header.rtm_type == RTN_LOCAL;
    route.ifindex = static_cast<int>(attributes->u32(RTA_OIF));
    if (route.ifindex <= 0) return fail("netlink: route without interface", EBADMSG);
    route.next_hop = destination;
    if (attributes->has(RTA_GATEWAY) || attributes->has(RTA_VIA)) {
        auto gateway = attributes->has(RTA_GATEWAY)
                           ? address_from(header.rtm_family, attributes->bytes(RTA_GATEWAY))
                           : via_address(attributes->bytes(RTA_VIA));
        if (!gateway) return fail(std::move(gateway.error()));
        route.next_hop = *gateway;
    }
    if (attributes->has(RTA_PREFSRC)) {
        auto source = address_from(header.rtm_family, attributes->bytes(RTA_PREFSRC));
        if (!source) return fail(std::move(source.error()));
        route.source = *source;
    }
    auto mtu = mtu_of(*attributes);
    if (!mtu) return fail(std::move(mtu.error()));
    route.mtu = *mtu;
    return route;
}

Result<Neighbour> decode_neighbour(const nlmsghdr& message) {
    if (message.nlmsg_type != RTM_NEWNEIGH && message.nlmsg_type != RTM_DELNEIGH)
        return fail("netlink: unexpected answer", EBADMSG);
    if (!holds<ndmsg>(message)) return fail("netlink: malformed message", EBADMSG);
    const auto& header = header_of<ndmsg>(message);
    auto attributes = NeighbourAttributes::parse(message, sizeof header, {});
    if (!attributes) return fail(std::move(attributes.error()));
    auto address = address_from(header.ndm_family, attributes->bytes(NDA_DST));
    if (!address) return fail(std::move(address.error()));
    Neighbour neighbour;
    neighbour.ifindex = header.ndm_ifindex;
    neighbour.address = *address;
    neighbour.state = header.ndm_state;
    neighbour.mac = mac_from(attributes->bytes(NDA_LLADDR));
    return neighbour;
}

Result<std::optional<LinkEvent>> decode_event(const nlmsghdr& message) {
    switch (message.nlmsg_type) {
        case RTM_NEWLINK:
        case RTM_DELLINK:
            return link_event(message);
        case RTM_NEWADDR:
        case RTM_DELADDR:
            return address_event(message);
        case RTM_NEWNEIGH:
        case RTM_DELNEIGH:
            return neighbour_event(message);
        case RTM_NEWROUTE:
        case RTM_DELROUTE:
            return route_event(message);
        case RTM_DELRULE:
            return LinkEvent{.kind = LinkEvent::Kind::Route, .address = {}, .removed = true};
        default:
            return std::nullopt;
    }
}

}  // namespace vipd::net
