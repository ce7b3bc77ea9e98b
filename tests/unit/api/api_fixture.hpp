// SPDX-License-Identifier: Apache-2.0
// A served API: a fake core on a real event loop in a thread of its own, and raw clients.
#pragma once

#include "tests/unit/api/sample_status.hpp"
#include "userspace/api/server.hpp"
#include "userspace/base/fd.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <future>
#include <string>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <utility>
#include <vector>

namespace vipd::api {

class FakeBackend final : public control::Backend {
  public:
    control::Status status() override {
        note_thread();
        ++status_calls;
        return sample_status();
    }
    Result<> reload(std::optional<Seconds> confirm_within) override {
        note_thread();
        ++reload_calls;
        reload_confirm = confirm_within;
        if (!reload_error.empty()) return fail(reload_error);
        return {};
    }
    Result<> confirm_reload() override {
        note_thread();
        if (!reload_confirm) return fail("no reload waits to be confirmed");
        reload_confirm.reset();
        return {};
    }
    Result<control::ReloadPlan> plan_reload() const override {
        note_thread();
        if (!reload_error.empty()) return fail(reload_error);
        control::ReloadPlan plan;
        plan.steps = {{control::ReloadPlan::What::Change,
                       "virtual_server",
                       "192.0.2.1:80/TCP",
                       {"weight of 10.0.0.1:80: 1 -> 2"},
                       0.25}};
        plan.open_connections = 7;
        return plan;
    }
    Result<std::string> drain(const control::DrainTarget& target, Millis limit) override {
        drained.emplace_back(target, limit);
        return std::string("draining it");
    }
    Result<std::string> upgrade() override { return fail("vipd is starting or stopping"); }
    Result<std::string> undrain(const control::DrainTarget& target) override {
        return fail(target.node() ? "node is not being drained" : "not being drained");
    }
    Result<std::string> handover(const std::string& instance, Millis hold) override {
        note_thread();
        handovers.emplace_back(instance, hold);
        if (instance == "VI_NONE") return fail("no such VRRP instance: VI_NONE");
        return "handing over " + instance;
    }
    Result<> change(const control::LiveCommand& command) override {
        note_thread();
        changes.push_back(command);
        if (command.scheduler == "nosuch") return fail("Scheduler or persistence engine not found");
        return {};
    }
    std::uint64_t scan_flows(
        std::uint64_t cursor,
        std::uint64_t slots,
        const std::function<void(const dataplane::Flow&)>& visit) const override {
        note_thread();
        ++scan_calls;
        const auto end = std::min<std::uint64_t>(cursor + slots, flow_count);
        for (auto i = cursor; i < end; ++i) visit(sample_flow(static_cast<std::uint16_t>(i)));
        return end == flow_count ? 0 : end;
    }

    std::optional<Seconds> reload_confirm;
    std::string reload_error;
    std::atomic<int> status_calls = 0;
    std::atomic<int> reload_calls = 0;
    mutable std::atomic<int> scan_calls = 0;
    std::vector<std::pair<std::string, Millis>> handovers;
    std::vector<std::pair<control::DrainTarget, Millis>> drained;
    std::vector<control::LiveCommand> changes;
    std::uint32_t flow_count = 0;
    std::thread::id loop_thread;
    mutable std::atomic<bool> wrong_thread = false;

  private:
    void note_thread() const {
        if (std::this_thread::get_id() != loop_thread) wrong_thread = true;
    }
};

/// A folder that goes with its contents.
class TempFolder {
  public:
    TempFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "vipd-api-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) std::abort();
        path_ = name;
    }
    ~TempFolder() { std::filesystem::remove_all(path_); }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    std::string path(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

/// The core's side: backend, loop and server in one thread.
class RunningApi {
  public:
    explicit RunningApi(Options options) {
        wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        std::promise<Result<>> started;
        auto result = started.get_future();
        thread_ = std::thread([this, options = std::move(options), &started]() mutable {
            run(std::move(options), started);
        });
        start_result = result.get();
    }
    ~RunningApi() { stop(); }
    RunningApi(const RunningApi&) = delete;
    RunningApi& operator=(const RunningApi&) = delete;

    /// Ends the server and the loop; returns when all threads have ended.
    void stop() {
        if (!thread_.joinable()) return;
        release();
        wake();
        thread_.join();
    }
    /// Has the loop busy until release(); returns when it is.
    void block() {
        auto busy = busy_.get_future();
        blocking_ = true;
        wake();
        busy.wait();
    }
    void release() {
        if (blocking_.exchange(false)) free_.set_value();
    }
    /// Has the loop busy, and the server ended by it as soon as it is free again.
    void wake() {
        const std::uint64_t one = 1;
        (void)!::write(wake_.get(), &one, sizeof one);
    }

    Result<> start_result;
    FakeBackend backend;
    std::uint16_t port = 0;

  private:
    void run(Options options, std::promise<Result<>>& started) {
        auto loop = EventLoop::create().value();
        backend.loop_thread = std::this_thread::get_id();
        auto server = Server::start(loop, backend, std::move(options));
        if (!server) return started.set_value(fail(server.error()));
        port = (*server)->port();
        auto source = loop.io(wake_.get(), EPOLLIN, [&](std::uint32_t) {
            std::uint64_t count = 0;
            (void)!::read(wake_.get(), &count, sizeof count);
            if (!blocking_) return loop.exit(0);
            busy_.set_value();
            free_.get_future().wait();
        });
        started.set_value({});
        (void)loop.run();
        server->reset();
    }

    Fd wake_;
    std::atomic<bool> blocking_ = false;
    std::promise<void> busy_, free_;
    std::thread thread_;
};

inline Fd connect_to(const std::string& socket) {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket.c_str(), sizeof address.sun_path - 1);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
        return {};
    return fd;
}

inline bool send_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t count = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
        if (count <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

/// All that comes until the other side closes.
inline std::string receive_all(int fd) {
    std::string text;
    char buffer[65536];
    for (ssize_t count = 0; (count = ::recv(fd, buffer, sizeof buffer, 0)) > 0;)
        text.append(buffer, static_cast<std::size_t>(count));
    return text;
}

struct Response {
    int status = 0;  ///< 0: none came
    std::string head;
    std::string body;
};

inline Response parse_response(const std::string& text) {
    Response response;
    const auto end = text.find("\r\n\r\n");
    if (!text.starts_with("HTTP/1.1 ") || end == std::string::npos) return response;
    response.status = std::stoi(text.substr(9, 3));
    response.head = text.substr(0, end + 2);
    response.body = text.substr(end + 4);
    return response;
}

/// Sends `request` as it is and takes the answer.
inline Response roundtrip(const std::string& socket, std::string_view request) {
    const Fd fd = connect_to(socket);
    if (!fd) return {};
    send_all(fd.get(), request);
    return parse_response(receive_all(fd.get()));
}

inline Response get(const std::string& socket, const std::string& target) {
    return roundtrip(socket, "GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n");
}

inline Response post(const std::string& socket,
                     const std::string& target,
                     const std::string& body = {}) {
    return roundtrip(socket,
                     "POST " + target + " HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                         std::to_string(body.size()) + "\r\n\r\n" + body);
}

}  // namespace vipd::api
