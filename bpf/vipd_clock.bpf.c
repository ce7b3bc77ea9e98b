// SPDX-License-Identifier: GPL-2.0-only
/* Both clocks at one time: run once, for what stands between them. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

__u64 clock_jiffies = 0;
__u64 clock_monotonic_ns = 0;

SEC("xdp")
int vipd_clock(struct xdp_md *ctx)
{
	(void)ctx;
	clock_jiffies = bpf_jiffies64();
	clock_monotonic_ns = bpf_ktime_get_coarse_ns();
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
