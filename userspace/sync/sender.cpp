// SPDX-License-Identifier: Apache-2.0
#include "userspace/sync/sender.hpp"

#include <algorithm>

namespace vipd::sync {

using dataplane::FlowState;

namespace {

// About a full record of IPv4 flows; more do not wait.
constexpr std::size_t kMostWaiting = 600;

}  // namespace

Sender::Sender(Keyring keys,
               const Nonce& nonce,
               Identity self,
               Digests digests,
               TimePoint now,
               const Limits& limits)
    : Session(Role::Sender, std::move(keys), nonce, std::move(self), limits, now),
      digests_(std::move(digests)) {}

void Sender::on_authenticated(TimePoint now) {
    for (const auto& part : split_digests(digests_)) send(part);
    keepalive_due_ = now;
    next_snapshot_ = now;
    on_tick(now);
}

void Sender::set_digests(const Digests& digests) {
    if (digests == digests_) return;
    digests_ = digests;
    if (!authenticated()) return;
    for (const auto& part : split_digests(digests_)) send(part);
}

void Sender::changes(std::span<const Flow> flows, TimePoint now) {
    // Before the snapshot has begun everything is still to be read from the table.
    if (end() || !authenticated()) return;
    for (const auto& flow : flows) {
        if (flow.synced || flow.one_packet) continue;
        waiting_.push_back({flow, now});
        if (waiting_.size() >= kMostWaiting) flush_changes(now);
    }
    if (!waiting_.empty() && !batch_due_) batch_due_ = now + limits_.batch;
}

void Sender::add(FlowBatch& batch, const Flow& flow) {
    if (!can_travel(flow)) {
        ++stats_.skipped;
        return;
    }
    if (!batch.add(flow)) {
        flush(batch);
        batch.add(flow);
    }
}

void Sender::flush(FlowBatch& batch) {
    if (batch.count() == 0) return;
    stats_.flows += batch.count();
    send_plain(batch.take());
}

void Sender::flush_changes(TimePoint now) {
    // Changed and removed flows go in records of their own, in the order in which they came.
    FlowBatch changed(Kind::Changed);
    FlowBatch removed(Kind::Removed);
    for (auto& [flow, since] : waiting_) {
        const bool gone = flow.state == FlowState::None;
        flush(gone ? changed : removed);
        // Told as of now, else what waited longer would look fresher than what came after it.
        flow.idle += std::chrono::duration_cast<Millis>(now - since);
        add(gone ? removed : changed, flow);
    }
    flush(changed);
    flush(removed);
    waiting_.clear();
    batch_due_.reset();
}

bool Sender::wants_scan() const {
    return !end() && in_snapshot_ && queued() < limits_.scan_queue;
}

void Sender::begin_snapshot(TimePoint now) {
    flush_changes(now);
    snapshot_due_ = false;
    in_snapshot_ = true;
    confirmed_ = false;
    next_snapshot_ = now + limits_.snapshot_gap;
    cursor_ = 0;
    snapshot_count_ = 0;
    send(SnapshotBegin{++snapshot_id_, expected_});
}

void Sender::scanned(std::span<const Flow> flows, std::uint64_t next_cursor, TimePoint now) {
    if (end() || !in_snapshot_) return;
    flush_changes(now);
    FlowBatch batch(Kind::SnapshotFlows);
    for (const auto& flow : flows) {
        if (flow.state == FlowState::None || flow.one_packet) continue;
        if (can_travel(flow)) ++snapshot_count_;
        add(batch, flow);
    }
    flush(batch);
    cursor_ = next_cursor;
    if (cursor_ != 0) return;
    in_snapshot_ = false;
    ++stats_.snapshots;
    send(SnapshotEnd{snapshot_id_, snapshot_count_});
}

void Sender::on_record(Record record, TimePoint now) {
    const auto* echo = std::get_if<Echo>(&record);
    if (echo == nullptr) return finish(Reject::Unexpected);
    if (echo->stamp != 0) {
        // Only stamps that were sent; anything else would make nonsense of the lag.
        if (echo->stamp > last_stamp_) return finish(Reject::Unexpected);
        const TimePoint sent{Nanos(static_cast<std::int64_t>(echo->stamp))};
        answered_ = std::max(answered_, echo->stamp);
        round_trip_ = std::max(Nanos(0), now - sent);
        unanswered_.reset();
        if (echo->stamp != last_stamp_) unanswered_ = sent + limits_.keepalive;
    }
    // It had the snapshot whole and has it no more: flows that it could not place have a place now.
    if (confirmed_ && echo->snapshot == 0) {
        confirmed_ = false;
        request_snapshot();
    }
    if (!confirmed_ && !in_snapshot_ && echo->snapshot == snapshot_id_ && snapshot_id_ != 0) {
        confirmed_ = true;
        report(EventKind::SnapshotSent,
               "holds this node's " + std::to_string(snapshot_count_) + " connections");
    }
}

void Sender::on_tick(TimePoint now) {
    if (batch_due_ && now >= *batch_due_) flush_changes(now);
    if (snapshot_due_ && !in_snapshot_ && now >= next_snapshot_) begin_snapshot(now);
    if (now >= keepalive_due_) send_keepalive(now);
}

void Sender::send_keepalive(TimePoint now) {
    keepalive_due_ = now + limits_.keepalive;
    last_stamp_ = static_cast<std::uint64_t>(now.time_since_epoch().count());
    if (!unanswered_) unanswered_ = now;
    send(Keepalive{last_stamp_});
}

std::uint64_t Sender::mark(TimePoint now) {
    flush_changes(now);
    send_keepalive(now);
    return last_stamp_;
}

TimePoint Sender::next_due() const {
    TimePoint due = keepalive_due_;
    if (batch_due_) due = std::min(due, *batch_due_);
    if (snapshot_due_ && !in_snapshot_) due = std::min(due, next_snapshot_);
    if (wants_scan()) due = TimePoint{};  // at once
    return due;
}

Nanos Sender::lag(TimePoint now) const {
    return unanswered_ ? std::max(round_trip_, now - *unanswered_) : round_trip_;
}

}  // namespace vipd::sync
