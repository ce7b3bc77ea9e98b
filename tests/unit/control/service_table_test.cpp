// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/service_table.hpp"

#include <gtest/gtest.h>

namespace vipd::control {
namespace {

Endpoint at(const char* address, std::uint16_t port = 80) {
    return {*IpAddress::parse(address), port};
}

const ServiceKey kKey{at("10.0.0.1"), Protocol::Tcp};

config::RealServer real(const char* address, std::uint32_t weight = 1) {
    config::RealServer server;
    server.endpoint = at(address);
    server.weight = weight;
    server.checkers.emplace_back();
    return server;
}

config::Config two_reals() {
    config::Config config;
    config::VirtualServer server;
    server.key = kKey;
    server.method = std::string("DR");
    server.scheduler = std::string("wrr");
    server.real_servers = {real("10.0.0.2"), real("10.0.0.3")};
    config.virtual_servers.push_back(server);
    return config;
}

ipc::RealServerState health(const char* address, bool up, std::int32_t weight = -1) {
    return {kKey, at(address), up, true, weight, up ? "" : "connect refused"};
}

const std::vector<model::Real>& reals(const ServiceTable& table) {
    return table.desired().at(kKey).reals;
}

TEST(ServiceTable, StartsWithEveryRealUpAsKeepalivedDoes) {
    ServiceTable table;
    table.configure(two_reals());
    ASSERT_EQ(reals(table).size(), 2U);
    EXPECT_TRUE(reals(table)[0].alive);
    EXPECT_TRUE(reals(table)[1].alive);
}

TEST(ServiceTable, FlagsByNumberAreThoseOfTheHashes) {
    auto config = two_reals();
    auto& server = config.virtual_servers[0];
    const auto built = [&] {
        ServiceTable table;
        table.configure(config);
        return table.desired().at(kKey);
    };
    server.flag_1 = true;
    server.scheduler = std::string("sh");
    EXPECT_TRUE(built().hash_fallback);
    EXPECT_FALSE(built().hash_port);
    server.flag_1 = false;
    server.flag_2 = true;
    server.scheduler = std::string("mh");
    EXPECT_FALSE(built().hash_fallback);
    EXPECT_TRUE(built().hash_port);
    server.scheduler = std::string("wrr");
    EXPECT_FALSE(built().hash_port);
}

TEST(ServiceTable, HandsSchedulerAndThresholdsOn) {
    auto config = two_reals();
    config.virtual_servers[0].scheduler = std::string("sed");
    config.virtual_servers[0].real_servers[1].upper_threshold = 200U;
    config.virtual_servers[0].real_servers[1].lower_threshold = 150U;
    ServiceTable table;
    table.configure(config);
    EXPECT_EQ(table.desired().at(kKey).scheduler, model::Scheduler::ShortestExpectedDelay);
    EXPECT_EQ(reals(table)[0].upper, 0U);
    EXPECT_EQ(reals(table)[1].upper, 200U);
    EXPECT_EQ(reals(table)[1].lower, 150U);
}

TEST(ServiceTable, EachMemberOfAGroupIsAServiceWithTheGroupsHealth) {
    auto config = two_reals();
    auto& server = config.virtual_servers[0];
    server.group = "web";
    server.members = {{kKey, {}, 0}, {{at("10.0.0.7", 443), Protocol::Tcp}, {}, 0}};
    server.sorry_server = at("10.0.0.9", 8080);
    ServiceTable table;
    table.configure(config);
    ASSERT_EQ(table.desired().size(), 2U);
    const auto& second = table.desired().at(server.members[1].key);
    EXPECT_EQ(second.reals[0].endpoint, at("10.0.0.2", 443)) << "DR keeps the packet's port";
    // One check serves them all.
    const auto events = table.on_health(health("10.0.0.2", false));
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].line, "Removing service [10.0.0.2]:tcp:80 from VS [web] (connect refused)");
    EXPECT_FALSE(reals(table)[0].alive);
    EXPECT_FALSE(second.reals[0].alive);
    table.on_health(health("10.0.0.3", false));
    EXPECT_EQ(reals(table).back().endpoint, at("10.0.0.9", 80));
    EXPECT_EQ(second.reals.back().endpoint, at("10.0.0.9", 443));
    const auto views = table.view();
    ASSERT_EQ(views.size(), 2U);
    EXPECT_EQ(views[1].key, server.members[1].key);
    EXPECT_EQ(views[1].group, "web");
    EXPECT_EQ(views[1].reals[0].endpoint, at("10.0.0.2", 443));
    EXPECT_FALSE(views[1].reals[0].up);
    EXPECT_TRUE(views[1].reals[2].sorry);

