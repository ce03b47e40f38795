/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Scenario files: each line does what docs/scenario.md says, and what is wrong is told with its
 * line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmitape/handler.h>
#include <vmitape/test.h>

/* -------------------------------------------------------------------------------------------- */
/* A handler that watches what the domain can show                                              */
/* -------------------------------------------------------------------------------------------- */

static int create(struct vmt_session *s, void **self)
{
	static const enum vmt_monitor_kind kinds[] = {
		VMT_MONITOR_BREAKPOINT, VMT_MONITOR_HYPERCALL, VMT_MONITOR_CPUID,
		VMT_MONITOR_DESCRIPTOR, VMT_MONITOR_DEBUG,
	};
	int r = 0;

	*self = NULL;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && r >= 0; i++)
		r = vmt_monitor(s, kinds[i]);
	if (r >= 0)
		r = vmt_monitor_cr(s, VMT_CR3);
	return r < 0 ? r : vmt_monitor_msr(s, VMT_MSR_LSTAR);
}

static struct vmt_response handle_event(void *self, struct vmt_ctx *ctx)
{
	(void)self;
	switch (vmt_event_of(ctx)->reason) {
	case VMT_EVENT_CPUID:
	case VMT_EVENT_DESCRIPTOR:
		return vmt_skip(ctx);
	case VMT_EVENT_INTERRUPT:
		return vmt_respond(VMT_REINJECT);
	default:
		return vmt_respond(VMT_CONTINUE);
	}
}

static const struct vmt_handler_ops watcher = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(watcher),
	.name = "watcher",
	.version = "1",
	.create = create,
	.handle_event = handle_event,
};

/** Play @text under the watcher; the caller destroys @seen. */
static struct vmt_collector *play(const char *text, struct vmt_outcome *outcome)
{
	struct vmt_collector *seen;
	struct vmt_driver *d;
	struct vmt_error err = {0};

	vmt_assert_ok(vmt_scenario_parse("test", text, strlen(text), &d, &err), &err);
	vmt_assert_ok(vmt_collector_create(&seen, &err), &err);
	vmt_scripted_run_handler(d, &watcher, NULL, 0, seen, outcome);
	vmt_assert_clean(d);
	vmt_driver_close(d);
	return seen;
}

static const struct vmt_event *event(const struct vmt_collector *seen, size_t n)
{
	const struct vmt_collected_callback *cb =
		vmt_collector_callback(seen, VMT_CALLBACK_EVENT, n);

	return cb ? cb->callback.event : NULL;
}

/* -------------------------------------------------------------------------------------------- */
/* What the lines do                                                                            */
/* -------------------------------------------------------------------------------------------- */

static void each_watched_instruction_gives_its_event(void **state)
{
	static const char text[] = "# all that the watcher watches\n"
				   "0 at=0x1000 nop\n"
				   "0 cr cr3 0x5000\n"
				   "0 msr 0xc0000082 0x1234\n"
				   "0 int3\n"
				   "0 cpuid 7 1\n"
				   "0 vmcall\n"
				   "0 descriptor gdtr read\n"
				   "0 debug\n";
	struct vmt_outcome outcome;
	struct vmt_collector *seen = play(text, &outcome);

	(void)state;
	vmt_assert_ended(&outcome, VMT_END_GONE);
	vmt_assert_event(event(seen, 0), VMT_EVENT_WRITE_CR, {"cr", VMT_CR3}, {"new", 0x5000},
			 {"rip", 0x1001});
	vmt_assert_event(event(seen, 1), VMT_EVENT_WRITE_MSR, {"msr", 0xc0000082}, {"new", 0x1234});
	vmt_assert_event(event(seen, 2), VMT_EVENT_INTERRUPT, {"vector", 3});
	vmt_assert_event(event(seen, 3), VMT_EVENT_CPUID, {"leaf", 7}, {"subleaf", 1});
	vmt_assert_event(event(seen, 4), VMT_EVENT_HYPERCALL);
	vmt_assert_event(event(seen, 5), VMT_EVENT_DESCRIPTOR, {"descriptor", VMT_DESC_GDTR},
			 {"write", 0});
	vmt_assert_event(event(seen, 6), VMT_EVENT_INTERRUPT, {"vector", 1});
	assert_null(event(seen, 7));
	vmt_collector_destroy(seen);
}

