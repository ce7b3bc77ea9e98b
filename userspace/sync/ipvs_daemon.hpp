// SPDX-License-Identifier: Apache-2.0
// lvs_sync_daemon: beside directors that run IPVS, in the words of its sync daemons. As "master" it
// tells this node's connections to the group, as "backup" it stores what others tell. Nothing is
// acknowledged and nothing proves who sent it; that is IPVS's protocol. What can be checked is: the
// interface, a source on that interface's own network, the syncid, and each byte.
//
// Runs on the thread of its EventLoop.
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/base/fd.hpp"
#include "userspace/dataplane/dataplane.hpp"
#include "userspace/sync/flow_pump.hpp"
#include "userspace/sync/ipvs_flow.hpp"
#include "userspace/sync/ipvs_wire.hpp"

#include <vipd/address.hpp>
#include <vipd/error.hpp>
#include <vipd/time.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace vipd::sync::ipvs {

inline constexpr std::uint16_t kDefaultPort = 8848;
inline constexpr std::size_t kMaxDatagram = 65507;

struct Options {
    std::string interface;
    int ifindex = 0;
    std::vector<IpPrefix> networks;  ///< of the interface: senders are on one of them
    IpAddress group;
    std::uint16_t port = kDefaultPort;
    std::uint8_t ttl = 1;
    std::uint8_t sync_id = 0;      ///< received: 0 takes any
    std::size_t send_size = 1472;  ///< bytes of a datagram at most
    std::size_t receive_size = kMaxDatagram;
    std::uint8_t version = 1;        ///< sent; both are understood
    Nanos scan_round = Seconds(60);  ///< the whole table is told once in this time
    bool operator==(const Options&) const = default;
};

struct Stats {
    bool sending = false;
    bool receiving = false;
    std::uint64_t datagrams_sent = 0;
    std::uint64_t connections_sent = 0;
    std::uint64_t not_sent = 0;     ///< connections of datagrams that the socket did not take
    std::uint64_t not_carried = 0;  ///< connections that the version cannot express
    std::uint64_t datagrams_received = 0;
    std::uint64_t connections_received = 0;
    dataplane::Dataplane::StoreResult stored;
    std::array<std::uint64_t, kDrops> dropped{};  ///< datagrams, by Drop
    std::array<std::uint64_t, kSkips> skipped{};  ///< connections, by Skip
};

class IpvsDaemon {
  public:
    IpvsDaemon(EventLoop& loop, dataplane::Dataplane& plane, FlowPump& pump)
        : loop_(loop), plane_(plane), pump_(pump) {}
    ~IpvsDaemon();
    IpvsDaemon(const IpvsDaemon&) = delete;
    IpvsDaemon& operator=(const IpvsDaemon&) = delete;

    /// Takes the options and the roles; sockets that these do not change stay. `learned`: as master
    /// it also tells what it has itself learned from others (that is for who alone is master).
    Result<> configure(const Options& options, bool send, bool receive, bool learned);
    const Options& options() const { return options_; }
    Stats stats() const;

  private:
    Result<> open_sender();
    Result<> open_receiver();
    void on_datagrams();
    void take(Bytes datagram);
    void on_changes(std::span<const dataplane::Flow> flows);
    void scan(TimePoint now);
    void tell(const dataplane::Flow& flow);
    void flush();

    EventLoop& loop_;
    dataplane::Dataplane& plane_;
    FlowPump& pump_;
    Options options_;
    bool learned_ = false;

    Fd sender_;
    EventLoop::Source scan_timer_;
    EventLoop::Source flush_timer_;
    bool flush_due_ = false;
    Writer writer_{1, 0, 0};
    std::uint64_t cursor_ = 0;
    TimePoint scanned_;
    bool first_round_ = true;

    Fd receiver_;
    EventLoop::Source receiver_source_;
    std::string buffer_;
    Stats stats_;
};

}  // namespace vipd::sync::ipvs
