// SPDX-License-Identifier: Apache-2.0
#include "userspace/net/nl_links.hpp"

#include "userspace/net/nl_decode.hpp"
#include "userspace/net/nl_device.hpp"
#include "userspace/net/nl_socket.hpp"

#include <array>
#include <cerrno>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <span>
#include <utility>

namespace vipd::net {

namespace {

constexpr int kDumpAttempts = 5;
constexpr std::size_t kMaxName = IF_NAMESIZE - 1;

std::uint8_t family_of(const IpAddress& address) {
    return address.is_v4() ? AF_INET : AF_INET6;
}

template <class Header>
Request make_request(std::uint16_t type, int flags, const Header& header) {
    return {type, static_cast<std::uint16_t>(flags), std::as_bytes(std::span(&header, 1))};
}

class NlLinks final : public Links {
  public:
    NlLinks(RequestSocket requests, EventSocket events)
        : requests_(std::move(requests)), events_(std::move(events)) {}

    Result<std::vector<Link>> links() override;
    Result<Link> link_by_name(const std::string& name) override;
    Result<std::vector<LinkAddress>> addresses(int ifindex) override;
    Result<> add_address(const LinkAddress& address) override;
    Result<> remove_address(const LinkAddress& address) override;
    Result<> set_promotes(int ifindex, bool promotes) override;
    Result<> add_virtual_link(int parent, const VirtualLink& link) override;
    Result<> set_up(int ifindex) override;
    Result<> remove_link(int ifindex) override;
    Result<> set_arp(int ifindex, const ArpSettings& settings) override;
    Result<Route> route_to(const IpAddress& destination) override;
    Result<std::optional<MacAddress>> neighbour(int ifindex, const IpAddress& address) override;
    Result<> probe_neighbour(int ifindex, const IpAddress& address) override;
    int event_fd() const override { return events_.fd(); }
    Result<> dispatch(const std::function<void(const LinkEvent&)>& handler) override {
        return events_.dispatch(handler);
    }

  private:
    // All elements of a dump; repeated when the kernel's table changed under it.
    template <class T>
    Result<std::vector<T>> dump(const Request& request,
                                const std::function<Result<T>(const nlmsghdr&)>& decode);

