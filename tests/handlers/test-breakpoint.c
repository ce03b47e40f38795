/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The handler `breakpoint`.
 */
#include "seen.h"

#define AT(n) (VMT_SCRIPTED_RIP + UINT64_C(0x10) * (n))

static void each_hit_is_told_with_its_registers(void **state)
{
	struct vmt_regs regs = {.known = VMT_KNOWN(VMT_REG_RDI) | VMT_KNOWN(VMT_REG_RSP)};
	struct stage st;

	(void)state;
	regs.gprs.rdi = 0xd1;
	regs.gprs.rsp = 0x8000;
	stage_init(&st, NULL);
	assert_int_equal(vmt_scripted_set_regs(st.scripted, 0, &regs), 0);
	PLAY(&st, VMT_INSN_NOP(0, AT(0)), VMT_INSN_NOP(0, AT(1)), VMT_INSN_NOP(0, AT(2)),
	     VMT_INSN_NOP(0, AT(1)));
	RUN(&st, "breakpoint", {"at", "0x1010,4128"}, {"physical", "yes"});
	vmt_assert_ended(&st.outcome, VMT_END_GONE);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 3);
	seen_is(&st, "hit", 0, "address", AT(1));
	seen_is(&st, "hit", 0, "vcpu", 0);
	seen_is(&st, "hit", 0, "rip", AT(1));
	seen_is(&st, "hit", 0, "rdi", 0xd1);
	seen_is(&st, "hit", 0, "rsp", 0x8000);
	seen_is(&st, "hit", 1, "address", AT(2));
	seen_is(&st, "hit", 2, "address", AT(1));
	vmt_assert_delivered(st.scripted, -1, 0);
	stage_finish(&st);
}

/** Two vCPUs in two spaces that both map the code, and what -O global=@global tells. */
static void run_in_two_spaces(const char *global, size_t hits)
{
	const struct vmt_scripted_config config = {.vcpus = 2, .paging = VMT_PAGING_4};
	struct vmt_space other;
	struct stage st;

	stage_init(&st, &config);
	assert_int_equal(vmt_scripted_new_space(st.scripted, VMT_PAGING_4, 0, &other), 0);
	assert_int_equal(vmt_scripted_map(st.scripted, other, vmt_gva_from(0x1000),
					  vmt_gpa_from(0x1000), 4096, 0),
			 0);
	assert_int_equal(vmt_scripted_enter_space(st.scripted, 1, other), 0);
	for (uint16_t i = 0; i < 2; i++)
		PLAY(&st, VMT_INSN_NOP(i, AT(1)), VMT_INSN_NOP(i, AT(2)));
	RUN(&st, "breakpoint", {"at", "0x1010"}, {"global", global});
	vmt_assert_ended(&st.outcome, VMT_END_GONE);
	assert_int_equal(vmt_collector_nemissions(st.seen, "hit"), hits);
	stage_finish(&st);
}

static void a_breakpoint_is_in_every_address_space(void **state)
{
	(void)state;
	run_in_two_spaces("yes", 2);
}

static void or_in_one_only(void **state)
{
	(void)state;
	run_in_two_spaces("no", 1);
}

static void it_finishes_after_so_many(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	for (int i = 0; i < 4; i++)
		PLAY(&st, VMT_INSN_NOP(0, AT(0)), VMT_INSN_JUMP(0, AT(1), AT(0)));
	RUN(&st, "breakpoint", {"at", "0x1000"}, {"physical", "yes"}, {"count", "2"});
	vmt_assert_ended(&st.outcome, VMT_END_FINISHED);
	vmt_assert_output(st.outcome.output, "total", vmt_u64(2));
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 2);
	stage_finish(&st);
}

static void hits_after_the_end_are_answered_and_not_told(void **state)
{
	const struct vmt_scripted_config config = {.vcpus = 4};
	struct stage st;

	(void)state;
	stage_init(&st, &config);
	for (uint16_t i = 0; i < 4; i++)
		PLAY(&st, VMT_INSN_NOP(i, AT(0)));
	RUN(&st, "breakpoint", {"at", "0x1000"}, {"physical", "yes"}, {"count", "1"});
	vmt_assert_ended(&st.outcome, VMT_END_FINISHED);
	assert_true(st.outcome.events >= 2);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 1);
	stage_finish(&st);
}

