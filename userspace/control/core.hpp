// SPDX-License-Identifier: Apache-2.0
// The core process: it reads the configuration, owns the data plane, runs scripts, keeps the two
// role processes going and answers the API. Its parts each do one thing; Core connects them.
//
// One thread (the event loop). A configuration is taken over whole or not at all: everything that
// can fail is tried before anything is changed, and what was changed is put back on failure.
#pragma once

#include "userspace/base/event_loop.hpp"
#include "userspace/base/log.hpp"
#include "userspace/control/backend.hpp"
#include "userspace/control/drain.hpp"
#include "userspace/control/failovers.hpp"
#include "userspace/control/forwarding.hpp"
#include "userspace/control/live_changes.hpp"
#include "userspace/control/load_config.hpp"
#include "userspace/control/notify.hpp"
#include "userspace/control/outlets.hpp"
#include "userspace/control/resume.hpp"
#include "userspace/control/role_process.hpp"
#include "userspace/control/script_runner.hpp"
#include "userspace/control/service_manager.hpp"
#include "userspace/control/service_table.hpp"
#include "userspace/control/track_objects.hpp"
#include "userspace/control/track_scripts.hpp"

#include <vipd/links.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vipd::control {

inline constexpr const char* kPinRoot = "/sys/fs/bpf/vipd";
inline constexpr const char* kRunRoot = "/run/vipd";

/// Where the maps and links of the instance (root keyword `instance`; "" = the only one) are
/// pinned.
std::string pin_dir(const std::string& instance);
/// Where its socket and pid file are.
std::string run_dir(const std::string& instance);

struct CoreOptions {
    std::string config_id;
    std::string net_namespace;  ///< as given on the command line or by the configuration
    bool vrrp = true;
    bool check = true;
    bool keep_services = false;                    ///< -I
    bool keep_vips = false;                        ///< -V
    bool all_roles = false;                        ///< --all: also a role that has nothing to do
    bool respawn = true;                           ///< false (-R): the death of a role is the end
    bool log_addresses = false;                    ///< -a
    std::map<std::string, std::string> pid_files;  ///< role -> file; none: in the run directory
    std::vector<std::string> role_arguments;
    /// Called before the check process gets a configuration with PING_CHECK in it.
    std::function<void()> allow_ping;
    std::function<void()> on_ready;  ///< called once, when everything runs
    std::string program;             ///< the path of this program, as it was started
    std::optional<Resume> resume;    ///< this core takes another's place
    /// The loop ends after this call, and the program at `program` is to take our place.
    std::function<void(const Resume&)> on_upgrade;
};

class Core final : public Backend {
  public:
    /// `loaded` is the configuration to start with; it has no fatal errors.
    Core(EventLoop& loop, CoreOptions options, LoadedConfig loaded);
    ~Core() override;
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    /// Brings everything up. On error nothing is left behind that was not there before.
    Result<> start();
    /// Ends in order: VRRP first (priority 0, VIPs away), then the rest; the loop is left with 0.
    void stop();

    const config::Config& config() const { return loaded_.parsed.config; }

    Status status() override;
    Result<> reload(std::optional<Seconds> confirm_within) override;
    Result<> confirm_reload() override;
    Result<ReloadPlan> plan_reload() const override;
    Result<std::string> handover(const std::string& instance, Millis hold) override;
    Result<std::string> drain(const DrainTarget& target, Millis limit) override;
    Result<std::string> undrain(const DrainTarget& target) override;
    Result<std::string> upgrade() override;
    Result<> change(const LiveCommand& command) override;
    std::uint64_t scan_flows(
        std::uint64_t cursor,
        std::uint64_t slots,
        const std::function<void(const dataplane::Flow&)>& visit) const override;

