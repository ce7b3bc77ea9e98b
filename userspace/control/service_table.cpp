// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/service_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace vipd::control {

namespace {

std::string_view protocol_word(Protocol protocol) {
    switch (protocol) {
        case Protocol::Tcp:
            return "tcp";
        case Protocol::Udp:
            return "udp";
        case Protocol::Sctp:
            return "sctp";
    }
    return "?";
}

/// As keepalived writes a virtual server: a group by its name, a fwmark as FWM N.
std::string name_of(const config::VirtualServer& server) {
    if (!server.group.empty()) return fmt::format("[{}]", server.group);
    if (!server.members.empty()) return fmt::format("FWM {}", server.members.front().mark);
    return keepalived_name(server.key.endpoint, server.key.protocol);
}

/// The endpoint of a real of one member: DR and TUN keep the packet's port.
Endpoint endpoint_of(const Endpoint& configured,
                     const std::string& method,
                     const config::VirtualServer& server,
                     const config::ServiceMember& member) {
    const bool own_port =
        server.members.empty() || member.mark != 0 || (method == "NAT" && configured.port != 0);
    return own_port ? configured : Endpoint{configured.address, member.key.endpoint.port};
}

model::Method method_of(const std::string& word) {
    if (word == "NAT") return model::Method::Nat;
    return word == "TUN" ? model::Method::Tunnel : model::Method::DirectRouting;
}

model::Method method_of(const config::VirtualServer& server, const config::RealServer& real) {
    return method_of(real.method ? *real.method : *server.method);
}

/// smtp_alert: its own word, else that for checkers, else that for all, else `otherwise`.
bool mails(const config::Value<bool>& own, bool otherwise, const config::Smtp& smtp) {
    for (const auto* word : {&own, &smtp.alert_checker, &smtp.alert})
        if (word->set) return word->value;
    return otherwise;
}

constexpr std::int64_t kFileFault = -254;  // and whatever is below
constexpr std::int64_t kMaxWeight = 65535;

bool checked_by_process(const config::RealServer& real) {
    return !std::ranges::all_of(real.checkers, &config::Checker::follows);
}

}  // namespace

std::string keepalived_name(const Endpoint& endpoint, Protocol protocol) {
    return fmt::format(
        "[{}]:{}:{}", endpoint.address.to_string(), protocol_word(protocol), endpoint.port);
}

std::vector<config::ServiceMember> members_of(const config::VirtualServer& server) {
    if (!server.members.empty()) return server.members;
    return {{server.key, {}, 0}};
}

std::optional<std::string> unsupported(const config::VirtualServer& server) {
    if (server.key.protocol == Protocol::Sctp) return "SCTP services are not forwarded yet";
    // The parser knows more (a gue tunnel without a port) and has said it with its place.
    if (!server.forwarded) return "not forwarded yet, see the diagnostics of the configuration";
    return std::nullopt;
}

std::uint32_t ServiceTable::effective_weight(const config::RealServer& real,
                                             const RealState& state) {
    const std::int64_t weight = state.weight >= 0 ? state.weight : std::int64_t{*real.weight};
    return static_cast<std::uint32_t>(
        std::clamp<std::int64_t>(weight + state.added, 0, std::max(weight, kMaxWeight)));
}

std::uint64_t ServiceTable::live_weight(const ServiceState& service) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < service.reals.size(); ++i)
        if (service.reals[i].up)
            sum += effective_weight(service.config.real_servers[i], service.reals[i]);
    return sum;
}

// keepalived: a real server is up until its first check fails, unless it starts in alpha.
ServiceTable::RealState ServiceTable::fresh_state(const config::RealServer& real, bool alpha) {
    RealState state;
    state.checked.up = !alpha || !checked_by_process(real);
    for (const auto& checker : real.checkers) {
        if (checker.kind == config::Checker::Kind::File) state.files[checker.track_file] = 0;
        if (checker.kind == config::Checker::Kind::Bfd)
            state.sessions[checker.bfd_instance] = {
                !checker.alpha,
                false,
                checker.alpha ? fmt::format("BFD session {} is not up yet", checker.bfd_instance)
                              : ""};
    }
    settle(real, state);
    return state;
}

