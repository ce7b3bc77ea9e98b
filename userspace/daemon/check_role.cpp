// SPDX-License-Identifier: Apache-2.0
#include "userspace/daemon/check_role.hpp"

#include "userspace/base/channel.hpp"
#include "userspace/base/event_loop.hpp"
#include "userspace/base/text.hpp"
#include "userspace/check/engine.hpp"
#include "userspace/config/config.hpp"
#include "userspace/daemon/check_settings.hpp"
#include "userspace/daemon/role_signals.hpp"
#include "userspace/daemon/sandbox.hpp"
#include "userspace/daemon/scheduling.hpp"
#include "userspace/daemon/untold.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace vipd::daemon {

namespace {

constexpr std::size_t kMaxConfiguration = 128U << 20U;
constexpr std::uint64_t kOpenFiles = 4096;
constexpr std::uint64_t kSpareFiles = 64;  // of them not for attempts
constexpr Nanos kLogInterval = Seconds(30);

class CheckRole {
  public:
    explicit CheckRole(EventLoop& loop) : loop_(loop), rate_limit_(kLogInterval) {}
    Result<> open(Fd channel, std::size_t attempts);

  private:
    void on_message(ipc::Message message, Fd attached);
    void on_configure(const ipc::Configure& configure, const Fd& attached);
    void stop(const std::string& why);
    /// False: core was not told.
    bool tell(const ipc::Message& message);
    void tell_health(const check::Health& health);
    void beat();

