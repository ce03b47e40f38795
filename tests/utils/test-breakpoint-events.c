/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Breakpoints under a running guest: hits, stepping over, the guest's own int3, and what the guest
 * reads and writes. Each scenario runs twice: with fast steps, and with single steps only.
 */
#include <vmitape/breakpoint.h>

#include "narrow.h"
#include "rig.h"

/* -------------------------------------------------------------------------------------------- */
/* A handler that does what a test says                                                         */
/* -------------------------------------------------------------------------------------------- */

static const struct vmt_field hit_fields[] = {
	{"address", VMT_ADDR, VMT_KEY}, {"vcpu", VMT_U64, VMT_KEY}, {"rax", VMT_ADDR, 0}};
static const struct vmt_schema hit_schema = VMT_SCHEMA("hit", hit_fields);
static const struct vmt_field guest_fields[] = {{"rip", VMT_ADDR, VMT_KEY}};
static const struct vmt_schema guest_schema = VMT_SCHEMA("guest", guest_fields);
static const struct vmt_field other_fields[] = {{"reason", VMT_U64, 0}};
static const struct vmt_schema other_schema = VMT_SCHEMA("other", other_fields);
static const struct vmt_schema *const schemas[] = {&hit_schema, &guest_schema, &other_schema, NULL};

struct plan {
	struct vmt_breakpoint breakpoints[4];
	size_t n;
	uint32_t method;
	bool remove_when_hit;
	bool read_only;        /**< the handler takes more rights from the first page itself */
	uint64_t finish_after; /**< hits; 0: never */
};

struct handler {
	struct vmt_breakpoints *b;
	uint64_t hits;
};

/* The interface has no argument for create; tests run one at a time. */
static const struct plan *plan;

static int create(struct vmt_session *s, void **self)
{
	const struct vmt_breakpoints_config config = {.method = plan->method};
	static struct handler handler;
	vmt_view view;
	int r = vmt_view_create(s, vmt_access_from(VMT_RWX), &view);

	handler = (struct handler){NULL, 0};
	*self = &handler;
	if (r >= 0)
		r = vmt_breakpoints_create(s, &config, &handler.b);
	for (size_t i = 0; i < plan->n && r >= 0; i++) {
		struct vmt_breakpoint bp = plan->breakpoints[i];

		bp.view = view;
		r = vmt_breakpoints_insert(handler.b, &bp);
	}
	if (r >= 0 && plan->read_only)
		r = vmt_set_access(s, view, vmt_gfn_of(vmt_gpa_from(plan->breakpoints[0].address)),
				   vmt_access_from(VMT_R));
	if (r >= 0)
		r = vmt_view_switch(s, view);
	if (r < 0)
		vmt_breakpoints_destroy(handler.b);
	return r < 0 ? r : 0;
}

static struct vmt_response hit(struct handler *self, struct vmt_ctx *ctx,
			       const struct vmt_breakpoint *bp)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	struct vmt_value values[] = {vmt_addr(bp->address), vmt_u64(ev->vcpu),
				     vmt_addr(ev->regs.gprs.rax)};

	self->hits++;
	if (vmt_emit(vmt_session_of(ctx), &hit_schema, values, 3) < 0)
		return vmt_fail(ctx, "emit");
	if (plan->remove_when_hit && vmt_phase_of(ctx) == VMT_PHASE_LOOP &&
	    vmt_breakpoints_remove_by_event(self->b, ev, bp->key) < 0)
		return vmt_fail(ctx, "remove: %s", vmt_error_of(vmt_session_of(ctx))->text);
	return vmt_breakpoints_step_over(self->b, ctx);
}

/** An event of no breakpoint's. */
static struct vmt_response other(struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	struct vmt_value reason = vmt_u64(ev->reason);

	if (vmt_emit(vmt_session_of(ctx), &other_schema, &reason, 1) < 0)
		return vmt_fail(ctx, "emit");
	return vmt_respond(ev->reason == VMT_EVENT_MEMORY_ACCESS ? VMT_EMULATE : VMT_CONTINUE);
}

