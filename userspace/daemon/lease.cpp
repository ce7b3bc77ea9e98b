// SPDX-License-Identifier: Apache-2.0
#include "userspace/daemon/lease.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <limits>
#include <sys/mman.h>

namespace vipd::daemon {

namespace {

std::size_t page_size() {
    return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

void Lease::Unmap::operator()(vipd_lease* at) const {
    ::munmap(at, page_size());
}

Result<Lease> Lease::open(const Fd& map) {
    void* at = ::mmap(nullptr, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, map.get(), 0);
    if (at == MAP_FAILED) return fail_errno(errno, "map the lease");
    return Lease(static_cast<vipd_lease*>(at));
}

void Lease::renew(TimePoint until) {
    std::atomic_ref(at_->until_ns)
        .store(static_cast<std::uint64_t>(until.time_since_epoch().count()),
               std::memory_order_relaxed);
}

void Lease::renew_for_ever() {
    std::atomic_ref(at_->until_ns)
        .store(std::numeric_limits<std::uint64_t>::max(), std::memory_order_relaxed);
}

void Lease::settle(TimePoint now) {
    const auto time = std::atomic_ref(at_->settle_ns).load(std::memory_order_relaxed);
    if (time == 0) return;
    std::atomic_ref(at_->settle_until_ns)
        .store(static_cast<std::uint64_t>(now.time_since_epoch().count()) + time,
               std::memory_order_relaxed);
}

void Lease::set_masters(std::span<const vrrp::RouterId> routers) {
    std::array<std::uint32_t, VIPD_ROUTER_WORDS> words{};
    for (const vrrp::RouterId& router : routers)
        words[vipd_router_word(router.vrid,
                               router.family == Family::V6 ? VIPD_FAMILY_V6 : VIPD_FAMILY_V4)] |=
            VIPD_ROUTER_BIT(router.vrid);
    for (std::size_t at = 0; at < words.size(); ++at)
        std::atomic_ref(at_->masters[at]).store(words[at], std::memory_order_relaxed);
}

}  // namespace vipd::daemon
