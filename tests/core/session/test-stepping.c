/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stepping as a handler sees it. Xen's flag is a toggle; a handler says what it wants, and nothing
 * depends on what was before.
 */
#include "world.h"

#define CODE VMT_SCRIPTED_RIP

static void must(int r)
{
	assert_true(r >= 0);
}

static vmt_view other_view;

/* Page 8 may be written in the other view only. */
static int watch_steps(struct vmt_session *s)
{
	must(watch_cpuid(s));
	must(vmt_monitor(s, VMT_MONITOR_SINGLESTEP));
	must(vmt_view_create(s, vmt_access_from(VMT_RWX), &other_view));
	must(vmt_set_access(s, 0, vmt_gfn_from(8), vmt_access_from(VMT_R)));
	must(vmt_set_access(s, other_view, vmt_gfn_from(8), vmt_access_from(VMT_RWX)));
	return 0;
}

/* What the handler answers to its events, in their order; then continue. */
static uint16_t actions[16];

/* Notes reason and RIP of each event. */
static struct vmt_response answer_in_order(struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	struct vmt_response rsp = answer_plainly(ctx);

	note(ev->reason);
	note(ev->regs.gprs.rip - CODE);
	rsp.action = probe.events <= COUNT(actions) ? actions[probe.events - 1] : VMT_CONTINUE;
	if (rsp.action == VMT_FAST_SINGLESTEP)
		rsp = vmt_with_view(rsp, other_view);
	return rsp;
}

static void run_with(struct world *w, const uint16_t *answers, size_t n)
{
	memset(actions, 0, sizeof(actions));
	memcpy(actions, answers, n * sizeof(actions[0]));
	probe.create = watch_steps;
	probe.event = answer_in_order;
	world_run(w);
}

#define RUN(w, ...) \
	run_with((w), (const uint16_t[]){__VA_ARGS__}, COUNT(((const uint16_t[]){__VA_ARGS__})))

/* The events were these: reason and RIP (from the first instruction on) each. */
static void assert_events(const uint64_t *expected, size_t n)
{
	assert_int_equal(probe.nnoted, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(probe.noted[i], expected[i]);
}

#define ASSERT_EVENTS(...) \
	assert_events((const uint64_t[]){__VA_ARGS__}, COUNT(((const uint64_t[]){__VA_ARGS__})))

#define CPUID VMT_EVENT_CPUID
#define STEP  VMT_EVENT_SINGLESTEP
#define WRITE VMT_EVENT_MEMORY_ACCESS

/* CPUID (2 bytes) and three NOPs. */
static void open_with_nops(struct world *w)
{
	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_INSN_NOP(0, 0), VMT_INSN_NOP(0, 0),
		   VMT_INSN_NOP(0, 0));
}

static void singlestep_arms(void **state)
{
	struct world *w = *state;

	open_with_nops(w);
	RUN(w, VMT_SINGLESTEP);
	assert_int_equal(w->result, 0);
	ASSERT_EVENTS(CPUID, 0, STEP, 3);
}

static void singlestep_on_each_step_event_goes_on(void **state)
{
	struct world *w = *state;

	open_with_nops(w);
	RUN(w, VMT_SINGLESTEP, VMT_SINGLESTEP, VMT_SINGLESTEP, VMT_SINGLESTEP);
	assert_int_equal(w->result, 0);
	ASSERT_EVENTS(CPUID, 0, STEP, 3, STEP, 4, STEP, 5);
	vmt_assert_clean(w->driver);
}

static void another_action_on_a_step_event_disarms(void **state)
{
	struct world *w = *state;

	open_with_nops(w);
	RUN(w, VMT_SINGLESTEP, VMT_SINGLESTEP, VMT_CONTINUE);
	assert_int_equal(w->result, 0);
	ASSERT_EVENTS(CPUID, 0, STEP, 3, STEP, 4);
}

static void stepping_can_be_armed_again(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_INSN_NOP(0, 0), VMT_INSN_CPUID(0, 0, 1, 0),
		   VMT_INSN_NOP(0, 0));
	RUN(w, VMT_SINGLESTEP, VMT_CONTINUE, VMT_SINGLESTEP);
	assert_int_equal(w->result, 0);
	ASSERT_EVENTS(CPUID, 0, STEP, 3, CPUID, 3, STEP, 6);
}

