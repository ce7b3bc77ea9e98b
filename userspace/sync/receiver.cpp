// SPDX-License-Identifier: Apache-2.0
#include "userspace/sync/receiver.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace vipd::sync {

namespace {

// An authenticated peer that asks and never reads the answers gets no more memory than this.
constexpr std::size_t kEchoQueue = 64 * 1024;
constexpr std::size_t kRingsNamed = 3;

Limits for_receiver(Limits limits) {
    limits.queue = std::min(limits.queue, kEchoQueue);
    return limits;
}

// What differs, for one log line; empty where nothing does.
std::string difference(const Digests& own, const Digests& peer) {
    std::string text;
    if (own.config != peer.config)
        text = fmt::format(
            "another configuration (digest {:016x}, here {:016x})", peer.config, own.config);
    std::size_t differing = 0;
    std::string named;
    const auto note = [&](const ServiceKey& service, const char* how) {
        if (++differing <= kRingsNamed)
            named += fmt::format("{}{} {}", named.empty() ? "" : ", ", service.to_string(), how);
    };
    for (const auto& [service, digest] : own.rings) {
        const auto at = peer.rings.find(service);
        if (at == peer.rings.end())
            note(service, "only here");
        else if (at->second != digest)
            note(service, "picks otherwise");
    }
    for (const auto& [service, digest] : peer.rings)
        if (!own.rings.contains(service)) note(service, "only there");
    if (differing == 0) return text;
    if (differing > kRingsNamed) named += fmt::format(" and {} more", differing - kRingsNamed);
    return text + (text.empty() ? "" : "; ") + "services: " + named;
}

}  // namespace

Receiver::Receiver(Keyring keys,
                   const Nonce& nonce,
                   Identity self,
                   Digests digests,
                   TimePoint now,
                   const Limits& limits)
    : Session(Role::Receiver, std::move(keys), nonce, std::move(self), for_receiver(limits), now),
      own_digests_(std::move(digests)) {}

void Receiver::on_record(Record record, TimePoint) {
    std::visit([this](auto&& value) { handle(std::move(value)); }, std::move(record));
}

void Receiver::handle(DigestsPart part) {
    if (part.first == digests_open_) return finish(Reject::Unexpected);
    if (part.first) peer_digests_ = {};
    digests_open_ = !part.last;
    peer_digests_.config = part.config;
    peer_digests_.rings.insert(std::make_move_iterator(part.rings.begin()),
                               std::make_move_iterator(part.rings.end()));
    if (peer_digests_.rings.size() > kMaxRings) return finish(Reject::Malformed);
    if (part.last) compare_digests();
}

void Receiver::set_digests(const Digests& digests) {
    own_digests_ = digests;
    if (agree_) compare_digests();
    // Of a snapshot that is coming a part may be lost already: asked for when it has ended.
    if (!std::exchange(missed_, false)) return;
    again_ = in_snapshot_;
    if (!again_) ask_for_snapshot();
}

void Receiver::compare_digests() {
    // Between two parts there is nothing whole to compare; the last part does it.
    if (digests_open_) return;
    std::string found = difference(own_digests_, peer_digests_);
    if (found != difference_)
        report(
            found.empty() ? EventKind::Agreement : EventKind::Mismatch,
            found.empty() ? "configuration and rings agree again" : "has " + found + "; going on");
    difference_ = std::move(found);
    agree_ = difference_.empty();
}

void Receiver::ask_for_snapshot() {
    if (!std::exchange(synced_, false)) return;
    report(EventKind::SnapshotWanted,
           "is asked for its connections again: there were some for "
           "services or real servers that are here only now");
    send(Echo{0, stats_.flows, 0});
}

void Receiver::handle(const SnapshotBegin& begin) {
    if (in_snapshot_ || begin.id == 0) return finish(Reject::Unexpected);
    in_snapshot_ = true;
    synced_ = false;
    snapshot_id_ = begin.id;
    snapshot_count_ = 0;
    snapshot_expected_ = begin.expected;
}

void Receiver::handle(Flows flows) {
    const bool of_snapshot = flows.kind == Kind::SnapshotFlows;
    if (of_snapshot && !in_snapshot_) return finish(Reject::Unexpected);
    if (of_snapshot) snapshot_count_ += flows.flows.size();
    stats_.flows += flows.flows.size();
    std::move(flows.flows.begin(), flows.flows.end(), std::back_inserter(flows_));
}

void Receiver::handle(const SnapshotEnd& end) {
    if (!in_snapshot_ || end.id != snapshot_id_) return finish(Reject::Unexpected);
    if (end.count != snapshot_count_) return finish(Reject::SnapshotCount);
    in_snapshot_ = false;
    synced_ = true;
    ++stats_.snapshots;
    report(EventKind::SnapshotReceived,
           "has given its " + std::to_string(snapshot_count_) + " connections");
    send(Echo{0, stats_.flows, snapshot_id_});
    if (std::exchange(again_, false)) ask_for_snapshot();
}

void Receiver::handle(const Keepalive& keepalive) {
    if (keepalive.stamp == 0) return finish(Reject::Unexpected);
    send(Echo{keepalive.stamp, stats_.flows, synced_ ? snapshot_id_ : 0});
}

}  // namespace vipd::sync
