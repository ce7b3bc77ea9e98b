// SPDX-License-Identifier: Apache-2.0
#include "vrrp/bfd/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace vipd::bfd {

namespace {

constexpr unsigned kMaxTtl = 255;

std::uint16_t port_of(const SessionSettings& settings) {
    return settings.multihop ? kMultiHopPort : kSingleHopPort;
}

bool same_session(const SessionSettings& a, const SessionSettings& b) {
    return a.neighbour == b.neighbour && a.source == b.source && a.multihop == b.multihop &&
           a.ttl == b.ttl;
}

/// RFC 5881, 5; over several hops only where it is asked for.
bool from_too_far(const SessionSettings& settings, std::uint8_t ttl) {
    if (settings.multihop && settings.max_hops == 0) return false;
    return ttl + settings.max_hops < kMaxTtl;
}

}  // namespace

Engine::Engine(Wire& wire, Listener listener, std::function<std::uint32_t()> random)
    : wire_(wire), listener_(std::move(listener)), random_(std::move(random)) {}

void Engine::configure(std::vector<SessionSettings> wanted, TimePoint now) {
    Sessions old = std::exchange(sessions_, {});
    for (SessionSettings& settings : wanted) {
        const auto before = old.find(settings.name);
        const std::string name = settings.name;
        if (before == old.end() || !same_session(before->second.settings, settings)) {
            sessions_[name].settings = std::move(settings);
            continue;
        }
        Running running = std::move(before->second);
        old.erase(before);
        running.settings = std::move(settings);
        deliver(running, PolicyChanged{}, now);
        sessions_.insert_or_assign(name, std::move(running));
    }
    for (auto& [name, running] : old) {
        deliver(running, Stop{}, now);
        if (running.open) wire_.close(running.settings);
    }
    retry(now);
}

void Engine::retry(TimePoint now) {
    for (auto& [name, running] : sessions_)
        if (!running.open) start(running, now);
}

void Engine::start(Running& running, TimePoint now) {
    if (auto opened = wire_.open(running.settings); !opened) {
        listener_.log(
            fmt::format("BFD_Instance({}) {}", running.settings.name, opened.error().message),
            running.settings.name + "/open");
        return;
    }
    running.open = true;
    running.counted.started = now;
    std::uint32_t discriminator = 0;
    const auto taken = [&] {
        return std::ranges::any_of(
            sessions_, [&](const auto& one) { return one.second.session.mine == discriminator; });
    };
    while (discriminator == 0 || taken()) discriminator = random_();
    deliver(running, Start{discriminator, random_()}, now);
}

void Engine::stop(TimePoint now) {
    configure({}, now);
}

void Engine::deliver(Running& running, const Event& event, TimePoint now) {
    const Actions actions = step(running.session, running.settings.policy, event, now);
    for (const ControlPacket& packet : actions.send) {
        if (!running.open) continue;
        // A packet that cannot be sent is one that is lost.
        const bool sent = wire_.send(running.settings, encode(packet)).has_value();
        ++(sent ? running.counted.sent : running.counted.send_failed);
    }
    if (!actions.changed) return;
    const bool up = running.session.state == State::Up;
    running.counted.last_change = now;
    ++(up ? running.counted.ups : running.counted.downs);
    listener_.log(fmt::format("BFD_Instance({}) Entering {} state (Local diagnostic {})",
                              running.settings.name,
                              to_string(running.session.state),
                              static_cast<unsigned>(running.session.diagnostic)),
                  {});
    listener_.changed(running.settings.name, up);
}

Engine::Running* Engine::find(const Arrival& arrival, const ControlPacket& packet) {
    for (auto& [name, running] : sessions_) {
        const SessionSettings& settings = running.settings;
        if (settings.neighbour != arrival.source || port_of(settings) != arrival.port) continue;
        if (settings.source && arrival.destination && settings.source != arrival.destination)
            continue;
        if (packet.yours == 0 || packet.yours == running.session.mine) return &running;
    }
    return nullptr;
}

void Engine::reject(Reject reason, const Arrival& arrival) {
    ++rejected_[static_cast<std::size_t>(reason)];
    listener_.log(
        fmt::format(
            "BFD packet from {} dropped: {}", arrival.source.to_string(), counter_name(reason)),
        "bfd/" + std::string(counter_name(reason)));
}

void Engine::receive(const Arrival& arrival, TimePoint now) {
    const auto packet = decode(arrival.bytes);
    if (!packet) {
        reject(packet.error(), arrival);
        return;
    }
    Running* running = find(arrival, *packet);
    if (running == nullptr) {
        reject(Reject::NoSession, arrival);
        return;
    }
    if (from_too_far(running->settings, arrival.ttl)) {
        ++running->counted.too_far;
        reject(Reject::Ttl, arrival);
        return;
    }
    ++running->counted.received;
    deliver(*running, Received{*packet}, now);
}

void Engine::tick(TimePoint now) {
    for (auto& [name, running] : sessions_)
        if (const auto at = next_wake(running.session); at && *at <= now)
            deliver(running, Tick{}, now);
}

std::optional<TimePoint> Engine::wake() const {
    std::optional<TimePoint> wake;
    for (const auto& [name, running] : sessions_)
        if (const auto at = next_wake(running.session); at && (!wake || *at < *wake)) wake = at;
    return wake;
}

bool Engine::up(const std::string& session) const {
    const auto found = sessions_.find(session);
    return found != sessions_.end() && found->second.session.state == State::Up;
}

std::vector<SessionReport> Engine::reports() const {
    std::vector<SessionReport> reports;
    for (const auto& [name, running] : sessions_) {
        SessionReport& report = reports.emplace_back(running.counted);
        report.name = name;
        report.neighbour = running.settings.neighbour;
        report.multihop = running.settings.multihop;
        report.state = running.session.state;
        report.diagnostic = running.session.diagnostic;
    }
    return reports;
}

}  // namespace vipd::bfd
