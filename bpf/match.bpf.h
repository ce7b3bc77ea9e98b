// SPDX-License-Identifier: GPL-2.0-only
/* Whose packet it is: by address, port and protocol, then by any port. */
#ifndef VIPD_MATCH_BPF_H
#define VIPD_MATCH_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/parse.bpf.h"

static __always_inline int match_is_of(const struct vipd_match *match,
				       const struct vipd_flow_key *packet)
{
	const union vipd_addr *known = &match->key.address;
	const union vipd_addr *vip = &packet->vip;

	return ((known->v6[0] ^ vip->v6[0]) | (known->v6[1] ^ vip->v6[1]) |
		(known->v6[2] ^ vip->v6[2]) | (known->v6[3] ^ vip->v6[3]) |
		(match->key.port ^ packet->vip_port) |
		(match->key.protocol ^ packet->protocol) |
		(match->key.family ^ packet->family)) == 0;
}

/*
 * Looks the service up and keeps what was found in `match`, good for `epoch`.
 * 0: there is none. Not static: the key would lie on the stack of all packets.
 */
__noinline int match_fill(const struct segment *p, struct vipd_match *match,
			  __u32 epoch, __u32 any_port)
{
	struct vipd_service_key key = {};
	const struct vipd_service *service;

	if (!p || !match)
		return 0;
	key.address = p->key.vip;
	key.port = p->key.vip_port;
	key.protocol = p->key.protocol;
	key.family = p->key.family;
	service = bpf_map_lookup_elem(&vipd_services, &key);
	if (!service && any_port) {
		key.port = 0;
		service = bpf_map_lookup_elem(&vipd_services, &key);
		key.port = p->key.vip_port;
	}
	if (!service)
		return 0;
	match->key = key;
	match->service = *service;
	match->epoch = epoch;
	return 1;
}

/*
 * A look-up in a hash map costs as much as the rest of the way to here and
 * more, so this CPU's last answers are kept. The epoch is read before the map
 * is: an answer that a change has overtaken carries the old one.
 */
static __always_inline const struct vipd_service *
match_service(const struct vipd_meta *meta, const struct segment *p)
{
	__u32 index = vipd_match_index(&p->key.vip, p->key.vip_port);
	struct vipd_match *match = bpf_map_lookup_elem(&vipd_match, &index);
	__u32 epoch;

	if (!match)
		return NULL;
	epoch = VIPD_READ_ONCE(meta->services_epoch);
	if (match->epoch == epoch && match_is_of(match, &p->key))
		return &match->service;
	if (!match_fill(p, match, epoch, meta->any_port_keys))
		return NULL;
	return &match->service;
}

/* By hand: clang 14 makes a call of memcmp() from its builtin. */
static __always_inline int mac_equal(const __u8 *a, const __u8 *b)
{
	const __u16 *x = (const __u16 *)a;
	const __u16 *y = (const __u16 *)b;

	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2])) == 0;
}

/* Is it to the MAC of a virtual router that this node is MASTER of? Not static:
 * out of the way, and off the stack, of all other frames.
 */
__noinline int for_virtual_router(struct xdp_md *ctx)
{
	struct cursor c = frame_cursor(ctx);
	struct vipd_station_key key = {.ifindex = ctx->ingress_ifindex};
	struct ethhdr *eth = c.pos;
	struct vipd_station *station;

	if ((void *)(eth + 1) > c.end)
		return 0;
	__builtin_memcpy(key.mac, eth->h_dest, ETH_ALEN);
	station = bpf_map_lookup_elem(&vipd_stations, &key);
	return station && is_master(station->vrid, station->family);
}

/*
 * Is the frame addressed to the interface that it came in by, or to a virtual
 * router there? A switch floods what it has not learned; two directors that
 * took up each other's frames would pass them to and fro until the TTL ran out.
 */
static __always_inline int for_this_station(struct xdp_md *ctx,
					    const struct ethhdr *eth)
{
	__u32 ifindex = ctx->ingress_ifindex;
	__u32 i;

	for (i = 0; i < VIPD_INTERFACE_PROBES; i++) {
		__u32 key = (ifindex + i) & (VIPD_INTERFACES - 1);
		const struct vipd_interface *known =
		    bpf_map_lookup_elem(&vipd_interfaces, &key);

		if (!known || !known->ifindex)
			break;
		if (known->ifindex == ifindex)
			return mac_equal(eth->h_dest, known->mac) ||
			       for_virtual_router(ctx);
	}
	return 1;
}

#endif
