/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Deny: a capability that is asked for in create, because Xen must then hold writes of control
 * registers and MSRs back until the response.
 */
#include "plain.h"
#include "world.h"

static void must(int r)
{
	assert_true(r >= 0);
}

static const struct vmt_monitor async_cr3 = {
	.kind = VMT_MONITOR_CR, .what = VMT_CR3, .flags = VMT_MONITOR_ASYNC};
static const struct vmt_monitor async_lstar = {
	.kind = VMT_MONITOR_MSR, .what = VMT_MSR_LSTAR, .flags = VMT_MONITOR_ASYNC};
static const struct vmt_monitor async_vmcall = {.kind = VMT_MONITOR_HYPERCALL,
						.flags = VMT_MONITOR_ASYNC};

static int watch_writes(struct vmt_session *s)
{
	must(vmt_monitor_cr(s, VMT_CR3));
	return vmt_monitor_msr(s, VMT_MSR_LSTAR);
}

static int watch_and_deny(struct vmt_session *s)
{
	must(vmt_deny_enable(s));
	return watch_writes(s);
}

/* Denies each; notes CR3 and LSTAR as the vCPU has them meanwhile. */
static struct vmt_response deny(struct vmt_ctx *ctx)
{
	struct vmt_regs regs;

	must(vmt_get_regs(vmt_session_of(ctx), 0, &regs));
	note(regs.cr3);
	note(regs.lstar);
	return vmt_respond(VMT_DENY);
}

static struct vmt_response look_and_continue(struct vmt_ctx *ctx)
{
	deny(ctx);
	return vmt_respond(VMT_CONTINUE);
}

static void play_writes(struct world *w)
{
	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CR(0, 0, VMT_CR3, 0x5000), VMT_INSN_MSR(0, 0, VMT_MSR_LSTAR, 0x6000),
		   VMT_INSN_NOP(0, 0));
}

static struct vmt_regs regs_of(struct world *w)
{
	struct vmt_regs regs;

	vmt_assert_ok(vmt_driver_get_regs(w->domain, 0, &regs), &w->domain->err);
	return regs;
}

static void deny_keeps_the_register_as_it_was(void **state)
{
	struct world *w = *state;

	play_writes(w);
	probe.create = watch_and_deny;
	probe.event = deny;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.events, 2);
	assert_int_equal(regs_of(w).cr3, 0);
	assert_int_equal(regs_of(w).lstar, 0);
	vmt_assert_clean(w->driver);
}

static void with_deny_a_write_waits_for_the_response(void **state)
{
	struct world *w = *state;

	play_writes(w);
	probe.create = watch_and_deny;
	probe.event = look_and_continue;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.noted[0], 0); /* in the event */
	assert_int_equal(probe.noted[3], 0);
	assert_int_equal(regs_of(w).cr3, 0x5000); /* later */
	assert_int_equal(regs_of(w).lstar, 0x6000);
}

static void without_deny_a_write_is_there_before_the_response(void **state)
{
	struct world *w = *state;

	play_writes(w);
	probe.create = watch_writes;
	probe.event = look_and_continue;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.noted[0], 0x5000);
	assert_int_equal(probe.noted[3], 0x6000);
	vmt_assert_event(vmt_collector_callback(w->seen, VMT_CALLBACK_EVENT, 0)->callback.event,
			 VMT_EVENT_WRITE_CR, {"cr3", 0}, {"new", 0x5000}, {"old", 0});
}

static void deny_is_asked_for_as_a_monitor_of_deferred_writes(void **state)
{
	struct world *w = *state;
	const struct vmt_logged_call *first;

	play_writes(w);
	probe.create = watch_and_deny;
	world_run(w);
	first = vmt_call_log_get(w->driver, VMT_CALL_MONITOR, 0);
	assert_int_equal(first->call.u.monitor.monitor->kind, VMT_MONITOR_DEFERRED_WRITES);
	assert_true(first->call.u.monitor.on);
}

static void without_the_capability_deny_is_not_supported(void **state)
{
	struct world *w = *state;

	play_writes(w);
	probe.create = watch_writes;
	probe.event = deny;
	assert_int_equal(world_run(w), -VMT_E_NOT_SUPPORTED);
	vmt_assert_ended(&w->outcome, VMT_END_HANDLER_FAILED);
	assert_int_equal(w->outcome.error.status, VMT_E_NOT_SUPPORTED);
	assert_holds(w->outcome.error.text, "vmt_deny_enable");
	assert_int_equal(regs_of(w).cr3, 0x5000); /* and the guest has its write */
	vmt_assert_clean(w->driver);
}

