// SPDX-License-Identifier: Apache-2.0
#include "userspace/api/json.hpp"

#include "tests/unit/api/sample_status.hpp"

#include <gtest/gtest.h>

namespace vipd::api {
namespace {

TEST(StatusJson, SaysAllOfAStatus) {
    const auto expected = Json::parse(R"({
      "version": "1.2.3", "node": "lb1", "instance": "", "net_namespace": "", "pid": 100,
      "started": 1700000000, "uptime_ms": 11100000,
      "config": {"file": "/etc/keepalived/keepalived.conf", "generation": 2,
                 "last_reload": {"when": 1700010000, "ok": true, "reason": "",
                                 "confirm_by": null}},
      "warnings": ["eth1: generic XDP, which is slow"],
      "processes": [
        {"role": "core", "state": "running", "pid": 100, "restarts": 0},
        {"role": "vrrp", "state": "running", "pid": 101, "restarts": 0},
        {"role": "check", "state": "waiting", "pid": 0, "restarts": 3}],
      "instances": [
        {"name": "VI_1", "interface": "eth0", "vrid": 51, "version": 2, "state": "MASTER",
         "in_state_ms": 65000, "base_priority": 100, "priority": 90, "master": "192.0.2.1",
         "master_priority": 90, "advert_interval_ms": 1000, "sync_group": "G1", "fault": "",
         "vips": ["10.0.0.1/24", "10.0.0.2/24"],
         "counters": {"advert_tx": 12, "auth_failure": 1}},
        {"name": "VI_2", "interface": "eth9", "vrid": 52, "version": 3, "state": "FAULT",
         "in_state_ms": 0, "base_priority": 200, "priority": 200, "master": null,
         "master_priority": 0, "advert_interval_ms": 10, "sync_group": "",
         "fault": "interface eth9 is down", "vips": ["10.9.0.1/32"], "counters": {}}],
      "track_scripts": [
        {"name": "chk_nginx", "state": "down", "detail": "exited with status 1"}],
      "bfd": [
        {"name": "leaf1", "neighbour": "10.0.0.12", "multihop": false, "state": "up",
         "diagnostic": 1, "in_state_ms": 65000,
         "counters": {"packet_tx": 100, "packet_rx": 99, "down": 2}}],
      "services": [
        {"address": "10.0.0.1", "port": 80, "protocol": "TCP", "fwmark": 0, "group": "",
         "persistence_timeout": 0, "persistence_granularity": 32, "scheduler": "wrr", "method": "DR",
         "quorum": 1, "quorum_up": true, "sorry_active": false,
         "hash_port": false, "hash_fallback": false, "live": false,
         "counters": {"packets": 1000, "bytes": 500000, "connections": 130, "reply_packets": 0, "reply_bytes": 0},
         "zeroed": {"packets": 0, "bytes": 0, "connections": 0, "reply_packets": 0, "reply_bytes": 0},
         "rates": {"packets": 12.5, "bytes": 6250.0, "connections": 1.5},
         "reals": [
           {"address": "10.1.0.2", "port": 80, "method": "DR", "tunnel": null, "weight": 3, "effective_weight": 3,
            "state": "up", "alive": true, "known": true, "sorry": false, "live": false, "reason": "",
            "upper_threshold": 0, "lower_threshold": 0, "active": 120, "inactive": 4,
            "counters": {"packets": 1000, "bytes": 500000, "connections": 130, "reply_packets": 0, "reply_bytes": 0},
            "zeroed": {"packets": 0, "bytes": 0, "connections": 0, "reply_packets": 0, "reply_bytes": 0},
            "rates": {"packets": 12.5, "bytes": 6250.0, "connections": 1.5},
            "next_hop": {"interface": "eth0", "mac": "02:00:00:00:00:02",
                         "source_mac": "02:00:00:00:00:01", "mtu": 1500}},
           {"address": "10.1.0.3", "port": 80, "method": "TUN", "tunnel": {"type": "gue", "port": 6080, "checksum": "remcsum"}, "weight": 1, "effective_weight": 0,
            "state": "down", "alive": false, "known": true, "sorry": false,
            "live": false, "reason": "connection refused", "upper_threshold": 0, "lower_threshold": 0,
            "active": 0, "inactive": 0,
            "counters": {"packets": 0, "bytes": 0, "connections": 0, "reply_packets": 0, "reply_bytes": 0},
            "zeroed": {"packets": 0, "bytes": 0, "connections": 0, "reply_packets": 0, "reply_bytes": 0},
            "rates": {"packets": 0.0, "bytes": 0.0, "connections": 0.0},
            "next_hop": null},
           {"address": "10.1.0.3", "port": 80, "method": "DR", "tunnel": null, "weight": 1, "effective_weight": 1,
            "state": "up", "alive": true, "known": true, "sorry": true, "live": false, "reason": "",
            "upper_threshold": 0, "lower_threshold": 0, "active": 0, "inactive": 0,
            "counters": {"packets": 0, "bytes": 0, "connections": 0, "reply_packets": 0, "reply_bytes": 0},
            "zeroed": {"packets": 0, "bytes": 0, "connections": 0, "reply_packets": 0, "reply_bytes": 0},
            "rates": {"packets": 0.0, "bytes": 0.0, "connections": 0.0},
            "next_hop": {"interface": "eth0", "mac": "02:00:00:00:00:02",
                         "source_mac": "02:00:00:00:00:01", "mtu": 1500}}]}],
      "sync": {"enabled": true, "gate_ms": null, "peers": [
          {"address": "192.0.2.2:8849", "connected": true, "synced": true, "snapshot": "done",
           "progress": null, "flows_sent": 130, "flows_received": 7, "lag_ms": 12, "last_error": "",
           "counters": {"reject_auth": 2}}],
        "counters": {"reject_unknown_peer": 1}, "ipvs": null},
      "checkpoint": null, "drains": [], "failovers": [],
      "timeouts": {"tcp": 900, "tcpfin": 120, "udp": 300},
      "flow_table": {"slots": 1048576, "used": 124},
      "lease": {"enabled": true, "held": true, "remaining_ms": 3000},
      "interfaces": [
        {"name": "eth0", "index": 2, "mode": "native", "adopted": true},
        {"name": "eth1", "index": 3, "mode": "generic", "adopted": false}],
      "verdicts": {"tx": {"packets": 1000, "bytes": 500000},
                   "pass_not_service": {"packets": 0, "bytes": 0}},
      "counters": {"ipc_malformed": 0}
    })");
    EXPECT_EQ(to_json(sample_status()), expected) << to_json(sample_status()).dump(1);
}

TEST(StatusJson, ListsAreArraysAndCountersObjectsWhenThereIsNothing) {
    const auto json = to_json(control::Status{});
    for (const auto* name : {"processes", "instances", "services", "interfaces", "warnings"})
        EXPECT_EQ(json[name], Json::array()) << name;
    EXPECT_EQ(json["sync"]["peers"], Json::array());
    EXPECT_EQ(json["verdicts"], Json::object());
    EXPECT_EQ(json["counters"], Json::object());
    EXPECT_TRUE(json["config"]["last_reload"].is_null());
}

TEST(StatusJson, SaysWhatLvsSyncDaemonDoes) {
    auto status = sample_status();
    status.sync.ipvs = sample_ipvs_sync();
    EXPECT_EQ(to_json(status)["sync"]["ipvs"], Json::parse(R"({
        "interface": "eth1", "sync_id": 7, "version": 1, "master": true, "backup": false,
        "problem": "", "counters": {"connections_sent": 9, "flows_stored": 4}})"));
}

TEST(StatusJson, SaysWhatIsDrainedKeptAndTakenOver) {
    auto status = sample_status();
    add_state(status);
    const auto json = to_json(status);
    EXPECT_EQ(json["sync"]["gate_ms"], 1500);
    EXPECT_EQ(json["sync"]["peers"][0]["progress"], 43);
    EXPECT_EQ(json["checkpoint"], Json::parse(R"({"path": "/var/lib/vipd/flows", "saved": 1000,
        "flows": 7, "restored": 5, "failures": 1, "problem": "disk full"})"));
    EXPECT_EQ(json["drains"], Json::parse(R"([
        {"target": "real 10.1.0.2:80", "since": 900, "limit": 1200, "connections": 3,
         "state": "draining", "took_ms": null},
        {"target": "node", "since": 900, "limit": 1200, "connections": 0, "state": "drained",
         "took_ms": 2500}])"));
    EXPECT_EQ(json["failovers"], Json::parse(R"([
        {"instance": "VI_1", "at": 1000, "reason": "the master was silent", "detection_us": 301200,
         "announcement_us": 450, "core_us": null}])"));
}

TEST(StatusJson, NamesTheStateOfARealServer) {
    const auto state = [](auto change) {
        auto status = sample_status();
        change(status.services[0].reals[0]);
        return to_json(status)["services"][0]["reals"][0]["state"];
    };
    using Real = control::RealStatus;
    EXPECT_EQ(state([](Real&) {}), "up");
    EXPECT_EQ(state([](Real& r) { r.effective_weight = 0; }), "drained");
    EXPECT_EQ(state([](Real& r) { r.alive = false, r.inhibited = true; }), "inhibited");
    EXPECT_EQ(state([](Real& r) { r.alive = false, r.reason = "timeout"; }), "down");
    EXPECT_EQ(state([](Real& r) { r.known = false, r.alive = false; }), "checking");
}

TEST(StatusJson, BytesThatAreNoUtf8DoNotThrow) {
    auto status = sample_status();
    status.services[0].reals[1].reason = "got \xff\xfe";
    const auto text = to_text(to_json(status));
    EXPECT_NE(text.find("got \xef\xbf\xbd\xef\xbf\xbd"), std::string::npos);
    EXPECT_TRUE(Json::accept(text));
}

TEST(FlowJson, SaysAllOfAFlow) {
    auto flow = sample_flow();
    flow.synced = true;
    EXPECT_EQ(
        flow_text(flow),
        R"({"protocol":"TCP","client":"192.0.2.77:40000","vip":"10.0.0.1:80",)"
        R"("real":"10.1.0.2:80","state":"ESTABLISHED","template":false,"synced":true,"idle_ms":61000})");
    flow.is_template = true;
    EXPECT_NE(flow_text(flow).find(R"("state":"ASSURED","template":true)"), std::string::npos);
}

TEST(ErrorJson, QuotesTheMessage) {
    EXPECT_EQ(error_text("no \"x\""), "{\"error\":\"no \\\"x\\\"\"}\n");
}

}  // namespace
}  // namespace vipd::api
