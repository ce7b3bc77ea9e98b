// SPDX-License-Identifier: GPL-2.0-only
/*
 * "Fragmentation needed" (RFC 792, RFC 1191): tells a client whose packet is
 * too long for the way to the real server, and must not be cut, what fits.
 */
#ifndef VIPD_ICMP_BPF_H
#define VIPD_ICMP_BPF_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>

#include <vipd/abi/service.h>

#include "bpf/maps.bpf.h"
#include "bpf/parse.bpf.h"
#include "bpf/tunnel.bpf.h"

#define VIPD_ICMP_UNREACHABLE 3
#define VIPD_ICMP_FRAG_NEEDED 4
#define VIPD_ICMP_TTL 64
#define VIPD_ICMP_TOS 0xc0 /* internetwork control, RFC 1812 4.3.2.5 */

/* What every link carries, RFC 791; less is a mistake of ours. */
#define VIPD_LEAST_MTU 68

/* Quoted behind the IPv4 header: the ports and TCP's sequence number. */
#define VIPD_ICMP_QUOTE 8

struct icmp_too_big {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be16 unused;
	__be16 mtu;
};

/* The longest IPv4 header and what is quoted behind it, in 16-bit words. */
#define VIPD_ICMP_MOST_WORDS ((60 + VIPD_ICMP_QUOTE) / 2)

/* RFC 1122 3.2.2: never about a packet whose sender is not one host. */
static __always_inline int icmp_may_answer(const struct packet *p)
{
	__u32 client = bpf_ntohl(p->ip->saddr);

	return !(p->eth->h_dest[0] & 1) && client >> 24 != 0 &&
	       client >> 24 != 127 && client < 0xe0000000U;
}

/* No more than VIPD_ANSWERS a window on each CPU. */
static __always_inline int icmp_within_limit(__u32 now)
{
	__u32 zero = 0;
	__u32 window = now >> VIPD_ANSWER_WINDOW_SHIFT;
	struct vipd_answers *sent = bpf_map_lookup_elem(&vipd_answers, &zero);

	if (!sent)
		return 0;
	if (sent->window != window) {
		sent->window = window;
		sent->count = 0;
	}
	if (sent->count >= VIPD_ANSWERS)
		return 0;
	sent->count++;
	return 1;
}

/*
 * Turns the packet, which is as it came, into the answer: new headers before
 * it, and of the packet what is quoted. False: it is not to be answered.
 */
static __always_inline int icmp_answer_too_big(struct xdp_md *ctx,
					       struct packet *p, __u32 mtu)
{
	struct iphdr ip = {
	    .version = 4,
	    .ihl = 5,
	    .tos = VIPD_ICMP_TOS,
	    .frag_off = bpf_htons(VIPD_IP_DF),
	    .ttl = VIPD_ICMP_TTL,
	    .protocol = IPPROTO_ICMP,
	    .saddr = p->ip->daddr,
	    .daddr = p->ip->saddr,
	};
	struct icmp_too_big icmp = {
	    .type = VIPD_ICMP_UNREACHABLE,
	    .code = VIPD_ICMP_FRAG_NEEDED,
	    .mtu = bpf_htons(mtu),
	};
	struct ethhdr eth = {.h_proto = bpf_htons(ETH_P_IP)};
	struct cursor c;
	__u32 quote = p->ip->ihl * 4 + VIPD_ICMP_QUOTE;
	const int more = sizeof(ip) + sizeof(icmp);
	__u32 sum = 0, i;
	const __u16 *quoted;

	if (mtu < VIPD_LEAST_MTU || mtu > 0xffff || !icmp_may_answer(p) ||
	    !icmp_within_limit(p->segment.now))
		return 0;
	__builtin_memcpy(eth.h_dest, p->eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth.h_source, p->eth->h_dest, ETH_ALEN);
	ip.tot_len = bpf_htons(more + quote);
	ip.check = csum_ipv4(&ip);

	if (bpf_xdp_adjust_head(ctx, -more))
		return 0;
	/* Never longer than the frame is now: there is a whole TCP or UDP
	 * header in it.
	 */
	if (bpf_xdp_adjust_tail(ctx, (int)(sizeof(eth) + quote) -
					 (int)p->segment.frame_len))
		return 0;
	c.pos = (void *)(long)ctx->data;
	c.end = (void *)(long)ctx->data_end;
	if (c.pos + sizeof(eth) + sizeof(ip) + sizeof(icmp) > c.end)
		return 0;
	sum = bpf_htons(VIPD_ICMP_UNREACHABLE << 8 | VIPD_ICMP_FRAG_NEEDED) +
	      icmp.mtu;
	quoted = c.pos + sizeof(eth) + sizeof(ip) + sizeof(icmp);
	for (i = 0; i < VIPD_ICMP_MOST_WORDS; i++) {
		if ((void *)(quoted + i + 1) > c.end)
			break;
		sum += quoted[i];
	}
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	icmp.checksum = (__u16)~sum;
	*(struct ethhdr *)c.pos = eth;
	*(struct iphdr *)(c.pos + sizeof(eth)) = ip;
	*(struct icmp_too_big *)(c.pos + sizeof(eth) + sizeof(ip)) = icmp;
	return 1;
}

#endif
