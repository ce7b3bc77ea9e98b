// SPDX-License-Identifier: Apache-2.0
// Whole nodes on real TCP sockets, in a network namespace of the test's own and one event loop (or
// more).
#pragma once

#include "tests/support/fake_dataplane.hpp"
#include "tests/unit/sync/support.hpp"
#include "userspace/base/event_loop.hpp"
#include "userspace/sync/flow_pump.hpp"
#include "userspace/sync/sync_daemon.hpp"

#include <sched.h>
#include <systemd/sd-event.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <net/if.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <vector>

namespace vipd::sync::testing {

/// Moves this process into a network namespace with nothing but loopback. Empty: it worked, or had
/// before; else what is missing.
inline std::string enter_own_namespace() {
    static const std::string missing = []() -> std::string {
        if (::unshare(CLONE_NEWNET) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
            return std::string("network namespaces (CONFIG_NET_NS): ") + std::strerror(errno);
        const Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ifreq request{};
        std::strcpy(request.ifr_name, "lo");
        request.ifr_flags = IFF_UP;
        if (::ioctl(fd.get(), SIOCSIFFLAGS, &request) != 0)
            return std::string("loopback in a namespace: ") + std::strerror(errno);
        return {};
    }();
    return missing;
}

/// Runs the loops in turn until it holds; false after 30 seconds, in which case something is wrong.
inline bool run_until(const std::vector<EventLoop*>& loops, const std::function<bool()>& holds) {
    const auto end = Clock::now() + Seconds(30);
    while (!holds()) {
        if (Clock::now() > end) return false;
        for (auto* loop : loops) sd_event_run(loop->native(), loops.size() == 1 ? 100'000 : 1'000);
    }
    return true;
}

inline IpAddress address_of(int n) {
    return IpAddress::v4(0x7f000000 + static_cast<std::uint32_t>(n));
}

inline model::Service service_of(const Endpoint& vip, const Endpoint& real, Protocol protocol) {
    model::Service service;
    service.key = {vip, protocol};
    service.reals.push_back({real});
    return service;
}

/// Node n has the address 127.0.0.n.
struct Node {
    Node(EventLoop& loop_, int n) : loop(loop_), address(address_of(n)) {
        for (const auto protocol : {Protocol::Tcp, Protocol::Udp}) {
            plane.put_service(service_of(kVip, kReal, protocol));
            plane.put_service(service_of(kVip6, kReal6, protocol));
        }
        EXPECT_TRUE(pump.start());
    }
    Options options(const std::vector<int>& peers) const {
        Options options;
        options.bind = address;
        for (const int peer : peers) options.peers.push_back(address_of(peer));
        options.keys = key_of('k');
        options.node_id = "node-" + address.to_string();
        // These tests have no time limit of their own; a slow machine must not look like a dead
        // peer.
        options.limits.silence = Seconds(60);
        return options;
    }
    PeerStats peer(int n) const {
        for (auto& one : daemon.stats().peers)
            if (one.address == address_of(n)) return one;
        ADD_FAILURE() << "no peer " << n;
        return {};
    }
    std::uint64_t rejected(int n, Reject reason) const {
        return peer(n).rejected[static_cast<std::size_t>(reason)];
    }
    bool logged(std::string_view part) const {
        return std::ranges::any_of(
            log, [&](const LogEvent& event) { return event.text.find(part) != std::string::npos; });
    }
    bool has(std::uint32_t n) const {
        return plane.find(vipd::testing::FlowKey::of(flow_of(n))).has_value();
    }

    EventLoop& loop;
    IpAddress address;
    vipd::testing::FakeDataplane plane;
    FlowPump pump{loop, plane};
    std::vector<LogEvent> log;
    SyncDaemon daemon{loop, plane, pump, [this](const LogEvent& event) { log.push_back(event); }};
};

}  // namespace vipd::sync::testing
