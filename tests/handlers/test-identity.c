/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bundled handlers, recorded on a scripted domain: replayed they are the same, and recorded again
 * they give the same digests; also where calls fail.
 */
#include "../replay/support.h"

#define AT(n) (VMT_SCRIPTED_RIP + UINT64_C(0x10) * (n))
#define DATA  UINT64_C(0x20000)

static const struct vmt_step guest[] = {
	VMT_INSN_CR(0, AT(0), VMT_CR3, 0x5000), VMT_INSN_WRITE(0, AT(1), DATA, "12345678", 8),
	VMT_INSN_READ(1, 0, DATA + 4, 4),       VMT_WORLD_IDLE(UINT64_C(6000000000)),
	VMT_INSN_CR(1, 0, VMT_CR3, 0x6000),     VMT_INSN_WRITE(1, 0, DATA + 4092, "abcdefgh", 8),
	VMT_INSN_NOP(0, DATA + 0x100),          VMT_INSN_CR(0, AT(2), VMT_CR3, 0x7000),
	VMT_INSN_READ(0, AT(3), DATA, 8),       VMT_INSN_NOP(1, 0x2100),
};

static const struct vmt_option cr3_options[] = {{"count", "3"}, {"spaces", "2"}};
static const struct vmt_option pagewatch_options[] = {{"pages", "0x20-0x21:rwx"}};
static const struct vmt_option after_options[] = {
	{"pages", "0x20:w,0x21:rw"}, {"after", "yes"}, {"bytes", "16"}, {"count", "3"}};

static const struct subject {
	const char *handler;
	const struct vmt_option *options;
	size_t noptions;
} subjects[] = {
	{"cr3", NULL, 0},
	{"cr3", cr3_options, 2},
	{"pagewatch", pagewatch_options, 1},
	{"pagewatch", after_options, 4},
};

static void check(struct place *p, const struct subject *subject,
		  void (*prepare)(struct vmt_driver **d))
{
	const struct world world = {
		.config = {.vcpus = 2},
		.steps = guest,
		.nsteps = sizeof(guest) / sizeof(guest[0]),
		.options = subject->options,
		.noptions = subject->noptions,
		.prepare = prepare,
	};
	struct vmt_loaded_handler handler;
	struct vmt_error err;

	vmt_assert_ok(vmt_handler_load(subject->handler, &handler, &err), &err);
	assert_identity(p, &world, handler.ops);
}

#define SUBJECTS (sizeof(subjects) / sizeof(subjects[0]))

static void they_replay_and_record_again_the_same(void **state)
{
	for (size_t i = 0; i < SUBJECTS; i++)
		check(*state, &subjects[i], NULL);
}

static uint64_t fault_seed;

static void with_faults(struct vmt_driver **d)
{
	struct vmt_fault_rule rule = {.nth = 2, .per_million = 60000, .times = VMT_STRIKE_ALWAYS};
	struct vmt_error err = {0};

	rule.done_anyway = fault_seed % 3 == 0;
	vmt_assert_ok(vmt_fault_injector_create(*d, fault_seed, d, &err), &err);
	vmt_assert_ok(vmt_fault_injector_add(*d, &rule), NULL);
}

static void sessions_with_faults_replay_and_record_again_the_same(void **state)
{
	for (fault_seed = 1; fault_seed <= 20; fault_seed++)
		for (size_t i = 0; i < SUBJECTS; i++)
			check(*state, &subjects[i], with_faults);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(they_replay_and_record_again_the_same),
		TEST(sessions_with_faults_replay_and_record_again_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
