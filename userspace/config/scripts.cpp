// SPDX-License-Identifier: Apache-2.0
// Commands that cannot run on this machine, and script security (keepalived.md 3.14).
#include "userspace/config/parser.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace vipd::config {

Script run_as(const Script& script,
              const GlobalDefs& global,
              const std::function<bool(std::string_view)>& user_exists) {
    static constexpr std::string_view kDefaultUser = "keepalived_script";
    Script as_run = script;
    if (!as_run.user.empty()) return as_run;
    as_run.user = *global.script_user;
    as_run.group = *global.script_group;
    if (!as_run.user.empty()) return as_run;
    if (*global.enable_script_security || (user_exists && user_exists(kDefaultUser)))
        as_run.user = kDefaultUser;
    return as_run;
}

namespace {

class ScriptCheck {
  public:
    explicit ScriptCheck(Parsing& parsing) : parsing_(parsing) {}

    /// Why `script` cannot run; remembers those that can, for script security.
    std::optional<std::string> problem(const Script& script) {
        const GlobalDefs& global = parsing_.config.global;
        const Environment& environment = parsing_.environment;
        const Script as_run = run_as(script, global, environment.user_exists);
        default_user_ = as_run.user != script.user && !global.script_user.set &&
                        !(environment.user_exists && environment.user_exists(as_run.user));
        insecure_ = false;
        if (auto why = environment.script_problem(as_run)) return why;
        if (*global.enable_script_security && environment.script_insecure) {
            if (auto why = environment.script_insecure(as_run)) {
                insecure_ = true;
                return "not secure: " + *why;
            }
        }
        if (!runnable_) runnable_ = script.at;
        return std::nullopt;
    }

    /// A notify or quorum command: keepalived only logs that it will not run.
    void optional(std::optional<Script>& script, std::string_view what) {
        if (!script) return;
        const auto why = problem(*script);
        if (!why) return;
        report(*script, fmt::format("{} will not run: {}: {}", what, script->argv.front(), *why));
        script.reset();
    }

    /// keepalived only logs a script that is not there, but counts a missing default user and an
    /// insecure script.
    void report(const Script& script, std::string message) {
        const Word word = parsing_.reporter.word_at(script.at);
        if (insecure_)
            parsing_.reporter.error(word, std::move(message));
        else if (default_user_)
            parsing_.reporter.complaint(word, std::move(message), "set script_user in global_defs");
        else
            parsing_.reporter.warning(word, std::move(message));
    }

    void notify(Notify& notify) {
        optional(notify.master, "notify_master");
        optional(notify.backup, "notify_backup");
        optional(notify.fault, "notify_fault");
        optional(notify.stop, "notify_stop");
        optional(notify.any, "notify");
        optional(notify.deleted, "notify_deleted");
        optional(notify.master_rx_lower_pri, "notify_master_rx_lower_pri");
    }

    /// `counts`: as a violation in the exit status.
    void report_security(bool counts) {
        if (!runnable_ || *parsing_.config.global.enable_script_security) return;
        const Word word = parsing_.reporter.word_at(*runnable_);
        const std::string message = "scripts run, but script security is not enabled";
        const std::string hint = "put enable_script_security into global_defs, and script_user";
        if (counts)
            parsing_.reporter.security(word, message, hint);
        else
            parsing_.reporter.warning(word, message, hint);
        runnable_.reset();
    }

  private:
    Parsing& parsing_;
    std::optional<Location> runnable_;
    // Of the last one asked about:
    bool default_user_ = false;  ///< it would run as keepalived_script, which is not there
    bool insecure_ = false;
};

void check_track_scripts(Parsing& parsing, ScriptCheck& check) {
    Config& config = parsing.config;
    std::set<std::string, std::less<>> dropped;
    std::erase_if(config.scripts, [&](const VrrpScript& script) {
        const auto why = check.problem(script.script);
        if (!why) return false;
        parsing.reporter.error(
            parsing.reporter.word_at(script.script.at),
            fmt::format("vrrp_script {} cannot run: {}: {}; instances that track "
                        "it run as if they did not",
                        quoted(script.name),
                        script.script.argv.front(),
                        *why));
        dropped.insert(script.name);
        return true;
    });
    if (dropped.empty()) return;
    for (auto& instance : config.instances)
        std::erase_if(instance.track_scripts,
                      [&](const TrackedScript& tracked) { return dropped.contains(tracked.name); });
}

}  // namespace

void check_scripts(Parsing& parsing) {
    if (!parsing.environment.script_problem) return;
    const GlobalDefs& global = parsing.config.global;
    if (global.script_user.set && parsing.environment.user_exists &&
        !parsing.environment.user_exists(*global.script_user))
        parsing.reporter.error(parsing.reporter.word_at(global.script_user.at),
                               fmt::format("there is no user {}", quoted(*global.script_user)));
    ScriptCheck vrrp(parsing);
    check_track_scripts(parsing, vrrp);
    for (auto& instance : parsing.config.instances) vrrp.notify(instance.notify);
    for (auto& group : parsing.config.sync_groups) vrrp.notify(group.notify);
    // Without one of its interfaces keepalived gives up on VRRP before it comes to the scripts.
    vrrp.report_security(!parsing.interface_missing);

    ScriptCheck check(parsing);
    for (auto& service : parsing.config.virtual_servers) {
        check.optional(service.quorum_up, "quorum_up");
        check.optional(service.quorum_down, "quorum_down");
        for (auto& real : service.real_servers) {
            check.optional(real.notify_up, "notify_up");
            check.optional(real.notify_down, "notify_down");
            std::erase_if(real.checkers, [&](const Checker& checker) {
                if (checker.kind != Checker::Kind::Misc) return false;
                const auto why = check.problem(checker.misc_path);
                if (!why) return false;
                check.report(checker.misc_path,
                             fmt::format("this check cannot run and is left out: {}: {}",
                                         checker.misc_path.argv.front(),
                                         *why));
                return true;
            });
        }
    }
    check.report_security(true);
}

}  // namespace vipd::config
