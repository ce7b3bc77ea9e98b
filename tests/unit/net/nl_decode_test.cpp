// SPDX-License-Identifier: Apache-2.0
// Messages that no sound kernel sends: each is an error, none is read beyond its end.
#include "userspace/net/nl_decode.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <memory>
#include <sys/socket.h>
#include <vector>

namespace vipd::net {
namespace {

// A message in a heap block of exactly its own size, so that AddressSanitizer sees any overrun.
class Message {
  public:
    template <class Header>
    Message(std::uint16_t type, const Header& header) {
        bytes_.resize(sizeof(nlmsghdr));
        append(&header, sizeof header);
        type_ = type;
    }
    Message& attribute(std::uint16_t type, std::vector<std::uint8_t> value) {
        const rtattr head{static_cast<std::uint16_t>(sizeof(rtattr) + value.size()), type};
        append(&head, sizeof head);
        append(value.data(), value.size());
        return *this;
    }
    Message& raw(const rtattr& head) {
        append(&head, sizeof head);
        return *this;
    }
    std::size_t size() const { return bytes_.size(); }
    /// The first `length` bytes as a message of that length.
    std::unique_ptr<std::uint8_t[]> cut(std::size_t length) const {
        auto out = std::make_unique<std::uint8_t[]>(length);
        std::memcpy(out.get(), bytes_.data(), length);
        nlmsghdr header{};
        header.nlmsg_len = static_cast<std::uint32_t>(length);
        header.nlmsg_type = type_;
        std::memcpy(out.get(), &header, sizeof header);
        return out;
    }
    template <class Decode>
    auto decode(Decode with) const {
        const auto whole = cut(size());
        return with(*reinterpret_cast<const nlmsghdr*>(whole.get()));
    }

