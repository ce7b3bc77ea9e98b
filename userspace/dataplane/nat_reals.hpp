// SPDX-License-Identifier: Apache-2.0
// Which addresses and ports NAT real servers send from, for the XDP program to tell replies by.
#pragma once

#include "userspace/dataplane/bpf_object.hpp"
#include "userspace/dataplane/real_registry.hpp"

#include <vipd/abi/service.h>
#include <vipd/error.hpp>

#include <array>
#include <cstdint>
#include <map>

namespace vipd::dataplane {

class NatReals {
  public:
    explicit NatReals(BpfObject& object) : object_(object) {}

    /// Real `id` is now this one; its flows go on when it is no longer alive.
    Result<> set(RealId id, const ServiceKey& service, const vipd_real& real);
    /// No flow names it any more.
    Result<> erase(RealId id);
    /// Removes what a predecessor has left that no set() has named.
    Result<> sweep();

  private:
    using Key = std::array<std::uint8_t, sizeof(vipd_service_key)>;

    Result<> count(const Key& key, std::uint32_t reals);

    BpfObject& object_;
    std::map<RealId, Key> by_id_;
    std::map<Key, std::uint32_t> reals_;
};

}  // namespace vipd::dataplane
