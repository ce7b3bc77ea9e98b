// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/checkpoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <string_view>

namespace vipd::control {

namespace {

/// Slots of the table read in one turn: about a millisecond.
constexpr std::uint64_t kSlotsPerStep = 16 * 1024;
constexpr Nanos kStep = Millis(5);

sync::WallTime wall_time() {
    return std::chrono::duration_cast<sync::WallTime>(
        std::chrono::system_clock::now().time_since_epoch());
}

}  // namespace

std::string default_checkpoint_path(const std::string& instance) {
    const char* given = std::getenv("STATE_DIRECTORY");
    if (given == nullptr || *given == '\0') return {};
    const std::string_view all(given);
    return fmt::format(
        "{}/flows{}{}", all.substr(0, all.find(':')), instance.empty() ? "" : "-", instance);
}

Result<> Checkpoint::configure(const Settings& settings) {
    const bool same = settings.path == settings_.path && settings.interval == settings_.interval;
    settings_ = settings;
    status_.path = settings.path;
    if (same) return {};
    writer_.reset();
    steps_.reset();
    timer_.reset();
    status_.problem.clear();
    if (settings_.path.empty()) return {};
    auto timer = loop_.every(settings_.interval, [this](TimePoint) { begin(); });
    if (!timer) return fail(std::move(timer.error()).in("checkpoint"));
    timer_ = std::move(*timer);
    return {};
}

void Checkpoint::restore() {
    if (settings_.path.empty()) return;
    dataplane::Dataplane::StoreResult result;
    std::uint64_t expired = 0;
    const auto content = sync::read_checkpoint(
        settings_.path,
        settings_.node_id,
        [&](sync::WallTime saved_at, std::span<const dataplane::Flow> flows) {
            // A clock that has been set back meanwhile must not make them younger.
            const auto passed = std::max(wall_time() - saved_at, sync::WallTime(0));
            std::vector<dataplane::Flow> live;
            for (dataplane::Flow flow : flows) {
                flow.idle += passed;
                const auto service = plane_.model().find({flow.vip, flow.protocol});
                if (service != plane_.model().end()) {
                    const Seconds lifetime =
                        flow.is_template
                            ? dataplane::template_lifetime(service->second)
                            : dataplane::flow_lifetime(service->second, flow.protocol, flow.state);
                    if (flow.idle > lifetime) {
                        ++expired;
                        continue;
                    }
                }
                live.push_back(flow);
            }
            const auto part = plane_.store_flows(live);
            result.stored += part.stored;
            result.unknown += part.unknown;
            result.full += part.full;
        });
    if (!content) {
        if (content.error().errnum == ENOENT) return;
        status_.problem = content.error().message;
        say_(true, "checkpoint refused, beginning without: " + status_.problem);
        return;
    }
    status_.restored = result.stored;
    say_(
        false,
        fmt::format("Restored {} of {} connections from {} ({} have expired, {} have no service or "
                    "real server any more, {} found no room)",
                    result.stored,
                    content->count,
                    settings_.path,
                    expired,
                    result.unknown,
                    result.full));
}

void Checkpoint::begin() {
    if (writer_) return;  // the one before is not through yet
    auto writer = sync::CheckpointWriter::open(settings_.path, settings_.node_id, wall_time());
    if (!writer) return failed(writer.error());
    auto steps = loop_.every(kStep, [this](TimePoint) { step(); }, EventLoop::Priority::Low);
    if (!steps) return failed(steps.error());
    writer_.emplace(std::move(*writer));
    steps_ = std::move(*steps);
    cursor_ = 0;
}

void Checkpoint::step() {
    Result<> done;
    cursor_ = plane_.scan_flows(cursor_, kSlotsPerStep, [&](const dataplane::Flow& flow) {
        if (done && !flow.one_packet) done = writer_->add(flow);
    });
    if (done && cursor_ != 0) return;
    if (done) done = writer_->commit(false);
    const auto flows = writer_->count();
    writer_.reset();
    const auto ended = std::move(steps_);
    if (done)
        saved(flows);
    else
        failed(done.error());
}

void Checkpoint::save() {
    if (settings_.path.empty()) return;
    writer_.reset();
    steps_.reset();
    timer_.reset();
    auto writer = sync::CheckpointWriter::open(settings_.path, settings_.node_id, wall_time());
    if (!writer) return failed(writer.error());
    Result<> done;
    plane_.for_each_flow([&](const dataplane::Flow& flow) {
        if (!flow.one_packet) done = writer->add(flow);
        return static_cast<bool>(done);
    });
    if (done) done = writer->commit(true);
    if (!done) return failed(done.error());
    saved(writer->count());
}

void Checkpoint::failed(const Error& error) {
    ++status_.failures;
    if (status_.problem != error.message)
        say_(true, "checkpoint not written, the one before stays: " + error.message);
    status_.problem = error.message;
}

void Checkpoint::saved(std::uint64_t flows) {
    if (!status_.problem.empty()) say_(false, "checkpoint written again");
    status_.problem.clear();
    status_.saved = std::time(nullptr);
    status_.flows = flows;
}

CheckpointStatus Checkpoint::status() const {
    return status_;
}

}  // namespace vipd::control