static void the_domain_line_sets_the_domain(void **state)
{
	static const char text[] =
		"domain vcpus=3 xen=4.20 svm pages=64 seed=9 start=5ms paging=4\n";
	struct vmt_driver *d;
	struct vmt_error err = {0};
	struct vmt_info info;

	(void)state;
	vmt_assert_ok(vmt_scenario_parse("test", text, strlen(text), &d, &err), &err);
	vmt_assert_ok(vmt_driver_info(d, &info), &d->err);
	assert_int_equal(info.vcpus, 3);
	assert_int_equal(info.xen_major, 4);
	assert_int_equal(info.xen_minor, 20);
	assert_int_equal(info.max_gfn, 63);
	assert_int_equal(info.seed, 9);
	assert_int_equal(info.now, 5000000);
	assert_false(info.capabilities & VMT_CAP_VIEWS); /* there are none on SVM */
	assert_int_equal(vmt_scripted_space(d).paging, VMT_PAGING_4);
	vmt_driver_close(d);
}

static void memory_and_registers_are_there_at_the_start(void **state)
{
	static const char text[] = "memory 0x5000 68656c6c6f\n"
				   "reg 0 rax 0x7\n"
				   "reg 0 lstar 0xffffffff81000000\n";
	struct vmt_driver *d;
	struct vmt_error err = {0};
	struct vmt_regs regs;

	(void)state;
	vmt_assert_ok(vmt_scenario_parse("test", text, strlen(text), &d, &err), &err);
	vmt_assert_memory(d, vmt_gpa_from(0x5000), 'h', 'e', 'l', 'l', 'o', 0);
	vmt_assert_ok(vmt_driver_get_regs(d, 0, &regs), &d->err);
	assert_int_equal(regs.gprs.rax, 7);
	assert_int_equal(regs.lstar, 0xffffffff81000000);
	vmt_driver_close(d);
}

static void a_repeat_plays_its_steps_so_many_times(void **state)
{
	static const char text[] = "repeat 5\n"
				   "0 at=0x1000 vmcall\n"
				   "0 jump 0x1000\n"
				   "end\n"
				   "0 nop\n"; /* where the last jump goes */
	struct vmt_outcome outcome;
	struct vmt_collector *seen = play(text, &outcome);

	(void)state;
	assert_int_equal(vmt_collector_ncallbacks(seen, VMT_CALLBACK_EVENT), 5);
	vmt_collector_destroy(seen);
}

static void the_world_pokes_idles_and_stops(void **state)
{
	static const char text[] = "0 at=0x1000 nop\n"
				   "world poke 0x6000 aabb\n"
				   "world idle 11s\n"
				   "world stop\n"
				   "0 vmcall\n";
	struct vmt_outcome outcome;
	struct vmt_collector *seen = play(text, &outcome);

	(void)state;
	vmt_assert_ended(&outcome, VMT_END_INTERRUPTED);
	assert_int_equal(outcome.timeouts, 2); /* every 5 s */
	assert_int_equal(vmt_collector_ncallbacks(seen, VMT_CALLBACK_EVENT), 0);
	vmt_collector_destroy(seen);
}

static void an_empty_scenario_is_a_guest_that_shuts_down(void **state)
{
	struct vmt_outcome outcome;
	struct vmt_collector *seen = play("", &outcome);

	(void)state;
	vmt_assert_ended(&outcome, VMT_END_GONE);
	vmt_collector_destroy(seen);
}

