/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The drain: events that were on their way when the session ended. The same handler answers them,
 * but the domain has been put right, and nothing may change it any more.
 */
#include "plain.h"
#include "world.h"

static void must(int r)
{
	assert_true(r >= 0);
}

/* Two vCPUs, done at the first event: the second's is drained. */
static void run_into_the_drain(struct world *w)
{
	world_open_batch(w, 2);
	probe.finish_after = 1;
	world_run(w);
	assert_int_equal(probe.drained, 1);
}

static bool draining(struct vmt_ctx *ctx)
{
	return vmt_phase_of(ctx) == VMT_PHASE_DRAIN;
}

/* -------------------------------------------------------------------------------------------- */
/* Who answers                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_response note_phase_and_leaf(struct vmt_ctx *ctx)
{
	note((uint64_t)vmt_phase_of(ctx));
	note(vmt_event_of(ctx)->u.cpuid.leaf);
	return vmt_skip(ctx);
}

static void events_are_drained_to_the_same_handler_with_phase_drain(void **state)
{
	struct world *w = *state;
	const struct vmt_collected_callback *last;

	probe.event = note_phase_and_leaf;
	run_into_the_drain(w);
	assert_int_equal(w->result, 0);
	assert_int_equal(probe.nnoted, 4);
	assert_int_equal(probe.noted[0], VMT_PHASE_LOOP);
	assert_int_equal(probe.noted[1], 0);
	assert_int_equal(probe.noted[2], VMT_PHASE_DRAIN);
	assert_int_equal(probe.noted[3], 1);
	last = vmt_collector_callback(w->seen, VMT_CALLBACK_EVENT, 1);
	assert_int_equal(last->callback.phase, VMT_PHASE_DRAIN);
}

static void the_ring_is_drained_until_it_is_empty(void **state)
{
	struct world *w = *state;
	uint32_t pending = 1;

	world_open_batch(w, 8);
	probe.finish_after = 1;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.drained, 7);
	assert_int_equal(vmt_driver_pending(w->domain, &pending), 0);
	assert_int_equal(pending, 0);
	vmt_assert_clean(w->driver);
}

static struct vmt_response fail_at_the_first(struct vmt_ctx *ctx)
{
	return draining(ctx) ? vmt_skip(ctx) : vmt_fail(ctx, "no more");
}

static void a_handler_that_failed_answers_in_the_drain_too(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 3);
	probe.event = fail_at_the_first;
	assert_int_equal(world_run(w), -VMT_E_HANDLER);
	vmt_assert_ended(&w->outcome, VMT_END_HANDLER_FAILED);
	assert_int_equal(probe.drained, 2);
	assert_int_equal(vmt_collector_ndefaults(w->seen), 1);
	vmt_assert_clean(w->driver);
}

/* An event of each reason, as soon as the reset is done, with a create that failed. */
static const uint16_t reasons[] = {
	VMT_EVENT_MEMORY_ACCESS,  VMT_EVENT_WRITE_CR,   VMT_EVENT_WRITE_MSR,
	VMT_EVENT_INTERRUPT,      VMT_EVENT_SINGLESTEP, VMT_EVENT_HYPERCALL,
	VMT_EVENT_CPUID,          VMT_EVENT_IO,         VMT_EVENT_DESCRIPTOR,
	VMT_EVENT_NEXT_INTERRUPT, VMT_EVENT_VMEXIT,     VMT_EVENT_EMUL_UNIMPLEMENTED,
	VMT_EVENT_UNKNOWN,
};

static struct {
	unsigned taken, answered;
	struct vmt_response answers[COUNT(reasons)];
} ring;

static int events_of_each_reason(struct plain *p, struct vmt_call *call)
{
	if (call->op == VMT_CALL_NEXT && p->counts[VMT_CALL_RESET] > 0 &&
	    ring.taken < COUNT(reasons)) {
		*call->u.next.event = (struct vmt_event){.reason = reasons[ring.taken],
							 .ticket = ring.taken + 1,
							 .flags = VMT_EVENT_SYNC};
		ring.taken++;
		return 1;
	}
	if (call->op == VMT_CALL_ANSWER) {
		assert_int_equal(call->u.answer.event->ticket, ring.answered + 1);
		ring.answers[ring.answered++] = *call->u.answer.response;
		return 0;
	}
	return PLAIN_ELSE;
}

static unsigned events_seen;

static int create_fails(struct vmt_session *s, void **self)
{
	(void)self;
	return vmt_session_fail(s, "no");
}

