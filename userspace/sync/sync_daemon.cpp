// SPDX-License-Identifier: Apache-2.0
#include "userspace/sync/sync_daemon.hpp"

#include "userspace/sync/connection.hpp"
#include "userspace/sync/receiver.hpp"
#include "userspace/sync/sender.hpp"
#include "userspace/sync/socket.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/epoll.h>

namespace vipd::sync {

namespace {

constexpr Nanos kFirstRetry = Millis(100);
constexpr Nanos kLastRetry = Seconds(2);
// Slots of the flow table read in one turn of the loop, per peer: about a millisecond.
constexpr std::uint64_t kScanSlots = 16384;
constexpr int kAcceptsPerTurn = 16;
constexpr Nanos kSettleCheck = Millis(1);

IpAddress listen_address(const Options& options) {
    if (options.bind) return options.bind;
    const bool any_v6 =
        std::ranges::any_of(options.peers, [](const auto& peer) { return !peer.is_v4(); });
    return *IpAddress::parse(any_v6 ? "::" : "0.0.0.0");
}

}  // namespace

struct SyncDaemon::Outgoing {
    std::unique_ptr<Connection> connection;
    Sender* sender = nullptr;  // owned by the connection
    bool counted = false;
    std::uint64_t mark = 0;  ///< settle(): what the peer has to answer
};

struct SyncDaemon::Incoming {
    IpAddress peer;
    std::unique_ptr<Connection> connection;
    Receiver* receiver = nullptr;  // owned by the connection
    bool authenticated = false;
};

struct SyncDaemon::Peer {
    IpAddress address;
    Outgoing out;
    std::unique_ptr<Incoming> in;
    EventLoop::Source retry;
    Nanos back_off = kFirstRetry;
    bool is_self = false;     // the address turned out to be this node's own
    std::string unreachable;  // said once, until the peer has been reached
    PeerStats totals;         // of connections that are over

