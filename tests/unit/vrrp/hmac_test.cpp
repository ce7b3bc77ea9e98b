// SPDX-License-Identifier: Apache-2.0
// HMAC-SHA256 by its RFC's vectors; the trailer by the draft's, and whatever may be wrong with it,
// in each mode, version and family.
#include "vrrp/packet/hmac.hpp"

#include "tests/unit/vrrp/packets.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <set>

namespace vipd::vrrp::test {
namespace {

using Mode = HmacSettings::Mode;

Bytes bytes_of(std::string_view text) {
    return {text.begin(), text.end()};
}

HmacKey key(std::uint8_t id, const Bytes& secret) {
    return {id, secret};
}

/// The draft's: 00 01 .. 1f.
Bytes draft_secret() {
    Bytes secret(32);
    for (std::size_t i = 0; i < secret.size(); ++i) secret[i] = static_cast<std::uint8_t>(i);
    return secret;
}

HmacSettings settings(Mode mode = Mode::Enforce) {
    return {.keys = {key(1, draft_secret()), key(2, Bytes(64, 7))},
            .active = 1,
            .window = 5,
            .monotonic = false,
            .mode = mode};
}

constexpr std::uint32_t kSeconds = 0x68000000;
constexpr std::uint64_t kSequence = std::uint64_t{kSeconds} << 32 | 0x8000'0000;
constexpr Nanos kNow = Seconds(kSeconds) + Millis(600);

Bytes digest(const HmacKey& with, std::string_view text) {
    const Bytes bytes = bytes_of(text);
    const std::array<std::span<const std::uint8_t>, 2> parts = {std::span(bytes).first(1),
                                                                std::span(bytes).subspan(1)};
    const auto value = with.digest(parts);
    return {value.begin(), value.end()};
}

// RFC 4231, 4.2, 4.3 and 4.7.
TEST(VrrpHmac, KnowsTheRfcsVectors) {
    EXPECT_EQ(digest(key(1, Bytes(20, 0x0b)), "Hi There"),
              from_hex("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"));
    EXPECT_EQ(digest(key(1, bytes_of("Jefe")), "what do ya want for nothing?"),
              from_hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
    EXPECT_EQ(
        digest(key(1, Bytes(131, 0xaa)), "Test Using Larger Than Block-Size Key - Hash Key First"),
        from_hex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
}

/// A whole datagram around the draft's advert, priority 200, VRID 51.
Bytes around(std::string_view payload, const char* source, const char* destination) {
    const IpAddress from = ip(source);
    const IpAddress to = ip(destination);
    const Bytes body = from_hex(payload);
    Bytes out(from.is_v4() ? 20 : 40);
    if (from.is_v4()) {
        out[0] = 0x45;
        out[3] = static_cast<std::uint8_t>(20 + body.size());
        out[8] = 255;
        out[9] = 112;
    } else {
        out[0] = 0x60;
        out[5] = static_cast<std::uint8_t>(body.size());
        out[6] = 112;
        out[7] = 255;
    }
    const std::size_t at = from.is_v4() ? 12 : 8;
    std::ranges::copy(from.bytes(), out.begin() + static_cast<std::ptrdiff_t>(at));
    std::ranges::copy(to.bytes(),
                      out.begin() + static_cast<std::ptrdiff_t>(at + from.bytes().size()));
    if (from.is_v4()) {
        const auto sum = checksum_finish(checksum_add(out));
        out[10] = static_cast<std::uint8_t>(sum >> 8);
        out[11] = static_cast<std::uint8_t>(sum & 0xff);
    }
    out.insert(out.end(), body.begin(), body.end());
    return out;
}

// The images of the draft's appendix.
constexpr std::string_view kDraft4 =
    "3133c80100644402c0000264"
    "010100006800000080000000"
    "1b84bc4e8e43892dc6d98448f8ee2265";
constexpr std::string_view kDraft6 =
    "3133c8010064a2e9"
    "fe800000000000000000000000000100"
    "010100006800000080000000"
    "c8c56146ebfd66ee10ec4d8186461b78";

struct Draft {
    Bytes bytes;
    Expected expected;
    Advert advert;
    IpAddress source, destination;
};

const HmacSettings kSettings = settings();
const std::vector<UnicastPeer> kDraftPeers = {{ip("198.51.100.10")}, {ip("fe80::10")}};
const std::vector<IpAddress> kDraftList4 = {ip("192.0.2.100")};
const std::vector<IpAddress> kDraftList6 = {ip("fe80::100")};

Draft draft(bool v6) {
    Draft one{.bytes = v6 ? around(kDraft6, "fe80::10", "fe80::20")
                          : around(kDraft4, "198.51.100.10", "198.51.100.20"),
              .expected = {.version = 3,
                           .vrid = 51,
                           .interval = Seconds(1),
                           .auth = {},
                           .own = ip(v6 ? "fe80::20" : "198.51.100.20"),
                           .group = {},
                           .peers = kDraftPeers,
                           .addresses = v6 ? kDraftList6 : kDraftList4,
                           .plain_checksum = true,
                           .hmac = HmacExpected{&kSettings, nullptr, kNow}},
              .advert = {.version = 3,
                         .vrid = 51,
                         .priority = 200,
                         .interval = Seconds(1),
                         .auth = {},
                         .addresses = v6 ? kDraftList6 : kDraftList4,
                         .plain_checksum = true},
              .source = ip(v6 ? "fe80::10" : "198.51.100.10"),
              .destination = ip(v6 ? "fe80::20" : "198.51.100.20")};
    return one;
}

std::string outcome(const Bytes& bytes, const Expected& expected) {
    const auto result = decode_bytes(bytes, expected);
    return result ? "accepted" : std::string(counter_name(result.error()));
}

TEST(VrrpHmac, ReadsTheImagesOfTheDraft) {
    for (const bool v6 : {false, true}) {
        const Draft one = draft(v6);
        const auto result = decode_bytes(one.bytes, one.expected);
        ASSERT_TRUE(result) << counter_name(result.error());
        EXPECT_EQ(result->advert.priority, 200);
        ASSERT_TRUE(result->hmac);
        EXPECT_EQ(result->hmac->sequence, kSequence);
        EXPECT_EQ(result->hmac->key, 1);
        EXPECT_EQ(result->notes.hmac_clock_skew, false);
        EXPECT_EQ(result->notes.checksum_form_differs, v6);  // plain_checksum is IPv4's
    }
}

TEST(VrrpHmac, WritesTheImagesOfTheDraft) {
    for (const bool v6 : {false, true}) {
        const Draft one = draft(v6);
        Bytes ours = encode(one.advert, one.source, one.destination);
        add_hmac(ours, *kSettings.find(1), kSequence);
        const std::size_t front = v6 ? 40 : 20;
        EXPECT_EQ(Bytes(ours.begin() + static_cast<std::ptrdiff_t>(front), ours.end()),
                  from_hex(v6 ? kDraft6 : kDraft4));
        EXPECT_EQ(outcome(ours, one.expected), "accepted");
    }
}

/// An advert of each version and family, without a trailer, from 10.9.0.1 or fe80::1.
struct Kind {
    std::string name;
    Raw raw;
    Expected expected;
};
std::vector<Kind> kinds() {
    Raw v2;
    v2.auth_type = 0;
    v2.auth.assign(8, 0);
    Expected expect2 = expect_v2();
    expect2.auth.reset();
    Raw v3;
    v3.version = 3;
    v3.interval = 10;
    v3.auth.clear();
    Raw plain = v3;
    plain.sum = Raw::Sum::Message;
    return {{"v2", v2, expect2},
            {"v3", v3, expect_v3()},
            {"v3, checksum without pseudo header", plain, expect_v3()},
            {"v6", raw_v6(), expect_v6()}};
}

Expected with_hmac(Expected expected,
                   const HmacSettings& by,
                   const HmacReplay* replay = nullptr,
                   Nanos time = kNow) {
    expected.hmac = HmacExpected{&by, replay, time};
    return expected;
}

Bytes signed_by(const HmacKey& with, const Raw& raw, std::uint64_t sequence = kSequence) {
    Bytes bytes = raw.bytes();
    add_hmac(bytes, with, sequence);
    return bytes;
}

TEST(VrrpHmac, IsReadInEveryVersionAndFamily) {
    for (const Kind& kind : kinds()) {
        const Bytes bytes = signed_by(kSettings.keys[0], kind.raw);
        EXPECT_EQ(outcome(bytes, with_hmac(kind.expected, kSettings)), "accepted") << kind.name;
        // Rotation: any of our keys, whichever we send.
        const Bytes other = signed_by(kSettings.keys[1], kind.raw);
        EXPECT_EQ(outcome(other, with_hmac(kind.expected, kSettings)), "accepted") << kind.name;
        // Who has no auth_hmac knows no trailer: by its length, not by a checksum.
        EXPECT_EQ(outcome(bytes, kind.expected), "length") << kind.name;
    }
}

TEST(VrrpHmac, MissingIsForTheModeToDecide) {
    for (const Kind& kind : kinds()) {
        for (const Mode mode : {Mode::Enforce, Mode::Permissive, Mode::ReceiveOnly}) {
            const HmacSettings by = settings(mode);
            const auto result = decode_bytes(kind.raw.bytes(), with_hmac(kind.expected, by));
            EXPECT_EQ(result.has_value(), mode != Mode::Enforce) << kind.name;
            if (result) {
                EXPECT_TRUE(result->notes.hmac_missing);
                EXPECT_FALSE(result->hmac);
            } else {
                EXPECT_EQ(result.error(), Reject::HmacMissing);
            }
            // One that is there has to be right in every mode.
            const Bytes wrong = signed_by(key(1, Bytes(32, 9)), kind.raw);
            EXPECT_EQ(outcome(wrong, with_hmac(kind.expected, by)), "hmac_failure");
        }
    }
}

struct Fault {
    Reject reason;
    std::function<void(HmacSettings&, HmacReplay&, Nanos&, Bytes&)> make;
};

// In the order of the list. Those that change the datagram change the trailer alone.
const std::vector<Fault>& faults() {
    static const std::vector<Fault> kFaults = {
        {Reject::HmacMalformed,
         [](auto&, auto&, auto&, Bytes& bytes) { bytes[bytes.size() - 28] = 2; }},
        {Reject::HmacStale, [](auto&, auto&, Nanos& time, auto&) { time += Seconds(6); }},
        {Reject::HmacUnknownKey,
         [](HmacSettings& by, auto&, auto&, auto&) { by.keys.erase(by.keys.begin()); }},
        {Reject::HmacFailure, [](auto&, auto&, auto&, Bytes& bytes) { bytes.back() ^= 1; }},
        {Reject::HmacReplay,
         [](auto&, HmacReplay& replay, auto&, auto&) { replay.take(ip("10.9.0.1"), kSequence); }},
    };
    return kFaults;
}

std::string outcome_with(const std::vector<const Fault*>& all, const Kind& kind) {
    HmacSettings by = settings();
    HmacReplay replay;
    Nanos time = kNow;
    Bytes bytes = signed_by(by.keys[0], kind.raw);
    for (const Fault* fault : all) fault->make(by, replay, time, bytes);
    if (kind.raw.source.is_v6()) replay.take(kind.raw.source, kSequence);
    return outcome(bytes, with_hmac(kind.expected, by, &replay, time));
}

TEST(VrrpHmac, RejectsEachFaultUnderItsNameAndTwoUnderTheEarlier) {
    // Of IPv6 the checksum covers the trailer, so that a changed one does not get so far.
    for (std::size_t at = 0; at < 3; ++at) {
        const Kind kind = kinds()[at];
        EXPECT_EQ(outcome_with({}, kind), "accepted");
        for (std::size_t i = 0; i < faults().size(); ++i) {
            const Fault& first = faults()[i];
            EXPECT_EQ(outcome_with({&first}, kind), counter_name(first.reason)) << kind.name;
            for (std::size_t k = i + 1; k < faults().size(); ++k)
                EXPECT_EQ(outcome_with({&first, &faults()[k]}, kind), counter_name(first.reason))
                    << kind.name << " with " << counter_name(faults()[k].reason);
        }
    }
    EXPECT_EQ(outcome_with({}, kinds()[3]), "hmac_replay");
}

// After the authentication type of version 2 and the interval, before the list of addresses.
TEST(VrrpHmac, StandsBetweenAuthenticationAndAddresses) {
    Kind kind = kinds()[0];
    const Expected by = with_hmac(kind.expected, kSettings);
    kind.raw.auth_type = 1;
    EXPECT_EQ(outcome(kind.raw.bytes(), by), "auth_type");
    kind.raw.auth_type = 0;
    kind.raw.interval = 2;
    EXPECT_EQ(outcome(kind.raw.bytes(), by), "interval_mismatch");
    kind.raw.interval = 1;
    kind.raw.addresses[0] = ip("10.9.0.99");
    EXPECT_EQ(outcome(kind.raw.bytes(), by), "hmac_missing");
    Bytes wrong = signed_by(kSettings.keys[0], kind.raw);
    EXPECT_EQ(outcome(wrong, by), "address_list");
    wrong.back() ^= 1;
    EXPECT_EQ(outcome(wrong, by), "hmac_failure");
    HmacReplay seen;
    seen.take(ip("10.9.0.1"), kSequence);
    EXPECT_EQ(outcome(signed_by(kSettings.keys[0], kind.raw), with_hmac(by, kSettings, &seen)),
              "hmac_replay");
}

TEST(VrrpHmac, TheSenderAndItsRouterAreCovered) {
    for (const Kind& kind : kinds()) {
        const Bytes whole = signed_by(kSettings.keys[0], kind.raw);
        const Expected by = with_hmac(kind.expected, kSettings);
        for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
            Bytes bytes = whole;
            bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1U << (bit % 8)));
            const bool header = bit / 8 < 8 && kind.raw.source.is_v6();
            if (header) continue;
            EXPECT_NE(outcome(bytes, by), "accepted") << kind.name << " bit " << bit;
        }
        // Another sender's, its checksums right.
        Raw other = kind.raw;
        other.source = ip(kind.raw.source.is_v6() ? "fe80::3" : "10.9.0.3");
        Bytes spliced = other.bytes();
        spliced.insert(spliced.end(), whole.end() - 28, whole.end());
        const HmacTrailer trailer = read_hmac_trailer(std::span(whole).last(28));
        const std::size_t front = other.source.is_v6() ? 40 : 20;
        EXPECT_NE(hmac_of(kSettings.keys[0], other.source, std::span(spliced).subspan(front)),
                  trailer.hmac);
    }
}

TEST(VrrpHmac, ExactLengths) {
    for (const Kind& kind : kinds()) {
        const Bytes plain = kind.raw.bytes();
        for (std::size_t more = 1; more < 60; ++more) {
            Bytes bytes = plain;
            bytes.resize(bytes.size() + more);
            const bool v6 = kind.raw.source.is_v6();
            bytes[v6 ? 5 : 3] = static_cast<std::uint8_t>(bytes.size() - (v6 ? 40 : 0));
            if (!v6) {
                bytes[10] = bytes[11] = 0;
                const auto sum = checksum_finish(checksum_add(std::span(bytes).first(20)));
                bytes[10] = static_cast<std::uint8_t>(sum >> 8);
                bytes[11] = static_cast<std::uint8_t>(sum & 0xff);
            }
            EXPECT_EQ(outcome(bytes, kind.expected), "length") << kind.name << " +" << more;
            EXPECT_EQ(outcome(bytes, with_hmac(kind.expected, kSettings)) == "length", more != 28)
                << kind.name << " +" << more;
        }
    }
}

TEST(VrrpHmac, TheWindowIsOfSecondsBothWays) {
    const Kind kind = kinds()[1];
    const Bytes bytes = signed_by(kSettings.keys[0], kind.raw);
    for (int skew = -20; skew <= 20; ++skew) {
        const Expected by = with_hmac(kind.expected, kSettings, nullptr, kNow + Seconds(skew));
        const auto result = decode_bytes(bytes, by);
        EXPECT_EQ(result.has_value(), std::abs(skew) <= 5) << skew;
        EXPECT_EQ(result && result->notes.hmac_clock_skew, std::abs(skew) > 2 && result) << skew;
        HmacSettings monotonic = settings();
        monotonic.monotonic = true;
        Expected timeless = by;
        timeless.hmac->settings = &monotonic;
        EXPECT_EQ(outcome(bytes, timeless), "accepted") << skew;
    }
    // 2106: the seconds begin anew.
    const std::uint64_t last = std::uint64_t{0xffffffff} << 32;
    const Bytes wrapping = signed_by(kSettings.keys[0], kind.raw, last);
    const Nanos after = Seconds(0x1'0000'0001);
    EXPECT_EQ(outcome(wrapping, with_hmac(kind.expected, kSettings, nullptr, after)), "accepted");
}

TEST(VrrpHmac, EachSenderMustGrow) {
    const HmacSettings by = settings();
    HmacReplay replay;
    const IpAddress a = ip("10.9.0.1");
    const IpAddress b = ip("10.9.0.3");
    replay.take(a, kSequence);
    EXPECT_FALSE(replay.is_new(by, a, kSequence, kNow));
    EXPECT_FALSE(replay.is_new(by, a, kSequence - 1, kNow));
    EXPECT_TRUE(replay.is_new(by, a, kSequence + 1, kNow));
    EXPECT_TRUE(replay.is_new(by, b, kSequence, kNow));
    // Outside of the window it was set by a clock that was wrong.
    replay.take(a, kSequence + (std::uint64_t{3600} << 32));
    EXPECT_TRUE(replay.is_new(by, a, kSequence, kNow));
    HmacSettings monotonic = settings();
    monotonic.monotonic = true;
    EXPECT_FALSE(replay.is_new(monotonic, a, kSequence, kNow));
}

TEST(VrrpHmac, TheFifthSenderTakesTheLeastRecentSlot) {
    const HmacSettings by = settings();
    HmacReplay replay;
    const auto sender = [](int i) { return ip(("10.9.0." + std::to_string(i)).c_str()); };
    for (int i = 1; i <= 4; ++i) replay.take(sender(i), kSequence);
    replay.take(sender(1), kSequence + 1);  // heard of again: 2 is the least recent
    replay.take(sender(5), kSequence);
    EXPECT_TRUE(replay.is_new(by, sender(2), kSequence, kNow));
    for (const int i : {1, 3, 4, 5})
        EXPECT_FALSE(replay.is_new(by, sender(i), kSequence, kNow)) << i;
    replay.resize(6);
    replay.take(sender(6), kSequence);
    replay.take(sender(7), kSequence);
    for (const int i : {1, 3, 4, 5, 6, 7})
        EXPECT_FALSE(replay.is_new(by, sender(i), kSequence, kNow)) << i;
}

TEST(VrrpHmac, SequencesFollowTheClockAndNeverStandStill) {
    HmacSettings by = settings();
    EXPECT_EQ(hmac_sequence(Seconds(7) + Millis(500)), std::uint64_t{7} << 32 | 0x8000'0000);
    EXPECT_EQ(next_hmac_sequence(by, 0, kNow), hmac_sequence(kNow));
    EXPECT_EQ(next_hmac_sequence(by, kSequence, kNow), hmac_sequence(kNow));
    const std::uint64_t same = hmac_sequence(kNow);
    EXPECT_EQ(next_hmac_sequence(by, same, kNow), same + 1);
    EXPECT_EQ(next_hmac_sequence(by, same | 0xffff, kNow), (same | 0xffff) + 1);
    // Set back by less than the window: on from where it was. By more: nobody would take that.
    EXPECT_EQ(next_hmac_sequence(by, same, kNow - Seconds(5)), same + 1);
    EXPECT_EQ(next_hmac_sequence(by, same, kNow - Seconds(60)), hmac_sequence(kNow - Seconds(60)));
    by.monotonic = true;
    EXPECT_EQ(next_hmac_sequence(by, same, kNow - Seconds(60)), same + 1);
}

}  // namespace
}  // namespace vipd::vrrp::test
