// SPDX-License-Identifier: GPL-2.0-only
/*
 * ICMP: errors about packets of a connection belong to the real server that has
 * it. What an error quotes is enough to tell: an IP header and eight bytes.
 */
#ifndef VIPD_QUOTE_BPF_H
#define VIPD_QUOTE_BPF_H

#include "bpf/lease.bpf.h"
#include "bpf/maps.bpf.h"
#include "bpf/parse.bpf.h"

static __always_inline int addr_equal(const union vipd_addr *a,
				      const void *packet)
{
	const __be32 *b = packet;

	return ((a->v6[0] ^ b[0]) | (a->v6[1] ^ b[1]) | (a->v6[2] ^ b[2]) |
		(a->v6[3] ^ b[3])) == 0;
}

/* RFC 792; what is an error says RFC 1122 3.2.2. */
static __always_inline int icmp_is_error(__u32 type)
{
	return type == VIPD_ICMP_UNREACHABLE || type == VIPD_ICMP_QUENCH ||
	       type == VIPD_ICMP_REDIRECT || type == VIPD_ICMP_TIME_EXCEEDED ||
	       type == VIPD_ICMP_PARAMETER;
}

/* RFC 4443 2.1. */
static __always_inline int icmp6_is_error(__u32 type)
{
	return type < 128;
}

/* The ports of the quoted packet, which the other end sent: it is the client's
 * if that packet went to it.
 */
static __always_inline __u32 quoted_ports(struct cursor *c, struct packet *p,
					  __u32 at, __u32 protocol)
{
	struct ports *ports = c->pos + (at & VIPD_L4_MASK);

	if (at > VIPD_L4_MASK || !protocol_is_ours(protocol) ||
	    (void *)(ports + 1) > c->end)
		return VIPD_PASS_ICMP;
	p->segment.key.client_port = ports->dest;
	p->segment.key.vip_port = ports->source;
	p->segment.key.protocol = protocol;
	p->quoted_l4 = at;
	p->flags |= VIPD_PACKET_QUOTED;
	return VIPD_CONTINUE;
}

/*
 * An ICMP packet at p->l4. VIPD_CONTINUE: an error about a TCP or UDP packet,
 * whose flow is the key now. The error must go to who is said to have sent that
 * packet, and it must be the packet's first part.
 */
__noinline __u32 parse_icmp(struct xdp_md *ctx, struct packet *p)
{
	struct cursor c = frame_cursor(ctx);
	struct icmp_header *icmp;
	struct iphdr *quoted;
	__u32 at;

	if (!p)
		return VIPD_PASS_ICMP;
	at = p->l4 & VIPD_L4_MASK;
	icmp = c.pos + at;
	if ((void *)(icmp + 1) > c.end || !icmp_is_error(icmp->type))
		return VIPD_PASS_ICMP;
	quoted = (void *)(icmp + 1);
	if ((void *)(quoted + 1) > c.end || quoted->version != 4 ||
	    quoted->ihl < 5)
		return VIPD_PASS_ICMP;
	if (quoted->frag_off & bpf_htons(VIPD_IP_OFFSET) ||
	    quoted->saddr != p->segment.key.vip.v4)
		return VIPD_PASS_ICMP;
	p->quoted_l3 = at + sizeof(*icmp);
	p->segment.key.client.v4 = quoted->daddr;
	return quoted_ports(&c, p, at + sizeof(*icmp) + quoted->ihl * 4,
			    quoted->protocol);
}

struct neighbour_solicitation {
	struct icmp_header icmp;
	union vipd_addr target;
};

/* Neighbour discovery's types: 133 to 137. */
#define VIPD_ND_FIRST 133
#define VIPD_ND_SOLICIT 135
#define VIPD_ND_LAST 137

/* RFC 4861: as ARP requests, see arp.bpf.h. */
static __always_inline __u32 solicitation_verdict(const struct cursor *c,
						  void *icmp)
{
	struct neighbour_solicitation *ask = icmp;
	struct vipd_claim_key key = {.family = VIPD_FAMILY_V6};

	if ((void *)(ask + 1) > c->end)
		return VIPD_PASS_ICMP;
	__builtin_memcpy(&key.address, &ask->target, sizeof(key.address));
	if (!bpf_map_lookup_elem(&vipd_claims, &key) || lease_held())
		return VIPD_PASS_ICMP;
	return VIPD_DROP_ND_NO_LEASE;
}

/* The same for ICMPv6. */
__noinline __u32 parse_icmp6(struct xdp_md *ctx, struct packet *p)
{
	struct cursor c = frame_cursor(ctx);
	struct extensions x = {};
	struct icmp_header *icmp;
	struct ipv6hdr *quoted;

	if (!p)
		return VIPD_PASS_ICMP;
	x.at = p->l4 & VIPD_L4_MASK;
	icmp = c.pos + x.at;
	if ((void *)(icmp + 1) > c.end)
		return VIPD_PASS_ICMP;
	if (icmp->type >= VIPD_ND_FIRST && icmp->type <= VIPD_ND_LAST)
		p->flags |= VIPD_PACKET_ND;
	if (icmp->type == VIPD_ND_SOLICIT)
		return solicitation_verdict(&c, icmp);
	if (!icmp6_is_error(icmp->type))
		return VIPD_PASS_ICMP;
	quoted = (void *)(icmp + 1);
	if ((void *)(quoted + 1) > c.end || quoted->version != 6)
		return VIPD_PASS_ICMP;
	if (!addr_equal(&p->segment.key.vip, &quoted->saddr))
		return VIPD_PASS_ICMP;
	__builtin_memcpy(&p->segment.key.client, &quoted->daddr,
			 sizeof(p->segment.key.client));
	p->quoted_l3 = x.at + sizeof(*icmp);
	x.at += sizeof(*icmp) + sizeof(*quoted);
	x.next = quoted->nexthdr;
	if (is_extension(x.next) && extensions_skip(ctx, &x) != VIPD_CONTINUE)
		return VIPD_PASS_ICMP;
	if (x.fragment & bpf_htons(VIPD_IP6_OFFSET))
		return VIPD_PASS_ICMP;
	return quoted_ports(&c, p, x.at, x.next);
}

#endif
