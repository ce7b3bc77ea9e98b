// SPDX-License-Identifier: Apache-2.0
#include "vrrp/packet/advert.hpp"

#include "tests/unit/vrrp/packets.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <random>
#include <set>

namespace vipd::vrrp::test {
namespace {

using Expect = Expected;

std::string name_of(const tl::expected<Decoded, Reject>& result) {
    return result ? "accepted" : std::string(counter_name(result.error()));
}

const std::vector<IpAddress> kOne = {ip("10.9.0.100")};

struct Captured {
    std::string_view hex;
    Expect expected;
    Advert advert;
    IpAddress destination;
};

std::vector<Captured> captured() {
    Expect v2_none = expect_v2();
    v2_none.auth.reset();
    v2_none.addresses = kOne;
    Expect v3 = expect_v3();
    v3.addresses = kOne;
    const AuthPass pass = make_auth_pass("secret12");
    const IpAddress group = ip("224.0.0.18");
    return {{kV2Pass, expect_v2(), {2, 51, 100, Seconds(1), pass, false, kAddresses}, group},
            {kV2None, v2_none, {2, 51, 100, Seconds(1), {}, false, kOne}, group},
            {kV2Resign, v2_none, {2, 51, 0, Seconds(1), {}, false, kOne}, group},
            {kV3, v3, {3, 51, 100, Millis(100), {}, false, kOne}, group},
            {kV3Unicast, unicast(v3), {3, 51, 100, Millis(100), {}, false, kOne}, ip("10.9.0.2")}};
}

TEST(VrrpDecode, ReadsWhatKeepalivedSends) {
    for (const auto& one : captured()) {
        const auto result = decode_bytes(from_hex(one.hex), one.expected);
        ASSERT_TRUE(result) << one.hex << ": " << name_of(result);
        EXPECT_EQ(result->advert, one.advert);
        EXPECT_EQ(result->source, ip("10.9.0.1"));
        EXPECT_EQ(result->notes, Notes{});
    }
}

TEST(VrrpEncode, WritesByteForByteWhatKeepalivedSends) {
    for (const auto& one : captured()) {
        Bytes theirs = from_hex(one.hex);
        const Bytes ours = encode(one.advert, ip("10.9.0.1"), one.destination);
        // They number their datagrams; we leave that, and with it the header's checksum, to the
        // kernel.
        theirs[4] = theirs[5] = 0;
        theirs[10] = ours[10];
        theirs[11] = ours[11];
        EXPECT_EQ(ours, theirs) << one.hex;
        EXPECT_EQ(checksum_finish(checksum_add(std::span(ours).first(20))), 0);
    }
}

// --- the ladder of rejections ----------------------------------------------------------------

struct Fault {
    Reject reason;
    std::function<void(Raw&)> make;
};

const std::vector<Fault>& faults() {
    static const std::vector<Fault> kFaults = {
        {Reject::Truncated, [](Raw& r) { r.truncated = true; }},
        {Reject::IpHeader, [](Raw& r) { r.ip_version = 5; }},
        {Reject::IpLength, [](Raw& r) { r.total_length_error = 1; }},
        {Reject::IpChecksum, [](Raw& r) { r.ip_checksum_wrong = true; }},
        {Reject::Protocol, [](Raw& r) { r.protocol = 50; }},
        {Reject::Ttl, [](Raw& r) { r.ttl = 254; }},
        {Reject::Destination, [](Raw& r) { r.destination = ip("224.0.0.19"); }},
        {Reject::Source, [](Raw& r) { r.source = ip("224.0.0.1"); }},
        {Reject::OwnAddress, [](Raw& r) { r.source = ip("10.9.0.2"); }},
        {Reject::UnicastPeer, [](Raw& r) { r.source = ip("10.9.0.4"); }},
        {Reject::Length, [](Raw& r) { r.count_error = 1; }},
        {Reject::Version, [](Raw& r) { r.version = 4; }},
        {Reject::Type, [](Raw& r) { r.type = 2; }},
        {Reject::Vrid, [](Raw& r) { r.vrid = 52; }},
        {Reject::Checksum, [](Raw& r) { r.sum = Raw::Sum::Wrong; }},
        {Reject::AddressCount, [](Raw& r) { r.addresses.clear(); }},
        {Reject::IntervalZero, [](Raw& r) { r.interval = 0; }},
        {Reject::IntervalMismatch, [](Raw& r) { r.interval = 2; }},
        {Reject::AuthType, [](Raw& r) { r.auth_type = 0; }},
        {Reject::AuthFailure, [](Raw& r) { r.auth[7] ^= 1; }},
        {Reject::AddressList, [](Raw& r) { r.addresses[0] = ip("10.9.0.99"); }},
    };
    return kFaults;
}

bool possible(Reject reason, bool is_unicast, bool v3) {
    switch (reason) {
        case Reject::Ttl:
            return !is_unicast;
        case Reject::UnicastPeer:
            return is_unicast;
        case Reject::IntervalMismatch:
        case Reject::AuthType:
        case Reject::AuthFailure:
            return !v3;
        default:
            return true;
    }
}

Raw base(bool is_unicast, bool v3) {
    Raw raw;
    if (is_unicast) raw.destination = ip("10.9.0.2");
    if (v3) raw.version = 3, raw.interval = 10, raw.auth.clear();
    return raw;
}

// The two faults cannot stand in one packet, or one makes the other not be seen.
bool exclusive(Reject first, Reject second) {
    const std::set<Reject> sources = {Reject::Source, Reject::OwnAddress, Reject::UnicastPeer};
    const std::set<Reject> intervals = {Reject::IntervalZero, Reject::IntervalMismatch};
    const std::set<Reject> lists = {Reject::AddressCount, Reject::AddressList};
    return (sources.contains(first) && sources.contains(second)) ||
           (intervals.contains(first) && intervals.contains(second)) ||
           (lists.contains(first) && lists.contains(second)) ||
           // An unknown version has no length to be wrong.
           (first == Reject::Length && second == Reject::Version);
}

Reject reason_for(const Raw& raw, const Expect& expected) {
    const auto result = decode_bytes(raw.bytes(), expected, raw.truncated);
    EXPECT_FALSE(result);
    return result ? Reject::Truncated : result.error();
}

TEST(VrrpDecode, RejectsEachFaultUnderItsName) {
    std::set<Reject> reached;
    for (const bool v3 : {false, true}) {
        for (const bool is_unicast : {false, true}) {
            const Expect expected = is_unicast ? unicast(v3 ? expect_v3() : expect_v2())
                                    : v3       ? expect_v3()
                                               : expect_v2();
            const auto twin = decode_bytes(base(is_unicast, v3).bytes(), expected);
            ASSERT_TRUE(twin) << name_of(twin);
            for (const Fault& fault : faults()) {
                if (!possible(fault.reason, is_unicast, v3)) continue;
                Raw raw = base(is_unicast, v3);
                fault.make(raw);
                if (is_unicast && fault.reason == Reject::Destination)
                    raw.destination = ip("224.0.0.18");
                EXPECT_EQ(counter_name(reason_for(raw, expected)), counter_name(fault.reason));
                reached.insert(fault.reason);
            }
        }
    }
    // Those of AH are ah_test.cpp's, those of auth_hmac hmac_test.cpp's.
    EXPECT_EQ(reached.size() + 3 + 6, kRejects.size()) << "a reason that no vector reaches";
}

TEST(VrrpDecode, CountsTheEarlierOfTwoFaults) {
    int pairs = 0;
    for (const bool is_unicast : {false, true}) {
        const Expect expected = is_unicast ? unicast(expect_v2()) : expect_v2();
        for (std::size_t i = 0; i < faults().size(); ++i) {
            for (std::size_t k = i + 1; k < faults().size(); ++k) {
                const Fault& first = faults()[i];
                const Fault& second = faults()[k];
                if (!possible(first.reason, is_unicast, false) ||
                    !possible(second.reason, is_unicast, false) ||
                    exclusive(first.reason, second.reason) ||
                    (is_unicast && first.reason == Reject::Destination))
                    continue;
                Raw raw = base(is_unicast, false);
                first.make(raw);
                second.make(raw);
                if (first.reason == Reject::AddressCount) raw.addresses.clear();
                EXPECT_EQ(counter_name(reason_for(raw, expected)), counter_name(first.reason))
                    << "with " << counter_name(second.reason);
                ++pairs;
            }
        }
    }
    EXPECT_GT(pairs, 300);
}

TEST(VrrpDecode, NamesEachReasonOnce) {
    std::set<std::string_view> names;
    for (const Reject reason : kRejects) {
        names.insert(counter_name(reason));
        EXPECT_FALSE(explain(reason).empty());
    }
    EXPECT_EQ(names.size(), kRejects.size());
}

// --- every prefix, every bit -----------------------------------------------------------------

TEST(VrrpDecode, RejectsEveryPrefix) {
    for (const auto& one : captured()) {
        const Bytes whole = from_hex(one.hex);
        for (std::size_t n = 0; n < whole.size(); ++n) {
            const auto cut = std::span(whole).first(n);
            const auto result = decode_bytes(cut, one.expected);
            ASSERT_FALSE(result) << n;
            EXPECT_EQ(result.error(), n < 20 ? Reject::IpHeader : Reject::IpLength) << n;
            if (n < 20) continue;
            // The same with an IP header that tells the truth about it.
            Bytes honest(cut.begin(), cut.end());
            honest[2] = 0;
            honest[3] = static_cast<std::uint8_t>(n);
            honest[10] = honest[11] = 0;
            const auto sum = checksum_finish(checksum_add(std::span(honest).first(20)));
            honest[10] = static_cast<std::uint8_t>(sum >> 8);
            honest[11] = static_cast<std::uint8_t>(sum & 0xff);
            const auto shorter = decode_bytes(honest, one.expected);
            ASSERT_FALSE(shorter) << n;
            EXPECT_EQ(shorter.error(), Reject::Length) << n;
        }
    }
}

TEST(VrrpDecode, RejectsEverySingleBitFlip) {
    for (const auto& one : captured()) {
        const Bytes whole = from_hex(one.hex);
        for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
            Bytes flipped = whole;
            flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1U << (bit % 8)));
            const auto result = decode_bytes(flipped, one.expected);
            EXPECT_FALSE(result) << one.hex << " bit " << bit;
        }
    }
}

