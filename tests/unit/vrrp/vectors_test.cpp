// SPDX-License-Identifier: Apache-2.0
// The receive rules as packet vectors: of each the accepted one and its rejected twins, by name of
// the counter. Lengths, IP headers and IPv6, which the ladder of advert_test.cpp does not reach.
#include "tests/unit/vrrp/packets.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <utility>

namespace vipd::vrrp::test {
namespace {

struct Vector {
    std::string what;
    std::string expected;  ///< "accepted" or the counter
    Bytes bytes;
    Expected by;
};

std::string outcome(const Vector& vector) {
    const auto result = decode_bytes(vector.bytes, vector.by);
    return result ? "accepted" : std::string(counter_name(result.error()));
}

void expect_all(const std::vector<Vector>& vectors) {
    for (const Vector& one : vectors) EXPECT_EQ(outcome(one), one.expected) << one.what;
}

template <class Change>
Bytes changed(Raw raw, Change change) {
    change(raw);
    return raw.bytes();
}

/// The IPv4 header told the truth after its bytes have been changed.
Bytes mended(Bytes bytes) {
    const std::size_t header = std::size_t{bytes[0] & 0x0fU} * 4;
    bytes[10] = bytes[11] = 0;
    const auto sum = checksum_finish(checksum_add(std::span(bytes).first(header)));
    bytes[10] = static_cast<std::uint8_t>(sum >> 8);
    bytes[11] = static_cast<std::uint8_t>(sum & 0xff);
    return bytes;
}

Raw raw_v3() {
    Raw raw;
    raw.version = 3;
    raw.interval = 10;
    raw.auth.clear();
    return raw;
}

// Rules 1 and 2.
std::vector<Vector> ip_header_lengths() {
    std::vector<Vector> vectors;
    for (std::size_t length = 0; length < 20; ++length) {
        Bytes bytes = Raw{}.bytes();
        bytes.resize(length);
        vectors.push_back({"length " + std::to_string(length), "ip_header", bytes, expect_v2()});
    }
    for (unsigned words = 0; words < 16; ++words) {
        Raw raw;
        if (words >= 5) raw.options = std::size_t{words - 5} * 4;
        Bytes bytes = raw.bytes();
        if (words < 5) bytes[0] = static_cast<std::uint8_t>(0x40 | words);
        vectors.push_back({"IHL " + std::to_string(words),
                           words < 5 ? "ip_header" : "accepted",
                           bytes,
                           expect_v2()});
    }
    Bytes lying = Raw{}.bytes();
    lying.resize(30);
    lying[0] = 0x4f;
    vectors.push_back({"IHL 15 in 30 bytes", "ip_header", lying, expect_v2()});
    for (const int error : {-45, -25, -9, -1, 1, 2, 1000})
        vectors.push_back({"total length " + std::to_string(error),
                           error > 0     ? "ip_length"
                           : error < -24 ? "ip_length"
                                         : "length",
                           changed(
                               Raw{}, [&](Raw& r) { r.total_length_error = error; }),
                           expect_v2()});
    for (const std::size_t padding : {1U, 2U, 6U, 18U, 46U, 500U})
        vectors.push_back({"padding " + std::to_string(padding),
                           "accepted",
                           changed(Raw{}, [&](Raw& r) { r.padding = padding; }),
                           expect_v2()});
    return vectors;
}

TEST(VrrpVectors, IpHeaderLengths) {
    expect_all(ip_header_lengths());
}

// Rules 3 to 6.
std::vector<Vector> way_of_the_packet() {
    std::vector<Vector> vectors;
    for (const int protocol : {0, 1, 6, 17, 50, 111, 113, 255})
        for (const auto& [raw, by] :
             {std::pair{Raw{}, expect_v2()}, {raw_v3(), expect_v3()}, {raw_v6(), expect_v6()}})
            vectors.push_back(
                {"protocol " + std::to_string(protocol),
                 "protocol",
                 changed(raw, [&](Raw& r) { r.protocol = static_cast<std::uint8_t>(protocol); }),
                 by});
    for (const int ttl : {0, 1, 64, 128, 254, 255})
        for (const auto& [raw, by] :
             {std::pair{Raw{}, expect_v2()}, {raw_v3(), expect_v3()}, {raw_v6(), expect_v6()}})
            vectors.push_back(
                {"TTL " + std::to_string(ttl),
                 ttl == 255 ? "accepted" : "ttl",
                 changed(raw, [&](Raw& r) { r.ttl = static_cast<std::uint8_t>(ttl); }),
                 by});
    const auto to = [](Raw raw, const char* destination) {
        raw.destination = ip(destination);
        return raw.bytes();
    };
    vectors.push_back({"other group", "destination", to(Raw{}, "224.0.0.19"), expect_v2()});
    vectors.push_back({"unicast", "destination", to(Raw{}, "10.9.0.2"), expect_v2()});
    vectors.push_back({"broadcast", "destination", to(Raw{}, "255.255.255.255"), expect_v2()});
    vectors.push_back({"group", "destination", to(Raw{}, "224.0.0.18"), unicast(expect_v2())});
    vectors.push_back({"own", "accepted", to(Raw{}, "10.9.0.2"), unicast(expect_v2())});
    vectors.push_back({"other group", "destination", to(raw_v6(), "ff02::13"), expect_v6()});
    vectors.push_back({"site-local", "destination", to(raw_v6(), "ff05::12"), expect_v6()});
    const auto from = [](Raw raw, const char* source) {
        raw.source = ip(source);
        return raw.bytes();
    };
    for (const char* source : {"0.0.0.0", "255.255.255.255", "224.0.0.18", "239.255.255.255"})
        vectors.push_back({source, "source", from(Raw{}, source), expect_v2()});
    for (const char* source : {"::", "ff02::12", "2001:db8::1", "fd00::1"})
        vectors.push_back({source, "source", from(raw_v6(), source), expect_v6()});
    vectors.push_back({"reflected", "own_address", from(Raw{}, "10.9.0.2"), expect_v2()});
    vectors.push_back({"reflected", "own_address", from(raw_v6(), "fe80::2"), expect_v6()});
    vectors.push_back({"any router", "accepted", from(Raw{}, "10.9.0.77"), expect_v2()});
    vectors.push_back({"any router", "accepted", from(raw_v6(), "fe80::77"), expect_v6()});
    return vectors;
}

TEST(VrrpVectors, WayOfThePacket) {
    expect_all(way_of_the_packet());
}

std::vector<Vector> unicast_peers() {
    static const std::vector<UnicastPeer> peers = {{ip("10.9.0.1"), 62, 64}, {ip("10.9.0.3")}};
    Expected by = expect_v2();
    by.group = {};
    by.peers = peers;
    std::vector<Vector> vectors;
    const auto add = [&](const char* source, int ttl, const char* expected) {
        Raw raw;
        raw.source = ip(source);
        raw.destination = ip("10.9.0.2");
        raw.ttl = static_cast<std::uint8_t>(ttl);
        vectors.push_back(
            {source + std::string(" ttl ") + std::to_string(ttl), expected, raw.bytes(), by});
    };
    add("10.9.0.1", 61, "ttl");
    add("10.9.0.1", 62, "accepted");
    add("10.9.0.1", 64, "accepted");
    add("10.9.0.1", 65, "ttl");
    add("10.9.0.1", 255, "ttl");
    add("10.9.0.3", 1, "accepted");
    add("10.9.0.3", 255, "accepted");
    add("10.9.0.4", 64, "unicast_peer");
    return vectors;
}

TEST(VrrpVectors, UnicastPeersWithinTheirDistance) {
    expect_all(unicast_peers());
}

// Rule 7: what is missing, what is too much, counts that lie.
std::vector<Vector> exact_lengths() {
    std::vector<Vector> vectors;
    for (const auto& [raw, by] :
         {std::pair{Raw{}, expect_v2()}, {raw_v3(), expect_v3()}, {raw_v6(), expect_v6()}}) {
        const Bytes whole = raw.bytes();
        const bool v6 = raw.source.is_v6();
        const std::size_t front = v6 ? 40 : 20;
        const auto with_length = [&](std::size_t length) {
            Bytes bytes = whole;
            bytes.resize(front + length);
            const std::size_t told = v6 ? length : front + length;
            const std::size_t at = v6 ? 4 : 2;
            bytes[at] = static_cast<std::uint8_t>(told >> 8);
            bytes[at + 1] = static_cast<std::uint8_t>(told & 0xff);
            return v6 ? bytes : mended(bytes);
        };
        const std::size_t right = whole.size() - front;
        for (std::size_t length = 0; length <= right + 8; ++length)
            vectors.push_back({"length " + std::to_string(length),
                               length == right ? "accepted" : "length",
                               with_length(length),
                               by});
        for (const int error : {-2, -1, 1, 2, 100, 253})
            vectors.push_back({"count " + std::to_string(error),
                               "length",
                               changed(raw, [&](Raw& r) { r.count_error = error; }),
                               by});
    }
    return vectors;
}

TEST(VrrpVectors, ExactLengths) {
    expect_all(exact_lengths());
}

TEST(VrrpVectors, TwoHundredAndFiftyFiveAddresses) {
    for (const bool v6 : {false, true}) {
        Raw raw = v6 ? raw_v6() : raw_v3();
        raw.addresses.clear();
        for (unsigned i = 0; i < 255; ++i)
            raw.addresses.push_back(v6 ? ip(("2001:db8::1:" + std::to_string(i)).c_str())
                                       : IpAddress::v4(0x0a000000U + i));
        Expected by = v6 ? expect_v6() : expect_v3();
        by.addresses = raw.addresses;
        const Bytes bytes = raw.bytes();
        EXPECT_LE(bytes.size(), kMaxAdvert);
        expect_all({{"255", "accepted", bytes, by}});
        raw.addresses.pop_back();
        expect_all({{"254 of 255", "address_list", raw.bytes(), by}});
    }
}

// Rules 8 to 10.
std::vector<Vector> versions_types_ids() {
    std::vector<Vector> vectors;
    for (unsigned version = 0; version < 16; ++version) {
        for (const auto& [raw, by, right] : {std::tuple{Raw{}, expect_v2(), 2U},
                                             {raw_v3(), expect_v3(), 3U},
                                             {raw_v6(), expect_v6(), 3U}}) {
            Bytes bytes = raw.bytes();
            const std::size_t at = raw.source.is_v6() ? 40 : 20;
            bytes[at] = static_cast<std::uint8_t>(version << 4 | 1);
            // A version of our own with the other's layout is wrong by its length.
            const bool other = version != right && (version == 2 || version == 3);
            vectors.push_back({"version " + std::to_string(version),
                               version == right ? "accepted"
                               : other          ? "length"
                                                : "version",
                               bytes,
                               by});
        }
    }
    Raw v2_of_v3 = Raw{};
    v2_of_v3.auth_type = 0;
    const Expected by_v3 = expect_v3();
    vectors.push_back({"version 2 at 3", "version", v2_of_v3.bytes(), by_v3});
    vectors.push_back({"version 3 at 2", "version", raw_v3().bytes(), expect_v2()});
    Raw v2_in_v6 = raw_v6();
    v2_in_v6.version = 2;
    v2_in_v6.auth.assign(8, 0);
    Expected by_v2 = expect_v6();
    by_v2.version = 2;
    vectors.push_back({"version 2 over IPv6", "version", v2_in_v6.bytes(), by_v2});
    for (unsigned type = 0; type < 16; ++type) {
        for (const auto& [raw, by] :
             {std::pair{Raw{}, expect_v2()}, {raw_v3(), expect_v3()}, {raw_v6(), expect_v6()}})
            vectors.push_back({"type " + std::to_string(type),
                               type == 1 ? "accepted" : "type",
                               changed(raw, [&](Raw& r) { r.type = type; }),
                               by});
    }
    for (const int vrid : {0, 1, 50, 52, 255})
        for (const auto& [raw, by] :
             {std::pair{Raw{}, expect_v2()}, {raw_v3(), expect_v3()}, {raw_v6(), expect_v6()}})
            vectors.push_back(
                {"VRID " + std::to_string(vrid),
                 "vrid",
                 changed(raw, [&](Raw& r) { r.vrid = static_cast<std::uint8_t>(vrid); }),
                 by});
    Expected none = expect_v2();
    none.vrid = 0;
    vectors.push_back(
        {"VRID 0 of nobody", "vrid", changed(Raw{}, [](Raw& r) { r.vrid = 0; }), none});
    return vectors;
}

TEST(VrrpVectors, VersionsTypesAndRouterIds) {
    expect_all(versions_types_ids());
}

// Rules 11 to 13: whatever single bit of the message is wrong.
TEST(VrrpVectors, EveryBitOfTheMessageIsCovered) {
    for (const auto& [raw, by] :
         {std::pair{Raw{}, expect_v2()}, {raw_v3(), expect_v3()}, {raw_v6(), expect_v6()}}) {
        const Bytes whole = raw.bytes();
        const std::size_t front = raw.source.is_v6() ? 40 : 20;
        for (std::size_t bit = front * 8; bit < whole.size() * 8; ++bit) {
            Bytes bytes = whole;
            bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1U << (bit % 8)));
            EXPECT_NE(outcome({"", "", bytes, by}), "accepted") << bit;
        }
    }
}