    // The figures of a live connection move to the totals when it ends.
    static void add(PeerStats& stats, const Outgoing& out) {
        if (!out.connection) return;
        stats.flows_sent += out.sender->stats().flows;
        stats.snapshots_sent += out.sender->stats().snapshots;
        stats.flows_skipped += out.sender->stats().skipped;
        stats.bytes_sent += out.connection->bytes_out();
        stats.bytes_received += out.connection->bytes_in();
    }
    static void add(PeerStats& stats, const Incoming* in) {
        if (in == nullptr) return;
        stats.flows_received += in->receiver->stats().flows;
        stats.snapshots_received += in->receiver->stats().snapshots;
        stats.bytes_sent += in->connection->bytes_out();
        stats.bytes_received += in->connection->bytes_in();
    }
    void drop_out() {
        add(totals, out);
        out = {};
    }
    void drop_in() {
        add(totals, in.get());
        in.reset();
    }
    void count(const Session& session, const std::string& why) {
        if (session.end() && session.end()->reason)
            ++totals.rejected[static_cast<std::size_t>(*session.end()->reason)];
        totals.last_error = why;
    }
};

SyncDaemon::SyncDaemon(EventLoop& loop,
                       dataplane::Dataplane& plane,
                       FlowPump& pump,
                       std::function<void(const LogEvent&)> log)
    : loop_(loop), plane_(plane), pump_(pump), log_(std::move(log)) {}

SyncDaemon::~SyncDaemon() {
    stop();
}

Result<> SyncDaemon::start(Options options) {
    stop();
    return reconfigure(std::move(options));
}

void SyncDaemon::stop() {
    if (running()) stop_all();
}

void SyncDaemon::stop_all() {
    pump_.set_listener(this, {});
    settle_timer_.reset();
    listener_source_.reset();
    accept_again_.reset();
    listener_.reset();
    half_open_.clear();
    peers_.clear();
}

Result<> SyncDaemon::listen(const Options& options) {
    auto fd = listen_on(listen_address(options), options.port);
    if (!fd) return fail(fd.error());
    auto port = port_of(fd->get());
    if (!port) return fail(std::move(port.error()).in("sync"));
    auto watch = loop_.io(fd->get(), EPOLLIN, [this](std::uint32_t) { accept_waiting(); });
    if (!watch) return fail(std::move(watch.error()).in("sync"));
    listener_source_ = std::move(*watch);
    listener_ = std::move(*fd);
    port_ = *port;
    return {};
}

Result<> SyncDaemon::move_listener(const Options& options) {
    auto moved = listen(options);
    if (moved || moved.error().errnum != EADDRINUSE || options.port != options_.port) return moved;
    // "Any address" and one address on the same port cannot be listened on both at once.
    listener_source_.reset();
    listener_.reset();
    moved = listen(options);
    if (!moved)
        if (auto back = listen(options_); !back) stop_all();
    return moved;
}

Result<> SyncDaemon::reconfigure(Options options) {
    if (options.node_id.empty() || options.node_id.size() > kMaxNodeId)
        return fail("sync: the node id must have 1 to 64 bytes");
    // Everything that can fail comes before the first change.
    const bool fresh = !running();
    if (fresh) {
        auto random = make_nonce();
        if (!random) return fail(random.error());
        if (auto ok = listen(options); !ok) return ok;
        std::memcpy(&self_.incarnation, random->data(), sizeof self_.incarnation);
    } else if (options.port != options_.port ||
               listen_address(options) != listen_address(options_)) {
        if (auto ok = move_listener(options); !ok) return ok;
    }
    const bool all_anew = fresh || options.node_id != options_.node_id ||
                          options.abi != options_.abi || options.features != options_.features ||
                          options.bind != options_.bind || options.port != options_.port;
    if (all_anew) {
        half_open_.clear();
        peers_.clear();
    }
    const Digests digests = options.digests;
    const bool new_keys = !(options.keys == options_.keys);
    options_ = std::move(options);
    self_.node_id = options_.node_id;
    self_.abi = options_.abi;
    self_.features = options_.features;
    set_peers();
    if (new_keys) renew_keys();
    set_digests(digests);
    pump_.set_listener(this,
                       [this](std::span<const dataplane::Flow> flows, std::uint64_t left_out) {
                           on_changes(flows, left_out);
                       });
    return {};
}

void SyncDaemon::set_peers() {
    const auto wanted = [&](const IpAddress& address) {
        return address != options_.bind && std::ranges::count(options_.peers, address) > 0;
    };
    std::erase_if(peers_, [&](const auto& entry) { return !wanted(entry.first); });
    std::erase_if(half_open_, [&](const auto& incoming) { return !wanted(incoming->peer); });
    for (const auto& address : options_.peers) {
        if (!wanted(address) || peers_.contains(address)) continue;
        auto& peer = *(peers_[address] = std::make_unique<Peer>());
        peer.address = address;
        connect(peer);
    }
}

// A connection whose key is still good goes on; this node's own go over to the first.
void SyncDaemon::renew_keys() {
    half_open_.clear();
    for (const auto& [address, peer] : peers_) {
        if (peer->in && !options_.keys.contains(*peer->in->receiver->key())) peer->drop_in();
        const auto* key = peer->out.connection ? peer->out.sender->key() : nullptr;
        if (peer->out.connection && (key == nullptr || !(*key == options_.keys.first()))) {
            peer->drop_out();
            peer->back_off = kFirstRetry;
            connect(*peer);
        }
    }
}

void SyncDaemon::set_digests(const Digests& digests) {
    options_.digests = digests;
    for (const auto& [address, peer] : peers_) {
        if (peer->in) {
            peer->in->receiver->set_digests(digests);
            peer->in->connection->update();
        }
        if (peer->out.connection) {
            peer->out.sender->set_digests(digests);
            peer->out.connection->update();
        }
    }
}

// --- connections of peers to this node -------------------------------------------------------

void SyncDaemon::accept_waiting() {
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
        auto accepted = accept_from(listener_.get());
        if (accepted) {
            accept_one(std::move(accepted->first), accepted->second);
            continue;
        }
        const int error = accepted.error().errnum;
        if (error == ECONNABORTED || error == EINTR) continue;
        if (error == EAGAIN) return;
        // Out of descriptors or memory: the connection stays waiting and would wake the loop
        // without end.
        auto again = loop_.at(loop_.now() + kFirstRetry, [this](TimePoint) {
            (void)EventLoop::set_events(listener_source_, EPOLLIN);
            accept_waiting();
        });
        if (again && EventLoop::set_events(listener_source_, 0)) accept_again_ = std::move(*again);
        return;
    }
}

