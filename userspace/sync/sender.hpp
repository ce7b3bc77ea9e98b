// SPDX-License-Identifier: Apache-2.0
// The side of a connection that tells its flows: a snapshot when the peer has proved itself, then
// every change; another snapshot whenever changes were lost.
//
// Order: records go out in the order in which the flow table was read. Changes that wait in a batch
// are sent before the table is read on, so an older state never follows a newer one.
#pragma once

#include "userspace/sync/session.hpp"

#include <span>

namespace vipd::sync {

class Sender final : public Session {
  public:
    struct Stats {
        std::uint64_t flows = 0;  ///< sent, in snapshots and changes
        std::uint64_t snapshots = 0;
        std::uint64_t skipped = 0;  ///< flows that cannot be written down
    };

    Sender(Keyring keys,
           const Nonce& nonce,
           Identity self,
           Digests digests,
           TimePoint now,
           const Limits& limits = {});

    /// Flows that have changed here (state None: ended). Those learned from a peer are not told on.
    void changes(std::span<const Flow> flows, TimePoint now);
    /// Changes were lost: the peer needs everything anew.
    void request_snapshot() { snapshot_due_ = true; }
    void set_digests(const Digests& digests);
    /// How many flows the next snapshot will have, about.
    void expect(std::uint64_t flows) { expected_ = flows; }
    /// Sends what waits, and a mark behind it: once answered() has come up to it, the peer holds
    /// all that was told before.
    std::uint64_t mark(TimePoint now);
    std::uint64_t answered() const { return answered_; }

    /// While true, the owner reads the next part of the flow table from scan_cursor() on and gives
    /// it, with the cursor to go on with (0: the table is through). Changes known by then come
    /// first.
    bool wants_scan() const;
    std::uint64_t scan_cursor() const { return cursor_; }
    void scanned(std::span<const Flow> flows, std::uint64_t next_cursor, TimePoint now);

    bool in_snapshot() const { return in_snapshot_; }
    /// The peer has said that it holds the last snapshot whole, and no other is due.
    bool confirmed() const { return confirmed_ && !in_snapshot_ && !snapshot_due_; }
    /// How long the peer takes, or has been taking until now, to answer what is sent to it.
    Nanos lag(TimePoint now) const;
    const Stats& stats() const { return stats_; }

  private:
    void on_authenticated(TimePoint now) override;
    void on_record(Record record, TimePoint now) override;
    void on_tick(TimePoint now) override;
    TimePoint next_due() const override;
    void begin_snapshot(TimePoint now);
    void add(FlowBatch& batch, const Flow& flow);
    void flush(FlowBatch& batch);
    void flush_changes(TimePoint now);
    void send_keepalive(TimePoint now);

    Digests digests_;
    struct Waiting {
        Flow flow;
        TimePoint since;
    };
    std::vector<Waiting> waiting_;
    std::optional<TimePoint> batch_due_;
    TimePoint keepalive_due_;

    bool snapshot_due_ = true;
    bool in_snapshot_ = false;
    bool confirmed_ = false;
    TimePoint next_snapshot_;
    std::uint32_t snapshot_id_ = 0;
    std::uint64_t snapshot_count_ = 0;
    std::uint64_t cursor_ = 0;

    std::uint64_t expected_ = 0;
    std::uint64_t last_stamp_ = 0;
    std::uint64_t answered_ = 0;
    std::optional<TimePoint> unanswered_;  ///< the first Keepalive not answered
    Nanos round_trip_{0};
    Stats stats_;
};

}  // namespace vipd::sync