void ServiceTable::settle(const config::RealServer& real, RealState& state) {
    const bool checked = checked_by_process(real);
    state.up = true;
    state.known = true;
    state.reason.clear();
    bool down_for_sure = false;  // whoever has not spoken yet
    const auto add = [&](const Verdict& verdict) {
        state.known = state.known && verdict.known;
        if (verdict.up) return;
        state.up = false;
        down_for_sure = down_for_sure || verdict.known;
        if (state.reason.empty()) state.reason = verdict.reason;
    };
    if (checked) add(state.checked);
    for (const auto& [session, verdict] : state.sessions) add(verdict);
    state.added = 0;
    for (const auto& checker : real.checkers) {
        if (checker.kind != config::Checker::Kind::File) continue;
        const std::int64_t value = state.files[checker.track_file];
        const std::int64_t by = value * checker.file_weight * (checker.file_reverse ? -1 : 1);
        const bool fault =
            checker.file_weight == 0 ? (value != 0) != checker.file_reverse : by <= kFileFault;
        add({!fault, true, fmt::format("track_file {} has {}", checker.track_file, value)});
        if (!fault) state.added += by;
    }
    state.known = state.known || down_for_sure;
}

void ServiceTable::keep(const RealState& before,
                        const config::RealServer& then,
                        const config::RealServer& now,
                        RealState& state) {
    if (checked_by_process(then) && checked_by_process(now)) {
        state.checked = before.checked;
        state.weight = before.weight;
    }
    for (auto& [session, verdict] : state.sessions)
        if (const auto old = before.sessions.find(session); old != before.sessions.end())
            verdict = old->second;
    for (auto& [file, value] : state.files)
        if (const auto old = before.files.find(file); old != before.files.end())
            value = old->second;
    settle(now, state);
}

std::vector<ServiceEvent> ServiceTable::configure(const config::Config& config) {
    std::vector<ServiceEvent> events;
    std::map<ServiceKey, ServiceState> services;
    std::vector<ServiceKey> order;
    global_ = config.global;
    ring_size_ = *config.vipd.ring_size;
    for (const auto& server : config.virtual_servers) {
        const auto before = services_.find(server.key);
        ServiceState state{server, {}, true};
        for (const auto& real : server.real_servers) {
            RealState health = fresh_state(real, *server.alpha);
            if (before != services_.end()) {
                const auto& old = before->second.config.real_servers;
                const auto same = std::ranges::find_if(old, [&](const auto& candidate) {
                    return candidate.endpoint == real.endpoint;
                });
                if (same != old.end())
                    keep(before->second.reals[static_cast<std::size_t>(same - old.begin())],
                         *same,
                         real,
                         health);
            }
            state.reals.push_back(std::move(health));
        }
        const bool fresh = before == services_.end();
        if (!fresh) state.quorum_up = before->second.quorum_up;
        update_quorum(state, fresh, events);
        if (services.emplace(server.key, std::move(state)).second) order.push_back(server.key);
    }
    services_ = std::move(services);
    order_ = std::move(order);
    desired_.clear();
    for (const auto& [key, service] : services_) build_all(service);
    return events;
}

void ServiceTable::build_all(const ServiceState& service) {
    if (unsupported(service.config)) return;
    for (const auto& member : members_of(service.config))
        desired_.insert_or_assign(member.key, build(service, member));
}

std::vector<ServiceEvent> ServiceTable::on_health(const ipc::RealServerState& told) {
    std::vector<ServiceEvent> events;
    const auto found = services_.find(told.service);
    if (found == services_.end()) return events;
    ServiceState& service = found->second;
    const auto& reals = service.config.real_servers;
    const auto real = std::ranges::find_if(
        reals, [&](const auto& candidate) { return candidate.endpoint == told.real; });
    if (real == reals.end()) return events;
    const auto at = static_cast<std::size_t>(real - reals.begin());
    RealState& state = service.reals[at];
    const bool was_up = state.up;
    const auto old_weight = effective_weight(*real, state);
    state.checked = {told.up, told.known, told.reason};
    state.weight = told.weight;
    settle(*real, state);
    announce(service, at, was_up, old_weight, events);
    return events;
}

