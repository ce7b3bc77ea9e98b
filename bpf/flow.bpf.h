// SPDX-License-Identifier: GPL-2.0-only
/*
 * The flow table as the packet path uses it; include/vipd/abi/flow.h has its
 * layout and rules.
 */
#ifndef VIPD_FLOW_BPF_H
#define VIPD_FLOW_BPF_H

#include <vipd/abi/flow.h>

#include "bpf/lease.bpf.h"
#include "bpf/maps.bpf.h"
#include "bpf/parse.bpf.h"
#include "bpf/stats.bpf.h"

/* How old last_seen gets before a packet renews it: 4 ms, for timeouts of
 * seconds. Of a million flows nearly every packet finds it older: a branch that
 * the CPU can foresee. Where flow_fetch() is not done, the line of a busy flow
 * stays clean.
 */
#define VIPD_SEEN_TICKS 4

/* How often an insertion that lost a slot to another CPU tries again. */
#define VIPD_STORE_TRIES 3

/* What a lookup saw; of use also while someone else holds the slot. */
struct flow_view {
	struct vipd_flow *flow; /* NULL: none */
	__u32 slot;
	__u32 version;
	__u32 real;
	__u32 state;
	__u16 generation;
	__u8 flags;
	__u8 live; /* not expired */
	__u8
	    known; /* `flow` was found: said to functions that cannot take it */
};

static __always_inline struct vipd_flow *flow_at(__u64 hash, __u32 i,
						 __u32 *slot)
{
	*slot = vipd_flow_slot(hash, flow_set_mask, i);
	return bpf_map_lookup_elem(&vipd_flows, slot);
}

/* The first slot of its set that a flow with this hash is looked for in. */
static __always_inline struct vipd_flow *flow_home(__u64 hash)
{
	__u32 slot;

	return flow_at(hash, 0, &slot);
}

/*
 * Has the cache line read in which the flow most likely stands, while what
 * comes before flow_find() is done. By a store, of a byte without meaning: a
 * load would hold up all that follows until memory has answered. See
 * docs/adr/0007-what-a-packet-waits-for.md.
 */
static __always_inline void flow_fetch(struct vipd_flow *home)
{
	if (home)
		VIPD_WRITE_ONCE(home->touched, 0);
}

/*
 * Looks for the flow in its set, of which `home` is the first slot, may be
 * NULL. Finds the slot first and reads it afterwards: so the verifier follows
 * the reading once and not for each way.
 */
static __always_inline void flow_find(const struct segment *p,
				      struct vipd_flow *home,
				      struct flow_view *view)
{
	struct vipd_flow *flow = home;
	__u32 i, age, slot, version;

	view->flow = NULL;
	if (!home)
		return;
	slot = vipd_flow_slot(p->hash, flow_set_mask, 0);
	version = VIPD_READ_ONCE(home->version);
	if (!vipd_flow_key_equal(&home->key, &p->key)) {
		flow = NULL;
		for (i = 1; version && i < VIPD_FLOW_WAYS; i++) {
			struct vipd_flow *candidate =
			    flow_at(p->hash, i, &slot);

			if (!candidate)
				return;
			version = VIPD_READ_ONCE(candidate->version);
			if (vipd_flow_key_equal(&candidate->key, &p->key)) {
				flow = candidate;
				break;
			}
		}
	}
	if (!flow)
		return;
	view->slot = slot;
	view->version = version;
	view->real = VIPD_READ_ONCE(flow->real);
	view->state = VIPD_READ_ONCE(flow->state);
	view->generation = VIPD_READ_ONCE(flow->generation);
	view->flags = VIPD_READ_ONCE(flow->flags);
	age = vipd_flow_age(VIPD_READ_ONCE(flow->last_seen), p->now);
	view->live = view->state != VIPD_FLOW_NONE &&
		     age <= VIPD_READ_ONCE(flow->timeout);
	/* Somebody else's by now? The slot of a flow under update keeps its
	 * key, and what was read of it is good.
	 */
	if ((VIPD_READ_ONCE(flow->version) == version && !(version & 1)) ||
	    vipd_flow_key_equal(&flow->key, &p->key))
		view->flow = flow;
}