    ServiceTable next;
    next.configure(config);
    next.adopt(table.desired());
    EXPECT_EQ(next.desired(), table.desired());
}

TEST(ServiceTable, FwmarkIsOneServiceOfManyAddresses) {
    auto config = two_reals();
    auto& server = config.virtual_servers[0];
    const ServiceKey other{at("10.0.0.1", 443), Protocol::Tcp};
    server.members = {{kKey, {other}, 3}};
    server.persistence_timeout = 600U;
    server.persistence_prefix.value = 24;
    server.persistence_prefix.set = true;
    ServiceTable table;
    table.configure(config);
    ASSERT_EQ(table.desired().size(), 1U);
    const auto& built = table.desired().at(kKey);
    EXPECT_EQ(built.also, std::vector<ServiceKey>{other});
    EXPECT_EQ(built.mark, 3U);
    EXPECT_EQ(built.persistence, Seconds(600));
    EXPECT_EQ(built.granularity, 24);
    EXPECT_EQ(table.on_health(health("10.0.0.2", false)).at(0).line,
              "Removing service [10.0.0.2]:tcp:80 from VS FWM 3 (connect refused)");
}

TEST(ServiceTable, AlphaStartsWithCheckedRealsDown) {
    auto config = two_reals();
    config.virtual_servers[0].alpha = true;
    config.virtual_servers[0].real_servers[1].checkers.clear();
    ServiceTable table;
    table.configure(config);
    EXPECT_FALSE(reals(table)[0].alive);
    EXPECT_TRUE(reals(table)[1].alive) << "nothing would ever bring it up";
}

TEST(ServiceTable, RemovesAFailedRealAndSaysSoInKeepalivedsWords) {
    ServiceTable table;
    table.configure(two_reals());
    const auto events = table.on_health(health("10.0.0.2", false));
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].line,
              "Removing service [10.0.0.2]:tcp:80 from VS [10.0.0.1]:tcp:80 (connect refused)");
    EXPECT_FALSE(reals(table)[0].alive);
    EXPECT_TRUE(reals(table)[1].alive);
    const auto back = table.on_health(health("10.0.0.2", true));
    ASSERT_EQ(back.size(), 1U);
    EXPECT_EQ(back[0].line, "Adding service [10.0.0.2]:tcp:80 to VS [10.0.0.1]:tcp:80");
    EXPECT_TRUE(reals(table)[0].alive);
}

TEST(ServiceTable, InhibitKeepsAFailedRealAtWeightZero) {
    auto config = two_reals();
    config.virtual_servers[0].real_servers[0].inhibit_on_failure = true;
    ServiceTable table;
    table.configure(config);
    table.on_health(health("10.0.0.2", false));
    EXPECT_TRUE(reals(table)[0].alive) << "its connections go on";
    EXPECT_EQ(reals(table)[0].weight, 0U) << "it gets no new ones";
    EXPECT_EQ(reals(table)[0].last_weight, 1U) << "mh keeps its table";
}