TEST(VrrpDecode, SurvivesRandomBytesAndMutations) {
    std::mt19937 random(4711);
    const auto vectors = captured();
    int accepted = 0;
    for (int i = 0; i < 200'000; ++i) {
        const auto& one = vectors[static_cast<std::size_t>(i) % vectors.size()];
        Bytes bytes = from_hex(one.hex);
        const unsigned edits = random() % 4;
        for (unsigned k = 0; k < edits; ++k)
            bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
        if (random() % 4 == 0) bytes.resize(random() % 1200);
        if (bytes.size() >= 20 && random() % 2 == 0) {  // else hardly any passes the first test
            bytes[10] = bytes[11] = 0;
            const std::size_t header =
                std::min<std::size_t>(std::size_t{bytes[0] & 15U} * 4, bytes.size());
            const auto sum = checksum_finish(checksum_add(std::span(bytes).first(header)));
            bytes[10] = static_cast<std::uint8_t>(sum >> 8);
            bytes[11] = static_cast<std::uint8_t>(sum & 0xff);
        }
        if (const auto result = decode_bytes(bytes, one.expected)) {
            ++accepted;
            EXPECT_EQ(result->advert.vrid, 51);
            EXPECT_GT(result->advert.interval, Nanos(0));
            EXPECT_FALSE(result->advert.addresses.empty());
        }
    }
    EXPECT_GT(accepted, 1000);
}

