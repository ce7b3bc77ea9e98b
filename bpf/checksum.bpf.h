// SPDX-License-Identifier: GPL-2.0-only
/*
 * The Internet checksum (RFC 1071): sums are of words as they lie in memory, so
 * that no byte is swapped.
 */
#ifndef VIPD_CHECKSUM_BPF_H
#define VIPD_CHECKSUM_BPF_H

#include "bpf/parse.bpf.h"

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

static __always_inline __u16 csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

/*
 * What a pseudo header (RFC 768, RFC 8200 8.1) adds. Of IPv4 addresses the rest
 * is zero.
 */
static __always_inline __u64 csum_pseudo(const union vipd_addr *from,
					 const union vipd_addr *to,
					 __u32 length, __u32 protocol)
{
	__u64 sum = bpf_htonl(length);
	__u32 i;

	sum += bpf_htonl(protocol);
#pragma unroll
	for (i = 0; i < 4; i++)
		sum += (__u64)from->v6[i] + to->v6[i];
	return sum;
}

/* No packet has that many bytes; the verifier wants to know. */
#define VIPD_SUM_MOST 0x7fff
#define VIPD_SUM_BLOCK 512 /* the most that bpf_csum_diff() takes */
#define VIPD_NO_SUM (~0ULL)

/*
 * One step of frame_sum(): `size` bytes, if there are as many left. The frame
 * is looked up anew in each: a compiler that carried it over would take it for
 * a number, which the verifier refuses.
 */
#define VIPD_SUM_STEP(size)                                                    \
	({                                                                     \
		struct cursor step;                                            \
		void *block;                                                   \
		int fits;                                                      \
                                                                               \
		asm volatile("" ::: "memory");                                 \
		step = frame_cursor(ctx);                                      \
		block = step.pos + (at & VIPD_SUM_MOST);                       \
		fits = length >= (size) && block + (size) <= step.end;         \
		if (fits) {                                                    \
			sum =                                                  \
			    (__u32)bpf_csum_diff(NULL, 0, block, (size), sum); \
			at += (size);                                          \
			length -= (size);                                      \
		}                                                              \
		fits;                                                          \
	})

/* The sum of `length` bytes of the frame from `at` on; VIPD_NO_SUM: they are
 * not there.
 */
__noinline __u64 frame_sum(struct xdp_md *ctx, __u32 at, __u32 length)
{
	struct cursor c;
	__u8 *last;
	__u32 sum = 0;
	__u64 all;
	__u32 i;

	if (at > VIPD_SUM_MOST || length > VIPD_SUM_MOST)
		return VIPD_NO_SUM;
	for (i = 0; i <= VIPD_SUM_MOST / VIPD_SUM_BLOCK; i++)
		if (!VIPD_SUM_STEP(VIPD_SUM_BLOCK))
			break;
	VIPD_SUM_STEP(256);
	VIPD_SUM_STEP(128);
	VIPD_SUM_STEP(64);
	VIPD_SUM_STEP(32);
	VIPD_SUM_STEP(16);
	VIPD_SUM_STEP(8);
	VIPD_SUM_STEP(4);
	all = sum;
	asm volatile("" ::: "memory");
	c = frame_cursor(ctx);
	last = c.pos + (at & VIPD_SUM_MOST);
	if (length >= 2 && (void *)(last + 2) <= c.end) {
		all += *(__u16 *)last;
		last += 2;
		length -= 2;
	}
	if (length == 1 && (void *)(last + 1) <= c.end) {
		all += bpf_htons((__u16)(*last << 8));
		length = 0;
	}
	return length ? VIPD_NO_SUM : all;
}

#endif
