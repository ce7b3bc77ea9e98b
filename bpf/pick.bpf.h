// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which real server a new connection gets. Each service has a ring of reals
 * that userspace has built: entered by a hash (mh, sh, dh), by turns (rr, wrr,
 * twos) or from its beginning, as the list of the service's reals (the others).
 * userspace/sched has the same choice in C++.
 */
#ifndef VIPD_PICK_BPF_H
#define VIPD_PICK_BPF_H

#include <vipd/abi/hash.h>
#include <vipd/abi/load.h>

#include "bpf/maps.bpf.h"
#include "bpf/parse.bpf.h"

/* IPVS tries as many as the ring has slots; that many hashes are no packet's
 * due. With two thirds of a ring unusable, one client in 10^11 is refused.
 */
#define VIPD_FALLBACK_TRIES 64
/* Turns that are skipped for reals that are full, or have failed since the ring
 * was made; then any real will do.
 */
#define VIPD_TURN_TRIES 64
/* So many reals of a service are weighed against one another. Where it has
 * more, each connection sees the next so many.
 */
#define VIPD_SCAN_REALS 512
/* lblcr: a set that has not grown for a day (2^20 ns a tick) sheds a real. */
#define VIPD_LBLCR_TICKS 82397460U

/* A service's ring; looked up anew for each slot, since a map's pointer may not
 * go to a function that the verifier checks by itself.
 */
struct ring {
	__u32 id;
	__u32 slots;
};

/* An address as the hashes take it; of an IPv4 one three words are zero. */
static __always_inline __u32 fold(const union vipd_addr *address)
{
	return bpf_ntohl(vipd_fold_v6(address->v6));
}

static __always_inline __u32 ring_slot(__u32 ring_id, __u32 slot)
{
	void *ring = bpf_map_lookup_elem(&vipd_rings, &ring_id);
	__u32 element = slot + 1;
	struct vipd_slot *entry;

	if (!ring)
		return VIPD_NO_REAL;
	entry = bpf_map_lookup_elem(ring, &element);
	return entry ? entry->real : VIPD_NO_REAL;
}

/*
 * A real that takes connections, or VIPD_NO_REAL. Not static: the verifier then
 * checks it once and not for each turn of the loops below.
 */
__noinline __u32 ring_real(__u32 ring_id, __u32 slot)
{
	__u32 id = ring_slot(ring_id, slot);
	struct vipd_load *load = bpf_map_lookup_elem(&vipd_loads, &id);

	if (!load || !load->weight || load->full)
		return VIPD_NO_REAL;
	return id;
}

static __always_inline __u32 hash_slot(const struct ring *ring, __u32 scheduler,
				       __u32 client, __u32 port, __u32 offset)
{
	if (scheduler == VIPD_SCHED_MH)
		return vipd_mh_hash(client, port, offset) % ring->slots;
	return vipd_sh_hash(client, port, offset) % ring->slots;
}