  private:
    /// `tell_roles`: the configuration has changed for them, too.
    Result<> put_in_force(LoadedConfig loaded, bool tell_roles = true);
    /// The file as it is now, if it may be taken over; `fresh`: its errors that are new.
    Result<LoadedConfig> read_again(std::vector<config::Diagnostic>& fresh) const;
    Result<> take_over(LoadedConfig loaded);
    void go_back();
    bool wants_forwarding(const config::Config& config) const;
    void start_roles();
    void send_configuration(RoleProcess& role);
    void send_trackers();
    void on_vrrp_started(bool restarted);
    void let_vrrp_start();
    void take_up(const Resume& resume);
    void relieve_old_vrrp();
    void dismiss_old_vrrp();
    void keep_for_successor();
    void leave_for_restart();
    void on_vrrp_died(Nanos delay, bool by_itself);
    void on_check_died(Nanos delay, bool by_itself);
    void give_up_start(const std::string& role);
    void remove_vips(const config::VrrpInstance& instance);
    bool wants_vrrp(const config::Config& config) const;
    void write_pid_file(const RoleProcess& role) const;
    std::string pid_file(const std::string& role) const;
    Result<> follow(Forwarding& forwarding,
                    const config::Config& next,
                    const ServiceTable& services);
    void on_check_started(bool restarted);
    void on_vrrp_message(ipc::Message message);
    void on_file_value(const std::string& file, std::int32_t value);
    void on_bfd_report(ipc::BfdReport report);
    void on_bfd_state(const std::string& session, bool up);
    void on_check_message(ipc::Message message);
    void on_instance_state(const ipc::InstanceStateChange& change);
    void on_run_script(const ipc::RunScript& request);
    void on_events(const std::vector<ServiceEvent>& events);
    void follow_soon();
    void follow_services();
    void tell(const std::vector<Announcement>& told);
    Result<> bring_up();
    /// startup_script or shutdown_script; false: it does not run, `then` is not called.
    bool run_host_script(const std::optional<config::Script>& script,
                         Nanos timeout,
                         std::string what,
                         std::function<void()> then);
    void zero_counters(const std::optional<ServiceKey>& service);
    void report_ready(const ipc::Ready& ready, const std::string& role);
    /// `then` once the peers hold this node's connections, or cannot be waited for any longer.
    void settle(std::function<void()> then);
    void finish_stop();
    std::vector<std::string> warnings() const;

    EventLoop& loop_;
    CoreOptions options_;
    LoadedConfig loaded_;
    std::uint32_t generation_ = 1;
    TimePoint started_;
    UnixTime started_unix_ = 0;
    ReloadStatus last_reload_;
    /// What to go back to unless the reload is confirmed.
    std::optional<LoadedConfig> confirmed_;
    EventLoop::Source confirm_wait_;

    LiveChanges live_;
    /// Counters when they were last zeroed (vipadm -Z).
    std::map<ServiceKey, dataplane::PacketCounters> zeroed_;
    std::map<std::pair<ServiceKey, Endpoint>, dataplane::PacketCounters> zeroed_reals_;

    ScriptRunner scripts_;
    TrackScripts track_scripts_;
    TrackObjects track_objects_;
    ServiceTable services_;
    Drains drains_;
    Failovers failovers_;
    NotifyPlan notify_;
    Outlets outlets_;
    std::unique_ptr<Links> links_;
    std::unique_ptr<Forwarding> forwarding_;
    std::unique_ptr<RoleProcess> vrrp_;
    std::unique_ptr<RoleProcess> check_;
    pid_t old_vrrp_ = -1;  ///< of the core before this one: in charge until ours is ready
    std::unique_ptr<ipc::Channel> old_channel_;
    FdStore fd_store_;
    std::map<std::string, ipc::InstanceReport> instances_;
    std::map<std::string, ipc::VrrpState> states_;
    std::map<std::string, ipc::BfdReport> bfd_reports_;
    std::vector<ipc::Counter> vrrp_counters_;
    std::map<std::string, ipc::TrackScriptState> script_states_;

    EventLoop::Source link_events_;
    EventLoop::Source second_;
    EventLoop::Source stop_wait_;
    EventLoop::Source sync_gate_;
    std::optional<TimePoint> gate_end_;
    EventLoop::Source follow_;
    bool follow_due_ = false;
    bool vrrp_ready_ = false;
    bool check_ready_ = false;
    bool told_ready_ = false;
    bool stopping_ = false;
    int exit_code_ = 0;
};

}  // namespace vipd::control
