// SPDX-License-Identifier: GPL-2.0-only
/*
 * The yardstick: the path of bpf/vipd_xdp.bpf.c as XDP balancers are usually
 * built, with the connections in a BPF_MAP_TYPE_LRU_HASH. Parsing, service
 * lookup, ring, forwarding and counters are vipd's own, on the same maps; only
 * the table of connections differs.
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
#include "bpf/pick.bpf.h"
#include "bpf/forward.bpf.h"
#include "bpf/lease.bpf.h"

/* The 40-byte key is vipd's own. */
struct lru_flow {
	__u32 real;
	__u32 last_seen;
	__u32 state;
	__u16 generation;
	__u16 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 20);
	__type(key, struct vipd_flow_key);
	__type(value, struct lru_flow);
} lru_flows SEC(".maps");

static __always_inline struct vipd_real *lru_known(const struct segment *p,
						   __u32 *id)
{
	struct lru_flow *flow = bpf_map_lookup_elem(&lru_flows, &p->key);
	struct vipd_real *real;
	__u32 state;

	if (!flow)
		return NULL;
	*id = flow->real;
	real = bpf_map_lookup_elem(&vipd_reals, id);
	if (!real || real->generation != flow->generation ||
	    !(real->flags & VIPD_REAL_ALIVE))
		return NULL;
	state = vipd_tcp_next(flow->state, p->tcp_event, p->direction);
	if (state != flow->state)
		flow->state = state;
	if (flow->last_seen != p->now)
		flow->last_seen = p->now;
	return real;
}

static __always_inline struct vipd_real *
lru_new(const struct vipd_service *service, const struct segment *p, __u32 *id)
{
	struct lru_flow flow = {};
	struct vipd_real *real;

	*id = pick_real(service, p, 1);
	real = bpf_map_lookup_elem(&vipd_reals, id);
	if (!real)
		return NULL;
	flow.real = *id;
	flow.last_seen = p->now;
	flow.state = vipd_tcp_next(VIPD_FLOW_NONE, p->tcp_event, p->direction);
	flow.generation = real->generation;
	bpf_map_update_elem(&lru_flows, &p->key, &flow, BPF_ANY);
	return real;
}

static __always_inline __u32 lru_handle(struct xdp_md *ctx, struct packet *p)
{
	__u32 verdict = parse_packet(ctx, p);
	const struct vipd_meta *meta = meta_get();
	const struct vipd_service *service;
	struct vipd_real *real;
	__u32 id, connections = 0;

	if (!meta)
		return VIPD_PASS_NO_SERVICE;
	if (verdict != VIPD_CONTINUE)
		return verdict;
	service = match_service(meta, &p->segment);
	if (!service)
		return VIPD_PASS_NO_SERVICE;
	if (!frame_is_for_us(ctx))
		return VIPD_PASS_OTHER_STATION;
	if (forwarding_ended())
		return VIPD_PASS_STOPPED;
	if (p->flags & VIPD_PACKET_BAD_L4)
		return VIPD_DROP_MALFORMED;
	if (p->ttl <= 1)
		return VIPD_DROP_TTL;
	p->segment.now = clock_ticks();
	real = lru_known(&p->segment, &id);
	if (!real) {
		real = lru_new(service, &p->segment, &id);
		connections = 1;
	}
	if (!real)
		return VIPD_DROP_NO_REAL;
	if (!(real->flags & VIPD_REAL_RESOLVED))
		return VIPD_DROP_NEIGHBOUR;
	verdict = forward_packet(ctx, p, real);
	stats_counters(&vipd_service_st, service->id, p->ip_len, connections);
	stats_counters(&vipd_real_st, id, p->ip_len, connections);
	return verdict;
}

SEC("xdp")
int lru_ingress(struct xdp_md *ctx)
{
	struct packet p = {.action = XDP_DROP};
	__u32 verdict = lru_handle(ctx, &p);

	stats_verdict(verdict, p.segment.frame_len);
	if (verdict >= VIPD_PASS_NO_SERVICE &&
	    verdict <= VIPD_PASS_OTHER_STATION)
		return XDP_PASS;
	return p.action;
}

char LICENSE[] SEC("license") = "GPL";
