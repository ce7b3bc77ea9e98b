// SPDX-License-Identifier: GPL-2.0-only
/*
 * The data plane: parse -> match -> flow -> pick -> forward. Only UAPI headers;
 * Linux 5.15 and later.
 */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#ifndef NULL
#define NULL ((void *)0)
#endif

#include "bpf/maps.bpf.h"
#include "bpf/parse.bpf.h"
#include "bpf/stats.bpf.h"
#include "bpf/match.bpf.h"
#include "bpf/flow.bpf.h"
#include "bpf/pick.bpf.h"
#include "bpf/forward.bpf.h"
#include "bpf/arp.bpf.h"

static __always_inline int usable(const struct vipd_real *real)
{
	return (real->flags & VIPD_REAL_ALIVE) != 0;
}

/* RESOLVED, LOCAL: can a packet be sent there now? VIPD_CONTINUE: yes. */
static __always_inline __u32 reachable(const struct vipd_real *real)
{
	if (!(real->flags & VIPD_REAL_RESOLVED))
		return VIPD_DROP_NEIGHBOUR;
	if (real->flags & VIPD_REAL_LOCAL)
		return VIPD_PASS_LOCAL;
	return VIPD_CONTINUE;
}

/*
 * The real of the packet's flow. VIPD_CONTINUE with *real NULL: there is no
 * flow, or one that is over and begins anew.
 */
static __always_inline __u32 real_of_flow(const struct flow_view *view,
					  const struct segment *p,
					  struct vipd_real **real)
{
	struct vipd_real *found;
	int anew;

	*real = NULL;
	if (!view->flow || !view->live)
		return VIPD_CONTINUE;
	found = bpf_map_lookup_elem(&vipd_reals, &view->real);
	if (!found || found->generation != view->generation)
		return VIPD_CONTINUE;
	if (p->key.protocol == IPPROTO_UDP) {
		/* Nothing is lost by another server. */
		anew = !usable(found);
	} else {
		/* IPVS's conn_reuse_mode=1; and who says SYN to a dead server
		 * may as well speak to a living one.
		 */
		anew = p->tcp_event == VIPD_TCP_SYN &&
		       (!usable(found) || view->state == VIPD_FLOW_CLOSE ||
			view->state == VIPD_FLOW_TIME_WAIT);
		if (!anew && !usable(found))
			return VIPD_DROP_REAL_DOWN;
	}
	if (!anew)
		*real = found;
	return VIPD_CONTINUE;
}

/* Chooses a real for a connection that has none and stores it. */
static __always_inline __u32 new_flow(const struct flow_view *view,
				      const struct vipd_service *service,
				      const struct segment *p, __u64 hash,
				      struct vipd_real **real, __u32 *id,
				      __u32 *connections)
{
	struct newcomer new = {
	    .hash = hash,
	    .slot = view->slot,
	    .version = view->version,
	    .known = view->flow != NULL,
	};
	__u32 state = VIPD_FLOW_ESTABLISHED;
	__u32 verdict;
	int fresh = 1;

	if (p->key.protocol == IPPROTO_TCP) {
		/* From NONE: a connection met midway is taken as established,
		 * which carries it over a lost table.
		 */
		state = vipd_tcp_next(VIPD_FLOW_NONE, p->tcp_event);
		fresh = state == VIPD_FLOW_SYN_RECV;
		if (!fresh && settling())
			return VIPD_DROP_SETTLING;
	}
	*id = pick_real(service, p, fresh);
	*real = bpf_map_lookup_elem(&vipd_reals, id);
	if (!*real)
		return VIPD_DROP_NO_REAL;
	verdict = reachable(*real);
	if (verdict == VIPD_DROP_NEIGHBOUR)
		return verdict;
	if (state == VIPD_FLOW_NONE)
		return verdict;
	new.state = state;
	new.real = *id;
	new.generation = (*real)->generation;
	if (flow_store(p, service, &new)) {
		*connections = 1;
		return verdict;
	}
	if (!fresh)
		return verdict;
	/* Not stored, it must go where its next packets will go. */
	*id = pick_real(service, p, 0);
	*real = bpf_map_lookup_elem(&vipd_reals, id);
	return *real ? reachable(*real) : VIPD_DROP_NO_REAL;
}

