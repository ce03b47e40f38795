/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The handler `cr3`.
 */
#include "seen.h"

#define MS UINT64_C(1000000)

static void each_switch_is_told(void **state)
{
	const struct vmt_scripted_config config = {.vcpus = 2};
	struct stage st;

	(void)state;
	stage_init(&st, &config);
	PLAY(&st, VMT_INSN_CR(0, 0x1000, VMT_CR3, 0x5000), VMT_INSN_CR(0, 0x1010, VMT_CR3, 0x6000),
	     VMT_WORLD_SYNC(), VMT_INSN_CR(1, 0, VMT_CR3, 0x5000));
	RUN(&st, "cr3", {"count", "0"});
	vmt_assert_ended(&st.outcome, VMT_END_GONE);
	assert_int_equal(vmt_collector_nemissions(st.seen, "switch"), 3);
	seen_is(&st, "switch", 0, "vcpu", 0);
	seen_is(&st, "switch", 0, "from", 0);
	seen_is(&st, "switch", 0, "to", 0x5000);
	seen_is(&st, "switch", 0, "rip", 0x1000);
	seen_is(&st, "switch", 1, "from", 0x5000);
	seen_is(&st, "switch", 1, "rip", 0x1010);
	seen_is(&st, "switch", 2, "vcpu", 1);
	stage_finish(&st);
}

static void the_time_in_each_space_is_told_at_the_end(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_CR(0, 0, VMT_CR3, 0x9000), VMT_WORLD_IDLE(3 * MS),
	     VMT_INSN_CR(0, 0, VMT_CR3, 0x5000), VMT_WORLD_IDLE(5 * MS),
	     VMT_INSN_CR(0, 0, VMT_CR3, 0x9000), VMT_WORLD_IDLE(7 * MS),
	     VMT_INSN_CR(0, 0, VMT_CR3, 0x5000));
	RUN(&st, "cr3", {"count", "4"});
	vmt_assert_ended(&st.outcome, VMT_END_FINISHED);
	vmt_assert_output(st.outcome.output, "total", vmt_u64(4), vmt_u64(3), vmt_u64(0));
	assert_int_equal(vmt_collector_nemissions(st.seen, "space"), 3);
	seen_is(&st, "space", 0, "root", 0);
	seen_is(&st, "space", 0, "entered", 0);
	seen_is(&st, "space", 1, "root", 0x5000);
	seen_is(&st, "space", 1, "entered", 2);
	seen_is(&st, "space", 2, "root", 0x9000);
	seen_is(&st, "space", 2, "entered", 2);
	assert_int_equal(seen_value(&st, "space", 1, "ns")->v.u / MS, 5);
	assert_int_equal(seen_value(&st, "space", 2, "ns")->v.u / MS, 10);
	assert_int_equal(seen_value(&st, "switch", 1, "ns")->v.u / MS, 3);
	stage_finish(&st);
}

static void the_times_of_all_spaces_are_the_time_that_passed(void **state)
{
	const struct vmt_scripted_config config = {.vcpus = 2};
	uint64_t sum = 0;
	struct stage st;

	(void)state;
	stage_init(&st, &config);
	PLAY(&st, VMT_INSN_CR(0, 0, VMT_CR3, 0x5000), VMT_WORLD_IDLE(3 * MS),
	     VMT_INSN_CR(1, 0, VMT_CR3, 0x6000), VMT_WORLD_IDLE(4 * MS),
	     VMT_INSN_CR(1, 0, VMT_CR3, 0x5000));
	RUN(&st, "cr3", {"count", "3"});
	for (size_t i = 0; i < vmt_collector_nemissions(st.seen, "space"); i++)
		sum += seen_value(&st, "space", i, "ns")->v.u;
	assert_int_equal(sum / MS, 14); /* of two vCPUs */
	stage_finish(&st);
}

static void pcid_and_flag_bits_are_no_part_of_a_space(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	PLAY(&st, VMT_INSN_CR(0, 0, VMT_CR3, 0x5001), VMT_INSN_CR(0, 0, VMT_CR3, 0x5002));
	RUN(&st, "cr3", {"count", "2"});
	vmt_assert_output(st.outcome.output, "total", vmt_u64(2), vmt_u64(2), vmt_u64(0));
	seen_is(&st, "switch", 1, "to", 0x5002);
	seen_is(&st, "space", 1, "root", 0x5000);
	seen_is(&st, "space", 1, "entered", 2);
	stage_finish(&st);
}

static void more_spaces_than_are_kept_are_counted(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	for (uint64_t i = 1; i <= 6; i++)
		PLAY(&st, VMT_INSN_CR(0, 0, VMT_CR3, i << 12));
	RUN(&st, "cr3", {"count", "6"}, {"spaces", "3"});
	vmt_assert_output(st.outcome.output, "total", vmt_u64(6), vmt_u64(3), vmt_u64(4));
	assert_int_equal(vmt_collector_nemissions(st.seen, "switch"), 6);
	assert_int_equal(vmt_collector_nemissions(st.seen, "space"), 3);
	stage_finish(&st);
}

static void hundreds_of_spaces_stay_in_order(void **state)
{
	struct stage st;

	(void)state;
	stage_init(&st, NULL);
	for (uint64_t i = 1; i <= 300; i++)
		PLAY(&st, VMT_INSN_CR(0, 0, VMT_CR3, (i * 7919 % 1024) << 12));
	RUN(&st, "cr3", {"count", "300"});
	assert_int_equal(vmt_collector_nemissions(st.seen, "space"), 301);
	for (size_t i = 1; i < 301; i++)
		assert_true(seen_value(&st, "space", i - 1, "root")->v.u <
			    seen_value(&st, "space", i, "root")->v.u);
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
	RUN(&st, "cr3", {"count", "1"});
	vmt_assert_ended(&st.outcome, VMT_END_FINISHED);
	assert_int_equal(vmt_collector_nemissions(st.seen, "switch"), 1);
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
	RUN(&st, "cr3", {"count", "0"});
	vmt_assert_ended(&st.outcome, VMT_END_FINISHED);
	vmt_assert_output(st.outcome.output, "total", vmt_u64(1), vmt_u64(2), vmt_u64(0));
	stage_finish(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_switch_is_told),
		cmocka_unit_test(the_time_in_each_space_is_told_at_the_end),
		cmocka_unit_test(the_times_of_all_spaces_are_the_time_that_passed),
		cmocka_unit_test(pcid_and_flag_bits_are_no_part_of_a_space),
		cmocka_unit_test(more_spaces_than_are_kept_are_counted),
		cmocka_unit_test(hundreds_of_spaces_stay_in_order),
		cmocka_unit_test(switches_after_the_end_are_answered_and_not_told),
		cmocka_unit_test(a_stop_ends_it_with_its_result),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