    RequestSocket requests_;
    EventSocket events_;
};

template <class T>
Result<std::vector<T>> NlLinks::dump(const Request& request,
                                     const std::function<Result<T>(const nlmsghdr&)>& decode) {
    Result<> result;
    for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
        std::vector<T> out;
        result = requests_.transact(request, [&](const nlmsghdr& message) -> Result<> {
            auto element = decode(message);
            if (!element) return fail(std::move(element.error()));
            out.push_back(std::move(*element));
            return {};
        });
        if (result) return out;
        if (result.error().errnum != EAGAIN) break;
    }
    return fail(std::move(result.error()));
}

Result<std::vector<Link>> NlLinks::links() {
    auto all = dump<Link>(make_request(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{}), decode_link);
    if (!all) return fail(std::move(all.error()).in("list links"));
    return all;
}

Result<Link> NlLinks::link_by_name(const std::string& name) {
    if (name.empty() || name.size() > kMaxName) return fail("no such interface: " + name, ENODEV);
    auto request = make_request(RTM_GETLINK, 0, ifinfomsg{});
    request.put(IFLA_IFNAME, name);
    std::optional<Link> found;
    auto result = requests_.transact(request, [&](const nlmsghdr& message) -> Result<> {
        auto link = decode_link(message);
        if (!link) return fail(std::move(link.error()));
        found = std::move(*link);
        return {};
    });
    if (!result && result.error().errnum == ENODEV)
        return fail("no such interface: " + name, ENODEV);
    if (!result) return fail(std::move(result.error()).in("interface " + name));
    if (!found) return fail("interface " + name + ": netlink: no answer", EBADMSG);
    return std::move(*found);
}

Result<std::vector<LinkAddress>> NlLinks::addresses(int ifindex) {
    std::array<char, IF_NAMESIZE> name{};
    if (::if_indextoname(static_cast<unsigned>(ifindex), name.data()) == nullptr)
        return fail_errno(ENODEV, "addresses of interface " + std::to_string(ifindex));
    ifaddrmsg header{};
    header.ifa_index = static_cast<std::uint32_t>(ifindex);
    auto all = dump<LinkAddress>(make_request(RTM_GETADDR, NLM_F_DUMP, header), decode_address);
    if (!all) return fail(std::move(all.error()).in(std::string("addresses of ") + name.data()));
    // Kernels before 4.20 do not filter.
    std::erase_if(*all, [&](const LinkAddress& a) { return a.ifindex != ifindex; });
    // The kernel labels an address with the interface's name where no label was given.
    for (auto& address : *all)
        if (address.label == name.data()) address.label.clear();
    return all;
}

Request address_request(std::uint16_t type, int flags, const LinkAddress& address) {
    ifaddrmsg header{};
    header.ifa_family = family_of(address.prefix.address);
    header.ifa_prefixlen = address.prefix.length;
    header.ifa_index = static_cast<std::uint32_t>(address.ifindex);
    header.ifa_scope = address.scope;
    auto request = make_request(type, flags, header);
    request.put(IFA_LOCAL, address.prefix.address);
    request.put(IFA_ADDRESS, address.prefix.address);
    return request;
}

std::string describe(std::string_view what, const LinkAddress& address) {
    return std::string(what) + " address " + address.prefix.to_string() + " (interface " +
           std::to_string(address.ifindex) + ")";
}

Result<> NlLinks::add_address(const LinkAddress& address) {
    if (!address.prefix.address || address.label.size() > kMaxName)
        return fail_errno(EINVAL, describe("add", address));
    auto request = address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, address);
    if (!address.label.empty()) request.put(IFA_LABEL, address.label);
    if (address.broadcast) request.put(IFA_BROADCAST, *address.broadcast);
    // A takeover cannot wait a second for duplicate address detection, and VRRP has elected one
    // owner already.
    if (address.prefix.address.is_v6())
        request.put(IFA_FLAGS, static_cast<std::uint32_t>(IFA_F_NODAD));
    auto result = requests_.transact(request);
    if (!result && result.error().errnum != EEXIST)
        return fail(std::move(result.error()).in(describe("add", address)));
    return {};
}

Result<> NlLinks::remove_address(const LinkAddress& address) {
    if (!address.prefix.address) return fail_errno(EINVAL, describe("remove", address));
    // Without the label: an address that carries another one must go just the same.
    auto result = requests_.transact(address_request(RTM_DELADDR, 0, address));
    if (!result && result.error().errnum != EADDRNOTAVAIL && result.error().errnum != ENODEV)
        return fail(std::move(result.error()).in(describe("remove", address)));
    return {};
}

Result<> NlLinks::set_promotes(int ifindex, bool promotes) {
    auto result = requests_.transact(
        set_ipv4_settings(ifindex, {{IPV4_DEVCONF_PROMOTE_SECONDARIES, promotes ? 1U : 0U}}));
    if (!result)
        return fail(std::move(result.error())
                        .in("promote_secondaries of interface " + std::to_string(ifindex)));
    return {};
}

Result<> NlLinks::add_virtual_link(int parent, const VirtualLink& link) {
    const std::string context = "make device " + link.name;
    if (link.name.empty() || link.name.size() > kMaxName) return fail_errno(EINVAL, context);
    auto made = requests_.transact(new_virtual_link(parent, link));
    if (!made) return fail(std::move(made.error()).in(context));
    const auto device = link_by_name(link.name);
    if (!device) return fail(Error(device.error()).in(context));
    // The way back to who asks may be by the parent, and an owner's VIP is the parent's own.
    auto set = requests_.transact(set_ipv4_settings(device->index,
                                                    {{IPV4_DEVCONF_ARP_IGNORE, 1},
                                                     {IPV4_DEVCONF_RP_FILTER, 0},
                                                     {IPV4_DEVCONF_ACCEPT_LOCAL, 1},
                                                     {IPV4_DEVCONF_PROMOTE_SECONDARIES, 1}}));
    // A host without IPv6 refuses the second, and needs it not.
    if (set) set = requests_.transact(set_no_ipv6_address(device->index));
    if (!set && set.error().errnum != EAFNOSUPPORT) return fail(std::move(set.error()).in(context));
    return {};
}

