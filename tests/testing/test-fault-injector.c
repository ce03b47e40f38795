/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fault injector: which calls its rules strike, what the domain sees of them, and what the
 * error says.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <vmitape/test.h>

#include "tests/core/calls.h"

#include "puppet.h"

struct fixture {
	struct puppet *inner;
	struct vmt_driver *d;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->inner = puppet_create();
	if (vmt_fault_injector_create(&f->inner->d.driver, 7, &f->d, NULL) < 0)
		return -1;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	vmt_driver_close(f->d);
	free(f);
	return 0;
}

static void add(struct fixture *f, struct vmt_fault_rule rule)
{
	vmt_assert_ok(vmt_fault_injector_add(f->d, &rule), &f->d->err);
}

/* Makes @n commits; returns a string of one letter each: '.' well, 'F' struck. */
static const char *commits(struct fixture *f, size_t n)
{
	static char letters[1024];

	assert_true(n < sizeof(letters));
	for (size_t i = 0; i < n; i++)
		letters[i] = vmt_driver_commit(f->d) < 0 ? 'F' : '.';
	letters[n] = '\0';
	return letters;
}

static void callback(struct fixture *f, uint64_t number, uint32_t phase)
{
	struct vmt_observer *o = vmt_fault_injector_observer(f->d);
	struct vmt_callback cb = {.number = number, .phase = phase};

	o->ops->callback(o, &cb);
}

static void teardown_step(struct fixture *f, const char *step)
{
	struct vmt_observer *o = vmt_fault_injector_observer(f->d);

	o->ops->teardown(o, step);
}

