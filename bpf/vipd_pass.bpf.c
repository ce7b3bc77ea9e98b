// SPDX-License-Identifier: GPL-2.0-only
/*
 * Passes everything. The receiving end of a veth pair needs a program, any, to
 * take frames that the other end sends by XDP_TX or redirect.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int vipd_pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
