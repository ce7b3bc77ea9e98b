// SPDX-License-Identifier: GPL-2.0-only
/*
 * From bytes to a packet: Ethernet, IPv4 with options, TCP, UDP. Each parse_*
 * checks the bounds of its own header and moves the cursor past all of it.
 */
#ifndef VIPD_PARSE_BPF_H
#define VIPD_PARSE_BPF_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <vipd/abi/flow.h>
#include <vipd/abi/verdict.h>

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
};

struct packet {
	struct ethhdr *eth;
	struct iphdr *ip;
	__u16 ip_len; /* as the IPv4 header says */
	__u16 l4_len; /* of it, from the TCP or UDP header on */
	__u8 bad_l4;  /* ports are good, the rest of the header is not */
	struct segment segment;
};

static __always_inline struct ethhdr *parse_ethhdr(struct cursor *c)
{
	struct ethhdr *eth = c->pos;

	if ((void *)(eth + 1) > c->end)
		return NULL;
	c->pos = eth + 1;
	return eth;
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

static __always_inline void parse_tcphdr(struct cursor *c, struct packet *p)
{
	struct tcphdr *tcp = c->pos;

	p->bad_l4 = 1;
	if (p->l4_len < sizeof(*tcp) || (void *)(tcp + 1) > c->end)
		return;
	if (tcp->doff < 5 || tcp->doff * 4 > p->l4_len)
		return;
	p->bad_l4 = 0;
	if (tcp->rst)
		p->segment.tcp_event = VIPD_TCP_RST;
	else if (tcp->syn)
		p->segment.tcp_event = VIPD_TCP_SYN;
	else if (tcp->fin)
		p->segment.tcp_event = VIPD_TCP_FIN;
	else if (tcp->ack)
		p->segment.tcp_event = VIPD_TCP_ACK;
}

static __always_inline void parse_udphdr(struct cursor *c, struct packet *p)
{
	struct udphdr *udp = c->pos;
	__u16 len;

	p->bad_l4 = 1;
	if (p->l4_len < sizeof(*udp) || (void *)(udp + 1) > c->end)
		return;
	len = bpf_ntohs(udp->len);
	if (len < sizeof(*udp) || len > p->l4_len)
		return;
	p->bad_l4 = 0;
}

/* VIPD_CONTINUE and a filled-in packet, or the verdict. */
static __always_inline __u32 parse_ipv4(struct cursor *c, struct packet *p)
{
	struct ports {
		__be16 source;
		__be16 dest;
	} *ports;

	p->ip = parse_iphdr(c);
	if (!p->ip)
		return VIPD_PASS_MALFORMED;
	if (p->ip->frag_off & bpf_htons(VIPD_IP_MF | VIPD_IP_OFFSET))
		return VIPD_PASS_FRAGMENT;
	if (p->ip->protocol == IPPROTO_ICMP)
		return VIPD_PASS_ICMP;
	if (p->ip->protocol != IPPROTO_TCP && p->ip->protocol != IPPROTO_UDP)
		return VIPD_PASS_PROTOCOL;

	p->ip_len = bpf_ntohs(p->ip->tot_len);
	p->l4_len = p->ip_len - p->ip->ihl * 4;
	ports = c->pos;
	if (p->l4_len < sizeof(*ports) || (void *)(ports + 1) > c->end)
		return VIPD_PASS_MALFORMED;
	p->segment.key.client.v4 = p->ip->saddr;
	p->segment.key.vip.v4 = p->ip->daddr;
	p->segment.key.client_port = ports->source;
	p->segment.key.vip_port = ports->dest;
	p->segment.key.protocol = p->ip->protocol;
	p->segment.key.family = VIPD_FAMILY_V4;
	if (p->ip->protocol == IPPROTO_TCP)
		parse_tcphdr(c, p);
	else
		parse_udphdr(c, p);
	return VIPD_CONTINUE;
}

#endif
