// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/track_objects.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>
#include <memory>
#include <set>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/syscall.h>

namespace vipd::control {

namespace {

constexpr Nanos kLookInterval = Seconds(1);
constexpr std::size_t kMaxFile = 64;  // a number
constexpr std::size_t kMaxCommandLine = 65536;
constexpr std::size_t kCommLength = 15;

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(std::string_view path) {
    return std::string(path.substr(path.rfind('/') + 1));
}

/// At most `limit` bytes; nothing where it cannot be read.
std::string read_some(const std::string& path, std::size_t limit) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd) return {};
    std::string text(limit, '\0');
    const ssize_t got = ::read(fd.get(), text.data(), text.size());
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
}

std::vector<std::string> command_line(int pid) {
    const std::string text = read_some(fmt::format("/proc/{}/cmdline", pid), kMaxCommandLine);
    std::vector<std::string> arguments;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\0', at), text.size());
        arguments.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return arguments;
}

/// Clock ticks after boot at which it was started: field 22, counted behind the name, which may
/// hold anything.
std::uint64_t start_time(int pid) {
    const std::string text = read_some(fmt::format("/proc/{}/stat", pid), 1024);
    std::size_t at = text.rfind(')');
    for (int field = 2; field < 22 && at != std::string::npos; ++field) at = text.find(' ', at + 1);
    std::uint64_t ticks = 0;
    if (at != std::string::npos)
        std::from_chars(text.data() + at + 1, text.data() + text.size(), ticks);
    return ticks;
}

std::vector<int> all_processes() {
    std::vector<int> pids;
    const auto close = [](DIR* folder) { ::closedir(folder); };
    const std::unique_ptr<DIR, decltype(close)> proc(::opendir("/proc"), close);
    if (!proc) return pids;
    while (const dirent* entry = ::readdir(proc.get())) {
        int pid = 0;
        const char* const end = entry->d_name + std::strlen(entry->d_name);
        const auto [rest, error] = std::from_chars(entry->d_name, end, pid);
        if (error == std::errc() && rest == end) pids.push_back(pid);
    }
    return pids;
}

template <class Map, class Lines>
void note_names(Map& to, const Lines& lines) {
    for (const auto& line : lines) to.insert(line.name);
}

}  // namespace

std::int32_t file_value(std::string_view content) {
    content.remove_prefix(std::min(content.find_first_not_of(" \t\n"), content.size()));
    if (content.starts_with('+')) content.remove_prefix(1);
    std::int64_t value = 0;
    const auto [rest, error] =
        std::from_chars(content.data(), content.data() + content.size(), value);
    if (error == std::errc::result_out_of_range)
        value = content.starts_with('-') ? std::numeric_limits<std::int64_t>::min()
                                         : std::numeric_limits<std::int64_t>::max();
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(
        value, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()));
}

bool matches(const config::TrackProcess& wanted,
             std::string_view name,
             const std::vector<std::string>& arguments) {
    using Match = config::TrackProcess::Match;
    const std::string& program = *wanted.program;
    // The kernel keeps 15 characters of a name; the command line, where there is one, has it all.
    const bool by_line = *wanted.full_command || *wanted.match != Match::None ||
                         !wanted.parameters.empty() || program.size() > kCommLength ||
                         program.find('/') != std::string::npos;
    if (!by_line) return name == program;
    if (arguments.empty()) return false;
    const bool whole_path = program.find('/') != std::string::npos;
    if ((whole_path ? arguments.front() : name_of(arguments.front())) != program) return false;
    if (*wanted.match == Match::None && wanted.parameters.empty()) return true;
    const auto given = arguments.begin() + 1;
    switch (*wanted.match) {
        case Match::Initial:  // these first, then any
            return static_cast<std::size_t>(arguments.end() - given) >= wanted.parameters.size() &&
                   std::equal(wanted.parameters.begin(), wanted.parameters.end(), given);
        case Match::Partial:  // as Initial, the last one may go on
            if (static_cast<std::size_t>(arguments.end() - given) < wanted.parameters.size())
                return false;
            if (wanted.parameters.empty()) return true;
            return std::equal(wanted.parameters.begin(), wanted.parameters.end() - 1, given) &&
                   (given + static_cast<std::ptrdiff_t>(wanted.parameters.size()) - 1)
                       ->starts_with(wanted.parameters.back());
        case Match::None:
        case Match::Exact:
            break;
    }
    return std::equal(given, arguments.end(), wanted.parameters.begin(), wanted.parameters.end());
}