static struct vmt_response handle_event(void *data, struct vmt_ctx *ctx)
{
	struct vmt_value rip = vmt_addr(vmt_event_of(ctx)->regs.gprs.rip);
	struct handler *self = data;
	struct vmt_breakpoint bp;
	struct vmt_response response;

	switch (vmt_breakpoints_event(self->b, ctx, &bp, &response)) {
	case VMT_BREAKPOINT_HIT:
		return hit(self, ctx, &bp);
	case VMT_BREAKPOINT_NONE:
		return other(ctx);
	case VMT_BREAKPOINT_GUEST:
		if (vmt_emit(vmt_session_of(ctx), &guest_schema, &rip, 1) < 0)
			return vmt_fail(ctx, "emit");
		return response;
	default:
		return response;
	}
}

static int poll(const void *data, struct vmt_record *out)
{
	const struct handler *self = data;

	(void)out;
	return plan->finish_after > 0 && self->hits >= plan->finish_after;
}

static void destroy(void *data)
{
	vmt_breakpoints_destroy(((struct handler *)data)->b);
}

static const struct vmt_handler_ops ops = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(ops),
	.name = "planned",
	.version = "1",
	.schemas = schemas,
	.create = create,
	.handle_event = handle_event,
	.poll = poll,
	.destroy = destroy,
};

/* -------------------------------------------------------------------------------------------- */
/* Running a plan                                                                               */
/* -------------------------------------------------------------------------------------------- */

/* Where the scripts' code is: in one page. */
#define CODE  VMT_SCRIPTED_RIP
#define AT(n) (CODE + UINT64_C(0x10) * (n))

struct stage {
	struct vmt_driver *scripted; /**< the domain itself */
	struct vmt_driver *driver;   /**< fault injector, then the domain */
	struct vmt_collector *seen;
	struct vmt_outcome outcome;
};

/** A domain; with @slow it says that it has no fast steps. */
static void stage_init(struct stage *st, const struct vmt_scripted_config *config, bool slow)
{
	struct vmt_error err;

	vmt_assert_ok(vmt_scripted_create(config, &st->scripted, &err), &err);
	st->driver = slow ? narrow(st->scripted, VMT_CAP_FAST_SINGLESTEP) : st->scripted;
	assert_non_null(st->driver);
	vmt_assert_ok(vmt_fault_injector_create(st->driver, 0, &st->driver, &err), &err);
	vmt_assert_ok(vmt_collector_create(&st->seen, &err), &err);
}

static void stage_play(struct stage *st, const struct vmt_step *steps, size_t n)
{
	struct vmt_error err;

	vmt_assert_ok(vmt_scripted_play(st->scripted, steps, n, &err), &err);
}
#define PLAY(st, ...)                                            \
	stage_play((st), (const struct vmt_step[]){__VA_ARGS__}, \
		   sizeof((const struct vmt_step[]){__VA_ARGS__}) / sizeof(struct vmt_step))

static void stage_run(struct stage *st, const struct plan *the_plan)
{
	struct vmt_observer *const observers[] = {vmt_collector_observer(st->seen),
						  vmt_fault_injector_observer(st->driver)};
	const struct vmt_session_config config = {
		.driver = st->driver,
		.handler = &ops,
		.observers = observers,
		.nobservers = 2,
	};
	struct vmt_session *s;
	struct vmt_error err;

	plan = the_plan;
	vmt_assert_ok(vmt_session_create(&config, &s, &err), &err);
	vmt_session_run(s, &st->outcome);
	vmt_session_destroy(s);
}

/** Run to the end of the script. */
static void stage_run_through(struct stage *st, const struct plan *the_plan)
{
	stage_run(st, the_plan);
	vmt_assert_ended(&st->outcome, VMT_END_GONE);
	assert_true(vmt_scripted_done(st->scripted));
}

static void stage_finish(struct stage *st)
{
	vmt_assert_clean(st->scripted);
	vmt_collector_destroy(st->seen);
	vmt_driver_close(st->driver);
}

