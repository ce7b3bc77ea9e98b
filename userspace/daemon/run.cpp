// SPDX-License-Identifier: Apache-2.0
#include "userspace/daemon/run.hpp"

#include "userspace/api/server.hpp"
#include "userspace/base/replace_file.hpp"
#include "userspace/config/compare.hpp"
#include "userspace/config/lint.hpp"
#include "userspace/config/writer.hpp"
#include "userspace/control/core.hpp"
#include "userspace/daemon/dumps.hpp"
#include "userspace/daemon/sandbox.hpp"
#include "userspace/dataplane/bpf_dataplane.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <sys/capability.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <type_traits>

namespace vipd::daemon {

namespace {

constexpr unsigned kPidFileMode = 0644;

// Why there is no vipd: to the log, and to whoever typed the command.
int failed(int code, const std::string& message, bool console) {
    spdlog::error("{}", message);
    if (!console) fmt::print(stderr, "vipd: {}\n", message);
    return code;
}

Result<> enter_net_namespace(const std::string& name) {
    const std::string path = name.find('/') == std::string::npos ? "/run/netns/" + name : name;
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return fail_errno(errno, "network namespace " + path);
    if (::setns(fd.get(), CLONE_NEWNET) < 0) return fail_errno(errno, "network namespace " + name);
    return {};
}

// Held for as long as we live: two daemons with one run directory would fight over pins and VIPs.
Result<Fd> take_lock(const std::string& path) {
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!fd) return fail_errno(errno, path);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) < 0) {
        const auto pid = read_fd(fd.get(), 64);
        return fail(
            fmt::format("another vipd is running here (pid {}); give each its own `instance NAME` "
                        "in the configuration",
                        pid && !pid->empty() ? pid->substr(0, pid->find('\n')) : "unknown"));
    }
    return fd;
}

Result<> write_pid(int fd, const std::string& path) {
    const std::string text = fmt::format("{}\n", ::getpid());
    if (::ftruncate(fd, 0) < 0 ||
        ::pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
        return fail_errno(errno, path);
    return {};
}

// What -u, -m, -M, umask and process_name ask for; the role processes inherit it.
Result<> set_up_process(const Options& options, const config::GlobalDefs& global) {
    if (options.file_mask)
        ::umask(*options.file_mask);
    else if (global.umask.set)
        ::umask(static_cast<mode_t>(*global.umask));
    if (global.process_name.set) ::prctl(PR_SET_NAME, global.process_name.value.c_str());
    if (!options.core_dump) return {};
    const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
    if (::setrlimit(RLIMIT_CORE, &unlimited) < 0) return fail_errno(errno, "core file size");
    if (options.core_pattern.empty()) return {};
    const Fd pattern(::open("/proc/sys/kernel/core_pattern", O_WRONLY | O_CLOEXEC));
    if (!pattern ||
        ::write(pattern.get(), options.core_pattern.data(), options.core_pattern.size()) < 0)
        return fail_errno(errno, "core_pattern");
    return {};
}

// One sentence instead of a role that cannot open its sockets: what running needs, EPERM if
// missing.
Result<> check_capabilities() {
    struct Needed {
        std::array<cap_value_t, 2> any_of;
        const char* name;
        const char* what_for;
    };
    static constexpr std::array kNeeded = {
        Needed{{CAP_NET_ADMIN, CAP_NET_ADMIN}, "CAP_NET_ADMIN", "addresses and XDP"},
        Needed{{CAP_NET_RAW, CAP_NET_RAW}, "CAP_NET_RAW", "VRRP and gratuitous ARP"},
        Needed{{CAP_BPF, CAP_SYS_ADMIN}, "CAP_BPF", "the XDP program and its maps"},
        Needed{{CAP_SETUID, CAP_SETUID}, "CAP_SETUID", "unprivileged checks and scripts"},
        Needed{{CAP_SETGID, CAP_SETGID}, "CAP_SETGID", "unprivileged checks and scripts"},
        Needed{{CAP_KILL, CAP_KILL}, "CAP_KILL", "ending checks and scripts of other users"},
    };
    const std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> held(::cap_get_proc(),
                                                                             ::cap_free);
    if (!held) return fail_errno(errno, "capabilities");
    const auto has = [&](cap_value_t capability) {
        cap_flag_value_t set = CAP_CLEAR;
        return ::cap_get_flag(held.get(), capability, CAP_EFFECTIVE, &set) == 0 && set == CAP_SET;
    };
    for (const Needed& needed : kNeeded)
        if (std::ranges::none_of(needed.any_of, has))
            return fail(fmt::format("{} is missing ({}): run vipd as root or give it the "
                                    "capability",
                                    needed.name,
                                    needed.what_for),
                        EPERM);
    return {};
}

Result<> make_directory(const std::string& path) {
    for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
        const std::string part = path.substr(0, slash);
        if (::mkdir(part.c_str(), 0755) < 0 && errno != EEXIST) return fail_errno(errno, part);
        if (slash == std::string::npos) return {};
    }
}