static struct vmt_response count_the_event(void *self, struct vmt_ctx *ctx)
{
	(void)self;
	(void)ctx;
	events_seen++;
	return vmt_respond(VMT_CONTINUE);
}

static const struct vmt_handler_ops failing_handler = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(struct vmt_handler_ops),
	.name = "failing",
	.version = "1",
	.create = create_fails,
	.handle_event = count_the_event,
};

static void without_a_handler_events_get_the_default_answers(void **state)
{
	struct plain p;
	struct vmt_session_config config = {.driver = &p.base.driver, .handler = &failing_handler};
	struct vmt_session *s;
	struct vmt_outcome outcome;
	struct vmt_error err;

	(void)state;
	memset(&ring, 0, sizeof(ring));
	events_seen = 0;
	plain_init(&p, events_of_each_reason, false);
	vmt_assert_ok(vmt_session_create(&config, &s, &err), &err);
	assert_int_equal(vmt_session_run(s, &outcome), -VMT_E_HANDLER);
	vmt_session_destroy(s);
	assert_int_equal(outcome.end, VMT_END_CREATE_FAILED);
	assert_int_equal(events_seen, 0);
	assert_int_equal(ring.answered, COUNT(reasons));
	for (size_t i = 0; i < COUNT(reasons); i++) {
		struct vmt_event ev = {.reason = reasons[i], .flags = VMT_EVENT_SYNC};
		struct vmt_gprs gprs;
		struct vmt_response expected = vmt_default_answer(&ev, &gprs);

		assert_int_equal(ring.answers[i].action, expected.action);
		assert_int_equal(ring.answers[i].flags, expected.flags);
	}
}

static void poll_is_not_called_in_the_drain(void **state)
{
	struct world *w = *state;

	run_into_the_drain(w);
	assert_string_equal(world_teardown_story(w, STORY_HANDLER), "cleanup event destroy");
}

/* -------------------------------------------------------------------------------------------- */
/* What is honoured                                                                             */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_response in_the_drain;
static vmt_view a_view;

static int create_a_view(struct vmt_session *s)
{
	must(watch_cpuid(s));
	must(vmt_monitor(s, VMT_MONITOR_SINGLESTEP));
	return vmt_view_create(s, vmt_access_from(VMT_RWX), &a_view);
}

/* The response under test, with RIP past the CPUID. */
static struct vmt_response answer_under_test(struct vmt_ctx *ctx)
{
	struct vmt_response rsp = vmt_skip(ctx);

	if (!draining(ctx))
		return rsp;
	rsp.action = in_the_drain.action;
	rsp.flags |= in_the_drain.flags;
	rsp.data = in_the_drain.data;
	rsp.data_len = in_the_drain.data_len;
	rsp.view = in_the_drain.flags & VMT_RSP_VIEW ? a_view : 0;
	return rsp;
}

static const uint8_t nop[] = {0x90};

static const struct vmt_response not_honoured[] = {
	{.action = VMT_SINGLESTEP},
	{.action = VMT_FAST_SINGLESTEP, .flags = VMT_RSP_VIEW},
	{.action = VMT_EMULATE},
	{.action = VMT_EMULATE_NOWRITE},
	{.action = VMT_EMULATE_READ, .data = nop, .data_len = 1},
	{.action = VMT_EMULATE_INSN, .data = nop, .data_len = 1},
	{.action = VMT_DENY},
	{.action = VMT_CONTINUE, .flags = VMT_RSP_VIEW},
	{.action = VMT_CONTINUE, .flags = VMT_RSP_NEXT_INTERRUPT},
};

/* Each becomes a continue with the registers, and the domain is clean. */
static void other_actions_views_and_next_interrupts_are_not_honoured_in_the_drain(void **state)
{
	struct world *w = *state;
	for (size_t i = 0; i < COUNT(not_honoured); i++) {
		world_renew(w);
		in_the_drain = not_honoured[i];
		probe.create = create_a_view;
		probe.event = answer_under_test;
		run_into_the_drain(w);
		assert_int_equal(w->result, 0);
		assert_int_equal(world_answer(w, 1)->action, VMT_CONTINUE);
		assert_int_equal(world_answer(w, 1)->flags, VMT_RSP_REGS);
		assert_int_equal(world_answer(w, 1)->data_len, 0);
		assert_int_equal(world_gprs(w, 1).rip, 2 * VMT_SCRIPTED_RIP + 2);
		vmt_assert_clean(w->driver);
	}
}

