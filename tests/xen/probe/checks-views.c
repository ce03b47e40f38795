/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Views (altp2m): their numbers, their limit, default rights, remapping, and how vCPUs enter them. */
#include <errno.h>
#include <string.h>

#include "probe.h"

#define INT3 0xcc

static bool altp2m_on(struct probe *p)
{
	return expect(p, xc_altp2m_set_domain_state(p->xch, p->domid, true) == 0, "altp2m");
}

static uint16_t create(struct probe *p, xenmem_access_t rights)
{
	uint16_t view = VIEW_NONE;

	expect(p, xc_altp2m_create_view(p->xch, p->domid, rights, &view) == 0, "a view");
	return view;
}

static int destroy(struct probe *p, uint16_t view)
{
	return xc_altp2m_destroy_view(p->xch, p->domid, view);
}

static int switch_all(struct probe *p, uint16_t view)
{
	return xc_altp2m_switch_to_view(p->xch, p->domid, view);
}

static uint16_t view_of_vcpu(struct probe *p)
{
	uint16_t view = VIEW_NONE;

	xc_altp2m_get_vcpu_p2m_idx(p->xch, p->domid, 0, &view);
	return view;
}

static void view_numbers(struct probe *p)
{
	uint16_t view = 0, first, again;
	int created = 0, rc = 0;

	if (!altp2m_on(p))
		return;
	first = create(p, XENMEM_access_rwx);
	for (uint16_t next = 2; next < 4; next++)
		expect(p, create(p, XENMEM_access_rwx) == next, "numbers that count up");
	expect(p, destroy(p, 2) == 0, "view 2 destroyed");
	again = create(p, XENMEM_access_rwx);
	observe(p, "first %u; after destroying 2 the next is %u", first, again);
	expect(p, first == 1 && again == 2, "the lowest free number");
	for (created = 3; created < 64; created++) {
		rc = xc_altp2m_create_view(p->xch, p->domid, XENMEM_access_rwx, &view);
		if (rc < 0)
			break;
	}
	observe(p, "%d views, then %s", created, errno_of(rc));
	expect(p, created == 9 && errno == EINVAL, "9 views, then EINVAL");
}

static void view_state(struct probe *p)
{
	uint16_t view = 0;
	int rc;

	rc = switch_all(p, 0);
	observe(p, "off: switch %s", errno_of(rc));
	expect(p, rc < 0 && errno == EOPNOTSUPP, "EOPNOTSUPP");
	rc = xc_altp2m_create_view(p->xch, p->domid, XENMEM_access_rwx, &view);
	observe(p, "create %s", errno_of(rc));
	expect(p, rc < 0 && errno == EOPNOTSUPP, "EOPNOTSUPP");
	altp2m_on(p);
	rc = xc_altp2m_set_domain_state(p->xch, p->domid, true);
	observe(p, "on twice: %s", errno_of(rc));
	expect(p, rc == 0, "0");
}

static void view_edges(struct probe *p)
{
	xenmem_access_t rights;
	int rc;

	if (!altp2m_on(p))
		return;
	rc = switch_all(p, 5);
	observe(p, "switch to a view that is not there: %s", errno_of(rc));
	expect(p, rc < 0, "an error");
	rc = destroy(p, 5);
	observe(p, "destroy: %s", errno_of(rc));
	expect(p, rc < 0, "an error");
	rc = destroy(p, 0);
	observe(p, "destroy view 0: %s", errno_of(rc));
	expect(p, rc < 0, "an error");
	rc = xc_altp2m_set_mem_access(p->xch, p->domid, 5, DEMO_GFN_DATA, XENMEM_access_r);
	observe(p, "rights in it: %s", errno_of(rc));
	expect(p, rc < 0, "an error");
	rc = xc_altp2m_get_mem_access(p->xch, p->domid, 5, DEMO_GFN_DATA, &rights);
	observe(p, "get: %s", errno_of(rc));
	rc = xc_altp2m_change_gfn(p->xch, p->domid, 5, DEMO_GFN_DATA, DEMO_GFN_DATA2);
	observe(p, "remap: %s", errno_of(rc));
	expect(p, rc < 0, "an error");
	rc = xc_altp2m_change_gfn(p->xch, p->domid, 0, DEMO_GFN_DATA, DEMO_GFN_DATA2);
	observe(p, "remap in view 0: %s", errno_of(rc));
	expect(p, rc == 0, "0");
	guest_play(p, BIT(DEMO_READ));
	guest_quiet(p);
	observe(p, "the guest then reads %#lx in view 0", p->guest->seen[DEMO_READ]);
	expect(p, p->guest->seen[DEMO_READ] != DEMO_READ_VALUE, "the other page");
	rc = xc_altp2m_set_mem_access(p->xch, p->domid, create(p, XENMEM_access_rwx), 0x80000,
				      XENMEM_access_r);
	observe(p, "rights of a frame that is nowhere: %s", errno_of(rc));
	expect(p, rc == 0, "0");
}