// keepalived's default: go on in the background. The parent waits to hear how the start went and
// ends with that; until then the child keeps its stderr. The child gets the end to tell it by.
Result<Fd> daemonise() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) < 0) return fail_errno(errno, "pipe");
    Fd hear(ends[0]);
    Fd tell(ends[1]);
    const pid_t pid = ::fork();
    if (pid < 0) return fail_errno(errno, "fork");
    if (pid > 0) {
        tell.reset();
        char code = kExitFatal;
        while (::read(hear.get(), &code, 1) < 0 && errno == EINTR) {
        }
        ::_exit(code);
    }
    ::setsid();
    return tell;
}

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const auto end = text.find('\n');
        lines.push_back(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return lines;
}

void go_silent() {
    const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    for (int fd = 0; fd < 3; ++fd) ::dup2(null.get(), fd);
}

// Says what the parser found, and whether to go on.
bool report(const config::Parsed& parsed) {
    for (const auto& diagnostic : parsed.diagnostics) {
        const auto text = config::render(diagnostic);
        if (diagnostic.severity == config::Severity::Warning)
            spdlog::warn("{}", text);
        else
            spdlog::error("{}", text);
    }
    return !parsed.has(config::Severity::Fatal);
}

std::string api_socket(const config::Config& config) {
    if (config.vipd.api_socket.set) return *config.vipd.api_socket;
    return control::run_dir(config.instance_name) + "/api.sock";
}

constexpr std::size_t kMaxResume = std::size_t{1} << 20;

/// Where this program was when it was started: what is there later may be a newer one.
const std::string& program_path() {
    static const std::string path = [] {
        std::error_code error;
        auto link = std::filesystem::read_symlink("/proc/self/exe", error);
        return error ? std::string("/proc/self/exe") : link.string();
    }();
    return path;
}

// In this process and with its arguments: the service manager sees no restart.
int go_over(const Options& options, const control::Resume& resume, bool console) {
    auto state = make_sealed_memfd("vipd-resume", encode(resume));
    if (!state || ::fcntl(state->get(), F_SETFD, 0) < 0)
        return failed(kExitFatal, "nothing can be left to the new program", console);
    auto arguments = options.arguments;
    arguments.push_back(fmt::format("--resume={}", state->get()));
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    ::execv(program_path().c_str(), argv.data());
    const auto error = Error::from_errno(errno, program_path());
    // Nobody stands behind the VIPs now: with our end of its channel closed, vrrp resigns.
    return failed(kExitFatal, error.message, console);
}

