// SPDX-License-Identifier: GPL-2.0-only
/*
 * NAT: a packet's destination becomes the real server's address and port, a
 * reply's source becomes the VIP and its port again. Checksums follow by what
 * changes (RFC 1624). In ICMP errors the quoted packet is rewritten as well.
 */
#ifndef VIPD_NAT_BPF_H
#define VIPD_NAT_BPF_H

#include "bpf/frame.bpf.h"
#include "bpf/icmp.bpf.h"

/* The end of a connection that takes another one's place. */
struct rewrite {
	struct end new;
	__be16 old_port;
	__u32 family;
};

static __always_inline __u16 csum_add(__u16 check, __u64 sum)
{
	return csum_fold((__u64)(__u16)~check + sum);
}

static __always_inline __u64 csum_diff32(__u32 old, __u32 new)
{
	return (__u64)(__u32)~old + new;
}

static __always_inline __u64 csum_diff16(__u16 old, __u16 new)
{
	return (__u64)(__u16)~old + new;
}

/* What a rewritten IP header adds to checksums that cover... */
struct changes {
	__u64 address; /* its address */
	__u64 header;  /* all of it */
};

/* Sets one address of an IP header, and IPv4's checksum. 0: no header there. */
static __always_inline int rewrite_address(const struct rewrite *r, void *l3,
					   const void *end, int source,
					   struct changes *changes)
{
	struct iphdr *ip = l3;
	struct ipv6hdr *ip6 = l3;
	__u32 *address;
	__u16 check;
	__u32 i;

	changes->address = 0;
	if (r->family == VIPD_FAMILY_V4) {
		if ((const void *)(ip + 1) > end)
			return 0;
		address = source ? &ip->saddr : &ip->daddr;
		changes->address = csum_diff32(*address, r->new.address.v4);
		*address = r->new.address.v4;
		check = csum_add(ip->check, changes->address);
		changes->header =
		    changes->address + csum_diff16(ip->check, check);
		ip->check = check;
		return 1;
	}
	if ((const void *)(ip6 + 1) > end)
		return 0;
	address = (__u32 *)(source ? &ip6->saddr : &ip6->daddr);
#pragma unroll
	for (i = 0; i < 4; i++) {
		changes->address +=
		    csum_diff32(address[i], r->new.address.v6[i]);
		address[i] = r->new.address.v6[i];
	}
	changes->header = changes->address;
	return 1;
}

static __always_inline int rewrite_port(const struct rewrite *r, void *l4,
					const void *end, int source)
{
	struct ports *ports = l4;

	if ((const void *)(ports + 1) > end)
		return 0;
	if (source)
		ports->source = r->new.port;
	else
		ports->dest = r->new.port;
	return 1;
}

static __always_inline __u64 port_change(const struct rewrite *r)
{
	return csum_diff16(r->old_port, r->new.port);
}

/* The L4 header: port and checksum. */
static __always_inline int rewrite_l4(const struct rewrite *r,
				      const struct packet *p, void *l4,
				      const void *end, int source, __u64 change)
{
	struct tcphdr *tcp = l4;
	struct udphdr *udp = l4;

	change += port_change(r);
	if (!rewrite_port(r, l4, end, source))
		return 0;
	if (p->segment.key.protocol == IPPROTO_TCP) {
		if ((const void *)(tcp + 1) > end)
			return 0;
		tcp->check = csum_add(tcp->check, change);
		return 1;
	}
	if ((const void *)(udp + 1) > end)
		return 0;
	/* 0: the sender has computed none, and 0xffff stands for 0. */
	if (udp->check) {
		udp->check = csum_add(udp->check, change);
		if (!udp->check)
			udp->check = 0xffff;
	}
	return 1;
}

/*
 * An ICMP error, of whose own addresses the source or destination has changed;
 * in the quoted packet, which went the other way, it is the other one. ICMPv6
 * covers the outer addresses, too.
 */
static __always_inline int rewrite_quote(const struct rewrite *r,
					 const struct packet *p, __u32 shift,
					 struct cursor *c, int source,
					 __u64 change)
{
	struct icmp_header *icmp = c->pos + ((p->l4 + shift) & VIPD_L4_MASK);
	void *l3 = c->pos + ((p->quoted_l3 + shift) & VIPD_L4_MASK);
	void *l4 = c->pos + ((p->quoted_l4 + shift) & VIPD_L4_MASK);
	struct changes quoted = {};

	if (!rewrite_address(r, l3, c->end, !source, &quoted) ||
	    !rewrite_port(r, l4, c->end, !source) ||
	    (void *)(icmp + 1) > c->end)
		return 0;
	if (r->family == VIPD_FAMILY_V4)
		change = 0;
	icmp->checksum =
	    csum_add(icmp->checksum, change + quoted.header + port_change(r));
	return 1;
}

/* On its way: new link header, one hop less, the end rewritten. */
static __always_inline int nat_send(struct xdp_md *ctx, struct packet *p,
				    const struct rewrite *r, int source)
{
	__u32 old_l3 = p->l3, shift;
	struct changes outer = {};
	struct cursor c;
	void *l3;

	l3 = frame_push(ctx, p, 0,
			r->family == VIPD_FAMILY_V4 ? bpf_htons(ETH_P_IP)
						    : bpf_htons(ETH_P_IPV6));
	c = frame_cursor(ctx);
	if (!l3 || !hop_decrement(l3, c.end, r->family))
		return 0;
	shift = p->l3 - old_l3;
	if (!rewrite_address(r, l3, c.end, source, &outer))
		return 0;
	if (p->flags & VIPD_PACKET_LATER)
		return 1;
	if (p->flags & VIPD_PACKET_QUOTED)
		return rewrite_quote(r, p, shift, &c, source, outer.address);
	return rewrite_l4(r, p, c.pos + ((p->l4 + shift) & VIPD_L4_MASK), c.end,
			  source, outer.address);
}

/* To the real server. The verdict. */
__noinline __u32 nat_packet(struct xdp_md *ctx, struct packet *p,
			    const struct vipd_real *real)
{
	struct rewrite r = {};

	if (!p || !real)
		return VIPD_DROP_NO_ROOM;
	r.family = p->segment.key.family;
	r.old_port = p->segment.key.vip_port;
	r.new.address = real->address;
	r.new.port = real->port ? real->port : r.old_port;
	link_to_real(&p->link, real);
	if (!nat_send(ctx, p, &r, 0))
		return VIPD_DROP_NO_ROOM;
	frame_send(ctx, p);
	return VIPD_FORWARDED_NAT;
}

#endif
