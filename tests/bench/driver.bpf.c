// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the benchmark repeats: gives the packet the addresses of one of
 * bench_flows flows, undoes what forwarding did to it, and tail-calls the
 * program under test. BPF_PROG_TEST_RUN alone would repeat one packet of one
 * flow, whose cache line is always hot.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u32);
} bench_programs SEC(".maps");

/* Set by the benchmark before each run. */
__u32 bench_flows = 0;
__u32 bench_subject = 0; /* index in bench_programs */
/* Each flow in turn from bench_next / 2, two packets each; else at random. */
__u32 bench_in_order = 0;
__u32 bench_next = 0;
__u32 bench_random = 0;

SEC("xdp")
int bench_driver(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(ip + 1);
	__u32 flow, x;

	if ((void *)(tcp + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	if (bench_in_order) {
		flow = bench_next++ >> 1;
	} else {
		/* xorshift32; bpf_get_prandom_u32() costs as much as a lookup
		 */
		x = bench_random;
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		bench_random = x;
		flow = ((__u64)x * bench_flows) >> 32;
	}
	/* 64 ports for each client of 10.0.0.0/8 */
	ip->saddr = bpf_htonl(0x0a000000 + (flow >> 6));
	tcp->source = bpf_htons(1024 + (flow & 63) * 977);
	ip->ttl = 64;
	bpf_tail_call(ctx, &bench_programs, bench_subject);
	return XDP_ABORTED;
}

/* What the driver and its tail call cost; subtracted from all others. */
SEC("xdp")
int bench_empty(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_TX;
}

/* The least that sends a packet back. */
SEC("xdp")
int bench_tx(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	__u8 mac[ETH_ALEN];

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";
