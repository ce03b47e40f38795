/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a handler asks of the domain: monitors, rights, views, pages, registers, pauses.
 */
#include <vmitape/session.h>

#include "session-private.h"

int vmt_session_enter(struct vmt_session *s, const char *call)
{
	if (!vmt_session_on_callback(s))
		return -VMT_E_WRONG_PLACE;
	if (s->callback.kind == VMT_CALLBACK_POLL)
		return vmt_error_set(&s->err, VMT_E_WRONG_PLACE, call,
				     "poll tells only what was seen before; ask the domain in "
				     "handle_event or handle_timeout");
	return 0;
}

int vmt_session_enter_effect(struct vmt_session *s, const char *call)
{
	int r = vmt_session_enter(s, call);

	if (r < 0)
		return r;
	if (s->phase == VMT_PHASE_DRAIN)
		return vmt_error_set(&s->err, VMT_E_WRONG_PLACE, call,
				     "the teardown has put the domain right; while events are "
				     "drained nothing can be changed any more");
	return 0;
}

int vmt_session_take_error(struct vmt_session *s)
{
	s->err = s->driver->err;
	return -s->err.status;
}

/** The end of each call: the driver's failure becomes the session's. */
static int done(struct vmt_session *s, int r)
{
	return r < 0 ? vmt_session_take_error(s) : r;
}

int vmt_session_fail(struct vmt_session *s, const char *fmt, ...)
{
	va_list ap;
	int r = vmt_session_enter(s, "vmt_session_fail");

	if (r < 0)
		return r;
	va_start(ap, fmt);
	r = vmt_error_vset(&s->err, VMT_E_HANDLER, vmt_callback_name(s->callback.kind), fmt, ap);
	va_end(ap);
	return r;
}

int vmt_domain_info(struct vmt_session *s, struct vmt_info *info)
{
	int r = vmt_session_enter(s, "info");

	if (r >= 0)
		r = done(s, vmt_driver_info(s->driver, info));
	if (r >= 0)
		info->now = s->now; /* one time inside a callback */
	return r;
}

/* -------------------------------------------------------------------------------------------- */
/* Monitors                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static bool is_async_write(const struct vmt_monitor *m)
{
	return (m->flags & VMT_MONITOR_ASYNC) &&
	       (m->kind == VMT_MONITOR_CR || m->kind == VMT_MONITOR_MSR);
}

/** Keep in mind which asynchronous ones are on. Switching off is by register, whatever the flags. */
static void note_async_write(struct vmt_session *s, const struct vmt_monitor *m, bool on)
{
	if (m->kind == VMT_MONITOR_MSR && on && is_async_write(m))
		s->async_msrs = true;
	if (m->kind != VMT_MONITOR_CR || m->what >= VMT_CR_COUNT)
		return;
	s->async_crs &= ~(1u << m->what);
	if (on && is_async_write(m))
		s->async_crs |= 1u << m->what;
}

int vmt_monitor_enable(struct vmt_session *s, const struct vmt_monitor *monitor)
{
	int r = vmt_session_enter_effect(s, "monitor");

	if (r < 0)
		return r;
	if (monitor->kind == VMT_MONITOR_DEFERRED_WRITES)
		return vmt_deny_enable(s);
	/*
	 * Xen then defers the write to the vCPU's next schedule and loses events (measured, 4.17).
	 */
	if (s->deferred_writes && is_async_write(monitor))
		return vmt_error_set(
			&s->err, VMT_E_INVALID, "monitor",
			"an asynchronous CR or MSR monitor cannot be used together with "
			"vmt_deny_enable(); make it synchronous");
	r = done(s, vmt_driver_monitor(s->driver, monitor, true));
	if (r >= 0)
		note_async_write(s, monitor, true);
	return r;
}