std::vector<Vector> checksum_forms() {
    Raw plain = raw_v3();
    plain.sum = Raw::Sum::Message;
    Raw wrong = raw_v3();
    wrong.sum = Raw::Sum::Wrong;
    Raw plain_v6 = raw_v6();
    plain_v6.sum = Raw::Sum::Message;
    Raw wrong_v2;
    wrong_v2.sum = Raw::Sum::Wrong;
    const auto with_sum = [](const Raw& raw, std::uint8_t value) {
        Bytes bytes = raw.bytes();
        bytes[26] = bytes[27] = value;
        return bytes;
    };
    return {{"with pseudo header", "accepted", raw_v3().bytes(), expect_v3()},
            {"message alone", "accepted", plain.bytes(), expect_v3()},
            {"neither", "checksum", wrong.bytes(), expect_v3()},
            {"IPv6 has but one form", "checksum", plain_v6.bytes(), expect_v6()},
            {"version 2", "checksum", wrong_v2.bytes(), expect_v2()},
            {"0x0000", "checksum", with_sum(Raw{}, 0), expect_v2()},
            {"0xffff", "checksum", with_sum(Raw{}, 0xff), expect_v2()},
            {"0x0000", "checksum", with_sum(raw_v3(), 0), expect_v3()},
            {"0xffff", "checksum", with_sum(raw_v3(), 0xff), expect_v3()}};
}

