/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whole handlers on the scripted domain: run in one call, stopped, failed by the fault injector in
 * each of its calls, and always with nothing left behind.
 */
#include <stdio.h>
#include <stdlib.h>

#include "domain.h"

/* -------------------------------------------------------------------------------------------- */
/* A handler that does a bit of everything                                                      */
/* -------------------------------------------------------------------------------------------- */

/*
 * Counts how often the guest comes by CODE: a breakpoint in a copy of its page, shown in a view,
 * stepped over with a fast step. A CR3 write, a byte in a data page and a right are watched and
 * changed besides. Done after `limit` hits.
 */
#define CODE 0x1100u
#define DATA 0x7000u
#define OUT  0x8000u

static const struct vmt_field hit_fields[] = {{"rip", VMT_ADDR, VMT_KEY}, {"n", VMT_U64, 0}};
static const struct vmt_schema hit_schema = VMT_SCHEMA("hit", hit_fields);
static const struct vmt_field sum_fields[] = {{"hits", VMT_U64, 0}, {"timeouts", VMT_U64, 0}};
static const struct vmt_schema sum_schema = VMT_SCHEMA("sum", sum_fields);
static const struct vmt_schema *const schemas[] = {&hit_schema, &sum_schema, NULL};
static const struct vmt_option_decl options[] = {
	{"limit", VMT_OPTION_U64, 0, "2", "how many hits are enough"}, {0}};

struct counter {
	uint64_t hits, timeouts, limit;
	vmt_view view;
	bool interrupted;
};

static int plant(struct vmt_session *s, struct counter *c)
{
	uint8_t page[VMT_PAGE_SIZE];
	vmt_gfn shadow = VMT_GFN_ANY;
	int r;

	if ((r = vmt_view_create(s, vmt_access_from(VMT_RWX), &c->view)) < 0 ||
	    (r = vmt_alloc_gfn(s, &shadow)) < 0 ||
	    (r = vmt_read(s, VMT_PHYS, CODE & ~VMT_PAGE_MASK, page, sizeof(page))) < 0)
		return r;
	page[CODE & VMT_PAGE_MASK] = 0xcc;
	if ((r = vmt_write(s, VMT_PHYS, vmt_gpa_of(shadow).a, page, sizeof(page))) < 0 ||
	    (r = vmt_view_remap(s, c->view, vmt_gfn_of(vmt_gpa_from(CODE)), shadow)) < 0 ||
	    (r = vmt_set_access(s, c->view, vmt_gfn_of(vmt_gpa_from(CODE)),
				vmt_access_from(VMT_X))) < 0)
		return r;
	return vmt_view_switch(s, c->view);
}

static int create(struct vmt_session *s, void **self)
{
	struct counter *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return vmt_session_fail(s, "no memory");
	c->limit = vmt_option_u64(s, "limit");
	if ((r = vmt_monitor(s, VMT_MONITOR_BREAKPOINT)) < 0 ||
	    (r = vmt_monitor_cr(s, VMT_CR3)) < 0 ||
	    (r = vmt_write_u8(s, VMT_PHYS, DATA, 0x42)) < 0 ||
	    (r = vmt_set_access(s, 0, vmt_gfn_of(vmt_gpa_from(DATA)), vmt_access_from(VMT_RX))) <
		    0 ||
	    (r = plant(s, c)) < 0) {
		free(c);
		return r;
	}
	*self = c;
	return 0;
}

static struct vmt_response handle_event(void *self, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	struct vmt_session *s = vmt_session_of(ctx);
	struct counter *c = self;
	struct vmt_regs regs;

	if (vmt_phase_of(ctx) == VMT_PHASE_DRAIN)
		return vmt_event_is_breakpoint(ev) ? vmt_respond(VMT_CONTINUE)
						   : vmt_default_answer(ev, vmt_gprs_of(ctx));
	if (vmt_event_is_breakpoint(ev)) {
		const struct vmt_value values[] = {vmt_addr(ev->regs.gprs.rip), vmt_u64(++c->hits)};

		if (vmt_get_regs(s, ev->vcpu, &regs) < 0 || vmt_emit(s, &hit_schema, values, 2) < 0)
			return vmt_fail(ctx, "%s", vmt_error_of(s)->text);
		return vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0);
	}
	if (ev->reason == VMT_EVENT_MEMORY_ACCESS)
		return vmt_respond(VMT_EMULATE);
	return vmt_respond(VMT_CONTINUE);
}

