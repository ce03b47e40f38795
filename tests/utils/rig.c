/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A function that runs inside a handler's create.
 */
#include <stdio.h>

#include "rig.h"

#define EFER_LONG_MODE (VMT_EFER_LME | VMT_EFER_LMA | VMT_EFER_NXE)

/** Passes calls on, and lets the test act before them. */
struct hook {
	struct vmt_call_driver base;
	struct rig *rig;
};

static int hook_call(struct vmt_call_driver *d, struct vmt_call *call)
{
	struct rig *rig = ((struct hook *)d)->rig;
	int r;

	if (rig->before_call)
		rig->before_call(rig, call);
	r = vmt_call_apply(rig->scripted, call);
	d->driver.err = rig->scripted->err;
	return r;
}

static int hook_stop_fd(struct vmt_call_driver *d)
{
	return vmt_driver_stop_fd(((struct hook *)d)->rig->scripted);
}

static void hook_close(struct vmt_call_driver *d)
{
	vmt_driver_close(((struct hook *)d)->rig->scripted);
}

static const struct vmt_call_driver_ops hook_ops = {hook_call, hook_stop_fd, hook_close};

/* The interface has no argument for create; tests run one at a time. */
static struct rig *rig_now;
static rig_body *body_now;

static int create(struct vmt_session *s, void **self)
{
	const struct vmt_access all = vmt_access_from(VMT_RWX);

	*self = NULL;
	rig_now->session = s;
	assert_int_equal(vmt_view_create(s, all, &rig_now->view), 0);
	assert_int_equal(vmt_view_create(s, all, &rig_now->view2), 0);
	vmt_call_log_clear(rig_now->driver);
	vmt_fault_injector_clear(rig_now->driver);
	body_now(rig_now);
	vmt_fault_injector_clear(rig_now->driver);
	return 0;
}

static struct vmt_response handle_event(void *self, struct vmt_ctx *ctx)
{
	(void)self;
	(void)ctx;
	return vmt_respond(VMT_CONTINUE);
}

static int poll(const void *self, struct vmt_record *out)
{
	(void)self;
	(void)out;
	return 1;
}

static const struct vmt_handler_ops handler = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(handler),
	.name = "rig",
	.version = "1",
	.create = create,
	.handle_event = handle_event,
	.poll = poll,
};

void rig_run_on(const struct vmt_scripted_config *config, rig_body *body)
{
	struct rig rig = {0};
	struct hook hook = {.rig = &rig};
	struct vmt_session_config session = {.handler = &handler};
	struct vmt_outcome outcome;
	struct vmt_driver *log;
	struct vmt_error err;

	vmt_assert_ok(vmt_scripted_create(config, &rig.scripted, &err), &err);
	vmt_call_driver_init(&hook.base, &hook_ops);
	vmt_assert_ok(vmt_call_log_create(&hook.base.driver, &log, &err), &err);
	vmt_assert_ok(vmt_fault_injector_create(log, 0, &rig.driver, &err), &err);
	assert_int_equal(vmt_scripted_fill(rig.scripted, vmt_gpa_of(CODE_GFN), 0xab, 4096), 0);
	assert_int_equal(vmt_scripted_fill(rig.scripted, vmt_gpa_of(OTHER_GFN), 0xcd, 4096), 0);
	rig_now = &rig;
	body_now = body;
	session.driver = rig.driver;
	vmt_assert_ok(vmt_session_create(&session, &rig.session, &err), &err);
	vmt_session_run(rig.session, &outcome);
	vmt_assert_ended(&outcome, VMT_END_FINISHED);
	vmt_session_destroy(rig.session);
	vmt_assert_clean(rig.scripted);
	vmt_driver_close(rig.driver);
}

void rig_run(rig_body *body)
{
	rig_run_on(NULL, body);
}

void rig_fail(struct rig *rig, unsigned op, uint64_t nth, enum vmt_status status)
{
	const struct vmt_fault_rule rule = {.op = op, .nth = nth, .status = (uint32_t)status};

	vmt_fault_injector_clear(rig->driver);
	assert_int_equal(vmt_fault_injector_add(rig->driver, &rule), 0);
}

uint8_t rig_byte(struct rig *rig, vmt_gfn gfn, uint64_t offset)
{
	uint8_t byte;

	assert_int_equal(vmt_scripted_read(rig->scripted, rig_gpa(gfn, offset), &byte, 1), 0);
	return byte;
}

vmt_gfn rig_target(struct rig *rig, vmt_view view, vmt_gfn gfn)
{
	vmt_gfn to;

	assert_int_equal(vmt_scripted_view_target(rig->scripted, view, gfn, &to), 0);
	return to;
}

unsigned rig_rights(struct rig *rig, vmt_view view, vmt_gfn gfn)
{
	struct vmt_access access;

	assert_int_equal(vmt_get_access(rig->session, view, gfn, &access), 0);
	return access.rights;
}

const char *rig_calls(struct rig *rig)
{
	static char names[1024];
	size_t len = 0;

	names[0] = '\0';
	for (size_t i = 0; i < vmt_call_log_count(rig->driver, 0) && len < sizeof(names); i++) {
		const struct vmt_logged_call *call = vmt_call_log_get(rig->driver, 0, i);

		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i ? " " : "",
					vmt_call_name(call->call.op));
	}
	vmt_call_log_clear(rig->driver);
	return names;
}

static struct vmt_event event(int view, unsigned reason, uint64_t rip, uint64_t root)
{
	struct vmt_event ev = {.reason = (uint16_t)reason, .flags = VMT_EVENT_SYNC};

	if (view >= 0) {
		ev.flags |= VMT_EVENT_HAS_VIEW;
		ev.view = (vmt_view)view;
	}
	ev.regs.known = VMT_KNOWN_XEN_EVENT;
	ev.regs.gprs.rip = rip;
	ev.regs.cr0 = VMT_CR0_PE | VMT_CR0_PG;
	ev.regs.cr3 = root;
	ev.regs.cr4 = VMT_CR4_PAE;
	ev.regs.efer = EFER_LONG_MODE;
	ev.regs.cs.access = 0xa9b; /* 64-bit code */
	return ev;
}

struct vmt_event rig_int3(int view, vmt_gfn gfn, uint64_t rip, uint64_t root)
{
	struct vmt_event ev = event(view, VMT_EVENT_INTERRUPT, rip, root);

	ev.u.interrupt = (struct vmt_interrupt_event){
		.gfn = gfn,
		.interrupt = {.vector = 3,
			      .type = VMT_INT_SW_EXCEPTION,
			      .insn_length = 1,
			      .error_code = VMT_NO_ERROR_CODE},
	};
	return ev;
}

struct vmt_event rig_step(int view, vmt_gfn gfn, uint64_t rip)
{
	struct vmt_event ev = event(view, VMT_EVENT_SINGLESTEP, rip, 0);

	ev.u.step.gfn = gfn;
	return ev;
}

struct vmt_event rig_access(int view, vmt_gfn gfn, uint64_t rip, unsigned access)
{
	struct vmt_event ev = event(view, VMT_EVENT_MEMORY_ACCESS, rip, 0);

	ev.u.memory.gpa = rig_gpa(gfn, rip & VMT_PAGE_MASK);
	ev.u.memory.gva = vmt_gva_from(rip);
	ev.u.memory.access = (uint8_t)access;
	ev.u.memory.flags = VMT_MEM_GVA_VALID | VMT_MEM_AT_GVA;
	return ev;
}
