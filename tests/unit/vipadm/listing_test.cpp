// SPDX-License-Identifier: Apache-2.0
// A table made by the commands of golden/table.rules, shown as a real ipvsadm on a real IPVS showed
// it; and vipd's own answers as such a table.
#include "tools/vipadm/render.hpp"
#include "tools/vipadm/vipd_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace vipd::vipadm {
namespace {

std::string golden(const std::string& name) {
    std::ostringstream text;
    text << std::ifstream(VIPADM_GOLDEN "/" + name).rdbuf();
    return text.str();
}

/// What the kernel makes of -A and -a.
Table table_of_rules() {
    Table table;
    std::istringstream file(golden("table.rules"));
    for (std::string line; std::getline(file, line);) {
        std::istringstream stream(line);
        std::vector<std::string> words;
        for (std::string word; stream >> word;) words.push_back(word);
        const auto command = parse(words, {});
        EXPECT_TRUE(command) << line << ": " << command.error().text;
        if (!command) continue;
        if (command->verb == Verb::AddService) {
            table.services.push_back(command->service);
            continue;
        }
        const auto service = std::ranges::find_if(
            table.services, [&](const Service& one) { return one.id == command->id; });
        EXPECT_NE(service, table.services.end()) << line;
        service->reals.push_back(command->real);
        // Without NAT the kernel has the service's port.
        if (command->real.forward != Forward::Masquerade)
            service->reals.back().endpoint.port = service->id.endpoint.port;
    }
    return table;
}

constexpr Format kNumeric{.numeric = true};

TEST(Listing, IsThatOfIpvsadm) {
    EXPECT_EQ(listing(table_of_rules(), kNumeric, false, {}), golden("Ln-fresh.txt"));
}

TEST(Listing, StatisticsToo) {
    Format format = kNumeric;
    format.stats = true;
    EXPECT_EQ(listing(table_of_rules(), format, false, {}), golden("Ln-fresh-stats.txt"));
}

TEST(Listing, SavesTheRulesThatMakeTheTableAgain) {
    const auto text = commands(table_of_rules(), kNumeric, {});
    EXPECT_EQ(text, golden("S-n.txt"));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream stream(line);
        std::vector<std::string> words;
        for (std::string word; stream >> word;) words.push_back(word);
        EXPECT_TRUE(parse(words, {})) << line;
    }
}

Table one_service(Real real) {
    Table table;
    Service service;
    service.id = {Protocol::Tcp, {*IpAddress::parse("203.0.113.2"), 443}, 0, Family::V4};
    service.scheduler = "wrr";
    service.reals.push_back(std::move(real));
    table.services.push_back(std::move(service));
    return table;
}

TEST(Listing, TheOtherColumns) {
    Real real;
    real.endpoint = {*IpAddress::parse("198.51.100.12"), 443};
    real.weight = 200;
    real.upper = 1000;
    real.lower = 800;
    real.active = 2;
    real.inactive = 1;
    Format format = kNumeric;
    format.thresholds = true;
    EXPECT_EQ(listing(one_service(real), format, true, {}),
              "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n"
              "  -> RemoteAddress:Port\n"
              "TCP  203.0.113.2:443 wrr\n"
              "  -> 198.51.100.12:443            1000       800        2          1         \n");
    format = kNumeric;
    format.persistent = true;
    EXPECT_EQ(listing(one_service(real), format, true, {}),
              "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n"
              "  -> RemoteAddress:Port\n"
              "TCP  203.0.113.2:443 wrr\n"
              "  -> 198.51.100.12:443            200       0           2          1         \n");
    format = kNumeric;
    format.tunnels = true;
    real.forward = Forward::Tunnel;
    real.tunnel = {Tunnel::Type::Gue, 6083, Tunnel::Checksum::Remote};
    EXPECT_EQ(
        listing(one_service(real), format, true, {}),
        "Prot LocalAddress:Port Scheduler Flags\n"
        "  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n"
        "TCP  203.0.113.2:443 wrr\n"
        "  -> 198.51.100.12:443            Tunnel  gue:6083:r+c  200    2          1         "
        "\n");
}

