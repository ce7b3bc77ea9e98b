// SPDX-License-Identifier: Apache-2.0
// Whatever the bytes: no crash, and time in proportion to them.
#include "parse_support.hpp"
#include "userspace/config/keywords.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <chrono>

namespace vipd::config::test {
namespace {

/// Parses and renders; true if the diagnostics make sense.
bool sane(const std::string& text) {
    const Parsed parsed = parse(text, "fuzz", machine());
    const auto lines = static_cast<std::uint32_t>(std::count(text.begin(), text.end(), '\n')) + 1;
    for (const auto& diagnostic : parsed.diagnostics) {
        if (diagnostic.at.line < 1 || diagnostic.at.line > lines || diagnostic.at.column < 1)
            return false;
        if (render(diagnostic).empty()) return false;
    }
    return true;
}

double seconds_for(const std::string& text) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(sane(text));
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

RC_GTEST_PROP(Robustness, AnyBytesAreRead, (const std::string& text)) {
    RC_ASSERT(sane(text));
}

RC_GTEST_PROP(Robustness, AnyWordsAreRead, ()) {
    static const std::vector<std::string> kOther{"{",
                                                 "}",
                                                 "\n",
                                                 "\n",
                                                 "\"",
                                                 "'",
                                                 "\\",
                                                 "#",
                                                 "!",
                                                 "@x",
                                                 "@^x",
                                                 "$A=b",
                                                 "${A}",
                                                 "~SEQ(",
                                                 "\r\n",
                                                 "\t",
                                                 "0",
                                                 "1",
                                                 "255",
                                                 "256",
                                                 "-1",
                                                 "1.5",
                                                 "99999999999999999999",
                                                 "10.0.0.1",
                                                 "10.0.0.1/24",
                                                 "10.0.0.2",
                                                 "fe80::1",
                                                 "PASS",
                                                 "MASTER",
                                                 "eth0",
                                                 "weight",
                                                 "dev",
                                                 "VI_1",
                                                 "DR",
                                                 "TUN",
                                                 "NAT",
                                                 "mh",
                                                 "TCP",
                                                 "80",
                                                 "off",
                                                 "\xff",
                                                 "全",
                                                 ""};
    std::string text;
    const auto words = *rc::gen::container<std::vector<std::size_t>>(
        rc::gen::inRange<std::size_t>(0, kOther.size() * 2 + keywords().size()));
    for (const auto word : words) {
        text += word < kOther.size() * 2 ? kOther[word / 2]
                                         : std::string(keywords()[word - kOther.size() * 2].name);
        text += word % 5 == 0 ? "\n" : " ";
    }
    RC_ASSERT(sane(text));
}

TEST(Robustness, EveryPrefixOfTheSeedFilesIsRead) {
    for (const std::string name : {"annotated", "master", "nginx-pair", "slave"}) {
        const std::string text = file_text(std::string(VIPD_SEED_DIR) + "/" + name + ".conf");
        ASSERT_FALSE(text.empty()) << name;
        for (std::size_t length = 0; length <= text.size(); ++length)
            ASSERT_TRUE(sane(text.substr(0, length))) << name << " " << length;
    }
}

// The limit leaves room for a sanitizer build on a busy machine; quadratic work would need hours.
TEST(Robustness, MegabytesOfGarbageEndSoon) {
    constexpr std::size_t kSize = 500'000;
    constexpr double kLimit = 60;
    const auto repeated = [](std::string_view piece) {
        std::string text;
        text.reserve(kSize + piece.size());
        while (text.size() < kSize) text += piece;
        return text;
    };
    EXPECT_LT(seconds_for(std::string(20 * kSize, 'x')), kLimit);
    EXPECT_LT(seconds_for(repeated("x ")), kLimit);
    EXPECT_LT(seconds_for(repeated("netify_backup\n")), kLimit);
    EXPECT_LT(seconds_for(repeated("vrrp_instance {")), kLimit);
    EXPECT_LT(seconds_for(repeated("{")), kLimit);
    EXPECT_LT(seconds_for(repeated("}")), kLimit);
    EXPECT_LT(seconds_for(repeated("a{")), kLimit);
    EXPECT_LT(seconds_for("vrrp_instance A {\nvirtual_ipaddress {\n" + repeated("10.0.0.1\n")),
              kLimit);
    EXPECT_LT(seconds_for("vrrp_sync_group A { group {" + repeated("A ")), kLimit);
    EXPECT_LT(seconds_for("global_defs { router_id \"" + repeated("x")), kLimit);
    std::string many;
    for (int i = 0; many.size() < kSize; ++i)
        many +=
            "vrrp_instance V" + std::to_string(i) + " {\ninterface eth0\nvirtual_router_id 7\n}\n";
    EXPECT_LT(seconds_for(many), kLimit);
    many = "virtual_server 10.0.0.1 80 {\n";
    for (int i = 0; many.size() < kSize; ++i)
        many += "real_server 10.1." + std::to_string(i / 256 % 256) + "." +
                std::to_string(i % 256) + " 80 { TCP_CHECK {\n} }\n";
    EXPECT_LT(seconds_for(many), kLimit);
}

}  // namespace
}  // namespace vipd::config::test