/* Stepped up to a CPUID, whose own event is then answered with continue. */
static void on_other_events_stepping_stays_on(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_INSN_NOP(0, 0), VMT_INSN_CPUID(0, 0, 1, 0),
		   VMT_INSN_NOP(0, 0), VMT_INSN_NOP(0, 0));
	RUN(w, VMT_SINGLESTEP, VMT_SINGLESTEP, VMT_CONTINUE);
	assert_int_equal(w->result, 0);
	ASSERT_EVENTS(CPUID, 0, STEP, 3, CPUID, 3, STEP, 6);
}

static void on_other_events_stepping_stays_off(void **state)
{
	struct world *w = *state;

	open_with_nops(w);
	RUN(w, VMT_CONTINUE);
	assert_int_equal(w->result, 0);
	ASSERT_EVENTS(CPUID, 0);
}

/* Sent once more as a toggle, it would switch stepping off. */
static void singlestep_while_stepping_is_no_toggle(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_INSN_NOP(0, 0), VMT_INSN_CPUID(0, 0, 1, 0),
		   VMT_INSN_NOP(0, 0), VMT_INSN_NOP(0, 0));
	RUN(w, VMT_SINGLESTEP, VMT_SINGLESTEP, VMT_SINGLESTEP, VMT_SINGLESTEP);
	assert_int_equal(w->result, 0);
	ASSERT_EVENTS(CPUID, 0, STEP, 3, CPUID, 3, STEP, 6, STEP, 7);
}

static void each_vcpu_is_stepped_by_itself(void **state)
{
	struct world *w = *state;
	struct vmt_scripted_config config = {.vcpus = 2};

	world_open(w, &config);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_INSN_NOP(0, 0), VMT_WORLD_SYNC(),
		   VMT_INSN_CPUID(1, 0x2000, 1, 0), VMT_INSN_NOP(1, 0), VMT_INSN_NOP(0, 0));
	RUN(w, VMT_SINGLESTEP, VMT_SINGLESTEP);
	assert_int_equal(w->result, 0);
	/* vCPU 0 steps on; vCPU 1 has its CPUID and no step. The order of the last two is open. */
	assert_int_equal(probe.events, 4);
	for (size_t i = 0; i < 4; i++) {
		const struct vmt_event *ev =
			vmt_collector_callback(w->seen, VMT_CALLBACK_EVENT, i)->callback.event;

		if (ev->vcpu == 1)
			assert_int_equal(ev->reason, VMT_EVENT_CPUID);
	}
}

static int watch_cpuid_only(struct vmt_session *s)
{
	return watch_cpuid(s);
}

/* The vCPU would step, and nobody would know. */
static void singlestep_without_its_monitor_is_refused(void **state)
{
	struct world *w = *state;

	open_with_nops(w);
	memset(actions, 0, sizeof(actions));
	actions[0] = VMT_SINGLESTEP;
	probe.create = watch_cpuid_only;
	probe.event = answer_in_order;
	assert_int_equal(world_run(w), -VMT_E_NOT_SUPPORTED);
	vmt_assert_ended(&w->outcome, VMT_END_HANDLER_FAILED);
	vmt_assert_clean(w->driver);
}

/* -------------------------------------------------------------------------------------------- */
/* Fast steps                                                                                   */
/* -------------------------------------------------------------------------------------------- */

static const uint8_t byte = 0x77;

#define INSN_WRITE_PAGE_8 VMT_INSN_WRITE(0, 0, 0x8000, &byte, 1)

static int note_the_view(struct vmt_driver *d, void *arg)
{
	vmt_view view = 99;

	(void)arg;
	must(vmt_scripted_vcpu_view(d, 0, &view));
	note(view);
	return 0;
}

/* Where the n-th instruction of the script began, from the first one on. */
static uint64_t rip_of_event(struct world *w, size_t n)
{
	return vmt_collector_callback(w->seen, VMT_CALLBACK_EVENT, n)
		       ->callback.event->regs.gprs.rip -
	       CODE;
}

