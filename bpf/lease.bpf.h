// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a daemon that is gone leaves behind, and for how long: its claim on the
 * VIPs (the vrrp process renews it), and forwarding after an orderly stop.
 */
#ifndef VIPD_LEASE_BPF_H
#define VIPD_LEASE_BPF_H

#include "bpf/maps.bpf.h"

static __always_inline int lease_held(void)
{
	__u32 zero = 0;
	struct vipd_lease *lease = bpf_map_lookup_elem(&vipd_lease, &zero);

	return lease &&
	       bpf_ktime_get_ns() <= *(const volatile __u64 *)&lease->until_ns;
}

/* Is this node MASTER of the virtual router? */
static __always_inline int is_master(__u32 vrid, __u32 family)
{
	__u32 zero = 0;
	struct vipd_lease *lease = bpf_map_lookup_elem(&vipd_lease, &zero);
	__u32 word = vipd_router_word(vrid, family);

	barrier_var(word); /* or clang masks ahead of what it bounds */
	word &= VIPD_ROUTER_WORDS - 1;
	return lease && (*(const volatile __u32 *)&lease->masters[word] &
			 VIPD_ROUTER_BIT(vrid)) != 0;
}

/* Has this node become MASTER a moment ago? */
static __always_inline int settling(void)
{
	__u32 zero = 0;
	struct vipd_lease *lease = bpf_map_lookup_elem(&vipd_lease, &zero);
	__u64 end;

	if (!lease)
		return 0;
	end = *(const volatile __u64 *)&lease->settle_until_ns;
	return end && bpf_ktime_get_ns() < end;
}

static __always_inline int half_open_is_news(void)
{
	__u32 zero = 0;
	struct vipd_lease *lease = bpf_map_lookup_elem(&vipd_lease, &zero);
	__u64 end;

	if (!lease)
		return 0;
	end = *(const volatile __u64 *)&lease->half_open_until_ns;
	return end && bpf_ktime_get_coarse_ns() < end;
}

static __always_inline int forwarding_ended(void)
{
	__u32 zero = 0;
	struct vipd_lease *lease = bpf_map_lookup_elem(&vipd_lease, &zero);
	__u64 end;

	if (!lease)
		return 0;
	end = *(const volatile __u64 *)&lease->forward_until_ns;
	return end && bpf_ktime_get_coarse_ns() > end;
}

#endif
