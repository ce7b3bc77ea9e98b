// SPDX-License-Identifier: Apache-2.0
// Links without a kernel: a table that tests write, a log of what was asked, and a k-th call that
// fails. Addresses added and removed announce themselves as events, as the kernel's do.
#pragma once

#include <vipd/links.hpp>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <map>
#include <string>
#include <sys/eventfd.h>
#include <utility>
#include <vector>

namespace vipd::test {

class FakeLinks final : public Links {
  public:
    FakeLinks() : event_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        if (event_fd_ < 0) std::abort();
    }
    ~FakeLinks() override { ::close(event_fd_); }
    FakeLinks(const FakeLinks&) = delete;
    FakeLinks& operator=(const FakeLinks&) = delete;

    // --- the world, as the test wants it -----------------------------------------------------

    /// An interface that is up and running; its MAC ends in its index.
    Link& add_link(int index, const std::string& name) {
        Link link;
        link.index = index;
        link.name = name;
        link.mac = {2, 0, 0, 0, 0, static_cast<std::uint8_t>(index)};
        link.mtu = 1500;
        link.up = link.running = true;
        return table[index] = link;
    }
    std::map<int, Link> table;
    std::vector<LinkAddress> assigned;
    std::map<IpAddress, Route> routes;  ///< absent: ENETUNREACH
    std::map<std::pair<int, IpAddress>, MacAddress> neighbours;

    /// Announces something; dispatch() delivers in order.
    void announce(LinkEvent event) {
        waiting_.push_back(event);
        const std::uint64_t one = 1;
        if (::write(event_fd_, &one, sizeof one) < 0) std::abort();
    }

    // --- failures and what was called --------------------------------------------------------

    /// The k-th call from now on (1: the next) of any function fails with `errnum`.
    void fail_call(std::size_t k, int errnum = EIO) {
        fail_at_ = calls.size() + k;
        fail_errnum_ = errnum;
    }
    /// "links", "link_by_name eth0", "add_address 10.0.0.4/24 1", "route_to 10.0.0.1",
    /// "neighbour 1 10.0.0.1", "probe_neighbour 1 10.0.0.1", "dispatch" ... in order.
    std::vector<std::string> calls;
    std::size_t count(const std::string& call) const {
        return static_cast<std::size_t>(std::count(calls.begin(), calls.end(), call));
    }

    // --- Links -------------------------------------------------------------------------------

