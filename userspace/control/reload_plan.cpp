// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/reload_plan.hpp"

#include "userspace/sched/picker.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace vipd::control {

namespace {

using model::Method;
using model::Real;
using model::Scheduler;
using model::Service;

const Real* find(const Service& service, const Endpoint& endpoint) {
    const auto found = std::ranges::find(service.reals, endpoint, &Real::endpoint);
    return found == service.reals.end() ? nullptr : &*found;
}

bool takes_new(const Real& real) {
    return real.alive && real.weight > 0;
}

// Asked of clients spread over all addresses: exact for no ring, within 2 % for all.
std::optional<double> moved_share(const Service& from, const Service& to) {
    const auto by_hash = [](Scheduler scheduler) {
        return scheduler == Scheduler::Maglev || scheduler == Scheduler::SourceHash;
    };
    if (!by_hash(from.scheduler) || !by_hash(to.scheduler)) return std::nullopt;
    constexpr std::uint32_t kClients = 4096;
    sched::Picker before(from);
    sched::Picker after(to);
    std::uint32_t staying = 0;
    std::uint32_t moved = 0;
    for (std::uint32_t i = 0; i < kClients; ++i) {
        sched::Query query;
        query.fresh = false;
        query.vip = from.key.endpoint.address;
        // Fibonacci hashing: any two clients are far from one another.
        query.client = {IpAddress::v4(i * 2654435769U), static_cast<std::uint16_t>(1024 + i)};
        const auto was = before.pick(query);
        if (!was) continue;
        const Endpoint& real = from.reals[*was].endpoint;
        const Real* stays = find(to, real);
        if (stays == nullptr || !takes_new(*stays)) continue;
        ++staying;
        const auto is = after.pick(query);
        if (!is || to.reals[*is].endpoint != real) ++moved;
    }
    return staying == 0 ? 0.0 : static_cast<double>(moved) / staying;
}

template <class T>
void tell(std::vector<std::string>& details, std::string_view what, const T& from, const T& to) {
    if (from != to) details.push_back(fmt::format("{}: {} -> {}", what, from, to));
}

std::string tunnel_words(const Tunnel& tunnel) {
    std::string words(to_string(tunnel.type));
    if (tunnel.type == Tunnel::Type::Gue) words += fmt::format(" port {}", tunnel.port);
    if (tunnel.checksum != Tunnel::Checksum::None)
        words += fmt::format(" {}", to_string(tunnel.checksum));
    return words;
}

void compare_reals(const Service& from, const Service& to, ReloadPlan::Step& step) {
    auto& details = step.details;
    for (const Real& real : to.reals)
        if (find(from, real.endpoint) == nullptr)
            details.push_back(fmt::format("real_server {} added, {}, weight {}",
                                          real.endpoint.to_string(),
                                          to_string(real.method),
                                          real.weight));
    for (const Real& was : from.reals) {
        const Real* is = find(to, was.endpoint);
        const std::string name = was.endpoint.to_string();
        if (is == nullptr) {
            details.push_back(fmt::format("real_server {} removed; its connections run out", name));
            continue;
        }
        tell(details, "weight of " + name, was.weight, is->weight);
        tell(details, "method of " + name, to_string(was.method), to_string(is->method));
        if (was.method == Method::Tunnel && is->method == Method::Tunnel)
            tell(details, "tunnel of " + name, tunnel_words(was.tunnel), tunnel_words(is->tunnel));
        tell(details, "upper threshold of " + name, was.upper, is->upper);
        tell(details, "lower threshold of " + name, was.lower, is->lower);
        if (was.alive != is->alive)
            details.push_back(name + (is->alive ? " is used again" : " is no longer used"));
    }
}

ReloadPlan::Step compare(const Service& from, const Service& to) {
    ReloadPlan::Step step;
    auto& details = step.details;
    tell(details, "scheduler", to_string(from.scheduler), to_string(to.scheduler));
    tell(details, "hashed by port", from.hash_port, to.hash_port);
    tell(details, "hash fallback", from.hash_fallback, to.hash_fallback);
    if (to.scheduler == Scheduler::Maglev) tell(details, "ring size", from.ring_size, to.ring_size);
    tell(details, "TCP timeout, s", from.tcp_timeout.count(), to.tcp_timeout.count());
    tell(details, "FIN timeout, s", from.tcp_fin_timeout.count(), to.tcp_fin_timeout.count());
    tell(details, "UDP timeout, s", from.udp_timeout.count(), to.udp_timeout.count());
    tell(details, "persistence, s", from.persistence.count(), to.persistence.count());
    tell(details, "persistence granularity", from.granularity, to.granularity);
    tell(details, "one-packet scheduling", from.one_packet, to.one_packet);
    if (from.also != to.also) details.emplace_back("what carries the mark");
    compare_reals(from, to, step);
    if (details.empty()) details.emplace_back("order of the real servers");
    step.moved = moved_share(from, to);
    return step;
}

}  // namespace

Fate fate_of_connections(const model::Model& to, const ServiceKey& service, const Endpoint& real) {
    const auto next = to.find(service);
    if (next == to.end()) return Fate::CutOff;
    return find(next->second, real) == nullptr ? Fate::RunOut : Fate::Stay;
}

std::vector<ReloadPlan::Step> service_steps(const model::Model& from, const model::Model& to) {
    std::vector<ReloadPlan::Step> steps;
    for (const model::Change& change : model::diff(from, to)) {
        const Service& service = change.service;
        ReloadPlan::Step step;
        switch (change.kind) {
            case model::Change::Kind::AddService:
                step.what = ReloadPlan::What::Add;
                step.details.push_back(fmt::format("{}, {} real server{}",
                                                   to_string(service.scheduler),
                                                   service.reals.size(),
                                                   service.reals.size() == 1 ? "" : "s"));
                break;
            case model::Change::Kind::UpdateService:
                step = compare(from.at(service.key), service);
                break;
            case model::Change::Kind::RemoveService:
                step.what = ReloadPlan::What::Remove;
                step.details.emplace_back("its connections are cut off");
                break;
        }
        step.object = "virtual_server";
        step.name = service.key.to_string();
        steps.push_back(std::move(step));
    }
    return steps;
}

}  // namespace vipd::control