int serve(EventLoop& loop,
          const Options& options,
          control::LoadedConfig loaded,
          const std::string& net_namespace,
          Fd tell_parent,
          std::optional<control::Resume>& upgrade) {
    const bool console = options.log.target == log::Target::Console;
    const config::Config& config = loaded.parsed.config;
    const api::Options api_options{api_socket(config), config.vipd.api_listen, {}};
    control::CoreOptions core_options;
    core_options.config_id = options.config_id;
    core_options.net_namespace = net_namespace;
    core_options.vrrp = options.vrrp;
    core_options.check = options.check;
    core_options.keep_services = options.keep_services;
    core_options.program = program_path();
    core_options.on_upgrade = [&](const control::Resume& resume) { upgrade = resume; };
    if (options.resume >= 0) {
        auto text = read_fd(Fd(options.resume).get(), kMaxResume);
        auto resume = text ? control::decode_resume(*text)
                           : Result<control::Resume>(fail(std::move(text.error())));
        if (!resume) return failed(kExitFatal, resume.error().message, console);
        core_options.resume = std::move(*resume);
    } else if (auto kept = control::FdStore::take(); !kept) {
        spdlog::warn("{}", kept.error().message);
    } else if (*kept) {
        spdlog::info("The vrrp process of the vipd before this one is still there");
        core_options.resume = std::move(**kept);
    }
    core_options.keep_vips = options.keep_vips;
    core_options.all_roles = options.all_roles;
    core_options.respawn = options.respawn;
    core_options.log_addresses = options.log_addresses;
    core_options.pid_files = {{"vrrp", options.vrrp_pid_file}, {"check", options.check_pid_file}};
    core_options.role_arguments = log_arguments(options.log);
    if (options.keep_vips) core_options.role_arguments.emplace_back("-V");
    core_options.allow_ping = [] {
        if (auto allowed = allow_ping(); !allowed)
            spdlog::warn("PING_CHECK: {}", allowed.error().message);
    };
    core_options.on_ready = [&] {
        if (!tell_parent) return;
        const char code = kExitOk;
        (void)!::write(tell_parent.get(), &code, 1);
        tell_parent.reset();
        go_silent();
    };
    control::Core core(loop, std::move(core_options), std::move(loaded));

    std::vector<EventLoop::Source> signals;
    const auto on = [&](int number, std::function<void(int)> action) {
        auto source = loop.signal(number, std::move(action));
        if (source) signals.push_back(std::move(*source));
    };
    on(SIGTERM, [&](int) { core.stop(); });
    if (options.ignore_sigint)
        ::signal(SIGINT, SIG_IGN);
    else
        on(SIGINT, [&](int) { core.stop(); });
    on(SIGHUP, [&](int) { (void)core.reload(std::nullopt); });
    Dumps dumps(core);
    on(SIGUSR1, [&](int) { dumps.data(); });
    on(SIGUSR2, [&](int) { dumps.stats(false); });
    on(*signal_number("STATS_CLEAR"), [&](int) { dumps.stats(true); });
    on(*signal_number("JSON"), [&](int) { dumps.json(); });
    ::signal(SIGPIPE, SIG_IGN);

    // Before the core, which changes things: an address that is taken must be found out first.
    auto server = api::Server::start(loop, core, api_options);
    if (!server) return failed(kExitFatal, std::move(server.error()).in("API").message, console);
    if (auto started = core.start(); !started) {
        const int code = started.error().errnum == EPERM ? kExitPermission : kExitFatal;
        return failed(code, started.error().message, console);
    }
    if (options.dump_config)
        for (const auto& line : lines_of(dumps.text())) spdlog::info("{}", line);
    (void)loop.enable_watchdog();
    const auto code = loop.run();
    return code ? *code : failed(kExitFatal, code.error().message, console);
}

}  // namespace

int run_core(const Options& options) {
    log::setup(options.log);
    const bool console = options.log.target == log::Target::Console;
    const std::string path = config_path(options);
    auto loaded = control::load_config(path, options.config_id);
    if (!loaded) return failed(kExitNoConfig, loaded.error().message, console);
    std::string net_namespace = options.net_namespace;
    if (net_namespace.empty()) net_namespace = loaded->parsed.config.net_namespace;
    if (!net_namespace.empty()) {
        if (auto entered = enter_net_namespace(net_namespace); !entered)
            return failed(kExitFatal, entered.error().message, console);
        // Again, in there: which interfaces exist is another matter now.
        loaded = control::load_config(path, options.config_id);
        if (!loaded) return failed(kExitNoConfig, loaded.error().message, console);
    }
    if (!report(loaded->parsed))
        return failed(kExitConfig, path + " cannot be run with; nothing was started", console);

    // Before anything is made or said to begin.
    if (auto able = check_capabilities(); !able)
        return failed(kExitPermission, able.error().message, console);
    const std::string directory = control::run_dir(loaded->parsed.config.instance_name);
    if (auto made = make_directory(directory); !made)
        return failed(kExitPermission, made.error().message, console);
    const std::string lock_path = directory + "/lock";
    auto lock = take_lock(lock_path);
    if (!lock) return failed(kExitFatal, lock.error().message, console);
    Fd tell_parent;
    (void)program_path();
    if (!options.foreground && options.resume < 0) {
        auto background = daemonise();
        if (!background) return failed(kExitFatal, background.error().message, console);
        tell_parent = std::move(*background);
    }
    const std::string pid_path =
        options.pid_file.empty() ? directory + "/vipd.pid" : options.pid_file;
    for (const auto& written :
         {write_pid(lock->get(), lock_path),
          replace_file(pid_path, fmt::format("{}\n", ::getpid()), kPidFileMode)})
        if (!written) return failed(kExitPermission, written.error().message, console);

    if (auto set_up = set_up_process(options, loaded->parsed.config.global); !set_up)
        spdlog::warn("{}", set_up.error().message);
    for (const auto& remark : options.remarks) spdlog::warn("{}", remark);
    spdlog::info("Starting vipd {} with {}", VIPD_VERSION, path);
    auto loop = EventLoop::create();
    std::optional<control::Resume> upgrade;
    const int code = loop ? serve(*loop,
                                  options,
                                  std::move(*loaded),
                                  net_namespace,
                                  std::move(tell_parent),
                                  upgrade)
                          : failed(kExitFatal, loop.error().message, console);
    if (upgrade) return go_over(options, *upgrade, console);
    ::unlink(pid_path.c_str());
    return code;
}

