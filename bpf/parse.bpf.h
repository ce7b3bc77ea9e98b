// SPDX-License-Identifier: GPL-2.0-only
/*
 * From bytes to a packet: Ethernet, VLAN tags, IPv4 with options, IPv6 with
 * extension headers, TCP, UDP, and what ICMP errors quote of them. Each parse_*
 * checks the bounds of its own header and moves the cursor past all of it.
 */
#ifndef VIPD_PARSE_BPF_H
#define VIPD_PARSE_BPF_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <vipd/abi/flow.h>
#include <vipd/abi/verdict.h>

/* <linux/icmp.h> brings in the C library's headers. */
struct icmp_header {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be32 rest; /* "fragmentation needed": the MTU, in the lower half */
};

/* Types of ICMP, codes of "unreachable" and of both "time exceeded". */
#define VIPD_ICMP_UNREACHABLE 3
#define VIPD_ICMP_FRAG_NEEDED 4
#define VIPD_ICMP_QUENCH 4
#define VIPD_ICMP_REDIRECT 5
#define VIPD_ICMP_TIME_EXCEEDED 11
#define VIPD_ICMP_PARAMETER 12
#define VIPD_ICMP6_TOO_BIG 2
#define VIPD_ICMP6_TIME_EXCEEDED 3

#define VIPD_IP_MF 0x2000
#define VIPD_IP_DF 0x4000
#define VIPD_IP_OFFSET 0x1fff

/* Not a verdict yet: go on. */
#define VIPD_CONTINUE VIPD_VERDICT_COUNT

struct cursor {
	void *pos;
	void *end;
};

/* What the flow table needs of a packet: values only, so that a pointer to it
 * may go to a function that the verifier checks by itself.
 */
struct segment {
	struct vipd_flow_key key;
	__u32 now;	 /* ticks */
	__u32 frame_len; /* as received */
	__u32 tcp_event; /* enum vipd_tcp_event */
	__u32 direction; /* enum vipd_direction */
	__u64 hash;	 /* of the flow */
};

/* An end of a connection. */
struct end {
	union vipd_addr address;
	__be16 port;
};

/* Where a frame is sent. */
struct link {
	__u32 ifindex;
	__u8 dst_mac[ETH_ALEN];
	__u8 src_mac[ETH_ALEN];
	__be16 vlan; /* 0: no tag */
};

/* packet.flags */
#define VIPD_PACKET_BAD_L4 0x1U /* ports are good, the rest of L4 is not */
#define VIPD_PACKET_QUOTED                                                     \
	0x2U		       /* an ICMP error; the key is of what it quotes */
#define VIPD_PACKET_DF 0x4U    /* IPv4: not to be cut */
#define VIPD_PACKET_FIRST 0x8U /* the first fragment of more */
#define VIPD_PACKET_LATER 0x10U /* a later one, without an L4 header */
#define VIPD_PACKET_ND 0x20U	/* IPv6 neighbour discovery */

/* A packet in values, too: where its headers stand in the frame. Offsets are
 * bounded by a mask where they are used, since the verifier does not follow
 * what was stored.
 */
struct packet {
	struct segment segment;
	struct link link; /* once it is known */
	__u32 action;	  /* for forwarded_* and answered_* */
	__u32 ip_len;	  /* of the IP packet, as its header says */
	__be32 fragment_id;
	__u16 l3;
	__u16 l4;
	__u16 quoted_l3; /* of what an ICMP error quotes */
	__u16 quoted_l4;
	__be16 vlan;	  /* the innermost tag, 0: none */
	__be16 real_port; /* from which the real server sends a reply */
	__u8 ttl;
	__u8 flags; /* VIPD_PACKET_* */
};

#define VIPD_L3_MASK 0x1f
#define VIPD_L4_MASK 0x3ff

static __always_inline struct cursor frame_cursor(struct xdp_md *ctx)
{
	struct cursor c = {.pos = (void *)(long)ctx->data,
			   .end = (void *)(long)ctx->data_end};

	return c;
}

static __always_inline struct ethhdr *parse_ethhdr(struct cursor *c)
{
	struct ethhdr *eth = c->pos;

	if ((void *)(eth + 1) > c->end)
		return NULL;
	c->pos = eth + 1;
	return eth;
}

struct vlan_tag {
	__be16 tci;
	__be16 protocol; /* EtherType of what follows */
};

#define VIPD_MAX_TAGS 2

/* The EtherType behind the tags; 0: cut short. */
static __always_inline __be16 parse_tags(struct cursor *c, struct packet *p,
					 __be16 protocol)
{
	__u32 i;

#pragma unroll
	for (i = 0; i < VIPD_MAX_TAGS; i++) {
		struct vlan_tag *tag = c->pos;

		if (protocol != bpf_htons(ETH_P_8021Q) &&
		    protocol != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 1) > c->end)
			return 0;
		p->vlan = tag->tci;
		p->l3 += sizeof(*tag);
		protocol = tag->protocol;
		c->pos = tag + 1;
	}
	return protocol;
}

/* NULL if the header is cut short or contradicts itself or the frame. */
static __always_inline struct iphdr *parse_iphdr(struct cursor *c)
{
	struct iphdr *ip = c->pos;
	__u32 header, total;

	if ((void *)(ip + 1) > c->end)
		return NULL;
	header = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	if (ip->version != 4 || header < sizeof(*ip) || total < header)
		return NULL;
	if ((void *)ip + header > c->end)
		return NULL;
	/* The frame may be longer (padding), never shorter. */
	if (total > (__u64)(c->end - (void *)ip))
		return NULL;
	c->pos = (void *)ip + header;
	return ip;
}

