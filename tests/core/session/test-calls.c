/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Session calls that cross to the driver: each arrives, with its arguments and its failure; pauses
 * nest; what is not there has a status of its own.
 */
#include "every-call.h"
#include "world.h"

static void must(int r)
{
	assert_true(r >= 0);
}

/* -------------------------------------------------------------------------------------------- */
/* Crossing                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static size_t crossings(uint32_t op)
{
	return vmt_call_log_count(probe.world->driver, op);
}

static int make_each_call(struct vmt_session *s)
{
	for (size_t i = 0; i < nevery_call; i++) {
		const struct every_call *c = &every_call[i];
		const size_t before = c->op != 0 ? crossings(c->op) : crossings(0);

		(void)c->call(s);
		if (c->op != 0 && crossings(c->op) == before)
			fail_msg("%s makes no call %s", c->name, vmt_call_name(c->op));
		if (c->op == 0 && crossings(0) != before)
			fail_msg("%s makes a driver call", c->name);
		if (c->op != 0 && vmt_call_is_effect(c->op) != c->effect)
			fail_msg("%s: an effect or not?", c->name);
	}
	return 0;
}

static void each_session_call_crosses_to_its_driver_call(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	probe.create = make_each_call;
	world_run(w);
	vmt_assert_clean(w->driver);
}

/* What vmi-rs's driver traits can do, folded as in driver.h: no op is without its session call. */
static void each_driver_call_of_a_handler_has_a_session_call(void **state)
{
	static const uint32_t of_the_loop[] = {
		VMT_CALL_WAIT,  VMT_CALL_NEXT,   VMT_CALL_ANSWER, VMT_CALL_COMMIT,
		VMT_CALL_RESET, VMT_CALL_SETTLE, VMT_CALL_DETACH, VMT_CALL_GET_CONTEXT,
	};

	(void)state;
	for (uint32_t op = 1; op < VMT_CALL_OP_COUNT; op++) {
		bool found = false;

		for (size_t i = 0; i < COUNT(of_the_loop); i++)
			found |= of_the_loop[i] == op;
		for (size_t i = 0; i < nevery_call; i++)
			found |= every_call[i].op == op;
		if (!found)
			fail_msg("no session call makes the driver call %s", vmt_call_name(op));
	}
}

/* A failure of the driver is the session call's: status, place, errno and words. */
static int see_each_failure(struct vmt_session *s)
{
	for (size_t i = 0; i < nevery_call; i++) {
		const struct every_call *c = &every_call[i];
		const struct vmt_fault_rule rule = {
			.op = c->op, .status = VMT_E_HYPERVISOR, .sys_errno = 28};
		int r;

		if (c->op == 0 || strcmp(c->name, "vmt_resume") == 0)
			continue;
		vmt_fault_injector_clear(probe.world->faults);
		world_fault(probe.world, &rule);
		r = c->call(s);
		if (r != -VMT_E_HYPERVISOR)
			fail_msg("%s: %d in spite of a failure", c->name, r);
		assert_int_equal(vmt_error_of(s)->status, VMT_E_HYPERVISOR);
		assert_int_equal(vmt_error_of(s)->sys_errno, 28);
		assert_holds(vmt_error_of(s)->text, "injected");
	}
	vmt_fault_injector_clear(probe.world->faults);
	return 0;
}

static void a_driver_calls_failure_is_the_session_calls(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	probe.create = see_each_failure;
	assert_int_equal(world_run(w), 0);
	vmt_assert_clean(w->driver);
}

static int set_a_range_with_a_failure(struct vmt_session *s)
{
	const struct vmt_fault_rule rule = {.op = VMT_CALL_SET_ACCESS, .pages_done = 3};
	uint64_t done = 99;

	world_fault(probe.world, &rule);
	assert_int_equal(vmt_set_access_range(s, 0, vmt_gfn_from(8), 10, vmt_access_from(VMT_R),
					      &done),
			 -VMT_E_HYPERVISOR);
	note(done);
	must(vmt_set_access_range(s, 0, vmt_gfn_from(8), 10, vmt_access_from(VMT_R), &done));
	note(done);
	return vmt_set_access_range(s, 0, vmt_gfn_from(8), 10, vmt_access_from(VMT_RWX), NULL);
}

