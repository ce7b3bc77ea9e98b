// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/real_loads.hpp"

#include <algorithm>

namespace vipd::dataplane {

void RealLoads::count(std::uint32_t real, std::uint32_t protocol, std::uint32_t state, int by) {
    if (real < memory_.size() && state != VIPD_FLOW_NONE)
        vipd_load_count(&memory_[real], protocol, state, by);
}

RealLoads::Count RealLoads::connections(std::uint32_t real) const {
    if (real >= memory_.size()) return {};
    return {vipd_load_active(&memory_[real]), vipd_load_inactive(&memory_[real])};
}

void RealLoads::reset(std::uint32_t real) {
    memory_[real] = {};
}

void RealLoads::set_weight(std::uint32_t real, std::uint32_t weight) {
    __atomic_store_n(&memory_[real].weight, weight, __ATOMIC_RELEASE);
}

void RealLoads::set_limits(std::uint32_t real, std::uint32_t upper, std::uint32_t lower) {
    vipd_load& load = memory_[real];
    const bool raised = upper == 0 || upper > load.upper;
    __atomic_store_n(&load.lower, lower, __ATOMIC_RELEASE);
    __atomic_store_n(&load.upper, upper, __ATOMIC_RELEASE);
    // IPVS: whoever may have more than before is open again.
    if (raised) __atomic_store_n(&load.full, 0U, __ATOMIC_RELEASE);
    vipd_load_settle(&load);
}

void RealLoads::check(std::span<const Count> swept) {
    const std::size_t reals = std::min(swept.size(), memory_.size());
    before_.resize(std::max(before_.size(), reals));
    for (std::uint32_t real = 0; real < reals; ++real) {
        vipd_load& load = memory_[real];
        // Signed: it may have gone below 0.
        const Count kept{__atomic_load_n(&load.active, __ATOMIC_ACQUIRE),
                         __atomic_load_n(&load.inactive, __ATOMIC_ACQUIRE)};
        const Count off{kept.active - swept[real].active, kept.inactive - swept[real].inactive};
        Difference& before = before_[real];
        if (off != Count{} && before.kept == kept && before.off == off) {
            __sync_fetch_and_sub(&load.active, static_cast<std::int32_t>(off.active));
            __sync_fetch_and_sub(&load.inactive, static_cast<std::int32_t>(off.inactive));
        }
        before = {kept, off};
        vipd_load_settle(&load);
    }
}

}  // namespace vipd::dataplane
