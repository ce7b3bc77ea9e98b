// SPDX-License-Identifier: GPL-2.0-only
/*
 * Answers a client by ICMP, as a router would: its packet is too long for the
 * way to the real server and must not be cut (RFC 1191, RFC 8201), or it has no
 * hop left to go.
 */
#ifndef VIPD_ICMP_BPF_H
#define VIPD_ICMP_BPF_H

#include <vipd/abi/service.h>

#include "bpf/checksum.bpf.h"
#include "bpf/maps.bpf.h"
#include "bpf/parse.bpf.h"

#define VIPD_ICMP_TTL 64
#define VIPD_ICMP_TOS 0xc0 /* internetwork control, RFC 1812 4.3.2.5 */

/* What every link carries, RFC 791 and RFC 8200; less is a mistake of ours. */
#define VIPD_LEAST_MTU 68
#define VIPD_LEAST_MTU6 1280

/* Quoted behind the IPv4 header: the ports and TCP's sequence number. */
#define VIPD_ICMP_QUOTE 8
/* Of an IPv6 packet: more than that tells nobody more. */
#define VIPD_ICMP6_QUOTE 256
#define VIPD_ICMP_MOST_WORDS (VIPD_ICMP6_QUOTE / 4)

/* A link header with as many tags as we take. */
struct link_header {
	struct ethhdr eth;
	struct vlan_tag tags[VIPD_MAX_TAGS];
};

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
 * Makes room for `more` bytes of new headers before the IP packet and cuts that
 * to `quote` bytes; the link header goes back to where the frame came from.
 * Returns where the new headers begin.
 */
static __always_inline void *answer_frame(struct xdp_md *ctx, struct packet *p,
					  __u32 more, __u32 quote)
{
	struct link_header link = {};
	struct cursor c = frame_cursor(ctx);
	__u32 l3 = p->l3 & VIPD_L3_MASK;
	struct ethhdr *eth = c.pos;
	struct vlan_tag *tags;
	__u8 mac[ETH_ALEN];

	if (c.pos + sizeof(link) > c.end)
		return NULL;
	link = *(struct link_header *)c.pos;
	__builtin_memcpy(mac, link.eth.h_dest, ETH_ALEN);
	__builtin_memcpy(link.eth.h_dest, link.eth.h_source, ETH_ALEN);
	__builtin_memcpy(link.eth.h_source, mac, ETH_ALEN);

	if (bpf_xdp_adjust_head(ctx, -(int)more))
		return NULL;
	if (bpf_xdp_adjust_tail(ctx,
				(int)(l3 + quote) - (int)p->segment.frame_len))
		return NULL;
	c = frame_cursor(ctx);
	if (c.pos + sizeof(link) > c.end)
		return NULL;
	eth = c.pos;
	tags = c.pos + sizeof(*eth);
	*eth = link.eth;
	if (l3 > sizeof(*eth))
		tags[0] = link.tags[0];
	if (l3 > sizeof(*eth) + sizeof(*tags))
		tags[1] = link.tags[1];
	return c.pos + l3;
}

/* Ones' complement sum of the quote, which reaches to the end of the frame. */
static __always_inline __u64 quote_sum(const __u32 *quote, const void *end)
{
	__u64 sum = 0;
	__u32 i;

	for (i = 0; i < VIPD_ICMP_MOST_WORDS; i++) {
		if ((const void *)(quote + i + 1) > end)
			break;
		sum += quote[i];
	}
	return sum;
}

/* RFC 1122 3.2.2: never about a packet whose sender is not one host. */
static __always_inline int may_answer_v4(__be32 saddr)
{
	__u32 client = bpf_ntohl(saddr);

	return client >> 24 != 0 && client >> 24 != 127 && client < 0xe0000000U;
}

static __always_inline int answer_v4(struct xdp_md *ctx, struct packet *p,
				     struct icmp_header *icmp)
{
	const int more = sizeof(struct iphdr) + sizeof(*icmp);
	struct iphdr ip = {
	    .version = 4,
	    .ihl = 5,
	    .tos = VIPD_ICMP_TOS,
	    .frag_off = bpf_htons(VIPD_IP_DF),
	    .ttl = VIPD_ICMP_TTL,
	    .protocol = IPPROTO_ICMP,
	};
	struct cursor c = frame_cursor(ctx);
	struct iphdr *old = c.pos + (p->l3 & VIPD_L3_MASK);
	__u32 quote;

	if ((void *)(old + 1) > c.end || !may_answer_v4(old->saddr) ||
	    !icmp_within_limit(p->segment.now))
		return 0;
	ip.saddr = old->daddr;
	ip.daddr = old->saddr;
	quote = old->ihl * 4 + VIPD_ICMP_QUOTE;
	ip.tot_len = bpf_htons(more + quote);
	ip.check = csum_ipv4(&ip);
	c.pos = answer_frame(ctx, p, more, quote);
	c.end = (void *)(long)ctx->data_end;
	if (!c.pos || c.pos + more > c.end)
		return 0;
	icmp->checksum = csum_fold(quote_sum(c.pos + more, c.end) +
				   *(__u32 *)icmp + icmp->rest);
	*(struct iphdr *)c.pos = ip;
	*(struct icmp_header *)(c.pos + sizeof(ip)) = *icmp;
	return 1;
}

