/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Monitors: which events are switched on.
 *
 * Sources: tools/libs/ctrl/xc_monitor.c, xen/common/monitor.c (monitor_domctl),
 * xen/arch/x86/monitor.c (arch_monitor_domctl_event).
 */
#include <string.h>

#include "driver.h"

/* -------------------------------------------------------------------------------------------- */
/* The calls                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static bool sync_of(const struct vmt_monitor *m)
{
	return !(m->flags & VMT_MONITOR_ASYNC);
}

static int call_breakpoint(struct vmt_xen *x, const struct vmt_monitor *m, bool on)
{
	(void)m;
	return xc_monitor_software_breakpoint(x->xch, x->domid, on);
}

static int call_debug(struct vmt_xen *x, const struct vmt_monitor *m, bool on)
{
	return xc_monitor_debug_exceptions(x->xch, x->domid, on, sync_of(m));
}

/* What a fast step has switched on stays on. */
static int call_singlestep(struct vmt_xen *x, const struct vmt_monitor *m, bool on)
{
	(void)m;
	return x->internal_step ? 0 : xc_monitor_singlestep(x->xch, x->domid, on);
}

static int call_hypercall(struct vmt_xen *x, const struct vmt_monitor *m, bool on)
{
	return xc_monitor_guest_request(x->xch, x->domid, on, sync_of(m),
					m->flags & VMT_MONITOR_USERSPACE);
}

static int call_cpuid(struct vmt_xen *x, const struct vmt_monitor *m, bool on)
{
	(void)m;
	return xc_monitor_cpuid(x->xch, x->domid, on);
}

static int call_io(struct vmt_xen *x, const struct vmt_monitor *m, bool on)
{
	(void)m;
	return vmt_xen_monitor_io(x, on);
}

static int call_descriptor(struct vmt_xen *x, const struct vmt_monitor *m, bool on)
{
	(void)m;
	return xc_monitor_descriptor_access(x->xch, x->domid, on);
}

static int call_vmexit(struct vmt_xen *x, const struct vmt_monitor *m, bool on)
{
	return xc_monitor_vmexit(x->xch, x->domid, on, sync_of(m));
}

static int call_unimplemented(struct vmt_xen *x, const struct vmt_monitor *m, bool on)
{
	(void)m;
	return xc_monitor_emul_unimplemented(x->xch, x->domid, on);
}

/* libxenctrl has no call for this domctl. Xen has none to end it. */
static int call_deferred_writes(struct vmt_xen *x, const struct vmt_monitor *m, bool on)
{
	struct xen_domctl *domctl = xencall_alloc_buffer(x->call, sizeof(*domctl));
	int r;

	(void)m;
	(void)on;
	if (!domctl)
		return -1;
	memset(domctl, 0, sizeof(*domctl));
	domctl->cmd = XEN_DOMCTL_monitor_op;
	domctl->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	domctl->domain = (domid_t)x->domid;
	domctl->u.monitor_op.op = XEN_DOMCTL_MONITOR_OP_CONTROL_REGISTERS;
	r = xencall1(x->call, __HYPERVISOR_domctl, (uintptr_t)domctl);
	xencall_free_buffer(x->call, domctl);
	return r;
}

static int call_cr(struct vmt_xen *x, const struct vmt_monitor *m, bool on)
{
	return xc_monitor_write_ctrlreg(x->xch, x->domid, (uint16_t)m->what, on, sync_of(m),
					m->ignore, m->flags & VMT_MONITOR_ON_CHANGE);
}

static int call_msr(struct vmt_xen *x, const struct vmt_monitor *m, bool on)
{
	return xc_monitor_mov_to_msr(x->xch, x->domid, m->what, on,
				     m->flags & VMT_MONITOR_ON_CHANGE);
}

/* Without a row's ASYNC bit Xen knows no asynchronous form: it always stops the vCPU. */
static const struct kind {
	uint32_t capability;
	uint32_t flags; /* enum vmt_monitor_flag that Xen can do */
	int (*call)(struct vmt_xen *x, const struct vmt_monitor *m, bool on);
} kinds[VMT_MONITOR_KIND_COUNT] = {
	[VMT_MONITOR_CR] = {VMT_CAP_MONITOR_CR, VMT_MONITOR_ASYNC | VMT_MONITOR_ON_CHANGE, call_cr},
	[VMT_MONITOR_MSR] = {VMT_CAP_MONITOR_MSR, VMT_MONITOR_ON_CHANGE, call_msr},
	[VMT_MONITOR_BREAKPOINT] = {VMT_CAP_MONITOR_BREAKPOINT, 0, call_breakpoint},
	[VMT_MONITOR_DEBUG] = {VMT_CAP_MONITOR_DEBUG, VMT_MONITOR_ASYNC, call_debug},
	[VMT_MONITOR_SINGLESTEP] = {VMT_CAP_MONITOR_SINGLESTEP, 0, call_singlestep},
	[VMT_MONITOR_HYPERCALL] = {VMT_CAP_MONITOR_HYPERCALL,
				   VMT_MONITOR_ASYNC | VMT_MONITOR_USERSPACE, call_hypercall},
	[VMT_MONITOR_CPUID] = {VMT_CAP_MONITOR_CPUID, 0, call_cpuid},
	[VMT_MONITOR_IO] = {VMT_CAP_MONITOR_IO, 0, call_io},
	[VMT_MONITOR_DESCRIPTOR] = {VMT_CAP_MONITOR_DESCRIPTOR, 0, call_descriptor},
	[VMT_MONITOR_VMEXIT] = {VMT_CAP_MONITOR_VMEXIT, VMT_MONITOR_ASYNC, call_vmexit},
	[VMT_MONITOR_EMUL_UNIMPLEMENTED] = {VMT_CAP_EMULATE, 0, call_unimplemented},
	[VMT_MONITOR_DEFERRED_WRITES] = {VMT_CAP_DENY, 0, call_deferred_writes},
};

