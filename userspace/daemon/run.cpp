// SPDX-License-Identifier: Apache-2.0
#include "userspace/daemon/run.hpp"

#include "userspace/api/server.hpp"
#include "userspace/config/compare.hpp"
#include "userspace/control/core.hpp"
#include "userspace/dataplane/bpf_dataplane.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <sys/file.h>
#include <sys/stat.h>

namespace vipd::daemon {

namespace {

int failed(int code, const std::string& message) {
    spdlog::error("{}", message);
    return code;
}

Result<> enter_net_namespace(const std::string& name) {
    const std::string path = name.find('/') == std::string::npos ? "/run/netns/" + name : name;
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return fail_errno(errno, "network namespace " + path);
    if (::setns(fd.get(), CLONE_NEWNET) < 0) return fail_errno(errno, "network namespace " + name);
    return {};
}

// Creates the file, locks it for as long as we live and writes our pid: two daemons with one run
// directory would fight over pins and VIPs.
Result<Fd> take_pid_file(const std::string& path) {
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!fd) return fail_errno(errno, path);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) < 0) {
        const auto pid = read_fd(fd.get(), 64);
        return fail(
            fmt::format("another vipd is running here (pid {}); give each its own `instance NAME` "
                        "in the configuration",
                        pid && !pid->empty() ? pid->substr(0, pid->find('\n')) : "unknown"));
    }
    const std::string text = fmt::format("{}\n", ::getpid());
    if (::ftruncate(fd.get(), 0) < 0 ||
        ::pwrite(fd.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
        return fail_errno(errno, path);
    return fd;
}

Result<> make_directory(const std::string& path) {
    for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
        const std::string part = path.substr(0, slash);
        if (::mkdir(part.c_str(), 0755) < 0 && errno != EEXIST) return fail_errno(errno, part);
        if (slash == std::string::npos) return {};
    }
}

// keepalived's default: go on in the background.
Result<> daemonise() {
    const pid_t pid = ::fork();
    if (pid < 0) return fail_errno(errno, "fork");
    if (pid > 0) ::_exit(0);
    ::setsid();
    const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    for (int fd = 0; fd < 3; ++fd) ::dup2(null.get(), fd);
    return {};
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

int serve(EventLoop& loop,
          const Options& options,
          control::LoadedConfig loaded,
          const std::string& net_namespace) {
    const config::Config& config = loaded.parsed.config;
    const api::Options api_options{api_socket(config), config.vipd.api_listen, {}};
    control::CoreOptions core_options;
    core_options.config_id = options.config_id;
    core_options.net_namespace = net_namespace;
    core_options.vrrp = options.vrrp;
    core_options.check = options.check;
    core_options.keep_services = options.keep_services;
    core_options.role_arguments = log_arguments(options.log);
    control::Core core(loop, std::move(core_options), std::move(loaded));

    std::vector<EventLoop::Source> signals;
    const auto on = [&](int number, std::function<void(int)> action) {
        auto source = loop.signal(number, std::move(action));
        if (source) signals.push_back(std::move(*source));
    };
    on(SIGTERM, [&](int) { core.stop(); });
    on(SIGINT, [&](int) { core.stop(); });
    on(SIGHUP, [&](int) { (void)core.reload(); });
    ::signal(SIGPIPE, SIG_IGN);

    if (auto started = core.start(); !started) {
        const int code = started.error().errnum == EPERM ? kExitPermission : kExitFatal;
        return failed(code, started.error().message);
    }
    auto server = api::Server::start(loop, core, api_options);
    if (!server) return failed(kExitFatal, std::move(server.error()).in("API").message);
    (void)loop.enable_watchdog();
    const auto code = loop.run();
    return code ? *code : failed(kExitFatal, code.error().message);
}

}  // namespace

int run_core(const Options& options) {
    log::setup(options.log);
    const std::string path = config_path(options);
    auto loaded = control::load_config(path, options.config_id);
    if (!loaded) return failed(kExitNoConfig, loaded.error().message);
    std::string net_namespace = options.net_namespace;
    if (net_namespace.empty()) net_namespace = loaded->parsed.config.net_namespace;
    if (!net_namespace.empty()) {
        if (auto entered = enter_net_namespace(net_namespace); !entered)
            return failed(kExitFatal, entered.error().message);
        // Again, in there: which interfaces exist is another matter now.
        loaded = control::load_config(path, options.config_id);
        if (!loaded) return failed(kExitNoConfig, loaded.error().message);
    }
    if (!report(loaded->parsed))
        return failed(kExitConfig, path + " cannot be run with; nothing was started");

    if (!options.foreground)
        if (auto done = daemonise(); !done) return failed(kExitFatal, done.error().message);
    const std::string directory = control::run_dir(loaded->parsed.config.instance_name);
    if (auto made = make_directory(directory); !made)
        return failed(kExitPermission, made.error().message);
    const std::string pid_path =
        options.pid_file.empty() ? directory + "/vipd.pid" : options.pid_file;
    auto pid_file = take_pid_file(pid_path);
    if (!pid_file) return failed(kExitFatal, pid_file.error().message);

    spdlog::info("Starting vipd {} with {}", VIPD_VERSION, path);
    auto loop = EventLoop::create();
    const int code = loop ? serve(*loop, options, std::move(*loaded), net_namespace)
                          : failed(kExitFatal, loop.error().message);
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
        worse(loaded->parsed.exit_status());
        configs.push_back(std::move(loaded->parsed.config));
    }
    if (configs.size() > 1) {
        for (const auto& diagnostic : config::compare_peers(configs)) {
            fmt::print(out, "{}\n", config::render(diagnostic));
            if (diagnostic.severity == config::Severity::Error) worse(5);
        }
    }
    if (out != stderr) std::fclose(out);
    return status;
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