int vmt_monitor_disable(struct vmt_session *s, const struct vmt_monitor *monitor)
{
	int r = vmt_session_enter_effect(s, "monitor");

	if (r < 0)
		return r;
	if (monitor->kind == VMT_MONITOR_DEFERRED_WRITES)
		return vmt_error_set(
			&s->err, VMT_E_INVALID, "monitor",
			"what vmt_deny_enable() asked for lasts until the session ends");
	r = done(s, vmt_driver_monitor(s->driver, monitor, false));
	if (r >= 0)
		note_async_write(s, monitor, false);
	return r;
}

static int monitor_on(struct vmt_session *s, uint32_t kind, uint32_t what, uint32_t flags)
{
	struct vmt_monitor monitor = {.kind = kind, .what = what, .flags = flags};

	return vmt_monitor_enable(s, &monitor);
}

int vmt_monitor_cr(struct vmt_session *s, enum vmt_cr cr)
{
	return monitor_on(s, VMT_MONITOR_CR, (uint32_t)cr, VMT_MONITOR_ON_CHANGE);
}

int vmt_monitor_msr(struct vmt_session *s, uint32_t msr)
{
	return monitor_on(s, VMT_MONITOR_MSR, msr, VMT_MONITOR_ON_CHANGE);
}

int vmt_monitor(struct vmt_session *s, enum vmt_monitor_kind kind)
{
	return monitor_on(s, (uint32_t)kind, 0, 0);
}

int vmt_deny_enable(struct vmt_session *s)
{
	static const struct vmt_monitor deferred = {.kind = VMT_MONITOR_DEFERRED_WRITES};
	static const char place[] = "deny";
	int r = vmt_session_enter_effect(s, place);

	if (r < 0)
		return r;
	if (s->phase != VMT_PHASE_CREATE)
		return vmt_error_set(
			&s->err, VMT_E_WRONG_PLACE, place,
			"vmt_deny_enable() is for create: later, writes that are under "
			"way would be treated in two ways");
	if (s->async_crs || s->async_msrs)
		return vmt_error_set(
			&s->err, VMT_E_INVALID, place,
			"vmt_deny_enable() cannot be used together with asynchronous CR "
			"or MSR monitors, and one is on");
	r = done(s, vmt_driver_monitor(s->driver, &deferred, true));
	if (r >= 0)
		s->deferred_writes = true;
	return r;
}

/* -------------------------------------------------------------------------------------------- */
/* Rights and views                                                                             */
/* -------------------------------------------------------------------------------------------- */

int vmt_get_access(struct vmt_session *s, vmt_view view, vmt_gfn gfn, struct vmt_access *access)
{
	int r = vmt_session_enter(s, "get_access");

	return r < 0 ? r : done(s, vmt_driver_get_access(s->driver, view, gfn, access));
}

int vmt_set_access(struct vmt_session *s, vmt_view view, vmt_gfn gfn, struct vmt_access access)
{
	return vmt_set_access_range(s, view, gfn, 1, access, NULL);
}

int vmt_set_access_range(struct vmt_session *s, vmt_view view, vmt_gfn gfn, uint64_t count,
			 struct vmt_access access, uint64_t *done_pages)
{
	uint64_t n = 0;
	int r = vmt_session_enter_effect(s, "set_access");

	if (r >= 0)
		r = done(s, vmt_driver_set_access(s->driver, view, gfn, count, access, &n));
	if (done_pages)
		*done_pages = n;
	return r;
}

int vmt_view_create(struct vmt_session *s, struct vmt_access access, vmt_view *view)
{
	int r = vmt_session_enter_effect(s, "create_view");

	return r < 0 ? r : done(s, vmt_driver_create_view(s->driver, access, view));
}

int vmt_view_destroy(struct vmt_session *s, vmt_view view)
{
	int r = vmt_session_enter_effect(s, "destroy_view");

	return r < 0 ? r : done(s, vmt_driver_destroy_view(s->driver, view));
}

int vmt_view_switch(struct vmt_session *s, vmt_view view)
{
	int r = vmt_session_enter_effect(s, "switch_view");

	if (r < 0)
		return r;
	vmt_translation_cache_flush(&s->translations);
	return done(s, vmt_driver_switch_view(s->driver, view));
}

