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

#include "bpf/clock.bpf.h"
#include "bpf/maps.bpf.h"
#include "bpf/packet.bpf.h"
#include "bpf/stats.bpf.h"
#include "bpf/match.bpf.h"
#include "bpf/flow.bpf.h"
#include "bpf/persist.bpf.h"
#include "bpf/pick.bpf.h"
#include "bpf/forward.bpf.h"
#include "bpf/reply.bpf.h"

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

/* The real for a connection without a flow. */
struct choice {
	__u32 real;
	__u32 connections; /* made by this packet: 0 or 1 */
	__u32 by_template;
};

static __always_inline __u32 choose_real(const struct vipd_service *service,
					 const struct segment *p, int fresh,
					 struct choice *choice)
{
	choice->real = VIPD_NO_REAL;
	if (service->persistence_ticks)
		choice->real = template_real(service, p);
	choice->by_template = choice->real != VIPD_NO_REAL;
	if (!choice->by_template)
		choice->real = pick_real(service, p, fresh);
	return choice->real;
}

/*
 * Chooses a real for a connection that has none and stores it. Not static, for
 * the verifier's sake and to keep the way of all other packets short.
 */
__noinline __u32 new_flow(const struct flow_view *view,
			  const struct vipd_service *service,
			  const struct segment *p, struct choice *choice)
{
	struct newcomer new = {};
	struct vipd_real *real;
	__u32 state = VIPD_FLOW_ESTABLISHED;
	__u32 verdict, id; /* before Linux 6.2 a map's key is on the stack */
	int fresh = 1;

	if (!view || !service || !p || !choice)
		return VIPD_DROP_NO_REAL;
	if (p->key.protocol == IPPROTO_TCP) {
		/* From NONE: a connection met midway is taken as established,
		 * which carries it over a lost table.
		 */
		state = vipd_tcp_next(VIPD_FLOW_NONE, p->tcp_event,
				      VIPD_FROM_CLIENT_ONLY);
		fresh = state == VIPD_FLOW_SYN_RECV;
		if (!fresh && settling())
			return VIPD_DROP_SETTLING;
	}
	id = choose_real(service, p, fresh, choice);
	real = bpf_map_lookup_elem(&vipd_reals, &id);
	if (!real)
		return VIPD_DROP_NO_REAL;
	verdict = reachable(real);
	if (verdict == VIPD_DROP_NEIGHBOUR || state == VIPD_FLOW_NONE)
		return verdict;
	if (service->flags & VIPD_SERVICE_ONE_PACKET) {
		choice->connections = 1;
		return verdict;
	}
	new.slot = view->slot;
	new.version = view->version;
	new.known = view->known;
	new.state = state;
	new.real = id;
	new.generation = real->generation;
	switch (flow_store(p, service, &new)) {
	case 1:
		choice->connections = 1;
		return verdict;
	case 2:
		id = choice->real = new.real;
		real = bpf_map_lookup_elem(&vipd_reals, &id);
		return real ? reachable(real) : VIPD_DROP_NO_REAL;
	}
	/* Its replies could not be told. */
	if (real->method == VIPD_METHOD_NAT)
		return VIPD_DROP_TABLE_FULL;
	if (!fresh)
		return verdict;
	/* Not stored, it must go where its next packets will go. */
	id = choose_real(service, p, 0, choice);
	real = bpf_map_lookup_elem(&vipd_reals, &id);
	return real ? reachable(real) : VIPD_DROP_NO_REAL;
}

static __always_inline void count(const struct packet *p,
				  const struct vipd_service *service, __u32 id,
				  __u32 verdict, __u32 connections)
{
	if (verdict > VIPD_FORWARDED_NAT && verdict != VIPD_PASS_LOCAL)
		return;
	stats_counters(&vipd_service_st, service->id, p->ip_len, connections);
	stats_counters(&vipd_real_st, id, p->ip_len, connections);
}

static __always_inline __u32 serve(struct xdp_md *ctx, struct packet *p,
				   const struct vipd_service *service,
				   struct vipd_flow *home)
{
	struct segment *segment = &p->segment;
	struct flow_view view = {};
	struct choice choice = {};
	struct vipd_real *real;
	__u32 verdict;

	if (p->flags & VIPD_PACKET_BAD_L4)
		return VIPD_DROP_MALFORMED;
	if (p->ttl <= 1)
		return answer_ttl(ctx, p);

