// SPDX-License-Identifier: Apache-2.0
// The check process as core sees it: a child, a channel, a configuration; and what it gave away.
#include "userspace/daemon/check_role.hpp"

#include "tests/unit/check/server.hpp"
#include "userspace/base/channel.hpp"
#include "userspace/base/event_loop.hpp"
#include "userspace/daemon/sandbox.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <functional>
#include <linux/netlink.h>
#include <memory>
#include <optional>
#include <string>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <vector>

namespace vipd::daemon {
namespace {

using namespace std::chrono_literals;

// Runs `body` in a child; its exit status, 128 + n for signal n.
int in_child(const std::function<int()>& body) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(body());
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// 0, or the number of the first statement that does not hold.
class Claims {
  public:
    void claim(bool holds) {
        ++count_;
        if (!holds && failed_ == 0) failed_ = count_;
    }
    int failed() const { return failed_; }

  private:
    int count_ = 0;
    int failed_ = 0;
};

bool refused(long result) {
    return result < 0 && errno == EPERM;
}

TEST(CheckSandbox, GivesAwayUserAndCapabilities) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to have something to give away";
    const int failed = in_child([] {
        Claims claims;
        const auto user = drop_privileges();
        claims.claim(user.has_value());                                // 1
        claims.claim(user && (*user == "vipd" || *user == "nobody"));  // 2
        claims.claim(::getuid() != 0 && ::geteuid() != 0);             // 3
        claims.claim(::getgid() != 0 && ::getegid() != 0);             // 4
        claims.claim(::getgroups(0, nullptr) == 0);                    // 5
        claims.claim(refused(::setuid(0)));                            // 6
        const std::unique_ptr<void, int (*)(void*)> caps(cap_get_proc(), cap_free);
        const std::unique_ptr<void, int (*)(void*)> none(cap_init(), cap_free);
        claims.claim(cap_compare(static_cast<cap_t>(caps.get()),
                                 static_cast<cap_t>(none.get())) == 0);  // 7
        claims.claim(cap_get_bound(CAP_NET_ADMIN) == 0);                 // 8
        claims.claim(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);     // 9
#if !defined(__SANITIZE_ADDRESS__)
        claims.claim(::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);  // 10
#endif
        return claims.failed();
    });
    EXPECT_EQ(failed, 0) << "statement " << failed;
}

TEST(CheckSandbox, ForbidsWhatACheckerNeverNeeds) {
    const int failed = in_child([] {
        Claims claims;
        claims.claim(drop_privileges().has_value());      // 1
        claims.claim(forbid_system_calls().has_value());  // 2
        claims.claim(::prctl(PR_GET_SECCOMP) == 2);       // 3
        char name[] = "/bin/true";
        char* argv[] = {name, nullptr};
        claims.claim(refused(::execv(name, argv)));                                  // 4
        claims.claim(refused(::syscall(SYS_execveat, -1, name, argv, argv, 0)));     // 5
        claims.claim(refused(::unshare(CLONE_NEWUSER)));                             // 6
        claims.claim(refused(::syscall(SYS_bpf, 0, nullptr, 0)));                    // 7
        claims.claim(refused(::syscall(SYS_mount, "", "/", "", 0, nullptr)));        // 8
        claims.claim(refused(::socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)));        // 9
        claims.claim(refused(::socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE)));      // 10
        claims.claim(refused(::socket(AF_PACKET, SOCK_DGRAM, 0)));                   // 11
        claims.claim(refused(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1)));        // 12
        claims.claim(refused(::socket(AF_VSOCK, SOCK_STREAM, 0)));                   // 13
        claims.claim(refused(::kill(::getppid(), 0)));                               // 14
        claims.claim(refused(::syscall(SYS_setns, 0, 0)));                           // 15
        claims.claim(refused(::syscall(SYS_open_by_handle_at, 0, nullptr, 0)));      // 16
        claims.claim(refused(::syscall(SYS_io_uring_setup, 1, nullptr)));            // 17
        claims.claim(refused(::syscall(SYS_perf_event_open, nullptr, 0, 0, 0, 0)));  // 18
#if !defined(__SANITIZE_ADDRESS__)
        claims.claim(refused(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)));  // 19
        claims.claim(refused(::fork()));                                       // 20
        // There is no such process: only the filter says EPERM.
        constexpr pid_t kNobody = 0x7ffffffe;
        claims.claim(refused(::syscall(SYS_tgkill, kNobody, kNobody, 0)));  // 21