static void a_scenario_is_read_from_a_file(void **state)
{
	char path[] = "/tmp/vmitape-scenario-XXXXXX";
	static const char text[] = "domain vcpus=2\n";
	struct vmt_driver *d;
	struct vmt_error err = {0};
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	vmt_assert_ok(vmt_scenario_open(path, &d, &err), &err);
	vmt_driver_close(d);
	unlink(path);
	vmt_assert_refused(vmt_scenario_open(path, &d, &err), &err, VMT_E_NOT_FOUND);
	assert_null(d);
}

/* -------------------------------------------------------------------------------------------- */
/* What is wrong                                                                                */
/* -------------------------------------------------------------------------------------------- */

static void what_is_wrong_is_told_with_its_line(void **state)
{
	static const struct {
		const char *text, *place, *says;
	} wrong[] = {
		{"0 nop\n0 fly\n", "test:2", "no such step"},
		{"hello\n", "test:1", "a line begins with"},
		{"0 nop\ndomain vcpus=1\n", "test:2", "before all others"},
		{"domain colour=red\n", "test:1", "no such word"},
		{"domain xen=4.x\n", "test:1", "a version"},
		{"domain vcpus=65\n", "test:1", "a number"},
		{"memory 0x5000 9\n", "test:1", "bytes"},
		{"memory 0x5000 XY\n", "test:1", "pairs of digits"},
		{"memory 0xfffffff000 90\n", "test:1", "no memory at"},
		{"reg 0 rfoo 1\n", "test:1", "no such register"},
		{"reg 9 rax 1\n", "test:1", "no such vCPU"},
		{"0 cr cr9 1\n", "test:1", "not known here"},
		{"0 cpuid\n", "test:1", "a number"},
		{"0 nop nop\n", "test:1", "too many words"},
		{"0 idle 5ms\n", "test:1", "by the world"},
		{"world nop\n", "test:1", "by a vCPU"},
		{"world idle 5h\n", "test:1", "unit of a time"},
		{"repeat 0\n", "test:1", "from 1 on"},
		{"repeat 2\nrepeat 2\n", "test:2", "inside of a repeat"},
		{"repeat 2\n0 nop\n", "test:2", "not ended"},
		{"end\n", "test:1", "no repeat"},
		{"0 msr 1 1e\n", "test:1", "a number"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct vmt_driver *d;
		struct vmt_error err = {0};
		int r = vmt_scenario_parse("test", wrong[i].text, strlen(wrong[i].text), &d, &err);

		vmt_assert_refused(r, &err, VMT_E_INVALID);
		assert_null(d);
		if (strcmp(err.place, wrong[i].place) != 0 || !strstr(err.text, wrong[i].says))
			fail_msg("'%s': expected %s: ...%s..., got %s: %s", wrong[i].text,
				 wrong[i].place, wrong[i].says, err.place, err.text);
	}
}

static void too_many_steps_are_refused(void **state)
{
	static const char text[] = "repeat 600000\n0 at=0x1000 nop\n0 jump 0x1000\nend\n";
	struct vmt_driver *d;
	struct vmt_error err = {0};

	(void)state;
	vmt_assert_refused(vmt_scenario_parse("test", text, strlen(text), &d, &err), &err,
			   VMT_E_LIMIT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_watched_instruction_gives_its_event),
		cmocka_unit_test(the_domain_line_sets_the_domain),
		cmocka_unit_test(memory_and_registers_are_there_at_the_start),
		cmocka_unit_test(a_repeat_plays_its_steps_so_many_times),
		cmocka_unit_test(the_world_pokes_idles_and_stops),
		cmocka_unit_test(an_empty_scenario_is_a_guest_that_shuts_down),
		cmocka_unit_test(a_scenario_is_read_from_a_file),
		cmocka_unit_test(what_is_wrong_is_told_with_its_line),
		cmocka_unit_test(too_many_steps_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