static int handle_timeout(void *self, struct vmt_session *s)
{
	struct counter *c = self;

	c->timeouts++;
	vmt_log(s, VMT_LOG_INFO, "nothing happens");
	return 0;
}

static void handle_interrupted(void *self, struct vmt_session *s)
{
	struct counter *c = self;

	(void)s;
	c->interrupted = true;
}

static int poll_handler(const void *self, struct vmt_record *out)
{
	const struct counter *c = self;
	const struct vmt_value values[] = {vmt_u64(c->hits), vmt_u64(c->timeouts)};

	if (c->hits < c->limit && !c->interrupted)
		return 0;
	return vmt_output(out, &sum_schema, values, 2) < 0 ? -VMT_E_HANDLER : 1;
}

static const struct vmt_handler_ops counter = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(counter),
	.name = "counter",
	.version = "1",
	.options = options,
	.schemas = schemas,
	.create = create,
	.handle_event = handle_event,
	.handle_timeout = handle_timeout,
	.handle_interrupted = handle_interrupted,
	.poll = poll_handler,
	.destroy = free,
};

/* A guest on two vCPUs that comes by CODE three times. */
static const struct vmt_step guest[] = {
	VMT_INSN_NOP(0, CODE - 1),
	VMT_INSN_WRITE(0, CODE, OUT, "x", 1),
	VMT_INSN_CR(1, 0x5000, VMT_CR3, 0x9000),
	VMT_WORLD_IDLE(UINT64_C(12000000000)),
	VMT_INSN_WRITE(1, CODE, OUT + 1, "y", 1),
	VMT_INSN_WRITE(1, 0x5010, DATA + 8, "w", 1),
	VMT_WORLD_SPURIOUS(),
	VMT_INSN_WRITE(0, CODE, OUT + 2, "z", 1),
	VMT_INSN_NOP(0, 0x1200),
};

static struct vmt_driver *new_domain(void)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.vcpus = 2});

	play(d, guest, COUNT(guest));
	return d;
}

static struct vmt_collector *new_collector(void)
{
	struct vmt_collector *seen;

	vmt_assert_ok(vmt_collector_create(&seen, NULL), NULL);
	return seen;
}

/* -------------------------------------------------------------------------------------------- */
/* In one call                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static void a_handler_runs_to_its_end(void **state)
{
	struct vmt_driver *d = new_domain();
	struct vmt_collector *seen = new_collector();
	struct vmt_outcome outcome;

	(void)state;
	assert_int_equal(vmt_scripted_run_handler(d, &counter, NULL, 0, seen, &outcome), 0);
	vmt_assert_ended(&outcome, VMT_END_FINISHED);
	vmt_assert_emitted(seen, 0, "hit", vmt_addr(CODE), vmt_u64(1));
	vmt_assert_emitted(seen, 1, "hit", vmt_addr(CODE), vmt_u64(2));
	vmt_assert_output(outcome.output, "sum", vmt_u64(2), vmt_u64(2)); /* 12 s idle, every 5 s */
	assert_int_equal(vmt_collector_nlogs(seen), 2);
	vmt_assert_clean(d);
	vmt_assert_memory(d, vmt_gpa_from(DATA), 0);
	vmt_assert_memory(d, vmt_gpa_from(CODE), 0x88);
	vmt_assert_delivered(d, -1, 0);
	vmt_collector_destroy(seen);
	vmt_driver_close(d);
}

static void options_reach_it_and_the_guest_may_end_first(void **state)
{
	const struct vmt_option limit = {"limit", "99"};
	struct vmt_driver *d = new_domain();
	struct vmt_collector *seen = new_collector();
	struct vmt_outcome outcome;

	(void)state;
	vmt_scripted_run_handler(d, &counter, &limit, 1, seen, &outcome);
	vmt_assert_ended(&outcome, VMT_END_GONE);
	assert_null(outcome.output);
	assert_int_equal(vmt_collector_nemissions(seen, "hit"), 3);
	vmt_assert_memory(d, vmt_gpa_from(OUT), 'x', 'y', 'z');
	vmt_assert_memory(d, vmt_gpa_from(DATA + 8), 'w');
	vmt_assert_clean(d);
	vmt_collector_destroy(seen);
	vmt_driver_close(d);
}