std::vector<ServiceEvent> ServiceTable::change_reals(
    const std::function<bool(RealState&)>& changes) {
    std::vector<ServiceEvent> events;
    for (const auto& key : order_) {
        ServiceState& service = services_.at(key);
        for (std::size_t at = 0; at < service.reals.size(); ++at) {
            RealState& state = service.reals[at];
            const auto& real = service.config.real_servers[at];
            const bool was_up = state.up;
            const auto weight = effective_weight(real, state);
            if (!changes(state)) continue;
            settle(real, state);
            announce(service, at, was_up, weight, events);
        }
    }
    return events;
}

std::vector<ServiceEvent> ServiceTable::on_bfd(const std::string& session, bool up) {
    return change_reals([&](RealState& state) {
        const auto followed = state.sessions.find(session);
        if (followed == state.sessions.end()) return false;
        Verdict& verdict = followed->second;
        if (verdict.known ? verdict.up == up : !up) return false;
        verdict = {up, true, up ? "" : fmt::format("BFD session {} is down", session)};
        return true;
    });
}

std::vector<ServiceEvent> ServiceTable::on_file(const std::string& file, std::int32_t value) {
    return change_reals([&](RealState& state) {
        const auto followed = state.files.find(file);
        return followed != state.files.end() && std::exchange(followed->second, value) != value;
    });
}

void ServiceTable::announce(ServiceState& service,
                            std::size_t at,
                            bool was_up,
                            std::uint32_t old_weight,
                            std::vector<ServiceEvent>& events) {
    const RealState& state = service.reals[at];
    const config::RealServer* const real = &service.config.real_servers[at];
    const auto real_name = keepalived_name(real->endpoint, service.config.key.protocol);
    const auto service_name = name_of(service.config);
    if (was_up != state.up) {
        if (state.up)
            events.push_back({false,
                              fmt::format("{} service {} {} VS {}",
                                          *real->inhibit_on_failure ? "Enabling" : "Adding",
                                          real_name,
                                          *real->inhibit_on_failure ? "of" : "to",
                                          service_name),
                              real->notify_up});
        else
            events.push_back({true,
                              fmt::format("{} service {} {} VS {}{}",
                                          *real->inhibit_on_failure ? "Disabling" : "Removing",
                                          real_name,
                                          *real->inhibit_on_failure ? "of" : "from",
                                          service_name,
                                          state.reason.empty() ? "" : " (" + state.reason + ")"),
                              real->notify_down});
        const auto word = state.up ? "UP" : "DOWN";
        events.back().fifo_line = fmt::format("RS {} {} {}", real_name, service_name, word);
        if (mails(real->smtp_alert, true, global_.smtp))
            events.back().alert = Alert{
                fmt::format(
                    "Realserver {} of virtual server {} - {}", real_name, service_name, word),
                fmt::format("=> {} <=\n\n",
                            state.up               ? "CHECK succeed on service"
                            : state.reason.empty() ? "CHECK failed on service"
                                                   : "CHECK failed on service : " + state.reason)};
    } else if (const auto weight = effective_weight(*real, state); weight != old_weight) {
        events.push_back({false,
                          fmt::format("Changing weight from {} to {} for service {} of VS {}",
                                      old_weight,
                                      weight,
                                      real_name,
                                      service_name),
                          std::nullopt});
    }
    update_quorum(service, false, events);
    build_all(service);
}

void ServiceTable::adopt(const model::Model& model) {
    for (auto& [key, service] : services_) {
        const auto before = model.find(key);
        if (before == model.end()) continue;
        for (std::size_t i = 0; i < service.reals.size(); ++i) {
            const auto& real = service.config.real_servers[i];
            const auto& known = before->second.reals;
            const auto endpoint = endpoint_of(real.endpoint,
                                              real.method.value_or(*service.config.method),
                                              service.config,
                                              members_of(service.config).front());
            const auto same = std::ranges::find_if(
                known, [&](const auto& candidate) { return candidate.endpoint == endpoint; });
            if (real.checkers.empty() || same == known.end()) continue;
            const bool inhibited =
                *real.inhibit_on_failure && same->weight == 0 && *real.weight > 0;
            if (same->alive && !inhibited) continue;
            const Verdict down{false, true, "down before the restart"};
            RealState& state = service.reals[i];
            if (checked_by_process(real)) state.checked = down;
            for (auto& [session, verdict] : state.sessions) verdict = down;
            settle(real, state);
        }
        std::vector<ServiceEvent> unsaid;  // the quorum is as it was
        update_quorum(service, true, unsaid);
        build_all(service);
    }
}

