// SPDX-License-Identifier: Apache-2.0
// Announcements byte by byte, and the sum that all packets have.
#include "vrrp/packet/announce.hpp"

#include "tests/unit/vrrp/packets.hpp"
#include "vrrp/packet/checksum.hpp"

#include <gtest/gtest.h>

namespace vipd::vrrp::test {
namespace {

TEST(VrrpArp, IsKeepalivedsFrame) {
    const ArpFrame frame = gratuitous_arp({2, 0, 0, 0, 0, 1}, ip("10.9.0.100"));
    EXPECT_EQ(Bytes(frame.begin(), frame.end()), from_hex(kGratuitousArp));
}

TEST(VrrpNeighbourAdvertisement, IsUnsolicitedToAllNodesAndOverrides) {
    const NaFrame frame = neighbour_advertisement({2, 0, 0, 0, 0, 1}, ip("2001:db8::100"), false);
    EXPECT_EQ(Bytes(frame.begin(), frame.end()),
              from_hex("333300000001020000000001"
                       "86dd6000000000203aff"
                       "20010db8000000000000000000000100ff020000000000000000000000000001"
                       "8800f72c20000000"
                       "20010db8000000000000000000000100"
                       "0201020000000001"));
    const std::span<const std::uint8_t> bytes(frame);
    EXPECT_EQ(checksum_finish(
                  checksum_add(bytes.subspan(54), checksum_add(bytes.subspan(22, 32), 58 + 32))),
              0);
}

TEST(VrrpNeighbourAdvertisement, SaysWhenTheHostIsARouter) {
    const NaFrame host = neighbour_advertisement({2, 0, 0, 0, 0, 1}, ip("2001:db8::1"), false);
    const NaFrame router = neighbour_advertisement({2, 0, 0, 0, 0, 1}, ip("2001:db8::1"), true);
    EXPECT_EQ(host[58], 0x20);
    EXPECT_EQ(router[58], 0xa0);
    const std::span<const std::uint8_t> bytes(router);
    EXPECT_EQ(checksum_finish(
                  checksum_add(bytes.subspan(54), checksum_add(bytes.subspan(22, 32), 58 + 32))),
              0);
}

// RFC 1071, 3: the example's sum, and an odd last byte that counts as if 0 followed.
TEST(VrrpChecksum, IsThatOfRfc1071WithAnOddByteToo) {
    auto* volatile add = &checksum_add;  // the function itself, not what is made of it here
    const Bytes example = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    EXPECT_EQ(checksum_finish(add(example, 0)), 0x220d);
    EXPECT_EQ(add(std::span(example).first(3), 0), 0xf201U);
    // The carry of a carry.
    EXPECT_EQ(checksum_finish(0x1fffeU), 0x0000);
    EXPECT_EQ(checksum_finish(0), 0xffff);
}

}  // namespace
}  // namespace vipd::vrrp::test
