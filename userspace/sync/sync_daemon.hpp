// SPDX-License-Identifier: Apache-2.0
// Connection sync of one node: listens for its peers, connects to each, tells them its flows and
// stores theirs. docs/SYNC_PROTOCOL.md says what travels.
//
// Each pair of nodes has two connections, one for each direction of flows; the side that connects
// is the one that tells. Runs on the thread of its EventLoop; all calls come from there.
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/base/fd.hpp"
#include "userspace/base/log.hpp"
#include "userspace/dataplane/dataplane.hpp"
#include "userspace/sync/counters.hpp"
#include "userspace/sync/flow_pump.hpp"
#include "userspace/sync/session.hpp"

#include <vipd/address.hpp>
#include <vipd/error.hpp>
#include <vipd/time.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace vipd::sync {

inline constexpr std::uint16_t kDefaultPort = 8849;
/// Connections accepted and not yet authenticated, at once.
inline constexpr std::size_t kMaxHalfOpen = 8;

struct Options {
    IpAddress bind;  ///< listened on and connected from; none: any address
    std::uint16_t port = kDefaultPort;
    /// Nodes to sync with; only these may connect. This node's own address may be among them.
    std::vector<IpAddress> peers;
    Keyring keys;         ///< load_keyring()
    std::string node_id;  ///< 1 to 64 bytes, another one on each node
    std::uint32_t abi = 0;
    std::uint64_t features = 0;
    Digests digests;
    Limits limits;
};

/// Figures of one peer. "out" is the connection on which this node tells, "in" the other.
struct PeerStats {
    IpAddress address;
    std::string node_id;  ///< as last authenticated
    bool out_connected = false;
    bool out_in_snapshot = false;
    bool out_synced = false;  ///< the peer has confirmed this node's snapshot
    bool in_connected = false;
    bool in_in_snapshot = false;
    bool in_synced = false;  ///< this node holds the peer's snapshot and all changes since
    /// Of the snapshot that comes in: flows so far, and how many are expected, about.
    std::uint64_t in_snapshot_flows = 0;
    std::uint64_t in_snapshot_expected = 0;
    bool digests_agree = true;
    Nanos lag{0};                  ///< from a flow's change until the peer has it, as last seen
    std::uint64_t out_queued = 0;  ///< bytes
    std::uint64_t flows_sent = 0;
    std::uint64_t flows_received = 0;
    std::uint64_t flows_stored = 0;
    std::uint64_t flows_older = 0;    ///< received, but known here with a fresher packet
    std::uint64_t flows_unknown = 0;  ///< received for a service or real that is not here
    std::uint64_t flows_full = 0;     ///< received, no room
    std::uint64_t flows_skipped = 0;  ///< not sent: cannot be written down
    std::uint64_t bytes_sent = 0;
    std::uint64_t bytes_received = 0;
    std::uint64_t snapshots_sent = 0;
    std::uint64_t snapshots_received = 0;
    std::uint64_t connects = 0;  ///< authenticated connections, both directions
    std::string last_error;      ///< empty: none so far
    RejectCounters rejected{};   ///< by Reject
};

struct Stats {
    bool running = false;
    bool synced = false;
    std::uint64_t half_open = 0;        ///< connections not yet authenticated, now
    std::uint64_t unknown_address = 0;  ///< connections refused: not from a peer
    std::uint64_t changes_left_out =
        0;  ///< flow changes lost on this node, each made a snapshot due
    std::vector<PeerStats> peers;
};

/// One line for the log. Held back where the same is said too often; `held` is how many were.
struct LogEvent {
    bool warning = false;
    IpAddress peer;
    std::string text;  ///< whole, with the peer's address: "sync: from 10.0.0.2: ..."
    std::uint64_t held = 0;
};

class SyncDaemon {
  public:
    /// `log` must not call back into the daemon. The pump is the one on `plane`; it is listened to
    /// while the daemon runs.
    SyncDaemon(EventLoop& loop,
               dataplane::Dataplane& plane,
               FlowPump& pump,
               std::function<void(const LogEvent&)> log);
    ~SyncDaemon();
    SyncDaemon(const SyncDaemon&) = delete;
    SyncDaemon& operator=(const SyncDaemon&) = delete;

    /// Listens and begins to connect. On an error nothing runs.
    Result<> start(Options options);
    /// Ends all connections and forgets the peers and their counters.
    void stop();
    /// Goes over to new options; connections that these do not touch go on. On an error everything
    /// stays as it was. Starts a daemon that does not run.
    Result<> reconfigure(Options options);
    /// New digests, told to all peers; call it after the data plane has taken the services up.
    void set_digests(const Digests& digests);

    /// Tells the peers these flows, whatever their state, and what else waits; then calls back once
    /// all that are connected have them (true) or `limit` is over (false). One at a time: a second
    /// call takes the place of the first, which is never called back.
    void settle(std::span<const dataplane::Flow> flows,
                Nanos limit,
                std::function<void(bool all)> then);

    bool running() const { return static_cast<bool>(listener_); }
    /// The port listened on.
    std::uint16_t port() const { return port_; }
    /// This node holds the flows of all its peers: whole snapshots, on connections that live. True
    /// without peers; false for as long as one cannot be reached, so wait for it with a time limit.
    bool synced() const;
    Stats stats() const;

  private:
    struct Peer;
    struct Outgoing;
    struct Incoming;
    enum class Direction : std::uint8_t { To, From };

    Result<> listen(const Options& options);
    Result<> move_listener(const Options& options);
    void stop_all();
    void set_peers();
    void renew_keys();
    void accept_waiting();
    void accept_one(Fd fd, const IpAddress& address);
    void incoming_turn(Incoming& incoming);
    void incoming_authenticated(Incoming& incoming);
    void incoming_ended(Incoming& incoming);
    void connect(Peer& peer);
    void retry_later(Peer& peer);
    void outgoing_turn(Peer& peer, TimePoint now);
    void outgoing_ended(Peer& peer);
    /// False: some were for a service or real server that is not here.
    bool store(Peer& peer, std::span<const dataplane::Flow> flows);
    void on_changes(std::span<const dataplane::Flow> flows, std::uint64_t left_out);
    void log_session(Direction direction, const IpAddress& peer, Session& session);
    void log_end(Direction direction, Peer& peer, const Session& session, const std::string& why);
    void log(Direction direction, const IpAddress& peer, bool warning, std::string_view text);
    bool settled() const;
    void emit(const std::string& key, const IpAddress& peer, bool warning, std::string text);

    EventLoop& loop_;
    dataplane::Dataplane& plane_;
    FlowPump& pump_;
    std::function<void(const LogEvent&)> log_;
    log::RateLimit log_limit_{Seconds(10)};

    Options options_;
    Identity self_;
    Fd listener_;
    EventLoop::Source listener_source_;
    EventLoop::Source accept_again_;
    std::uint16_t port_ = 0;
    std::map<IpAddress, std::unique_ptr<Peer>> peers_;
    std::vector<std::unique_ptr<Incoming>> half_open_;
    std::vector<dataplane::Flow> scanned_;
    EventLoop::Source settle_timer_;
    std::uint64_t unknown_address_ = 0;
    std::uint64_t changes_left_out_ = 0;
};

}  // namespace vipd::sync