Result<> TrackObjects::configure(const config::Config& config) {
    std::set<std::string> files;
    std::set<std::string> processes;
    for (const auto& instance : config.instances) {
        note_names(files, instance.track_files);
        note_names(processes, instance.track_processes);
    }
    for (const auto& group : config.sync_groups) {
        note_names(files, group.track_files);
        note_names(processes, group.track_processes);
    }
    for (const auto& server : config.virtual_servers)
        for (const auto& real : server.real_servers)
            for (const auto& checker : real.checkers)
                if (checker.kind == config::Checker::Kind::File) files.insert(checker.track_file);
    std::map<std::string, File> new_files;
    for (const auto& settings : config.track_files)
        if (files.contains(settings.name)) new_files[settings.name] = {settings};
    files_ = std::move(new_files);
    std::map<std::string, Process> new_processes;
    for (const auto& settings : config.track_processes) {
        if (!processes.contains(settings.name)) continue;
        Process process;
        process.settings = settings;
        if (const auto old = processes_.find(settings.name); old != processes_.end())
            process.up = old->second.up, process.known = old->second.known;
        new_processes.insert_or_assign(settings.name, std::move(process));
    }
    processes_ = std::move(new_processes);
    watched_.clear();
    look_.reset();
    if (auto watching = watch_files(); !watching) return watching;
    if (processes_.empty()) return {};
    look_for_processes();
    auto look = loop_.every(kLookInterval, [this](TimePoint) { look_for_processes(); });
    if (!look) return fail(std::move(look.error()));
    look_ = std::move(*look);
    return {};
}

std::vector<ipc::TrackerState> TrackObjects::states() const {
    std::vector<ipc::TrackerState> states;
    for (const auto& [name, file] : files_)
        states.push_back({ipc::TrackerKind::File, name, false, file.value});
    for (const auto& [name, process] : processes_)
        states.push_back({ipc::TrackerKind::Process, name, process.up, 0});
    return states;
}

// --- files -------------------------------------------------------------------------------------

Result<> TrackObjects::watch_files() {
    inotify_events_.reset();
    inotify_.reset();
    folders_.clear();
    if (files_.empty()) return {};
    inotify_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!inotify_) return fail_errno(errno, "track_file: inotify");
    for (auto& [name, file] : files_) {
        const std::string& path = *file.settings.path;
        if (file.settings.initial.set &&
            (file.settings.overwrite || ::access(path.c_str(), F_OK) != 0)) {
            const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
            const std::string text = std::to_string(*file.settings.initial) + "\n";
            if (!fd || ::write(fd.get(), text.data(), text.size()) < 0)
                say_(true,
                     fmt::format(
                         "track_file {}: cannot write {}: {}", name, path, std::strerror(errno)));
        }
        const std::string folder = folder_of(path);
        const int watch = ::inotify_add_watch(
            inotify_.get(),
            folder.c_str(),
            IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_MODIFY | IN_ONLYDIR);
        if (watch < 0)
            say_(true,
                 fmt::format("track_file {}: cannot watch {}: {}; its value stays 0",
                             name,
                             folder,
                             std::strerror(errno)));
        else
            folders_[watch] = folder;
    }
    auto events = loop_.io(inotify_.get(), EPOLLIN, [this](std::uint32_t) { on_inotify(); });
    if (!events) return fail(std::move(events.error()));
    inotify_events_ = std::move(*events);
    for (const auto& [name, file] : files_) read_file(name);
    return {};
}

