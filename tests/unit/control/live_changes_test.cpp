// SPDX-License-Identifier: Apache-2.0
// Commands over a configuration: what is in force then, and what IPVS would have said.
#include "userspace/control/live_changes.hpp"

#include <gtest/gtest.h>

namespace vipd::control {
namespace {

using Verb = LiveCommand::Verb;

Endpoint at(const char* address, std::uint16_t port = 80) {
    return {IpAddress::parse(address).value(), port};
}

const ServiceKey kInFile{at("10.0.0.1"), Protocol::Tcp};
const ServiceKey kNew{at("10.0.0.9"), Protocol::Tcp};
const Endpoint kReal = at("10.1.0.1");

class Live : public testing::Test {
  protected:
    Live() {
        config::VirtualServer server;
        server.key = kInFile;
        server.scheduler.value = "rr";
        server.method.value = "DR";
        config::RealServer real;
        real.endpoint = kReal;
        real.checkers.emplace_back();
        server.real_servers.push_back(real);
        file_.virtual_servers.push_back(server);
    }
    std::string say(Verb verb,
                    const ServiceKey& key,
                    const Endpoint& real = kReal,
                    std::uint32_t weight = 1,
                    const char* scheduler = "wrr",
                    const char* method = "DR") {
        const auto done = live_.apply({.verb = verb,
                                       .service = key,
                                       .scheduler = scheduler,
                                       .real = real,
                                       .method = method,
                                       .weight = weight},
                                      file_);
        return done ? "" : done.error().message;
    }
    const config::VirtualServer* service(const ServiceKey& key) {
        now_ = live_.over(file_);
        for (const auto& server : now_.virtual_servers)
            if (server.key == key) return &server;
        return nullptr;
    }

    config::Config file_;
    config::Config now_;
    LiveChanges live_;
};

TEST_F(Live, AServiceOfItsOwnStandsBesideTheFiles) {
    EXPECT_EQ(say(Verb::AddService, kNew), "");
    EXPECT_EQ(say(Verb::AddServer, kNew, kReal, 7), "");
    ASSERT_NE(service(kNew), nullptr);
    EXPECT_EQ(*service(kNew)->scheduler, "wrr");
    ASSERT_EQ(service(kNew)->real_servers.size(), 1U);
    EXPECT_EQ(*service(kNew)->real_servers[0].weight, 7U);
    EXPECT_EQ(service(kInFile)->real_servers.size(), 1U);
    EXPECT_TRUE(live_.touches(kNew));
    EXPECT_FALSE(live_.touches(kInFile));
}

TEST_F(Live, AWeightOfTheFileIsChangedAndItsChecksStay) {
    EXPECT_EQ(say(Verb::EditServer, kInFile, kReal, 0), "");
    const auto& real = service(kInFile)->real_servers.at(0);
    EXPECT_EQ(*real.weight, 0U);
    EXPECT_EQ(real.checkers.size(), 1U);
    EXPECT_TRUE(live_.touches(kInFile, kReal));
}

TEST_F(Live, WhatTheFileHasCanBeTakenAwayAndPutBack) {
    EXPECT_EQ(say(Verb::DeleteServer, kInFile), "");
    EXPECT_TRUE(service(kInFile)->real_servers.empty());
    EXPECT_EQ(say(Verb::AddServer, kInFile, kReal, 3), "");
    EXPECT_EQ(*service(kInFile)->real_servers.at(0).weight, 3U);
    EXPECT_EQ(say(Verb::DeleteService, kInFile), "");
    EXPECT_EQ(service(kInFile), nullptr);
    EXPECT_EQ(say(Verb::AddService, kInFile, kReal, 1, "mh"), "");
    EXPECT_EQ(*service(kInFile)->scheduler, "mh");
    EXPECT_TRUE(service(kInFile)->real_servers.empty()) << "the file's servers went with it";
}

TEST_F(Live, MistakesAreIpvssWords) {
    EXPECT_EQ(say(Verb::AddService, kInFile), "Service already exists");
    EXPECT_EQ(say(Verb::AddServer, kInFile), "Destination already exists");
    EXPECT_EQ(say(Verb::AddServer, kNew), "Service not defined");
    EXPECT_EQ(say(Verb::EditService, kNew), "No such service");
    EXPECT_EQ(say(Verb::DeleteService, kNew), "No such service");
    EXPECT_EQ(say(Verb::DeleteServer, kInFile, at("10.1.0.9")), "No such destination");
    EXPECT_EQ(say(Verb::EditServer, kInFile, at("10.1.0.9")), "No such destination");
    EXPECT_EQ(say(Verb::DeleteServer, kNew), "Service not defined");
    EXPECT_EQ(say(Verb::Zero, kNew), "No such service");
    EXPECT_EQ(say(Verb::AddService, kNew, kReal, 1, "nosuch"),
              "Scheduler or persistence engine not found");
    EXPECT_EQ(live_.over(file_).virtual_servers.size(), 1U)
        << "a refused command changed something";
}

TEST_F(Live, FlushTakesTheFilesToo) {
    EXPECT_EQ(say(Verb::AddService, kNew), "");
    EXPECT_EQ(say(Verb::Flush, kNew), "");
    EXPECT_TRUE(live_.over(file_).virtual_servers.empty());
}

TEST_F(Live, ChangesOutliveAReload) {
    EXPECT_EQ(say(Verb::EditServer, kInFile, kReal, 5), "");
    file_.virtual_servers[0].scheduler.value = "sh";
    EXPECT_EQ(*service(kInFile)->scheduler, "sh");
    EXPECT_EQ(*service(kInFile)->real_servers.at(0).weight, 5U);
    file_.virtual_servers.clear();
    EXPECT_EQ(service(kInFile), nullptr) << "a change of what is gone changes nothing";
}

TEST_F(Live, TimeoutsOfZeroStayAsTheyAre) {
    ASSERT_TRUE(
        live_.apply({.verb = Verb::SetTimeouts, .service = {}, .timeouts = {0, 0, 45}}, file_));
    now_ = live_.over(file_);
    EXPECT_EQ(*now_.global.tcp_timeout, 900U);
    EXPECT_EQ(*now_.global.udp_timeout, 45U);
}

}  // namespace
}  // namespace vipd::control