/* RFC 4443 2.4 e: nor of IPv6. */
static __always_inline int may_answer_v6(const struct in6_addr *client)
{
	const __be32 *word = (const __be32 *)client;

	if (client->s6_addr[0] == 0xff)
		return 0;
	return (word[0] | word[1] | word[2] | (word[3] & bpf_htonl(~1U))) != 0;
}

static __always_inline int answer_v6(struct xdp_md *ctx, struct packet *p,
				     struct icmp_header *icmp)
{
	const int more = sizeof(struct ipv6hdr) + sizeof(*icmp);
	struct cursor c = frame_cursor(ctx);
	struct ipv6hdr *ip = c.pos + (p->l3 & VIPD_L3_MASK);
	union vipd_addr from, to;
	__u32 quote =
	    p->ip_len < VIPD_ICMP6_QUOTE ? p->ip_len & ~3U : VIPD_ICMP6_QUOTE;
	__u64 sum;

	if ((void *)(ip + 1) > c.end || !may_answer_v6(&ip->saddr) ||
	    !icmp_within_limit(p->segment.now))
		return 0;
	__builtin_memcpy(&from, &ip->daddr, sizeof(from));
	__builtin_memcpy(&to, &ip->saddr, sizeof(to));
	c.pos = answer_frame(ctx, p, more, quote);
	c.end = (void *)(long)ctx->data_end;
	if (!c.pos || c.pos + more > c.end)
		return 0;
	sum = quote_sum(c.pos + more, c.end) + *(__u32 *)icmp + icmp->rest +
	      csum_pseudo(&from, &to, sizeof(*icmp) + quote, IPPROTO_ICMPV6);
	icmp->checksum = csum_fold(sum);
	ip = c.pos;
	*(__be32 *)ip = bpf_htonl(6U << 28 | VIPD_ICMP_TOS << 20);
	ip->payload_len = bpf_htons(sizeof(*icmp) + quote);
	ip->nexthdr = IPPROTO_ICMPV6;
	ip->hop_limit = VIPD_ICMP_TTL;
	__builtin_memcpy(&ip->saddr, &from, sizeof(from));
	__builtin_memcpy(&ip->daddr, &to, sizeof(to));
	*(struct icmp_header *)(ip + 1) = *icmp;
	return 1;
}

/* Is the packet one about which its sender may be told? Not if it is an ICMP
 * error itself, or came to many.
 */
static __always_inline int may_answer(struct xdp_md *ctx,
				      const struct packet *p)
{
	struct cursor c = frame_cursor(ctx);
	struct ethhdr *eth = parse_ethhdr(&c);

	return eth && !(eth->h_dest[0] & 1) && !(p->flags & VIPD_PACKET_QUOTED);
}

/*
 * Turns the packet, which is as it came, into the answer: new headers before
 * it, and of the packet what is quoted. False: it is not to be answered, and
 * to be dropped.
 */
__noinline int answer_packet(struct xdp_md *ctx, struct packet *p, __u8 type,
			     __u8 code, __u32 rest)
{
	struct icmp_header icmp = {
	    .type = type, .code = code, .rest = bpf_htonl(rest)};
	int answered;

	if (!p || !may_answer(ctx, p))
		return 0;
	if (p->segment.key.family == VIPD_FAMILY_V4)
		answered = answer_v4(ctx, p, &icmp);
	else
		answered = answer_v6(ctx, p, &icmp);
	if (answered)
		p->action = XDP_TX;
	return answered;
}

/* For a packet longer than `mtu`. Without DF it is lost: XDP cannot cut it. */
static __always_inline __u32 answer_too_big(struct xdp_md *ctx,
					    struct packet *p, __u32 mtu)
{
	int answered;

	if (p->segment.key.family == VIPD_FAMILY_V4)
		answered = (p->flags & VIPD_PACKET_DF) &&
			   mtu >= VIPD_LEAST_MTU && mtu <= 0xffff &&
			   answer_packet(ctx, p, VIPD_ICMP_UNREACHABLE,
					 VIPD_ICMP_FRAG_NEEDED, mtu);
	else
		answered = mtu >= VIPD_LEAST_MTU6 &&
			   answer_packet(ctx, p, VIPD_ICMP6_TOO_BIG, 0, mtu);
	return answered ? VIPD_ANSWERED_TOO_BIG : VIPD_DROP_TOO_BIG;
}

/* For a packet with no hop left. Never to the local stack: with the VIP on this
 * host it would answer the client itself.
 */
static __always_inline __u32 answer_ttl(struct xdp_md *ctx, struct packet *p)
{
	int answered;

	if (p->segment.key.family == VIPD_FAMILY_V4)
		answered = answer_packet(ctx, p, VIPD_ICMP_TIME_EXCEEDED, 0, 0);
	else
		answered =
		    answer_packet(ctx, p, VIPD_ICMP6_TIME_EXCEEDED, 0, 0);
	return answered ? VIPD_ANSWERED_TTL : VIPD_DROP_TTL;
}

#endif
