// SPDX-License-Identifier: Apache-2.0
// The order of the receive rules, each against the next: of a packet that breaks both the first is
// counted.
#include "tests/unit/vrrp/packets.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>

namespace vipd::vrrp::test {
namespace {

const std::vector<UnicastPeer> kNearPeer = {{ip("10.9.0.1"), 255, 255}};
const std::vector<UnicastPeer> kOtherPeer = {{ip("10.9.0.7"), 255, 255}};

/// A packet of a unicast peer, within AH or with a password, and who expects what.
struct Case {
    Raw raw;
    Expected by;
    bool in_ah = true;
    AuthPass key = make_auth_pass("secret12");
    std::uint32_t sequence = 5;
    std::function<void(Bytes&)> at_last = [](Bytes&) {};

    explicit Case(bool ah) : by(unicast(expect_v2())), in_ah(ah) {
        raw.destination = ip("10.9.0.2");
        by.peers = kNearPeer;
        if (!ah) return;
        raw.auth_type = 2;
        raw.auth.assign(8, 0);
        by.auth.reset();
        by.ah = AhExpected{key, 4};
    }
    void then(const std::function<void(Bytes&)>& change) {
        at_last = [before = at_last, change](Bytes& bytes) {
            before(bytes);
            change(bytes);
        };
    }
    std::string outcome() const {
        Bytes bytes = raw.bytes();
        if (in_ah) bytes = add_ah(bytes, key, sequence);
        at_last(bytes);
        const auto result = decode_bytes(bytes, by, raw.truncated);
        return result ? "accepted" : std::string(counter_name(result.error()));
    }
};

using Fault = std::function<void(Case&)>;

const std::map<Reject, Fault>& faults() {
    static const std::map<Reject, Fault> kFaults = {
        {Reject::Truncated, [](Case& c) { c.raw.truncated = true; }},
        {Reject::IpHeader, [](Case& c) { c.then([](Bytes& b) { b[0] = 0x44; }); }},
        {Reject::IpLength, [](Case& c) { c.then([](Bytes& b) { ++b[3]; }); }},
        {Reject::IpChecksum, [](Case& c) { c.then([](Bytes& b) { b[11] ^= 1; }); }},
        {Reject::AhHeader, [](Case& c) { c.then([](Bytes& b) { b[24] ^= 1; }); }},
        {Reject::Protocol, [](Case& c) { c.by.ah.reset(); }},
        {Reject::Ttl, [](Case& c) { c.raw.ttl = 254; }},
        {Reject::Destination, [](Case& c) { c.raw.destination = ip("224.0.0.18"); }},
        {Reject::Source, [](Case& c) { c.raw.source = ip("224.0.0.1"); }},
        {Reject::OwnAddress, [](Case& c) { c.by.own = c.raw.source; }},
        {Reject::UnicastPeer, [](Case& c) { c.by.peers = kOtherPeer; }},
        {Reject::AhFailure, [](Case& c) { c.key[0] ^= 1; }},
        {Reject::AhReplay, [](Case& c) { c.sequence = 4; }},
        {Reject::Length, [](Case& c) { c.raw.count_error = 1; }},
        {Reject::Version, [](Case& c) { c.by.version = 3; }},
        {Reject::Type, [](Case& c) { c.raw.type = 2; }},
        {Reject::Vrid, [](Case& c) { c.by.vrid = 52; }},
        {Reject::Checksum, [](Case& c) { c.raw.sum = Raw::Sum::Wrong; }},
        {Reject::AddressCount, [](Case& c) { c.raw.addresses.clear(); }},
        {Reject::IntervalZero, [](Case& c) { c.raw.interval = 0; }},
        {Reject::IntervalMismatch, [](Case& c) { c.by.interval = Seconds(2); }},
        {Reject::AuthType, [](Case& c) { c.raw.auth_type = 0; }},
        {Reject::AuthFailure, [](Case& c) { c.raw.auth[0] ^= 1; }},
        {Reject::AddressList,
         [](Case& c) {
             if (!c.raw.addresses.empty()) c.raw.addresses[0] = ip("10.9.0.99");
         }},
    };
    return kFaults;
}

/// Those of a trailer, which goes with neither AH nor a password, are put in pairs in
/// hmac_test.cpp.
bool is_of_hmac(Reject reason) {
    return reason >= Reject::HmacMissing && reason <= Reject::HmacReplay;
}

TEST(VrrpReceiveRules, EachComesBeforeTheNext) {
    std::vector<Reject> rules(kRejects.begin(), kRejects.end());
    std::erase_if(rules, is_of_hmac);
    ASSERT_EQ(faults().size(), rules.size());
    EXPECT_EQ(Case(true).outcome(), "accepted");
    EXPECT_EQ(Case(false).outcome(), "accepted");
    for (std::size_t i = 0; i + 1 < rules.size(); ++i) {
        const Reject first = rules.at(i);
        const Reject second = rules.at(i + 1);
        // The password is of those without AH.
        const bool ah = second < Reject::AuthFailure;
        Case both(ah);
        faults().at(first)(both);
        faults().at(second)(both);
        EXPECT_EQ(both.outcome(), counter_name(first)) << "with " << counter_name(second);
        Case one(first < Reject::AuthType);
        faults().at(first)(one);
        EXPECT_EQ(one.outcome(), counter_name(first));
        Case next(ah);
        faults().at(second)(next);
        EXPECT_EQ(next.outcome(), counter_name(second));
    }
}

}  // namespace
}  // namespace vipd::vrrp::test