/* -------------------------------------------------------------------------------------------- */
/* Which calls                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static void without_rules_nothing_is_struck(void **state)
{
	struct fixture *f = *state;
	struct call_storage st = {0};

	for (unsigned op = 1; op < VMT_CALL_OP_COUNT; op++) {
		struct vmt_call call = sample_call(op, &st);

		assert_int_equal(call_function(f->d, &call), 0);
		assert_int_equal(vmt_fault_injector_calls(f->d, op), 1);
		assert_int_equal(f->inner->calls[op], 1);
	}
	assert_int_equal(vmt_fault_injector_calls(f->d, 0), VMT_CALL_OP_COUNT - 1);
	assert_int_equal(vmt_fault_injector_struck(f->d), 0);
}

static void each_op_can_be_struck(void **state)
{
	struct fixture *f = *state;
	struct call_storage st = {0};

	for (unsigned op = 1; op < VMT_CALL_OP_COUNT; op++) {
		struct vmt_call call = sample_call(op, &st);

		vmt_fault_injector_clear(f->d);
		add(f, (struct vmt_fault_rule){.op = op});
		vmt_assert_refused(call_function(f->d, &call), &f->d->err, VMT_E_HYPERVISOR);
		assert_int_equal(f->inner->calls[op], 0);
		assert_non_null(strstr(f->d->err.text, vmt_call_name(op)));
		assert_non_null(strstr(f->d->err.text, "injected"));
		assert_int_equal(
			strncmp(f->d->err.place, vmt_call_name(op), strlen(vmt_call_name(op))), 0);
	}
}

static void a_blank_rule_strikes_the_next_call_of_any_op_once(void **state)
{
	struct fixture *f = *state;

	add(f, (struct vmt_fault_rule){0});
	vmt_assert_refused(vmt_driver_pause(f->d), &f->d->err, VMT_E_HYPERVISOR);
	vmt_assert_ok(vmt_driver_pause(f->d), &f->d->err);
	assert_int_equal(vmt_fault_injector_struck(f->d), 1);
}

static void only_the_named_op_is_struck(void **state)
{
	struct fixture *f = *state;

	add(f, (struct vmt_fault_rule){.op = VMT_CALL_COMMIT});
	vmt_assert_ok(vmt_driver_pause(f->d), &f->d->err);
	assert_string_equal(commits(f, 2), "F.");
}

static void the_nth_call_is_struck(void **state)
{
	struct fixture *f = *state;

	add(f, (struct vmt_fault_rule){.op = VMT_CALL_COMMIT, .nth = 3});
	vmt_driver_pause(f->d);
	assert_string_equal(commits(f, 5), "..F..");
}

static void a_number_of_calls_is_struck(void **state)
{
	struct fixture *f = *state;

	add(f, (struct vmt_fault_rule){.op = VMT_CALL_COMMIT, .nth = 2, .times = 2});
	assert_string_equal(commits(f, 5), ".FF..");
}

static void all_calls_are_struck(void **state)
{
	struct fixture *f = *state;

	add(f,
	    (struct vmt_fault_rule){.op = VMT_CALL_COMMIT, .nth = 2, .times = VMT_STRIKE_ALWAYS});
	assert_string_equal(commits(f, 6), ".FFFFF");
}

static void several_rules_each_count_on_their_own(void **state)
{
	struct fixture *f = *state;

	add(f, (struct vmt_fault_rule){.op = VMT_CALL_COMMIT, .nth = 1});
	add(f, (struct vmt_fault_rule){.op = VMT_CALL_COMMIT, .nth = 4});
	add(f, (struct vmt_fault_rule){.nth = 6});
	assert_string_equal(commits(f, 7), "F..F.F.");
}

static void from_a_callback_on(void **state)
{
	struct fixture *f = *state;

	add(f, (struct vmt_fault_rule){.from_callback = 5});
	assert_string_equal(commits(f, 2), "..");
	callback(f, 4, VMT_PHASE_LOOP);
	assert_string_equal(commits(f, 2), "..");
	callback(f, 5, VMT_PHASE_LOOP);
	assert_string_equal(commits(f, 2), "F.");
}

static void in_a_phase(void **state)
{
	struct fixture *f = *state;

	add(f, (struct vmt_fault_rule){.phase = VMT_PHASE_CLEANUP, .times = VMT_STRIKE_ALWAYS});
	assert_string_equal(commits(f, 1), ".");
	callback(f, 0, VMT_PHASE_CREATE);
	assert_string_equal(commits(f, 1), ".");
	callback(f, 1, VMT_PHASE_CLEANUP);
	assert_string_equal(commits(f, 1), "F");
	callback(f, 2, VMT_PHASE_DRAIN);
	assert_string_equal(commits(f, 1), ".");
}

static void the_phase_follows_the_session(void **state)
{
	struct fixture *f = *state;
	struct vmt_observer *o = vmt_fault_injector_observer(f->d);

	add(f, (struct vmt_fault_rule){.phase = VMT_PHASE_CREATE, .times = VMT_STRIKE_ALWAYS});
	add(f, (struct vmt_fault_rule){.phase = VMT_PHASE_OVER, .times = VMT_STRIKE_ALWAYS});
	assert_string_equal(commits(f, 1), ".");
	o->ops->begin(o, NULL);
	assert_string_equal(commits(f, 1), "F");
	teardown_step(f, "pause");
	assert_string_equal(commits(f, 1), ".");
	o->ops->end(o, NULL);
	assert_string_equal(commits(f, 1), "F");
}

static void in_a_step_of_the_teardown(void **state)
{
	struct fixture *f = *state;

	add(f, (struct vmt_fault_rule){.step = "reset", .times = VMT_STRIKE_ALWAYS});
	assert_string_equal(commits(f, 1), ".");
	teardown_step(f, "cleanup");
	assert_string_equal(commits(f, 1), ".");
	teardown_step(f, "reset");
	assert_string_equal(commits(f, 1), "F");
	assert_non_null(strstr(f->d->err.text, "the teardown's reset"));
	teardown_step(f, "drain");
	assert_string_equal(commits(f, 1), ".");
}

static void with_a_probability_by_seed(void **state)
{
	struct fixture *f = *state;
	struct vmt_fault_rule rule = {.per_million = 250000, .times = VMT_STRIKE_ALWAYS};
	char first[513] = "";
	uint64_t struck;

	add(f, rule);
	memcpy(first, commits(f, 512), 512);
	struck = vmt_fault_injector_struck(f->d);
	assert_in_range(struck, 90, 170);

	vmt_fault_injector_clear(f->d);
	add(f, rule);
	assert_string_equal(commits(f, 512), first);
}

static void another_seed_strikes_other_calls(void **state)
{
	struct fixture *f = *state;
	struct vmt_fault_rule rule = {.per_million = 500000, .times = VMT_STRIKE_ALWAYS};
	struct puppet *inner = puppet_create();
	struct fixture other = {.inner = inner};
	char first[65] = "";

	vmt_assert_ok(vmt_fault_injector_create(&inner->d.driver, 8, &other.d, NULL), NULL);
	add(f, rule);
	add(&other, rule);
	memcpy(first, commits(f, 64), 64);
	assert_string_not_equal(commits(&other, 64), first);
	vmt_driver_close(other.d);
}

static void a_probability_of_a_million_is_certain(void **state)
{
	struct fixture *f = *state;

	add(f, (struct vmt_fault_rule){.per_million = 1000000, .times = VMT_STRIKE_ALWAYS});
	assert_string_equal(commits(f, 8), "FFFFFFFF");
}

/* -------------------------------------------------------------------------------------------- */
/* How they fail                                                                                */
/* -------------------------------------------------------------------------------------------- */

