// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/sync/support.hpp"

#include <random>
#include <set>

namespace vipd::sync {
namespace {

using namespace testing;

Flow example_flow() {
    Flow flow;
    flow.protocol = Protocol::Tcp;
    flow.client = {*IpAddress::parse("192.168.1.2"), 40000};
    flow.vip = {*IpAddress::parse("10.0.0.1"), 80};
    flow.real = {*IpAddress::parse("10.0.1.3"), 8080};
    flow.state = FlowState::Established;
    flow.idle = Millis(1500);
    return flow;
}

std::vector<Record> one_of_each() {
    Flow gone = example_flow();
    gone.state = FlowState::None;
    Flow v6 = flow_of(7);
    Flow mixed = v6;
    mixed.real = kReal;
    Flow mixed_back = example_flow();
    mixed_back.real = kReal6;
    mixed_back.protocol = Protocol::Sctp;
    mixed_back.is_template = true;
    return {Hello{3, 0x01020304, 0x1122334455667788, 0x99aabbccddeeff00, "dir-a"},
            DigestsPart{true, false, 77, {{{kVip, Protocol::Tcp}, 1}, {{kVip6, Protocol::Udp}, 2}}},
            DigestsPart{false, true, 77, {}},
            SnapshotBegin{9},
            Flows{Kind::SnapshotFlows, {example_flow(), v6, mixed, mixed_back}},
            Flows{Kind::Changed, {v6}},
            Flows{Kind::Removed, {gone}},
            SnapshotEnd{9, 4},
            Keepalive{123},
            Echo{123, 456, 9}};
}

TEST(SyncWire, WritesAnIpv4FlowIn26Bytes) {
    EXPECT_EQ(to_hex(encode(Flows{Kind::Changed, {example_flow()}})),
              "060001"
              "00060200000005dc"
              "c0a801029c40"
              "0a0000010050"
              "0a0001031f90");
}

TEST(SyncWire, WritesAnIpv6FlowIn62Bytes) {
    const std::string text = encode(Flows{Kind::SnapshotFlows, {flow_of(7)}});
    EXPECT_EQ(text.size(), 3U + 62U);
    EXPECT_EQ(to_hex(text),
              "040001"
              "0306020000000007"
              "20010db8ff00000000000000000000070407"
              "20010db800000000000000000000000101bb"
              "20010db800010000000000000000000101bb");
}

TEST(SyncWire, WritesHelloAndPreambleAsWrittenDown) {
    EXPECT_EQ(to_hex(encode(Hello{1, 2, 3, 4, "ab"})),
              "01"
              "0001"
              "00000002"
              "0000000000000003"
              "0000000000000004"
              "026162");
    EXPECT_EQ(to_hex(text_of(encode_preamble(Role::Receiver, nonce_of(0)))),
              "5653594e01020000"
              "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
}

TEST(SyncWire, ReadsBackWhatItWrites) {
    for (const auto& record : one_of_each()) {
        const auto read = decode(bytes_of(encode(record)));
        ASSERT_TRUE(read) << record.index();
        EXPECT_TRUE(*read == record) << record.index();
    }
}

TEST(SyncWire, RefusesEveryTruncationAndEverySurplusByte) {
    for (const auto& record : one_of_each()) {
        const std::string text = encode(record);
        for (std::size_t size = 0; size < text.size(); ++size)
            EXPECT_FALSE(decode(bytes_of(text.substr(0, size)))) << record.index() << ":" << size;
        EXPECT_FALSE(decode(bytes_of(text + '\0'))) << record.index();
    }
}

TEST(SyncWire, NeverTakesAFlippedBitForTheSame) {
    for (const auto& record : one_of_each()) {
        const std::string text = encode(record);
        for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
            std::string flipped = text;
            flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
            const auto read = decode(bytes_of(flipped));
            // What still decodes must say exactly what the bytes say.
            if (read) {
                EXPECT_EQ(to_hex(encode(*read)), to_hex(flipped));
            }
        }
    }
}

TEST(SyncWire, RefusesValuesOutOfRange) {
    const std::string flow = encode(Flows{Kind::Changed, {example_flow()}});
    const auto with = [&](std::size_t at, int value) {
        std::string text = flow;
        text[at] = static_cast<char>(value);
        return decode(bytes_of(text)).has_value();
    };
    EXPECT_TRUE(with(5, 3));
    EXPECT_FALSE(with(0, 0));  // kinds that are none
    EXPECT_FALSE(with(0, 10));
    EXPECT_FALSE(with(3, 4));                            // families
    EXPECT_FALSE(with(4, 1));                            // ICMP
    EXPECT_FALSE(with(5, 7));                            // a state past the last
    EXPECT_FALSE(with(5, 0));                            // None is for removed flows
    EXPECT_FALSE(with(6, 2));                            // an unknown flag
    EXPECT_FALSE(with(0, 7));                            // removed, but established
    EXPECT_FALSE(decode(bytes_of(from_hex("060000"))));  // no flow at all
    EXPECT_FALSE(decode(bytes_of(encode(Hello{0, 0, 0, 0, ""}))));
    EXPECT_FALSE(decode(bytes_of(encode(Hello{0, 0, 0, 0, std::string(65, 'x')}))));
    EXPECT_FALSE(decode(bytes_of(std::string(kMaxPlain + 1, '\x06'))));
}

TEST(SyncWire, SurvivesRandomBytes) {
    std::mt19937 random(6);
    for (int i = 0; i < 200'000; ++i) {
        std::string text(random() % 100, '\0');
        for (auto& c : text) c = static_cast<char>(random() & 0xff);
        if (!text.empty()) text[0] = static_cast<char>(random() % 11);
        if (const auto read = decode(bytes_of(text))) {
            EXPECT_EQ(encode(*read), text);
        }
    }
}

TEST(SyncWire, ClampsIdleTimesToTheField) {
    Flow flow = example_flow();
    flow.idle = std::chrono::hours(24 * 365);
    const auto read = decode(bytes_of(encode(Flows{Kind::Changed, {flow}})));
    EXPECT_EQ(std::get<Flows>(*read).flows[0].idle, Millis(0xffffffff));
    flow.idle = Millis(-5);
    const auto early = decode(bytes_of(encode(Flows{Kind::Changed, {flow}})));
    EXPECT_EQ(std::get<Flows>(*early).flows[0].idle, Millis(0));
}

TEST(SyncWire, BatchHoldsNoMoreThanARecordMay) {
    for (const std::uint32_t step : {1U, 7U}) {
        FlowBatch batch(Kind::Changed);
        std::uint32_t added = 0;
        while (batch.add(flow_of(added * step))) ++added;
        EXPECT_EQ(batch.count(), added);
        const std::string plain = batch.take();
        EXPECT_LE(plain.size(), kMaxPlain);
        EXPECT_GT(plain.size(), kMaxPlain - 62);
        const auto read = decode(bytes_of(plain));
        ASSERT_TRUE(read);
        EXPECT_EQ(std::get<Flows>(*read).flows.size(), added);
        EXPECT_EQ(batch.count(), 0U);
    }
}

TEST(SyncWire, SplitsDigestsIntoRecordsThatFit) {
    Digests digests;
    digests.config = 5;
    for (std::uint16_t i = 0; i < 1500; ++i)
        digests.rings[{{kVip6.address, i}, Protocol::Tcp}] = i * 3U;
    std::map<ServiceKey, std::uint64_t> together;
    const auto parts = split_digests(digests);
    for (std::size_t i = 0; i < parts.size(); ++i) {
        EXPECT_EQ(parts[i].first, i == 0);
        EXPECT_EQ(parts[i].last, i + 1 == parts.size());
        EXPECT_LE(encode(parts[i]).size(), kMaxPlain);
        together.insert(parts[i].rings.begin(), parts[i].rings.end());
    }
    EXPECT_EQ(together, digests.rings);
    EXPECT_EQ(split_digests({}).size(), 1U);
}

TEST(SyncWire, KnowsWhichFlowsCannotBeWrittenDown) {
    EXPECT_TRUE(can_travel(flow_of(1)));
    EXPECT_TRUE(can_travel(flow_of(7)));
    Flow flow = flow_of(1);
    flow.vip = kVip6;
    EXPECT_FALSE(can_travel(flow));
    EXPECT_FALSE(can_travel(Flow{}));
}

TEST(SyncCounters, HaveNamesThatTellThemApart) {
    EXPECT_EQ(std::set<std::string_view>(kRejectNames.begin(), kRejectNames.end()).size(),
              kRejects);
    EXPECT_EQ(name_of(Reject::Forged), "forged");
    EXPECT_EQ(name_of(Reject::KeyUsedUp), "key_used_up");
}

}  // namespace
}  // namespace vipd::sync