TEST(VrrpCodec, RoundTripsRandomAdverts) {
    std::mt19937 random(815);
    for (int i = 0; i < 5'000; ++i) {
        Advert advert;
        advert.version = static_cast<std::uint8_t>(2 + random() % 2);
        advert.vrid = static_cast<std::uint8_t>(1 + random() % 255);
        advert.priority = static_cast<std::uint8_t>(random());
        advert.interval = advert.version == 2 ? Nanos(Seconds(1 + random() % 255))
                                              : Nanos(Millis(10 * (1 + random() % 4095)));
        if (advert.version == 2 && random() % 2 == 0) {
            advert.auth.emplace();
            for (auto& byte : *advert.auth) byte = static_cast<std::uint8_t>(random());
        }
        for (auto n = 1 + random() % 255; n > 0; --n)
            advert.addresses.push_back(IpAddress::v4(static_cast<std::uint32_t>(random())));
        const Expect expected{.version = advert.version,
                              .vrid = advert.vrid,
                              .interval = advert.interval,
                              .auth = advert.auth,
                              .own = ip("10.9.0.2"),
                              .group = ip("224.0.0.18"),
                              .peers = {},
                              .addresses = advert.addresses};
        const auto bytes = encode(advert, ip("10.9.0.1"), expected.group);
        ASSERT_LE(bytes.size(), kMaxAdvert);
        const auto result = decode_bytes(bytes, expected);
        ASSERT_TRUE(result) << name_of(result);
        EXPECT_EQ(result->advert, advert);
        EXPECT_EQ(result->notes, Notes{});
    }
}