static void without_a_collector_there_is_no_output(void **state)
{
	struct vmt_driver *d = new_domain();
	struct vmt_outcome outcome;

	(void)state;
	assert_int_equal(vmt_scripted_run_handler(d, &counter, NULL, 0, NULL, &outcome), 0);
	vmt_assert_ended(&outcome, VMT_END_FINISHED);
	assert_null(outcome.output);
	vmt_driver_close(d);
}

static void a_handler_that_is_refused_runs_not_at_all(void **state)
{
	const struct vmt_option unknown = {"colour", "red"};
	struct vmt_driver *d = new_domain();
	struct vmt_outcome outcome;

	(void)state;
	vmt_assert_refused(vmt_scripted_run_handler(d, &counter, &unknown, 1, NULL, &outcome),
			   &outcome.error, VMT_E_INVALID);
	assert_int_equal(outcome.end, VMT_END_NONE);
	assert_non_null(strstr(outcome.error.text, "colour"));
	vmt_driver_close(d);
}

static void two_runs_are_equal(void **state)
{
	char *told[2], *calls[2];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct vmt_collector *seen = new_collector();
		struct vmt_driver *log;
		struct vmt_outcome outcome;

		vmt_assert_ok(vmt_call_log_create(new_domain(), &log, NULL), NULL);
		vmt_scripted_run_handler(log, &counter, NULL, 0, seen, &outcome);
		told[i] = vmt_collector_text(seen);
		calls[i] = vmt_call_log_text(log);
		vmt_collector_destroy(seen);
		vmt_driver_close(log);
	}
	assert_string_equal(told[0], told[1]);
	assert_string_equal(calls[0], calls[1]);
	assert_true(strlen(calls[0]) > 1000);
	for (size_t i = 0; i < 2; i++) {
		free(told[i]);
		free(calls[i]);
	}
}

static void a_stop_of_the_script_interrupts_it(void **state)
{
	const struct vmt_step steps[] = {VMT_INSN_NOP(0, CODE - 1), VMT_WORLD_STOP(),
					 VMT_INSN_WRITE(0, CODE, DATA + 8, "x", 1)};
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	struct vmt_collector *seen = new_collector();
	struct vmt_outcome outcome;

	(void)state;
	play(d, steps, COUNT(steps));
	vmt_scripted_run_handler(d, &counter, NULL, 0, seen, &outcome);
	vmt_assert_ended(&outcome, VMT_END_FINISHED);
	vmt_assert_output(outcome.output, "sum", vmt_u64(0), vmt_u64(0));
	assert_int_equal(vmt_collector_ncallbacks(seen, VMT_CALLBACK_INTERRUPTED), 1);
	vmt_assert_clean(d);
	vmt_collector_destroy(seen);
	vmt_driver_close(d);
}

static void a_destroyed_domain_ends_it_without_a_complaint(void **state)
{
	const struct vmt_step steps[] = {VMT_INSN_WRITE(0, CODE, DATA + 8, "x", 1),
					 VMT_WORLD_DESTROYED()};
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	struct vmt_collector *seen = new_collector();
	struct vmt_outcome outcome;

	(void)state;
	play(d, steps, COUNT(steps));
	vmt_scripted_run_handler(d, &counter, NULL, 0, seen, &outcome);
	vmt_assert_ended(&outcome, VMT_END_GONE);
	vmt_collector_destroy(seen);
	vmt_driver_close(d);
}

static struct vmt_response only_continue(void *self, struct vmt_ctx *ctx)
{
	(void)self;
	(void)ctx;
	return vmt_respond(VMT_CONTINUE);
}

static int watch_breakpoints(struct vmt_session *s, void **self)
{
	*self = NULL;
	return vmt_monitor(s, VMT_MONITOR_BREAKPOINT);
}

static void a_livelock_ends_it_with_a_reason_and_nothing_left(void **state)
{
	const struct vmt_handler_ops lazy = {
		.abi = VMT_HANDLER_ABI,
		.size = sizeof(lazy),
		.name = "lazy",
		.version = "1",
		.create = watch_breakpoints,
		.handle_event = only_continue,
	};
	const struct vmt_step steps[] = {VMT_INSN_INT3(0, 0x1100), VMT_INSN_NOP(0, 0)};
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	struct vmt_outcome outcome;

	(void)state;
	play(d, steps, COUNT(steps));
	vmt_assert_refused(vmt_scripted_run_handler(d, &lazy, NULL, 0, NULL, &outcome),
			   &outcome.error, VMT_E_LIMIT);
	assert_int_equal(outcome.end, VMT_END_DRIVER_FAILED);
	assert_int_equal(outcome.events, 65); /* the last one in the drain */
	assert_non_null(strstr(outcome.error.text, "livelock"));
	assert_int_equal(outcome.teardown_failures, 0);
	vmt_assert_clean(d);
	vmt_driver_close(d);
}

