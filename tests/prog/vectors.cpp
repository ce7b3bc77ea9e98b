// SPDX-License-Identifier: Apache-2.0
#include "tests/prog/vectors.hpp"

namespace vipd::testing {

PacketSpec tcp(std::uint16_t port, std::uint8_t flags) {
    PacketSpec spec;
    spec.to_port = port;
    spec.tcp_flags = flags;
    return spec;
}

PacketSpec udp(std::uint16_t port, std::string payload) {
    PacketSpec spec;
    spec.protocol = Protocol::Udp;
    spec.to_port = port;
    spec.payload = std::move(payload);
    return spec;
}

PacketSpec v6(PacketSpec spec) {
    spec.from = "2001:db8:aa::7";
    spec.to = kVip6;
    return spec;
}

PacketSpec with(PacketSpec spec, const std::function<void(PacketSpec&)>& change) {
    change(spec);
    return spec;
}

Bytes to_real(const Bytes& frame, int n, const std::vector<std::uint16_t>& tags) {
    return routed(frame, real_mac(n), kRouterMac, tags);
}

Bytes in_tunnel(const Bytes& frame,
                const PacketSpec& of,
                int n,
                bool outer_v6,
                const std::vector<std::uint16_t>& tags) {
    return frame_of(real_mac(n),
                    kRouterMac,
                    tags,
                    tunnelled(one_hop_less(packet_of(frame)),
                              outer_v6 ? kDirector6 : kDirector,
                              outer_v6 ? real_address6(n) : real_address(n),
                              flow_label(ip(of.from).bytes(), of.from_port, of.to_port)));
}

void Vectors::dr(std::string description, const PacketSpec& spec) {
    const Bytes frame = build(spec);
    add({std::move(description), frame, "forwarded_dr", XDP_TX, to_real(frame, 1)});
}

void Vectors::tun(std::string description, const PacketSpec& spec, bool outer_v6) {
    const Bytes frame = build(spec);
    add({std::move(description),
         frame,
         "forwarded_tun",
         XDP_TX,
         in_tunnel(frame, spec, 2, outer_v6)});
}

void Vectors::pass(std::string description, const Bytes& frame, std::string verdict) {
    add({std::move(description), frame, std::move(verdict), XDP_PASS, frame});
}

void Vectors::drop(std::string description, const Bytes& frame, std::string verdict) {
    add({std::move(description), frame, std::move(verdict), XDP_DROP, frame});
}

std::vector<Vector> vectors() {
    Vectors made;
    add_v4(made);
    add_v6(made);
    add_icmp(made);
    add_tags(made);
    add_nat(made);
    add_fragments(made);
    return made.all;
}

}  // namespace vipd::testing