  private:
    void append(const void* data, std::size_t size) {
        const auto* begin = static_cast<const std::uint8_t*>(data);
        bytes_.insert(bytes_.end(), begin, begin + size);
        bytes_.resize((bytes_.size() + 3) & ~std::size_t{3});
    }
    std::vector<std::uint8_t> bytes_;
    std::uint16_t type_ = 0;
};

const IpAddress kReal = IpAddress::parse("10.0.0.9").value();

Message link_message() {
    ifinfomsg header{};
    header.ifi_index = 3;
    Message message(RTM_NEWLINK, header);
    message.attribute(IFLA_IFNAME, {'e', 't', 'h', '0', 0})
        .attribute(IFLA_MTU, {0xdc, 0x05, 0, 0})
        .attribute(IFLA_ADDRESS, {2, 0, 0, 0, 0, 1});
    return message;
}

// eth0.7 on interface 3: IFLA_INFO_KIND "vlan"; in IFLA_INFO_DATA the VID and the protocol.
Message vlan_message(std::uint8_t protocol_high, std::uint8_t protocol_low) {
    return link_message()
        .attribute(IFLA_LINK, {3, 0, 0, 0})
        .attribute(IFLA_LINKINFO,
                   {9,
                    0,
                    IFLA_INFO_KIND,
                    0,
                    'v',
                    'l',
                    'a',
                    'n',
                    0,
                    0,
                    0,
                    0,  //
                    20,
                    0,
                    IFLA_INFO_DATA,
                    0,  //
                    6,
                    0,
                    IFLA_VLAN_ID,
                    0,
                    7,
                    0,
                    0,
                    0,  //
                    6,
                    0,
                    IFLA_VLAN_PROTOCOL,
                    0,
                    protocol_high,
                    protocol_low,
                    0,
                    0});
}

Message route_message() {
    rtmsg header{};
    header.rtm_family = AF_INET;
    header.rtm_type = RTN_UNICAST;
    Message message(RTM_NEWROUTE, header);
    message.attribute(RTA_OIF, {3, 0, 0, 0})
        .attribute(RTA_GATEWAY, {10, 0, 0, 1})
        .attribute(RTA_PREFSRC, {10, 0, 0, 2});
    return message;
}

Message neighbour_message(std::uint16_t state) {
    ndmsg header{};
    header.ndm_family = AF_INET;
    header.ndm_ifindex = 3;
    header.ndm_state = state;
    Message message(RTM_NEWNEIGH, header);
    message.attribute(NDA_DST, {10, 0, 0, 9}).attribute(NDA_LLADDR, {2, 0, 0, 0, 0, 9});
    return message;
}

TEST(NlDecode, EveryTruncationIsAnErrorOrAShorterValueNeverACrash) {
    std::size_t errors = 0;
    for (const Message& message :
         {link_message(), vlan_message(0x81, 0), route_message(), neighbour_message(NUD_STALE)}) {
        for (std::size_t length = sizeof(nlmsghdr); length <= message.size(); ++length) {
            const auto bytes = message.cut(length);
            const auto& header = *reinterpret_cast<const nlmsghdr*>(bytes.get());
            errors += !decode_event(header);
            errors += !decode_link(header);
            errors += !decode_route(header, kReal);
            errors += !decode_neighbour(header);
            errors += !decode_address(header);
        }
    }
    EXPECT_GT(errors, 0U);
    EXPECT_TRUE(link_message().decode(decode_link));
}

TEST(NlDecode, ReadsOfAVlanItsParentAndItsTag) {
    const auto plain = link_message().decode(decode_link);
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->parent, 0);
    const auto vlan = vlan_message(0x81, 0).decode(decode_link);
    ASSERT_TRUE(vlan);
    EXPECT_EQ(vlan->parent, 3);
    EXPECT_EQ(vlan->vlan_id, 7);
    const auto service_tag = vlan_message(0x88, 0xa8).decode(decode_link);
    ASSERT_TRUE(service_tag);
    EXPECT_EQ(service_tag->parent, 3);
    EXPECT_EQ(service_tag->vlan_id, 0);
}

TEST(NlDecode, RefusesAttributesThatLie) {
    // A length beyond the message's end.
    Message beyond = neighbour_message(NUD_STALE);
    beyond.raw({400, NDA_LLADDR});
    EXPECT_EQ(beyond.decode(decode_neighbour)->mac,
              (MacAddress{2, 0, 0, 0, 0, 9}));  // the tail is left unread
    // An address of the wrong length for its family.
    ndmsg header{};
    header.ndm_family = AF_INET;
    Message odd(RTM_NEWNEIGH, header);
    odd.attribute(NDA_DST, {10, 0, 0, 9, 1});
    EXPECT_FALSE(odd.decode(decode_neighbour));
    // A name without its end, an MTU of two bytes.
    ifinfomsg link{};
    link.ifi_index = 3;
    Message name(RTM_NEWLINK, link);
    name.attribute(IFLA_IFNAME, {'e', 't', 'h', '0'});
    EXPECT_FALSE(name.decode(decode_link));
    Message mtu(RTM_NEWLINK, link);
    mtu.attribute(IFLA_IFNAME, {'e', 0}).attribute(IFLA_MTU, {1, 2});
    EXPECT_FALSE(mtu.decode(decode_link));
    Message nameless(RTM_NEWLINK, link);
    nameless.attribute(IFLA_IFNAME, {0});
    EXPECT_FALSE(nameless.decode(decode_link));
}

TEST(NlDecode, RefusesAPrefixLongerThanItsAddress) {
    for (const auto& [family, bytes, most] : {std::tuple{AF_INET, 4U, 32}, {AF_INET6, 16U, 128}}) {
        for (const int length : {0, most, most + 1, 255}) {
            ifaddrmsg header{};
            header.ifa_family = static_cast<std::uint8_t>(family);
            header.ifa_prefixlen = static_cast<std::uint8_t>(length);
            Message message(RTM_NEWADDR, header);
            message.attribute(IFA_ADDRESS, std::vector<std::uint8_t>(bytes, 10));
            EXPECT_EQ(message.decode(decode_address).has_value(), length <= most) << length;
        }
    }
}

TEST(NlDecode, RefusesAnAnswerToAnotherQuestion) {
    EXPECT_FALSE(link_message().decode(decode_neighbour));
    EXPECT_FALSE(link_message().decode(decode_address));
    EXPECT_FALSE(neighbour_message(NUD_STALE).decode(decode_link));
    rtmsg header{};
    header.rtm_family = AF_INET;
    header.rtm_type = RTN_BLACKHOLE;
    Message blackhole(RTM_NEWROUTE, header);
    blackhole.attribute(RTA_OIF, {3, 0, 0, 0});
    EXPECT_FALSE(blackhole.decode([](const nlmsghdr& m) { return decode_route(m, kReal); }));
}

TEST(NlDecode, OnlyUsableStatesGiveANeighbour) {
    for (const auto state : {NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE, NUD_PERMANENT})
        EXPECT_TRUE(neighbour_message(static_cast<std::uint16_t>(state))
                        .decode(decode_neighbour)
                        ->usable());
    for (const auto state : {NUD_NONE, NUD_INCOMPLETE, NUD_FAILED, NUD_NOARP})
        EXPECT_FALSE(neighbour_message(static_cast<std::uint16_t>(state))
                         .decode(decode_neighbour)
                         ->usable());
}

TEST(NlDecode, LeavingABridgeIsNotTheEndOfTheLink) {
    ifinfomsg header{};
    header.ifi_index = 3;
    header.ifi_family = AF_BRIDGE;
    auto event = Message(RTM_DELLINK, header).decode(decode_event);
    ASSERT_TRUE(event && *event);
    EXPECT_FALSE((*event)->removed);
    header.ifi_family = AF_UNSPEC;
    EXPECT_TRUE((**Message(RTM_DELLINK, header).decode(decode_event)).removed);
}

TEST(NlDecode, ForwardingDatabaseEntriesAreOfNoInterest) {
    ndmsg header{};
    header.ndm_family = AF_BRIDGE;
    auto event = Message(RTM_NEWNEIGH, header).decode(decode_event);
    ASSERT_TRUE(event);
    EXPECT_FALSE(*event);
}

}  // namespace
}  // namespace vipd::net
