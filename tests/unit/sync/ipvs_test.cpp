// SPDX-License-Identifier: Apache-2.0
// IPVS's sync protocol against what a real kernel said: ipvs/*.txt hold the datagrams of Linux
// 6.1's sync daemons ("handmade": put together by hand, and taken by that kernel) and beside them
// the connection tables of the sender and of a kernel that listened.
#include "tests/unit/sync/support.hpp"
#include "userspace/sync/ipvs_flow.hpp"
#include "userspace/sync/ipvs_wire.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <tuple>

namespace vipd::sync::ipvs {
namespace {

using sync::testing::bytes_of;
using sync::testing::from_hex;
using sync::testing::to_hex;

/// What names a connection in the kernel's listing; one template of one client may have several
/// reals (SIP calls).
using Key = std::tuple<std::string, std::string, int, std::string, int, std::string, int>;
using Table = std::map<Key, std::string>;  // -> state

struct Capture {
    std::vector<std::string> datagrams;
    std::vector<std::string> handmade;
    Table master;
    Table backup;
};

Capture read_capture(const std::filesystem::path& path) {
    Capture capture;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::string kind;
        words >> kind;
        if (kind == "datagram" || kind == "handmade") {
            std::string hex;
            words >> hex;
            (kind == "datagram" ? capture.datagrams : capture.handmade).push_back(from_hex(hex));
            continue;
        }
        Key key;
        std::string state;
        auto& [protocol, client, cport, vip, vport, real, rport] = key;
        words >> protocol >> client >> cport >> vip >> vport >> real >> rport >> state;
        (kind == "master" ? capture.master : capture.backup)[key] = state;
    }
    return capture;
}

std::string protocol_name(std::uint8_t protocol) {
    if (protocol == 0) return "IP";
    return std::string(to_string(static_cast<Protocol>(protocol)));
}

Key key_of(const Connection& connection) {
    return {protocol_name(connection.protocol),
            connection.client.address.to_string(),
            connection.client.port,
            connection.vip.address.to_string(),
            connection.vip.port,
            connection.real.address.to_string(),
            connection.real.port};
}

/// The kernel's name of a state.
std::string state_name(const Connection& connection) {
    if ((connection.flags & kTemplate) != 0) return connection.state == 1 ? "ASSURED" : "NONE";
    const std::vector<std::string> tcp{"NONE",
                                       "ESTABLISHED",
                                       "SYN_SENT",
                                       "SYN_RECV",
                                       "FIN_WAIT",
                                       "TIME_WAIT",
                                       "CLOSE",
                                       "CLOSE_WAIT",
                                       "LAST_ACK",
                                       "LISTEN",
                                       "SYNACK"};
    const std::map<int, std::string> sctp{{8, "ESTABLISHED"}, {10, "S_RECEIVED"}, {13, "CLOSED"}};
    if (connection.protocol == 6) return tcp.at(connection.state);
    if (connection.protocol == 132) return sctp.at(connection.state);
    return "UDP";
}

class Captured : public ::testing::TestWithParam<std::string> {
  protected:
    Capture capture =
        read_capture(std::string(VIPD_SOURCE_DIR "/tests/unit/sync/ipvs/") + GetParam() + ".txt");
    /// In the order in which they were told: of one connection the last counts.
    std::vector<Connection> told() const {
        std::vector<Connection> all;
        for (const auto* list : {&capture.handmade, &capture.datagrams})
            for (const auto& bytes : *list) {
                const auto datagram = decode(bytes_of(bytes));
                EXPECT_TRUE(datagram) << to_hex(bytes);
                if (!datagram) continue;
                if (list == &capture.datagrams) {
                    EXPECT_EQ(datagram->version, GetParam()[1] - '0');
                }
                std::ranges::copy(datagram->connections, std::back_inserter(all));
            }
        return all;
    }
};

TEST_P(Captured, ConnectionsAreThoseOfTheKernelsTables) {
    Table last;
    for (const auto& connection : told()) last[key_of(connection)] = state_name(connection);
    // Only captures that could carry nothing are empty.
    EXPECT_EQ(last.empty(), capture.datagrams.empty() && capture.handmade.empty());
    for (auto [key, state] : last) {
        ASSERT_TRUE(capture.master.contains(key)) << ::testing::PrintToString(key);
        // What a real server's packet has changed (RST in "-seq", SCTP's end) is not told by
        // itself.
        if (GetParam().ends_with("-seq") || std::get<0>(key) == "SCTP") continue;
        EXPECT_EQ(capture.master.at(key), state) << ::testing::PrintToString(key);
    }
    // What the listening kernel made of it: nothing else, and nothing less.
    for (const auto& [key, state] : capture.backup)
        EXPECT_TRUE(last.contains(key)) << ::testing::PrintToString(key);
    for (const auto& [key, state] : last) {
        if (!capture.backup.contains(key) && GetParam() == "v0-pe-sip") continue;  // collapsed
        EXPECT_TRUE(capture.backup.contains(key)) << ::testing::PrintToString(key);
    }
}

TEST_P(Captured, EncodesToTheSameBytes) {
    for (const auto& bytes : capture.datagrams) {
        const auto datagram = decode(bytes_of(bytes));
        ASSERT_TRUE(datagram);
        Writer writer(datagram->version, datagram->sync_id, bytes.size());
        for (const auto& connection : datagram->connections) {
            ASSERT_TRUE(writer.can_carry(connection));
            ASSERT_TRUE(writer.add(connection));
        }
        EXPECT_EQ(to_hex(writer.take()), to_hex(bytes));
    }
}

TEST_P(Captured, EachConnectionIsAFlowOrSkippedWithAReason) {
    for (const auto& connection : told()) {
        const auto flow = to_flow(connection);
        if ((connection.flags & kTemplate) != 0) {
            ASSERT_FALSE(flow);
            EXPECT_EQ(flow.error(), Skip::Template);
            continue;
        }
        if (!flow) {
            EXPECT_EQ(flow.error(), Skip::Sequences);
            EXPECT_TRUE(connection.sequences);
            continue;
        }
        EXPECT_EQ(flow->client, connection.client);
        EXPECT_EQ(flow->vip, connection.vip);
        EXPECT_EQ(flow->real, connection.real);
        EXPECT_EQ(flow->idle, kDelay);
        const auto expected =
            flow->protocol == Protocol::Udp ? "ESTABLISHED" : state_name(connection);
        if (flow->protocol != Protocol::Sctp) {
            EXPECT_EQ(dataplane::to_string(flow->state), expected);
        }
    }
}

TEST_P(Captured, CutOffOrChangedInOneBitNeverFails) {
    for (const auto& bytes : capture.datagrams) {
        // A header that says the size that is there lets more of the rest be read.
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            std::string cut = bytes.substr(0, size);
            EXPECT_FALSE(decode(bytes_of(cut)));
            if (size < 8) continue;
            cut[2] = static_cast<char>(size >> 8);
            cut[3] = static_cast<char>(size & 0xff);
            EXPECT_FALSE(decode(bytes_of(cut))) << size;
        }
        for (std::size_t bit = 0; bit < std::min<std::size_t>(bytes.size(), 200) * 8; ++bit) {
            std::string changed = bytes;
            changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
            if (const auto datagram = decode(bytes_of(changed)))
                for (const auto& connection : datagram->connections) (void)to_flow(connection);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Ipvs,
                         Captured,
                         ::testing::ValuesIn([] {
                             std::vector<std::string> names;
                             for (const auto& entry : std::filesystem::directory_iterator(
                                      VIPD_SOURCE_DIR "/tests/unit/sync/ipvs"))
                                 names.push_back(entry.path().stem().string());
                             std::ranges::sort(names);
                             return names;
                         }()),
                         [](const auto& of) {
                             std::string name = of.param;
                             std::ranges::replace(name, '-', '_');
                             return name;
                         });

TEST(IpvsWriter, FillsDatagramsAsTheKernelDoes) {
    for (const std::string name : {"v0-many", "v1-many"}) {
        const auto capture = read_capture(VIPD_SOURCE_DIR "/tests/unit/sync/ipvs/" + name + ".txt");
        std::vector<std::string> written;
        std::optional<Writer> writer;
        for (const auto& bytes : capture.datagrams) {
            const auto datagram = decode(bytes_of(bytes));
            ASSERT_TRUE(datagram);
            // 1500 less the headers of IP and UDP.
            if (!writer) writer.emplace(datagram->version, datagram->sync_id, 1472);
            for (const auto& connection : datagram->connections) {
                if (writer->add(connection)) continue;
                written.push_back(writer->take());
                ASSERT_TRUE(writer->add(connection));
            }
        }
        written.push_back(writer->take());
        EXPECT_EQ(written, capture.datagrams) << name;
    }
}

Connection sample() {
    Connection connection;
    connection.protocol = 6;
    connection.client = {*IpAddress::parse("10.1.1.1"), 20101};
    connection.vip = {*IpAddress::parse("203.0.113.10"), 80};
    connection.real = {*IpAddress::parse("198.51.100.11"), 80};
    connection.state = 1;
    return connection;
}

std::string written(const Connection& connection, std::uint8_t version = 1) {
    Writer writer(version, 7, 1472);
    EXPECT_TRUE(writer.add(connection));
    return writer.take();
}

Drop dropped(std::string bytes) {
    const auto datagram = decode(bytes_of(bytes));
    EXPECT_FALSE(datagram) << to_hex(bytes);
    return datagram ? Drop::Foreign : datagram.error();
}

TEST(IpvsDecode, SaysWhyItDropsADatagram) {
    const std::string good = written(sample());
    EXPECT_EQ(dropped(""), Drop::Truncated);
    EXPECT_EQ(dropped(good.substr(0, good.size() - 1)), Drop::Truncated);
    EXPECT_EQ(dropped(good + "x"), Drop::Size);
    const auto with = [&](std::size_t at, int value) {
        std::string bytes = good;
        bytes[at] = static_cast<char>(value);
        return bytes;
    };
    EXPECT_EQ(dropped(with(4, 2)), Drop::Malformed);      // a record more than there is
    EXPECT_EQ(dropped(with(4, 0)), Drop::Malformed);      // a record less
    EXPECT_EQ(dropped(with(8, 2)), Drop::Malformed);      // an unknown type of record
    EXPECT_EQ(dropped(with(10, 0x10)), Drop::Malformed);  // another version of record
    EXPECT_EQ(dropped(with(11, 3)), Drop::Malformed);     // a record shorter than its own head
    EXPECT_EQ(dropped(with(11, 255)), Drop::Malformed);   // longer than the datagram
}

std::string with_option(const std::string& option) {
    std::string bytes = written(sample()) + option;
    bytes[3] = static_cast<char>(bytes.size());
    bytes[11] = static_cast<char>(36 + option.size());
    return bytes;
}

TEST(IpvsDecode, TakesOptionsAsTheKernelDoes) {
    using namespace std::string_literals;
    EXPECT_EQ(decode(bytes_of(with_option("\x02\x03"s + "abc")))->connections[0].engine_data,
              "abc");
    // Unknown, but marked as one that may be passed over.
    EXPECT_TRUE(decode(bytes_of(with_option("\x45\x01z"s))));
    for (const auto& bad : {"\x05\x01z"s,                       // unknown
                            "\x02\x00"s,                        // empty
                            "\x02\x04" + "abc"s,                // longer than the record
                            "\x02"s,                            // no length
                            "\x01\x04" + "abcd"s,               // no sequences
                            "\x03\x11" + std::string(17, 'n'),  // too long a name
                            "\x02\x01" + "a\x02\x01"s + "b"})   // twice
        EXPECT_EQ(dropped(with_option(bad)), Drop::Malformed) << to_hex(bad);
}

TEST(IpvsWriter, KeepsWhatItCannotCarryOut) {
    Connection v6 = sample();
    v6.client.address = *IpAddress::parse("2001:db8::1");
    v6.vip.address = *IpAddress::parse("2001:db8::2");
    EXPECT_FALSE(Writer(1, 0, 1472).can_carry(v6));  // the real is IPv4
    v6.real.address = *IpAddress::parse("2001:db8::3");
    EXPECT_TRUE(Writer(1, 0, 1472).can_carry(v6));
    EXPECT_FALSE(Writer(0, 0, 1472).can_carry(v6));
    EXPECT_FALSE(Writer(1, 0, 40).can_carry(sample()));
    Writer full(1, 0, 65507);
    for (int i = 0; i < 255; ++i) ASSERT_TRUE(full.add(sample()));
    EXPECT_FALSE(full.add(sample()));
    EXPECT_EQ(decode(bytes_of(full.take()))->connections.size(), 255U);
}

TEST(IpvsFlow, ComesBackAsItWas) {
    model::Service service = {};
    service.tcp_timeout = Seconds(600);
    model::Real real;
    for (const auto state : {dataplane::FlowState::Established,
                             dataplane::FlowState::FinWait,
                             dataplane::FlowState::TimeWait,
                             dataplane::FlowState::Close,
                             dataplane::FlowState::CloseWait}) {
        dataplane::Flow flow = sync::testing::flow_of(1, state);
        flow.idle = kDelay;
        const auto told = decode(bytes_of(written(from_flow(flow, service, real))));
        ASSERT_TRUE(told);
        EXPECT_EQ(*to_flow(told->connections[0]), flow);
        EXPECT_EQ((told->connections[0].flags & kInactive) == 0,
                  state == dataplane::FlowState::Established);
    }
    const auto told = from_flow(sync::testing::flow_of(1), service, real);
    EXPECT_EQ(told.timeout, 600U);
    EXPECT_EQ(told.flags, kDirectRoute | kNoOutput);
}

TEST(IpvsFlow, SkipsWhatIsNoConnection) {
    Connection listening = sample();
    listening.state = 9;
    EXPECT_EQ(to_flow(listening).error(), Skip::State);
    listening.state = 11;
    EXPECT_EQ(to_flow(listening).error(), Skip::State);
    Connection esp = sample();
    esp.protocol = 50;
    EXPECT_EQ(to_flow(esp).error(), Skip::Protocol);
    Connection once = sample();
    once.flags |= kOnePacket;
    EXPECT_EQ(to_flow(once).error(), Skip::OnePacket);
}

}  // namespace
}  // namespace vipd::sync::ipvs