/* -------------------------------------------------------------------------------------------- */
/* What is refused                                                                              */
/* -------------------------------------------------------------------------------------------- */

static bool is_on(const struct vmt_xen *x, const struct vmt_monitor *m)
{
	if (m->kind == VMT_MONITOR_CR)
		return x->crs & (UINT32_C(1) << m->what);
	if (m->kind == VMT_MONITOR_MSR)
		return vmt_gfn_map_get(&x->msrs, m->what);
	return x->on[m->kind];
}

static int check_on(struct vmt_xen *x, const struct vmt_monitor *m)
{
	char name[48];

	vmt_monitor_format(m, name, sizeof(name));
	if (m->flags & ~kinds[m->kind].flags & VMT_MONITOR_ASYNC)
		return vmt_xen_refuse(
			x, VMT_E_NOT_SUPPORTED,
			"Xen always stops the vCPU for %s; leave VMT_MONITOR_ASYNC out", name);
	if (m->flags & ~kinds[m->kind].flags)
		return vmt_xen_refuse(x, VMT_E_INVALID, "flags %#x mean nothing for %s", m->flags,
				      name);
	if (x->on[VMT_MONITOR_DEFERRED_WRITES] && (m->flags & VMT_MONITOR_ASYNC) &&
	    m->kind == VMT_MONITOR_CR)
		return vmt_xen_refuse(
			x, VMT_E_NOT_SUPPORTED,
			"CR and MSR writes are deferred for deny, and then Xen carries one that "
			"nobody answers out at some later time; leave VMT_MONITOR_ASYNC out, or do "
			"without deny");
	if (m->kind == VMT_MONITOR_DEFERRED_WRITES && x->crs_async)
		return vmt_xen_refuse(
			x, VMT_E_NOT_SUPPORTED,
			"a CR is watched asynchronously, which excludes deny; ask for deny first "
			"and watch it synchronously");
	return 0;
}

