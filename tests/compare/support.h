/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small runs for tests: a callback and a few records in a line each.
 */
#ifndef VMT_TESTS_COMPARE_SUPPORT_H
#define VMT_TESTS_COMPARE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vmitape/compare.h>
#include <vmitape/event.h>
#include <vmitape/run.h>

static const struct vmt_field opened_fields[] = {
	{"pid", VMT_U64, VMT_KEY},
	{"path", VMT_TEXT, 0},
	{"at", VMT_U64, VMT_IGNORE},
};
static const struct vmt_schema opened = VMT_SCHEMA("opened", opened_fields);

static const struct vmt_field tick_fields[] = {{"n", VMT_U64, 0}};
static const struct vmt_schema tick = VMT_SCHEMA("tick", tick_fields);

static inline struct vmt_compare_run *new_run(void)
{
	struct vmt_compare_run *run;

	assert_int_equal(vmt_compare_run_create(0, &run, NULL), 0);
	return run;
}

/** Callback @number, about a CPUID event at @rip of vCPU 0. */
static inline void add_event(struct vmt_compare_run *run, uint64_t number, uint64_t rip)
{
	const struct vmt_compare_place place = {
		.callback = number,
		.event = number - 1,
		.now = number * 1000,
		.rip = rip,
		.rip_known = true,
		.kind = VMT_CALLBACK_EVENT,
		.reason = VMT_EVENT_CPUID,
	};
	const struct vmt_compare_field fields[] = {
		{"vcpu", vmt_u64(0), VMT_KEY},
		{"regs.rip", vmt_addr(rip), 0},
	};

	assert_int_equal(vmt_compare_run_callback(run, &place, NULL), 0);
	assert_int_equal(vmt_compare_run_item(run, VMT_COMPARE_EVENT, "cpuid", fields, 2, NULL), 0);
}

static inline void add_opened(struct vmt_compare_run *run, uint64_t pid, const char *path,
			      uint64_t at)
{
	const struct vmt_value values[] = {vmt_u64(pid), vmt_text(path), vmt_u64(at)};

	assert_int_equal(
		vmt_compare_run_record(run, VMT_COMPARE_EMISSION, &opened, values, 3, NULL), 0);
}

static inline void add_tick(struct vmt_compare_run *run, uint64_t n)
{
	const struct vmt_value value = vmt_u64(n);

	assert_int_equal(vmt_compare_run_record(run, VMT_COMPARE_EMISSION, &tick, &value, 1, NULL),
			 0);
}

static inline struct vmt_comparison *compare(const struct vmt_compare_run *a,
					     const struct vmt_compare_run *b)
{
	struct vmt_comparison *c;

	assert_int_equal(vmt_compare(a, b, 0, &c, NULL), 0);
	return c;
}

#endif /* VMT_TESTS_COMPARE_SUPPORT_H */
