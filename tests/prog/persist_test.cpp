// SPDX-License-Identifier: Apache-2.0
// Persistence, services of any port, and those by fwmark.
#include "tests/prog/flow_fixture.hpp"

#include <linux/bpf.h>

namespace vipd::testing {

namespace {

PacketSpec from(const std::string& client,
                std::uint16_t client_port,
                std::uint8_t flags = kSyn,
                std::uint16_t vip_port = 80) {
    PacketSpec spec = packet(client_port, flags);
    spec.from = client;
    spec.to_port = vip_port;
    return spec;
}

}  // namespace

class PersistTest : public FlowTest {
  protected:
    static model::Service persistent(int reals, std::uint16_t port = 80) {
        model::Service web = service(port, reals, Scheduler::RoundRobin);
        web.persistence = Seconds(300);
        return web;
    }
    std::optional<Flow> template_of(const std::string& client) const {
        for (const Flow& flow : flows())
            if (flow.is_template && flow.client.address == ip(client)) return flow;
        return std::nullopt;
    }
    /// Opens a connection; the real that took it.
    int open_from(const std::string& client, std::uint16_t port, std::uint16_t vip_port = 80) {
        const int chosen = real_for(from(client, port, kSyn, vip_port));
        EXPECT_EQ(real_for(from(client, port, kAck, vip_port)), chosen);
        return chosen;
    }
};

TEST_F(PersistTest, ClientStaysAndOthersAreScheduled) {
    put(persistent(3));
    EXPECT_EQ(open_from("198.51.100.1", 1), 3);
    EXPECT_EQ(open_from("198.51.100.1", 2), 3);
    EXPECT_EQ(open_from("198.51.100.1", 3), 3);
    EXPECT_EQ(open_from("198.51.100.2", 1), 2);
    EXPECT_EQ(open_from("198.51.100.1", 4), 3);
    EXPECT_EQ(open_from("198.51.100.2", 2), 2);
    const auto found = template_of("198.51.100.1");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->client.port, 0);
    EXPECT_EQ(found->vip.to_string(), "10.0.0.100:80");
    EXPECT_EQ(found->real.address, ip(real_address(3)));
    // As IPVS: a template is no connection.
    const auto web = persistent(3);
    EXPECT_EQ(plane->connections(web.key, web.reals[2].endpoint).active, 4U);
    EXPECT_EQ(plane->connections(web.key, web.reals[2].endpoint).inactive, 0U);
}

TEST_F(PersistTest, GranularityMakesOneClientOfANetwork) {
    model::Service web = persistent(3);
    web.granularity = 24;
    put(web);
    EXPECT_EQ(open_from("198.51.100.1", 1), 3);
    EXPECT_EQ(open_from("198.51.100.200", 1), 3);
    EXPECT_EQ(open_from("198.51.101.1", 1), 2);
    EXPECT_TRUE(template_of("198.51.100.0"));
    close();
    ASSERT_NO_FATAL_FAILURE(open());
    EXPECT_EQ(plane->model().at(web.key), web);
    EXPECT_EQ(open_from("198.51.100.77", 1), 3);
}

TEST_F(PersistTest, RealOfWeightZeroKeepsItsClientsOneThatIsDownDoesNot) {
    model::Service web = persistent(3);
    put(web);
    EXPECT_EQ(open_from("198.51.100.1", 1), 3);
    set_weight(web, 3, 0);
    put(web);
    EXPECT_EQ(open_from("198.51.100.1", 2), 3);
    EXPECT_EQ(open_from("198.51.100.2", 1), 2);
    set_alive(web, 3, false);
    put(web);
    EXPECT_EQ(open_from("198.51.100.1", 3), 1);
    set_alive(web, 3, true);
    set_weight(web, 3, 1);
    put(web);
    EXPECT_EQ(open_from("198.51.100.1", 4), 1) << "the template is the new one's by now";
}

