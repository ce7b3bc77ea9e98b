// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/load_config.hpp"

#include "userspace/base/fd.hpp"
#include "userspace/control/script_runner.hpp"
#include "userspace/control/script_security.hpp"

#include <unistd.h>

#include <array>
#include <net/if.h>
#include <set>
#include <sys/stat.h>

namespace vipd::control {

namespace {

bool is_executable_file(const std::string& path) {
    struct stat info{};
    return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && (info.st_mode & 0111) != 0;
}

std::optional<std::string> problem_of(const config::Script& script) {
    if (script.argv.empty()) return "empty";
    if (!script.user.empty() && !user_exists(script.user)) return "no such user: " + script.user;
    const std::string& program = script.argv.front();
    if (program.find('/') == std::string::npos) {
        if (!find_program(program)) return "not found in PATH";
        return std::nullopt;
    }
    struct stat info{};
    if (::stat(program.c_str(), &info) < 0) return "not found";
    if (!is_executable_file(program)) return "not executable";
    return std::nullopt;
}

}  // namespace

config::Environment host_environment(const std::string& config_id) {
    config::Environment environment;
    environment.interface_exists = [](std::string_view name) {
        return ::if_nametoindex(std::string(name).c_str()) != 0;
    };
    environment.user_exists = user_exists;
    environment.script_problem = problem_of;
    environment.script_insecure = script_insecure;
    std::array<char, 256> hostname{};
    if (::gethostname(hostname.data(), hostname.size() - 1) == 0)
        environment.hostname = hostname.data();
    environment.config_id = config_id.empty()
                                ? environment.hostname.substr(0, environment.hostname.find('.'))
                                : config_id;
    return environment;
}

Result<LoadedConfig> load_config(const std::string& path, const std::string& config_id) {
    auto text = read_file(path, kMaxConfigBytes);
    if (!text) return fail(std::move(text.error()).in("configuration"));
    auto parsed = config::parse(*text, path, host_environment(config_id));
    return LoadedConfig{path, std::move(*text), std::move(parsed)};
}

std::vector<config::Diagnostic> new_errors(const config::Parsed& before,
                                           const config::Parsed& now) {
    std::multiset<std::string> known;
    for (const auto& diagnostic : before.diagnostics) known.insert(diagnostic.message);
    std::vector<config::Diagnostic> fresh;
    for (const auto& diagnostic : now.diagnostics) {
        if (diagnostic.severity == config::Severity::Warning) continue;
        if (const auto same = known.find(diagnostic.message); same != known.end())
            known.erase(same);
        else
            fresh.push_back(diagnostic);
    }
    return fresh;
}

}  // namespace vipd::control
