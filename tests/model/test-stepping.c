/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stepping: wanted and actual, and the fast step.
 */
#include "domain.h"

static int retire(struct domain *d)
{
	regs_of(d, 0)->gprs.rip++;
	return vmt_model_retired(d->model, 0, vmt_gfn_from(1), &d->err);
}

/* A stop for another reason than a step. */
static struct vmt_event stop(struct domain *d)
{
	assert_int_equal(touch(d, 5, VMT_W, NULL), VMT_GUEST_STOPPED);
	return take(d);
}

static struct domain *new_domain(unsigned minor)
{
	struct domain *d = domain_simple(minor);

	monitor_on(d, VMT_MONITOR_SINGLESTEP, 0, 0);
	set_rights(d, 0, 5, VMT_RX);
	return d;
}

static void start_stepping(struct domain *d)
{
	struct vmt_event ev = stop(d);

	respond(d, &ev, vmt_respond(VMT_SINGLESTEP));
	enter(d, 0);
}

static struct vmt_event step(struct domain *d)
{
	struct vmt_event ev;

	assert_int_equal(retire(d), VMT_GUEST_STOPPED);
	ev = take(d);
	assert_int_equal(ev.reason, VMT_EVENT_SINGLESTEP);
	return ev;
}

static void singlestep_arms_and_must_be_asked_for_each_time(void **state)
{
	struct domain *d = new_domain(17);
	struct vmt_event ev;

	(void)state;
	start_stepping(d);
	for (int i = 0; i < 5; i++) {
		ev = step(d);
		assert_int_equal(ev.regs.gprs.rip, 0x1001 + i);
		assert_true(vmt_model_stepping(d->model, 0));
		respond(d, &ev, vmt_respond(VMT_SINGLESTEP));
		enter(d, 0);
	}
	ev = step(d);
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	assert_false(enter(d, 0).flags & VMT_ENTRY_STEP);
	assert_false(vmt_model_stepping(d->model, 0));
	assert_int_equal(retire(d), VMT_GUEST_GOES_ON);
	no_event(d);
	domain_free(d);
}

static void any_other_action_on_a_step_event_disarms(void **state)
{
	static const uint16_t flags[] = {0, VMT_RSP_VIEW, VMT_RSP_REGS};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct domain *d = new_domain(17);
		struct vmt_response rsp = {.action = VMT_CONTINUE, .flags = flags[i]};
		struct vmt_event ev;

		start_stepping(d);
		ev = step(d);
		rsp.regs = &ev.regs.gprs;
		respond(d, &ev, rsp);
		enter(d, 0);
		assert_int_equal(retire(d), VMT_GUEST_GOES_ON);
		no_event(d);
		domain_free(d);
	}
}

static void on_other_events_stepping_stays_as_it_is(void **state)
{
	struct domain *d = new_domain(17);
	struct vmt_event ev;

	(void)state;
	ev = stop(d);
	respond(d, &ev, vmt_respond(VMT_CONTINUE)); /* off stays off */
	enter(d, 0);
	assert_false(vmt_model_stepping(d->model, 0));
	start_stepping(d);
	ev = stop(d); /* the stepped instruction violates before it is done */
	respond(d, &ev, vmt_respond(VMT_CONTINUE)); /* on stays on */
	enter(d, 0);
	assert_true(vmt_model_stepping(d->model, 0));
	ev = stop(d);
	respond(d, &ev, vmt_respond(VMT_EMULATE));
	enter(d, 0);
	assert_true(vmt_model_stepping(d->model, 0));
	ev = stop(d);
	respond(d, &ev, vmt_respond(VMT_SINGLESTEP)); /* twice is once, not a toggle */
	enter(d, 0);
	step(d);
	domain_free(d);
}

/* [step-without-monitor] */
static void without_the_monitor_singlestep_is_refused(void **state)
{
	struct domain *d = domain_simple(20);
	struct vmt_event ev;

	(void)state;
	set_rights(d, 0, 5, VMT_RX);
	ev = stop(d);
	refused(d, &ev, vmt_respond(VMT_SINGLESTEP), VMT_E_NOT_SUPPORTED, "VMT_MONITOR_SINGLESTEP");
	domain_free(d);
}

/* [step-monitor-off]: Xen would step on in silence */
static void switching_the_monitor_off_ends_stepping(void **state)
{
	struct domain *d = new_domain(17);
	struct vmt_event ev;

	(void)state;
	start_stepping(d);
	monitor_off(d, VMT_MONITOR_SINGLESTEP, 0);
	assert_false(vmt_model_stepping(d->model, 0));
	assert_int_equal(retire(d), VMT_GUEST_GOES_ON);

	monitor_on(d, VMT_MONITOR_SINGLESTEP, 0, 0); /* between answer and commit */
	ev = stop(d);
	answer(d, &ev, vmt_respond(VMT_SINGLESTEP));
	monitor_off(d, VMT_MONITOR_SINGLESTEP, 0);
	commit(d);
	assert_false(vmt_model_stepping(d->model, 0));
	domain_free(d);
}

