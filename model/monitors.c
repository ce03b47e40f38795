/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Monitors: which events are switched on, and how.
 *
 * Sources: xen/common/monitor.c (monitor_domctl), xen/arch/x86/monitor.c
 * (arch_monitor_domctl_event, monitor_bitmap_for_msr), asm/monitor.h (arch_monitor_domctl_op).
 */
#include <string.h>

#include "state.h"

/* -------------------------------------------------------------------------------------------- */
/* MSRs                                                                                         */
/* -------------------------------------------------------------------------------------------- */

static const uint32_t msr_bases[VMT_MSR_RANGES] = {0, 0x40000000, 0xc0000000};

uint32_t vmt_msr_bit(uint32_t msr)
{
	for (uint32_t i = 0; i < VMT_MSR_RANGES; i++) {
		if (msr >= msr_bases[i] && msr - msr_bases[i] < VMT_MSR_RANGE)
			return i * VMT_MSR_RANGE + (msr - msr_bases[i]);
	}
	return VMT_MSR_BITS;
}

uint32_t vmt_msr_of_bit(uint32_t bit)
{
	return msr_bases[bit / VMT_MSR_RANGE] + bit % VMT_MSR_RANGE;
}

/* -------------------------------------------------------------------------------------------- */
/* The kinds                                                                                    */
/* -------------------------------------------------------------------------------------------- */

/* Without a row's ASYNC bit Xen knows no asynchronous form: it always stops the vCPU. */
static const struct kind {
	uint32_t capability;
	uint32_t flags; /* enum vmt_monitor_flag that Xen can do */
} kinds[VMT_MONITOR_KIND_COUNT] = {
	[VMT_MONITOR_CR] = {VMT_CAP_MONITOR_CR, VMT_MONITOR_ASYNC | VMT_MONITOR_ON_CHANGE},
	[VMT_MONITOR_MSR] = {VMT_CAP_MONITOR_MSR, VMT_MONITOR_ON_CHANGE},
	[VMT_MONITOR_BREAKPOINT] = {VMT_CAP_MONITOR_BREAKPOINT, 0},
	[VMT_MONITOR_DEBUG] = {VMT_CAP_MONITOR_DEBUG, VMT_MONITOR_ASYNC},
	[VMT_MONITOR_SINGLESTEP] = {VMT_CAP_MONITOR_SINGLESTEP, 0},
	[VMT_MONITOR_HYPERCALL] = {VMT_CAP_MONITOR_HYPERCALL,
				   VMT_MONITOR_ASYNC | VMT_MONITOR_USERSPACE},
	[VMT_MONITOR_CPUID] = {VMT_CAP_MONITOR_CPUID, 0},
	[VMT_MONITOR_IO] = {VMT_CAP_MONITOR_IO, 0},
	[VMT_MONITOR_DESCRIPTOR] = {VMT_CAP_MONITOR_DESCRIPTOR, 0},
	[VMT_MONITOR_VMEXIT] = {VMT_CAP_MONITOR_VMEXIT, VMT_MONITOR_ASYNC},
	[VMT_MONITOR_EMUL_UNIMPLEMENTED] = {VMT_CAP_EMULATE, 0},
	[VMT_MONITOR_DEFERRED_WRITES] = {VMT_CAP_DENY, 0},
};

static int is_so_already(const struct vmt_monitor *monitor, bool on, struct vmt_error *err)
{
	char name[48];

	return vmt_error_set(err, VMT_E_EXISTS, NULL, "the monitor for %s is %s already",
			     vmt_monitor_format(monitor, name, sizeof(name)), on ? "on" : "off");
}

static int check_flags(const struct vmt_model *m, const struct vmt_monitor *monitor,
		       struct vmt_error *err)
{
	uint32_t known = VMT_MONITOR_ASYNC | VMT_MONITOR_ON_CHANGE | VMT_MONITOR_USERSPACE;
	char name[48];

	vmt_monitor_format(monitor, name, sizeof(name));
	if ((monitor->flags & ~known) || (monitor->ignore != 0 && monitor->kind != VMT_MONITOR_CR))
		return vmt_error_set(err, VMT_E_INVALID, NULL,
				     "flags %#x or ignored bits mean nothing for %s",
				     monitor->flags, name);
	if (monitor->flags & ~kinds[monitor->kind].flags & VMT_MONITOR_ASYNC)
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
				     "Xen always stops the vCPU for %s; leave VMT_MONITOR_ASYNC "
				     "out",
				     name);
	if (monitor->flags & ~kinds[monitor->kind].flags)
		return vmt_error_set(err, VMT_E_INVALID, NULL, "flags %#x mean nothing for %s",
				     monitor->flags, name);
	if (m->monitors.deferring && (monitor->flags & VMT_MONITOR_ASYNC) &&
	    monitor->kind == VMT_MONITOR_CR)
		return vmt_error_set(
			err, VMT_E_NOT_SUPPORTED, NULL,
			"CR and MSR writes are deferred for deny, and then Xen carries "
			"one that nobody answers out at some later time; leave "
			"VMT_MONITOR_ASYNC out, or do without deny");
	return 0;
}

static int monitor_cr(struct vmt_model *m, const struct vmt_monitor *monitor, bool on,
		      struct vmt_error *err)
{
	struct vmt_monitor_state *s = &m->monitors;
	uint32_t bit = UINT32_C(1) << monitor->what;

