/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What all maps share: the version of their layout, their limits, addresses.
 *
 * The maps are pinned and outlive the daemon, so their layout is an interface
 * between versions of vipd and for people with bpftool. A change to any struct
 * in this folder takes a new VIPD_ABI_VERSION.
 *
 * Addresses and ports in these structs are in network order and typed so.
 */
#ifndef VIPD_ABI_BASE_H
#define VIPD_ABI_BASE_H

#include <linux/types.h>

#define VIPD_ABI_VERSION 4

#define VIPD_MAX_SERVICES 4096
#define VIPD_MAX_REALS 16384
#define VIPD_MAX_CLAIMS 4096
#define VIPD_MAX_STATIONS 1024

/* No real server: in ring slots. */
#define VIPD_NO_REAL 0xffffffffU

/* An address of either family; IPv4 stands first, the rest is zero. */
union vipd_addr {
	__u8 bytes[16]; /* first: bpftool shows it so */
	__be32 v4;
	__be32 v6[4];
};

/* Values of the `family` members. */
#define VIPD_FAMILY_V4 4
#define VIPD_FAMILY_V6 6

/* Of 32 virtual routers each: two families of 256. */
#define VIPD_ROUTER_WORDS 16

/*
 * Time in the flow table: CLOCK_MONOTONIC in ticks of 2^20 ns (1.05 ms), which
 * spares the hot path a division. 32 bits turn over after 52 days; compare
 * differences only.
 */
#define VIPD_TICK_SHIFT 20

/* vipd_meta, one entry: what these maps are. */
struct vipd_meta {
	__u32 abi_version;
	__u32 flow_slots;     /* of vipd_flows; a power of two */
	__u64 seed[2];	      /* of the flow hash; random, secret */
	__u32 services_epoch; /* one more after each change to vipd_services */
	__u32 nat_reals; /* entries of vipd_nat_reals; 0: nobody looks there */
	__u32 any_port_keys; /* how many keys in there have port 0 */
	__u32 refused_vips;  /* how many of vipd_claims are refused */
};

/* vipd_claims: the VIPs that this node may answer ARP for. */
struct vipd_claim_key {
	union vipd_addr address;
	__u8 family;
	__u8 reserved[3];
};

struct vipd_claim {
	__u8 vrid;    /* of the virtual router that it is an address of */
	__u8 family;  /* VIPD_FAMILY_*, of its adverts: maybe not the VIP's */
	__u8 refused; /* 1: its master takes nothing that is for it (no_accept)
		       */
	__u8 reserved;
};

/*
 * vipd_interfaces: the attached ones, each at its index modulo the size or at
 * one of the places after that.
 */
#define VIPD_INTERFACES 256
#define VIPD_INTERFACE_PROBES 4

struct vipd_interface {
	__u32 ifindex; /* 0: free */
	__u8 mac[6];
	__u16 reserved;
};

/*
 * vipd_stations: MAC addresses of virtual routers (use_vmac), whose frames are
 * for this host while it is their MASTER.
 */
struct vipd_station_key {
	__u32 ifindex; /* an attached interface */
	__u8 mac[6];
	__u16 reserved;
};

struct vipd_station {
	__u8 vrid;
	__u8 family; /* VIPD_FAMILY_* */
	__u16 reserved;
};

/*
 * vipd_answers, one entry: how many packets this CPU has answered itself in the
 * current window of 2^VIPD_ANSWER_WINDOW_SHIFT ticks (about a second).
 */
#define VIPD_ANSWERS 1000
#define VIPD_ANSWER_WINDOW_SHIFT 10

struct vipd_answers {
	__u32 window; /* number of ticks, shifted */
	__u32 count;
};

/* vipd_fragments: the ports of a packet of which this is a part. */
struct vipd_fragment_key {
	union vipd_addr source;
	union vipd_addr destination;
	__be32 id;     /* IPv4: in the first two bytes */
	__u8 protocol; /* IPv6: 0, the id is of the addresses alone */
	__u8 family;
	__u16 reserved;
};

struct vipd_fragment {
	__be16 source_port;
	__be16 destination_port;
	__u32 seen; /* ticks */
	__u8 protocol;
	__u8 reserved[3];
};

/* vipd_wanted: a client to whom a reply goes, or its router, whose link-layer
 * address is not known.
 */
struct vipd_neighbour {
	union vipd_addr address;
	__u32 ifindex;
	__u8 family;
	__u8 reserved[3];
};

/*
 * vipd_lease, one entry, CLOCK_MONOTONIC. Mapped shared: the vrrp process
 * writes until_ns, settle_until_ns and masters, core the others.
 */
struct vipd_lease {
	__u64 until_ns;		/* to here this host answers for its VIPs */
	__u64 forward_until_ns; /* from here on all is passed; 0: never */
	/*
	 * Peers may still be telling of the youngest connections when a node
	 * becomes MASTER. For so long it lets TCP that it does not know wait
	 * for its next try, rather than give it to another server; 0: not.
	 */
	__u64 settle_ns;
	__u64 settle_until_ns;
	__u64 half_open_until_ns; /* to here they are news to peers, too */
	/* The virtual routers that this host is MASTER of: bit VRID of the
	 * first 256 for IPv4, of the others for IPv6; see vipd_router_word().
	 */
	__u32 masters[VIPD_ROUTER_WORDS];
};

#define VIPD_ROUTER_BIT(vrid) (1U << ((vrid) & 31U))

static __always_inline __u32 vipd_router_word(__u32 vrid, __u32 family)
{
	return (family == VIPD_FAMILY_V6 ? 8U : 0U) + (vrid >> 5);
}

/* vipd_service_st, vipd_real_st. Bytes are those of the IP packet. Packets are
 * those to real servers; replies are seen with NAT only.
 */
struct vipd_counters {
	__u64 packets;
	__u64 bytes;
	__u64 connections;
	__u64 reply_packets;
	__u64 reply_bytes;
};

/* vipd_verdicts, vipd_notes. Bytes are those of the frame. */
struct vipd_count {
	__u64 packets;
	__u64 bytes;
};

#endif