static void a_range_tells_how_many_pages_were_set(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	probe.create = set_a_range_with_a_failure;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.noted[0], 3);
	assert_int_equal(probe.noted[1], 10);
}

static int rights_go_round(struct vmt_session *s)
{
	vmt_view view;

	must(vmt_view_create(s, vmt_access_from(VMT_RWX), &view));
	for (unsigned rights = 0; rights <= VMT_RWX; rights++) {
		struct vmt_access set = vmt_access_from(rights), got = {0xff, 0xff};

		if (rights == VMT_W || rights == VMT_WX)
			continue; /* no EPT has them: the domain would crash */
		must(vmt_set_access(s, view, vmt_gfn_from(8), set));
		must(vmt_get_access(s, view, vmt_gfn_from(8), &got));
		assert_int_equal(got.rights, rights);
		assert_int_equal(got.options, 0);
		note(rights);
	}
	return 0;
}

static void rights_are_set_and_read_back(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	probe.create = rights_go_round;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.nnoted, 6);
}

static int remap_and_look(struct vmt_session *s)
{
	vmt_gfn own = VMT_GFN_ANY, to;
	vmt_view view;

	must(vmt_view_create(s, vmt_access_from(VMT_RWX), &view));
	must(vmt_alloc_gfn(s, &own));
	must(vmt_write_u8(s, VMT_PHYS, vmt_gpa_of(own).a, 0x42));
	must(vmt_view_remap(s, view, vmt_gfn_from(8), own));
	must(vmt_scripted_view_target(probe.world->domain, view, vmt_gfn_from(8), &to));
	assert_int_equal(to.n, own.n);
	must(vmt_view_unmap(s, view, vmt_gfn_from(8)));
	must(vmt_scripted_view_target(probe.world->domain, view, vmt_gfn_from(8), &to));
	assert_int_equal(to.n, 8);
	must(vmt_free_gfn(s, own));
	must(vmt_view_destroy(s, view));
	assert_int_equal(vmt_view_destroy(s, view), -VMT_E_NOT_FOUND);
	assert_int_equal(vmt_view_destroy(s, 0), -VMT_E_INVALID);
	note(1);
	return 0;
}

static void views_are_made_remapped_and_destroyed(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	probe.create = remap_and_look;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.nnoted, 1);
	vmt_assert_clean(w->driver);
}

static struct vmt_response set_registers_by_call(struct vmt_ctx *ctx)
{
	struct vmt_session *s = vmt_session_of(ctx);
	struct vmt_regs regs = {.known = VMT_KNOWN(VMT_REG_RBX), .gprs.rbx = 0x77};
	struct vmt_response rsp = vmt_skip(ctx);

	must(vmt_set_regs(s, 1, &regs));
	must(vmt_get_regs(s, 1, &regs));
	note(regs.gprs.rbx);
	return rsp;
}

static void registers_of_any_vcpu_can_be_read_and_set(void **state)
{
	struct world *w = *state;
	struct vmt_scripted_config config = {.vcpus = 2};

	world_open(w, &config);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0));
	probe.event = set_registers_by_call;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.noted[0], 0x77);
	assert_int_equal(world_gprs(w, 1).rbx, 0x77);
}

static struct vmt_response inject_a_page_fault(struct vmt_ctx *ctx)
{
	struct vmt_session *s = vmt_session_of(ctx);
	const struct vmt_interrupt fault = vmt_page_fault(vmt_gva_from(0xdead000), 6);

	if (vmt_phase_of(ctx) == VMT_PHASE_LOOP) {
		must(vmt_inject(s, 0, &fault));
		note((uint64_t)-vmt_inject(s, 0, &fault));
	}
	return vmt_skip(ctx);
}

