/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Virtual services, their rings and their real servers. */
#ifndef VIPD_ABI_SERVICE_H
#define VIPD_ABI_SERVICE_H

#include <vipd/abi/base.h>
#include <vipd/abi/flow.h>

/* vipd_services: key */
struct vipd_service_key {
	union vipd_addr address;
	__be16 port;
	__u8 protocol; /* IPPROTO_* */
	__u8 family;   /* VIPD_FAMILY_* */
};

enum vipd_scheduler {
	VIPD_SCHED_RR,
	VIPD_SCHED_WRR,
	VIPD_SCHED_SH,
	VIPD_SCHED_MH,
	VIPD_SCHED_DH,
	VIPD_SCHED_FO,
	VIPD_SCHED_OVF,
	VIPD_SCHED_LC,
	VIPD_SCHED_WLC,
	VIPD_SCHED_SED,
	VIPD_SCHED_NQ,
	VIPD_SCHED_LBLC,
	VIPD_SCHED_LBLCR,
	VIPD_SCHED_TWOS,
};

/* vipd_service.flags */
#define VIPD_SERVICE_HASH_PORT 0x1U
#define VIPD_SERVICE_HASH_FALLBACK 0x2U
#define VIPD_SERVICE_ANY_PORT 0x4U
#define VIPD_SERVICE_ONE_PACKET 0x8U /* ops: each datagram by itself */
/* This is a further key of a service that has another one too (fwmark). */
#define VIPD_SERVICE_ALIAS 0x10U

/* vipd_services: value */
struct vipd_service {
	__u32 id; /* index in vipd_rings, vipd_cursors, vipd_service_st */
	enum vipd_scheduler scheduler;
	__u32 flags;	 /* VIPD_SERVICE_* */
	__u32 ring_size; /* as configured; the ring itself knows its length */
	__u32 tcp_timeout_s;
	__u32 tcp_fin_timeout_s;
	__u32 udp_timeout_s;
	/* By flow state, for this service's protocol. */
	__u32 timeout_ticks[VIPD_FLOW_STATES];
	__be32 mark; /* of a service by fwmark; 0: it is none */
	__u32 persistence_s;
	__u32 persistence_ticks;     /* a template lives so long; 0: none */
	union vipd_addr client_mask; /* which clients have one template */
};

/*
 * vipd_match, per CPU: services as vipd_services had them when vipd_meta's
 * services_epoch was this one; 0: none. It spares most packets the hash map.
 */
#define VIPD_MATCH_ENTRIES 256

struct vipd_match {
	struct vipd_service_key key;
	__u32 epoch;
	struct vipd_service service;
};

/* The entry of a service, by its address and port in network order. */
static __always_inline __u32 vipd_match_index(const union vipd_addr *address,
					      __be16 port)
{
	__u32 folded = vipd_fold_v6((const __u32 *)address->v6) + (__u32)port;

	return (folded * VIPD_SH_MULTIPLIER) >> 24;
}

/*
 * Persistence: the key of the template for a client's connections, as IPVS has
 * it. A service of any port has one for all ports, one by fwmark for all that
 * carries the mark.
 */
static __always_inline void
vipd_template_key(const struct vipd_service *service,
		  const struct vipd_flow_key *flow, struct vipd_flow_key *key)
{
	__u32 i;

	*key = *flow;
	for (i = 0; i < 4; i++)
		key->client.v6[i] &= service->client_mask.v6[i];
	key->client_port = 0;
	key->is_template = 1;
	if (service->flags & VIPD_SERVICE_ANY_PORT)
		key->vip_port = 0;
	if (service->mark) {
		for (i = 1; i < 4; i++)
			key->vip.v6[i] = 0;
		key->vip.v4 = service->mark;
		key->vip_port = 0;
		key->protocol = 0;
	}
}

/*
 * vipd_rings: one array of slots for each service, replaced whole. Element 0
 * holds the number of slots, slot i is element i + 1.
 */
struct vipd_slot {
	__u32 real; /* id, VIPD_NO_REAL, or in element 0 the number of slots */
};

/* vipd_cursors: where a service's scheduler is. */
struct vipd_cursor {
	__u64 turn;    /* connections that rr, wrr and twos have handed out */
	__u32 joined;  /* lblc, lblcr: reals taken in use so far */
	__u32 changed; /* lblcr: when the last one was, in ticks */
};

enum vipd_method {
	VIPD_METHOD_DR,
	VIPD_METHOD_TUN,
	VIPD_METHOD_NAT,
};

/* vipd_real.flags */
#define VIPD_REAL_ALIVE 0x1U	/* configured and not failed */
#define VIPD_REAL_RESOLVED 0x2U /* ifindex, MACs and MTU are those to use */
#define VIPD_REAL_LOCAL 0x4U	/* its address is one of this host */
#define VIPD_REAL_LEAVING 0x8U	/* not configured now: what it has runs out */
/* TUN: neither GUE nor GRE is IP in IP. REMCSUM is GUE's CSUM with the packet's
 * own checksum left to the receiver.
 */
#define VIPD_REAL_GUE 0x10U
#define VIPD_REAL_GRE 0x20U
#define VIPD_REAL_CSUM 0x40U
#define VIPD_REAL_REMCSUM 0x80U
#define VIPD_REAL_TUNNEL                                                       \
	(VIPD_REAL_GUE | VIPD_REAL_GRE | VIPD_REAL_CSUM | VIPD_REAL_REMCSUM)

/*
 * vipd_reals, by id: how to reach one real server of one service; one cache
 * line. What only userspace needs stands in vipd_real_cfg.
 */
struct vipd_real {
	union vipd_addr address;
	union vipd_addr tunnel_source;
	__be16 port; /* NAT: to which, 0: that of the client; GUE: UDP's */
	__u8 family;
	__u8 method; /* enum vipd_method */
	__u32 ifindex;
	__u8 dst_mac[6];
	__u8 src_mac[6];
	__u32 mtu;	  /* of the way, less what TUN puts around a packet */
	__u16 generation; /* counts the uses of this id */
	__be16 vlan;	  /* VID of the tag to send with; 0: none */
	__u32 flags;	  /* VIPD_REAL_* */
};

/* vipd_nat_reals, by a vipd_service_key of a real server's own address and
 * port: what comes from there may be a reply.
 */
struct vipd_nat_real {
	__u32 reals; /* of how many services */
};

/* vipd_real_cfg.state */
enum vipd_real_state {
	VIPD_REAL_FREE,	   /* the id is not in use */
	VIPD_REAL_ACTIVE,  /* the service has this real */
	VIPD_REAL_RETIRED, /* it had; flows may still name it */
};

/* vipd_real_cfg, by id: whose real it is, to take up after a restart. */
struct vipd_real_cfg {
	struct vipd_service_key service;
	enum vipd_real_state state;
	__u32 position; /* in the service's list of reals */
	__u32 weight;
	__u32 last_weight;
	__u16 port; /* as configured; only NAT rewrites it */
	__u16 alive;
};

#endif