void SyncDaemon::accept_one(Fd fd, const IpAddress& address) {
    const auto at = peers_.find(address);
    if (at == peers_.end()) {
        ++unknown_address_;
        // One key for all: the number of such addresses is up to others.
        emit("unknown address",
             address,
             true,
             fmt::format("sync: from {}: refused, not a configured peer", address.to_string()));
        return;
    }
    Peer& peer = *at->second;
    auto nonce = make_nonce();
    if (half_open_.size() >= kMaxHalfOpen || !nonce) {
        ++peer.totals.rejected[static_cast<std::size_t>(Reject::HalfOpenLimit)];
        peer.totals.last_error = help_of(Reject::HalfOpenLimit);
        log(Direction::From, address, true, help_of(Reject::HalfOpenLimit));
        return;
    }
    auto incoming = std::make_unique<Incoming>();
    incoming->peer = address;
    auto receiver = std::make_unique<Receiver>(
        options_.keys, *nonce, self_, options_.digests, loop_.now(), options_.limits);
    incoming->receiver = receiver.get();
    auto* raw = incoming.get();
    auto connection = Connection::open(
        loop_,
        std::move(fd),
        false,
        std::move(receiver),
        {[this, raw](TimePoint) { incoming_turn(*raw); }, [this, raw] { incoming_ended(*raw); }});
    if (!connection) {
        peer.totals.last_error = connection.error().message;
        return;
    }
    incoming->connection = std::move(*connection);
    half_open_.push_back(std::move(incoming));
}

void SyncDaemon::incoming_turn(Incoming& incoming) {
    // Whatever came before a record that was refused is good and is taken.
    const auto flows = incoming.receiver->take_flows();
    if (!incoming.authenticated && incoming.receiver->authenticated())
        incoming_authenticated(incoming);
    if (!flows.empty() && !store(*peers_.at(incoming.peer), flows))
        incoming.receiver->missed_flows();
    log_session(Direction::From, incoming.peer, *incoming.receiver);
}

void SyncDaemon::incoming_authenticated(Incoming& incoming) {
    Peer& peer = *peers_.at(incoming.peer);
    incoming.authenticated = true;
    const auto at =
        std::ranges::find_if(half_open_, [&](const auto& one) { return one.get() == &incoming; });
    // Only a peer that holds the key gets here: the connection it had before is a dead one.
    peer.drop_in();
    peer.in = std::move(*at);
    half_open_.erase(at);
    ++peer.totals.connects;

    const Hello& hello = *incoming.receiver->peer();
    peer.totals.node_id = hello.node_id;
    // The peer is there: connect now, not after the back-off. What is left of a connection to its
    // former life, or of an attempt into the void, is in the way.
    const bool attempting = !peer.out.connection || peer.out.connection->connecting();
    const bool stale = !attempting && peer.out.sender->authenticated() &&
                       peer.out.sender->peer()->incarnation != hello.incarnation;
    if (attempting || stale) {
        peer.drop_out();
        peer.back_off = kFirstRetry;
        connect(peer);
    }
}

