// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/service_manager.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <sys/mman.h>

namespace vipd::control {

namespace {

constexpr const char* kChannelName = "vipd-vrrp";
constexpr const char* kStateName = "vipd-resume";
constexpr std::size_t kMaxState = 1U << 20;
constexpr std::uint64_t kBusPatienceUs = 300'000;

constexpr const char* kSystemd = "org.freedesktop.systemd1";

Result<> store(const char* name, int fd) {
    // Whatever is there by that name is of a core or a vrrp process before.
    (void)sd_notify(0, fmt::format("FDSTOREREMOVE=1\nFDNAME={}", name).c_str());
    const int sent =
        sd_pid_notify_with_fds(0, 0, fmt::format("FDSTORE=1\nFDNAME={}", name).c_str(), &fd, 1);
    if (sent < 0) return fail_errno(-sent, "fd store of the service manager");
    return {};
}

bool hung_up(int channel) {
    pollfd ready{channel, 0, 0};
    return ::poll(&ready, 1, 0) > 0 && (ready.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace

FdStore::FdStore() : there_(std::getenv("NOTIFY_SOCKET") != nullptr) {}

Result<> FdStore::keep(const Resume& resume) {
    if (!there_ || resume.vrrp <= 0) return {};
    if (!state_) {
        state_.reset(::memfd_create(kStateName, MFD_CLOEXEC));
        if (!state_) return fail_errno(errno, "memfd");
        if (auto stored = store(kStateName, state_.get()); !stored) return stored;
    }
    const std::string text = encode(resume);
    if (::pwrite(state_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
        ::ftruncate(state_.get(), static_cast<off_t>(text.size())) < 0)
        return fail_errno(errno, "memfd");
    if (resume.vrrp == stored_) return {};
    stored_ = resume.vrrp;
    return store(kChannelName, resume.channel);
}

void FdStore::forget() {
    if (!there_) return;
    for (const char* name : {kChannelName, kStateName})
        (void)sd_notify(0, fmt::format("FDSTOREREMOVE=1\nFDNAME={}", name).c_str());
    state_.reset();
    stored_ = -1;
}

Result<std::optional<Resume>> FdStore::take() {
    char** names = nullptr;
    const int count = sd_listen_fds_with_names(1, &names);
    Fd channel;
    Fd state;
    for (int at = 0; at < count; ++at) {
        Fd fd(SD_LISTEN_FDS_START + at);
        const std::string_view name = names != nullptr ? names[at] : "";
        if (name == kChannelName)
            channel = std::move(fd);
        else if (name == kStateName)
            state = std::move(fd);
    }
    for (int at = 0; at < count && names != nullptr; ++at) std::free(names[at]);
    std::free(static_cast<void*>(names));
    if (!channel || !state || hung_up(channel.get())) return std::optional<Resume>();
    auto text = read_fd(state.get(), kMaxState);
    if (!text) return fail(std::move(text.error()));
    auto resume = decode_resume(*text);
    if (!resume) return fail(std::move(resume.error()));
    resume->channel = channel.release();
    return std::optional<Resume>(std::move(*resume));
}

bool restart_wanted() {
    sd_bus* bus = nullptr;
    if (sd_bus_open_system(&bus) < 0) return false;
    const std::unique_ptr<sd_bus, decltype(&sd_bus_flush_close_unref)> owned(
        bus, sd_bus_flush_close_unref);
    (void)sd_bus_set_method_call_timeout(bus, kBusPatienceUs);
    using Message = std::unique_ptr<sd_bus_message, decltype(&sd_bus_message_unref)>;
    sd_bus_message* raw = nullptr;
    if (sd_bus_call_method(bus,
                           kSystemd,
                           "/org/freedesktop/systemd1",
                           "org.freedesktop.systemd1.Manager",
                           "GetUnitByPID",
                           nullptr,
                           &raw,
                           "u",
                           static_cast<std::uint32_t>(::getpid())) < 0)
        return false;
    const Message unit(raw, sd_bus_message_unref);
    const char* path = nullptr;
    if (sd_bus_message_read(unit.get(), "o", &path) < 0) return false;
    raw = nullptr;
    if (sd_bus_get_property(
            bus, kSystemd, path, "org.freedesktop.systemd1.Unit", "Job", nullptr, &raw, "(uo)") < 0)
        return false;
    const Message job(raw, sd_bus_message_unref);
    std::uint32_t id = 0;
    const char* job_path = nullptr;
    if (sd_bus_message_read(job.get(), "(uo)", &id, &job_path) < 0 || id == 0) return false;
    char* text = nullptr;
    if (sd_bus_get_property_string(
            bus, kSystemd, job_path, "org.freedesktop.systemd1.Job", "JobType", nullptr, &text) < 0)
        return false;
    const std::unique_ptr<char, decltype(&std::free)> type(text, std::free);
    return std::string_view(type.get()) == "restart";
}

}  // namespace vipd::control