TEST(VrrpVectors, ChecksumForms) {
    expect_all(checksum_forms());
    Raw plain = raw_v3();
    plain.sum = Raw::Sum::Message;
    Expected ours_is_plain = expect_v3();
    ours_is_plain.plain_checksum = true;
    EXPECT_FALSE(decode_bytes(plain.bytes(), ours_is_plain)->notes.checksum_form_differs);
    EXPECT_TRUE(decode_bytes(raw_v3().bytes(), ours_is_plain)->notes.checksum_form_differs);
    EXPECT_TRUE(decode_bytes(plain.bytes(), expect_v3())->notes.checksum_form_differs);
}

// Rules 14 to 17.
std::vector<Vector> counts_and_intervals() {
    std::vector<Vector> vectors;
    for (const auto& [raw, by] :
         {std::pair{Raw{}, expect_v2()}, {raw_v3(), expect_v3()}, {raw_v6(), expect_v6()}}) {
        Raw none = raw;
        none.addresses.clear();
        vectors.push_back({"count 0", "address_count", none.bytes(), by});
        Expected without = by;
        without.addresses = {};
        vectors.push_back({"count 0, as ours", "address_count", none.bytes(), without});
    }
    for (const int interval : {0, 0xf000, 1, 9, 10, 11, 4094, 4095, 0x1001, 0xffff}) {
        for (const auto& [raw, by] : {std::pair{raw_v3(), expect_v3()}, {raw_v6(), expect_v6()}})
            vectors.push_back(
                {"interval " + std::to_string(interval),
                 (interval & 0xfff) == 0 ? "interval_zero" : "accepted",
                 changed(raw, [&](Raw& r) { r.interval = static_cast<std::uint16_t>(interval); }),
                 by});
    }
    for (const int interval : {0, 1, 2, 100, 255})
        vectors.push_back(
            {"interval " + std::to_string(interval),
             interval == 0   ? "interval_zero"
             : interval == 1 ? "accepted"
                             : "interval_mismatch",
             changed(Raw{}, [&](Raw& r) { r.interval = static_cast<std::uint16_t>(interval); }),
             expect_v2()});
    return vectors;
}