static int check(struct vmt_xen *x, const struct vmt_monitor *m, bool on)
{
	char name[48];
	int r = vmt_xen_need_ring(x);

	if (r == 0)
		r = vmt_xen_need(x, kinds[m->kind].capability);
	if (r == 0 && on)
		r = check_on(x, m);
	if (r < 0)
		return r;
	if (is_on(x, m) == on)
		return vmt_xen_refuse(x, VMT_E_EXISTS, "the monitor for %s is %s already",
				      vmt_monitor_format(m, name, sizeof(name)), on ? "on" : "off");
	if (m->kind == VMT_MONITOR_DEFERRED_WRITES && !on)
		return vmt_xen_refuse(
			x, VMT_E_NOT_SUPPORTED,
			"Xen cannot end deferred writes while the monitor is attached; they cause "
			"nothing once no CR or MSR is watched");
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Switching                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static void note(struct vmt_xen *x, const struct vmt_monitor *m, bool on)
{
	uint32_t bit = m->kind == VMT_MONITOR_CR ? UINT32_C(1) << m->what : 0;

	x->crs = on ? x->crs | bit : x->crs & ~bit;
	x->crs_async &= ~bit;
	if (on && (m->flags & VMT_MONITOR_ASYNC))
		x->crs_async |= bit;
	if (m->kind == VMT_MONITOR_MSR && !on)
		vmt_gfn_map_remove(&x->msrs, m->what);
	if (m->kind != VMT_MONITOR_CR && m->kind != VMT_MONITOR_MSR)
		x->on[m->kind] = on;
}

/* For who undoes it when this process is dead. It is never taken back: off twice does no harm. */
static void note_before(struct vmt_xen *x, const struct vmt_monitor *m)
{
	struct vmt_xen_journal *j = x->journal.j;

	if (m->kind == VMT_MONITOR_MSR)
		vmt_xen_note_msr(x, m->what);
	else if (m->kind == VMT_MONITOR_CR)
		j->crs |= UINT32_C(1) << m->what;
	else
		j->kinds |= UINT32_C(1) << m->kind;
	vmt_xen_journal_order();
}

static int failed(struct vmt_xen *x, const struct vmt_monitor *m, bool on)
{
	char name[48];

	vmt_monitor_format(m, name, sizeof(name));
	if (m->kind == VMT_MONITOR_MSR && errno == EINVAL)
		return vmt_xen_refuse(
			x, VMT_E_INVALID,
			"Xen cannot watch MSR %#x: it knows 0 to 0x1fff, 0x40000000 to 0x40001fff "
			"and 0xc0000000 to 0xc0001fff",
			m->what);
	return vmt_xen_failed(x, "Xen does not switch the monitor for %s %s", name,
			      on ? "on" : "off");
}

int vmt_xen_monitor(struct vmt_driver *d, const struct vmt_monitor *m, bool on)
{
	struct vmt_xen *x = vmt_xen_of(d);
	int r = check(x, m, on);

	if (r < 0)
		return r;
	/* noted first: what was switched on must be known, to be switched off again */
	if (m->kind == VMT_MONITOR_MSR && on && !vmt_gfn_map_put(&x->msrs, m->what))
		return vmt_xen_refuse(x, VMT_E_NO_MEMORY, "no memory for the list of MSRs");
	/* a vCPU would step on in silence; a fast step needs no event */
	if (m->kind == VMT_MONITOR_SINGLESTEP && !on)
		r = vmt_xen_step_reset(x, false);
	if (r == 0 && on)
		note_before(x, m);
	if (r == 0 && kinds[m->kind].call(x, m, on) < 0)
		r = failed(x, m, on);
	if (r == 0)
		note(x, m, on);
	else if (m->kind == VMT_MONITOR_MSR && on)
		vmt_gfn_map_remove(&x->msrs, m->what);
	return r;
}

static void msrs_reset(struct vmt_xen *x, struct vmt_xen_first *first)
{
	uint64_t msr = 0;

	for (; vmt_gfn_map_next(&x->msrs, &msr); msr++) {
		const struct vmt_monitor m = {.kind = VMT_MONITOR_MSR, .what = (uint32_t)msr};

		vmt_xen_keep(x, first, vmt_xen_monitor(&x->base, &m, false));
	}
}

int vmt_xen_monitors_reset(struct vmt_xen *x)
{
	struct vmt_xen_first first = {0};

	for (uint32_t cr = 0; cr < VMT_CR_COUNT; cr++) {
		const struct vmt_monitor m = {.kind = VMT_MONITOR_CR, .what = cr};

		if (x->crs & (UINT32_C(1) << cr))
			vmt_xen_keep(x, &first, vmt_xen_monitor(&x->base, &m, false));
	}
	msrs_reset(x, &first);
	if (x->internal_step && !x->on[VMT_MONITOR_SINGLESTEP]) {
		if (xc_monitor_singlestep(x->xch, x->domid, false) < 0)
			vmt_xen_keep(x, &first,
				     vmt_xen_failed(x, "the single-step monitor of fast "
						       "steps stays on"));
	}
	x->internal_step = false;
	for (uint32_t kind = 1; kind < VMT_MONITOR_KIND_COUNT; kind++) {
		const struct vmt_monitor m = {.kind = kind};

		if (x->on[kind] && kind != VMT_MONITOR_DEFERRED_WRITES)
			vmt_xen_keep(x, &first, vmt_xen_monitor(&x->base, &m, false));
	}
	return vmt_xen_kept(x, &first);
}

/* -------------------------------------------------------------------------------------------- */
/* By the journal                                                                               */
/* -------------------------------------------------------------------------------------------- */

static void force_off(struct vmt_xen *x, uint32_t kind, uint32_t what, struct vmt_xen_first *first)
{
	const struct vmt_monitor m = {.kind = kind, .what = what};
	char name[48];

	if (kinds[kind].call(x, &m, false) < 0 && errno != EEXIST && errno != ENODEV)
		vmt_xen_keep(x, first,
			     vmt_xen_failed(x, "Xen does not switch the monitor for %s off",
					    vmt_monitor_format(&m, name, sizeof(name))));
}

int vmt_xen_monitors_repair(struct vmt_xen *x)
{
	static const uint32_t begins[VMT_XEN_MSR_RANGES] = {0, 0x40000000, 0xc0000000};
	const struct vmt_xen_journal *j = x->journal.j;
	struct vmt_xen_first first = {0};

	for (uint32_t cr = 0; cr < VMT_CR_COUNT; cr++) {
		if (j->crs & (UINT32_C(1) << cr))
			force_off(x, VMT_MONITOR_CR, cr, &first);
	}
	for (uint32_t i = 0; i < VMT_XEN_MSR_RANGES * VMT_XEN_MSR_RANGE; i++) {
		uint32_t range = i / VMT_XEN_MSR_RANGE, n = i % VMT_XEN_MSR_RANGE;

		if (j->msrs[range][n / 8] & (1u << n % 8))
			force_off(x, VMT_MONITOR_MSR, begins[range] + n, &first);
	}
	for (uint32_t kind = 1; kind < VMT_MONITOR_KIND_COUNT; kind++) {
		if ((j->kinds & (UINT32_C(1) << kind)) && kind != VMT_MONITOR_DEFERRED_WRITES)
			force_off(x, kind, 0, &first);
	}
	return vmt_xen_kept(x, &first);
}
