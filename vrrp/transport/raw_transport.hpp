// SPDX-License-Identifier: Apache-2.0
// Transport over raw sockets with own IP headers, one per interface, family and protocol, and one
// packet socket for ARP and ND. Needs CAP_NET_RAW.
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/base/fd.hpp"
#include "vrrp/transport/transport.hpp"

#include <map>
#include <memory>
#include <vector>

namespace vipd::vrrp {

class RawTransport final : public Transport {
  public:
    /// `loop` must outlive the transport.
    static Result<std::unique_ptr<RawTransport>> create(EventLoop& loop);

    void set_receiver(Receiver receiver) override { receiver_ = std::move(receiver); }
    Result<> open(const Port& port) override;
    void close(const Port& port) override;
    Result<> send(const Port& port,
                  const IpAddress& destination,
                  std::span<const std::uint8_t> datagram) override;
    Result<> send_frame(int ifindex, std::span<const std::uint8_t> frame) override;
    void drain() override;

  private:
    struct Socket {
        Fd fd;
        EventLoop::Source source;
        std::map<IpAddress, int> users;  // of each group; none: unicast
        std::uint64_t rx_buffer = 0;     // of all of them
    };

    RawTransport(EventLoop& loop, Fd packet) : loop_(loop), packet_(std::move(packet)) {}
    Result<Socket> make_socket(const Port& key);
    /// At most a batch, then timers and other sources get their turn.
    void receive(const Port& key);

    EventLoop& loop_;
    Fd packet_;
    Receiver receiver_;
    std::map<Port, Socket> sockets_;  // by Port without group
    std::vector<Port> drained_;       // drain()'s, kept for its room
};

}  // namespace vipd::vrrp