TEST(VrrpVectors, CountsAndIntervals) {
    expect_all(counts_and_intervals());
}

// Rules 21 and 22, IPv6.
std::vector<Vector> ipv6_address_lists() {
    Raw swapped = raw_v6();
    std::swap(swapped.addresses[0], swapped.addresses[1]);
    Raw other = raw_v6();
    other.addresses[1] = ip("2001:db8::101");
    Raw twice = raw_v6();
    twice.addresses[1] = twice.addresses[0];
    return {{"order", "accepted", swapped.bytes(), expect_v6()},
            {"other", "address_list", other.bytes(), expect_v6()},
            {"twice", "address_list", twice.bytes(), expect_v6()}};
}

TEST(VrrpVectors, Ipv6AddressLists) {
    expect_all(ipv6_address_lists());
    Raw swapped = raw_v6();
    std::swap(swapped.addresses[0], swapped.addresses[1]);
    Raw other = raw_v6();
    other.addresses[1] = ip("2001:db8::101");
    EXPECT_TRUE(decode_bytes(swapped.bytes(), expect_v6())->notes.first_not_link_local);
    EXPECT_FALSE(decode_bytes(raw_v6().bytes(), expect_v6())->notes.first_not_link_local);
    Expected noting = expect_v6();
    noting.address_check = Expected::AddressCheck::Note;
    EXPECT_TRUE(decode_bytes(other.bytes(), noting)->notes.address_list_differs);
}

