// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/track_scripts.hpp"

#include "userspace/control/script_security.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace vipd::control {

ScriptStanding initial_standing(bool init_fail) {
    return {init_fail, 0};
}

ScriptStanding judge(ScriptStanding standing,
                     bool success,
                     std::uint32_t rise,
                     std::uint32_t fall) {
    const std::uint32_t top = rise + fall - 1;
    if (!standing.known) return {true, success ? top : 0};
    if (success) return {true, standing.count + 1 >= rise ? top : standing.count + 1};
    // Below `rise` it is down, and a rise that a failure cuts short starts anew.
    return {true, standing.count > rise ? standing.count - 1 : 0};
}

ScriptJob make_job(const config::Script& script, const config::GlobalDefs& global, Nanos timeout) {
    config::Script as_run = config::run_as(script, global, user_exists);
    ScriptJob job;
    job.argv = std::move(as_run.argv);
    job.user = std::move(as_run.user);
    job.group = std::move(as_run.group);
    job.timeout = timeout;
    return job;
}

Result<> TrackScripts::configure(const config::Config& config) {
    std::set<std::string> tracked;
    for (const auto& instance : config.instances)
        for (const auto& track : instance.track_scripts) tracked.insert(track.name);
    for (const auto& group : config.sync_groups)
        for (const auto& track : group.track_scripts) tracked.insert(track.name);

    std::map<std::string, Entry> entries;
    for (const auto& script : config.scripts) {
        if (!tracked.contains(script.name)) continue;
        const Nanos timeout = script.timeout.set ? *script.timeout : *script.interval;
        ScriptJob job = make_job(script.script, config.global, timeout);
        job.vital = true;
        const auto old = entries_.find(script.name);
        const bool same_standing =
            old != entries_.end() && old->second.script.script == script.script &&
            *old->second.script.rise == *script.rise && *old->second.script.fall == *script.fall;
        Entry entry;
        // Its timer and its run go on: reloads faster than the script would never see a result.
        if (same_standing && old->second.job == job &&
            *old->second.script.interval == *script.interval) {
            entry = std::move(old->second);
        } else {
            entry.job = std::move(job);
            entry.standing =
                same_standing ? old->second.standing : initial_standing(*script.init_fail);
            entry.generation = next_generation_++;
        }
        entry.script = script;
        entries.insert_or_assign(script.name, std::move(entry));
    }
    entries_ = std::move(entries);
    for (auto& [name, entry] : entries_) {
        if (entry.timer) continue;
        auto timer =
            loop_.every(*entry.script.interval, [this, key = name](TimePoint) { start(key); });
        if (!timer) return fail(std::move(timer.error()));
        entry.timer = std::move(*timer);
        start(name);
    }
    return {};
}

void TrackScripts::start(const std::string& name) {
    const auto found = entries_.find(name);
    // A run that outlasts its interval leaves the next one out.
    if (found == entries_.end() || found->second.running) return;
    Entry& entry = found->second;
    const auto started = runner_.run(
        entry.job, [this, name, generation = entry.generation](const ScriptResult& result) {
            finished(name, generation, result);
        });
    if (!started && lacks_resources(started.error())) {
        // No result: a host short of processes must not put its instances into FAULT for it.
        if (!std::exchange(entry.waits, true))
            say_(true,
                 fmt::format("VRRP_Script({}) could not be started ({}), its last result stays",
                             name,
                             started.error().message));
        return;
    }
    entry.waits = false;
    if (started)
        entry.running = true;
    else
        finished(name, entry.generation, {-1, started.error().message});
}

void TrackScripts::finished(const std::string& name,
                            std::uint64_t generation,
                            const ScriptResult& result) {
    const auto found = entries_.find(name);
    if (found == entries_.end() || found->second.generation != generation) return;
    Entry& entry = found->second;
    entry.running = false;
    const auto before = entry.standing;
    const std::uint32_t rise = *entry.script.rise;
    const bool success = result.status == 0;
    entry.standing = judge(before, success, rise, *entry.script.fall);
    // Said when the outcome changes, not at each run.
    if (result.detail != entry.last_detail) {
        say_(!success,
             success ? fmt::format("VRRP_Script({}) succeeded", name)
                     : fmt::format("VRRP_Script({}) failed ({})", name, result.detail));
        entry.last_detail = result.detail;
    }
    const bool up = is_up(entry.standing, rise);
    if (before.known && is_up(before, rise) == up) return;
    report_({name, true, up});
}

std::vector<ipc::TrackScriptState> TrackScripts::states() const {
    std::vector<ipc::TrackScriptState> states;
    for (const auto& [name, entry] : entries_)
        states.push_back({name, entry.standing.known, is_up(entry.standing, *entry.script.rise)});
    return states;
}

std::string TrackScripts::detail(const std::string& script) const {
    const auto found = entries_.find(script);
    return found == entries_.end() ? std::string() : found->second.last_detail;
}

}  // namespace vipd::control
