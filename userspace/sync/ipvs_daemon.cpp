// SPDX-License-Identifier: Apache-2.0
#include "userspace/sync/ipvs_daemon.hpp"

#include "userspace/sync/socket.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace vipd::sync::ipvs {

namespace {

using dataplane::Flow;
using dataplane::FlowState;

/// How long a connection waits for others. IPVS takes two seconds.
constexpr Nanos kBatch = Millis(10);
constexpr Nanos kScanInterval = Millis(100);
/// Who has just become master tells its table this much quicker, once.
constexpr int kFirstRoundFactor = 10;
constexpr int kDatagramsPerTurn = 64;

bool covers(const IpPrefix& network, const IpAddress& address) {
    if (network.address.family() != address.family()) return false;
    const auto a = network.address.bytes();
    const auto b = address.bytes();
    const std::size_t whole = network.length / 8;
    if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin()))
        return false;
    const unsigned bits = network.length % 8U;
    return bits == 0 || (static_cast<unsigned>(a[whole] ^ b[whole]) >> (8U - bits)) == 0;
}

GroupAddress group_of(const Options& options) {
    return {options.interface, options.ifindex, options.group, options.port};
}

}  // namespace

IpvsDaemon::~IpvsDaemon() {
    pump_.set_listener(this, {});
}

Result<> IpvsDaemon::configure(const Options& options, bool send, bool receive, bool learned) {
    const bool changed = !(options == options_);
    if (changed) {
        sender_.reset();
        receiver_source_.reset();
        receiver_.reset();
    }
    options_ = options;
    learned_ = learned;
    if (changed || !send) {
        pump_.set_listener(this, {});
        scan_timer_.reset();
        flush_timer_.reset();
        flush_due_ = false;
        sender_.reset();
    }
    if (!receive) {
        receiver_source_.reset();
        receiver_.reset();
    }
    if (send && !sender_)
        if (auto opened = open_sender(); !opened) return opened;
    if (receive && !receiver_)
        if (auto opened = open_receiver(); !opened) return opened;
    return {};
}

Result<> IpvsDaemon::open_sender() {
    auto fd = send_to_group(group_of(options_), options_.ttl);
    if (!fd) return fail(std::move(fd.error()).in("lvs_sync_daemon"));
    auto timer = loop_.every(kScanInterval, [this](TimePoint now) { scan(now); });
    if (!timer) return fail(std::move(timer.error()).in("lvs_sync_daemon"));
    sender_ = std::move(*fd);
    scan_timer_ = std::move(*timer);
    writer_ = Writer(options_.version, options_.sync_id, options_.send_size);
    cursor_ = 0;
    scanned_ = loop_.now();
    first_round_ = true;
    pump_.set_listener(this,
                       [this](std::span<const Flow> flows, std::uint64_t) { on_changes(flows); });
    return {};
}

Result<> IpvsDaemon::open_receiver() {
    auto fd = receive_from_group(group_of(options_));
    if (!fd) return fail(std::move(fd.error()).in("lvs_sync_daemon"));
    auto watch = loop_.io(fd->get(), EPOLLIN, [this](std::uint32_t) { on_datagrams(); });
    if (!watch) return fail(std::move(watch.error()).in("lvs_sync_daemon"));
    receiver_ = std::move(*fd);
    receiver_source_ = std::move(*watch);
    buffer_.resize(options_.receive_size);
    return {};
}

// --- backup ----------------------------------------------------------------------------------

void IpvsDaemon::on_datagrams() {
    for (int i = 0; i < kDatagramsPerTurn; ++i) {
        const auto got = receive_datagram(receiver_.get(), buffer_);
        if (!got) return;
        ++stats_.datagrams_received;
        const auto& [size, from] = *got;
        const auto on_link = [&, address = from](const IpPrefix& network) {
            return covers(network, address);
        };
        if (std::ranges::none_of(options_.networks, on_link))
            ++stats_.dropped[static_cast<std::size_t>(Drop::Foreign)];
        else if (size > buffer_.size())
            ++stats_.dropped[static_cast<std::size_t>(Drop::Oversized)];
        else
            take({reinterpret_cast<const std::uint8_t*>(buffer_.data()), size});
    }
}

