// SPDX-License-Identifier: Apache-2.0
#include "userspace/daemon/options.hpp"

#include <fmt/format.h>
#include <getopt.h>
#include <signal.h>
#include <syslog.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <sys/stat.h>

namespace vipd::daemon {

namespace {

enum LongOnly : int {
    kDetach = 1000,
    kRole,
    kChannel,
    kInstance,
    kDebug,
    kAll,
    kSignum,
    kFlushLog,
    kIgnoreSigint,
    kResume,
    kLint,
    kDumpConfig,
};

constexpr std::array kLongOptions{
    option{"use-file", required_argument, nullptr, 'f'},
    option{"vrrp", no_argument, nullptr, 'P'},
    option{"check", no_argument, nullptr, 'C'},
    option{"log-console", no_argument, nullptr, 'l'},
    option{"log-detail", no_argument, nullptr, 'D'},
    option{"log-facility", required_argument, nullptr, 'S'},
    option{"log-file", optional_argument, nullptr, 'g'},
    option{"no-syslog", no_argument, nullptr, 'G'},
    option{"dont-fork", no_argument, nullptr, 'n'},
    option{"dont-release-ipvs", no_argument, nullptr, 'I'},
    option{"pid", required_argument, nullptr, 'p'},
    option{"vrrp_pid", required_argument, nullptr, 'r'},
    option{"checkers_pid", required_argument, nullptr, 'c'},
    option{"bfd_pid", required_argument, nullptr, 'b'},
    option{"no_bfd", no_argument, nullptr, 'B'},
    option{"all", no_argument, nullptr, kAll},
    option{"umask", required_argument, nullptr, 'u'},
    option{"release-vips", no_argument, nullptr, 'X'},
    option{"dont-release-vrrp", no_argument, nullptr, 'V'},
    option{"dont-respawn", no_argument, nullptr, 'R'},
    option{"dump-conf", no_argument, nullptr, 'd'},
    option{"address-monitoring", no_argument, nullptr, 'a'},
    option{"snmp", no_argument, nullptr, 'x'},
    option{"snmp-agent-socket", required_argument, nullptr, 'A'},
    option{"core-dump", no_argument, nullptr, 'm'},
    option{"core-dump-pattern", optional_argument, nullptr, 'M'},
    option{"all-config", no_argument, nullptr, 'e'},
    option{"flush-log-file", no_argument, nullptr, kFlushLog},
    option{"ignore-sigint", no_argument, nullptr, kIgnoreSigint},
    option{"signum", required_argument, nullptr, kSignum},
    option{"config-id", required_argument, nullptr, 'i'},
    option{"namespace", required_argument, nullptr, 's'},
    option{"config-test", optional_argument, nullptr, 't'},
    option{"lint", no_argument, nullptr, kLint},
    option{"version", no_argument, nullptr, 'v'},
    option{"help", no_argument, nullptr, 'h'},
    option{"dump-config", no_argument, nullptr, kDumpConfig},
    option{"detach", no_argument, nullptr, kDetach},
    option{"instance", required_argument, nullptr, kInstance},
    option{"debug", no_argument, nullptr, kDebug},
    option{"role", required_argument, nullptr, kRole},
    option{"channel", required_argument, nullptr, kChannel},
    option{"resume", required_argument, nullptr, kResume},
    option{nullptr, 0, nullptr, 0},
};

Result<int> number(const char* text, std::string_view what, int base = 10) {
    const std::string_view digits(text);
    int value = 0;
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), value, base);
    if (error != std::errc() || end != digits.end())
        return fail(fmt::format("{}: '{}' is not a number", what, digits));
    return value;
}

Result<int> facility(const char* text) {
    const std::string_view name(text);
    if (name == "user") return LOG_USER;
    if (name == "daemon") return LOG_DAEMON;
    const auto local = number(name.starts_with("local") ? text + 5 : text,
                              "-S takes 0-7, local0-local7, user or daemon");
    if (!local) return fail(local.error());
    if (*local < 0 || *local > 7) return fail("-S takes 0-7, local0-local7, user or daemon");
    return LOG_LOCAL0 + (*local << 3);
}

