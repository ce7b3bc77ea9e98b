// SPDX-License-Identifier: Apache-2.0
// The VIPs of one instance on the interfaces: put there, taken off, put back.
#pragma once

#include "vrrp/engine/settings.hpp"
#include "vrrp/engine/world.hpp"

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace vipd::vrrp {

class VipSet {
  public:
    explicit VipSet(World& world) : world_(world) {}

    /// Whose VIPs these are, for the log, and the interface of those that name none. `owner`
    /// (priority 255): an address found on the interface may be the host's own and is not taken
    /// off then.
    void use(std::string instance, int ifindex, bool owner);
    /// While set, what add() finds there is taken for ours, also an owner's: this process put it
    /// there before it was restarted.
    void set_adopting(bool adopting) { adopting_ = adopting; }

    /// Adds those that are missing; returns them. Failures are logged. Where one was put before its
    /// interface had another name or index, it is taken off.
    std::vector<Vip> add(std::span<const Vip> vips);
    /// The last add() or remove() could not do all.
    bool incomplete() const { return incomplete_; }
    /// Takes off those that are there, under whatever prefix length.
    void remove(std::span<const Vip> vips);

    /// The interface that a VIP lives on; nullptr if there is none of that name.
    const Link* link_of(const Vip& vip) const;

  private:
    LinkAddress address_of(const Vip& vip, int ifindex) const;
    std::vector<LinkAddress> present(int ifindex);
    const Link* left_on(const Vip& vip, const Link* link) const;
    void take_off(const Vip& vip, const Link& link, std::span<const LinkAddress> present);
    void complain(std::string text);

    World& world_;
    std::string instance_;
    int ifindex_ = 0;
    bool owner_ = false;
    bool adopting_ = false;
    bool incomplete_ = false;
    std::set<IpAddress> hosts_own_;
    std::map<IpAddress, int> placed_;  ///< the index of the interface that it was put on
};

}  // namespace vipd::vrrp
