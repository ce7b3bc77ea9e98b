// SPDX-License-Identifier: Apache-2.0
// A datagram at a VRRP socket, version 2 (without authentication, PASS, AH) and 3, IPv4 and IPv6,
// with and without the trailer of auth_hmac: as it is, and with its checksums, AH's value and the
// HMAC put right, which brings changed ones further.
// Whatever is accepted can be written again and reads the same; the machine takes it in each state.
#include "vrrp/fsm/machine.hpp"
#include "vrrp/packet/advert.hpp"
#include "vrrp/packet/checksum.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

namespace {

using namespace vipd;
using namespace vipd::vrrp;
using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kHeaderV4 = 20;
constexpr std::size_t kHeaderV6 = 40;
constexpr Nanos kNow = Seconds(0x68000000);

IpAddress ip(const char* text) {
    return *IpAddress::parse(text);
}

const AuthPass& password() {
    static const AuthPass pass = make_auth_pass("secret12");
    return pass;
}

const HmacSettings& hmac_settings(HmacSettings::Mode mode) {
    static const auto make = [](HmacSettings::Mode as) {
        const std::array<std::uint8_t, 32> secret{'s', 'e', 'c', 'r', 'e', 't'};
        return HmacSettings{.keys = {HmacKey(1, secret)}, .active = 1, .mode = as};
    };
    static const HmacSettings enforce = make(HmacSettings::Mode::Enforce);
    static const HmacSettings permissive = make(HmacSettings::Mode::Permissive);
    return mode == HmacSettings::Mode::Enforce ? enforce : permissive;
}

std::vector<Expected> make_instances() {
    static const std::vector<IpAddress> v4{ip("10.9.0.100"), ip("10.9.0.101")};
    static const std::vector<IpAddress> v6{ip("fe80::100"), ip("2001:db8::100")};
    static const std::vector<UnicastPeer> peers{{ip("10.9.0.1"), 64, 255}};
    Expected v2{.version = 2,
                .vrid = 51,
                .interval = Seconds(1),
                .auth = std::nullopt,
                .own = ip("10.9.0.2"),
                .group = ip("224.0.0.18"),
                .peers = {},
                .addresses = v4};
    std::vector<Expected> all{v2};
    Expected pass = v2;
    pass.auth = password();
    all.push_back(pass);
    Expected ah = v2;
    ah.ah = AhExpected{password(), std::nullopt};
    all.push_back(ah);
    Expected v3 = v2;
    v3.version = 3;
    v3.interval = Millis(100);
    all.push_back(v3);
    Expected unicast = v3;
    unicast.group = {};
    unicast.peers = peers;
    unicast.address_check = Expected::AddressCheck::Skip;
    all.push_back(unicast);
    Expected six = v3;
    six.own = ip("fe80::2");
    six.group = ip("ff02::12");
    six.addresses = v6;
    all.push_back(six);
    for (const auto mode : {HmacSettings::Mode::Enforce, HmacSettings::Mode::Permissive})
        for (Expected by : {v2, v3, unicast, six}) {
            by.hmac = HmacExpected{&hmac_settings(mode), nullptr, kNow};
            all.push_back(by);
        }
    return all;
}

void put(Bytes& bytes, std::size_t at, unsigned value) {
    bytes[at] = static_cast<std::uint8_t>(value >> 8U);
    bytes[at + 1] = static_cast<std::uint8_t>(value);
}

/// With right sums, where there is room for them.
Bytes repaired(Bytes bytes) {
    const bool six = !bytes.empty() && bytes[0] >> 4U == 6;
    const std::size_t front = six ? kHeaderV6 : kHeaderV4;
    if (bytes.size() < front + 8 || bytes.size() > 0xffff) return bytes;
    if (six) {
        put(bytes, 4, static_cast<unsigned>(bytes.size() - front));
    } else {
        bytes[0] = 0x45;
        put(bytes, 2, static_cast<unsigned>(bytes.size()));
    }
    const bool ah = !six && bytes[9] == kProtocolAh && bytes.size() >= front + kAhHeader + 8;
    const std::size_t at = front + (ah ? kAhHeader : 0);
    put(bytes, at + 6, 0);
    const std::span body = std::span(bytes).subspan(at);
    const std::size_t message = 8U + body[3] * (six ? 16U : 4U) + (body[0] >> 4U == 2 ? 8U : 0U);
    const bool hmac = !ah && body.size() == message + kHmacTrailer;
    if (hmac) {
        const auto key = hmac_settings(HmacSettings::Mode::Enforce).keys.front();
        const std::span from = std::span(bytes).subspan(six ? 8 : 12);
        const auto source = six ? IpAddress::v6(from.first<16>()) : IpAddress::v4(from.first<4>());
        std::ranges::copy(hmac_of(key, source, body), body.end() - 16);
    }
    const std::span summed = hmac && !six ? body.first(message) : body;
    std::uint32_t sum = checksum_add(summed);
    if (body[0] >> 4U == 3) {
        sum = checksum_add(std::span(bytes).subspan(six ? 8 : 12, six ? 32 : 8), sum);
        sum += kProtocolVrrp + static_cast<std::uint32_t>(summed.size());
    }
    put(bytes, at + 6, checksum_finish(sum));
    if (ah) {
        const AhIcv icv = ah_icv(bytes, front, password());
        std::ranges::copy(icv, bytes.begin() + kHeaderV4 + 12);
    }
    if (!six) {
        put(bytes, 10, 0);
        put(bytes, 10, checksum_finish(checksum_add(std::span(bytes).first(front))));
    }
    return bytes;
}

void give_to_machines(const Decoded& decoded, const Expected& instance) {
    for (const State state : {State::Init, State::Backup, State::Master, State::Fault}) {
        const Policy policy{.version = instance.version,
                            .priority = 100,
                            .advert_interval = instance.interval,
                            .primary = instance.own};
        const TimePoint now{Seconds(1000)};
        Machine machine;
        (void)step(machine, policy, Startup{}, now);
        machine.state = state;
        (void)step(machine,
                   policy,
                   Heard{decoded.advert.priority, decoded.advert.interval, decoded.source},
                   now);
        // No advert makes a state out of nothing, nor a timer that is due for ever.
        if (state != State::Master && machine.state != state) std::abort();
        if (state == State::Backup && machine.timer <= now) std::abort();
    }
}

void decode_all(std::span<const std::uint8_t> bytes) {
    static const std::vector<Expected> instances = make_instances();
    const auto envelope = open_envelope(bytes, false);
    if (!envelope) return;
    for (const Expected& instance : instances) {
        const auto decoded = decode(*envelope, instance);
        if (!decoded) continue;
        Bytes again =
            encode(decoded->advert, envelope->source, envelope->destination, envelope->ttl);
        if (decoded->advert.ah) again = add_ah(again, password(), decoded->ah_sequence);
        if (decoded->hmac)
            add_hmac(
                again, *instance.hmac->settings->find(decoded->hmac->key), decoded->hmac->sequence);
        const auto opened = open_envelope(again, false);
        if (!opened) std::abort();
        const auto read = decode(*opened, instance);
        if (!read || !(read->advert == decoded->advert) || read->source != decoded->source ||
            read->ah_sequence != decoded->ah_sequence ||
            read->hmac.has_value() != decoded->hmac.has_value() ||
            (read->hmac && read->hmac->sequence != decoded->hmac->sequence))
            std::abort();
        give_to_machines(*decoded, instance);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    decode_all({data, size});
    decode_all(repaired(Bytes(data, data + size)));
    return 0;
}