static void view_in_use(struct probe *p)
{
	uint16_t view;
	int rc;

	if (!altp2m_on(p))
		return;
	view = create(p, XENMEM_access_rwx);
	expect(p, switch_all(p, view) == 0, "the view entered");
	rc = destroy(p, view);
	observe(p, "by switch: %s", errno_of(rc));
	expect(p, rc < 0 && errno == EBUSY, "EBUSY");
	expect(p, switch_all(p, 0) == 0 && destroy(p, view) == 0, "0 after the switch back");

	view = create(p, XENMEM_access_rwx);
	if (!guest_begin(p, monitor_cpuid, DEMO_CPUID, VM_EVENT_REASON_CPUID))
		return;
	p->answer.flags |= VM_EVENT_FLAG_ALTERNATE_P2M;
	p->answer.altp2m_idx = view;
	probe_put_default(p);
	if (!guest_event(p, VM_EVENT_REASON_CPUID))
		return;
	rc = destroy(p, view);
	observe(p, "by an answer: %s, while the next event says view %u", errno_of(rc),
		p->event.altp2m_idx);
	expect(p, rc < 0 && errno == EBUSY && p->event.altp2m_idx == view, "EBUSY");
	p->answer.flags |= VM_EVENT_FLAG_ALTERNATE_P2M;
	p->answer.altp2m_idx = 0;
	probe_put_default(p);
}

static void view_flag(struct probe *p)
{
	if (!guest_begin(p, monitor_cpuid, DEMO_CPUID, VM_EVENT_REASON_CPUID))
		return;
	observe(p, "altp2m off: flags %#x", p->event.flags);
	expect(p, !(p->event.flags & VM_EVENT_FLAG_ALTERNATE_P2M), "no ALTERNATE_P2M");
	probe_put_default(p);
	altp2m_on(p);
	guest_quiet(p);
	probe_put_default(p);
	if (!guest_event(p, VM_EVENT_REASON_CPUID))
		return;
	observe(p, "on, in view 0: flags %#x view %u", p->event.flags, p->event.altp2m_idx);
	expect(p, p->event.flags & VM_EVENT_FLAG_ALTERNATE_P2M && p->event.altp2m_idx == 0,
	       "ALTERNATE_P2M with 0");
	probe_put_default(p);
}

static void answer_with_view(struct probe *p, uint16_t wrong)
{
	uint16_t view;

	if (!altp2m_on(p))
		return;
	view = create(p, XENMEM_access_rwx);
	expect(p, switch_all(p, view) == 0, "the view entered");
	if (!guest_begin(p, monitor_cpuid, DEMO_CPUID, VM_EVENT_REASON_CPUID))
		return;
	p->answer.flags |= VM_EVENT_FLAG_ALTERNATE_P2M;
	p->answer.altp2m_idx = wrong;
	probe_put_default(p);
	if (!guest_event(p, VM_EVENT_REASON_CPUID))
		return;
	observe(p, "answer with view %u: next event in view %u", wrong, p->event.altp2m_idx);
	expect(p, p->event.altp2m_idx == view, "the vCPU to stay in its view");
	probe_put_default(p);
}

static void answer_beyond_limit(struct probe *p)
{
	answer_with_view(p, 200);
}

static void answer_never_created(struct probe *p)
{
	answer_with_view(p, 5);
}

