// SPDX-License-Identifier: Apache-2.0
// IPv4.
#include "tests/prog/vectors.hpp"

namespace vipd::testing {

namespace {

Bytes plain(std::uint16_t ether_type, std::size_t size) {
    Bytes frame = build(tcp(80));
    set16(frame, 12, ether_type);
    frame.resize(size);
    return frame;
}

}  // namespace

void add_v4(Vectors& to) {
    const Bytes options{0x94, 0x04, 0x00, 0x00, 0x01, 0x01, 0x01, 0x00};
    const auto change = [](void (*f)(PacketSpec&), PacketSpec spec = tcp(kDr)) {
        return with(std::move(spec), f);
    };

    to.dr("SYN to a DR service", tcp(kDr));
    to.dr("data", change([](PacketSpec& p) { p.tcp_flags = kAck | kPsh, p.payload = "GET / "; }));
    to.dr("FIN", tcp(kDr, kFin | kAck));
    to.dr("RST", tcp(kDr, kRst));
    to.dr("a segment without a flag", tcp(kDr, 0));
    to.dr("SYN with TCP options", change([](PacketSpec& p) { p.tcp_options = {2, 4, 5, 180}; }));
    to.dr("SYN with data", change([](PacketSpec& p) { p.payload = "early"; }));
    to.dr("IPv4 options", with(tcp(kDr), [&](PacketSpec& p) { p.ip_options = options; }));
    to.dr("the most IPv4 options", change([](PacketSpec& p) { p.ip_options = Bytes(40, 1); }));
    to.dr("a short frame with padding", change([](PacketSpec& p) { p.padding = 6; }));
    to.dr("TTL 2, the last that goes on", change([](PacketSpec& p) { p.ttl = 2; }));
    to.dr("TTL 255", change([](PacketSpec& p) { p.ttl = 255; }));
    to.dr("TOS and no DF", change([](PacketSpec& p) { p.tos = 0xb9, p.fragment = 0; }));
    to.dr("UDP", udp(kDns));
    to.dr("UDP without data", udp(kDns, ""));
    to.dr("UDP shorter than IP says", change([](PacketSpec& p) { p.udp_length = 9; }, udp(kDns)));
    to.dr("exactly the MTU",
          change([](PacketSpec& p) { p.tcp_flags = kAck, p.payload.assign(1460, 'x'); }));
    to.add({"out of another interface",
            build(tcp(kDrOtherInterface)),
            "forwarded_dr",
            XDP_REDIRECT,
            to_real(build(tcp(kDrOtherInterface)), 3)});

    to.tun("SYN to a TUN service", tcp(kTun), false);
    to.tun("TOS and DF go to the outer header",
           change([](PacketSpec& p) { p.tos = 0x2e; }, tcp(kTun)),
           false);
    to.tun("without DF", change([](PacketSpec& p) { p.fragment = 0; }, tcp(kTun)), false);
    to.tun("IPv4 options stay inside",
           with(tcp(kTun), [&](PacketSpec& p) { p.ip_options = options; }),
           false);
    to.tun("padding stays behind", change([](PacketSpec& p) { p.padding = 6; }, tcp(kTun)), false);
    to.tun("UDP", udp(kDnsTun), false);
    to.tun(
        "exactly the MTU with the outer header",
        change([](PacketSpec& p) { p.tcp_flags = kAck, p.payload.assign(1440, 'x'); }, tcp(kTun)),
        false);

    to.pass("for no service: other port", build(tcp(8080)), "pass_no_service");
    to.pass("for no service: other protocol", build(udp(kDr)), "pass_no_service");
    to.pass("for no service: other address",
            build(change([](PacketSpec& p) { p.to = "10.0.0.101"; })),
            "pass_no_service");
    to.pass("for no service: from the VIP",
            build(change([](PacketSpec& p) { p.from = "10.0.0.100", p.to = "198.51.100.7"; })),
            "pass_no_service");
    to.pass("LLDP", plain(0x88cc, 60), "pass_not_ip");
    to.pass("ICMP echo to the VIP",
            build(change([](PacketSpec& p) { p.ip_protocol = std::uint8_t{1}; })),
            "pass_icmp");
    to.pass("VRRP",
            build(change([](PacketSpec& p) { p.ip_protocol = std::uint8_t{112}; })),
            "pass_protocol");
    to.pass("IPIP",
            build(change([](PacketSpec& p) { p.ip_protocol = std::uint8_t{4}; })),
            "pass_protocol");
    to.pass("header of four words",
            build(change([](PacketSpec& p) { p.ip_header_words = std::uint8_t{4}; })),
            "pass_malformed");
    to.pass("header longer than the packet",
            build(change([](PacketSpec& p) { p.ip_header_words = std::uint8_t{15}; })),
            "pass_malformed");
    to.pass("version 6 under IPv4's EtherType",
            build(change([](PacketSpec& p) { p.ip_version = std::uint8_t{6}; })),
            "pass_malformed");
    to.pass("total length beyond the frame",
            build(change([](PacketSpec& p) { p.ip_total_length = std::uint16_t{41}; })),
            "pass_malformed");
    to.pass("total length within the header",
            build(change([](PacketSpec& p) { p.ip_total_length = std::uint16_t{19}; })),
            "pass_malformed");
    to.pass("total length without ports",
            build(change([](PacketSpec& p) { p.ip_total_length = std::uint16_t{23}; })),
            "pass_malformed");
    to.pass("Ethernet alone", plain(0x0800, 14), "pass_malformed");

    to.drop("TCP header cut by the total length",
            build(change([](PacketSpec& p) { p.l4_size = 19; })),
            "drop_malformed");
    to.drop("TCP header of four words",
            build(change([](PacketSpec& p) { p.tcp_header_words = std::uint8_t{4}; })),
            "drop_malformed");
    to.drop("TCP options beyond the packet",
            build(change([](PacketSpec& p) { p.tcp_header_words = std::uint8_t{6}; })),
            "drop_malformed");
    to.drop("UDP length below its header",
            build(change([](PacketSpec& p) { p.udp_length = std::uint16_t{7}; }, udp(kDns))),
            "drop_malformed");
    to.drop("UDP length beyond the packet",
            build(change([](PacketSpec& p) { p.udp_length = std::uint16_t{14}; }, udp(kDns))),
            "drop_malformed");
    for (const std::uint8_t ttl : {std::uint8_t{0}, std::uint8_t{1}}) {
        const Bytes frame = build(with(tcp(kDr), [&](PacketSpec& p) { p.ttl = ttl; }));
        to.add({"TTL " + std::to_string(ttl),
                frame,
                "answered_ttl",
                XDP_TX,
                icmp_answer(frame, 11, 0, 0)});
    }
    to.drop("TTL 1 from a group",
            build(change([](PacketSpec& p) { p.ttl = 1, p.from = "239.1.1.1"; })),
            "drop_ttl");
    to.drop("real not resolved", build(tcp(kNoNeighbour)), "drop_neighbour");
    to.drop("no real alive", build(tcp(kNoReal)), "drop_no_real");
    to.pass("real is this host", build(tcp(kLocal)), "pass_local");
    to.drop("connection of a real that has failed", build(tcp(kDown, kAck)), "drop_real_down");
    // Too long for the way. `real` is not looked at, the length that fits depends on the method.
    const auto full = [&](std::uint16_t port, std::size_t payload) {
        return with(tcp(port, kAck), [&](PacketSpec& p) { p.payload.assign(payload, 'x'); });
    };
    const auto answered = [&](std::string description, const PacketSpec& spec) {
        const bool tunnel = spec.to_port == kTun || spec.to_port == kDnsTun;
        const Bytes frame = build(spec);
        to.add({std::move(description),
                frame,
                "answered_too_big",
                XDP_TX,
                icmp_answer(frame, 3, 4, tunnel ? 1480 : 1500)});
    };
    const auto lost = [&](std::string description, const PacketSpec& spec) {
        to.drop(std::move(description), build(spec), "drop_too_big");
    };
    answered("DR one byte over the MTU", full(kDr, 1461));
    answered("TUN one byte over the MTU", full(kTun, 1441));
    answered("TUN, a full segment of the client's", full(kTun, 1460));
    answered("far too long", full(kTun, 3000));
    answered("too long with IPv4 options",
             with(full(kTun, 1441), [&](PacketSpec& p) { p.ip_options = options; }));
    answered("too long with the most IPv4 options",
             change([](PacketSpec& p) { p.ip_options = Bytes(40, 1); }, full(kTun, 1441)));
    answered("too long with TTL 2", change([](PacketSpec& p) { p.ttl = 2; }, full(kDr, 1461)));
    answered("too long with TCP options, TOS and padding",
             change([](PacketSpec& p) { p.tcp_options = Bytes(12, 1), p.tos = 8, p.padding = 5; },
                    full(kTun, 1460)));
    answered("too long a datagram", udp(kDnsTun, std::string(1453, 'x')));
    lost("too long without DF", change([](PacketSpec& p) { p.fragment = 0; }, full(kTun, 1460)));
    lost("too long from nobody",
         change([](PacketSpec& p) { p.from = "0.0.0.0"; }, full(kDr, 1461)));
    lost("too long from loopback",
         change([](PacketSpec& p) { p.from = "127.0.0.1"; }, full(kDr, 1461)));
    lost("too long from a group",
         change([](PacketSpec& p) { p.from = "224.0.0.9"; }, full(kDr, 1461)));
    lost("too long to a group's MAC",
         change([](PacketSpec& p) { p.to_mac[0] |= 1; }, full(kDr, 1461)));
    to.add({"no headroom for the answer",
            build(full(kTun, 1441)),
            "drop_too_big",
            XDP_DROP,
            build(full(kTun, 1441)),
            200});
    to.add({"no headroom for the outer header",
            build(tcp(kTun)),
            "drop_no_room",
            XDP_DROP,
            build(tcp(kTun)),
            200});
}

}  // namespace vipd::testing
