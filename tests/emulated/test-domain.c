/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The emulated domain by itself: booting, ending, time, vCPUs, what cannot be.
 */
#include <unistd.h>

#include "guest.h"

#define CONTINUE vmt_respond(VMT_CONTINUE)

static void the_demo_plays_its_scenes_and_shuts_down(void **state)
{
	struct guest g;

	(void)state;
	guest_init(&g, demo_elf, "rounds=5 pace=0");
	guest_run_out(&g, CONTINUE);
	guest_passed(&g);
	for (unsigned scene = 0; scene < DEMO_SMP; scene++)
		assert_in_range(guest_status(&g).vcpu[0].count[scene], 4, 5);
	assert_int_equal(guest_status(&g).on_xen, 1);
	guest_finish(&g);
}

static void what_the_domain_is(void **state)
{
	struct vmt_info info;
	struct guest g;

	(void)state;
	guest_init_with(&g, demo_elf, "",
			(struct vmt_emulated_config){.vcpus = 3, .memory = 0x800000, .seed = 7});
	guest_ok(&g, vmt_driver_info(g.d, &info));
	assert_string_equal(info.backend, "emulated");
	assert_string_equal(info.domain, "demo.elf");
	assert_int_equal(info.vcpus, 3);
	assert_int_equal(info.max_gfn, 0x7ff);
	assert_int_equal(info.seed, 7);
	assert_int_equal(info.xen_major * 100 + info.xen_minor, 417);
	assert_false(info.capabilities & VMT_CAP_MONITOR_VMEXIT);
	assert_true(info.capabilities & VMT_CAP_VIEWS);
	guest_finish(&g);
}

static void configurations_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		struct vmt_emulated_config config;
		enum vmt_status status;
		const char *word;
	} cases[] = {
		{{.guest = NULL}, VMT_E_INVALID, "which kernel"},
		{{.guest = "/nowhere/at.all"}, VMT_E_IO, "No such file"},
		{{.guest = "/dev/null"}, VMT_E_DAMAGED, "regular file"},
		{{.guest = "/proc/self/exe", .vcpus = 65}, VMT_E_LIMIT, "64 are the most"},
		{{.guest = "/proc/self/exe", .memory = 4097}, VMT_E_LIMIT, "whole pages"},
		{{.guest = "/proc/self/exe", .memory = UINT64_C(1) << 40}, VMT_E_LIMIT, "at most"},
		{{.guest = "/proc/self/exe", .xen_major = 3}, VMT_E_NOT_SUPPORTED, "Xen 3.0"},
		{{.guest = "/proc/self/exe"}, VMT_E_DAMAGED, "PVH"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vmt_driver *d = NULL;
		struct vmt_error err = {0};

		assert_int_equal(vmt_emulated_open(&cases[i].config, &d, &err),
				 -(int)cases[i].status);
		assert_null(d);
		if (!strstr(err.text, cases[i].word))
			fail_msg("case %zu: '%s' is not in: %s", i, cases[i].word, err.text);
	}
}

static void too_little_memory_is_refused(void **state)
{
	const struct vmt_emulated_config config = {.guest = demo_elf, .memory = 0x100000};
	struct vmt_driver *d = NULL;
	struct vmt_error err = {0};

	(void)state;
	assert_int_equal(vmt_emulated_open(&config, &d, &err), -VMT_E_DAMAGED);
	assert_non_null(strstr(err.text, "more memory"));
}

static void too_long_a_command_line_is_refused(void **state)
{
	char line[4096];
	const struct vmt_emulated_config config = {.guest = demo_elf, .command_line = line};
	struct vmt_driver *d = NULL;
	struct vmt_error err = {0};

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	assert_int_equal(vmt_emulated_open(&config, &d, &err), -VMT_E_LIMIT);
}

/* -------------------------------------------------------------------------------------------- */
/* Ends                                                                                         */
/* -------------------------------------------------------------------------------------------- */

static void a_triple_fault_ends_the_domain(void **state)
{
	struct guest g;

	(void)state;
	guest_init(&g, trial_elf, "f");
	assert_int_equal(guest_wait(&g, 1000), VMT_WAIT_GONE);
	assert_int_equal(guest_wait(&g, 1000), VMT_WAIT_GONE);
	guest_finish(&g);
}

