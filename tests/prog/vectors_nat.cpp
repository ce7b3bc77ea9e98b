// SPDX-License-Identifier: Apache-2.0
// NAT, both ways; fragments, of every method.
#include "tests/prog/vectors.hpp"

#include <cstdio>

namespace vipd::testing {

namespace {

/// What comes out is made from scratch, so that every checksum is proof of the program's.
PacketSpec to_nat_real(PacketSpec spec, int n, std::uint16_t port) {
    spec.to = ip(spec.to).is_v4() ? real_address(n) : real_address6(n);
    spec.to_port = port;
    --spec.ttl;
    return spec;
}

/// The reply to what `client` has sent, as real `n` sends it from `port`.
PacketSpec reply_of(const PacketSpec& client, int n, std::uint16_t port) {
    PacketSpec reply = client;
    reply.to = client.from;
    reply.to_port = client.from_port;
    reply.from = ip(client.to).is_v4() ? real_address(n) : real_address6(n);
    reply.from_port = port;
    reply.tcp_flags = kAck;
    return reply;
}

/// The same as its client gets it.
PacketSpec from_vip(PacketSpec reply, const PacketSpec& client) {
    reply.from = client.to;
    reply.from_port = client.to_port;
    --reply.ttl;
    return reply;
}

PacketSpec known(PacketSpec client) {
    client.from_port = kKnownClient;
    return client;
}

Bytes framed(const PacketSpec& spec, const MacAddress& to, const MacAddress& from) {
    PacketSpec out = spec;
    out.to_mac = to;
    out.from_mac = from;
    return build(out);
}

/// An ICMP error from a router to who sent `quoted`.
Bytes error(const std::string& router,
            const PacketSpec& quoted,
            std::uint8_t type,
            std::uint8_t ttl,
            std::size_t quote) {
    Bytes bytes = build_packet(quoted);
    bytes.resize(std::min(quote, bytes.size()));
    return icmp_packet(router, quoted.from, type, 4, 1400, bytes, ttl);
}

Bytes in_frame(const MacAddress& to, const MacAddress& from, const Bytes& packet) {
    return frame_of(to, from, {}, packet);
}

}  // namespace

MacAddress clients_mac() {
    return {0x02, 0xcc, 0, 0, 0, 0x01};
}

void add_nat(Vectors& to) {
    const auto forward =
        [&](const std::string& description, const PacketSpec& spec, std::uint16_t port = kNatPort) {
            to.add({"NAT: " + description,
                    build(spec),
                    "forwarded_nat",
                    XDP_TX,
                    framed(to_nat_real(spec, 8, port), real_mac(8), kRouterMac)});
        };
    const auto back = [&](
                          const std::string& description,
                          const PacketSpec& client,
                          std::uint16_t port,
                          const std::function<void(PacketSpec&)>& change = [](PacketSpec&) {}) {
        const PacketSpec reply = with(reply_of(client, 8, port), change);
        to.add({"NAT: " + description,
                build(reply),
                "forwarded_reply",
                XDP_REDIRECT,
                framed(from_vip(reply, client), kClientMac, clients_mac())});
    };
    for (const bool six : {false, true}) {
        const auto of = [&](const PacketSpec& spec) { return six ? v6(spec) : spec; };
        const std::string family = six ? ", IPv6" : "";
        const PacketSpec web = of(known(tcp(kNat)));
        const PacketSpec dns = of(known(udp(kDnsNat)));
        forward("SYN" + family, of(tcp(kNat)));
        forward("data" + family, with(web, [](PacketSpec& p) {
                    p.tcp_flags = kAck, p.payload = "GET / HTTP/1.0 of odd length";
                }));
        forward("a datagram" + family, dns, kNatDnsPort);
        forward("an empty datagram" + family, of(known(udp(kDnsNat, ""))), kNatDnsPort);
        forward("a datagram without checksum" + family,
                with(dns, [](PacketSpec& p) { p.no_checksum = true; }),
                kNatDnsPort);
        forward("padding stays" + family,
                with(web, [](PacketSpec& p) { p.tcp_flags = kAck, p.padding = 6; }));
        back("a reply" + family, web, kNatPort);
        back("SYN+ACK" + family, web, kNatPort, [](PacketSpec& p) { p.tcp_flags = kSyn | kAck; });
        back("a reply with data" + family, web, kNatPort, [](PacketSpec& p) {
            p.payload = "200 ok";
        });
        back("a datagram back" + family, dns, kNatDnsPort);
        back("a datagram back without checksum" + family, dns, kNatDnsPort, [](PacketSpec& p) {
            p.no_checksum = true;
        });
        const PacketSpec tagged = of(tcp(kNatVlan));
        PacketSpec real9 = to_nat_real(tagged, 9, kNatVlan);
        real9.tags = {kVlan};
        to.add({"NAT: into a VLAN" + family,
                build(tagged),
                "forwarded_nat",
                XDP_TX,
                framed(real9, real_mac(9), kRouterMac)});
        PacketSpec from_vlan = reply_of(of(known(tcp(kNatVlan))), 9, kNatVlan);
        from_vlan.tags = {kVlan};
        PacketSpec untagged = from_vip(from_vlan, of(known(tcp(kNatVlan))));
        untagged.tags.clear();
        to.add({"NAT: a reply out of a VLAN" + family,
                build(from_vlan),
                "forwarded_reply",
                XDP_REDIRECT,
                framed(untagged, kClientMac, clients_mac())});

        // Errors: about the reply, from the client's side; about the request, from the real's.
        const std::string router = six ? "2001:db8:99::9" : "203.0.113.9";
        const std::uint8_t type = six ? 1 : 3;
        const MacAddress here = PacketSpec().to_mac;
        const MacAddress there = PacketSpec().from_mac;
        for (const PacketSpec& client : {web, dns}) {
            const bool datagram = client.protocol == Protocol::Udp;
            const std::uint16_t port = datagram ? kNatDnsPort : kNatPort;
            const std::size_t quote = six ? 48 : 28;
            PacketSpec reply = with(reply_of(client, 8, port), [](PacketSpec& p) {
                p.payload = "12345678";
                p.no_checksum = p.protocol == Protocol::Udp;
            });
            PacketSpec vip_reply = from_vip(reply, client);
            vip_reply.ttl = reply.ttl;
            // A checksum in the quote is not touched: nobody looks at it.
            to.add({"NAT: an error to the real server" + family,
                    in_frame(here, there, error(router, vip_reply, type, 64, quote)),
                    "forwarded_nat",
                    XDP_TX,
                    in_frame(real_mac(8), kRouterMac, error(router, reply, type, 63, quote))});
            PacketSpec request = client;
            request.no_checksum = datagram;
            PacketSpec at_real = to_nat_real(request, 8, port);
            at_real.ttl = request.ttl;
            const std::string vip = six ? kVip6 : kVip;
            to.add({"NAT: an error to the client" + family,
                    in_frame(here, there, error(at_real.to, at_real, type, 64, quote)),
                    "forwarded_reply",
                    XDP_REDIRECT,
                    in_frame(kClientMac, clients_mac(), error(vip, request, type, 63, quote))});
            to.add({"NAT: an error of a router before the real server" + family,
                    in_frame(here, there, error(router, at_real, type, 64, quote)),
                    "forwarded_reply",
                    XDP_REDIRECT,
                    in_frame(kClientMac, clients_mac(), error(vip, request, type, 63, quote))});
        }
        to.pass("NAT: of no connection" + family,
                build(with(reply_of(web, 8, kNatPort), [](PacketSpec& p) { p.to_port = 1; })),
                "pass_no_connection");
        to.pass("NAT: from another port of the real server" + family,
                build(reply_of(web, 8, 22)),
                "pass_no_service");
        to.pass("NAT: of another real server with its port" + family,
                build(reply_of(of(known(tcp(kNat))), 9, kNatPort)),
                "pass_no_service");
        to.drop("NAT: a reply to whom the neighbour table does not know" + family,
                build(with(reply_of(web, 8, kNatPort),
                           [&](PacketSpec& p) { p.to = six ? kUnresolved6 : kUnresolved; })),
                "drop_neighbour");
        to.drop("NAT: a reply to where no route goes" + family,
                build(with(reply_of(web, 8, kNatPort),
                           [&](PacketSpec& p) { p.to = six ? kUnrouted6 : kUnrouted; })),
                "drop_no_route");
        to.drop("NAT: a broken reply" + family,
                build(with(reply_of(web, 8, kNatPort),
                           [](PacketSpec& p) { p.tcp_header_words = std::uint8_t{4}; })),
                "drop_malformed");
        const Bytes last =
            build(with(reply_of(web, 8, kNatPort), [](PacketSpec& p) { p.ttl = 1; }));
        to.add({"NAT: a reply with no hop left" + family,
                last,
                "answered_ttl",
                XDP_TX,
                icmp_answer(last, six ? std::uint8_t{3} : std::uint8_t{11}, 0, 0)});
        const Bytes longer = build(
            with(reply_of(web, 8, kNatPort), [](PacketSpec& p) { p.payload.assign(1500, 'x'); }));
        to.add({"NAT: a reply too long for the client's link" + family,
                longer,
                "answered_too_big",
                XDP_TX,
                six ? icmp_answer(longer, 2, 0, 1500) : icmp_answer(longer, 3, 4, 1500)});
        to.add({"NAT: no headroom for the tag" + family,
                build(tagged),
                "drop_no_room",
                XDP_DROP,
                build(tagged),
                216});
    }
}

void add_fragments(Vectors& to) {
    const auto part = [](const PacketSpec& whole, bool first) {
        // Of 24 bytes of data after the UDP header 16 are in the first part.
        PacketSpec spec = whole;
        const bool v6 = ip(whole.to).is_v6();
        const unsigned offset = first ? 0 : 3;
        spec.fragment = static_cast<std::uint16_t>(offset | (first ? kMoreFragments : 0));
        if (v6) {
            spec.first_extension = 44;
            spec.extensions = {0, 0};
            put16(spec.extensions, offset << 3 | (first ? 1U : 0U));
            put(spec.extensions, Bytes{0, 1, 0xab, 0xcd});
        }
        const Bytes l4 = build_l4(whole);
        const Bytes data(first ? l4.begin() : l4.begin() + 24, first ? l4.begin() + 24 : l4.end());
        return v6 ? build_v6(spec, data) : build_v4(spec, data);
    };
    const auto frame = [](const Bytes& packet, const MacAddress& to_mac, const MacAddress& from) {
        return frame_of(to_mac, from, {}, packet);
    };
    const MacAddress here = PacketSpec().to_mac;
    const MacAddress there = PacketSpec().from_mac;
    std::uint16_t id = 1;
    for (const bool six : {false, true}) {
        const auto of = [&](PacketSpec spec) {
            spec.payload.assign(24, 'f');
            spec.id = ++id;
            return six ? v6(spec) : spec;
        };
        const std::string family = six ? ", IPv6" : "";
        const auto stray = [&](const PacketSpec& spec) {
            to.pass("a later fragment before its first" + family,
                    frame(part(spec, false), here, there),
                    "pass_fragment");
        };
        for (const bool first : {true, false}) {
            const std::string which = (first ? "first fragment" : "later fragment") + family;
            // Each with an id of its own, the same for both parts.
            PacketSpec dr = of(udp(kDns));
            PacketSpec tun = of(known(udp(kDnsTun)));
            PacketSpec nat = of(known(udp(kDnsNat)));
            dr.id = 0x101, tun.id = 0x102, nat.id = 0x103;
            if (six) tun.from = "2001:db8:aa::17", nat.from_port = kKnownClient;
            if (first && !six) stray(dr);
            Bytes in = frame(part(dr, first), here, there);
            to.add({which, in, "forwarded_dr", XDP_TX, to_real(in, 1)});
            in = frame(part(tun, first), here, there);
            to.add(
                {which + " in a tunnel", in, "forwarded_tun", XDP_TX, in_tunnel(in, tun, 2, six)});
            if (six) continue;  // one id space: the DR flow's parts have these addresses already
            PacketSpec at_real = to_nat_real(nat, 8, kNatDnsPort);
            to.add({which + " by NAT",
                    frame(part(nat, first), here, there),
                    "forwarded_nat",
                    XDP_TX,
                    frame(part(at_real, first), real_mac(8), kRouterMac)});
            PacketSpec reply = reply_of(nat, 8, kNatDnsPort);
            to.add({which + " of a reply",
                    frame(part(reply, first), here, there),
                    "forwarded_reply",
                    XDP_REDIRECT,
                    frame(part(from_vip(reply, nat), first), kClientMac, clients_mac())});
        }
        to.pass("a fragment of ICMP" + family,
                frame(part(with(of(udp(kDns)),
                                [&](PacketSpec& p) {
                                    p.ip_protocol = six ? std::uint8_t{58} : std::uint8_t{1};
                                }),
                           true),
                      here,
                      there),
                "pass_fragment");
    }
    to.drop(
        "a first fragment with half a TCP header",
        build(with(tcp(kDr), [](PacketSpec& p) { p.fragment = kMoreFragments, p.l4_size = 16; })),
        "drop_malformed");
}

}  // namespace vipd::testing