void ServiceTable::rebuild() {
    for (const auto& [key, service] : services_) build_all(service);
}

void ServiceTable::update_quorum(ServiceState& service,
                                 bool initial,
                                 std::vector<ServiceEvent>& events) {
    const std::uint64_t quorum = *service.config.quorum;
    const std::uint64_t hysteresis = *service.config.hysteresis;
    const std::uint64_t live = live_weight(service);
    const bool was_up = service.quorum_up;
    if (initial)
        service.quorum_up = live >= quorum;
    else if (was_up && live + hysteresis < quorum)
        service.quorum_up = false;
    else if (!was_up && live >= quorum + hysteresis)
        service.quorum_up = true;
    if (initial || was_up == service.quorum_up) return;

    const auto name = name_of(service.config);
    const auto sorry = service.config.sorry_server;
    if (service.quorum_up) {
        events.push_back({false,
                          fmt::format("Gained quorum {}+{}={} <= {} for VS {}",
                                      quorum,
                                      hysteresis,
                                      quorum + hysteresis,
                                      live,
                                      name),
                          service.config.quorum_up});
        announce_quorum(events.back(), service);
        if (sorry)
            events.push_back({false,
                              fmt::format("Removing sorry server {} from VS {}",
                                          keepalived_name(*sorry, service.config.key.protocol),
                                          name),
                              std::nullopt});
    } else {
        events.push_back({true,
                          fmt::format("Lost quorum {}-{}={} > {} for VS {}",
                                      quorum,
                                      hysteresis,
                                      quorum - std::min(quorum, hysteresis),
                                      live,
                                      name),
                          service.config.quorum_down});
        announce_quorum(events.back(), service);
        if (sorry)
            events.push_back({true,
                              fmt::format("Adding sorry server {} to VS {}",
                                          keepalived_name(*sorry, service.config.key.protocol),
                                          name),
                              std::nullopt});
    }
}

void ServiceTable::announce_quorum(ServiceEvent& event, const ServiceState& service) const {
    const auto name = name_of(service.config);
    const auto word = service.quorum_up ? "UP" : "DOWN";
    event.fifo_line = fmt::format("VS {} {}", name, word);
    if (mails(service.config.smtp_alert, false, global_.smtp))
        event.alert = Alert{fmt::format("Virtualserver {} - {}", name, word),
                            fmt::format("=> {} <=\n\n", event.line)};
}

model::Service ServiceTable::build(const ServiceState& service,
                                   const config::ServiceMember& member) const {
    const config::VirtualServer& server = service.config;
    model::Service built;
    built.key = member.key;
    built.also = member.also;
    built.mark = member.mark;
    // The parser lets only known ones through.
    built.scheduler =
        model::scheduler_of(*server.scheduler).value_or(model::Scheduler::WeightedLeastConnection);
    // flag-1 and flag-2 are the schedulers' own flags by number.
    const bool hashes = *server.scheduler == "sh" || *server.scheduler == "mh";
    built.hash_port = server.hash_port || (hashes && server.flag_2);
    built.hash_fallback = server.hash_fallback || (hashes && server.flag_1);
    built.ring_size = ring_size_;
    built.persistence = std::chrono::seconds(*server.persistence_timeout);
    const auto host = static_cast<std::uint8_t>(member.key.endpoint.address.is_v6() ? 128 : 32);
    built.granularity =
        server.persistence_prefix.set ? std::min(*server.persistence_prefix, host) : host;
    built.one_packet = *server.one_packet && member.key.protocol == Protocol::Udp;
    built.tcp_timeout = std::chrono::seconds(*global_.tcp_timeout);
    built.tcp_fin_timeout = std::chrono::seconds(*global_.tcp_fin_timeout);
    built.udp_timeout = std::chrono::seconds(*global_.udp_timeout);
    // keepalived: with the quorum lost the sorry server replaces what is left; without a sorry
    // server the reals that are left go on.
    const bool sorry = !service.quorum_up && server.sorry_server.has_value();
    for (std::size_t i = 0; i < server.real_servers.size(); ++i) {
        const auto& real = server.real_servers[i];
        const auto& state = service.reals[i];
        model::Real entry;
        entry.endpoint =
            endpoint_of(real.endpoint, real.method.value_or(*server.method), server, member);
        entry.method = method_of(server, real);
        if (entry.method == model::Method::Tunnel)
            entry.tunnel = real.method ? real.tunnel : server.tunnel;
        entry.weight = effective_weight(real, state);
        entry.upper = *real.upper_threshold;
        entry.lower = *real.lower_threshold;
        // What a Maglev table is built by while the weight is 0.
        entry.last_weight = entry.weight > 0 ? entry.weight : *real.weight;
        if (!state.up) {
            entry.alive = *real.inhibit_on_failure;
            if (*real.inhibit_on_failure) entry.weight = 0;
        }
        if (sorry) {
            // The live reals keep their connections and get no new ones.
            entry.weight = 0;
        }
        if (drained_ && drained_(member.key, entry.endpoint)) entry.weight = 0;
        built.reals.push_back(entry);
    }
    if (sorry) {
        model::Real entry;
        const auto method = server.sorry_server_method.value_or(*server.method);
        entry.endpoint = endpoint_of(*server.sorry_server, method, server, member);
        entry.method = method_of(method);
        if (entry.method == model::Method::Tunnel)
            entry.tunnel = server.sorry_server_method ? server.sorry_server_tunnel : server.tunnel;
        built.reals.push_back(entry);
    }
    return built;
}

