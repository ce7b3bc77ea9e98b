// SPDX-License-Identifier: Apache-2.0
// MD5 by the RFCs' vectors; AH as keepalived sent it, and whatever may be wrong with it.
#include "vrrp/packet/ah.hpp"

#include "tests/unit/vrrp/packets.hpp"
#include "vrrp/packet/md5.hpp"

#include <gtest/gtest.h>

namespace vipd::vrrp::test {
namespace {

Bytes bytes_of(std::string_view text) {
    return {text.begin(), text.end()};
}

template <class T>
Bytes plain(const T& digest) {
    return {digest.begin(), digest.end()};
}

Bytes md5(std::string_view text) {
    Md5 sum;
    sum.add(bytes_of(text));
    return plain(sum.finish());
}

// RFC 1321, A.5.
TEST(VrrpMd5, KnowsTheRfcsVectors) {
    EXPECT_EQ(md5(""), from_hex("d41d8cd98f00b204e9800998ecf8427e"));
    EXPECT_EQ(md5("abc"), from_hex("900150983cd24fb0d6963f7d28e17f72"));
    EXPECT_EQ(md5("message digest"), from_hex("f96b697d7cb7938d525a2f31aaf161d0"));
    EXPECT_EQ(md5("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
              from_hex("d174ab98d277d9f5a5611c2c9f419d9f"));
    EXPECT_EQ(md5("1234567890123456789012345678901234567890123456789012345678901234567890123456789"
                  "0"),
              from_hex("57edf4a22be3c955ac49da2e2107b67a"));
}

TEST(VrrpMd5, DoesNotCareHowItsInputIsCut) {
    for (std::size_t length = 0; length < 200; ++length) {
        const Bytes text(length, 'x');
        Md5 whole;
        whole.add(text);
        Md5 pieces;
        for (const std::uint8_t& byte : text) pieces.add({&byte, 1});
        EXPECT_EQ(whole.finish(), pieces.finish()) << length;
    }
}

// RFC 2202, 2.
TEST(VrrpMd5, KnowsTheRfcsHmacVectors) {
    HmacMd5 one(Bytes(16, 0x0b));
    one.add(bytes_of("Hi There"));
    EXPECT_EQ(plain(one.finish()), from_hex("9294727a3638bb1c13f48ef8158bfc9d"));
    HmacMd5 two(bytes_of("Jefe"));
    two.add(bytes_of("what do ya want "));
    two.add(bytes_of("for nothing?"));
    EXPECT_EQ(plain(two.finish()), from_hex("750c783e6ab0b503eaa86e310a5db738"));
}

/// Sent by keepalived 2.2.7 with auth_type AH, auth_pass secret12.
constexpr std::string_view kFirst =
    "45c0004000010000ff33d0ad0a090001e0000012700400000a090001000000013cce0338b823f9e46755e9d9"
    "2133640102016e5d0a0900640000000000000000";
constexpr std::string_view kFourth =
    "45c0004000040000ff33d0aa0a090001e0000012700400000a090001000000048b75eecc6429f52599d84c08"
    "2133640102016e5d0a0900640000000000000000";

const std::vector<IpAddress> kOne = {ip("10.9.0.100")};

Expected expect_ah(std::uint32_t last = 0) {
    Expected expected = expect_v2();
    expected.auth.reset();
    expected.addresses = kOne;
    expected.ah = AhExpected{make_auth_pass("secret12"), last};
    return expected;
}

std::string outcome(const Bytes& bytes, const Expected& expected) {
    const auto result = decode_bytes(bytes, expected);
    return result ? "accepted" : std::string(counter_name(result.error()));
}

TEST(VrrpAh, ReadsWhatKeepalivedSends) {
    for (const auto& [hex, sequence] : {std::pair{kFirst, 1U}, {kFourth, 4U}}) {
        const auto result = decode_bytes(from_hex(hex), expect_ah());
        ASSERT_TRUE(result) << counter_name(result.error());
        EXPECT_EQ(result->advert.priority, 100);
        EXPECT_EQ(result->ah_sequence, sequence);
    }
}

TEST(VrrpAh, WritesByteForByteWhatKeepalivedSends) {
    const Advert advert{.version = 2,
                        .vrid = 51,
                        .priority = 100,
                        .interval = Seconds(1),
                        .auth = {},
                        .ah = true,
                        .addresses = kOne};
    const Bytes inner = encode(advert, ip("10.9.0.1"), ip("224.0.0.18"));
    EXPECT_EQ(add_ah(inner, make_auth_pass("secret12"), 1), from_hex(kFirst));
    EXPECT_EQ(add_ah(inner, make_auth_pass("secret12"), 4), from_hex(kFourth));
    // The kernel would put its own number where there is 0.
    EXPECT_EQ(add_ah(inner, make_auth_pass("secret12"), 0x10000)[5], 1);
}

TEST(VrrpAh, DropsWhatHasTheWrongKey) {
    Expected expected = expect_ah();
    expected.ah->key = make_auth_pass("secret13");
    EXPECT_EQ(outcome(from_hex(kFirst), expected), "ah_failure");
}

TEST(VrrpAh, DropsWhatIsReplayed) {
    EXPECT_EQ(outcome(from_hex(kFourth), expect_ah(3)), "accepted");
    EXPECT_EQ(outcome(from_hex(kFourth), expect_ah(4)), "ah_replay");
    EXPECT_EQ(outcome(from_hex(kFourth), expect_ah(1000)), "ah_replay");
    // After 2^32 adverts it begins anew.
    EXPECT_EQ(outcome(from_hex(kFourth), expect_ah(0xfffffff0)), "accepted");
}

TEST(VrrpAh, IsWantedWhereItIsConfiguredAndNowhereElse) {
    Raw plain;
    plain.auth_type = 2;
    plain.addresses = kOne;
    EXPECT_EQ(outcome(plain.bytes(), expect_ah()), "protocol");
    Expected without = expect_v2();
    EXPECT_EQ(outcome(from_hex(kFirst), without), "protocol");
}

TEST(VrrpAh, EveryBitIsCoveredOrTheKernels) {
    const Bytes whole = from_hex(kFirst);
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
        Bytes bytes = whole;
        bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1U << (bit % 8)));
        EXPECT_NE(outcome(bytes, expect_ah()), "accepted") << bit;
    }
}

