// SPDX-License-Identifier: Apache-2.0
// The data plane behind one seam: BpfDataplane is real; FakeDataplane (tests/support) is simulated
// and can fail the k-th call. Callers speak in services, reals and flows, never in maps.
#pragma once

#include "userspace/model/model.hpp"

#include <vipd/address.hpp>
#include <vipd/error.hpp>
#include <vipd/time.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vipd::dataplane {

struct PacketCounters {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
    std::uint64_t connections = 0;    ///< flows created
    std::uint64_t reply_packets = 0;  ///< from real servers; seen with NAT only
    std::uint64_t reply_bytes = 0;
};

/// State of a flow; IPVS's names. UDP knows only Established.
enum class FlowState : std::uint8_t {
    None,
    SynRecv,
    Established,
    FinWait,
    TimeWait,
    Close,
    CloseWait
};
std::string_view to_string(FlowState state);  ///< "ESTABLISHED" ..., as ipvsadm -Lnc
/// How long a flow of this service lives in this state without a packet.
Seconds flow_lifetime(const model::Service& service, Protocol protocol, FlowState state);
/// The same of a template: not less than kTemplateGrace, which is also what it gets once more as
/// long as it has connections (IPVS's minute).
Seconds template_lifetime(const model::Service& service);
inline constexpr Seconds kTemplateGrace{60};

/// One connection, free of node-local numbers: what is listed, synchronised and restored.
struct Flow {
    Protocol protocol = Protocol::Tcp;
    Endpoint client;
    Endpoint vip;
    Endpoint real;
    FlowState state = FlowState::None;
    bool synced = false;  ///< learned from a peer and not yet seen in a packet here
    /// No connection: where the next ones of this client (its network, port 0) go. Of a service by
    /// fwmark, `vip` begins with the mark instead of an address, and `protocol` is of no account.
    bool is_template = false;
    bool one_packet = false;  ///< met midway or UDP, and nothing since that packet: not for peers
    Millis idle{0};           ///< since its last packet, here or on the peer
    bool operator==(const Flow&) const = default;
};

/// How a real server is reached; found by userspace, used by the XDP program as it is.
struct NextHop {
    int ifindex = 0;
    MacAddress destination{};
    MacAddress source{};
    std::uint32_t mtu = 1500;
    std::uint16_t vlan = 0;   ///< VID of the tag to send with; 0: none
    IpAddress tunnel_source;  ///< outer source address of TUN
    bool local = false;       ///< the real is this host itself: its packets go to the local stack
    bool operator==(const NextHop&) const = default;
};

enum class AttachMode : std::uint8_t { Native, Generic, NativeElseGeneric };

struct AttachedInterface {
    int ifindex = 0;
    std::string name;
    bool native = true;
    bool adopted = false;  ///< was attached already when this daemon came
};

/// A VIP of a virtual router of this node.
struct Claim {
    IpAddress address;
    std::uint8_t vrid = 0;
    Family family = Family::V4;  ///< of the router's adverts: with vrid, which router it is
    bool refused = false;        ///< no_accept: as master, what is for no service is dropped
    bool operator==(const Claim&) const = default;
};

/// The MAC of a virtual router (use_vmac) on an interface.
struct Station {
    int ifindex = 0;
    MacAddress mac{};
    std::uint8_t vrid = 0;
    Family family = Family::V4;
    bool operator==(const Station&) const = default;
};

/// One line of the verdict list with its count.
struct VerdictCount {
    std::string_view name;
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
};

class Dataplane {
  public:
    virtual ~Dataplane() = default;

    /// Attaches to the interface, or adopts the pinned link that is there. NativeElseGeneric says
    /// in the result which it became.
    virtual Result<AttachedInterface> attach(int ifindex,
                                             const std::string& name,
                                             AttachMode mode) = 0;
    virtual Result<> detach(int ifindex) = 0;
    /// The interface's own MAC: frames to another one are not forwarded. Until it is told, any is
    /// taken, so tell it before attach() and after each change.
    virtual Result<> set_interface_mac(int ifindex, const MacAddress& mac) = 0;
    virtual std::vector<AttachedInterface> attached() const = 0;
    /// The MACs of virtual routers on attached interfaces, all of them: frames to one are for this
    /// host, too, while it is the router's master (the vrrp process says so, see lease_fd()).
    virtual Result<> set_stations(std::span<const Station>) { return {}; }

    /// Applies one change whole or not at all.
    virtual Result<> apply(const model::Change& change) = 0;
    /// The services in force, as adopted or applied.
    virtual const model::Model& model() const = 0;

    /// Sets or (nullopt) takes away the way to a real server's address for all services.
    virtual Result<> set_next_hop(const IpAddress& real, const std::optional<NextHop>& hop) = 0;