static struct vmt_response set_rbx_in_the_drain(struct vmt_ctx *ctx)
{
	if (draining(ctx))
		vmt_gprs_of(ctx)->rbx = 0x5eed;
	return vmt_skip(ctx);
}

static void continue_and_registers_are_honoured_in_the_drain(void **state)
{
	struct world *w = *state;

	probe.event = set_rbx_in_the_drain;
	run_into_the_drain(w);
	assert_int_equal(w->result, 0);
	assert_int_equal(world_gprs(w, 1).rbx, 0x5eed);
	assert_int_not_equal(world_gprs(w, 0).rbx, 0x5eed);
	assert_int_equal(world_gprs(w, 1).rip, 2 * VMT_SCRIPTED_RIP + 2);
}

static int watch_exceptions(struct vmt_session *s)
{
	must(vmt_monitor(s, VMT_MONITOR_BREAKPOINT));
	return vmt_monitor(s, VMT_MONITOR_DEBUG);
}

static struct vmt_response reinject(struct vmt_ctx *ctx)
{
	(void)ctx;
	return vmt_respond(VMT_REINJECT);
}

static void reinject_is_honoured_in_the_drain(void **state)
{
	struct world *w = *state;
	struct vmt_scripted_config config = {.vcpus = 2};

	world_open(w, &config);
	WORLD_PLAY(w, VMT_INSN_DEBUG(0, 0, 0, 1), VMT_INSN_INT3(1, 0x2000));
	probe.create = watch_exceptions;
	probe.event = reinject;
	probe.finish_after = 1;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.drained, 1);
	vmt_assert_delivered(w->driver, 1, 1);
	vmt_assert_delivered(w->driver, 3, 1);
	assert_int_equal(world_answer(w, 1)->action, VMT_REINJECT);
	vmt_assert_clean(w->driver);
}

/* -------------------------------------------------------------------------------------------- */
/* What can still be done                                                                       */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_response read_in_the_drain(struct vmt_ctx *ctx)
{
	struct vmt_session *s = vmt_session_of(ctx);
	struct vmt_access access;
	struct vmt_regs regs;
	uint32_t pending;
	uint8_t byte = 0;

	if (draining(ctx)) {
		must(vmt_read_u8(s, VMT_PHYS, VMT_SCRIPTED_RIP, &byte));
		note(byte);
		must(vmt_get_regs(s, 1, &regs));
		must(vmt_get_access(s, 0, vmt_gfn_from(1), &access));
		must(vmt_events_pending(s, &pending));
		must(vmt_emit(s, &seen_schema, &(struct vmt_value){.type = VMT_U64, .v.u = 5}, 1));
	}
	return vmt_skip(ctx);
}

static void the_domain_can_be_read_in_the_drain(void **state)
{
	struct world *w = *state;

	probe.event = read_in_the_drain;
	run_into_the_drain(w);
	assert_int_equal(w->result, 0);
	assert_int_equal(probe.noted[0], 0x0f); /* of 0F A2 */
	vmt_assert_emitted(w->seen, 0, "seen", vmt_u64(5));
}

/* In cleanup the domain may still be changed: what is changed there is undone with the rest. */
static void change_in_cleanup(struct vmt_session *s)
{
	must(vmt_write_u8(s, VMT_PHYS, 0x8000, 0xcc));
	must(vmt_monitor(s, VMT_MONITOR_DEBUG));
	must(vmt_pause(s));
}

static void what_cleanup_changes_is_undone_too(void **state)
{
	struct world *w = *state;

	probe.cleanup = change_in_cleanup;
	assert_int_equal(world_run_cpuids(w, 1), 0);
	vmt_assert_clean(w->driver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(events_are_drained_to_the_same_handler_with_phase_drain),
		WORLD_TEST(the_ring_is_drained_until_it_is_empty),
		WORLD_TEST(a_handler_that_failed_answers_in_the_drain_too),
		cmocka_unit_test(without_a_handler_events_get_the_default_answers),
		WORLD_TEST(poll_is_not_called_in_the_drain),
		WORLD_TEST(other_actions_views_and_next_interrupts_are_not_honoured_in_the_drain),
		WORLD_TEST(continue_and_registers_are_honoured_in_the_drain),
		WORLD_TEST(reinject_is_honoured_in_the_drain),
		WORLD_TEST(the_domain_can_be_read_in_the_drain),
		WORLD_TEST(what_cleanup_changes_is_undone_too),
	};

	return cmocka_run_group_tests_name("drain", tests, NULL, NULL);
}