static __always_inline struct ipv6hdr *parse_ip6hdr(struct cursor *c)
{
	struct ipv6hdr *ip = c->pos;

	if ((void *)(ip + 1) > c->end || ip->version != 6)
		return NULL;
	if (bpf_ntohs(ip->payload_len) > (__u64)(c->end - (void *)(ip + 1)))
		return NULL;
	c->pos = ip + 1;
	return ip;
}

static __always_inline void parse_tcphdr(struct cursor *c, struct packet *p,
					 __u32 l4_len)
{
	struct tcphdr *tcp = c->pos;

	p->flags |= VIPD_PACKET_BAD_L4;
	if (l4_len < sizeof(*tcp) || (void *)(tcp + 1) > c->end)
		return;
	if (tcp->doff < 5 || tcp->doff * 4 > l4_len)
		return;
	p->flags &= ~VIPD_PACKET_BAD_L4;
	if (tcp->rst)
		p->segment.tcp_event = VIPD_TCP_RST;
	else if (tcp->syn)
		p->segment.tcp_event = VIPD_TCP_SYN;
	else if (tcp->fin)
		p->segment.tcp_event = VIPD_TCP_FIN;
	else if (tcp->ack)
		p->segment.tcp_event = VIPD_TCP_ACK;
}

static __always_inline void parse_udphdr(struct cursor *c, struct packet *p,
					 __u32 l4_len)
{
	struct udphdr *udp = c->pos;
	__u16 len;

	p->flags |= VIPD_PACKET_BAD_L4;
	if (l4_len < sizeof(*udp) || (void *)(udp + 1) > c->end)
		return;
	len = bpf_ntohs(udp->len);
	if (len < sizeof(*udp))
		return;
	/* The length is that of the whole datagram. */
	if (len > l4_len && !(p->flags & VIPD_PACKET_FIRST))
		return;
	p->flags &= ~VIPD_PACKET_BAD_L4;
}

struct ports {
	__be16 source;
	__be16 dest;
};

/* From the ports on; VIPD_CONTINUE, or the verdict. */
static __always_inline __u32 parse_l4(struct cursor *c, struct packet *p,
				      __u32 protocol)
{
	struct ports *ports = c->pos;
	__u32 l4_len = p->ip_len - (p->l4 - p->l3);

	if (l4_len < sizeof(*ports) || (void *)(ports + 1) > c->end)
		return VIPD_PASS_MALFORMED;
	p->segment.key.client_port = ports->source;
	p->segment.key.vip_port = ports->dest;
	p->segment.key.protocol = protocol;
	if (protocol == IPPROTO_TCP)
		parse_tcphdr(c, p, l4_len);
	else
		parse_udphdr(c, p, l4_len);
	return VIPD_CONTINUE;
}

static __always_inline int protocol_is_ours(__u32 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

/* What walks along IPv6 extension headers (RFC 8200). */
struct extensions {
	__u32 at;	 /* in the frame */
	__u32 next;	 /* protocol of the header there */
	__be16 fragment; /* offset and more-fragments; 0: not one */
	__be32 id;	 /* of the fragment */
};

#define VIPD_MAX_EXTENSIONS 6

static __always_inline int is_extension(__u32 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING ||
	       next == IPPROTO_DSTOPTS || next == IPPROTO_FRAGMENT;
}

struct extension_header {
	__u8 next;
	__u8 len; /* in 8 bytes, the first 8 not counted */
	__be16 fragment;
	__be32 id;
};

#define VIPD_IP6_MF 0x0001
#define VIPD_IP6_OFFSET 0xfff8

/*
 * Moves to the first header that is none of them, in a later fragment to the
 * data. VIPD_CONTINUE, or the verdict. A fragment that is the whole packet
 * (RFC 6946) is no fragment.
 */
__noinline __u32 extensions_skip(struct xdp_md *ctx, struct extensions *x)
{
	struct cursor c = frame_cursor(ctx);
	__u32 i;

	if (!x)
		return VIPD_PASS_MALFORMED;
	for (i = 0; i < VIPD_MAX_EXTENSIONS; i++) {
		__u32 at = x->at;
		struct extension_header *header;

		if (!is_extension(x->next) ||
		    (x->fragment & bpf_htons(VIPD_IP6_OFFSET)))
			return VIPD_CONTINUE;
		if (at > VIPD_L4_MASK)
			return VIPD_PASS_PROTOCOL;
		header = c.pos + (at & VIPD_L4_MASK);
		if ((void *)(header + 1) > c.end)
			return VIPD_PASS_MALFORMED;
		if (x->next == IPPROTO_FRAGMENT) {
			x->fragment = header->fragment &
				      bpf_htons(VIPD_IP6_MF | VIPD_IP6_OFFSET);
			x->id = header->id;
			x->at = at + sizeof(*header);
		} else {
			x->at = at + 8 + header->len * 8;
		}
		x->next = header->next;
	}
	return is_extension(x->next) ? VIPD_PASS_PROTOCOL : VIPD_CONTINUE;
}

#endif