static void a_halt_without_interrupts_ends_the_domain(void **state)
{
	struct guest g;

	(void)state;
	guest_init(&g, trial_elf, "h");
	assert_int_equal(guest_wait(&g, -1), VMT_WAIT_GONE);
	guest_finish(&g);
}

static void what_cannot_be_emulated_ends_the_wait_with_its_bytes(void **state)
{
	struct vmt_wait wait;
	struct guest g;

	(void)state;
	guest_init(&g, trial_elf, "u");
	assert_int_equal(vmt_driver_wait(g.d, 1000, &wait), -VMT_E_NOT_SUPPORTED);
	assert_non_null(strstr(g.d->err.text, "62 f1 7c 48 58 c1"));
	assert_non_null(strstr(g.d->err.place, "RIP 0x1001"));
	assert_int_equal(vmt_driver_wait(g.d, 1000, &wait), -VMT_E_NOT_SUPPORTED);
	guest_finish(&g);
}

/* -------------------------------------------------------------------------------------------- */
/* Time                                                                                         */
/* -------------------------------------------------------------------------------------------- */

static void time_counts_instructions(void **state)
{
	struct vmt_info before, after;
	struct guest g;

	(void)state;
	guest_init_with(&g, trial_elf, "s", (struct vmt_emulated_config){.insn_ns = 500});
	guest_ok(&g, vmt_driver_info(g.d, &before));
	assert_int_equal(guest_wait(&g, 3), VMT_WAIT_TIMEOUT);
	guest_ok(&g, vmt_driver_info(g.d, &after));
	assert_int_equal(after.now - before.now, 3000000);
	assert_int_equal(guest_wait(&g, 0), VMT_WAIT_TIMEOUT);
	guest_finish(&g);
}

static void a_stop_ends_the_wait_of_a_busy_guest(void **state)
{
	const uint64_t one = 1;
	struct guest g;

	(void)state;
	guest_init(&g, trial_elf, "s");
	assert_int_equal(write(vmt_driver_stop_fd(g.d), &one, sizeof(one)), sizeof(one));
	assert_int_equal(guest_wait(&g, -1), VMT_WAIT_STOPPED);
	assert_int_equal(guest_wait(&g, 1), VMT_WAIT_TIMEOUT);
	guest_finish(&g);
}

static void a_paused_domain_stands_still(void **state)
{
	struct guest g;
	uint64_t rounds;

	(void)state;
	guest_init(&g, trial_elf, "p");
	assert_int_equal(guest_wait(&g, 1), VMT_WAIT_TIMEOUT);
	rounds = guest_word(&g, TRIAL_ROUNDS);
	assert_true(rounds > 0);
	guest_ok(&g, vmt_driver_pause(g.d));
	assert_int_equal(guest_wait(&g, 5), VMT_WAIT_TIMEOUT);
	assert_int_equal(guest_word(&g, TRIAL_ROUNDS), rounds);
	guest_ok(&g, vmt_driver_resume(g.d));
	assert_int_equal(guest_wait(&g, 1), VMT_WAIT_TIMEOUT);
	assert_true(guest_word(&g, TRIAL_ROUNDS) > rounds);
	guest_finish(&g);
}

static void timer_interrupts_wake_a_halted_vcpu(void **state)
{
	struct vmt_info info;
	struct guest g;

	(void)state;
	guest_init_with(&g, trial_elf, "t", (struct vmt_emulated_config){.timer_ns = 2000000});
	assert_int_equal(guest_wait(&g, -1), VMT_WAIT_GONE);
	assert_int_equal(guest_word(&g, TRIAL_ROUNDS), 5);
	assert_string_equal(g.console, "trial done\n");
	guest_ok(&g, vmt_driver_info(g.d, &info));
	assert_in_range(info.now, 10000000, 12000000);
	guest_finish(&g);
}

static void without_a_timer_it_sleeps(void **state)
{
	struct guest g;

	(void)state;
	guest_init(&g, trial_elf, "t");
	assert_int_equal(guest_wait(&g, 1000), VMT_WAIT_TIMEOUT);
	assert_int_equal(guest_word(&g, TRIAL_ROUNDS), 0);
	guest_finish(&g);
}