static struct vmt_breakpoint physical(uint64_t address)
{
	return (struct vmt_breakpoint){.space = VMT_PHYS, .address = address};
}

/* -------------------------------------------------------------------------------------------- */
/* Hits                                                                                         */
/* -------------------------------------------------------------------------------------------- */

static void a_breakpoint_is_hit_each_time_it_is_executed(bool slow)
{
	const struct plan the_plan = {.breakpoints = {physical(AT(1))}, .n = 1};
	struct stage st;

	stage_init(&st, NULL, slow);
	PLAY(&st, VMT_INSN_NOP(0, AT(0)), VMT_INSN_NOP(0, AT(1)), VMT_INSN_JUMP(0, AT(2), AT(1)),
	     VMT_INSN_NOP(0, AT(1)), VMT_INSN_NOP(0, AT(3)));
	stage_run_through(&st, &the_plan);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 2);
	vmt_assert_emitted(st.seen, 0, "hit", vmt_addr(AT(1)), vmt_u64(0), vmt_addr(0));
	vmt_assert_emitted(st.seen, 1, "hit", vmt_addr(AT(1)), vmt_u64(0), vmt_addr(0));
	vmt_assert_delivered(st.scripted, -1, 0);
	stage_finish(&st);
}

static void neighbours_on_a_page_are_hit_one_after_the_other(bool slow)
{
	const struct plan the_plan = {
		.breakpoints = {physical(AT(0)), physical(AT(0) + 1), physical(AT(0) + 2)}, .n = 3};
	struct stage st;

	stage_init(&st, NULL, slow);
	PLAY(&st, VMT_INSN_NOP(0, AT(0)), VMT_INSN_NOP(0, AT(0) + 1), VMT_INSN_NOP(0, AT(0) + 2));
	stage_run_through(&st, &the_plan);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 3);
	for (size_t i = 0; i < 3; i++)
		vmt_assert_emitted(st.seen, i, "hit", vmt_addr(AT(0) + i), vmt_u64(0), vmt_addr(0));
	stage_finish(&st);
}

static void each_vcpu_is_stepped_over_by_itself(bool slow)
{
	const struct vmt_scripted_config config = {.vcpus = 3};
	const struct plan the_plan = {.breakpoints = {physical(AT(1))}, .n = 1};
	struct stage st;

	stage_init(&st, &config, slow);
	for (uint16_t i = 0; i < 3; i++)
		PLAY(&st, VMT_INSN_NOP(i, AT(1)), VMT_INSN_NOP(i, AT(2)), VMT_INSN_NOP(i, AT(1)),
		     VMT_INSN_NOP(i, AT(3)));
	stage_run_through(&st, &the_plan);
	assert_int_equal(vmt_collector_nemissions(st.seen, "hit"), 6);
	stage_finish(&st);
}

static void another_address_space_runs_through(bool slow)
{
	const struct vmt_scripted_config config = {.vcpus = 2, .paging = VMT_PAGING_4};
	struct plan the_plan = {.n = 1};
	struct vmt_space other;
	struct stage st;

	stage_init(&st, &config, slow);
	the_plan.breakpoints[0] =
		(struct vmt_breakpoint){.space = vmt_scripted_space(st.scripted), .address = AT(1)};
	assert_int_equal(vmt_scripted_new_space(st.scripted, VMT_PAGING_4, 0, &other), 0);
	assert_int_equal(vmt_scripted_map(st.scripted, other, vmt_gva_from(CODE),
					  vmt_gpa_from(CODE), 4096, 0),
			 0);
	assert_int_equal(vmt_scripted_enter_space(st.scripted, 1, other), 0);
	for (uint16_t i = 0; i < 2; i++)
		PLAY(&st, VMT_INSN_NOP(i, AT(1)), VMT_INSN_NOP(i, AT(2)));
	stage_run_through(&st, &the_plan);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 1);
	vmt_assert_emitted(st.seen, 0, "hit", vmt_addr(AT(1)), vmt_u64(0), vmt_addr(0));
	/* vCPU 1 stopped there too, and went on unnoticed. */
	assert_true(vmt_collector_ncallbacks(st.seen, VMT_CALLBACK_EVENT) >= 2);
	vmt_assert_delivered(st.scripted, -1, 0);
	stage_finish(&st);
}