static __always_inline __u32 pick_by_hash(const struct ring *ring,
					  const struct vipd_service *service,
					  const struct segment *p)
{
	__u32 client = fold(&p->key.client);
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

/* By the address of the service, whose port has no say. */
static __always_inline __u32 pick_by_vip(const struct ring *ring,
					 const struct segment *p)
{
	__u32 vip = fold(&p->key.vip);

	return ring_real(ring->id, vipd_sh_hash(vip, 0, 0) % ring->slots);
}

/* `cursor`: the turns that are skipped are nobody's; may be NULL. */
static __always_inline __u32 pick_in_turn(const struct ring *ring, __u64 turn,
					  struct vipd_cursor *cursor)
{
	__u32 id = VIPD_NO_REAL;
	__u32 i;

	for (i = 0; i < VIPD_TURN_TRIES; i++) {
		id = ring_real(ring->id, (turn + i) % ring->slots);
		if (id == VIPD_NO_REAL)
			continue;
		if (i && cursor)
			__sync_fetch_and_add(&cursor->turn, i);
		return id;
	}
	/* The sequence begins with each real once. */
	for (i = 0; i < VIPD_SCAN_REALS; i++) {
		if (i >= ring->slots)
			break;
		id = ring_real(ring->id, i);
		if (id != VIPD_NO_REAL)
			break;
	}
	return id;
}

/* twos: the less loaded one of two that are drawn by weight. The draw is a
 * hash of the turn, which no client can foresee or bend.
 */
static __always_inline __u32 pick_of_two(const struct ring *ring, __u64 turn)
{
	__u32 draw = (__u32)turn * 2;
	__u32 one = ring_real(ring->id, vipd_mh_hash(draw, 0, 0) % ring->slots);
	__u32 two = ring_real(ring->id, vipd_mh_hash(draw, 0, 1) % ring->slots);
	struct vipd_load *a = bpf_map_lookup_elem(&vipd_loads, &one);
	struct vipd_load *b = bpf_map_lookup_elem(&vipd_loads, &two);

	if (!a)
		return two;
	if (!b)
		return one;
	return vipd_load_overhead(a) * b->weight >
		       vipd_load_overhead(b) * a->weight
		   ? two
		   : one;
}

/* A real in a comparison. */
struct candidate {
	__u64 cost;
	__u32 weight;
	__u32 id; /* VIPD_NO_REAL: none */
	__u32 active;
	__u32 joined;
};

/* What going over a service's reals comes to. */
struct scan {
	__u32 ring;
	__u32 scheduler;
	__u32 latest;  /* the cursor's `joined` */
	__u32 members; /* of the set of lblc or lblcr */
	__u32 idle;    /* a real has less than half the load of its weight */
	__u32 reserved;
	struct candidate least;
	struct candidate member; /* the least loaded one */
	struct candidate most;	 /* the most loaded one of the members */
};

static __always_inline int costs_less(const struct candidate *a,
				      const struct candidate *b)
{
	return a->cost * b->weight < b->cost * a->weight;
}

/* The members of a set are tried from the latest to the first. */
static __always_inline void scan_member(struct scan *scan,
					const struct candidate *one, int full)
{
	struct candidate *least = &scan->member;
	struct candidate *most = &scan->most;

	scan->members++;
	if (most->id == VIPD_NO_REAL || costs_less(most, one) ||
	    (!costs_less(one, most) && one->joined > most->joined))
		*most = *one;
	if (full)
		return;
	if (least->id == VIPD_NO_REAL || costs_less(one, least) ||
	    (!costs_less(least, one) && one->joined > least->joined))
		*least = *one;
}

/* Weighs the real in this slot; true: the choice is made. Not static, as
 * ring_real().
 */
__noinline int scan_real(struct scan *scan, __u32 slot)
{
	struct candidate one = {};
	struct vipd_load *load;
	__u32 full;
	int done;

	if (!scan)
		return 1;
	one.id = ring_slot(scan->ring, slot);
	load = bpf_map_lookup_elem(&vipd_loads, &one.id);
	if (!load)
		return 0;
	one.weight = load->weight;
	if (!one.weight)
		return 0;
	one.active = vipd_load_active(load);
	one.joined = load->joined;
	full = load->full;
	switch (scan->scheduler) {
	case VIPD_SCHED_FO:
		break;
	case VIPD_SCHED_OVF:
		full |= one.active > one.weight;
		break;
	case VIPD_SCHED_NQ:
	case VIPD_SCHED_SED:
		one.cost = (__u64)one.active + 1;
		break;
	case VIPD_SCHED_LC:
		one.weight = 1;
		one.cost = vipd_load_overhead(load);
		break;
	case VIPD_SCHED_LBLC:
		one.cost = vipd_load_overhead(load);
		scan->idle |= (__u64)one.active * 2 < one.weight;
		if (one.joined && one.joined == scan->latest)
			scan_member(scan, &one, 0);
		break;
	case VIPD_SCHED_LBLCR:
		one.cost = vipd_load_overhead(load);
		scan->idle |= (__u64)one.active * 2 < one.weight;
		if (one.joined)
			scan_member(scan, &one, full);
		break;
	default:
		one.cost = vipd_load_overhead(load);
	}
	if (full)
		return 0;
	/* fo, ovf: the heaviest come first. nq: an idle one need not queue. */
	done = scan->scheduler == VIPD_SCHED_FO ||
	       scan->scheduler == VIPD_SCHED_OVF ||
	       (scan->scheduler == VIPD_SCHED_NQ && !one.active);
	if (done || scan->least.id == VIPD_NO_REAL ||
	    costs_less(&one, &scan->least))
		scan->least = one;
	return done;
}

/* lblc, lblcr: stay with the reals in use while they bear it. */
static __always_inline __u32 pick_local(const struct scan *scan,
					struct vipd_cursor *cursor, __u32 now)
{
	const struct candidate *member = &scan->member;
	struct vipd_load *load;
	__u32 id;

	if (scan->scheduler == VIPD_SCHED_LBLCR && scan->members > 1 &&
	    now - cursor->changed > VIPD_LBLCR_TICKS) {
		id = scan->most.id;
		load = bpf_map_lookup_elem(&vipd_loads, &id);
		if (load)
			load->joined = 0;
		cursor->changed = now;
	}
	if (member->id != VIPD_NO_REAL &&
	    !(member->active > member->weight && scan->idle))
		return member->id;
	id = scan->least.id;
	load = bpf_map_lookup_elem(&vipd_loads, &id);
	if (!load)
		return VIPD_NO_REAL;
	if (load->joined && scan->scheduler == VIPD_SCHED_LBLCR)
		return id;
	load->joined = __sync_fetch_and_add(&cursor->joined, 1) + 1;
	cursor->changed = now;
	return id;
}

static __always_inline __u32 pick_by_load(const struct ring *ring,
					  __u32 scheduler,
					  struct vipd_cursor *cursor, __u32 now)
{
	struct scan scan = {
	    .ring = ring->id,
	    .scheduler = scheduler,
	    .latest = cursor->joined,
	    .least = {.id = VIPD_NO_REAL},
	    .member = {.id = VIPD_NO_REAL},
	    .most = {.id = VIPD_NO_REAL},
	};
	__u64 first = 0;
	__u32 i;

	if (ring->slots > VIPD_SCAN_REALS && scheduler != VIPD_SCHED_FO &&
	    scheduler != VIPD_SCHED_OVF)
		first =
		    __sync_fetch_and_add(&cursor->turn, 1) * VIPD_SCAN_REALS;
	for (i = 0; i < VIPD_SCAN_REALS; i++) {
		if (i >= ring->slots)
			break;
		if (scan_real(&scan, (first + i) % ring->slots))
			break;
	}
	if (scheduler == VIPD_SCHED_LBLC || scheduler == VIPD_SCHED_LBLCR)
		return pick_local(&scan, cursor, now);
	return scan.least.id;
}

/* Does the scheduler go over all reals for each connection? */
static __always_inline int by_load(__u32 scheduler)
{
	return scheduler >= VIPD_SCHED_OVF && scheduler <= VIPD_SCHED_LBLCR;
}

/*
 * The real for a connection without a flow. `fresh`: it begins here and will
 * be stored, so that its turn and the load may decide; any other packet must
 * find the same real again, on each director, and goes by its hash.
 *
 * Not static, for the verifier's sake.
 */
__noinline __u32 pick_real(const struct vipd_service *service,
			   const struct segment *p, int fresh)
{
	__u32 first = 0, scheduler;
	struct ring ring;
	struct vipd_slot *length;
	struct vipd_cursor *cursor;
	__u64 turn;
	void *map;

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
	cursor = bpf_map_lookup_elem(&vipd_cursors, &ring.id);
	if (!cursor)
		return VIPD_NO_REAL;

	scheduler = service->scheduler;
	if (scheduler == VIPD_SCHED_MH || scheduler == VIPD_SCHED_SH)
		return pick_by_hash(&ring, service, p);
	if (scheduler == VIPD_SCHED_DH)
		return pick_by_vip(&ring, p);
	if (scheduler == VIPD_SCHED_OVF && !fresh)
		scheduler = VIPD_SCHED_FO;
	if (scheduler == VIPD_SCHED_FO || (fresh && by_load(scheduler)))
		return pick_by_load(&ring, scheduler, cursor, p->now);
	if (fresh)
		turn = __sync_fetch_and_add(&cursor->turn, 1);
	else
		turn = vipd_mh_hash(fold(&p->key.client),
				    bpf_ntohs(p->key.client_port), 0);
	if (fresh && scheduler == VIPD_SCHED_TWOS) {
		__u32 id = pick_of_two(&ring, turn);

		if (id != VIPD_NO_REAL)
			return id;
	}
	return pick_in_turn(&ring, turn, fresh ? cursor : NULL);
}

#endif