/* A view asked for without the flag. */
static void answer_without_flag(struct probe *p)
{
	uint16_t view;

	if (!altp2m_on(p))
		return;
	view = create(p, XENMEM_access_rwx);
	if (!guest_begin(p, monitor_cpuid, DEMO_CPUID, VM_EVENT_REASON_CPUID))
		return;
	p->answer.altp2m_idx = view;
	probe_put_default(p);
	if (!guest_event(p, VM_EVENT_REASON_CPUID))
		return;
	observe(p, "altp2m_idx %u without the flag: next event in view %u", view,
		p->event.altp2m_idx);
	expect(p, p->event.altp2m_idx == 0, "view 0");
	probe_put_default(p);
}

/* What a view created with few rights says of a page before and after the guest has touched it. */
static void default_rights(struct probe *p)
{
	xenmem_access_t before = XENMEM_access_n, after = XENMEM_access_n;
	uint16_t view;
	int rc;

	if (!altp2m_on(p))
		return;
	view = create(p, XENMEM_access_r);
	rc = xc_altp2m_get_mem_access(p->xch, p->domid, view, DEMO_GFN_EXEC, &before);
	observe(p, "view created with r; untouched page: %s, %d", errno_of(rc), (int)before);
	expect(p, rc < 0 && errno == ESRCH, "ESRCH before the page is propagated");
	guest_play(p, BIT(DEMO_EXEC));
	expect(p, switch_all(p, view) == 0, "the view entered");
	if (probe_since(p, 19)) {
		if (!guest_event(p, VM_EVENT_REASON_MEM_ACCESS))
			return;
		rc = xc_altp2m_get_mem_access(p->xch, p->domid, view, p->event.u.mem_access.gfn,
					      &after);
		observe(p, "at once an event, gfn %#lx: %s, %d",
			(unsigned long)p->event.u.mem_access.gfn, errno_of(rc), (int)after);
		expect(p, rc == 0 && after == XENMEM_access_r, "the view's rights, r");
		switch_all(p, 0);
		probe_put(p);
		return;
	}
	expect(p, guest_quiet(p), "no event in spite of the default rights");
	rc = xc_altp2m_get_mem_access(p->xch, p->domid, view, DEMO_GFN_EXEC, &after);
	observe(p, "after the guest ran it: %s, %d", errno_of(rc), (int)after);
	expect(p, rc == 0 && after == XENMEM_access_rwx, "the host's rights, rwx");
}

/* Restricting view 0 after a view has its own entry. */
static void host_rights_in_view(struct probe *p)
{
	xenmem_access_t rights = XENMEM_access_n;
	uint16_t view;
	int rc;

	if (!altp2m_on(p))
		return;
	view = create(p, XENMEM_access_rwx);
	guest_play(p, BIT(DEMO_EXEC));
	switch_all(p, view);
	expect(p, guest_quiet(p), "no event");
	rights_set(p, DEMO_GFN_EXEC, XENMEM_access_rw);
	rc = xc_altp2m_get_mem_access(p->xch, p->domid, view, DEMO_GFN_EXEC, &rights);
	observe(p, "view 0 set to rw after propagation: the view says %s, %d", errno_of(rc),
		(int)rights);
	expect(p, rights == XENMEM_access_rw, "rw in the view too");
	if (guest_event(p, VM_EVENT_REASON_MEM_ACCESS)) {
		observe(p, "the guest in the view: an event, view %u", p->event.altp2m_idx);
		rights_set(p, DEMO_GFN_EXEC, XENMEM_access_rwx);
		probe_put(p);
	}
}

/* A view's own rights against a later change in view 0. */
static void own_rights_in_view(struct probe *p)
{
	xenmem_access_t own = XENMEM_access_n, later = XENMEM_access_n, host = XENMEM_access_n;
	uint16_t view;

	if (!altp2m_on(p))
		return;
	view = create(p, XENMEM_access_rwx);
	xc_altp2m_set_mem_access(p->xch, p->domid, view, DEMO_GFN_DATA, XENMEM_access_r);
	xc_altp2m_get_mem_access(p->xch, p->domid, view, DEMO_GFN_DATA, &own);
	xc_get_mem_access(p->xch, p->domid, DEMO_GFN_DATA, &host);
	rights_set(p, DEMO_GFN_DATA, XENMEM_access_rx);
	xc_altp2m_get_mem_access(p->xch, p->domid, view, DEMO_GFN_DATA, &later);
	observe(p, "the view's own %d (view 0 then %d); view 0 set to rx: the view says %d",
		(int)own, (int)host, (int)later);
	expect(p, own == XENMEM_access_r && host == XENMEM_access_rwx, "rights of the view alone");
	expect(p, later == XENMEM_access_rx, "view 0's new rights over the view's own");
}

