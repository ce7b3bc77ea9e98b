// SPDX-License-Identifier: Apache-2.0
// Transport over one raw socket (IPPROTO_VRRP, own IP headers) per interface and one packet socket
// for ARP. Needs CAP_NET_RAW.
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/base/fd.hpp"
#include "vrrp/transport/transport.hpp"

#include <map>
#include <memory>

namespace vipd::vrrp {

class RawTransport final : public Transport {
  public:
    /// `loop` must outlive the transport.
    static Result<std::unique_ptr<RawTransport>> create(EventLoop& loop);

    void set_receiver(Receiver receiver) override { receiver_ = std::move(receiver); }
    Result<> open(int ifindex, const IpAddress& group) override;
    void close(int ifindex, const IpAddress& group) override;
    Result<> send(int ifindex,
                  const IpAddress& destination,
                  std::span<const std::uint8_t> datagram) override;
    Result<> send_frame(int ifindex, std::span<const std::uint8_t> frame) override;
    void drain() override;

  private:
    struct Port {
        Fd fd;
        EventLoop::Source source;
        std::map<IpAddress, int> users;  // of each group; none: unicast
    };

    RawTransport(EventLoop& loop, Fd packet) : loop_(loop), packet_(std::move(packet)) {}
    Result<Port> make_port(int ifindex);
    void receive(int ifindex);

    EventLoop& loop_;
    Fd packet_;
    Receiver receiver_;
    std::map<int, Port> ports_;
};

}  // namespace vipd::vrrp