TEST(VrrpVectors, EncodedIpv6IsDecodedAndHasAPlainHeader) {
    const Advert advert{.version = 3,
                        .vrid = 51,
                        .priority = 100,
                        .interval = Millis(100),
                        .auth = {},
                        .addresses = kAddresses6};
    const Bytes bytes = encode(advert, ip("fe80::1"), ip("ff02::12"));
    EXPECT_EQ(Bytes(bytes.begin(), bytes.begin() + 8), from_hex("6c000000002870ff"));
    const auto result = decode_bytes(bytes, expect_v6());
    ASSERT_TRUE(result);
    EXPECT_EQ(result->advert, advert);
    EXPECT_EQ(bytes, [&] {
        Bytes theirs = raw_v6().bytes();
        theirs[0] = 0x6c;
        return theirs;
    }());
}

TEST(VrrpVectors, PlainChecksumIsSentWhereItIsWanted) {
    const Advert advert{.version = 3,
                        .vrid = 51,
                        .priority = 100,
                        .interval = Millis(100),
                        .auth = {},
                        .addresses = kAddresses,
                        .plain_checksum = true};
    const Bytes bytes = encode(advert, ip("10.9.0.1"), ip("224.0.0.18"));
    EXPECT_EQ(checksum_finish(checksum_add(std::span(bytes).subspan(20))), 0);
    EXPECT_TRUE(decode_bytes(bytes, expect_v3())->notes.checksum_form_differs);
}