/// An option that only keeps its value, or only that it was given; false: it is another.
bool plain_option(Options& options, int given, const char* value) {
    struct Text {
        int option;
        std::string Options::* to;
    };
    constexpr std::array kTexts{Text{'i', &Options::config_id},
                                Text{'s', &Options::net_namespace},
                                Text{'p', &Options::pid_file},
                                Text{'r', &Options::vrrp_pid_file},
                                Text{'c', &Options::check_pid_file},
                                Text{kInstance, &Options::instance},
                                Text{kRole, &Options::role}};
    struct Switch {
        int option;
        bool Options::* to;
    };
    constexpr std::array kSwitches{Switch{'n', &Options::foreground},
                                   Switch{'l', &Options::console},
                                   Switch{'I', &Options::keep_services},
                                   Switch{'V', &Options::keep_vips},
                                   Switch{'d', &Options::dump_config},
                                   Switch{'a', &Options::log_addresses},
                                   Switch{'m', &Options::core_dump},
                                   Switch{kAll, &Options::all_roles},
                                   Switch{kIgnoreSigint, &Options::ignore_sigint}};
    for (const auto& text : kTexts)
        if (text.option == given) {
            options.*text.to = value;
            return true;
        }
    for (const auto& one : kSwitches)
        if (one.option == given) {
            options.*one.to = true;
            return true;
        }
    return false;
}

/// -G alone: keepalived then logs nowhere.
void discard_log(log::Options& options) {
    options.target = log::Target::File;
    options.file = "/dev/null";
}

// systemd.exec(5): $JOURNAL_STREAM holds device and inode of the journal's end of stderr.
bool stderr_is_journal() {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat info{};
    return stream != nullptr && ::fstat(STDERR_FILENO, &info) == 0 &&
           fmt::format("{}:{}", info.st_dev, info.st_ino) == stream;
}

}  // namespace

std::string usage() {
    return "Usage: vipd [OPTION...]\n"
           "Load balancing by XDP and failover by VRRP, from keepalived.conf.\n"
           "\n"
           "  -f, --use-file=FILE       configuration (default /etc/vipd/vipd.conf, then\n"
           "                            /etc/keepalived/keepalived.conf)\n"
           "  -t, --config-test[=FILE]  check the configuration, report to stderr (or append to\n"
           "                            FILE) and exit: 0 good, 4 cannot run, 5 errors, would "
           "run,\n"
           "                            6 script security; with several -f also compare them as "
           "peers\n"
           "      --lint                check, and remark on what would run and be regretted "
           "(then 5)\n"
           "      --dump-config         print the configuration as it was understood, in its own\n"
           "                            language, and exit as -t does; not if it has errors\n"
           "  -n, --dont-fork           stay in the foreground\n"
           "  -l, --log-console         log to stderr instead of syslog or the journal\n"
           "  -D, --log-detail          log more (the same as --debug)\n"
           "  -S, --log-facility=N      syslog facility: 0-7, local0-7, user, daemon\n"
           "  -g, --log-file=FILE       log to a file\n"
           "  -G, --no-syslog           no syslog: with -l or -g only there, else nowhere\n"
           "  -d, --dump-conf           log the configuration at the start\n"
           "  -a, --address-monitoring  log addresses that come and go\n"
           "  -P, --vrrp                VRRP only, no health checks\n"
           "  -C, --check               forwarding and health checks only, no VRRP\n"
           "      --all                 start all processes, also without anything to do\n"
           "  -R, --dont-respawn        stop when a process dies instead of restarting it\n"
           "  -V, --dont-release-vrrp   keep the VIPs at the stop\n"
           "  -I, --dont-release-ipvs   keep forwarding without limit after a stop\n"
           "  -p, --pid=FILE            pid file\n"
           "  -r, --vrrp_pid=FILE       pid file of the vrrp process\n"
           "  -c, --checkers_pid=FILE   pid file of the check process\n"
           "  -i, --config-id=ID        keep the configuration lines marked @ID\n"
           "  -s, --namespace=NAME      run in this network namespace\n"
           "  -u, --umask=MASK          umask for the files made\n"
           "  -m, --core-dump           leave a core file after a crash\n"
           "  -M, --core-dump-pattern[=P]  the same; also sets /proc/sys/kernel/core_pattern\n"
           "      --ignore-sigint       Ctrl-C does not stop it\n"
           "      --signum=NAME         print the number of STOP, RELOAD, DATA, STATS,\n"
           "                            STATS_CLEAR or JSON\n"
           "      --detach              take the data plane that a stopped vipd left off the\n"
           "                            interfaces, and exit (with --instance=NAME: of that "
           "instance)\n"
           "  -T, --genhash             be genhash(1); must be the first option\n"
           "  -v, --version             version\n"
           "  -h, --help                this text\n"
           "Taken without effect: -b -B -e -x -A -X, --flush-log-file (keepalived's).\n";
}

std::optional<int> signal_number(std::string_view name) {
    if (name == "STOP") return SIGTERM;
    if (name == "RELOAD") return SIGHUP;
    if (name == "DATA") return SIGUSR1;
    if (name == "STATS") return SIGUSR2;
    if (name == "STATS_CLEAR") return SIGRTMAX - 1;
    if (name == "JSON") return SIGRTMIN + 2;
    return std::nullopt;
}