TEST(Listing, LargeFiguresAreShortenedUnlessExact) {
    Real real;
    real.endpoint = {*IpAddress::parse("100.64.0.2"), 9};
    Format format = kNumeric;
    format.stats = true;
    const auto last_line = [&](std::uint64_t bytes, bool exact) {
        format.exact = exact;
        real.stats = {1, 47452, 0, bytes, 0};
        const auto text = listing(one_service(real), format, true, {});
        return text.substr(text.rfind("  -> "));
    };
    const std::string start = "  -> 100.64.0.2:9                        1    47452        0";
    EXPECT_EQ(last_line(77862854, false), start + " 77862854        0\n");
    EXPECT_EQ(last_line(238958414, false), start + "  238958K        0\n");
    EXPECT_EQ(last_line(3107441672, false), start + "    3107M        0\n");
    EXPECT_EQ(last_line(3107441672, true), start + " 3107441672        0\n");
}

TEST(Listing, ConnectionsTimeoutsDaemons) {
    Connection one{.protocol = "TCP",
                   .expires_s = 14 * 60 + 52,
                   .state = "ESTABLISHED",
                   .client = {*IpAddress::parse("10.1.6.2"), 5502},
                   .virtual_address = {*IpAddress::parse("203.0.113.6"), 443},
                   .real = {*IpAddress::parse("198.51.100.11"), 443}};
    EXPECT_EQ(connections({one}, kNumeric),
              "IPVS connection entries\n"
              "pro expire state       source             virtual            destination\n"
              "TCP 14:52  ESTABLISHED 10.1.6.2:5502      203.0.113.6:443    198.51.100.11:443\n");
    Table table;
    EXPECT_EQ(timeouts(table), "Timeout (tcp tcpfin udp): 900 120 300\n");
    table.daemons.push_back({true, "s0", 12, 1472, *IpAddress::parse("224.0.0.81"), 8848, 1});
    EXPECT_EQ(daemons(table),
              "master sync daemon (mcast=s0, syncid=12, maxlen=1472, group=224.0.0.81, port=8848, "
              "ttl=1)\n");
}

TEST(VipdTable, AServerThatIsDownIsNotInTheTable) {
    const auto status = nlohmann::json::parse(R"({
        "flow_table": {"slots": 1048576}, "timeouts": {"tcp": 900, "tcpfin": 120, "udp": 300},
        "services": [{"address": "10.0.0.1", "port": 80, "protocol": "TCP", "scheduler": "mh",
            "hash_port": true, "hash_fallback": false, "sorry_active": false,
            "counters": {"packets": 10, "bytes": 1000, "connections": 3},
            "zeroed": {"packets": 4, "bytes": 400, "connections": 1},
            "rates": {"packets": 1.6, "bytes": 2.4, "connections": 0},
            "reals": [
              {"address": "10.0.0.2", "port": 80, "method": "DR", "effective_weight": 1,
               "alive": true, "state": "up", "sorry": false},
              {"address": "10.0.0.3", "port": 80, "method": "TUN", "effective_weight": 0,
               "alive": false, "state": "inhibited", "sorry": false},
              {"address": "10.0.0.4", "port": 80, "method": "DR", "effective_weight": 1,
               "alive": false, "state": "down", "sorry": false},
              {"address": "10.0.0.5", "port": 80, "method": "DR", "effective_weight": 1,
               "alive": true, "state": "up", "sorry": true}]}]})");
    const auto table = vipadm::table_of(status);
    EXPECT_EQ(listing(table, kNumeric, false, {}),
              "IP Virtual Server version 1.2.1 (size=1048576)\n"
              "Prot LocalAddress:Port Scheduler Flags\n"
              "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
              "TCP  10.0.0.1:80 mh (mh-port)\n"
              "  -> 10.0.0.2:80                  Route   1      0          0         \n"
              "  -> 10.0.0.3:80                  Tunnel  0      0          0         \n");
    EXPECT_EQ(table.services[0].stats.in_packets, 6U);
    EXPECT_EQ(table.services[0].rates.in_packets, 2U);
}