#endif
        // What it does need goes on working.
        const int tcp = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        claims.claim(tcp >= 0);
        claims.claim(::socket(AF_INET6, SOCK_STREAM, 0) >= 0 || errno != EPERM);
        claims.claim(::socket(AF_UNIX, SOCK_DGRAM, 0) >= 0);
        claims.claim(refused(::listen(tcp, 1)));
        claims.claim(::syscall(SYS_tgkill, ::getpid(), ::gettid(), 0) == 0);
        return claims.failed();
    });
    EXPECT_EQ(failed, 0) << "statement " << failed;
}

TEST(CheckSandbox, AbortStillEndsIt) {
    const int status = in_child([] {
        if (!drop_privileges() || !forbid_system_calls()) return 1;
        ::abort();
    });
    EXPECT_EQ(status, 128 + SIGABRT);
}

TEST(CheckSandbox, ThreadsCanStillBeMade) {
    const int failed = in_child([] {
        if (!drop_privileges() || !forbid_system_calls()) return 1;
        int made = 0;
        std::thread([&] { made = 1; }).join();
        return made == 1 ? 0 : 2;
    });
    EXPECT_EQ(failed, 0) << "statement " << failed;
}

// Core's side of a check process.
class CheckRoleTest : public testing::Test {
  protected:
    void SetUp() override {
        auto ends = ipc::make_pair();
        ASSERT_TRUE(ends);
        auto& [ours, theirs] = *ends;
        pid_ = ::fork();
        if (pid_ == 0) {
            ours.reset();
            log::Options options;
            options.target = log::Target::File;
            options.file = log_path_;
            ::_exit(run_check_role(std::move(theirs), options));
        }
        theirs.reset();
        channel_ = ipc::Channel::open(
                       loop_,
                       std::move(ours),
                       [this](ipc::Message m, Fd) { got_.push_back(std::move(m)); },
                       [this] { closed_ = true; })
                       .value();
    }
    void TearDown() override {
        channel_.reset();
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
        ::unlink(log_path_.c_str());
    }

