// SPDX-License-Identifier: Apache-2.0
// promote_secondaries: a setting of interfaces that holds while an instance on them asks for it.
#pragma once

#include "vrrp/engine/world.hpp"

#include <set>

namespace vipd::vrrp {

class Promotion {
  public:
    explicit Promotion(World& world) : world_(world) {}

    /// These interfaces promote; those that did so only because of an earlier call do no longer.
    void use(const std::set<int>& wanted);

  private:
    World& world_;
    std::set<int> changed_;  ///< did not promote before
};

}  // namespace vipd::vrrp