static void a_global_breakpoint_stops_every_address_space(bool slow)
{
	const struct vmt_scripted_config config = {.vcpus = 2, .paging = VMT_PAGING_4};
	struct plan the_plan = {.n = 1};
	struct vmt_space other;
	struct stage st;

	stage_init(&st, &config, slow);
	the_plan.breakpoints[0] = (struct vmt_breakpoint){
		.space = vmt_scripted_space(st.scripted), .address = AT(1), .global = true};
	assert_int_equal(vmt_scripted_new_space(st.scripted, VMT_PAGING_4, 0, &other), 0);
	assert_int_equal(vmt_scripted_map(st.scripted, other, vmt_gva_from(CODE),
					  vmt_gpa_from(CODE), 4096, 0),
			 0);
	assert_int_equal(vmt_scripted_enter_space(st.scripted, 1, other), 0);
	for (uint16_t i = 0; i < 2; i++)
		PLAY(&st, VMT_INSN_NOP(i, AT(1)), VMT_INSN_NOP(i, AT(2)));
	stage_run_through(&st, &the_plan);
	assert_int_equal(vmt_collector_nemissions(st.seen, "hit"), 2);
	stage_finish(&st);
}

/* What <vmitape/step-over.h> says of instructions that leave the guest by themselves. */
static void a_cpuid_below_a_breakpoint_takes_the_next_instruction_along(bool slow)
{
	const struct plan the_plan = {
		.breakpoints = {physical(AT(0)), physical(AT(0) + 2), physical(AT(0) + 3)}, .n = 3};
	struct stage st;

	stage_init(&st, NULL, slow);
	PLAY(&st, VMT_INSN_CPUID(0, AT(0), 0, 0), VMT_INSN_NOP(0, AT(0) + 2),
	     VMT_INSN_NOP(0, AT(0) + 3));
	stage_run_through(&st, &the_plan);
	assert_int_equal(vmt_collector_nemissions(st.seen, "hit"), 2);
	assert_int_equal(vmt_collector_emission(st.seen, "hit", 0)->values[0].v.u, AT(0));
	assert_int_equal(vmt_collector_emission(st.seen, "hit", 1)->values[0].v.u, AT(0) + 3);
	stage_finish(&st);
}

/* -------------------------------------------------------------------------------------------- */
/* The guest's own int3                                                                         */
/* -------------------------------------------------------------------------------------------- */

static void an_int3_of_the_guest_reaches_it(bool slow)
{
	const struct plan the_plan = {.breakpoints = {physical(AT(1))}, .n = 1};
	struct stage st;

	stage_init(&st, NULL, slow);
	PLAY(&st, VMT_INSN_INT3(0, AT(0)), VMT_INSN_NOP(0, AT(0) + 1), VMT_INSN_NOP(0, AT(1)));
	stage_run_through(&st, &the_plan);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 2);
	vmt_assert_emitted(st.seen, 0, "guest", vmt_addr(AT(0)));
	vmt_assert_emitted(st.seen, 1, "hit", vmt_addr(AT(1)), vmt_u64(0), vmt_addr(0));
	vmt_assert_delivered(st.scripted, 3, 1);
	stage_finish(&st);
}

static void an_int3_below_a_breakpoint_reaches_the_guest_too(bool slow)
{
	const struct plan the_plan = {.breakpoints = {physical(AT(0))}, .n = 1};
	struct stage st;

	stage_init(&st, NULL, slow);
	PLAY(&st, VMT_INSN_INT3(0, AT(0)), VMT_INSN_NOP(0, AT(0) + 1));
	stage_run_through(&st, &the_plan);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 1);
	vmt_assert_emitted(st.seen, 0, "hit", vmt_addr(AT(0)), vmt_u64(0), vmt_addr(0));
	vmt_assert_delivered(st.scripted, 3, 1);
	stage_finish(&st);
}