TEST(VrrpAh, EveryPrefixIsRejected) {
    const Bytes whole = from_hex(kFirst);
    for (std::size_t n = 0; n < whole.size(); ++n) {
        Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
        EXPECT_NE(outcome(cut, expect_ah()), "accepted") << n;
        if (n < 20) continue;
        cut[3] = static_cast<std::uint8_t>(n);
        cut[10] = cut[11] = 0;
        const auto sum = checksum_finish(checksum_add(std::span(cut).first(20)));
        cut[10] = static_cast<std::uint8_t>(sum >> 8);
        cut[11] = static_cast<std::uint8_t>(sum & 0xff);
        EXPECT_EQ(outcome(cut, expect_ah()), n < 44 ? "ah_header" : "ah_failure") << n;
    }
}

TEST(VrrpAh, IsLookedAtAfterTheWayAndBeforeTheAdvert) {
    Expected elsewhere = expect_ah();
    elsewhere.group = ip("224.0.0.19");
    elsewhere.ah->key = make_auth_pass("other");
    EXPECT_EQ(outcome(from_hex(kFirst), elsewhere), "destination");
    Expected other = expect_ah();
    other.ah->key = make_auth_pass("other");
    other.vrid = 52;
    EXPECT_EQ(outcome(from_hex(kFirst), other), "ah_failure");
    Expected seen = expect_ah(9);
    seen.vrid = 52;
    EXPECT_EQ(outcome(from_hex(kFirst), seen), "ah_replay");
    Expected wrong = expect_ah();
    wrong.vrid = 52;
    EXPECT_EQ(outcome(from_hex(kFirst), wrong), "vrid");
}

TEST(VrrpAh, OwnReadsOwn) {
    Advert advert{.version = 2, .vrid = 51, .priority = 7, .interval = Seconds(1), .auth = {}};
    advert.ah = true;
    advert.addresses = kOne;
    const Bytes bytes = add_ah(
        encode(advert, ip("10.9.0.1"), ip("224.0.0.18")), make_auth_pass("secret12"), 0xdeadbeef);
    const auto result = decode_bytes(bytes, expect_ah(0xdeadbeee));
    ASSERT_TRUE(result) << counter_name(result.error());
    EXPECT_EQ(result->ah_sequence, 0xdeadbeefU);
    EXPECT_EQ(result->advert.priority, 7);
}

}  // namespace
}  // namespace vipd::vrrp::test
