/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * vipd_loads, by the id of a real: what the schedulers weigh it by. Who holds
 * a flow's slot counts what becomes of the flow, so the figures are exact; a
 * packet that changes no state touches nothing here.
 *
 * Plain C for BPF and C++. The map is mapped shared.
 */
#ifndef VIPD_ABI_LOAD_H
#define VIPD_ABI_LOAD_H

#include <vipd/abi/base.h>
#include <vipd/abi/flow.h>

struct vipd_load {
	/* Connections; signed, lest a miscount of one looks like 2^32. */
	__s32 active;
	__s32 inactive;
	__u32 weight; /* 0: gets no new connections */
	__u32 upper;  /* connections at which it gets no more; 0: no limit */
	__u32 lower;  /* below which it gets some again; 0: 3/4 of upper */
	__u32 full;   /* it has reached upper and not yet come below lower */
	__u32 joined; /* lblc, lblcr: when it was taken in use; 0: it is not */
	__u32 reserved;
};

/* As IPVS counts: half-open is active, UDP is not. */
static __always_inline int vipd_flow_is_active(__u32 protocol, __u32 state)
{
	return protocol != 17 &&
	       (state == VIPD_FLOW_SYN_RECV || state == VIPD_FLOW_ESTABLISHED);
}

static __always_inline __u32 vipd_load_active(const struct vipd_load *load)
{
	__s32 active = *(const volatile __s32 *)&load->active;

	return active > 0 ? (__u32)active : 0;
}

static __always_inline __u32 vipd_load_inactive(const struct vipd_load *load)
{
	__s32 inactive = *(const volatile __s32 *)&load->inactive;

	return inactive > 0 ? (__u32)inactive : 0;
}

/* What lc, wlc and their kin compare: an active one is worth 256 others. */
static __always_inline __u64 vipd_load_overhead(const struct vipd_load *load)
{
	return ((__u64)vipd_load_active(load) << 8) + vipd_load_inactive(load);
}

/* Does the real stand at its limit? Called when its connections or its limits
 * have changed.
 */
static __always_inline void vipd_load_settle(struct vipd_load *load)
{
	volatile __u32 *full = &load->full;
	__u64 total = (__u64)vipd_load_active(load) + vipd_load_inactive(load);
	__u32 is = *full;

	if (!load->upper)
		is = 0;
	else if (total >= load->upper)
		is = 1;
	else if (load->lower ? total < load->lower
			     : total * 4 < (__u64)load->upper * 3)
		is = 0;
	if (is != *full)
		*full = is;
}

/* Counts a connection in this state in (1) or out (-1). */
static __always_inline void vipd_load_count(struct vipd_load *load,
					    __u32 protocol, __u32 state, int by)
{
	if (vipd_flow_is_active(protocol, state))
		__sync_fetch_and_add(&load->active, by);
	else
		__sync_fetch_and_add(&load->inactive, by);
	if (load->upper)
		vipd_load_settle(load);
}

/* A connection goes from one state to another. */
static __always_inline void vipd_load_move(struct vipd_load *load,
					   __u32 protocol, __u32 from, __u32 to)
{
	int by = vipd_flow_is_active(protocol, to) -
		 vipd_flow_is_active(protocol, from);

	if (!by)
		return;
	__sync_fetch_and_add(&load->active, by);
	__sync_fetch_and_add(&load->inactive, -by);
}

#endif
