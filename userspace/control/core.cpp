// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/core.hpp"

#include "userspace/base/fd.hpp"
#include "userspace/base/replace_file.hpp"
#include "userspace/dataplane/bpf_dataplane.hpp"
#include "userspace/net/nl_links.hpp"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <sys/epoll.h>
#include <utility>

namespace vipd::control {

namespace {

void say(bool warning, const std::string& line) {
    if (warning)
        spdlog::warn("{}", line);
    else
        spdlog::info("{}", line);
}

bool has_forwarded_service(const config::Config& config) {
    return std::ranges::any_of(config.virtual_servers,
                               [](const auto& server) { return !unsupported(server); });
}

template <class Predicate>
bool has_checker(const config::Config& config, Predicate wanted) {
    for (const auto& server : config.virtual_servers)
        for (const auto& real : server.real_servers)
            if (std::ranges::any_of(real.checkers, wanted)) return true;
    return false;
}

bool has_checker(const config::Config& config, config::Checker::Kind kind) {
    return has_checker(config, [kind](const config::Checker& one) { return one.kind == kind; });
}

bool wants_check_process(const config::Config& config) {
    return has_checker(config, [](const config::Checker& one) { return !one.follows(); });
}

constexpr std::uint8_t kBfdUp = 3;          // RFC 5880, 4.1
constexpr Nanos kBfdSettling = Seconds(5);  // three packets of a session that is not up, and more

struct OpenedPlane {
    std::unique_ptr<dataplane::Dataplane> plane;
    bool adopted = false;  ///< with the flows of an earlier daemon
};

Result<OpenedPlane> open_data_plane(const config::Config& config, const std::string& pins) {
    const bool pinned = std::filesystem::exists(pins + "/vipd_meta");
    dataplane::Options options;
    options.pin_dir = pins;
    options.flow_table_size = *config.vipd.flow_table_size;
    options.libbpf_log = [](dataplane::LibbpfLevel level, std::string_view line) {
        if (level == dataplane::LibbpfLevel::Warn)
            spdlog::warn("libbpf: {}", line);
        else
            spdlog::debug("libbpf: {}", line);
    };
    auto plane = dataplane::open_bpf_dataplane(options);
    if (!plane && plane.error().errnum == dataplane::kIncompatiblePins) {
        // Refusing to start would cost more than the table: flows go on by the ring.
        say(true, plane.error().message + "; beginning with an empty flow table");
        options.fresh = true;
        plane = dataplane::open_bpf_dataplane(options);
    }
    if (!plane) return fail(std::move(plane.error()));
    return OpenedPlane{std::move(*plane), pinned && !options.fresh};
}

/// When a peer takes over at the earliest: from then on a router that was away is MASTER no more.
Nanos master_down(const config::VrrpInstance& instance) {
    return *instance.down_timer_adverts * *instance.advert_int;
}

}  // namespace

Core::Core(EventLoop& loop, CoreOptions options, LoadedConfig loaded)
    : loop_(loop),
      options_(std::move(options)),
      loaded_(std::move(loaded)),
      scripts_(loop),
      track_scripts_(
          loop,
          scripts_,
          [this](const ipc::TrackScriptState& state) {
              script_states_[state.script] = state;
              if (vrrp_) (void)vrrp_->send(state);
          },
          say),
      track_objects_(
          loop,
          [this](const ipc::TrackerState& state) {
              if (vrrp_) (void)vrrp_->send(state);
              if (state.kind == ipc::TrackerKind::File) on_file_value(state.name, state.value);
          },
          say),
      drains_(loop),
      outlets_(loop, scripts_, options_.role_arguments, say) {
    services_.set_drained([this](const ServiceKey& service, const Endpoint& real) {
        return drains_.covers(service, real);
    });
}

Core::~Core() = default;

bool Core::wants_forwarding(const config::Config& config) const {
    return options_.check && has_forwarded_service(config);
}

Result<> Core::start() {
    if (options_.resume) take_up(*options_.resume);
    started_ = loop_.now();
    started_unix_ = std::time(nullptr);
    auto links = net::open_links();
    if (!links) return fail(std::move(links.error()));
    links_ = std::move(*links);
    auto events = loop_.io(links_->event_fd(), EPOLLIN, [this](std::uint32_t) {
        const auto done = links_->dispatch([this](const LinkEvent& event) {
            if (options_.log_addresses && event.kind == LinkEvent::Kind::Address)
                spdlog::info("Address {} {} interface {}",
                             event.address.to_string(),
                             event.removed ? "removed from" : "assigned to",
                             event.ifindex);
            if (forwarding_) forwarding_->on_link_event(event);
        });
        if (!done) say(true, done.error().message);
    });
    if (!events) return fail(std::move(events.error()));
    link_events_ = std::move(*events);

    const auto& global = config().global;
    const bool first_a_script = run_host_script(
        global.startup_script, *global.startup_script_timeout, "startup_script", [this] {
            if (stopping_) return;
            if (auto up = bring_up(); !up) {
                spdlog::error("{}", up.error().message);
                loop_.exit(1);
            }
        });
    return first_a_script ? Result<>() : bring_up();
}

Result<> Core::bring_up() {
    if (auto done = put_in_force(std::move(loaded_)); !done) return done;

    auto second = loop_.every(Seconds(1), [this](TimePoint now) {
        if (forwarding_) forwarding_->on_second(now);
        if (vrrp_) (void)vrrp_->send(ipc::Query{});
    });
    if (!second) return fail(std::move(second.error()));
    second_ = std::move(*second);
    if (old_vrrp_ > 0 && !vrrp_) dismiss_old_vrrp();  // the configuration has no instance now
    if (!vrrp_ && !check_) report_ready({generation_, true, ""}, "core");
    return {};
}

bool Core::run_host_script(const std::optional<config::Script>& script,
                           Nanos timeout,
                           std::string what,
                           std::function<void()> then) {
    if (!script) return false;
    auto job = make_job(*script, config().global, timeout);
    job.vital = true;
    const auto started =
        scripts_.run(job, [what, then = std::move(then)](const ScriptResult& result) {
            if (result.status != 0) say(true, fmt::format("{} {}", what, result.detail));
            then();
        });
    if (!started) say(true, fmt::format("{}: {}", what, started.error().message));
    return started.has_value();
}

bool Core::wants_vrrp(const config::Config& config) const {
    return options_.vrrp && (options_.all_roles || !config.instances.empty() ||
                             has_checker(config, config::Checker::Kind::Bfd));
}

// Services before interfaces: nothing is attached that would not know what to do.
Result<> Core::follow(Forwarding& forwarding,
                      const config::Config& next,
                      const ServiceTable& services) {
    if (auto followed = forwarding.follow(services.desired()); !followed) return followed;
    return forwarding.configure(next, wants_vrrp(next));
}

// Takes a configuration over, the first as well as every later one. What can fail comes first.
Result<> Core::put_in_force(LoadedConfig loaded, bool tell_roles) {
    const config::Config next = live_.over(loaded.parsed.config);
    std::unique_ptr<Forwarding> opened;
    ServiceTable services = services_;
    auto events = services.configure(next);
    if (wants_forwarding(next) || forwarding_)
        if (auto checked = Forwarding::check(next); !checked) return checked;
    if (wants_forwarding(next) && !forwarding_) {
        const std::string pins = pin_dir(next.instance_name);
        const bool left_behind = std::filesystem::exists(pins + "/vipd_meta");
        auto plane = open_data_plane(next, pins);
        if (!plane) return fail(std::move(plane.error()));
        if (options_.resume && !plane->adopted)
            say(true, "the maps of the vipd before this one could not be taken up");
        opened = std::make_unique<Forwarding>(loop_, *links_, std::move(plane->plane), say);
        services.adopt(opened->dataplane().model());
        auto followed = opened->follow(services.desired());
        // Before the interfaces: the first packet of a connection finds its flow.
        if (followed && !plane->adopted) opened->restore(next);
        if (followed) followed = opened->configure(next, wants_vrrp(next));
        if (!followed) {
            opened->leave(false);
            opened.reset();
            if (!left_behind) (void)dataplane::detach_all(pins);
            return followed;
        }
    } else if (forwarding_) {
        if (auto followed = follow(*forwarding_, next, services); !followed) {
            (void)follow(*forwarding_, live_.over(config()), services_);
            return followed;
        }
    }

    // From here on nothing fails that would have to be undone.
    if (opened) {
        forwarding_ = std::move(opened);
        if (vrrp_ && !sync_gate_) let_vrrp_start();  // it runs: it gets the lease, no more
    }
    services_ = std::move(services);
    loaded_ = std::move(loaded);
    if (forwarding_)
        for (const auto& [instance, state] : states_)
            forwarding_->on_instance_state(instance, state);
    const bool reload = told_ready_ && tell_roles;
    if (tell_roles) {
        outlets_.configure(config());
        tell(notify_.configure(config()));
        if (reload && *config().global.fifo_write_vrrp_states_on_reload) tell(notify_.states());
    }
    std::erase_if(instances_, [&](const auto& known) {
        return std::none_of(config().instances.begin(),
                            config().instances.end(),
                            [&](const auto& instance) { return instance.name == known.first; });
    });
    std::erase_if(bfd_reports_, [&](const auto& known) {
        return std::ranges::none_of(config().bfd_instances, [&](const auto& session) {
            return session.name == known.first;
        });
    });
    std::erase_if(states_, [&](const auto& known) { return !notify_.knows(known.first); });
    on_events(events);
    if (!tell_roles) return {};
    if (auto tracked = track_scripts_.configure(config()); !tracked)
        say(true, tracked.error().message);
    if (auto tracked = track_objects_.configure(config()); !tracked)
        say(true, tracked.error().message);
    start_roles();
    return {};
}

void Core::start_roles() {
    if (options_.allow_ping && options_.check && has_checker(config(), config::Checker::Kind::Ping))
        options_.allow_ping();
    const auto ensure = [&](std::unique_ptr<RoleProcess>& process,
                            bool wanted,
                            const char* role,
                            void (Core::*started)(bool),
                            void (Core::*message)(ipc::Message),
                            void (Core::*died)(Nanos, bool)) {
        // A role that has nothing to do any more is told so and stays.
        if (process) {
            send_configuration(*process);
            if (process == vrrp_) send_trackers();
            return;
        }
        if (!wanted) return;
        process = std::make_unique<RoleProcess>(
            loop_,
            role,
            options_.role_arguments,
            RoleProcess::Callbacks{
                [this, started](bool restarted) { (this->*started)(restarted); },
                [this, message](ipc::Message received) { (this->*message)(std::move(received)); },
                [this, died](Nanos delay, bool by_itself) { (this->*died)(delay, by_itself); },
                say});
        if (auto begun = process->start(); !begun)
            say(true, fmt::format("process {}: {}", role, begun.error().message));
    };
    const bool want_check = options_.check && (options_.all_roles || wants_check_process(config()));
    ensure(vrrp_,
           wants_vrrp(config()),
           "vrrp",
           &Core::on_vrrp_started,
           &Core::on_vrrp_message,
           &Core::on_vrrp_died);
    ensure(check_,
           want_check,
           "check",
           &Core::on_check_started,
           &Core::on_check_message,
           &Core::on_check_died);
}

void Core::send_configuration(RoleProcess& role) {
    auto text = make_sealed_memfd("vipd-configuration", loaded_.text);
    if (!text) {
        say(true, "configuration for " + role.role() + ": " + text.error().message);
        return;
    }
    const ipc::Configure configure{generation_, loaded_.path, options_.config_id};
    if (auto sent = role.send(configure, text->get()); !sent) say(true, sent.error().message);
}

void Core::send_trackers() {
    for (const auto& state : track_scripts_.states()) (void)vrrp_->send(state);
    for (const auto& state : track_objects_.states()) (void)vrrp_->send(state);
}

std::string Core::pid_file(const std::string& role) const {
    const auto given = options_.pid_files.find(role);
    if (given != options_.pid_files.end() && !given->second.empty()) return given->second;
    return fmt::format("{}/{}.pid", run_dir(config().instance_name), role);
}

void Core::write_pid_file(const RoleProcess& role) const {
    const auto written = replace_file(pid_file(role.role()), fmt::format("{}\n", role.pid()), 0644);
    if (!written) say(true, written.error().message);
}

void Core::on_vrrp_started(bool restarted) {
    write_pid_file(*vrrp_);
    send_configuration(*vrrp_);
    if (restarted)
        for (const auto& [instance, state] : states_)
            (void)vrrp_->send(ipc::ResumeInstance{instance, state});
    send_trackers();
    if (old_vrrp_ > 0) return;  // until ours has taken the configuration: relieve_old_vrrp()
    keep_for_successor();
    const Nanos wait = *config().vipd.sync_wait_limit;
    // One that ended while it waited for the connections has had no role to resume.
    if ((restarted && !sync_gate_) || !forwarding_ || forwarding_->synced() || wait == Nanos(0)) {
        let_vrrp_start();
        return;
    }
    // A node that comes back takes VIPs only once it holds the connections behind them.
    const TimePoint limit = loop_.now() + wait;
    gate_end_ = limit;
    auto gate = loop_.every(Millis(10), [this, wait, limit](TimePoint now) {
        const bool synced = forwarding_->synced();
        if (!synced && now < limit) return;
        if (!synced)
            say(true,
                fmt::format("not synced within {} s; VRRP starts all the same",
                            std::chrono::duration<double>(wait).count()));
        let_vrrp_start();
    });
    if (gate)
        sync_gate_ = std::move(*gate);
    else
        let_vrrp_start();
}

void Core::let_vrrp_start() {
    sync_gate_.reset();
    gate_end_.reset();
    // With the lease switched off the vrrp process makes it one for ever.
    (void)vrrp_->send(ipc::Start{}, forwarding_ ? forwarding_->dataplane().lease_fd() : -1);
}

void Core::on_check_started(bool restarted) {
    write_pid_file(*check_);
    send_configuration(*check_);
    (void)restarted;  // also at the first start: an adopted data plane knows what was down
    for (const auto& state : services_.health()) (void)check_->send(state);
    (void)check_->send(ipc::Start{});
}

// A role that ends by itself before it was ever ready has said why; trying again will not help. Nor
// is it wanted with -R.
void Core::give_up_start(const std::string& role) {
    spdlog::error("process {} cannot run; stopping", role);
    exit_code_ = 1;
    stop();
}

void Core::on_check_died(Nanos, bool by_itself) {
    if ((by_itself && !told_ready_) || !options_.respawn) give_up_start("check");
}

// While it is away no advert goes out. Where that lasts longer than a peer waits, the VIPs must not
// stay here: the peer takes them, and with nopreempt it keeps them.
void Core::on_vrrp_died(Nanos delay, bool by_itself) {
    if ((by_itself && !told_ready_) || !options_.respawn) {
        give_up_start("vrrp");
        return;
    }
    for (const auto& instance : config().instances) {
        const auto state = states_.find(instance.name);
        if (state == states_.end() || state->second != ipc::VrrpState::Master) continue;
        if (delay <= master_down(instance)) continue;
        remove_vips(instance);
        on_instance_state({instance.name,
                           ipc::VrrpState::Backup,
                           *instance.priority,
                           static_cast<std::uint64_t>(loop_.now().time_since_epoch().count()),
                           0});
    }
}

void Core::remove_vips(const config::VrrpInstance& instance) {
    // The owner's addresses are the host's own.
    if (*instance.priority == 255) return;
    for (const auto* vips : {&instance.virtual_ipaddress, &instance.virtual_ipaddress_excluded})
        for (const auto& vip : *vips) {
            const auto link =
                links_->link_by_name(vip.device.empty() ? *instance.interface : vip.device);
            if (!link) continue;
            LinkAddress address;
            address.ifindex = link->index;
            address.prefix = vip.prefix;
            if (auto removed = links_->remove_address(address); !removed)
                say(true, fmt::format("({}) {}", instance.name, removed.error().message));
        }
    say(true, fmt::format("({}) removing VIPs, the vrrp process does not", instance.name));
}

void Core::on_vrrp_message(ipc::Message message) {
    if (const auto* change = std::get_if<ipc::InstanceStateChange>(&message)) {
        on_instance_state(*change);
    } else if (auto* report = std::get_if<ipc::InstanceReport>(&message)) {
        if (notify_.knows(report->instance))
            instances_.insert_or_assign(report->instance, std::move(*report));
    } else if (const auto* event = std::get_if<ipc::InstanceEvent>(&message)) {
        tell(notify_.on_event(*event));
    } else if (const auto* tracker = std::get_if<ipc::TrackerState>(&message)) {
        if (tracker->kind == ipc::TrackerKind::Bfd) on_bfd_state(tracker->name, tracker->up);
    } else if (auto* bfd = std::get_if<ipc::BfdReport>(&message)) {
        on_bfd_report(std::move(*bfd));
    } else if (auto* counters = std::get_if<ipc::RoleCounters>(&message)) {
        vrrp_counters_ = std::move(counters->counters);
    } else if (const auto* ready = std::get_if<ipc::Ready>(&message)) {
        vrrp_ready_ = true;
        relieve_old_vrrp();
        report_ready(*ready, "vrrp");
    }
}

void Core::on_file_value(const std::string& file, std::int32_t value) {
    if (stopping_) return;
    const auto events = services_.on_file(file, value);
    on_events(events);
    if (!events.empty()) follow_soon();
}

void Core::on_bfd_state(const std::string& session, bool up) {
    if (stopping_) return;
    const auto events = services_.on_bfd(session, up);
    on_events(events);
    if (!events.empty()) follow_soon();
}

// Once a second; what a message told at once, unless it was lost or the vrrp process has died
// since.
void Core::on_bfd_report(ipc::BfdReport report) {
    if (std::ranges::none_of(config().bfd_instances,
                             [&](const auto& known) { return known.name == report.session; }))
        return;
    const bool up = report.state == kBfdUp;
    // A new vrrp process finds its neighbours again: the real servers need not notice.
    const TimePoint started{Nanos(report.started_ns)};
    if (up || loop_.now() >= started + kBfdSettling) on_bfd_state(report.session, up);
    bfd_reports_.insert_or_assign(report.session, std::move(report));
}

void Core::on_check_message(ipc::Message message) {
    if (const auto* state = std::get_if<ipc::RealServerState>(&message)) {
        on_events(services_.on_health(*state));
        follow_soon();
    } else if (const auto* request = std::get_if<ipc::RunScript>(&message)) {
        on_run_script(*request);
    } else if (const auto* ready = std::get_if<ipc::Ready>(&message)) {
        check_ready_ = true;
        report_ready(*ready, "check");
    }
}

void Core::on_instance_state(const ipc::InstanceStateChange& change) {
    if (!notify_.knows(change.instance)) return;
    const auto before = std::exchange(states_[change.instance], change.state);
    if (change.state == ipc::VrrpState::Master && before != change.state)
        failovers_.add(change, loop_.now(), std::time(nullptr));
    if (forwarding_) forwarding_->on_instance_state(change.instance, change.state);
    auto& report = instances_[change.instance];
    report.instance = change.instance;
    report.state = change.state;
    report.priority = change.priority;
    report.last_transition_ns = change.at_ns;
    keep_for_successor();
    tell(notify_.on_state(change.instance, change.state, change.priority));
}

// The check process asks for the script of a MISC_CHECK. It parses hostile replies, so it is not
// believed: only a command that the configuration names is run.
void Core::on_run_script(const ipc::RunScript& request) {
    const config::Script* found = nullptr;
    for (const auto& server : config().virtual_servers)
        for (const auto& real : server.real_servers)
            for (const auto& checker : real.checkers)
                if (checker.kind == config::Checker::Kind::Misc &&
                    checker.misc_path.argv == request.argv &&
                    checker.misc_path.user == request.user &&
                    checker.misc_path.group == request.group)
                    found = &checker.misc_path;
    if (found == nullptr) {
        (void)check_->send(
            ipc::ScriptDone{request.id, ipc::kScriptLeftOut, "not a script of the configuration"});
        return;
    }
    const auto job = make_job(*found, config().global, Millis(request.timeout_ms));
    const auto started = scripts_.run(job, [this, id = request.id](const ScriptResult& result) {
        if (check_) (void)check_->send(ipc::ScriptDone{id, result.status, result.detail});
    });
    if (!started) (void)check_->send(ipc::ScriptDone{request.id, -1, started.error().message});
}

void Core::on_events(const std::vector<ServiceEvent>& events) {
    for (const auto& event : events) {
        say(event.warning, event.line);
        Announcement told{.fifo_line = event.fifo_line, .alert = event.alert};
        if (event.script) told.scripts.push_back(*event.script);
        outlets_.tell(told, Outlets::Source::Lvs);
    }
}

// Health often changes for many real servers in one turn of the loop: one comparison for all.
void Core::follow_soon() {
    if (!forwarding_ || std::exchange(follow_due_, true)) return;
    const auto when = loop_.now() + Millis(1);
    if (follow_) {
        (void)EventLoop::rearm(follow_, when);
    } else if (auto timer = loop_.at(when, [this](TimePoint) { follow_services(); })) {
        follow_ = std::move(*timer);
    } else {
        follow_services();
    }
}

void Core::follow_services() {
    follow_due_ = false;
    if (!forwarding_) return;
    if (auto followed = forwarding_->follow(services_.desired()); !followed)
        say(true, followed.error().message);
}

void Core::tell(const std::vector<Announcement>& told) {
    for (const auto& announcement : told) outlets_.tell(announcement, Outlets::Source::Vrrp);
}

void Core::report_ready(const ipc::Ready& ready, const std::string& role) {
    if (!ready.accepted)
        say(true, fmt::format("process {} refused the configuration: {}", role, ready.reason));
    const bool all = (!vrrp_ || vrrp_ready_) && (!check_ || check_ready_);
    if (!all || std::exchange(told_ready_, true)) return;
    sd_notify(0, "READY=1");
    if (options_.on_ready) options_.on_ready();
    spdlog::info("vipd {} is ready: {} instances, {} virtual servers",
                 VIPD_VERSION,
                 config().instances.size(),
                 config().virtual_servers.size());
}

std::string pin_dir(const std::string& instance) {
    return instance.empty() ? kPinRoot : fmt::format("{}/{}", kPinRoot, instance);
}

std::string run_dir(const std::string& instance) {
    return instance.empty() ? kRunRoot : fmt::format("{}/{}", kRunRoot, instance);
}

}  // namespace vipd::control
