// SPDX-License-Identifier: Apache-2.0
// At work the vrrp process takes nothing from the heap: adverts and BFD packets that come and go,
// announcements, timers.
// malloc() of this program counts.
#include "tests/support/fake_links.hpp"
#include "tests/support/netns.hpp"
#include "tests/unit/vrrp/packets.hpp"
#include "userspace/base/event_loop.hpp"
#include "vrrp/bfd/engine.hpp"
#include "vrrp/bfd/udp_wire.hpp"
#include "vrrp/engine/announcer.hpp"
#include "vrrp/engine/engine.hpp"
#include "vrrp/transport/raw_transport.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <sys/socket.h>
#include <utility>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VIPD_COUNTS_MALLOC 0
#else
#define VIPD_COUNTS_MALLOC 1
#endif

namespace {
std::atomic<std::uint64_t> taken;  // NOLINT: of the whole program
}

#if VIPD_COUNTS_MALLOC
// What operator new, std::vector and libraries end up at.
extern "C" {
void* __libc_malloc(std::size_t size);                     // NOLINT: glibc's
void* __libc_calloc(std::size_t count, std::size_t size);  // NOLINT
void* __libc_realloc(void* old, std::size_t size);         // NOLINT
void* malloc(std::size_t size) {
    ++taken;
    return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
    ++taken;
    return __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) {
    ++taken;
    return __libc_realloc(old, size);
}
}
#endif

namespace vipd::vrrp::test {
namespace {

constexpr int kAdverts = 5000;

class CountingTransport final : public Transport {
  public:
    void set_receiver(Receiver receiver) override { receiver_ = std::move(receiver); }
    Result<> open(const Port&) override { return {}; }
    void close(const Port&) override {}
    Result<> send(const Port&, const IpAddress&, std::span<const std::uint8_t> bytes) override {
        ++sent;
        size = bytes.size();
        return {};
    }
    Result<> send_frame(int, std::span<const std::uint8_t>) override { return {}; }
    void drain() override {}
    void arrive(std::span<const std::uint8_t> datagram) { receiver_(1, datagram, false); }

    std::uint64_t sent = 0;
    std::size_t size = 0;

  private:
    Receiver receiver_;
};

/// One instance of each kind, and datagrams for it from a master of higher and one of lower rank.
struct Kind {
    const char* name;
    unsigned version;
    bool v6 = false;
    bool pass = false;
    bool ah = false;
    bool unicast = false;
    bool hmac = false;
};
void PrintTo(const Kind& kind, std::ostream* out) {
    *out << kind.name;
}

class VrrpSteady : public testing::TestWithParam<Kind>, protected Observer {
  protected:
    void SetUp() override {
        if (VIPD_COUNTS_MALLOC == 0) GTEST_SKIP() << "a sanitizer has malloc()";
        links.add_link(1, "eth0");
        const bool v6 = GetParam().v6;
        links.assigned.push_back({.ifindex = 1,
                                  .prefix = *IpPrefix::parse(v6 ? "fe80::2/64" : "10.9.0.2/24"),
                                  .label = {},
                                  .broadcast = {}});
        InstanceSettings settings;
        settings.name = "VI_WITH_A_NAME_THAT_IS_LONGER_THAN_A_SHORT_STRING";
        settings.interface = "eth0";
        settings.vrid = 51;
        settings.family = v6 ? Family::V6 : Family::V4;
        settings.policy.version = static_cast<std::uint8_t>(GetParam().version);
        settings.policy.advert_interval = interval();
        if (GetParam().pass || GetParam().ah) settings.auth = make_auth_pass("secret12");
        settings.ah = GetParam().ah;
        if (GetParam().hmac) settings.hmac = {.keys = {hmac_key()}, .active = 1, .window = 60};
        engine.set_wall_clock([this] { return now.time_since_epoch(); });
        if (GetParam().unicast)
            settings.peers = {{ip("10.9.0.1")}, {ip("10.9.0.3")}};
        else
            settings.group = ip(v6 ? "ff02::12" : "224.0.0.18");
        for (const auto& address : v6 ? kAddresses6 : kAddresses)
            settings.vips.push_back({.prefix = {address, static_cast<std::uint8_t>(v6 ? 64 : 24)},
                                     .device = {},
                                     .label = {},
                                     .broadcast = {}});
        engine.configure({{settings}, {}}, now);
        engine.start(now);
    }
    static HmacKey hmac_key() { return {1, std::span(kAddresses6.front().bytes())}; }
    static Nanos interval() { return GetParam().version == 3 ? Nanos(Millis(100)) : Seconds(1); }
    Bytes advert(std::uint8_t priority) {
        Raw raw = GetParam().v6 ? raw_v6() : Raw{};
        raw.version = GetParam().version;
        raw.priority = priority;
        raw.interval = raw.version == 3 ? 10 : 1;
        if (GetParam().unicast) raw.destination = ip("10.9.0.2");
        if (raw.version == 3) raw.auth.clear();
        raw.auth_type = GetParam().ah ? 2 : GetParam().pass ? 1 : 0;
        if (raw.version == 2 && !GetParam().pass) raw.auth.assign(8, 0);
        const Bytes bytes = raw.bytes();
        if (GetParam().hmac) {
            Bytes with = bytes;
            add_hmac(
                with, hmac_key(), hmac_sequence(now.time_since_epoch() + interval() * sequence++));
            return with;
        }
        return GetParam().ah ? add_ah(bytes, make_auth_pass("secret12"), ++sequence) : bytes;
    }
    void pass(Nanos time) {
        const TimePoint end = now + time;
        while (wake && *wake <= end) {
            now = std::max(now, *wake);
            engine.tick(now);
        }
        now = end;
    }
    State state() const { return last; }

