/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The 21 tests of vmi-rs's mock driver (crates/vmi-driver-mock/src/arch/amd64.rs), one for one, on
 * the scripted domain with a call log and a fault injector around it. docs/vmi-rs-scenarios.md has
 * the table.
 */
#include <stdlib.h>

#include "domain.h"

/* The mock logs only calls that its faults let through, so the log stands inside. */
struct fixture {
	struct vmt_driver *d; /* injector around log around domain */
};

static int set_up(void **state)
{
	const struct vmt_scripted_config config = {.pages = 0x1000};
	struct fixture *f = calloc(1, sizeof(*f));
	struct vmt_driver *domain = domain_create(config), *log;

	vmt_assert_ok(vmt_call_log_create(domain, &log, NULL), NULL);
	vmt_assert_ok(vmt_fault_injector_create(log, 0, &f->d, NULL), NULL);
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

static void arm_fault(struct vmt_driver *d, uint32_t op, uint64_t nth)
{
	const struct vmt_fault_rule rule = {.op = op, .nth = nth};

	vmt_assert_ok(vmt_fault_injector_add(d, &rule), &d->err);
}

static int read_byte(struct vmt_driver *d, uint64_t gfn, uint32_t offset, uint8_t *byte)
{
	return vmt_driver_read(d, vmt_gfn_from(gfn), offset, byte, 1);
}

static const struct vmt_call *logged(struct vmt_driver *d, size_t n, uint32_t op)
{
	const struct vmt_logged_call *call = vmt_call_log_get(d, 0, n);

	assert_non_null(call);
	assert_int_equal(call->call.op, op);
	return &call->call;
}

/* -------------------------------------------------------------------------------------------- */
/* Reading                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static void read_page_returns_seeded_bytes(void **state)
{
	struct vmt_driver *d = ((struct fixture *)*state)->d;
	uint8_t page[VMT_PAGE_SIZE];

	vmt_assert_ok(vmt_scripted_fill(d, vmt_gpa_from(0x10000), 0xab, VMT_PAGE_SIZE), &d->err);
	vmt_assert_ok(vmt_driver_read(d, vmt_gfn_from(0x10), 0, page, sizeof(page)), &d->err);
	assert_int_equal(page[0], 0xab);
	assert_int_equal(page[4095], 0xab);
}

static void read_page_missing_errors(void **state)
{
	struct vmt_driver *d = ((struct fixture *)*state)->d;
	uint8_t byte;

	vmt_assert_refused(read_byte(d, 0x9999, 0, &byte), &d->err, VMT_E_UNMAPPED);
}

static void read_page_is_recorded(void **state)
{
	struct vmt_driver *d = ((struct fixture *)*state)->d;
	uint8_t byte;

	vmt_assert_ok(read_byte(d, 0x10, 0, &byte), &d->err);
	assert_int_equal(logged(d, 0, VMT_CALL_READ)->u.read.gfn.n, 0x10);
	vmt_assert_calls(d, 0, 1);
	vmt_assert_calls(d, VMT_CALL_READ, 1);
}

/* -------------------------------------------------------------------------------------------- */
/* Faults and the log                                                                           */
/* -------------------------------------------------------------------------------------------- */

static void armed_fault_fires_on_the_nth_call_only_and_is_not_recorded(void **state)
{
	struct vmt_driver *d = ((struct fixture *)*state)->d;
	uint8_t byte;

	arm_fault(d, VMT_CALL_READ, 2);
	vmt_assert_ok(read_byte(d, 0x10, 0, &byte), &d->err);
	vmt_assert_refused(read_byte(d, 0x10, 0, &byte), &d->err, VMT_E_HYPERVISOR);
	assert_non_null(strstr(d->err.text, "injected fault"));
	vmt_assert_ok(read_byte(d, 0x10, 0, &byte), &d->err);
	vmt_assert_calls(d, VMT_CALL_READ, 2);
}

static void clear_log_empties_the_record(void **state)
{
	struct vmt_driver *d = ((struct fixture *)*state)->d;
	uint8_t byte;

	vmt_assert_ok(read_byte(d, 0x10, 0, &byte), &d->err);
	vmt_call_log_clear(d);
	vmt_assert_calls(d, 0, 0);
}

/* -------------------------------------------------------------------------------------------- */
/* Writing                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static void write_page_round_trips_and_is_recorded(void **state)
{
	struct vmt_driver *d = ((struct fixture *)*state)->d;
	const struct vmt_call *call;

	vmt_assert_ok(vmt_driver_write(d, vmt_gfn_from(0x10), 4, "\x01\x02\x03", 3), &d->err);
	vmt_assert_memory(d, vmt_gpa_from(0x10004), 1, 2, 3);
	vmt_assert_calls(d, 0, 1);
	call = logged(d, 0, VMT_CALL_WRITE);
	assert_int_equal(call->u.write.gfn.n, 0x10);
	assert_int_equal(call->u.write.offset, 4);
	assert_int_equal(call->u.write.len, 3);
	/* More than the mock: what was written. */
	assert_memory_equal(call->u.write.buf, "\x01\x02\x03", 3);
}

