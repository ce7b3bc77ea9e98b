// SPDX-License-Identifier: Apache-2.0
#include "userspace/check/engine.hpp"

#include "userspace/check/tcp_attempt.hpp"
#include "userspace/check/udp_attempt.hpp"

#include <algorithm>
#include <optional>

namespace vipd::check {

struct Engine::Checker {
    std::uint64_t id = 0;
    Real* real = nullptr;
    Settings settings;
    State state;
    std::string reason;    // of the last report that it is down
    std::string obstacle;  // why the last attempt could not be made
    std::unique_ptr<Attempt> attempt;
    std::uint64_t script = 0;  // running script; 0: none
    bool waits = false;        // in waiting_
    bool holds_slot = false;
    EventLoop::Source timer;
    EventLoop::Source watchdog;  // of a script
};

struct Engine::Real {
    ServiceKey service;
    Endpoint endpoint;
    std::vector<std::unique_ptr<Checker>> checkers;
    std::optional<Health> before;    // resumed or carried over
    std::optional<Health> reported;  // last
};

namespace {

DatagramRequest datagram_request(const Settings& settings, std::uint16_t number) {
    DatagramRequest request{.target = settings.target,
                            .source = settings.source,
                            .timeout = settings.timing.connect_timeout};
    if (settings.kind == Kind::Dns) {
        // Names and types have been checked where they were read.
        const auto type = dns_type(settings.dns_type).value_or(dns_type("SOA").value());
        request.payload = dns_query(number, settings.dns_name, type).value_or(Bytes());
        request.judge = [number](ByteView answer) { return judge_dns(answer, number); };
    } else if (settings.kind == Kind::Ping) {
        const Family family = settings.target.address.is_v6() ? Family::V6 : Family::V4;
        request.ping = true;
        request.payload = echo_request(family, number);
        request.judge = [family, number](ByteView answer) {
            return judge_echo(answer, family, number);
        };
    } else {
        request.payload = settings.udp.payload;
        request.silence_passes = !settings.udp.require_reply;
        request.judge = [udp = settings.udp](ByteView answer) -> std::optional<Outcome> {
            return udp.require_reply ? judge_udp(udp, answer) : Outcome::passed();
        };
    }
    return request;
}

}  // namespace

std::string log_name(const Endpoint& endpoint, Protocol protocol) {
    std::string name = "[" + endpoint.address.to_string() + "]:";
    switch (protocol) {
        case Protocol::Tcp:
            name += "tcp";
            break;
        case Protocol::Udp:
            name += "udp";
            break;
        case Protocol::Sctp:
            name += "sctp";
            break;
    }
    return name + ":" + std::to_string(endpoint.port);
}

Engine::Engine(EventLoop& loop, Limits limits, Callbacks callbacks, std::uint64_t seed)
    : loop_(loop), limits_(limits), callbacks_(std::move(callbacks)), random_(seed) {}

Engine::~Engine() {
    // Attempts point into the HTTP client.
    reals_.clear();
}

Result<std::unique_ptr<Engine>> Engine::create(EventLoop& loop,
                                               Limits limits,
                                               Callbacks callbacks,
                                               std::uint64_t seed) {
    auto http = HttpClient::create(loop, limits.http);
    if (!http) return fail(std::move(http.error()));
    auto engine = std::unique_ptr<Engine>(new Engine(loop, limits, std::move(callbacks), seed));
    engine->http_ = std::move(*http);
    return engine;
}

// --- configuration ---------------------------------------------------------------------------

void Engine::configure(std::vector<RealServer> reals) {
    std::map<Key, std::unique_ptr<Real>> old;
    for (auto& real : reals_) {
        const Key key{real->service, real->endpoint};
        old.emplace(key, std::move(real));
    }
    reals_.clear();
    index_.clear();

    for (auto& wanted : reals) {
        const Key key{wanted.service, wanted.real};
        if (index_.contains(key)) continue;
        auto real = std::make_unique<Real>();
        index_[key] = real.get();
        real->service = wanted.service;
        real->endpoint = wanted.real;
        const auto at = old.find(key);
        Real* previous = at != old.end() ? at->second.get() : nullptr;
        if (previous != nullptr) real->before = real->reported = previous->reported;
        for (auto& settings : wanted.checkers) {
            std::unique_ptr<Checker> checker;
            if (previous != nullptr) {
                const auto same = std::ranges::find_if(previous->checkers, [&](const auto& c) {
                    return c && c->settings.asks_the_same(settings);
                });
                if (same != previous->checkers.end()) checker = std::move(*same);
            }
            if (!checker) {
                checker = std::make_unique<Checker>();
                checker->id = ++next_id_;
                checkers_[checker->id] = checker.get();
            }
            checker->real = real.get();
            checker->settings = std::move(settings);
            checker->settings.alpha = checker->settings.alpha || wanted.alpha;
            real->checkers.push_back(std::move(checker));
        }
        reals_.push_back(std::move(real));
    }

    // What is left of the old configuration ends, its attempts with it.
    for (auto& [key, real] : old) {
        for (auto& checker : real->checkers) {
            if (!checker) continue;
            release(*checker);
            std::erase(waiting_, checker->id);
            checkers_.erase(checker->id);
        }
    }
    old.clear();
    if (!started_) return;
    for (auto& real : reals_) begin(*real);
    next_waiting();
}

void Engine::resume(const Health& health) {
    const auto at = index_.find({health.service, health.real});
    if (at != index_.end()) at->second->before = health;
}

void Engine::start() {
    if (std::exchange(started_, true)) return;
    for (auto& real : reals_) begin(*real);
}

// Begins the checkers that have not begun yet; for the others, new timing counts from now on.
void Engine::begin(Real& real) {
    const TimePoint now = loop_.now();
    for (auto& checker : real.checkers) {
        if (checker->timer) {
            const TimePoint latest = now + checker->settings.timing.delay_loop;
            if (!checker->state.running && checker->state.next > latest) {
                checker->state.next = latest;
                arm(*checker);
            }
            continue;
        }
        callbacks_.say("Activating healthchecker for service " +
                       log_name(real.endpoint, real.service.protocol) + " for VS " +
                       log_name(real.service.endpoint, real.service.protocol));
        Begin event;
        event.fraction = std::uniform_real_distribution<double>(0, 1)(random_);
        if (real.before && real.before->known) {
            const bool reload = real.reported.has_value();
            const bool up = real.before->up;
            // After our own restart the questions are the old ones. On a reload this one is new:
            // its first answer decides, and an alpha checker has to pass first.
            if (!reload || !up || !checker->settings.alpha) event.known_up = up;
            event.judged = !reload || !up;
            if (!up) checker->reason = real.before->reason;
            if (checker->settings.dynamic_weight) event.weight = real.before->weight;
        }
        const auto actions = step(checker->state, checker->settings, event, now);
        carry_out(*checker, actions);
    }
    update(real);
}

// --- attempts --------------------------------------------------------------------------------

void Engine::carry_out(Checker& checker, const std::vector<Action>& actions) {
    for (const auto& action : actions) {
        if (std::holds_alternative<StartAt>(action)) {
            arm(checker);
        } else if (const auto* start = std::get_if<Launch>(&action)) {
            launch(checker, *start);
        } else {
            const auto& report = std::get<Report>(action);
            if (report.changed) {
                checker.reason = report.up ? "" : report.reason;
                say_report(checker, report);
            }
        }
    }
}

void Engine::arm(Checker& checker) {
    if (checker.timer) {
        (void)EventLoop::rearm(checker.timer, checker.state.next);
        return;
    }
    auto timer = loop_.at(checker.state.next, [this, &checker](TimePoint) { due(checker); });
    if (timer)
        checker.timer = std::move(*timer);
    else
        callbacks_.say("health checker has no timer: " + timer.error().message);
}

void Engine::due(Checker& checker) {
    if (checker.waits || checker.state.running) return;
    if (suspended_.contains(checker.real->service)) {
        checker.state.next = loop_.now() + checker.settings.timing.delay_loop;
        arm(checker);
        return;
    }
    if (running_ >= limits_.attempts) {
        checker.waits = true;
        waiting_.push_back(checker.id);
        return;
    }
    carry_out(checker, step(checker.state, checker.settings, Due{}, loop_.now()));
}

void Engine::launch(Checker& checker, const Launch& launch) {
    checker.holds_slot = true;
    ++running_;
    const Settings& settings = checker.settings;
    auto done = [this, &checker, attempt = launch.attempt](Outcome outcome) {
        finished(checker, attempt, std::move(outcome));
    };
    switch (settings.kind) {
        case Kind::Tcp:
        case Kind::Smtp: {
            TcpRequest request{.target = settings.target,
                               .source = settings.source,
                               .timeout = settings.timing.connect_timeout};
            if (settings.kind == Kind::Smtp) request.dialogue.emplace(settings.helo_name);
            checker.attempt = start_tcp(loop_, std::move(request), std::move(done));
            break;
        }
        case Kind::Dns:
        case Kind::Udp:
        case Kind::Ping:
            // A number that cannot be guessed: an answer must come from who was asked.
            checker.attempt =
                start_datagram(loop_,
                               datagram_request(settings, static_cast<std::uint16_t>(random_())),
                               std::move(done));
            break;
        case Kind::Http: {
            HttpClient::Request request{.target = settings.target,
                                        .source = settings.source,
                                        .tls = settings.tls,
                                        .version = settings.http_version,
                                        .url = {},
                                        .timeout = settings.timing.connect_timeout};
            if (launch.url < settings.urls.size()) request.url = settings.urls[launch.url];
            checker.attempt = http_->start(request, std::move(done));
            break;
        }
        case Kind::Misc:
            launch_script(checker, launch);
            break;
    }
}

void Engine::launch_script(Checker& checker, const Launch& launch) {
    checker.script = ++next_id_;
    scripts_[checker.script] = checker.id;
    const Nanos limit = checker.settings.script_timeout + limits_.script_grace;
    auto watchdog =
        loop_.at(loop_.now() + limit, [this, &checker, attempt = launch.attempt](TimePoint) {
            finished(checker, attempt, Outcome::failed("nobody told how the script ended"));
        });
    if (watchdog) checker.watchdog = std::move(*watchdog);
    callbacks_.run_script({checker.script,
                           checker.settings.argv,
                           checker.settings.user,
                           checker.settings.group,
                           checker.settings.script_timeout});
}

Engine::Checker* Engine::checker_of_script(std::uint64_t id) {
    const auto at = scripts_.find(id);
    if (at == scripts_.end()) return nullptr;
    const auto checker = checkers_.find(at->second);
    return checker != checkers_.end() ? checker->second : nullptr;
}

void Engine::script_done(std::uint64_t id, std::int32_t exit_status, const std::string& detail) {
    Checker* checker = checker_of_script(id);
    if (checker == nullptr) return;
    finished(
        *checker, checker->state.attempt, judge_script(checker->settings, exit_status, detail));
}

void Engine::suspend(const ServiceKey& service, bool suspended) {
    if (suspended)
        suspended_.insert(service);
    else if (suspended_.erase(service) > 0)
        for (auto& real : reals_)
            if (real->service == service) begin(*real);
}

void Engine::script_left_out(std::uint64_t id) {
    Checker* checker = checker_of_script(id);
    if (checker == nullptr) return;
    release(*checker);
    checkers_.erase(checker->id);
    Real& real = *checker->real;
    std::erase_if(real.checkers, [&](const auto& one) { return one.get() == checker; });
    update(real);
    next_waiting();
}

void Engine::finished(Checker& checker, std::uint64_t attempt, Outcome outcome) {
    release(checker);
    const bool not_run = outcome.verdict == Outcome::Verdict::NotRun;
    if (not_run && checker.obstacle != outcome.detail)
        callbacks_.say("Checker of " +
                       log_name(checker.real->endpoint, checker.real->service.protocol) +
                       " could not run: " + outcome.detail + ". Rescheduling.");
    checker.obstacle = not_run ? outcome.detail : "";
    const bool url_success = outcome.verdict == Outcome::Verdict::Passed &&
                             checker.settings.kind == Kind::Http && !checker.state.up &&
                             checker.state.url < checker.settings.urls.size();
    if (url_success)
        callbacks_.say("HTTP status code success to " +
                       log_name(checker.real->endpoint, checker.real->service.protocol) + " url(" +
                       checker.settings.urls[checker.state.url].path + ")");
    if (checker.settings.log_all_failures && outcome.verdict == Outcome::Verdict::Failed &&
        checker.state.up && checker.state.has_run &&
        checker.state.failures < checker.settings.timing.retry)
        callbacks_.say(std::string(check_name(checker.settings)) + " on service " +
                       log_name(checker.real->endpoint, checker.real->service.protocol) +
                       " failed (" + outcome.detail + "), trying again.");
    carry_out(
        checker,
        step(checker.state, checker.settings, Finished{attempt, std::move(outcome)}, loop_.now()));
    update(*checker.real);
    next_waiting();
}

// Gives up whatever is under way for the checker.
void Engine::release(Checker& checker) {
    if (checker.script != 0) scripts_.erase(std::exchange(checker.script, 0));
    checker.watchdog.reset();
    checker.attempt.reset();
    if (std::exchange(checker.holds_slot, false)) --running_;
}

void Engine::next_waiting() {
    while (running_ < limits_.attempts && !waiting_.empty()) {
        const auto at = checkers_.find(waiting_.front());
        waiting_.pop_front();
        if (at == checkers_.end()) continue;
        at->second->waits = false;
        due(*at->second);
    }
}

// --- what comes of it ------------------------------------------------------------------------

void Engine::update(Real& real) {
    Health health{.service = real.service,
                  .real = real.endpoint,
                  .up = true,
                  .known = true,
                  .weight = -1,
                  .reason = {}};
    bool failed = false;
    for (const auto& checker : real.checkers) {
        const State& state = checker->state;
        if (state.weight >= 0) health.weight = state.weight;
        health.known = health.known && state.has_run;
        if (state.up) continue;
        failed = failed || state.has_run;
        health.up = false;
        if (health.reason.empty()) health.reason = checker->reason;
    }
    health.known = health.known || failed;
    if (!health.up && !health.known && health.reason.empty()) health.reason = "not checked yet";
    if (real.reported == health) return;
    real.reported = health;
    callbacks_.report(health);
}

std::vector<Health> Engine::health() const {
    std::vector<Health> out;
    for (const auto& real : reals_)
        if (real->reported) out.push_back(*real->reported);
    return out;
}

void Engine::say_report(const Checker& checker, const Report& report) const {
    const Real& real = *checker.real;
    const std::string name = log_name(real.endpoint, real.service.protocol);
    const std::string why = report.reason.empty() ? "" : " (" + report.reason + ")";
    if (checker.settings.kind == Kind::Misc) {
        const std::string script =
            checker.settings.argv.empty() ? std::string() : checker.settings.argv.front();
        callbacks_.say("Misc check for [" + name + " VS " +
                       log_name(real.service.endpoint, real.service.protocol) + "] by [" + script +
                       "] " + (report.up ? "succeeded" : "failed") + (report.up ? "" : why) + ".");
    } else if (report.up) {
        callbacks_.say(
            checker.settings.kind == Kind::Tcp ? "TCP connection to " + name + " success."
            : checker.settings.kind == Kind::Http
                ? "Remote Web server " + name + " succeed on service."
                : std::string(check_name(checker.settings)) + " on service " + name + " success.");
    } else if (report.retries > 0) {
        callbacks_.say(std::string(check_name(checker.settings)) + " on service " + name +
                       " failed after " + std::to_string(report.retries) + " retries." + why);
    } else {
        callbacks_.say(std::string(check_name(checker.settings)) + " on service " + name +
                       " failed." + why);
    }
}

}  // namespace vipd::check