	if (on == !!(s->crs & bit))
		return is_so_already(monitor, on, err);
	s->crs &= ~bit;
	s->crs_async &= ~bit;
	s->crs_on_change &= ~bit;
	s->cr_ignore[monitor->what] = 0;
	if (!on)
		return 0;
	s->crs |= bit;
	s->crs_async |= monitor->flags & VMT_MONITOR_ASYNC ? bit : 0;
	s->crs_on_change |= monitor->flags & VMT_MONITOR_ON_CHANGE ? bit : 0;
	s->cr_ignore[monitor->what] = monitor->ignore;
	return 0;
}

static int monitor_msr(struct vmt_model *m, const struct vmt_monitor *monitor, bool on,
		       struct vmt_error *err)
{
	struct vmt_monitor_state *s = &m->monitors;
	uint32_t bit = vmt_msr_bit(monitor->what);

	if (bit == VMT_MSR_BITS)
		return vmt_error_set(err, VMT_E_INVALID, NULL,
				     "Xen cannot watch MSR %#x: it knows 0 to 0x1fff, 0x40000000 "
				     "to 0x40001fff and 0xc0000000 to 0xc0001fff",
				     monitor->what);
	if (on == vmt_bit_get(s->msrs, bit))
		return is_so_already(monitor, on, err);
	vmt_bit_put(s->msrs, bit, on);
	vmt_bit_put(s->msrs_on_change, bit, on && (monitor->flags & VMT_MONITOR_ON_CHANGE));
	s->nmsrs += on ? 1u : (uint32_t)-1;
	return 0;
}

static int monitor_deferred(struct vmt_model *m, bool on, struct vmt_error *err)
{
	struct vmt_monitor_state *s = &m->monitors;

	if (!on)
		return vmt_error_set(
			err, VMT_E_NOT_SUPPORTED, NULL,
			"Xen cannot end deferred writes while the monitor is attached; "
			"they cause nothing once no CR or MSR is watched");
	if (s->crs_async)
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
				     "a CR is watched asynchronously, which excludes deny; ask for "
				     "deny first and watch it synchronously");
	s->deferring = true;
	s->on[VMT_MONITOR_DEFERRED_WRITES] = true;
	return 0;
}

/*
 * Xen would let a stepping vCPU step on in silence when the single-step monitor goes, so it is
 * stopped first. A fast step goes on: it needs no event.
 */
static void end_stepping(struct vmt_model *m)
{
	for (uint16_t i = 0; i < m->nvcpus; i++) {
		m->vcpus[i].wants_step = false;
		if (!m->vcpus[i].fast)
			vmt_step_off(m, i);
	}
}

static int monitor_kind(struct vmt_model *m, const struct vmt_monitor *monitor, bool on,
			struct vmt_error *err)
{
	struct vmt_monitor_state *s = &m->monitors;

	if (on == s->on[monitor->kind])
		return is_so_already(monitor, on, err);
	if (monitor->kind == VMT_MONITOR_DEFERRED_WRITES)
		return monitor_deferred(m, on, err);
	if (monitor->kind == VMT_MONITOR_SINGLESTEP && !on)
		end_stepping(m);
	s->on[monitor->kind] = on;
	s->flags[monitor->kind] = on ? monitor->flags : 0;
	return 0;
}

int vmt_model_monitor(struct vmt_model *m, const struct vmt_monitor *monitor, bool on,
		      struct vmt_error *err)
{
	int r = vmt_ring_need(m, err);

	if (r < 0)
		return r;
	if (monitor->kind == 0 || monitor->kind >= VMT_MONITOR_KIND_COUNT ||
	    (monitor->kind == VMT_MONITOR_CR && monitor->what >= VMT_CR_COUNT))
		return vmt_error_set(err, VMT_E_INVALID, NULL,
				     "there is no monitor of kind %u for %u; use enum "
				     "vmt_monitor_kind and enum vmt_cr",
				     monitor->kind, monitor->what);
	r = vmt_capability_need(m, kinds[monitor->kind].capability, err);
	if (r == 0 && on)
		r = check_flags(m, monitor, err);
	if (r < 0)
		return r;
	switch (monitor->kind) {
	case VMT_MONITOR_CR:
		r = monitor_cr(m, monitor, on, err);
		break;
	case VMT_MONITOR_MSR:
		r = monitor_msr(m, monitor, on, err);
		break;
	default:
		r = monitor_kind(m, monitor, on, err);
		break;
	}
	if (r == 0)
		vmt_model_changed(m);
	return r;
}

bool vmt_model_monitored(const struct vmt_model *m, uint32_t kind, uint32_t what)
{
	const struct vmt_monitor_state *s = &m->monitors;
	uint32_t bit;

	if (kind == VMT_MONITOR_CR)
		return what < VMT_CR_COUNT && (s->crs & (UINT32_C(1) << what));
	if (kind == VMT_MONITOR_MSR) {
		bit = vmt_msr_bit(what);
		return bit < VMT_MSR_BITS && vmt_bit_get(s->msrs, bit);
	}
	return kind < VMT_MONITOR_KIND_COUNT && s->on[kind];
}

/* All monitors off, as arch_monitor_cleanup_domain does. */
void vmt_monitors_end(struct vmt_model *m)
{
	memset(&m->monitors, 0, sizeof(m->monitors));
	vmt_model_changed(m);
}
