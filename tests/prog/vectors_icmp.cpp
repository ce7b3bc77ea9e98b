// SPDX-License-Identifier: Apache-2.0
// ICMP errors about packets of connections, and what only looks like one; ARP.
#include "tests/prog/vectors.hpp"

namespace vipd::testing {

namespace {

constexpr const char* kRouter = "203.0.113.9";
constexpr const char* kRouter6 = "2001:db8:99::9";

/// What the other end of a client's connection sent to it: from the VIP to the client.
PacketSpec from_vip(const PacketSpec& client) {
    PacketSpec back = client;
    back.from = client.to;
    back.to = client.from;
    back.from_port = client.to_port;
    back.to_port = client.from_port;
    back.tcp_flags = kAck;
    back.ttl = 3;
    back.payload = "some data that nobody needs";
    return back;
}

PacketSpec known(PacketSpec client) {
    client.from_port = kKnownClient;
    return client;
}

/// From where there is no connection.
PacketSpec stranger(PacketSpec client) {
    client.from_port = 1;
    return client;
}

struct Error {
    std::uint8_t type = 3;
    std::uint8_t code = 1;
    std::size_t quote = 28;  ///< bytes quoted
    std::uint32_t rest = 0;
    std::uint8_t ttl = 64;
};

/// The error about `quoted`, to who sent that.
Bytes error_frame(const PacketSpec& quoted, const Error& error) {
    Bytes quote = build_packet(quoted);
    quote.resize(std::min(error.quote, quote.size()));
    const bool v4 = ip(quoted.to).is_v4();
    return frame_of(PacketSpec().to_mac,
                    PacketSpec().from_mac,
                    {},
                    icmp_packet(v4 ? kRouter : kRouter6,
                                quoted.from,
                                error.type,
                                error.code,
                                error.rest,
                                quote,
                                error.ttl));
}

}  // namespace

void add_icmp(Vectors& to) {
    const auto dr = [&](std::string description, const Bytes& frame) {
        to.add({std::move(description), frame, "forwarded_dr", XDP_TX, to_real(frame, 1)});
    };
    const PacketSpec web = from_vip(known(tcp(kDr)));
    const PacketSpec web6 = from_vip(known(v6(tcp(kDr))));
    dr("host unreachable", error_frame(web, {}));
    dr("fragmentation needed", error_frame(web, {.code = 4, .rest = 1400}));
    dr("source quench", error_frame(web, {.type = 4, .code = 0}));
    dr("redirect", error_frame(web, {.type = 5, .rest = 0xcb007101}));
    dr("time exceeded", error_frame(web, {.type = 11, .code = 0}));
    dr("parameter problem", error_frame(web, {.type = 12, .code = 0, .rest = 0x08000000}));
    dr("the whole packet quoted", error_frame(web, {.quote = 9999}));
    dr("only the ports quoted", error_frame(web, {.quote = 24}));
    dr("TTL 2", error_frame(web, {.ttl = 2}));
    dr("about a datagram", error_frame(from_vip(known(udp(kDns))), {.code = 3}));
    dr("about a packet with options",
       error_frame(with(web, [](PacketSpec& p) { p.ip_options = Bytes(40, 1); }), {.quote = 68}));
    dr("about a first fragment",
       error_frame(with(web, [](PacketSpec& p) { p.fragment = kMoreFragments; }), {}));
    for (const std::uint8_t type : Bytes{1, 2, 3, 4, 127})
        dr("ICMPv6 error " + std::to_string(type),
           error_frame(web6, {.type = type, .code = 0, .quote = 48, .rest = 1400}));
    dr("IPv6, the whole packet quoted", error_frame(web6, {.type = 1, .quote = 9999}));
    dr("IPv6, only the ports quoted", error_frame(web6, {.type = 1, .quote = 44}));
    dr("about an IPv6 datagram",
       error_frame(from_vip(known(v6(udp(kDns)))), {.type = 1, .code = 4, .quote = 48}));
    dr("about an IPv6 packet with options",
       error_frame(with(web6,
                        [](PacketSpec& p) {
                            p.first_extension = 60;
                            p.extensions = Bytes(16);
                            p.extensions[1] = 1;
                        }),
                   {.type = 1, .quote = 64}));
    dr("about a first IPv6 fragment",
       error_frame(with(web6,
                        [](PacketSpec& p) {
                            p.first_extension = 44;
                            p.extensions = {0, 0, 0, 1, 0, 0, 0, 9};
                        }),
                   {.type = 3, .quote = 56}));

    const auto tunnelled_error = [&](const PacketSpec& client, const Error& error) {
        const Bytes frame = error_frame(from_vip(client), error);
        to.add({"an error through a tunnel",
                frame,
                "forwarded_tun",
                XDP_TX,
                in_tunnel(frame, client, 2, ip(client.to).is_v6())});
    };
    tunnelled_error(known(tcp(kTun)), {.code = 4, .rest = 1400});
    tunnelled_error(known(v6(tcp(kTun))), {.type = 2, .code = 0, .quote = 200, .rest = 1400});
    to.pass("an error about this host's own connection",
            error_frame(from_vip(known(tcp(kLocal))), {}),
            "pass_local");

    to.pass("about a connection that nobody has",
            error_frame(from_vip(stranger(tcp(kDr))), {}),
            "pass_no_connection");
    to.pass("about an IPv6 connection that nobody has",
            error_frame(from_vip(stranger(v6(tcp(kDr)))), {.type = 1, .quote = 48}),
            "pass_no_connection");
    to.pass("about no service's packet", error_frame(from_vip(tcp(8080)), {}), "pass_no_service");
    to.pass("quoting the ports in part", error_frame(web, {.quote = 23}), "pass_icmp");
    to.pass("quoting an IP header in part", error_frame(web, {.quote = 19}), "pass_icmp");
    to.pass("quoting IPv6 ports in part", error_frame(web6, {.type = 1, .quote = 43}), "pass_icmp");
    to.pass(
        "quoting an IPv6 header in part", error_frame(web6, {.type = 1, .quote = 39}), "pass_icmp");
    to.pass("about a later fragment",
            error_frame(with(web, [](PacketSpec& p) { p.fragment = 185; }), {}),
            "pass_icmp");
    to.pass("about a later IPv6 fragment",
            error_frame(with(web6,
                             [](PacketSpec& p) {
                                 p.first_extension = 44;
                                 p.extensions = {0, 0, 0, 0x10, 0, 0, 0, 9};
                             }),
                        {.type = 3, .quote = 56}),
            "pass_icmp");
    to.pass("about a packet of another protocol",
            error_frame(with(web, [](PacketSpec& p) { p.ip_protocol = std::uint8_t{47}; }), {}),
            "pass_icmp");
    to.pass("about a packet that its receiver did not send",
            frame_of(PacketSpec().to_mac,
                     PacketSpec().from_mac,
                     {},
                     icmp_packet(kRouter, "10.0.0.101", 3, 1, 0, build_packet(web))),
            "pass_icmp");
    to.pass("quoting IPv6 in ICMPv4",
            error_frame(with(web, [](PacketSpec& p) { p.ip_version = std::uint8_t{6}; }), {}),
            "pass_icmp");
    to.pass("quoting a header of four words",
            error_frame(with(web, [](PacketSpec& p) { p.ip_header_words = std::uint8_t{4}; }), {}),
            "pass_icmp");
    for (const std::uint8_t type : Bytes{0, 8, 13, 17})
        to.pass("ICMP type " + std::to_string(type), error_frame(web, {.type = type}), "pass_icmp");
    to.drop("an error with no hop left", error_frame(web, {.ttl = 1}), "drop_ttl");
    to.drop("an IPv6 error with no hop left",
            error_frame(web6, {.type = 1, .quote = 48, .ttl = 1}),
            "drop_ttl");
    to.drop("an error too long for the way",
            error_frame(with(from_vip(known(tcp(kTun))),
                             [](PacketSpec& p) { p.payload.assign(1460, 'x'); }),
                        {.quote = 9999}),
            "drop_too_big");

    // The lease has run out; the VIPs are claimed.
    to.drop("ARP request for a claimed VIP", build(ArpSpec{}), "drop_arp_no_lease");
    to.drop(
        "ARP probe for a claimed VIP", build(ArpSpec{.sender = "0.0.0.0"}), "drop_arp_no_lease");
    to.pass("ARP request for another address", build(ArpSpec{.target = "10.0.0.4"}), "pass_arp");
    to.pass("ARP reply of the VIP",
            build(ArpSpec{.operation = 2, .sender = kVip, .target = "10.0.0.4"}),
            "pass_arp");
    to.pass("ARP reply to the VIP", build(ArpSpec{.operation = 2}), "pass_arp");
    to.pass("ARP of another hardware type", build(ArpSpec{.hardware = 6}), "pass_arp");
}

}  // namespace vipd::testing