void IpvsDaemon::take(Bytes bytes) {
    auto datagram = decode(bytes);
    if (datagram && options_.sync_id != 0 && datagram->sync_id != options_.sync_id)
        datagram = tl::unexpected(Drop::OtherId);
    if (!datagram) {
        ++stats_.dropped[static_cast<std::size_t>(datagram.error())];
        return;
    }
    stats_.connections_received += datagram->connections.size();
    std::vector<Flow> flows;
    for (const auto& connection : datagram->connections) {
        auto flow = to_flow(connection);
        if (flow)
            flows.push_back(*flow);
        else
            ++stats_.skipped[static_cast<std::size_t>(flow.error())];
    }
    const auto result = plane_.store_flows(flows);
    stats_.stored.stored += result.stored;
    stats_.stored.older += result.older;
    stats_.stored.unknown += result.unknown;
    stats_.stored.full += result.full;
}

// --- master ----------------------------------------------------------------------------------

void IpvsDaemon::on_changes(std::span<const Flow> flows) {
    for (const auto& flow : flows)
        if (!flow.synced) tell(flow);
}

void IpvsDaemon::scan(TimePoint now) {
    const double round =
        static_cast<double>(options_.scan_round.count()) / (first_round_ ? kFirstRoundFactor : 1);
    const double share = static_cast<double>((now - scanned_).count()) / round;
    scanned_ = now;
    const auto slots = static_cast<double>(plane_.table_use().slots);
    cursor_ = plane_.scan_flows(cursor_,
                                static_cast<std::uint64_t>(std::clamp(share * slots, 1.0, slots)),
                                [this](const Flow& flow) {
                                    if (!flow.one_packet && (learned_ || !flow.synced)) tell(flow);
                                });
    if (cursor_ == 0) first_round_ = false;
}

void IpvsDaemon::tell(const Flow& flow) {
    // IPVS neither tells of half-open connections nor of ended ones: they run out by themselves.
    if (flow.state == FlowState::None || flow.state == FlowState::SynRecv) return;
    // Templates are not translated, either way (Skip::Template).
    if (flow.is_template) return;
    const auto service = plane_.model().find({flow.vip, flow.protocol});
    if (service == plane_.model().end()) return;
    const auto real = std::ranges::find(service->second.reals, flow.real, &model::Real::endpoint);
    if (real == service->second.reals.end()) return;
    const auto connection = from_flow(flow, service->second, *real);
    if (!writer_.can_carry(connection)) {
        ++stats_.not_carried;
        return;
    }
    if (!writer_.add(connection)) {
        flush();
        writer_.add(connection);
    }
    if (std::exchange(flush_due_, true)) return;
    const TimePoint when = loop_.now() + kBatch;
    if (flush_timer_)
        (void)EventLoop::rearm(flush_timer_, when);
    else if (auto timer = loop_.at(when, [this](TimePoint) { flush(); }))
        flush_timer_ = std::move(*timer);
}

void IpvsDaemon::flush() {
    flush_due_ = false;
    const std::size_t count = writer_.count();
    if (count == 0) return;
    const std::string datagram = writer_.take();
    // Lost is lost, as in the network: the next round over the table tells it again.
    if (::send(sender_.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL) < 0) {
        stats_.not_sent += count;
        return;
    }
    ++stats_.datagrams_sent;
    stats_.connections_sent += count;
}

Stats IpvsDaemon::stats() const {
    Stats stats = stats_;
    stats.sending = static_cast<bool>(sender_);
    stats.receiving = static_cast<bool>(receiver_);
    return stats;
}

}  // namespace vipd::sync::ipvs
