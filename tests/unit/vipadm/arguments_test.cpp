// SPDX-License-Identifier: Apache-2.0
// What ipvsadm 1.31 refused, with its words and exit status (golden/refused.tsv), and what it took.
#include "tools/vipadm/arguments.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace vipd::vipadm {
namespace {

std::optional<std::uint16_t> port_of(const std::string& name, Protocol) {
    if (name == "https") return std::uint16_t{443};
    return std::nullopt;
}

constexpr Names kNames{nullptr, port_of};

std::vector<std::string> words_of(const std::string& line) {
    std::istringstream stream(line);
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(word);
    return words;
}

tl::expected<Command, Refusal> parsed(const std::string& line) {
    return parse(words_of(line), kNames);
}

TEST(Arguments, WhatIpvsadmRefusesIsRefusedInItsWords) {
    std::ifstream file(VIPADM_GOLDEN "/refused.tsv");
    int cases = 0;
    for (std::string line; std::getline(file, line); ++cases) {
        const auto first = line.find('\t');
        const auto second = line.find('\t', first + 1);
        const std::string command = line.substr(second + 1);
        const auto result = parsed(command);
        ASSERT_FALSE(result) << command;
        EXPECT_EQ(result.error().status, std::stoi(line.substr(0, first))) << command;
        EXPECT_EQ(result.error().text, line.substr(first + 1, second - first - 1)) << command;
    }
    EXPECT_GE(cases, 40);
}

TEST(Arguments, ValuesStandWhereTheyMay) {
    for (const char* line : {"-A -t 10.0.0.1:80 -s mh -b mh-port -p 60 -M 255.255.0.0",
                             "--add-service --tcp-service=10.0.0.1:80 --scheduler mh "
                             "--sched-flags=mh-port --persistent=60 --netmask 255.255.0.0",
                             "-At10.0.0.1:80 -smh -bmh-port -p60 -M255.255.0.0"}) {
        const auto result = parsed(line);
        ASSERT_TRUE(result) << line << ": " << result.error().text;
        EXPECT_EQ(result->verb, Verb::AddService);
        EXPECT_EQ(result->service.id.endpoint.to_string(), "10.0.0.1:80");
        EXPECT_EQ(result->service.scheduler, "mh");
        EXPECT_EQ(result->service.flags, std::vector<std::string>{"mh-port"});
        EXPECT_EQ(result->service.timeout, 60U);
        EXPECT_EQ(result->service.netmask, "255.255.0.0");
    }
    EXPECT_EQ(parsed("-A -t 10.0.0.1:80 -p")->service.timeout, 360U);
    EXPECT_EQ(parsed("-A -t 10.0.0.1:80 -p -s rr")->service.timeout, 360U);
}

TEST(Arguments, AServerHasThePortOfItsServiceUnlessItSaysAnother) {
    EXPECT_EQ(parsed("-a -t 10.0.0.1:80 -r 10.0.0.2")->real.endpoint.port, 80);
    EXPECT_EQ(parsed("-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -m")->real.endpoint.port, 8080);
    EXPECT_EQ(parsed("-a -t 10.0.0.1:https -r 10.0.0.2")->real.endpoint.port, 443);
    EXPECT_EQ(parsed("-a -t [2001:db8::1]:80 -r 2001:db8::2")->real.endpoint.to_string(),
              "[2001:db8::2]:80");
}

TEST(Arguments, NoWordsAtAllAreTheListing) {
    EXPECT_EQ(parsed("")->verb, Verb::List);
    EXPECT_TRUE(parsed("-Lnc")->connections);
    EXPECT_TRUE(parsed("-ln")->format.numeric);
    EXPECT_EQ(parsed("--set 0 0 45")->set, (std::array<std::uint32_t, 3>{0, 0, 45}));
    EXPECT_EQ(parsed("-h extra")->verb, Verb::Help);
}

}  // namespace
}  // namespace vipd::vipadm