int test_configuration(const Options& options) {
    std::FILE* out = stderr;
    if (!options.test_output.empty()) {
        out = std::fopen(options.test_output.c_str(), "ae");
        if (out == nullptr) {
            fmt::print(stderr, "vipd: {}\n", Error::from_errno(errno, options.test_output).message);
            return kTestCannotRun;
        }
    }
    if (!options.net_namespace.empty()) {
        if (auto entered = enter_net_namespace(options.net_namespace); !entered) {
            fmt::print(out, "vipd: {}\n", entered.error().message);
            return kTestCannotRun;
        }
    }
    const auto files =
        options.files.empty() ? std::vector<std::string>{config_path(options)} : options.files;
    int status = kExitOk;
    const auto worse = [&](int other) {
        // 4 is worst, then 6, then 5.
        const auto rank = [](int code) {
            return code == 4 ? 3 : code == 6 ? 2 : code == 5 ? 1 : 0;
        };
        if (rank(other) > rank(status)) status = other;
    };
    std::vector<config::Config> configs;
    for (const auto& file : files) {
        auto loaded = control::load_config(file, options.config_id);
        if (!loaded) {
            fmt::print(out, "vipd: {}\n", loaded.error().message);
            worse(kTestCannotRun);
            continue;
        }
        for (const auto& diagnostic : loaded->parsed.diagnostics)
            fmt::print(out, "{}\n", config::render(diagnostic));
        if (config::does_nothing(loaded->parsed.config))
            fmt::print(
                out, "{}: warning: neither a vrrp_instance nor a virtual_server in it\n", file);
        worse(loaded->parsed.exit_status());
        configs.push_back(std::move(loaded->parsed.config));
    }
    if (configs.size() > 1) {
        for (const auto& diagnostic : config::compare_peers(configs)) {
            fmt::print(out, "{}\n", config::render(diagnostic));
            if (diagnostic.severity == config::Severity::Error) worse(5);
        }
    }
    if (options.lint) {
        const auto environment = control::host_environment(options.config_id);
        for (const auto& diagnostic : config::lint(configs, environment)) {
            fmt::print(out, "{}\n", config::render(diagnostic));
            worse(5);
        }
    }
    if (out != stderr) std::fclose(out);
    return status;
}

int dump_configuration(const Options& options) {
    if (!options.net_namespace.empty()) {
        if (auto entered = enter_net_namespace(options.net_namespace); !entered) {
            fmt::print(stderr, "vipd: {}\n", entered.error().message);
            return kTestCannotRun;
        }
    }
    const auto loaded = control::load_config(config_path(options), options.config_id);
    if (!loaded) {
        fmt::print(stderr, "vipd: {}\n", loaded.error().message);
        return kTestCannotRun;
    }
    const auto& parsed = loaded->parsed;
    for (const auto& diagnostic : parsed.diagnostics)
        fmt::print(stderr, "{}\n", config::render(diagnostic));
    const auto record = config::Record::decode(loaded->text);
    if (record && !parsed.has(config::Severity::Error) && !parsed.has(config::Severity::Fatal)) {
        // A notify script that cannot run on this machine has been reported; it stays in the text.
        auto environment = control::host_environment(options.config_id);
        environment.script_problem = nullptr;
        environment.sources = record->replay();
        const auto of_file = config::parse(record->text(), loaded->path, environment);
        fmt::print("{}", config::to_text(of_file.config));
    }
    return parsed.exit_status();
}

int detach(const Options& options) {
    const auto detached = dataplane::detach_all(control::pin_dir(options.instance));
    if (!detached) {
        fmt::print(stderr, "vipd: {}\n", detached.error().message);
        return kExitFatal;
    }
    return kExitOk;
}

}  // namespace vipd::daemon
