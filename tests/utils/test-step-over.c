/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stepping over an instruction that something stopped.
 */
#include <vmitape/step-over.h>

#include "narrow.h"
#include "rig.h"

#define AT(n)  (VMT_SCRIPTED_RIP + UINT64_C(0x10) * (n))
#define SECRET UINT64_C(0x20000)

/* -------------------------------------------------------------------------------------------- */
/* A handler that steps over accesses to one page                                               */
/* -------------------------------------------------------------------------------------------- */

/** What a test says; the interface has no argument for create, and tests run one at a time. */
static struct {
	bool in_plain_view; /**< restrict the page in the very view that is stepped over in */
	bool slowly;
	bool forget;    /**< the view goes while the vCPU is stepped over */
	bool monitored; /**< the single-step monitor is on before */
} plan;

static struct {
	struct vmt_step_over *over;
	unsigned accesses, ends, strange;
	vmt_view view;
} seen;

static int create(struct vmt_session *s, void **self)
{
	int r = vmt_view_create(s, vmt_access_from(VMT_RWX), &seen.view);

	*self = &seen;
	if (r >= 0 && plan.monitored)
		r = vmt_monitor(s, VMT_MONITOR_SINGLESTEP);
	if (r >= 0)
		r = vmt_step_over_create(s, plan.in_plain_view ? seen.view : 0, &seen.over);
	if (r >= 0)
		r = vmt_set_access(s, seen.view, vmt_gfn_of(vmt_gpa_from(SECRET)),
				   vmt_access_from(VMT_X));
	return r >= 0 ? vmt_view_switch(s, seen.view) : r;
}

static struct vmt_response handle_event(void *self, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	struct vmt_response response;

	(void)self;
	if (vmt_step_over_event(seen.over, ctx, &response)) {
		seen.ends++;
		return response;
	}
	if (ev->reason != VMT_EVENT_MEMORY_ACCESS) {
		seen.strange++;
		return vmt_respond(VMT_CONTINUE);
	}
	seen.accesses++;
	response =
		plan.slowly ? vmt_step_over_slowly(seen.over, ctx) : vmt_step_over(seen.over, ctx);
	if (plan.forget)
		vmt_step_over_forget_view(seen.over, seen.view);
	return response;
}

static const struct vmt_handler_ops handler = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(handler),
	.name = "stepper",
	.version = "1",
	.create = create,
	.handle_event = handle_event,
};

/** Run the handler over two accesses; with @slow the domain has no fast steps. */
static struct vmt_outcome run(bool slow, vmt_view *at_end)
{
	static const struct vmt_step steps[] = {
		VMT_INSN_READ(0, AT(0), SECRET, 4),
		VMT_INSN_WRITE(0, AT(1), SECRET, "\x11", 1),
		VMT_INSN_NOP(0, AT(2)),
	};
	struct vmt_driver *scripted, *d;
	struct vmt_outcome outcome;
	struct vmt_error err;
	vmt_view view = 0;

	memset(&seen, 0, sizeof(seen));
	vmt_assert_ok(vmt_scripted_create(NULL, &scripted, &err), &err);
	vmt_assert_ok(vmt_scripted_play(scripted, steps, 3, &err), &err);
	d = narrow(scripted, slow ? VMT_CAP_FAST_SINGLESTEP : 0);
	assert_non_null(d);
	{
		const struct vmt_session_config config = {.driver = d, .handler = &handler};
		struct vmt_session *s;

		vmt_assert_ok(vmt_session_create(&config, &s, &err), &err);
		if (vmt_session_begin(s) == 1)
			while (vmt_session_step(s) == 1)
				vmt_scripted_vcpu_view(scripted, 0, &view);
		vmt_session_end(s, &outcome);
		vmt_session_destroy(s);
	}
	if (outcome.end == VMT_END_GONE)
		vmt_assert_memory(scripted, vmt_gpa_from(SECRET), 0x11);
	vmt_assert_clean(scripted);
	vmt_step_over_destroy(seen.over);
	vmt_driver_close(d);
	if (at_end)
		*at_end = view;
	return outcome;
}

/* -------------------------------------------------------------------------------------------- */
/* Tests                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static void a_fast_step_needs_no_event(void **state)
{
	struct vmt_outcome outcome;

	(void)state;
	memset(&plan, 0, sizeof(plan));
	outcome = run(false, NULL);
	vmt_assert_ended(&outcome, VMT_END_GONE);
	assert_int_equal(seen.accesses, 2);
	assert_int_equal(seen.ends, 0);
	assert_int_equal(seen.strange, 0);
}

static void without_fast_steps_a_single_step_brings_the_vcpu_back(void **state)
{
	struct vmt_outcome outcome;

	(void)state;
	memset(&plan, 0, sizeof(plan));
	outcome = run(true, NULL);
	vmt_assert_ended(&outcome, VMT_END_GONE);
	assert_int_equal(seen.accesses, 2);
	assert_int_equal(seen.ends, 2);
	assert_int_equal(seen.strange, 0);
}

static void who_needs_to_be_called_steps_slowly(void **state)
{
	struct vmt_outcome outcome;

	(void)state;
	memset(&plan, 0, sizeof(plan));
	plan.slowly = true;
	outcome = run(false, NULL);
	vmt_assert_ended(&outcome, VMT_END_GONE);
	assert_int_equal(seen.ends, 2);
}

static void a_monitor_that_is_on_is_taken(void **state)
{
	struct vmt_outcome outcome;

	(void)state;
	memset(&plan, 0, sizeof(plan));
	plan.monitored = true;
	outcome = run(true, NULL);
	vmt_assert_ended(&outcome, VMT_END_GONE);
	assert_int_equal(seen.ends, 2);
}

static void a_step_in_the_view_that_stops_is_refused(void **state)
{
	struct vmt_outcome outcome;

	(void)state;
	memset(&plan, 0, sizeof(plan));
	plan.in_plain_view = true;
	outcome = run(false, NULL);
	vmt_assert_ended(&outcome, VMT_END_HANDLER_FAILED);
	assert_non_null(strstr(outcome.error.text, "restrict pages in another view"));
}

static void a_view_that_goes_is_not_gone_back_to(void **state)
{
	struct vmt_outcome outcome;
	vmt_view view = 1;

	(void)state;
	memset(&plan, 0, sizeof(plan));
	plan.slowly = plan.forget = true;
	outcome = run(false, &view);
	vmt_assert_ended(&outcome, VMT_END_GONE);
	assert_int_equal(seen.accesses, 1);
	assert_int_equal(view, 0);
}

static void the_manager_of_steps_takes_null(void **state)
{
	(void)state;
	vmt_step_over_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fast_step_needs_no_event),
		cmocka_unit_test(without_fast_steps_a_single_step_brings_the_vcpu_back),
		cmocka_unit_test(who_needs_to_be_called_steps_slowly),
		cmocka_unit_test(a_monitor_that_is_on_is_taken),
		cmocka_unit_test(a_step_in_the_view_that_stops_is_refused),
		cmocka_unit_test(a_view_that_goes_is_not_gone_back_to),
		cmocka_unit_test(the_manager_of_steps_takes_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
