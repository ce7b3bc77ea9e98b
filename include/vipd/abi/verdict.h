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
	X(FORWARDED_TUN, forwarded_tun, "sent to a real server in a tunnel") \
	X(FORWARDED_NAT, forwarded_nat, "sent to a real server by NAT") \
	X(FORWARDED_REPLY, forwarded_reply, "sent from a NAT real server back to its client") \
	X(ANSWERED_TOO_BIG, answered_too_big, "longer than the way to the real server allows, with DF: the client was told what fits (ICMP)") \
	X(ANSWERED_TTL, answered_ttl, "for a virtual service, with no hop left to go: the client was told (ICMP)") \
	X(PASS_NO_SERVICE, pass_no_service, "TCP or UDP that is not for a virtual service") \
	X(PASS_NOT_IP, pass_not_ip, "neither IP nor ARP") \
	X(PASS_ARP, pass_arp, "ARP") \
	X(PASS_ICMP, pass_icmp, "ICMP that is no error about a TCP or UDP packet of the one it goes to") \
	X(PASS_NO_CONNECTION, pass_no_connection, "of a connection that is not known: an ICMP error, or from a NAT real server") \
	X(PASS_PROTOCOL, pass_protocol, "an IP protocol other than TCP, UDP and ICMP, or behind more than 6 extension headers") \
	X(PASS_FRAGMENT, pass_fragment, "a fragment of an IP packet for no virtual service, of ICMP, or whose first part was not seen before") \
	X(PASS_MALFORMED, pass_malformed, "too broken to tell whom it is for: truncated, or bad lengths") \
	X(PASS_LOCAL, pass_local, "for a virtual service, whose chosen real server is this host") \
	X(PASS_STOPPED, pass_stopped, "for a virtual service of a vipd that was stopped and not started again") \
	X(PASS_OTHER_STATION, pass_other_station, "for a virtual service, in a frame to another MAC address: flooded by a switch") \
	X(DROP_MALFORMED, drop_malformed, "for a virtual service, with a truncated or inconsistent TCP or UDP header") \
	X(DROP_TTL, drop_ttl, "for a virtual service, with no hop left to go, and not answered: itself an error, or beyond the limit") \
	X(DROP_NO_REAL, drop_no_real, "for a virtual service without a usable real server for this client") \
	X(DROP_REAL_DOWN, drop_real_down, "belongs to a connection whose real server is down or removed") \
	X(DROP_SETTLING, drop_settling, "TCP of a connection that is not known, just after this node has become MASTER: its peer may still be telling of it") \
	X(DROP_NEIGHBOUR, drop_neighbour, "the link-layer address of the real server, or of the client for a reply, is not known") \
	X(DROP_TOO_BIG, drop_too_big, "longer than the way to the real server allows, and not answered: without DF, or beyond 1000 answers a second on one CPU") \
	X(DROP_NO_ROUTE, drop_no_route, "a reply whose client cannot be reached: no route, or forwarding is off (net.ipv4.ip_forward)") \
	X(DROP_TABLE_FULL, drop_table_full, "a new NAT connection that found no place in the flow table") \
	X(DROP_NOT_ACCEPTED, drop_not_accepted, "for a VIP with no_accept, and for no virtual service") \
	X(DROP_NO_ROOM, drop_no_room, "no room in front of the packet for an outer header or a tag") \
	X(DROP_ARP_NO_LEASE, drop_arp_no_lease, "ARP request for a VIP while the lease to claim it has run out") \
	X(DROP_ND_NO_LEASE, drop_nd_no_lease, "neighbour solicitation for a VIP while the lease to claim it has run out")

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
