// SPDX-License-Identifier: Apache-2.0
#include "vrrp/bfd/packet.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

namespace vipd::bfd {
namespace {

ControlPacket sample() {
    return {.diagnostic = Diagnostic::NeighbourSignaledDown,
            .state = State::Init,
            .poll = true,
            .detect_multiplier = 3,
            .mine = 0x01020304,
            .yours = 0xa1a2a3a4,
            .desired_min_tx = Millis(10),
            .required_min_rx = Micros(1),
            .required_min_echo_rx = Nanos(0)};
}

constexpr std::array<std::uint8_t, 24> kSample = {0x23, 0xa0, 3,    24,   0x01, 0x02, 0x03, 0x04,
                                                  0xa1, 0xa2, 0xa3, 0xa4, 0,    0,    0x27, 0x10,
                                                  0,    0,    0,    1,    0,    0,    0,    0};

TEST(BfdPacket, IsTheRfcsLayout) {
    EXPECT_EQ(encode(sample()), kSample);
    const auto read = decode(kSample);
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, sample());
}

TEST(BfdPacket, RoundTripsEveryFlagAndState) {
    for (unsigned bits = 0; bits < 64; ++bits) {
        ControlPacket packet = sample();
        packet.state = static_cast<State>(bits & 3U);
        packet.poll = (bits & 4U) != 0;
        packet.final = (bits & 8U) != 0;
        packet.control_plane_independent = (bits & 16U) != 0;
        packet.demand = (bits & 32U) != 0;
        const auto read = decode(encode(packet));
        ASSERT_TRUE(read) << bits;
        EXPECT_EQ(*read, packet);
    }
}

std::string reason(std::vector<std::uint8_t> bytes) {
    const auto read = decode(bytes);
    return read ? "accepted" : std::string(counter_name(read.error()));
}

template <class Change>
std::string changed(Change change) {
    std::vector<std::uint8_t> bytes(kSample.begin(), kSample.end());
    change(bytes);
    return reason(bytes);
}

// RFC 5880, 6.8.6.
TEST(BfdPacket, DropsWhatTheRfcWantsDropped) {
    EXPECT_EQ(changed([](auto& b) { b[0] = 0x03; }), "version");
    EXPECT_EQ(changed([](auto& b) { b[0] = 0x43; }), "version");
    EXPECT_EQ(changed([](auto& b) { b[3] = 23; }), "length");
    EXPECT_EQ(changed([](auto& b) { b[3] = 25; }), "length");
    EXPECT_EQ(changed([](auto& b) { b[2] = 0; }), "detect_multiplier");
    EXPECT_EQ(changed([](auto& b) { b[1] |= 1; }), "multipoint");
    EXPECT_EQ(changed([](auto& b) { b[4] = b[5] = b[6] = b[7] = 0; }), "my_discriminator");
    EXPECT_EQ(changed([](auto& b) { b[8] = b[9] = b[10] = b[11] = 0; }), "your_discriminator");
    EXPECT_EQ(changed([](auto& b) { b[1] |= 4; }), "length") << "without room for it";
    EXPECT_EQ(changed([](auto& b) {
                  b[1] |= 4;
                  b[3] = 26;
                  b.resize(26);
              }),
              "authentication");
}

TEST(BfdPacket, TakesAZeroDiscriminatorOfANeighbourThatIsDown) {
    for (const unsigned state : {0U, 1U}) {
        EXPECT_EQ(changed([&](auto& b) {
                      b[1] = static_cast<std::uint8_t>(state << 6);
                      b[8] = b[9] = b[10] = b[11] = 0;
                  }),
                  "accepted");
    }
}

TEST(BfdPacket, ToleratesBytesBehindItsLength) {
    EXPECT_EQ(changed([](auto& b) { b.resize(60); }), "accepted");
}

TEST(BfdPacket, DropsEveryPrefix) {
    for (std::size_t n = 0; n < kSample.size(); ++n)
        EXPECT_EQ(reason({kSample.begin(), kSample.begin() + static_cast<std::ptrdiff_t>(n)}),
                  "truncated");
}

TEST(BfdPacket, SurvivesRandomBytes) {
    std::mt19937 random(5880);
    int accepted = 0;
    for (int i = 0; i < 100'000; ++i) {
        std::vector<std::uint8_t> bytes(kSample.begin(), kSample.end());
        for (auto k = random() % 5; k > 0; --k)
            bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
        if (random() % 4 == 0) bytes.resize(random() % 64);
        if (const auto read = decode(bytes)) {
            ++accepted;
            EXPECT_NE(read->mine, 0U);
            EXPECT_NE(read->detect_multiplier, 0);
        }
    }
    EXPECT_GT(accepted, 1000);
}

TEST(BfdPacket, NamesEachReasonOnce) {
    std::set<std::string_view> names;
    for (const Reject one : kRejects) names.insert(counter_name(one));
    EXPECT_EQ(names.size(), kRejects.size());
}

}  // namespace
}  // namespace vipd::bfd