static void write_original_creates_and_overwrites_without_recording(void **state)
{
	struct vmt_driver *d = ((struct fixture *)*state)->d;
	vmt_gpa gpa = vmt_gpa_from(0x20000010);

	vmt_assert_ok(vmt_scripted_add_gfn(d, vmt_gfn_of(gpa)), &d->err);
	vmt_assert_ok(vmt_scripted_write(d, vmt_gpa_from(gpa.a + 2), "\xaa\xbb", 2), &d->err);
	vmt_assert_memory(d, gpa, 0, 0, 0xaa, 0xbb);
	vmt_assert_ok(vmt_scripted_write(d, vmt_gpa_from(gpa.a + 2), "\xcc", 1), &d->err);
	vmt_assert_memory(d, gpa, 0, 0, 0xcc, 0xbb);
	vmt_assert_calls(d, 0, 0);
}

static void write_page_missing_errors(void **state)
{
	struct vmt_driver *d = ((struct fixture *)*state)->d;

	vmt_assert_refused(vmt_driver_write(d, vmt_gfn_from(0x9999), 0, "\x01", 1), &d->err,
			   VMT_E_UNMAPPED);
}

/* The mock panics; here it is an error like any other. */
static void write_page_past_end_is_refused(void **state)
{
	struct vmt_driver *d = ((struct fixture *)*state)->d;

	vmt_assert_refused(vmt_driver_write(d, vmt_gfn_from(0x10), 4095, "\x01\x02", 2), &d->err,
			   VMT_E_INVALID);
	vmt_assert_memory(d, vmt_gpa_from(0x10fff), 0);
}

/* -------------------------------------------------------------------------------------------- */
/* Pages of the handler's own                                                                   */
/* -------------------------------------------------------------------------------------------- */

static void allocate_gfn_hands_out_increasing_zeroed_frames(void **state)
{
	struct vmt_driver *d = ((struct fixture *)*state)->d;
	vmt_gfn first = VMT_GFN_ANY, second = VMT_GFN_ANY;

	vmt_assert_ok(vmt_driver_alloc_gfn(d, &first), &d->err);
	vmt_assert_ok(vmt_driver_alloc_gfn(d, &second), &d->err);
	assert_int_equal(first.n, 0x1000); /* behind RAM, as the mock's are by chance */
	assert_int_equal(second.n, 0x1001);
	vmt_assert_calls(d, 0, 2);
	assert_int_equal(logged(d, 0, VMT_CALL_ALLOC_GFN)->u.alloc_gfn.gfn->n, 0x1000);
	assert_int_equal(logged(d, 1, VMT_CALL_ALLOC_GFN)->u.alloc_gfn.gfn->n, 0x1001);
	vmt_assert_memory(d, vmt_gpa_of(first), 0);
	vmt_assert_ok(vmt_driver_write(d, first, 0, "\x07", 1), &d->err);
	vmt_assert_memory(d, vmt_gpa_of(first), 7);
}

static void allocate_gfn_at_and_free_gfn(void **state)
{
	struct vmt_driver *d = ((struct fixture *)*state)->d;
	vmt_gfn at = vmt_gfn_from(0x5555);
	uint8_t byte;

	vmt_assert_ok(vmt_driver_alloc_gfn(d, &at), &d->err);
	assert_int_equal(at.n, 0x5555);
	vmt_assert_memory(d, vmt_gpa_of(at), 0);
	vmt_assert_ok(vmt_driver_free_gfn(d, at), &d->err);
	vmt_assert_refused(read_byte(d, 0x5555, 0, &byte), &d->err, VMT_E_UNMAPPED);
}

