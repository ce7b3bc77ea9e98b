// SPDX-License-Identifier: GPL-2.0-only
/*
 * The packet in an outer header to the real server, either family in either: IP
 * in IP (RFC 2003, RFC 2473, RFC 4213), GRE (RFC 2784), or GUE in UDP as Linux
 * and IPVS have it (draft-ietf-intarea-gue, variant 0).
 */
#ifndef VIPD_TUNNEL_BPF_H
#define VIPD_TUNNEL_BPF_H

#include "bpf/checksum.bpf.h"
#include "bpf/frame.bpf.h"

#define VIPD_TUNNEL_TTL 64

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

/* What stands between the outer IP header and the packet. */
struct gue_header {
	struct udphdr udp;
	__u8 words; /* variant and control 0; of options, in 4 bytes */
	__u8 protocol;
	__be16 flags;
};

/*
 * The private option for remote checksum offload: the receiver puts the
 * checksum of all from `start` on in at `offset`, both from the packet on. What
 * stands there is the sum of the pseudo header.
 */
struct gue_remote {
	__be32 flags;
	__be16 start;
	__be16 offset;
};

#define VIPD_GUE_PRIVATE 0x0001	     /* gue_header.flags: so there is one */
#define VIPD_GUE_REMCSUM (1U << 31)  /* gue_remote.flags */
#define VIPD_GUE_SOURCE_PORTS 0xc000 /* RFC 6335: the dynamic ones */

struct gre_header {
	__be16 flags;
	__be16 protocol;
};

struct gre_checksum {
	__be16 check;
	__be16 reserved;
};

#define VIPD_GRE_CHECKSUM 0x8000

/* What one packet is put into. */
struct envelope {
	__u32 ip;     /* bytes of the outer IP header */
	__u32 shim;   /* of what stands behind that */
	__u32 length; /* of that and the packet */
	__u32 entropy;
	struct gue_remote remote; /* flags 0: without one */
};

static __always_inline int is_checked(const struct vipd_real *real)
{
	return (real->flags & (VIPD_REAL_CSUM | VIPD_REAL_REMCSUM)) != 0;
}

/*
 * Leaves the packet's L4 checksum to the receiver. Only a right one, so that
 * damage stays to be seen, or the mere sum of the pseudo header, which packets
 * have that were made on this machine. Any other goes as it is.
 */
static __always_inline void remote_checksum(struct xdp_md *ctx,
					    const struct packet *p,
					    struct gue_remote *remote)
{
	const struct vipd_flow_key *key = &p->segment.key;
	__u32 l4 = p->l4;
	__u32 length = p->l3 + p->ip_len - l4;
	__u32 offset = key->protocol == IPPROTO_TCP
			   ? __builtin_offsetof(struct tcphdr, check)
			   : __builtin_offsetof(struct udphdr, check);
	__u64 pseudo, sum;
	struct cursor c;
	__u16 *check;
	__u16 bare;

	if (p->flags & (VIPD_PACKET_QUOTED | VIPD_PACKET_FIRST |
			VIPD_PACKET_LATER | VIPD_PACKET_BAD_L4))
		return;
	pseudo = csum_pseudo(&key->client, &key->vip, length, key->protocol);
	bare = (__u16)~csum_fold(pseudo);
	c = frame_cursor(ctx);
	check = c.pos + (l4 & VIPD_L4_MASK) + offset;
	if ((void *)(check + 1) > c.end || !*check)
		return;
	if (*check != bare) {
		sum = frame_sum(ctx, l4, length);
		if (sum == VIPD_NO_SUM || csum_fold(sum + pseudo))
			return;
		c = frame_cursor(ctx);
		check = c.pos + (l4 & VIPD_L4_MASK) + offset;
		if ((void *)(check + 1) > c.end)
			return;
		*check = bare;
	}
	remote->flags = bpf_htonl(VIPD_GUE_REMCSUM);
	remote->start = bpf_htons(l4 - p->l3);
	remote->offset = bpf_htons(l4 - p->l3 + offset);
}

static __always_inline void envelope_choose(struct xdp_md *ctx,
					    const struct packet *p,
					    const struct vipd_real *real,
					    struct envelope *e)
{
	e->ip = real->family == VIPD_FAMILY_V4 ? sizeof(struct iphdr)
					       : sizeof(struct ipv6hdr);
	e->entropy = flow_entropy(&p->segment.key);
	if (real->flags & VIPD_REAL_GUE) {
		e->shim = sizeof(struct gue_header);
		if (real->flags & VIPD_REAL_REMCSUM)
			remote_checksum(ctx, p, &e->remote);
		if (e->remote.flags)
			e->shim += sizeof(struct gue_remote);
	} else if (real->flags & VIPD_REAL_GRE) {
		e->shim = sizeof(struct gre_header);
		if (real->flags & VIPD_REAL_CSUM)
			e->shim += sizeof(struct gre_checksum);
	}
	e->length = e->shim + p->ip_len;
}

