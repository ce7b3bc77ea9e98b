// SPDX-License-Identifier: GPL-2.0-only
/*
 * The frame on its way out: Ethernet header and VLAN tag for the real server's
 * link, with room behind them for outer headers; one hop less.
 */
#ifndef VIPD_FRAME_BPF_H
#define VIPD_FRAME_BPF_H

#include <vipd/abi/service.h>

#include "bpf/parse.bpf.h"

#define VIPD_VLAN_VID 0x0fff

/* RFC 1624 for a TTL one less. */
static __always_inline void ttl_decrement(struct iphdr *ip)
{
	__u32 check = ip->check;

	check += bpf_htons(0x0100);
	ip->check = (__u16)(check + (check >= 0xffff));
	ip->ttl--;
}

/* False: it does not fit, which parse_*() has ruled out. */
static __always_inline int hop_decrement(void *l3, void *end, __u32 family)
{
	struct iphdr *ip = l3;
	struct ipv6hdr *ip6 = l3;

	if (family == VIPD_FAMILY_V4) {
		if ((void *)(ip + 1) > end)
			return 0;
		ttl_decrement(ip);
		return 1;
	}
	if ((void *)(ip6 + 1) > end)
		return 0;
	ip6->hop_limit--;
	return 1;
}

static __always_inline void link_to_real(struct link *link,
					 const struct vipd_real *real)
{
	link->ifindex = real->ifindex;
	__builtin_memcpy(link->dst_mac, real->dst_mac, ETH_ALEN);
	__builtin_memcpy(link->src_mac, real->src_mac, ETH_ALEN);
	link->vlan = real->vlan;
}

/*
 * Replaces what stands before the IP packet by the header for p->link, with
 * `more` bytes behind it. Returns where those begin, NULL: no room, and the
 * frame is as it came. The priority (PCP) of a tag stays.
 */
static __always_inline void *frame_push(struct xdp_md *ctx, struct packet *p,
					__u32 more, __be16 protocol)
{
	const struct link *link = &p->link;
	struct vlan_tag tag = {.protocol = protocol};
	int grow = (int)(sizeof(struct ethhdr) + more) - (int)p->l3;
	struct ethhdr *eth;
	struct cursor c;

	if (link->vlan)
		grow += sizeof(tag);
	if (grow && bpf_xdp_adjust_head(ctx, -grow))
		return NULL;
	c = frame_cursor(ctx);
	eth = parse_ethhdr(&c);
	if (!eth)
		return NULL;
	__builtin_memcpy(eth->h_dest, link->dst_mac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, link->src_mac, ETH_ALEN);
	eth->h_proto = protocol;
	p->l3 = sizeof(*eth) + more;
	if (link->vlan) {
		if (c.pos + sizeof(tag) > c.end)
			return NULL;
		tag.tci = (p->vlan & bpf_htons(~VIPD_VLAN_VID)) | link->vlan;
		*(struct vlan_tag *)c.pos = tag;
		eth->h_proto = bpf_htons(ETH_P_8021Q);
		p->l3 += sizeof(tag);
		c.pos += sizeof(tag);
	}
	return c.pos;
}

static __always_inline void frame_send(struct xdp_md *ctx, struct packet *p)
{
	__u32 ifindex = p->link.ifindex;

	p->action =
	    ifindex == ctx->ingress_ifindex ? XDP_TX : bpf_redirect(ifindex, 0);
}

#endif
