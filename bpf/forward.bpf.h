// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends a packet to its real server. All that is needed stands in vipd_reals,
 * kept current by userspace; there is no route lookup here.
 */
#ifndef VIPD_FORWARD_BPF_H
#define VIPD_FORWARD_BPF_H

#include <vipd/abi/service.h>

#include "bpf/frame.bpf.h"
#include "bpf/icmp.bpf.h"
#include "bpf/nat.bpf.h"
#include "bpf/parse.bpf.h"
#include "bpf/tunnel.bpf.h"

/* Direct routing: nothing but the link header changes. */
static __always_inline __u32 route_packet(struct xdp_md *ctx, struct packet *p,
					  const struct vipd_real *real)
{
	__u32 family = p->segment.key.family;
	void *l3;

	link_to_real(&p->link, real);
	l3 = frame_push(ctx, p, 0,
			family == VIPD_FAMILY_V4 ? bpf_htons(ETH_P_IP)
						 : bpf_htons(ETH_P_IPV6));
	if (!l3 || !hop_decrement(l3, (void *)(long)ctx->data_end, family))
		return VIPD_DROP_NO_ROOM;
	frame_send(ctx, p);
	return VIPD_FORWARDED_DR;
}

/* Returns the verdict; for forwarded_* and answered_* sets the action. */
static __always_inline __u32 forward_packet(struct xdp_md *ctx,
					    struct packet *p,
					    const struct vipd_real *real)
{
	if (p->ip_len > real->mtu)
		return answer_too_big(ctx, p, real->mtu);
	if (real->method == VIPD_METHOD_TUN)
		return tunnel_packet(ctx, p, real);
	if (real->method == VIPD_METHOD_NAT)
		return nat_packet(ctx, p, real);
	return route_packet(ctx, p, real);
}

#endif