/* Takes the slot if it is still as `version` says. */
static __always_inline int flow_hold(struct vipd_flow *flow, __u32 version)
{
	if (version & 1)
		return 0;
	return __sync_val_compare_and_swap(&flow->version, version,
					   version + 1) == version;
}

static __always_inline void flow_release(struct vipd_flow *flow, __u32 version)
{
	__u32 next = version + 2;

	/* 0 is for slots never used. An exchange, for its memory barrier. */
	__sync_lock_test_and_set(&flow->version, next ? next : 2);
}

/* Tells userspace; a full ring buffer costs the message, never the packet. */
static __always_inline void flow_change(__u32 slot, __u32 bytes)
{
	struct vipd_change change = {.slot = slot};

	if (bpf_ringbuf_output(&vipd_changes, &change, sizeof(change), 0))
		stats_note(VIPD_NOTE_CHANGES_LOST, bytes);
}

/* Is a change to this state one that peers must hear of? */
static __always_inline int flow_state_is_news(__u32 state)
{
	return state != VIPD_FLOW_SYN_RECV && state != VIPD_FLOW_NONE;
}

static __always_inline __u32 flow_timeout(const struct vipd_service *service,
					  __u32 state)
{
	/* What is checked must be what is used, to the verifier of Linux 6.1:
	 * not a second copy off the stack.
	 */
	barrier_var(state);
	if (state >= VIPD_FLOW_STATES)
		return 0;
	return service->timeout_ticks[state];
}

/* Counts a flow for its real, in (1) or out (-1). The caller holds the slot. */
static __always_inline void
flow_count(__u32 real, const struct vipd_flow_key *key, __u32 state, int by)
{
	struct vipd_load *load = bpf_map_lookup_elem(&vipd_loads, &real);

	if (load && state != VIPD_FLOW_NONE &&
	    !VIPD_READ_ONCE(key->is_template))
		vipd_load_count(load, VIPD_READ_ONCE(key->protocol), state, by);
}

/* One more packet of a flow that stays where it is. */
static __always_inline void flow_refresh(const struct flow_view *view,
					 const struct vipd_service *service,
					 const struct segment *p)
{
	struct vipd_flow *flow = view->flow;
	struct vipd_load *load;
	__u32 state = view->state;
	int changed, news;

	if (p->key.protocol == IPPROTO_TCP)
		state = vipd_tcp_next(state, p->tcp_event, p->direction);
	changed = state != view->state;
	news = changed || (view->flags & VIPD_FLOW_ONE_PACKET);
	if (changed || view->flags) {
		if (flow_hold(flow, view->version)) {
			load = changed ? bpf_map_lookup_elem(&vipd_loads,
							     &view->real)
				       : NULL;
			if (load)
				vipd_load_move(load, p->key.protocol,
					       view->state, state);
			VIPD_WRITE_ONCE(flow->state, state);
			VIPD_WRITE_ONCE(flow->timeout,
					flow_timeout(service, state));
			VIPD_WRITE_ONCE(flow->last_seen, p->now);
			VIPD_WRITE_ONCE(flow->flags, 0);
			flow_release(flow, view->version);
			if (news && flow_state_is_news(state))
				flow_change(view->slot, p->frame_len);
		}
		return;
	}
	if (p->now - VIPD_READ_ONCE(flow->last_seen) >= VIPD_SEEN_TICKS)
		VIPD_WRITE_ONCE(flow->last_seen, p->now);
}

/* Fills in a slot that the caller holds. No flow is news to peers with its
 * first packet: it is half-open, or of that one packet.
 */
