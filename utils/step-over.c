/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stepping over: one instruction in a view in which nothing stops it, then back.
 */
#include <stdlib.h>

#include <vmitape/step-over.h>

/** A vCPU that is being stepped over with a single step. */
struct stepped {
	bool stepping;
	vmt_view back;
};

struct vmt_step_over {
	vmt_view plain;
	bool fast; /**< the hypervisor has fast steps */
	uint16_t vcpus;
	struct stepped vcpu[];
};

int vmt_step_over_create(struct vmt_session *s, vmt_view plain, struct vmt_step_over **over)
{
	struct vmt_step_over *o;
	struct vmt_info info;
	int r = vmt_domain_info(s, &info);

	if (r < 0)
		return r;
	o = calloc(1, sizeof(*o) + info.vcpus * sizeof(o->vcpu[0]));
	if (!o)
		return vmt_session_fail(s, "no memory for stepping over %u vCPUs", info.vcpus);
	o->plain = plain;
	o->fast = info.capabilities & VMT_CAP_FAST_SINGLESTEP;
	o->vcpus = info.vcpus;
	r = vmt_monitor(s, VMT_MONITOR_SINGLESTEP);
	if (r < 0 && r != -VMT_E_EXISTS) {
		free(o);
		return r;
	}
	*over = o;
	return 0;
}

void vmt_step_over_destroy(struct vmt_step_over *over)
{
	free(over);
}

static vmt_view view_of(const struct vmt_event *ev)
{
	return ev->flags & VMT_EVENT_HAS_VIEW ? ev->view : 0;
}

static struct vmt_response step(struct vmt_step_over *over, struct vmt_ctx *ctx, bool fast)
{
	const struct vmt_event *ev = vmt_event_of(ctx);

	if (vmt_phase_of(ctx) == VMT_PHASE_DRAIN || !(ev->flags & VMT_EVENT_SYNC))
		return vmt_respond(VMT_CONTINUE);
	if (ev->vcpu >= over->vcpus)
		return vmt_fail(ctx, "vCPU %u cannot be stepped over: there were %u at the start",
				ev->vcpu, over->vcpus);
	if (view_of(ev) == over->plain)
		return vmt_fail(ctx,
				"the instruction was stopped in view %u, in which it was to be "
				"stepped over: restrict pages in another view",
				over->plain);
	if (fast)
		return vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), over->plain);
	over->vcpu[ev->vcpu].stepping = true;
	over->vcpu[ev->vcpu].back = ev->view;
	return vmt_with_view(vmt_respond(VMT_SINGLESTEP), over->plain);
}

struct vmt_response vmt_step_over(struct vmt_step_over *over, struct vmt_ctx *ctx)
{
	return step(over, ctx, over->fast);
}

struct vmt_response vmt_step_over_slowly(struct vmt_step_over *over, struct vmt_ctx *ctx)
{
	return step(over, ctx, false);
}

int vmt_step_over_event(struct vmt_step_over *over, struct vmt_ctx *ctx,
			struct vmt_response *response)
{
	const struct vmt_event *ev = vmt_event_of(ctx);

	if (ev->reason != VMT_EVENT_SINGLESTEP || ev->vcpu >= over->vcpus ||
	    !over->vcpu[ev->vcpu].stepping)
		return 0;
	over->vcpu[ev->vcpu].stepping = false;
	*response = vmt_respond(VMT_CONTINUE);
	/* In the drain all vCPUs are in view 0 for good. */
	if (vmt_phase_of(ctx) != VMT_PHASE_DRAIN)
		*response = vmt_with_view(*response, over->vcpu[ev->vcpu].back);
	return 1;
}

void vmt_step_over_forget_view(struct vmt_step_over *over, vmt_view view)
{
	for (unsigned i = 0; i < over->vcpus; i++)
		if (over->vcpu[i].back == view)
			over->vcpu[i].back = over->plain;
}