void TrackObjects::on_inotify() {
    alignas(inotify_event) std::array<char, 4096> buffer;  // NOLINT: filled by read
    const ssize_t got = ::read(inotify_.get(), buffer.data(), buffer.size());
    bool all = got <= 0;
    std::set<std::string> paths;
    for (std::size_t at = 0;
         at + sizeof(inotify_event) <= static_cast<std::size_t>(std::max<ssize_t>(got, 0));) {
        inotify_event event{};
        std::memcpy(&event, buffer.data() + at, sizeof event);
        if ((event.mask & IN_Q_OVERFLOW) != 0) all = true;
        const char* const name = buffer.data() + at + sizeof event;
        if (const auto folder = folders_.find(event.wd); folder != folders_.end() && event.len > 0)
            paths.insert(folder->second + "/" + std::string(name, ::strnlen(name, event.len)));
        at += sizeof event + event.len;
    }
    for (const auto& [name, file] : files_) {
        const std::string& path = *file.settings.path;
        if (all || paths.contains(folder_of(path) + "/" + name_of(path))) read_file(name);
    }
}

void TrackObjects::read_file(const std::string& name) {
    File& file = files_.at(name);
    const std::int32_t value = file_value(read_some(*file.settings.path, kMaxFile));
    if (std::exchange(file.read, true) && file.value == value) return;
    file.value = value;
    report_({ipc::TrackerKind::File, name, false, value});
}

// --- processes ---------------------------------------------------------------------------------

void TrackObjects::look_for_processes() {
    std::set<std::string> changed;
    for (const auto& [name, process] : processes_)
        if (!process.known) changed.insert(name);
    for (const int pid : all_processes()) {
        const auto known = watched_.find(pid);
        // One that calls execve() is another program from then on; its start time stays.
        std::string comm = read_some(fmt::format("/proc/{}/comm", pid), 64);
        if (comm.ends_with('\n')) comm.pop_back();
        const auto arguments = command_line(pid);
        std::vector<std::string> trackers;
        for (const auto& [name, process] : processes_)
            if (matches(process.settings, comm, arguments)) trackers.push_back(name);
        const std::vector<std::string> before =
            known == watched_.end() ? std::vector<std::string>{} : known->second.trackers;
        if (trackers == before && (before.empty() || known->second.started == start_time(pid)))
            continue;
        changed.insert(before.begin(), before.end());
        changed.insert(trackers.begin(), trackers.end());
        if (known != watched_.end()) watched_.erase(known);
        if (trackers.empty()) continue;
        Watched watched;
        watched.started = start_time(pid);
        watched.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        if (!watched.pidfd) continue;  // it has ended meanwhile
        watched.trackers = std::move(trackers);
        auto ended = loop_.io(watched.pidfd.get(), EPOLLIN, [this, pid](std::uint32_t) {
            const auto found = watched_.find(pid);
            const auto gone = std::move(found->second.trackers);
            watched_.erase(found);
            for (const std::string& tracker : gone) count(tracker, false);
        });
        if (!ended) continue;
        watched.ended = std::move(*ended);
        watched_.insert_or_assign(pid, std::move(watched));
    }
    for (const std::string& tracker : changed) count(tracker, !processes_.at(tracker).known);
}

void TrackObjects::count(const std::string& tracker, bool at_once) {
    const auto found = processes_.find(tracker);
    if (found == processes_.end()) return;
    Process& process = found->second;
    const auto running =
        static_cast<std::size_t>(std::ranges::count_if(watched_, [&](const auto& one) {
            return std::ranges::find(one.second.trackers, tracker) != one.second.trackers.end();
        }));
    const bool up = within_quorum(running, *process.settings.quorum, *process.settings.quorum_max);
    process.delayed.reset();
    if (process.known && up == process.up) return;
    const Nanos delay = at_once ? Nanos(0)
                        : up    ? *process.settings.fork_delay
                                : *process.settings.terminate_delay;
    if (delay == Nanos(0)) {
        settle(tracker, up);
        return;
    }
    auto timer =
        loop_.at(loop_.now() + delay, [this, tracker, up](TimePoint) { settle(tracker, up); });
    if (timer) process.delayed = std::move(*timer);
}

void TrackObjects::settle(const std::string& tracker, bool up) {
    Process& process = processes_.at(tracker);
    process.up = up;
    process.known = true;
    say_(!up, fmt::format("process tracker {} is {}", tracker, up ? "up" : "down"));
    report_({ipc::TrackerKind::Process, tracker, up, 0});
}

}  // namespace vipd::control
