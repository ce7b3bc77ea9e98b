// SPDX-License-Identifier: Apache-2.0
// The command line: keepalived's, short and long.
#include "userspace/daemon/options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <syslog.h>

#include <string>
#include <vector>

namespace vipd::daemon {
namespace {

Result<Options> parse(std::vector<std::string> words) {
    words.insert(words.begin(), "vipd");
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    return parse_options(static_cast<int>(words.size()), argv.data());
}

TEST(Options, ShortAndLongFormsMeanTheSame) {
    const auto brief = parse({"-f", "/a", "-n", "-l", "-D", "-p", "/p",  "-r", "/r",   "-c", "/c",
                              "-V", "-I", "-R", "-d", "-a", "-u", "022", "-i", "blue", "-s", "ns"});
    const auto full = parse({"--use-file=/a",
                             "--dont-fork",
                             "--log-console",
                             "--log-detail",
                             "--pid=/p",
                             "--vrrp_pid=/r",
                             "--checkers_pid=/c",
                             "--dont-release-vrrp",
                             "--dont-release-ipvs",
                             "--dont-respawn",
                             "--dump-conf",
                             "--address-monitoring",
                             "--umask=022",
                             "--config-id=blue",
                             "--namespace=ns"});
    for (const auto* options : {&brief, &full}) {
        ASSERT_TRUE(options->has_value()) << options->error().message;
        const Options& got = **options;
        EXPECT_THAT(got.files, testing::ElementsAre("/a"));
        EXPECT_TRUE(got.foreground && got.console && got.log.debug && got.keep_vips);
        EXPECT_TRUE(got.keep_services && got.dump_config && got.log_addresses && !got.respawn);
        EXPECT_EQ(got.pid_file, "/p");
        EXPECT_EQ(got.vrrp_pid_file, "/r");
        EXPECT_EQ(got.check_pid_file, "/c");
        EXPECT_EQ(got.file_mask, 022U);
        EXPECT_EQ(got.config_id, "blue");
        EXPECT_EQ(got.net_namespace, "ns");
    }
}

TEST(Options, OneSubsystemAloneOrBoth) {
    EXPECT_FALSE(parse({"-P"})->check);
    EXPECT_FALSE(parse({"-C"})->vrrp);
    EXPECT_TRUE(parse({"-P", "-C"})->vrrp && parse({"-P", "-C"})->check);
}

TEST(Options, WhereTheLogGoes) {
    using log::Target;
    EXPECT_EQ(parse({"-l"})->log.target, Target::Console);
    EXPECT_EQ(parse({"-G"})->log.file, "/dev/null");
    EXPECT_EQ(parse({"-G", "-l"})->log.target, Target::Console);
    EXPECT_EQ(parse({"-G", "-g/log"})->log.target, Target::File);
    EXPECT_EQ(parse({"-S", "3"})->log.facility, LOG_LOCAL3);
    EXPECT_EQ(parse({"-S", "local7"})->log.facility, LOG_LOCAL7);
    EXPECT_EQ(parse({"-S", "daemon"})->log.facility, LOG_DAEMON);
    EXPECT_FALSE(parse({"-S", "8"}));
}

TEST(Options, TheSignalsOfKeepalived) {
    EXPECT_EQ(signal_number("STOP"), SIGTERM);
    EXPECT_EQ(signal_number("RELOAD"), SIGHUP);
    EXPECT_EQ(signal_number("DATA"), SIGUSR1);
    EXPECT_EQ(signal_number("STATS"), SIGUSR2);
    EXPECT_EQ(signal_number("STATS_CLEAR"), 63);
    EXPECT_EQ(signal_number("JSON"), 36);
    EXPECT_EQ(signal_number("stop"), std::nullopt);
    EXPECT_EQ(parse({"--signum=JSON"})->signal_name, "JSON");
}

TEST(Options, WhatIsNotDoneIsSaid) {
    EXPECT_THAT(parse({"-x"})->remarks, testing::ElementsAre(testing::HasSubstr("SNMP")));
    EXPECT_THAT(parse({"-B", "-X", "-e", "-b", "/b"})->remarks, testing::IsEmpty());
}

TEST(Options, DumpConfigIsAnActionAndDumpConfASwitch) {
    EXPECT_EQ(parse({"--dump-config", "-f", "/a"})->action, Options::Action::DumpConfig);
    EXPECT_EQ(parse({"--dump-conf"})->action, Options::Action::Run);
}

TEST(Options, MistakesAreRefused) {
    for (const auto& words :
         std::vector<std::vector<std::string>>{{"--nosuch"},
                                               {"-f"},
                                               {"extra"},
                                               {"-u", "9"},
                                               {"-f", "/a", "-f", "/b"},
                                               {"--dump-config", "-f", "/a", "-f", "/b"}})
        EXPECT_FALSE(parse(words)) << words.front();
}

}  // namespace
}  // namespace vipd::daemon
