// SPDX-License-Identifier: Apache-2.0
// Each reason for which an advert is dropped: its counter and no other, no change of state or
// timer, and one line in the log however many come and whoever sends them.
#include "tests/unit/vrrp/engine_fixture.hpp"
#include "userspace/base/log.hpp"

namespace vipd::vrrp::test {
namespace {

constexpr unsigned kFlood = 10;

class VrrpReceiveRule : public VrrpEngine, public testing::WithParamInterface<Reject> {
  protected:
    VrrpReceiveRule() {
        engine.set_wall_clock([this] { return now.time_since_epoch(); });
    }

    /// The instance that drops it, and the n-th advert, each of another sender.
    InstanceSettings settings() const {
        InstanceSettings settings = instance();
        switch (GetParam()) {
            case Reject::AhFailure:
            case Reject::AhReplay:
                settings.ah = true;
                break;
            case Reject::UnicastPeer:
                settings.group = {};
                settings.peers = {{ip("10.9.0.99")}};
                break;
            case Reject::AddressList:
                settings.address_check = Expected::AddressCheck::Drop;
                break;
            default:
                break;
        }
        if (GetParam() >= Reject::HmacMissing && GetParam() <= Reject::HmacReplay) {
            settings.auth.reset();
            settings.hmac = {.keys = {hmac_key(1)}, .active = 1};
        }
        return settings;
    }
    static HmacKey hmac_key(std::uint8_t id, std::uint8_t of = 1) { return {id, Bytes(32, of)}; }
    /// Without authentication but the trailer, `before` now.
    Bytes with_trailer(Raw raw, const HmacKey& key, Nanos before = Nanos(0)) const {
        raw.auth_type = 0;
        raw.auth.assign(8, 0);
        Bytes bytes = raw.bytes();
        add_hmac(bytes, key, hmac_sequence(now.time_since_epoch() - before));
        return bytes;
    }
    static Bytes in_ah(Raw raw, const char* password, std::uint32_t sequence) {
        raw.auth_type = 2;
        raw.auth.assign(8, 0);
        return add_ah(raw.bytes(), make_auth_pass(password), sequence);
    }
    static Raw sent(unsigned n) {
        Raw raw = advert(150);
        raw.source = IpAddress::v4(0x0a090002U + n);
        raw.addresses = {ip("10.9.0.100"), ip("10.9.0.101")};
        return raw;
    }
    Bytes broken(unsigned n) const {
        Raw raw = sent(n);
        switch (GetParam()) {
            case Reject::Truncated:
                return Bytes(kMaxAdvert + 100);
            case Reject::IpHeader:
                raw.ip_version = 5;
                break;
            case Reject::IpLength:
                raw.total_length_error = 1;
                break;
            case Reject::IpChecksum:
                raw.ip_checksum_wrong = true;
                break;
            case Reject::AhHeader: {
                Bytes bytes = in_ah(raw, "secret12", n + 1);
                bytes[21] = 5;
                return bytes;
            }
            case Reject::Protocol:
                return in_ah(raw, "secret12", n + 1);
            case Reject::Ttl:
                raw.ttl = 254;
                break;
            case Reject::Destination:
                raw.destination = ip("224.0.0.19");
                break;
            case Reject::Source:
                raw.source = IpAddress::v4(0xe0000002U + n);
                break;
            case Reject::OwnAddress:
                raw.source = ip("10.9.0.1");
                break;
            case Reject::UnicastPeer:
                raw.destination = ip("10.9.0.1");
                break;
            case Reject::AhFailure:
                return in_ah(raw, "wrong", n + 1);
            case Reject::AhReplay:
                return in_ah(raw, "secret12", 7);
            case Reject::Length:
                raw.count_error = 1;
                break;
            case Reject::Version:
                raw.version = 4;
                break;
            case Reject::Type:
                raw.type = 2;
                break;
            case Reject::Vrid:
                raw.vrid = 99;
                break;
            case Reject::Checksum:
                raw.sum = Raw::Sum::Wrong;
                break;
            case Reject::AddressCount:
                raw.addresses.clear();
                break;
            case Reject::IntervalZero:
                raw.interval = 0;
                break;
            case Reject::IntervalMismatch:
                raw.interval = 2;
                break;
            case Reject::AuthType:
                raw.auth_type = 0;
                break;
            case Reject::AuthFailure:
                raw.auth[7] ^= 1;
                break;
            case Reject::HmacMissing:
                raw.auth_type = 0;
                raw.auth.assign(8, 0);
                break;
            case Reject::HmacMalformed: {
                Bytes bytes = with_trailer(raw, hmac_key(1));
                bytes.at(bytes.size() - kHmacTrailer) = 9;
                return bytes;
            }
            case Reject::HmacStale:
                return with_trailer(raw, hmac_key(1), Seconds(1000));
            case Reject::HmacUnknownKey:
                return with_trailer(raw, hmac_key(2));
            case Reject::HmacFailure:
                return with_trailer(raw, hmac_key(1, 2));
            case Reject::HmacReplay:
                return with_trailer(sent(0), hmac_key(1));
            case Reject::AddressList:
                raw.addresses.pop_back();
                break;
        }
        return raw.bytes();
    }
    /// Of the instance and of those that are no instance's.
    std::uint64_t counted(Reject reason) const {
        return counter(std::string(counter_name(reason))) + engine.unmatched(reason);
    }
};

TEST_P(VrrpReceiveRule, IsCountedOnceChangesNothingAndIsOneLine) {
    run({settings()});
    // The one that the others are a copy of.
    if (GetParam() == Reject::AhReplay) transport.arrive(kEth0, in_ah(sent(0), "secret12", 7));
    if (GetParam() == Reject::HmacReplay) transport.arrive(kEth0, broken(0));
    lines.clear();
    keys.clear();
    const auto timer = wake;
    const auto accepted = counter("advert_rx");
    for (unsigned n = 0; n < kFlood; ++n)
        transport.arrive(kEth0, broken(n), GetParam() == Reject::Truncated);
    for (const Reject reason : kRejects)
        EXPECT_EQ(counted(reason), reason == GetParam() ? kFlood : 0U) << counter_name(reason);
    EXPECT_EQ(counter("advert_rx"), accepted);
    EXPECT_EQ(state(), State::Backup);
    EXPECT_EQ(wake, timer);
    EXPECT_TRUE(changes.size() == 1 && told.empty());
    log::RateLimit limit{Seconds(60)};
    std::size_t let_through = 0;
    for (const std::string& key : keys) let_through += key.empty() || limit.allow(key, now);
    // What no instance is meant by is counted only.
    EXPECT_EQ(let_through, engine.unmatched(GetParam()) == 0 ? 1U : 0U);
}

INSTANTIATE_TEST_SUITE_P(All, VrrpReceiveRule, testing::ValuesIn(kRejects), [](const auto& rule) {
    return std::string(counter_name(rule.param));
});

}  // namespace
}  // namespace vipd::vrrp::test
