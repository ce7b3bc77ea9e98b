// SPDX-License-Identifier: GPL-2.0-only
/* The time of a packet, in ticks of CLOCK_MONOTONIC. */
#ifndef VIPD_CLOCK_BPF_H
#define VIPD_CLOCK_BPF_H

#include <vipd/abi/base.h>

/*
 * Set before the load. CLOCK_MONOTONIC is jiffies times clock_jiffy_ns plus
 * clock_offset_ns, as coarse as the kernel's own coarse clock; reading jiffies
 * is one load, asking that clock a call. clock_jiffy_ns 0: ask it all the same.
 */
const volatile __u64 clock_jiffy_ns = 0;
const volatile __u64 clock_offset_ns = 0;

static __always_inline __u32 clock_ticks(void)
{
	__u64 ns;

	if (clock_jiffy_ns)
		ns = bpf_jiffies64() * clock_jiffy_ns + clock_offset_ns;
	else
		ns = bpf_ktime_get_coarse_ns();
	return (__u32)(ns >> VIPD_TICK_SHIFT);
}

#endif
