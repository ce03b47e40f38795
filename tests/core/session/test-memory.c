/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest memory in a session: how long a translation is kept, and what it is when a replay does not
 * have the bytes.
 */
#include "world.h"

static void must(int r)
{
	assert_true(r >= 0);
}

static size_t crossings(uint32_t op)
{
	return vmt_call_log_count(probe.world->driver, op);
}

/* -------------------------------------------------------------------------------------------- */
/* Cached translations                                                                          */
/* -------------------------------------------------------------------------------------------- */

#define MAPPED UINT64_C(0x7f0000000000)

static vmt_gpa entry_of_mapped;

static struct vmt_response translate_and_note(struct vmt_ctx *ctx)
{
	struct vmt_session *s = vmt_session_of(ctx);
	struct vmt_walk walk;
	vmt_gpa gpa;

	must(vmt_translate(s, vmt_space_of(ctx), vmt_gva_from(MAPPED), &gpa));
	note(gpa.a);
	must(vmt_walk(s, vmt_space_of(ctx), vmt_gva_from(MAPPED), &walk));
	entry_of_mapped = walk.entries[walk.nentries - 1].where;
	return vmt_skip(ctx);
}

/* The guest maps the page anew: from 8 to 9. */
static int map_anew(struct vmt_driver *d, void *arg)
{
	(void)arg;
	return vmt_scripted_write_pte(d, entry_of_mapped, vmt_pte(vmt_gfn_from(9), 0));
}

static void open_mapped(struct world *w)
{
	struct vmt_scripted_config config = {.paging = VMT_PAGING_4};

	world_open(w, &config);
	must(vmt_scripted_map(w->domain, vmt_scripted_space(w->domain), vmt_gva_from(MAPPED),
			      vmt_gpa_from(0x8000), VMT_PAGE_SIZE, 0));
}

static void translations_are_forgotten_when_a_callback_starts(void **state)
{
	struct world *w = *state;

	open_mapped(w);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_WORLD_CALL(map_anew, NULL),
		   VMT_INSN_CPUID(0, 0, 0, 0));
	probe.event = translate_and_note;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.noted[0], 0x8000);
	assert_int_equal(probe.noted[1], 0x9000);
}

/* How many reads a translation takes now: none, or one for each level. */
static size_t reads_of_a_translation(struct vmt_ctx *ctx)
{
	const size_t before = crossings(VMT_CALL_READ);
	vmt_gpa gpa;

	must(vmt_translate(vmt_session_of(ctx), vmt_space_of(ctx), vmt_gva_from(MAPPED), &gpa));
	return crossings(VMT_CALL_READ) - before;
}

static struct vmt_response effects_between_translations(struct vmt_ctx *ctx)
{
	struct vmt_session *s = vmt_session_of(ctx);
	vmt_gfn own = VMT_GFN_ANY;
	vmt_view view;

	must(vmt_view_create(s, vmt_access_from(VMT_RWX), &view));
	note(reads_of_a_translation(ctx));
	must(vmt_set_access(s, view, vmt_gfn_from(8), vmt_access_from(VMT_R)));
	note(reads_of_a_translation(ctx)); /* rights change no translation */
	must(vmt_alloc_gfn(s, &own));
	note(reads_of_a_translation(ctx));
	must(vmt_view_remap(s, view, vmt_gfn_from(8), own));
	note(reads_of_a_translation(ctx));
	must(vmt_view_unmap(s, view, vmt_gfn_from(8)));
	note(reads_of_a_translation(ctx));
	must(vmt_free_gfn(s, own));
	note(reads_of_a_translation(ctx));
	must(vmt_view_switch(s, view));
	note(reads_of_a_translation(ctx));
	must(vmt_write_u8(s, VMT_PHYS, 0x8000, 1));
	note(reads_of_a_translation(ctx));
	vmt_flush(s);
	note(reads_of_a_translation(ctx));
	return vmt_skip(ctx);
}

static void effects_that_could_change_a_translation_empty_the_cache(void **state)
{
	struct world *w = *state;

	open_mapped(w);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0));
	probe.event = effects_between_translations;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.nnoted, 9);
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(probe.noted[i], i == 1 ? 0 : 4);
}

