// SPDX-License-Identifier: Apache-2.0
#include "userspace/check/checker.hpp"

#include <algorithm>
#include <cctype>

namespace vipd::check {

namespace {

constexpr std::int32_t kFirstWeightStatus = 2;
constexpr std::int32_t kMaxStatus = 255;

StartAt schedule(State& state, TimePoint when) {
    state.next = when;
    return {when};
}

std::vector<Action> begin(State& state,
                          const Settings& settings,
                          const Begin& event,
                          TimePoint now) {
    state = State{};
    state.up = event.known_up.value_or(!settings.alpha);
    state.has_run = event.known_up.has_value() && event.judged;
    state.weight = event.weight;
    const Timing& timing = settings.timing;
    const Nanos window = timing.warmup < Nanos(0) ? timing.delay_loop : timing.warmup;
    const double offset =
        std::clamp(event.fraction, 0.0, 1.0) * static_cast<double>(window.count());
    return {schedule(state, now + Nanos(static_cast<Nanos::rep>(offset)))};
}

std::vector<Action> due(State& state, TimePoint now) {
    if (state.running) return {};
    state.running = true;
    state.started = now;
    return {Launch{++state.attempt, state.url}};
}

// When to ask again. A script's period counts from its start, as keepalived's does: a slow script
// does not stretch it.
StartAt again(State& state, const Settings& settings, Nanos delay, TimePoint now) {
    const TimePoint from = settings.kind == Kind::Misc ? state.started : now;
    return schedule(state, std::max(from + delay, now));
}

// The URL passed; true if with it all have.
bool advance(State& state, const Settings& settings) {
    state.failures = 0;
    if (state.url_has_failed) {
        state.url_has_failed = false;
        // It was the only one: then all have passed.
        if (settings.urls.size() > 1) {
            state.url = 0;
            return false;
        }
    }
    if (++state.url < settings.urls.size()) return false;
    state.url = 0;
    return true;
}

std::vector<Action> passed(State& state,
                           const Settings& settings,
                           const Outcome& outcome,
                           TimePoint now) {
    std::vector<Action> actions;
    const bool all = advance(state, settings);
    const bool changed = all && (!state.up || !state.has_run);
    const bool weighted = outcome.weight >= 0 && outcome.weight != state.weight;
    if (outcome.weight >= 0) state.weight = outcome.weight;
    if (all) state.up = state.has_run = true;
    if (changed || weighted)
        actions.emplace_back(Report{state.up, changed, 0, outcome.detail, state.weight});
    const bool at_once = settings.fast_recovery && !all && !state.up;
    actions.emplace_back(
        again(state, settings, at_once ? Nanos(0) : settings.timing.delay_loop, now));
    return actions;
}

std::vector<Action> failed(State& state,
                           const Settings& settings,
                           const Outcome& outcome,
                           TimePoint now) {
    if (state.up && state.has_run && state.failures < settings.timing.retry) {
        ++state.failures;
        return {again(state, settings, settings.timing.delay_before_retry, now)};
    }
    std::vector<Action> actions;
    const bool changed = state.up || !state.has_run;
    if (changed) {
        const Report report{false, true, state.failures, outcome.detail, state.weight};
        actions.emplace_back(report);
    }
    state.up = false;
    state.has_run = true;
    state.failures = 0;
    state.url_has_failed = true;
    actions.emplace_back(again(state, settings, settings.timing.delay_loop, now));
    return actions;
}

std::vector<Action> finished(State& state,
                             const Settings& settings,
                             const Finished& event,
                             TimePoint now) {
    if (!state.running || event.attempt != state.attempt) return {};
    state.running = false;
    switch (event.outcome.verdict) {
        case Outcome::Verdict::Passed:
            return passed(state, settings, event.outcome, now);
        case Outcome::Verdict::Failed:
            return failed(state, settings, event.outcome, now);
        case Outcome::Verdict::NotRun:
            break;
    }
    return {again(state, settings, settings.timing.delay_loop, now)};
}

bool same_digest(const std::string& a, const std::string& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
        return std::tolower(static_cast<unsigned char>(x)) ==
               std::tolower(static_cast<unsigned char>(y));
    });
}

}  // namespace

bool Settings::asks_the_same(const Settings& other) const {
    return kind == other.kind && target == other.target && source == other.source &&
           urls == other.urls && http_version == other.http_version && tls == other.tls &&
           helo_name == other.helo_name && dns_type == other.dns_type &&
           dns_name == other.dns_name && udp == other.udp && argv == other.argv &&
           user == other.user && group == other.group && dynamic_weight == other.dynamic_weight;
}

Outcome judge_script(const Settings& settings,
                     std::int32_t exit_status,
                     const std::string& detail) {
    if (exit_status == 0) return Outcome::passed(detail);
    if (settings.dynamic_weight && exit_status >= kFirstWeightStatus && exit_status <= kMaxStatus) {
        auto outcome = Outcome::passed(detail);
        outcome.weight = exit_status - kFirstWeightStatus;
        return outcome;
    }
    return Outcome::failed(detail);
}

Outcome judge_http(const HttpUrl& url, long status, const std::string& md5) {
    const auto matches = [&](const auto& range) {
        return status >= range.first && status <= range.second;
    };
    const bool expected = url.status_codes.empty() ? status >= 200 && status <= 299
                                                   : std::ranges::any_of(url.status_codes, matches);
    if (!expected) return Outcome::failed("HTTP status " + std::to_string(status));
    if (!url.digest.empty() && !same_digest(url.digest, md5))
        return Outcome::failed("MD5 digest is " + md5);
    return Outcome::passed();
}

std::string_view check_name(const Settings& settings) {
    switch (settings.kind) {
        case Kind::Tcp:
            return "TCP_CHECK";
        case Kind::Http:
            return settings.tls ? "SSL_GET" : "HTTP_CHECK";
        case Kind::Misc:
            return "MISC_CHECK";
        case Kind::Smtp:
            return "SMTP_CHECK";
        case Kind::Dns:
            return "DNS_CHECK";
        case Kind::Udp:
            return "UDP_CHECK";
        case Kind::Ping:
            break;
    }
    return "PING_CHECK";
}

std::vector<Action> step(State& state,
                         const Settings& settings,
                         const Event& event,
                         TimePoint now) {
    if (const auto* e = std::get_if<Begin>(&event)) return begin(state, settings, *e, now);
    if (std::holds_alternative<Due>(event)) return due(state, now);
    return finished(state, settings, std::get<Finished>(event), now);
}

}  // namespace vipd::check
