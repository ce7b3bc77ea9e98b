// SPDX-License-Identifier: GPL-2.0-only
/* From a frame to a packet of a connection, or to the verdict on any other. */
#ifndef VIPD_PACKET_BPF_H
#define VIPD_PACKET_BPF_H

#include "bpf/arp.bpf.h"
#include "bpf/fragment.bpf.h"
#include "bpf/match.bpf.h"
#include "bpf/parse.bpf.h"
#include "bpf/quote.bpf.h"

static __always_inline __u32 parse_ipv4(struct xdp_md *ctx, struct cursor *c,
					struct packet *p)
{
	struct iphdr *ip = parse_iphdr(c);

	if (!ip)
		return VIPD_PASS_MALFORMED;
	p->ip_len = bpf_ntohs(ip->tot_len);
	p->l4 = p->l3 + ip->ihl * 4;
	p->ttl = ip->ttl;
	if (ip->frag_off & bpf_htons(VIPD_IP_DF))
		p->flags |= VIPD_PACKET_DF;
	p->segment.key.client.v4 = ip->saddr;
	p->segment.key.vip.v4 = ip->daddr;
	p->segment.key.family = VIPD_FAMILY_V4;
	if (ip->frag_off & bpf_htons(VIPD_IP_MF | VIPD_IP_OFFSET)) {
		p->fragment_id = ip->id;
		p->segment.key.protocol = ip->protocol;
		if (ip->frag_off & bpf_htons(VIPD_IP_OFFSET))
			return fragment_recall(p);
		if (!protocol_is_ours(ip->protocol))
			return VIPD_PASS_FRAGMENT;
		p->flags |= VIPD_PACKET_FIRST;
	}
	if (protocol_is_ours(ip->protocol))
		return parse_l4(c, p, ip->protocol);
	if (ip->protocol == IPPROTO_ICMP)
		return parse_icmp(ctx, p);
	return VIPD_PASS_PROTOCOL;
}

static __always_inline __u32 parse_ipv6(struct xdp_md *ctx, struct cursor *c,
					struct packet *p)
{
	struct ipv6hdr *ip = parse_ip6hdr(c);
	struct extensions x = {};
	__u32 verdict;

	if (!ip)
		return VIPD_PASS_MALFORMED;
	p->ip_len = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	p->ttl = ip->hop_limit;
	__builtin_memcpy(&p->segment.key.client, &ip->saddr, 16);
	__builtin_memcpy(&p->segment.key.vip, &ip->daddr, 16);
	p->segment.key.family = VIPD_FAMILY_V6;
	x.at = p->l3 + sizeof(*ip);
	x.next = ip->nexthdr;
	if (is_extension(x.next)) {
		verdict = extensions_skip(ctx, &x);
		if (verdict != VIPD_CONTINUE)
			return verdict;
		if (x.fragment) {
			p->fragment_id = x.id;
			if (x.fragment & bpf_htons(VIPD_IP6_OFFSET))
				return fragment_recall(p);
			if (!protocol_is_ours(x.next))
				return VIPD_PASS_FRAGMENT;
			p->flags |= VIPD_PACKET_FIRST;
		}
		*c = frame_cursor(ctx);
		c->pos += x.at & VIPD_L4_MASK;
	}
	if (x.at > VIPD_L4_MASK || x.at - p->l3 > p->ip_len)
		return VIPD_PASS_MALFORMED;
	p->l4 = x.at;
	if (protocol_is_ours(x.next))
		return parse_l4(c, p, x.next);
	if (x.next == IPPROTO_ICMPV6)
		return parse_icmp6(ctx, p);
	return VIPD_PASS_PROTOCOL;
}

/* VIPD_CONTINUE and a filled-in packet, or the verdict. */
static __always_inline __u32 parse_packet(struct xdp_md *ctx, struct packet *p)
{
	struct cursor c = frame_cursor(ctx);
	struct ethhdr *eth;

	p->segment.frame_len = (__u32)(c.end - c.pos);
	eth = parse_ethhdr(&c);
	if (!eth)
		return VIPD_PASS_MALFORMED;
	p->l3 = sizeof(*eth);
	switch (parse_tags(&c, p, eth->h_proto)) {
	case bpf_htons(ETH_P_IP):
		return parse_ipv4(ctx, &c, p);
	case bpf_htons(ETH_P_IPV6):
		return parse_ipv6(ctx, &c, p);
	case bpf_htons(ETH_P_ARP):
		return arp_verdict(&c);
	case 0:
		return VIPD_PASS_MALFORMED;
	default:
		return VIPD_PASS_NOT_IP;
	}
}

static __always_inline int frame_is_for_us(struct xdp_md *ctx)
{
	struct cursor c = frame_cursor(ctx);
	struct ethhdr *eth = parse_ethhdr(&c);

	return eth && for_this_station(ctx, eth);
}

#endif