// --- rule by rule where the ladder does not reach --------------------------------------------

TEST(VrrpDecode, SkipsIpOptionsAndToleratesPadding) {
    Raw raw;
    raw.options = 4;
    raw.padding = 6;
    EXPECT_TRUE(decode_bytes(raw.bytes(), expect_v2()));
    raw.options = 40;
    EXPECT_TRUE(decode_bytes(raw.bytes(), expect_v2()));
}

TEST(VrrpDecode, RejectsHeaderLengthsThatLie) {
    Bytes bytes = Raw{}.bytes();
    bytes[0] = 0x44;
    EXPECT_EQ(open_envelope(bytes, false).error(), Reject::IpHeader);
    bytes[0] = 0x4f;  // 60 bytes of header in 44
    EXPECT_EQ(open_envelope(bytes, false).error(), Reject::IpHeader);
}

TEST(VrrpDecode, TakesUnicastWithAnyTtlButFromPeersOnly) {
    Raw raw = base(true, false);
    raw.ttl = 3;
    EXPECT_TRUE(decode_bytes(raw.bytes(), unicast(expect_v2())));
    raw.source = ip("10.9.0.3");
    EXPECT_TRUE(decode_bytes(raw.bytes(), unicast(expect_v2())));
}

TEST(VrrpDecode, RejectsImpossibleSources) {
    for (const char* source : {"0.0.0.0", "255.255.255.255", "239.1.2.3"}) {
        Raw raw;
        raw.source = ip(source);
        EXPECT_EQ(reason_for(raw, expect_v2()), Reject::Source) << source;
    }
}

TEST(VrrpDecode, AcceptsBothChecksumFormsOfVersion3) {
    Raw raw = base(false, true);
    raw.sum = Raw::Sum::Message;
    const auto result = decode_bytes(raw.bytes(), expect_v3());
    ASSERT_TRUE(result);
    EXPECT_TRUE(result->notes.checksum_form_differs);
}

TEST(VrrpDecode, RejectsVersion3WithAuthenticationDataByItsLength) {
    const Raw raw = base(false, true);
    Bytes bytes = raw.bytes();
    bytes.insert(bytes.end(), 8, 0);
    bytes[3] = static_cast<std::uint8_t>(bytes.size());
    bytes[10] = bytes[11] = 0;
    const auto sum = checksum_finish(checksum_add(std::span(bytes).first(20)));
    bytes[10] = static_cast<std::uint8_t>(sum >> 8);
    bytes[11] = static_cast<std::uint8_t>(sum & 0xff);
    EXPECT_EQ(decode_bytes(bytes, expect_v3()).error(), Reject::Length);
}

TEST(VrrpDecode, TakesEveryVersion3IntervalButZero) {
    for (const int raw_interval : {1, 10, 4095, 0xf001, 0xffff}) {
        Raw raw = base(false, true);
        raw.interval = static_cast<std::uint16_t>(raw_interval);
        const auto result = decode_bytes(raw.bytes(), expect_v3());
        ASSERT_TRUE(result) << raw_interval;
        EXPECT_EQ(result->advert.interval, Millis(10) * (raw_interval & 0xfff));
        EXPECT_EQ(result->notes.interval_differs, (raw_interval & 0xfff) != 10);
    }
    Raw raw = base(false, true);
    raw.interval = 0xf000;  // the reserved bits do not make it less zero
    EXPECT_EQ(reason_for(raw, expect_v3()), Reject::IntervalZero);
}

