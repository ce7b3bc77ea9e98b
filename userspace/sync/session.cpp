// SPDX-License-Identifier: Apache-2.0
#include "userspace/sync/session.hpp"

#include "userspace/base/text.hpp"

#include <algorithm>
#include <array>

namespace vipd::sync {

namespace {

constexpr std::size_t kCompactAt = 256 * 1024;

Bytes as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::array<std::uint8_t, kFrameHeader> frame_header(std::size_t length) {
    return {static_cast<std::uint8_t>(length >> 24 & 0xff),
            static_cast<std::uint8_t>(length >> 16 & 0xff),
            static_cast<std::uint8_t>(length >> 8 & 0xff),
            static_cast<std::uint8_t>(length & 0xff)};
}

std::size_t frame_length(Bytes header) {
    std::size_t length = 0;
    for (const auto byte : header.first(kFrameHeader)) length = length << 8 | byte;
    return length;
}

Role other(Role role) {
    return role == Role::Sender ? Role::Receiver : Role::Sender;
}

}  // namespace

Session::Session(
    Role role, Keyring keys, const Nonce& nonce, Identity self, const Limits& limits, TimePoint now)
    : limits_(limits),
      role_(role),
      keys_(std::move(keys)),
      preamble_(encode_preamble(role, nonce)),
      self_(std::move(self)),
      started_(now),
      heard_(now) {
    if (role_ == Role::Sender) out_.append(preamble_.begin(), preamble_.end());
}

void Session::receive(Bytes bytes, TimePoint now) {
    while (!end_ && !bytes.empty()) {
        const bool greeted = opener_ || !candidates_.empty();
        const std::size_t used = greeted ? take_frame(bytes, now) : take_preamble(bytes);
        bytes = bytes.subspan(used);
    }
}

// Both take_* use up some of the bytes: whole units straight from them, the rest by way of in_.
std::size_t Session::take_preamble(Bytes bytes) {
    const std::size_t used = std::min(bytes.size(), kPreambleSize - in_.size());
    in_.append(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(used));
    if (in_.size() < kPreambleSize) return used;
    const std::string theirs = std::exchange(in_, {});
    if (const auto reason = check_preamble(as_bytes(theirs), other(role_)))
        finish(*reason);
    else
        derive_keys(as_bytes(theirs));
    return used;
}

void Session::derive_keys(Bytes theirs) {
    const bool sending = role_ == Role::Sender;
    for (const auto& shared : keys_.keys()) {
        auto keys = derive_traffic_keys(
            shared, sending ? Bytes(preamble_) : theirs, sending ? theirs : Bytes(preamble_));
        if (!keys) return finish(Reject::Unexpected, keys.error().message);
        auto sealer =
            Cipher::create(Cipher::Direction::Seal, sending ? keys->of_sender : keys->of_receiver);
        auto opener =
            Cipher::create(Cipher::Direction::Open, sending ? keys->of_receiver : keys->of_sender);
        if (!sealer || !opener) return finish(Reject::Unexpected, "no AES-256-GCM");
        candidates_.push_back({shared, std::move(*sealer), std::move(*opener)});
        if (sending) break;  // who begins says which key it is
    }
    if (sending) {
        use(std::move(candidates_.front()));
        send(Hello{kMinorVersion, self_.abi, self_.features, self_.incarnation, self_.node_id});
    } else {
        out_.append(preamble_.begin(), preamble_.end());
    }
}

void Session::use(Candidate candidate) {
    key_ = candidate.key;
    sealer_ = std::move(candidate.sealer);
    opener_ = std::move(candidate.opener);
    candidates_.clear();
}

// The receiver finds out by its first record which of the shared keys the sender uses.
std::optional<Bytes> Session::open(Bytes header, Bytes sealed) {
    if (opener_) return opener_->open(header, sealed);
    for (auto& candidate : candidates_) {
        if (!candidate.opener.open(header, sealed)) continue;
        use(std::move(candidate));
        return opener_->opened();
    }
    return std::nullopt;
}

std::size_t Session::take_frame(Bytes bytes, TimePoint now) {
    std::size_t used = 0;
    const auto fill = [&](std::size_t to) {
        const std::size_t more = std::min(bytes.size() - used, to - std::min(to, in_.size()));
        const auto from = bytes.begin() + static_cast<std::ptrdiff_t>(used);
        in_.append(from, from + static_cast<std::ptrdiff_t>(more));
        used += more;
        return in_.size() >= to;
    };
    if (!fill(kFrameHeader)) return used;
    const std::size_t length = frame_length(as_bytes(in_));
    if (length <= kTagSize) return finish(Reject::Undersized), used;
    if (length > kMaxSealed) return finish(Reject::Oversized), used;
    if (!fill(kFrameHeader + length)) return used;
    const Bytes frame = as_bytes(in_);
    const auto plain = open(frame.first(kFrameHeader), frame.subspan(kFrameHeader));
    in_.clear();
    if (!plain)
        finish(Reject::Forged, peer_ ? "" : "is the shared key the same on both nodes?");
    else
        take_plain(*plain, now);
    return used;
}

void Session::take_plain(Bytes plain, TimePoint now) {
    heard_ = now;
    auto record = decode(plain);
    if (!record) return finish(Reject::Malformed);
    auto* hello = std::get_if<Hello>(&*record);
    if ((hello != nullptr) == peer_.has_value()) return finish(Reject::Unexpected);
    if (hello != nullptr)
        accept_hello(std::move(*hello), now);
    else
        on_record(std::move(*record), now);
}

void Session::accept_hello(Hello hello, TimePoint now) {
    if (hello.node_id == self_.node_id && hello.incarnation == self_.incarnation)
        return finish(Reject::OwnConnection);
    peer_ = std::move(hello);
    if (role_ == Role::Receiver)
        send(Hello{kMinorVersion, self_.abi, self_.features, self_.incarnation, self_.node_id});
    report(EventKind::Authenticated, "authenticated as " + printable(peer_->node_id, kMaxNodeId));
    if (peer_->node_id == self_.node_id)
        report(EventKind::Mismatch, "has this node's own id " + printable(self_.node_id));
    if (peer_->minor != kMinorVersion || peer_->abi != self_.abi ||
        peer_->features != self_.features)
        report(EventKind::Mismatch,
               "runs another version: protocol 1." + std::to_string(peer_->minor) + ", ABI " +
                   std::to_string(peer_->abi) + ", features " + std::to_string(peer_->features) +
                   "; here 1." + std::to_string(kMinorVersion) + ", " + std::to_string(self_.abi) +
                   ", " + std::to_string(self_.features) + "; going on");
    on_authenticated(now);
}

void Session::peer_closed() {
    if (end_) return;
    if (!in_.empty() || !authenticated())
        return finish(Reject::Truncated,
                      (opener_ || !candidates_.empty()) && !authenticated()
                          ? "is the shared key the same on both nodes?"
                          : "");
    end_ = End{std::nullopt, "the peer has closed the connection"};
}

void Session::tick(TimePoint now) {
    if (end_) return;
    if (!authenticated()) {
        if (now >= started_ + limits_.handshake) finish(Reject::HandshakeTimeout);
    } else if (now >= heard_ + limits_.silence) {
        finish(Reject::Silent);
    } else {
        on_tick(now);
    }
}

TimePoint Session::deadline() const {
    if (end_) return TimePoint::max();
    if (!authenticated()) return started_ + limits_.handshake;
    return std::min(heard_ + limits_.silence, next_due());
}

std::string_view Session::output() const {
    return std::string_view(out_).substr(out_done_);
}

void Session::consumed(std::size_t bytes) {
    out_done_ += bytes;
    if (out_done_ == out_.size()) {
        out_.clear();
        out_done_ = 0;
    } else if (out_done_ >= kCompactAt && out_done_ >= out_.size() / 2) {
        out_.erase(0, out_done_);
        out_done_ = 0;
    }
}

void Session::send_plain(std::string_view plain) {
    if (end_ || !sealer_) return;
    const std::size_t length = plain.size() + kTagSize;
    if (queued() + kFrameHeader + length > limits_.queue) return finish(Reject::QueueOverflow);
    const auto header = frame_header(length);
    out_.append(header.begin(), header.end());
    if (!sealer_->seal(header, as_bytes(plain), out_)) finish(Reject::KeyUsedUp);
}

void Session::finish(Reject reason, std::string detail) {
    if (end_) return;
    std::string text(help_of(reason));
    if (!detail.empty()) text += " (" + detail + ")";
    end_ = End{reason, std::move(text)};
    // What is queued is of no use any more; a queue that overflowed is given back at once.
    std::string().swap(out_);
    out_done_ = 0;
}

}  // namespace vipd::sync
