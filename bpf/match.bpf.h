// SPDX-License-Identifier: GPL-2.0-only
/* Whose packet it is: exact address, port and protocol. */
#ifndef VIPD_MATCH_BPF_H
#define VIPD_MATCH_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/parse.bpf.h"

static __always_inline struct vipd_service *
match_service(const struct vipd_flow_key *packet)
{
	struct vipd_service_key key = {
	    .address = packet->vip,
	    .port = packet->vip_port,
	    .protocol = packet->protocol,
	    .family = packet->family,
	};

	return bpf_map_lookup_elem(&vipd_services, &key);
}

/* By hand: clang 14 makes a call of memcmp() from its builtin. */
static __always_inline int mac_equal(const __u8 *a, const __u8 *b)
{
	const __u16 *x = (const __u16 *)a;
	const __u16 *y = (const __u16 *)b;

	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2])) == 0;
}

/*
 * Is the frame addressed to the interface that it came in by? A switch floods
 * what it has not learned; two directors that took up each other's frames would
 * pass them to and fro until the TTL ran out.
 */
static __always_inline int for_this_station(const struct ethhdr *eth,
					    __u32 ifindex)
{
	__u32 i;

	for (i = 0; i < VIPD_INTERFACE_PROBES; i++) {
		__u32 key = (ifindex + i) & (VIPD_INTERFACES - 1);
		const struct vipd_interface *known =
		    bpf_map_lookup_elem(&vipd_interfaces, &key);

		if (!known || !known->ifindex)
			break;
		if (known->ifindex == ifindex)
			return mac_equal(eth->h_dest, known->mac);
	}
	return 1;
}

#endif
