// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which real server a new connection gets: the service's ring, entered by the
 * client's hash (mh, sh) or by turns (rr, wrr). Userspace has built the ring;
 * userspace/sched has the same choice in C++.
 */
#ifndef VIPD_PICK_BPF_H
#define VIPD_PICK_BPF_H

#include <vipd/abi/hash.h>

#include "bpf/maps.bpf.h"
#include "bpf/parse.bpf.h"

/* IPVS tries as many as the ring has slots; that many hashes are no packet's
 * due. With two thirds of a ring unusable, one client in 10^11 is refused.
 */
#define VIPD_FALLBACK_TRIES 64
/* A real may fail before the ring without it is in force. */
#define VIPD_TURN_TRIES 8

/* A service's ring; looked up anew for each slot, since a map's pointer may not
 * go to a function that the verifier checks by itself.
 */
struct ring {
	__u32 id;
	__u32 slots;
};

/*
 * A real that takes connections, or VIPD_NO_REAL. Not static: the verifier then
 * checks it once and not for each turn of the loops below.
 */
__noinline __u32 ring_real(__u32 ring_id, __u32 slot)
{
	void *ring = bpf_map_lookup_elem(&vipd_rings, &ring_id);
	__u32 element = slot + 1;
	struct vipd_slot *entry;
	struct vipd_real *real;
	__u32 id;

	if (!ring)
		return VIPD_NO_REAL;
	entry = bpf_map_lookup_elem(ring, &element);
	if (!entry)
		return VIPD_NO_REAL;
	id = entry->real;
	real = bpf_map_lookup_elem(&vipd_reals, &id);
	if (!real || !(real->flags & VIPD_REAL_ALIVE))
		return VIPD_NO_REAL;
	return id;
}

static __always_inline __u32 hash_slot(const struct ring *ring, __u32 scheduler,
				       __u32 client, __u32 port, __u32 offset)
{
	if (scheduler == VIPD_SCHED_SH)
		return vipd_sh_hash(client, port, offset) % ring->slots;
	return vipd_mh_hash(client, port, offset) % ring->slots;
}

static __always_inline __u32 pick_by_hash(const struct ring *ring,
					  const struct vipd_service *service,
					  const struct segment *p)
{
	__u32 client = vipd_fold_v4(bpf_ntohl(p->key.client.v4));
	__u32 port = service->flags & VIPD_SERVICE_HASH_PORT
			 ? bpf_ntohs(p->key.client_port)
			 : 0;
	__u32 scheduler = service->scheduler;
	__u32 first = hash_slot(ring, scheduler, client, port, 0);
	__u32 id = ring_real(ring->id, first);
	__u32 i;

	if (id != VIPD_NO_REAL ||
	    !(service->flags & VIPD_SERVICE_HASH_FALLBACK))
		return id;
	for (i = 0; i < VIPD_FALLBACK_TRIES; i++) {
		__u32 offset = (first + i) % ring->slots;

		id = ring_real(
		    ring->id, hash_slot(ring, scheduler, client, port, offset));
		if (id != VIPD_NO_REAL)
			break;
	}
	return id;
}

static __always_inline __u32 pick_in_turn(const struct ring *ring, __u64 turn)
{
	__u32 id = VIPD_NO_REAL;
	__u32 i;

	for (i = 0; i < VIPD_TURN_TRIES; i++) {
		id = ring_real(ring->id, (turn + i) % ring->slots);
		if (id != VIPD_NO_REAL)
			break;
	}
	return id;
}

/*
 * The real for a connection without a flow. `fresh`: it begins here and will
 * be stored, so that rr and wrr may give it the next turn; any other packet
 * must find the same real again, on each director, and goes by its hash.
 *
 * Not static, for the verifier's sake.
 */
__noinline __u32 pick_real(const struct vipd_service *service,
			   const struct segment *p, int fresh)
{
	__u32 first = 0;
	struct ring ring;
	struct vipd_slot *length;
	struct vipd_cursor *cursor;
	void *map;
	__u64 turn;

	if (!service || !p)
		return VIPD_NO_REAL;
	ring.id = service->id;
	map = bpf_map_lookup_elem(&vipd_rings, &ring.id);
	if (!map)
		return VIPD_NO_REAL;
	length = bpf_map_lookup_elem(map, &first);
	if (!length || !length->real)
		return VIPD_NO_REAL;
	ring.slots = length->real;

	if (service->scheduler == VIPD_SCHED_MH ||
	    service->scheduler == VIPD_SCHED_SH)
		return pick_by_hash(&ring, service, p);

	cursor = bpf_map_lookup_elem(&vipd_cursors, &ring.id);
	if (fresh && cursor)
		turn = __sync_fetch_and_add(&cursor->turn, 1);
	else
		turn = vipd_mh_hash(vipd_fold_v4(bpf_ntohl(p->key.client.v4)),
				    bpf_ntohs(p->key.client_port), 0);
	return pick_in_turn(&ring, turn);
}

#endif
