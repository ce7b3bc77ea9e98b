// SPDX-License-Identifier: Apache-2.0
// auth_hmac at work: what an instance sends and takes in each mode, over a rotation of keys.
#include "tests/unit/vrrp/engine_fixture.hpp"

namespace vipd::vrrp::test {
namespace {

using Mode = HmacSettings::Mode;

class VrrpHmacEngine : public VrrpEngine {
  protected:
    VrrpHmacEngine() {
        engine.set_wall_clock([this] { return now.time_since_epoch(); });
    }

    static HmacKey key(std::uint8_t id) { return {id, Bytes(32, id)}; }
    static InstanceSettings with(Mode mode, std::vector<HmacKey> keys, std::uint8_t active = 1) {
        InstanceSettings settings = instance();
        settings.auth.reset();
        settings.hmac = {.keys = std::move(keys), .active = active, .mode = mode};
        return settings;
    }
    static Raw plain(std::uint8_t priority, const char* source = "10.9.0.2") {
        Raw raw = advert(priority, source);
        raw.auth_type = 0;
        raw.auth.assign(8, 0);
        return raw;
    }
    void arrive_signed(const Raw& raw, const HmacKey& by, std::uint64_t sequence) {
        Bytes bytes = raw.bytes();
        add_hmac(bytes, by, sequence);
        transport.arrive(kEth0, bytes);
    }
    std::uint64_t sequence() const { return hmac_sequence(now.time_since_epoch()); }
    /// The trailers of what was sent; those that are wrong are a failure.
    std::vector<HmacTrailer> sent(std::uint8_t expected_key) const {
        std::vector<HmacTrailer> all;
        for (const auto& one : transport.sent) {
            if (one.is_frame()) continue;
            const auto trailer = read_hmac_trailer(std::span(one.bytes).last(kHmacTrailer));
            EXPECT_EQ(trailer.key, expected_key);
            EXPECT_EQ(trailer.hmac,
                      hmac_of(key(expected_key), ip("10.9.0.1"), std::span(one.bytes).subspan(20)));
            all.push_back(trailer);
        }
        return all;
    }
};

TEST_F(VrrpHmacEngine, SendsAGrowingSequenceAlsoWhileTheClockStands) {
    run({with(Mode::Enforce, {key(1)})});
    engine.set_wall_clock([] { return Nanos(Seconds(1'700'000'000)); });
    become_master();
    pass(Seconds(5));
    const auto trailers = sent(1);
    ASSERT_EQ(trailers.size(), 5U);
    for (std::size_t i = 1; i < trailers.size(); ++i)
        EXPECT_EQ(trailers[i].sequence, trailers[i - 1].sequence + 1);
}

TEST_F(VrrpHmacEngine, OneNumberForAllPeers) {
    InstanceSettings settings = with(Mode::Enforce, {key(1)});
    settings.group = {};
    settings.peers = {{ip("10.9.0.2")}, {ip("10.9.0.3")}};
    run({settings});
    become_master();
    pass(Seconds(1));
    const auto trailers = sent(1);
    ASSERT_EQ(trailers.size(), 2U);
    EXPECT_EQ(trailers[0].sequence, trailers[1].sequence);
    EXPECT_EQ(trailers[0].hmac, trailers[1].hmac);
}

TEST_F(VrrpHmacEngine, EnforceTakesOnlyWhatIsFreshAndRight) {
    run({with(Mode::Enforce, {key(1)})});
    become_master();
    arrive(plain(200));
    EXPECT_EQ(counter("hmac_missing"), 1U);
    arrive_signed(plain(200), key(2), sequence());
    EXPECT_EQ(counter("hmac_unknown_key"), 1U);
    arrive_signed(plain(200), HmacKey(1, Bytes(32, 9)), sequence());
    EXPECT_EQ(counter("hmac_failure"), 1U);
    arrive_signed(plain(200), key(1), sequence() - (std::uint64_t{6} << 32));
    EXPECT_EQ(counter("hmac_stale"), 1U);
    EXPECT_EQ(state(), State::Master);
    arrive_signed(plain(50), key(1), sequence());
    arrive_signed(plain(50), key(1), sequence());
    EXPECT_EQ(counter("hmac_replay"), 1U);
    EXPECT_EQ(counter("advert_rx"), 1U);
    arrive_signed(plain(200), key(1), sequence() + 1);
    EXPECT_EQ(state(), State::Backup);
    for (const auto& line : lines) EXPECT_EQ(line.find(std::string(32, '\x01')), std::string::npos);
}

TEST_F(VrrpHmacEngine, EachReasonIsALineWithARateKey) {
    run({with(Mode::Enforce, {key(1)})});
    become_master();
    keys.clear();
    for (int i = 2; i < 5; ++i) arrive(plain(200, ("10.9.0." + std::to_string(i)).c_str()));
    ASSERT_EQ(keys.size(), 3U);
    for (const auto& one : keys) EXPECT_EQ(one, "VI_1/hmac_missing");
}

TEST_F(VrrpHmacEngine, PermissiveTakesWhatHasNoneAndSaysSo) {
    run({with(Mode::Permissive, {key(1)})});
    become_master();
    pass(Seconds(1));
    EXPECT_EQ(sent(1).size(), 1U);
    arrive(plain(200));
    EXPECT_EQ(state(), State::Backup);
    EXPECT_EQ(counter("hmac_missing_accepted"), 1U);
    EXPECT_EQ(counter("hmac_missing"), 0U);
}

TEST_F(VrrpHmacEngine, ReceiveOnlySendsNone) {
    run({with(Mode::ReceiveOnly, {key(1)})});
    become_master();
    pass(Seconds(1));
    ASSERT_EQ(transport.sent.size(), 1U);
    EXPECT_EQ(transport.sent[0].bytes.size(), 20U + 8 + 8 + 8);
    arrive_signed(plain(200), HmacKey(1, Bytes(32, 9)), sequence());
    EXPECT_EQ(counter("hmac_failure"), 1U);
    arrive_signed(plain(200), key(1), sequence());
    EXPECT_EQ(state(), State::Backup);
}

TEST_F(VrrpHmacEngine, KeysRotateByReloadWithoutALostAdvert) {
    run({with(Mode::Enforce, {key(1)})});
    become_master();
    run({with(Mode::Enforce, {key(1), key(2)})});
    transport.sent.clear();
    pass(Seconds(1));
    EXPECT_EQ(sent(1).size(), 1U);
    arrive_signed(plain(50), key(2), sequence());
    arrive_signed(plain(50), key(1), sequence() + 1);
    EXPECT_EQ(counter("advert_rx"), 2U);
    run({with(Mode::Enforce, {key(1), key(2)}, 2)});
    transport.sent.clear();
    pass(Seconds(1));
    EXPECT_EQ(sent(2).size(), 1U);
    run({with(Mode::Enforce, {key(2)}, 2)});
    arrive_signed(plain(50), key(1), sequence());
    EXPECT_EQ(counter("hmac_unknown_key"), 1U);
    // What was heard before the reload is no news after it.
    arrive_signed(plain(50), key(2), sequence() - (std::uint64_t{2} << 32));
    EXPECT_EQ(counter("hmac_replay"), 1U);
    EXPECT_EQ(state(), State::Master);
}

TEST_F(VrrpHmacEngine, ADriftingClockIsToldBeforeItMatters) {
    run({with(Mode::Enforce, {key(1)})});
    become_master();
    arrive_signed(plain(50), key(1), sequence() - (std::uint64_t{3} << 32));
    EXPECT_EQ(counter("hmac_clock_skew"), 1U);
    EXPECT_EQ(counter("advert_rx"), 1U);
}

}  // namespace
}  // namespace vipd::vrrp::test
