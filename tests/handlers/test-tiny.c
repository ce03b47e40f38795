/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The handler `tiny`.
 */
#include "seen.h"

static void each_switch_is_told(void **state)
{
	const struct vmt_scripted_config config = {.vcpus = 2};
	struct stage st;

	(void)state;
	stage_init(&st, &config);
	PLAY(&st, VMT_INSN_CR(0, 0, VMT_CR3, 0x5000), VMT_INSN_CR(0, 0, VMT_CR3, 0x6000),
	     VMT_WORLD_SYNC(), VMT_INSN_CR(1, 0, VMT_CR3, 0x7000));
	RUN(&st, "tiny", {"count", "0"});
	vmt_assert_ended(&st.outcome, VMT_END_GONE);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 3);
	vmt_assert_emitted(st.seen, 0, "switch", vmt_u64(0), vmt_addr(0), vmt_addr(0x5000));
	vmt_assert_emitted(st.seen, 1, "switch", vmt_u64(0), vmt_addr(0x5000), vmt_addr(0x6000));
	vmt_assert_emitted(st.seen, 2, "switch", vmt_u64(1), vmt_addr(0), vmt_addr(0x7000));
	stage_finish(&st);
}

static void a_write_that_changes_nothing_is_no_switch(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_CR(0, 0, VMT_CR3, 0x5000), VMT_INSN_CR(0, 0, VMT_CR3, 0x5000));
	RUN(&st, "tiny", {"count", "0"});
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 1);
	stage_finish(&st);
}

static void it_finishes_after_so_many(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	for (uint64_t i = 1; i <= 4; i++)
		PLAY(&st, VMT_INSN_CR(0, 0, VMT_CR3, i << 12));
	RUN(&st, "tiny", {"count", "3"});
	vmt_assert_ended(&st.outcome, VMT_END_FINISHED);
	vmt_assert_output(st.outcome.output, "total", vmt_u64(3));
	assert_int_equal(vmt_collector_nemissions(st.seen, "switch"), 3);
	stage_finish(&st);
}

static void ten_are_enough_by_default(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	for (uint64_t i = 1; i <= 12; i++)
		PLAY(&st, VMT_INSN_CR(0, 0, VMT_CR3, i << 12));
	stage_run(&st, "tiny", (const struct vmt_option[]){{NULL, NULL}});
	vmt_assert_output(st.outcome.output, "total", vmt_u64(10));
	stage_finish(&st);
}

static void switches_after_the_end_are_answered_and_not_told(void **state)
{
	const struct vmt_scripted_config config = {.vcpus = 4};
	struct stage st;

	(void)state;
	stage_init(&st, &config);
	for (uint16_t i = 0; i < 4; i++)
		PLAY(&st, VMT_INSN_CR(i, 0, VMT_CR3, 0x5000));
	RUN(&st, "tiny", {"count", "1"});
	vmt_assert_ended(&st.outcome, VMT_END_FINISHED);
	assert_int_equal(vmt_collector_nemissions(st.seen, NULL), 1);
	assert_true(st.outcome.events >= 2);
	stage_finish(&st);
}

static void a_stop_ends_it_with_its_result(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_CR(0, 0, VMT_CR3, 0x5000), VMT_WORLD_STOP(),
	     VMT_INSN_CR(0, 0, VMT_CR3, 0x6000));
	RUN(&st, "tiny", {"count", "0"});
	vmt_assert_ended(&st.outcome, VMT_END_FINISHED);
	vmt_assert_output(st.outcome.output, "total", vmt_u64(1));
	stage_finish(&st);
}

static void quiet_times_are_logged(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_CR(0, 0, VMT_CR3, 0x5000), VMT_WORLD_IDLE(UINT64_C(6000000000)));
	RUN(&st, "tiny", {"count", "0"});
	assert_int_equal(vmt_collector_nlogs(st.seen), 1);
	assert_string_equal(vmt_collector_log(st.seen, 0)->text, "1 switches so far");
	stage_finish(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_switch_is_told),
		cmocka_unit_test(a_write_that_changes_nothing_is_no_switch),
		cmocka_unit_test(it_finishes_after_so_many),
		cmocka_unit_test(ten_are_enough_by_default),
		cmocka_unit_test(switches_after_the_end_are_answered_and_not_told),
		cmocka_unit_test(a_stop_ends_it_with_its_result),
		cmocka_unit_test(quiet_times_are_logged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