/* -------------------------------------------------------------------------------------------- */
/* In create only                                                                               */
/* -------------------------------------------------------------------------------------------- */

static void assert_refused_late(struct vmt_session *s, int r)
{
	assert_int_equal(r, -VMT_E_WRONG_PLACE);
	assert_holds(vmt_error_of(s)->text, "create");
	note(1);
}

static struct vmt_response deny_enable_late(struct vmt_ctx *ctx)
{
	const struct vmt_monitor deferred = {.kind = VMT_MONITOR_DEFERRED_WRITES};
	struct vmt_session *s = vmt_session_of(ctx);

	assert_refused_late(s, vmt_deny_enable(s));
	assert_refused_late(s, vmt_monitor_enable(s, &deferred));
	assert_refused_late(s, vmt_monitor(s, VMT_MONITOR_DEFERRED_WRITES));
	return vmt_skip(ctx);
}

static void deny_can_be_asked_for_in_create_only(void **state)
{
	struct world *w = *state;

	probe.event = deny_enable_late;
	assert_int_equal(world_run_cpuids(w, 1), 0);
	assert_int_equal(probe.nnoted, 3);
}

static int switch_it_off_again(struct vmt_session *s)
{
	const struct vmt_monitor deferred = {.kind = VMT_MONITOR_DEFERRED_WRITES};

	must(vmt_deny_enable(s));
	assert_int_equal(vmt_monitor_disable(s, &deferred), -VMT_E_INVALID);
	note(1);
	return watch_writes(s);
}

static void deny_lasts_until_the_session_ends(void **state)
{
	struct world *w = *state;

	play_writes(w);
	probe.create = switch_it_off_again;
	probe.event = deny;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(regs_of(w).cr3, 0);
	vmt_assert_clean(w->driver);
}

static int ask_twice(struct vmt_session *s)
{
	must(vmt_deny_enable(s));
	note((uint64_t)-vmt_deny_enable(s));
	return 0;
}

static void asking_twice_says_so(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	probe.create = ask_twice;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.noted[0], VMT_E_EXISTS);
}

/* -------------------------------------------------------------------------------------------- */
/* Asynchronous monitors                                                                        */
/* -------------------------------------------------------------------------------------------- */

static int async_behind_deny(struct vmt_session *s)
{
	must(vmt_deny_enable(s));
	note((uint64_t)-vmt_monitor_enable(s, &async_cr3));
	assert_holds(vmt_error_of(s)->text, "vmt_deny_enable");
	note((uint64_t)-vmt_monitor_enable(s, &async_lstar));
	return vmt_monitor_enable(s, &async_vmcall); /* has nothing to do with it */
}

static void deny_excludes_async_monitors_of_registers(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	probe.create = async_behind_deny;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.noted[0], VMT_E_INVALID);
	assert_int_equal(probe.noted[1], VMT_E_INVALID);
	assert_int_equal(vmt_call_log_count(w->driver, VMT_CALL_MONITOR), 2);
}

static uint32_t async_cr;

static int deny_behind_async(struct vmt_session *s)
{
	const struct vmt_monitor async = {
		.kind = VMT_MONITOR_CR, .what = async_cr, .flags = VMT_MONITOR_ASYNC};

	must(vmt_monitor_enable(s, &async));
	note((uint64_t)-vmt_deny_enable(s));
	assert_holds(vmt_error_of(s)->text, "asynchronous");
	return 0;
}

static void async_monitors_of_registers_exclude_deny(void **state)
{
	struct world *w = *state;

	for (async_cr = VMT_CR0; async_cr < VMT_CR_COUNT; async_cr++) {
		world_renew(w);
		world_open(w, NULL);
		probe.create = deny_behind_async;
		assert_int_equal(world_run(w), 0);
		assert_int_equal(probe.noted[0], VMT_E_INVALID);
	}
}

/* Xen has no such monitor; a driver that has one must not get both. */
static int takes_all(struct plain *p, struct vmt_call *call)
{
	(void)p;
	(void)call;
	return PLAIN_ELSE;
}

