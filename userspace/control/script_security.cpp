// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/script_security.hpp"

#include "userspace/control/script_runner.hpp"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <sys/stat.h>
#include <vector>

namespace vipd::control {

namespace {

constexpr int kMaxLinks = 40;  // as the kernel

std::optional<uid_t> uid_of(std::string_view name) {
    std::array<char, 16384> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwnam_r(std::string(name).c_str(), &entry, buffer.data(), buffer.size(), &found) !=
            0 ||
        found == nullptr)
        return std::nullopt;
    return entry.pw_uid;
}

bool others_may_change(const struct stat& info) {
    if (info.st_uid != 0) return true;
    if (S_ISLNK(info.st_mode)) return false;
    if (S_ISDIR(info.st_mode) && (info.st_mode & S_ISVTX) != 0) return false;
    return (info.st_mode & S_IWOTH) != 0 || (info.st_gid != 0 && (info.st_mode & S_IWGRP) != 0);
}

// The names of `path` in reverse: the next one to look at is the last.
void push_names(std::vector<std::filesystem::path>& names, const std::filesystem::path& path) {
    const std::filesystem::path relative = path.relative_path();
    const std::vector<std::filesystem::path> parts(relative.begin(), relative.end());
    names.insert(names.end(), parts.rbegin(), parts.rend());
}

}  // namespace

bool user_exists(std::string_view name) {
    return uid_of(name).has_value();
}

std::optional<std::string> insecure_path(const std::string& path) {
    std::error_code error;
    const std::filesystem::path absolute = std::filesystem::absolute(path, error);
    if (error) return error.message();
    std::vector<std::filesystem::path> names;
    push_names(names, absolute);
    names.emplace_back("/");
    std::filesystem::path here;
    int links = 0;
    while (!names.empty()) {
        const std::filesystem::path name = std::move(names.back());
        names.pop_back();
        if (name.empty() || name == ".") continue;
        if (name == "..") {
            here = here.parent_path();
            continue;
        }
        const std::filesystem::path next = here / name;
        struct stat info{};
        if (::lstat(next.c_str(), &info) < 0)
            return fmt::format("{} cannot be looked at", next.string());
        if (others_may_change(info))
            return fmt::format("others than root may change {}", next.string());
        if (!S_ISLNK(info.st_mode)) {
            here = next;
            continue;
        }
        const std::filesystem::path target = std::filesystem::read_symlink(next, error);
        if (error || ++links > kMaxLinks)
            return fmt::format("{} cannot be followed", next.string());
        push_names(names, target);
        if (target.is_absolute()) here = "/";
    }
    return std::nullopt;
}

std::optional<std::string> script_insecure(const config::Script& script) {
    const bool as_root = script.user.empty() ? ::geteuid() == 0 : uid_of(script.user) == uid_t{0};
    if (!as_root || script.argv.empty()) return std::nullopt;
    const auto program = find_program(script.argv.front());
    if (!program) return program.error().message;
    return insecure_path(*program);
}

}  // namespace vipd::control
