// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/log.hpp"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <syslog.h>

#include <cstdio>
#include <mutex>
#include <optional>

namespace vipd::log {

namespace {

constexpr std::size_t kMaxKeys = 1024;

// journald takes "<N>" before a stderr line as its priority (sd-daemon(3)).
class JournalSink final : public spdlog::sinks::base_sink<std::mutex> {
  protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        static constexpr int kPriority[] = {
            LOG_DEBUG, LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERR, LOG_CRIT, LOG_INFO};
        std::fprintf(stderr,
                     "<%d>%.*s\n",
                     kPriority[message.level],
                     static_cast<int>(message.payload.size()),
                     message.payload.data());
    }
    void flush_() override { std::fflush(stderr); }
};

spdlog::sink_ptr make_sink(const Options& options) {
    switch (options.target) {
        case Target::Journal:
            return std::make_shared<JournalSink>();
        case Target::Syslog: {
            const int facility = options.facility >= 0 ? options.facility : LOG_DAEMON;
            auto sink = std::make_shared<spdlog::sinks::syslog_sink_mt>(
                options.ident, LOG_PID, facility, false);
            return sink;
        }
        case Target::File:
            return std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file);
        case Target::Console:
            break;
    }
    return std::make_shared<spdlog::sinks::stderr_sink_mt>();
}

}  // namespace

void setup(const Options& options) {
    auto logger = std::make_shared<spdlog::logger>(options.ident, make_sink(options));
    if (options.target == Target::Console || options.target == Target::File)
        logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %n[%P] %l: %v");
    logger->set_level(options.debug ? spdlog::level::debug : spdlog::level::info);
    logger->flush_on(spdlog::level::info);
    spdlog::set_default_logger(std::move(logger));
}

std::optional<std::uint64_t> RateLimit::allow(const std::string& key, TimePoint now) {
    const bool room = entries_.size() < kMaxKeys || entries_.contains(key);
    auto [entry, fresh] = entries_.try_emplace(room ? key : std::string(), Entry{now, 0});
    if (fresh) return 0;
    if (now - entry->second.last < interval_) {
        ++entry->second.held;
        return std::nullopt;
    }
    entry->second.last = now;
    return std::exchange(entry->second.held, 0);
}

}  // namespace vipd::log
