// SPDX-License-Identifier: Apache-2.0
// vipd: the daemon's entry. Core, or (started by core) one of its role processes.
#include "userspace/daemon/check_role.hpp"
#include "userspace/daemon/genhash.hpp"
#include "userspace/daemon/mail_role.hpp"
#include "userspace/daemon/options.hpp"
#include "userspace/daemon/run.hpp"
#include "userspace/daemon/vrrp_role.hpp"

#include <vipd/abi/base.h>

#include <fmt/format.h>

#include <cstdio>
#include <string_view>
#include <sys/prctl.h>

int main(int argc, char** argv) {
    using namespace vipd;
    using namespace vipd::daemon;
    // For the vipd before this one, which asks whether it can go over to it.
    if (argc == 2 && std::string_view(argv[1]) == "--abi") {
        fmt::print("{}\n", VIPD_ABI_VERSION);
        return kExitOk;
    }
    const std::string_view called(argv[0]);
    if (called.substr(called.rfind('/') + 1) == "genhash") return genhash(argc, argv);
    if (argc > 1 && (std::string_view(argv[1]) == "-T" || std::string_view(argv[1]) == "--genhash"))
        return genhash(argc - 1, argv + 1);
    auto options = parse_options(argc, argv);
    if (!options) {
        fmt::print(stderr, "vipd: {}; see vipd --help\n", options.error().message);
        return kExitFatal;
    }
    if (!options->role.empty()) {
        // As keepalived names its processes, so that ps and pkill show who is who.
        const std::string name = "vipd_" + options->role;
        ::prctl(PR_SET_NAME, name.c_str());
        options->log.ident = name;
        log::setup(options->log);
        if (options->role == "vrrp")
            return run_vrrp_role(Fd(options->channel), options->log, options->keep_vips);
        if (options->role == "mail") return run_mail_role(Fd(options->channel), options->log);
        if (options->role == "check") return run_check_role(Fd(options->channel), options->log);
        spdlog::error("unknown role {}", options->role);
        return kExitFatal;
    }
    switch (options->action) {
        case Options::Action::Version:
            fmt::print("vipd {}\n", VIPD_VERSION);
            return kExitOk;
        case Options::Action::Help:
            fmt::print("{}", usage());
            return kExitOk;
        case Options::Action::Signum: {
            const auto number = signal_number(options->signal_name);
            if (number)
                fmt::print("{}\n", *number);
            else
                fmt::print(stderr, "Unknown sigfunc {}\n", options->signal_name);
            return number ? kExitOk : kExitFatal;
        }
        case Options::Action::Test:
            return test_configuration(*options);
        case Options::Action::DumpConfig:
            return dump_configuration(*options);
        case Options::Action::Detach:
            return detach(*options);
        case Options::Action::Run:
            return run_core(*options);
    }
    return kExitFatal;
}