void SyncDaemon::incoming_ended(Incoming& incoming) {
    Peer& peer = *peers_.at(incoming.peer);
    const auto& end = incoming.receiver->end();
    if (end && end->reason == Reject::OwnConnection) {
        peer.is_self = true;
        peer.retry.reset();
        peer.drop_out();
        log(Direction::From, peer.address, false, "is this node's own address: left out");
    } else {
        log_end(Direction::From, peer, *incoming.receiver, incoming.connection->why());
    }
    if (incoming.authenticated) {
        peer.drop_in();
        return;
    }
    peer.totals.bytes_received += incoming.connection->bytes_in();
    std::erase_if(half_open_, [&](const auto& one) { return one.get() == &incoming; });
}

bool SyncDaemon::store(Peer& peer, std::span<const dataplane::Flow> flows) {
    const auto result = plane_.store_flows(flows);
    peer.totals.flows_stored += result.stored;
    peer.totals.flows_older += result.older;
    peer.totals.flows_unknown += result.unknown;
    peer.totals.flows_full += result.full;
    return result.unknown == 0;
}

// --- connections of this node to its peers ---------------------------------------------------

void SyncDaemon::connect(Peer& peer) {
    peer.retry.reset();
    auto nonce = make_nonce();
    auto fd = connect_to(peer.address, options_.port, options_.bind);
    if (!fd || !nonce) {
        const std::string why = fd ? nonce.error().message : fd.error().message;
        peer.totals.last_error = why;
        if (std::exchange(peer.unreachable, why) != why)
            log(Direction::To, peer.address, true, why);
        return retry_later(peer);
    }
    auto sender = std::make_unique<Sender>(
        options_.keys, *nonce, self_, options_.digests, loop_.now(), options_.limits);
    auto* raw = sender.get();
    auto connection = Connection::open(loop_,
                                       std::move(*fd),
                                       true,
                                       std::move(sender),
                                       {[this, &peer](TimePoint now) { outgoing_turn(peer, now); },
                                        [this, &peer] { outgoing_ended(peer); }});
    if (!connection) {
        peer.totals.last_error = connection.error().message;
        return retry_later(peer);
    }
    raw->expect(plane_.table_use().used);
    peer.out = {std::move(*connection), raw, false, 0};
}

void SyncDaemon::retry_later(Peer& peer) {
    auto timer = loop_.at(loop_.now() + peer.back_off, [this, &peer](TimePoint) { connect(peer); });
    if (timer) peer.retry = std::move(*timer);
    peer.back_off = std::min(peer.back_off * 2, kLastRetry);
}

void SyncDaemon::outgoing_turn(Peer& peer, TimePoint now) {
    Sender& sender = *peer.out.sender;
    if (sender.authenticated() && !peer.out.counted) {
        peer.out.counted = true;
        peer.back_off = kFirstRetry;
        peer.unreachable.clear();
        peer.totals.node_id = sender.peer()->node_id;
        ++peer.totals.connects;
    }
    sender.expect(plane_.table_use().used);
    if (sender.wants_scan()) {
        scanned_.clear();
        const auto next = plane_.scan_flows(
            sender.scan_cursor(), kScanSlots, [this](const dataplane::Flow& flow) {
                scanned_.push_back(flow);
            });
        sender.scanned(scanned_, next, now);
    }
    log_session(Direction::To, peer.address, sender);
}

void SyncDaemon::outgoing_ended(Peer& peer) {
    log_end(Direction::To, peer, *peer.out.sender, peer.out.connection->why());
    peer.drop_out();
    retry_later(peer);
}

void SyncDaemon::on_changes(std::span<const dataplane::Flow> flows, std::uint64_t left_out) {
    changes_left_out_ += left_out;
    const TimePoint now = loop_.now();
    for (const auto& [address, peer] : peers_) {
        if (!peer->out.connection) continue;
        peer->out.sender->changes(flows, now);
        if (left_out > 0) peer->out.sender->request_snapshot();
        peer->out.connection->update();
    }
}

