// SPDX-License-Identifier: Apache-2.0
// auth_hmac: what is a key, where it comes from, and that no diagnostic shows one.
#include "tests/unit/config/parse_support.hpp"
#include "userspace/config/writer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vipd::config::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string kHex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const std::string kText = "thirty-two_characters_of_secret.1";

std::string with(const std::string& lines, const std::string& more = "") {
    return "vrrp_instance V {\ninterface eth0\nvirtual_router_id 51\n" + more + "auth_hmac {\n" +
           lines + "}\nvirtual_ipaddress {\n10.0.0.1\n}\n}\n";
}

Environment with_key_files() {
    Environment environment = anywhere();
    environment.sources.key_file = [](const std::string& path) -> KeyFile {
        if (path == "/hex") return {.text = "hex:" + kHex + "\n", .problem = {}};
        if (path == "/text") return {.text = kText + "\r\n", .problem = {}, .open_to_all = true};
        return {.text = {}, .problem = "No such file or directory"};
    };
    return environment;
}

std::vector<std::string> keys(const Parsed& parsed) {
    std::vector<std::string> all;
    const auto& auth = parsed.config.instances.at(0).auth_hmac;
    if (!auth) return all;
    for (const auto& key : auth->keys) all.push_back(std::to_string(key.id) + " " + key.bytes);
    return all;
}

std::string counted() {
    std::string bytes(32, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i);
    return bytes;
}

TEST(AuthHmac, KeysAreHexadecimalTextOrInFiles) {
    const Parsed parsed = read(with("key 1 hex:" + kHex + "\nkey 2 " + kText +
                                    "\nkey 3 file:/hex\nkey 255 file:/text\nactive_key 2\n"),
                               with_key_files());
    EXPECT_THAT(findings(parsed),
                ElementsAre("4:1 complaint: key 255: /text can be read by others"));
    EXPECT_THAT(keys(parsed),
                ElementsAre("1 " + counted(), "2 " + kText, "3 " + counted(), "255 " + kText));
    EXPECT_EQ(*parsed.config.instances[0].auth_hmac->active_key, 2);
}

TEST(AuthHmac, WrongKeysAreLeftOutAndNoDiagnosticShowsOne) {
    const std::string secret = "SECRETSECRETSECRETSECRETSECRETSECRET";
    const Parsed parsed =
        read(with("key 0 " + secret + "\nkey 256 " + secret + "\nkey x " + secret + "\nkey 1 " +
                  secret + "\nkey 1 " + secret + "2\nkey 2 hex:" + secret +
                  "\nkey 3 SECRET\nkey 4 " + secret + secret + "\nkey 5 file:/nowhere\n"),
             with_key_files());
    EXPECT_THAT(findings(parsed),
                ElementsAre("4:1 error: line 5: a key has a number of 1 to 255; ignored",
                            "4:1 error: line 6: a key has a number of 1 to 255; ignored",
                            "4:1 error: line 7: a key has a number of 1 to 255; ignored",
                            "4:1 error: key 1 stands here twice; ignored",
                            "4:1 error: key 2 is no hexadecimal number; ignored",
                            "4:1 error: key 3 has 6 bytes; ignored",
                            "4:1 error: key 4 has 72 bytes; ignored",
                            "4:1 error: key 5: /nowhere: No such file or directory; ignored"));
    EXPECT_THAT(keys(parsed), ElementsAre("1 " + secret));
    for (const auto& one : parsed.diagnostics) EXPECT_THAT(render(one), Not(HasSubstr("SECRET")));
}

TEST(AuthHmac, RemarksOfTheSyntaxShowNoKeyEither) {
    const Parsed parsed =
        read(with("key 1 SECRET SECRET\nkey SECRET\nkey hex:SECRET SECRET S\n"
                  "key 1234SECRET x y\nkey \"1 SECRET\" SECRET SECRET\n"
                  "active_key 9 x\nkey 77 " +
                  kText + "\n"));
    EXPECT_GE(parsed.diagnostics.size(), 5U);
    std::string all;
    for (const auto& one : parsed.diagnostics) all += render(one);
    EXPECT_THAT(all, Not(HasSubstr("SECRET")));
    EXPECT_THAT(all, HasSubstr("key 1 ****** ******"));
    EXPECT_THAT(all, HasSubstr("active_key 9 x"));
}

TEST(AuthHmac, TakesThePlaceOfThePassword) {
    const Parsed parsed = read(
        with("key 1 " + kText + "\n", "authentication {\nauth_type PASS\nauth_pass secret12\n}\n"));
    EXPECT_THAT(findings(parsed),
                ElementsAre("6:11 complaint: authentication does not go with auth_hmac; it is not "
                            "used"));
    EXPECT_TRUE(parsed.config.instances[0].auth_pass->empty());
}

TEST(AuthHmac, StrictModeEnforces) {
    const Parsed parsed =
        read(with("key 1 " + kText + "\nmode receive-only\n", "version 3\nstrict_mode on\n"));
    EXPECT_THAT(findings(parsed), Contains(HasSubstr("strict mode wants mode enforce")));
    EXPECT_EQ(*parsed.config.instances[0].auth_hmac->mode, HmacAuth::Mode::Enforce);
}

TEST(AuthHmac, AnotherProcessGetsTheSameKeys) {
    Record record(with("key 1 file:/hex\nkey 2 file:/text\n"));
    Environment environment = with_key_files();
    environment.sources = record.listen(environment.sources);
    const Parsed first = parse(record.text(), "t.conf", environment);
    const auto copy = Record::decode(record.encode());
    ASSERT_TRUE(copy.has_value());
    Environment elsewhere = anywhere();
    elsewhere.sources = copy->replay();
    const Parsed second = parse(copy->text(), "t.conf", elsewhere);
    EXPECT_EQ(keys(second), keys(first));
    EXPECT_THAT(keys(second), ElementsAre("1 " + counted(), "2 " + kText));
}

TEST(AuthHmac, IsWrittenAsItWasRead) {
    const Parsed parsed = read(with("key 1 file:/hex\nkey 2 hex:" + kHex +
                                    "\nactive_key 2\ntime_window 9\nanti_replay monotonic\n"
                                    "mode receive-only\n"),
                               with_key_files());
    const std::string text = to_text(parsed.config);
    EXPECT_THAT(text, HasSubstr("key 1 file:/hex"));
    const Parsed again = read(text, with_key_files());
    EXPECT_THAT(findings(again), IsEmpty());
    EXPECT_EQ(keys(again), keys(parsed));
    const auto& auth = *again.config.instances[0].auth_hmac;
    EXPECT_EQ(*auth.time_window, 9U);
    EXPECT_TRUE(*auth.monotonic);
    EXPECT_EQ(*auth.mode, HmacAuth::Mode::ReceiveOnly);
}

}  // namespace
}  // namespace vipd::config::test