static void status_and_errno_are_as_the_rule_says(void **state)
{
	struct fixture *f = *state;
	uint8_t byte;

	callback(f, 12, VMT_PHASE_LOOP);
	add(f, (struct vmt_fault_rule){.status = VMT_E_BUSY, .sys_errno = EBUSY});
	vmt_assert_refused(vmt_driver_read(f->d, vmt_gfn_from(0x1f2), 16, &byte, 1), &f->d->err,
			   VMT_E_BUSY);
	assert_int_equal(f->d->err.sys_errno, EBUSY);
	assert_string_equal(f->d->err.place, "read(gfn 0x1f2, offset 16, length 1)");
	assert_string_equal(f->d->err.text,
			    "injected fault: rule 0 struck call 1 of read, at callback 12: "
			    "Device or resource busy");
}

static void a_call_can_be_done_and_said_to_have_failed(void **state)
{
	struct fixture *f = *state;

	add(f, (struct vmt_fault_rule){.op = VMT_CALL_PAUSE, .done_anyway = true});
	vmt_assert_refused(vmt_driver_pause(f->d), &f->d->err, VMT_E_HYPERVISOR);
	assert_int_equal(f->inner->calls[VMT_CALL_PAUSE], 1);
}

static void rights_can_be_set_in_part(void **state)
{
	struct fixture *f = *state;
	uint64_t done = 99;

	add(f, (struct vmt_fault_rule){.op = VMT_CALL_SET_ACCESS, .pages_done = 3, .times = 2});
	vmt_assert_refused(vmt_driver_set_access(f->d, 0, vmt_gfn_from(1), 8,
						 vmt_access_from(VMT_R), &done),
			   &f->d->err, VMT_E_HYPERVISOR);
	assert_int_equal(done, 3);
	assert_int_equal(f->inner->pages_done, 3);

	/* Never more than were asked for. */
	vmt_assert_refused(vmt_driver_set_access(f->d, 0, vmt_gfn_from(1), 2,
						 vmt_access_from(VMT_R), &done),
			   &f->d->err, VMT_E_HYPERVISOR);
	assert_int_equal(done, 2);
}

static void a_struck_set_access_has_set_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t done = 99;

	add(f, (struct vmt_fault_rule){.op = VMT_CALL_SET_ACCESS});
	vmt_assert_refused(vmt_driver_set_access(f->d, 0, vmt_gfn_from(1), 8,
						 vmt_access_from(VMT_R), &done),
			   &f->d->err, VMT_E_HYPERVISOR);
	assert_int_equal(done, 0);
	assert_int_equal(f->inner->calls[VMT_CALL_SET_ACCESS], 0);
}