static void a_breakpoint_that_is_gone_when_its_event_comes_is_passed(bool slow)
{
	const struct vmt_scripted_config config = {.vcpus = 2};
	const struct plan the_plan = {
		.breakpoints = {physical(AT(1))}, .n = 1, .remove_when_hit = true};
	struct stage st;

	stage_init(&st, &config, slow);
	for (uint16_t i = 0; i < 2; i++)
		PLAY(&st, VMT_INSN_NOP(i, AT(1)), VMT_INSN_NOP(i, AT(2)));
	stage_run_through(&st, &the_plan);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 1);
	vmt_assert_delivered(st.scripted, -1, 0);
	stage_finish(&st);
}

/* -------------------------------------------------------------------------------------------- */
/* What the guest reads and writes                                                              */
/* -------------------------------------------------------------------------------------------- */

static void the_guest_reads_its_own_bytes(bool slow)
{
	const struct plan the_plan = {.breakpoints = {physical(AT(1)), physical(AT(3))}, .n = 2};
	struct stage st;

	stage_init(&st, NULL, slow);
	PLAY(&st, VMT_INSN_READ(0, AT(0), AT(1), 1), VMT_INSN_NOP(0, AT(1)),
	     VMT_INSN_NOP(0, AT(3)));
	stage_run_through(&st, &the_plan);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 2);
	vmt_assert_emitted(st.seen, 0, "hit", vmt_addr(AT(1)), vmt_u64(0), vmt_addr(0x90));
	stage_finish(&st);
}

static void what_the_guest_writes_reaches_the_shadow_page(bool slow)
{
	const struct plan the_plan = {.breakpoints = {physical(AT(2)), physical(AT(4))}, .n = 2};
	const struct vmt_scripted_config config = {.keep_code = true};
	struct stage st;

	stage_init(&st, &config, slow);
	vmt_scripted_fill(st.scripted, vmt_gpa_from(CODE), 0x90, 4096);
	/* Over the breakpoint, and beside it: both are executed afterwards. */
	PLAY(&st, VMT_INSN_WRITE(0, AT(0), AT(2), "\x66", 1),
	     VMT_INSN_WRITE(0, AT(1), AT(3), "\x77", 1), VMT_INSN_NOP(0, AT(2)),
	     VMT_INSN_READ(0, AT(3), AT(2), 1), VMT_INSN_NOP(0, AT(4)));
	stage_run_through(&st, &the_plan);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 2);
	vmt_assert_emitted(st.seen, 0, "hit", vmt_addr(AT(2)), vmt_u64(0), vmt_addr(0));
	vmt_assert_emitted(st.seen, 1, "hit", vmt_addr(AT(4)), vmt_u64(0), vmt_addr(0x66));
	vmt_assert_memory(st.scripted, vmt_gpa_from(AT(2)), 0x66);
	vmt_assert_memory(st.scripted, vmt_gpa_from(AT(3)), 0x77);
	stage_finish(&st);
}

/** What the views show at an address, in the middle of a script. */
static int shadow_has(struct vmt_driver *d, void *arg)
{
	const struct expectation {
		uint64_t address;
		uint8_t byte;
	} *expected = arg;
	vmt_gfn shadow;
	uint8_t byte;

	assert_int_equal(vmt_scripted_view_target(d, 1, vmt_gfn_of(vmt_gpa_from(expected->address)),
						  &shadow),
			 0);
	assert_int_equal(vmt_scripted_read(d, rig_gpa(shadow, expected->address & VMT_PAGE_MASK),
					   &byte, 1),
			 0);
	assert_int_equal(byte, expected->byte);
	return 0;
}

