// SPDX-License-Identifier: Apache-2.0
// The side of a connection that learns flows. It answers with Hello and Echo only.
#pragma once

#include "userspace/sync/session.hpp"

namespace vipd::sync {

class Receiver final : public Session {
  public:
    struct Stats {
        std::uint64_t flows = 0;  ///< received, removals included
        std::uint64_t snapshots = 0;
    };

    Receiver(Keyring keys,
             const Nonce& nonce,
             Identity self,
             Digests digests,
             TimePoint now,
             const Limits& limits = {});

    /// Flows to store, in this order; state None: the flow has ended. Take them after each
    /// receive(): the peer is told that it holds what was taken from it.
    std::vector<Flow> take_flows() { return std::exchange(flows_, {}); }

    /// Some of the flows taken could not be stored: their service or real server is not here.
    void missed_flows() { missed_ = true; }
    /// This node's services have changed. If flows had been missed they may have a place by now:
    /// the peer is told that its snapshot is no longer held whole, and sends another.
    void set_digests(const Digests& digests);
    bool in_snapshot() const { return in_snapshot_; }
    /// How far it is: flows that have come of how many are expected, about.
    std::uint64_t snapshot_flows() const { return snapshot_count_; }
    std::uint64_t snapshot_expected() const { return snapshot_expected_; }
    /// A snapshot has come whole and all since; false again once the peer begins another, or is
    /// asked for one.
    bool synced() const { return synced_; }
    /// The peer's configuration and rings are this node's; nullopt: not told yet.
    const std::optional<bool>& digests_agree() const { return agree_; }
    const Stats& stats() const { return stats_; }

  private:
    void on_authenticated(TimePoint) override {}
    void on_record(Record record, TimePoint now) override;
    void on_tick(TimePoint) override {}
    TimePoint next_due() const override { return TimePoint::max(); }

    void handle(DigestsPart part);
    void handle(const SnapshotBegin& begin);
    void handle(Flows flows);
    void handle(const SnapshotEnd& end);
    void handle(const Keepalive& keepalive);
    // Only the other side sends these.
    void handle(const Hello&) { finish(Reject::Unexpected); }
    void handle(const Echo&) { finish(Reject::Unexpected); }
    void compare_digests();
    void ask_for_snapshot();

    Digests own_digests_;
    Digests peer_digests_;
    bool digests_open_ = false;
    std::optional<bool> agree_;
    std::string difference_;

    std::vector<Flow> flows_;
    bool in_snapshot_ = false;
    bool synced_ = false;
    bool missed_ = false;
    bool again_ = false;  ///< another snapshot is to be asked for after this one
    std::uint32_t snapshot_id_ = 0;
    std::uint64_t snapshot_count_ = 0;
    std::uint64_t snapshot_expected_ = 0;
    Stats stats_;
};

}  // namespace vipd::sync
