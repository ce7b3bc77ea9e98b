// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/nat_reals.hpp"

#include <bit>

namespace vipd::dataplane {

namespace {

constexpr const char* kMap = "vipd_nat_reals";

}  // namespace

Result<> NatReals::set(RealId id, const ServiceKey& service, const vipd_real& real) {
    if (real.method != VIPD_METHOD_NAT) return erase(id);
    const auto key =
        std::bit_cast<Key>(vipd_service_key{.address = real.address,
                                            .port = real.port,
                                            .protocol = static_cast<std::uint8_t>(service.protocol),
                                            .family = real.family});
    if (const auto known = by_id_.find(id); known != by_id_.end()) {
        if (known->second == key) return {};
        if (auto gone = erase(id); !gone) return gone;
    }
    by_id_[id] = key;
    return count(key, ++reals_[key]);
}

Result<> NatReals::erase(RealId id) {
    const auto known = by_id_.find(id);
    if (known == by_id_.end()) return {};
    const Key key = known->second;
    by_id_.erase(known);
    const std::uint32_t left = --reals_[key];
    if (left == 0) reals_.erase(key);
    return count(key, left);
}

Result<> NatReals::count(const Key& key, std::uint32_t reals) {
    auto done = reals != 0 ? map_update(object_, kMap, key, vipd_nat_real{.reals = reals})
                           : map_delete(object_, kMap, key);
    if (!done) return done;
    return object_.set_nat_reals(static_cast<std::uint32_t>(reals_.size()));
}

Result<> NatReals::sweep() {
    const auto present = map_keys<Key>(object_, kMap);
    if (!present) return fail(present.error());
    for (const Key& key : *present)
        if (!reals_.contains(key))
            if (auto gone = map_delete(object_, kMap, key); !gone) return gone;
    return {};
}

}  // namespace vipd::dataplane
