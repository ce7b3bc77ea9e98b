// SPDX-License-Identifier: Apache-2.0
#include "userspace/daemon/dumps.hpp"

#include "userspace/base/fd.hpp"
#include "userspace/base/log.hpp"
#include "userspace/base/replace_file.hpp"

#include <fmt/format.h>

#include <cstdlib>

namespace vipd::daemon {

namespace {

constexpr unsigned kPrivate = 0600;

void write(const std::string& path, const std::string& text) {
    if (auto written = replace_file(path, text, kPrivate))
        spdlog::info("Written {}", path);
    else
        spdlog::error("Not written: {}", written.error().message);
}

}  // namespace

std::string Dumps::path(const char* name, const char* suffix, const std::string& configured) const {
    if (!configured.empty()) return configured;
    const char* folder = std::getenv("TMPDIR");
    const auto& config = core_.config();
    const bool by_instance = *config.global.data_use_instance && !config.instance_name.empty();
    return fmt::format("{}/{}{}{}",
                       folder != nullptr && *folder != '\0' ? folder : "/tmp",
                       name,
                       by_instance ? "_" + config.instance_name : "",
                       suffix);
}

std::string Dumps::text() {
    return keepalived_data(core_.config(), core_.status());
}

void Dumps::data() {
    const auto& config = core_.config();
    write(path("keepalived", ".data", *config.global.state_dump_file), text());
    if (!config.virtual_servers.empty())
        write(path("keepalived_check", ".data", ""), keepalived_check_data(config, core_.status()));
}

void Dumps::stats(bool clear) {
    const auto status = core_.status();
    write(path("keepalived", ".stats", *core_.config().global.stats_dump_file),
          keepalived_stats(status, base_));
    if (clear) base_ = counter_base(status);
}

void Dumps::json() {
    write(path("keepalived", ".json", *core_.config().global.json_dump_file),
          keepalived_json(core_.config(), core_.status(), base_));
}

}  // namespace vipd::daemon