static void each_vcpu_steps_for_itself(void **state)
{
	struct domain *d = domain_new(17, VMT_CPU_VMX, 2, 0);
	struct vmt_event ev;

	(void)state;
	monitor_on(d, VMT_MONITOR_SINGLESTEP, 0, 0);
	set_rights(d, 0, 5, VMT_RX);
	touch_by(d, 1, 5, VMT_W, 0, NULL);
	ev = take(d);
	respond(d, &ev, vmt_respond(VMT_SINGLESTEP));
	assert_false(vmt_model_stepping(d->model, 0));
	assert_true(vmt_model_stepping(d->model, 1));
	assert_int_equal(vmt_model_retired(d->model, 0, vmt_gfn_from(1), &d->err),
			 VMT_GUEST_GOES_ON);
	assert_int_equal(vmt_model_retired(d->model, 1, vmt_gfn_from(1), &d->err),
			 VMT_GUEST_STOPPED);
	domain_free(d);
}

/* Xen would end the stepping with the fast step, and nobody would know. */
static void a_fast_step_on_a_stepped_vcpu_stopped_for_another_reason_is_refused(void **state)
{
	struct domain *d = new_domain(19);
	vmt_view view = make_view(d, VMT_RWX);
	struct vmt_event ev;

	(void)state;
	start_stepping(d);
	ev = stop(d);
	refused(d, &ev, vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), view), VMT_E_NOT_SUPPORTED,
		"being single-stepped");
	respond(d, &ev, vmt_with_view(vmt_respond(VMT_SINGLESTEP), view));
	enter(d, 0);
	ev = step(d);
	respond(d, &ev, vmt_with_view(vmt_respond(VMT_SINGLESTEP), 0));
	domain_free(d);
}

static void a_fast_step_goes_back_to_the_events_view(void **state)
{
	struct domain *d = domain_simple(19);
	vmt_view view = make_view(d, VMT_RWX);
	struct vmt_event ev;

	(void)state;
	set_rights(d, view, 5, VMT_RX);
	switch_view(d, view);
	ev = stop(d);
	switch_view(d, 0); /* meanwhile */
	respond(d, &ev, vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0));
	enter(d, 0);
	retire(d);
	assert_int_equal(vmt_model_view_of(d->model, 0), view);
	domain_free(d);
}

static void an_event_during_a_fast_step_leaves_it_under_way(void **state)
{
	struct domain *d = new_domain(19);
	vmt_view view = make_view(d, VMT_RWX);
	struct vmt_event ev;

	(void)state;
	set_rights(d, view, 6, VMT_RX);
	ev = stop(d);
	respond(d, &ev, vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), view));
	enter(d, 0);
	assert_int_equal(touch(d, 6, VMT_W, NULL), VMT_GUEST_STOPPED);
	ev = take(d);
	assert_int_equal(ev.view, view);
	set_rights(d, view, 6, VMT_RWX);
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	enter(d, 0);
	assert_int_equal(retire(d), VMT_GUEST_GOES_ON);
	assert_int_equal(vmt_model_view_of(d->model, 0), 0);
	no_event(d);
	domain_free(d);
}

static void singlestep_takes_the_place_of_a_fast_step_under_way(void **state)
{
	struct domain *d = new_domain(19);
	vmt_view view = make_view(d, VMT_RWX);
	struct vmt_event ev;

	(void)state;
	set_rights(d, view, 6, VMT_RX);
	ev = stop(d);
	respond(d, &ev, vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), view));
	enter(d, 0);
	touch(d, 6, VMT_W, NULL);
	ev = take(d);
	set_rights(d, view, 6, VMT_RWX);
	respond(d, &ev, vmt_respond(VMT_SINGLESTEP));
	enter(d, 0);
	ev = step(d);
	assert_int_equal(ev.view, view);
	domain_free(d);
}

static void a_fast_step_shows_in_the_footprint_while_it_lasts(void **state)
{
	struct domain *d = domain_simple(19);
	vmt_view from = make_view(d, VMT_RWX);
	struct vmt_event ev;

	(void)state;
	set_rights(d, from, 5, VMT_RX);
	switch_view(d, from);
	ev = stop(d);
	respond(d, &ev, vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0));
	assert_string_equal(footprint(d, 2), "stepping vcpu 0 fast, back to view 1");
	enter(d, 0);
	retire(d);
	assert_string_equal(footprint(d, 2), "in-view vcpu 0 view 1");
	assert_string_equal(footprint(d, 3), "");
	domain_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(singlestep_arms_and_must_be_asked_for_each_time),
		cmocka_unit_test(any_other_action_on_a_step_event_disarms),
		cmocka_unit_test(on_other_events_stepping_stays_as_it_is),
		cmocka_unit_test(without_the_monitor_singlestep_is_refused),
		cmocka_unit_test(switching_the_monitor_off_ends_stepping),
		cmocka_unit_test(each_vcpu_steps_for_itself),
		cmocka_unit_test(
			a_fast_step_on_a_stepped_vcpu_stopped_for_another_reason_is_refused),
		cmocka_unit_test(a_fast_step_goes_back_to_the_events_view),
		cmocka_unit_test(an_event_during_a_fast_step_leaves_it_under_way),
		cmocka_unit_test(singlestep_takes_the_place_of_a_fast_step_under_way),
		cmocka_unit_test(a_fast_step_shows_in_the_footprint_while_it_lasts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
