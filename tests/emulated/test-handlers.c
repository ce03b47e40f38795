/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bundled handlers on the demo kernel: recorded, replayed and recorded again with equal digests;
 * recorded twice from one seed, equal; with calls that fail, and with two vCPUs.
 *
 *     test-handlers DEMO TRIAL [ROUNDS]     with other seeds, ROUNDS times
 */
#include "guest.h"

#include "../replay/support.h"

static unsigned long rounds = 5;

static const struct vmt_option no_options[] = {{"limit", "120"}};
static const struct vmt_option watch_options[] = {{"limit", "100"},
						  {"monitors", "cr3,breakpoint"},
						  {"watch", "0x181:rw,0x183:x,0x184-0x186:wx"}};
static const struct vmt_option tiny_options[] = {{"count", "20"}};
static const struct vmt_option cr3_options[] = {{"count", "20"}};
static const struct vmt_option breakpoint_options[] = {
	{"at", "0x183000,0x184000,0x185000"}, {"physical", "yes"}, {"count", "30"}};
static const struct vmt_option pagewatch_options[] = {
	{"pages", "0x181-0x182:rw,0x183:x,0x185-0x187:wx"}, {"count", "60"}};
static const struct vmt_option after_options[] = {
	{"pages", "0x181-0x182:w"}, {"after", "yes"}, {"bytes", "16"}, {"count", "30"}};

#define OPTIONS(list) (list), sizeof(list) / sizeof((list)[0])

static const struct subject {
	const char *handler;
	const struct vmt_option *options;
	size_t noptions;
} subjects[] = {
	{"events", OPTIONS(no_options)},
	{"events", OPTIONS(watch_options)},
	{"tiny", OPTIONS(tiny_options)},
	{"cr3", OPTIONS(cr3_options)},
	{"breakpoint", OPTIONS(breakpoint_options)},
	{"pagewatch", OPTIONS(pagewatch_options)},
	{"pagewatch", OPTIONS(after_options)},
};
#define SUBJECTS (sizeof(subjects) / sizeof(subjects[0]))

static struct vmt_emulated_config config;

static struct vmt_driver *make_demo(void)
{
	struct vmt_driver *d;
	struct vmt_error err = {0};

	config.guest = demo_elf;
	vmt_assert_ok(vmt_emulated_open(&config, &d, &err), &err);
	return d;
}

/* The scenes that two vCPUs may play at a time end up in one trace with those of one. */
static void configure(uint16_t vcpus, uint64_t seed)
{
	config = (struct vmt_emulated_config){
		.vcpus = vcpus,
		.seed = seed,
		.command_line = vcpus > 1 ? "scenes=cr,msr,cpuid,int3,read,write,exec,smp pace=3"
					  : "pace=0",
	};
}

static struct world world_of(const struct subject *subject)
{
	return (struct world){
		.make = make_demo, .options = subject->options, .noptions = subject->noptions};
}

static const struct vmt_handler_ops *ops_of(const struct subject *subject)
{
	struct vmt_loaded_handler handler;
	struct vmt_error err;

	vmt_assert_ok(vmt_handler_load(subject->handler, &handler, &err), &err);
	return handler.ops;
}

static void check_identity(struct place *p, const struct subject *subject)
{
	const struct world world = world_of(subject);

	assert_identity(p, &world, ops_of(subject));
}

static void they_replay_and_record_again_the_same(void **state)
{
	for (unsigned long i = 0; i < rounds; i++) {
		configure(1, i);
		for (size_t s = 0; s < SUBJECTS; s++)
			check_identity(*state, &subjects[s]);
	}
}

static void on_two_vcpus_too(void **state)
{
	for (unsigned long i = 0; i < rounds; i++) {
		configure(2, i);
		for (size_t s = 0; s < SUBJECTS; s++)
			check_identity(*state, &subjects[s]);
	}
}

static void two_recordings_of_one_seed_are_equal(void **state)
{
	for (uint16_t vcpus = 1; vcpus <= 2; vcpus++) {
		configure(vcpus, 42);
		for (size_t s = 0; s < SUBJECTS; s++) {
			const struct world world = world_of(&subjects[s]);
			struct vmt_trace_digests first;
			struct place *p = *state;

			record(p, &world, ops_of(&subjects[s]));
			first = p->digests;
			record(p, &world, ops_of(&subjects[s]));
			assert_memory_equal(&first, &p->digests, sizeof(first));
		}
	}
}

static void another_seed_differs_with_two_vcpus(void **state)
{
	const struct world world = world_of(&subjects[0]);
	struct vmt_trace_digests first;
	struct place *p = *state;

	configure(2, 1);
	record(p, &world, ops_of(&subjects[0]));
	first = p->digests;
	configure(2, 2);
	record(p, &world, ops_of(&subjects[0]));
	assert_memory_not_equal(&first, &p->digests, sizeof(first));
}

static uint64_t fault_seed;

static void with_faults(struct vmt_driver **d)
{
	struct vmt_fault_rule rule = {.nth = 2, .per_million = 20000, .times = VMT_STRIKE_ALWAYS};
	struct vmt_error err = {0};

	rule.done_anyway = fault_seed % 3 == 0;
	vmt_assert_ok(vmt_fault_injector_create(*d, fault_seed, d, &err), &err);
	vmt_assert_ok(vmt_fault_injector_add(*d, &rule), NULL);
}

static void sessions_with_faults_replay_and_record_again_the_same(void **state)
{
	for (fault_seed = 1; fault_seed <= rounds * 2; fault_seed++) {
		configure(fault_seed % 4 == 0 ? 2 : 1, fault_seed);
		for (size_t s = 0; s < SUBJECTS; s++) {
			struct world world = world_of(&subjects[s]);

			world.prepare = with_faults;
			assert_identity(*state, &world, ops_of(&subjects[s]));
		}
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(they_replay_and_record_again_the_same),
		TEST(on_two_vcpus_too),
		TEST(two_recordings_of_one_seed_are_equal),
		TEST(another_seed_differs_with_two_vcpus),
		TEST(sessions_with_faults_replay_and_record_again_the_same),
	};

	if (argc < 3)
		return 2;
	demo_elf = argv[1];
	trial_elf = argv[2];
	if (argc > 3)
		rounds = strtoul(argv[3], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