TEST(ServiceTable, RepeatedHealthSaysNothing) {
    ServiceTable table;
    table.configure(two_reals());
    table.on_health(health("10.0.0.2", false));
    EXPECT_TRUE(table.on_health(health("10.0.0.2", false)).empty());
}

TEST(ServiceTable, IgnoresHealthOfWhatIsNotConfigured) {
    ServiceTable table;
    table.configure(two_reals());
    EXPECT_TRUE(table.on_health(health("10.0.0.99", false)).empty());
    EXPECT_TRUE(
        table.on_health({{at("10.9.9.9"), Protocol::Tcp}, at("10.0.0.2"), false, true, -1, ""})
            .empty());
}

TEST(ServiceTable, DynamicWeightReplacesTheConfiguredOne) {
    ServiceTable table;
    table.configure(two_reals());
    const auto events = table.on_health(health("10.0.0.2", true, 7));
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(reals(table)[0].weight, 7U);
}

TEST(ServiceTable, QuorumLossBringsTheSorryServerAndDrainsTheRest) {
    auto config = two_reals();
    config.virtual_servers[0].quorum = 2;
    config.virtual_servers[0].sorry_server = at("10.0.0.9");
    ServiceTable table;
    table.configure(config);
    const auto events = table.on_health(health("10.0.0.2", false));
    ASSERT_EQ(events.size(), 3U);
    EXPECT_EQ(events[1].line, "Lost quorum 2-0=2 > 1 for VS [10.0.0.1]:tcp:80");
    EXPECT_EQ(events[2].line, "Adding sorry server [10.0.0.9]:tcp:80 to VS [10.0.0.1]:tcp:80");
    ASSERT_EQ(reals(table).size(), 3U);
    EXPECT_EQ(reals(table)[1].weight, 0U);
    EXPECT_TRUE(reals(table)[1].alive);
    EXPECT_EQ(reals(table)[2].endpoint, at("10.0.0.9"));
    EXPECT_EQ(reals(table)[2].weight, 1U);

    const auto back = table.on_health(health("10.0.0.2", true));
    ASSERT_EQ(back.size(), 3U);
    EXPECT_EQ(back[1].line, "Gained quorum 2+0=2 <= 2 for VS [10.0.0.1]:tcp:80");
    EXPECT_EQ(reals(table).size(), 2U);
}

TEST(ServiceTable, HysteresisHoldsTheQuorum) {
    auto config = two_reals();
    config.virtual_servers[0].real_servers[0].weight = 10;
    config.virtual_servers[0].real_servers[1].weight = 10;
    config.virtual_servers[0].quorum = 12;
    config.virtual_servers[0].hysteresis = 3;
    ServiceTable table;
    table.configure(config);
    EXPECT_EQ(table.on_health(health("10.0.0.2", true, 0)).size(), 1U) << "10 >= 12-3: still there";
    EXPECT_EQ(table.on_health(health("10.0.0.3", true, 8)).size(), 2U) << "8 < 9: lost";
    EXPECT_EQ(table.on_health(health("10.0.0.3", true, 14)).size(), 1U)
        << "14 < 12+3: not yet back";
    EXPECT_EQ(table.on_health(health("10.0.0.3", true, 15)).size(), 2U) << "15: back";
}

TEST(ServiceTable, ReloadKeepsTheHealthOfWhatStays) {
    ServiceTable table;
    table.configure(two_reals());
    table.on_health(health("10.0.0.2", false));
    auto config = two_reals();
    config.virtual_servers[0].real_servers.push_back(real("10.0.0.4"));
    table.configure(config);
    ASSERT_EQ(reals(table).size(), 3U);
    EXPECT_FALSE(reals(table)[0].alive);
    EXPECT_TRUE(reals(table)[2].alive);
}

