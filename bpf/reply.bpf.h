// SPDX-License-Identifier: GPL-2.0-only
/*
 * What NAT real servers send: replies to clients, and ICMP errors about what
 * clients have sent. The flow is found from the other side; the client is
 * reached by the kernel's routes, as IPVS does.
 */
#ifndef VIPD_REPLY_BPF_H
#define VIPD_REPLY_BPF_H

#include "bpf/flow.bpf.h"
#include "bpf/fragment.bpf.h"
#include "bpf/icmp.bpf.h"
#include "bpf/match.bpf.h"
#include "bpf/nat.bpf.h"

/* Of <sys/socket.h>. */
#define VIPD_AF_INET 2
#define VIPD_AF_INET6 10

/* Whose a reply is. */
struct reply {
	__u32 service; /* id */
	__u32 real;
};

#define VIPD_NO_SERVICE 0xffffffffU

/* Is the sender a real server? The key has it in the client's place. */
__noinline int is_nat_real(const struct vipd_flow_key *key)
{
	struct vipd_service_key real = {};

	if (!key)
		return 0;
	real.address = key->client;
	real.port = key->client_port;
	real.protocol = key->protocol;
	real.family = key->family;
	if (bpf_map_lookup_elem(&vipd_nat_reals, &real))
		return 1;
	real.port = 0; /* of a service of any port */
	return bpf_map_lookup_elem(&vipd_nat_reals, &real) != NULL;
}

/* Where there is no NAT, other people's packets cost no look. */
static __always_inline int may_be_reply(const struct vipd_meta *meta,
					const struct vipd_flow_key *key)
{
	return VIPD_READ_ONCE(meta->nat_reals) && is_nat_real(key);
}

static __always_inline int same_client(const struct vipd_flow_key *a,
				       const struct vipd_flow_key *b)
{
	const volatile vipd_word *x = (const volatile vipd_word *)&a->client;
	const volatile vipd_word *y = (const volatile vipd_word *)&b->client;

	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0 &&
	       VIPD_READ_ONCE(a->client_port) == b->client_port &&
	       VIPD_READ_ONCE(a->protocol) == b->protocol &&
	       VIPD_READ_ONCE(a->family) == b->family;
}

/* Does this real server send from `from`? */
static __always_inline int sends_from(__u32 id, __u32 generation,
				      const struct end *from, __be16 vip_port)
{
	struct vipd_real *real = bpf_map_lookup_elem(&vipd_reals, &id);

	if (!real || real->generation != generation ||
	    real->method != VIPD_METHOD_NAT)
		return 0;
	return ((real->address.v6[0] ^ from->address.v6[0]) |
		(real->address.v6[1] ^ from->address.v6[1]) |
		(real->address.v6[2] ^ from->address.v6[2]) |
		(real->address.v6[3] ^ from->address.v6[3])) == 0 &&
	       (real->port ? real->port : vip_port) == from->port;
}

/*
 * Finds the flow of p's client, whose real server sends from `from`, and
 * completes p's key by its VIP. NULL in view->flow: there is none.
 */
__noinline int flow_find_reply(struct segment *p, const struct end *from,
			       struct flow_view *view)
{
	__u64 hash;
	__u32 i;

	if (!p || !from || !view)
		return 0;
	hash = vipd_flow_hash(&p->key, flow_seed0, flow_seed1);
	view->flow = NULL;
	for (i = 0; i < VIPD_FLOW_WAYS; i++) {
		__u32 slot;
		struct vipd_flow *flow = flow_at(hash, i, &slot);
		struct vipd_flow_key *key;
		__u32 age;

		if (!flow)
			break;
		view->version = VIPD_READ_ONCE(flow->version);
		if (!view->version)
			break;
		key = &flow->key;
		if (!same_client(key, &p->key))
			continue;
		p->key.vip_port = VIPD_READ_ONCE(key->vip_port);
		view->real = VIPD_READ_ONCE(flow->real);
		view->generation = VIPD_READ_ONCE(flow->generation);
		if (!sends_from(view->real, view->generation, from,
				p->key.vip_port))
			continue;
		p->key.vip = key->vip;
		view->slot = slot;
		view->state = VIPD_READ_ONCE(flow->state);
		view->flags = VIPD_READ_ONCE(flow->flags);
		age = vipd_flow_age(VIPD_READ_ONCE(flow->last_seen), p->now);
		view->live = view->state != VIPD_FLOW_NONE &&
			     age <= VIPD_READ_ONCE(flow->timeout);
		if (vipd_flow_key_equal(key, &p->key))
			return 1;
	}
	return 0;
}

/* Has userspace ask for it; a full ring buffer costs the question only. */
static __always_inline void neighbour_wanted(const struct bpf_fib_lookup *fib,
					     __u32 now)
{
	struct vipd_neighbour want = {.ifindex = fib->ifindex};

	if (!icmp_within_limit(now))
		return;
	if (fib->family == VIPD_AF_INET) {
		want.family = VIPD_FAMILY_V4;
		want.address.v4 = fib->ipv4_dst;
	} else {
		want.family = VIPD_FAMILY_V6;
		__builtin_memcpy(&want.address, fib->ipv6_dst, 16);
	}
	bpf_ringbuf_output(&vipd_wanted, &want, sizeof(want), 0);
}