static int take_the_fault(struct vmt_driver *d, const struct vmt_delivered *what, void *arg)
{
	(void)d;
	(void)arg;
	assert_int_equal(what->interrupt.vector, 14);
	assert_int_equal(what->interrupt.type, VMT_INT_HW_EXCEPTION);
	assert_int_equal(what->interrupt.error_code, 6);
	assert_int_equal(what->interrupt.extra, 0xdead000);
	return 0;
}

static void a_page_fault_can_be_injected_one_at_a_time(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 1);
	must(vmt_scripted_on_delivery(w->domain, take_the_fault, NULL));
	WORLD_PLAY(w, VMT_INSN_NOP(0, 0));
	probe.event = inject_a_page_fault;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.noted[0], VMT_E_BUSY);
	vmt_assert_delivered(w->driver, 14, 1);
}

/* -------------------------------------------------------------------------------------------- */
/* Pauses                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static uint32_t pauses(void)
{
	return world_leftovers(probe.world).pauses;
}

static int in_a_guard(struct vmt_session *s)
{
	VMT_PAUSED(outer, s);

	must(outer.result);
	note(pauses());
	{
		VMT_PAUSED(inner, s);

		must(inner.result);
		note(pauses());
	}
	note(pauses());
	return 0;
}

static struct vmt_response pause_and_skip(struct vmt_ctx *ctx)
{
	must(in_a_guard(vmt_session_of(ctx)));
	note(pauses());
	return vmt_skip(ctx);
}

static void a_pause_guard_ends_with_its_scope_and_nests(void **state)
{
	struct world *w = *state;

	probe.event = pause_and_skip;
	assert_int_equal(world_run_cpuids(w, 1), 0);
	assert_int_equal(probe.noted[0], 1);
	assert_true(probe.noted[1] >= 1);
	assert_int_equal(probe.noted[2], 1);
	assert_int_equal(probe.noted[3], 0);
}

static int resume_too_often(struct vmt_session *s)
{
	note((uint64_t)-vmt_resume(s));
	note(pauses());
	return watch_cpuid(s);
}

/* The session's own pause, around create, is not the handler's to end. */
static void a_handler_cannot_resume_more_than_it_paused(void **state)
{
	struct world *w = *state;

	probe.create = resume_too_often;
	assert_int_equal(world_run_cpuids(w, 1), 0);
	assert_int_equal(probe.noted[0], VMT_E_WRONG_PLACE);
	assert_int_equal(probe.noted[1], 1);
}

static int guard_that_fails(struct vmt_session *s)
{
	const struct vmt_fault_rule rule = {.op = VMT_CALL_PAUSE};

	world_fault(probe.world, &rule);
	{
		VMT_PAUSED(guard, s);

		note((uint64_t)-guard.result);
	}
	note(pauses());
	return 0;
}

static void a_guard_whose_pause_failed_resumes_nothing(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_WORLD_IDLE(6 * SECOND));
	probe.timeout = guard_that_fails;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.noted[0], VMT_E_HYPERVISOR);
	assert_int_equal(probe.noted[1], 0);
	vmt_assert_clean(w->driver);
}

static int guard_whose_resume_fails(struct vmt_session *s)
{
	const struct vmt_fault_rule rule = {.op = VMT_CALL_RESUME};

	world_fault(probe.world, &rule);
	{
		VMT_PAUSED(guard, s);

		must(guard.result);
	}
	note(pauses());
	return 0;
}

static void a_pause_that_could_not_be_ended_is_ended_by_the_teardown(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_WORLD_IDLE(6 * SECOND));
	w->config.timeout_ms = 1000;
	probe.timeout = guard_whose_resume_fails;
	probe.interrupted = NULL;
	world_create(w);
	assert_int_equal(vmt_session_begin(w->session), 1);
	assert_int_equal(vmt_session_step(w->session), 1);
	assert_int_equal(probe.noted[0], 1);
	assert_int_equal(vmt_session_end(w->session, &w->outcome), 0);
	vmt_assert_clean(w->driver);
}