/* -------------------------------------------------------------------------------------------- */
/* Failed by the injector                                                                       */
/* -------------------------------------------------------------------------------------------- */

struct run {
	struct vmt_driver *d; /* injector around log around domain */
	struct vmt_collector *seen;
	struct vmt_outcome outcome;
};

static struct run run_with(struct vmt_fault_rule rule)
{
	struct vmt_driver *log;
	struct run run = {.seen = new_collector()};

	vmt_assert_ok(vmt_call_log_create(new_domain(), &log, NULL), NULL);
	vmt_assert_ok(vmt_fault_injector_create(log, 1, &run.d, NULL), NULL);
	if (rule.times > 0)
		vmt_assert_ok(vmt_fault_injector_add(run.d, &rule), &run.d->err);
	vmt_scripted_run_handler(run.d, &counter, NULL, 0, run.seen, &run.outcome);
	return run;
}

static void finish(struct run *run)
{
	vmt_collector_destroy(run->seen);
	vmt_driver_close(run->d);
}

/* Something was told, somewhere, that names the call and says that the fault is injected. */
static bool is_told(const struct run *run, unsigned op)
{
	const struct vmt_error *err;
	char name[32];

	snprintf(name, sizeof(name), "%s", vmt_call_name(op));
	for (size_t i = 0; (err = vmt_collector_failure(run->seen, i)) != NULL; i++)
		if (strstr(err->text, "injected fault") && strstr(err->text, name))
			return true;
	return false;
}

/*
 * Each op, each of its calls: one failure. The session ends with that reason, or a teardown call was
 * tried again and it did not matter; nothing is left behind in either case.
 */
static void each_call_failing_once_leaves_nothing_behind(void **state)
{
	uint64_t calls[VMT_CALL_OP_COUNT];
	struct run healthy = run_with((struct vmt_fault_rule){0});
	unsigned tried = 0, failed = 0;

	(void)state;
	vmt_assert_ended(&healthy.outcome, VMT_END_FINISHED);
	for (unsigned op = 1; op < VMT_CALL_OP_COUNT; op++)
		calls[op] = vmt_fault_injector_calls(healthy.d, op);
	finish(&healthy);
	for (unsigned op = 1; op < VMT_CALL_OP_COUNT; op++) {
		for (uint64_t nth = 1; nth <= calls[op]; nth++) {
			struct run run =
				run_with((struct vmt_fault_rule){.op = op, .nth = nth, .times = 1});

			tried++;
			assert_int_equal(vmt_fault_injector_struck(run.d), 1);
			assert_int_equal(run.outcome.teardown_failures, 0);
			vmt_assert_clean(run.d);
			vmt_assert_memory(run.d, vmt_gpa_from(DATA), 0);
			if (run.outcome.end != VMT_END_FINISHED &&
			    run.outcome.end != VMT_END_NONE) {
				failed++;
				assert_true(is_told(&run, op));
			}
			finish(&run);
		}
	}
	assert_true(tried > 30);
	assert_true(failed > 15);
}

static void a_teardown_step_that_fails_once_is_tried_again(void **state)
{
	static const char *const steps[] = {"pause",  "commit", "reset",
					    "resume", "settle", "detach"};

	(void)state;
	for (size_t i = 0; i < COUNT(steps); i++) {
		struct run run = run_with((struct vmt_fault_rule){.step = steps[i], .times = 1});

		assert_int_equal(vmt_fault_injector_struck(run.d), 1);
		vmt_assert_ended(&run.outcome, VMT_END_FINISHED);
		vmt_assert_clean(run.d);
		finish(&run);
	}
}

