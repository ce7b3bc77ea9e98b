// SPDX-License-Identifier: GPL-2.0-only
/*
 * All maps. Userspace pins each under its name and sets the sizes that the
 * configuration decides before it loads the program.
 */
#ifndef VIPD_MAPS_BPF_H
#define VIPD_MAPS_BPF_H

#include <vipd/abi/base.h>
#include <vipd/abi/flow.h>
#include <vipd/abi/load.h>
#include <vipd/abi/service.h>
#include <vipd/abi/verdict.h>

#define VIPD_READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define VIPD_WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct vipd_meta);
} vipd_meta SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VIPD_MAX_SERVICES);
	__type(key, struct vipd_service_key);
	__type(value, struct vipd_service);
} vipd_services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VIPD_MATCH_ENTRIES);
	__type(key, __u32);
	__type(value, struct vipd_match);
} vipd_match SEC(".maps");

/* Rings differ in length: BPF_F_INNER_MAP lets them (5.10). */
struct vipd_ring {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct vipd_slot);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, VIPD_MAX_SERVICES);
	__type(key, __u32);
	__array(values, struct vipd_ring);
} vipd_rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VIPD_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct vipd_cursor);
} vipd_cursors SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VIPD_MAX_REALS);
	__type(key, __u32);
	__type(value, struct vipd_real);
} vipd_reals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, VIPD_MAX_REALS);
	__type(key, __u32);
	__type(value, struct vipd_load);
} vipd_loads SEC(".maps");

/* For userspace alone; here so that it is made, pinned and typed like all. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VIPD_MAX_REALS);
	__type(key, __u32);
	__type(value, struct vipd_real_cfg);
} vipd_real_cfg SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << 20);
	__type(key, __u32);
	__type(value, struct vipd_flow);
} vipd_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} vipd_changes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VIPD_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct vipd_counters);
} vipd_service_st SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VIPD_MAX_REALS);
	__type(key, __u32);
	__type(value, struct vipd_counters);
} vipd_real_st SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VIPD_VERDICT_COUNT);
	__type(key, __u32);
	__type(value, struct vipd_count);
} vipd_verdicts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VIPD_NOTE_COUNT);
	__type(key, __u32);
	__type(value, struct vipd_count);
} vipd_notes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VIPD_MAX_REALS);
	__type(key, struct vipd_service_key);
	__type(value, struct vipd_nat_real);
} vipd_nat_reals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct vipd_fragment_key);
	__type(value, struct vipd_fragment);
} vipd_fragments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 12);
} vipd_wanted SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VIPD_MAX_CLAIMS);
	__type(key, struct vipd_claim_key);
	__type(value, struct vipd_claim);
} vipd_claims SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct vipd_lease);
} vipd_lease SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VIPD_INTERFACES);
	__type(key, __u32);
	__type(value, struct vipd_interface);
} vipd_interfaces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VIPD_MAX_STATIONS);
	__type(key, struct vipd_station_key);
	__type(value, struct vipd_station);
} vipd_stations SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct vipd_answers);
} vipd_answers SEC(".maps");

static __always_inline struct vipd_meta *meta_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&vipd_meta, &zero);
}

/* clang leaves a struct that only an inner map names without its members. */
const volatile struct vipd_slot empty_slot = {VIPD_NO_REAL};

/* Set before the load, from vipd_meta; constants to the verifier. */
const volatile __u64 flow_seed0 = 0;
const volatile __u64 flow_seed1 = 0;
const volatile __u32 flow_set_mask = 0;

#endif