TEST(ServiceTable, LeavesOutWhatIsNotForwardedYet) {
    auto config = two_reals();
    config.virtual_servers[0].key.protocol = Protocol::Sctp;
    ServiceTable table;
    table.configure(config);
    EXPECT_TRUE(table.desired().empty());
    ASSERT_EQ(table.view().size(), 1U);
    EXPECT_EQ(table.view()[0].unsupported, "SCTP services are not forwarded yet");
}

TEST(ServiceTable, LeavesOutWhatTheParserSaysIsNotForwarded) {
    auto config = two_reals();
    config.virtual_servers[0].method = std::string("TUN");
    config.virtual_servers[0].forwarded = false;  // TUN type gue without a port
    ServiceTable table;
    table.configure(config);
    EXPECT_TRUE(table.desired().empty());
}

TEST(ServiceTable, EachRealHasTheTunnelOfItsMethod) {
    using Type = Tunnel::Type;
    using Checksum = Tunnel::Checksum;
    auto config = two_reals();
    auto& server = config.virtual_servers[0];
    server.method = std::string("TUN");
    server.tunnel = {Type::Gue, 6080, Checksum::Remote};
    server.real_servers[1].method = "TUN";
    server.real_servers[1].tunnel = {Type::Gre, 0, Checksum::Full};
    ServiceTable table;
    table.configure(config);
    const auto& reals = table.desired().begin()->second.reals;
    EXPECT_EQ(reals.at(0).tunnel, (Tunnel{Tunnel::Type::Gue, 6080, Tunnel::Checksum::Remote}));
    EXPECT_EQ(reals.at(1).tunnel, (Tunnel{Tunnel::Type::Gre, 0, Tunnel::Checksum::Full}));
    EXPECT_EQ(table.view()[0].reals.at(0).tunnel, reals[0].tunnel);
    // What a virtual_server says of tunnels is not for a real server with a method of its own.
    server.real_servers[1].method = "DR";
    server.real_servers[1].tunnel = {};
    table.configure(config);
    EXPECT_EQ(table.desired().begin()->second.reals.at(1).tunnel, Tunnel{});
}

TEST(ServiceTable, HandsItsHealthToARestartedCheckProcess) {
    ServiceTable table;
    table.configure(two_reals());
    table.on_health(health("10.0.0.3", false));
    const auto states = table.health();
    ASSERT_EQ(states.size(), 1U);
    EXPECT_EQ(states[0].real, at("10.0.0.3"));
    EXPECT_FALSE(states[0].up);
}

TEST(ServiceTable, AdoptedRealsThatHadFailedStayDownUntilACheckPasses) {
    auto config = two_reals();
    config.virtual_servers[0].real_servers.push_back(real("10.0.0.4"));
    config.virtual_servers[0].real_servers[1].inhibit_on_failure = true;
    config.virtual_servers[0].real_servers[2].checkers.clear();
    ServiceTable before;
    before.configure(config);
    auto model = before.desired();
    auto& known = model.at(kKey).reals;
    known[0].alive = false;
    known[1].weight = 0;  // inhibited
    known[2].alive = false;

    ServiceTable after;
    after.configure(config);
    after.adopt(model);
    EXPECT_FALSE(reals(after)[0].alive);
    EXPECT_EQ(reals(after)[1].weight, 0U);
    EXPECT_TRUE(reals(after)[2].alive) << "no check would ever bring it up";
    EXPECT_EQ(after.on_health(health("10.0.0.2", true)).size(), 1U);
    EXPECT_TRUE(reals(after)[0].alive);
}

TEST(ServiceTable, OmegaRunsTheDownScriptsAtStop) {
    auto config = two_reals();
    config::Script script;
    script.argv = {"/bin/true"};
    config.virtual_servers[0].real_servers[0].notify_down = script;
    config.virtual_servers[0].quorum_down = script;
    ServiceTable table;
    table.configure(config);
    EXPECT_TRUE(table.on_stop().empty());
    config.virtual_servers[0].omega = true;
    table.configure(config);
    EXPECT_EQ(table.on_stop().size(), 2U);
}