static void a_teardown_step_that_fails_for_good_is_reported_and_the_rest_is_done(void **state)
{
	struct run run =
		run_with((struct vmt_fault_rule){.op = VMT_CALL_RESET, .times = VMT_STRIKE_ALWAYS});
	struct vmt_leftovers left;

	(void)state;
	assert_int_equal(run.outcome.end, VMT_END_FINISHED);
	assert_int_equal(run.outcome.teardown_failures, 1);
	assert_non_null(strstr(run.outcome.teardown.text, "injected fault"));
	assert_non_null(strstr(run.outcome.teardown.text, "reset"));
	assert_string_equal(vmt_collector_step(run.seen, vmt_collector_nsteps(run.seen) - 1),
			    "detach");
	/* The leftovers show what a reset would have undone; detach took the rest. */
	assert_true(vmt_scripted_leftovers(run.d, &left) > 0);
	assert_int_equal(left.patched_bytes, 1);
	assert_int_equal(left.patched_at.a, DATA);
	assert_int_equal(left.pauses, 0);
	assert_int_equal(left.monitors, 0);
	assert_int_equal(left.views, 0);
	finish(&run);
}

static void faults_strike_by_phase(void **state)
{
	struct run create_fails = run_with((struct vmt_fault_rule){
		.op = VMT_CALL_WRITE, .phase = VMT_PHASE_CREATE, .nth = 2, .times = 1});
	struct run loop_fails = run_with((struct vmt_fault_rule){.op = VMT_CALL_GET_REGS,
								 .phase = VMT_PHASE_LOOP,
								 .status = VMT_E_HYPERVISOR,
								 .sys_errno = 1,
								 .times = 1});

	(void)state;
	assert_int_equal(create_fails.outcome.end, VMT_END_CREATE_FAILED);
	assert_int_equal(vmt_collector_ncallbacks(create_fails.seen, VMT_CALLBACK_EVENT), 0);
	vmt_assert_clean(create_fails.d);
	assert_int_equal(loop_fails.outcome.end, VMT_END_HANDLER_FAILED);
	assert_non_null(strstr(loop_fails.outcome.error.text, "Operation not permitted"));
	vmt_assert_clean(loop_fails.d);
	finish(&create_fails);
	finish(&loop_fails);
}

static void faults_strike_from_a_callback_on(void **state)
{
	struct run healthy = run_with((struct vmt_fault_rule){0});
	const struct vmt_collected_callback *second =
		vmt_collector_callback(healthy.seen, VMT_CALLBACK_EVENT, 1);
	struct run run = run_with((struct vmt_fault_rule){
		.op = VMT_CALL_COMMIT, .from_callback = second->callback.number, .times = 1});
	char words[64];

	(void)state;
	snprintf(words, sizeof(words), "at callback %llu",
		 (unsigned long long)second->callback.number);
	assert_true(second->callback.number > 0);
	assert_int_equal(vmt_fault_injector_struck(run.d), 1);
	/* The commit after it, or after the poll that follows. */
	assert_true(vmt_collector_failure(run.seen, 0) != NULL);
	assert_non_null(strstr(vmt_collector_failure(run.seen, 0)->text, "at callback "));
	vmt_assert_clean(run.d);
	finish(&healthy);
	finish(&run);
}

static void seeded_faults_are_the_same_again(void **state)
{
	char *told[2];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct run run = run_with((struct vmt_fault_rule){
			.per_million = 30000, .times = VMT_STRIKE_ALWAYS, .phase = VMT_PHASE_LOOP});

		told[i] = vmt_collector_text(run.seen);
		finish(&run);
	}
	assert_string_equal(told[0], told[1]);
	free(told[0]);
	free(told[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handler_runs_to_its_end),
		cmocka_unit_test(options_reach_it_and_the_guest_may_end_first),
		cmocka_unit_test(without_a_collector_there_is_no_output),
		cmocka_unit_test(a_handler_that_is_refused_runs_not_at_all),
		cmocka_unit_test(two_runs_are_equal),
		cmocka_unit_test(a_stop_of_the_script_interrupts_it),
		cmocka_unit_test(a_destroyed_domain_ends_it_without_a_complaint),
		cmocka_unit_test(a_livelock_ends_it_with_a_reason_and_nothing_left),
		cmocka_unit_test(each_call_failing_once_leaves_nothing_behind),
		cmocka_unit_test(a_teardown_step_that_fails_once_is_tried_again),
		cmocka_unit_test(
			a_teardown_step_that_fails_for_good_is_reported_and_the_rest_is_done),
		cmocka_unit_test(faults_strike_by_phase),
		cmocka_unit_test(faults_strike_from_a_callback_on),
		cmocka_unit_test(seeded_faults_are_the_same_again),
	};

	return cmocka_run_group_tests_name("handlers on scripts", tests, NULL, NULL);
}