static __always_inline __u32 serve(struct xdp_md *ctx, struct packet *p,
				   const struct vipd_service *service,
				   __u64 hash, int *action)
{
	struct segment *segment = &p->segment;
	struct flow_view view = {};
	struct vipd_real *real;
	__u32 verdict, id, connections = 0;

	if (p->bad_l4)
		return VIPD_DROP_MALFORMED;
	/* Never to the local stack: with the VIP on this host it would answer
	 * the client itself.
	 */
	if (p->ip->ttl <= 1)
		return VIPD_DROP_TTL;

	segment->now = (__u32)(bpf_ktime_get_coarse_ns() >> VIPD_TICK_SHIFT);
	flow_find(segment, hash, &view);
	verdict = real_of_flow(&view, segment, &real);
	if (verdict != VIPD_CONTINUE)
		return verdict;
	if (real) {
		id = view.real;
		flow_refresh(&view, service, segment);
		verdict = reachable(real);
	} else {
		verdict = new_flow(&view, service, segment, hash, &real, &id,
				   &connections);
	}
	if (verdict == VIPD_CONTINUE)
		verdict = forward_packet(ctx, p, real, action);
	if (verdict == VIPD_FORWARDED_DR || verdict == VIPD_FORWARDED_TUN ||
	    verdict == VIPD_PASS_LOCAL) {
		stats_counters(&vipd_service_st, service->id, p->ip_len,
			       connections);
		stats_counters(&vipd_real_st, id, p->ip_len, connections);
	}
	return verdict;
}

/* The verdict, and for forwarded_* and answered_* the action. */
static __always_inline __u32 handle(struct xdp_md *ctx, struct packet *p,
				    int *action)
{
	struct cursor c = {.pos = (void *)(long)ctx->data,
			   .end = (void *)(long)ctx->data_end};
	const struct vipd_service *service;
	__u32 verdict;
	__u64 hash;

	p->segment.frame_len = (__u32)(c.end - c.pos);
	p->eth = parse_ethhdr(&c);
	if (!p->eth)
		return VIPD_PASS_MALFORMED;
	switch (p->eth->h_proto) {
	case bpf_htons(ETH_P_IP):
		break;
	case bpf_htons(ETH_P_ARP):
		return arp_verdict(&c);
	case bpf_htons(ETH_P_8021Q):
	case bpf_htons(ETH_P_8021AD):
		return VIPD_PASS_VLAN;
	case bpf_htons(ETH_P_IPV6):
		return VIPD_PASS_IPV6;
	default:
		return VIPD_PASS_NOT_IP;
	}
	verdict = parse_ipv4(&c, p);
	if (verdict != VIPD_CONTINUE)
		return verdict;
	hash = vipd_flow_hash(&p->segment.key, flow_seed0, flow_seed1);
	flow_touch(hash);
	service = match_service(&p->segment.key);
	if (!service)
		return VIPD_PASS_NO_SERVICE;
	if (!for_this_station(p->eth, ctx->ingress_ifindex))
		return VIPD_PASS_OTHER_STATION;
	if (forwarding_ended())
		return VIPD_PASS_STOPPED;
	return serve(ctx, p, service, hash, action);
}

SEC("xdp")
int vipd_ingress(struct xdp_md *ctx)
{
	struct packet p = {};
	int action = XDP_DROP;
	__u32 verdict = handle(ctx, &p, &action);

	stats_verdict(verdict, p.segment.frame_len);
	if (verdict >= VIPD_PASS_NO_SERVICE &&
	    verdict <= VIPD_PASS_OTHER_STATION)
		return XDP_PASS;
	return action;
}

char LICENSE[] SEC("license") = "GPL";
