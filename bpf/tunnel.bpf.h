// SPDX-License-Identifier: GPL-2.0-only
/*
 * IP in IP (RFC 2003, RFC 2473, RFC 4213): the packet in an outer header to the
 * real server, either family in either.
 */
#ifndef VIPD_TUNNEL_BPF_H
#define VIPD_TUNNEL_BPF_H

#include "bpf/frame.bpf.h"

#define VIPD_TUNNEL_TTL 64

static __always_inline __u16 csum_ipv4(const struct iphdr *ip)
{
	const __u16 *word = (const __u16 *)ip;
	__u32 sum = 0;
	__u32 i;

#pragma unroll
	for (i = 0; i < sizeof(*ip) / 2; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	return (__u16)~sum;
}

static __always_inline __u32 tunnel_overhead(const struct vipd_real *real)
{
	return real->family == VIPD_FAMILY_V4 ? sizeof(struct iphdr)
					      : sizeof(struct ipv6hdr);
}

/* What the outer header takes from the inner one. */
struct inner {
	__u8 tos; /* or traffic class */
	__u8 protocol;
	__be16 id;
	__be16 df;
};

/* Reads it off, with one hop less. An IPv6 packet is never cut on its way, and
 * an outer header with DF needs no id (RFC 6864).
 */
static __always_inline int tunnel_inner(void *l3, void *end, __u32 family,
					struct inner *inner)
{
	struct iphdr *ip = l3;
	struct ipv6hdr *ip6 = l3;

	if (!hop_decrement(l3, end, family))
		return 0;
	if (family == VIPD_FAMILY_V4) {
		if ((void *)(ip + 1) > end)
			return 0;
		inner->tos = ip->tos;
		inner->protocol = IPPROTO_IPIP;
		inner->id = ip->id;
		inner->df = ip->frag_off & bpf_htons(VIPD_IP_DF);
		return 1;
	}
	if ((void *)(ip6 + 1) > end)
		return 0;
	inner->tos = bpf_ntohs(*(__be16 *)ip6) >> 4;
	inner->protocol = IPPROTO_IPV6;
	inner->id = 0;
	inner->df = bpf_htons(VIPD_IP_DF);
	return 1;
}

/* Sixteen bits that are the same for all packets of a connection and differ
 * between connections.
 */
static __always_inline __u32 flow_entropy(const struct vipd_flow_key *key)
{
	__u32 h = vipd_fold_v6((const __u32 *)&key->client) ^
		  ((__u32)key->client_port << 16) ^ key->vip_port;

	return (h * 0x9e3779b1U) >> 16;
}

static __always_inline void tunnel_v4(struct iphdr *outer,
				      const struct vipd_real *real,
				      const struct inner *inner, __u32 length)
{
	struct iphdr ip = {
	    .version = 4,
	    .ihl = 5,
	    .tos = inner->tos,
	    .tot_len = bpf_htons(length),
	    .id = inner->id,
	    .frag_off = inner->df,
	    .ttl = VIPD_TUNNEL_TTL,
	    .protocol = inner->protocol,
	    .saddr = real->tunnel_source.v4,
	    .daddr = real->address.v4,
	};

	ip.check = csum_ipv4(&ip);
	*outer = ip;
}

/* The flow label (RFC 6437) spreads the connections over the real server's
 * receive queues.
 */
static __always_inline void tunnel_v6(struct ipv6hdr *outer,
				      const struct vipd_real *real,
				      const struct inner *inner, __u32 length,
				      __u32 label)
{
	__be32 *first = (__be32 *)outer;

	*first = bpf_htonl(6U << 28 | (__u32)inner->tos << 20 | label);
	outer->payload_len = bpf_htons(length);
	outer->nexthdr = inner->protocol;
	outer->hop_limit = VIPD_TUNNEL_TTL;
	__builtin_memcpy(&outer->saddr, &real->tunnel_source,
			 sizeof(outer->saddr));
	__builtin_memcpy(&outer->daddr, &real->address, sizeof(outer->daddr));
}

/* The verdict. TOS and, of IPv4, DF and id are the inner packet's: the outer id
 * is then as unique as that one.
 */
__noinline __u32 tunnel_packet(struct xdp_md *ctx, struct packet *p,
			       const struct vipd_real *real)
{
	struct inner inner;
	struct cursor c;
	void *outer;

	if (!p || !real)
		return VIPD_DROP_NO_ROOM;
	link_to_real(&p->link, real);
	if (real->family == VIPD_FAMILY_V4) {
		outer = frame_push(ctx, p, sizeof(struct iphdr),
				   bpf_htons(ETH_P_IP));
		c = frame_cursor(ctx);
		if (!outer || !tunnel_inner(outer + sizeof(struct iphdr), c.end,
					    p->segment.key.family, &inner))
			return VIPD_DROP_NO_ROOM;
		tunnel_v4(outer, real, &inner,
			  p->ip_len + sizeof(struct iphdr));
	} else {
		outer = frame_push(ctx, p, sizeof(struct ipv6hdr),
				   bpf_htons(ETH_P_IPV6));
		c = frame_cursor(ctx);
		if (!outer ||
		    !tunnel_inner(outer + sizeof(struct ipv6hdr), c.end,
				  p->segment.key.family, &inner))
			return VIPD_DROP_NO_ROOM;
		tunnel_v6(outer, real, &inner, p->ip_len,
			  flow_entropy(&p->segment.key));
	}
	frame_send(ctx, p);
	return VIPD_FORWARDED_TUN;
}

#endif
