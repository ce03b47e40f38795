/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An unchanged handler: replayed it is the same, and recorded again it gives the same digests.
 */
#include "handlers.h"
#include "support.h"

#define DATA 0x8008

/** A loop with a breakpoint at 0x1010, writes to memory, and switches of CR3. */
static const struct vmt_step loop[] = {
	VMT_INSN_NOP(0, 0x1000),
	VMT_INSN_NOP(0, 0x1010),
	VMT_INSN_CR(0, 0x1020, VMT_CR3, 0x5000),
	VMT_INSN_WRITE(0, 0x1030, DATA, "abcdefgh", 8),
	VMT_INSN_NOP(0, 0x1010),
	VMT_INSN_WRITE(0, 0x1040, DATA, "ABCDEFGH", 8),
	VMT_INSN_CR(0, 0x1020, VMT_CR3, 0x6000),
	VMT_INSN_NOP(0, 0x1010),
};

static struct world world_of(const struct vmt_step *steps, size_t n)
{
	return (struct world){.steps = steps, .nsteps = n};
}

#define WORLD(steps) world_of(steps, sizeof(steps) / sizeof((steps)[0]))

static void a_session_of_monitors_replays_and_records_again_the_same(void **state)
{
	struct world world = WORLD(loop);

	variant = (struct variant){0};
	assert_identity(*state, &world, &test_handler);
}

static void breakpoints_stepped_over_replay_and_record_again_the_same(void **state)
{
	struct world world = WORLD(loop);

	variant = (struct variant){.at = {0x1010}, .data = DATA};
	assert_identity(*state, &world, &test_handler);
}

static void breakpoints_in_a_shadow_page_replay_and_record_again_the_same(void **state)
{
	struct world world = WORLD(loop);

	variant = (struct variant){.method = SHADOW, .at = {0x1010}, .data = DATA};
	assert_identity(*state, &world, &test_handler);
}

static void the_policy_reads_replays_and_records_again_the_same(void **state)
{
	struct world world = WORLD(loop);

	world.capture = VMT_CAPTURE_READS;
	variant = (struct variant){.at = {0x1010}, .data = DATA, .also_read = 0x9000};
	assert_identity(*state, &world, &test_handler);
}

static void watched_pages_replay_and_record_again_the_same(void **state)
{
	struct world world = WORLD(loop);

	variant = (struct variant){.watch_page = DATA, .alloc = true};
	assert_identity(*state, &world, &test_handler);
}

static void a_finished_handler_replays_and_records_again_the_same(void **state)
{
	struct world world = WORLD(loop);

	variant = (struct variant){.at = {0x1010}, .data = DATA, .finish_after = 3};
	assert_identity(*state, &world, &test_handler);
}

static void a_handler_that_fails_replays_and_records_again_the_same(void **state)
{
	struct world world = WORLD(loop);

	for (uint64_t at = 1; at < 8; at++) {
		variant = (struct variant){.at = {0x1010}, .data = DATA, .fail_at = at};
		assert_identity(*state, &world, &test_handler);
	}
}

static void timeouts_replay_and_record_again_the_same(void **state)
{
	static const struct vmt_step idle[] = {
		VMT_INSN_CR(0, 0x1020, VMT_CR3, 0x5000), VMT_WORLD_IDLE(UINT64_C(7000000)),
		VMT_INSN_CR(0, 0x1020, VMT_CR3, 0x6000), VMT_WORLD_SPURIOUS(),
		VMT_INSN_CR(0, 0x1020, VMT_CR3, 0x7000),
	};
	struct world world = WORLD(idle);

	world.timeout_ms = 3;
	variant = (struct variant){0};
	assert_identity(*state, &world, &test_handler);
	variant = (struct variant){.wake = true};
	assert_identity(*state, &world, &test_handler);
}

static void a_stop_replays_and_records_again_the_same(void **state)
{
	static const struct vmt_step stop[] = {
		VMT_INSN_CR(0, 0x1020, VMT_CR3, 0x5000),
		VMT_WORLD_STOP(),
		VMT_INSN_CR(0, 0x1020, VMT_CR3, 0x6000),
	};
	struct world world = WORLD(stop);

	variant = (struct variant){0};
	assert_identity(*state, &world, &test_handler);
}

static void several_vcpus_replay_and_record_again_the_same(void **state)
{
	static const struct vmt_step steps[] = {
		VMT_INSN_CR(0, 0x1000, VMT_CR3, 0x5000),
		VMT_INSN_CR(1, 0x2000, VMT_CR3, 0x6000),
		VMT_INSN_CR(2, 0x3000, VMT_CR3, 0x7000),
		VMT_INSN_NOP(0, 0x1010),
		VMT_INSN_NOP(1, 0x1010),
		VMT_INSN_WRITE(2, 0x3010, DATA, "12345678", 8),
		VMT_INSN_NOP(0, 0x1010),
		VMT_INSN_CR(1, 0x2000, VMT_CR3, 0x8000),
		VMT_INSN_WRITE(2, 0x3010, DATA, "87654321", 8),
	};
	struct world world = WORLD(steps);

	world.config.vcpus = 3;
	variant = (struct variant){.method = SHADOW, .at = {0x1010}, .data = DATA};
	assert_identity(*state, &world, &test_handler);
	variant = (struct variant){.at = {0x1010}, .data = DATA, .watch_page = DATA};
	assert_identity(*state, &world, &test_handler);
}

/* -------------------------------------------------------------------------------------------- */
/* Faults                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static uint64_t fault_seed;

static void with_faults(struct vmt_driver **d)
{
	struct vmt_fault_rule rule = {.nth = 2, .per_million = 60000, .times = VMT_STRIKE_ALWAYS};
	struct vmt_error err = {0};

	rule.done_anyway = fault_seed % 3 == 0;
	vmt_assert_ok(vmt_fault_injector_create(*d, fault_seed, d, &err), &err);
	vmt_assert_ok(vmt_fault_injector_add(*d, &rule), NULL);
}

static void sessions_with_faults_anywhere_replay_and_record_again_the_same(void **state)
{
	struct world world = WORLD(loop);

	world.prepare = with_faults;
	for (fault_seed = 1; fault_seed <= 60; fault_seed++) {
		variant = (struct variant){.method = fault_seed % 2 ? SHADOW : PATCH_AND_STEP,
					   .at = {0x1010},
					   .data = DATA,
					   .also_read = 0x8100,
					   .alloc = true};
		assert_identity(*state, &world, &test_handler);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_session_of_monitors_replays_and_records_again_the_same),
		TEST(breakpoints_stepped_over_replay_and_record_again_the_same),
		TEST(breakpoints_in_a_shadow_page_replay_and_record_again_the_same),
		TEST(the_policy_reads_replays_and_records_again_the_same),
		TEST(watched_pages_replay_and_record_again_the_same),
		TEST(a_finished_handler_replays_and_records_again_the_same),
		TEST(a_handler_that_fails_replays_and_records_again_the_same),
		TEST(timeouts_replay_and_record_again_the_same),
		TEST(a_stop_replays_and_records_again_the_same),
		TEST(several_vcpus_replay_and_record_again_the_same),
		TEST(sessions_with_faults_anywhere_replay_and_record_again_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