Result<> NlLinks::set_up(int ifindex) {
    ifinfomsg header{};
    header.ifi_index = ifindex;
    header.ifi_flags = IFF_UP;
    header.ifi_change = IFF_UP;
    auto result = requests_.transact(make_request(RTM_SETLINK, 0, header));
    if (!result)
        return fail(std::move(result.error()).in("set up interface " + std::to_string(ifindex)));
    return {};
}

Result<> NlLinks::remove_link(int ifindex) {
    ifinfomsg header{};
    header.ifi_index = ifindex;
    auto result = requests_.transact(make_request(RTM_DELLINK, 0, header));
    if (!result && result.error().errnum != ENODEV)
        return fail(std::move(result.error()).in("remove interface " + std::to_string(ifindex)));
    return {};
}

Result<> NlLinks::set_arp(int ifindex, const ArpSettings& settings) {
    auto result = requests_.transact(set_ipv4_settings(
        ifindex,
        {{IPV4_DEVCONF_ARP_IGNORE, settings.ignore}, {IPV4_DEVCONF_ARPFILTER, settings.filter}}));
    if (!result)
        return fail(
            std::move(result.error()).in("arp_ignore of interface " + std::to_string(ifindex)));
    return {};
}

Result<Route> NlLinks::route_to(const IpAddress& destination) {
    const std::string context = "route to " + destination.to_string();
    if (!destination) return fail_errno(EINVAL, context);
    rtmsg header{};
    header.rtm_family = family_of(destination);
    header.rtm_dst_len = destination.is_v4() ? 32 : 128;
    auto request = make_request(RTM_GETROUTE, 0, header);
    request.put(RTA_DST, destination);
    std::optional<Route> found;
    auto result = requests_.transact(request, [&](const nlmsghdr& message) -> Result<> {
        auto route = decode_route(message, destination);
        if (!route) return fail(std::move(route.error()));
        found = *route;
        return {};
    });
    if (!result) return fail(std::move(result.error()).in(context));
    if (!found) return fail(context + ": netlink: no answer", EBADMSG);
    return *found;
}

Request neighbour_request(std::uint16_t type,
                          int flags,
                          int ifindex,
                          const IpAddress& address,
                          std::uint8_t neighbour_flags) {
    ndmsg header{};
    header.ndm_family = family_of(address);
    header.ndm_ifindex = ifindex;
    header.ndm_state = NUD_NONE;
    header.ndm_flags = neighbour_flags;
    auto request = make_request(type, flags, header);
    request.put(NDA_DST, address);
    return request;
}

Result<std::optional<MacAddress>> NlLinks::neighbour(int ifindex, const IpAddress& address) {
    const std::string context = "neighbour " + address.to_string();
    if (!address) return fail_errno(EINVAL, context);
    std::optional<MacAddress> mac;
    auto result = requests_.transact(neighbour_request(RTM_GETNEIGH, 0, ifindex, address, 0),
                                     [&](const nlmsghdr& message) -> Result<> {
                                         auto entry = decode_neighbour(message);
                                         if (!entry) return fail(std::move(entry.error()));
                                         if (entry->usable()) mac = entry->mac;
                                         return {};
                                     });
    if (!result && result.error().errnum != ENOENT)
        return fail(std::move(result.error()).in(context));
    return mac;
}

Result<> NlLinks::probe_neighbour(int ifindex, const IpAddress& address) {
    const std::string context = "probe neighbour " + address.to_string();
    if (!address) return fail_errno(EINVAL, context);
    // NTF_USE: as if a packet were waiting for it. An entry in use is confirmed, a new one made.
    auto result = requests_.transact(
        neighbour_request(RTM_NEWNEIGH, NLM_F_CREATE, ifindex, address, NTF_USE));
    if (!result) return fail(std::move(result.error()).in(context));
    return {};
}

}  // namespace

Result<std::unique_ptr<Links>> open_links() {
    auto requests = RequestSocket::open();
    if (!requests) return fail(std::move(requests.error()));
    auto events = EventSocket::open();
    if (!events) return fail(std::move(events.error()));
    return std::make_unique<NlLinks>(std::move(*requests), std::move(*events));
}

}  // namespace vipd::net