int vmt_view_remap(struct vmt_session *s, vmt_view view, vmt_gfn from, vmt_gfn to)
{
	int r = vmt_session_enter_effect(s, "remap_gfn");

	if (r < 0)
		return r;
	vmt_translation_cache_flush(&s->translations);
	return done(s, vmt_driver_remap_gfn(s->driver, view, from, to));
}

int vmt_view_unmap(struct vmt_session *s, vmt_view view, vmt_gfn from)
{
	return vmt_view_remap(s, view, from, VMT_GFN_ANY);
}

/* -------------------------------------------------------------------------------------------- */
/* Pages, vCPUs, the domain                                                                     */
/* -------------------------------------------------------------------------------------------- */

int vmt_alloc_gfn(struct vmt_session *s, vmt_gfn *gfn)
{
	int r = vmt_session_enter_effect(s, "alloc_gfn");

	if (r < 0)
		return r;
	vmt_translation_cache_flush(&s->translations);
	return done(s, vmt_driver_alloc_gfn(s->driver, gfn));
}

int vmt_free_gfn(struct vmt_session *s, vmt_gfn gfn)
{
	int r = vmt_session_enter_effect(s, "free_gfn");

	if (r < 0)
		return r;
	vmt_translation_cache_flush(&s->translations);
	return done(s, vmt_driver_free_gfn(s->driver, gfn));
}

int vmt_get_regs(struct vmt_session *s, uint16_t vcpu, struct vmt_regs *regs)
{
	int r = vmt_session_enter(s, "get_regs");

	return r < 0 ? r : done(s, vmt_driver_get_regs(s->driver, vcpu, regs));
}

int vmt_set_regs(struct vmt_session *s, uint16_t vcpu, const struct vmt_regs *regs)
{
	int r = vmt_session_enter_effect(s, "set_regs");

	return r < 0 ? r : done(s, vmt_driver_set_regs(s->driver, vcpu, regs));
}

int vmt_inject(struct vmt_session *s, uint16_t vcpu, const struct vmt_interrupt *interrupt)
{
	int r = vmt_session_enter_effect(s, "inject");

	return r < 0 ? r : done(s, vmt_driver_inject(s->driver, vcpu, interrupt));
}

struct vmt_interrupt vmt_page_fault(vmt_gva address, uint32_t error_code)
{
	struct vmt_interrupt i = {
		.vector = 14,
		.type = VMT_INT_HW_EXCEPTION,
		.error_code = error_code,
		.extra = address.a,
	};

	return i;
}

int vmt_pause(struct vmt_session *s)
{
	int r = vmt_session_enter_effect(s, "pause");

	if (r < 0)
		return r;
	r = done(s, vmt_driver_pause(s->driver));
	if (r >= 0)
		s->pauses++;
	return r;
}

int vmt_resume(struct vmt_session *s)
{
	int r = vmt_session_enter_effect(s, "resume");

	if (r < 0)
		return r;
	if (s->pauses == 0)
		return vmt_error_set(&s->err, VMT_E_WRONG_PLACE, "resume",
				     "the handler holds no pause that could be resumed");
	r = done(s, vmt_driver_resume(s->driver));
	if (r >= 0)
		s->pauses--;
	return r;
}

struct vmt_pause_guard vmt_pause_guard_init(struct vmt_session *s)
{
	struct vmt_pause_guard guard = {.session = s, .result = vmt_pause(s)};

	return guard;
}

void vmt_pause_guard_finish(struct vmt_pause_guard *guard)
{
	/* A resume that fails leaves the pause counted: the teardown tries again and reports it. */
	if (guard->result >= 0)
		(void)vmt_resume(guard->session);
}

int vmt_events_pending(struct vmt_session *s, uint32_t *n)
{
	int r = vmt_session_enter(s, "pending");

	return r < 0 ? r : done(s, vmt_driver_pending(s->driver, n));
}

int vmt_overhead(struct vmt_session *s, uint64_t *ns)
{
	int r = vmt_session_enter(s, "overhead");

	return r < 0 ? r : done(s, vmt_driver_overhead(s->driver, ns));
}