static uint64_t shadow_page(struct probe *p)
{
	xen_pfn_t gfn = 0;

	xc_domain_maximum_gpfn(p->xch, p->domid, &gfn);
	gfn++;
	xc_domain_setmaxmem(p->xch, p->domid, UINT64_C(64) * 1024);
	expect(p, xc_domain_populate_physmap_exact(p->xch, p->domid, 1, 0, 0, &gfn) == 0,
	       "a shadow page");
	return gfn;
}

static void drop_page(struct probe *p, uint64_t page)
{
	xen_pfn_t gfn = page;

	expect(p, xc_domain_decrease_reservation_exact(p->xch, p->domid, 1, 0, &gfn) == 0,
	       "the shadow page freed");
}

static void copy_with_int3(struct probe *p, uint64_t shadow)
{
	uint8_t *from = probe_map(p, DEMO_GFN_EXEC), *to = probe_map(p, shadow);

	expect(p, from && to, "both pages to be mapped");
	if (from && to) {
		memcpy(to, from, XC_PAGE_SIZE);
		to[0] = INT3;
	}
	if (from)
		probe_unmap(p, from);
	if (to)
		probe_unmap(p, to);
}

static void stealth_breakpoint(struct probe *p)
{
	uint64_t shadow = shadow_page(p), errors = p->guest->errors;
	uint16_t view;
	int hits = 0;

	copy_with_int3(p, shadow);
	if (!altp2m_on(p))
		return;
	expect(p, monitor_step(p, true) == 0, "the singlestep monitor");
	view = create(p, XENMEM_access_rwx);
	expect(p, xc_altp2m_change_gfn(p->xch, p->domid, view, DEMO_GFN_EXEC, shadow) == 0,
	       "the remap");
	expect(p, switch_all(p, view) == 0, "the view entered");
	if (!guest_begin(p, monitor_int3, DEMO_EXEC, VM_EVENT_REASON_SOFTWARE_BREAKPOINT))
		return;
	for (; hits < 3; hits++) {
		expect(p, p->event.data.regs.x86.rip == p->status->at_exec, "RIP at the function");
		expect(p, p->event.u.software_breakpoint.gfn == DEMO_GFN_EXEC,
		       "the frame as the guest names it");
		p->answer.altp2m_idx = 0;
		probe_put_flags(p, VM_EVENT_FLAG_ALTERNATE_P2M | VM_EVENT_FLAG_TOGGLE_SINGLESTEP);
		if (!guest_event(p, VM_EVENT_REASON_SINGLESTEP))
			return;
		p->answer.altp2m_idx = view;
		probe_put_flags(p, VM_EVENT_FLAG_ALTERNATE_P2M | VM_EVENT_FLAG_TOGGLE_SINGLESTEP);
		if (!guest_event(p, VM_EVENT_REASON_SOFTWARE_BREAKPOINT))
			return;
	}
	monitor_int3(p, false);
	switch_all(p, 0);
	p->answer.altp2m_idx = 0;
	probe_put_flags(p, VM_EVENT_FLAG_ALTERNATE_P2M);
	guest_played(p, DEMO_EXEC, 2);
	observe(p, "%d hits, failed self-checks %lu", hits, p->guest->errors - errors);
	expect(p, p->guest->errors == errors, "the function to work");
	guest_reset(p);
	drop_page(p, shadow);
}