TEST(VrrpDecode, ComparesAllEightBytesOfThePassword) {
    for (std::size_t i = 0; i < 8; ++i) {
        Raw raw;
        raw.auth[i] ^= 0x80;
        EXPECT_EQ(reason_for(raw, expect_v2()), Reject::AuthFailure) << i;
    }
    Expect expected = expect_v2();
    expected.auth = make_auth_pass("secret12 and what follows does not count");
    EXPECT_TRUE(decode_bytes(Raw{}.bytes(), expected));
    expected.auth = make_auth_pass("secret1");
    EXPECT_EQ(reason_for(Raw{}, expected), Reject::AuthFailure);
}

TEST(VrrpDecode, WantsTheConfiguredAuthenticationType) {
    Expect none = expect_v2();
    none.auth.reset();
    EXPECT_EQ(reason_for(Raw{}, none), Reject::AuthType);
    for (const int type : {0, 2, 3, 255}) {
        Raw raw;
        raw.auth_type = static_cast<std::uint8_t>(type);
        EXPECT_EQ(reason_for(raw, expect_v2()), Reject::AuthType) << type;
    }
}

TEST(VrrpDecode, TreatsTheAddressListAsASet) {
    Raw swapped;
    std::swap(swapped.addresses[0], swapped.addresses[1]);
    EXPECT_TRUE(decode_bytes(swapped.bytes(), expect_v2()));
    Raw twice;
    twice.addresses[1] = twice.addresses[0];
    EXPECT_EQ(reason_for(twice, expect_v2()), Reject::AddressList);
    Raw subset;
    subset.addresses.pop_back();
    EXPECT_EQ(reason_for(subset, expect_v2()), Reject::AddressList);
    // RFC 3768, 7.1: an owner's differing list does not make its advert void.
    subset.priority = 255;
    EXPECT_TRUE(decode_bytes(subset.bytes(), expect_v2()));

    Expect lenient = expect_v2();
    lenient.address_check = Expect::AddressCheck::Note;
    const auto noted = decode_bytes(twice.bytes(), lenient);
    ASSERT_TRUE(noted);
    EXPECT_TRUE(noted->notes.address_list_differs);
    lenient.address_check = Expect::AddressCheck::Skip;
    EXPECT_FALSE(decode_bytes(twice.bytes(), lenient)->notes.address_list_differs);
}

TEST(VrrpEncode, NeverSendsAnIntervalOfZero) {
    Advert advert{2, 51, 100, Millis(10), {}, false, kOne};
    EXPECT_EQ(encode(advert, ip("10.9.0.1"), ip("224.0.0.18"))[25], 1);
    advert.version = 3;
    advert.interval = Millis(1);
    EXPECT_EQ(encode(advert, ip("10.9.0.1"), ip("224.0.0.18"))[25], 1);
    advert.interval = Seconds(100);
    const auto bytes = encode(advert, ip("10.9.0.1"), ip("224.0.0.18"));
    EXPECT_EQ((bytes[24] << 8) | bytes[25], 4095);
}

/// Sent by keepalived 2.2.7 with old_unicast_checksum.
constexpr std::string_view kOldUnicast =
    "45c0002000050000ff70a6940a0900010a09000231336401000a75bb0a090064";

TEST(VrrpOldChecksumPacket, IsReadAndWrittenAsKeepalivedSendsIt) {
    Expected expected = unicast(expect_v3());
    expected.addresses = kOne;
    EXPECT_EQ(decode_bytes(from_hex(kOldUnicast), expected).error(), Reject::Checksum);
    expected.checksum_group = ip("224.0.0.18");
    const auto result = decode_bytes(from_hex(kOldUnicast), expected);
    ASSERT_TRUE(result) << counter_name(result.error());
    EXPECT_TRUE(result->notes.old_checksum);
    EXPECT_FALSE(decode_bytes(from_hex(kV3Unicast), expected)->notes.old_checksum);
    Advert advert = result->advert;
    advert.checksum_group = ip("224.0.0.18");
    const Bytes theirs = from_hex(kOldUnicast);
    const Bytes ours = encode(advert, ip("10.9.0.1"), ip("10.9.0.2"));
    EXPECT_EQ(Bytes(ours.begin() + 20, ours.end()), Bytes(theirs.begin() + 20, theirs.end()));
}

}  // namespace
}  // namespace vipd::vrrp::test