config::Checker follows(const char* session, bool alpha = false) {
    config::Checker checker;
    checker.kind = config::Checker::Kind::Bfd;
    checker.bfd_instance = session;
    checker.alpha = alpha;
    return checker;
}

config::Checker follows_file(const std::string& file, int weight, bool reverse = false) {
    config::Checker checker;
    checker.kind = config::Checker::Kind::File;
    checker.track_file = file;
    checker.file_weight = weight;
    checker.file_reverse = reverse;
    return checker;
}

TEST(ServiceTable, FileAddsToTheWeightAndTakesOut) {
    auto config = two_reals();
    config.virtual_servers[0].real_servers[0].weight.value = 10;
    config.virtual_servers[0].real_servers[0].checkers = {follows_file("f", 2)};
    ServiceTable table;
    table.configure(config);
    EXPECT_TRUE(reals(table)[0].alive);
    EXPECT_TRUE(table.view()[0].reals[0].known);
    EXPECT_TRUE(table.on_file("f", 0).empty());
    EXPECT_TRUE(table.on_file("other", 5).empty());
    EXPECT_EQ(table.on_file("f", 7).size(), 1U);
    EXPECT_EQ(reals(table)[0].weight, 24U);
    EXPECT_TRUE(table.on_file("f", 7).empty()) << "told again, it is no news";
    table.on_file("f", -3);
    EXPECT_EQ(reals(table)[0].weight, 4U);
    table.on_file("f", -9);
    EXPECT_EQ(reals(table)[0].weight, 0U) << "no less than that";
    EXPECT_TRUE(reals(table)[0].alive);
    const auto down = table.on_file("f", -127);
    ASSERT_EQ(down.size(), 1U);
    EXPECT_EQ(down[0].line,
              "Removing service [10.0.0.2]:tcp:80 from VS [10.0.0.1]:tcp:80 (track_file f has "
              "-127)");
    EXPECT_FALSE(reals(table)[0].alive);
    table.configure(config);
    EXPECT_FALSE(reals(table)[0].alive) << "a reload forgets nothing";
    table.on_file("f", 2147483647);
    EXPECT_TRUE(reals(table)[0].alive);
    EXPECT_EQ(reals(table)[0].weight, 65535U);
}

TEST(ServiceTable, FileOfWeight0IsAFaultUnlessItIs0) {
    auto config = two_reals();
    config.virtual_servers[0].real_servers[0].checkers = {follows_file("f", 0)};
    config.virtual_servers[0].real_servers[1].checkers = {follows_file("f", 0, true)};
    ServiceTable table;
    table.configure(config);
    EXPECT_TRUE(reals(table)[0].alive);
    EXPECT_FALSE(reals(table)[1].alive);
    table.on_file("f", 1);
    EXPECT_FALSE(reals(table)[0].alive);
    EXPECT_TRUE(reals(table)[1].alive);
}

TEST(ServiceTable, BfdSessionTakesARealServerOutAndBringsItBack) {
    auto config = two_reals();
    config.virtual_servers[0].real_servers[0].checkers = {follows("leaf")};
    ServiceTable table;
    table.configure(config);
    // keepalived: up until the session has been up and is not any more.
    EXPECT_TRUE(table.on_bfd("leaf", false).empty());
    EXPECT_TRUE(reals(table)[0].alive);
    EXPECT_FALSE(table.view()[0].reals[0].known);
    EXPECT_TRUE(table.on_bfd("leaf", true).empty());
    EXPECT_TRUE(table.view()[0].reals[0].known);

    const auto down = table.on_bfd("leaf", false);
    ASSERT_EQ(down.size(), 1U);
    EXPECT_EQ(down[0].line,
              "Removing service [10.0.0.2]:tcp:80 from VS [10.0.0.1]:tcp:80 (BFD session leaf is "
              "down)");
    EXPECT_EQ(down[0].fifo_line, "RS [10.0.0.2]:tcp:80 [10.0.0.1]:tcp:80 DOWN");
    EXPECT_FALSE(reals(table)[0].alive);
    EXPECT_TRUE(reals(table)[1].alive);
    EXPECT_TRUE(table.on_bfd("leaf", false).empty()) << "told again, it is no news";
    EXPECT_TRUE(table.on_bfd("other", true).empty());
    EXPECT_FALSE(reals(table)[0].alive);

    const auto up = table.on_bfd("leaf", true);
    ASSERT_EQ(up.size(), 1U);
    EXPECT_EQ(up[0].line, "Adding service [10.0.0.2]:tcp:80 to VS [10.0.0.1]:tcp:80");
    EXPECT_TRUE(reals(table)[0].alive);
}

