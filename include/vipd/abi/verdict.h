/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What becomes of a packet. Each packet that the XDP program sees gets exactly
 * one verdict, counted in vipd_verdicts under its number. One line makes the
 * enum, the name (JSON, metric label) and the sentence in the documentation.
 *
 * pass_*: handed to the kernel untouched (XDP_PASS). drop_*: dropped.
 * answered_*: sent back to the client as an ICMP error.
 */
#ifndef VIPD_ABI_VERDICT_H
#define VIPD_ABI_VERDICT_H

/* clang-format off */
#define VIPD_VERDICTS(X) \
	X(FORWARDED_DR, forwarded_dr, "sent to a real server by direct routing") \
	X(FORWARDED_TUN, forwarded_tun, "sent to a real server in an IPIP tunnel") \
	X(ANSWERED_TOO_BIG, answered_too_big, "longer than the way to the real server allows, with DF: the client was told what fits (ICMP)") \
	X(PASS_NO_SERVICE, pass_no_service, "TCP or UDP that is not for a virtual service") \
	X(PASS_NOT_IP, pass_not_ip, "neither IP nor ARP") \
	X(PASS_ARP, pass_arp, "ARP") \
	X(PASS_VLAN, pass_vlan, "carries a VLAN tag") \
	X(PASS_IPV6, pass_ipv6, "IPv6, which is not forwarded yet") \
	X(PASS_ICMP, pass_icmp, "ICMP over IPv4") \
	X(PASS_PROTOCOL, pass_protocol, "an IPv4 protocol other than TCP, UDP and ICMP") \
	X(PASS_FRAGMENT, pass_fragment, "a fragment of an IPv4 packet") \
	X(PASS_MALFORMED, pass_malformed, "too broken to tell whom it is for: truncated, or bad IPv4 lengths") \
	X(PASS_LOCAL, pass_local, "for a virtual service, whose chosen real server is this host") \
	X(PASS_STOPPED, pass_stopped, "for a virtual service of a vipd that was stopped and not started again") \
	X(PASS_OTHER_STATION, pass_other_station, "for a virtual service, in a frame to another MAC address: flooded by a switch") \
	X(DROP_MALFORMED, drop_malformed, "for a virtual service, with a truncated or inconsistent TCP or UDP header") \
	X(DROP_TTL, drop_ttl, "for a virtual service, with no hop left to go") \
	X(DROP_NO_REAL, drop_no_real, "for a virtual service without a usable real server for this client") \
	X(DROP_REAL_DOWN, drop_real_down, "belongs to a connection whose real server is down or removed") \
	X(DROP_SETTLING, drop_settling, "TCP of a connection that is not known, just after this node has become MASTER: its peer may still be telling of it") \
	X(DROP_NEIGHBOUR, drop_neighbour, "the real server's link-layer address is not known") \
	X(DROP_TOO_BIG, drop_too_big, "longer than the way to the real server allows, and not answered: without DF, or beyond 1000 answers a second on one CPU") \
	X(DROP_NO_ROOM, drop_no_room, "no room in front of the packet for the tunnel header") \
	X(DROP_ARP_NO_LEASE, drop_arp_no_lease, "ARP request for a VIP while the lease to claim it has run out")

/*
 * What happened beside a verdict, counted in vipd_notes; a packet may have
 * none or several.
 */
#define VIPD_NOTES(X) \
	X(FLOW_SET_FULL, flow_set_full, "a new connection found no place in the flow table and goes by hash alone") \
	X(FLOW_EVICTED, flow_evicted, "a new connection took the place of a closed or half-open one") \
	X(FLOW_CONTENDED, flow_contended, "another CPU took the flow slot at the same time") \
	X(CHANGES_LOST, changes_lost, "the ring buffer of changed connections was full")
/* clang-format on */

#define VIPD_VERDICT_ENUM(upper, lower, doc) VIPD_##upper,
enum vipd_verdict { VIPD_VERDICTS(VIPD_VERDICT_ENUM) VIPD_VERDICT_COUNT };

#define VIPD_NOTE_ENUM(upper, lower, doc) VIPD_NOTE_##upper,
enum vipd_note { VIPD_NOTES(VIPD_NOTE_ENUM) VIPD_NOTE_COUNT };

#endif
