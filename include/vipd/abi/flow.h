/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The flow table, vipd_flows: one slot, one cache line, one connection.
 *
 * It is set-associative: a flow may stand in any of the VIPD_FLOW_WAYS slots of
 * its set. They are tried in the flow's own order, home way first, and a flow
 * is put into the first one that is free; so a slot that was never used
 * (version 0) ends the search.
 *
 * Writers, of which the XDP program on each CPU and userspace are many, hold a
 * slot by moving `version` from even to odd with a compare-and-swap, and let it
 * go by the next even number. Whoever fails to get it leaves it: no one waits.
 * Readers look at `version` before and after. While a slot gets a new key, the
 * last word of the key is zero, so that no reader takes a mix for its own.
 * last_seen alone is written without holding the slot.
 */
#ifndef VIPD_ABI_FLOW_H
#define VIPD_ABI_FLOW_H

#include <vipd/abi/base.h>
#include <vipd/abi/hash.h>

#define VIPD_FLOW_WAYS 8

/* IPVS's states, as far as one direction of the traffic shows them. */
enum vipd_flow_state {
	VIPD_FLOW_NONE, /* free */
	VIPD_FLOW_SYN_RECV,
	VIPD_FLOW_ESTABLISHED, /* UDP: always */
	VIPD_FLOW_FIN_WAIT,
	VIPD_FLOW_TIME_WAIT,
	VIPD_FLOW_CLOSE,
	VIPD_FLOW_CLOSE_WAIT,
};
#define VIPD_FLOW_STATES 7

/* vipd_flow.flags */
#define VIPD_FLOW_SYNCED 0x1U /* from a peer, not yet seen here */
/*
 * Nothing since the first packet, which told of no beginning: UDP, TCP met
 * midway. Anybody can send such a packet from any address, so the flow is cheap
 * to evict and no news to peers until it has a second one.
 */
#define VIPD_FLOW_ONE_PACKET 0x2U

struct vipd_flow_key {
	union vipd_addr client;
	union vipd_addr vip;
	__be16 client_port;
	__be16 vip_port;
	__u8 protocol; /* IPPROTO_* */
	__u8 family;   /* VIPD_FAMILY_* */
	/* 1: no connection, but where the next ones of this client (or of its
	 * network) go: client_port is 0, see vipd_template_key().
	 */
	__u16 is_template;
};

struct vipd_flow {
	__u32 version; /* 0: never used; odd: being written */
	__u32 real;
	struct vipd_flow_key key;
	enum vipd_flow_state state;
	__u32 last_seen;  /* ticks */
	__u32 timeout;	  /* ticks that it lives on without a packet */
	__u16 generation; /* of the real's id when it was chosen */
	__u8 flags;
	__u8 touched; /* written at any time, read by nobody: flow_fetch() */
};

/* vipd_changes: a flow has become established or has closed. */
struct vipd_change {
	__u32 slot;
};

typedef __u64 __attribute__((__may_alias__)) vipd_word;
#define VIPD_FLOW_KEY_WORDS 5

static __always_inline int vipd_flow_key_equal(const struct vipd_flow_key *a,
					       const struct vipd_flow_key *b)
{
	const volatile vipd_word *x = (const volatile vipd_word *)a;
	const volatile vipd_word *y = (const volatile vipd_word *)b;

	/* The ports differ most often. */
	return ((x[4] ^ y[4]) | (x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) |
		(x[3] ^ y[3])) == 0;
}

/* The caller holds the slot. */
static __always_inline void
vipd_flow_key_write(volatile struct vipd_flow_key *to,
		    const struct vipd_flow_key *key, __u32 real,
		    volatile __u32 *real_to)
{
	volatile vipd_word *x = (volatile vipd_word *)to;
	const vipd_word *y = (const vipd_word *)key;

	x[4] = 0;
	*real_to = real;
	x[0] = y[0];
	x[1] = y[1];
	x[2] = y[2];
	x[3] = y[3];
	x[4] = y[4];
}

/*
 * Set index in the low bits, home way in the highest three. Of the client's end
 * alone: so a reply, which with NAT comes from the real server's address and
 * not from the VIP, falls into the same set.
 */
static __always_inline __u64 vipd_flow_hash(const struct vipd_flow_key *key,
					    __u64 seed0, __u64 seed1)
{
	__u32 end = (__u32)key->client_port << 16 | key->protocol;

	if (key->family == VIPD_FAMILY_V4)
		return vipd_flow_hash_v4(key->client.v4, end, seed0);
	return vipd_flow_hash_v6(key->client.v6, end, seed0, seed1);
}

