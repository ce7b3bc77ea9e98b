// SPDX-License-Identifier: GPL-2.0-only
/* IPIP (RFC 2003): the packet in an outer IPv4 header to the real server. */
#ifndef VIPD_TUNNEL_BPF_H
#define VIPD_TUNNEL_BPF_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>

#include <vipd/abi/service.h>

#include "bpf/parse.bpf.h"

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

/*
 * Makes room and writes the outer header; p->eth and p->ip are the outer ones
 * afterwards, the Ethernet header still to be filled in. False: no room. TOS
 * and DF are the inner packet's, and so is the id: unique as that one is.
 */
static __always_inline int tunnel_push(struct xdp_md *ctx, struct packet *p,
				       const struct vipd_real *real)
{
	struct iphdr outer = {
	    .version = 4,
	    .ihl = 5,
	    .tos = p->ip->tos,
	    .tot_len = bpf_htons(p->ip_len + sizeof(outer)),
	    .id = p->ip->id,
	    .frag_off = p->ip->frag_off & bpf_htons(VIPD_IP_DF),
	    .ttl = VIPD_TUNNEL_TTL,
	    .protocol = IPPROTO_IPIP,
	    .saddr = real->tunnel_source.v4,
	    .daddr = real->address.v4,
	};
	struct cursor c;

	outer.check = csum_ipv4(&outer);
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(outer)))
		return 0;
	c.pos = (void *)(long)ctx->data;
	c.end = (void *)(long)ctx->data_end;
	p->eth = parse_ethhdr(&c);
	p->ip = c.pos;
	if (!p->eth || (void *)(p->ip + 1) > c.end)
		return 0;
	*p->ip = outer;
	return 1;
}

#endif
