// SPDX-License-Identifier: Apache-2.0
// The routes and rules of one instance, or the static ones: set, taken away, put back.
#pragma once

#include "vrrp/engine/settings.hpp"
#include "vrrp/engine/world.hpp"

#include <string>

namespace vipd::vrrp {

class RoutingSet {
  public:
    RoutingSet(World& world, std::string owner) : world_(world), owner_(std::move(owner)) {}

    /// Routes before the rules that lead to them.
    void add(const RoutingItems& items) { add(items, false); }
    /// Those again that are tracked: what is there stays as it is.
    void restore(const RoutingItems& items) { add(items, true); }
    void remove(const RoutingItems& items);
    /// The last call could not do all.
    bool incomplete() const { return incomplete_; }

    /// What `from` has and `to` has not.
    static RoutingItems difference(const RoutingItems& from, const RoutingItems& to);

  private:
    void add(const RoutingItems& items, bool tracked_only);
    void note(const Result<>& result);

    World& world_;
    std::string owner_;  ///< for the log
    bool incomplete_ = false;
};

}  // namespace vipd::vrrp