static void allocate_gfn_can_be_faulted(void **state)
{
	struct vmt_driver *d = ((struct fixture *)*state)->d;
	vmt_gfn gfn = VMT_GFN_ANY;

	arm_fault(d, VMT_CALL_ALLOC_GFN, 1);
	vmt_assert_refused(vmt_driver_alloc_gfn(d, &gfn), &d->err, VMT_E_HYPERVISOR);
	vmt_assert_clean(d);
}

/* -------------------------------------------------------------------------------------------- */
/* Views                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static uint64_t target(struct vmt_driver *d, vmt_view view, uint64_t gfn)
{
	vmt_gfn to;

	vmt_assert_ok(vmt_scripted_view_target(d, view, vmt_gfn_from(gfn), &to), &d->err);
	return to.n;
}

static void change_and_reset_view_gfn_track_remapping(void **state)
{
	struct vmt_driver *d = ((struct fixture *)*state)->d;
	vmt_view view = new_view(d);

	vmt_call_log_clear(d);
	vmt_assert_ok(vmt_driver_remap_gfn(d, view, vmt_gfn_from(0x10), vmt_gfn_from(0x20)),
		      &d->err);
	assert_int_equal(target(d, view, 0x10), 0x20);
	vmt_assert_ok(vmt_driver_remap_gfn(d, view, vmt_gfn_from(0x10), VMT_GFN_ANY), &d->err);
	assert_int_equal(target(d, view, 0x10), 0x10);
	vmt_assert_calls(d, 0, 2);
	assert_int_equal(logged(d, 0, VMT_CALL_REMAP_GFN)->u.remap_gfn.view, view);
	assert_int_equal(logged(d, 0, VMT_CALL_REMAP_GFN)->u.remap_gfn.from.n, 0x10);
	assert_int_equal(logged(d, 0, VMT_CALL_REMAP_GFN)->u.remap_gfn.to.n, 0x20);
	assert_true(vmt_gfn_is_any(logged(d, 1, VMT_CALL_REMAP_GFN)->u.remap_gfn.to));
}

static void create_view_hands_out_increasing_ids(void **state)
{
	struct vmt_driver *d = ((struct fixture *)*state)->d;

	assert_int_equal(new_view(d), 1);
	assert_int_equal(new_view(d), 2);
}

static void change_view_gfn_can_be_faulted(void **state)
{
	struct vmt_driver *d = ((struct fixture *)*state)->d;
	vmt_view view = new_view(d);

	arm_fault(d, VMT_CALL_REMAP_GFN, 1);
	vmt_assert_refused(vmt_driver_remap_gfn(d, view, vmt_gfn_from(0x10), vmt_gfn_from(0x20)),
			   &d->err, VMT_E_HYPERVISOR);
	assert_int_equal(target(d, view, 0x10), 0x10);
}

/* -------------------------------------------------------------------------------------------- */
/* Rights                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static uint8_t rights(struct vmt_driver *d, uint64_t gfn)
{
	struct vmt_access access;

	vmt_assert_ok(vmt_driver_get_access(d, 0, vmt_gfn_from(gfn), &access), &d->err);
	return access.rights;
}

static void access_defaults_to_rwx(void **state)
{
	struct vmt_driver *d = ((struct fixture *)*state)->d;

	assert_int_equal(rights(d, 0x10), VMT_RWX);
}

static void set_memory_access_round_trips_and_is_recorded(void **state)
{
	struct vmt_driver *d = ((struct fixture *)*state)->d;
	const struct vmt_call *call;

	set_access(d, 0, 0x10, VMT_R);
	vmt_assert_calls(d, 0, 1);
	call = logged(d, 0, VMT_CALL_SET_ACCESS);
	assert_int_equal(call->u.set_access.view, 0);
	assert_int_equal(call->u.set_access.gfn.n, 0x10);
	assert_int_equal(call->u.set_access.access.rights, VMT_R);
	assert_int_equal(rights(d, 0x10), VMT_R);
}

static void set_initial_access_seeds_without_recording(void **state)
{
	struct vmt_driver *d = ((struct fixture *)*state)->d;

	vmt_assert_ok(vmt_scripted_set_access(d, 0, vmt_gfn_from(0x10), vmt_access_from(VMT_RW)),
		      &d->err);
	vmt_assert_calls(d, 0, 0);
	assert_int_equal(rights(d, 0x10), VMT_RW);
}

static void set_memory_access_can_be_faulted(void **state)
{
	struct vmt_driver *d = ((struct fixture *)*state)->d;
	uint64_t done;

	arm_fault(d, VMT_CALL_SET_ACCESS, 1);
	vmt_assert_refused(vmt_driver_set_access(d, 0, vmt_gfn_from(0x10), 1,
						 vmt_access_from(VMT_R), &done),
			   &d->err, VMT_E_HYPERVISOR);
	assert_int_equal(rights(d, 0x10), VMT_RWX);
}

/* -------------------------------------------------------------------------------------------- */
/* Page-table entries                                                                           */
/* -------------------------------------------------------------------------------------------- */

