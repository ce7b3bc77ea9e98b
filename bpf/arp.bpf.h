// SPDX-License-Identifier: GPL-2.0-only
/*
 * The lease: the vrrp process renews a time stamp; where that has run out, this
 * host no longer answers for its VIPs, though the addresses may still be there.
 */
#ifndef VIPD_ARP_BPF_H
#define VIPD_ARP_BPF_H

#include <linux/if_ether.h>

#include "bpf/lease.bpf.h"
#include "bpf/maps.bpf.h"
#include "bpf/parse.bpf.h"

/* RFC 826 for Ethernet and IPv4. */
struct arp_ipv4 {
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_len;
	__u8 protocol_len;
	__be16 operation;
	__u8 sender_mac[ETH_ALEN];
	__u8 sender_ip[4];
	__u8 target_mac[ETH_ALEN];
	__u8 target_ip[4];
} __attribute__((packed));

static __always_inline __u32 arp_verdict(struct cursor *c)
{
	struct arp_ipv4 *arp = c->pos;
	struct vipd_claim_key key = {.family = VIPD_FAMILY_V4};

	if ((void *)(arp + 1) > c->end)
		return VIPD_PASS_ARP;
	if (arp->hardware != bpf_htons(1) ||
	    arp->protocol != bpf_htons(ETH_P_IP) ||
	    arp->hardware_len != ETH_ALEN || arp->protocol_len != 4 ||
	    arp->operation != bpf_htons(1))
		return VIPD_PASS_ARP;
	__builtin_memcpy(&key.address.v4, arp->target_ip, 4);
	if (!bpf_map_lookup_elem(&vipd_claims, &key))
		return VIPD_PASS_ARP;
	return lease_held() ? VIPD_PASS_ARP : VIPD_DROP_ARP_NO_LEASE;
}

#endif
