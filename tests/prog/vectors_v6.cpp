// SPDX-License-Identifier: Apache-2.0
// IPv6, mixed families in tunnels, VLAN tags.
#include "tests/prog/vectors.hpp"

namespace vipd::testing {

namespace {

constexpr std::uint8_t kHopByHop = 0;
constexpr std::uint8_t kRouting = 43;
constexpr std::uint8_t kFragment = 44;
constexpr std::uint8_t kAuthentication = 51;
constexpr std::uint8_t kNoNext = 59;
constexpr std::uint8_t kDestination = 60;

/// Appends an extension header of (`units` + 1) * 8 bytes.
void extend(PacketSpec& spec, std::uint8_t type, std::uint8_t units = 0, unsigned fragment = 0) {
    if (spec.extensions.empty())
        spec.first_extension = type;
    else
        spec.extensions.at(spec.last_extension) = type;
    spec.last_extension = spec.extensions.size();
    put(spec.extensions, Bytes{0, type == kFragment ? std::uint8_t{0} : units});
    put16(spec.extensions, fragment);
    put(spec.extensions, Bytes(4U + units * 8U));
}

PacketSpec extended(const std::vector<std::uint8_t>& types, std::uint16_t port = kDr) {
    PacketSpec spec = v6(tcp(port));
    for (const std::uint8_t type : types) extend(spec, type);
    return spec;
}

}  // namespace

Bytes solicitation(const std::string& target, std::uint8_t type) {
    Bytes data;
    put(data, ip(target).bytes());
    put(data, Bytes{1, 1, 2, 0, 0, 0, 0, 2});
    return frame_of({0x33, 0x33, 0xff, 0, 1, 0},
                    PacketSpec().from_mac,
                    {},
                    icmp_packet("fe80::7", "ff02::1:ff00:100", type, 0, 0, data, 255, 0));
}

void add_v6(Vectors& to) {
    const auto change = [](void (*f)(PacketSpec&), PacketSpec spec = v6(tcp(kDr))) {
        return with(std::move(spec), f);
    };
    to.dr("SYN over IPv6", v6(tcp(kDr)));
    to.dr("data over IPv6",
          change([](PacketSpec& p) { p.tcp_flags = kAck | kPsh, p.payload = "GET / "; }));
    to.dr("UDP over IPv6", v6(udp(kDns)));
    to.dr("UDP without data over IPv6", v6(udp(kDns, "")));
    to.dr("traffic class and flow label",
          change([](PacketSpec& p) { p.tos = 0xb9, p.flow_label = 0xabcde; }));
    to.dr("hop limit 2", change([](PacketSpec& p) { p.ttl = 2; }));
    to.dr("padding behind IPv6", change([](PacketSpec& p) { p.padding = 3; }));
    to.dr("hop-by-hop options", extended({kHopByHop}));
    to.dr("destination options", extended({kDestination}));
    to.dr("routing header", extended({kRouting}));
    to.dr("long options", with(v6(tcp(kDr)), [](PacketSpec& p) { extend(p, kHopByHop, 20); }));
    to.dr("atomic fragment", extended({kFragment}));
    to.dr("six extension headers",
          extended({kHopByHop, kDestination, kRouting, kFragment, kDestination, kDestination}));
    to.dr("exactly the MTU over IPv6",
          change([](PacketSpec& p) { p.tcp_flags = kAck, p.payload.assign(1440, 'x'); }));
    to.add({"IPv6 out of another interface",
            build(v6(tcp(kDrOtherInterface))),
            "forwarded_dr",
            XDP_REDIRECT,
            to_real(build(v6(tcp(kDrOtherInterface))), 3)});

    to.tun("6in6", v6(tcp(kTun)), true);
    to.tun("6in6, UDP", v6(udp(kDnsTun)), true);
    to.tun("6in6 carries the traffic class on",
           change([](PacketSpec& p) { p.tos = 0x2e; }, v6(tcp(kTun))),
           true);
    to.tun("6in6 of another client has another label",
           change([](PacketSpec& p) { p.from = "2001:db8:bb:0:1:2:3:4", p.from_port = 9; },
                  v6(tcp(kTun))),
           true);
    to.tun("6in6 with extension headers", extended({kHopByHop, kDestination}, kTun), true);
    to.tun("6in6, padding", change([](PacketSpec& p) { p.padding = 9; }, v6(tcp(kTun))), true);
    to.tun("6in4", v6(tcp(kTunMixed)), false);
    to.tun("6in4 carries the traffic class on",
           change([](PacketSpec& p) { p.tos = 0x5a; }, v6(tcp(kTunMixed))),
           false);
    to.tun("4in6", tcp(kTunMixed), true);
    to.tun("4in6 with TOS and without DF",
           change([](PacketSpec& p) { p.tos = 0x5a, p.fragment = 0; }, tcp(kTunMixed)),
           true);
    to.tun("exactly the MTU in 6in6",
           change([](PacketSpec& p) { p.tcp_flags = kAck, p.payload.assign(1400, 'x'); },
                  v6(tcp(kTun))),
           true);

    to.pass("IPv6 for no service: port", build(v6(tcp(8080))), "pass_no_service");
    to.pass("IPv6 for no service: address",
            build(change([](PacketSpec& p) { p.to = "2001:db8::101"; })),
            "pass_no_service");
    to.pass("IPv4-mapped VIP",
            build(change([](PacketSpec& p) { p.to = "::ffff:10.0.0.100"; })),
            "pass_no_service");
    to.pass(
        "seven extension headers", build(extended({0, 60, 60, 60, 60, 60, 60})), "pass_protocol");
    to.pass("authentication header", build(extended({kAuthentication})), "pass_protocol");
    to.pass("no next header",
            build(change([](PacketSpec& p) { p.ip_protocol = kNoNext; })),
            "pass_protocol");
    to.pass("VRRP over IPv6",
            build(change([](PacketSpec& p) { p.ip_protocol = std::uint8_t{112}; })),
            "pass_protocol");
    to.pass(
        "version 4 under IPv6's EtherType",
        build(change([](PacketSpec& p) { p.ip_version = std::uint8_t{4}, p.ether_type = 0x86dd; })),
        "pass_malformed");
    to.pass("payload length beyond the frame",
            build(change([](PacketSpec& p) { p.ip_total_length = std::uint16_t{21}; })),
            "pass_malformed");
    to.pass("payload of no ports",
            build(change([](PacketSpec& p) { p.ip_total_length = std::uint16_t{3}; })),
            "pass_malformed");
    to.pass("extension header beyond the payload",
            build(with(extended({kHopByHop}),
                       [](PacketSpec& p) { p.ip_total_length = std::uint16_t{4}; })),
            "pass_malformed");
    to.pass("extension header beyond the frame",
            build(with(v6(tcp(kDr)),
                       [](PacketSpec& p) {
                           extend(p, kHopByHop);
                           p.extensions.at(1) = 30;
                       })),
            "pass_malformed");
    to.drop("TCP header cut by the payload length",
            build(change([](PacketSpec& p) { p.l4_size = 19; })),
            "drop_malformed");
    to.drop("UDP length beyond the IPv6 packet",
            build(change([](PacketSpec& p) { p.udp_length = std::uint16_t{14}; }, v6(udp(kDns)))),
            "drop_malformed");
    to.drop("IPv6 real not resolved", build(v6(tcp(kNoNeighbour))), "drop_neighbour");
    to.drop("no IPv6 real alive", build(v6(tcp(kNoReal))), "drop_no_real");
    to.pass("IPv6 real is this host", build(v6(tcp(kLocal))), "pass_local");
    to.drop(
        "IPv6 connection of a real that has failed", build(v6(tcp(kDown, kAck))), "drop_real_down");

    const auto full = [](std::uint16_t port, std::size_t payload) {
        return with(tcp(port, kAck), [&](PacketSpec& p) { p.payload.assign(payload, 'x'); });
    };
    const auto answered = [&](std::string description, const PacketSpec& spec, unsigned mtu) {
        const Bytes frame = build(spec);
        to.add({std::move(description),
                frame,
                "answered_too_big",
                XDP_TX,
                icmp_answer(frame, 2, 0, mtu)});
    };
    answered("IPv6, DR, one byte over the MTU", v6(full(kDr, 1441)), 1500);
    answered("6in6, one byte over the MTU", v6(full(kTun, 1401)), 1460);
    answered("6in4, one byte over the MTU", v6(full(kTunMixed, 1421)), 1480);
    answered("IPv6, far too long", v6(full(kTun, 3000)), 1460);
    {
        const Bytes frame = build(full(kTunMixed, 1421));
        to.add({"4in6, one byte over the MTU",
                frame,
                "answered_too_big",
                XDP_TX,
                icmp_answer(frame, 3, 4, 1460)});
    }
    for (const std::uint8_t ttl : {std::uint8_t{0}, std::uint8_t{1}})
        for (const std::size_t payload : {0, 3, 500}) {
            const Bytes frame =
                build(with(v6(full(kDr, payload)), [&](PacketSpec& p) { p.ttl = ttl; }));
            to.add({"hop limit " + std::to_string(ttl) + ", payload " + std::to_string(payload),
                    frame,
                    "answered_ttl",
                    XDP_TX,
                    icmp_answer(frame, 3, 0, 0)});
        }
    for (const char* from : {"::", "::1", "ff0e::1"})
        to.drop(std::string("hop limit 1 from ") + from,
                build(with(v6(tcp(kDr)), [&](PacketSpec& p) { p.ttl = 1, p.from = from; })),
                "drop_ttl");
    to.add({"no headroom for the outer IPv6 header",
            build(v6(tcp(kTun))),
            "drop_no_room",
            XDP_DROP,
            build(v6(tcp(kTun))),
            200});

    to.drop("neighbour solicitation for a claimed VIP", solicitation(kVip6), "drop_nd_no_lease");
    to.pass("neighbour solicitation for another", solicitation("2001:db8::4"), "pass_icmp");
    to.pass("neighbour advertisement of the VIP", solicitation(kVip6, 136), "pass_icmp");
    to.pass("echo request to the IPv6 VIP",
            frame_of(PacketSpec().to_mac,
                     PacketSpec().from_mac,
                     {},
                     icmp_packet("2001:db8:aa::7", kVip6, 128, 0, 7, Bytes{1, 2, 3})),
            "pass_icmp");
}

void add_tags(Vectors& to) {
    const auto tagged = [](PacketSpec spec, std::vector<std::uint16_t> tags) {
        spec.tags = std::move(tags);
        return spec;
    };
    for (const bool six : {false, true}) {
        const auto of = [&](std::uint16_t port) { return six ? v6(tcp(port)) : tcp(port); };
        const std::string family = six ? ", IPv6" : "";
        const auto dr = [&](const std::string& description,
                            const PacketSpec& spec,
                            int real,
                            const std::vector<std::uint16_t>& tags) {
            const Bytes frame = build(spec);
            to.add(
                {description + family, frame, "forwarded_dr", XDP_TX, to_real(frame, real, tags)});
        };
        const auto tun = [&](const std::string& description,
                             const PacketSpec& spec,
                             int real,
                             const std::vector<std::uint16_t>& tags) {
            const Bytes frame = build(spec);
            to.add({description + family,
                    frame,
                    "forwarded_tun",
                    XDP_TX,
                    in_tunnel(frame, spec, real, six, tags)});
        };
        dr("same VLAN", tagged(of(kDrVlan), {kVlan}), 6, {kVlan});
        dr("another VLAN, the priority stays", tagged(of(kDrVlan), {0xa005}), 6, {0xa000 | kVlan});
        dr("into a VLAN", of(kDrVlan), 6, {kVlan});
        dr("out of a VLAN", tagged(of(kDr), {kVlan}), 1, {});
        dr("out of QinQ into a VLAN",
           tagged(of(kDrVlan), {100, 0x6000 | kVlan}),
           6,
           {0x6000 | kVlan});
        dr("out of QinQ", tagged(of(kDr), {100, kVlan}), 1, {});
        tun("tunnel on the same VLAN", tagged(of(kTunVlan), {kTunnelVlan}), 7, {kTunnelVlan});
        tun("tunnel into a VLAN", of(kTunVlan), 7, {kTunnelVlan});
        tun("tunnel out of a VLAN", tagged(of(kTun), {7}), 2, {});
        to.pass("three tags" + family, build(tagged(of(kDr), {1, 2, 3})), "pass_not_ip");
        for (const std::vector<std::uint16_t>& tags :
             {std::vector<std::uint16_t>{5}, std::vector<std::uint16_t>{100, 5}}) {
            PacketSpec spec = tagged(of(kDr), tags);
            spec.ttl = 1;
            const Bytes frame = build(spec);
            const auto type = six ? std::uint8_t{3} : std::uint8_t{11};
            to.add({"an answer keeps the tags" + family,
                    frame,
                    "answered_ttl",
                    XDP_TX,
                    icmp_answer(frame, type, 0, 0)});
        }
    }
    to.pass("tagged, for nobody", build(tagged(tcp(8080), {5})), "pass_no_service");
    Bytes cut = build(tagged(tcp(kDr), {5}));
    cut.resize(16);
    to.pass("a tag cut short", cut, "pass_malformed");
    Bytes service_tag = build(tagged(tcp(kDr), {5}));
    set16(service_tag, 12, 0x88a8);
    to.add({"802.1ad", service_tag, "forwarded_dr", XDP_TX, to_real(build(tcp(kDr)), 1)});
}

}  // namespace vipd::testing