/* -------------------------------------------------------------------------------------------- */
/* Not recorded, not there                                                                      */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_response read_what_is_not_recorded(struct vmt_ctx *ctx)
{
	const struct vmt_fault_rule rule = {
		.op = VMT_CALL_READ, .status = VMT_E_NOT_RECORDED, .times = VMT_STRIKE_ALWAYS};
	struct vmt_session *s = vmt_session_of(ctx);
	const struct vmt_space space = vmt_space_of(ctx);
	struct vmt_walk walk;
	uint8_t buf[8];
	char text[8];
	vmt_gpa gpa;

	world_fault(probe.world, &rule);
	note((uint64_t)-vmt_read(s, VMT_PHYS, 0x8000, buf, 8));
	note((uint64_t)-vmt_read(s, space, 0x8000, buf, 8));
	note((uint64_t)-vmt_translate(s, space, vmt_gva_from(0x8000), &gpa));
	note((uint64_t)vmt_error_of(s)->fault.kind);
	note((uint64_t)-vmt_walk(s, space, vmt_gva_from(0x8000), &walk));
	note((uint64_t)-vmt_read_str(s, space, 0x8000, text, 8));
	note((uint64_t)-vmt_write_u8(s, space, 0x8000, 1));
	vmt_fault_injector_clear(probe.world->faults);
	return vmt_skip(ctx);
}

/* On a guest that maps the address: so it is the tables that are missing, and nothing else. */
static void not_recorded_is_a_status_of_its_own_from_page_walks_too(void **state)
{
	struct vmt_scripted_config config = {.paging = VMT_PAGING_4};
	struct world *w = *state;

	world_open(w, &config);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0));
	probe.event = read_what_is_not_recorded;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.nnoted, 7);
	assert_int_equal(probe.noted[0], VMT_E_NOT_RECORDED);
	assert_int_equal(probe.noted[1], VMT_E_NOT_RECORDED);
	assert_int_equal(probe.noted[2], VMT_E_NOT_RECORDED);
	assert_int_equal(probe.noted[3], VMT_FAULT_NONE);
	assert_int_equal(probe.noted[4], VMT_E_NOT_RECORDED);
	assert_int_equal(probe.noted[5], VMT_E_NOT_RECORDED);
	assert_int_equal(probe.noted[6], VMT_E_NOT_RECORDED);
}

/* The address is not mapped; with its tables there that is a fault, without them it is not known. */
static struct vmt_response translate_with_and_without_tables(struct vmt_ctx *ctx)
{
	const struct vmt_fault_rule rule = {.op = VMT_CALL_READ, .status = VMT_E_NOT_RECORDED};
	struct vmt_session *s = vmt_session_of(ctx);
	const vmt_gva unmapped = vmt_gva_from(UINT64_C(0x123456789000));
	vmt_gpa gpa;

	note((uint64_t)-vmt_translate(s, vmt_space_of(ctx), unmapped, &gpa));
	note(vmt_error_of(s)->fault.kind);
	note(vmt_error_of(s)->fault.level);
	note(vmt_error_of(s)->fault.address.a);
	world_fault(probe.world, &rule);
	note((uint64_t)-vmt_translate(s, vmt_space_of(ctx), unmapped, &gpa));
	return vmt_skip(ctx);
}

static void a_missing_page_table_is_not_not_present(void **state)
{
	struct vmt_scripted_config config = {.paging = VMT_PAGING_4};
	struct world *w = *state;

	world_open(w, &config);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0));
	probe.event = translate_with_and_without_tables;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.noted[0], VMT_E_FAULT);
	assert_int_equal(probe.noted[1], VMT_FAULT_NOT_PRESENT);
	assert_int_equal(probe.noted[2], 4);
	assert_int_equal(probe.noted[3], 0x123456789000);
	assert_int_equal(probe.noted[4], VMT_E_NOT_RECORDED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(translations_are_forgotten_when_a_callback_starts),
		WORLD_TEST(effects_that_could_change_a_translation_empty_the_cache),
		WORLD_TEST(not_recorded_is_a_status_of_its_own_from_page_walks_too),
		WORLD_TEST(a_missing_page_table_is_not_not_present),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