std::vector<ServiceEvent> ServiceTable::on_stop() const {
    std::vector<ServiceEvent> events;
    for (const auto& key : order_) {
        const auto& service = services_.at(key);
        if (!*service.config.omega) continue;
        for (std::size_t i = 0; i < service.reals.size(); ++i)
            if (const auto& real = service.config.real_servers[i];
                service.reals[i].up && real.notify_down)
                events.push_back({false,
                                  fmt::format("Removing service {} from VS {} (stopping)",
                                              keepalived_name(real.endpoint, key.protocol),
                                              name_of(service.config)),
                                  real.notify_down});
        if (service.quorum_up && service.config.quorum_down)
            events.push_back(
                {false,
                 fmt::format("Leaving quorum of VS {} (stopping)", name_of(service.config)),
                 service.config.quorum_down});
    }
    return events;
}

std::vector<ServiceTable::ServiceView> ServiceTable::view() const {
    std::vector<ServiceView> views;
    for (const auto& key : order_) {
        const auto& service = services_.at(key);
        for (const auto& member : members_of(service.config))
            views.push_back(view(service, member));
    }
    return views;
}

ServiceTable::ServiceView ServiceTable::view(const ServiceState& service,
                                             const config::ServiceMember& member) const {
    const auto& server = service.config;
    const auto built = build(service, member);
    ServiceView view;
    view.key = member.key;
    view.mark = member.mark;
    view.group = server.group;
    view.scheduler = *server.scheduler;
    view.method = method_of(*server.method);
    view.quorum_up = service.quorum_up;
    view.quorum = *server.quorum;
    view.unsupported = unsupported(server);
    for (std::size_t i = 0; i < built.reals.size(); ++i) {
        RealView entry;
        entry.endpoint = built.reals[i].endpoint;
        entry.method = built.reals[i].method;
        entry.tunnel = built.reals[i].tunnel;
        if (i == server.real_servers.size()) {
            entry.sorry = true;
            view.reals.push_back(std::move(entry));
            continue;
        }
        const auto& real = server.real_servers[i];
        const auto& state = service.reals[i];
        entry.configured_weight = *real.weight;
        entry.weight = built.reals[i].weight;
        entry.upper_threshold = *real.upper_threshold;
        entry.lower_threshold = *real.lower_threshold;
        entry.checked = !real.checkers.empty();
        entry.known = state.known;
        entry.up = state.up;
        entry.forwarding = built.reals[i].alive;
        entry.reason = state.reason;
        view.reals.push_back(std::move(entry));
    }
    return view;
}

std::vector<ipc::RealServerState> ServiceTable::health() const {
    std::vector<ipc::RealServerState> states;
    for (const auto& [key, service] : services_)
        for (std::size_t i = 0; i < service.reals.size(); ++i)
            if (const Verdict& checked = service.reals[i].checked; checked.known)
                states.push_back({key,
                                  service.config.real_servers[i].endpoint,
                                  checked.up,
                                  true,
                                  service.reals[i].weight,
                                  checked.reason});
    return states;
}

}  // namespace vipd::control