static __always_inline void tunnel_v4(struct iphdr *outer,
				      const struct vipd_real *real,
				      const struct inner *inner,
				      const struct envelope *e, __u8 protocol)
{
	struct iphdr ip = {
	    .version = 4,
	    .ihl = 5,
	    .tos = inner->tos,
	    .tot_len = bpf_htons(sizeof(ip) + e->length),
	    .id = inner->id,
	    .frag_off = inner->df,
	    .ttl = VIPD_TUNNEL_TTL,
	    .protocol = protocol,
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
				      const struct inner *inner,
				      const struct envelope *e, __u8 protocol)
{
	__be32 *first = (__be32 *)outer;

	*first = bpf_htonl(6U << 28 | (__u32)inner->tos << 20 | e->entropy);
	outer->payload_len = bpf_htons(e->length);
	outer->nexthdr = protocol;
	outer->hop_limit = VIPD_TUNNEL_TTL;
	__builtin_memcpy(&outer->saddr, &real->tunnel_source,
			 sizeof(outer->saddr));
	__builtin_memcpy(&outer->daddr, &real->address, sizeof(outer->daddr));
}

/* Behind the outer header; checksums are still to come. The outer header's
 * protocol, 0: no room.
 */
static __always_inline __u8 shim_build(void *shim, const void *end,
				       const struct vipd_real *real,
				       const struct inner *inner,
				       const struct envelope *e)
{
	struct gue_header *gue = shim;
	struct gue_remote *remote = (void *)(gue + 1);
	struct gre_header *gre = shim;
	struct gre_checksum *gre_check = (void *)(gre + 1);

	if (real->flags & VIPD_REAL_GUE) {
		if ((const void *)(gue + 1) > end)
			return 0;
		gue->udp.source =
		    bpf_htons(VIPD_GUE_SOURCE_PORTS | e->entropy >> 2);
		gue->udp.dest = real->port;
		gue->udp.len = bpf_htons(e->length);
		gue->udp.check = 0;
		gue->words = 0;
		gue->protocol = inner->protocol;
		gue->flags = 0;
		if (e->remote.flags) {
			if ((const void *)(remote + 1) > end)
				return 0;
			gue->words = sizeof(*remote) / 4;
			gue->flags = bpf_htons(VIPD_GUE_PRIVATE);
			*remote = e->remote;
		}
		return IPPROTO_UDP;
	}
	if ((const void *)(gre + 1) > end)
		return 0;
	gre->flags = 0;
	gre->protocol = inner->protocol == IPPROTO_IPIP ? bpf_htons(ETH_P_IP)
							: bpf_htons(ETH_P_IPV6);
	if (real->flags & VIPD_REAL_CSUM) {
		if ((const void *)(gre_check + 1) > end)
			return 0;
		gre->flags = bpf_htons(VIPD_GRE_CHECKSUM);
		gre_check->check = 0;
		gre_check->reserved = 0;
	}
	return IPPROTO_GRE;
}

/* The shim's checksum, over itself and the packet. */
static __always_inline int shim_checksum(struct xdp_md *ctx,
					 const struct packet *p,
					 const struct vipd_real *real,
					 const struct envelope *e)
{
	int gue = (real->flags & VIPD_REAL_GUE) != 0;
	__u32 at = p->l3 - e->shim;
	__u64 sum = frame_sum(ctx, at, e->length);
	struct cursor c;
	__u16 *check;

	if (sum == VIPD_NO_SUM)
		return 0;
	if (gue)
		sum += csum_pseudo(&real->tunnel_source, &real->address,
				   e->length, IPPROTO_UDP);
	c = frame_cursor(ctx);
	check = c.pos + (at & VIPD_L4_MASK) +
		(gue ? __builtin_offsetof(struct udphdr, check)
		     : sizeof(struct gre_header));
	if ((void *)(check + 1) > c.end)
		return 0;
	*check = csum_fold(sum);
	/* 0: the sender has computed none, and 0xffff stands for 0. */
	if (gue && !*check)
		*check = 0xffff;
	return 1;
}

/* The verdict. TOS and, of IPv4, DF and id are the inner packet's: the outer id
 * is then as unique as that one.
 */
__noinline __u32 tunnel_packet(struct xdp_md *ctx, struct packet *p,
			       const struct vipd_real *real)
{
	struct envelope e = {};
	struct inner inner;
	struct cursor c;
	__u8 protocol;
	void *outer, *l3;

	if (!p || !real)
		return VIPD_DROP_NO_ROOM;
	link_to_real(&p->link, real);
	envelope_choose(ctx, p, real, &e);
	outer =
	    frame_push(ctx, p, e.ip + e.shim,
		       real->family == VIPD_FAMILY_V4 ? bpf_htons(ETH_P_IP)
						      : bpf_htons(ETH_P_IPV6));
	if (!outer)
		return VIPD_DROP_NO_ROOM;
	c = frame_cursor(ctx);
	l3 = outer + e.ip + e.shim;
	if (!tunnel_inner(l3, c.end, p->segment.key.family, &inner))
		return VIPD_DROP_NO_ROOM;
	protocol = inner.protocol;
	if (e.shim)
		protocol = shim_build(outer + e.ip, c.end, real, &inner, &e);
	if (!protocol)
		return VIPD_DROP_NO_ROOM;
	if (real->family == VIPD_FAMILY_V4) {
		if (outer + sizeof(struct iphdr) > c.end)
			return VIPD_DROP_NO_ROOM;
		tunnel_v4(outer, real, &inner, &e, protocol);
	} else {
		if (outer + sizeof(struct ipv6hdr) > c.end)
			return VIPD_DROP_NO_ROOM;
		tunnel_v6(outer, real, &inner, &e, protocol);
	}
	if (e.shim && is_checked(real) && !shim_checksum(ctx, p, real, &e))
		return VIPD_DROP_NO_ROOM;
	frame_send(ctx, p);
	return VIPD_FORWARDED_TUN;
}

#endif
