// SPDX-License-Identifier: Apache-2.0
// A Transport that keeps what is sent, in order, together with how far the netlink calls had got.
#pragma once

#include "tests/support/fake_links.hpp"
#include "tests/unit/vrrp/packets.hpp"
#include "vrrp/transport/transport.hpp"

#include <map>
#include <string>
#include <vector>

namespace vipd::vrrp::test {

class FakeTransport final : public Transport {
  public:
    explicit FakeTransport(const vipd::test::FakeLinks& links) : links_(links) {}

    struct Sent {
        int ifindex = 0;
        IpAddress destination;  ///< none: an Ethernet frame
        Bytes bytes;
        std::size_t netlink_calls = 0;  ///< made before it
        bool is_frame() const { return !destination; }
        std::size_t body() const { return destination.is_v4() ? 20 : 40; }
        std::uint8_t vrid() const { return bytes.at(body() + 1); }
        std::uint8_t priority() const { return bytes.at(body() + 2); }
    };
    std::vector<Sent> sent;
    std::map<Port, int> opened;
    bool listens(int ifindex, const IpAddress& group) const {
        return std::ranges::any_of(opened, [&](const auto& one) {
            return one.first.ifindex == ifindex && one.first.group == group;
        });
    }
    int fail_errno = 0;  ///< not 0: sends and opens fail with it
    std::function<void()> on_drain;

    void arrive(int ifindex, const Bytes& datagram, bool truncated = false) {
        if (receiver_) receiver_(ifindex, datagram, truncated);
    }

    void set_receiver(Receiver receiver) override { receiver_ = std::move(receiver); }
    Result<> open(const Port& port) override {
        if (fail_errno != 0) return vipd::fail_errno(fail_errno, "open");
        ++opened[port];
        return {};
    }
    void close(const Port& port) override {
        const auto at = opened.find(port);
        if (at != opened.end() && --at->second == 0) opened.erase(at);
    }
    Result<> send(const Port& port,
                  const IpAddress& destination,
                  std::span<const std::uint8_t> datagram) override {
        if (fail_errno != 0) return vipd::fail_errno(fail_errno, "send");
        sent.push_back({port.ifindex,
                        destination,
                        Bytes(datagram.begin(), datagram.end()),
                        links_.calls.size()});
        return {};
    }
    Result<> send_frame(int ifindex, std::span<const std::uint8_t> frame) override {
        if (fail_errno != 0) return vipd::fail_errno(fail_errno, "send");
        sent.push_back({ifindex, {}, Bytes(frame.begin(), frame.end()), links_.calls.size()});
        return {};
    }
    void drain() override {
        if (on_drain) on_drain();
    }

  private:
    const vipd::test::FakeLinks& links_;
    Receiver receiver_;
};

}  // namespace vipd::vrrp::test
