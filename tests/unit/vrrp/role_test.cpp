// SPDX-License-Identifier: Apache-2.0
// The vrrp process as core sees it: a real one, in a network namespace of its own, spoken to over
// its channel. Real time, at 10 ms adverts; waits end with the awaited message.
#include "tests/support/netns.hpp"
#include "userspace/base/channel.hpp"
#include "userspace/daemon/vrrp_role.hpp"

#include <vipd/abi/base.h>

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <limits>
#include <sys/mman.h>
#include <sys/socket.h>

namespace vipd::daemon {
namespace {

std::string configuration(const std::string& vip, int priority = 100) {
    return "vrrp_instance VI_1 {\n interface v0\n version 3\n virtual_router_id 51\n priority " +
           std::to_string(priority) + "\n advert_int 0.01\n virtual_ipaddress {\n " + vip +
           "\n }\n}\n";
}

class VrrpRole : public testing::Test {
  protected:
    void SetUp() override {
        if (::geteuid() != 0 || !netns_.valid()) GTEST_SKIP() << "needs root: network namespaces";
        int status = 0;
        const auto out = netns_.run(
            "ip link add v0 type veth peer name v1 && ip addr add 10.9.0.1/24 dev v0 && "
            "ip link set v0 up && ip link set v1 up",
            &status);
        ASSERT_EQ(status, 0) << out;
        start();
    }
    void TearDown() override { kill_role(); }

    void start() {
        auto ends = ipc::make_pair();
        ASSERT_TRUE(ends);
        auto& [ours, theirs] = *ends;
        core_ = std::move(ours);
        pid_ = ::fork();
        ASSERT_GE(pid_, 0);
        if (pid_ == 0) {
            core_.reset();
            netns_.enter();
            log::Options options;
            options.ident = "vipd_vrrp";
            ::_exit(run_vrrp_role(std::move(theirs), options));
        }
    }
    void kill_role() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
    int exit_status() {
        int status = -1;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

    void send(const ipc::Message& message, int attached = -1) {
        auto bytes = ipc::encode(message);
        ASSERT_TRUE(bytes);
        iovec part{bytes->data(), bytes->size()};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
        msghdr header{};
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        if (attached >= 0) {
            header.msg_control = control.data();
            header.msg_controllen = control.size();
            cmsghdr* rights = CMSG_FIRSTHDR(&header);
            rights->cmsg_level = SOL_SOCKET;
            rights->cmsg_type = SCM_RIGHTS;
            rights->cmsg_len = CMSG_LEN(sizeof(int));
            std::memcpy(CMSG_DATA(rights), &attached, sizeof attached);
        }
        ASSERT_GE(::sendmsg(core_.get(), &header, MSG_NOSIGNAL), 0);
    }
    void configure(const std::string& text, std::uint32_t generation = 1) {
        const auto memfd = make_sealed_memfd("test", text);
        ASSERT_TRUE(memfd);
        send(ipc::Configure{generation, "test.conf", ""}, memfd->get());
    }
    /// The next message of this kind that `fits`; others are let go.
    template <class T>
    std::optional<T> await(const std::function<bool(const T&)>& fits = [](const T&) {
        return true;
    }) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(15);
        while (std::chrono::steady_clock::now() < end) {
            pollfd wait{core_.get(), POLLIN, 0};
            if (::poll(&wait, 1, 100) <= 0) continue;
            std::array<std::byte, ipc::kMaxMessage> buffer;
            const auto got = ::recv(core_.get(), buffer.data(), buffer.size(), 0);
            if (got <= 0) return std::nullopt;
            auto message = ipc::decode(std::span(buffer).first(static_cast<std::size_t>(got)));
            if (!message) continue;
            if (const auto* one = std::get_if<T>(&*message); one != nullptr && fits(*one))
                return *one;
        }
        return std::nullopt;
    }
    bool await_state(ipc::VrrpState state) {
        return await<ipc::InstanceStateChange>([&](const auto& change) {
                   return change.instance == "VI_1" && change.state == state;
               })
            .has_value();
    }
    bool has(const std::string& address) const {
        return netns_.run("ip -4 addr show dev v0").find(address) != std::string::npos;
    }

