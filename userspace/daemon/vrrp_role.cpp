// SPDX-License-Identifier: Apache-2.0
#include "userspace/daemon/vrrp_role.hpp"

#include "userspace/base/channel.hpp"
#include "userspace/base/event_loop.hpp"
#include "userspace/base/text.hpp"
#include "userspace/config/config.hpp"
#include "userspace/daemon/lease.hpp"
#include "userspace/daemon/role_signals.hpp"
#include "userspace/daemon/scheduling.hpp"
#include "userspace/daemon/untold.hpp"
#include "userspace/daemon/vrrp_settings.hpp"
#include "userspace/net/nl_links.hpp"
#include "userspace/net/nl_routing.hpp"
#include "vrrp/bfd/udp_wire.hpp"
#include "vrrp/engine/engine.hpp"
#include "vrrp/transport/raw_transport.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <optional>
#include <random>
#include <sys/capability.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <thread>
#include <vector>

namespace vipd::daemon {

namespace {

constexpr std::size_t kMaxConfiguration = 128U << 20U;
constexpr Nanos kLogInterval = Seconds(30);  // for lines that a remote can cause
constexpr Nanos kNever = std::chrono::hours(24);
// Adverts have to leave in time also on a busy host; this process does little and never spins.
constexpr int kNice = -15;

TimePoint monotonic_now() {
    return std::chrono::time_point_cast<Nanos>(Clock::now());
}

/// A configuration made ready to be run, or why not.
struct Prepared {
    std::uint32_t generation = 0;
    std::string refused;
    vrrp::EngineSettings settings;
    std::vector<bfd::SessionSettings> sessions;
    config::ProcessSettings scheduling;
    AutoPriority auto_priority;
    Nanos lease{0};
};

Moment moment() {
    timespec boot{};
    ::clock_gettime(CLOCK_BOOTTIME, &boot);
    return {.uptime = Seconds(boot.tv_sec) + Nanos(boot.tv_nsec),
            .unix_time = std::chrono::seconds(::time(nullptr))};
}

// Reads nothing but the memfd: it runs beside the loop too.
Prepared prepare(const ipc::Configure& configure, const Fd& text_fd) {
    Prepared prepared;
    prepared.generation = configure.generation;
    auto text = read_fd(text_fd.get(), kMaxConfiguration);
    if (!text) {
        prepared.refused = text.error().message;
        return prepared;
    }
    config::Environment environment;
    std::array<char, 256> hostname{};
    if (::gethostname(hostname.data(), hostname.size() - 1) == 0)
        environment.hostname = hostname.data();
    environment.config_id = configure.config_id;
    // Core has shown the diagnostics; what cannot run at all it has not sent.
    const auto record = config::Record::decode(*text);
    if (!record) {
        prepared.refused = "core sent no configuration";
        return prepared;
    }
    environment.sources = record->replay();
    const auto parsed = config::parse(record->text(), configure.path, environment);
    prepared.settings = vrrp_settings(parsed.config, moment());
    prepared.sessions = bfd_settings(parsed.config);
    const config::GlobalDefs& global = parsed.config.global;
    prepared.scheduling = global.vrrp;
    prepared.auto_priority = {*global.max_auto_priority,
                              std::chrono::microseconds(*global.min_auto_priority_delay_us),
                              *global.vrrp.rt_priority};
    prepared.lease = lease_time(parsed.config);
    return prepared;
}

std::uint64_t nanoseconds(const std::optional<TimePoint>& at) {
    return at ? static_cast<std::uint64_t>(at->time_since_epoch().count()) : 0;
}

ipc::BfdReport to_message(const bfd::SessionReport& report) {
    return {.session = report.name,
            .neighbour = report.neighbour,
            .multihop = report.multihop,
            .state = static_cast<std::uint8_t>(report.state),
            .diagnostic = static_cast<std::uint8_t>(report.diagnostic),
            .started_ns = nanoseconds(report.started),
            .last_change_ns = nanoseconds(report.last_change),
            .counters = {{"packet_tx", report.sent},
                         {"packet_tx_failed", report.send_failed},
                         {"packet_rx", report.received},
                         {"reject_ttl", report.too_far},
                         {"up", report.ups},
                         {"down", report.downs}}};
}

// From here on: raw sockets and addresses, nothing else that root may.
Result<> keep_network_rights_only() {
    static constexpr std::array<cap_value_t, 2> kKept = {CAP_NET_ADMIN, CAP_NET_RAW};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return fail_errno(errno, "no_new_privs");
    const auto release = [](void* caps) { ::cap_free(caps); };
    const std::unique_ptr<_cap_struct, decltype(release)> caps(::cap_init(), release);
    if (!caps) return fail_errno(errno, "capabilities");
    const auto count = static_cast<int>(kKept.size());
    if (::cap_set_flag(caps.get(), CAP_PERMITTED, count, kKept.data(), CAP_SET) < 0 ||
        ::cap_set_flag(caps.get(), CAP_EFFECTIVE, count, kKept.data(), CAP_SET) < 0 ||
        ::cap_set_proc(caps.get()) < 0)
        return fail_errno(errno, "capabilities: VRRP needs CAP_NET_ADMIN and CAP_NET_RAW");
    return {};
}

class VrrpRole final : public vrrp::Observer {
  public:
    VrrpRole(EventLoop& loop, bool keep_vips)
        : loop_(loop), keep_vips_(keep_vips), rate_limit_(kLogInterval), event_limit_(Seconds(1)) {}
    Result<> open(Fd channel);