static __always_inline void flow_write(struct vipd_flow *flow,
				       const struct vipd_service *service,
				       const struct segment *p, __u32 state,
				       __u32 real, __u16 generation)
{
	flow_count(VIPD_READ_ONCE(flow->real), &flow->key,
		   VIPD_READ_ONCE(flow->state), -1);
	flow_count(real, &p->key, state, 1);
	VIPD_WRITE_ONCE(flow->state, VIPD_FLOW_NONE);
	vipd_flow_key_write(&flow->key, &p->key, real, &flow->real);
	VIPD_WRITE_ONCE(flow->generation, generation);
	VIPD_WRITE_ONCE(flow->last_seen, p->now);
	VIPD_WRITE_ONCE(flow->timeout, p->key.is_template
					   ? service->persistence_ticks
					   : flow_timeout(service, state));
	VIPD_WRITE_ONCE(flow->flags, state == VIPD_FLOW_ESTABLISHED
					 ? VIPD_FLOW_ONE_PACKET
					 : 0);
	VIPD_WRITE_ONCE(flow->state, state);
}

/* The cheapest slot of the set for a newcomer, or NULL. */
static __always_inline struct vipd_flow *
flow_victim(const struct segment *p, __u32 *slot, __u32 *version, __u32 *rank)
{
	struct vipd_flow *best = NULL;
	__u64 best_cost = ~0ULL;
	__u32 i;

	for (i = 0; i < VIPD_FLOW_WAYS; i++) {
		__u32 at, v, age, r;
		__u64 cost;
		struct vipd_flow *flow = flow_at(p->hash, i, &at);

		if (!flow)
			break;
		v = VIPD_READ_ONCE(flow->version);
		if (v & 1)
			continue;
		age = vipd_flow_age(VIPD_READ_ONCE(flow->last_seen), p->now);
		r = vipd_flow_rank(VIPD_READ_ONCE(flow->state),
				   VIPD_READ_ONCE(flow->flags), age,
				   VIPD_READ_ONCE(flow->timeout));
		if (r == VIPD_RANK_KEEP)
			continue;
		/* The first free one; of the others the longest unseen. */
		cost = r == VIPD_RANK_FREE ? 0 : ((__u64)r << 32) - age;
		if (cost >= best_cost)
			continue;
		best_cost = cost;
		best = flow;
		*slot = at;
		*version = v;
		*rank = r;
		if (r == VIPD_RANK_FREE)
			break;
	}
	return best;
}

/* A connection to be stored. */
struct newcomer {
	__u32 slot; /* with this version has its key already, where `known` */
	__u32 version;
	__u32 known;
	__u32 state;
	__u32 real;
	__u32 generation;
};

/*
 * Stores a connection, in the slot that has its key already if there is one.
 * 0: there is no place. 2: another CPU has stored it meanwhile, and new->real
 * is the one that it has there. Not static, for the verifier's sake.
 */
__noinline int flow_store(const struct segment *p,
			  const struct vipd_service *service,
			  struct newcomer *new)
{
	struct vipd_flow *flow = NULL;
	__u32 slot, version, rank = VIPD_RANK_FREE, i;

	if (!p || !service || !new)
		return 0;
	slot = new->slot;
	version = new->version;
	if (new->known)
		flow = bpf_map_lookup_elem(&vipd_flows, &slot);
	for (i = 0; i < VIPD_STORE_TRIES; i++) {
		if (!flow)
			flow = flow_victim(p, &slot, &version, &rank);
		if (!flow) {
			stats_note(VIPD_NOTE_FLOW_SET_FULL, p->frame_len);
			return 0;
		}
		if (flow_hold(flow, version)) {
			flow_write(flow, service, p, new->state, new->real,
				   new->generation);
			flow_release(flow, version);
			if (new->state == VIPD_FLOW_SYN_RECV &&
			    half_open_is_news())
				flow_change(slot, p->frame_len);
			if (rank != VIPD_RANK_FREE)
				stats_note(VIPD_NOTE_FLOW_EVICTED,
					   p->frame_len);
			return 1;
		}
		stats_note(VIPD_NOTE_FLOW_CONTENDED, p->frame_len);
		if (vipd_flow_key_equal(&flow->key, &p->key)) {
			new->real = VIPD_READ_ONCE(flow->real);
			return 2;
		}
		flow = NULL;
	}
	return 0;
}

#endif