/* The slot that is tried as the i-th for a flow with this hash. */
static __always_inline __u32 vipd_flow_slot(__u64 hash, __u32 set_mask, __u32 i)
{
	__u32 way = ((__u32)(hash >> 61) + i) & (VIPD_FLOW_WAYS - 1);

	return ((__u32)hash & set_mask) * VIPD_FLOW_WAYS + way;
}

/* Ticks since last_seen; a clock slightly behind counts as none. */
static __always_inline __u32 vipd_flow_age(__u32 last_seen, __u32 now)
{
	__u32 age = now - last_seen;

	return age > 0x80000000U ? 0 : age;
}

/*
 * How dear a slot's flow is: a newcomer takes the place of the cheapest, of
 * equals the one longest unseen, and never of one that is to be kept.
 */
enum vipd_flow_rank {
	VIPD_RANK_FREE, /* never used, removed, expired */
	VIPD_RANK_CLOSED,
	VIPD_RANK_EMBRYONIC, /* half-open; of a single packet */
	VIPD_RANK_KEEP,
};

static __always_inline __u32 vipd_flow_rank(__u32 state, __u32 flags, __u32 age,
					    __u32 timeout)
{
	if (state == VIPD_FLOW_NONE || age > timeout)
		return VIPD_RANK_FREE;
	if (state == VIPD_FLOW_CLOSE || state == VIPD_FLOW_TIME_WAIT)
		return VIPD_RANK_CLOSED;
	if (state == VIPD_FLOW_SYN_RECV || (flags & VIPD_FLOW_ONE_PACKET))
		return VIPD_RANK_EMBRYONIC;
	return VIPD_RANK_KEEP;
}

/* What a TCP segment says, IPVS's precedence: RST, SYN, FIN, ACK. */
enum vipd_tcp_event {
	VIPD_TCP_OTHER,
	VIPD_TCP_SYN,
	VIPD_TCP_FIN,
	VIPD_TCP_ACK,
	VIPD_TCP_RST,
};

/* Where a segment comes from, and what is seen of its connection. */
enum vipd_direction {
	VIPD_FROM_CLIENT_ONLY, /* DR, TUN: replies are never seen */
	VIPD_FROM_CLIENT,      /* NAT */
	VIPD_FROM_REAL,
};

/* IPVS's table for what a real server sends (OUTPUT). Its SYN on a connection
 * that is over, of which IPVS makes SYN_SENT, changes nothing here.
 */
static __always_inline __u32 vipd_tcp_next_reply(__u32 state, __u32 event)
{
	switch (event) {
	case VIPD_TCP_FIN:
		if (state == VIPD_FLOW_ESTABLISHED)
			return VIPD_FLOW_FIN_WAIT;
		if (state == VIPD_FLOW_SYN_RECV ||
		    state == VIPD_FLOW_CLOSE_WAIT)
			return VIPD_FLOW_TIME_WAIT;
		return state;
	case VIPD_TCP_ACK:
		if (state == VIPD_FLOW_SYN_RECV)
			return VIPD_FLOW_ESTABLISHED;
		return state;
	case VIPD_TCP_RST:
		if (state == VIPD_FLOW_TIME_WAIT)
			return state;
		return VIPD_FLOW_CLOSE;
	default:
		return state;
	}
}

/*
 * IPVS's tables for what clients send (INPUT, INPUT_ONLY). From NONE: what a
 * segment without a flow is stored as; NONE: not at all.
 */
static __always_inline __u32 vipd_tcp_next(__u32 state, __u32 event,
					   __u32 direction)
{
	if (direction == VIPD_FROM_REAL)
		return vipd_tcp_next_reply(state, event);
	switch (event) {
	case VIPD_TCP_SYN:
		if (state == VIPD_FLOW_ESTABLISHED)
			return state;
		return VIPD_FLOW_SYN_RECV;
	case VIPD_TCP_FIN:
		if (state == VIPD_FLOW_SYN_RECV)
			return VIPD_FLOW_TIME_WAIT;
		if (direction == VIPD_FROM_CLIENT) {
			if (state == VIPD_FLOW_ESTABLISHED)
				return VIPD_FLOW_CLOSE_WAIT;
			if (state == VIPD_FLOW_FIN_WAIT)
				return VIPD_FLOW_TIME_WAIT;
		} else if (state == VIPD_FLOW_ESTABLISHED) {
			return VIPD_FLOW_FIN_WAIT;
		}
		return state;
	case VIPD_TCP_ACK:
		if (state == VIPD_FLOW_SYN_RECV || state == VIPD_FLOW_NONE)
			return VIPD_FLOW_ESTABLISHED;
		return state;
	case VIPD_TCP_RST:
		if (state == VIPD_FLOW_SYN_RECV || state == VIPD_FLOW_NONE)
			return state;
		return VIPD_FLOW_CLOSE;
	default:
		return state;
	}
}

#endif
