// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/load_config.hpp"

#include "userspace/base/fd.hpp"
#include "userspace/control/script_runner.hpp"
#include "userspace/control/script_security.hpp"
#include "userspace/net/nl_links.hpp"

#include <fmt/format.h>
#include <glob.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <net/if.h>
#include <random>
#include <set>
#include <sys/stat.h>

namespace vipd::control {

namespace {

constexpr std::size_t kMaxAlternatives = 1000;
constexpr std::size_t kMaxKeyFile = 4096;

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

std::string directory_of(const std::string& path) {
    std::error_code failed;
    const auto absolute = std::filesystem::absolute(path, failed);
    return failed ? std::string() : absolute.parent_path().string();
}

/// As keepalived: only regular files, and none that is executable (a script beside them).
config::IncludedFile included_file(const std::string& path) {
    config::IncludedFile file{path, {}, {}};
    struct stat info{};
    if (::stat(path.c_str(), &info) < 0)
        file.problem = std::strerror(errno);
    else if (!S_ISREG(info.st_mode))
        file.problem = "not a regular file";
    else if ((info.st_mode & 0111) != 0)
        file.problem = "it is executable";
    if (!file.problem.empty()) return file;
    auto text = read_file(path, kMaxConfigBytes);
    if (text)
        file.text = std::move(*text);
    else
        file.problem = text.error().message;
    return file;
}

config::KeyFile key_file(const std::string& path) {
    config::KeyFile file;
    struct stat info{};
    if (::stat(path.c_str(), &info) < 0)
        file.problem = std::strerror(errno);
    else if (!S_ISREG(info.st_mode))
        file.problem = "not a regular file";
    if (!file.problem.empty()) return file;
    file.open_to_all = (info.st_mode & (S_IRGRP | S_IROTH)) != 0;
    auto text = read_file(path, kMaxKeyFile);
    if (text)
        file.text = std::move(*text);
    else
        file.problem = text.error().message;
    return file;
}

/// Empty: the kernel cannot be asked.
std::function<std::optional<config::Way>(const IpAddress&)> way_finder() {
    auto opened = net::open_links();
    if (!opened) return {};
    struct Kernel {
        std::unique_ptr<Links> links;
        std::map<int, std::uint32_t> mtus;  // filled by the first question
    };
    const auto kernel = std::make_shared<Kernel>(std::move(*opened));
    return [kernel](const IpAddress& address) -> std::optional<config::Way> {
        const auto route = kernel->links->route_to(address);
        if (!route) return std::nullopt;
        if (kernel->mtus.empty())
            if (const auto all = kernel->links->links())
                for (const auto& link : *all) kernel->mtus.emplace(link.index, link.mtu);
        const std::uint32_t link = kernel->mtus[route->ifindex];
        return config::Way{.local = route->local,
                           .gateway = route->next_hop != address,
                           .mtu = route->mtu != 0 ? std::min(route->mtu, link) : link};
    };
}

/// The alternatives of the first {a,b} of a pattern; the pattern itself if it has none.
std::vector<std::string> alternatives(const std::string& pattern) {
    const std::size_t open = pattern.find('{');
    const std::size_t close = pattern.find('}', open == std::string::npos ? 0 : open);
    if (open == std::string::npos || close == std::string::npos) return {pattern};
    std::vector<std::string> all;
    std::size_t begin = open + 1;
    for (std::size_t at = begin; at <= close; ++at) {
        if (pattern[at] != ',' && at != close) continue;
        for (auto& rest : alternatives(pattern.substr(0, open) + pattern.substr(begin, at - begin) +
                                       pattern.substr(close + 1)))
            if (all.size() < kMaxAlternatives) all.push_back(std::move(rest));
        begin = at + 1;
    }
    return all;
}

config::IncludeAnswer included_files(const std::string& pattern, const std::string& directory) {
    config::IncludeAnswer answer;
    answer.wildcards = pattern.find_first_of("*?[") != std::string::npos;
    for (const auto& one : alternatives(pattern)) {
        const std::string path = one.starts_with('/') ? one : fmt::format("{}/{}", directory, one);
        glob_t found{};
        if (::glob(path.c_str(), 0, nullptr, &found) == 0)
            for (std::size_t at = 0; at < found.gl_pathc; ++at)
                answer.files.push_back(included_file(found.gl_pathv[at]));
        else
            answer.unmatched.push_back(one);
        ::globfree(&found);
    }
    return answer;
}

}  // namespace

config::Environment host_environment(const std::string& config_id) {
    config::Environment environment;
    environment.interface_exists = [](std::string_view name) {
        return ::if_nametoindex(std::string(name).c_str()) != 0;
    };
    environment.way_to = way_finder();
    environment.user_exists = user_exists;
    environment.script_problem = problem_of;
    environment.script_insecure = script_insecure;
    environment.sources.include = included_files;
    environment.sources.variable = [](const std::string& name) -> std::optional<std::string> {
        const char* value = ::secure_getenv(name.c_str());
        return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
    };
    environment.sources.key_file = key_file;
    environment.sources.seed = std::random_device()();
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
    config::Record record(std::move(*text));
    auto environment = host_environment(config_id);
    environment.sources.directory = directory_of(path);
    environment.sources = record.listen(std::move(environment.sources));
    auto parsed = config::parse(record.text(), path, environment);
    return LoadedConfig{path, record.encode(), std::move(parsed)};
}

std::vector<config::Diagnostic> new_diagnostics(const config::Parsed& before,
                                                const config::Parsed& now) {
    std::multiset<std::string> known;
    for (const auto& diagnostic : before.diagnostics) known.insert(diagnostic.message);
    std::vector<config::Diagnostic> fresh;
    for (const auto& diagnostic : now.diagnostics) {
        if (const auto same = known.find(diagnostic.message); same != known.end())
            known.erase(same);
        else
            fresh.push_back(diagnostic);
    }
    return fresh;
}

std::vector<config::Diagnostic> new_errors(const config::Parsed& before,
                                           const config::Parsed& now) {
    auto fresh = new_diagnostics(before, now);
    std::erase_if(fresh, [](const config::Diagnostic& diagnostic) {
        return diagnostic.severity == config::Severity::Warning;
    });
    return fresh;
}

}  // namespace vipd::control
