// SPDX-License-Identifier: GPL-2.0-only
/* Counters: per CPU, so plain additions. */
#ifndef VIPD_STATS_BPF_H
#define VIPD_STATS_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/parse.bpf.h"

static __always_inline void stats_verdict(__u32 verdict, __u32 bytes)
{
	struct vipd_count *count =
	    bpf_map_lookup_elem(&vipd_verdicts, &verdict);

	if (!count)
		return;
	count->packets++;
	count->bytes += bytes;
}

static __always_inline void stats_note(__u32 note, __u32 bytes)
{
	struct vipd_count *count = bpf_map_lookup_elem(&vipd_notes, &note);

	if (!count)
		return;
	count->packets++;
	count->bytes += bytes;
}

static __always_inline void stats_counters(void *map, __u32 id, __u32 bytes,
					   __u32 connections)
{
	struct vipd_counters *counters = bpf_map_lookup_elem(map, &id);

	if (!counters)
		return;
	counters->packets++;
	counters->bytes += bytes;
	counters->connections += connections;
}

#endif
