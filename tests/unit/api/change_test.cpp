// SPDX-License-Identifier: Apache-2.0
// The body of POST /v1/change: what is taken, what is refused before the core hears of it.
#include "userspace/api/live_command.hpp"

#include <gtest/gtest.h>

namespace vipd::api {
namespace {

using Verb = control::LiveCommand::Verb;

TEST(Change, IsReadWhole) {
    const auto command = live_command(
        R"({"command": "edit-server", "method": "TUN", "weight": 7,
            "service": {"address": "10.0.0.1", "port": 53, "protocol": "UDP"},
            "real": {"address": "10.1.0.1", "port": 5353}})");
    ASSERT_TRUE(command) << command.error().message;
    EXPECT_EQ(command->verb, Verb::EditServer);
    EXPECT_EQ(command->service->to_string(), "10.0.0.1:53/UDP");
    EXPECT_EQ(command->real.to_string(), "10.1.0.1:5353");
    EXPECT_EQ(command->method, "TUN");
    EXPECT_EQ(command->weight, 7U);
    const auto tunnel = live_command(
        R"({"command": "zero", "tunnel": {"type": "gue", "port": 6080, "checksum": "remcsum"}})");
    ASSERT_TRUE(tunnel) << tunnel.error().message;
    EXPECT_EQ(tunnel->tunnel, (Tunnel{Tunnel::Type::Gue, 6080, Tunnel::Checksum::Remote}));
    EXPECT_FALSE(live_command(R"({"command": "zero"})")->service);
    EXPECT_EQ(live_command(R"({"command": "set-timeouts", "udp": 45})")->timeouts[2], 45U);
}

TEST(Change, HalfOrForeignBodiesAreRefused) {
    for (
        const char* body : {
            "",
            "[]",
            "{}",
            R"({"command": "nosuch"})",
            R"({"command": 5})",
            R"({"command": "add-service"})",
            R"({"command": "add-service", "service": "10.0.0.1:80"})",
            R"({"command": "add-service", "service": {"address": "x", "port": 80, "protocol": "TCP"}})",
            R"({"command": "zero", "service": {"address": "10.0.0.1", "port": 65536, "protocol": "TCP"}})",
            R"({"command": "zero", "service": {"address": "10.0.0.1", "port": 80, "protocol": "GRE"}})",
            R"({"command": "add-server", "service": {"address": "10.0.0.1", "port": 80, "protocol": "TCP"}})",
            R"({"command": "zero", "weight": -1})",
            R"({"command": "zero", "weight": 4294967296})",
            R"({"command": "zero", "method": "MAGIC"})",
            R"({"command": "zero", "unknown": 1})",
            R"({"command": "zero", "tunnel": "gre"})",
            R"({"command": "zero", "tunnel": {"type": "vxlan"}})",
            R"({"command": "zero", "tunnel": {"type": "gue"}})",
            R"({"command": "zero", "tunnel": {"type": "gue", "port": 0}})",
            R"({"command": "zero", "tunnel": {"type": "gue", "port": 65536}})",
            R"({"command": "zero", "tunnel": {"type": "gre", "port": 1}})",
            R"({"command": "zero", "tunnel": {"type": "gre", "checksum": "remcsum"}})",
            R"({"command": "zero", "tunnel": {"type": "ipip", "checksum": "csum"}})",
            R"({"command": "zero", "tunnel": {"type": "gre", "key": "1"}})",
        })
        EXPECT_FALSE(live_command(body)) << body;
}

}  // namespace
}  // namespace vipd::api
