// SPDX-License-Identifier: Apache-2.0
// What the sync tests share: keys, flows by number, and a peer that can say anything.
#pragma once

#include "userspace/sync/receiver.hpp"
#include "userspace/sync/sender.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace vipd::sync::testing {

using dataplane::FlowState;

inline constexpr TimePoint kStart{Seconds(1000)};

inline Bytes bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string text_of(Bytes bytes) {
    return {bytes.begin(), bytes.end()};
}
inline std::string from_hex(std::string_view hex) {
    std::string out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
    return out;
}
inline std::string to_hex(std::string_view text) {
    std::string out;
    for (const char c : text) {
        constexpr std::string_view kDigits = "0123456789abcdef";
        out.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
        out.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
    }
    return out;
}

inline Secret key_of(char letter) {
    return *derive_shared_key(std::string(kMinSecret, letter));
}
inline Nonce nonce_of(std::uint8_t first) {
    Nonce nonce{};
    for (auto& byte : nonce) byte = first++;
    return nonce;
}
inline Identity node(const std::string& id) {
    return {id, 1, 0, std::hash<std::string>{}(id)};
}

inline const Endpoint kVip{*IpAddress::parse("10.0.0.1"), 80};
inline const Endpoint kReal{*IpAddress::parse("10.0.1.1"), 80};
inline const Endpoint kVip6{*IpAddress::parse("2001:db8::1"), 443};
inline const Endpoint kReal6{*IpAddress::parse("2001:db8:1::1"), 443};

/// The n-th flow: every tenth is UDP, every seventh IPv6.
inline Flow flow_of(std::uint32_t n, FlowState state = FlowState::Established) {
    Flow flow;
    const bool v6 = n % 7 == 0;
    flow.protocol = n % 10 == 0 ? Protocol::Udp : Protocol::Tcp;
    std::array<std::uint8_t, 16> v6_bytes{0x20, 0x01, 0x0d, 0xb8, 0xff};
    for (std::size_t i = 0; i < 4; ++i)
        v6_bytes[15 - i] = static_cast<std::uint8_t>(n >> (8 * i) & 0xff);
    flow.client = {v6 ? IpAddress::v6(v6_bytes) : IpAddress::v4(0xc0a80000 + n / 50'000),
                   static_cast<std::uint16_t>(1024 + n % 50'000)};
    flow.vip = v6 ? kVip6 : kVip;
    flow.real = v6 ? kReal6 : kReal;
    flow.state = state;
    flow.idle = Millis(n % 1000);
    return flow;
}

/// Moves what both have to say until neither has more; takes the receiver's flows as they come.
inline void exchange(Sender& sender,
                     Receiver& receiver,
                     TimePoint now,
                     std::vector<Flow>* flows = nullptr) {
    const auto move = [now](Session& from, Session& to) {
        const std::string output(from.output());
        from.consumed(output.size());
        to.receive(bytes_of(output), now);
        return !output.empty();
    };
    while (move(sender, receiver) | move(receiver, sender)) {
        for (auto& flow : receiver.take_flows())
            if (flows != nullptr) flows->push_back(flow);
    }
}

/// A sender that holds the key and has read the protocol, but says what the test wants.
class RawSender {
  public:
    explicit RawSender(Receiver& receiver, const Secret& key = key_of('k'))
        : receiver_(receiver), preamble_(encode_preamble(Role::Sender, nonce_of(1))) {
        receiver_.receive(preamble_, kStart);
        const std::string theirs(receiver_.output());
        receiver_.consumed(theirs.size());
        if (theirs.size() != kPreambleSize) return;
        const auto keys = derive_traffic_keys(key, preamble_, bytes_of(theirs));
        sealer_ = *Cipher::create(Cipher::Direction::Seal, keys->of_sender);
        opener_ = *Cipher::create(Cipher::Direction::Open, keys->of_receiver);
    }
    std::string frame(std::string_view plain) {
        const std::size_t length = plain.size() + kTagSize;
        std::string out;
        for (int shift = 24; shift >= 0; shift -= 8)
            out.push_back(static_cast<char>(length >> shift & 0xff));
        const std::string header = out;
        sealer_->seal(bytes_of(header), bytes_of(plain), out);
        return out;
    }
    void say_plain(std::string_view plain, TimePoint now = kStart) {
        receiver_.receive(bytes_of(frame(plain)), now);
    }
    void say(const Record& record, TimePoint now = kStart) { say_plain(encode(record), now); }
    void greet() {
        say(Hello{kMinorVersion, 1, 0, 99, "raw"});
        for (const auto& part : split_digests({})) say(part);
    }
    /// The receiver's records that have not been heard yet.
    std::vector<Record> hear() {
        std::string output(receiver_.output());
        receiver_.consumed(output.size());
        std::vector<Record> records;
        Bytes rest = bytes_of(output);
        while (rest.size() >= kFrameHeader) {
            const std::size_t length = static_cast<std::size_t>(rest[2]) << 8 | rest[3];
            const auto plain =
                opener_->open(rest.first(kFrameHeader), rest.subspan(kFrameHeader, length));
            if (!plain) break;
            if (auto record = decode(*plain)) records.push_back(std::move(*record));
            rest = rest.subspan(kFrameHeader + length);
        }
        return records;
    }

  private:
    Receiver& receiver_;
    Preamble preamble_;
    std::optional<Cipher> sealer_;
    std::optional<Cipher> opener_;
};

inline std::optional<Reject> reason_of(const Session& session) {
    return session.end() ? session.end()->reason : std::nullopt;
}

}  // namespace vipd::sync::testing