    void state_changed(const ipc::InstanceStateChange& change) override;
    void happened(const ipc::InstanceEvent& event) override;
    void log(const vrrp::LogLine& line) override;
    void wake_at(std::optional<TimePoint> when) override;

  private:
    void on_message(ipc::Message message, Fd attached);
    void answer_query();
    void on_configure(const ipc::Configure& configure, Fd attached);
    void prepare_beside();
    void on_prepared();
    void apply(Prepared prepared);
    void on_start(Fd lease_map);
    void on_link_events();
    void on_timer();
    Result<> open_bfd();
    void configure_bfd(std::vector<bfd::SessionSettings> sessions);
    void bfd_changed(const std::string& session, bool up);
    void renew_lease();
    void restart_lease_timer();
    void stop(const std::string& why);
    /// False: core was not told.
    bool tell(const ipc::Message& message);
    void beat();

    EventLoop& loop_;
    bool keep_vips_;
    std::unique_ptr<Links> links_;
    std::unique_ptr<Routing> routing_;
    std::unique_ptr<vrrp::RawTransport> transport_;
    std::unique_ptr<vrrp::Engine> engine_;
    std::unique_ptr<bfd::UdpWire> bfd_wire_;
    std::unique_ptr<bfd::Engine> bfd_;
    std::unique_ptr<ipc::Channel> channel_;
    EventLoop::Source timer_;
    TimePoint due_{};  ///< of timer_
    config::ProcessSettings scheduling_;
    AutoPriority auto_priority_;
    EventLoop::Source bfd_timer_;
    EventLoop::Source link_events_;
    EventLoop::Source heartbeat_;
    EventLoop::Source lease_timer_;
    EventLoop::Source prepared_ready_;
    std::optional<RoleSignals> signals_;
    log::RateLimit rate_limit_;
    log::RateLimit event_limit_;
    Untold<std::string, ipc::InstanceStateChange> untold_;  ///< by instance
    std::optional<Lease> lease_;
    Nanos lease_time_{0};
    bool at_work_ = false;  ///< all instances have begun
    bool stopping_ = false;

    // A reload being parsed, and the one that came meanwhile.
    Fd prepared_event_;
    std::optional<std::pair<ipc::Configure, Fd>> next_;
    Prepared prepared_;
    bool preparing_ = false;
    std::jthread worker_;  // last: joined before anything that it uses goes
};

Result<> VrrpRole::open(Fd channel) {
    auto links = net::open_links();
    if (!links) return fail(std::move(links.error()));
    links_ = std::move(*links);
    auto transport = vrrp::RawTransport::create(loop_);
    if (!transport) return fail(std::move(transport.error()));
    transport_ = std::move(*transport);

    // Before the engine: it asks for the timer from its first call on.
    auto timer = loop_.at(
        monotonic_now() + kNever, [this](TimePoint) { on_timer(); }, EventLoop::Priority::High);
    if (!timer) return fail(std::move(timer.error()));
    timer_ = std::move(*timer);
    engine_ = std::make_unique<vrrp::Engine>(*links_, *transport_, *this, monotonic_now);
    auto routing = net::open_routing();
    if (!routing) return fail(std::move(routing.error()));
    routing_ = std::move(*routing);
    engine_->set_routing(*routing_);
    engine_->set_wall_clock([] {
        timespec now{};
        ::clock_gettime(CLOCK_REALTIME, &now);
        return Seconds(now.tv_sec) + Nanos(now.tv_nsec);
    });

    if (auto bfd = open_bfd(); !bfd) return bfd;

    auto events =
        loop_.io(links_->event_fd(), EPOLLIN, [this](std::uint32_t) { on_link_events(); });
    if (!events) return fail(std::move(events.error()));
    link_events_ = std::move(*events);
    auto heartbeat = loop_.every(Seconds(1), [this](TimePoint) { beat(); });
    if (!heartbeat) return fail(std::move(heartbeat.error()));
    heartbeat_ = std::move(*heartbeat);

    prepared_event_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!prepared_event_) return fail_errno(errno, "eventfd");
    auto ready = loop_.io(prepared_event_.get(), EPOLLIN, [this](std::uint32_t) { on_prepared(); });
    if (!ready) return fail(std::move(ready.error()));
    prepared_ready_ = std::move(*ready);