Result<Options> parse_options(int argc, char** argv) {
    Options options;
    for (int i = 0; i < argc; ++i)
        if (!std::string_view(argv[i]).starts_with("--resume="))
            options.arguments.emplace_back(argv[i]);
    bool vrrp_only = false;
    bool check_only = false;
    bool no_syslog = false;
    optind = 0;  // glibc: start anew, also when called twice
    opterr = 0;
    for (;;) {
        const int given = ::getopt_long(argc,
                                        argv,
                                        ":f:PCBlDS:g::Gu:XVIRndp:r:c:b:axA:mM::ei:s:t::vh",
                                        kLongOptions.data(),
                                        nullptr);
        if (given == -1) break;
        if (plain_option(options, given, optarg)) continue;
        switch (given) {
            case 'f':
                options.files.emplace_back(optarg);
                break;
            case 't':
                options.action = Options::Action::Test;
                if (optarg != nullptr) options.test_output = optarg;
                break;
            case kLint:
                options.action = Options::Action::Test;
                options.lint = true;
                break;
            case 'D':
            case kDebug:
                options.log.debug = true;
                break;
            case 'S': {
                const auto value = facility(optarg);
                if (!value) return fail(value.error());
                options.log.facility = *value;
                break;
            }
            case 'g':
                options.log.target = log::Target::File;
                options.log.file = optarg != nullptr ? optarg : "/var/log/vipd.log";
                break;
            case 'G':
                no_syslog = true;
                break;
            case 'P':
                vrrp_only = true;
                break;
            case 'C':
                check_only = true;
                break;
            case 'R':
                options.respawn = false;
                break;
            case 'u': {
                const auto mask = number(optarg, "-u", 8);
                if (!mask || *mask < 0 || *mask > 0777) return fail("-u takes an octal umask");
                options.file_mask = static_cast<unsigned>(*mask);
                break;
            }
            case 'M':
                options.core_dump = true;
                options.core_pattern = optarg != nullptr ? optarg : "core";
                break;
            case 'x':
            case 'A':
                options.remarks.emplace_back("SNMP is not done by vipd yet");
                break;
            case 'b':
            case 'B':
            case 'e':
            case 'X':
            case kFlushLog:
                break;
            case kSignum:
                options.action = Options::Action::Signum;
                options.signal_name = optarg;
                return options;
            case 'v':
                options.action = Options::Action::Version;
                return options;
            case 'h':
                options.action = Options::Action::Help;
                return options;
            case kDumpConfig:
                options.action = Options::Action::DumpConfig;
                break;
            case kDetach:
                options.action = Options::Action::Detach;
                break;
            case kResume: {
                const auto value = number(optarg, "--resume");
                if (!value) return fail(value.error());
                options.resume = *value;
                break;
            }
            case kChannel: {
                const auto value = number(optarg, "--channel");
                if (!value) return fail(value.error());
                options.channel = *value;
                break;
            }
            case ':':
                return fail(fmt::format("option '{}' needs a value", argv[optind - 1]));
            default:
                return fail(fmt::format("unknown option '{}'", argv[optind - 1]));
        }
    }
    if (optind < argc) return fail(fmt::format("unexpected word '{}'", argv[optind]));
    // As keepalived: both together are the same as neither.
    if (vrrp_only != check_only) {
        options.vrrp = vrrp_only;
        options.check = check_only;
    }
    const bool one_file =
        options.action == Options::Action::Run || options.action == Options::Action::DumpConfig;
    if (one_file && options.files.size() > 1) return fail("several -f are for -t only");
    if (options.log.target != log::Target::File) {
        if (options.console)
            options.log.target = log::Target::Console;
        else if (no_syslog)
            discard_log(options.log);
        else if (stderr_is_journal())
            options.log.target = log::Target::Journal;
        else
            options.log.target = log::Target::Syslog;
    }
    return options;
}

std::string config_path(const Options& options) {
    if (!options.files.empty()) return options.files.front();
    return ::access(kDefaultConfig, F_OK) == 0 ? kDefaultConfig : kKeepalivedConfig;
}

std::vector<std::string> log_arguments(const log::Options& options) {
    std::vector<std::string> arguments;
    switch (options.target) {
        case log::Target::Console:
            arguments.emplace_back("-l");
            break;
        case log::Target::File:
            arguments.push_back("--log-file=" + options.file);
            break;
        case log::Target::Syslog:
            if (options.facility == LOG_USER)
                arguments.emplace_back("-Suser");
            else if (options.facility >= LOG_LOCAL0)
                arguments.push_back(fmt::format("-S{}", (options.facility - LOG_LOCAL0) >> 3));
            break;
        case log::Target::Journal:
            break;
    }
    if (options.debug) arguments.emplace_back("-D");
    return arguments;
}

}  // namespace vipd::daemon
