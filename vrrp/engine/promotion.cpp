// SPDX-License-Identifier: Apache-2.0
#include "vrrp/engine/promotion.hpp"

namespace vipd::vrrp {

void Promotion::use(const std::set<int>& wanted) {
    const auto set = [this](int ifindex, bool promotes) {
        auto result = world_.links.set_promotes(ifindex, promotes);
        if (!result) {
            std::string key = result.error().message;
            world_.log(LogLevel::Error, std::move(result.error().message), std::move(key));
        }
        return result.has_value();
    };
    for (const int ifindex : wanted) {
        const Link* link = world_.find(ifindex);
        if (link == nullptr || link->promotes || changed_.contains(ifindex)) continue;
        if (set(ifindex, true)) changed_.insert(ifindex);
    }
    std::erase_if(changed_, [&](int ifindex) {
        if (wanted.contains(ifindex)) return false;
        if (world_.find(ifindex) != nullptr) set(ifindex, false);
        return true;
    });
}

}  // namespace vipd::vrrp