    auto signals = RoleSignals::open(loop_, [this] { stop("terminated"); });
    if (!signals) return fail(std::move(signals.error()));
    signals_ = std::move(*signals);
    auto opened = ipc::Channel::open(
        loop_,
        std::move(channel),
        [this](ipc::Message message, Fd attached) {
            on_message(std::move(message), std::move(attached));
        },
        // Nobody would supervise us: rather give the VIPs to a router that is whole.
        [this] { stop("the core process is gone"); });
    if (!opened) return fail(std::move(opened.error()));
    channel_ = std::move(*opened);
    return {};
}

bool VrrpRole::tell(const ipc::Message& message) {
    if (!channel_ || stopping_) return false;
    auto sent = channel_->send(message);
    if (sent) return true;
    log({vrrp::LogLevel::Warning, "message to core lost: " + sent.error().message, "ipc"});
    return false;
}

void VrrpRole::state_changed(const ipc::InstanceStateChange& change) {
    if (lease_) {
        if (at_work_) lease_->set_masters(engine_->masters());
        if (change.state == ipc::VrrpState::Master) lease_->settle(monotonic_now());
    }
    untold_.tell(change.instance, change, [this](const auto& message) { return tell(message); });
}

// Each may start a script: not more of them than one a second.
void VrrpRole::happened(const ipc::InstanceEvent& event) {
    if (event.kind == ipc::InstanceEventKind::PriorityChanged ||
        event_limit_.allow(event.instance, monotonic_now()))
        tell(event);
}

void VrrpRole::beat() {
    tell(ipc::Heartbeat{});
    if (untold_.waiting() == 0) return;
    const auto reports = engine_->reports();
    untold_.drop_if([&](const std::string& instance) {  // a reload may have taken it away
        return std::ranges::find(reports, instance, &ipc::InstanceReport::instance) ==
               reports.end();
    });
    untold_.retry([this](const auto& message) { return tell(message); });
}

void VrrpRole::log(const vrrp::LogLine& line) {
    std::string text = printable(line.text, 500);
    if (!line.rate_key.empty()) {
        const auto held = rate_limit_.allow(line.rate_key, monotonic_now());
        if (!held) return;
        if (*held > 0) text += " (and " + std::to_string(*held) + " more like this)";
    }
    switch (line.level) {
        case vrrp::LogLevel::Info:
            spdlog::info("{}", text);
            break;
        case vrrp::LogLevel::Warning:
            spdlog::warn("{}", text);
            break;
        case vrrp::LogLevel::Error:
            spdlog::error("{}", text);
            break;
    }
}

void VrrpRole::wake_at(std::optional<TimePoint> when) {
    due_ = when.value_or(monotonic_now() + kNever);
    (void)EventLoop::rearm(timer_, due_);
}

void VrrpRole::on_timer() {
    const TimePoint now = monotonic_now();
    const Nanos late = now - due_;
    engine_->tick(now);
    const auto priority = auto_priority_.on_timer(late);
    if (!priority) return;
    const auto raised = schedule_in_real_time(*priority, scheduling_);
    spdlog::warn("A timer was {} ms late; real-time priority {}{}",
                 late / Millis(1),
                 *priority,
                 raised ? "" : " refused: " + raised.error().message);
}

void VrrpRole::on_message(ipc::Message message, Fd attached) {
    if (stopping_) return;
    const TimePoint now = monotonic_now();
    if (const auto* configure = std::get_if<ipc::Configure>(&message)) {
        on_configure(*configure, std::move(attached));
    } else if (const auto* resume = std::get_if<ipc::ResumeInstance>(&message)) {
        engine_->resume(resume->instance, resume->state);
    } else if (const auto* script = std::get_if<ipc::TrackScriptState>(&message)) {
        engine_->script_state(script->script, script->known, script->up, now);
    } else if (const auto* tracker = std::get_if<ipc::TrackerState>(&message)) {
        engine_->tracker_state(*tracker, now);
    } else if (std::holds_alternative<ipc::Start>(message)) {
        on_start(std::move(attached));
    } else if (const auto* handover = std::get_if<ipc::Handover>(&message)) {
        if (!engine_->handover(handover->instance, Millis(handover->hold_ms), now))
            spdlog::warn("handover: no running instance {}", printable(handover->instance));
    } else if (std::holds_alternative<ipc::Query>(message)) {
        answer_query();
    } else if (std::holds_alternative<ipc::Stop>(message)) {
        stop("");
    }
}

void VrrpRole::answer_query() {
    for (const auto& report : engine_->reports()) tell(report);
    for (const auto& report : bfd_->reports()) tell(to_message(report));
    ipc::RoleCounters counted;
    for (const vrrp::Reject reason : vrrp::kRejects)
        counted.counters.push_back({"vrrp_unmatched_" + std::string(vrrp::counter_name(reason)),
                                    engine_->unmatched(reason)});
    for (const bfd::Reject reason : bfd::kRejects)
        counted.counters.push_back(
            {"bfd_reject_" + std::string(bfd::counter_name(reason)), bfd_->rejected(reason)});
    tell(counted);
}

// --- configuration -----------------------------------------------------------------------------

void VrrpRole::on_configure(const ipc::Configure& configure, Fd attached) {
    if (!engine_->started()) {
        apply(prepare(configure, attached));
        return;
    }
    next_ = std::pair(configure, std::move(attached));
    if (!preparing_) prepare_beside();
}

void VrrpRole::prepare_beside() {
    preparing_ = true;
    auto [configure, text] = std::move(*next_);
    next_.reset();
    worker_ = std::jthread([this, job = std::move(configure), fd = std::move(text)] {
        prepared_ = prepare(job, fd);
        const std::uint64_t one = 1;
        (void)!::write(prepared_event_.get(), &one, sizeof one);
    });
}

void VrrpRole::on_prepared() {
    std::uint64_t drained = 0;
    (void)!::read(prepared_event_.get(), &drained, sizeof drained);
    worker_.join();
    preparing_ = false;
    if (!stopping_) apply(std::move(prepared_));
    if (next_) prepare_beside();
}

void VrrpRole::apply(Prepared prepared) {
    if (!prepared.refused.empty()) {
        tell(ipc::Ready{prepared.generation, false, prepared.refused});
        return;
    }
    for (const Error& refused : apply_scheduling(prepared.scheduling, {"vipd_vrrp", kNice}))
        spdlog::warn("scheduling of the vrrp process: {}", refused.message);
    scheduling_ = std::move(prepared.scheduling);
    auto_priority_ = prepared.auto_priority;
    engine_->configure(std::move(prepared.settings), monotonic_now());
    configure_bfd(std::move(prepared.sessions));
    lease_time_ = prepared.lease;
    restart_lease_timer();
    tell(ipc::Ready{prepared.generation, true, {}});
}

void VrrpRole::on_start(Fd lease_map) {
    if (lease_map) {
        if (auto lease = Lease::open(lease_map)) {
            lease_.emplace(std::move(*lease));
        } else {
            spdlog::error("{}: after a crash this node may go on answering for its VIPs",
                          lease.error().message);
        }
    }
    // Before the first VIP is there: from then on it must be answered for.
    restart_lease_timer();
    engine_->start(monotonic_now());
    // One that is resumed after another must not lose the frames to its MAC meanwhile.
    at_work_ = true;
    if (lease_) lease_->set_masters(engine_->masters());
}

// --- lease -------------------------------------------------------------------------------------

void VrrpRole::restart_lease_timer() {
    lease_timer_.reset();
    if (!lease_) return;
    renew_lease();
    if (lease_time_ == Nanos(0)) return;
    auto timer = loop_.every(
        lease_time_ / 3, [this](TimePoint) { renew_lease(); }, EventLoop::Priority::High);
    if (!timer) {
        // Better to claim for too long than to go deaf while master.
        spdlog::error("{}", timer.error().message);
        lease_->renew_for_ever();
        return;
    }
    lease_timer_ = std::move(*timer);
}

void VrrpRole::renew_lease() {
    if (lease_time_ == Nanos(0)) {
        lease_->renew_for_ever();
    } else {
        lease_->renew(monotonic_now() + lease_time_);
    }
}

// --- BFD ---------------------------------------------------------------------------------------

Result<> VrrpRole::open_bfd() {
    bfd_wire_ = std::make_unique<bfd::UdpWire>(loop_, [this](const bfd::Arrival& arrival) {
        bfd_->receive(arrival, monotonic_now());
        (void)EventLoop::rearm(bfd_timer_, bfd_->wake().value_or(monotonic_now() + kNever));
    });
    std::random_device random;
    bfd_ = std::make_unique<bfd::Engine>(
        *bfd_wire_,
        bfd::Engine::Listener{
            [this](const std::string& session, bool up) { bfd_changed(session, up); },
            [this](const std::string& text, const std::string& key) {
                log({vrrp::LogLevel::Info, text, key});
            }},
        [generator = std::mt19937(random())]() mutable {
            return static_cast<std::uint32_t>(generator());
        });
    auto timer = loop_.at(
        monotonic_now() + kNever,
        [this](TimePoint) {
            // What has arrived counts before a time that has run out.
            bfd_wire_->drain();
            const TimePoint now = monotonic_now();
            bfd_->tick(now);
            (void)EventLoop::rearm(bfd_timer_, bfd_->wake().value_or(now + kNever));
        },
        EventLoop::Priority::High);
    if (!timer) return fail(std::move(timer.error()));
    bfd_timer_ = std::move(*timer);
    return {};
}

void VrrpRole::configure_bfd(std::vector<bfd::SessionSettings> sessions) {
    const TimePoint now = monotonic_now();
    std::vector<std::string> names;
    for (const auto& session : sessions) names.push_back(session.name);
    bfd_->configure(std::move(sessions), now);
    for (const std::string& name : names)
        engine_->tracker_state({ipc::TrackerKind::Bfd, name, bfd_->up(name), 0}, now);
    (void)EventLoop::rearm(bfd_timer_, bfd_->wake().value_or(now + kNever));
}

void VrrpRole::bfd_changed(const std::string& session, bool up) {
    const ipc::TrackerState state{ipc::TrackerKind::Bfd, session, up, 0};
    engine_->tracker_state(state, monotonic_now());
    tell(state);  // its real servers; lost, core has it from the next report
}

// --- the rest ----------------------------------------------------------------------------------

void VrrpRole::on_link_events() {
    std::vector<LinkEvent> events;
    const auto read = links_->dispatch([&](const LinkEvent& event) { events.push_back(event); });
    const TimePoint now = monotonic_now();
    engine_->link_events(events, now);
    bfd_->retry(now);
    (void)EventLoop::rearm(bfd_timer_, bfd_->wake().value_or(now + kNever));
    if (read) return;
    log({vrrp::LogLevel::Error, read.error().message, "netlink"});
    engine_->resync(now);
}

void VrrpRole::stop(const std::string& why) {
    if (stopping_) return;
    engine_->stop(monotonic_now(), keep_vips_);
    stopping_ = true;  // that our sessions end now says nothing of the real servers
    bfd_->stop(monotonic_now());
    if (!why.empty()) spdlog::info("Stopped: {}", why);
    loop_.exit(0);
}

}  // namespace

int run_vrrp_role(Fd channel, const log::Options& options, bool keep_vips) {
    log::setup(options);
    allow_scheduling();
    // Not granted, it works at the normal priority.
    (void)::setpriority(PRIO_PROCESS, 0, kNice);
    if (auto kept = keep_network_rights_only(); !kept) {
        spdlog::critical("{}", kept.error().message);
        return 1;
    }
    auto loop = EventLoop::create();
    if (!loop) {
        spdlog::critical("{}", loop.error().message);
        return 1;
    }
    VrrpRole role(*loop, keep_vips);
    if (auto opened = role.open(std::move(channel)); !opened) {
        spdlog::critical("cannot run VRRP: {}", opened.error().message);
        return 1;
    }
    const auto code = loop->run();
    if (!code) spdlog::critical("{}", code.error().message);
    return code.value_or(1);
}

}  // namespace vipd::daemon
