// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fragments: the first one has the ports; later ones, which have none, follow
 * it. One that comes before its first cannot be placed.
 */
#ifndef VIPD_FRAGMENT_BPF_H
#define VIPD_FRAGMENT_BPF_H

#include "bpf/clock.bpf.h"
#include "bpf/maps.bpf.h"
#include "bpf/parse.bpf.h"

/* How long parts of a packet are on their way at most (Linux: 30 s). */
#define VIPD_FRAGMENT_TICKS (30U * 1000000000U / (1U << VIPD_TICK_SHIFT))

static __always_inline void fragment_key(const struct packet *p,
					 struct vipd_fragment_key *key)
{
	key->source = p->segment.key.client;
	key->destination = p->segment.key.vip;
	key->id = p->fragment_id;
	key->family = p->segment.key.family;
	/* IPv4's ids are of one protocol, IPv6's of all. */
	if (key->family == VIPD_FAMILY_V4)
		key->protocol = p->segment.key.protocol;
}

/* Completes a later fragment. VIPD_CONTINUE, or the verdict. */
__noinline __u32 fragment_recall(struct packet *p)
{
	struct vipd_fragment_key key = {};
	struct vipd_fragment *known;
	__u32 now = clock_ticks();

	if (!p)
		return VIPD_PASS_FRAGMENT;
	fragment_key(p, &key);
	known = bpf_map_lookup_elem(&vipd_fragments, &key);
	if (!known || now - known->seen > VIPD_FRAGMENT_TICKS)
		return VIPD_PASS_FRAGMENT;
	p->segment.key.client_port = known->source_port;
	p->segment.key.vip_port = known->destination_port;
	p->segment.key.protocol = known->protocol;
	p->flags |= VIPD_PACKET_LATER;
	return VIPD_CONTINUE;
}

/* Not of a packet that is for nobody here: they would fill the map. */
__noinline int fragment_remember(const struct packet *p)
{
	struct vipd_fragment_key key = {};
	struct vipd_fragment value = {};

	if (!p)
		return 0;
	fragment_key(p, &key);
	value.source_port = p->segment.key.client_port;
	value.destination_port = p->segment.key.vip_port;
	value.protocol = p->segment.key.protocol;
	value.seen = p->segment.now;
	bpf_map_update_elem(&vipd_fragments, &key, &value, BPF_ANY);
	return 1;
}

#endif