TEST(ServiceTable, BfdAlphaIsDownUntilTheSessionIsUp) {
    auto config = two_reals();
    config.virtual_servers[0].real_servers[0].checkers = {follows("leaf", true)};
    ServiceTable table;
    table.configure(config);
    EXPECT_FALSE(reals(table)[0].alive);
    EXPECT_FALSE(table.view()[0].reals[0].known);
    EXPECT_EQ(table.on_bfd("leaf", true).size(), 1U);
    EXPECT_TRUE(reals(table)[0].alive);
}

TEST(ServiceTable, BfdAndOtherChecksMustAllBeWell) {
    auto config = two_reals();
    config.virtual_servers[0].real_servers[0].checkers.push_back(follows("leaf"));
    ServiceTable table;
    table.configure(config);
    table.on_bfd("leaf", true);
    EXPECT_EQ(table.on_health(health("10.0.0.2", false)).size(), 1U);
    EXPECT_TRUE(table.on_bfd("leaf", false).empty()) << "it is down already";
    EXPECT_EQ(table.view()[0].reals[0].reason, "connect refused");
    EXPECT_TRUE(table.on_health(health("10.0.0.2", true)).empty());
    EXPECT_FALSE(reals(table)[0].alive);
    EXPECT_EQ(table.view()[0].reals[0].reason, "BFD session leaf is down");
    // What a check process that begins again is told is what it said itself.
    ASSERT_EQ(table.health().size(), 1U);
    EXPECT_TRUE(table.health()[0].up);
    EXPECT_EQ(table.on_bfd("leaf", true).size(), 1U);
    EXPECT_TRUE(reals(table)[0].alive);
}

TEST(ServiceTable, BfdStateOutlivesAReload) {
    auto config = two_reals();
    config.virtual_servers[0].real_servers[0].checkers = {follows("leaf")};
    ServiceTable table;
    table.configure(config);
    table.on_bfd("leaf", true);
    table.on_bfd("leaf", false);
    table.configure(config);
    EXPECT_FALSE(reals(table)[0].alive);
    // One that follows nothing any more is up; one that begins to waits for the first news.
    auto without = config;
    without.virtual_servers[0].real_servers[0].checkers.clear();
    table.configure(without);
    EXPECT_TRUE(reals(table)[0].alive);
    table.configure(config);
    EXPECT_TRUE(reals(table)[0].alive);
}

TEST(ServiceTable, WhatBfdHadTakenOutStaysOutOverARestart) {
    auto config = two_reals();
    config.virtual_servers[0].real_servers[0].checkers = {follows("leaf")};
    ServiceTable table;
    table.configure(config);
    table.on_bfd("leaf", true);
    table.on_bfd("leaf", false);
    ServiceTable next;
    next.configure(config);
    next.adopt(table.desired());
    EXPECT_FALSE(reals(next)[0].alive);
    EXPECT_TRUE(next.health().empty());
    EXPECT_EQ(next.on_bfd("leaf", true).size(), 1U);
    EXPECT_TRUE(reals(next)[0].alive);
}

}  // namespace
}  // namespace vipd::control