TEST_F(PersistTest, FullRealKeepsItsClients) {
    model::Service web = persistent(2);
    web.reals[1].upper = 1;
    put(web);
    EXPECT_EQ(open_from("198.51.100.1", 1), 2);
    EXPECT_EQ(open_from("198.51.100.2", 1), 1);
    EXPECT_EQ(open_from("198.51.100.3", 1), 1);
    EXPECT_EQ(open_from("198.51.100.1", 2), 2);
}

TEST_F(PersistTest, TemplateLivesAsLongAsItHasConnections) {
    put(persistent(3));
    EXPECT_EQ(open_from("198.51.100.1", 1), 3);
    age(0, Seconds(290));
    sweep_round();
    age(0, Seconds(50));
    EXPECT_EQ(open_from("198.51.100.1", 2), 3) << "60 s more while a connection is open";
    for (const std::uint16_t port : {std::uint16_t{1}, std::uint16_t{2}}) age(port, Seconds(1000));
    sweep_round();
    age(0, Seconds(310));
    sweep_round();
    EXPECT_FALSE(template_of("198.51.100.1"));
    EXPECT_EQ(open_from("198.51.100.1", 3), 2);
}

TEST_F(PersistTest, TemplateOfABareSynIsCheapAndNoNews) {
    put(persistent(3));
    run(from("198.51.100.1", 1));
    ASSERT_TRUE(template_of("198.51.100.1"));
    EXPECT_TRUE(template_of("198.51.100.1")->one_packet);
    EXPECT_TRUE(changes().empty());
    run(from("198.51.100.1", 1));  // again the SYN: still nobody
    EXPECT_TRUE(template_of("198.51.100.1")->one_packet);
    run(from("198.51.100.1", 1, kAck));
    EXPECT_FALSE(template_of("198.51.100.1")->one_packet);
    const auto told = changes();
    EXPECT_EQ(std::ranges::count_if(told, [](const Flow& flow) { return flow.is_template; }), 1);
}

TEST_F(PersistTest, TemplateOfAPeerIsHeeded) {
    put(persistent(3));
    run(from("198.51.100.1", 1));
    run(from("198.51.100.1", 1, kAck));
    Flow told = *template_of("198.51.100.1");
    told.client.address = ip("198.51.100.9");
    told.real = {ip(real_address(1)), 80};
    ASSERT_EQ(plane->store_flows({&told, 1}).stored, 1U);
    EXPECT_EQ(open_from("198.51.100.9", 1), 1);
    EXPECT_FALSE(template_of("198.51.100.9")->synced) << "it is this node's too now";
    // Gone there: gone here, too.
    told.client.address = ip("198.51.100.10");
    ASSERT_EQ(plane->store_flows({&told, 1}).stored, 1U);
    told.state = FlowState::None;
    ASSERT_EQ(plane->store_flows({&told, 1}).stored, 1U);
    EXPECT_FALSE(template_of("198.51.100.10"));
    // Nobody is persistent there.
    Flow other = told;
    other.state = FlowState::Established;
    put(service(80, 3, Scheduler::RoundRobin));
    EXPECT_EQ(plane->store_flows({&other, 1}).unknown, 1U);
}

// --- any port ----------------------------------------------------------------------------------

TEST_F(PersistTest, AnyPortIsWhatNoOtherServiceHas) {
    model::Service any = persistent(3, 0);
    put(any);
    model::Service web = service(80, 0, Scheduler::RoundRobin);
    web.reals = {real(4, 80)};
    put(web);
    EXPECT_EQ(open_from("198.51.100.1", 1, 443), 3);
    EXPECT_EQ(open_from("198.51.100.1", 2, 25), 3) << "one template for all ports";
    EXPECT_EQ(open_from("198.51.100.2", 1, 25), 2);
    EXPECT_EQ(open_from("198.51.100.1", 3, 80), 4) << "exact ones go first";
    EXPECT_EQ(template_of("198.51.100.1")->vip.port, 0);
    EXPECT_EQ(flow(2)->real.port, 25) << "packets keep their port";
    PacketSpec udp = from("198.51.100.1", 1, 0, 443);
    udp.protocol = Protocol::Udp;
    EXPECT_EQ(run(udp).verdict, "pass_no_service");
    // A peer's flow of it finds its service and real.
    Flow told = peer_flow(77, 2);
    told.vip.port = told.real.port = 8443;
    ASSERT_EQ(plane->store_flows({&told, 1}).stored, 1U);
    close();
    ASSERT_NO_FATAL_FAILURE(open());
    EXPECT_EQ(real_for(from("198.51.100.7", 77, kAck, 8443)), 2);
    EXPECT_EQ(open_from("198.51.100.1", 4, 8443), 3);
    remove(any);
    EXPECT_EQ(run(from("198.51.100.1", 5, kSyn, 443)).verdict, "pass_no_service");
    EXPECT_EQ(open_from("198.51.100.1", 6, 80), 4);
}

