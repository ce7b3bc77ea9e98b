// SPDX-License-Identifier: Apache-2.0
// The bytes of ipc::Message: every kind goes there and back, nothing else is taken.
#include "userspace/base/channel.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace vipd::ipc {
namespace {

/// Sets every field of a message, whatever its type, to something of its own.
class Filler {
  public:
    explicit Filler(unsigned seed) : random_(seed) {}

    template <class T>
        requires std::is_integral_v<T>
    void operator()(T& value) {
        value = static_cast<T>(random_());
    }
    void operator()(bool& value) { value = random_() % 2 == 0; }
    void operator()(VrrpState& value) { value = static_cast<VrrpState>(random_() % 4); }
    void operator()(TrackerKind& value) { value = static_cast<TrackerKind>(random_() % 3); }
    void operator()(InstanceEventKind& value) {
        value = static_cast<InstanceEventKind>(random_() % 2);
    }
    void operator()(Protocol& value) {
        value = random_() % 2 == 0 ? Protocol::Tcp : Protocol::Sctp;
    }
    void operator()(std::string& value) {
        value.resize(random_() % 20);
        for (char& c : value) c = static_cast<char>(random_());
    }
    void operator()(IpAddress& value) {
        std::array<std::uint8_t, 16> bytes{};
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random_());
        const auto kind = random_() % 3;
        value = kind == 0   ? IpAddress()
                : kind == 1 ? IpAddress::v6(bytes)
                            : IpAddress::v4(std::span<const std::uint8_t, 16>(bytes).first<4>());
    }
    void operator()(Endpoint& value) { (*this)(value.address), (*this)(value.port); }
    void operator()(ServiceKey& value) { (*this)(value.endpoint), (*this)(value.protocol); }
    template <class T>
    void operator()(std::vector<T>& values) {
        values.resize(random_() % 4);
        for (T& value : values) (*this)(value);
    }
    template <class T>
        requires requires(T& message, Filler& filler) { message.fields(filler); }
    void operator()(T& message) {
        message.fields(*this);
    }

  private:
    std::mt19937 random_;
};

template <std::size_t I = 0>
void for_each_kind(unsigned seed, auto&& visit) {
    if constexpr (I < std::variant_size_v<Message>) {
        std::variant_alternative_t<I, Message> message;
        Filler filler(seed);
        message.fields(filler);
        visit(Message(std::in_place_index<I>, std::move(message)));
        for_each_kind<I + 1>(seed, visit);
    }
}

std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}

TEST(Ipc, EveryKindGoesThereAndBack) {
    for (unsigned seed = 0; seed < 50; ++seed) {
        for_each_kind(seed, [](const Message& message) {
            const auto bytes = encode(message);
            ASSERT_TRUE(bytes);
            const auto back = decode(bytes_of(*bytes));
            ASSERT_TRUE(back) << message.index() << ": " << back.error().message;
            EXPECT_EQ(back->index(), message.index());
            EXPECT_EQ(encode(*back).value(), *bytes);
        });
    }
}

TEST(Ipc, FieldsArriveInTheirPlaces) {
    RealServerState sent;
    sent.service = {{*IpAddress::parse("192.0.2.1"), 443}, Protocol::Udp};
    sent.real = {*IpAddress::parse("2001:db8::7"), 8080};
    sent.up = true;
    sent.weight = -1;
    sent.reason = "timed out";
    const auto back = decode(bytes_of(encode(sent).value()));
    ASSERT_TRUE(back);
    const auto& got = std::get<RealServerState>(*back);
    EXPECT_EQ(got.service, sent.service);
    EXPECT_EQ(got.real, sent.real);
    EXPECT_TRUE(got.up);
    EXPECT_FALSE(got.known);
    EXPECT_EQ(got.weight, -1);
    EXPECT_EQ(got.reason, "timed out");
}

TEST(Ipc, BytesAreAsTheHeaderSays) {
    const std::string bytes = encode(Handover{"VI", 0x01020304}).value();
    EXPECT_EQ(bytes, std::string("\x05\x00\x02\x00\x00\x00VI\x04\x03\x02\x01", 12));
}

TEST(Ipc, TruncatedAtAnyLengthOrOneByteLongerIsRefused) {
    for_each_kind(7, [](const Message& message) {
        const std::string bytes = encode(message).value();
        for (std::size_t length = 0; length < bytes.size(); ++length)
            EXPECT_FALSE(decode(bytes_of(bytes).first(length))) << message.index() << " " << length;
        EXPECT_FALSE(decode(bytes_of(bytes + '\0'))) << message.index();
    });
}

TEST(Ipc, ValuesOutsideTheirEnumerationAreRefused) {
    std::string bytes = encode(ResumeInstance{"", VrrpState::Fault}).value();
    ASSERT_TRUE(decode(bytes_of(bytes)));
    bytes.back() = 4;
    EXPECT_FALSE(decode(bytes_of(bytes)));

    bytes = encode(TrackScriptState{"", true, true}).value();
    bytes.back() = 2;
    EXPECT_FALSE(decode(bytes_of(bytes)));

    const RealServerState real{};  // family, port, protocol ...
    bytes = encode(real).value();
    ASSERT_TRUE(decode(bytes_of(bytes)));
    bytes[2] = 5;
    EXPECT_FALSE(decode(bytes_of(bytes)));
    bytes = encode(real).value();
    bytes[5] = 1;
    EXPECT_FALSE(decode(bytes_of(bytes)));
}

TEST(Ipc, UnknownKindIsRefused) {
    const auto kind = static_cast<std::uint16_t>(std::variant_size_v<Message>);
    std::string bytes(2, '\0');
    std::memcpy(bytes.data(), &kind, sizeof kind);
    EXPECT_FALSE(decode(bytes_of(bytes)));
}

TEST(Ipc, LyingListCountIsRefusedWithoutAllocating) {
    InstanceReport report;
    std::string bytes = encode(report).value();
    // The last eight bytes are the counts of `vips` and `counters`.
    std::memset(bytes.data() + bytes.size() - 8, 0xff, 4);
    EXPECT_FALSE(decode(bytes_of(bytes)));
}

TEST(Ipc, RandomBytesNeverCrashAndWhatIsTakenIsTakenWhole) {
    std::mt19937 random(20260101);
    for (int round = 0; round < 200000; ++round) {
        std::string bytes(random() % 80, '\0');
        for (char& c : bytes) c = static_cast<char>(random() % 4 == 0 ? random() : random() % 3);
        if (bytes.size() >= 2) {
            bytes[0] = static_cast<char>(random() % 15);
            bytes[1] = '\0';
        }
        if (const auto message = decode(bytes_of(bytes))) {
            ASSERT_EQ(encode(*message).value(), bytes);
        }
    }
}

TEST(Ipc, LongerThanTheLimitIsRefused) {
    InstanceReport report;
    report.fault.resize(kMaxMessage);
    EXPECT_FALSE(encode(report));
}

}  // namespace
}  // namespace vipd::ipc
