// SPDX-License-Identifier: Apache-2.0
// The program remembers which service a packet belonged to (vipd_match); never longer than it
// holds.
#include "tests/prog/program_test.hpp"
#include "userspace/dataplane/bpf_dataplane.hpp"

#include <bpf/bpf.h>
#include <sched.h>

#include <arpa/inet.h>

namespace vipd::testing {

class MatchTest : public ProgramTest {
  protected:
    void SetUp() override {
        ProgramTest::SetUp();
        // The memory is per CPU.
        cpu_set_t here;
        CPU_ZERO(&here);
        CPU_SET(::sched_getcpu(), &here);
        ASSERT_EQ(::sched_setaffinity(0, sizeof here, &here), 0);
        ASSERT_NO_FATAL_FAILURE(open());
        resolve(1);
        resolve(2);
    }

    static PacketSpec segment(std::uint16_t from_port,
                              std::uint16_t to_port = 80,
                              std::uint8_t flags = kSyn) {
        PacketSpec packet;
        packet.from_port = from_port;
        packet.to_port = to_port;
        packet.tcp_flags = flags;
        return packet;
    }
};

TEST_F(MatchTest, RemovedServiceIsForgottenAtOnceAndFoundAgain) {
    put(service(80, 1));
    EXPECT_EQ(run(segment(1000)).verdict, "forwarded_dr");
    EXPECT_EQ(run(segment(1000)).verdict, "forwarded_dr") << "from memory";
    remove(service(80, 1));
    EXPECT_EQ(run(segment(1000)).verdict, "pass_no_service");
    put(service(80, 1));
    EXPECT_EQ(run(segment(1000)).verdict, "forwarded_dr");
}

TEST_F(MatchTest, ChangedServiceIsServedAsItIsNow) {
    model::Service web = service(80, 1);
    put(web);
    EXPECT_EQ(run(segment(1000)).verdict, "forwarded_dr");
    web.tcp_timeout = Seconds(7);
    put(web);
    EXPECT_EQ(run(segment(1001)).verdict, "forwarded_dr");
    EXPECT_EQ(run(segment(1001, 80, kAck)).verdict, "forwarded_dr");
    const auto flow = raw_flow(1001);
    ASSERT_TRUE(flow);
    EXPECT_EQ(flow->timeout, (Nanos(Seconds(7)).count() >> VIPD_TICK_SHIFT));
}

TEST_F(MatchTest, ServicesOfOnePlaceInMemoryAreKeptApart) {
    vipd_addr vip{};
    vip.v4 = htonl(0x0a000064);
    const auto place = [&](std::uint16_t port) { return vipd_match_index(&vip, htons(port)); };
    std::uint16_t other = 81;
    while (place(other) != place(80)) ++other;
    put(service(80, 1));
    put(service(other, 1));
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(run(segment(1000, 80)).verdict, "forwarded_dr");
        EXPECT_EQ(run(segment(1000, other)).verdict, "forwarded_dr");
        EXPECT_EQ(run(segment(1001, other)).verdict, "forwarded_dr");
    }
    EXPECT_EQ(plane->counters(service(80, 1).key)->packets, 3U);
    EXPECT_EQ(plane->counters(service(other, 1).key)->packets, 6U);
}

TEST_F(MatchTest, WhatAPredecessorDidNotAnnounceIsSeenByTheNextDaemon) {
    put(service(80, 1));
    EXPECT_EQ(run(segment(1000)).verdict, "forwarded_dr");
    // It took the service out and ended before it could say so.
    vipd_service_key key{};
    const int map = dataplane::map_fd(*plane, "vipd_services");
    ASSERT_EQ(::bpf_map_get_next_key(map, nullptr, &key), 0);
    ASSERT_EQ(::bpf_map_delete_elem(map, &key), 0);
    EXPECT_EQ(run(segment(1000)).verdict, "forwarded_dr") << "nobody has said so";
    close();
    ASSERT_NO_FATAL_FAILURE(open());
    EXPECT_EQ(run(segment(1000)).verdict, "pass_no_service");
}

}  // namespace vipd::testing