    virtual Result<PacketCounters> counters(const ServiceKey& service) const = 0;
    virtual Result<PacketCounters> counters(const ServiceKey& service,
                                            const Endpoint& real) const = 0;
    virtual Result<std::vector<VerdictCount>> verdicts() const = 0;
    /// What happened beside the verdicts (flow table full, ...); a packet may be in none or
    /// several.
    virtual Result<std::vector<VerdictCount>> notes() const { return std::vector<VerdictCount>{}; }

    /// Active and inactive connections of each real, as IPVS counts them; an expired one counts
    /// until the sweep has been there.
    struct ConnectionCount {
        std::uint64_t active = 0;
        std::uint64_t inactive = 0;
    };
    virtual ConnectionCount connections(const ServiceKey& service, const Endpoint& real) const = 0;

    /// Table figures: slots in all, in use as of the last full sweep.
    struct TableUse {
        std::uint64_t slots = 0;
        std::uint64_t used = 0;
    };
    virtual TableUse table_use() const = 0;

    /// Calls `visit` for each live flow until it returns false. A read of a table in use: each flow
    /// is whole, the set is of no single instant.
    virtual void for_each_flow(const std::function<bool(const Flow&)>& visit) const = 0;
    /// The same in parts, for who must not hold up the loop: visits the live flows among the next
    /// `slots` slots from `cursor` on (0: from the start). Returns the cursor to go on with, 0 when
    /// the table is through. An implementation that has no parts visits all in one.
    virtual std::uint64_t scan_flows(std::uint64_t cursor,
                                     std::uint64_t slots,
                                     const std::function<void(const Flow&)>& visit) const {
        (void)cursor, (void)slots;
        for_each_flow([&](const Flow& flow) {
            visit(flow);
            return true;
        });
        return 0;
    }

    /// Stores flows learned from a peer; one whose state is None has ended there and is taken away.
    /// A flow known here with a packet as fresh stays as it is, one that was itself learned only
    /// where it is fresher by more than a second (that is how exact learned ages are); a service or
    /// real that is not configured here is counted in `unknown`.
    struct StoreResult {
        std::size_t stored = 0;
        std::size_t older = 0;
        std::size_t unknown = 0;
        std::size_t full = 0;
    };
    virtual StoreResult store_flows(std::span<const Flow> flows) = 0;

    /// Readable when flows have become established or closed; then take_changes().
    virtual int change_fd() const = 0;
    /// Calls `visit` with each flow changed since the last call, as it is now: established, closed,
    /// closing; a flow that has gone meanwhile, or that is of one packet, is left out. Returns how
    /// many changes the kernel side had to leave out (then a snapshot is due).
    virtual std::uint64_t take_changes(const std::function<void(const Flow&)>& visit) = 0;

    /// take_changes() calls this with whom a reply could not be sent to, for the kernel to ask for
    /// its link-layer address.
    // NOLINTNEXTLINE(performance-unnecessary-value-param): who overrides it keeps it
    virtual void on_neighbour_wanted(std::function<void(int ifindex, const IpAddress&)>) {}

    /// Works off the next part of the flow table: expires, counts, and calls `refresh` with each
    /// flow of this node that peers should hear of again. Call it often; a round takes `round`
    /// (0: the whole table now).
    virtual void sweep(Seconds round, const std::function<void(const Flow&)>& refresh) = 0;

    /// VIPD_ABI_VERSION of the maps; part of what peers tell each other.
    virtual std::uint32_t abi_version() const { return 0; }
    /// From this time on the program passes everything to the stack; nullopt: it forwards for ever,
    /// also when the daemon has died. Set when a daemon ends in good order.
    virtual Result<> set_forwarding_end(const std::optional<TimePoint>&) { return {}; }

    /// How long this node, when it has just become MASTER (the vrrp process says when), lets TCP
    /// wait of which it does not know: peers may still be telling. 0: not at all.
    virtual Result<> set_settle_time(Nanos) { return {}; }
    /// Until then half-open connections are changes, too: who is about to leave tells of all.
    virtual Result<> report_half_open(TimePoint) { return {}; }

    /// The VIPs of this node's instances. Requests (ARP) for one of them are dropped by the XDP
    /// program once the lease has run out; other addresses are never touched.
    virtual Result<> set_claims(std::span<const Claim> vips) = 0;
    /// A map that can be mapped shared, whose first u64 is CLOCK_MONOTONIC nanoseconds until which
    /// the claims hold; UINT64_MAX: for ever. The vrrp process renews it, and writes there which
    /// virtual routers it is master of (struct vipd_lease). Borrowed, not to be closed.
    virtual int lease_fd() const = 0;
};

}  // namespace vipd::dataplane
