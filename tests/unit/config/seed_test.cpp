// SPDX-License-Identifier: Apache-2.0
// The seed files and what vipd says about them, word for word. VIPD_UPDATE_GOLDEN=1 writes the
// golden files anew; read the difference before it is committed.
#include "parse_support.hpp"
#include "userspace/config/compare.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace vipd::config::test {
namespace {

const std::string kSeed = VIPD_SEED_DIR;

Parsed seed(const std::string& name) {
    return parse(file_text(kSeed + "/" + name + ".conf"), name + ".conf", machine());
}

void expect_golden(const std::string& name,
                   const std::vector<Diagnostic>& diagnostics,
                   int status) {
    std::string text;
    for (const auto& diagnostic : diagnostics) text += render(diagnostic) + "\n";
    text += "exit status " + std::to_string(status) + "\n";
    const std::string path = kSeed + "/" + name + ".golden";
    if (std::getenv("VIPD_UPDATE_GOLDEN") != nullptr) std::ofstream(path, std::ios::binary) << text;
    EXPECT_EQ(text, file_text(path));
}

class Seed : public testing::TestWithParam<const char*> {};

TEST_P(Seed, DiagnosticsAreTheGoldenOnes) {
    const Parsed parsed = seed(GetParam());
    expect_golden(GetParam(), parsed.diagnostics, parsed.exit_status());
}

INSTANTIATE_TEST_SUITE_P(Files,
                         Seed,
                         testing::Values("annotated", "master", "nginx-pair", "slave"),
                         [](const auto& file) {
                             std::string name = file.param;
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

TEST(SeedPair, MismatchOfThePasswordsNamesBothPlacesAndNoPassword) {
    const std::vector<Config> pair{seed("master").config, seed("slave").config};
    const auto diagnostics = compare_peers(pair);
    ASSERT_EQ(diagnostics.size(), 1U);
    const std::string text = render(diagnostics[0]);
    EXPECT_THAT(text,
                testing::StartsWith("slave.conf:19:19: error: virtual_router_id 33 (VI_1): "
                                    "auth_pass is not the one at master.conf:19:19"));
    EXPECT_THAT(text, testing::Not(testing::HasSubstr("letmein")));
    EXPECT_THAT(text, testing::Not(testing::HasSubstr("123456")));
}

TEST(SeedPair, BothFilesMeanWhatTheirAuthorMeant) {
    const Parsed parsed = seed("master");
    ASSERT_EQ(parsed.config.instances.size(), 1U);
    const VrrpInstance& instance = parsed.config.instances[0];
    EXPECT_EQ(instance.name, "VI_1");
    EXPECT_TRUE(*instance.initial_master);
    EXPECT_EQ(*instance.interface, "eth0");
    EXPECT_EQ(*instance.virtual_router_id, 33);
    EXPECT_EQ(*instance.priority, 200);
    EXPECT_EQ(*instance.version, 2);
    EXPECT_EQ(*instance.advert_int, Seconds(1));
    EXPECT_EQ(instance.unicast_src_ip->to_string(), "172.20.128.2");
    ASSERT_EQ(instance.unicast_peers.size(), 1U);
    EXPECT_EQ(instance.unicast_peers[0]->to_string(), "172.20.128.3");
    EXPECT_EQ(*instance.auth_pass, "123456");
    ASSERT_EQ(instance.virtual_ipaddress.size(), 1U);
    EXPECT_EQ(instance.virtual_ipaddress[0].prefix.to_string(), "172.20.128.4/24");
    EXPECT_EQ(instance.virtual_ipaddress[0].device, "eth0");
    ASSERT_EQ(instance.track_scripts.size(), 1U);
    EXPECT_EQ(instance.track_scripts[0].name, "chk_nginx");
    EXPECT_EQ(instance.track_scripts[0].at.to_string(), "master.conf:27:9");
    ASSERT_EQ(parsed.config.scripts.size(), 1U);
    EXPECT_THAT(parsed.config.scripts[0].script.argv, testing::ElementsAre("pidof", "nginx"));
    EXPECT_EQ(*parsed.config.scripts[0].interval, Seconds(2));
    EXPECT_EQ(*parsed.config.scripts[0].timeout, Seconds(2));
}

}  // namespace
}  // namespace vipd::config::test