bool SyncDaemon::settled() const {
    return std::ranges::all_of(peers_, [](const auto& entry) {
        const Outgoing& out = entry.second->out;
        return !out.connection || !out.sender->authenticated() ||
               out.sender->answered() >= out.mark;
    });
}

void SyncDaemon::settle(std::span<const dataplane::Flow> flows,
                        Nanos limit,
                        std::function<void(bool all)> then) {
    pump_.read_changes();
    const TimePoint now = loop_.now();
    for (const auto& [address, peer] : peers_) {
        if (!peer->out.connection || !peer->out.sender->authenticated()) continue;
        peer->out.sender->changes(flows, now);
        peer->out.mark = peer->out.sender->mark(now);
        peer->out.connection->update();
    }
    auto timer = loop_.every(kSettleCheck, [this, end = now + limit, then](TimePoint at) {
        const bool all = settled();
        if (!all && at < end) return;
        const auto ended = std::move(settle_timer_);
        then(all);
    });
    if (timer)
        settle_timer_ = std::move(*timer);
    else
        then(false);
}

// --- figures and log -------------------------------------------------------------------------

bool SyncDaemon::synced() const {
    return std::ranges::all_of(peers_, [](const auto& entry) {
        const Peer& peer = *entry.second;
        return peer.is_self || (peer.in && peer.in->receiver->synced());
    });
}

Stats SyncDaemon::stats() const {
    Stats stats;
    stats.running = running();
    stats.synced = synced();
    stats.half_open = half_open_.size();
    stats.unknown_address = unknown_address_;
    stats.changes_left_out = changes_left_out_;
    for (const auto& [address, peer] : peers_) {
        if (peer->is_self) continue;
        PeerStats one = peer->totals;
        one.address = address;
        Peer::add(one, peer->out);
        Peer::add(one, peer->in.get());
        if (peer->out.connection && peer->out.sender->authenticated()) {
            one.out_connected = true;
            one.out_in_snapshot = peer->out.sender->in_snapshot();
            one.out_synced = peer->out.sender->confirmed();
            one.lag = peer->out.sender->lag(loop_.now());
            one.out_queued = peer->out.sender->output().size();
        }
        if (peer->in) {
            one.in_connected = true;
            one.in_in_snapshot = peer->in->receiver->in_snapshot();
            one.in_synced = peer->in->receiver->synced();
            one.in_snapshot_flows = peer->in->receiver->snapshot_flows();
            one.in_snapshot_expected = peer->in->receiver->snapshot_expected();
            one.digests_agree = peer->in->receiver->digests_agree().value_or(true);
        }
        stats.peers.push_back(std::move(one));
    }
    return stats;
}

void SyncDaemon::log_session(Direction direction, const IpAddress& peer, Session& session) {
    for (const auto& event : session.take_events())
        log(direction, peer, event.kind == EventKind::Mismatch, event.text);
}

void SyncDaemon::log_end(Direction direction,
                         Peer& peer,
                         const Session& session,
                         const std::string& why) {
    peer.count(session, why);
    // A peer that is not there is said once, not at each attempt.
    const bool never_reached = direction == Direction::To && !session.authenticated();
    if (never_reached && std::exchange(peer.unreachable, why) == why) return;
    log(direction, peer.address, true, why);
}

void SyncDaemon::log(Direction direction,
                     const IpAddress& peer,
                     bool warning,
                     std::string_view text) {
    std::string line = fmt::format(
        "sync: {} {}: {}", direction == Direction::To ? "to" : "from", peer.to_string(), text);
    // Numbers in a text would make each line another one; the words before them tell them apart.
    const auto key = line.substr(0, line.find_first_of("0123456789", line.find(": ", 6)));
    emit(key, peer, warning, std::move(line));
}

void SyncDaemon::emit(const std::string& key,
                      const IpAddress& peer,
                      bool warning,
                      std::string text) {
    if (!log_) return;
    if (const auto held = log_limit_.allow(key, loop_.now()))
        log_({warning, peer, std::move(text), *held});
}

}  // namespace vipd::sync