static void the_shadow_has_the_new_byte_and_the_int3(bool slow)
{
	struct expectation {
		uint64_t address;
		uint8_t byte;
	} beside = {AT(3), 0x77}, planted = {AT(2), 0xcc};
	const struct plan the_plan = {.breakpoints = {physical(AT(2))}, .n = 1};
	const struct vmt_scripted_config config = {.keep_code = true};
	struct stage st;

	stage_init(&st, &config, slow);
	vmt_scripted_fill(st.scripted, vmt_gpa_from(CODE), 0x90, 4096);
	PLAY(&st, VMT_INSN_WRITE(0, AT(0), AT(2), "\x66", 1),
	     VMT_INSN_WRITE(0, AT(1), AT(3), "\x77", 1), VMT_WORLD_CALL(shadow_has, &beside),
	     VMT_WORLD_CALL(shadow_has, &planted), VMT_INSN_NOP(0, AT(4)));
	stage_run_through(&st, &the_plan);
	stage_finish(&st);
}

/* -------------------------------------------------------------------------------------------- */
/* No-execute                                                                                   */
/* -------------------------------------------------------------------------------------------- */

static void no_execute_stops_at_its_address_alone(bool slow)
{
	const struct plan the_plan = {
		.breakpoints = {physical(AT(1))}, .n = 1, .method = VMT_BREAKPOINT_NO_EXECUTE};
	struct stage st;

	stage_init(&st, NULL, slow);
	PLAY(&st, VMT_INSN_NOP(0, AT(0)), VMT_INSN_NOP(0, AT(1)), VMT_INSN_READ(0, AT(2), AT(1), 1),
	     VMT_INSN_INT3(0, AT(3)), VMT_INSN_NOP(0, AT(3) + 1));
	stage_run_through(&st, &the_plan);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 1);
	vmt_assert_emitted(st.seen, 0, "hit", vmt_addr(AT(1)), vmt_u64(0), vmt_addr(0));
	vmt_assert_delivered(st.scripted, 3, 1);
	stage_finish(&st);
}

static void other_rights_of_a_no_execute_page_are_the_handlers(bool slow)
{
	const struct plan the_plan = {.breakpoints = {physical(AT(0) + 0x1000)},
				      .n = 1,
				      .method = VMT_BREAKPOINT_NO_EXECUTE,
				      .read_only = true};
	struct stage st;

	stage_init(&st, NULL, slow);
	PLAY(&st, VMT_INSN_WRITE(0, AT(0), AT(0) + 0x1800, "\x11", 1), VMT_INSN_NOP(0, AT(1)));
	stage_run_through(&st, &the_plan);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 1);
	vmt_assert_emitted(st.seen, 0, "other", vmt_u64(VMT_EVENT_MEMORY_ACCESS));
	stage_finish(&st);
}

/* -------------------------------------------------------------------------------------------- */
/* The end, and failures                                                                        */
/* -------------------------------------------------------------------------------------------- */

/* With "continue" alone, and without a look at the domain. */
static void events_that_come_after_the_end_are_answered(bool slow)
{
	const struct vmt_fault_rule no_reads = {
		.op = VMT_CALL_READ, .phase = VMT_PHASE_DRAIN, .times = VMT_STRIKE_ALWAYS};
	const struct vmt_scripted_config config = {.vcpus = 4};
	const struct plan the_plan = {.breakpoints = {physical(AT(1))}, .n = 1, .finish_after = 1};
	struct stage st;
	size_t drained = 0;

	stage_init(&st, &config, slow);
	assert_int_equal(vmt_fault_injector_add(st.driver, &no_reads), 0);
	PLAY(&st, VMT_INSN_NOP(0, AT(1)), VMT_INSN_NOP(1, AT(1)), VMT_INSN_READ(2, AT(2), AT(1), 1),
	     VMT_INSN_INT3(3, AT(3)));
	stage_run(&st, &the_plan);
	vmt_assert_ended(&st.outcome, VMT_END_FINISHED);
	for (size_t i = 0; i < vmt_collector_ncallbacks(st.seen, VMT_CALLBACK_EVENT); i++) {
		const struct vmt_collected_callback *cb =
			vmt_collector_callback(st.seen, VMT_CALLBACK_EVENT, i);

		if (cb->callback.phase != VMT_PHASE_DRAIN)
			continue;
		drained++;
		assert_int_equal(cb->response->action, VMT_CONTINUE);
		assert_int_equal(cb->response->flags, 0);
	}
	assert_int_equal(drained, 3);
	stage_finish(&st);
}