static void failures_of_the_inner_driver_pass_through(void **state)
{
	struct fixture *f = *state;

	f->inner->result = -VMT_E_GONE;
	vmt_assert_refused(vmt_driver_pause(f->d), &f->d->err, VMT_E_GONE);
	assert_string_equal(f->d->err.text, "told to fail");
	assert_int_equal(vmt_fault_injector_struck(f->d), 0);
}

/* -------------------------------------------------------------------------------------------- */
/* Rules                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static void rules_without_sense_are_refused(void **state)
{
	struct fixture *f = *state;
	static const struct {
		struct vmt_fault_rule rule;
		const char *word;
	} bad[] = {
		{{.op = VMT_CALL_OP_COUNT}, "op"},        {{.phase = VMT_PHASE_OVER + 1}, "phase"},
		{{.status = VMT_STATUS_COUNT}, "status"}, {{.per_million = 1000001}, "million"},
		{{.step = "breakfast"}, "breakfast"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		vmt_assert_refused(vmt_fault_injector_add(f->d, &bad[i].rule), &f->d->err,
				   VMT_E_INVALID);
		assert_non_null(strstr(f->d->err.text, bad[i].word));
	}
	assert_string_equal(commits(f, 1), ".");
}

static void another_driver_takes_no_rules(void **state)
{
	struct fixture *f = *state;
	struct vmt_driver *inner = &f->inner->d.driver;
	struct vmt_fault_rule rule = {0};

	vmt_assert_refused(vmt_fault_injector_add(inner, &rule), &inner->err, VMT_E_INVALID);
	assert_null(vmt_fault_injector_observer(inner));
	assert_int_equal(vmt_fault_injector_calls(inner, 0), 0);
	vmt_fault_injector_clear(inner);
}

static void clearing_takes_back_rules_and_counts(void **state)
{
	struct fixture *f = *state;

	add(f, (struct vmt_fault_rule){.times = VMT_STRIKE_ALWAYS});
	commits(f, 2);
	vmt_fault_injector_clear(f->d);
	assert_int_equal(vmt_fault_injector_struck(f->d), 0);
	assert_int_equal(vmt_fault_injector_calls(f->d, 0), 0);
	assert_string_equal(commits(f, 2), "..");
}

static void it_is_found_through_drivers_around_it(void **state)
{
	struct fixture *f = *state;
	struct vmt_driver *log;

	vmt_assert_ok(vmt_call_log_create(f->d, &log, NULL), NULL);
	f->d = log; /* which tear_down closes */
	add(f, (struct vmt_fault_rule){0});
	assert_string_equal(commits(f, 1), "F");
	/* The log around it keeps the fault. */
	assert_int_equal(vmt_call_log_get(log, VMT_CALL_COMMIT, 0)->err.status, VMT_E_HYPERVISOR);
	assert_int_equal(vmt_driver_stop_fd(log), PUPPET_FD);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_rules_nothing_is_struck),
		TEST(each_op_can_be_struck),
		TEST(a_blank_rule_strikes_the_next_call_of_any_op_once),
		TEST(only_the_named_op_is_struck),
		TEST(the_nth_call_is_struck),
		TEST(a_number_of_calls_is_struck),
		TEST(all_calls_are_struck),
		TEST(several_rules_each_count_on_their_own),
		TEST(from_a_callback_on),
		TEST(in_a_phase),
		TEST(the_phase_follows_the_session),
		TEST(in_a_step_of_the_teardown),
		TEST(with_a_probability_by_seed),
		TEST(another_seed_strikes_other_calls),
		TEST(a_probability_of_a_million_is_certain),
		TEST(status_and_errno_are_as_the_rule_says),
		TEST(a_call_can_be_done_and_said_to_have_failed),
		TEST(rights_can_be_set_in_part),
		TEST(a_struck_set_access_has_set_nothing),
		TEST(failures_of_the_inner_driver_pass_through),
		TEST(rules_without_sense_are_refused),
		TEST(another_driver_takes_no_rules),
		TEST(clearing_takes_back_rules_and_counts),
		TEST(it_is_found_through_drivers_around_it),
	};

	return cmocka_run_group_tests_name("fault injector", tests, NULL, NULL);
}
