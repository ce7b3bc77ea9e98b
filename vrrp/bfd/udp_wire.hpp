// SPDX-License-Identifier: Apache-2.0
// Wire over UDP sockets: one for each session to send (RFC 5881, 4: a source port of its own from
// 49152 up), one for each family and port to receive.
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/base/fd.hpp"
#include "vrrp/bfd/engine.hpp"

#include <map>

namespace vipd::bfd {

class UdpWire final : public Wire {
  public:
    using Receiver = std::function<void(const Arrival&)>;
    UdpWire(EventLoop& loop, Receiver receiver) : loop_(loop), receiver_(std::move(receiver)) {}

    Result<> open(const SessionSettings& session) override;
    void close(const SessionSettings& session) override;
    Result<> send(const SessionSettings& session, std::span<const std::uint8_t> packet) override;

    /// What waits in the sockets, at most a batch of each: so that it counts before a detection
    /// time that has run out.
    void drain();

  private:
    struct Listening {
        Fd fd;
        EventLoop::Source source;
        int users = 0;
    };
    using Place = std::pair<Family, std::uint16_t>;
    Result<> listen(const Place& place);
    void receive(const Place& place);

    EventLoop& loop_;
    Receiver receiver_;
    std::map<std::string, Fd> senders_;  // by session
    std::map<Place, Listening> listening_;
};

}  // namespace vipd::bfd