    vipd::test::Netns netns_;
    Fd core_;
    pid_t pid_ = -1;
};

TEST_F(VrrpRole, RunsFromConfigureToStop) {
    configure(configuration("10.9.0.100/24"), 7);
    const auto ready = await<ipc::Ready>();
    ASSERT_TRUE(ready);
    EXPECT_EQ(ready->generation, 7U);
    EXPECT_TRUE(ready->accepted) << ready->reason;
    send(ipc::Start{});
    EXPECT_TRUE(await_state(ipc::VrrpState::Backup));
    EXPECT_TRUE(await_state(ipc::VrrpState::Master));
    EXPECT_TRUE(has("10.9.0.100/24"));
    send(ipc::Query{});
    const auto report = await<ipc::InstanceReport>();
    ASSERT_TRUE(report);
    EXPECT_EQ(report->interface, "v0");
    EXPECT_EQ(report->master, *IpAddress::parse("10.9.0.1"));
    EXPECT_TRUE(await<ipc::Heartbeat>());
    const auto status = vipd::test::run("cat /proc/" + std::to_string(pid_) + "/status");
    // CAP_NET_ADMIN is 12, CAP_NET_RAW 13.
    EXPECT_NE(status.find("CapEff:\t0000000000003000\n"), std::string::npos) << status;
    EXPECT_NE(status.find("NoNewPrivs:\t1\n"), std::string::npos);
    send(ipc::Stop{});
    EXPECT_EQ(exit_status(), 0);
    EXPECT_FALSE(has("10.9.0.100"));
    EXPECT_TRUE(has("10.9.0.1/24"));
}

TEST_F(VrrpRole, KilledAndResumedKeepsItsVip) {
    configure(configuration("10.9.0.100/24"));
    send(ipc::Start{});
    ASSERT_TRUE(await_state(ipc::VrrpState::Master));
    kill_role();
    EXPECT_TRUE(has("10.9.0.100/24"));
    start();
    configure(configuration("10.9.0.100/24"));
    send(ipc::ResumeInstance{"VI_1", ipc::VrrpState::Master});
    send(ipc::Start{});
    const auto change = await<ipc::InstanceStateChange>();
    ASSERT_TRUE(change);
    EXPECT_EQ(change->state, ipc::VrrpState::Master) << "the first thing that is heard of it";
    EXPECT_TRUE(has("10.9.0.100/24"));
}

TEST_F(VrrpRole, GivesTheVipUpWhenCoreDies) {
    configure(configuration("10.9.0.100/24"));
    send(ipc::Start{});
    ASSERT_TRUE(await_state(ipc::VrrpState::Master));
    core_.reset();
    EXPECT_EQ(exit_status(), 0);
    EXPECT_FALSE(has("10.9.0.100"));
}

TEST_F(VrrpRole, ReloadsWhileMaster) {
    configure(configuration("10.9.0.100/24"));
    send(ipc::Start{});
    ASSERT_TRUE(await_state(ipc::VrrpState::Master));
    configure(configuration("10.9.0.101/24", 120), 2);
    const auto ready = await<ipc::Ready>([](const auto& one) { return one.generation == 2; });
    ASSERT_TRUE(ready);
    EXPECT_TRUE(has("10.9.0.101/24"));
    EXPECT_FALSE(has("10.9.0.100"));
    send(ipc::Query{});
    const auto report = await<ipc::InstanceReport>();
    ASSERT_TRUE(report);
    EXPECT_EQ(report->state, ipc::VrrpState::Master);
    EXPECT_EQ(report->priority, 120);
}

TEST_F(VrrpRole, HandsOverAndTakesBackWhereNobodyElseIs) {
    configure(configuration("10.9.0.100/24"));
    send(ipc::Start{});
    ASSERT_TRUE(await_state(ipc::VrrpState::Master));
    send(ipc::Handover{"", 60'000});
    EXPECT_TRUE(await_state(ipc::VrrpState::Backup));
    EXPECT_TRUE(await_state(ipc::VrrpState::Master));
}

TEST_F(VrrpRole, RenewsItsLease) {
    const Fd map(::memfd_create("lease", MFD_CLOEXEC));  // mapped as the BPF array would be
    ASSERT_EQ(::ftruncate(map.get(), 4096), 0);
    void* at = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, map.get(), 0);
    ASSERT_NE(at, MAP_FAILED);
    const auto* lease = static_cast<const std::uint64_t*>(at);
    const auto now = [] {
        return static_cast<std::uint64_t>(
            std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
    };
    configure(configuration("10.9.0.100/24"));
    const auto before = now();
    send(ipc::Start{}, map.get());
    ASSERT_TRUE(await_state(ipc::VrrpState::Backup));
    const auto first = *const_cast<const volatile std::uint64_t*>(lease);
    EXPECT_GE(first, before + 1'000'000'000);
    EXPECT_LE(first, now() + 1'000'000'000);
    ASSERT_TRUE(await<ipc::Heartbeat>());
    EXPECT_GT(*const_cast<const volatile std::uint64_t*>(lease), first);
    configure(configuration("10.9.0.100/24") + "vipd {\n lease off\n}\n", 2);
    ASSERT_TRUE(await<ipc::Ready>([](const auto& one) { return one.generation == 2; }));
    EXPECT_EQ(*const_cast<const volatile std::uint64_t*>(lease),
              std::numeric_limits<std::uint64_t>::max());
    ::munmap(at, 4096);
}

// Before a change is told: from its first frame on the XDP program must know what is for this host.
TEST_F(VrrpRole, SaysInTheLeaseWhichRoutersItIsMasterOf) {
    const Fd map(::memfd_create("lease", MFD_CLOEXEC));
    ASSERT_EQ(::ftruncate(map.get(), 4096), 0);
    void* at = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, map.get(), 0);
    ASSERT_NE(at, MAP_FAILED);
    const auto* lease = static_cast<const volatile vipd_lease*>(at);
    const auto words = [&] {
        std::uint32_t others = 0;
        for (std::uint32_t word = 0; word < VIPD_ROUTER_WORDS; ++word)
            if (word != vipd_router_word(51, VIPD_FAMILY_V4)) others |= lease->masters[word];
        EXPECT_EQ(others, 0U);
        return lease->masters[vipd_router_word(51, VIPD_FAMILY_V4)];
    };
    configure(configuration("10.9.0.100/24"));
    send(ipc::Start{}, map.get());
    ASSERT_TRUE(await_state(ipc::VrrpState::Backup));
    ASSERT_TRUE(await_state(ipc::VrrpState::Master));
    EXPECT_EQ(words(), VIPD_ROUTER_BIT(51));
    send(ipc::Handover{"", 60'000});
    ASSERT_TRUE(await_state(ipc::VrrpState::Backup));
    EXPECT_EQ(words(), 0U);
    ASSERT_TRUE(await_state(ipc::VrrpState::Master));
    kill_role();
    EXPECT_EQ(words(), VIPD_ROUTER_BIT(51)) << "the next process may go on";
    ::munmap(at, 4096);
}

TEST_F(VrrpRole, RefusesAConfigurationThatItCannotRead) {
    send(ipc::Configure{3, "test.conf", ""});
    const auto ready = await<ipc::Ready>();
    ASSERT_TRUE(ready);
    EXPECT_FALSE(ready->accepted);
    EXPECT_FALSE(ready->reason.empty());
}

}  // namespace
}  // namespace vipd::daemon
