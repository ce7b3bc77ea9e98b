// SPDX-License-Identifier: Apache-2.0
// One sync connection without its socket: bytes and the time go in, bytes, events and flows come
// out. Session does what both sides have in common (preambles, keys, records, Hello, silence);
// Sender (sender.hpp) and Receiver (receiver.hpp) are the two sides.
//
// A session that has ended stays ended: it takes and gives nothing more, end() says why. The owner
// then closes the connection and, on the sender's side, makes another.
#pragma once

#include "userspace/sync/counters.hpp"
#include "userspace/sync/crypto.hpp"
#include "userspace/sync/wire.hpp"

#include <vipd/error.hpp>
#include <vipd/time.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vipd::sync {

/// Limits and times of a session; tests make them smaller.
struct Limits {
    Nanos handshake = Seconds(2);       ///< until the peer's Hello
    Nanos keepalive = Seconds(1);       ///< a Keepalive this often
    Nanos silence = Seconds(3);         ///< without any record: the peer is dead
    Nanos batch = Millis(10);           ///< a change waits this long at most
    Nanos snapshot_gap = Seconds(1);    ///< between the beginnings of two snapshots
    std::size_t queue = 8U << 20;       ///< bytes not yet taken by the kernel
    std::size_t scan_queue = 1U << 20;  ///< a snapshot goes on only below this
};

/// Who this node is, as told in Hello.
struct Identity {
    std::string node_id;
    std::uint32_t abi = 0;
    std::uint64_t features = 0;
    std::uint64_t incarnation = 0;
};

enum class EventKind : std::uint8_t {
    Authenticated,
    SnapshotSent,  ///< and confirmed by the peer
    SnapshotReceived,
    SnapshotWanted,  ///< of the peer, once more
    Mismatch,
    Agreement,  ///< an earlier mismatch is over
};
/// Something worth a log line.
struct Event {
    EventKind kind = EventKind::Authenticated;
    std::string text;
};

/// Why a session has ended. Without a reason the peer has closed in good order.
struct End {
    std::optional<Reject> reason;
    std::string text;
};

class Session {
  public:
    virtual ~Session() = default;
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// Bytes from the peer.
    void receive(Bytes bytes, TimePoint now);
    /// The peer has closed its side.
    void peer_closed();
    /// Does what is due. Call it at deadline() and after anything else was called.
    void tick(TimePoint now);
    /// When tick() next has something to do.
    TimePoint deadline() const;

    /// Bytes for the peer, and how many of them are on their way.
    std::string_view output() const;
    void consumed(std::size_t bytes);

    /// The peer has proved that it holds the key, and its Hello is known.
    bool authenticated() const { return peer_.has_value(); }
    /// The shared key of this connection; nullptr: not yet known.
    const Secret* key() const { return key_ ? &*key_ : nullptr; }
    const std::optional<Hello>& peer() const { return peer_; }
    const std::optional<End>& end() const { return end_; }
    std::vector<Event> take_events() { return std::exchange(events_, {}); }

  protected:
    Session(Role role,
            Keyring keys,
            const Nonce& nonce,
            Identity self,
            const Limits& limits,
            TimePoint now);

    virtual void on_authenticated(TimePoint now) = 0;
    /// A record after the Hello.
    virtual void on_record(Record record, TimePoint now) = 0;
    virtual void on_tick(TimePoint now) = 0;
    /// TimePoint::max(): nothing is due.
    virtual TimePoint next_due() const = 0;

    void send(const Record& record) { send_plain(encode(record)); }
    void send_plain(std::string_view plain);
    void finish(Reject reason, std::string detail = {});
    void report(EventKind kind, std::string text) { events_.push_back({kind, std::move(text)}); }
    std::size_t queued() const { return out_.size() - out_done_; }

    const Limits limits_;

  private:
    std::size_t take_preamble(Bytes bytes);
    void derive_keys(Bytes theirs);
    std::optional<Bytes> open(Bytes header, Bytes sealed);
    std::size_t take_frame(Bytes bytes, TimePoint now);
    void take_plain(Bytes plain, TimePoint now);
    void accept_hello(Hello hello, TimePoint now);

    /// One of the shared keys, with what it gives on this connection.
    struct Candidate {
        Secret key;
        Cipher sealer;
        Cipher opener;
    };
    void use(Candidate candidate);

    Role role_;
    Keyring keys_;
    Preamble preamble_;
    Identity self_;
    TimePoint started_;
    TimePoint heard_;
    std::vector<Candidate> candidates_;  ///< until the peer's first record tells which it uses
    std::optional<Secret> key_;
    std::optional<Cipher> sealer_;
    std::optional<Cipher> opener_;
    std::optional<Hello> peer_;
    std::optional<End> end_;
    std::vector<Event> events_;
    std::string in_;  ///< an unfinished preamble or frame, so at most one of these long
    std::string out_;
    std::size_t out_done_ = 0;
};

}  // namespace vipd::sync