// --- fwmark ------------------------------------------------------------------------------------

TEST_F(PersistTest, ServiceByMarkIsOneWhateverItsAddresses) {
    model::Service marked = persistent(3, 80);
    marked.mark = 7;
    marked.also = {{{ip("10.0.0.100"), 443}, Protocol::Tcp},
                   {{ip("10.0.0.100"), 443}, Protocol::Udp},
                   {{ip("10.0.0.101"), 0}, Protocol::Tcp}};
    for (auto& each : marked.reals) each.endpoint.port = 0;
    put(marked);
    EXPECT_EQ(open_from("198.51.100.1", 1, 80), 3);
    EXPECT_EQ(open_from("198.51.100.1", 2, 443), 3);
    EXPECT_EQ(open_from("198.51.100.2", 1, 443), 2);
    PacketSpec other = from("198.51.100.2", 2, kSyn, 9);
    other.to = "10.0.0.101";
    EXPECT_EQ(real_for(other), 2);
    PacketSpec quic = from("198.51.100.1", 3, 0, 443);
    quic.protocol = Protocol::Udp;
    EXPECT_EQ(real_for(quic), 3);
    EXPECT_EQ(plane->counters(marked.key)->connections, 5U);
    EXPECT_EQ(template_of("198.51.100.1")->vip.to_string(), "0.0.0.7:0");
    EXPECT_EQ(plane->connections(marked.key, marked.reals[2].endpoint).inactive, 1U) << "UDP";

    Flow told = *template_of("198.51.100.1");
    told.client.address = ip("198.51.100.9");
    told.real.address = ip(real_address(1));
    ASSERT_EQ(plane->store_flows({&told, 1}).stored, 1U);
    EXPECT_EQ(open_from("198.51.100.9", 1, 443), 1);

    close();
    ASSERT_NO_FATAL_FAILURE(open());
    EXPECT_EQ(plane->model().at(marked.key), marked);
    EXPECT_EQ(open_from("198.51.100.1", 9, 443), 3);

    resolve(4);
    // One key less; then another service has it.
    marked.also.erase(marked.also.begin());
    put(marked);
    EXPECT_EQ(run(from("198.51.100.1", 10, kSyn, 443)).verdict, "pass_no_service");
    model::Service other_service = service(0, 0, Scheduler::RoundRobin);
    other_service.key = marked.also.back();
    other_service.reals = {real(4, 0)};
    put(other_service);
    marked.also.pop_back();
    put(marked);
    other.from_port = 11;
    EXPECT_EQ(real_for(other), 4) << "it is not taken away from the new one";
    remove(marked);
    EXPECT_EQ(real_for(other), 4);
}

// --- one packet --------------------------------------------------------------------------------

TEST_F(PersistTest, OnePacketSchedulingKeepsNoFlow) {
    model::Service dns = service(53, 3, Scheduler::RoundRobin, Protocol::Udp);
    dns.one_packet = true;
    put(dns);
    std::vector<int> chosen;
    for (int i = 0; i < 6; ++i) chosen.push_back(real_for(datagram(1000)));
    EXPECT_EQ(chosen, (std::vector<int>{3, 2, 1, 3, 2, 1}));
    EXPECT_TRUE(flows().empty());
    EXPECT_EQ(plane->counters(dns.key)->connections, 6U);
    close();
    ASSERT_NO_FATAL_FAILURE(open());
    EXPECT_EQ(plane->model().at(dns.key), dns);
}

}  // namespace vipd::testing