	flow_find(segment, home, &view);
	verdict = real_of_flow(&view, segment, &real);
	if (verdict != VIPD_CONTINUE)
		return verdict;
	if (real) {
		choice.real = view.real;
		if (real->method == VIPD_METHOD_NAT)
			segment->direction = VIPD_FROM_CLIENT;
		flow_refresh(&view, service, segment);
		if (service->persistence_ticks &&
		    (view.flags || (view.state == VIPD_FLOW_SYN_RECV &&
				    segment->tcp_event == VIPD_TCP_ACK)))
			template_confirm(service, segment);
		verdict = reachable(real);
	} else {
		view.known = view.flow != NULL;
		verdict = new_flow(&view, service, segment, &choice);
		real = bpf_map_lookup_elem(&vipd_reals, &choice.real);
		if (!real)
			return verdict;
		if (service->persistence_ticks && choice.connections &&
		    !choice.by_template)
			template_store(service, segment, choice.real);
	}
	if (verdict == VIPD_CONTINUE)
		verdict = forward_packet(ctx, p, real);
	count(p, service, choice.real, verdict, choice.connections);
	return verdict;
}

/*
 * Relays an ICMP error to the real server of the connection that it is about,
 * down or not. What is about none is left to the local stack, which heeds no
 * such error of a connection that it does not have.
 */
__noinline __u32 relay_error(struct xdp_md *ctx, struct packet *p,
			     const struct vipd_service *service)
{
	struct flow_view view = {};
	struct vipd_real *real;
	__u32 verdict;

	if (!p || !service)
		return VIPD_PASS_ICMP;
	flow_find(&p->segment, flow_home(p->segment.hash), &view);
	if (!view.flow || !view.live)
		return VIPD_PASS_NO_CONNECTION;
	real = bpf_map_lookup_elem(&vipd_reals, &view.real);
	if (!real || real->generation != view.generation)
		return VIPD_PASS_NO_CONNECTION;
	if (p->ttl <= 1)
		return VIPD_DROP_TTL;
	verdict = reachable(real);
	if (verdict == VIPD_CONTINUE)
		verdict = forward_packet(ctx, p, real);
	count(p, service, view.real, verdict, 0);
	return verdict;
}

/* The verdict, and for forwarded_* and answered_* the action. */
static __always_inline __u32 handle(struct xdp_md *ctx, struct packet *p)
{
	__u32 verdict = parse_packet(ctx, p);
	const struct vipd_meta *meta = meta_get();
	const struct vipd_service *service;
	struct segment *segment = &p->segment;
	struct vipd_flow *home;

	if (verdict != VIPD_CONTINUE)
		return verdict;
	if (!meta)
		return VIPD_PASS_NO_SERVICE;
	service = match_service(meta, segment);
	if (!service && !may_be_reply(meta, &segment->key))
		return VIPD_PASS_NO_SERVICE;
	segment->hash = vipd_flow_hash(&segment->key, flow_seed0, flow_seed1);
	home = flow_home(segment->hash);
	/* Requests and replies of NAT may come by two CPUs, which would take
	 * the line from one another.
	 */
	if (!meta->nat_reals)
		flow_fetch(home);
	if (!frame_is_for_us(ctx))
		return VIPD_PASS_OTHER_STATION;
	if (forwarding_ended())
		return VIPD_PASS_STOPPED;
	if (!service)
		return serve_reply(ctx, p);
	segment->now = clock_ticks();
	if (p->flags & VIPD_PACKET_FIRST)
		fragment_remember(p);
	if (p->flags & VIPD_PACKET_QUOTED)
		return relay_error(ctx, p, service);
	return serve(ctx, p, service, home);
}

/*
 * RFC 9568, 6.4.3 and 8.3.1: with no_accept a master takes nothing that is for
 * a VIP but neighbour discovery. What is passed would reach the local stack.
 */
__noinline __u32 accepted(const struct packet *p, __u32 verdict)
{
	struct vipd_claim_key key = {};
	struct vipd_claim *claim;

	if (!p || p->flags & VIPD_PACKET_ND)
		return verdict;
	if (verdict != VIPD_PASS_NO_SERVICE && verdict != VIPD_PASS_ICMP &&
	    verdict != VIPD_PASS_PROTOCOL && verdict != VIPD_PASS_FRAGMENT)
		return verdict;
	key.address = p->segment.key.vip;
	key.family = p->segment.key.family;
	claim = bpf_map_lookup_elem(&vipd_claims, &key);
	if (claim && claim->refused && is_master(claim->vrid, claim->family))
		return VIPD_DROP_NOT_ACCEPTED;
	return verdict;
}

static __always_inline int vips_are_refused(void)
{
	const struct vipd_meta *meta = meta_get();

	return meta && VIPD_READ_ONCE(meta->refused_vips);
}

SEC("xdp")
int vipd_ingress(struct xdp_md *ctx)
{
	struct packet p = {.action = XDP_DROP};
	__u32 verdict = handle(ctx, &p);

	if (verdict >= VIPD_PASS_NO_SERVICE && verdict <= VIPD_PASS_FRAGMENT &&
	    vips_are_refused())
		verdict = accepted(&p, verdict);
	stats_verdict(verdict, p.segment.frame_len);
	if (verdict >= VIPD_PASS_NO_SERVICE &&
	    verdict <= VIPD_PASS_OTHER_STATION)
		return XDP_PASS;
	return p.action;
}

char LICENSE[] SEC("license") = "GPL";
