// SPDX-License-Identifier: GPL-2.0-only
/*
 * Persistence: a client's connections go where its first one went. That is kept
 * in a template, a slot of the flow table like any other: it ages, is listed
 * and reaches the peers as connections do.
 */
#ifndef VIPD_PERSIST_BPF_H
#define VIPD_PERSIST_BPF_H

#include "bpf/flow.bpf.h"
#include "bpf/pick.bpf.h"

/* The packet as if it were one of the template. */
static __always_inline void template_of(const struct vipd_service *service,
					const struct segment *p,
					struct segment *template)
{
	*template = *p;
	vipd_template_key(service, &p->key, &template->key);
	template->hash = vipd_flow_hash(&template->key, flow_seed0, flow_seed1);
}

/* Is what was found the template of a real that is up and stays? A real of
 * weight 0 keeps its clients, as in IPVS.
 */
static __always_inline int template_holds(const struct flow_view *view)
{
	struct vipd_real *real;

	if (!view->flow || !view->live)
		return 0;
	real = bpf_map_lookup_elem(&vipd_reals, &view->real);
	return real && real->generation == view->generation &&
	       (real->flags & (VIPD_REAL_ALIVE | VIPD_REAL_LEAVING)) ==
		   VIPD_REAL_ALIVE;
}

/*
 * The real that the client's template names, or VIPD_NO_REAL. Not static, nor
 * are the next ones: together they would need more stack than there is.
 */
__noinline __u32 template_real(const struct vipd_service *service,
			       const struct segment *p)
{
	struct flow_view view = {};
	struct segment template;

	if (!service || !p)
		return VIPD_NO_REAL;
	template_of(service, p, &template);
	flow_find(&template, flow_home(template.hash), &view);
	if (!template_holds(&view))
		return VIPD_NO_REAL;
	if (p->now - VIPD_READ_ONCE(view.flow->last_seen) >= VIPD_SEEN_TICKS)
		VIPD_WRITE_ONCE(view.flow->last_seen, p->now);
	return view.real;
}

/* Makes the template that sends the client's next connections to this real. */
__noinline int template_store(const struct vipd_service *service,
			      const struct segment *p, __u32 id)
{
	struct newcomer new = {.state = VIPD_FLOW_ESTABLISHED, .real = id};
	struct flow_view view = {};
	struct segment template;
	struct vipd_real *real;

	if (!service || !p)
		return 0;
	real = bpf_map_lookup_elem(&vipd_reals, &id);
	if (!real)
		return 0;
	new.generation = real->generation;
	template_of(service, p, &template);
	flow_find(&template, flow_home(template.hash), &view);
	new.slot = view.slot;
	new.version = view.version;
	new.known = view.flow != NULL;
	return flow_store(&template, service, &new);
}

/*
 * The client has proved to be there: its template is no longer cheap to evict,
 * and peers hear of it.
 */
__noinline int template_confirm(const struct vipd_service *service,
				const struct segment *p)
{
	struct flow_view view = {};
	struct segment template;

	if (!service || !p)
		return 0;
	template_of(service, p, &template);
	flow_find(&template, flow_home(template.hash), &view);
	if (!view.flow || !view.flags || !flow_hold(view.flow, view.version))
		return 0;
	VIPD_WRITE_ONCE(view.flow->flags, 0);
	flow_release(view.flow, view.version);
	flow_change(view.slot, p->frame_len);
	return 1;
}

#endif