    std::string log() const {
        std::ifstream file(log_path_);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    void configure(const std::string& text, std::uint32_t generation = 1) {
        auto memfd = make_sealed_memfd("test.conf", text).value();
        ASSERT_TRUE(channel_->send(ipc::Configure{generation, "test.conf", ""}, memfd.get()));
    }
    // The next message of this kind that `fits`; the ones before it are let go.
    template <class T>
    std::optional<T> wait_for(const std::function<bool(const T&)>& fits = [](auto&) {
        return true;
    }) {
        const auto end = std::chrono::steady_clock::now() + 20s;
        while (std::chrono::steady_clock::now() < end) {
            while (!got_.empty()) {
                const auto message = got_.front();
                got_.erase(got_.begin());
                const auto* one = std::get_if<T>(&message);
                if (one != nullptr && fits(*one)) return *one;
            }
            if (closed_) break;
            (void)sd_event_run(loop_.native(), 100'000);
        }
        return std::nullopt;
    }
    int exit_status() {
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    static std::string real(const Endpoint& endpoint, const std::string& checker) {
        return "  real_server " + endpoint.address.to_string() + " " +
               std::to_string(endpoint.port) + " {\n" + checker + "\n  }\n";
    }
    static std::string service(const std::string& reals) {
        return "virtual_server 10.0.0.100 80 {\n  lvs_sched rr\n  lvs_method NAT\n  protocol TCP\n"
               "  delay_loop 1\n" +
               reals + "}\n";
    }
    static constexpr const char* kTcp =
        "    TCP_CHECK {\n      connect_timeout 2\n      warmup 0\n      retry 0\n    }";
    static constexpr const char* kMisc =
        "    MISC_CHECK {\n      misc_path \"/check me\"\n      misc_timeout 3\n"
        "      misc_dynamic\n      warmup 0\n    }";

    EventLoop loop_ = EventLoop::create().value();
    const std::string log_path_ =
        "/tmp/vipd_check_role_test." + std::to_string(::getpid()) + ".log";
    pid_t pid_ = -1;
    std::unique_ptr<ipc::Channel> channel_;
    std::vector<ipc::Message> got_;
    bool closed_ = false;
};

TEST_F(CheckRoleTest, ChecksWhatIsConfiguredAndReports) {
    test::Server server([](int, const std::string&) {});
    const Endpoint dead = test::closed_port();
    configure(service(real(server.endpoint(), kTcp) + real(dead, kTcp)));
    auto ready = wait_for<ipc::Ready>();
    ASSERT_TRUE(ready);
    EXPECT_TRUE(ready->accepted);
    EXPECT_EQ(ready->generation, 1U);
    ASSERT_TRUE(channel_->send(ipc::Start{}));
    std::optional<ipc::RealServerState> up, down;
    while (!up || !down) {
        auto state = wait_for<ipc::RealServerState>([](const auto& s) { return s.known; });
        ASSERT_TRUE(state);
        (state->real == dead ? down : up) = state;
    }
    EXPECT_TRUE(up->up);
    EXPECT_EQ(up->real, server.endpoint());
    EXPECT_EQ(up->service.to_string(), "10.0.0.100:80/TCP");
    EXPECT_FALSE(down->up);
    EXPECT_EQ(down->reason, "connection refused");
    EXPECT_TRUE(wait_for<ipc::Heartbeat>());

    ASSERT_TRUE(channel_->send(ipc::Stop{}));
    EXPECT_EQ(exit_status(), 0);
    const std::string lines = log();
    const std::string name = "[127.0.0.1]:tcp:" + std::to_string(dead.port);
    EXPECT_NE(
        lines.find("Activating healthchecker for service " + name + " for VS [10.0.0.100]:tcp:80"),
        std::string::npos)
        << lines;
    EXPECT_NE(lines.find("TCP_CHECK on service " + name + " failed."), std::string::npos) << lines;
}

TEST_F(CheckRoleTest, TheFilterLeavesHttpAlone) {
    test::Server server(test::Server::says("HTTP/1.0 200 OK\r\n\r\nabc"));
    configure(service(real(server.endpoint(),
                           "    HTTP_GET {\n      url {\n        path /health\n"
                           "        digest 900150983cd24fb0d6963f7d28e17f72\n      }\n"
                           "      connect_timeout 2\n      warmup 0\n    }")));
    ASSERT_TRUE(channel_->send(ipc::Start{}));
    auto state = wait_for<ipc::RealServerState>([](const auto& s) { return s.known; });
    ASSERT_TRUE(state);
    EXPECT_TRUE(state->up) << state->reason;
    EXPECT_EQ(server.last_request().substr(0, 24), "GET /health HTTP/1.0\r\nHo");
}

TEST_F(CheckRoleTest, RunsScriptsThroughCoreAndStaysDownUntilOnePasses) {
    const Endpoint target{IpAddress::parse("127.0.0.1").value(), 80};
    const ServiceKey key{{IpAddress::parse("10.0.0.100").value(), 80}, Protocol::Tcp};
    configure(service(real(target, kMisc)));
    ASSERT_TRUE(channel_->send(ipc::RealServerState{key, target, false, true, -1, "was down"}));
    ASSERT_TRUE(channel_->send(ipc::Start{}));
    auto state = wait_for<ipc::RealServerState>();
    ASSERT_TRUE(state);
    EXPECT_FALSE(state->up);
    EXPECT_TRUE(state->known);
    EXPECT_EQ(state->reason, "was down");
    auto script = wait_for<ipc::RunScript>();
    ASSERT_TRUE(script);
    EXPECT_EQ(script->argv, (std::vector<std::string>{"/check", "me"}));
    EXPECT_EQ(script->timeout_ms, 3000U);
    ASSERT_TRUE(channel_->send(ipc::ScriptDone{script->id, 7, "exited with status 7"}));
    state = wait_for<ipc::RealServerState>();
    ASSERT_TRUE(state);
    EXPECT_TRUE(state->up);
    EXPECT_EQ(state->weight, 5);
}

TEST_F(CheckRoleTest, AReloadKeepsWhatItKnows) {
    const Endpoint target{IpAddress::parse("127.0.0.1").value(), 80};
    configure(service(real(target, kMisc)));
    ASSERT_TRUE(channel_->send(ipc::Start{}));
    auto script = wait_for<ipc::RunScript>();
    ASSERT_TRUE(script);
    ASSERT_TRUE(channel_->send(ipc::ScriptDone{script->id, 1, "exited with status 1"}));
    ASSERT_TRUE(wait_for<ipc::RealServerState>([](const auto& s) { return s.known && !s.up; }));
    configure(service(real(target, kMisc)), 2);
    auto ready = wait_for<ipc::Ready>([](const auto& r) { return r.generation == 2; });
    ASSERT_TRUE(ready);
    EXPECT_TRUE(ready->accepted);
    // Still the same checker: its next report is that it has passed.
    script = wait_for<ipc::RunScript>();
    ASSERT_TRUE(script);
    EXPECT_FALSE(std::any_of(got_.begin(), got_.end(), [](const auto& m) {
        return std::holds_alternative<ipc::RealServerState>(m);
    }));
    ASSERT_TRUE(channel_->send(ipc::ScriptDone{script->id, 0, ""}));
    auto state = wait_for<ipc::RealServerState>();
    ASSERT_TRUE(state);
    EXPECT_TRUE(state->up);
}

TEST_F(CheckRoleTest, AConfigurationThatCannotBeReadIsRefused) {
    ASSERT_TRUE(channel_->send(ipc::Configure{5, "test.conf", ""}));  // no memfd
    auto ready = wait_for<ipc::Ready>();
    ASSERT_TRUE(ready);
    EXPECT_EQ(ready->generation, 5U);
    EXPECT_FALSE(ready->accepted);
    EXPECT_FALSE(ready->reason.empty());
}

TEST_F(CheckRoleTest, RunsAsNobodyWithAFilter) {
    ASSERT_TRUE(wait_for<ipc::Heartbeat>());
    std::ifstream file("/proc/" + std::to_string(pid_) + "/status");
    const std::string status{std::istreambuf_iterator<char>(file), {}};
    EXPECT_NE(status.find("\nSeccomp:\t2\n"), std::string::npos) << status;
    EXPECT_NE(status.find("\nNoNewPrivs:\t1\n"), std::string::npos);
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"})
        EXPECT_NE(status.find(std::string(set) + ":\t0000000000000000\n"), std::string::npos)
            << set;
    if (::geteuid() == 0) {
        EXPECT_EQ(status.find("\nUid:\t0\t"), std::string::npos);
    }
}

TEST_F(CheckRoleTest, EndsWithCore) {
    ASSERT_TRUE(wait_for<ipc::Heartbeat>());
    channel_.reset();
    EXPECT_EQ(exit_status(), 0);
}

TEST_F(CheckRoleTest, EndsWhenTerminated) {
    ASSERT_TRUE(wait_for<ipc::Heartbeat>());
    ASSERT_EQ(::kill(pid_, SIGTERM), 0);
    EXPECT_EQ(exit_status(), 0);
}

}  // namespace
}  // namespace vipd::daemon