static void pte_builders_produce_expected_bits(void **state)
{
	(void)state;
	/* Read-only ones are the mock's; writable is the default here. */
	assert_int_equal(vmt_pte(vmt_gfn_from(0x20), VMT_MAP_READ_ONLY), (0x20 << 12) | 1);
	assert_int_equal(vmt_pte(vmt_gfn_from(0x20), 0), (0x20 << 12) | 3);
	assert_int_equal(vmt_pte(vmt_gfn_from(0x20), VMT_MAP_USER), (0x20 << 12) | 7);
	assert_int_equal(vmt_pte_large(vmt_gfn_from(0x20), VMT_MAP_READ_ONLY),
			 (0x20 << 12) | (1 << 7) | 1);
	assert_true(vmt_pte(vmt_gfn_from(0x20), VMT_MAP_NX) >> 63);
	assert_int_equal(vmt_pte(vmt_gfn_from(0x20), VMT_MAP_NOT_PRESENT), 0x20 << 12);
	assert_int_equal(vmt_pte_not_present(), 0);
}

static void write_pte_round_trips_at_the_right_offset(void **state)
{
	struct vmt_driver *d = ((struct fixture *)*state)->d;
	uint64_t entry = vmt_pte(vmt_gfn_from(0x77), VMT_MAP_READ_ONLY), there;

	vmt_assert_ok(vmt_scripted_write_pte(d, vmt_gpa_from(0x30040), entry), &d->err);
	vmt_assert_ok(vmt_scripted_read(d, vmt_gpa_from(0x30040), &there, 8), &d->err);
	assert_int_equal(there, (0x77 << 12) | 1);
	vmt_assert_memory(d, vmt_gpa_from(0x30040), 0x01, 0x70, 0x07, 0, 0, 0, 0, 0);
	vmt_assert_calls(d, 0, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(read_page_returns_seeded_bytes),
		TEST(read_page_missing_errors),
		TEST(read_page_is_recorded),
		TEST(armed_fault_fires_on_the_nth_call_only_and_is_not_recorded),
		TEST(clear_log_empties_the_record),
		TEST(write_page_round_trips_and_is_recorded),
		TEST(write_original_creates_and_overwrites_without_recording),
		TEST(write_page_missing_errors),
		TEST(write_page_past_end_is_refused),
		TEST(allocate_gfn_hands_out_increasing_zeroed_frames),
		TEST(allocate_gfn_at_and_free_gfn),
		TEST(allocate_gfn_can_be_faulted),
		TEST(change_and_reset_view_gfn_track_remapping),
		TEST(create_view_hands_out_increasing_ids),
		TEST(change_view_gfn_can_be_faulted),
		TEST(access_defaults_to_rwx),
		TEST(set_memory_access_round_trips_and_is_recorded),
		TEST(set_initial_access_seeds_without_recording),
		TEST(set_memory_access_can_be_faulted),
		TEST(pte_builders_produce_expected_bits),
		TEST(write_pte_round_trips_at_the_right_offset),
	};

	return cmocka_run_group_tests_name("parity with vmi-rs's mock", tests, NULL, NULL);
}