    Result<std::vector<Link>> links() override {
        if (auto ok = enter("links"); !ok) return fail(std::move(ok.error()));
        std::vector<Link> out;
        for (const auto& [index, link] : table) out.push_back(link);
        return out;
    }
    Result<Link> link_by_name(const std::string& name) override {
        if (auto ok = enter("link_by_name " + name); !ok) return fail(std::move(ok.error()));
        for (const auto& [index, link] : table)
            if (link.name == name) return link;
        return fail("no such interface: " + name, ENODEV);
    }
    Result<std::vector<LinkAddress>> addresses(int ifindex) override {
        if (auto ok = enter("addresses " + std::to_string(ifindex)); !ok)
            return fail(std::move(ok.error()));
        if (!table.contains(ifindex)) return fail_errno(ENODEV, "addresses");
        std::vector<LinkAddress> out;
        std::copy_if(assigned.begin(), assigned.end(), std::back_inserter(out), [&](auto& a) {
            return a.ifindex == ifindex;
        });
        return out;
    }
    Result<> add_address(const LinkAddress& address) override {
        if (auto ok = enter("add_address " + describe(address)); !ok) return ok;
        if (!table.contains(address.ifindex)) return fail_errno(ENODEV, "add address");
        if (find(address) != assigned.end()) return {};
        assigned.push_back(address);
        announce({LinkEvent::Kind::Address, address.ifindex, address.prefix.address, false});
        return {};
    }
    Result<> remove_address(const LinkAddress& address) override {
        if (auto ok = enter("remove_address " + describe(address)); !ok) return ok;
        const auto at = find(address);
        if (at == assigned.end()) return {};
        assigned.erase(at);
        announce({LinkEvent::Kind::Address, address.ifindex, address.prefix.address, true});
        return {};
    }
    Result<> set_promotes(int ifindex, bool promotes) override {
        if (auto ok = enter("set_promotes " + std::to_string(ifindex) + (promotes ? " 1" : " 0"));
            !ok)
            return ok;
        if (!table.contains(ifindex)) return fail_errno(ENODEV, "promote_secondaries");
        table.at(ifindex).promotes = promotes;
        return {};
    }
    Result<> add_virtual_link(int parent, const VirtualLink& link) override {
        if (auto ok = enter("add_virtual_link " + link.name + " " + std::to_string(parent)); !ok)
            return ok;
        if (!table.contains(parent)) return fail_errno(ENODEV, "add virtual link");
        Link& made = add_link(table.rbegin()->first + 1, link.name);
        made.kind = link.kind == VirtualLink::Kind::Macvlan ? "macvlan" : "ipvlan";
        made.parent = parent;
        made.mac = link.kind == VirtualLink::Kind::Macvlan ? link.mac : table.at(parent).mac;
        made.up = made.running = false;
        announce({LinkEvent::Kind::Link, made.index, {}, false});
        return {};
    }
    Result<> set_up(int ifindex) override {
        if (auto ok = enter("set_up " + std::to_string(ifindex)); !ok) return ok;
        if (!table.contains(ifindex)) return fail_errno(ENODEV, "set up");
        table.at(ifindex).up = table.at(ifindex).running = true;
        announce({LinkEvent::Kind::Link, ifindex, {}, false});
        return {};
    }
    Result<> remove_link(int ifindex) override {
        if (auto ok = enter("remove_link " + std::to_string(ifindex)); !ok) return ok;
        if (table.erase(ifindex) == 0) return {};
        std::erase_if(assigned, [&](const LinkAddress& a) { return a.ifindex == ifindex; });
        announce({LinkEvent::Kind::Link, ifindex, {}, true});
        return {};
    }
    Result<> set_arp(int ifindex, const ArpSettings& settings) override {
        if (auto ok =
                enter("set_arp " + std::to_string(ifindex) + " " + std::to_string(settings.ignore) +
                      " " + std::to_string(settings.filter));
            !ok)
            return ok;
        if (!table.contains(ifindex)) return fail_errno(ENODEV, "arp_ignore");
        table.at(ifindex).arp = settings;
        return {};
    }
    Result<Route> route_to(const IpAddress& destination) override {
        if (auto ok = enter("route_to " + destination.to_string()); !ok)
            return fail(std::move(ok.error()));
        const auto at = routes.find(destination);
        if (at == routes.end()) return fail_errno(ENETUNREACH, "route");
        return at->second;
    }
    Result<std::optional<MacAddress>> neighbour(int ifindex, const IpAddress& address) override {
        if (auto ok = enter("neighbour " + describe(ifindex, address)); !ok)
            return fail(std::move(ok.error()));
        const auto at = neighbours.find({ifindex, address});
        if (at == neighbours.end()) return std::optional<MacAddress>();
        return std::optional(at->second);
    }
    Result<> probe_neighbour(int ifindex, const IpAddress& address) override {
        return enter("probe_neighbour " + describe(ifindex, address));
    }
    int event_fd() const override { return event_fd_; }
    Result<> dispatch(const std::function<void(const LinkEvent&)>& handler) override {
        if (auto ok = enter("dispatch"); !ok) return ok;
        std::uint64_t drained = 0;
        (void)!::read(event_fd_, &drained, sizeof drained);
        for (auto batch = std::exchange(waiting_, {}); const auto& event : batch) handler(event);
        return {};
    }

  private:
    Result<> enter(std::string call) {
        calls.push_back(std::move(call));
        if (calls.size() != fail_at_) return {};
        return fail_errno(fail_errnum_, "simulated failure of call " + calls.back());
    }
    std::vector<LinkAddress>::iterator find(const LinkAddress& address) {
        return std::find_if(assigned.begin(), assigned.end(), [&](const LinkAddress& other) {
            return other.ifindex == address.ifindex && other.prefix == address.prefix;
        });
    }
    static std::string describe(const LinkAddress& address) {
        return address.prefix.to_string() + " " + std::to_string(address.ifindex);
    }
    static std::string describe(int ifindex, const IpAddress& address) {
        return std::to_string(ifindex) + " " + address.to_string();
    }

    int event_fd_;
    std::deque<LinkEvent> waiting_;
    std::size_t fail_at_ = 0;
    int fail_errnum_ = 0;
};

}  // namespace vipd::test