TEST(VipdTable, AnswersThatMakeNoSenseDoNotEndIt) {
    for (const char* text :
         {"{}",
          R"({"services": [{}]})",
          R"({"services": [{"reals": [{}]}]})",
          R"({"services": [{"address": 5, "port": "x", "rates": {"bytes": "y"}}]})"})
        EXPECT_NO_THROW(listing(vipadm::table_of(nlohmann::json::parse(text)), {}, false, {}));
}

TEST(VipdTable, TunnelsAreThoseOfTheStatus) {
    const auto status = nlohmann::json::parse(R"({"services": [{
        "address": "10.0.0.1", "port": 80, "protocol": "TCP", "scheduler": "rr", "reals": [
            {"address": "10.0.0.2", "port": 80, "alive": true, "method": "TUN", "effective_weight": 1,
             "tunnel": {"type": "ipip"}},
            {"address": "10.0.0.3", "port": 80, "alive": true, "method": "TUN", "effective_weight": 1,
             "tunnel": {"type": "gue", "port": 6083, "checksum": "remcsum"}},
            {"address": "10.0.0.4", "port": 80, "alive": true, "method": "TUN", "effective_weight": 1,
             "tunnel": {"type": "gre", "checksum": "csum"}},
            {"address": "10.0.0.5", "port": 80, "alive": true, "method": "DR", "effective_weight": 1,
             "tunnel": null}]}]})");
    Format format;
    format.numeric = true;
    format.tunnels = true;
    const std::string text = listing(vipadm::table_of(status), format, false, {});
    EXPECT_NE(text.find("Tunnel  ipip          1"), std::string::npos) << text;
    EXPECT_NE(text.find("Tunnel  gue:6083:r+c  1"), std::string::npos) << text;
    EXPECT_NE(text.find("Tunnel  gre:+c        1"), std::string::npos) << text;
    EXPECT_NE(text.find("Route   n/a           1"), std::string::npos) << text;
}

TEST(VipdTable, WhatVipdCannotDoIsSaidAndNotSent) {
    const auto change = [](std::vector<std::string> words) { return change_of(*parse(words, {})); };
    const auto good = change({"-a", "-t", "10.0.0.1:80", "-r", "10.0.0.2:81", "-i", "-w", "3"});
    ASSERT_TRUE(good);
    EXPECT_EQ(*good,
              nlohmann::json::parse(
                  R"({"command": "add-server", "method": "TUN", "tunnel": {"type": "ipip"},
                      "weight": 3, "uthreshold": 0, "lthreshold": 0,
                      "service": {"address": "10.0.0.1", "port": 80, "protocol": "TCP"},
                      "real": {"address": "10.0.0.2", "port": 80}})"));
    const auto tunnel = [&](std::vector<std::string> options) {
        std::vector<std::string> words{"-a", "-t", "10.0.0.1:80", "-r", "10.0.0.2", "-i"};
        words.insert(words.end(), options.begin(), options.end());
        const auto sent = change(words);
        return sent ? sent->at("tunnel") : nlohmann::json();
    };
    EXPECT_EQ(tunnel({"--tun-type", "gue", "--tun-port", "6080", "--tun-remcsum"}),
              nlohmann::json::parse(R"({"type": "gue", "port": 6080, "checksum": "remcsum"})"));
    EXPECT_EQ(tunnel({"--tun-type", "gue", "--tun-port", "6080"}),
              nlohmann::json::parse(R"({"type": "gue", "port": 6080, "checksum": "nocsum"})"));
    EXPECT_EQ(tunnel({"--tun-type", "gre", "--tun-csum"}),
              nlohmann::json::parse(R"({"type": "gre", "checksum": "csum"})"));
    EXPECT_FALSE(change({"-A", "-t", "10.0.0.1:80", "-p", "60"}));
    EXPECT_FALSE(change({"-A", "-f", "7"}));
    EXPECT_EQ(change({"-A", "-f", "7"}).error().status, 255);
}

}  // namespace
}  // namespace vipd::vipadm
