// SPDX-License-Identifier: Apache-2.0
// Runs all checkers of a configuration on one event loop: timers, attempts, and what each real
// server's checkers say together. Scripts are run by somebody else (Callbacks::run_script), because
// the process that parses servers' answers has no right to run anything.
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/check/checker.hpp"
#include "userspace/check/http_client.hpp"

#include <vipd/address.hpp>
#include <vipd/error.hpp>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace vipd::check {

/// A real server of a virtual server with its checkers. All must pass.
struct RealServer {
    ServiceKey service;
    Endpoint real;
    bool alpha = false;  ///< of all its checkers
    std::vector<Settings> checkers;
};

/// A real server's health, all its checkers taken together.
struct Health {
    ServiceKey service;
    Endpoint real;
    bool up = false;
    bool known = false;  ///< some checker has failed or all have passed
    std::int32_t weight = -1;
    std::string reason;  ///< why down
    bool operator==(const Health&) const = default;
};

struct ScriptRequest {
    std::uint64_t id = 0;
    std::vector<std::string> argv;
    std::string user, group;
    Nanos timeout{0};
};

/// "[10.0.0.1]:tcp:80", as keepalived's log names services and real servers.
std::string log_name(const Endpoint& endpoint, Protocol protocol);

class Engine {
  public:
    struct Limits {
        std::size_t attempts = 1024;  ///< under way at once; further ones wait for their turn
        Nanos script_grace{
            Seconds(10)};  ///< after its timeout a script that is still not done failed
        HttpClient::Limits http;
    };
    struct Callbacks {
        std::function<void(const Health&)> report;  ///< on each change
        std::function<void(const ScriptRequest&)> run_script;
        std::function<void(const std::string&)> say;  ///< a line for the log
    };

    /// `loop` outlives the engine. `seed` spreads the first attempts over the warm-up.
    static Result<std::unique_ptr<Engine>> create(EventLoop& loop,
                                                  Limits limits,
                                                  Callbacks callbacks,
                                                  std::uint64_t seed);

    /// Takes over this configuration. A checker that asks the same of the same real server as one
    /// before goes on where it is; a new one of a server that was known to be down starts as down.
    /// Of two entries with the same service and real server the first counts.
    void configure(std::vector<RealServer> reals);
    /// What the server was before this process came; before start(). Unknown servers are ignored.
    void resume(const Health& health);
    /// Reports every server's state once and begins to check.
    void start();
    /// The end of the script `id`; ids that are not waited for are ignored.
    void script_done(std::uint64_t id, std::int32_t exit_status, const std::string& detail);

    /// The script `id` will never be run: its checker is taken away, the others decide.
    void script_left_out(std::uint64_t id);

    /// ha_suspend: while suspended nothing is asked of the service's real servers; what was known
    /// stays.
    void suspend(const ServiceKey& service, bool suspended);
    /// For SSL_GET; see HttpClient.
    void use(HttpClient::Certificates certificates) { http_->use(std::move(certificates)); }

    /// The health of every server, in the configuration's order.
    std::vector<Health> health() const;
    std::size_t attempts_running() const { return running_; }

    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

  private:
    struct Real;
    struct Checker;
    using Key = std::pair<ServiceKey, Endpoint>;

    Engine(EventLoop& loop, Limits limits, Callbacks callbacks, std::uint64_t seed);
    Checker* checker_of_script(std::uint64_t id);
    void begin(Real& real);
    void carry_out(Checker& checker, const std::vector<Action>& actions);
    void arm(Checker& checker);
    void due(Checker& checker);
    void launch(Checker& checker, const Launch& launch);
    void launch_script(Checker& checker, const Launch& launch);
    void finished(Checker& checker, std::uint64_t attempt, Outcome outcome);
    void release(Checker& checker);
    void next_waiting();
    void update(Real& real);
    void say_report(const Checker& checker, const Report& report) const;

    EventLoop& loop_;
    Limits limits_;
    Callbacks callbacks_;
    std::mt19937_64 random_;
    std::unique_ptr<HttpClient> http_;
    bool started_ = false;
    std::size_t running_ = 0;
    std::uint64_t next_id_ = 0;
    std::vector<std::unique_ptr<Real>> reals_;
    std::map<Key, Real*> index_;
    std::map<std::uint64_t, Checker*> checkers_;      ///< by id
    std::map<std::uint64_t, std::uint64_t> scripts_;  ///< script id -> checker id
    std::set<ServiceKey> suspended_;
    std::deque<std::uint64_t> waiting_;  ///< checker ids whose turn has not come
};

}  // namespace vipd::check
