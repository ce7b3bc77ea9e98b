// SPDX-License-Identifier: Apache-2.0
// Runs the real XDP program, loaded by the real data plane, on packets in memory. Each test program
// has a mount and a network namespace of its own: whatever happens, nothing stays behind.
#pragma once

#include "tests/support/packet.hpp"
#include "userspace/dataplane/bpf_dataplane.hpp"

#include <vipd/abi/flow.h>
#include <vipd/abi/service.h>

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vipd::testing {

inline constexpr MacAddress kRouterMac{0x02, 0xaa, 0, 0, 0, 0x01};

inline constexpr const char* kVip = "10.0.0.100";
inline constexpr const char* kVip6 = "2001:db8::100";
/// Where this host's tunnels begin.
inline constexpr const char* kDirector = "10.0.0.1";
inline constexpr const char* kDirector6 = "2001:db8::1";

/// Addresses and MACs that tests give to real server number `n`.
std::string real_address(int n);
std::string real_address6(int n);
MacAddress real_mac(int n);

struct Outcome {
    std::string verdict;  ///< the one that was counted; "none" or "several" if not exactly one
    std::uint32_t action = 0;
    Bytes bytes;
};

class ProgramTest : public ::testing::Test {
  protected:
    void SetUp() override;
    void TearDown() override;

    /// Opens the data plane of this test's own pin directory; a failure is the test's.
    void open(std::uint32_t flow_slots = 1U << 12, bool fresh = false);
    Result<std::unique_ptr<dataplane::Dataplane>> try_open(std::uint32_t flow_slots, bool fresh);
    void close() { plane.reset(); }

    /// A service on 10.0.0.100 with reals 1..`reals`, weight 1 each.
    static model::Service service(std::uint16_t port,
                                  int reals,
                                  model::Scheduler scheduler = model::Scheduler::Maglev,
                                  Protocol protocol = Protocol::Tcp,
                                  model::Method method = model::Method::DirectRouting);
    static model::Real real(int n, std::uint16_t port);
    void put(const model::Service& service);
    void remove(const model::Service& service);
    /// Resolves real `n`, out of interface `ifindex` (1: the one packets come from).
    void resolve(int n, int ifindex = 1, std::uint32_t mtu = 1500, bool local = false);
    /// The same on a VLAN of interface 1.
    void resolve_vlan(int n, std::uint16_t vlan);

    /// Runs one packet. `metadata`: bytes of XDP metadata in front of it.
    Outcome run(const Bytes& packet, std::size_t metadata = 0);
    Outcome run(const PacketSpec& spec) { return run(build(spec)); }
    /// The number of the real that a forwarded DR packet went to, 0 if it was not forwarded.
    int real_of(const Outcome& outcome) const;
    int real_for(const PacketSpec& spec) { return real_of(run(spec)); }

    std::uint64_t count(const std::vector<dataplane::VerdictCount>& counts, std::string_view name);
    std::uint64_t verdict_count(std::string_view name) { return count(*plane->verdicts(), name); }
    std::uint64_t note_count(std::string_view name) { return count(*plane->notes(), name); }

    std::vector<dataplane::Flow> flows() const;
    std::optional<dataplane::Flow> flow(std::uint16_t client_port) const;
    /// The slot with this client port, as it lies in the map; its number goes to `slot`.
    std::optional<vipd_flow> raw_flow(std::uint16_t client_port, std::uint32_t* slot = nullptr);
    void write_raw_flow(std::uint32_t slot, const vipd_flow& flow);
    /// Makes the flow as if its last packet were `time` longer ago.
    void age(std::uint16_t client_port, Seconds time);

    std::vector<dataplane::Flow> changes(std::uint64_t* lost = nullptr);
    void set_lease(std::uint64_t until_ns);
    void change_lease(const std::function<void(vipd_lease&)>& change);
    /// Sweeps the whole table once.
    void sweep_round(const std::function<void(const dataplane::Flow&)>& refresh = {});

    /// Tells the way to both addresses of real `n`.
    void set_hop(int n, dataplane::NextHop hop);

    std::string pin_dir;
    std::unique_ptr<dataplane::Dataplane> plane;
    std::vector<std::string> libbpf_messages;
};

}  // namespace vipd::testing
