// SPDX-License-Identifier: GPL-2.0-only
/* Whose packet it is: exact address, port and protocol. */
#ifndef VIPD_MATCH_BPF_H
#define VIPD_MATCH_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/parse.bpf.h"

static __always_inline struct vipd_service *
match_service(const struct vipd_flow_key *packet)
{
	struct vipd_service_key key = {
	    .address = packet->vip,
	    .port = packet->vip_port,
	    .protocol = packet->protocol,
	    .family = packet->family,
	};

	return bpf_map_lookup_elem(&vipd_services, &key);
}

#endif