/** The @nth call of @op in the loop fails: the handler fails, with the reason, and all is undone. */
static void fails_cleanly(bool slow, const struct vmt_step *steps, size_t n, unsigned op,
			  const char *reason)
{
	const struct vmt_fault_rule rule = {
		.op = op, .phase = VMT_PHASE_LOOP, .times = VMT_STRIKE_ALWAYS};
	const struct plan the_plan = {.breakpoints = {physical(AT(2))}, .n = 1};
	struct stage st;

	stage_init(&st, NULL, slow);
	stage_play(&st, steps, n);
	assert_int_equal(vmt_fault_injector_add(st.driver, &rule), 0);
	stage_run(&st, &the_plan);
	vmt_assert_ended(&st.outcome, VMT_END_HANDLER_FAILED);
	assert_non_null(strstr(st.outcome.error.text, reason));
	assert_non_null(strstr(st.outcome.error.text, vmt_call_name(op)));
	stage_finish(&st);
}

static void a_write_that_cannot_be_carried_over_is_a_failure(bool slow)
{
	static const struct vmt_step steps[] = {VMT_INSN_WRITE(0, AT(0), AT(3), "\x77", 1),
						VMT_INSN_NOP(0, AT(1))};
	static const char reason[] = "cannot carry a write over to the shadow page";

	fails_cleanly(slow, steps, 2, VMT_CALL_READ, reason);
	fails_cleanly(slow, steps, 2, VMT_CALL_WRITE, reason);
}

static void an_int3_that_cannot_be_told_apart_is_a_failure(bool slow)
{
	static const struct vmt_step steps[] = {VMT_INSN_INT3(0, AT(0)),
						VMT_INSN_NOP(0, AT(0) + 1)};

	fails_cleanly(slow, steps, 2, VMT_CALL_READ, "cannot tell whose int3 this is");
}

#define SCENARIOS(F)                                                   \
	F(a_breakpoint_is_hit_each_time_it_is_executed)                \
	F(neighbours_on_a_page_are_hit_one_after_the_other)            \
	F(each_vcpu_is_stepped_over_by_itself)                         \
	F(another_address_space_runs_through)                          \
	F(a_global_breakpoint_stops_every_address_space)               \
	F(a_cpuid_below_a_breakpoint_takes_the_next_instruction_along) \
	F(an_int3_of_the_guest_reaches_it)                             \
	F(an_int3_below_a_breakpoint_reaches_the_guest_too)            \
	F(a_breakpoint_that_is_gone_when_its_event_comes_is_passed)    \
	F(the_guest_reads_its_own_bytes)                               \
	F(what_the_guest_writes_reaches_the_shadow_page)               \
	F(the_shadow_has_the_new_byte_and_the_int3)                    \
	F(no_execute_stops_at_its_address_alone)                       \
	F(other_rights_of_a_no_execute_page_are_the_handlers)          \
	F(events_that_come_after_the_end_are_answered)                 \
	F(a_write_that_cannot_be_carried_over_is_a_failure)            \
	F(an_int3_that_cannot_be_told_apart_is_a_failure)

#define FUNCTIONS(name)                       \
	static void fast_##name(void **state) \
	{                                     \
		(void)state;                  \
		name(false);                  \
	}                                     \
	static void slow_##name(void **state) \
	{                                     \
		(void)state;                  \
		name(true);                   \
	}
#define ROWS(name)                              \
	{#name, fast_##name, NULL, NULL, NULL}, \
		{#name "_without_fast_steps", slow_##name, NULL, NULL, NULL},

SCENARIOS(FUNCTIONS)

int main(void)
{
	const struct CMUnitTest tests[] = {SCENARIOS(ROWS)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