    EventLoop& loop_;
    std::unique_ptr<check::Engine> engine_;
    std::unique_ptr<ipc::Channel> channel_;
    EventLoop::Source heartbeat_;
    std::optional<RoleSignals> signals_;
    log::RateLimit rate_limit_;
    Untold<std::pair<ServiceKey, Endpoint>, ipc::RealServerState> untold_;
    bool stopping_ = false;
};

ipc::RealServerState to_message(const check::Health& health) {
    return {health.service,
            health.real,
            health.up,
            health.known,
            health.weight,
            printable(health.reason)};
}

check::Health to_health(const ipc::RealServerState& state) {
    return {.service = state.service,
            .real = state.real,
            .up = state.up,
            .known = state.known,
            .weight = state.weight,
            .reason = state.reason};
}

ipc::RunScript to_message(const check::ScriptRequest& script) {
    const auto timeout = std::chrono::ceil<Millis>(script.timeout).count();
    return {script.id,
            script.argv,
            script.user,
            script.group,
            static_cast<std::uint32_t>(std::clamp<std::int64_t>(timeout, 0, UINT32_MAX))};
}

Result<> CheckRole::open(Fd channel, std::size_t attempts) {
    check::Engine::Limits limits;
    limits.attempts = attempts;
    auto engine = check::Engine::create(
        loop_,
        limits,
        {.report = [this](const check::Health& health) { tell_health(health); },
         .run_script = [this](const check::ScriptRequest& script) { tell(to_message(script)); },
         .say = [](const std::string& line) { spdlog::info("{}", printable(line, 500)); }},
        std::random_device{}());
    if (!engine) return fail(std::move(engine.error()));
    engine_ = std::move(*engine);

    auto heartbeat = loop_.every(Seconds(1), [this](TimePoint) { beat(); });
    if (!heartbeat) return fail(std::move(heartbeat.error()));
    heartbeat_ = std::move(*heartbeat);

    auto signals = RoleSignals::open(loop_, [this] { stop("terminated"); });
    if (!signals) return fail(std::move(signals.error()));
    signals_ = std::move(*signals);

    auto opened = ipc::Channel::open(
        loop_,
        std::move(channel),
        [this](ipc::Message message, Fd attached) {
            on_message(std::move(message), std::move(attached));
        },
        [this] { stop("the core process is gone"); });
    if (!opened) return fail(std::move(opened.error()));
    channel_ = std::move(*opened);
    return {};
}

bool CheckRole::tell(const ipc::Message& message) {
    if (!channel_ || stopping_) return false;
    auto sent = channel_->send(message);
    if (sent) return true;
    if (rate_limit_.allow("ipc", loop_.now()))
        spdlog::warn("message to core lost: {}", sent.error().message);
    return false;
}

void CheckRole::tell_health(const check::Health& health) {
    untold_.tell({health.service, health.real}, to_message(health), [this](const auto& message) {
        return tell(message);
    });
}

void CheckRole::beat() {
    tell(ipc::Heartbeat{});
    if (untold_.waiting() == 0) return;
    std::set<std::pair<ServiceKey, Endpoint>> reals;
    for (const auto& health : engine_->health()) reals.emplace(health.service, health.real);
    // A reload may have taken one away.
    untold_.drop_if([&](const auto& real) { return !reals.contains(real); });
    untold_.retry([this](const auto& message) { return tell(message); });
}

void CheckRole::on_message(ipc::Message message, Fd attached) {
    if (stopping_) return;
    if (const auto* configure = std::get_if<ipc::Configure>(&message)) {
        on_configure(*configure, attached);
    } else if (const auto* state = std::get_if<ipc::RealServerState>(&message)) {
        engine_->resume(to_health(*state));
    } else if (std::holds_alternative<ipc::Start>(message)) {
        engine_->start();
    } else if (const auto* done = std::get_if<ipc::ScriptDone>(&message)) {
        if (done->exit_status == ipc::kScriptLeftOut)
            engine_->script_left_out(done->id);
        else
            engine_->script_done(done->id, done->exit_status, done->detail);
    } else if (std::holds_alternative<ipc::Stop>(message)) {
        stop("");
    }
}

void CheckRole::on_configure(const ipc::Configure& configure, const Fd& attached) {
    auto text = read_fd(attached.get(), kMaxConfiguration);
    if (!text) {
        tell(ipc::Ready{configure.generation, false, text.error().message});
        return;
    }
    config::Environment environment;
    std::array<char, 256> hostname{};
    if (::gethostname(hostname.data(), hostname.size() - 1) == 0)
        environment.hostname = hostname.data();
    environment.config_id = configure.config_id;
    // Core has shown the diagnostics; what cannot run at all it has not sent.
    const auto record = config::Record::decode(*text);
    if (!record) {
        tell(ipc::Ready{configure.generation, false, "core sent no configuration"});
        return;
    }
    environment.sources = record->replay();
    const auto parsed = config::parse(record->text(), configure.path, environment);
    for (const Error& refused : apply_scheduling(parsed.config.global.checker, {"vipd_check", 0}))
        spdlog::warn("scheduling of the check process: {}", refused.message);
    engine_->configure(check_settings(parsed.config));
    tell(ipc::Ready{configure.generation, true, {}});
}

void CheckRole::stop(const std::string& why) {
    if (std::exchange(stopping_, true)) return;
    if (!why.empty()) spdlog::info("Stopped: {}", why);
    loop_.exit(0);
}

}  // namespace

int run_check_role(Fd channel, const log::Options& options) {
    log::setup(options);  // while its file can still be opened
    const std::uint64_t files = raise_open_files(kOpenFiles);
    allow_scheduling();
    const auto user = drop_privileges();
    if (!user) {
        spdlog::critical("health checkers do not run with privileges: {}", user.error().message);
        return 1;
    }
    if (auto forbidden = forbid_system_calls(); !forbidden)
        spdlog::warn("health checkers run without a system call filter: {}",
                     forbidden.error().message);
    auto loop = EventLoop::create();
    if (!loop) {
        spdlog::critical("{}", loop.error().message);
        return 1;
    }
    CheckRole role(*loop);
    const std::uint64_t attempts = files > 2 * kSpareFiles ? files - kSpareFiles : kSpareFiles;
    if (auto opened = role.open(std::move(channel), attempts); !opened) {
        spdlog::critical("cannot run health checkers: {}", opened.error().message);
        return 1;
    }
    spdlog::info("Healthcheckers run as {}", *user);
    const auto code = loop->run();
    if (!code) spdlog::critical("{}", code.error().message);
    return code.value_or(1);
}

}  // namespace vipd::daemon
