// SPDX-License-Identifier: Apache-2.0
// A status with something of everything in it, for the golden tests.
#pragma once

#include "userspace/control/status.hpp"

namespace vipd::api {

inline control::Status sample_status() {
    const auto ip = [](const char* text) { return IpAddress::parse(text).value(); };

    control::Status status;
    status.version = "1.2.3";
    status.node = "lb1";
    status.pid = 100;
    status.timeouts = {900, 120, 300};
    status.started = 1700000000;
    status.uptime = Millis(3 * 3600 * 1000 + 300 * 1000);
    status.config_file = "/etc/keepalived/keepalived.conf";
    status.config_generation = 2;
    status.last_reload = {1700010000, true, ""};
    status.processes = {
        {"core", "running", 100, 0}, {"vrrp", "running", 101, 0}, {"check", "waiting", 0, 3}};
    status.warnings = {"eth1: generic XDP, which is slow"};

    control::InstanceStatus master;
    master.report = {.instance = "VI_1",
                     .interface = "eth0",
                     .vrid = 51,
                     .version = 2,
                     .state = ipc::VrrpState::Master,
                     .base_priority = 100,
                     .priority = 90,
                     .master_priority = 90,
                     .master = ip("192.0.2.1"),
                     .advert_interval_ms = 1000,
                     .last_transition_ns = 5,
                     .fault = "",
                     .vips = {"10.0.0.1/24", "10.0.0.2/24"},
                     .counters = {{"advert_tx", 12}, {"auth_failure", 1}}};
    master.in_state = Millis(65000);
    master.sync_group = "G1";
    control::InstanceStatus fault;
    fault.report = {.instance = "VI_2",
                    .interface = "eth9",
                    .vrid = 52,
                    .version = 3,
                    .state = ipc::VrrpState::Fault,
                    .base_priority = 200,
                    .priority = 200,
                    .master_priority = 0,
                    .master = {},
                    .advert_interval_ms = 10,
                    .last_transition_ns = 0,
                    .fault = "interface eth9 is down",
                    .vips = {"10.9.0.1/32"},
                    .counters = {}};
    status.instances = {master, fault};
    status.track_scripts = {{"chk_nginx", true, false, "exited with status 1"}};

    status.bfd = {{.report = {.session = "leaf1",
                              .neighbour = ip("10.0.0.12"),
                              .state = 3,
                              .diagnostic = 1,
                              .counters = {{"packet_tx", 100}, {"packet_rx", 99}, {"down", 2}}},
                   .in_state = Seconds(65)}};

    control::RealStatus up;
    up.endpoint = {ip("10.1.0.2"), 80};
    up.weight = 3;
    up.effective_weight = 3;
    up.active = 120;
    up.inactive = 4;
    up.counters = {1000, 500000, 130};
    up.rates = {12.5, 6250, 1.5};
    up.next_hop = dataplane::NextHop{.ifindex = 2,
                                     .destination = {2, 0, 0, 0, 0, 2},
                                     .source = {2, 0, 0, 0, 0, 1},
                                     .mtu = 1500,
                                     .tunnel_source = {}};
    up.interface = "eth0";
    control::RealStatus down;
    down.endpoint = {ip("10.1.0.3"), 80};
    down.method = model::Method::Tunnel;
    down.tunnel = {Tunnel::Type::Gue, 6080, Tunnel::Checksum::Remote};
    down.effective_weight = 0;
    down.alive = false;
    down.reason = "connection refused";
    control::RealStatus sorry;
    sorry.endpoint = {ip("10.1.0.3"), 80};
    sorry.sorry = true;
    sorry.next_hop = up.next_hop;
    sorry.interface = "eth0";
    control::ServiceStatus service;
    service.key = {{ip("10.0.0.1"), 80}, Protocol::Tcp};
    service.scheduler = model::Scheduler::WeightedRoundRobin;
    service.counters = {1000, 500000, 130};
    service.rates = {12.5, 6250, 1.5};
    service.reals = {up, down, sorry};
    status.services = {service};

    control::SyncPeerStatus peer;
    peer.address = {ip("192.0.2.2"), 8849};
    peer.connected = true;
    peer.synced = true;
    peer.snapshot = "done";
    peer.flows_sent = 130;
    peer.flows_received = 7;
    peer.lag = Millis(12);
    peer.counters = {{"reject_auth", 2}};
    status.sync.enabled = true;
    status.sync.peers = {peer};
    status.sync.counters = {{"reject_unknown_peer", 1}};
    status.table = {1048576, 124};
    status.lease = {true, true, Millis(3000)};
    status.verdicts = {{"tx", 1000, 500000}, {"pass_not_service", 0, 0}};
    status.interfaces = {{"eth0", 2, true, true}, {"eth1", 3, false, false}};
    status.counters = {{"ipc_malformed", 0}};
    return status;
}

inline control::IpvsSyncStatus sample_ipvs_sync() {
    control::IpvsSyncStatus ipvs;
    ipvs.interface = "eth1";
    ipvs.sync_id = 7;
    ipvs.master = true;
    ipvs.counters = {{"connections_sent", 9}, {"flows_stored", 4}};
    return ipvs;
}

/// What a status has only now and then.
inline void add_state(control::Status& status) {
    status.sync.gate = Millis(1500);
    status.sync.peers[0].progress = 43;
    status.checkpoint = {"/var/lib/vipd/flows", 1000, 7, 5, 1, "disk full"};
    status.drains = {{"real 10.1.0.2:80", 900, 1200, 3, "draining", std::nullopt},
                     {"node", 900, 1200, 0, "drained", Millis(2500)}};
    status.failovers = {
        {"VI_1", 1000, "the master was silent", Micros(301'200), Micros(450), std::nullopt}};
    status.failover_count = 4;
}

inline dataplane::Flow sample_flow(std::uint16_t client_port = 40000) {
    dataplane::Flow flow;
    flow.client = {IpAddress::parse("192.0.2.77").value(), client_port};
    flow.vip = {IpAddress::parse("10.0.0.1").value(), 80};
    flow.real = {IpAddress::parse("10.1.0.2").value(), 80};
    flow.state = dataplane::FlowState::Established;
    flow.idle = Millis(61000);
    return flow;
}

}  // namespace vipd::api