    void state_changed(const ipc::InstanceStateChange& change) override { last = change.state; }
    void happened(const ipc::InstanceEvent&) override {}
    void log(const LogLine&) override { ++lines; }
    void wake_at(std::optional<TimePoint> when) override { wake = when; }

    vipd::test::FakeLinks links;
    CountingTransport transport;
    TimePoint now{Seconds(5000)};
    std::optional<TimePoint> wake;
    State last = State::Init;
    std::uint32_t sequence = 0;
    std::uint64_t lines = 0;
    Engine engine{links, transport, *this, [this] { return now; }};
};

TEST_P(VrrpSteady, ABackupThatHearsItsMasterAllocatesNothing) {
    std::vector<Bytes> adverts;
    for (int i = 0; i < kAdverts; ++i) adverts.push_back(advert(200));
    for (int i = 0; i < 10; ++i) transport.arrive(adverts[static_cast<std::size_t>(i)]);
    lines = 0;
    const auto before = taken.load();
    for (std::size_t i = 10; i < adverts.size(); ++i) {
        transport.arrive(adverts[i]);
        pass(interval());
    }
    EXPECT_EQ(taken.load() - before, 0U);
    EXPECT_EQ(state(), State::Backup);
    EXPECT_EQ(lines, 0U);
    const auto counters = engine.reports().at(0).counters;
    const auto heard = std::ranges::find(counters, "advert_rx", &ipc::Counter::name);
    ASSERT_NE(heard, counters.end());
    EXPECT_EQ(heard->value, adverts.size());
}

TEST_P(VrrpSteady, AMasterAllocatesNothing) {
    pass(Seconds(60));  // past the second burst of gratuitous ARP
    ASSERT_EQ(state(), State::Master);
    transport.sent = 0;
    lines = 0;
    const auto before = taken.load();
    pass(interval() * kAdverts);
    EXPECT_EQ(taken.load() - before, 0U);
    EXPECT_EQ(transport.sent, static_cast<unsigned>(kAdverts) * (GetParam().unicast ? 2U : 1U));
    EXPECT_EQ(lines, 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds,
    VrrpSteady,
    testing::Values(Kind{.name = "v2", .version = 2},
                    Kind{.name = "pass", .version = 2, .pass = true},
                    Kind{.name = "ah", .version = 2, .ah = true},
                    Kind{.name = "v3", .version = 3},
                    Kind{.name = "unicast", .version = 3, .unicast = true},
                    Kind{.name = "v6", .version = 3, .v6 = true},
                    Kind{.name = "hmac", .version = 3, .hmac = true},
                    Kind{.name = "hmac_v2", .version = 2, .hmac = true},
                    Kind{.name = "hmac_v6", .version = 3, .v6 = true, .hmac = true}),
    [](const auto& one) { return std::string(one.param.name); });

/// Counts the frames of one kind.
class FrameTransport final : public Transport {
  public:
    void set_receiver(Receiver) override {}
    Result<> open(const Port&) override { return {}; }
    void close(const Port&) override {}
    Result<> send(const Port&, const IpAddress&, std::span<const std::uint8_t>) override {
        return {};
    }
    Result<> send_frame(int, std::span<const std::uint8_t> bytes) override {
        ++frames;
        size = bytes.size();
        return {};
    }
    void drain() override {}

    std::uint64_t frames = 0;
    std::size_t size = 0;
};

TEST(VrrpSteadyAnnouncer, BurstsOfAnnouncementsAllocateNothing) {
    if (VIPD_COUNTS_MALLOC == 0) GTEST_SKIP() << "a sanitizer has malloc()";
    TimePoint now{Seconds(5000)};
    Link link;
    link.index = 1;
    link.name = "eth0";
    link.mac = {2, 0, 0, 0, 0, 1};
    const std::array addresses = {ip("10.9.0.100"), ip("2001:db8::100")};
    for (const Nanos interval : {Nanos(0), Nanos(Millis(10))}) {
        FrameTransport transport;
        const std::function<TimePoint()> clock = [&] { return now; };
        Announcer announcer(transport, clock);
        announcer.configure({{.arp_interval = interval, .na_interval = interval}});
        Announcer::Client client;
        const auto burst = [&] {
            for (int i = 0; i < kAdverts; ++i)
                for (const IpAddress& address : addresses)
                    announcer.announce(client, link, address, now);
            while (const auto at = announcer.wake()) announcer.tick(now = *at);
        };
        burst();  // the first one makes room for those that wait
        const auto before = taken.load();
        burst();
        EXPECT_EQ(taken.load() - before, 0U) << interval.count();
        EXPECT_EQ(transport.frames, 4U * kAdverts);
        EXPECT_EQ(client.sent, transport.frames);
    }
}

/// What the burst of gratuitous ARP costs that a master sends again some seconds after it took
/// over.
std::pair<std::uint64_t, std::uint64_t> second_burst(std::uint32_t frames_each) {
    struct Watcher final : Observer {
        void state_changed(const ipc::InstanceStateChange& change) override { last = change.state; }
        void happened(const ipc::InstanceEvent&) override {}
        void log(const LogLine&) override {}
        void wake_at(std::optional<TimePoint> when) override { wake = when; }
        std::optional<TimePoint> wake;
        State last = State::Init;
    } watcher;
    vipd::test::FakeLinks links;
    links.add_link(1, "eth0");
    links.assigned.push_back(
        {.ifindex = 1, .prefix = *IpPrefix::parse("10.9.0.2/24"), .label = {}, .broadcast = {}});
    FrameTransport transport;
    TimePoint now{Seconds(5000)};
    Engine engine(links, transport, watcher, [&] { return now; });
    InstanceSettings settings;
    settings.name = "VI";
    settings.interface = "eth0";
    settings.vrid = 51;
    settings.policy.version = 3;
    settings.policy.advert_interval = Millis(100);
    settings.policy.garp_repeat = frames_each;
    settings.group = ip("224.0.0.18");
    for (const IpAddress& address : kAddresses)
        settings.vips.push_back(
            {.prefix = {address, 24}, .device = {}, .label = {}, .broadcast = {}});
    engine.configure({{settings}, {}}, now);
    engine.start(now);
    const auto pass = [&](Nanos time) {
        const TimePoint end = now + time;
        while (watcher.wake && *watcher.wake <= end) {
            now = std::max(now, *watcher.wake);
            engine.tick(now);
        }
        now = end;
    };
    pass(Seconds(2));
    EXPECT_EQ(watcher.last, State::Master);
    const auto frames = transport.frames;
    const auto before = taken.load();
    pass(Seconds(10));
    return {taken.load() - before, transport.frames - frames};
}

TEST(VrrpSteadyAnnouncer, AMastersBurstCostsNoMoreForMoreFrames) {
    if (VIPD_COUNTS_MALLOC == 0) GTEST_SKIP() << "a sanitizer has malloc()";
    const auto [few, one_each] = second_burst(1);
    const auto [many, hundred_each] = second_burst(100);
    EXPECT_EQ(one_each, kAddresses.size());
    EXPECT_EQ(hundred_each, 100 * kAddresses.size());
    EXPECT_EQ(many, few) << "a line of the log for each address is all that it takes";
}

/// Two BFD sessions that hear one another without a network.
class BfdEnds final : public bfd::Wire {
  public:
    Result<> open(const bfd::SessionSettings&) override { return {}; }
    void close(const bfd::SessionSettings&) override {}
    Result<> send(const bfd::SessionSettings&, std::span<const std::uint8_t> packet) override {
        if (waiting < packets.size()) std::ranges::copy(packet, packets[waiting++].begin());
        return {};
    }
    std::array<std::array<std::uint8_t, bfd::kControlPacket>, 8> packets{};
    std::size_t waiting = 0;
};

bfd::SessionSettings bfd_session(const char* neighbour) {
    bfd::SessionSettings settings;
    settings.name = "a_session_with_a_name_that_is_longer_than_a_short_string";
    settings.neighbour = ip(neighbour);
    return settings;
}

TEST(BfdSteady, SendingAndHearingAllocateNothing) {
    if (VIPD_COUNTS_MALLOC == 0) GTEST_SKIP() << "a sanitizer has malloc()";
    std::uint32_t random = 7;
    const bfd::Engine::Listener listener{[](const std::string&, bool) {},
                                         [](const std::string&, const std::string&) {}};
    std::array<BfdEnds, 2> wires;
    const std::array addresses = {ip("10.9.0.1"), ip("10.9.0.2")};
    std::array<std::unique_ptr<bfd::Engine>, 2> ends;
    TimePoint now{Seconds(5000)};
    for (std::size_t i = 0; i < 2; ++i) {
        ends[i] = std::make_unique<bfd::Engine>(wires[i], listener, [&] { return ++random; });
        ends[i]->configure({bfd_session(i == 0 ? "10.9.0.2" : "10.9.0.1")}, now);
    }
    const auto deliver = [&] {
        for (std::size_t i = 0; i < 2; ++i)
            for (; wires[i].waiting > 0; --wires[i].waiting)
                ends[1 - i]->receive({.source = addresses[i],
                                      .destination = addresses[1 - i],
                                      .ttl = 255,
                                      .bytes = wires[i].packets[wires[i].waiting - 1]},
                                     now);
    };
    const auto pass = [&](Nanos time) {
        const TimePoint end = now + time;
        while (true) {
            const TimePoint next = std::min(*ends[0]->wake(), *ends[1]->wake());
            if (next > end) break;
            now = std::max(now, next);
            for (auto& one : ends) one->tick(now);
            deliver();
        }
        now = end;
    };
    pass(Seconds(4));
    ASSERT_EQ(ends[0]->reports()[0].state, bfd::State::Up);
    const auto before = taken.load();
    pass(Millis(10) * kAdverts);
    EXPECT_EQ(taken.load() - before, 0U);
    const auto report = ends[0]->reports()[0];
    EXPECT_EQ(report.downs, 0U);
    EXPECT_GE(report.sent, static_cast<std::uint64_t>(kAdverts));
    EXPECT_GE(report.received, static_cast<std::uint64_t>(kAdverts));
}

TEST(BfdSteady, TheSocketsAllocateNothing) {
    if (VIPD_COUNTS_MALLOC == 0) GTEST_SKIP() << "a sanitizer has malloc()";
    if (!vipd::test::enter_new_netns()) GTEST_SKIP() << "no right to make network namespaces";
    int status = -1;
    vipd::test::run("ip link set lo up", &status);
    ASSERT_EQ(status, 0);
    auto loop = EventLoop::create();
    ASSERT_TRUE(loop);
    std::uint64_t received = 0;
    bfd::UdpWire wire(*loop, [&](const bfd::Arrival& arrival) {
        received += arrival.ttl == 255 && arrival.bytes.size() == bfd::kControlPacket ? 1U : 0U;
    });
    bfd::SessionSettings session = bfd_session("127.0.0.1");
    session.source = ip("127.0.0.1");
    const auto opened = wire.open(session);
    ASSERT_TRUE(opened) << opened.error().message;
    const auto packet = bfd::encode({.mine = 1});
    const auto once = [&] {
        if (!wire.send(session, packet)) ADD_FAILURE() << "not sent";
        wire.drain();
    };
    once();
    const auto before = taken.load();
    for (int i = 1; i < kAdverts; ++i) once();
    EXPECT_EQ(taken.load() - before, 0U);
    EXPECT_EQ(received, static_cast<unsigned>(kAdverts));
}

TEST(VrrpSteadyTransport, SendingAndReceivingAllocateNothing) {
    if (VIPD_COUNTS_MALLOC == 0) GTEST_SKIP() << "a sanitizer has malloc()";
    if (!vipd::test::enter_new_netns()) GTEST_SKIP() << "no right to make network namespaces";
    int status = -1;
    vipd::test::run("ip link set lo up", &status);
    ASSERT_EQ(status, 0);
    auto loop = EventLoop::create();
    ASSERT_TRUE(loop);
    auto transport = RawTransport::create(*loop);
    ASSERT_TRUE(transport) << transport.error().message;
    const Port port{.ifindex = 1, .family = Family::V4, .protocol = kProtocolVrrp, .group = {}};
    ASSERT_TRUE((*transport)->open(port));
    std::uint64_t received = 0;
    (*transport)->set_receiver([&](int, std::span<const std::uint8_t> bytes, bool truncated) {
        received += bytes.size() > 20 && !truncated ? 1U : 0U;
    });
    Raw raw;
    raw.source = raw.destination = ip("127.0.0.1");
    const Bytes datagram = raw.bytes();
    const auto once = [&] {
        if (!(*transport)->send(port, raw.destination, datagram)) ADD_FAILURE() << "not sent";
        (*transport)->drain();
    };
    once();
    const auto before = taken.load();
    for (int i = 1; i < kAdverts; ++i) once();
    EXPECT_EQ(taken.load() - before, 0U);
    EXPECT_EQ(received, static_cast<unsigned>(kAdverts));
}

/// Of our raw sockets for adverts, SO_RCVBUF: the kernel has doubled what was asked for.
std::vector<int> receive_buffers() {
    std::vector<int> all;
    for (int fd = 3; fd < 256; ++fd) {
        const auto option = [fd](int name) {
            int value = 0;
            socklen_t size = sizeof value;
            return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
        };
        if (option(SO_DOMAIN) == AF_INET && option(SO_PROTOCOL) == kProtocolVrrp)
            all.push_back(option(SO_RCVBUF));
    }
    return all;
}

TEST(VrrpTransport, TheReceiveBufferIsTheSumOfWhatItsUsersAskFor) {
    if (!vipd::test::enter_new_netns()) GTEST_SKIP() << "no right to make network namespaces";
    int status = -1;
    vipd::test::run("ip link set lo up", &status);
    ASSERT_EQ(status, 0);
    auto loop = EventLoop::create();
    ASSERT_TRUE(loop);
    auto transport = RawTransport::create(*loop);
    ASSERT_TRUE(transport) << transport.error().message;
    const Port without{.ifindex = 1, .family = Family::V4, .protocol = kProtocolVrrp, .group = {}};
    ASSERT_TRUE((*transport)->open(without));
    const auto standard = receive_buffers();
    ASSERT_EQ(standard.size(), 1U);
    Port one = without;
    one.rx_buffer = 10'000;
    Port other = without;
    other.rx_buffer = 1'000'000;  // more than net.core.rmem_max
    ASSERT_TRUE((*transport)->open(one));
    EXPECT_EQ(receive_buffers(), (std::vector{20'000}));
    ASSERT_TRUE((*transport)->open(other));
    EXPECT_EQ(receive_buffers(), (std::vector{2'020'000}));
    (*transport)->close(one);
    EXPECT_EQ(receive_buffers(), (std::vector{2'000'000}));
    (*transport)->close(other);
    (*transport)->close(without);
    EXPECT_TRUE(receive_buffers().empty());
}

}  // namespace
}  // namespace vipd::vrrp::test