static void remap(struct probe *p)
{
	xenmem_access_t before = XENMEM_access_n, after = XENMEM_access_n;
	uint64_t shadow = shadow_page(p), *page = probe_map(p, shadow);
	uint16_t view;
	int rc;

	if (!page || !altp2m_on(p))
		return;
	page[1] = 0x9999;
	probe_unmap(p, page);
	rights_set(p, shadow, XENMEM_access_rx);
	view = create(p, XENMEM_access_rwx);
	xc_altp2m_set_mem_access(p->xch, p->domid, view, DEMO_GFN_DATA, XENMEM_access_r);
	xc_altp2m_get_mem_access(p->xch, p->domid, view, DEMO_GFN_DATA, &before);
	expect(p, xc_altp2m_change_gfn(p->xch, p->domid, view, DEMO_GFN_DATA, shadow) == 0,
	       "remap");
	rc = xc_altp2m_get_mem_access(p->xch, p->domid, view, DEMO_GFN_DATA, &after);
	observe(p, "rights %d, remapped to a page with rx: %s, %d", (int)before, errno_of(rc),
		(int)after);
	expect(p, after == XENMEM_access_rx, "the rights of the other page");
	expect(p, switch_all(p, view) == 0, "the view entered");
	guest_play(p, BIT(DEMO_READ));
	guest_quiet(p);
	observe(p, "the guest reads %#lx", p->guest->seen[DEMO_READ]);
	expect(p, p->guest->seen[DEMO_READ] == 0x9999, "the shadow page's word");
	expect(p, xc_altp2m_change_gfn(p->xch, p->domid, view, DEMO_GFN_DATA, ~UINT64_C(0)) == 0,
	       "the remap undone");
	guest_quiet(p);
	rc = xc_altp2m_get_mem_access(p->xch, p->domid, view, DEMO_GFN_DATA, &after);
	observe(p, "undone: %#lx, rights %s, %d", p->guest->seen[DEMO_READ], errno_of(rc),
		(int)after);
	expect(p, p->guest->seen[DEMO_READ] == DEMO_READ_VALUE, "the page's own word");
	guest_reset(p);
	drop_page(p, shadow);
}

static void disable_in_view(struct probe *p)
{
	uint16_t view;
	int rc;

	if (!altp2m_on(p))
		return;
	view = create(p, XENMEM_access_rwx);
	xc_altp2m_set_mem_access(p->xch, p->domid, view, DEMO_GFN_EXEC, XENMEM_access_rw);
	switch_all(p, view);
	rc = xc_altp2m_set_domain_state(p->xch, p->domid, false);
	observe(p, "off with a vCPU in view %u: %s", view, errno_of(rc));
	expect(p, rc == 0, "0");
	guest_play(p, BIT(DEMO_EXEC));
	expect(p, guest_quiet(p), "no event");
	altp2m_on(p);
	observe(p, "on again: the vCPU in view %u, the next view is %u", view_of_vcpu(p),
		create(p, XENMEM_access_rwx));
	expect(p, view_of_vcpu(p) == 0, "view 0");
}

const struct check checks_views[] = {
	{"view-state", "calls while altp2m is off; switched on twice", view_state, CHECK_PLAIN},
	{"view-numbers", "a new view has the lowest free number; there are 9", view_numbers,
	 CHECK_PLAIN},
	{"view-edges", "calls on views and frames that are not there", view_edges, CHECK_PLAIN},
	{"view-in-use", "a view that a vCPU is in cannot be destroyed", view_in_use, CHECK_PLAIN},
	{"view-flag", "requests carry ALTERNATE_P2M while altp2m is on", view_flag, CHECK_PLAIN},
	{"view-answer-limit", "an answer with a view number beyond the limit: the view stays",
	 answer_beyond_limit, CHECK_PLAIN},
	{"view-answer-dead", "an answer with the number of no view: the view stays",
	 answer_never_created, CHECK_PLAIN},
	{"view-answer-no-flag", "altp2m_idx without ALTERNATE_P2M is ignored", answer_without_flag,
	 CHECK_PLAIN},
	{"view-default-rights",
	 "a page enters a view with the host's rights, not the view's, before 4.19", default_rights,
	 CHECK_PLAIN},
	{"view-host-rights", "rights of view 0 changed after a view has its own entry",
	 host_rights_in_view, CHECK_PLAIN},
	{"view-own-rights", "rights of view 0 changed after a view has its own rights",
	 own_rights_in_view, CHECK_PLAIN},
	{"view-stealth", "a breakpoint on a remapped page is seen in its view alone",
	 stealth_breakpoint, CHECK_PLAIN},
	{"view-remap", "a remap takes over the other page's rights; undone, view 0's", remap,
	 CHECK_PLAIN},
	{"view-off", "altp2m off while a vCPU is in a view", disable_in_view, CHECK_PLAIN},
	{0},
};