/* -------------------------------------------------------------------------------------------- */
/* Not there                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static int ask_for_what_is_not_there(struct vmt_session *s)
{
	const struct vmt_access walks = {.rights = VMT_R, .options = VMT_ACCESS_IGNORE_WALKS};

	assert_int_equal(vmt_monitor(s, VMT_MONITOR_IO), -VMT_E_NOT_SUPPORTED);
	assert_holds(vmt_error_of(s)->text, "4.18");
	assert_int_equal(vmt_set_access(s, 0, vmt_gfn_from(8), walks), -VMT_E_NOT_SUPPORTED);
	assert_holds(vmt_error_of(s)->text, "4.20");
	note(1);
	return 0;
}

static void what_this_xen_lacks_is_not_supported_and_says_since_when(void **state)
{
	struct world *w = *state;

	world_open(w, NULL); /* 4.17 */
	probe.create = ask_for_what_is_not_there;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.nnoted, 1);
}

static int ask_for_views_on_amd(struct vmt_session *s)
{
	vmt_view view;

	assert_int_equal(vmt_view_create(s, vmt_access_from(VMT_RWX), &view), -VMT_E_NOT_SUPPORTED);
	assert_holds(vmt_error_of(s)->text, "Intel");
	note(1);
	return 0;
}

static void what_this_cpu_lacks_is_not_supported_and_says_who_has_it(void **state)
{
	struct vmt_scripted_config config = {.svm = true};
	struct world *w = *state;

	world_open(w, &config);
	probe.create = ask_for_views_on_amd;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.nnoted, 1);
}

static int look_at_the_domain(struct vmt_session *s)
{
	struct vmt_info info;

	must(vmt_domain_info(s, &info));
	assert_int_equal(info.vcpus, 3);
	assert_int_equal(info.arch, VMT_ARCH_X86_64);
	assert_int_equal(info.xen_major, 4);
	assert_int_equal(info.xen_minor, 17);
	assert_int_equal(info.max_gfn, VMT_SCRIPTED_PAGES - 1);
	assert_true(info.capabilities & VMT_CAP_VIEWS);
	assert_false(info.capabilities & VMT_CAP_MONITOR_IO);
	assert_memory_equal(vmt_session_info(s)->backend, info.backend, sizeof(info.backend));
	note(1);
	return 0;
}

static void a_handler_can_ask_what_the_domain_is(void **state)
{
	struct vmt_scripted_config config = {.vcpus = 3};
	struct world *w = *state;

	world_open(w, &config);
	probe.create = look_at_the_domain;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.nnoted, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(each_session_call_crosses_to_its_driver_call),
		cmocka_unit_test(each_driver_call_of_a_handler_has_a_session_call),
		WORLD_TEST(a_driver_calls_failure_is_the_session_calls),
		WORLD_TEST(a_range_tells_how_many_pages_were_set),
		WORLD_TEST(rights_are_set_and_read_back),
		WORLD_TEST(views_are_made_remapped_and_destroyed),
		WORLD_TEST(registers_of_any_vcpu_can_be_read_and_set),
		WORLD_TEST(a_page_fault_can_be_injected_one_at_a_time),
		WORLD_TEST(a_pause_guard_ends_with_its_scope_and_nests),
		WORLD_TEST(a_handler_cannot_resume_more_than_it_paused),
		WORLD_TEST(a_guard_whose_pause_failed_resumes_nothing),
		WORLD_TEST(a_pause_that_could_not_be_ended_is_ended_by_the_teardown),
		WORLD_TEST(what_this_xen_lacks_is_not_supported_and_says_since_when),
		WORLD_TEST(what_this_cpu_lacks_is_not_supported_and_says_who_has_it),
		WORLD_TEST(a_handler_can_ask_what_the_domain_is),
	};

	return cmocka_run_group_tests_name("calls", tests, NULL, NULL);
}