// --- all of them ---------------------------------------------------------------------------------

std::vector<Vector> all_vectors() {
    std::vector<Vector> all;
    for (const auto& some : {ip_header_lengths(),
                             way_of_the_packet(),
                             unicast_peers(),
                             exact_lengths(),
                             versions_types_ids(),
                             checksum_forms(),
                             counts_and_intervals(),
                             ipv6_address_lists()})
        all.insert(all.end(), some.begin(), some.end());
    return all;
}

TEST(VrrpVectors, AreAHundredAndFiftyAtLeastAndReachEveryCounter) {
    std::set<std::pair<Bytes, std::string>> distinct;
    std::set<std::string> outcomes;
    for (const Vector& one : all_vectors()) {
        distinct.insert({one.bytes, one.expected});
        outcomes.insert(one.expected);
    }
    RecordProperty("vectors", static_cast<int>(distinct.size()));
    EXPECT_GE(distinct.size(), 150U);
    // Besides these: truncated and ip_checksum (the ladder of advert_test.cpp), authentication.
    for (const char* counter : {"accepted",
                                "ip_header",
                                "ip_length",
                                "protocol",
                                "ttl",
                                "destination",
                                "source",
                                "own_address",
                                "unicast_peer",
                                "length",
                                "version",
                                "type",
                                "vrid",
                                "checksum",
                                "address_count",
                                "interval_zero",
                                "interval_mismatch",
                                "address_list"})
        EXPECT_TRUE(outcomes.contains(counter)) << counter;
}

/// How long the datagram says that it is.
std::size_t told_length(const Bytes& bytes) {
    if (bytes.size() < 20) return bytes.size() + 1;
    if (bytes[0] >> 4 == 6) return std::size_t{40} + (std::size_t{bytes[4]} << 8U | bytes[5]);
    return std::size_t{bytes[2]} << 8U | bytes[3];
}

TEST(VrrpVectors, EveryPrefixOfEveryVector) {
    std::size_t prefixes = 0;
    for (const Vector& one : all_vectors()) {
        const std::size_t told = told_length(one.bytes);
        for (std::size_t n = 0; n < one.bytes.size(); ++n, ++prefixes) {
            // In a block of its own size, where a sanitizer sees whoever reads beyond it.
            const Bytes cut(one.bytes.begin(), one.bytes.begin() + static_cast<std::ptrdiff_t>(n));
            const std::string got = outcome({"", "", cut, one.by});
            const bool header_or_length = got == "ip_header" || got == "ip_length";
            // What is behind the datagram is padding, and makes no difference.
            EXPECT_TRUE(header_or_length || (n >= told && got == one.expected))
                << one.what << " cut at " << n << ": " << got;
        }
    }
    RecordProperty("prefixes", static_cast<int>(prefixes));
    EXPECT_GT(prefixes, 15'000U);
}

TEST(VrrpVectors, EveryFlippedBitOfEveryVector) {
    std::size_t flips = 0;
    for (const Vector& one : all_vectors()) {
        const auto whole = decode_bytes(one.bytes, one.by);
        for (std::size_t bit = 0; bit < one.bytes.size() * 8; ++bit, ++flips) {
            Bytes bytes = one.bytes;
            bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1U << (bit % 8)));
            const auto flipped = decode_bytes(bytes, one.by);
            if (!whole || !flipped) continue;
            // In padding, and in what is not looked at in front of an IPv6 advert, it does not
            // matter.
            const bool v6 = one.by.own.is_v6();
            EXPECT_TRUE(bit / 8 >= told_length(one.bytes) || (v6 && bit / 8 < 4))
                << one.what << bit;
            EXPECT_EQ(flipped->advert, whole->advert);
            EXPECT_EQ(flipped->source, whole->source);
        }
    }
    RecordProperty("flips", static_cast<int>(flips));
    EXPECT_GT(flips, 100'000U);
}

}  // namespace
}  // namespace vipd::vrrp::test