/* The write is done in the other view; the next one is forbidden again, and no step is told of. */
static void a_fast_step_executes_one_instruction_in_the_view_without_an_event(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, INSN_WRITE_PAGE_8, VMT_WORLD_CALL(note_the_view, w), INSN_WRITE_PAGE_8);
	RUN(w, VMT_FAST_SINGLESTEP, VMT_FAST_SINGLESTEP);
	assert_int_equal(w->result, 0);
	assert_int_equal(probe.nnoted, 5);
	assert_int_equal(probe.noted[0], WRITE);
	assert_int_equal(probe.noted[2], 0); /* back in view 0 */
	assert_int_equal(probe.noted[3], WRITE);
	assert_true(rip_of_event(w, 1) > rip_of_event(w, 0));
	vmt_assert_memory(w->driver, vmt_gpa_from(0x8000), byte);
	vmt_assert_clean(w->driver);
}

/* On Xen, the toggle would win over the fast step: stepping off, and the vCPU left in the view. */
static void a_fast_step_on_a_step_event_is_done_rightly(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_INSN_NOP(0, 0), INSN_WRITE_PAGE_8,
		   VMT_WORLD_CALL(note_the_view, w), VMT_INSN_NOP(0, 0), INSN_WRITE_PAGE_8);
	RUN(w, VMT_SINGLESTEP, VMT_FAST_SINGLESTEP, VMT_FAST_SINGLESTEP);
	assert_int_equal(w->result, 0);
	/* CPUID, step, (the first write in the view,) the view, the second write. No more steps. */
	assert_int_equal(probe.events, 3);
	assert_int_equal(probe.nnoted, 7);
	assert_int_equal(probe.noted[2], STEP);
	assert_int_equal(probe.noted[4], 0);
	assert_int_equal(probe.noted[5], WRITE);
	vmt_assert_clean(w->driver);
}

/* Stepping and stopped for another reason: it would end the stepping silently. */
static void a_fast_step_while_stepping_is_refused_on_other_events(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_INSN_NOP(0, 0), INSN_WRITE_PAGE_8);
	RUN(w, VMT_SINGLESTEP, VMT_SINGLESTEP, VMT_FAST_SINGLESTEP);
	assert_int_equal(w->result, -VMT_E_NOT_SUPPORTED);
	vmt_assert_ended(&w->outcome, VMT_END_HANDLER_FAILED);
	assert_int_equal(probe.events, 3);
	vmt_assert_clean(w->driver);
}

static struct vmt_response fast_step_without_a_view(struct vmt_ctx *ctx)
{
	(void)ctx;
	return vmt_respond(VMT_FAST_SINGLESTEP);
}

static void a_fast_step_without_a_view_is_refused(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 1);
	probe.event = fast_step_without_a_view;
	assert_int_equal(world_run(w), -VMT_E_INVALID);
	vmt_assert_ended(&w->outcome, VMT_END_HANDLER_FAILED);
	vmt_assert_clean(w->driver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(singlestep_arms),
		WORLD_TEST(singlestep_on_each_step_event_goes_on),
		WORLD_TEST(another_action_on_a_step_event_disarms),
		WORLD_TEST(stepping_can_be_armed_again),
		WORLD_TEST(on_other_events_stepping_stays_on),
		WORLD_TEST(on_other_events_stepping_stays_off),
		WORLD_TEST(singlestep_while_stepping_is_no_toggle),
		WORLD_TEST(each_vcpu_is_stepped_by_itself),
		WORLD_TEST(singlestep_without_its_monitor_is_refused),
		WORLD_TEST(a_fast_step_executes_one_instruction_in_the_view_without_an_event),
		WORLD_TEST(a_fast_step_on_a_step_event_is_done_rightly),
		WORLD_TEST(a_fast_step_while_stepping_is_refused_on_other_events),
		WORLD_TEST(a_fast_step_without_a_view_is_refused),
	};

	return cmocka_run_group_tests_name("stepping", tests, NULL, NULL);
}