static int msr_then_deny(struct vmt_session *s, void **self)
{
	(void)self;
	must(vmt_monitor_enable(s, &async_lstar));
	note((uint64_t)-vmt_deny_enable(s));
	return 0;
}

static struct vmt_response go_on(void *self, struct vmt_ctx *ctx)
{
	(void)self;
	(void)ctx;
	return vmt_respond(VMT_CONTINUE);
}

static void an_async_monitor_of_an_msr_excludes_deny(void **state)
{
	static const struct vmt_handler_ops handler = {
		.abi = VMT_HANDLER_ABI,
		.size = sizeof(struct vmt_handler_ops),
		.name = "msr",
		.version = "1",
		.create = msr_then_deny,
		.handle_event = go_on,
	};
	struct plain p;
	struct vmt_session_config config = {.driver = &p.base.driver, .handler = &handler};
	struct vmt_session *s;
	struct vmt_error err;

	(void)state;
	plain_init(&p, takes_all, false);
	vmt_assert_ok(vmt_session_create(&config, &s, &err), &err);
	assert_int_equal(vmt_session_run(s, NULL), 0);
	vmt_session_destroy(s);
	assert_int_equal(probe.noted[0], VMT_E_INVALID);
	assert_int_equal(p.counts[VMT_CALL_MONITOR], 1);
}

static int deny_once_async_is_off_again(struct vmt_session *s)
{
	const struct vmt_monitor off = {.kind = VMT_MONITOR_CR, .what = VMT_CR3};

	must(vmt_monitor_enable(s, &async_cr3));
	must(vmt_monitor_disable(s, &off)); /* kind and register name it, not its flags */
	must(vmt_deny_enable(s));
	return watch_writes(s);
}

static void async_monitors_that_are_off_again_exclude_nothing(void **state)
{
	struct world *w = *state;

	play_writes(w);
	probe.create = deny_once_async_is_off_again;
	probe.event = deny;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(regs_of(w).cr3, 0);
}

static int sync_off_counts_for_nothing(struct vmt_session *s)
{
	const struct vmt_monitor sync_cr4 = {.kind = VMT_MONITOR_CR, .what = VMT_CR4};
	const struct vmt_monitor off = {
		.kind = VMT_MONITOR_CR, .what = VMT_CR4, .flags = VMT_MONITOR_ASYNC};

	must(vmt_monitor_enable(s, &async_cr3));
	must(vmt_monitor_enable(s, &sync_cr4));
	must(vmt_monitor_disable(s, &off));
	note((uint64_t)-vmt_deny_enable(s));
	return 0;
}

static void a_sync_monitor_switched_off_does_not_hide_an_async_one(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	probe.create = sync_off_counts_for_nothing;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.noted[0], VMT_E_INVALID);
}

/* -------------------------------------------------------------------------------------------- */
/* The end                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static void deny_is_undone_at_the_end(void **state)
{
	struct world *w = *state;

	play_writes(w);
	probe.create = watch_and_deny;
	probe.event = deny;
	probe.finish_after = 1;
	assert_int_equal(world_run(w), 0);
	vmt_assert_clean(w->driver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(deny_keeps_the_register_as_it_was),
		WORLD_TEST(with_deny_a_write_waits_for_the_response),
		WORLD_TEST(without_deny_a_write_is_there_before_the_response),
		WORLD_TEST(deny_is_asked_for_as_a_monitor_of_deferred_writes),
		WORLD_TEST(without_the_capability_deny_is_not_supported),
		WORLD_TEST(deny_can_be_asked_for_in_create_only),
		WORLD_TEST(deny_lasts_until_the_session_ends),
		WORLD_TEST(asking_twice_says_so),
		WORLD_TEST(deny_excludes_async_monitors_of_registers),
		WORLD_TEST(async_monitors_of_registers_exclude_deny),
		WORLD_TEST(an_async_monitor_of_an_msr_excludes_deny),
		WORLD_TEST(async_monitors_that_are_off_again_exclude_nothing),
		WORLD_TEST(a_sync_monitor_switched_off_does_not_hide_an_async_one),
		WORLD_TEST(deny_is_undone_at_the_end),
	};

	return cmocka_run_group_tests_name("deny", tests, NULL, NULL);
}
