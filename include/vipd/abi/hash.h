/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The hashes that the XDP program and userspace must compute alike.
 *
 * Two families: those of IPVS's schedulers (fixed keys, so that a client gets
 * the real that IPVS would give it), and the keyed hash that places a flow in
 * the flow table (secret per node, so that nobody outside can fill one set).
 *
 * Plain C without state or loops over data: usable from BPF, C and C++. `addr`
 * and `port` of the scheduler hashes are in host order; the words of the flow
 * hash may be in any order, as long as all callers use the same.
 */
#ifndef VIPD_ABI_HASH_H
#define VIPD_ABI_HASH_H

#include <linux/types.h>

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* IPVS's keys: mh places a real and finds a client with the first, the second
 * gives the stride of a real's permutation; sh multiplies.
 */
#define VIPD_MH_KEY1 2654435761U
#define VIPD_MH_KEY2 2654446892U
#define VIPD_SH_MULTIPLIER 0x61C88647U
#define VIPD_SH_SLOTS 256U

/* One address as the 32 bits that sh and mh hash. */
static __always_inline __u32 vipd_fold_v4(__u32 addr)
{
	return addr;
}

static __always_inline __u32 vipd_fold_v6(const __u32 addr[4])
{
	return addr[0] ^ addr[1] ^ addr[2] ^ addr[3];
}

static __always_inline __u64 vipd_rol64(__u64 x, __u32 bits)
{
	return (x << bits) | (x >> (64 - bits));
}

#define VIPD_SIP_ROUND(a, b, c, d)                                             \
	do {                                                                   \
		(a) += (b);                                                    \
		(b) = vipd_rol64((b), 13) ^ (a);                               \
		(a) = vipd_rol64((a), 32);                                     \
		(c) += (d);                                                    \
		(d) = vipd_rol64((d), 16) ^ (c);                               \
		(a) += (d);                                                    \
		(d) = vipd_rol64((d), 21) ^ (a);                               \
		(c) += (b);                                                    \
		(b) = vipd_rol64((b), 17) ^ (c);                               \
		(c) = vipd_rol64((c), 32);                                     \
	} while (0)

/*
 * SipHash-1-3 of one 32-bit word under the 128-bit key (key, key), the low half
 * of the result: what hsiphash_1u32() is on a 64-bit kernel.
 */
static __always_inline __u32 vipd_hsiphash_u32(__u32 word, __u64 key)
{
	__u64 a = 0x736f6d6570736575ULL ^ key;
	__u64 b = 0x646f72616e646f6dULL ^ key;
	__u64 c = 0x6c7967656e657261ULL ^ key;
	__u64 d = 0x7465646279746573ULL ^ key;
	__u64 block = ((__u64)4 << 56) | word;

	d ^= block;
	VIPD_SIP_ROUND(a, b, c, d);
	a ^= block;
	c ^= 0xff;
	VIPD_SIP_ROUND(a, b, c, d);
	VIPD_SIP_ROUND(a, b, c, d);
	VIPD_SIP_ROUND(a, b, c, d);
	return (__u32)(a ^ b ^ c ^ d);
}

/*
 * mh: the hash of a client; modulo the ring's size it is the slot. `port` is 0
 * without mh-port. `offset` is 0 for the first choice; with mh-fallback the
 * n-th further choice is slot vipd_mh_hash(folded, port, (first + n) % size),
 * `first` being the first choice's slot and n counting from 0.
 */
static __always_inline __u32 vipd_mh_hash(__u32 folded, __u32 port,
					  __u32 offset)
{
	return vipd_hsiphash_u32(folded + port + offset, VIPD_MH_KEY1);
}

/* sh: the slot of a client, 0..255; `port` and `offset` as for mh. */
static __always_inline __u32 vipd_sh_hash(__u32 folded, __u32 port,
					  __u32 offset)
{
	return (offset + (((folded + port) * VIPD_SH_MULTIPLIER) >> 24)) &
	       (VIPD_SH_SLOTS - 1);
}

/* Spreads the entropy of a product over all 64 bits. */
static __always_inline __u64 vipd_hash_finish(__u64 h)
{
	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15ULL;
	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9ULL;
	return h ^ (h >> 32);
}

/*
 * Flow table: keyed 64-bit hash of one end of an IPv4 flow, its address and a
 * word for port and protocol; the seeds are random and secret. Take the set
 * index from the low bits and the home way (or a tag) from the top: they are
 * independent.
 *
 * NH of UMAC (RFC 4418): for a secret seed two different ends collide with a
 * probability of 2^-32, which a mere mixer with public constants cannot say.
 * One multiplication; a SipHash here would cost some 130 instructions.
 */
static __always_inline __u64 vipd_flow_hash_v4(__u32 addr, __u32 end,
					       __u64 seed)
{
	return vipd_hash_finish((__u64)(__u32)(addr + (__u32)seed) *
				(__u32)(end + (__u32)(seed >> 32)));
}

/* The same for IPv6: an address of four words. */
static __always_inline __u64 vipd_flow_hash_v6(const __u32 addr[4], __u32 end,
					       __u64 seed0, __u64 seed1)
{
	__u64 h = (__u64)(__u32)(addr[0] + (__u32)seed1) *
		  (__u32)(addr[1] + (__u32)(seed1 >> 32));

	h += (__u64)(__u32)(addr[2] + (__u32)seed0) *
	     (__u32)(addr[3] + (__u32)(seed0 >> 32));
	h = vipd_hash_finish(h);
	return vipd_flow_hash_v4((__u32)h, end + (__u32)(h >> 32), seed0);
}

#endif
