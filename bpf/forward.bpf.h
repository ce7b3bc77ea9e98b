// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends a packet to its real server. All that is needed stands in vipd_reals,
 * kept current by userspace; there is no route lookup here.
 */
#ifndef VIPD_FORWARD_BPF_H
#define VIPD_FORWARD_BPF_H

#include <vipd/abi/service.h>

#include "bpf/icmp.bpf.h"
#include "bpf/parse.bpf.h"
#include "bpf/tunnel.bpf.h"

/* RFC 1624 for a TTL one less. */
static __always_inline void ttl_decrement(struct iphdr *ip)
{
	__u32 check = ip->check;

	check += bpf_htons(0x0100);
	ip->check = (__u16)(check + (check >= 0xffff));
	ip->ttl--;
}

/* Returns the verdict; for forwarded_* and answered_* sets the action. */
static __always_inline __u32 forward_packet(struct xdp_md *ctx,
					    struct packet *p,
					    const struct vipd_real *real,
					    int *action)
{
	__u32 verdict = VIPD_FORWARDED_DR;
	__u32 mtu = real->mtu; /* left to the packet itself */

	if (real->method == VIPD_METHOD_TUN)
		mtu =
		    mtu > sizeof(struct iphdr) ? mtu - sizeof(struct iphdr) : 0;
	if (p->ip_len > mtu) {
		/* Without DF it is lost: XDP cannot fragment. */
		if (!(p->ip->frag_off & bpf_htons(VIPD_IP_DF)) ||
		    !icmp_answer_too_big(ctx, p, mtu))
			return VIPD_DROP_TOO_BIG;
		*action = XDP_TX;
		return VIPD_ANSWERED_TOO_BIG;
	}
	ttl_decrement(p->ip);
	if (real->method == VIPD_METHOD_TUN) {
		if (!tunnel_push(ctx, p, real))
			return VIPD_DROP_NO_ROOM;
		verdict = VIPD_FORWARDED_TUN;
	}
	__builtin_memcpy(p->eth->h_dest, real->dst_mac, ETH_ALEN);
	__builtin_memcpy(p->eth->h_source, real->src_mac, ETH_ALEN);
	p->eth->h_proto = bpf_htons(ETH_P_IP);
	*action = real->ifindex == ctx->ingress_ifindex
		      ? XDP_TX
		      : bpf_redirect(real->ifindex, 0);
	return verdict;
}

#endif