static void the_console_is_heard(void **state)
{
	struct guest g;

	(void)state;
	guest_init(&g, trial_elf, "c");
	assert_int_equal(guest_wait(&g, 1000), VMT_WAIT_GONE);
	assert_string_equal(g.console, "trial done\n");
	assert_int_equal(guest_word(&g, TRIAL_SEEN), 0);
	assert_int_equal((int64_t)guest_word(&g, TRIAL_SEEN + 8), -38);  /* ENOSYS */
	assert_int_equal((int64_t)guest_word(&g, TRIAL_SEEN + 16), -14); /* EFAULT */
	guest_finish(&g);
}

/* -------------------------------------------------------------------------------------------- */
/* Several vCPUs                                                                                */
/* -------------------------------------------------------------------------------------------- */

struct progress {
	uint64_t first, second;
};

static struct progress run_two(uint64_t seed)
{
	struct progress p;
	struct guest g;

	guest_init_with(&g, trial_elf, "y", (struct vmt_emulated_config){.vcpus = 2, .seed = seed});
	assert_int_equal(guest_wait(&g, 20), VMT_WAIT_TIMEOUT);
	assert_int_equal(guest_word(&g, TRIAL_SEEN), 0);
	p.first = guest_word(&g, TRIAL_ROUNDS);
	p.second = guest_word(&g, TRIAL_SECOND);
	guest_finish(&g);
	return p;
}

static void vcpus_take_turns_as_the_seed_says(void **state)
{
	const struct progress a = run_two(1), b = run_two(1), c = run_two(2);

	(void)state;
	assert_true(a.first > 1000 && a.second > 1000);
	assert_int_equal(a.first, b.first);
	assert_int_equal(a.second, b.second);
	assert_true(a.first != c.first || a.second != c.second);
}

static void a_vcpu_that_there_is_not_is_not_started(void **state)
{
	struct guest g;

	(void)state;
	guest_init(&g, trial_elf, "y");
	assert_int_equal(guest_wait(&g, 1), VMT_WAIT_TIMEOUT);
	assert_int_equal((int64_t)guest_word(&g, TRIAL_SEEN), -2); /* ENOENT */
	guest_finish(&g);
}

static void the_demos_second_vcpu_plays_too(void **state)
{
	struct guest g;

	(void)state;
	guest_init_with(&g, demo_elf, "scenes=cr,msr,int3,cpuid,smp rounds=50 pace=20",
			(struct vmt_emulated_config){.vcpus = 2});
	guest_run_out(&g, CONTINUE);
	guest_passed(&g);
	assert_int_equal(guest_status(&g).vcpu[1].online, 1);
	assert_true(guest_status(&g).vcpu[1].round > 10);
	guest_finish(&g);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_demo_plays_its_scenes_and_shuts_down),
		cmocka_unit_test(what_the_domain_is),
		cmocka_unit_test(configurations_that_make_no_sense_are_refused),
		cmocka_unit_test(too_little_memory_is_refused),
		cmocka_unit_test(too_long_a_command_line_is_refused),
		cmocka_unit_test(a_triple_fault_ends_the_domain),
		cmocka_unit_test(a_halt_without_interrupts_ends_the_domain),
		cmocka_unit_test(what_cannot_be_emulated_ends_the_wait_with_its_bytes),
		cmocka_unit_test(time_counts_instructions),
		cmocka_unit_test(a_stop_ends_the_wait_of_a_busy_guest),
		cmocka_unit_test(a_paused_domain_stands_still),
		cmocka_unit_test(timer_interrupts_wake_a_halted_vcpu),
		cmocka_unit_test(without_a_timer_it_sleeps),
		cmocka_unit_test(the_console_is_heard),
		cmocka_unit_test(vcpus_take_turns_as_the_seed_says),
		cmocka_unit_test(a_vcpu_that_there_is_not_is_not_started),
		cmocka_unit_test(the_demos_second_vcpu_plays_too),
	};

	if (argc < 3)
		return 2;
	demo_elf = argv[1];
	trial_elf = argv[2];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
