// SPDX-License-Identifier: Apache-2.0
#include <vipd/address.hpp>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <unordered_set>

namespace vipd {
namespace {

TEST(IpAddress, ParsesAndPrintsBothFamilies) {
    const auto v4 = IpAddress::parse("192.0.2.1");
    ASSERT_TRUE(v4);
    EXPECT_TRUE(v4->is_v4());
    EXPECT_EQ(v4->v4_host_order(), 0xc0000201U);
    EXPECT_EQ(v4->bytes()[0], 192);
    EXPECT_EQ(v4->bytes()[3], 1);
    EXPECT_EQ(v4->to_string(), "192.0.2.1");
    const auto v6 = IpAddress::parse("2001:DB8:0::1");
    ASSERT_TRUE(v6);
    EXPECT_EQ(v6->bytes().size(), 16U);
    EXPECT_EQ(v6->to_string(), "2001:db8::1");
}

TEST(IpAddress, RefusesWhatIsNoAddress) {
    for (const char* text : {"",
                             " 192.0.2.1",
                             "192.0.2.1 ",
                             "192.0.2",
                             "192.0.2.256",
                             "192.0.2.1.1",
                             "192.0.2.01",
                             "0x7f.1",
                             "[2001:db8::1]",
                             "2001:db8::1%eth0",
                             "::1/128",
                             "1:2:3:4:5:6:7:8:9",
                             "localhost",
                             "192.0.2.-1",
                             "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111"})
        EXPECT_FALSE(IpAddress::parse(text)) << text;
    EXPECT_FALSE(IpAddress::parse(std::string_view("192.0.2.1\0", 10)).has_value());
}

TEST(IpAddress, KnowsItsKind) {
    EXPECT_TRUE(IpAddress::parse("224.0.0.18")->is_multicast());
    EXPECT_TRUE(IpAddress::parse("239.255.255.255")->is_multicast());
    EXPECT_FALSE(IpAddress::parse("223.255.255.255")->is_multicast());
    EXPECT_FALSE(IpAddress::parse("240.0.0.0")->is_multicast());
    EXPECT_TRUE(IpAddress::parse("ff02::12")->is_multicast());
    EXPECT_TRUE(IpAddress::parse("0.0.0.0")->is_unspecified());
    EXPECT_TRUE(IpAddress::parse("::")->is_unspecified());
    EXPECT_FALSE(IpAddress().is_unspecified());
    EXPECT_TRUE(IpAddress::parse("169.254.1.1")->is_link_local());
    EXPECT_TRUE(IpAddress::parse("febf::1")->is_link_local());
    EXPECT_FALSE(IpAddress::parse("fec0::1")->is_link_local());
    EXPECT_FALSE(static_cast<bool>(IpAddress()));
}

TEST(IpPrefix, ParsesLengthsWithinTheFamily) {
    EXPECT_EQ(IpPrefix::parse("10.0.0.4/24")->to_string(), "10.0.0.4/24");
    EXPECT_EQ(IpPrefix::parse("10.0.0.4")->length, 32);
    EXPECT_EQ(IpPrefix::parse("2001:db8::/64")->length, 64);
    EXPECT_EQ(IpPrefix::parse("2001:db8::1")->length, 128);
    EXPECT_EQ(IpPrefix::parse("10.0.0.0/0")->length, 0);
    for (const char* text : {"10.0.0.4/33",
                             "2001:db8::/129",
                             "10.0.0.4/",
                             "10.0.0.4/-1",
                             "10.0.0.4/ 8",
                             "10.0.0.4/8x",
                             "/24",
                             "10.0.0.4/24/8",
                             "10.0.0.4/256",
                             "10.0.0.4/+8"})
        EXPECT_FALSE(IpPrefix::parse(text)) << text;
}

TEST(Endpoint, PrintsAsInDiagnostics) {
    EXPECT_EQ((Endpoint{*IpAddress::parse("10.0.0.1"), 80}.to_string()), "10.0.0.1:80");
    EXPECT_EQ((Endpoint{*IpAddress::parse("2001:db8::1"), 80}.to_string()), "[2001:db8::1]:80");
    EXPECT_EQ((ServiceKey{{*IpAddress::parse("10.0.0.1"), 53}, Protocol::Udp}.to_string()),
              "10.0.0.1:53/UDP");
    EXPECT_EQ(to_string(MacAddress{0, 0, 0x5e, 0, 1, 0x33}), "00:00:5e:00:01:33");
}

TEST(Endpoint, V4AndV6OfTheSameBytesDiffer) {
    const std::array<std::uint8_t, 16> bytes{10, 0, 0, 1};
    EXPECT_NE(IpAddress::v6(bytes), IpAddress::v4(0x0a000001U));
    EXPECT_NE(std::hash<IpAddress>()(IpAddress::v6(bytes)),
              std::hash<IpAddress>()(IpAddress::v4(0x0a000001U)));
}

TEST(ServiceKeyHash, TellsPortAndProtocolApart) {
    std::unordered_set<std::size_t> seen;
    for (std::uint16_t port = 1; port <= 1000; ++port) {
        for (const Protocol protocol : {Protocol::Tcp, Protocol::Udp})
            seen.insert(std::hash<ServiceKey>()({{IpAddress::v4(0x0a000001U), port}, protocol}));
    }
    EXPECT_EQ(seen.size(), 2000U);
}

RC_GTEST_PROP(IpAddressProperty, TextGoesThereAndBack, (std::array<std::uint8_t, 16> bytes)) {
    const IpAddress v6 = IpAddress::v6(bytes);
    RC_ASSERT(IpAddress::parse(v6.to_string()) == v6);
    const IpAddress v4 = IpAddress::v4(std::span<const std::uint8_t, 16>(bytes).first<4>());
    RC_ASSERT(IpAddress::parse(v4.to_string()) == v4);
    RC_ASSERT(IpAddress::v4(v4.v4_host_order()) == v4);
}

}  // namespace
}  // namespace vipd