static void a_stop_ends_it_with_its_result(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_NOP(0, AT(0)), VMT_WORLD_STOP(), VMT_INSN_NOP(0, AT(1)));
	RUN(&st, "breakpoint", {"at", "0x1000"}, {"physical", "yes"});
	vmt_assert_ended(&st.outcome, VMT_END_FINISHED);
	vmt_assert_output(st.outcome.output, "total", vmt_u64(1));
	stage_finish(&st);
}

static void the_guests_own_int3_is_its_own(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_INT3(0, AT(0)), VMT_INSN_NOP(0, AT(0) + 1), VMT_INSN_NOP(0, AT(1)));
	RUN(&st, "breakpoint", {"at", "0x1010"}, {"physical", "yes"});
	vmt_assert_ended(&st.outcome, VMT_END_GONE);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 1);
	vmt_assert_delivered(st.scripted, 3, 1);
	stage_finish(&st);
}

/** The guest maps the page in which a breakpoint waits. */
static int map_it(struct vmt_driver *d, void *arg)
{
	(void)arg;
	return vmt_scripted_map(d, vmt_scripted_space(d), vmt_gva_from(0x40001000),
				vmt_gpa_from(0x1000), 4096, 0);
}

static void an_address_is_looked_at_again_until_it_is_there(void **state)
{
	const struct vmt_scripted_config config = {.paging = VMT_PAGING_4};
	struct stage st;

	(void)state;
	stage_init(&st, &config);
	PLAY(&st, VMT_INSN_NOP(0, AT(0)), VMT_WORLD_IDLE(UINT64_C(150000000)),
	     VMT_WORLD_CALL(map_it, NULL), VMT_WORLD_IDLE(UINT64_C(150000000)),
	     VMT_INSN_JUMP(0, AT(2), 0x40001010), VMT_INSN_NOP(0, 0x40001010));
	RUN(&st, "breakpoint", {"at", "0x40001010"});
	vmt_assert_ended(&st.outcome, VMT_END_GONE);
	assert_int_equal(vmt_collector_nemissions(st.seen, "hit"), 1);
	seen_is(&st, "hit", 0, "address", 0x40001010);
	assert_true(st.outcome.timeouts >= 2);
	stage_finish(&st);
}

static void options_that_make_no_sense_are_refused(void **state)
{
	static const char *const bad[] = {
		"", "x", "0x1000,", "0x1000 0x2000", "0x1000,-1", "0x1ffffffffffffffff"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct stage st;

		stage_init(&st, NULL);
		RUN(&st, "breakpoint", {"at", bad[i]}, {"physical", "yes"});
		stage_failed(&st, VMT_END_CREATE_FAILED, "does not begin with an address");
		stage_finish(&st);
	}
}

static void a_domain_without_views_is_refused(void **state)
{
	const struct vmt_scripted_config svm = {.svm = true};
	struct stage st;

	(void)state;
	stage_init(&st, &svm);
	RUN(&st, "breakpoint", {"at", "0x1000"}, {"physical", "yes"});
	vmt_assert_ended(&st.outcome, VMT_END_CREATE_FAILED);
	assert_int_equal(st.outcome.error.status, VMT_E_NOT_SUPPORTED);
	stage_finish(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_hit_is_told_with_its_registers),
		cmocka_unit_test(a_breakpoint_is_in_every_address_space),
		cmocka_unit_test(or_in_one_only),
		cmocka_unit_test(it_finishes_after_so_many),
		cmocka_unit_test(hits_after_the_end_are_answered_and_not_told),
		cmocka_unit_test(a_stop_ends_it_with_its_result),
		cmocka_unit_test(the_guests_own_int3_is_its_own),
		cmocka_unit_test(an_address_is_looked_at_again_until_it_is_there),
		cmocka_unit_test(options_that_make_no_sense_are_refused),
		cmocka_unit_test(a_domain_without_views_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