/*
 * The way from the VIP to the client goes to p->link. VIPD_CONTINUE, or the
 * verdict.
 */
__noinline __u32 reply_route(struct xdp_md *ctx, struct packet *p)
{
	struct bpf_fib_lookup fib = {};
	const struct vipd_flow_key *key;

	if (!p)
		return VIPD_DROP_NO_ROUTE;
	key = &p->segment.key;
	fib.l4_protocol = key->protocol;
	fib.sport = key->vip_port;
	fib.dport = key->client_port;
	fib.tot_len = p->ip_len;
	fib.ifindex = ctx->ingress_ifindex;
	if (key->family == VIPD_FAMILY_V4) {
		fib.family = VIPD_AF_INET;
		fib.ipv4_src = key->vip.v4;
		fib.ipv4_dst = key->client.v4;
	} else {
		fib.family = VIPD_AF_INET6;
		__builtin_memcpy(fib.ipv6_src, &key->vip, 16);
		__builtin_memcpy(fib.ipv6_dst, &key->client, 16);
	}
	switch (bpf_fib_lookup(ctx, &fib, sizeof(fib), 0)) {
	case BPF_FIB_LKUP_RET_SUCCESS:
		break;
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
		return answer_too_big(ctx, p, fib.mtu_result);
	case BPF_FIB_LKUP_RET_NO_NEIGH:
		neighbour_wanted(&fib, p->segment.now);
		return VIPD_DROP_NEIGHBOUR;
	default:
		return VIPD_DROP_NO_ROUTE;
	}
	__builtin_memcpy(p->link.dst_mac, fib.dmac, ETH_ALEN);
	__builtin_memcpy(p->link.src_mac, fib.smac, ETH_ALEN);
	p->link.vlan = 0;
	p->link.ifindex = fib.ifindex;
	return VIPD_CONTINUE;
}

/* Sends what reply_accept() has taken on. The verdict. */
__noinline __u32 reply_rewrite(struct xdp_md *ctx, struct packet *p)
{
	struct rewrite r = {};

	if (!p)
		return VIPD_DROP_NO_ROOM;
	r.family = p->segment.key.family;
	r.old_port = p->real_port;
	r.new.address = p->segment.key.vip;
	r.new.port = p->segment.key.vip_port;
	if (!nat_send(ctx, p, &r, 1))
		return VIPD_DROP_NO_ROOM;
	frame_send(ctx, p);
	return VIPD_FORWARDED_REPLY;
}

static __always_inline void count_reply(void *map, __u32 id, __u32 bytes)
{
	struct vipd_counters *counters = bpf_map_lookup_elem(map, &id);

	if (!counters)
		return;
	counters->reply_packets++;
	counters->reply_bytes += bytes;
}

/*
 * What a real server sends: is it to a client? Its key, which is as if the real
 * server were one, is turned round. VIPD_CONTINUE: it is, and its flow knows of
 * it.
 */
__noinline __u32 reply_accept(struct packet *p, struct reply *reply)
{
	struct flow_view view = {};
	const struct vipd_service *service;
	const struct vipd_meta *meta = meta_get();
	struct segment *segment;
	struct end from = {};

	if (!p || !reply || !meta)
		return VIPD_PASS_NO_SERVICE;
	segment = &p->segment;
	segment->now = clock_ticks();
	if (p->flags & VIPD_PACKET_FIRST)
		fragment_remember(p);
	from.address = segment->key.client;
	from.port = segment->key.client_port;
	p->real_port = from.port;
	segment->key.client = segment->key.vip;
	segment->key.client_port = segment->key.vip_port;
	if (!flow_find_reply(segment, &from, &view) || !view.live)
		return VIPD_PASS_NO_CONNECTION;
	if (p->flags & VIPD_PACKET_BAD_L4)
		return VIPD_DROP_MALFORMED;
	reply->real = view.real;
	reply->service = VIPD_NO_SERVICE;
	service = match_service(meta, segment);
	if (!service)
		return VIPD_CONTINUE;
	reply->service = service->id;
	if (p->ttl > 1 && !(p->flags & VIPD_PACKET_QUOTED)) {
		segment->direction = VIPD_FROM_REAL;
		view.flow = bpf_map_lookup_elem(&vipd_flows, &view.slot);
		if (view.flow)
			flow_refresh(&view, service, segment);
	}
	return VIPD_CONTINUE;
}

/* The verdict on what a real server sends. */
static __always_inline __u32 serve_reply(struct xdp_md *ctx, struct packet *p)
{
	struct reply reply = {};
	__u32 verdict = reply_accept(p, &reply);

	if (verdict != VIPD_CONTINUE)
		return verdict;
	if (p->ttl <= 1)
		return answer_ttl(ctx, p);
	verdict = reply_route(ctx, p);
	if (verdict != VIPD_CONTINUE)
		return verdict;
	verdict = reply_rewrite(ctx, p);
	if (verdict == VIPD_FORWARDED_REPLY) {
		count_reply(&vipd_service_st, reply.service, p->ip_len);
		count_reply(&vipd_real_st, reply.real, p->ip_len);
	}
	return verdict;
}

#endif
